"""Negatives of which only some modalities are somebody else's: MANS, and VBKGC's twins."""

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import torch
from pykeen.triples.instances import SLCWABatch

from ..checks import check_choice
from ..constants import STRUCTURAL, VISUAL
from ..models import MultimodalModel
from ..nn import ProjectedFeatureRepresentation
from ..nn.cross_modal import CrossModalInteraction
from ..typing import FloatTensor, LongTensor
from .slcwa import SamplingTrainingLoop, score_negatives

__all__ = ["MANSTrainingLoop", "TwinsTrainingLoop"]

Strategy = Literal["V", "H", "T", "A"]


class ModalityNegativesTrainingLoop(SamplingTrainingLoop):
    """Training with sampled negatives, whose entities are put together from modalities of different entities."""

    def __init__(self, *, modalities: Sequence[str] | None = None, **kwargs: Any) -> None:
        """Initialize the training loop by the modalities that negatives have from another entity than the others.

        :raises ValueError: if the model does not have structural embeddings and these modalities
        """
        super().__init__(**kwargs)
        name = type(self).__name__.removesuffix("TrainingLoop")
        if not isinstance(self.model, MultimodalModel) or STRUCTURAL not in self.model.modalities:
            raise ValueError(
                f"{name} replaces some modalities of entities, but {type(self.model).__name__} has no structural "
                f"embedding beside features. Use another model, such as VBKGC or AdaMF, or training_loop='sLCWA'."
            )
        known = [x for x in self.model.modalities if x != STRUCTURAL]
        self.modalities = self._choose(known) if modalities is None else list(modalities)
        if not self.modalities or not set(self.modalities).issubset(known):
            raise ValueError(f"modalities must be some of {known}, but is {modalities!r}.")

    @property
    def multimodal(self) -> MultimodalModel:
        """Return the model."""
        return cast(MultimodalModel, self.model)

    def _choose(self, known: list[str]) -> list[str]:
        """Choose the modalities, if the user did not."""
        return known

    def describe_options(self) -> dict[str, str]:
        return {**super().describe_options(), "modalities": str(self.modalities)}

    def _process_batch(
        self, batch: SLCWABatch, start: int, stop: int, label_smoothing: float = 0.0, slice_size: int | None = None
    ) -> FloatTensor:
        if slice_size is not None:
            raise AttributeError("Slicing is not possible for sLCWA training loops.")
        with self.multimodal.sharing(self.get_entities(batch, start, stop)):
            return self.base_loss(batch, start, stop, label_smoothing)[0]


class MANSTrainingLoop(ModalityNegativesTrainingLoop):
    r"""Modality-aware negative sampling (MANS; Zhang et al., 2023).

    An entity of some negatives keeps its structural embedding, and only what it looks like is that of the entity which
    the negative sampler has drawn, provided that this looks like anything: otherwise, the negative is an ordinary one.
    How many of the negatives that are is a strategy:

    - ``"V"``: all of them
    - ``"H"``: a ``share`` of the negatives of each triple, and the others are ordinary ones
    - ``"T"``: all for the first ``share`` of the epochs, and none after that
    - ``"A"``: the part of the batch's triples whose energy between modalities, $(E_{vs} + E_{sv}) / 2$, is smaller than
      the one of structural embeddings, $E_{ss}$. For the models with such energies: IKRL, TBKGC, VBKGC, and MMKRL.

    Each such negative has a representation of its own, fused from what it has: a step costs more than with ordinary
    ones, of which each entity is fused once.

    ---
    citation:
        author: Zhang
        year: 2023
        link: https://arxiv.org/abs/2304.11618
        github: zjukg/MANS
    """

    def __init__(self, *, strategy: Strategy = "A", share: float = 0.5, **kwargs: Any) -> None:
        """Initialize the training loop.

        :param strategy: Which negatives are of one modality only.
        :param share: The share of strategies ``"H"`` and ``"T"``, between 0 and 1.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.training.SLCWATrainingLoop`, and
            ``modalities``: the replaced ones, by default the visual one if there is one, and else all.
        :raises ValueError: if an option is invalid, or the model does not have the parts, or, in the first step, if the
            share of negatives is none
        """
        super().__init__(**kwargs)
        self.strategy = check_choice("strategy", strategy, get_args(Strategy))
        if not 0 <= share <= 1:
            raise ValueError(f"share must be between 0 and 1, but is {share}.")
        self.share = share
        if strategy == "A" and not isinstance(self.multimodal.interaction, CrossModalInteraction):
            raise ValueError(
                f"The adaptive strategy compares energies between modalities, which {type(self.model).__name__} does "
                f"not have. Use IKRL, TBKGC, VBKGC or MMKRL, or strategy='H'."
            )

    def _choose(self, known: list[str]) -> list[str]:
        return [VISUAL] if VISUAL in known else known

    def describe_options(self) -> dict[str, str]:  # noqa: D102
        options = {**super().describe_options(), "strategy": self.strategy, "share": str(self.share)}
        # what is a share of them would be another one
        return options | ({"epochs": str(self.arguments.get("num_epochs"))} if self.strategy == "T" else {})

    def _get_share(self, positives: LongTensor) -> float:
        """Return the share of negatives of one modality, now."""
        if self.strategy == "T":
            num_epochs = self.arguments.get("num_epochs", 1)
            return float(len(self.losses_per_epochs) < self.share * num_epochs)
        if self.strategy == "A":
            model = self.multimodal
            (heads, relations, tails), entities = positives.t(), model.entity_representations[0]
            with torch.no_grad():
                parts = entities(heads), model.relation_representations[0](relations), entities(tails)
                return cast(CrossModalInteraction, model.interaction).compare_modalities(*parts)
        return 1.0 if self.strategy == "V" else self.share

    def score_negatives(self, batch: SLCWABatch, start: int, stop: int) -> FloatTensor:  # noqa: D102
        positives, negatives = (batch[name][start:stop].to(self.device) for name in ("positives", "negatives"))
        # of the batch, of which this may be a part
        share = self._get_share(batch["positives"].to(self.device))
        num_all = negatives.shape[1]
        num = round(share * num_all)
        if self.strategy == "H" and share and not num:
            raise ValueError(
                f"A share of {share} of {num_all} negatives is none. Use a larger one, or a larger num_negs_per_pos."
            )
        if not num:
            return super().score_negatives(batch, start, stop)
        first, rest = negatives.split([num, num_all - num], dim=1)
        originals = positives.unsqueeze(dim=1)
        donors = torch.where(first[..., 0] != originals[..., 0], first[..., 0], first[..., 2])
        bases = [self.multimodal.fused.bases[name] for name in self.modalities]
        is_seen = torch.stack([cast(ProjectedFeatureRepresentation, x).presence[donors] for x in bases]).any(dim=0)
        structure = torch.where(is_seen.unsqueeze(dim=-1), originals, first)
        mixed = self.multimodal.score_mixed(structure, first, self.modalities)
        if num < num_all:
            others = cast(SLCWABatch, {**batch, "positives": positives, "negatives": rest, "masks": None})
            mixed = torch.cat([mixed, score_negatives(self.model, others, 0, len(positives))], dim=1)
        return _select(mixed, batch, start, stop)


class TwinsTrainingLoop(ModalityNegativesTrainingLoop):
    """Twins negative sampling (VBKGC; Zhang and Zhang, 2022).

    The structural embedding and the features of an entity that stands in for another one are drawn apart: each negative
    has its structural embedding from one, and its features from another entity of the negative sampler, the one that it
    has drawn next for the same head or tail.

    ---
    citation:
        author: Zhang
        year: 2022
        link: https://arxiv.org/abs/2209.07084
    """

    def __init__(self, **kwargs: Any) -> None:
        """Initialize the training loop.

        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.training.SLCWATrainingLoop`, and
            ``modalities``: those that are drawn apart from the structural embedding, by default all.
        :raises ValueError: if the model does not have the parts, or, in the first step, if there is only one negative
        """
        super().__init__(**kwargs)

    def score_negatives(self, batch: SLCWABatch, start: int, stop: int) -> FloatTensor:  # noqa: D102
        negatives, positives = (batch[name][start:stop].to(self.device) for name in ("negatives", "positives"))
        if negatives.shape[1] < 2:
            raise ValueError("A negative has features of the next one, but num_negs_per_pos is 1. Use at least 2.")
        is_tail = negatives[..., 2] != positives[:, None, 2]
        # heads first, and within each the order in which they were drawn
        order = is_tail.to(torch.int8).argsort(dim=1, stable=True)
        num_heads = (~is_tail).sum(dim=1, keepdim=True)
        place = torch.arange(negatives.shape[1], device=negatives.device).expand_as(order)
        after = torch.where(place + 1 == num_heads, 0, place + 1)
        after = torch.where(after == negatives.shape[1], num_heads.clamp(max=negatives.shape[1] - 1), after)
        next_one = torch.empty_like(order).scatter_(1, order, order.gather(1, after))
        donors = negatives.gather(1, next_one.unsqueeze(dim=-1).expand(-1, -1, 3))
        scores = self.multimodal.score_mixed(negatives, donors, self.modalities)
        return _select(scores, batch, start, stop)


def _select(scores: FloatTensor, batch: SLCWABatch, start: int, stop: int) -> FloatTensor:
    """Select the scores of negatives that are valid."""
    masks = batch.get("masks")
    return scores if masks is None else scores[masks[start:stop].to(scores.device)]
