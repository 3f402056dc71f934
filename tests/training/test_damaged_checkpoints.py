"""Checkpoints of which a part is missing, or another one, are refused before anything of them is loaded."""

import copy
import os
import random
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from pykeen.training import SLCWATrainingLoop
from pykeen.training.training_loop import CheckpointMismatchError
from torch.optim import Optimizer

from pykeen_adamf.training import KBGANTrainingLoop, MATTrainingLoop
from pykeen_adamf.training.checkpoint_checks import check_state
from pykeen_adamf.training.checkpoint_file import (
    KEY_FORMAT,
    get_random_state,
    is_checkpoint,
    read_checkpoint,
    to_plain,
    write_checkpoint,
)

from ..cases import make_factory
from .cases import LOOPS, SAMPLER, make_loop, make_stopped, train

DROPPED = object()


def list_paths(state, path=()):
    """Return the keys of all parts of a state."""
    parts = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, list | tuple) else ()
    paths = [path] if path else []
    # neither what there may be any number of, nor the many numbers of Python's generator
    for key, x in () if path[-1:] in {("results",), ("losses",), ("python",)} else parts:
        paths += list_paths(x, (*path, key))
    return paths


def get(state, path):
    for key in path:
        state = state[key]
    return state


def replace(state, path, value):
    """Return a state in which one part is replaced, or dropped."""
    state, key = copy.copy(state if not isinstance(state, tuple) else list(state)), path[0]
    if len(path) > 1:
        state[key] = replace(state[key], path[1:], value)
    elif value is DROPPED:
        del state[key]
    else:
        state[key] = value
    return state


def others(value):
    """Return what is not of the kind that a value is of."""
    yield from (DROPPED, 3 if isinstance(value, str) else "text", {"a": torch.zeros(2)}, [{}], torch.zeros(2, 5, 3))
    if isinstance(value, torch.Tensor):
        # a fused optimizer would read and write behind the end of these
        yield from (value.new_zeros((1,) * max(1, value.ndim)), value.new_zeros(0), value[..., None])
        yield from (value.double() if value.is_floating_point() else value.float(), value.to("meta"))
        if value.numel() > 1:
            yield value.new_zeros(1).as_strided(value.shape, (0,) * value.ndim)
    elif isinstance(value, int | float):
        # some whole numbers are not known yet
        yield from ([value], None if isinstance(value, float) else "text")


def snapshot(loop):
    """Return a copy of all that loading a checkpoint changes."""
    state = dict(
        model=loop.model.state_dict(), optimizer=loop.optimizer.state_dict()["state"], extra=loop.extra_state()
    )
    return copy.deepcopy(to_plain({**state, "random": get_random_state(), "losses": loop.losses_per_epochs}))


@pytest.mark.slow
@pytest.mark.parametrize(
    "cls", [pytest.param(x, marks=[] if x is MATTrainingLoop else pytest.mark.slow) for x in LOOPS]
)
def test_parts(cls, tmp_path):
    """Whichever part is dropped, or replaced by something of another kind: it is refused, and nothing has changed."""
    make_stopped(cls, tmp_path, 1)[1]()
    good = torch.load(tmp_path / "c.pt")
    rng = random.Random(0)
    # the configuration is compared otherwise, and devices may be others
    without = [("configuration",), (KEY_FORMAT,), ("random", "cuda"), ("extra", "losses")]
    paths = [path for path in list_paths(good) if path[:1] not in without and path[:2] not in without]
    loop, continue_training = make_stopped(cls, tmp_path, 2)
    before = snapshot(loop)
    for path in [*[path for path in paths if len(path) == 1], *rng.sample(paths, 12)]:
        torch.save(replace(good, path, rng.choice([*others(get(good, path))])), tmp_path / "c.pt")
        with pytest.raises(CheckpointMismatchError, match=rf"c\.pt is damaged: .*{path[0]}.*checkpoint_name"):
            continue_training()
        assert_equal(snapshot(loop), before)
    torch.save(good, tmp_path / "c.pt")
    assert len(continue_training()) == 2


def assert_equal(a, b):
    """Assert that nothing of a loop, or of the global randomness, has changed."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize(
    ("name", "value"), [("metric", "0"), ("patience", 0), ("larger_is_better", False), ("patience", torch.ones(1))]
)
def test_options_of_stopper(name, value, tmp_path):
    """They are those that it has here, and not what a file says."""
    make_stopped(MATTrainingLoop, tmp_path, 1)[1]()
    good = torch.load(tmp_path / "c.pt")
    _, continue_training = make_stopped(MATTrainingLoop, tmp_path, 2)
    torch.save(replace(good, ("stopper_dict", name), value), tmp_path / "c.pt")
    shown = "a Tensor" if isinstance(value, torch.Tensor) else repr(value)
    with pytest.raises(CheckpointMismatchError, match=rf"stopper_dict\.{name} is {shown} rather than"):
        continue_training()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("stopper_dict", "best_epoch"), 2, "2 as the best of 1 epochs"),
        (("stopper_dict", "best_epoch"), float("nan"), "nan as the best of 1 epochs"),
        (("stopper_dict", "best_epoch"), None, "best model is missing, or of another epoch"),
        (("stopper_dict", "remaining_patience"), float("nan"), "remaining_patience is nan"),
        (("stopper_dict", "remaining_patience"), 10, "not stopped with a patience of 10 of 9"),
        (("stopper_dict", "stopped"), True, "has stopped with a patience of 9 of 9"),
        (("stopper_dict", "best_metric"), 1e9, "best result is none of those"),
        (("best",), None, "best model is missing, or of another epoch"),
        (("best", "epoch"), -3, "best model is missing, or of another epoch"),
        (("lr_scheduler", "T_i"), 0, "T_i is 0 rather than a whole number from 1"),
        (("lr_scheduler", "T_mult"), 0, "T_mult is 0 rather than"),
        (("lr_scheduler", "eta_min"), float("nan"), "eta_min is nan rather than"),
    ],
)
def test_progress(path, value, message, tmp_path):
    """Schedules and early stopping are where training is, and as they are here."""
    make_stopped(MATTrainingLoop, tmp_path, 1)[1]()
    good = torch.load(tmp_path / "c.pt")
    _, continue_training = make_stopped(MATTrainingLoop, tmp_path, 2)
    torch.save(replace(good, path, value), tmp_path / "c.pt")
    with pytest.raises(CheckpointMismatchError, match=message):
        continue_training()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True])
def test_baseline(value, tmp_path):
    """The mean of rewards is a number."""
    make_stopped(KBGANTrainingLoop, tmp_path, 1)[1]()
    good = torch.load(tmp_path / "c.pt")
    _, continue_training = make_stopped(KBGANTrainingLoop, tmp_path, 2)
    torch.save(replace(good, ("extra", "baseline"), value), tmp_path / "c.pt")
    with pytest.raises(CheckpointMismatchError, match=r"extra\.baseline is"):
        continue_training()


@pytest.mark.parametrize(
    ("key", "value"), [("T_0", 7), ("T_i", 0), ("eta_min", 1.0), ("base_lrs", [5.0]), ("T_cur", -5), ("last_epoch", -9)]
)
def test_schedules_of_generators(checkpoint, key, value):
    """They are compared as the model's is."""
    schedule = dict(generator_lr_scheduler="cosineannealingwarmrestarts", generator_lr_scheduler_kwargs=dict(T_0=2))
    train(MATTrainingLoop, loop_kwargs=SAMPLER | schedule, epochs=1, train_kwargs=checkpoint)
    file = checkpoint["checkpoint_directory"] / "c.pt"
    torch.save(replace(torch.load(file), ("extra", "generators", "lr_scheduler", key), value), file)
    with pytest.raises(CheckpointMismatchError, match=rf"extra\.generators\.lr_scheduler\.{key} is"):
        train(MATTrainingLoop, loop_kwargs=SAMPLER | schedule, epochs=2, train_kwargs=checkpoint)


def test_moments_have_memory_of_their_own(checkpoint):
    """An optimizer would write the one while it writes the other."""
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    file = checkpoint["checkpoint_directory"] / "c.pt"
    state = torch.load(file)
    moments = state["optimizer"]["state"][0]
    moments["exp_avg_sq"] = moments["exp_avg"]
    torch.save(state, file)
    with pytest.raises(CheckpointMismatchError, match=r"optimizer\.state\.0\..* shares its memory"):
        train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)


@pytest.mark.parametrize("value", [{}, None, 3, {"model": 1}, "x"])
def test_configuration(checkpoint, value):
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    path = checkpoint["checkpoint_directory"] / "c.pt"
    torch.save({**torch.load(path), "configuration": value}, path)
    with pytest.raises(CheckpointMismatchError, match=r"c\.pt .*(does not say|another configuration).*checkpoint_name"):
        train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)


#: A list in a list, and so on.
NESTED = []
for _ in range(300):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("optimizer", "param_groups", 0, "lr"), -1.0, "Invalid learning rate"),
        (("optimizer", "param_groups", 0, "params"), None, r"param_groups\.0\.params is a list rather than"),
        (("optimizer", "state", 0, "step"), torch.tensor(-5.0), r"optimizer\.state\.0\.step is -5\.0"),
        (("optimizer", "state", 0, "step"), torch.tensor(0.5), r"optimizer\.state\.0\.step is 0\.5"),
        (("optimizer", "state", 0, "step"), torch.tensor(float("inf")), r"optimizer\.state\.0\.step is inf"),
        (("optimizer", "state", 0), NESTED, r"optimizer\.state\.0 is a list rather than a dictionary"),
        (("sub_batch_size",), -1, "sub-batches of -1"),
        (("optimizer", "param_groups", 0, "betas"), (0.0, 0.0), r"betas is a tuple rather than \(0\.9, 0\.999\)"),
        (("optimizer", "param_groups", 0, "amsgrad"), True, "amsgrad is True rather than False"),
        (("optimizer", "param_groups", 0, "maximize"), True, "maximize is True rather than False"),
        (("epoch",), 1.0, "epoch is a float rather than a int"),
        (("epoch",), 10**9, "1 losses of 1,000,000,000 epochs"),
        (("epoch",), 2**70, "epoch is a whole number of 71 bits"),
        (("optimizer", 2**70), 1, "unknown key, a whole number of 71 bits"),
        (("losses",), [float("nan"), 1.0], "2 losses of 1 epochs"),
        (("losses",), [torch.ones(2)], "losses has something else than numbers"),
        (("random", "numpy"), 10**6, "random.numpy is no state"),
        (("random", "python"), {1: 2}, "random.python is a dict rather than a list"),
        (("random", "python", 0), torch.ones(1), "random.python.0 is a Tensor rather than a int"),
    ],
)
def test_values(checkpoint, path, value, message):
    """Numbers that nothing can be done with."""
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    file = checkpoint["checkpoint_directory"] / "c.pt"
    state = torch.load(file)
    if path[-1] == "params":
        value = state["optimizer"]["param_groups"][0]["params"][::-1]
    if path[-1] == "numpy":
        value = (*state["random"]["numpy"][:2], value, *state["random"]["numpy"][3:])
    torch.save(replace(state, path, value), file)
    with pytest.raises(CheckpointMismatchError, match=message):
        train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)


@pytest.mark.parametrize(
    "optimizer",
    [
        *("adam", "sgd", "LazyAdam"),
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("adamw", "adagrad", "rmsprop", "nadam", "asgd")),
    ],
)
def test_any_optimizer(optimizer, tmp_path):
    """Whatever an optimizer keeps is expected of it."""
    factory = make_factory()
    kwargs = dict(num_epochs=1, batch_size=64, use_tqdm=False, checkpoint_directory=tmp_path, checkpoint_name="c.pt")
    results = []
    for epochs in (1, 2):
        model = make_loop(MATTrainingLoop, factory=factory).model
        names = dict(optimizer=optimizer, optimizer_kwargs=dict(lr=0.01), generator_optimizer=optimizer)
        loop = MATTrainingLoop(model=model, triples_factory=factory, **names)
        loop.train(factory, **{**kwargs, "num_epochs": epochs})
        results.append(len(loop.losses_per_epochs))
    assert results == [1, 2]


def test_every_optimizer(tmp_path):
    """A checkpoint of none of PyTorch's optimizers is taken for a damaged one; LBFGS cannot train here anyway."""
    classes = {x for x in vars(torch.optim).values() if isinstance(x, type) and issubclass(x, Optimizer)}
    for cls in classes - {Optimizer, torch.optim.LBFGS}:
        path = tmp_path / f"{cls.__name__}.pt"
        start = torch.rand(4, 3)

        def train(steps, cls=cls, path=path, start=start, state=None):
            parameter = torch.nn.Parameter(start.clone())
            optimizer = cls([parameter], lr=0.01)
            if state is not None:
                check_state(path, state, {"optimizer": optimizer, "parameter": parameter})
                optimizer.load_state_dict(state["optimizer"])
                parameter.data = state["parameter"].data
            for _ in range(steps):
                grad = parameter.detach() + 1
                parameter.grad = grad.to_sparse(1) if cls is torch.optim.SparseAdam else grad
                optimizer.step()
            return optimizer, parameter.detach()

        optimizer, parameter = train(1)
        write_checkpoint(path, {"optimizer": optimizer, "parameter": parameter})
        assert torch.equal(train(1, state=read_checkpoint(path))[1], train(2)[1]), cls


def test_first_format(checkpoint):
    """It left out parameters without gradients, and can be continued."""
    straight = train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2)
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    path = checkpoint["checkpoint_directory"] / "c.pt"
    state = torch.load(path)
    for optimizer in (state["optimizer"], state["extra"]["generators"]["optimizer"]):
        optimizer["state"] = {i: x for i, x in optimizer["state"].items() if x}
    torch.save({**state, KEY_FORMAT: 1}, path)
    loop = train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)
    assert loop.losses_per_epochs == straight.losses_per_epochs


@pytest.mark.parametrize("kind", ["checksum", "twice", "larger"])
def test_archives(checkpoint, kind):
    """What torch does not look at."""
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    path = checkpoint["checkpoint_directory"] / "c.pt"
    with zipfile.ZipFile(path) as file:
        parts = [(x.filename, file.read(x)) for x in file.infolist()]
    rewrite(path, parts, kind)
    with pytest.raises(CheckpointMismatchError, match="damaged"):
        train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)


def rewrite(path: Path, parts, kind) -> None:
    """Write an archive with a wrong checksum, with a part twice, or compressed."""
    method = zipfile.ZIP_DEFLATED if kind == "larger" else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in parts:
            file.writestr(name, content)
        if kind == "twice":
            with pytest.warns(UserWarning, match="Duplicate"):
                file.writestr(*parts[-1])
        if kind == "larger":
            file.writestr("zeros", bytes(10**7))
        if kind == "checksum":
            file.filelist[-1].CRC ^= 1


def test_large_pickle(tmp_path):
    """Whether a file is a checkpoint is asked of any file: of a small one, not much is made."""
    torch.save({KEY_FORMAT: 2, **{str(i): i for i in range(1000)}}, tmp_path / "c.pt")
    assert is_checkpoint(tmp_path / "c.pt")
    with zipfile.ZipFile(tmp_path / "large.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("c/data.pkl", KEY_FORMAT.encode() + bytes(2**23))
    assert not is_checkpoint(tmp_path / "large.pt")
    os.mkfifo(tmp_path / "pipe.pt")
    assert not is_checkpoint(tmp_path / "pipe.pt")


def test_another_loop(checkpoint):
    """PyKEEN's own loops name the file, too, of which they know nothing; and nothing changes."""
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    before = to_plain(get_random_state())
    with pytest.raises(
        CheckpointMismatchError, match=r"c\.pt is a checkpoint of a training loop of pykeen-adamf.*SLCWA"
    ):
        train(SLCWATrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)
    assert_equal(to_plain(get_random_state())["python"], before["python"])


def test_two_writers(tmp_path):
    """What several write to one path is complete, whoever is first; and nothing else stays."""
    for _ in range(10):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: write_checkpoint(tmp_path / "c.pt", {"x": torch.full((100_000,), i)}), range(4)))
        assert read_checkpoint(tmp_path / "c.pt")["x"].unique().shape == (1,)
        assert [x.name for x in tmp_path.iterdir()] == ["c.pt"]


def test_a_lock_of_others(tmp_path):
    """A process that holds the lock, perhaps for ever, is not waited for."""
    (tmp_path / ".other.pt.lock").mkdir()
    with FileLock(tmp_path / ".c.pt.lock"):
        write_checkpoint(tmp_path / "c.pt", {"x": 1})
    write_checkpoint(tmp_path / "other.pt", {"x": 1})
    assert read_checkpoint(tmp_path / "c.pt") == read_checkpoint(tmp_path / "other.pt") == {"x": 1}
