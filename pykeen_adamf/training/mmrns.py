"""Negatives that look like the true entity, as the relation sees them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import torch
from class_resolver import HintOrType, OptionalKwargs
from pykeen.sampling import NegativeSampler
from pykeen.triples import CoreTriplesFactory
from pykeen.triples.instances import SLCWABatch
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from ..checks import check_not_negative, check_positive
from ..constants import STRUCTURAL
from ..models import MultimodalModel, QueryScoringModel
from ..models.multimodal import select_features
from ..nn.comparison import Dot
from ..nn.gumbel import choose_rows, gumbel_top_k
from ..nn.relation_views import RelationViews, contrast
from ..sampling.known import KnownTriples
from ..typing import BoolTensor, FloatTensor, LongTensor
from .learned_negatives import LearnedNegativesTrainingLoop
from .slcwa import negative_sampling_loss, score_positives

__all__ = ["MMRNSTrainingLoop"]

#: The logarithm of the weight of known triples: none of them is chosen as long as there is anything else.
IMPOSSIBLE: Final = -1e4


class MMRNSTrainingLoop(LearnedNegativesTrainingLoop):
    r"""Relation-enhanced negative sampling (MMRNS; Xu et al., 2022).

    For each batch, candidates $\mathcal{C}$ are drawn uniformly. What replaces the true entity $e$ of a triple is
    chosen from those that do not make a known triple, without replacement, with weights

    .. math ::
        w_c = \sum_v \operatorname{softmax}_{c \in \mathcal{C}} \frac{\cos(v_r(e), v_r(c))}{\tau}, \qquad
        \tau = \frac{\tau_0}{1 + \lambda \ln(step + 1)}

    where each view $v_r$ is what the relation sees: of the features of each modality
    (:class:`pykeen_adamf.nn.relation_views.FeatureView`), and of the structural embedding
    (:class:`pykeen_adamf.nn.relation_views.StructureView`), or of the whole representation for models without one. The
    choice is a hard Gumbel softmax, through which the loss of the model trains the views, together with

    .. math ::
        -\ln \frac{\sum_{c \text{ known}} \exp \cos(v_r(e), v_r(c))}{\sum_{c \text{ not}} \exp \cos(v_r(e), v_r(c))}

    for each view, with sums over all triples of a batch, or of a part of it with sub-batches. The views have an
    optimizer of their own, and are part of checkpoints. The model is any one of this package whose training triples
    have features; as in the paper, it need not use them itself.

    Where this is not the paper's method, or the authors' code:

    - There, sentences and parts of images attend to each other, guided by the relation. Here, a modality has one vector
      for each entity, and attention to one part is this part, whatever the relation. Instead, the relation gates each
      of its coordinates.
    - In the code, norms are constant in gradients of cosines, and chosen negatives hardly count in the second
      loss: both are left out.
    - In the code, heads and tails are replaced in turn, those of one batch and those of the next one. Here, the
      negative sampler decides for each triple. Nothing else of what it draws is used.
    - To entities without features of a modality, nothing is similar in it, i.e., the cosine is zero.
    - The second loss is left out if no candidate makes a known triple.

    ---
    citation:
        author: Xu
        year: 2022
        link: https://doi.org/10.1145/3503161.3548388
        github: quqxui/MMRNS
    """

    chooser_name = "views"

    def __init__(
        self,
        *,
        triples_factory: CoreTriplesFactory,
        num_candidates: int = 1500,
        temperature: float = 10.0,
        temperature_decay: float = 1.0,
        contrastive_weight: float = 0.01,
        modalities: Sequence[str] | None = None,
        view_dim: int = 50,
        hidden_dim: int = 100,
        view_optimizer: HintOrType[Optimizer] = None,
        view_optimizer_kwargs: OptionalKwargs = None,
        negative_sampler_kwargs: OptionalKwargs = None,
        **kwargs: Any,
    ) -> None:
        r"""Initialize the training loop.

        :param triples_factory: The training triples, with features.
        :param num_candidates: The number of candidates, or all entities if there are less.
        :param temperature: The temperature $\tau_0$ of the first step.
        :param temperature_decay: How fast the temperature falls, $\lambda$.
        :param contrastive_weight: The weight of the second loss, a mean over views.
        :param modalities: The modalities to look at. Defaults to the model's, or to all if it has none.
        :param view_dim: The dimension of views of features.
        :param hidden_dim: The dimension of the hidden layer of the view of structure.
        :param view_optimizer: The views' optimizer. Defaults to Adam.
        :param view_optimizer_kwargs: Its keyword-based parameters.
        :param negative_sampler_kwargs: Keyword-based parameters of the negative sampler; ``num_negs_per_pos`` is the
            number of negatives for each positive, by default 128.
        :param kwargs: Additional keyword-based parameters passed to :class:`.slcwa.SamplingTrainingLoop`.
        :raises ValueError: if the model is not of this package, there are no features, or an option is invalid
        """
        super().__init__(
            triples_factory=triples_factory,
            negative_sampler_kwargs={"num_negs_per_pos": 128, **(negative_sampler_kwargs or {})},
            **kwargs,
        )
        if not isinstance(self.model, QueryScoringModel):
            raise ValueError(
                f"MMRNS trains models of this package, but {type(self.model).__name__} is none. Use, e.g., LpRotatE or "
                f"AdaMF, or training_loop='sLCWA'."
            )
        if modalities is None and isinstance(self.model, MultimodalModel):
            modalities = [name for name in self.model.modalities if name != STRUCTURAL]
        features = select_features(triples_factory, modalities, "MMRNS")
        self.num_candidates = check_positive("num_candidates", num_candidates)
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be finite and positive, but is {temperature!r}.")
        self.initial_temperature = temperature
        self.temperature_decay = check_not_negative("temperature_decay", temperature_decay)
        self.contrastive_weight = check_not_negative("contrastive_weight", contrastive_weight)
        if "num_negs_per_pos" in (negative_sampler_kwargs or {}):
            # otherwise, the method train may be told later
            self._check_num_negatives()
        triples = triples_factory._add_inverse_triples_if_necessary(triples_factory.mapped_triples)
        self.known = KnownTriples(triples, self.model.num_entities, self.model.num_relations)
        # whatever there are, the model is trained with the same random numbers
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []), torch.no_grad():
            first = torch.zeros(1, dtype=torch.long, device=self.device)
            dims = self._embed_structure(first).shape[-1], self._embed_relations(first).shape[-1]
            sizes = check_positive("view_dim", view_dim), check_positive("hidden_dim", hidden_dim)
            self.views = RelationViews(features, *dims, *sizes)
        self._set_chooser(self.views, view_optimizer, view_optimizer_kwargs)

    @property
    def num_negatives(self) -> int:
        """Return the number of negatives for each positive."""
        sampler = self.negative_sampler
        if isinstance(sampler, NegativeSampler):
            return sampler.num_negs_per_pos
        return int((self.negative_sampler_kwargs or {})["num_negs_per_pos"])

    def _check_num_negatives(self) -> None:
        if self.num_negatives > self.num_candidates:
            raise ValueError(
                f"{self.num_negatives} negatives cannot be chosen from num_candidates={self.num_candidates}. Use more "
                f"candidates, or a smaller num_negs_per_pos."
            )

    @property
    def temperature(self) -> float:
        """Return the temperature of the next step."""
        return self.initial_temperature / (1 + self.temperature_decay * math.log1p(self.num_steps))

    def describe_options(self) -> dict[str, str]:  # noqa: D102
        names = ("num_candidates", "initial_temperature", "temperature_decay", "contrastive_weight")
        return {**super().describe_options(), **{name: str(getattr(self, name)) for name in names}}

    def _reset_chooser(self) -> None:
        super()._reset_chooser()
        self.num_steps = 0

    def step_chooser(self) -> None:  # noqa: D102
        super().step_chooser()
        self.num_steps += 1

    def extra_state(self) -> dict[str, Any]:  # noqa: D102
        return {**super().extra_state(), "num_steps": self.num_steps}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:  # noqa: D102
        super().load_extra_state(state)
        self.num_steps = state["num_steps"]

    def _create_training_data_loader(
        self, triples_factory: CoreTriplesFactory, **kwargs: Any
    ) -> DataLoader[SLCWABatch]:
        self._check_num_negatives()
        # one is enough to know which entity is to be replaced
        given = self.negative_sampler_kwargs
        self.negative_sampler_kwargs = {**(given or {}), "num_negs_per_pos": 1}
        try:
            return super()._create_training_data_loader(triples_factory, **kwargs)
        finally:
            self.negative_sampler_kwargs = given

    def _process_batch(
        self, batch: SLCWABatch, start: int, stop: int, label_smoothing: float = 0.0, slice_size: int | None = None
    ) -> FloatTensor:
        if slice_size is not None:
            raise AttributeError("Slicing is not possible for sLCWA training loops.")
        with self.query_model.sharing(self.get_entities(batch, start, stop)):
            return self.base_loss(batch, start, stop, label_smoothing)[0]

    @property
    def query_model(self) -> QueryScoringModel:
        """Return the model."""
        return cast(QueryScoringModel, self.model)

    def get_entities(self, batch: SLCWABatch, start: int, stop: int) -> LongTensor:  # noqa: D102
        entities = batch["positives"][start:stop, [0, 2]].to(self.device).flatten()
        return torch.cat([entities, self.get_candidates(batch)])

    def get_candidates(self, batch: SLCWABatch) -> LongTensor:
        """Return the candidates of a batch, sorted; the same for all its parts, shape: ``(num_candidates,)``."""
        kept = cast(dict[str, LongTensor], batch)
        if "candidates" not in kept:
            order = torch.randperm(self.model.num_entities, device=self.device)
            kept["candidates"] = order[: self.num_candidates].sort().values
        return kept["candidates"]

    def _embed_relations(self, relations: LongTensor) -> FloatTensor:
        parts = [representation(relations) for representation in self.query_model.relation_representations]
        return torch.cat([Dot(x.is_complex()).to_real(x) for x in parts], dim=-1)

    def _embed_structure(self, entities: LongTensor) -> FloatTensor:
        model = self.model
        if isinstance(model, MultimodalModel) and STRUCTURAL in model.modalities:
            return model.structural_embeddings(entities)
        x = self.query_model.represent_entities(entities)
        return Dot(x.is_complex()).to_real(x)

    def base_loss(  # noqa: D102
        self, batch: SLCWABatch, start: int, stop: int, label_smoothing: float
    ) -> tuple[FloatTensor, FloatTensor]:
        model, candidates = self.query_model, self.get_candidates(batch)
        positives, drawn = (batch[name][start:stop].to(self.device) for name in ("positives", "negatives"))
        # first, since some models leave out of their graph what has been scored
        positive = score_positives(model, positives)
        heads, relations, tails = positives.unbind(dim=-1)
        is_head = drawn[:, 0, 0] != heads
        is_known = self.known.to(self.device).find(positives, is_head, candidates)
        entities = torch.where(is_head, heads, tails)
        distinct, row = relations.unique(return_inverse=True)
        structure = self._embed_structure(entities), self._embed_structure(candidates)
        cosines = self.views.compare(entities, candidates, structure, self._embed_relations(distinct), row)
        weights = (cosines / self.temperature).log_softmax(dim=-1).logsumexp(dim=0).masked_fill(is_known, IMPOSSIBLE)
        noisy, chosen = gumbel_top_k(weights, min(self.num_negatives, len(candidates)))
        negative = self._score(positives, is_head, noisy, chosen, candidates)
        part: dict[str, Any] = {}
        if self.known.max_num + chosen.shape[1] >= len(candidates):
            # there may be too few others
            part["masks"] = ~is_known.gather(1, chosen)
            negative = negative[part["masks"]]
        if (loss_weights := batch.get("pos_weights")) is not None:
            part["pos_weights"] = loss_weights[start:stop]
        if (loss_weights := batch.get("neg_weights")) is not None:
            # those of the relation
            part["neg_weights"] = loss_weights[start:stop, :1].expand(-1, chosen.shape[1])
        loss = negative_sampling_loss(
            model, self.loss, cast(SLCWABatch, part), 0, len(positives), positive, negative, label_smoothing
        )
        # parts of a batch are added up, or averaged
        share = 1.0 if self.loss.reduction == "mean" else len(positives) / len(batch["positives"])
        loss = loss + share * self.contrastive_weight * contrast(cosines, is_known)
        return loss, positive.squeeze(dim=-1)

    def _score(
        self, positives: LongTensor, is_head: BoolTensor, noisy: FloatTensor, chosen: LongTensor, candidates: LongTensor
    ) -> FloatTensor:
        """Score negatives with chosen candidates, through whose choice gradients flow."""
        model = self.query_model
        x = model.represent_entities(candidates)
        layout = Dot(x.is_complex())
        negatives = layout.from_real(choose_rows(noisy, chosen, layout.to_real(x)), tuple(x.shape[1:]))
        replaced = is_head.view(-1, *(1 for _ in negatives.shape[1:]))
        h, t = (model.represent_entities(positives[:, [column]]) for column in (0, 2))
        h, t = torch.where(replaced, negatives, h), torch.where(replaced, t, negatives)
        return model.score_representations(h, positives[:, [1]], t)
