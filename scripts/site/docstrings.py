"""Docstrings of this package, written as Sphinx reads them, as Markdown."""

import re
from typing import Any, Final

import yaml
from griffe import Extension, Object

#: A role with what it refers to, e.g., ``:class:`~pykeen.models.Model```
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`([~.!]?)([^`]+)`")

#: A link with its text, and a citation
_LINK = re.compile(r"`([^`<]+?)\s*<([^>]+)>`_+")
_CITATION = re.compile(r"\[(\w+)\]_")

#: A directive with its indented block
_DIRECTIVE = re.compile(r"^( *)\.\. (\w+) ?::\n((?:\1 +.*(?:\n|\Z)|\s*\n)+)", flags=re.MULTILINE)

#: What is behind this line is metadata
_METADATA: Final = "\n---\n"


class Docstrings(Extension):
    """Rewrites docstrings before they are rendered."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value, obj)


def as_markdown(text: str, obj: Object) -> str:
    """Return a docstring as Markdown; what it refers to in this package becomes a link, if the site has it."""
    text, _, metadata = text.partition(_METADATA)
    text = _DIRECTIVE.sub(_block, text)
    text = _ROLE.sub(lambda match: _reference(match, obj), text)
    text = _CITATION.sub(r"(\1)", _LINK.sub(r"[\1](\2)", text))
    citation = (yaml.safe_load(metadata) or {}).get("citation", {}) if metadata else {}
    if "link" in citation and citation["link"] not in text:
        before, field, after = _split_at_fields(text)
        source = f"[{citation['author']} et al., {citation['year']}]({citation['link']})"
        text = f"{before}\n\nSource: {source}\n\n{field}{after}"
    return text


def _split_at_fields(text: str) -> tuple[str, str, str]:
    """Split a docstring before its first field, e.g., ``:param x:``."""
    match = re.search(r"^:\w+", text, flags=re.MULTILINE)
    return (text.rstrip(), "", "") if match is None else (text[: match.start()].rstrip(), match[0], text[match.end() :])


def _block(match: re.Match[str]) -> str:
    """Return a formula or an admonition."""
    indent, name, body = match.groups()
    lines = [line.strip() for line in body.strip().splitlines()]
    if name == "math":
        return f"\n{indent}$$\n" + "\n".join(f"{indent}{line}" for line in lines) + f"\n{indent}$$\n\n"
    return f"{indent}!!! {name}\n\n" + "\n".join(f"{indent}    {line}" for line in lines) + "\n\n"


def _reference(match: re.Match[str], obj: Object) -> str:
    """Return a link to what a role refers to, or its name where the site has no such thing."""
    modifier, target = match.groups()
    shown = target.rpartition(".")[2] if modifier == "~" else target
    try:
        path = target if target.startswith("pykeen_adamf.") else obj.resolve(target.split(".")[0])
    except Exception:  # names of others, and such that only exist at runtime
        return f"`{shown}`"
    if not path.startswith("pykeen_adamf."):
        return f"`{shown}`"
    rest = "" if target.startswith("pykeen_adamf.") else target.partition(".")[2]
    return f'<autoref optional identifier="{path}{"." if rest else ""}{rest}">`{shown}`</autoref>'
