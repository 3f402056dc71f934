"""From what is asked for to the runs that it takes."""

import dataclasses
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pykeen.stoppers import NopStopper, stopper_resolver

from ...features.dropping import DroppingOrder
from ...hpo.pipeline import refuse_leaking_validation
from ..configuration import merge
from ..data import digest_data, get_modalities, load_dataset, name_dataset
from .contenders import Overrides, load_configuration
from .experiments import Variant, check_modalities, get_variants

__all__ = ["Run", "plan"]


@dataclasses.dataclass(frozen=True)
class Run:
    """A model to be trained and evaluated, in a folder of its own."""

    #: what :func:`pykeen_adamf.experiments.run.run` takes
    configuration: Mapping[str, Any]

    #: a digest of the dataset's content, before anything is dropped
    data: str

    @property
    def name(self) -> str:
        """Return the name of its folder."""
        metadata, pipeline = self.configuration["metadata"], self.configuration["pipeline"]
        points = [f"{name} {x}" for name, x in metadata["parameters"].items() if name not in {"mat", "model"}]
        text = " ".join([pipeline["dataset"], metadata["variant"], *points, f"seed {pipeline['random_seed']}"]).lower()
        # "(h*, r, t)" and "(h, r, t*)" are two variants
        return re.sub(r"[^a-z0-9.]+", "-", text.replace("*", "x")).strip("-")


def plan(
    experiment: str,
    *,
    datasets: Sequence[str],
    seeds: int,
    models: Collection[str] | None = None,
    dataset_kwargs: Mapping[str, Any] | None = None,
    configurations: str | Path | None = None,
    overrides: Overrides | None = None,
    num_test_triples: int | None = None,
    missing_by: DroppingOrder = "uniform",
) -> list[Run]:
    """Plan the runs of an experiment.

    :param experiment: The name of the experiment.
    :param datasets: The names of datasets.
    :param seeds: The number of random seeds, beginning with 0.
    :param models: The names of the variants, or ``None`` for all of the experiment.
    :param dataset_kwargs: The keyword-based parameters of the dataset.
    :param configurations: A directory with a configuration for each model, instead of those of this package.
    :param overrides: What is to be different from the configurations.
    :param num_test_triples: The number of test triples to rank, or ``None`` for all.
    :param missing_by: Which features are dropped first, if the experiment drops any: ``"uniform"`` for random ones, or
        ``"degree"`` for those of rare entities.
    :returns: The runs, seed by seed, such that there is something to compare before all are finished.
    :raises ValueError: if there is no such experiment, variant or dataset, a dataset lacks what a variant is about, or
        a configuration cannot be read
    """
    variants = get_variants(experiment, models, missing_by)
    names = list(dict.fromkeys(map(name_dataset, datasets)))
    if not names:
        raise ValueError("No dataset is chosen.")
    if seeds < 1:
        raise ValueError(f"There must be at least one seed, but seeds is {seeds}.")
    if dataset_kwargs and len(names) > 1:
        raise ValueError(f"Files can be given for one dataset at a time, but not for {' and '.join(names)} at once.")
    runs = []
    for name in names:
        dataset = load_dataset(name, dataset_kwargs or {})
        for variant in variants:
            check_modalities(variant, name, get_modalities(dataset))
        digest = digest_data(dataset)
        for seed, variant in itertools.product(range(seeds), variants):
            configuration = _configure(
                variant, name, seed, dataset_kwargs or {}, configurations, overrides or Overrides()
            )
            configuration["metadata"]["experiment"] = experiment
            if num_test_triples is not None:
                configuration["data"]["test_triples"] = num_test_triples
            _check_validation(configuration, dataset_kwargs or {})
            runs.append(Run(configuration, digest))
    return runs


def _check_validation(configuration: Mapping[str, Any], dataset_kwargs: Mapping[str, Any]) -> None:
    """Check that nothing is chosen by validation triples that are training or test triples."""
    if stopper_resolver.lookup(configuration["pipeline"].get("stopper")) is NopStopper:
        return
    try:
        refuse_leaking_validation(configuration["pipeline"]["dataset"], dataset_kwargs)
    except ValueError as error:
        source = configuration["metadata"]["source"]
        raise ValueError(f"{source} has a stopper. {error} As an option of the command: --validation.") from error


def _configure(
    variant: Variant,
    dataset: str,
    seed: int,
    dataset_kwargs: Mapping[str, Any],
    configurations: str | Path | None,
    overrides: Overrides,
) -> dict[str, Any]:
    """Return the configuration of a run."""
    configuration = load_configuration(variant.contender, dataset, configurations)
    changes = merge(overrides.as_pipeline(), variant.changes)
    if dataset_kwargs:
        changes["dataset_kwargs"] = dict(dataset_kwargs)
    pipeline = configuration["pipeline"]
    configuration["metadata"]["overrides"] = {
        f"{group}.{name}": pipeline.get(group, {}).get(name)
        for group, values in overrides.as_pipeline().items()
        for name, value in values.items()
        if pipeline.get(group, {}).get(name) != value
    }
    pipeline = merge(pipeline, {**changes, "random_seed": seed})
    # files that come from a search have options of the loop and of the sampler here, where they would win
    for group in ("training_loop_kwargs", "negative_sampler_kwargs"):
        for name in changes.get(group, {}):
            pipeline.get("training_kwargs", {}).pop(name, None)
    configuration["pipeline"] = pipeline
    configuration["metadata"]["title"] = f"{variant.name} on {dataset}"
    configuration["metadata"] |= {"variant": variant.name, "parameters": dict(variant.parameters)}
    configuration["data"] = {}
    if variant.missing_ratio:
        configuration["data"] = {"missing_ratio": variant.missing_ratio, "missing_by": variant.missing_by}
    return configuration
