"""Time of the pages of ``pykeen-adamf explore``, with a synthetic graph of 15,000 entities.

``python benchmarks/explore.py --json benchmarks/results/explore.json``

Pages are asked for by HTTP, from a server in another thread of the same process, as a browser on this machine would.
"""

import http.client
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import click
import torch
import waitress
import workloads
from PIL import Image
from timing import report, summarize, take_turns

from pykeen_adamf.bundle import Bundle
from pykeen_adamf.exploring import Explorer, Pictures
from pykeen_adamf.exploring.application import make_app
from pykeen_adamf.triples import MultimodalTriplesFactory

#: Relations and training triples for each entity, about those of the benchmarks.
NUM_RELATIONS, TRIPLES_PER_ENTITY = 100, 5

#: Medians are to be below these seconds.
TARGETS = {"index": 1.0, "question": 0.2}

REFERENCE = "suggestions"


def make_explorer(num_entities: int, directory: Path) -> tuple[Explorer, dict[str, float]]:
    """Make an explorer of a model that was not trained, and tell how long it took, and how many bytes there are."""
    triples = workloads.random_triples(num_entities, NUM_RELATIONS, TRIPLES_PER_ENTITY * num_entities)
    plain = MultimodalTriplesFactory(
        triples,
        entity_to_id={str(i): i for i in range(num_entities)},
        relation_to_id={str(i): i for i in range(NUM_RELATIONS)},
        features={},
    )
    factory = workloads.with_features(plain, workloads.DB15K_DIMS)
    model = workloads.adamf(factory).eval()
    sources = {}
    for i in range(200):
        path = directory / f"{i}.jpg"
        # of a camera's size
        Image.effect_noise((800, 600), 50 + i % 50).convert("RGB").save(path)
        sources.update({str(j): [path] for j in range(i, num_entities, 200)})
    texts = {label: f"The text of the entity {label}, in some words. " * 10 for label in factory.entity_to_id}
    start = time.perf_counter()
    bundle = Bundle(model=model, training=factory, configuration={})
    explorer = Explorer(bundle, pictures=Pictures(sources), texts=texts)
    seconds = time.perf_counter() - start
    sizes = {name: features.matrix.nbytes for name, features in factory.features.items()}
    return explorer, {"preparing_seconds": seconds, **{f"{name}_bytes": size for name, size in sizes.items()}}


def _measure_cpu(function: Callable[[], None], rounds: int) -> float:
    """Return the median of the processor time of all threads, without what the system does for others."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="How often each is timed.")
@click.option("--entities", "num_entities", type=click.IntRange(min=100), default=15_000, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="The number of threads.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(rounds: int, num_entities: int, threads: int, path: Path | None) -> None:
    """Time pages, each about another entity in each round."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as directory:
        explorer, facts = make_explorer(num_entities, Path(directory))
        server = waitress.create_server(make_app(explorer), host="127.0.0.1", port=0)
        threading.Thread(target=server.run, daemon=True).start()
        entities = iter(torch.randperm(num_entities, generator=torch.Generator().manual_seed(0)).tolist() * 100)

        def get(make_path: Callable[[int], str]) -> Callable[[], None]:
            def call() -> None:
                connection = http.client.HTTPConnection("127.0.0.1", server.effective_port)
                connection.request("GET", make_path(next(entities)))
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    raise RuntimeError(f"{make_path}: {response.status}")
                connection.close()

            return call

        def ask(i: int, side: str) -> str:
            return "/ask?" + urlencode({"entity": i, "relation": i % NUM_RELATIONS, "side": side})

        contenders = {
            REFERENCE: get(lambda i: f"/suggest?q={i}"),
            "index": get(lambda i: "/"),
            "question, tail": get(lambda i: ask(i, "tail")),
            "question, head": get(lambda i: ask(i, "head")),
            "entity": get(lambda i: f"/entity/{i}"),
            "search": get(lambda i: f"/search?q=entity+{i}"),
            "picture": get(lambda i: f"/picture/{i}/0"),
        }
        seconds = take_turns(contenders, rounds, warmup=2)
        # what it would be if nothing else was running
        cpu_seconds = {name: _measure_cpu(function, rounds) for name, function in contenders.items()}
        server.close()
    click.echo(summarize(seconds, REFERENCE))
    click.echo(f"Seconds of processor time: {cpu_seconds}")
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    results = {"medians": medians, "cpu_medians": cpu_seconds, "seconds": seconds, "num_entities": num_entities}
    report(path, {**results, "targets": TARGETS, **facts})


if __name__ == "__main__":
    main()
