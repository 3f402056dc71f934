"""Trained models as files that can be read without executing anything: weights, configuration, labels, features."""

from .layout import BundleError
from .loading import Bundle, load
from .saving import save
from .trained import TrainedModel, open_trained

__all__ = ["Bundle", "BundleError", "TrainedModel", "load", "open_trained", "save"]
