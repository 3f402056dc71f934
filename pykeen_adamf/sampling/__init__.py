"""Negative samplers."""

from .filtered_bernoulli import FilteredBernoulliNegativeSampler

__all__ = ["FilteredBernoulliNegativeSampler"]
