"""What is read from a directory, and what is found out about it before training."""

import json
import shutil
import unicodedata

import numpy
import pytest
import torch

from pykeen_adamf.experiments.checks import check_project, find_leaks
from pykeen_adamf.experiments.data import load_data
from pykeen_adamf.experiments.project import read_project
from pykeen_adamf.features import ModalityFeatures, write_features

from .own import NUM_FAMILIES, make_directory, make_rows, people, write_rows


@pytest.fixture
def directory(tmp_path):
    return make_directory(tmp_path / "families", texts=False)


def warnings_of(directory, **kwargs):
    return "\n".join(check_project(read_project(directory, **kwargs)).warnings)


def test_coverage(directory):
    (directory / "notes.md").write_text("x")
    project = read_project(directory)
    findings = check_project(project)
    assert findings.counts["entities"] == 4 * NUM_FAMILIES + 4
    assert findings.counts["relations"] == 2
    parts = ("training", "validation", "test")
    assert sum(findings.counts[f"{part} triples"] for part in parts) == len(make_rows())
    assert findings.coverage == {"visual": 8, "audio": 3}
    text = str(findings)
    assert "visual features" in text
    assert f"{4 * NUM_FAMILIES + 4 - 11} entities have no modality at all" in text
    assert "Not used: 'notes.md'" in text
    # they are as the dataset divides them
    dataset = load_data(
        {"pipeline": {"dataset": "MultimodalPath", "dataset_kwargs": project.dataset_kwargs(directory / "run")}}
    ).dataset
    assert torch.equal(dataset.training.mapped_triples, project.training.mapped_triples)
    assert {name: x.num_present for name, x in dataset.training.features.items()} == {"visual": 8, "audio": 3}


@pytest.mark.parametrize("name", ["train.csv", "graph.tsv", "triples.csv.gz", "triples.txt"])
def test_any_file_with_triples(directory, name):
    import gzip

    path = directory / "triples.tsv"
    content = path.read_bytes().replace(b"\t", b"," if ".csv" in name else b"\t")
    path.unlink()
    (directory / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (directory / "LICENSE.txt").write_text("Do what you want.\n")
    assert sum(x.num_triples for x in read_project(directory).splits.values()) == len(make_rows())


def test_splits_and_leaks(tmp_path):
    rows = make_rows(symmetric=True)
    married = [row for row in rows if row[1] == "married to"]
    inverse = [(t, "child of", h) for h, r, t in rows if r == "parent of"]
    train = [row for row in rows if row not in married[::2]] + inverse
    write_rows(tmp_path / "train.tsv", [*train, train[0]])
    test = [married[0], rows[0], (rows[4][0], "child of", "nobody")]
    write_rows(tmp_path / "test.tsv", test)
    write_rows(tmp_path / "valid.tsv", married[2::2])
    project = read_project(tmp_path)
    assert {name: x.num_triples for name, x in project.splits.items()} == {
        "training": len(train),
        "testing": 2,
        "validation": NUM_FAMILIES - 1,
    }
    text = "\n".join(check_project(project).warnings)
    assert f"train.tsv: 1 of {len(train) + 1} triples are duplicates" in text
    assert "1 validation or test triples are left out, whose entities or relations have no training triples" in text
    assert "1 of 2 test triples have the same triple among the training triples ('parent of'). Remove them" in text
    assert "1 of 2 test triples have the reverse triple among the training triples ('married to')" in text
    assert "1 of 2 test triples have an inverse triple among the training triples ('parent of')" in text
    leaks = find_leaks(project.training, project.splits["testing"])
    assert not leaks["an equivalent"].any()
    assert f"{NUM_FAMILIES - 1} of {NUM_FAMILIES - 1} validation triples have the reverse" in text


def test_numbers_that_are_none(directory):
    rows = [("entity", "height", "area"), *((name, f"{i},5", f"1,{100 + i}") for i, name in enumerate(people()))]
    write_rows(directory / "numbers.tsv", rows)
    (directory / "numbers.csv").unlink(missing_ok=True)
    (warning,) = [x for x in check_project(read_project(directory)).warnings if "numbers" in x]
    assert warning.startswith("numbers.tsv: The attribute 'height' is read as categories")
    write_rows(directory / "numbers.tsv", [("entity", "height"), *((name, "") for name in people())])
    assert any("numbers.tsv: There are no attributes" in x for x in check_project(read_project(directory)).warnings)


def test_without_validation(directory):
    rows = make_rows()
    (directory / "triples.tsv").unlink()
    write_rows(directory / "train.tsv", rows[:-4])
    write_rows(directory / "test.tsv", rows[-4:])
    findings = check_project(read_project(directory))
    assert {name for name in findings.counts if "triples" in name} == {"training triples", "test triples"}


def test_near_misses(directory):
    """Both spellings are said, such that they can be told apart."""
    rows = [*make_rows(), ("Zoë", "lives in", "<town 0>")]
    write_rows(directory / "triples.tsv", rows)
    shutil.copy(directory / "images" / "Ann 0.png", directory / "images" / "bob_9.png")
    shutil.copy(directory / "images" / "Ann 0.png", directory / "images" / f"{unicodedata.normalize('NFD', 'Zoë')}.png")
    shutil.copy(directory / "images" / "Ann 0.png", directory / "images" / "flag.png")
    text = warnings_of(directory)
    assert "images/: 3 of 11 labels are no entities, and are left out, e.g., " in text
    assert "2 of them differ from an entity in case, spaces, Unicode form or <...> only: " in text
    assert r"'Zoe\u0308' and 'Zo\xeb'" in text
    assert "'bob_9' and 'Bob 9'" in text
    assert "'<town 0>' and 'town 0'" in text or "'town 0' and '<town 0>'" in text


def test_openke(directory, tmp_path):
    """It is read with features in the order of its numbers, and written such that the dataset reads the same."""
    source, rows = read_project(directory), make_rows()
    entities, relations = sorted(people() + [f"town {i}" for i in range(4)], reverse=True), ["lives in", "parent of"]
    openke = tmp_path / "openke"
    openke.mkdir()
    for name, labels in (("entity2id.txt", [*entities, "alone"]), ("relation2id.txt", relations)):
        write_rows(openke / name, [(len(labels),), *zip(labels, range(len(labels)), strict=True)])
    ids = [(entities.index(h), entities.index(t), relations.index(r)) for h, r, t in rows]
    write_rows(openke / "train2id.txt", [(len(ids) - 4,), *ids[:-4]], " ")
    write_rows(openke / "test2id.txt", [(4,), *ids[-4:]], " ")
    numpy.save(openke / "audio.npy", numpy.arange(len(entities) + 1, dtype="float32")[:, None])
    project = read_project(openke)
    assert check_project(project).coverage == {"audio": len(entities)}
    folder = tmp_path / "run"
    folder.mkdir()
    project.write(folder)
    kwargs = project.dataset_kwargs(folder)
    dataset = load_data({"pipeline": {"dataset": "MultimodalPath", "dataset_kwargs": kwargs}}).dataset
    assert sorted(map(tuple, dataset.training.triples.tolist())) == sorted(rows[:-4])
    assert sorted(map(tuple, dataset.testing.triples.tolist())) == sorted(rows[-4:])
    for label, row in zip(entities, range(len(entities)), strict=True):
        assert dataset.training.features["audio"].matrix[dataset.training.entity_to_id[label]].item() == row
    assert source.triples is not None


def _remove_triples(directory):
    (directory / "triples.tsv").unlink()


def _two_files(directory):
    shutil.move(directory / "triples.tsv", directory / "a.tsv")
    shutil.copy(directory / "a.tsv", directory / "b.tsv")


def _test_only(directory):
    shutil.move(directory / "triples.tsv", directory / "test.tsv")


def _two_features(directory):
    write_features(directory / "audio.safetensors", ModalityFeatures.from_matrix(torch.eye(1), ["town 0"]))


def _features_and_source(directory):
    write_features(directory / "visual.safetensors", ModalityFeatures.from_matrix(torch.eye(1), ["town 0"]))


def _other_labels(directory):
    shutil.rmtree(directory / "images")
    shutil.copytree(directory, directory / "images", ignore=lambda *_: ["triples.tsv"])
    (directory / "images" / "audio.npz").unlink()
    make_directory(directory / "other")
    shutil.copy(directory / "other" / "images" / "Ann 0.png", directory / "images" / "ann_0.png")
    shutil.rmtree(directory / "other")


def _a_run(directory):
    (directory / "configuration.json").write_text(json.dumps({}))


def _too_few(directory):
    write_rows(directory / "triples.tsv", make_rows()[:1])


def _all_leak(directory):
    shutil.copy(directory / "triples.tsv", directory / "test.tsv")
    shutil.move(directory / "triples.tsv", directory / "train.tsv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_remove_triples, r"has no file with triples: nothing\. Call the one with head, relation and tail triples.tsv"),
        (_two_files, r"several files that could be the triples: a.tsv, b.tsv\. Call"),
        (_test_only, r"needs both train and test triples, but has only test.tsv"),
        (_two_features, r"Both audio.npz and audio.safetensors are audio features\. Keep one"),
        (_features_and_source, r"Both images and visual.safetensors are visual features\. Keep one"),
        (_other_labels, r"images/: none of its 1 labels is an entity, e.g., 'ann_0'.*'ann_0' and 'Ann 0'\. Call them"),
        (_a_run, r"is the folder of a run\. Pass its configuration.json"),
        (_too_few, r"1 triples cannot be divided .* Add some tens"),
        (_all_leak, r"All test triples are training triples, too\. Hold others out"),
    ],
)
def test_refusals(directory, change, message):
    """What makes no sense is refused in a sentence or two with the fix."""
    change(directory)
    with pytest.raises(ValueError, match=message):
        check_project(read_project(directory))


def test_models_of_texts(tmp_path, monkeypatch):
    """Nothing is downloaded unasked."""
    directory = make_directory(tmp_path / "x", images=False)
    monkeypatch.setattr("pykeen_adamf.experiments.local_models.PACKAGE", "no_such_package")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"texts.tsv needs a model of texts.*--text-model .*--without textual"):
        read_project(directory)
    assert set(read_project(directory, without=["textual"]).features) == {"audio", "numeric"}
    with pytest.raises(ValueError, match=r"There is no modality 'textuel'.*Did you mean 'textual'"):
        read_project(directory, text_model="x", without=["textuel"])
