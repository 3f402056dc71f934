"""Check that no page of the built site loads anything from another host."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

#: Elements that load what an attribute names, and the attribute
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}

#: Kinds of links that are loaded with the page
RELATIONS = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "prefetch", "modulepreload"}

_REMOTE = re.compile(r"^(https?:)?//")
_STYLE = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")]+)")


class Loaded(HTMLParser):
    """Collects the addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the address of an element."""
        values = dict(attrs)
        if tag in LOADING:
            self.addresses.append(values.get(LOADING[tag]) or "")
        elif tag == "link" and RELATIONS & {*(values.get("rel") or "").split()}:
            self.addresses.append(values.get("href") or "")


def main() -> None:
    """Look into all pages and style sheets of a directory."""
    directory = Path(sys.argv[1])
    problems, pages = [], sorted(directory.rglob("*.html"))
    for path in pages:
        loaded = Loaded()
        loaded.feed(path.read_text(encoding="utf-8"))
        problems += [f"{path}: {address}" for address in loaded.addresses if _REMOTE.match(address)]
    for path in directory.rglob("*.css"):
        problems += [f"{path}: {address}" for address in _STYLE.findall(path.read_text(encoding="utf-8"))]
    if problems or not pages:
        sys.exit("\n".join(problems) or f"{directory} has no pages.")
    print(f"The site's {len(pages)} pages load nothing from other hosts.")


if __name__ == "__main__":
    main()
