"""The settings that suit an own graph, by its density and size."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..presets import load_preset, preset_path

__all__ = ["choose_preset", "configure"]

#: With fewer training triples for each entity, a graph is sparse. MKG-Y has 1.4, and RotatE with sampled negatives is
#: better there, by little; a graph of countries with 1.78, too. EmojiKG has 1.87, and ComplEx against all entities is
#: better by far.
MIN_DENSITY: Final = 1.8

#: From here on, dropout takes the place of N3 regularization: MKG-W has 2.3, DB15K 6.2.
MIN_DENSITY_OF_DROPOUT: Final = 4.0

#: With fewer training triples, a graph is small: EmojiKG has 4,069, MKG-W 34,196.
MIN_TRIPLES: Final = 12_000

#: There are at least so many batches in an epoch, as far as they have so many triples.
MIN_BATCHES: Final = 8
MIN_BATCH_SIZE: Final = 32

#: The options of the model that it also has without features.
STRUCTURAL: Final = ("interaction", "embedding_dim", "batch_norm", "entity_dropout", "query_dropout")
INITIALIZERS: Final = tuple(f"{x}_initializer{y}" for x in ("entity", "relation") for y in ("", "_kwargs"))


def choose_preset(num_triples: int, num_entities: int) -> tuple[str, str]:
    """Choose the settings by the numbers of training triples and of entities.

    :returns: The name of a preset, and the reason in words.
    """
    density = num_triples / max(num_entities, 1)
    has = f"{density:.2f} training triples for each entity"
    if density < MIN_DENSITY:
        return "MKG-Y", f"{has}, less than {MIN_DENSITY:g}: RotatE with sampled negatives, as on MKG-Y (1.42)"
    if num_triples < MIN_TRIPLES:
        reason = f"{has}, and less than {MIN_TRIPLES:,} in all: ComplEx against all entities, as on EmojiKG"
        return "EmojiKG", f"{reason} (1.87, and 4,069 in all)"
    if density < MIN_DENSITY_OF_DROPOUT:
        return "MKG-W", f"{has}: ComplEx against all entities with N3 regularization, as on MKG-W (2.28)"
    return "DB15K", f"{has}: ComplEx against all entities with dropout, as on DB15K (6.17)"


def configure(
    dataset_kwargs: Mapping[str, Any],
    modalities: Sequence[str],
    num_triples: int,
    num_entities: int,
    *,
    preset: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Make the configuration of a run on own files.

    :param dataset_kwargs: The options of the dataset.
    :param modalities: The modalities that there are; without any, the model is one of the triples alone.
    :param num_triples: The number of training triples.
    :param num_entities: The number of entities.
    :param preset: The name of a preset. Chosen if there is none.
    :param epochs: The number of epochs, if not that of the preset.
    :param seed: The random seed.
    :returns: What :func:`pykeen_adamf.experiments.run.run` takes, with the reason as comment.
    :raises ValueError: if there is no such preset
    """
    name, reason = choose_preset(num_triples, num_entities)
    if preset is not None:
        name, reason = preset_path(preset).stem, f"as asked for; by itself, it would be {name}: {reason}"
    settings: dict[str, Any] = load_preset(name)["pipeline"]
    model_kwargs = {key: x for key, x in settings["model_kwargs"].items() if key != "modalities"}
    if not modalities:
        settings["model"] = "Structural"
        model_kwargs = {key: x for key, x in model_kwargs.items() if key in (*STRUCTURAL, *INITIALIZERS)}
    elif scales := model_kwargs.get("fusion_kwargs", {}).get("initial_scale"):
        (scale,) = set(scales.values())
        model_kwargs["fusion_kwargs"] = {
            **model_kwargs["fusion_kwargs"],
            "initial_scale": dict.fromkeys(modalities, scale),
        }
    inverse = bool(settings.get("dataset_kwargs", {}).get("create_inverse_triples"))
    training = settings["training_kwargs"]
    batch_size = min(training["batch_size"], _batch_size(num_triples * (1 + inverse)))
    training = {**training, "num_epochs": epochs or training["num_epochs"], "batch_size": batch_size}
    if "T_max" in settings.get("lr_scheduler_kwargs", {}):
        settings["lr_scheduler_kwargs"] = {**settings["lr_scheduler_kwargs"], "T_max": training["num_epochs"]}
    return {
        "metadata": {"title": f"The settings {name}", "preset": name, "reason": reason},
        "pipeline": {
            **settings,
            "dataset": "MultimodalPath",
            "dataset_kwargs": {**dataset_kwargs, "create_inverse_triples": inverse},
            "model_kwargs": model_kwargs,
            "training_kwargs": training,
            "random_seed": seed,
        },
    }


def _batch_size(num: int) -> int:
    """Return a power of two, such that there are enough batches in an epoch."""
    return int(max(MIN_BATCH_SIZE, 2 ** math.floor(math.log2(max(1, num / MIN_BATCHES)))))
