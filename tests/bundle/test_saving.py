"""What is written, where, and what is left when writing is interrupted."""

import copy
import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from pykeen_adamf.bundle import BundleError, load, save
from pykeen_adamf.models import AdaMFRotatE, LpRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory
from .cases import assert_same_predictions, make_model, write_feature_files

TABLES = {f"entity_representations.0.bases.{name}.table" for name in ("visual", "textual")}


def stored_weights(directory: Path) -> set[str]:
    with safe_open(directory / "model.safetensors", framework="pt") as file:
        return set(file.keys())


def list_files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_files(tmp_path):
    factory = make_factory()
    assert save(make_model(factory=factory), factory, tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert list_files(tmp_path / "a" / "b") == [
        "model.json",
        "model.safetensors",
        "training_triples/base.pth",
        "training_triples/entity_to_id.tsv.gz",
        "training_triples/features-textual.safetensors",
        "training_triples/features-visual.safetensors",
        "training_triples/modalities.json",
        "training_triples/numeric_triples.tsv.gz",
        "training_triples/relation_to_id.tsv.gz",
    ]
    # PyKEEN's own way to read them still works
    assert MultimodalTriplesFactory.from_path_binary(tmp_path / "a" / "b" / "training_triples") == factory


def test_configuration(tmp_path):
    factory = make_factory()
    save(make_model(factory=factory, p=float("inf"), loss="NSSA", loss_kwargs=dict(margin=5.0)), factory, tmp_path)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    configuration = json.loads((tmp_path / "model.json").read_text(), parse_constant=refuse)
    assert configuration["model"] == "adamfrotate"
    assert configuration["model_kwargs"]["missing"] == "random", "defaults may change"
    assert configuration["loss"]["kwargs"]["margin"] == 5.0
    weights = (tmp_path / "model.safetensors").read_bytes()
    assert configuration["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert set(configuration["versions"]) == {"pykeen-adamf", "pykeen", "torch"}
    assert load(tmp_path).configuration == configuration
    assert load(tmp_path).versions == configuration["versions"]


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        (dict(trainable_features=False, missing="zero"), set()),
        (dict(trainable_features=False, missing="mask"), set()),
        # there are random features in them
        (dict(trainable_features=False), TABLES),
        # training has changed them
        (dict(missing="zero"), TABLES),
    ],
)
def test_features_are_stored_once(tmp_path, kwargs, expected):
    factory = make_factory()
    model = make_model(factory=factory, loop="slcwa", **kwargs)
    save(model, factory, tmp_path)
    names = set(model.state_dict())
    assert names >= TABLES
    assert stored_weights(tmp_path) == names - TABLES | expected


def test_loaded_frozen_features_are_not_copied(tmp_path):
    factory = make_factory()
    save(make_model(factory=factory, trainable_features=False, missing="mask"), factory, tmp_path)
    bundle = load(tmp_path, device="cpu")
    for name, features in bundle.training.features.items():
        assert bundle.model.fused.bases[name].table.data_ptr() == features.matrix.data_ptr()


def test_saving_changes_nothing(tmp_path):
    factory = make_factory()
    model = make_model(factory=factory).train()
    state, random_state = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    save(model, factory, tmp_path)
    assert model.training
    assert all(torch.equal(x, state[name]) for name, x in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random_state)


@pytest.mark.parametrize(
    "change", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copied", "pickled"]
)
def test_copies_can_be_saved(tmp_path, change):
    """Also those of PyKEEN's early stopper, and those from an unpickled file."""
    factory = make_factory()
    model = make_model(factory=factory, missing="mask", trainable_features=False)
    save(change(model), pickle.loads(pickle.dumps(factory)), tmp_path)
    assert_same_predictions(load(tmp_path, device="cpu").model, model, factory)


def test_initializers_do_not_keep_models_from_being_pickled():
    """They are not part of what is noted."""
    model = make_model(LpRotatE)
    assert pickle.loads(pickle.dumps(model)).creation_kwargs == {"embedding_dim": 4, "random_seed": 0}
    model = make_model(entity_initializer=lambda x: x)
    assert set(model.creation_kwargs) == {"embedding_dim", "random_seed"}


def test_loaded_models_can_be_saved(tmp_path):
    factory = make_factory()
    model = make_model(factory=factory, loop="slcwa", missing="mask")
    first = load(save(model, factory, tmp_path / "first"), device="cpu")
    second = load(save(first.model, first.training, tmp_path / "second"), device="cpu")
    assert first.configuration["model_kwargs"] == second.configuration["model_kwargs"]
    assert_same_predictions(second.model, model, factory)


def test_diverged_models_can_be_saved(tmp_path):
    factory = make_factory()
    model = make_model(factory=factory)
    with torch.no_grad():
        model.relation_representations[0].raw.fill_(torch.nan)
    save(model, factory, tmp_path)
    assert load(tmp_path).model.relation_representations[0].raw.isnan().all()


def test_tables_which_share_memory(tmp_path):
    """One matrix for two modalities is stored as both need it."""
    base = make_factory()
    visual = base.features["visual"]
    factory = MultimodalTriplesFactory.from_triples_factory(base, {"a": visual, "b": visual})
    model = make_model(factory=factory, trainable_features=False)
    model.fused.bases["b"].table.data = model.fused.bases["a"].table.data
    save(model, factory, tmp_path)
    assert_same_predictions(load(tmp_path, device="cpu").model, model, factory)


# --- in place of another bundle


def make_other(cls=LpRotatE):
    factory = make_factory(seed=1, num_entities=15)
    return make_model(cls, factory, random_seed=4), factory


@pytest.mark.parametrize("cls", [LpRotatE, AdaMFRotatE])
@pytest.mark.parametrize("features", ["copy", "reference"])
def test_saving_over_another_bundle(tmp_path, cls, features):
    """Nothing of the other one is left."""
    base = make_factory()
    factory = MultimodalTriplesFactory.from_triples_factory(
        base, write_feature_files(tmp_path, base), unknown_labels="ignore"
    )
    model = make_model(factory=factory)
    save(*make_other(cls), tmp_path / "bundle")
    save(model, factory, tmp_path / "bundle", features=features)
    save(model, factory, tmp_path / "fresh", features=features)
    assert list_files(tmp_path / "bundle") == list_files(tmp_path / "fresh")
    assert_same_predictions(load(tmp_path / "bundle", device="cpu").model, model, factory)


class InterruptionError(BaseException):
    """Like a signal, it is not caught by anybody."""


class Interrupter:
    """Lets the given number of changes of the file system happen, and interrupts the next one."""

    def __init__(self, monkeypatch) -> None:
        self.left = -1
        for name in ("rename", "replace", "unlink", "write_text", "mkdir"):
            monkeypatch.setattr(Path, name, self.wrap(getattr(Path, name)))

    def wrap(self, original):
        def wrapped(*args, **kwargs):
            self.left -= 1
            if self.left == 0:
                raise InterruptionError
            return original(*args, **kwargs)

        return wrapped


@pytest.mark.slow
@pytest.mark.parametrize("occupied", [False, True], ids=["", "in place of another"])
def test_interruptions(tmp_path, monkeypatch, occupied):
    """Wherever saving is interrupted, there is the other model, this one, or a refusal; to repeat it is enough."""
    factory = make_factory()
    model, interrupter = make_model(factory=factory), Interrupter(monkeypatch)
    outcomes = []
    for number in range(1, 40):
        directory = tmp_path / f"{number}"
        if occupied:
            save(*make_other(), directory)
        interrupter.left = number
        try:
            save(model, factory, directory)
        except InterruptionError:
            interrupter.left = -1
        else:
            break
        try:
            outcomes.append(type(load(directory).model).__name__)
        except BundleError:
            outcomes.append("refused")
        assert not list(directory.glob(".*")), "rubbish"
        save(model, factory, directory)
        assert_same_predictions(load(directory, device="cpu").model, model, factory)
    assert len(outcomes) > 5
    # the other one never comes back
    assert outcomes == sorted(outcomes, key=["LpRotatE", "refused", "AdaMFRotatE"].index)
    assert ("LpRotatE" in outcomes) == occupied


def test_refused_models_leave_what_is_there(tmp_path):
    model, factory = make_other()
    save(model, factory, tmp_path)
    with pytest.raises(BundleError, match="Use the factory which the model was created with"):
        save(make_model(), factory, tmp_path)
    assert_same_predictions(load(tmp_path, device="cpu").model, model, factory)
