"""The benchmarks as published; needs their files."""

import logging
import re

import pytest
import torch

from pykeen_adamf.constants import DATA_ENVIRONMENT_VARIABLE
from pykeen_adamf.datasets import DB15K
from pykeen_adamf.datasets.published import BENCHMARKS
from pykeen_adamf.digests import digest_file

from .cases import DATASETS, NAMES, as_set


@pytest.fixture(scope="module", params=DATASETS, ids=lambda cls: cls.__name__)
def benchmark(request, data_directory):
    """Return a benchmark with its published triples, and without features."""
    return load(request.param, data_directory)


def load(cls, data_directory, **kwargs):
    directory = data_directory / cls.benchmark_name
    if not directory.is_dir():
        pytest.skip(f"${DATA_ENVIRONMENT_VARIABLE} has no folder {cls.benchmark_name}")
    return cls(directory=directory, features=[], **kwargs)


def test_documented_numbers(benchmark):
    """The documentation says what is in the files."""
    assert {
        "entities": benchmark.num_entities,
        "relations": benchmark.num_relations,
        "training": benchmark.training.num_triples,
        "testing": benchmark.testing.num_triples,
        "validation": benchmark.validation.num_triples,
        "triples": sum(factory.num_triples for factory in benchmark.factory_dict.values()),
    } == benchmark.docdata("statistics")


def test_checksums(benchmark):
    """These are the files that would be downloaded."""
    published = BENCHMARKS[benchmark.benchmark_name].triples
    assert {name: digest_file(benchmark.directory / name) for name in NAMES} == published


def test_triples_are_those_of_the_files(benchmark):
    """Read once more, and as simply as possible."""
    for name, factory in (("train", benchmark.training), ("test", benchmark.testing), ("valid", benchmark.validation)):
        lines = (benchmark.directory / f"{name}2id.txt").read_text().splitlines()[1:]
        expected = torch.tensor([[int(x) for x in line.split()] for line in lines])
        assert torch.equal(factory.mapped_triples[:, [0, 2, 1]], expected)


def test_labels_are_those_of_the_files(benchmark):
    for name, mapping in (("entity", benchmark.entity_to_id), ("relation", benchmark.relation_to_id)):
        with (benchmark.directory / f"{name}2id.txt").open(encoding="utf-8", newline="\n") as file:
            lines = [line.rstrip("\n") for line in file][1:]
        assert [re.sub(r"\s+$", "", re.sub(r"\d+\s*$", "", line)) for line in lines] == list(mapping)
        assert list(mapping.values()) == list(range(len(lines)))


def test_only_db15k_warns(benchmark):
    assert bool(benchmark.published.validation_warning) == isinstance(benchmark, DB15K)


def test_leak_of_db15k_is_as_the_warning_says(data_directory, caplog):
    with caplog.at_level(logging.WARNING, logger="pykeen_adamf"):
        dataset = load(DB15K, data_directory, eager=True)
    (message,) = (record.getMessage() for record in caplog.records)
    words = "of its # lines only # are distinct triples, and # of those are training triples, # test triples"
    numbers = re.search(words.replace("#", r"([\d,]+)"), message).groups()
    stated = [int(number.replace(",", "")) for number in numbers]
    training, testing, validation = (
        as_set(factory.mapped_triples) for factory in (dataset.training, dataset.testing, dataset.validation)
    )
    assert stated == [
        dataset.validation.num_triples,
        len(validation),
        len(validation & training),
        len(validation & testing),
    ]
    assert stated == [9904, 7481, 6584, 824]


def test_other_splits_do_not_leak(benchmark):
    training, testing, validation = (
        as_set(factory.mapped_triples) for factory in (benchmark.training, benchmark.testing, benchmark.validation)
    )
    assert not training & testing
    assert len(training) == benchmark.training.num_triples
    assert len(testing) == benchmark.testing.num_triples
    if not isinstance(benchmark, DB15K):
        assert not validation & (training | testing)
        assert len(validation) == benchmark.validation.num_triples


def test_holdout(benchmark, caplog):
    """It is as large as the published split, and clean."""
    dataset = type(benchmark)(directory=benchmark.directory, features=[], validation="holdout")
    with caplog.at_level(logging.WARNING, logger="pykeen_adamf"):
        training, testing, validation = (
            as_set(factory.mapped_triples) for factory in (dataset.training, dataset.testing, dataset.validation)
        )
    assert not caplog.records
    assert abs(len(validation) - benchmark.validation.num_triples) <= 1
    assert not validation & (training | testing)
    assert training | validation == as_set(benchmark.training.mapped_triples)
    assert torch.equal(dataset.testing.mapped_triples, benchmark.testing.mapped_triples)
    for columns in ([0, 2], [1]):
        before, after = (x.training.mapped_triples[:, columns].unique() for x in (benchmark, dataset))
        assert torch.equal(before, after)


def test_restrict(benchmark):
    """Some relations are in no evaluation triple."""
    kept = list(benchmark.entity_to_id)[:3000]
    restricted = benchmark.restrict(entities=kept)
    assert set(restricted.entity_to_id) <= set(kept)
    assert restricted.training.num_triples > 0
