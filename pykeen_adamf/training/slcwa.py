"""The training loop with sampled negatives that all others of this package with such are made of."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import torch
from class_resolver import HintOrType, OptionalKwargs, ResolverKey, update_docstring_with_resolver_keys
from pykeen.losses import Loss
from pykeen.models import Model
from pykeen.sampling import NegativeSampler, negative_sampler_resolver
from pykeen.training import SLCWATrainingLoop
from pykeen.triples import CoreTriplesFactory
from pykeen.triples.instances import BatchedSLCWAInstances, SLCWABatch
from torch.utils.data import BatchSampler, DataLoader, get_worker_info
from typing_extensions import Self

from ..models import QueryScoringModel
from ..sampling import FilteredBernoulliNegativeSampler
from ..typing import FloatTensor, LongTensor
from .options import split_sampler_options
from .resumable import ResumableTrainingLoop

__all__ = [
    "DeviceInstances",
    "ResumableSLCWATrainingLoop",
    "SamplingTrainingLoop",
    "SharedInstances",
    "negative_sampling_loss",
    "score_negatives",
    "score_positives",
]


#: The key of batches of which at most one entity of each negative, and nothing else, is corrupted.
ONE_ENTITY_CORRUPTED: Final = "one_entity_corrupted"


def score_positives(model: Model, positives: LongTensor) -> FloatTensor:
    """Return the scores of ID-based positive triples, shapes: ``(batch_size, 3)`` to ``(batch_size, 1)``."""
    if isinstance(model, QueryScoringModel):
        # not corrupted at all: nothing needs to be found out
        return model.score_corrupted(positives, positives.unsqueeze(dim=1))
    return model.score_hrt(positives)


def score_negatives(model: Model, batch: SLCWABatch, start: int, stop: int) -> FloatTensor:
    """Score the negatives of the positive triples of a part of a batch.

    :returns: shape: ``(stop - start, num_negatives)``, or ``(num_valid,)`` if the batch has masks, the scores. If the
        batch says :data:`ONE_ENTITY_CORRUPTED`, nobody looks whether this is so.
    """
    positives, negatives = batch["positives"][start:stop], batch["negatives"][start:stop]
    masks = batch.get("masks")
    if isinstance(model, QueryScoringModel) and (
        batch.get(ONE_ENTITY_CORRUPTED) or _is_one_entity_corrupted(positives, negatives)
    ):
        scores = model.score_corrupted(positives, negatives)
        return scores if masks is None else scores[masks[start:stop].to(scores.device)]
    if masks is not None:
        negatives = negatives[masks[start:stop]]
    return model.score_hrt(negatives.reshape(-1, 3).to(model.device)).view(negatives.shape[:-1])


def _is_one_entity_corrupted(positives: LongTensor, negatives: LongTensor) -> bool:
    """Return whether no negative differs from its positive triple in more than one entity."""
    same_head, same_relation, same_tail = (negatives[..., column] == positives[:, column, None] for column in range(3))
    return bool(((same_head | same_tail) & same_relation).all())


def negative_sampling_loss(
    model: Model,
    loss: Loss,
    batch: SLCWABatch,
    start: int,
    stop: int,
    positive_scores: FloatTensor,
    negative_scores: FloatTensor,
    label_smoothing: float = 0.0,
) -> FloatTensor:
    """Calculate the loss, including regularization, as :class:`pykeen.training.SLCWATrainingLoop` does.

    The part of a batch, and the scores of its negatives, are those of :func:`score_negatives`; the scores of positive
    triples have the shape ``(stop - start, 1)``.
    """
    masks, pos_weights, neg_weights = (
        None if value is None else value[start:stop].to(model.device)
        for value in (batch.get("masks"), batch.get("pos_weights"), batch.get("neg_weights"))
    )
    if masks is not None and neg_weights is not None:
        neg_weights = neg_weights[masks]
    value: FloatTensor = loss.process_slcwa_scores(
        positive_scores=positive_scores,
        negative_scores=negative_scores,
        label_smoothing=label_smoothing,
        batch_filter=masks,
        num_entities=model.num_entities,
        pos_weights=pos_weights,
        neg_weights=neg_weights,
    )
    return value + model.collect_regularization_term()


class SharedInstances(BatchedSLCWAInstances):
    """Training instances which several workers share.

    Each of PyKEEN's workers draws positions in its own part of the triples, and then takes these positions of all
    triples: of the first part, that is, as often as there are workers. Here, all workers agree on one order, and take
    turns, so that the batches of an epoch are the same as without workers, but for the random numbers.
    """

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


class ResumableSLCWATrainingLoop(ResumableTrainingLoop, SLCWATrainingLoop):
    """PyKEEN's sLCWA training loop, which can be interrupted, and does not wait for a GPU in each step.

    Batches are made on a GPU if the negatives are sampled by
    :class:`pykeen_adamf.sampling.FilteredBernoulliNegativeSampler`.
    """

    def _create_training_data_loader(
        self,
        triples_factory: CoreTriplesFactory,
        *,
        sampler: Literal["schlichtkrull"] | None,
        batch_size: int,
        drop_last: bool,
        **kwargs: Any,
    ) -> DataLoader[SLCWABatch]:
        num_workers = kwargs.get("num_workers") or 0
        self._check_last_batch(
            triples_factory.num_triples * (1 + triples_factory.create_inverse_triples), batch_size, drop_last
        )
        options = dict(
            batch_size=batch_size,
            drop_last=drop_last,
            negative_sampler=self.negative_sampler,
            negative_sampler_kwargs=self.negative_sampler_kwargs,
            loss_weighter=self.loss_weighter,
            loss_weighter_kwargs=self.loss_weighter_kwargs,
        )
        if sampler is None and num_workers > 1:
            shared = SharedInstances.from_triples_factory(triples_factory, **options)
            pin_memory = bool(kwargs.get("pin_memory", False))
            return DataLoader(shared, batch_size=None, num_workers=num_workers, pin_memory=pin_memory)
        if not self.asynchronous or sampler is not None or num_workers or not self._can_sample_on_device:
            return super()._create_training_data_loader(
                triples_factory, sampler=sampler, batch_size=batch_size, drop_last=drop_last, **kwargs
            )
        instances = DeviceInstances.from_triples_factory(triples_factory, **options).move(self.device)
        # what is on the device already cannot be pinned
        return DataLoader(dataset=instances, batch_size=None, batch_sampler=None)

    @property
    def _can_sample_on_device(self) -> bool:
        hint: HintOrType[NegativeSampler] = self.negative_sampler
        known = not isinstance(hint, NegativeSampler) and (
            negative_sampler_resolver.lookup(hint) is FilteredBernoulliNegativeSampler
        )
        return bool(known) and self.loss_weighter is None and not (self.negative_sampler_kwargs or {}).get("filterer")

    def get_positives(self, batch: SLCWABatch) -> LongTensor:  # noqa: D102
        return batch["positives"]

    def get_entities(self, batch: SLCWABatch, start: int, stop: int) -> LongTensor:  # noqa: D102
        parts = [batch[key][start:stop, ..., [0, 2]].to(self.device).flatten() for key in ("positives", "negatives")]
        return torch.cat(parts)

    def score_negatives(self, batch: SLCWABatch, start: int, stop: int) -> FloatTensor:
        """Score the negatives of a part of a batch, cf. :func:`score_negatives`."""
        return score_negatives(self.model, batch, start, stop)

    def base_loss(  # noqa: D102
        self, batch: SLCWABatch, start: int, stop: int, label_smoothing: float
    ) -> tuple[FloatTensor, FloatTensor]:
        model = self.model
        assert isinstance(model, QueryScoringModel)
        positives = batch["positives"][start:stop].to(self.device)
        negative = self.score_negatives(batch, start, stop)
        with model.sharing(positives[:, [0, 2]]):
            positive = score_positives(model, positives)
        loss = negative_sampling_loss(model, self.loss, batch, start, stop, positive, negative, label_smoothing)
        return loss, positive.squeeze(dim=-1)


class SamplingTrainingLoop(ResumableSLCWATrainingLoop):
    """A training loop whose negatives are those of our sampler by default, and which can change its options later."""

    @update_docstring_with_resolver_keys(ResolverKey("negative_sampler", "pykeen.sampling.negative_sampler_resolver"))
    def __init__(
        self,
        *,
        negative_sampler: HintOrType[NegativeSampler] = None,
        negative_sampler_kwargs: OptionalKwargs = None,
        **kwargs: Any,
    ) -> None:
        """Initialize the training loop.

        :param negative_sampler: The negative sampler. Defaults to
            :class:`pykeen_adamf.sampling.FilteredBernoulliNegativeSampler` with 128 negatives for each positive.
        :param negative_sampler_kwargs: Keyword-based parameters of the negative sampler.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.training.SLCWATrainingLoop`.
        """
        super().__init__(
            negative_sampler=FilteredBernoulliNegativeSampler if negative_sampler is None else negative_sampler,
            negative_sampler_kwargs=negative_sampler_kwargs,
            **kwargs,
        )

    def train(self, triples_factory: CoreTriplesFactory, *args: Any, **kwargs: Any) -> list[float] | None:
        """Train the model with the parameters of :meth:`pykeen.training.TrainingLoop.train`.

        :param kwargs: May have parameters of the negative sampler to be changed, too, e.g., ``num_negs_per_pos``, the
            number of negatives for each positive triple. PyKEEN's hyper-parameter optimization can tune no others.
        :returns: The losses per epoch.
        """
        sampler_kwargs, kwargs = split_sampler_options(self.negative_sampler, kwargs)
        if sampler_kwargs:
            self.negative_sampler_kwargs = {**(self.negative_sampler_kwargs or {}), **sampler_kwargs}
        return super().train(triples_factory, *args, **kwargs)
