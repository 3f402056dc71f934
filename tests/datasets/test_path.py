"""A dataset from own files."""

import gzip
import importlib.util

import numpy
import pandas
import pytest
import torch
from pykeen.datasets import get_dataset
from pykeen.pipeline import pipeline

from pykeen_adamf import encoders
from pykeen_adamf.datasets import MultimodalPathDataset
from pykeen_adamf.features import ModalityFeatures, write_features
from pykeen_adamf.labeled_triples import read_labeled_triples

from ..encoders.cases import save_image

#: Labels that something on the way may take for something else.
LABELS = ("NA", "null", "1984", "1.0", "two words", "a", "b", 'the "quoted" one', "Zürich", "d,e")


def make_triples(num=60, seed=0):
    """Make distinct triples in which all entities occur."""
    rng = numpy.random.default_rng(seed)
    rows = [(LABELS[i], "next", LABELS[(i + 1) % len(LABELS)]) for i in range(len(LABELS))]
    rows += [(LABELS[h], f"r{r}", LABELS[t]) for h, r, t in rng.integers((10, 3, 10), size=(num, 3))]
    return list(dict.fromkeys(rows))


def write_table(path, rows, header=None, separator="\t"):
    """Write a table, compressed if its name says so."""
    frame = pandas.DataFrame(rows, columns=header)
    # tab-separated files have no quotes
    quoting = 0 if separator == "," else 3
    frame.to_csv(path, sep=separator, header=header is not None, index=False, quoting=quoting)
    return path


@pytest.fixture
def triples(tmp_path):
    """Return the path of a file with triples."""
    return write_table(tmp_path / "triples.tsv", make_triples())


# --- triples


@pytest.mark.parametrize("header", [None, ("head", "relation", "tail"), ("Head", " Relation ", "TAIL")])
@pytest.mark.parametrize("name", ["x.tsv", "x.txt", "x.csv", "x.tsv.gz", "x.csv.gz"])
def test_tables(tmp_path, name, header):
    """Labels are what they are, with and without a header, and compressed."""
    rows = make_triples()
    path = write_table(tmp_path / name, rows, header, "," if ".csv" in name else "\t")
    assert list(map(tuple, read_labeled_triples(path).tolist())) == rows
    if name.endswith(".gz"):
        assert path.read_bytes()[:2] == gzip.compress(b"")[:2]


def test_columns_by_name(tmp_path):
    """With a header, columns may be in any order, and others beside them."""
    rows = [(i, t, h, r) for i, (h, r, t) in enumerate(make_triples())]
    path = write_table(tmp_path / "x.csv", rows, ("source", "tail", "head", "relation"), ",")
    assert list(map(tuple, read_labeled_triples(path).tolist())) == make_triples()


@pytest.mark.parametrize("name", ["x.nt", "x.nt.gz"])
@pytest.mark.skipif(importlib.util.find_spec("rdflib") is None, reason="needs rdflib")
def test_ntriples(tmp_path, name):
    """Links are triples, literals are none, and the order of lines does not matter."""
    lines = [
        "<http://x/a> <http://x/r> <http://x/b> .",
        '<http://x/a> <http://x/n> "A" .',
        "_:c <http://x/r> <http://x/a> .",
    ]
    content = "\n".join([*lines, ""]).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    triples = read_labeled_triples(tmp_path / name)
    assert len(triples) == 2
    assert ["http://x/a", "http://x/r", "http://x/b"] in triples.tolist()


@pytest.mark.skipif(importlib.util.find_spec("rdflib") is not None, reason="needs to be without rdflib")
def test_without_rdflib(tmp_path):
    (tmp_path / "x.nt").write_text("<http://x/a> <http://x/r> <http://x/b> .\n")
    with pytest.raises(ValueError, match=r'x\.nt needs rdflib to be read: pip install "pykeen-adamf\[rdf\]"'):
        read_labeled_triples(tmp_path / "x.nt")


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="needs pyarrow")
def test_parquet(tmp_path):
    rows = make_triples()
    pandas.DataFrame(rows, columns=["head", "relation", "tail"]).to_parquet(tmp_path / "x.parquet")
    assert list(map(tuple, read_labeled_triples(tmp_path / "x.parquet").tolist())) == rows


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="needs to be without pyarrow")
def test_without_pyarrow(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"x\.parquet needs pyarrow to be read: pip install pyarrow"):
        read_labeled_triples(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tsv", None, r"x\.tsv does not exist\. Correct the path"),
        ("x.gz", b"", r"x\.gz cannot be read as a table"),
        ("x.tsv", b"", r"x\.tsv cannot be read as a table"),
        ("x.csv", b"head,relation,tail\n", r"x\.csv has no triples"),
        ("x.tsv", b"a\tr\n", r"x\.tsv has 2 columns\. Triples have three, or a header with head, relation, tail"),
        ("x.tsv", b"a\tr\tb\tc\n", r"x\.tsv has 4 columns\. Triples have three"),
        ("x.csv", b"a,r,b\na,r,b,c\n", r"x\.csv cannot be read as a table"),
        (
            "x.tsv",
            b"a\tr\tb\na\tr\n",
            r"x\.tsv, triple 2: this row has not three labels, but 'a', 'r'\. Complete or remove it",
        ),
        ("x.tsv", "a\tr\tü\n".encode("latin-1"), r"x\.tsv is not in UTF-8\. Convert it, e\.g\.: iconv"),
        ("x.tsv.gz", b"a\tr\tb\n", r"x\.tsv\.gz cannot be read"),
    ],
)
def test_bad_triples(tmp_path, name, content, message):
    """Each in a sentence that names the file."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_labeled_triples(tmp_path / name)


# --- splits


def labels_of(factory):
    """Return labeled triples as a set."""
    return set(map(tuple, factory.triples.tolist()))


def test_one_file(tmp_path, triples):
    """It is divided at random, the same each time; nothing is lost, and all entities are trained."""
    dataset = MultimodalPathDataset(triples)
    parts = [labels_of(x) for x in (dataset.training, dataset.testing, dataset.validation)]
    assert set.union(*parts) == set(make_triples())
    assert sum(map(len, parts)) == len(make_triples())
    assert min(map(len, parts)) > 0
    assert dataset.training.num_entities == len(LABELS)
    again = MultimodalPathDataset(str(triples))
    assert [labels_of(x) for x in (again.training, again.testing, again.validation)] == parts
    other = MultimodalPathDataset(triples, random_state=1)
    assert labels_of(other.training) != parts[0]
    half = MultimodalPathDataset(triples, ratios=(0.5, 0.25, 0.25))
    assert half.training.num_triples < dataset.training.num_triples


def test_several_files(tmp_path, triples):
    """They are one graph."""
    rows = make_triples()
    first = write_table(tmp_path / "first.csv", rows[:20], ("head", "relation", "tail"), ",")
    second = write_table(tmp_path / "second.tsv.gz", rows[20:])
    a, b = MultimodalPathDataset([first, second]), MultimodalPathDataset(triples)
    for name in ("training", "testing", "validation"):
        assert labels_of(getattr(a, name)) == labels_of(getattr(b, name))


@pytest.mark.parametrize("has_validation", [True, False])
def test_own_splits(tmp_path, has_validation):
    """They are as they are given."""
    rows = make_triples()
    parts = {"training": rows[:40], "testing": rows[40:50]} | ({"validation": rows[50:]} if has_validation else {})
    paths = {name: write_table(tmp_path / f"{name}.tsv", part) for name, part in parts.items()}
    dataset = MultimodalPathDataset(paths)
    for name in ("training", "testing", "validation"):
        assert labels_of(getattr(dataset, name)) == set(parts.get(name, []))
    assert dataset.testing.entity_to_id == dataset.training.entity_to_id


def test_folder(tmp_path):
    """As benchmarks come: a file for each split, whatever its suffix."""
    rows = make_triples()
    parts = {"train.txt": rows[:40], "test.csv": rows[40:50], "Valid.tsv.gz": rows[50:]}
    for name, part in parts.items():
        write_table(tmp_path / name, part, separator="," if ".csv" in name else "\t")
    (tmp_path / "entities.txt").write_text("not triples")
    dataset = MultimodalPathDataset(tmp_path)
    for name, part in zip(("training", "testing", "validation"), parts.values(), strict=True):
        assert labels_of(getattr(dataset, name)) == set(part)
    write_table(tmp_path / "training.tsv", rows)
    with pytest.raises(ValueError, match=r"Both .*train\.txt and .*training\.tsv may be the training triples\. Pass"):
        MultimodalPathDataset(tmp_path)
    (tmp_path / "test.csv").unlink()
    (tmp_path / "training.tsv").unlink()
    with pytest.raises(ValueError, match=r"needs files with training and test triples.*but has Valid\.tsv\.gz, ent"):
        MultimodalPathDataset(tmp_path)


def test_strangers_among_test_triples(tmp_path):
    """Of what was not trained, nothing can be predicted."""
    training = write_table(tmp_path / "training.tsv", make_triples())
    testing = write_table(tmp_path / "testing.tsv", [("a", "r0", "b"), ("a", "r0", "stranger"), ("a", "x", "b")])
    dataset = MultimodalPathDataset({"training": training, "testing": testing})
    assert labels_of(dataset.testing) == {("a", "r0", "b")}


def test_inverse_triples(triples):
    dataset = MultimodalPathDataset(triples, create_inverse_triples=True)
    assert dataset.training.create_inverse_triples
    assert not dataset.testing.create_inverse_triples
    assert dataset.training.num_relations == 2 * dataset.training.real_num_relations


@pytest.mark.parametrize(
    ("triples", "message"),
    [
        (
            {"train": "x.tsv", "testing": "x.tsv"},
            "The triples have no 'train', but training, testing, valida.*'training'",
        ),
        ({"training": "x.tsv"}, "The triples need 'training' and 'testing', but have only training"),
    ],
)
def test_bad_splits(triples, message):
    with pytest.raises(ValueError, match=message):
        MultimodalPathDataset(triples)


# --- features


@pytest.fixture
def images(tmp_path):
    """Return a folder with images of some entities."""
    for i, label in enumerate(("NA", "a", "b", "Zürich")):
        save_image(tmp_path / "images" / f"{label}.png", seed=i)
    return tmp_path / "images"


@pytest.fixture
def encoded(monkeypatch):
    """Return the list of sources that were encoded."""
    sources, encode_source = [], encoders.encode_source

    def encode(source, *args, **kwargs):
        sources.append(source)
        return encode_source(source, *args, **kwargs)

    monkeypatch.setattr(encoders, "encode_source", encode)
    return sources


def make_dataset(triples, images, tmp_path, **kwargs):
    """Make a dataset with images that are encoded."""
    visual = {"source": str(images), "encoder": "descriptor", **kwargs}
    return MultimodalPathDataset(triples, {"visual": visual}, cache_root=str(tmp_path / "cache"))


def test_files_with_features(tmp_path, triples):
    """They belong to the entities of these labels."""
    matrix = torch.randn(3, 5)
    write_features(tmp_path / "x.safetensors", ModalityFeatures.from_matrix(matrix, ["NA", "1.0", "d,e"]))
    dataset = MultimodalPathDataset(triples, {"textual": tmp_path / "x.safetensors"})
    features = dataset.training.features["textual"]
    assert features.num_present == 3
    ids = [dataset.training.entity_to_id[label] for label in ("NA", "1.0", "d,e")]
    assert torch.equal(features.matrix[ids], matrix)


def test_features_in_memory(triples):
    """Whatever factories take."""
    frame = pandas.DataFrame({"entity": ["NA", "1.0"], "x": [1, 2]})
    features = {"a": frame, "b": {"NA": [1.0, 2.0]}, "c": numpy.ones((len(LABELS), 3)), "d": frame.set_index("entity")}
    training = MultimodalPathDataset(triples, features).training
    assert {name: (x.num_present, x.dim) for name, x in training.features.items()} == {
        **{"a": (2, 1), "b": (1, 2), "c": (len(LABELS), 3), "d": (2, 1)}
    }


def test_attributes(triples, tmp_path):
    """A table of numbers, dates and categories becomes a modality, as images do."""
    (tmp_path / "x.csv").write_text("entity,height,born\nNA,1.8,1912-06-23\n1984,,1913\na,1.6,\n")
    numeric = {"source": str(tmp_path / "x.csv"), "encoder": "numeric"}
    dataset = MultimodalPathDataset(triples, {"numeric": numeric}, cache_root=str(tmp_path / "cache"))
    features = dataset.training.features["numeric"]
    assert (features.num_present, features.dim) == (3, 4)


def test_images(triples, images, tmp_path, encoded):
    """They are encoded once, and anew as soon as anything about them has changed, but not before they are needed."""
    dataset = make_dataset(triples, images, tmp_path)
    assert not encoded
    first = dataset.training.features["visual"]
    assert first.num_present == 4
    assert len(encoded) == 1
    assert make_dataset(triples, images, tmp_path).training.features["visual"] == first
    assert len(encoded) == 1
    # another image, another option, another dimension
    save_image(images / "a.png", seed=50)
    second = make_dataset(triples, images, tmp_path).training.features["visual"]
    assert len(encoded) == 2
    assert second != first
    save_image(images / "two words.png", seed=51)
    assert make_dataset(triples, images, tmp_path).training.features["visual"].num_present == 5
    assert len(encoded) == 3
    assert make_dataset(triples, images, tmp_path, dim=3).training.features["visual"].dim == 3
    assert len(encoded) == 4


def test_interrupted_encoding(triples, images, tmp_path, monkeypatch):
    """What is not finished is not taken for features."""

    def encode(source, path, *args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(encoders, "encode_source", encode)
        with pytest.raises(KeyboardInterrupt):
            _ = make_dataset(triples, images, tmp_path).training
    assert make_dataset(triples, images, tmp_path).training.features["visual"].num_present == 4


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"visual": {"source": "x"}}, "The visual features need 'source' and 'encoder', but have only source"),
        (
            {"visual": {"source": "x", "encoder": "descriptor", "dims": 3}},
            "The visual features have no 'dims', but source, encoder, encoder_kwargs, dim. Did you mean 'dim'",
        ),
        ({"visual": "images"}, r"The visual features images are no file with features .*pass a dictionary with their"),
    ],
)
def test_bad_features(triples, features, message):
    """Each is told before anything is read."""
    with pytest.raises(ValueError, match=message):
        MultimodalPathDataset(triples, features)


@pytest.mark.parametrize("by", ["name", "class"])
def test_nothing_is_cached_by_pykeen(triples, by):
    """Its cache is by the paths, and would not notice that a file was edited."""
    dataset = MultimodalPathDataset if by == "class" else "MultimodalPath"
    first = get_dataset(dataset=dataset, dataset_kwargs={"triples": str(triples)}).training
    write_table(triples, make_triples(num=30))
    second = get_dataset(dataset=dataset, dataset_kwargs={"triples": str(triples)}).training
    assert second.num_triples < first.num_triples


def test_images_of_others(triples, images, tmp_path, encoded):
    """Images of what is no entity are refused before anything is encoded, or left out; some must be of entities."""
    save_image(images / "stranger.png", seed=50)
    with pytest.raises(ValueError, match=r"images has 1 of 5 labels that are no entities, e\.g\., \['stranger'\]"):
        _ = make_dataset(triples, images, tmp_path).training
    assert not encoded
    visual = {"source": str(images), "encoder": "descriptor"}
    kwargs = dict(cache_root=str(tmp_path / "cache"), unknown_labels="ignore")
    assert MultimodalPathDataset(triples, {"visual": visual}, **kwargs).training.features["visual"].num_present == 4
    others = tmp_path / "others"
    others.mkdir()
    save_image(others / "stranger.png", seed=50)
    visual["source"] = str(others)
    with pytest.raises(ValueError, match=r"others has 1 of 1 labels that are no entities.*Entities are, e\.g\., "):
        _ = MultimodalPathDataset(triples, {"visual": visual}, **kwargs).training


def test_no_such_encoder(triples, images, tmp_path):
    with pytest.raises(ValueError, match=r"There is no encoder called 'descripter'.*Did you mean 'descriptor'"):
        _ = make_dataset(triples, images, tmp_path, encoder="descripter").training


def test_no_such_folder(triples, tmp_path):
    with pytest.raises((OSError, ValueError), match="nowhere"):
        _ = make_dataset(triples, tmp_path / "nowhere", tmp_path).training


def test_unknown_labels(tmp_path, triples):
    """Features of what is no entity are refused, or left out if somebody says so."""
    path = tmp_path / "x.safetensors"
    write_features(path, ModalityFeatures.from_matrix(torch.randn(2, 5), ["NA", "stranger"]))
    with pytest.raises(ValueError, match="stranger"):
        _ = MultimodalPathDataset(triples, {"visual": path}).training
    dataset = MultimodalPathDataset(triples, {"visual": path}, unknown_labels="ignore")
    assert dataset.training.features["visual"].num_present == 1


# --- in PyKEEN


def test_pipeline(triples, images, tmp_path):
    """PyKEEN knows it by its name, and all of its splits have the features."""
    kwargs = dict(
        triples=str(triples),
        features={"visual": {"source": str(images), "encoder": "descriptor"}},
        cache_root=str(tmp_path / "cache"),
    )
    assert isinstance(get_dataset(dataset="MultimodalPath", dataset_kwargs=kwargs), MultimodalPathDataset)
    result = pipeline(
        dataset="MultimodalPath",
        dataset_kwargs=kwargs,
        model="AdaMF",
        model_kwargs=dict(embedding_dim=4),
        training_kwargs=dict(num_epochs=1, batch_size=16, use_tqdm=False),
        random_seed=0,
        device="cpu",
        use_tqdm=False,
    )
    assert len(result.losses) == 1
    assert result.get_metric("mrr") > 0
