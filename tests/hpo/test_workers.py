"""Several processes share one study through Optuna's storages, and one of them is killed in the middle of a trial."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState

from .worker import STUDY, open_storage

ROOT = Path(__file__).parents[2]
NUM_TRIALS = 6


@contextmanager
def started(*args):
    """Start a worker, and do not leave it behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hpo.worker", *map(str, args)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition, process):
    """Wait until a worker has done something."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def share(url, path):
    """Let two workers share a study, kill one of them in its first trial, and return what the other one has left."""
    with started(url, NUM_TRIALS, path) as victim:
        wait_for(path.exists, victim)
        study = optuna.load_study(storage=open_storage(url), study_name=STUDY)
        with started(url, NUM_TRIALS) as survivor:
            wait_for(lambda: study.get_trials(states=[TrialState.COMPLETE]), victim)
            victim.kill()
            assert victim.wait() != 0
            output, _ = survivor.communicate(timeout=300)
            assert survivor.returncode == 0, output
    return study


def check_completed(study):
    """Check that as many trials as wanted are complete, each of which has been evaluated, and return them."""
    complete = study.get_trials(states=[TrialState.COMPLETE])
    assert len(complete) >= NUM_TRIALS
    for trial in complete:
        assert 0 < trial.value <= 1
        assert "random_seed" in trial.user_attrs
        assert "training.num_negs_per_pos" in trial.params
    assert study.user_attrs["negative_sampler"] == "filteredbernoulli"
    return complete


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_database(tmp_path):
    """The killed worker's trial has failed, and somebody else has run it again, with the same parameters."""
    study = share(f"sqlite:///{tmp_path / 'study.db'}", tmp_path / "hanging")
    complete = check_completed(study)
    (killed,) = study.get_trials(states=[TrialState.FAIL])
    assert killed.value is None
    (retried,) = (trial for trial in complete if RetryHeartbeatStaleTrialCallback.retry_history(trial))
    assert RetryHeartbeatStaleTrialCallback.retried_trial_number(retried) == killed.number
    assert retried.params == killed.params
    assert len(study.trials) == len(complete) + 1


@pytest.mark.slow
def test_journal_file(tmp_path):
    """There is no heartbeat: the killed worker's trial seems to be running forever, but it is not counted."""
    study = share(f"journal:{tmp_path / 'study.log'}", tmp_path / "hanging")
    complete = check_completed(study)
    (killed,) = study.get_trials(states=[TrialState.RUNNING])
    assert killed.value is None
    assert len(study.trials) == len(complete) + 1
