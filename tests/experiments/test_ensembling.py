"""Ensembles of runs, by the command."""

import re
import shutil

import pandas
import pytest
import torch

from pykeen_adamf.bundle import open_trained, save
from pykeen_adamf.evaluation.measuring import RankKeepingEvaluator, collect_metrics
from pykeen_adamf.experiments.ensembling import make_ensemble
from pykeen_adamf.experiments.folder import RunFolder

from .own import make_directory
from .test_own_graph import invoke


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the folders of two runs on the same graph, trained in different ways."""
    path = tmp_path_factory.mktemp("runs")
    directory = make_directory(path / "families", images=False, texts=False, symmetric=True)
    for preset in ("EmojiKG", "MKG-Y"):
        options = ["--output", path / preset, "--preset", preset, "--epochs", 5, "--device", "cpu", "--no-progress"]
        invoke("run", directory, *options)
    return [path / "EmojiKG", path / "MKG-Y"]


def test_command(tmp_path, runs):
    """It says what the ensemble and its parts are worth, as runs say it; and answers questions."""
    output = invoke("ensemble", *runs, "--output", tmp_path / "both", "--test", "--device", "cpu", "--no-progress")
    assert f"Wrote {tmp_path / 'both'}" in output
    assert "validation MRR" in output
    assert "testing MRR" in output
    for run in runs:
        value = RunFolder(run).read_result()["metrics"]["both"]["realistic"]["MRR"]
        assert re.search(rf"{run} .* {value:.4f}", output)
    answers = invoke("predict", tmp_path / "both", "--head", "Ann 3", "--relation", "parent of", "--device", "cpu")
    assert "rank without audio" in answers
    assert "Cleo 3" not in answers
    trained = open_trained(tmp_path / "both", "cpu")
    kwargs = dict(additional_filter_triples=[trained.training.mapped_triples], use_tqdm=False)
    found = RankKeepingEvaluator().evaluate(trained.model, torch.as_tensor(trained.held_out["validation"]), **kwargs)
    assert f"{collect_metrics(found)['both']['realistic']['MRR']:.4f}" in output


def test_methods(tmp_path, runs):
    """Weights are for each relation, or the same for all, or equal; test triples are not looked at unless asked for."""
    for method in ("boosting", "meta", "selection", "average"):
        table = make_ensemble(runs, tmp_path / method, method=method, device="cpu", progress=False)
        assert table["model"].tolist() == [*map(str, runs), str(tmp_path / method)]
        assert not any(name.startswith("testing") for name in table)
        weights = open_trained(tmp_path / method, "cpu").model.part_weights
        pandas.testing.assert_series_equal(
            table["weight"][:2], pandas.Series(weights.mean(dim=0).double()), check_names=False
        )
        assert (weights.unique(dim=0).shape[0] > 1) == (method == "boosting")
        assert (weights == 0.5).all() == (method == "average")


def test_bundles(tmp_path, runs):
    """A bundle can be a part, but not all."""
    folder = open_trained(runs[0], "cpu")
    bundle = save(folder.model, folder.training, tmp_path / "bundle")
    assert len(make_ensemble([bundle, runs[1]], tmp_path / "out", device="cpu", progress=False)) == 3
    other = save(folder.model, folder.training, tmp_path / "other")
    output = invoke("ensemble", bundle, other, "--output", tmp_path / "none", code=1)
    assert "has validation triples. Pass the folder of a run" in " ".join(output.split())
    with pytest.raises(ValueError, match=r"has testing triples.*or do not ask for test triples"):
        make_ensemble([bundle, other], tmp_path / "none", method="average", test=True, device="cpu")
    assert not (tmp_path / "none").exists()
    table = make_ensemble([bundle, other], tmp_path / "equal", method="average", device="cpu", progress=False)
    assert [*table] == ["model", "weight"]


def test_other_splits(tmp_path, runs):
    """Triples that were held out are the same, whatever comes first."""
    folder = open_trained(runs[0], "cpu")
    bundle = save(folder.model, folder.training, tmp_path / "bundle")
    shutil.copytree(runs[1], tmp_path / "other")
    held_out = dict(open_trained(runs[1], "cpu").held_out)
    RunFolder(tmp_path / "other").write_held_out({**held_out, "validation": held_out["testing"]})
    with pytest.raises(ValueError, match=r"other has held out other validation triples than those before\."):
        make_ensemble([bundle, runs[0], tmp_path / "other"], tmp_path / "out", device="cpu")
    with pytest.raises(ValueError, match="Choose a new directory for the ensemble"):
        make_ensemble(runs, runs[0], device="cpu")


@pytest.mark.parametrize("method", ["average", "boosting", "meta", "selection"])
def test_diverged(tmp_path, runs, method):
    """The part is named, and there is no ensemble."""
    folder = open_trained(runs[1], "cpu")
    with torch.no_grad():
        for parameter in folder.model.relation_representations.parameters():
            parameter.fill_(float("nan"))
    bundle = save(folder.model, folder.training, tmp_path / "diverged")
    output = invoke("ensemble", runs[0], bundle, "--output", tmp_path / "out", "--method", method, code=1)
    assert f"Part {bundle} of the ensemble cannot be used" in output
    assert not (tmp_path / "out").exists()
