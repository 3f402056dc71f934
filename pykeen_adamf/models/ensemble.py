"""Ensembles of trained models, whatever these are and however they were trained."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import torch
from pykeen.models import Model
from pykeen.triples import KGInfo
from pykeen.typing import InductiveMode
from pykeen.utils import NoRandomSeedNecessary
from torch import nn
from typing_extensions import Self

from ..checks import is_finite
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

    def __init__(self, models: Sequence[Model], weights: Sequence[float] | None = None) -> None:
        """Initialize the ensemble.

        :param models: The trained models, which are not copied. They must have the same entities and relations, in the
            same order, of which only the numbers can be checked here; :func:`pykeen_adamf.bundle.open_trained` checks
            labels. With and without inverse relations can be mixed.
        :param weights: The weight of each model, the same for all relations: not negative, and not all zero. Defaults
            to the same for all. :func:`pykeen_adamf.ensembles.fit_ensemble` finds better ones.
        :raises ValueError: if there are no models, they do not fit together, or weights are no weights
        """
        if not models:
            raise ValueError("An ensemble needs models; there are none.")
        sizes = [(model.num_entities, model.num_real_relations) for model in models]
        for i, (num_entities, num_relations) in enumerate(sizes):
            if sizes[i] != sizes[0]:
                raise ValueError(
                    f"Model {i} of the ensemble has {num_entities:,} entities and {num_relations:,} relations, but "
                    f"the first has {sizes[0][0]:,} and {sizes[0][1]:,}. Train all on the same triples."
                )
        info = KGInfo(num_entities=sizes[0][0], num_relations=sizes[0][1], create_inverse_triples=False)
        super().__init__(triples_factory=info, random_seed=NoRandomSeedNecessary)  # type: ignore[arg-type]
        values = [1 / len(models)] * len(models) if weights is None else list(weights)
        if len(values) != len(models) or not all(is_finite(x) and x >= 0 for x in values) or not any(values):
            raise ValueError(
                f"The weights of {len(models)} models must be as many numbers that are not negative, and not all zero, "
                f"but are {values}."
            )
        self.parts: Any = nn.ModuleList(models)
        dtype = next((x.dtype for x in self.parameters() if x.is_floating_point()), torch.get_default_dtype())
        self.register_buffer("part_weights", torch.tensor(values, dtype=dtype).repeat(sizes[0][1], 1))
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
        parts = [i for i, used in enumerate(weights.flatten(end_dim=-2).any(dim=0).tolist()) if used]
        total = predict(self.parts[parts[0]]) * weights[..., parts[0]]
        for i in parts[1:]:
            total = torch.addcmul(total, predict(self.parts[i]), weights[..., i])
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
            inside = part._prepare_batch(batch=relations.unsqueeze(dim=-1), index_relation=0).squeeze(dim=-1)
            return part.predict_r(ht_batch, relations=inside, **kwargs)

        return self._add(self.part_weights[relations.to(self.part_weights.device)].unsqueeze(dim=0), predict)

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
