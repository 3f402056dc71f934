"""New links: the best triples that are not known."""

from typing import Final

import pandas
import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory

from ..explaining.candidates import Candidates
from ..explaining.labels import Triples, resolve_triples
from ..explaining.model import predicting

__all__ = ["find_new_links"]

#: For so many heads of a relation, tails are looked for.
MAX_HEADS: Final = 512

#: How many questions are answered at once.
BATCH_SIZE: Final = 64


def find_new_links(
    model: Model,
    triples_factory: TriplesFactory,
    known_triples: Triples = (),
    *,
    num_relations: int = 8,
    num_links: int = 3,
    seed: int = 0,
) -> pandas.DataFrame:
    """Find new links of the most frequent relations.

    For heads that a relation has in training, or some of them if there are many, its tails are looked for, among those
    that it has in training. The best are those to which the model gives the largest share: the softmax of the scores of
    these tails, the known ones among them, such that a head which has its only tail already does not get others.

    :param model: The model.
    :param triples_factory: The triples factory that it was trained on; its triples are known.
    :param known_triples: shape: ``(num_known, 3)``, further known triples, as labels or IDs.
    :param num_relations: How many relations there are at most.
    :param num_links: How many links of each relation there are at most, no two of the same head.
    :param seed: The random seed for the choice of heads.
    :returns: The columns ``head``, ``relation``, ``tail``, ``share``; relations with the most training triples first.
    """
    known = torch.cat([triples_factory.mapped_triples, resolve_triples(known_triples, triples_factory)])
    ids, counts = triples_factory.mapped_triples[:, 1].unique(return_counts=True)
    generator = torch.Generator().manual_seed(seed)
    seen, rows = Candidates(triples_factory), list[tuple[str, str, str, float]]()
    for relation in ids[counts.argsort(descending=True, stable=True)].tolist()[:num_relations]:
        heads, tails = seen.get(relation, "head"), seen.get(relation, "tail")
        heads = heads[torch.randperm(len(heads), generator=generator)[:MAX_HEADS].sort().values]
        with predicting(model):
            pairs = torch.stack([heads, torch.full_like(heads, relation)], dim=-1).to(model.device)
            scores = torch.cat([model.predict_t(x)[:, tails.to(model.device)].cpu() for x in pairs.split(BATCH_SIZE)])
        shares = scores.double().softmax(dim=-1)
        of_relation = known[(known[:, 1] == relation) & torch.isin(known[:, 0], heads) & torch.isin(known[:, 2], tails)]
        row, column = (torch.searchsorted(x, of_relation[:, i].contiguous()) for i, x in ((0, heads), (2, tails)))
        shares[row, column] = 0
        # that something is linked to itself is hardly news
        shares[heads.unsqueeze(dim=-1) == tails] = 0
        best, best_column = shares.max(dim=-1)
        for i in best.argsort(descending=True, stable=True)[:num_links].tolist():
            if best[i] > 0:
                triple = torch.stack([heads[i], torch.tensor(relation), tails[best_column[i]]])
                h, r, t = triples_factory.label_triples(triple.unsqueeze(dim=0))[0]
                rows.append((str(h), str(r), str(t), float(best[i])))
    return pandas.DataFrame(rows, columns=["head", "relation", "tail", "share"])
