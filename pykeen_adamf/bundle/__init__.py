"""Trained models as files that can be read without executing anything: weights, configuration, labels, features."""

from .layout import BundleError
from .loading import Bundle, load
from .saving import save

__all__ = ["Bundle", "BundleError", "load", "save"]
