"""Files with configurations of runs."""

import json
import time
from itertools import pairwise

import pytest
from pykeen.utils import flatten_dictionary

from pykeen_adamf.experiments.configuration import describe_differences, merge, read_configuration, read_sections
from pykeen_adamf.experiments.data import load_data
from pykeen_adamf.presets import list_presets, preset_path

from .cases import configure, execute, write_configuration


@pytest.fixture
def path(tmp_path):
    return tmp_path / "own.json"


def small(**pipeline):
    """Return a configuration with as little as possible."""
    return {"pipeline": {"dataset": "Nations", "model": "TransE", **pipeline}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"own\.json cannot be read: .*Correct the file"),
        ("[]", r"own\.json has no 'pipeline', a dictionary with the parameters of PyKEEN's pipeline\. Add it"),
        ({"metadata": {}}, r"own\.json has no 'pipeline'"),
        ({"pipeline": [1]}, r"own\.json has no 'pipeline'"),
        ({**small(), "pipelin": {}}, r"has 'pipelin', which a configuration does not have\. Did you mean 'pipeline'\?"),
        ({**small(), "metadata": [1]}, "has 'metadata', which is no dictionary"),
        ({**small(), "data": [1]}, "has 'data', which is no dictionary"),
        ({**small(), "data": {"test_triple": 5}}, "has 'test_triple', which the section 'data' .*mean 'test_triples'"),
        (small(modle="TransE"), r"has 'modle', which PyKEEN's pipeline does not have\. Did you mean 'model'"),
        (small(loss_kwargs=5), "has 'loss_kwargs', which is no dictionary"),
        (small(dataset=None), r"has no 'dataset' under 'pipeline'\. Add its name; for own files, it is MultimodalPath"),
        (small(model=None), r"own\.json has no model\. Add its name"),
        (
            small(model="TransX"),
            r"has the model 'TransX'\. There is no model 'TransX', but .*Did you mean 'trans[a-z]'",
        ),
        (small(loss="NSA"), r"has the loss 'NSA'\. There is no loss 'NSA', but there are .*Did you mean 'nssa'"),
        (small(training_loop="MATT"), r"has the training_loop 'MATT'\. .*Did you mean 'mat'"),
        (small(negative_sampler="bernouli"), r"has the negative_sampler 'bernouli'\. .*Did you mean 'bernoulli'"),
        (small(optimizer="Adan"), r"has the optimizer 'Adan'\. .*Did you mean 'adam"),
        (small(lr_scheduler="exponentiall"), r"has the lr_scheduler .*Did you mean 'exponential'"),
        (small(stopper="earli"), r"has the stopper 'earli'\. .*Did you mean 'early'"),
        (small(regularizer="powersumm"), r"has the regularizer 'powersumm'\. .*Did you mean 'powersum'"),
        (small(model=None, interaction="distmul"), r"has the interaction 'distmul'\. .*Did you mean 'distmult'"),
        (small(model_kwargs={"embeding_dim": 5}), "'embeding_dim', which TransE, the model, .*mean 'embedding_dim'"),
        (small(optimizer_kwargs={"lrr": 5}), "'lrr', which Adam, the optimizer, does not have. Did you mean 'lr'"),
        (small(loss="NSSA", loss_kwargs={"margn": 5}), "'margn', which NSSALoss, the loss, .*mean 'margin'"),
        (small(stopper="early", stopper_kwargs={"patienc": 1}), "'patienc', which EarlyStopper, .*mean 'patience'"),
        (small(training_loop="MAT", training_loop_kwargs={"num_group": 1}), "'num_group', .*mean 'num_groups'"),
        (small(training_kwargs={"num_epoch": 5}), "'num_epoch', which the training of SLCWA.*mean 'num_epochs'"),
        (small(training_loop="MAT", training_kwargs={"generator_lrs": 5}), "'generator_lrs', .*mean 'generator_lr'"),
        (small(use_testing_data=False), r"has use_testing_data: False under 'pipeline'\. It would change what is meas"),
        (small(filter_validation_when_testing=False), "It would change what is measured: remove it"),
        (small(training="x.tsv"), "has training: x.tsv under 'pipeline'. The data are a \"dataset\", of own files"),
        (small(testing="x.tsv"), "has testing: x.tsv under 'pipeline'. The data are a \"dataset\", of own files"),
        (small(evaluator="sampledrankbased"), "has another evaluator, but results are filtered ranks by the RankBased"),
        (small(evaluator_kwargs={"filtered": False}), "has another evaluator, but results are filtered ranks"),
        (
            small(evaluation_kwargs={"targets": ["head"]}),
            "has evaluation_kwargs with 'targets', but results are filter",
        ),
        (
            small(training_kwargs={"checkpoint_name": "x"}),
            "'checkpoint_name', but a run has its own checkpoint. Remove",
        ),
        (small(dataset=[1]), r"has the dataset \[1\], which is no name"),
        (small(dataset_kwargs={"directory": "x" * 9999}, model=5), "has the model 5"),
        (small(training_kwargs={"num_epochs": "ten"}), "has num_epochs: 'ten', which is no whole number of at least 0"),
        (small(training_kwargs={"batch_size": 0}), "has batch_size: 0, which is no whole number of at least 1"),
        (small(random_seed=-1), "has random_seed: -1"),
        (small(model_kwargs={"embedding_dim": 10**30}), "a whole number of 100 bits"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        ('{"pipeline": {}, "pipeline": {}}', "has 'pipeline' twice"),
        ('{"pipeline": {"random_seed": NaN}}', "has nan"),
        ("[" + 100_000 * "[]," + "0]", "more than 100,000 values"),
        ("[" + 100_000 * "0," + "0]", "more than 100,000 values"),
        (" " * 2**24 + "0", "more than 16,777,216 bytes"),
    ],
)
def test_refusals(path, content, message):
    """Each in a sentence that names the thing, and the nearest name there is."""
    write_configuration(path, content)
    with pytest.raises(ValueError, match=message) as info:
        read_configuration(path)
    assert str(path) in str(info.value)


def test_not_utf8(path):
    path.write_bytes(b'{"pipeline": {"dataset": "\xff"}}')
    with pytest.raises(ValueError, match=r"own\.json cannot be read: .*utf-8"):
        read_configuration(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: &a [1, 1, 1]\n" + "".join(f"{y}: &{y} [*{x}, *{x}, *{x}, *{x}]\n" for x, y in pairwise("abcdefghijk")),
            "more than 100,000 values",
        ),
        ("a: &a [*a]", "nested deeper"),
        (
            "x0: &x0 {a: 1}\n" + "".join(f"x{i}: &x{i} {{<<: [*x{i - 1}, *x{i - 1}]}}\n" for i in range(1, 30)),
            "more than 100,000 values",
        ),
        ("a: &a {<<: *a}", "nested deeper"),
        ("a: 1" + 100_000 * ":1", "a number of 200,001 characters"),
        ("a: 1\n" * 2, "has 'a' twice"),
        ("#" * 2**20 + "#", "more than 1,048,576 bytes"),
        ("1: 2", "has the key 1, which is no text"),
        ("a: 2024-01-01", "has a date, which JSON does not have"),
    ],
)
def test_endless_yaml(path, text, message):
    """Few lines may stand for more than there is memory or time for."""
    path = write_configuration(path.with_suffix(".yaml"), text)
    start = time.process_time()
    with pytest.raises(ValueError, match=rf"own\.yaml cannot be read: .*{message}"):
        read_configuration(path)
    assert time.process_time() - start < 3


def test_merged_yaml(path):
    """Dictionaries can be merged into others, which may replace what is in them."""
    text = "pipeline:\n  loss_kwargs: &a {margin: 1.0, reduction: sum}\n  model_kwargs: {<<: *a, <<: *a, margin: 2.0}"
    pipeline = read_sections(write_configuration(path.with_suffix(".yaml"), text))["pipeline"]
    assert pipeline["model_kwargs"] == {"margin": 2.0, "reduction": "sum"}


def test_no_such_file(tmp_path):
    with pytest.raises(ValueError, match=r"There is no file .*own\.json, and no preset of that name: DB15K, "):
        read_configuration(tmp_path / "own.json")
    with pytest.raises(ValueError, match=r"no preset of that name: .*Did you mean 'EmojiKG'\?"):
        read_configuration("EmojKG")


def test_refused_before_anything_is_written(benchmark, tmp_path):
    path = write_configuration(tmp_path / "own.json", configure(benchmark, model="TransX"))
    with pytest.raises(ValueError, match="has the model 'TransX'"):
        execute(path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("dataset", ["NoSuch", "DB16K"])
def test_no_such_dataset(benchmark, tmp_path, dataset):
    with pytest.raises(ValueError, match=f"There is no dataset '{dataset}'"):
        execute(configure(benchmark, dataset=dataset), tmp_path / "run")


def test_yaml(benchmark, tmp_path):
    """It is read as JSON is, and a mistake in it is a sentence, too."""
    content = configure(benchmark, epochs=1)
    path = write_configuration(tmp_path / "own.json", content)
    text = f"""
        # comments are possible
        metadata: {{title: small}}
        data:
        pipeline:
          dataset: DB15K
          dataset_kwargs: {{directory: "{benchmark}"}}
          model: AdaMFRotatE
          model_kwargs: {{embedding_dim: 4}}
          optimizer_kwargs: {{lr: 0.01}}
          training_kwargs:
            num_epochs: 1
            batch_size: 16
    """
    yaml = write_configuration(tmp_path / "own.yaml", "\n".join(line[8:] for line in text.splitlines()))
    assert {"data": {}, **read_configuration(yaml)} == read_configuration(path) == content
    write_configuration(yaml, "pipeline: [")
    with pytest.raises(ValueError, match=r"(?s)own\.yaml cannot be read: .*Correct the file"):
        read_configuration(yaml)
    write_configuration(tmp_path / "own.toml", "x = 1")
    with pytest.raises(ValueError, match=r"own\.toml cannot be read: .*Correct the file"):
        read_configuration(tmp_path / "own.toml")


@pytest.mark.parametrize("name", list_presets())
def test_presets(name):
    """All of them pass all checks, whatever the case of their names."""
    configuration = read_configuration(name)
    assert configuration["pipeline"]["model"] == json.loads(preset_path(name).read_text())["pipeline"]["model"]
    assert read_configuration(name.lower()) == configuration
    assert read_configuration(preset_path(name)) == configuration


def test_file_before_preset(tmp_path, monkeypatch):
    """A file that has the name of a preset is the file."""
    monkeypatch.chdir(tmp_path)
    write_configuration(tmp_path / "DB15K", small())
    with pytest.raises(ValueError, match="DB15K cannot be read"):
        # without a suffix, nobody knows what it is
        read_configuration("DB15K")


def test_relative_paths(tmp_path, monkeypatch):
    """They are those beside the file, wherever the command is run; what is not there stays as it is."""
    directory = tmp_path / "project"
    content = small(
        dataset="MultimodalPath",
        dataset_kwargs={
            "triples": {"training": "train.tsv", "testing": "test.tsv"},
            "features": {
                "visual": {"source": "images", "encoder": "descriptor"},
                "textual": "texts.safetensors",
                "other": "missing.npy",
            },
        },
    )
    path = write_configuration(directory / "own.json", content)
    for name in ("train.tsv", "test.tsv", "texts.safetensors", "descriptor"):
        (directory / name).touch()
    (directory / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    kwargs = read_configuration("project/own.json")["pipeline"]["dataset_kwargs"]
    assert kwargs["triples"] == {"training": str(directory / "train.tsv"), "testing": str(directory / "test.tsv")}
    assert kwargs["features"] == {
        # a name of an encoder is none of a file
        "visual": {"source": str(directory / "images"), "encoder": "descriptor"},
        "textual": str(directory / "texts.safetensors"),
        "other": "missing.npy",
    }
    assert read_configuration(path)["pipeline"]["dataset_kwargs"] == kwargs


def test_moved_project(benchmark, tmp_path):
    """A run goes on after its files and its configuration were moved together."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        for file in benchmark.iterdir():
            if file.is_file():
                (tmp_path / name / file.name).write_bytes(file.read_bytes())
        write_configuration(tmp_path / f"{name}.json", configure(name, epochs=1))
    result = execute(tmp_path / "here.json", tmp_path / "run")
    assert result["configuration"]["pipeline"]["dataset_kwargs"]["directory"] == str(tmp_path / "here")
    lines = []
    execute(tmp_path / "there.json", tmp_path / "run", report=lines.append)
    assert lines == [f"{tmp_path / 'run'} is finished."]


def test_nothing_is_changed(path):
    """What is read belongs to the caller."""
    write_configuration(path, small(model_kwargs={"embedding_dim": 4}))
    first = read_configuration(path)
    first["pipeline"]["model_kwargs"]["embedding_dim"] = 5
    assert read_configuration(path)["pipeline"]["model_kwargs"] == {"embedding_dim": 4}


def test_data_options(benchmark):
    """They are those of the section 'data'."""
    configuration = configure(benchmark, random_seed=0)
    assert load_data(configuration).testing.num_triples == 9
    data = load_data({**configuration, "data": {"test_triples": 4, "missing_ratio": 0.5}})
    assert data.testing.num_triples == 4
    assert data.dataset.training.features["visual"].num_present == 6
    # before anything is dropped
    assert data.digest == load_data(configuration).digest
    with pytest.raises(ValueError, match="no option 'mising_ratio'"):
        load_data({**configuration, "data": {"mising_ratio": 0.5}})


# --- dictionaries


def test_merge():
    base = {"a": {"x": 1, "y": [1]}, "b": 2}
    merged = merge(base, {"a": {"x": 3, "z": {}}, "c": None})
    assert merged == {"a": {"x": 3, "y": [1], "z": {}}, "b": 2, "c": None}
    merged["a"]["y"].append(2)
    assert base == {"a": {"x": 1, "y": [1]}, "b": 2}


def test_differences():
    there, here = {"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"x": 1, "y": 4}, "c": 5}
    assert flatten_dictionary(there) == {"a.x": 1, "a.y": 2, "b": 3}
    assert describe_differences(there, there) == ""
    assert describe_differences(there, here) == "a.y: 2 there, 4 here; b: 3 there, none here; c: none there, 5 here"
