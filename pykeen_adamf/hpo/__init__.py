"""What PyKEEN's hyper-parameter optimization and ablation studies do for this package.

:mod:`pykeen_adamf.plugin` lets PyKEEN's :func:`pykeen.hpo.hpo_pipeline` and :func:`pykeen.ablation.prepare_ablation`
go through the functions of this module, whichever way they are called.
"""

from .pipeline import adapt_hpo_pipeline, adapt_prepare_ablation

__all__ = ["adapt_hpo_pipeline", "adapt_prepare_ablation"]
