"""Print, as JSON, what PyKEEN gets right: run by itself, with a copy of PyKEEN in front of the path."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from pykeen.ablation.ablation import prepare_ablation
from pykeen.datasets import Nations
from pykeen.hpo import hpo_pipeline
from pykeen.models import TransE, model_resolver
from pykeen.nn.modules import RotatEInteraction
from pykeen.pipeline.api import _build_model_helper
from pykeen.training import SLCWATrainingLoop, TrainingCallback, training_loop_resolver


class OwnTrainingLoop(SLCWATrainingLoop):
    """A subclass, as plugins have them."""


class Seen(TrainingCallback):
    """Keeps the positive triples."""

    def __init__(self) -> None:
        super().__init__()
        self.triples: list[tuple[int, ...]] = []

    def on_batch(self, epoch: int, batch, batch_loss: float, **kwargs) -> None:
        self.triples += map(tuple, batch["positives"].tolist())


def train(**kwargs) -> None:
    factory = Nations().training
    loop = SLCWATrainingLoop(model=TransE(triples_factory=factory, embedding_dim=2), triples_factory=factory)
    loop.train(factory, num_epochs=1, batch_size=128, use_tqdm=False, **kwargs)


def entry_points() -> bool:
    return "upstreamexample" in model_resolver.lookup_dict


def hpo_subclasses() -> bool:
    training_loop_resolver.register(OwnTrainingLoop)
    common = dict(model_kwargs=dict(embedding_dim=2), epochs=1, n_trials=1, negative_sampler="bernoulli")
    result = hpo_pipeline(dataset="nations", model="TransE", training_loop="own", **common)
    return result.study.user_attrs.get("negative_sampler") == "bernoulli"


def loss_default() -> bool:
    arguments = dict(model_kwargs=None, loss_kwargs=None, _device="cpu", _random_seed=0, regularizer_kwargs=None)
    made, _ = _build_model_helper(
        model="ERMLPE", loss=None, regularizer=None, training_triples_factory=Nations().training, **arguments
    )
    return type(made.loss) is type(made).loss_default


def ablation_negative_sampler() -> bool:
    with TemporaryDirectory() as directory:
        options = dict(models="TransE", losses="NSSA", optimizers="Adam", training_loops="sLCWA", epochs=1)
        ((_, path),) = prepare_ablation("nations", **options, negative_sampler="bernoulli", directory=directory)
        return json.loads(Path(path).read_text())["pipeline"].get("negative_sampler") == "bernoulli"


def workers() -> bool:
    seen = Seen()
    train(num_workers=2, callbacks=seen)
    return sorted(seen.triples) == sorted(map(tuple, Nations().training.mapped_triples.tolist()))


def gradient_clipping() -> bool:
    train(gradient_clipping_max_norm=1.0)
    return True


def rotate_norm() -> bool:
    h, r, t = torch.randn(3, 5, dtype=torch.cfloat)
    r = r / r.abs()  # a rotation
    return torch.isclose(RotatEInteraction(p=1)(h, r, t), -(h * r - t).abs().sum()).item()


if __name__ == "__main__":
    logging.disable()
    results = {}
    for check in (
        *(entry_points, hpo_subclasses, loss_default, ablation_negative_sampler, workers, gradient_clipping),
        rotate_norm,
    ):
        try:
            results[check.__name__] = bool(check())
        except Exception as error:
            results[check.__name__] = f"{type(error).__name__}: {error}"
    print(json.dumps(results))
