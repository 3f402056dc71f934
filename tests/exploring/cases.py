"""A small graph with names that pages have to take for what they are: text."""

import torch
from PIL import Image

from pykeen_adamf.bundle import Bundle
from pykeen_adamf.exploring import Explorer, Pictures
from pykeen_adamf.exploring.pictures import read_texts
from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

#: what would do something if it was not escaped, overflow if it was not broken, or be another name if it was changed
HOSTILE = [
    "<script>document.title='hacked'</script>",
    '" onmouseover="document.title=\'hacked\'" x="',
    "<img src=x onerror=document.title='hacked'>",
    "javascript:document.title='hacked'",
    "</title></style></textarea><svg onload=document.title='hacked'>",
    "{{ 7 * 7 }}{% raw %}",
    "a&amp;b?c=d#e/../f%2Fg",
    "W" * 300,
    "عنوان طويل جدا في اللغة العربية",
    "two  spaces",
]

LABELS = [*HOSTILE, *(f"e{i}" for i in range(30))]

RELATIONS = ["<b>bold</b>", "in  the", "R" * 120]


def make_bundle(model=AdaMFRotatE, **kwargs):
    """Make a model that was not trained, with its graph; some entities miss some modalities."""
    rng = torch.Generator().manual_seed(0)
    high = torch.tensor([len(LABELS), len(RELATIONS), len(LABELS)])
    triples = (torch.rand(150, 3, generator=rng) * high).long().unique(dim=0)
    features = {
        name: ModalityFeatures.from_matrix(
            torch.randn(len(LABELS), dim, generator=rng), LABELS, presence=torch.rand(len(LABELS), generator=rng) > 0.3
        )
        for name, dim in {"visual": 12, "textual": 10}.items()
    }
    factory = MultimodalTriplesFactory(
        mapped_triples=triples,
        entity_to_id={label: i for i, label in enumerate(LABELS)},
        relation_to_id={label: i for i, label in enumerate(RELATIONS)},
        features=features,
        create_inverse_triples=kwargs.pop("inverse", False),
    )
    kwargs = {"embedding_dim": 8, "random_seed": 0, **kwargs}
    return Bundle(model=model(triples_factory=factory, **kwargs).eval(), training=factory, configuration={})


def write_sources(directory):
    """Write pictures of some entities, one of them broken, and a text of each; and return both tables."""
    lines = []
    for i in range(0, len(LABELS), 2):
        path = directory / f"{i}.png"
        Image.new("RGB", (64 + i, 64), (6 * i, 90, 255 - 6 * i)).save(path)
        lines.append((LABELS[i], path.name))
    (directory / "0.png").write_bytes(b"<svg onload=alert(1)>")
    texts = [(label, f"text of {label} {label}") for label in LABELS]
    for name, rows in {"images.tsv": lines, "texts.tsv": texts}.items():
        quoted = ("\t".join('"' + field.replace('"', '""') + '"' for field in row) + "\n" for row in rows)
        (directory / name).write_text("".join(quoted), encoding="utf-8")
    return directory / "images.tsv", directory / "texts.tsv"


def make_explorer(directory, **kwargs):
    """Make an explorer with pictures, texts, and a triple that was held out."""
    images, texts = write_sources(directory)
    return Explorer(
        make_bundle(**kwargs),
        name='<i>the "model"</i>',
        pictures=Pictures.read(images, LABELS),
        texts=read_texts(texts, LABELS),
        held_out=torch.tensor([[12, 0, 13]]),
    )
