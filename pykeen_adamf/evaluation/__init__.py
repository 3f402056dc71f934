"""What differences between models amount to, triple by triple."""

from .comparison import COVERAGE_CLASSES, Interval, bootstrap_means, classify_coverage, compare_ranks
from .ranks import METRICS, RankFileError, Ranks, rank_metrics, read_ranks

__all__ = [
    "COVERAGE_CLASSES",
    "METRICS",
    "Interval",
    "RankFileError",
    "Ranks",
    "bootstrap_means",
    "classify_coverage",
    "compare_ranks",
    "rank_metrics",
    "read_ranks",
]
