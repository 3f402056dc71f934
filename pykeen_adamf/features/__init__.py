"""Features of entities beside the triples: what they are, where they come from, who has them."""

from .coverage import CoverageReport
from .files import FEATURE_SUFFIXES, FeatureSource, as_features, read_features, write_features
from .modality import FeatureError, ModalityFeatures

__all__ = [
    "FEATURE_SUFFIXES",
    "CoverageReport",
    "FeatureError",
    "FeatureSource",
    "ModalityFeatures",
    "as_features",
    "read_features",
    "write_features",
]
