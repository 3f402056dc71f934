"""The command that demonstrates everything."""

from pathlib import Path
from typing import Any

import click

from .options import POSITIVE, device_option, output_option

__all__ = ["demo"]


@click.command()
@click.option(
    "--epochs",
    type=POSITIVE,
    help="The epochs of each model. If not given, what they are configured for, on a CPU less than two minutes in all.",
)
@click.option("--seed", type=int, default=0, help="The random seed of training and of questions.")
@click.option(
    "--any-type", is_flag=True, help="Rank all entities as answers to questions, not only those of the right type."
)
@device_option
@output_option("The directory to write to: results.json, the trained models, and two pictures.", "adamf-demo")
def demo(output: Path, **options: Any) -> None:
    """Train RotatE, AdaMF and AdaMF-MAT on EmojiKG, which comes with this package.

    Prints how well they predict links that were held out, and what they answer to some questions in plain words, with
    the weights of structure, images and texts behind the answers. If interrupted, what is finished remains.
    """
    try:
        # importing PyKEEN takes seconds; --help should not
        from ..experiments.demo.demo import demo as run
        from ..experiments.quiet import quiet

        with quiet():
            run(output, report=click.echo, **options)
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted. What is trained is kept in {output}: repeat the command to go on.", err=True)
        raise SystemExit(130) from None
