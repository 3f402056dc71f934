"""The command for one run."""

import os
import threading
from pathlib import Path
from typing import Any

import click

from .options import POSITIVE, device_option, no_progress_option, output_option

__all__ = ["run"]


@click.command()
@click.argument("what", metavar="WHAT")
@output_option("The folder of the run.")
@click.option("--seed", type=click.IntRange(min=0), help="The random seed, if not as configured (or 0).")
@device_option
@click.option("--bundle", is_flag=True, help="Save the trained model with all that it needs to predict, too.")
@click.option("--threads", type=POSITIVE, help="The number of threads. If not given, PyTorch decides.")
@click.option(
    "--checkpoint-minutes",
    type=click.IntRange(min=0),
    default=1,
    help="How often to write a checkpoint; 0 for each epoch.",
)
@click.option(
    "--validate-every",
    type=POSITIVE,
    help="After how many epochs to measure the validation MRR for the learning curve. If not given, never.",
)
@no_progress_option
@click.option(
    "--preset",
    metavar="NAME",
    help="Of a directory: the preset whose settings to use. If not given, one that suits it.",
)
@click.option("--epochs", type=POSITIVE, help="Of a directory: the epochs, if not those of the settings.")
@click.option(
    "--text-model",
    metavar="NAME",
    help="Of a directory: the model for texts, a directory, or a name to download. If not given, all-MiniLM-L6-v2, if "
    "it is on this machine.",
)
@click.option(
    "--image-model",
    metavar="NAME",
    help="Of a directory: a model of timm for images, to download. If not given, descriptors of gradients and colours.",
)
@click.option("--without", multiple=True, metavar="MODALITY", help="Of a directory: leave a modality out; repeatable.")
@click.option("--end-with-input", is_flag=True, hidden=True)
def run(what: str, output: Path, threads: int | None, no_progress: bool, end_with_input: bool, **options: Any) -> None:
    """Train and evaluate one model, in one folder.

    WHAT is a directory with an own graph; or a configuration file (JSON or YAML), as PyKEEN reads them; or the name of
    a preset: DB15K, EmojiKG, MKG-W, MKG-Y, MKG-Y-ComplEx or MKG-Y-inverse.

    A directory has triples.tsv (or .csv, .nt, .parquet; or train and test; or the files of OpenKE), and any of
    images/ENTITY.png, texts.tsv or texts/ENTITY.txt, numbers.csv, and features such as audio.safetensors. It is checked
    first; settings that suit it are chosen; and the run's folder gets a page, report.md, and the bundle.

    If it is interrupted, the same command continues where it has stopped; if it is finished, it returns at once.
    """
    # importing PyKEEN takes seconds; --help should not
    import torch

    from ..experiments.engines import BUSY
    from ..experiments.folder import BusyError
    from ..experiments.own_graph import run_directory
    from ..experiments.run import run as run_configuration
    from ..presets import list_presets

    if end_with_input:
        # on Windows, nothing can be imported while a thread waits for input from a pipe
        threading.Thread(target=_end_with_input, daemon=True).start()
    if threads is not None:
        torch.set_num_threads(threads)
    own = {name: options.pop(name) for name in ("preset", "epochs", "text_model", "image_model", "without")}
    is_preset = what.lower() in map(str.lower, list_presets())
    is_directory = Path(what).is_dir() and not is_preset
    if is_preset and Path(what).is_dir():
        click.echo(f"{what} is the preset. To take the directory that is called so: ./{what}")
    if not is_directory and (given := [name for name, value in own.items() if value]):
        raise click.UsageError(f"--{given[0].replace('_', '-')} is an option of directories, but {what} is none.")
    try:
        if is_directory:
            options.pop("bundle")
            run_directory(what, output, progress=not no_progress, report=click.echo, **own, **options)
        else:
            run_configuration(what, output, progress=not no_progress, report=click.echo, **options)
    except KeyboardInterrupt:
        from ..experiments.folder import RunFolder

        kept = "continue from its last checkpoint" if RunFolder(output).checkpoint.exists() else "begin anew"
        click.echo(f"Interrupted. Repeat the command to {kept} in {output}; see --checkpoint-minutes.")
        raise
    except BusyError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(BUSY) from error


def _end_with_input() -> None:
    """End this process as soon as its input does, i.e., when the one that has started it is gone."""
    # not by a buffered reader, whose lock Python could not have at its end
    while os.read(0, 1024):
        pass
    os._exit(1)
