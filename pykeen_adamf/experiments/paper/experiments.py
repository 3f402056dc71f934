"""What each experiment of the paper trains: its variants of models, and the runs that these take."""

import re
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from pykeen.stoppers import NopStopper, stopper_resolver
from pykeen.training import SLCWATrainingLoop, training_loop_resolver

from ...constants import TEXTUAL, VISUAL
from ...datasets.dropping import DROPPING_ORDERS, DroppingOrder
from ...datasets.lookup import load_dataset, name_dataset
from ...hpo.pipeline import refuse_leaking_validation
from ...training import KBGANTrainingLoop
from ..configuration import merge
from ..data import digest_data
from .contenders import CONTENDERS, STRUCTURAL, choose, load_configuration

__all__ = ["EXPERIMENTS", "GROUPS", "MISSING_RATIOS", "Run", "Variant", "plan"]

#: The modality-missing ratios of figure 3.
MISSING_RATIOS: Final = (0.0, 0.2, 0.4, 0.6, 0.8)

#: The numbers of groups of synthetic triples of figure 4.
GROUPS: Final = (1, 2, 4, 8)


class Variant(NamedTuple):
    """One row of a table, or one point of a figure."""

    #: what it is called in the report; the points of a line in a figure share it
    name: str
    #: one of :data:`CONTENDERS`
    contender: str
    #: what is different from the contender's configuration: parameters of PyKEEN's pipeline
    changes: Mapping[str, Any] = {}
    #: what distinguishes the points of a figure
    parameters: Mapping[str, Any] = {}


#: What is different in each ablation, whose name begins with its model's.
ABLATIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "AdaMF-MAT": {},
    "AdaMF (S+V+T, adaptive)": dict(model_kwargs=dict(fusion="adaptive")),
    "AdaMF (S+V+T, mean)": dict(model_kwargs=dict(fusion="mean")),
    "AdaMF (S+V)": dict(model_kwargs=dict(modalities=[VISUAL])),
    "AdaMF (S+T)": dict(model_kwargs=dict(modalities=[TEXTUAL])),
    "AdaMF (V+T)": dict(model_kwargs=dict(use_structural=False)),
    "AdaMF-MAT w/o (h*, r, t)": dict(training_loop_kwargs=dict(synthetic_kinds=["tail", "both"])),
    "AdaMF-MAT w/o (h, r, t*)": dict(training_loop_kwargs=dict(synthetic_kinds=["head", "both"])),
    "AdaMF-MAT w/o (h*, r, t*)": dict(training_loop_kwargs=dict(synthetic_kinds=["head", "tail"])),
}


def _point(model: str, mat: bool, changes: Mapping[str, Any] | None = None, **parameters: Any) -> Variant:
    """Return a point of a figure: a model that is trained with or without modality adversarial training."""
    name = f"{model}-MAT" if mat else model
    return Variant(name, name, changes or {}, dict(model=model, mat=mat, **parameters))


#: The variants of each experiment.
EXPERIMENTS: Final[Mapping[str, Sequence[Variant]]] = {
    "table2": [Variant(name, name) for name in CONTENDERS],
    "table3": [Variant(name, name.partition(" ")[0], changes) for name, changes in ABLATIONS.items()],
    "figure3": [
        _point(model, mat, missing_ratio=ratio)
        for model in ("AdaMF", "TBKGC", "IKRL")
        for ratio in MISSING_RATIOS
        for mat in (False, True)
    ],
    "figure4": [_point("AdaMF", True, dict(training_loop_kwargs=dict(num_groups=x)), num_groups=x) for x in GROUPS],
    "figure5": [_point("AdaMF", mat) for mat in (False, True)],
}


class Run(NamedTuple):
    """A model to be trained and evaluated, in a folder of its own."""

    #: what :func:`pykeen_adamf.experiments.run.run` takes
    configuration: Mapping[str, Any]

    #: a digest of the dataset's content, before anything is dropped
    data: str

    @property
    def point(self) -> str:
        """Return what it has in common with those that differ by their seeds only, in one line."""
        metadata, dataset = self.configuration["metadata"], self.configuration["pipeline"]["dataset"]
        places = [f"{name} {x}" for name, x in metadata["parameters"].items() if name not in {"mat", "model"}]
        return ", ".join([metadata["variant"], *places, dataset])

    @property
    def name(self) -> str:
        """Return the name of its folder."""
        pipeline = self.configuration["pipeline"]
        dataset, seed = pipeline["dataset"], pipeline["random_seed"]
        text = f"{dataset} {self.point.removesuffix(dataset)} seed {seed}".lower()
        # "(h*, r, t)" and "(h, r, t*)" are two variants
        return re.sub(r"[^a-z0-9.]+", "-", text.replace("*", "x")).strip("-")


def plan(
    experiment: str,
    *,
    datasets: Sequence[str],
    seeds: int = 5,
    models: Collection[str] | None = None,
    dataset_kwargs: Mapping[str, Any] | None = None,
    configurations: str | Path | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    num_test_triples: int | None = None,
    missing_by: DroppingOrder = "uniform",
) -> list[Run]:
    """Plan the runs of an experiment.

    :param experiment: One of :data:`EXPERIMENTS`.
    :param datasets: The names of datasets.
    :param seeds: The number of random seeds, beginning with 0.
    :param models: The names of some of the experiment's models or variants, or ``None`` for all.
    :param dataset_kwargs: The keyword-based parameters of the dataset.
    :param configurations: A directory with a configuration for each model, instead of those of this package.
    :param overrides: What is to be different from all configurations: keyword-based parameters of PyKEEN's pipeline by
        the name of their dictionary, e.g., ``{"training_kwargs": {"num_epochs": 5}}``. Margins stay as they are if it
        is the embedding dimension, but for the one of RotatE (PyKEEN), whose distances depend on it.
    :param num_test_triples: The number of test triples to rank, or ``None`` for all.
    :param missing_by: Which features figure 3 drops first: ``"uniform"`` for random ones, or ``"degree"`` for those of
        rare entities.
    :returns: The runs, seed by seed, such that there is something to compare before all are finished.
    :raises ValueError: if there is no such experiment, variant or dataset, a dataset lacks what a variant is about, or
        a configuration cannot be read
    """
    variants = _choose_variants(experiment, models, missing_by)
    names = list(dict.fromkeys(map(name_dataset, datasets)))
    if not names:
        raise ValueError("No dataset is chosen.")
    if seeds < 1:
        raise ValueError(f"There must be at least one seed, but seeds is {seeds}.")
    if dataset_kwargs and len(names) > 1:
        raise ValueError(f"Files can be given for one dataset at a time, but not for {' and '.join(names)} at once.")
    dataset_kwargs = dataset_kwargs or {}
    data = {} if num_test_triples is None else {"test_triples": num_test_triples}
    runs = []
    for name in names:
        dataset = load_dataset(name, dataset_kwargs)
        for variant in variants:
            _check_modalities(experiment, variant, name, getattr(dataset.training, "features", ()))
        bases = [_configure(variant, name, dataset_kwargs, configurations, overrides or {}) for variant in variants]
        digest = digest_data(dataset)
        for seed in range(seeds):
            changes = {"metadata": {"experiment": experiment}, "pipeline": {"random_seed": seed}, "data": data}
            runs += [Run(merge(base, changes), digest) for base in bases]
    return runs


def _choose_variants(experiment: str, names: Collection[str] | None, missing_by: DroppingOrder) -> list[Variant]:
    choose("experiment", [experiment], EXPERIMENTS)
    choose("order of dropping", [missing_by], DROPPING_ORDERS)
    variants = EXPERIMENTS[experiment]
    if missing_by != "uniform":
        if not any("missing_ratio" in x.parameters for x in variants):
            raise ValueError(f"{experiment} drops no features, neither by {missing_by} nor otherwise. Choose figure3.")
        # without anything dropped, there is no order
        orders = [{"missing_by": missing_by} if x.parameters["missing_ratio"] else {} for x in variants]
        variants = [x._replace(parameters={**x.parameters, **y}) for x, y in zip(variants, orders, strict=True)]
    known = dict.fromkeys(variant.name for variant in variants)
    chosen = choose(f"model of {experiment}", known if names is None else names, known)
    return [variant for variant in variants if variant.name in chosen]


def _check_modalities(experiment: str, variant: Variant, dataset: str, available: Collection[str]) -> None:
    there = f"the modalities {', '.join(sorted(available))}" if available else "no modality at all"
    model = variant.contender.removesuffix("-MAT")
    needed = [VISUAL, TEXTUAL] if experiment == "table3" else [VISUAL] if model in {"IKRL", "MANS", "RSME"} else []
    if not set(needed).issubset(available):
        raise ValueError(
            f"{variant.name} needs the modalities {' and '.join(needed)}, but {dataset} has {there}. Use another "
            f"dataset, or give its modalities these names."
        )
    if model == "OTKGE" and find_spec("ot") is None:
        raise ValueError('OTKGE needs the library POT. Install it by pip install "pykeen-adamf[ot]", or leave it out.')
    if model not in STRUCTURAL and not available:
        raise ValueError(f"{variant.name} needs features of entities, but {dataset} has {there}. Leave the model out.")


def _configure(
    variant: Variant,
    dataset: str,
    dataset_kwargs: Mapping[str, Any],
    directory: str | Path | None,
    overrides: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the configuration of a variant's runs, but for their random seeds."""
    configuration = load_configuration(variant.contender, dataset, directory)
    metadata, pipeline = configuration["metadata"], configuration["pipeline"]
    wanted = merge(overrides, {})
    wanted_dim = wanted.get("model_kwargs", {}).get("embedding_dim")
    loop = training_loop_resolver.lookup(pipeline.get("training_loop"))
    if not issubclass(loop, SLCWATrainingLoop) or loop is KBGANTrainingLoop:
        # there are none, or it is the number of candidates for the only one, and not a budget
        wanted.pop("negative_sampler_kwargs", None)
    if loop is KBGANTrainingLoop and wanted_dim:
        wanted["training_loop_kwargs"] = {"generator_kwargs": {"embedding_dim": wanted_dim}}
    dim, loss = pipeline.get("model_kwargs", {}).get("embedding_dim"), pipeline.get("loss_kwargs", {})
    if variant.contender == "RotatE (PyKEEN)" and dim and wanted_dim:
        # the 2-norm of d coordinates of similar modulus is 1 / sqrt(d) of their sum, which the others use
        scale = (dim / wanted_dim) ** 0.5
        factors = {"margin": scale, "adversarial_temperature": 1 / scale}
        wanted["loss_kwargs"] = {name: x * loss[name] for name, x in factors.items() if name in loss}
    metadata["overrides"] = {
        f"{group}.{name}": pipeline.get(group, {}).get(name)
        for group, values in wanted.items()
        for name, value in values.items()
        if pipeline.get(group, {}).get(name) != value
    }
    metadata |= {"title": f"{variant.name} on {dataset}", "variant": variant.name, "parameters": variant.parameters}
    changes = merge(wanted, variant.changes)
    pipeline = merge(pipeline, changes)
    if dataset_kwargs:
        pipeline["dataset_kwargs"] = {**pipeline.get("dataset_kwargs", {}), **dataset_kwargs}
    # files that come from a search have options of the loop and of the sampler here, where they would win
    for group in ("training_loop_kwargs", "negative_sampler_kwargs"):
        for name in changes.get(group, {}):
            pipeline.get("training_kwargs", {}).pop(name, None)
    if stopper_resolver.lookup(pipeline.get("stopper")) is not NopStopper:
        # nothing must be chosen by validation triples that are training or test triples
        try:
            refuse_leaking_validation(dataset, dataset_kwargs)
        except ValueError as error:
            source = metadata["source"]
            raise ValueError(f"{source} has a stopper. {error} As an option of the command: --validation.") from error
    ratio, order = variant.parameters.get("missing_ratio"), variant.parameters.get("missing_by", "uniform")
    data = {"missing_ratio": ratio, "missing_by": order} if ratio else {}
    return {"metadata": metadata, "pipeline": pipeline, "data": data}
