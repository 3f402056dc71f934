"""PyKEEN's pipeline, and experiments from configuration files."""

import json

import numpy
import pytest
import torch
from click.testing import CliRunner
from pykeen.experiments.cli import experiments
from pykeen.losses import NSSALoss
from pykeen.nn.init import xavier_uniform_
from pykeen.pipeline import pipeline_from_config, pipeline_from_path, replicate_pipeline_from_config
from pykeen.regularizers import LpRegularizer
from pykeen.sampling import BernoulliNegativeSampler
from pykeen.training import SLCWATrainingLoop
from torch.optim import Adam

from pykeen_adamf.datasets import DB15K
from pykeen_adamf.models import AdaMFRotatE, LpRotatE
from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.training import MATTrainingLoop

from ..datasets.cases import ENTITIES, write_benchmark
from .cases import BASELINES, COMBINATIONS, FEW_METRICS, differences, make_dataset, run_pipeline


@pytest.mark.parametrize(("model", "loop"), COMBINATIONS + BASELINES)
def test_reproducible(model, loop):
    """The same seed gives the same numbers to the last bit, another one gives others."""
    first, second, other = (run_pipeline(model, loop, random_seed=seed) for seed in (3, 3, 4))
    assert not differences(first.training_loop, second.training_loop)
    assert first.losses == second.losses
    assert first.metric_results.to_flat_dict() == second.metric_results.to_flat_dict()
    assert differences(first.training_loop, other.training_loop)
    assert first.losses != other.losses


NAMES_AND_CLASSES = [
    dict(model="adamfrotate", loop="mat"),
    dict(model="AdaMF-RotatE", loop="mat-training-loop"),
    dict(model=AdaMFRotatE, loop=MATTrainingLoop),
    dict(loss="nssa", loss_kwargs=dict(margin=12.0, adversarial_temperature=2.0)),
    dict(loss=NSSALoss, loss_kwargs=dict(margin=12.0, adversarial_temperature=2.0)),
    dict(loss=NSSALoss(margin=12.0, adversarial_temperature=2.0)),
    dict(model_kwargs=dict(loss=NSSALoss(margin=12.0, adversarial_temperature=2.0))),
    dict(optimizer="adam"),
    dict(optimizer=Adam),
    dict(negative_sampler="filtered-bernoulli"),
    dict(negative_sampler=FilteredBernoulliNegativeSampler, negative_sampler_kwargs=dict(num_negs_per_pos=128)),
    dict(training_loop_kwargs=dict(negative_sampler="FilteredBernoulli")),
    dict(training_loop_kwargs=dict(generator_optimizer="Adam", generator_optimizer_kwargs=dict(lr=0.001))),
    dict(device=torch.device("cpu")),
    dict(evaluator="rank-based", evaluator_kwargs=FEW_METRICS),
]


@pytest.fixture(scope="module")
def default_result():
    return run_pipeline(epochs=1)


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("kwargs", NAMES_AND_CLASSES)
def test_names_classes_and_instances(default_result, kwargs):
    """However the defaults are written, the result is the same to the last bit."""
    result = run_pipeline(epochs=1, **kwargs)
    assert not differences(default_result.training_loop, result.training_loop)
    assert default_result.metric_results.to_flat_dict() == result.metric_results.to_flat_dict()


@pytest.mark.parametrize("loop", ["MAT", "sLCWA"])
def test_model_instance(loop):
    """A model that exists already is trained, rather than a copy."""
    dataset = make_dataset()
    model = AdaMFRotatE(triples_factory=dataset.training, embedding_dim=6, random_seed=5)
    before = model.fused.bases["visual"].table.detach().clone()
    result = run_pipeline(model, loop, dataset=dataset, epochs=1)
    assert result.model is model
    assert not torch.equal(model.fused.bases["visual"].table, before)


@pytest.mark.parametrize("model", ["AdaMFRotatE", "LpRotatE"])
def test_other_parts(model):
    """What PyKEEN's pipeline passes to a model and a loop arrives there."""
    result = run_pipeline(
        model,
        "sLCWA",
        negative_sampler="bernoulli",
        negative_sampler_kwargs=dict(num_negs_per_pos=3),
        regularizer="lp",
        regularizer_kwargs=dict(weight=0.5),
        optimizer="sgd",
        optimizer_kwargs=dict(lr=0.1, momentum=0.9),
        lr_scheduler="step",
        lr_scheduler_kwargs=dict(step_size=1, gamma=0.5),
        clear_optimizer=False,
    )
    assert result.training_loop.negative_sampler is BernoulliNegativeSampler
    regularizer = result.model.entity_representations[0].regularizer
    assert isinstance(regularizer, LpRegularizer)
    assert regularizer.weight == 0.5
    group = result.training_loop.optimizer.param_groups[0]
    assert group["momentum"] == 0.9
    assert group["lr"] == pytest.approx(0.1 / 4)


def test_separate_factories():
    """Instead of a dataset, its parts; the optimizer is kept if this is wanted."""
    dataset = make_dataset()
    parts = dict(dataset=None, training=dataset.training, testing=dataset.testing, validation=dataset.validation)
    result = run_pipeline(clear_optimizer=False, **parts)
    assert result.training_loop.optimizer.state
    assert not differences(run_pipeline().training_loop, result.training_loop)


@pytest.mark.parametrize("use_testing_data", [True, False])
def test_evaluated_triples(use_testing_data):
    """The testing triples are evaluated, or the validation triples."""
    result = run_pipeline(use_testing_data=use_testing_data, evaluation_fallback=True)
    dataset = make_dataset()
    triples = dataset.testing if use_testing_data else dataset.validation
    assert result.get_metric("both.realistic.count") == 2 * triples.num_triples


def test_initializer_of_structural_embeddings():
    result = run_pipeline(model_kwargs=dict(entity_initializer="xavier_uniform"))
    assert result.model.fused.bases["structural"].initializer is xavier_uniform_


@pytest.mark.filterwarnings("ignore:(?s).*is not complex:UserWarning")
def test_interaction_without_a_model():
    """PyKEEN builds a model around the interaction in its own way, which is the same as around its own RotatE."""
    common = dict(model=None, loop="sLCWA", dimensions=4)
    ours = run_pipeline(interaction="LpRotatE", interaction_kwargs=dict(p=2.0), **common)
    theirs = run_pipeline(interaction="RotatE", **common)
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-5)
    summed = run_pipeline(interaction="LpRotatE", **common)
    assert summed.losses != pytest.approx(theirs.losses, rel=1e-2)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(model="LpRotatE"), "cannot be trained with modality adversarial training"),
        (dict(model="RotatE"), "cannot be trained with modality adversarial training"),
        (dict(model_kwargs=dict(use_structural=False)), "cannot be trained with modality adversarial training"),
        (dict(dataset="nations"), "needs features beside the triples"),
        (dict(loss="marginranking"), "takes its margin from the model's loss"),
        (dict(loop="LCWA", negative_sampler="basic"), "Can not specify negative sampler"),
    ],
)
def test_refusals(kwargs, message):
    with pytest.raises(ValueError, match=message):
        run_pipeline(**kwargs)


# Configuration files

#: PyKEEN's comparison with published results takes a standard deviation of few replicates.
IGNORE_STATISTICS = pytest.mark.filterwarnings(
    "ignore:Please explicitly provide a metric result class:DeprecationWarning", "ignore::RuntimeWarning:scipy"
)


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """A directory with a dataset that a configuration can name."""
    for module in ("pykeen.datasets.utils", "pykeen.datasets.base", "pykeen_adamf.datasets.derived"):
        monkeypatch.setattr(f"{module}.PYKEEN_DATASETS", tmp_path / "pykeen")
    monkeypatch.setenv("PYKEEN_ADAMF_DATA", str(tmp_path / "data"))
    directory = write_benchmark(tmp_path / "data" / "DB15K")
    generator = numpy.random.default_rng(0)
    for name, dim in (("visual", 5), ("textual", 3)):
        numpy.save(directory / f"DB15K-{name}.npy", generator.normal(size=(len(ENTITIES), dim)).astype("float32"))
    return directory


def configuration(model: str = "AdaMFRotatE", loop: str = "MAT", **kwargs) -> dict:
    """Return an experiment as PyKEEN writes them, of nothing but names and numbers."""
    return dict(
        metadata=dict(title=f"{model} with {loop}"),
        pipeline=dict(
            dataset="DB15K",
            model=model,
            model_kwargs=dict(embedding_dim=4),
            optimizer="Adam",
            optimizer_kwargs=dict(lr=0.01),
            training_loop=loop,
            training_kwargs=dict(num_epochs=2, batch_size=16, use_tqdm=False),
            evaluator_kwargs=dict(filtered=True, **FEW_METRICS),
            evaluation_kwargs=dict(use_tqdm=False),
            random_seed=1,
            **kwargs,
        ),
        results=dict(hits_at_k=dict(unknown={"3": 0.5})),
    )


@pytest.mark.parametrize(("model", "loop"), COMBINATIONS + BASELINES)
def test_configuration(model, loop, benchmark, tmp_path):
    """From a dictionary and from a file, with the same result."""
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(configuration(model, loop)))
    first, second = pipeline_from_config(configuration(model, loop)), pipeline_from_path(path)
    assert first.title == f"{model} with {loop}"
    assert first.losses == second.losses
    assert not differences(first.training_loop, second.training_loop)


def test_all_options_in_a_file(benchmark, tmp_path):
    """Every option of the model and of the loop can be written as JSON."""
    config = configuration(
        dataset_kwargs=dict(directory=str(benchmark), validation="holdout", features=["textual", "visual"]),
        loss="NSSA",
        loss_kwargs=dict(margin=4.0, adversarial_temperature=1.0),
        training_loop_kwargs=dict(
            adversarial_weight=0.5,
            num_groups=2,
            noise_dim=3,
            hidden_dim=5,
            synthetic_kinds=["head", "tail"],
            adversarial_weighting="uniform",
            generator_objective="minimax",
            margin=3.0,
            adversarial_temperature=0.5,
            generator_optimizer="SGD",
            generator_optimizer_kwargs=dict(lr=0.1),
        ),
        negative_sampler="FilteredBernoulli",
        negative_sampler_kwargs=dict(num_negs_per_pos=4, pool_size=6),
    )
    config["pipeline"]["model_kwargs"] |= dict(
        modalities=["visual"],
        attention="per-modality",
        fusion="mean",
        missing="mask",
        trainable_features=False,
        p=2.0,
        entity_initializer="xavier_normal",
        regularizer="lp",
        regularizer_kwargs=dict(weight=0.01),
    )
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(config))
    result = pipeline_from_path(path)
    assert result.model.modalities == ("structural", "visual")
    assert result.training_loop.num_groups == 2
    assert result.training_loop.synthetic_kinds == ("head", "tail")
    assert numpy.isfinite(result.losses).all()


@pytest.mark.slow
@IGNORE_STATISTICS
def test_replicates(benchmark, tmp_path):
    """Replicates differ, unless their seed is to be kept; models and losses are saved, results are compared."""
    for keep in (False, True):
        directory = tmp_path / str(keep)
        directory.mkdir()
        replicate_pipeline_from_config(
            configuration(), directory=directory, replicates=2, keep_seed=keep, save_training=True
        )
        lines = (directory / "all_replicates_losses.tsv").read_text().splitlines()[1:]
        rows = [line.split("\t") for line in lines]
        assert [row[:2] for row in rows] == [["0", "0"], ["0", "1"], ["1", "0"], ["1", "1"]]
        assert ([row[2] for row in rows[:2]] == [row[2] for row in rows[2:]]) == keep
        replicates = sorted((directory / "replicates").iterdir())
        assert [path.name for path in replicates] == ["replicate-00000", "replicate-00001"]
        for path in replicates:
            assert (path / "results.json").is_file()
            assert (path / "training_triples").is_dir()
            model = torch.load(path / "trained_model.pkl", weights_only=False)
            assert isinstance(model, AdaMFRotatE)
        rows = (directory / "all_replicates_metrics.tsv").read_text().splitlines()
        assert rows[0].split("\t") == ["original", "both.realistic.hits_at_3"]
        assert [row.split("\t")[0] for row in rows[1:]] == ["True", "False", "False"]


@IGNORE_STATISTICS
@pytest.mark.parametrize(("model", "loop"), [("AdaMFRotatE", "MAT"), ("LpRotatE", "sLCWA")])
def test_experiments_run(model, loop, benchmark, tmp_path):
    """``pykeen experiments run FILE``."""
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(configuration(model, loop)))
    output = tmp_path / "output"
    result = CliRunner().invoke(
        experiments, ["run", str(path), "--directory", str(output), "--replicates", "1", "--keep-seed", "--move-to-cpu"]
    )
    assert result.exit_code == 0, result.output
    (run,) = output.iterdir()
    assert (run / "configuration_copied.json").is_file()
    saved = torch.load(run / "replicates" / "replicate-00000" / "trained_model.pkl", weights_only=False)
    expected = pipeline_from_config(configuration(model, loop)).model
    assert isinstance(saved, (AdaMFRotatE, LpRotatE))
    for name, tensor in expected.state_dict().items():
        assert torch.equal(saved.state_dict()[name], tensor), name


def test_classes_in_a_configuration(benchmark):
    """A configuration in Python may have classes."""
    config = configuration(LpRotatE, SLCWATrainingLoop)
    config["pipeline"]["dataset"] = DB15K
    assert isinstance(pipeline_from_config(config).model, LpRotatE)
