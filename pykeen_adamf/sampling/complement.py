"""Sampling uniformly from everything but a set, for many sets at once."""

import torch
from torch import nn
from torch.nn import functional as F

from ..typing import BoolTensor, LongTensor

__all__ = ["ComplementSampler"]


class ComplementSampler(nn.Module):
    r"""Sample uniformly from the values that do *not* occur with a key.

    For a key with the sorted values $v_0 < v_1 < \dots < v_{k-1}$ out of $\{0, \dots, n-1\}$, the $u$-th value that
    does not occur is $u + |\{i : v_i - i \leq u\}|$. The numbers $v_i - i$ are sorted, too; and if the one of the
    $s$-th key is stored as $s (n + 1) + v_i - i$, a single binary search over all keys' values finds the count. Drawing
    a value hence takes $O(\log N)$ for $N$ known pairs, without rejection.
    """

    #: shape: ``(num_keys,)``, the sorted distinct keys
    keys: LongTensor
    #: shape: ``(num_keys + 1,)``, where each key's values start
    offsets: LongTensor
    #: shape: ``(num_pairs,)``, the searchable numbers
    shifted: LongTensor
    #: shape: ``(num_pairs,)``, the sorted pairs of a key's number and a value
    pairs: LongTensor

    def __init__(self, keys: LongTensor, values: LongTensor, num_values: int, ordered: bool = False) -> None:
        """Index pairs of keys and values, which may be known to be distinct and ordered, by key and then by value."""
        super().__init__()
        self.num_values = num_values
        distinct, segment = (keys.unique_consecutive if ordered else keys.unique)(return_inverse=True)
        # unique also sorts, here by key and then by value
        pairs = segment * num_values + values
        pairs = pairs if ordered else pairs.unique()
        segment, values = pairs // num_values, pairs % num_values
        counts = segment.bincount(minlength=len(distinct))
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(dim=0)])
        rank = torch.arange(len(segment), device=keys.device) - offsets[segment]
        self.register_buffer("keys", distinct)
        self.register_buffer("offsets", offsets)
        self.register_buffer("shifted", segment * (num_values + 1) + values - rank)
        self.register_buffer("pairs", pairs)
        self.any_saturated = bool((counts >= num_values).any())

    def sample(self, keys: LongTensor, excluded: LongTensor, num: int) -> tuple[LongTensor, BoolTensor | None]:
        """Draw so many values, with replacement, which do not occur with each of the given keys.

        :param keys: shape: ``(*batch_dims, 1)``, the keys.
        :param excluded: shape: ``(*batch_dims, 1)``, a value to exclude in any case; it is part of those that occur
            with the key, unless the key is unknown.
        :returns: shape of both: ``(*batch_dims, num)``, the values; and whether they are valid, i.e., whether there was
            any value to draw, or ``None`` if there always is.
        """
        device = keys.device
        known, offsets, shifted = (x.to(device) for x in (self.keys, self.offsets, self.shifted))
        segment = torch.searchsorted(known, keys)
        found = segment < len(known)
        segment = segment.clamp(max=max(len(known) - 1, 0))
        if len(known):
            found &= known[segment] == keys
            start = offsets[segment]
            count = torch.where(found, offsets[segment + 1] - start, 0)
        else:
            start = count = torch.zeros_like(keys)
        # an unknown key has one value to leave out, the excluded one
        size = torch.where(found, self.num_values - count, self.num_values - 1)
        shape = (*keys.shape[:-1], num)
        # a float64 has enough bits for any number of entities; randint cannot have a bound for each element
        draws = (torch.rand(shape, device=device, dtype=torch.float64) * size).long()
        position = torch.searchsorted(shifted, segment * (self.num_values + 1) + draws, right=True) - start
        values = torch.where(found, draws + position, draws + (draws >= excluded))
        if not self.any_saturated:
            return values, None
        valid = (size > 0).expand(shape)
        return torch.where(valid, values, excluded), valid

    def find_occurring(self, keys: LongTensor, excluded: LongTensor, pool: LongTensor) -> BoolTensor:
        """Find out which values of a pool occur with keys.

        :param keys: shape: ``(n,)``, the keys.
        :param excluded: shape: ``(n,)``, a value for each of them that counts as one that does.
        :param pool: shape: ``(pool_size,)``, the values, sorted and distinct.
        :returns: shape: ``(n, pool_size)``, whether they do.
        """
        everyone = torch.arange(len(keys), device=keys.device)
        # with one more column for values which were not found, at position -1
        occurs = torch.zeros(len(keys), len(pool) + 1, dtype=torch.bool, device=keys.device)
        occurs[everyone, _find(pool, excluded)] = True
        if len(self.keys):
            segment = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
            count = torch.where(self.keys[segment] == keys, self.offsets[segment + 1] - self.offsets[segment], 0)
            is_hub = count > len(pool)
            # of keys with few values, look for each value in the pool
            few = torch.where(is_hub, 0, count)
            owner = everyone.repeat_interleave(few)
            start = self.offsets[segment] - (few.cumsum(dim=0) - few)
            where = start[owner] + torch.arange(len(owner), device=keys.device)
            occurs[owner, _find(pool, self.pairs[where] - segment[owner] * self.num_values)] = True
            # of keys with many, which are few, look for each value of the pool
            hubs, row = segment[is_hub].unique(return_inverse=True)
            found = _find(self.pairs, hubs.unsqueeze(dim=-1) * self.num_values + pool) >= 0
            occurs[is_hub.nonzero().squeeze(dim=-1), :-1] |= found[row]
        return occurs[:, :-1]

    def restrict(self, keys: LongTensor, excluded: LongTensor, pool: LongTensor) -> "ComplementSampler":
        """Return a sampler from a part of the values.

        :param keys: shape: ``(n,)``, the keys which will be used.
        :param excluded: shape: ``(n,)``, a value for each of them to exclude in any case.
        :param pool: shape: ``(pool_size,)``, the values to draw from, sorted and distinct.
        :returns: A sampler for the keys' *positions* among the given ones, which returns positions in the pool, except
            for those of values that are excluded, or occur with the key.
        """
        # a row for each key, with one more value, which occurs with each of them: thus no key is unknown
        occurs = F.pad(self.find_occurring(keys, excluded, pool), (0, 1), value=True)
        owner, position = occurs.nonzero().unbind(dim=-1)
        return ComplementSampler(owner, position, num_values=len(pool) + 1, ordered=True)


def _find(x: LongTensor, values: LongTensor) -> LongTensor:
    """Return the positions of values in a sorted tensor which is not empty, and -1 for those that are not there."""
    position = torch.searchsorted(x, values.contiguous()).clamp_(max=len(x) - 1)
    return torch.where(x[position] == values, position, -1)
