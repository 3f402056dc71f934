"""What PyKEEN's checkpoints lack: the state of the generators."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from .asynchronous import AsynchronousSLCWATrainingLoop
from .generators import TrainableGenerators

__all__ = [
    "GeneratorCheckpointingLoop",
    "extend_checkpoint",
    "read_checkpoint_extension",
]

#: The name of the generators' part of a checkpoint.
CHECKPOINT_KEY: Final = "modality_adversarial_training"


def extend_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Add a state to a checkpoint file.

    :param path: The path of the checkpoint.
    :param state: The state to add.
    """
    # the file has just been written by PyKEEN, in the format of its own
    checkpoint = torch.load(path, weights_only=False)
    checkpoint[CHECKPOINT_KEY] = state
    torch.save(checkpoint, path)


def read_checkpoint_extension(path: str | Path) -> dict[str, Any]:
    """Read the state from a checkpoint file.

    :param path: The path of the checkpoint. PyKEEN's format may contain arbitrary Python objects; read only files that
        you trust.
    :returns: The state.
    :raises ValueError: if there is none
    """
    checkpoint = torch.load(path, weights_only=False, map_location="cpu")
    if CHECKPOINT_KEY not in checkpoint:
        raise ValueError(f"{path} is not a checkpoint of modality adversarial training: it lacks the generators.")
    state: dict[str, Any] = checkpoint[CHECKPOINT_KEY]
    return state


class GeneratorCheckpointingLoop(AsynchronousSLCWATrainingLoop):
    """A training loop with generators, which are part of its checkpoints."""

    generators: TrainableGenerators
    adversarial_losses_per_epoch: list[Mapping[str, float]]

    # docstr-coverage: inherited
    def _save_state(self, path: Any, *args: Any, **kwargs: Any) -> None:
        super()._save_state(path, *args, **kwargs)
        # PyKEEN's checkpoints know one model and one optimizer
        extend_checkpoint(path, {**self.generators.state_dict(), "losses": self.adversarial_losses_per_epoch})

    # docstr-coverage: inherited
    def _load_state(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        result = super()._load_state(path, *args, **kwargs)
        state = read_checkpoint_extension(path)
        self.adversarial_losses_per_epoch = state.pop("losses")
        self.generators.load_state_dict(state)
        return result
