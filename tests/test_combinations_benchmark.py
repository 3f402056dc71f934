"""The benchmark of combinations compares what differs."""

import json

import pytest

combinations = pytest.importorskip("benchmarks.combinations", reason="benchmarks are not part of the distribution")


@pytest.mark.parametrize("name", ["EmojiKG", "MoCME"])
def test_ablations_differ(name):
    """No two of them have the same configuration."""
    merged = [combinations.merge(combinations.load(name), x) for x in combinations.list_combinations(name).values()]
    assert len({json.dumps(x, sort_keys=True) for x in merged}) == len(merged)
    if name == "MoCME":
        assert merged[1]["model_kwargs"]["num_views"] is None
