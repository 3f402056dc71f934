"""Print a command of the README, such that what is tested is what is documented."""

import re
import sys
from pathlib import Path


def main() -> None:
    """Print the part of the marked command that runs something, without setting up its environment."""
    name = sys.argv[1]
    readme = Path("README.md").read_text(encoding="utf-8")
    match = re.search(rf"<!-- command: {name} -->\n```shell\n(.*?)```", readme, flags=re.DOTALL)
    if match is None:
        sys.exit(f"README.md has no command marked as {name!r}")
    *_, last = match.group(1).strip().splitlines()
    print(last.replace(".venv/bin/", ""))


if __name__ == "__main__":
    main()
