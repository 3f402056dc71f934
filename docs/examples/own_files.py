"""Write EmojiKG as files of your own would be: triples.tsv, texts.tsv, and a folder with images."""

import zipfile
from pathlib import Path

from pykeen_adamf.datasets import EmojiKG

data = EmojiKG.directory
lines = [line for name in ("train", "valid", "test") for line in (data / f"{name}.tsv").read_text().splitlines()]
Path("triples.tsv").write_text("\n".join(lines) + "\n")

labels = sorted({label for line in lines for label in line.split("\t")[::2]})
Path("texts.tsv").write_text("".join(f"{label}\t{label.partition(':')[2]}\n" for label in labels))

Path("images").mkdir(exist_ok=True)
with zipfile.ZipFile(data / "pictures.zip") as pictures:
    for name in pictures.namelist():
        Path("images", f"emoji:{name}").write_bytes(pictures.read(name))
