"""The command, from a model on disk to its explanations."""

import json
import re
import subprocess
import sys

import pandas
import pytest
import torch
from click.testing import CliRunner
from pykeen.datasets import get_dataset
from pykeen.pipeline import pipeline
from pykeen.triples import CoreTriplesFactory

from pykeen_adamf.bundle import load, save
from pykeen_adamf.cli import main
from pykeen_adamf.explaining import (
    ALL_RELATIONS,
    Candidates,
    explain_entities,
    explain_relations,
    explain_triples,
)
from pykeen_adamf.explaining.directory import explain_directory
from pykeen_adamf.explaining.output import format_table
from pykeen_adamf.models import LpRotatE

ROCKET, SUBGROUP = "emoji:rocket", "subgroup:transport-air"


@pytest.fixture(scope="module")
def result():
    """Train a model for an epoch."""
    return pipeline(
        dataset="EmojiKG",
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=8),
        training_loop="MAT",
        training_kwargs=dict(num_epochs=1, batch_size=1024, use_tqdm=False),
        negative_sampler_kwargs=dict(num_negs_per_pos=4),
        evaluation_kwargs=dict(use_tqdm=False),
        device="cpu",
        random_seed=0,
    )


@pytest.fixture(scope="module")
def directory(result, tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    result.save_to_directory(directory)
    return directory


@pytest.fixture(scope="module")
def bundle(directory):
    return load(directory, device="cpu")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["explain", "--device", "cpu", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert "WARNING" not in result.output
    return result.output


def read(path):
    return pandas.read_csv(path, sep="\t", dtype={"entity": str}, keep_default_na=False)


def test_relations_of_a_dataset(directory, bundle, result, tmp_path):
    """The numbers are those of the function, and the mean reciprocal rank that of the pipeline."""
    output, plot = tmp_path / "relations.tsv", tmp_path / "relations.png"
    printed = run(directory, "--dataset", "EmojiKG", "--output", output, "--plot", plot)
    assert "the 507 test triples of EmojiKG; its 510 validation triples are known, too" in printed
    assert f"Wrote {output}" in printed
    assert f"Wrote {plot}" in printed
    assert plot.stat().st_size > 10_000
    table = read(output)
    dataset = get_dataset(dataset="EmojiKG")
    expected = explain_relations(bundle.model, bundle.training, dataset.testing, dataset.validation)
    pandas.testing.assert_frame_equal(table, expected, check_dtype=False)
    overall = table[table["relation"] == ALL_RELATIONS]
    assert overall["mrr"].tolist() == pytest.approx(
        [result.get_metric("both.realistic.inverse_harmonic_mean_rank")] * 3
    )
    assert set(overall["num_triples"]) == {507}


def test_everything_at_once_as_text(directory, bundle):
    """Relations without any other triples are explained by the training triples, and that is said."""
    triple = [ROCKET, "in_subgroup", SUBGROUP]
    printed = run(directory, "--entity", ROCKET, "--entity", SUBGROUP, "--triple", *triple, "--relation", "in_group")
    assert "the 4,069 triples that the model was trained on" in printed
    model, training = bundle.model, bundle.training
    assert format_table(explain_entities(model, training, [ROCKET, SUBGROUP])) in printed
    assert format_table(explain_triples(model, training, [triple])) in printed
    assert format_table(explain_relations(model, training, training, relations=["in_group"])) in printed
    assert ALL_RELATIONS not in printed


def test_triples_of_a_file(directory, bundle, tmp_path):
    """They are what is averaged over, and they are known when others are ranked."""
    keywords = ["keyword:space", "keyword:launch", "keyword:rocket"]
    known = [(ROCKET, "has_keyword", keyword) for keyword in keywords if keyword in bundle.training.entity_to_id]
    path, output = tmp_path / "triples.tsv", tmp_path / "table.json"
    path.write_text("".join("\t".join(triple) + "\n" for triple in known))
    printed = run(directory, "--triples", path, "--output", output)
    assert f"Averages over the {len(known)} triples of {path}" in printed
    table = pandas.DataFrame(json.loads(output.read_text()))
    pandas.testing.assert_frame_equal(table, explain_relations(bundle.model, bundle.training, known), check_dtype=False)
    run(directory, "--triples", path, "--triple", ROCKET, "has_keyword", "keyword:cat", "--output", output)
    table = pandas.DataFrame(json.loads(output.read_text()))
    expected = explain_triples(bundle.model, bundle.training, [(ROCKET, "has_keyword", "keyword:cat")], known)
    pandas.testing.assert_frame_equal(table, expected, check_dtype=False)


def test_candidates(directory, bundle, tmp_path):
    """They are what the relation has had, or what a file says."""
    triple, output, types = (ROCKET, "in_subgroup", SUBGROUP), tmp_path / "table.tsv", tmp_path / "types.tsv"
    types.write_text("".join(f"{label}\t{label.partition(':')[0]}\n" for label in bundle.training.entity_to_id))
    for given in ("seen", types):
        run(directory, "--triple", *triple, "--candidates", given, "--output", output)
        candidates = Candidates(bundle.training, given)
        expected = explain_triples(bundle.model, bundle.training, [triple], candidates=candidates)
        pandas.testing.assert_frame_equal(read(output), expected, check_dtype=False)
        assert (expected["tail_rank"] <= len(candidates.get("in_subgroup", "tail"))).all()
    run(directory, "--triple", *triple, "--candidates", tmp_path / "nowhere.tsv", code=1)


@pytest.mark.slow
def test_in_a_process_of_its_own(directory, tmp_path):
    """As from a shell: nothing but the paths is printed."""
    output = tmp_path / "entities.csv"
    code = "from pykeen_adamf.cli import main; main()"
    arguments = ["explain", str(directory), "--entity", ROCKET, "--output", str(output), "--plot", "rocket.svg"]
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert process.stdout == f"Weights of modalities:\nWrote {output}\nWrote rocket.svg\n"
    assert process.stderr == ""
    assert pandas.read_csv(output)["weight"].sum() == pytest.approx(1)
    assert (tmp_path / "rocket.svg").stat().st_size > 1000
    process = subprocess.run(
        [sys.executable, "-c", code, "explain", str(directory), "--entity", "emoji:roket"],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert re.match(r"Error: There is no entity 'emoji:roket' .* Did you mean 'emoji:rocket'", process.stderr)
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--entity", "emoji:roket"], "There is no entity 'emoji:roket'.*Did you mean 'emoji:rocket'"),
        (["--triple", ROCKET, "is_in", SUBGROUP], "There is no relation 'is_in'"),
        (["--relation", "in_groups"], "There is no relation 'in_groups'.*Did you mean 'in_group'"),
        (["--dataset", "EmojiGK"], "There is no dataset 'EmojiGK'. Did you mean 'emojikg'"),
        (["--triples", __file__], r"test_command.py has 1 columns\. Triples have three"),
        (["--entity", ROCKET, "--output", "table.txt"], r"table.txt must end in \.tsv or \.csv or \.json"),
        (["--entity", ROCKET, "--output", "nowhere/table.tsv"], "Cannot write nowhere/table.tsv"),
        (["--entity", ROCKET, "--plot", "plot.pdf"], r"plot.pdf must end in \.png or \.svg"),
    ],
)
def test_bad_input(directory, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = run(directory, *arguments, code=1)
    assert output.startswith("Error: ")
    assert re.search(message, output)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "EmojiKG", "--triples", __file__], "Use either --triples or --dataset"),
        (["--entity", ROCKET, "--relation", "in_group", "--plot", "x.png"], "write one at a time"),
        (["--batch-size", "0"], "Invalid value for '--batch-size'"),
        (["--triple", "a", "b"], "'--triple' requires 3 arguments"),
    ],
)
def test_bad_usage(directory, arguments, message):
    assert message in run(directory, *arguments, code=2)


def test_two_sources_of_triples(directory):
    with pytest.raises(ValueError, match="either a file or a dataset"):
        explain_directory(directory, dataset="EmojiKG", path=__file__)


def test_no_model(tmp_path):
    assert run(tmp_path, code=1).startswith(f"Error: {tmp_path} has no model.json")
    assert "does not exist" in run(tmp_path / "nowhere", code=2)


def test_models_without_modalities(tmp_path):
    result = pipeline(
        dataset="EmojiKG",
        model="LpRotatE",
        model_kwargs=dict(embedding_dim=2),
        training_kwargs=dict(num_epochs=1, batch_size=4096, use_tqdm=False),
        evaluation_kwargs=dict(use_tqdm=False),
        device="cpu",
        random_seed=0,
    )
    result.save_to_directory(tmp_path)
    assert run(tmp_path, code=1).startswith("Error: LpRotatE cannot be explained by modality")


def test_models_without_labels(tmp_path):
    factory = CoreTriplesFactory.create(torch.tensor([[0, 0, 1]]))
    save(LpRotatE(triples_factory=factory, embedding_dim=2, random_seed=0), factory, tmp_path)
    assert "have no labels by which" in run(tmp_path, code=1)


def test_help():
    output = run("--help")
    (command,) = (command for name, command in main.commands.items() if name == "explain")
    for option in command.params[1:]:
        assert option.opts[0] in output
        assert len(option.help) > 15
