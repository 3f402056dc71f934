"""Ensembles of trained models, whatever these are and however they were trained."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import reduce
from typing import Any, Final

import torch
from pykeen.models import Model
from pykeen.triples import KGInfo
from pykeen.typing import InductiveMode
from pykeen.utils import NoRandomSeedNecessary
from torch import nn
from typing_extensions import Self

from ..checks import ScoreError, check_scores, is_finite
from ..typing import FloatTensor, LongTensor

__all__ = ["Ensemble"]

_TRAINED: Final = "An ensemble only predicts: train its parts, and make an ensemble of them then."


class Ensemble(Model):
    r"""A weighted sum of what trained models predict.

    .. math ::
        f(h, r, t) = \sum_m w_{rm} f_m(h, r, t)

    Models that were trained in different ways err in different ways, which is where the gain is. Constants that a
    model adds to all answers of a question do not change ranks, so that this is also the product of the distributions
    which models have over answers, each to the power of its weight.

    >>> from pykeen_adamf.ensembles import fit_ensemble
    >>> ensemble = Ensemble([rotate, complex])  # doctest: +SKIP
    >>> fit_ensemble(ensemble, validation.mapped_triples, [training.mapped_triples], "selection")  # doctest: +SKIP

    It is evaluated, and asked, like all models of PyKEEN. Parts with inverse relations predict heads by them, as they
    do alone. Leave a modality out, and each part which has it leaves it out.

    ---
    citation:
        author: Caruana
        year: 2004
        link: https://doi.org/10.1145/1015330.1015432
    """

    #: shape: ``(num_relations, num_parts)``, without inverse relations
    part_weights: FloatTensor

    def __init__(
        self,
        models: Sequence[Model],
        weights: Sequence[float] | FloatTensor | None = None,
        *,
        names: Sequence[str] | None = None,
    ) -> None:
        """Initialize the ensemble.

        :param models: The trained models, which are not copied, on one device. They must have the same entities and
            relations, in the same order, of which only the numbers can be checked here;
            :func:`pykeen_adamf.bundle.combine` compares labels and triples. With and without inverse relations can be
            mixed.
        :param weights: The weight of each model, the same for all relations: not negative, and not all zero. Defaults
            to the same for all. :func:`pykeen_adamf.ensembles.fit_ensemble` finds better ones.
        :param names: What to call the models in errors. Defaults to their positions.
        :raises ValueError: if there are no models, they do not fit together, or weights are no weights
        """
        parts = [] if isinstance(models, Model) else list(models)
        if not parts or not all(isinstance(model, Model) for model in parts):
            raise ValueError(f"An ensemble is made of one or more trained models of PyKEEN, not of {models!r}.")
        labels = list(map(str, range(len(parts)))) if names is None else list(names)
        for name, model in zip(labels, parts, strict=True):
            for attribute in ("num_entities", "num_real_relations", "device"):
                found, expected = getattr(model, attribute), getattr(parts[0], attribute)
                if found != expected:
                    raise ValueError(
                        f"Part {name} of the ensemble has {attribute} {found}, but the first part has {expected}. "
                        f"All must be trained on the same triples, and be on the same device."
                    )
        info = KGInfo(
            num_entities=parts[0].num_entities,
            num_relations=parts[0].num_real_relations,
            create_inverse_triples=False,
        )
        super().__init__(triples_factory=info, random_seed=NoRandomSeedNecessary)  # type: ignore[arg-type]
        if isinstance(weights, torch.Tensor):
            weights = weights.tolist()
        values = [1 / len(parts)] * len(parts) if weights is None else list(weights)
        dtypes = [x.dtype for model in parts for x in model.parameters() if x.dtype.is_floating_point]
        # at least of single precision
        dtype = reduce(torch.promote_types, dtypes, torch.float32)
        if len(values) == len(parts) and all(is_finite(x) and x >= 0 for x in values):
            row = torch.tensor(values, dtype=dtype)
        else:
            row = torch.zeros(0)
        if not bool(row.any() and row.isfinite().all()):
            raise ValueError(
                f"The weights of {len(parts)} models must be as many numbers that are not negative, and not all zero, "
                f"but are {values}."
            )
        self.parts: Any = nn.ModuleList(parts)
        self.names = labels
        self.register_buffer("part_weights", row.repeat(self.num_relations, 1).to(parts[0].device))
        self.eval()

    @property
    def num_parts(self) -> int:
        """Return the number of models."""
        return len(self.parts)

    def train(self, mode: bool = True) -> Self:  # noqa: D102
        if mode:
            raise ValueError(_TRAINED)
        return super().train(mode)

    def _add(self, weights: FloatTensor, predict: Callable[[Any], FloatTensor]) -> FloatTensor:
        """Add what parts predict, shape: ``(batch_size, n)``; weights have shape ``(batch_size or 1, n or 1, parts)``.

        Parts without weight are not asked.
        """
        used = [i for i, x in enumerate(weights.flatten(end_dim=-2).any(dim=0).tolist()) if x]
        total: FloatTensor | None = None
        # of no questions, there are no scores
        for i in used or [0]:
            try:
                scores = check_scores(predict(self.parts[i]))
            except ScoreError as error:
                raise ScoreError(f"Part {self.names[i]} of the ensemble cannot be used. {error}") from error
            weight = weights[..., i]
            total = scores * weight if total is None else torch.addcmul(total, scores, weight)
        assert total is not None
        return total

    def _weigh(self, relations: LongTensor) -> FloatTensor:
        return self.part_weights[relations.to(self.part_weights.device)].unsqueeze(dim=1)

    def score_hrt(self, hrt_batch: LongTensor, *, mode: InductiveMode | None = None) -> FloatTensor:  # noqa: D102
        return self._add(self._weigh(hrt_batch[:, 1]), lambda part: part.predict_hrt(hrt_batch, mode=mode))

    def score_t(self, hr_batch: LongTensor, **kwargs: Any) -> FloatTensor:  # noqa: D102
        return self._add(self._weigh(hr_batch[:, 1]), lambda part: part.predict_t(hr_batch, **kwargs))

    def score_h(self, rt_batch: LongTensor, **kwargs: Any) -> FloatTensor:  # noqa: D102
        return self._add(self._weigh(rt_batch[:, 0]), lambda part: part.predict_h(rt_batch, **kwargs))

    def score_r(self, ht_batch: LongTensor, *, relations: LongTensor | None = None, **kwargs: Any) -> FloatTensor:  # noqa: D102
        if relations is None:
            relations = torch.arange(self.num_relations, device=ht_batch.device)

        def predict(part: Model) -> FloatTensor:
            # relations of models with inverse ones have other numbers inside, which PyKEEN leaves to who asks
            inside = part._prepare_batch(batch=relations.reshape(-1, 1), index_relation=0).view_as(relations)
            return part.predict_r(ht_batch, relations=inside, **kwargs)

        weights = self.part_weights[relations.to(self.part_weights.device)]
        return self._add(weights if relations.ndim > 1 else weights.unsqueeze(dim=0), predict)

    @property
    def modalities(self) -> Sequence[str]:
        """Return the modalities that at least one part has."""
        return list(dict.fromkeys(name for part in self.parts for name in getattr(part, "modalities", ())))

    @contextmanager
    def without_modality(self, name: str) -> Iterator[None]:
        """Return a context within which each part that has a modality predicts without it.

        :raises ValueError: if no part has such a modality
        """
        having = [part for part in self.parts if name in getattr(part, "modalities", ())]
        if not having:
            raise ValueError(f"No part has a modality {name!r}; there are {', '.join(self.modalities) or 'none'}.")
        with ExitStack() as stack:
            for part in having:
                stack.enter_context(part.without_modality(name))
            yield

    def _get_entity_len(self, *, mode: InductiveMode | None) -> int:
        num: int = self.parts[0]._get_entity_len(mode=mode)
        return num

    def _reset_parameters_(self) -> None:
        raise ValueError(_TRAINED)

    def collect_regularization_term(self) -> FloatTensor:  # noqa: D102
        raise ValueError(_TRAINED)
