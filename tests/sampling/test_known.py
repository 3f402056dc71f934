"""Which candidates make known triples."""

import torch

from pykeen_adamf.sampling.known import KnownTriples

from ..cases import make_factory


def test_known():
    """The same as looking for each, on both sides; the triples themselves count, whether known or not."""
    triples = make_factory(num_entities=6, num_relations=2).mapped_triples
    known = KnownTriples(triples[:-9], num_entities=6, num_relations=2)
    everything, candidates = {tuple(x) for x in triples[:-9].tolist()}, torch.tensor([0, 2, 3, 5])
    is_head = torch.arange(len(triples)) % 3 == 0
    found = known.find(triples, is_head, candidates)
    counts = []
    for (h, r, t), head, row in zip(triples.tolist(), is_head.tolist(), found.tolist(), strict=True):
        for e, actual in zip(candidates.tolist(), row, strict=True):
            assert actual == (((e, r, t) if head else (h, r, e)) in everything or e == (h if head else t))
    for h, r, t in everything:
        counts += [sum((e, r, t) in everything for e in range(6)), sum((h, r, e) in everything for e in range(6))]
    assert known.max_num == max(counts) > 1
    assert KnownTriples(triples[:0], num_entities=6, num_relations=2).max_num == 0
