"""Time of a one-to-N training step at DB15K's size, against its matrix products and against PyKEEN's LCWA loop.

``python benchmarks/one_to_n_step.py --json benchmarks/results/one_to_n_step.json``

``--memory`` tells the peak memory of a step with a million entities instead.
"""

from pathlib import Path
from typing import Any

import click
import torch
import workloads
from pykeen.losses import CrossEntropyLoss
from pykeen.models import ComplEx, Model
from pykeen.training import LCWATrainingLoop
from pykeen.triples import CoreTriplesFactory
from timing import peak_gb, ratios, report, summarize, take_turns

from pykeen_adamf.models import AdaMF, Structural
from pykeen_adamf.training import OneVsAllMATTrainingLoop, OneVsAllTrainingLoop

BATCH_SIZE, EMBEDDING_DIM = 1024, 256
REFERENCE = "PyKEEN ComplEx, LCWA"
BOUND = "matrix products"

#: dropout and normalization as in the preset of DB15K
OPTIONS = dict(batch_norm=True, entity_dropout=0.3, query_dropout=0.3)


class MatrixProducts:
    """The three products of a step: scores, and their gradients with respect to queries and to entities."""

    def __init__(self, num_entities: int) -> None:
        self.queries = torch.randn(BATCH_SIZE, 2 * EMBEDDING_DIM)
        self.entities = torch.randn(num_entities, 2 * EMBEDDING_DIM)

    def __call__(self) -> None:
        """Calculate them."""
        scores = self.queries @ self.entities.t()
        torch.mm(scores, self.entities)
        torch.mm(scores.t(), self.queries)


class Step:
    """A step of training: the loss of a batch, its gradients, and the optimizer's update."""

    def __init__(self, loop_cls: type, model: Model, factory: CoreTriplesFactory) -> None:
        self.optimizer = workloads.FUSED_ADAM(model.parameters(), lr=1e-3)
        kwargs: dict[str, Any] = dict(adversarial_weight=0.1) if loop_cls is OneVsAllMATTrainingLoop else {}
        self.loop = loop_cls(model=model, triples_factory=factory, optimizer=self.optimizer, **kwargs)
        self.model = model.train()
        options = dict(batch_size=BATCH_SIZE, drop_last=True, sampler=None)
        if loop_cls is LCWATrainingLoop:
            options |= dict(shuffle=True)
        self.batch = next(iter(self.loop._create_training_data_loader(factory, **options)))

    def __call__(self) -> None:
        """Make a step with the same batch; PyKEEN needs as long again to make a batch, which does not count here."""
        loss = self.loop._process_batch(self.batch, 0, BATCH_SIZE, label_smoothing=0.1)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.model.post_parameter_update()
        if isinstance(self.loop, OneVsAllMATTrainingLoop):
            self.loop.step_generators(self.batch, only_size_probing=False)


def make_factory(directory: Path | None) -> CoreTriplesFactory:
    """Make triples with inverse ones, and features as wide as a sentence encoder's."""
    training, _ = workloads.load_triples(directory)
    training = CoreTriplesFactory(
        training.mapped_triples,
        num_entities=training.num_entities,
        num_relations=training.num_relations,
        create_inverse_triples=True,
    )
    return workloads.with_features(training, {"textual": 384})


def measure_memory(num_entities: int, batch_size: int) -> None:
    """Make a step with many entities, and tell the peak memory of this process."""
    torch.manual_seed(0)
    # a few steps are enough
    triples = torch.randint(num_entities, (3 * batch_size // 2, 3))
    triples[:, 1] %= 10
    factory = CoreTriplesFactory(triples, num_entities=num_entities, num_relations=10, create_inverse_triples=True)
    model = Structural(triples_factory=factory, embedding_dim=100, random_seed=0)
    loop = OneVsAllTrainingLoop(
        model=model, triples_factory=factory, optimizer=workloads.FUSED_ADAM(model.parameters(), lr=1e-3)
    )
    loop.train(factory, num_epochs=1, batch_size=batch_size, use_tqdm=True)
    click.echo(f"{num_entities:,} entities, batches of {batch_size}, 200 numbers each: {peak_gb():.2f} GB")


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="How often each is timed.")
@click.option("--directory", type=click.Path(exists=True, file_okay=False, path_type=Path), help="DB15K's triples.")
@click.option("--threads", type=click.IntRange(min=1), help="The number of threads.")
@click.option("--memory", type=click.IntRange(min=1), help="Measure the memory of a step with so many entities.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(rounds: int, directory: Path | None, threads: int | None, memory: int | None, path: Path | None) -> None:
    """Time steps in turn."""
    if threads:
        torch.set_num_threads(threads)
    if memory:
        measure_memory(memory, batch_size=512)
        return
    torch.manual_seed(0)
    factory = make_factory(directory)
    common = dict(triples_factory=factory, random_seed=0)
    plain = ComplEx(embedding_dim=EMBEDDING_DIM, loss=CrossEntropyLoss(), **common)
    structural = Structural(embedding_dim=EMBEDDING_DIM, **common)
    multimodal = AdaMF(embedding_dim=EMBEDDING_DIM, feature_dropout=0.3, **OPTIONS, **common)
    contenders = {
        BOUND: MatrixProducts(factory.num_entities),
        REFERENCE: Step(LCWATrainingLoop, plain, factory),
        "ours, LCWA": Step(LCWATrainingLoop, structural, factory),
        "ours, one-to-N": Step(OneVsAllTrainingLoop, structural, factory),
        "ours, one-to-N with features and dropout": Step(OneVsAllTrainingLoop, multimodal, factory),
        "ours, one-to-N with features, dropout and MAT": Step(OneVsAllMATTrainingLoop, multimodal, factory),
    }
    seconds = take_turns(contenders, rounds)
    click.echo(summarize(seconds, BOUND))
    report(
        path,
        {
            "ratios": ratios(seconds, BOUND),
            "ratios_pykeen": ratios(seconds, REFERENCE),
            "seconds": seconds,
            "triples": "DB15K" if directory else "synthetic, of DB15K's shape",
        },
    )


if __name__ == "__main__":
    main()
