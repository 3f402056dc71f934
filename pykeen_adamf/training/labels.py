"""The labels of training with all entities for each head and relation."""

import torch
from pykeen.losses import Loss
from pykeen.training import LCWATrainingLoop
from pykeen.triples import CoreTriplesFactory

__all__ = ["check_labels"]


def check_labels(training_loop: LCWATrainingLoop, factory: CoreTriplesFactory) -> None:
    """Check that the loss has a value for all pairs, e.g., heads and relations of which every entity is a tail.

    :raises ValueError: if it has none
    """
    triples = factory._add_inverse_triples_if_necessary(factory.mapped_triples).unique(dim=0)
    columns = [column for column in range(3) if column != training_loop.target]
    pairs, counts = triples[:, columns].unique(dim=0, return_counts=True)
    complete = counts == training_loop.num_targets
    num_complete = int(complete.sum())
    if not num_complete or _has_value(training_loop.loss, training_loop.num_targets, num_complete < len(pairs)):
        return
    names = [("head", "relation", "tail")[column] for column in columns]
    example = ", ".join(f"{name} {i}" for name, i in zip(names, pairs[complete][0].tolist(), strict=True))
    loss = type(training_loop.loss).__name__
    raise ValueError(
        f"{num_complete:,} of {len(pairs):,} pairs of training triples, e.g., {example}, are related with all "
        f"{training_loop.num_targets:,} there are, and {loss} needs others to compare with: "
        f"use another loss, e.g., 'BCEWithLogits', or leave out such relations."
    )


def _has_value(loss: Loss, num_targets: int, mixed: bool) -> bool:
    """Return whether a loss is finite if some, or all, pairs have all labels."""
    labels = torch.ones(2, num_targets)
    labels[1, 0] = 1.0 - mixed
    return bool(loss.process_lcwa_scores(torch.zeros(2, num_targets), labels, num_entities=num_targets).isfinite())
