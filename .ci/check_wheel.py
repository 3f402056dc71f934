"""Check that a wheel has what the package needs, and nothing else."""

import sys
import zipfile
from pathlib import Path

DATA = Path("pykeen_adamf/datasets/data/emojikg")
CONFIGURATIONS = Path("pykeen_adamf/experiments/paper/configurations")
PRESETS = Path("pykeen_adamf/presets")
REPORTS = Path("pykeen_adamf/experiments")
PAGES = Path("pykeen_adamf/exploring")

#: the data shall not make anybody think twice about installing the package
MAX_SIZE = 4_000_000


def main() -> None:
    """Compare the content of the wheel in a directory to the files of the package."""
    (path,) = Path(sys.argv[1]).glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        entries = wheel.infolist()
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        metadata = {name.rpartition("/")[2] for name in wheel.namelist() if ".dist-info/" in name}
    files = [path for path in Path("pykeen_adamf").rglob("*") if path.is_file()]
    expected = {
        path.as_posix()
        for path in files
        if path.suffix == ".py"
        or path.name == "py.typed"
        or {DATA, CONFIGURATIONS, PRESETS} & {*path.parents}
        or (PAGES in path.parents and path.suffix in {".j2", ".css", ".js", ".svg"})
        or (REPORTS in path.parents and path.suffix in {".j2", ".tsv"})
    }
    problems = [f"lacks {name}" for name in expected - names] + [f"has {name}" for name in names - expected]
    size = sum(entry.compress_size for entry in entries if entry.filename.startswith(DATA.as_posix()))
    problems += [f"has {size:,} bytes of data"] if size > MAX_SIZE else []
    problems += [f"lacks {name}" for name in {"METADATA", "entry_points.txt", "LICENSE"} - metadata]
    if problems:
        sys.exit(f"{path}: " + ", ".join(sorted(problems)))
    print(f"The wheel has the package's {len(names)} files, and nothing else; {size:,} bytes of data.")


if __name__ == "__main__":
    main()
