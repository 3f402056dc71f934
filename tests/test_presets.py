"""Presets are complete, and what PyKEEN's pipeline takes."""

import copy
import inspect

import pytest
from pykeen.datasets import dataset_resolver
from pykeen.models import model_resolver
from pykeen.pipeline import pipeline, pipeline_from_config
from pykeen.training import training_loop_resolver

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.presets import list_presets, load_preset, preset_path

from .cases import make_factory


def test_names():
    assert list_presets() == ["DB15K", "EmojiKG", "MKG-W", "MKG-Y", "MKG-Y-ComplEx", "MKG-Y-inverse"]
    assert load_preset("emojikg") == load_preset("EmojiKG")
    with pytest.raises(ValueError, match=r"no preset 'EmojKG', but there are DB15K, .*Did you mean 'emojikg'"):
        preset_path("EmojKG")


@pytest.mark.parametrize("name", list_presets())
def test_pipeline(name):
    """Its options are those of the pipeline, and it trains a model, with a smaller dimension and other data."""
    preset = load_preset(name)
    assert set(preset) == {"metadata", "pipeline"}
    assert "validation" in preset["metadata"]["comments"] or "held-out" in preset["metadata"]["comments"]
    config = copy.deepcopy(preset["pipeline"])
    assert set(config) < set(inspect.signature(pipeline).parameters)
    assert dataset_resolver.lookup(config.pop("dataset")).__module__.startswith("pykeen_adamf.")
    inverse = config.pop("dataset_kwargs")["create_inverse_triples"]
    assert model_resolver.lookup(config["model"]).__module__.startswith("pykeen_adamf.")
    assert training_loop_resolver.lookup(config["training_loop"])
    assert inverse or config["training_loop"] != "OneVsAll"
    training, testing = make_factory(create_inverse_triples=inverse).split(0.8, random_state=0)
    config["model_kwargs"]["embedding_dim"] = 4
    config["training_kwargs"] |= dict(num_epochs=2, batch_size=16, use_tqdm=False)
    result = pipeline_from_config({**preset, "pipeline": config}, training=training, testing=testing)
    assert len(result.losses) == 2
    assert 0 < result.get_metric("mrr") <= 1


@pytest.mark.slow
def test_real_data():
    config = load_preset("EmojiKG")
    config["pipeline"]["training_kwargs"] |= dict(num_epochs=1, use_tqdm=False)
    result = pipeline_from_config(config, evaluation_kwargs=dict(use_tqdm=False, batch_size=64))
    assert result.model.num_entities == EmojiKG().num_entities
    assert result.get_metric("mrr") > 0.01
