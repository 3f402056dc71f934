"""Trained models as files that can be read without executing anything: weights, configuration, labels, features."""

from .ensembles import combine, open_trained, save_ensemble
from .layout import BundleError
from .loading import Bundle, load
from .saving import save
from .trained import TrainedModel

__all__ = ["Bundle", "BundleError", "TrainedModel", "combine", "load", "open_trained", "save", "save_ensemble"]
