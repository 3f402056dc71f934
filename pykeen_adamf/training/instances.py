"""Batches of positive triples with their negatives, where PyKEEN's are slow or wrong."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from pykeen.triples.instances import BatchedSLCWAInstances, SLCWABatch
from torch.utils.data import BatchSampler, get_worker_info
from typing_extensions import Self

from .negative_sampling import ONE_ENTITY_CORRUPTED

__all__ = ["DeviceInstances", "SharedInstances"]


class SharedInstances(BatchedSLCWAInstances):
    """Training instances which several workers share.

    Each of PyKEEN's workers draws positions in its own part of the triples, and then takes these positions of all
    triples: of the first part, that is, as often as there are workers. Here, all workers agree on one order, and take
    turns, so that the batches of an epoch are the same as without workers, but for the random numbers.
    """

    # docstr-coverage: inherited
    def iter_triple_ids(self) -> Iterable[list[int]]:  # noqa: D102
        worker = get_worker_info()
        assert worker is not None
        # the seeds of workers are consecutive numbers, and new in each epoch
        rng = torch.Generator().manual_seed(worker.seed - worker.id)
        order = torch.randperm(len(self.mapped_triples), generator=rng).tolist()
        for i, batch in enumerate(BatchSampler(order, self.batch_size, self.drop_last)):
            if i % worker.num_workers == worker.id:
                yield batch


class DeviceInstances(BatchedSLCWAInstances):
    """Training instances that are shuffled, selected and corrupted where the model is."""

    def move(self, device: torch.device) -> Self:
        """Move the triples, and what negatives are sampled from."""
        self.mapped_triples = self.mapped_triples.to(device)
        self.negative_sampler = self.negative_sampler.to(device)
        return self

    def __getitem__(self, item: Any) -> SLCWABatch:
        """Get a batch."""
        batch = super().__getitem__(item)
        # a property of the sampler, which nobody has to look for
        batch[ONE_ENTITY_CORRUPTED] = True  # type: ignore[typeddict-unknown-key]
        return batch

    def __iter__(self) -> Iterator[SLCWABatch]:
        """Iterate over batches."""
        order = torch.randperm(len(self.mapped_triples), device=self.mapped_triples.device)
        for indices in order.split(self.batch_size)[: len(self)]:
            yield self[indices]
