"""Multi-modal knowledge graph completion for PyKEEN.

Features of any modality beside the triples, adaptive multi-modal fusion (AdaMF) and modality adversarial training
(MAT), cf. `Zhang et al. (2024) <https://arxiv.org/abs/2402.15444>`_.

Installing the package is enough: PyKEEN finds the models, training loops, datasets, samplers, representations and
interactions by name. This module imports nothing heavy on purpose, since PyKEEN loads the package while it is being
imported itself, cf. :mod:`pykeen_adamf.plugin`.
"""

from importlib.metadata import version

__all__ = ["__version__"]

#: The version that is installed, which is the tag that it was built from
__version__ = version("pykeen-adamf")
