"""Disturb processes often, and write down what has come of each; a file that is there is continued."""

import json
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

import click
import torch

from pykeen_adamf.experiments.folder import write_json
from pykeen_adamf.experiments.recording import describe_environment

from .disturbing import KINDS, disturb_often
from .scenarios import SCENARIOS


@click.command()
@click.option("--kills", default=200, show_default=True, help="How many disturbances there are of each work.")
@click.option("--what", type=click.Choice(list(SCENARIOS)), multiple=True, help="What is disturbed; by default, all.")
@click.option("--kind", type=click.Choice(list(KINDS)), multiple=True, help="How; by default, in each way in turn.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("kills.json"), show_default=True)
def main(kills: int, what: tuple[str, ...], kind: tuple[str, ...], output: Path) -> None:
    """Disturb processes at random moments."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    content = json.loads(output.read_text()) if output.exists() else {"disturbances": []}
    content["environment"] = describe_environment("cpu")
    for name in what or SCENARIOS:
        done = sum(x["what"] == name for x in content["disturbances"])
        with tempfile.TemporaryDirectory() as root:
            for record in disturb_often(name, list(kind or KINDS), done, kills, Path(root)):
                content["disturbances"].append(record)
                write_json(output, content)
                click.echo(f"{name} {record['number']}: {record['kind']}, {record['problem'] or 'as undisturbed'}")
    sys.exit(any(x["problem"] for x in content["disturbances"]))


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
