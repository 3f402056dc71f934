"""GC-OTE."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from class_resolver import OptionalKwargs
from pykeen.losses import Loss, NSSALoss
from pykeen.nn.init import PretrainedInitializer
from pykeen.nn.representation import Embedding, Representation
from pykeen.triples import CoreTriplesFactory, KGInfo
from pykeen.typing import Hint, Initializer
from typing_extensions import Self

from ..nn.graph_context import ContextRepresentation, GCOTEInteraction
from ..nn.orthogonal import OTEInteraction
from ..nn.query import QueryForm
from ..typing import FloatTensor, LongTensor
from .geometry import Geometry
from .ote import OTE
from .query import QueryScoringModel
from .shared_entities import SharedEntities

__all__ = ["GCOTE"]


class GCOTE(QueryScoringModel):
    r"""GC-OTE (Tang et al., 2020): OTE in both directions, with the graph around each entity.

    .. math ::
        f(h, r, t) = -\frac{1}{4} \left(d(\mathbf{h} \to \mathbf{t}) + d(\mathbf{h} \leftarrow \mathbf{t})
            + d(\mathbf{h} \to \mathbf{c}_t) + d(\mathbf{c}_h \leftarrow \mathbf{t})\right)

    cf. :class:`pykeen_adamf.nn.graph_context.GCOTEInteraction`; the context $\mathbf{c}$ of an entity is the mean of
    itself and of what its neighbours are transformed to by the training triples, cf.
    :class:`pykeen_adamf.nn.graph_context.ContextRepresentation`. Instead of itself, the paper's code has a learned
    vector for all entities.

    As in the code, contexts know nothing of the triples that a step of training is about, neither for positive nor for
    negative ones: training triples that have been scored since the last update of parameters are left out of the graph,
    with their inverse ones, and so are those of the pairs of an entity and a relation whose other entities are scored
    all. For that, training loops must score positives before negatives, or both by :meth:`score_corrupted`, as all do.
    Predictions use all training triples. A step costs as much as these, whatever the size of its batch. The parts of a
    batch that is split leave out what has been scored so far, such that gradients are not exactly those of the whole.
    The graph is no part of the state, but made of the triples that the model is created with.

    The paper's starts from a trained OTE, cf. :meth:`from_trained`.
    ---
    citation:
        author: Tang
        year: 2020
        arxiv: 1911.04910
        link: https://aclanthology.org/2020.acl-main.241
        github: JD-AI-Research-Silicon-Valley/KGEmbedding-OTE
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        **OTE.hpo_default,
        attention=dict(type="categorical", choices=[False, True]),
    )

    loss_default: ClassVar[type[Loss]] = NSSALoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=12.0, adversarial_temperature=1.4)

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 400,
        group_size: int | None = None,
        scaled: bool = True,
        attention: bool = False,
        entity_initializer: Hint[Initializer] = None,
        entity_initializer_kwargs: OptionalKwargs = None,
        relation_initializer: Hint[Initializer] = None,
        relation_initializer_kwargs: OptionalKwargs = None,
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`OTE` and :class:`AdaMF`.

        :param triples_factory: The training triples.
        :param attention: Whether contexts are weighted by attention, as in the paper's code by default, or means.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the dimension cannot be divided into groups, or there are no training triples
        """
        if not isinstance(triples_factory, CoreTriplesFactory):
            raise ValueError(f"GCOTE looks at training triples, but got a {type(triples_factory).__name__} without.")
        loss = self.make_loss(kwargs)
        geometry = Geometry.make(
            "OTE",
            dict(scaled=scaled) if group_size is None else dict(scaled=scaled, group_size=group_size),
            embedding_dim,
            entity_initializer=entity_initializer,
            entity_initializer_kwargs=entity_initializer_kwargs,
            relation_initializer=relation_initializer,
            relation_initializer_kwargs=relation_initializer_kwargs,
        )
        size = geometry.model_kwargs["interaction"].group_size
        (relation_kwargs,) = geometry.model_kwargs["relation_representations_kwargs"]
        relations = Embedding(max_id=triples_factory.num_relations, **relation_kwargs)
        super().__init__(
            triples_factory=triples_factory,
            loss=loss,
            interaction=GCOTEInteraction(size),
            entity_representations=ContextRepresentation,
            entity_representations_kwargs=dict(
                base_kwargs=dict(shape=geometry.entity_shape, **geometry.entity_initializer),
                relations=relations,
                group_size=size,
                edges=triples_factory._add_inverse_triples_if_necessary(triples_factory.mapped_triples),
                num_copies=1 + triples_factory.create_inverse_triples,
                attention=attention,
            ),
            relation_representations=relations,
            skip_checks=True,
            **kwargs,
        )

    @classmethod
    def from_trained(cls, model: OTE, *, triples_factory: CoreTriplesFactory, **kwargs: Any) -> Self:
        """Make a model that starts from a trained OTE, also if training begins anew.

        >>> GCOTE.from_trained(ote, triples_factory=dataset.training)  # doctest: +SKIP

        :param model: The trained model.
        :param triples_factory: Its training triples.
        :param kwargs: Keyword-based parameters of the model which are not those of the trained one.
        :raises ValueError: if the model is another one, or of other entities or relations
        """
        interaction = getattr(model, "interaction", None)
        if not isinstance(interaction, OTEInteraction):
            raise ValueError(f"GCOTE starts from a trained OTE, but this is {type(model).__name__}.")
        sizes = [(x.num_entities, x.num_relations) for x in (model, triples_factory)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"The trained OTE has {sizes[0][0]:,} entities and {sizes[0][1]:,} relations (with inverse ones, if "
                f"any), but the triples have {sizes[1][0]:,} and {sizes[1][1]:,}. Use those of its training."
            )
        entities, relations = model.entity_representations[0], model.relation_representations[0]
        return cls(
            triples_factory=triples_factory,
            embedding_dim=entities.shape[0],
            group_size=interaction.group_size,
            scaled=interaction.scaled,
            entity_initializer=_copy(entities),
            relation_initializer=_copy(relations),
            **kwargs,
        )

    @property
    def contexts(self) -> ContextRepresentation:
        """Return the representation of entities and their contexts."""
        representation = self.entity_representations[0]
        assert isinstance(representation, ContextRepresentation)
        return representation

    def _leave_out(self, batch: LongTensor, *columns: int) -> None:
        if self.training:
            self.contexts.leave_out(batch, columns)

    @contextmanager
    def sharing(self, entities: LongTensor | None) -> Iterator[None]:
        """Share nothing: representations depend on what is scored, cf. this class."""
        yield

    def _represent(self, entities: LongTensor | None) -> SharedEntities:
        # a few are as much work as all
        return super()._represent(entities) if self._is_trained else self.represent_all()

    def score_hrt(self, hrt_batch: LongTensor, **kwargs: Any) -> FloatTensor:  # noqa: D102
        self._leave_out(hrt_batch, 0, 1, 2)
        return super().score_hrt(hrt_batch, **kwargs)

    def score_corrupted(self, positives: LongTensor, negatives: LongTensor) -> FloatTensor:  # noqa: D102
        self._leave_out(positives, 0, 1, 2)
        return super().score_corrupted(positives, negatives)

    def score_t(self, hr_batch: LongTensor, **kwargs: Any) -> FloatTensor:  # noqa: D102
        self._leave_out(hr_batch, 0, 1)
        return super().score_t(hr_batch, **kwargs)

    def score_h(self, rt_batch: LongTensor, **kwargs: Any) -> FloatTensor:  # noqa: D102
        self._leave_out(rt_batch, 1, 2)
        return super().score_h(rt_batch, **kwargs)

    def make_queries(  # noqa: D102
        self, form: QueryForm, entities: LongTensor, relations: LongTensor, *, is_head: bool = True
    ) -> tuple[FloatTensor, SharedEntities]:
        # of training loops that compare queries themselves
        columns: Sequence[int] = (0, 1) if is_head else (2, 1)
        self._leave_out(torch.stack([entities, relations], dim=-1), *columns)
        return super().make_queries(form, entities, relations, is_head=is_head)

    def train(self, mode: bool = True) -> Self:  # noqa: D102
        self.contexts.keep_all()
        return super().train(mode)

    def post_parameter_update(self) -> None:  # noqa: D102
        self.contexts.keep_all()
        super().post_parameter_update()


class _CopyInitializer(PretrainedInitializer):
    """Initializes with a copy: parameters are changed in place, and what they are initialized with must not be."""

    def __call__(self, x: FloatTensor) -> FloatTensor:
        return super().__call__(x).clone()


def _copy(representation: Representation) -> PretrainedInitializer:
    """Initialize with the parameters of an embedding, as they are now."""
    assert isinstance(representation, Embedding)
    weight = representation._embeddings.weight.detach().clone()
    return _CopyInitializer(weight.view(-1, *representation.shape))
