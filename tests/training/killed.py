"""Train in processes which are killed by a signal that cannot be caught, and continue in others.

Run as a script, so that nothing else is in the process that is forked. Prints where each process was killed.
"""

import json
import os
import random
import signal
import sys
import traceback
from pathlib import Path

import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.stoppers import EarlyStopper
from pykeen.training.callbacks import TrainingCallback

from pykeen_adamf import atomic
from pykeen_adamf.models import AdaMF
from pykeen_adamf.training import MATTrainingLoop, OneVsAllMATTrainingLoop, OneVsAllTrainingLoop, checkpoint_file
from pykeen_adamf.training.checkpoint_file import get_random_state, to_plain

from ..cases import make_factory
from .cases import REGULARIZED, SAMPLER, make_loop

WITHIN = "between loss and step"
HALF = "half of a checkpoint is written"
MOVING = "a checkpoint is written, but not at its place"

#: How often to kill a process of modality adversarial training, for each patience of the early stopper: the first
#: stops, the other does not.
NUM_KILLS = 5
PATIENCE = (2, 100)
NUM_EPOCHS = 10

#: The training loops, with the patience, and the kinds of events to be killed at; at others, too, if it is ``None``.
CASES = {
    **{f"MAT-{patience}": (MATTrainingLoop, patience, None) for patience in PATIENCE},
    "OneVsAll": (OneVsAllTrainingLoop, 100, (WITHIN, HALF)),
    "OneVsAllMAT": (OneVsAllMATTrainingLoop, 100, (WITHIN, MOVING)),
}

#: The names of the cases, each as often as processes are killed in it.
KILLS = [(case, i) for case, (_, _, kinds) in CASES.items() for i in range(NUM_KILLS if kinds is None else len(kinds))]


class Events(TrainingCallback):
    """Counts what happens, and kills this process at one of these events."""

    def __init__(self, kill_at: int | None) -> None:
        super().__init__()
        self.kill_at = kill_at
        self.names: list[str] = []

    def happen(self, name: str) -> None:
        if len(self.names) == self.kill_at:
            sys.stdout.write(f"{json.dumps(name)}\n")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.names.append(name)

    def pre_batch(self, **kwargs) -> None:
        self.happen("before a batch")

    def on_batch(self, epoch, batch, batch_loss, **kwargs) -> None:
        self.happen(WITHIN)

    def post_epoch(self, epoch, epoch_loss, **kwargs) -> None:
        self.happen("after an epoch")


def interrupt_writing(events: Events) -> None:
    """Let events happen while checkpoints are written."""
    save, sync = torch.save, os.fsync

    def save_in_two_halves(state, path) -> None:
        save(state, path)
        content = Path(path).read_bytes()
        if Path(path).name.endswith(".part"):
            Path(path).write_bytes(content[: len(content) // 2])
            events.happen(HALF)
            Path(path).write_bytes(content)

    def sync_slowly(descriptor: int) -> None:
        sync(descriptor)
        events.happen(MOVING)

    checkpoint_file.torch.save = save_in_two_halves
    atomic.os.fsync = sync_slowly


def make_killed_loop(cls, factory):
    """Make a training loop with all that has a state."""
    loop_kwargs = dict(lr_scheduler="cosineannealing", lr_scheduler_kwargs=dict(T_max=NUM_EPOCHS))
    if cls is not OneVsAllTrainingLoop:
        loop_kwargs |= dict(generator_lr_scheduler="exponential", generator_lr_scheduler_kwargs=dict(gamma=0.9))
    if cls is MATTrainingLoop:
        return make_loop(cls, factory=factory, loop_kwargs={**loop_kwargs, **SAMPLER})
    loop_kwargs["n3_weight"] = 0.01
    return make_loop(cls, factory=factory, model_cls=AdaMF, model_kwargs=REGULARIZED, loop_kwargs=loop_kwargs)


def run(directory: Path, case: str, output: Path, kill_at: int | None = None) -> list[str]:
    """Train, and write down everything that there is in the end.

    :returns: The events.
    """
    cls, patience, _ = CASES[case]
    factory = make_factory(num_entities=30, num_triples=200, create_inverse_triples=cls is not MATTrainingLoop)
    training, validation = factory.split(0.8, random_state=1)
    loop = make_killed_loop(cls, training)
    stopper = EarlyStopper(
        model=loop.model,
        evaluator=RankBasedEvaluator(),
        training_triples_factory=training,
        evaluation_triples_factory=validation,
        frequency=1,
        patience=patience,
        relative_delta=0.02,
        best_model_path=output.with_suffix(f".{os.getpid()}.best"),
    )
    events = Events(kill_at)
    interrupt_writing(events)
    losses = loop.train(
        training,
        num_epochs=NUM_EPOCHS,
        batch_size=40,
        stopper=stopper,
        callbacks=events,
        use_tqdm=False,
        checkpoint_directory=directory,
        checkpoint_name="checkpoint.pt",
        checkpoint_frequency=0,
    )
    state = dict(
        losses=losses,
        model=loop.model.state_dict(),
        extra=loop.extra_state(),
        optimizer=loop.optimizer.state_dict(),
        lr_scheduler=loop.lr_scheduler.state_dict(),
        stopper=dict(stopper.get_summary_dict()),
        random=get_random_state(),
    )
    torch.save(to_plain(state), output)
    return events.names


def fork(*args, **kwargs) -> int:
    """Run in another process, and return its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            run(*args, **kwargs)
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def main(root: Path) -> None:
    """Kill and continue processes."""
    torch.set_num_threads(1)
    rng = random.Random(0)
    for case, (_, _, kinds) in CASES.items():
        directory = root / f"straight-{case}"
        directory.mkdir()
        # in another process, too, to leave this one as it is
        names = root / "events.json"
        pid = os.fork()
        if pid == 0:
            names.write_text(json.dumps(run(directory, case, root / f"straight-{case}.pt")))
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        events = json.loads(names.read_text())
        # anywhere; and within an epoch, and while checkpoints are written, which random numbers alone might miss
        points = [] if kinds else rng.sample(range(len(events)), NUM_KILLS - 3)
        kinds = kinds or (WITHIN, HALF, MOVING)
        points += [rng.choice([i for i, x in enumerate(events) if x == name]) for name in kinds]
        for i, event in enumerate(points):
            directory, output = root / f"killed-{case}-{i}", root / f"killed-{case}-{i}.pt"
            directory.mkdir()
            assert fork(directory, case, output, event) == signal.SIGKILL
            assert not output.exists()
            assert fork(directory, case, output) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
