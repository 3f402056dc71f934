r"""Predictions for entities that have features, but were not there when the model was trained (experimental).

A new entity has no structural embedding, and maybe not all of the features. There are two ways to fuse the rest:

- ``"average"``: what is absent is what is known without knowing the entity, i.e., the mean of all structural
  embeddings; and features are missing as they are for known entities (cf.
  :class:`pykeen_adamf.nn.ProjectedFeatureRepresentation`): zero, left out, or, instead of random ones, the mean.
- ``"left-out"``: it has no part in the fusion, whose weights are a softmax over the other modalities alone (eq. 4 and 5
  of the AdaMF-MAT paper). What modalities have in common is multiplied by one over the weight of those that are left,
  and known entities are not: this made predictions of AdaMF-MAT much worse.

.. warning::
    This is no part of the paper, and models are not trained for it: in training, every entity has its structural
    embedding. ``benchmarks/new_entities.py`` measures what it is worth.
"""

from .predicting import Target, predict_new_entities, score_new_entities
from .representing import Absent, represent_new_entities

__all__ = ["Absent", "Target", "predict_new_entities", "represent_new_entities", "score_new_entities"]
