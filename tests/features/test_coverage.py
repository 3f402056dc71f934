"""Who has which modality."""

import pytest
import torch

from pykeen_adamf.features import CoverageReport, ModalityFeatures

from .cases import make_features


@pytest.fixture
def report():
    return CoverageReport.from_features(
        {"visual": make_features("abcde", missing=[0, 1, 2]), "textual": make_features("abcde", missing=[0, 1])},
        num_entities=5,
    )


def test_counts(report):
    assert report.num_entities == 5
    assert report.per_modality == {"visual": 2, "textual": 3}
    assert report.num_complete == 2
    assert report.num_none == 2


def test_data_frame(report):
    df = report.to_df()
    assert df.columns.tolist() == ["with", "entities", "percent"]
    assert df.values.tolist() == [
        ["visual", 2, 40.0],
        ["textual", 3, 60.0],
        ["all modalities", 2, 40.0],
        ["no modality", 2, 40.0],
    ]


def test_text(report):
    lines = str(report).splitlines()
    assert lines[0] == "5 entities"
    assert [line.split()[-2:] for line in lines[2:]] == [["2", "40.0"], ["3", "60.0"], ["2", "40.0"], ["2", "40.0"]]


@pytest.mark.parametrize(
    ("features", "complete", "none"),
    [
        pytest.param({}, 0, 4, id="no modalities"),
        pytest.param({"visual": ModalityFeatures.missing("abcd", dim=2)}, 0, 4, id="nobody"),
        pytest.param({"visual": make_features("abcd")}, 4, 0, id="everybody"),
        pytest.param(
            {"visual": make_features("abcd", missing=[0]), "audio": ModalityFeatures.missing("abcd", dim=1)},
            0,
            1,
            id="nobody has both",
        ),
    ],
)
def test_extremes(features, complete, none):
    report = CoverageReport.from_features(features, num_entities=4)
    assert (report.num_complete, report.num_none) == (complete, none)
    assert "no modality" in str(report)


def test_no_entities():
    report = CoverageReport.from_features({"visual": ModalityFeatures.from_matrix(torch.zeros(0, 1), [])}, 0)
    assert report.to_df()["percent"].tolist() == [0.0, 0.0, 0.0]
