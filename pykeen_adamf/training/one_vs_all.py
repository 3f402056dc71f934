"""The training loop with one softmax for each training triple, over all entities."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, ClassVar

import torch
from pykeen.losses import CrossEntropyLoss
from pykeen.models import ERModel
from pykeen.training import TrainingLoop
from pykeen.triples import CoreTriplesFactory
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from ..checks import check_not_negative, check_positive
from ..models import QueryScoringModel
from ..nn.softmax import MAX_BLOCK_NUMEL, softmax_loss
from ..optimizers import prefer_fused
from ..typing import FloatTensor, LongTensor
from .resumable import ResumableTrainingLoop

__all__ = ["OneVsAllTrainingLoop"]


class TripleBatches(IterableDataset[LongTensor]):
    """Batches of triples, shape: ``(batch_size, 3)``, in a new order at each iteration, selected where these are."""

    def __init__(self, triples: LongTensor, batch_size: int, drop_last: bool) -> None:
        self.triples, self.batch_size, self.drop_last = triples, batch_size, drop_last

    def __len__(self) -> int:
        whole, rest = divmod(len(self.triples), self.batch_size)
        return whole + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[LongTensor]:
        order = torch.randperm(len(self.triples), device=self.triples.device)
        for indices in order.split(self.batch_size)[: len(self)]:
            yield self.triples[indices]


class OneVsAllTrainingLoop(ResumableTrainingLoop):
    r"""Training by one softmax for each training triple, over all entities (the literature's 1vsAll).

    For each training triple $(h, r, t)$, and for the inverse one,

    .. math ::
        -\log \frac{\exp f(h, r, t)}{\sum_{t' \in \mathcal{E}} \exp f(h, r, t')}
        + \lambda \left(\|\mathbf{h}\|_3^3 + \|\mathbf{r}\|_3^3 + \|\mathbf{t}\|_3^3\right)

    with label smoothing as an option of :meth:`train`. The second term is N3 regularization (`Lacroix et al., 2018`_).
    In contrast to PyKEEN's LCWA, triples with the same head and relation are not put together.

    A model of this package calculates each entity once in a step, and all scores by one matrix product if its
    interaction is bilinear; the block of scores exists once, or in pieces if it is too large. Other models are scored
    by their ``score_t``. Any loss of PyKEEN that knows LCWA can be used instead of the cross-entropy.

    .. _Lacroix et al., 2018: https://arxiv.org/abs/1806.07297
    """

    supports_slicing: ClassVar[bool] = False
    #: The number of epochs is PyKEEN's.
    hpo_default = {
        **TrainingLoop.hpo_default,
        "batch_size": dict(type="categorical", choices=[128, 256, 512, 1024]),
        "label_smoothing": dict(type=float, low=0.0, high=0.3, q=0.1),
        "n3_weight": dict(type="categorical", choices=[0.0, 1.0e-3, 1.0e-2, 1.0e-1]),
    }

    def __init__(self, *, n3_weight: float = 0.0, max_block_numel: int = MAX_BLOCK_NUMEL, **kwargs: Any) -> None:
        r"""Initialize the training loop.

        :param n3_weight: >=0, the weight $\lambda$ of N3 regularization.
        :param max_block_numel: >0, how many scores there may be at once. If there are more, they are calculated twice,
            in pieces. Only for the cross-entropy.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.training.TrainingLoop`.
        :raises ValueError: if an option is invalid, or the model cannot be regularized
        """
        super().__init__(**kwargs)
        self._set_n3_weight(n3_weight)
        self.max_block_numel = check_positive("max_block_numel", max_block_numel)

    def _set_n3_weight(self, n3_weight: float) -> None:
        if check_not_negative("n3_weight", n3_weight) and not isinstance(self.model, ERModel):
            raise ValueError(
                f"{type(self.model).__name__} is no pykeen.models.ERModel, and N3 regularization does not know what it "
                f"scores triples by: use n3_weight=0, or another model."
            )
        self.n3_weight = n3_weight

    def describe_options(self) -> dict[str, str]:  # noqa: D102
        return {**super().describe_options(), "n3_weight": str(self.n3_weight)}

    def train(
        self, triples_factory: CoreTriplesFactory, *args: Any, n3_weight: float | None = None, **kwargs: Any
    ) -> list[float] | None:
        r"""Train the model, with the other parameters of :meth:`pykeen.training.TrainingLoop.train`.

        :param triples_factory: The training triples, with inverse ones.
        :param n3_weight: The weight $\lambda$ of N3 regularization, if it is to be changed.
        :returns: The losses per epoch.
        :raises ValueError: if there are no inverse triples, or the model cannot be regularized
        """
        if not triples_factory.create_inverse_triples:
            raise ValueError(
                f"{type(self).__name__} trains to predict tails. Without inverse triples, heads would be predicted by "
                f"what nobody has trained: pass dataset_kwargs=dict(create_inverse_triples=True) to the pipeline, or "
                f"create_inverse_triples=True to the dataset or triples factory."
            )
        if n3_weight is not None:
            self._set_n3_weight(n3_weight)
        prefer_fused(self.optimizer)
        return super().train(triples_factory, *args, **kwargs)

    def _create_training_data_loader(
        self, triples_factory: CoreTriplesFactory, *, sampler: Any, batch_size: int, drop_last: bool, **kwargs: Any
    ) -> DataLoader[LongTensor]:
        if sampler is not None:
            raise ValueError(f"{type(self).__name__} takes all triples in each epoch: leave sampler={sampler!r} out.")
        # as PyKEEN's own loops do
        triples = triples_factory._add_inverse_triples_if_necessary(triples_factory.mapped_triples)
        batches = TripleBatches(triples.to(self.device), batch_size, drop_last)
        self._check_last_batch(len(triples), batch_size, drop_last)
        return DataLoader(batches, batch_size=None)

    @staticmethod
    def _get_batch_size(batch: LongTensor) -> int:
        return len(batch)

    def _slice_size_search(self, **kwargs: Any) -> int:
        raise MemoryError("The model cannot be trained with these parameters. Choose a smaller batch_size.")

    def _process_batch(
        self, batch: LongTensor, start: int, stop: int, label_smoothing: float = 0.0, slice_size: int | None = None
    ) -> FloatTensor:
        return self.base_loss(batch, start, stop, label_smoothing)[0]

    def get_positives(self, batch: LongTensor) -> LongTensor:  # noqa: D102
        return batch

    def get_entities(self, batch: LongTensor, start: int, stop: int) -> None:  # noqa: D102
        return None

    def base_loss(  # noqa: D102
        self, batch: LongTensor, start: int, stop: int, label_smoothing: float
    ) -> tuple[FloatTensor, FloatTensor | None]:
        with self.model.sharing(None) if isinstance(self.model, QueryScoringModel) else nullcontext():
            return self._loss(batch[start:stop].to(self.device), label_smoothing), None

    def _loss(self, triples: LongTensor, label_smoothing: float) -> FloatTensor:
        model: Any = self.model
        loss: FloatTensor
        targets = triples[:, 2]
        form = model.get_query_form() if isinstance(model, QueryScoringModel) else None
        # not its subclasses, which calculate something else
        is_cross_entropy = type(self.loss) is CrossEntropyLoss
        if form is not None and is_cross_entropy:
            # the parts of an ensemble have a loss each
            comparison, parts = model.make_parts(form, triples[:, 0], triples[:, 1])
            losses = torch.stack(
                [
                    softmax_loss(
                        queries,
                        candidates,
                        targets,
                        comparison,
                        label_smoothing=label_smoothing,
                        max_block_numel=self.max_block_numel,
                    )
                    for queries, candidates in parts
                ]
            ).sum(dim=0)
            loss = losses.sum() if self.loss.reduction == "sum" else losses.mean()
        else:
            scores = model.score_t(triples[:, :2])
            if is_cross_entropy:
                reduction = self.loss.reduction
                loss = F.cross_entropy(scores, targets, label_smoothing=label_smoothing, reduction=reduction)
            else:
                labels = torch.zeros_like(scores).scatter_(1, targets.unsqueeze(dim=1), 1.0)
                loss = self.loss.process_lcwa_scores(
                    scores, labels, label_smoothing=label_smoothing or None, num_entities=model.num_entities
                )
        loss = loss + model.collect_regularization_term()
        if self.n3_weight:
            loss = loss + self.n3_weight * self._n3(triples)
            # representations have been asked for once more, which is no reason to regularize them twice
            model.collect_regularization_term()
        return loss

    def _n3(self, triples: LongTensor) -> FloatTensor:
        """Return the cubed third norms of what triples are scored by, averaged or added up as losses are."""
        model: Any = self.model
        representations = model._get_representations(*triples.t(), mode=None)
        parts = [part for x in representations for part in (x if isinstance(x, list | tuple) else [x])]
        total = torch.stack([x.abs().pow(3).sum() for x in parts]).sum()
        return total if self.loss.reduction == "sum" else total / len(triples)
