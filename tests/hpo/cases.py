"""Small studies, and a spy on what is in force while their trials are running."""

from typing import Any, ClassVar

from pykeen.hpo import HpoPipelineResult, hpo_pipeline
from pykeen.sampling import negative_sampler_resolver
from pykeen.training.callbacks import TrainingCallback

from pykeen_adamf.constants import STRUCTURAL
from pykeen_adamf.nn import fusion_resolver
from pykeen_adamf.training import MATTrainingLoop

from ..cases import make_factory

#: All options of a model that are tuned otherwise.
MODEL = dict(embedding_dim=4, attention="shared", fusion="adaptive", missing="zero")


class Spy(TrainingCallback):
    """Take note of what is in force in each trial, as seen from inside of its training."""

    records: ClassVar[list[dict[str, Any]]] = []

    def __init__(self):
        super().__init__()
        self.seen = {"training.batch_size": set(), "training.num_negs_per_pos": set(), "replacements": set()}

    def on_batch(self, epoch, batch, batch_loss, **kwargs):
        self.seen["training.batch_size"].add(batch["positives"].shape[0])
        self.seen["training.num_negs_per_pos"].add(batch["negatives"].shape[1])
        changed = batch["negatives"] != batch["positives"].unsqueeze(dim=1)
        self.seen["replacements"].add(len(batch["negatives"][changed].unique()))

    def post_train(self, losses, **kwargs):
        loop, model = self.training_loop, self.model
        record = {
            "training.batch_size": max(self.seen["training.batch_size"]),
            "training.num_negs_per_pos": self.seen["training.num_negs_per_pos"],
            "replacements": max(self.seen["replacements"]),
            "model.embedding_dim": model.relation_representations[0].shape[0],
            "loss.margin": {loop.loss.margin},
            "loss.adversarial_temperature": {loop.loss.inverse_softmax_temperature},
            "optimizer.lr": {group["lr"] for group in loop.optimizer.param_groups},
            "sampler": negative_sampler_resolver.normalize_cls(negative_sampler_resolver.lookup(loop.negative_sampler)),
            "sampler options": dict(loop.negative_sampler_kwargs or {}),
        }
        if hasattr(model, "fused"):
            fused = model.fused
            record |= {
                "model.fusion": fusion_resolver.normalize_inst(fused.fusion),
                "attention vectors": len(fused.fusion.attention) if hasattr(fused.fusion, "attention") else None,
                "mask": fused.mask_missing,
                "fused dim": fused.fusion.dim,
                "model.missing": {fused.bases[name].missing for name in fused.modalities if name != STRUCTURAL},
            }
        if isinstance(loop, MATTrainingLoop):
            record["loss.margin"].add(loop.margin)
            record["loss.adversarial_temperature"].add(loop.adversarial_temperature)
            record |= {
                "training.adversarial_weight": loop.adversarial_weight,
                # the discriminator's loss is L(kgc) + weight * L(adv)
                "measured weights": [
                    (x["discriminator_loss"] - x["kgc_loss"]) / x["adversarial_loss"]
                    for x in loop.adversarial_losses_per_epoch
                ],
                "training.generator_lr": {group["lr"] for group in loop.generators.optimizer.param_groups},
                "training.num_groups": loop.num_groups,
            }
        self.records.append(record)


def make_splits(num_entities: int = 20, num_triples: int = 60) -> dict[str, Any]:
    """Return three small factories by the names of PyKEEN's parameters."""
    factory = make_factory(num_entities=num_entities, num_triples=num_triples)
    training, testing, validation = factory.split([0.6, 0.2, 0.2], random_state=0)
    return dict(training=training, testing=testing, validation=validation)


def tune(**kwargs) -> HpoPipelineResult:
    """Run a study with one short trial, unless told otherwise."""
    data = {} if {"dataset", "training"} & kwargs.keys() else make_splits()
    training_kwargs = {"num_epochs": 1, "use_tqdm": False, **kwargs.pop("training_kwargs", {})}
    defaults = dict(model="AdaMFRotatE", training_loop="MAT", n_trials=1, sampler="random", device="cpu")
    return hpo_pipeline(**{**defaults, **data, "training_kwargs": training_kwargs, **kwargs})


def spy_on(**kwargs) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a study with one short trial, and return what was in force, and what was tuned."""
    Spy.records.clear()
    training_kwargs = {"callbacks": Spy, **kwargs.pop("training_kwargs", {})}
    result = tune(**kwargs, training_kwargs=training_kwargs)
    (trial,) = result.study.trials
    (record,) = Spy.records
    return record, trial.params
