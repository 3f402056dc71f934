"""The models of the paper's experiments by name, and their configurations, cf. :mod:`..configuration`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pykeen.datasets import dataset_resolver
from pykeen.models import model_resolver
from pykeen.training import training_loop_resolver

from ..configuration import check_configuration, read_sections

__all__ = ["CONFIGURATIONS", "CONTENDERS", "DEFAULT", "choose", "load_configuration"]

#: The directory of the configurations: one folder for each dataset, and one for all others.
CONFIGURATIONS: Final = Path(__file__).parent / "configurations"
DEFAULT: Final = CONFIGURATIONS / "default"

#: Parameters of PyKEEN's pipeline that the experiment decides about, whatever a file has.
DECIDED: Final = frozenset({"dataset", "dataset_kwargs", "device", "metadata", "random_seed", "use_tqdm"})

STRUCTURAL: Final = (
    *("TransE", "TransD", "DistMult", "ComplEx", "PairRE", "RotatE (PyKEEN)", "RotatE"),
    *("OTE", "GC-OTE", "KBGAN (TransE)", "KBGAN (TransD)"),
)
MULTIMODAL: Final = ("IKRL", "TBKGC", "AdaMF")
OTHERS: Final = (
    *("TransAE", "MMKRL", "RSME", "MoSE", "VBKGC", "OTKGE", "MMRNS (RotatE)", "MANS"),
    *("NativE", "MoMoK", "MoCME"),
)

#: The files' names without suffix by the name of the model, structural ones first, and those of the paper last.
CONTENDERS: Final[Mapping[str, str]] = {
    name: name.replace(" (", "-").rstrip(")")
    for name in (*STRUCTURAL, *OTHERS, *MULTIMODAL, *(f"{model}-MAT" for model in MULTIMODAL))
}


def choose(kind: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Check names of a kind among those that are known, and return them in their order, without duplicates.

    :raises ValueError: if there is none, or an unknown one
    """
    chosen, known = list(dict.fromkeys(names)), list(known)
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        found = f"There is no {kind} {unknown[0]!r}" if unknown else f"No {kind} is chosen"
        raise ValueError(f"{found}. Choose from: {'; '.join(known)}.")
    return chosen


def load_configuration(contender: str, dataset: str, directory: str | Path | None = None) -> dict[str, Any]:
    """Load a model's configuration for a dataset, without all else that an experiment decides about.

    :param contender: One of :data:`CONTENDERS`.
    :param dataset: The name of the dataset.
    :param directory: A directory with a file for each model. Defaults to this package's: the dataset's folder, or else
        the one for all others.
    :raises ValueError: if there is no such model, or no file of it in the directory, or it cannot be read
    """
    choose("model", [contender], CONTENDERS)
    name, normalize = f"{CONTENDERS[contender]}.json", dataset_resolver.normalize
    # in a directory, a model without a file would have the budget of another configuration than those beside it
    own = [path for path in CONFIGURATIONS.iterdir() if normalize(path.name) == normalize(dataset)]
    folders = [*own, DEFAULT] if directory is None else [Path(directory)]
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        raise ValueError(
            f"There is no configuration of {contender}: {folders[0] / name}. Write one, e.g., starting from "
            f"{DEFAULT / name}, or leave the model out."
        )
    content, expected = read_sections(path), read_sections(DEFAULT / path.name)
    kept = {name: x for name, x in content["pipeline"].items() if x is not None and name not in DECIDED}
    titles = {"title": f"{contender} on {dataset}", "source": f"{path.parent.name}/{path.name}"}
    metadata, pipeline = (content.get("metadata") or {}) | titles, kept | {"dataset": dataset}
    # some training loops need them
    if (content["pipeline"].get("dataset_kwargs") or {}).get("create_inverse_triples"):
        pipeline["dataset_kwargs"] = {"create_inverse_triples": True}
    configuration = {"metadata": metadata, "pipeline": pipeline}
    check_configuration(configuration, path)
    names: dict[str, Any] = {"model": model_resolver}
    if contender.removesuffix("-MAT") in MULTIMODAL:
        # others are trained as is best for them
        names["training_loop"] = training_loop_resolver
    for name, resolver in names.items():
        found, wanted = (resolver.lookup(x["pipeline"].get(name)) for x in (content, expected))
        if found is not wanted:
            raise ValueError(
                f"{path} has the {name} {found.__name__}, but a file of that name must have {wanted.__name__}. Correct "
                f"the file, or give it the name of its model."
            )
    return configuration
