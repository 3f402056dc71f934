"""What PyKEEN's checkpoints lack: the state of the generators."""

from pathlib import Path
from typing import Any, Final

import torch

__all__ = [
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
