"""A worker of a study that several processes share; started by the tests.

``python -m tests.hpo.worker STORAGE NUM_TRIALS [PATH]``: with a path, it touches the file in the middle of its first
trial, and stays there until somebody kills it.
"""

import sys
import time
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from pykeen.training.callbacks import TrainingCallback

from .cases import MODEL, tune

STUDY = "shared"


class Hang(TrainingCallback):
    """Be slow."""

    path: Path

    def post_epoch(self, epoch, epoch_loss, **kwargs):
        if epoch == 2:
            self.path.touch()
            time.sleep(600)


def open_storage(url: str) -> BaseStorage:
    """Open a database, with a heartbeat for each running trial, or a journal file, which has none."""
    if url.startswith("journal:"):
        return JournalStorage(JournalFileBackend(url.removeprefix("journal:")))
    # others may be writing
    connect_args = dict(timeout=60) if url.startswith("sqlite:") else {}
    return RDBStorage(
        url,
        engine_kwargs=dict(connect_args=connect_args),
        heartbeat_interval=1,
        grace_period=2,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
    )


def main(url: str, num_trials: int, path: Path | None) -> None:
    """Run trials until the study has enough, and none is left to be retried."""
    training_kwargs: dict[str, Any] = dict(num_epochs=3)
    if path is not None:
        Hang.path = path
        training_kwargs["callbacks"] = Hang
    storage = open_storage(url)
    study = optuna.create_study(storage=storage, study_name=STUDY, direction="maximize", load_if_exists=True)
    while True:
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
        if states.count(TrialState.COMPLETE) < num_trials or TrialState.WAITING in states:
            tune(
                storage=storage,
                study_name=STUDY,
                load_if_exists=True,
                n_trials=1,
                model_kwargs=MODEL,
                training_kwargs=training_kwargs,
            )
        elif TrialState.RUNNING in states and isinstance(storage, RDBStorage):
            # somebody else's, or of somebody who is no more
            time.sleep(0.2)
            optuna.storages.fail_stale_trials(study)
        else:
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
