"""Orthogonal matrices of groups, and distances between groups, against other ways to calculate them."""

import pytest
import torch

from pykeen_adamf.nn import OTEInteraction, RegularizedInteraction
from pykeen_adamf.nn.group_distance import GroupDistance
from pykeen_adamf.nn.orthogonal import init_orthonormal, orthonormalize, transform

SIZE, NUM_GROUPS = 3, 2
DIM = SIZE * NUM_GROUPS


def random(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def blocks(relation):
    """Write the matrices of groups as one, shape: ``(dim, dim)``."""
    return torch.block_diag(*relation[:, :SIZE].split(SIZE))


def test_orthonormalize():
    """It is the factor Q of a QR decomposition of the columns, with a positive diagonal of R; the rest stays."""
    x = random(4, DIM, SIZE + 1)
    actual = orthonormalize(x, SIZE)
    q, r = torch.linalg.qr(x[..., :SIZE].unflatten(-2, (-1, SIZE)).mT)
    expected = (q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(dim=-2)).mT.flatten(-3, -2)
    torch.testing.assert_close(actual[..., :SIZE], expected)
    assert torch.equal(actual[..., SIZE:], x[..., SIZE:])
    torch.testing.assert_close(orthonormalize(actual, SIZE), actual)
    assert torch.autograd.gradcheck(lambda x: orthonormalize(x, SIZE), [x])


@pytest.mark.parametrize("size", [1, 4, 20])
def test_stable(size):
    """In single precision, what was initialized is orthonormal; dependent rows give no NaN, nor have such gradients."""
    torch.manual_seed(0)
    x = init_orthonormal(torch.empty(30, 2 * size, size + 1), size)
    assert (x[..., size] == 0).all()
    matrices = orthonormalize(x, size)[..., :size].unflatten(-2, (-1, size))
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(size).expand_as(matrices), atol=1e-5, rtol=0)
    x = torch.zeros(1, size, size).requires_grad_()
    result = orthonormalize(x, size)
    (gradient,) = torch.autograd.grad(result.sum(), [x])
    assert result.isfinite().all()
    assert gradient.isfinite().all()


def test_transform():
    """Rows times a block-diagonal matrix, forth and back; without scales, there and back again."""
    relation, x = orthonormalize(random(DIM, SIZE + 1), SIZE), random(5, DIM, seed=1)
    q, s = blocks(relation), relation[:, SIZE]
    torch.testing.assert_close(transform(x, relation, SIZE), x @ torch.diag(s.exp()) @ q)
    torch.testing.assert_close(transform(x, relation, SIZE, inverse=True), x @ torch.diag((-s).exp()) @ q.t())
    torch.testing.assert_close(transform(x, relation, SIZE, scaled=False), x @ q)
    there = transform(x, relation[:, :SIZE], SIZE)
    torch.testing.assert_close(transform(there, relation[:, :SIZE], SIZE, inverse=True), x)


@pytest.mark.parametrize("both", [False, True])
def test_scores(both):
    h, t = random(DIM, seed=1), random(DIM, seed=2)
    relation = orthonormalize(random(DIM, SIZE + 1), SIZE)
    q, scales = blocks(relation), relation[:, SIZE].exp()
    forward = sum(x.norm() for x in (h * scales @ q - t).split(SIZE))
    backward = sum(x.norm() for x in (t / scales @ q.t() - h).split(SIZE))
    expected = (forward + backward) / 2 if both else forward
    torch.testing.assert_close(OTEInteraction(SIZE, both_directions=both)(h, relation, t), -expected)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("chunk", [1, 10, 10**6])
def test_group_distance(monkeypatch, is_weighted, chunk):
    """Pairs and all pairs are what plain PyTorch calculates, in any chunks, and so are gradients, also at zero."""
    monkeypatch.setattr("pykeen_adamf.chunking.CHUNK_NUMEL_CPU", chunk * DIM)
    comparison = GroupDistance(SIZE, is_weighted)
    queries, candidates = random(4, DIM * (1 + is_weighted)), random(7, DIM, seed=1)
    with torch.no_grad():
        # one group of one pair has no distance
        weights = queries[2, DIM:] if is_weighted else torch.ones(DIM, dtype=torch.float64)
        queries[2, :SIZE] = (weights * candidates[3])[:SIZE]
    rows, columns = torch.arange(4).repeat_interleave(7), torch.arange(7).repeat(4)
    grad = random(28, seed=2).detach()
    kinds = (
        comparison.score_pairs(queries, candidates, rows, columns),
        comparison.all_pairs(queries, candidates).flatten(),
        comparison.compare(queries.unsqueeze(dim=1), candidates).flatten(),
    )
    results = [[scores, *torch.autograd.grad(scores, [queries, candidates], grad)] for scores in kinds]
    for result in results[:2]:
        for actual, expected in zip(result, results[2], strict=True):
            torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
    few = torch.tensor([0, 3, 3]), torch.tensor([1, 1, 6])
    assert torch.autograd.gradcheck(lambda q, c: comparison.score_pairs(q, c, *few), [queries, candidates])


def test_bad_input():
    with pytest.raises(ValueError, match="group_size must be positive, but is 0"):
        OTEInteraction(0)
    with pytest.raises(ValueError, match=r"Queries of OTEInteraction have weights.*dict\(scaled=False\)"):
        RegularizedInteraction(OTEInteraction(2), shape=4)
    RegularizedInteraction(OTEInteraction(2, scaled=False), shape=4)
