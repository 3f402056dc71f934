"""An experiment from beginning to end: it is planned, run by several processes, and reported."""

import multiprocessing
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from ...encoders.weights import resolve_device
from ...features.dropping import DroppingOrder
from ..statistics import read_ranks
from .claims import STALE_AFTER, Watch, describe_machine, read_holder
from .contenders import Overrides, choose
from .experiments import EXPERIMENTS
from .planning import Run, plan
from .progress import Progress
from .record import check_directory, read_experiment, record_experiment
from .report import write_report
from .running import RunFiles, describe_failure, read_result
from .working import work_in_process

__all__ = ["count_failures", "report_only", "reproduce", "run_grid"]

#: How often to look for what is finished, in seconds.
INTERVAL: Final = 0.5

#: How many processes may be killed while they run nothing, before the reason is taken to be none of the runs.
MAX_DEATHS: Final = 3


def reproduce(
    experiment: str,
    *,
    output: str | Path,
    datasets: Sequence[str],
    models: Collection[str] | None = None,
    seeds: int = 5,
    dataset_kwargs: Mapping[str, Any] | None = None,
    configurations: str | Path | None = None,
    overrides: Overrides | None = None,
    num_test_triples: int | None = None,
    missing_by: DroppingOrder = "uniform",
    num_workers: int = 1,
    device: str | None = None,
    retry: bool = False,
    stale_after: float = STALE_AFTER,
    report: Callable[[str], object] = print,
) -> Path:
    """Run an experiment of the paper, or what is missing of it, and write the report.

    :param experiment: The name of the experiment.
    :param output: The directory to write to, which several machines may share.
    :param datasets: The names of datasets.
    :param models: The names of some of the experiment's models or variants, or ``None`` for all.
    :param seeds: The number of random seeds.
    :param dataset_kwargs: The keyword-based parameters of the dataset.
    :param configurations: A directory with a configuration for each model, instead of those of this package.
    :param overrides: What is to be different from the configurations.
    :param num_test_triples: The number of test triples to rank, or ``None`` for all.
    :param missing_by: Which features figure 3 drops first: ``"uniform"`` for random ones, or ``"degree"`` for those of
        rare entities.
    :param num_workers: How many processes run at a time, with one thread each.
    :param device: The device. If ``None``, a GPU if there is one.
    :param retry: Whether to run again what has failed, or whose files are damaged.
    :param stale_after: After how many seconds without a sign of life to take over from other processes.
    :param report: Called with what is to be printed.
    :returns: The path of the report.
    :raises OSError: if the output cannot be written
    :raises RuntimeError: if a process ends with an error that is none of a run's
    :raises ValueError: if there is no such experiment, model, dataset or device, or the directory is another
        experiment's
    """
    if num_workers < 1:
        raise ValueError(f"There must be at least one worker, but num_workers is {num_workers}.")
    choose("experiment", [experiment], EXPERIMENTS)
    # PyKEEN would use the CPU instead
    device = str(resolve_device(device))
    directory = Path(output)
    # before the dataset is downloaded
    check_directory(directory, experiment)
    runs = plan(
        experiment,
        datasets=datasets,
        seeds=seeds,
        models=models,
        dataset_kwargs=dataset_kwargs,
        configurations=configurations,
        overrides=overrides,
        num_test_triples=num_test_triples,
        missing_by=missing_by,
    )
    record_experiment(directory, experiment, runs)
    if retry:
        _forget_failures(directory, runs)
    run_grid(directory, runs, num_workers=num_workers, device=device, stale_after=stale_after, report=report)
    # another process may have started at the same time, and not have seen what is asked here
    record_experiment(directory, experiment, runs)
    return write_report(directory, dataset_kwargs)


def report_only(experiment: str, output: str | Path, dataset_kwargs: Mapping[str, Any] | None = None) -> Path:
    """Write the report of what is finished, and run nothing.

    :param experiment: The name of the experiment.
    :param output: The directory.
    :param dataset_kwargs: The keyword-based parameters of the dataset, if its files are elsewhere by now.
    :returns: The path of the report.
    :raises OSError: if the output cannot be written
    :raises ValueError: if there is no such experiment, or nothing of it in the directory
    """
    choose("experiment", [experiment], EXPERIMENTS)
    directory = Path(output)
    if read_experiment(directory) is None:
        raise ValueError(f"{directory} has no results of {experiment}. Check the directory, or run the experiment.")
    check_directory(directory, experiment)
    return write_report(directory, dataset_kwargs)


def count_failures(output: str | Path) -> int:
    """Count the failed runs of all that were asked of a directory.

    :param output: The directory.
    :returns: The number of runs.
    """
    directory = Path(output)
    experiment = read_experiment(directory)
    results = [read_result(RunFiles(directory, run["id"]).result) for run in experiment["runs"]] if experiment else []
    return sum(result is not None and result["error"] is not None for result in results)


def run_grid(
    directory: Path,
    runs: Sequence[Run],
    *,
    num_workers: int,
    device: str,
    stale_after: float = STALE_AFTER,
    report: Callable[[str], object] = print,
) -> None:
    """Run what is not finished in processes, and wait until everything is finished.

    :param directory: The directory of the experiment.
    :param runs: The runs.
    :param num_workers: How many processes run at a time.
    :param device: The device.
    :param stale_after: After how many seconds without a sign of life to take over from others.
    :param report: Called with a line for each finished run.
    :raises RuntimeError: if a process ends with an error that is none of a run's
    """
    progress = Progress(directory, runs, num_workers, report)
    context = multiprocessing.get_context("spawn")

    def start() -> BaseProcess:
        process = context.Process(target=work_in_process, args=(directory, list(runs), device, stale_after))
        process.start()
        return process

    watch = Watch(stale_after)
    for run in runs:
        files = RunFiles(directory, run.id)
        if files.result.exists():
            # killed after the result was written, and before the lock was removed
            watch.remove_if_stale(files.lock)
    num_deaths = 0
    workers = [start() for _ in range(min(num_workers, len(progress.pending)))]
    try:
        while workers:
            time.sleep(INTERVAL)
            progress.update()
            ended = [worker for worker in workers if worker.exitcode is not None]
            workers = [worker for worker in workers if worker not in ended]
            for worker in ended:
                if not worker.exitcode:
                    continue
                num_deaths += not _record_death(directory, runs, worker, device)
                if num_deaths > MAX_DEATHS:
                    raise RuntimeError(f"Workers are killed before they run anything, by signal {-worker.exitcode}.")
                workers.append(start())
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()
            _release(directory, runs, worker)
    progress.update()


def _release(directory: Path, runs: Sequence[Run], worker: BaseProcess) -> list[Run]:
    """Remove the locks that an ended process has left, and return what it was running."""
    mine = []
    for run in runs:
        lock = RunFiles(directory, run.id).lock
        holder = read_holder(lock)
        if holder.get("pid") == worker.pid and holder.get("machine") == describe_machine():
            mine.append(run)
            lock.unlink(missing_ok=True)
    return mine


def _record_death(directory: Path, runs: Sequence[Run], worker: BaseProcess, device: str) -> bool:
    """Record that a process was killed in the middle of a run, e.g., for lack of memory, and return whether it was.

    Without a record, the next process would be killed by the same run.
    """
    assert worker.exitcode is not None
    if worker.exitcode > 0:
        raise RuntimeError(
            f"A worker has ended with an error, which it has printed. What is finished is in {directory}."
        )
    signal = -worker.exitcode
    for run in runs:
        # before its lock is removed, or another process would begin it
        files = RunFiles(directory, run.id)
        holder = read_holder(files.lock)
        is_mine = holder.get("pid") == worker.pid and holder.get("machine") == describe_machine()
        if is_mine and not files.result.exists():
            message = f"The process was killed by signal {signal}, perhaps for lack of memory."
            files.write(describe_failure(run, device, message), None)
    return bool(_release(directory, runs, worker))


def _forget_failures(directory: Path, runs: Sequence[Run]) -> None:
    """Remove the results of failed runs, and of those whose files are damaged."""
    for run in runs:
        files = RunFiles(directory, run.id)
        try:
            result = read_result(files.result)
            is_complete = result is not None and result["error"] is None
            if is_complete:
                read_ranks(files.ranks)
        except ValueError:
            # a RankFileError is one
            is_complete = False
        if not is_complete:
            files.result.unlink(missing_ok=True)
