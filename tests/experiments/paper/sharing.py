"""Work in a directory that others work in, too, and print what was run here; started by the tests.

``python -m tests.experiments.paper.sharing BENCHMARK OUTPUT``.
"""

import os
import sys
import time
from pathlib import Path

import torch

from pykeen_adamf.experiments.paper import working

from .cases import plan_runs

SEEDS = 6
MODELS = ("AdaMF", "AdaMF-MAT")

NUM_PROCESSES = 3


def main(benchmark: Path, output: Path) -> None:
    """Wait for the others to be ready, too, and work."""
    torch.set_num_threads(1)
    execute = working.execute

    def execute_and_print(run, device):
        sys.stdout.write(f"{run.id}\n")
        return execute(run, device)

    working.execute = execute_and_print
    runs = plan_runs(benchmark, models=MODELS, seeds=SEEDS)
    (output / f"{os.getpid()}.ready").touch()
    while len(list(output.glob("*.ready"))) < NUM_PROCESSES:
        time.sleep(0.01)
    working.work(output, runs, "cpu", interval=0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
