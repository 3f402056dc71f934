"""The models of the paper's experiments by name, and their configurations.

A configuration is a file that ``pykeen experiments run`` reads: a dictionary with ``metadata``, and with ``pipeline``,
the parameters of :func:`pykeen.pipeline.pipeline`.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pykeen.models import model_resolver
from pykeen.training import training_loop_resolver
from pykeen.utils import load_configuration as load_configuration_file

from ..configuration import check_configuration, check_sections

__all__ = [
    "CONFIGURATIONS",
    "CONTENDERS",
    "Overrides",
    "choose",
    "find_configuration",
    "load_configuration",
]

#: The directory of the configurations: one folder for each dataset, and one for all others.
CONFIGURATIONS: Final = Path(__file__).parent / "configurations"
DEFAULT: Final = "default"

#: Parameters of PyKEEN's pipeline that the experiment decides about, whatever a file has.
DECIDED: Final = frozenset({"dataset", "dataset_kwargs", "device", "metadata", "random_seed", "use_tqdm"})

#: The files' names without suffix by the name of the model, in the order of the paper's table 2.
CONTENDERS: Final[Mapping[str, str]] = {
    "TransE": "TransE",
    "TransD": "TransD",
    "DistMult": "DistMult",
    "ComplEx": "ComplEx",
    "PairRE": "PairRE",
    "RotatE (PyKEEN)": "RotatE-PyKEEN",
    "RotatE": "RotatE",
    "IKRL": "IKRL",
    "TBKGC": "TBKGC",
    "AdaMF": "AdaMF",
    "IKRL-MAT": "IKRL-MAT",
    "TBKGC-MAT": "TBKGC-MAT",
    "AdaMF-MAT": "AdaMF-MAT",
}


@dataclasses.dataclass(frozen=True)
class Overrides:
    """What is to be different from the configurations; ``None`` leaves it as it is there."""

    #: the number of epochs
    epochs: int | None = None

    #: the embedding dimension; margins stay as they are
    embedding_dim: int | None = None

    #: the number of triples in a batch
    batch_size: int | None = None

    #: the number of negatives for each positive triple
    negatives: int | None = None

    #: the learning rate of the model, not of the generators
    learning_rate: float | None = None

    def as_pipeline(self) -> dict[str, Any]:
        """Return the parameters of PyKEEN's pipeline to change, to be merged into a configuration's."""
        places = {
            "epochs": ("training_kwargs", "num_epochs"),
            "embedding_dim": ("model_kwargs", "embedding_dim"),
            "batch_size": ("training_kwargs", "batch_size"),
            "negatives": ("negative_sampler_kwargs", "num_negs_per_pos"),
            "learning_rate": ("optimizer_kwargs", "lr"),
        }
        result: dict[str, Any] = {}
        for name, (outer, inner) in places.items():
            value = getattr(self, name)
            if value is not None:
                result.setdefault(outer, {})[inner] = value
        return result


def choose(kind: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Check names, and return them without duplicates.

    :param kind: What they name, for the message.
    :param names: The names.
    :param known: The names that there are.
    :returns: The names, in their order.
    :raises ValueError: if there is none, or an unknown one
    """
    known = list(known)
    chosen = list(dict.fromkeys(names))
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        found = f"There is no {kind} {unknown[0]!r}" if unknown else f"No {kind} is chosen"
        raise ValueError(f"{found}. Choose from: {'; '.join(known)}.")
    return chosen


def _normalize(name: str) -> str:
    """Normalize the name of a dataset, as PyKEEN does."""
    return "".join(character for character in name.lower() if character.isalnum())


def find_configuration(contender: str, dataset: str, directory: str | Path | None = None) -> Path:
    """Find the file with a model's configuration.

    :param contender: One of :data:`CONTENDERS`.
    :param dataset: The name of the dataset.
    :param directory: A directory with a file for each model, instead of those of this package.
    :returns: The path of the file in the directory; if there is none, in the dataset's folder, or else in the one for
        all others.
    :raises ValueError: if there is no such model, or no file of it in the directory
    """
    choose("model", [contender], CONTENDERS)
    name = f"{CONTENDERS[contender]}.json"
    if directory is not None:
        # without it, the model would have the budget of another configuration than those beside it
        path = Path(directory) / name
        if not path.is_file():
            raise ValueError(
                f"There is no configuration of {contender}: {path}. Write one, e.g., starting from "
                f"{CONFIGURATIONS / DEFAULT / name}, or leave the model out."
            )
        return path
    folders = [path for path in CONFIGURATIONS.iterdir() if _normalize(path.name) == _normalize(dataset)]
    paths = [folder / name for folder in [*folders, CONFIGURATIONS / DEFAULT]]
    return next(path for path in paths if path.is_file())


def load_configuration(contender: str, dataset: str, directory: str | Path | None = None) -> dict[str, Any]:
    """Load a model's configuration for a dataset.

    :param contender: One of :data:`CONTENDERS`.
    :param dataset: The name of the dataset.
    :param directory: A directory with a file for each model, instead of those of this package.
    :returns: The configuration, with that dataset, and without all else that an experiment decides about.
    :raises ValueError: if there is no such model, or its file cannot be read
    """
    path = find_configuration(contender, dataset, directory)
    content, expected = _read(path), _read(CONFIGURATIONS / DEFAULT / path.name)
    kept = {name: x for name, x in content["pipeline"].items() if x is not None and name not in DECIDED}
    configuration = {
        "metadata": {
            **(content.get("metadata") or {}),
            "title": f"{contender} on {dataset}",
            "source": f"{path.parent.name}/{path.name}",
        },
        "pipeline": {**kept, "dataset": dataset},
    }
    check_configuration(configuration, path)
    for name, resolver in (("model", model_resolver), ("training_loop", training_loop_resolver)):
        found, wanted = (resolver.lookup(x["pipeline"].get(name)) for x in (content, expected))
        if found is not wanted:
            raise ValueError(
                f"{path} has the {name} {found.__name__}, but a file of that name must have {wanted.__name__}. Correct "
                f"the file, or give it the name of its model."
            )
    return configuration


def _read(path: Path) -> dict[str, Any]:
    try:
        content = load_configuration_file(path)
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}. Correct the file.") from error
    check_sections(content, path)
    return dict(content)
