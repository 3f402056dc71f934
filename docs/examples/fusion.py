"""A fusion of one's own: the largest of what the modalities say, coordinate by coordinate."""

from collections.abc import Sequence

import torch
from docdata import parse_docdata
from pykeen.pipeline import pipeline

from pykeen_adamf.nn import Fusion, fusion_resolver
from pykeen_adamf.typing import BoolTensor, FloatTensor


@parse_docdata
class MaximumFusion(Fusion):
    r"""The coordinate-wise maximum over what an entity has.

    .. math ::
        \mathbf{e}_i = \max_{m \in \mathcal{M}} (\mathbf{e}_m)_i

    ---
    name: Maximum
    """

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        x = torch.stack(list(embeddings), dim=-2)  # shape: (*batch_dims, num_modalities, dim)
        if mask is not None:
            x = x.masked_fill(~mask.unsqueeze(-1), -torch.inf)
        return x.max(dim=-2).values


fusion_resolver.register(MaximumFusion)

if __name__ == "__main__":
    result = pipeline(
        dataset="EmojiKG",
        dataset_kwargs=dict(create_inverse_triples=True),
        model="AdaMF",
        model_kwargs=dict(interaction="ComplEx", fusion="maximum"),
        training_loop="OneVsAll",
    )
    print(result.get_metric("mrr"))
