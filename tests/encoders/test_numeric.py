"""Attributes of entities: what is in tables, and what becomes of it."""

import json
from pathlib import Path

import numpy
import pandas
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from pykeen_adamf.cli import main
from pykeen_adamf.encoders import EncodingError, NumericEncoder, encode, encode_source, read_attributes
from pykeen_adamf.features import read_features

EXPECTED = {
    "berlin": {"population": ["3755251"], "founded": ["1244-03-01"], "kind": ["city"]},
    "rhine": {"kind": ["river"]},
    "atlantis": {},
}


def attributes_of(items):
    return {item.entity: json.loads(item.sources[0]) if item.sources else {} for item in items}


WIDE = [
    "entity\tpopulation\tfounded\tkind",
    "berlin\t3755251\t1244-03-01\tcity",
    "rhine\tNA\t\triver",
    "atlantis\t\t?\tn/a",
]
LONG = [
    "berlin\tpopulation\t3755251",
    "berlin\tfounded\t1244-03-01",
    "berlin\tkind\tcity",
    "rhine\tkind\triver",
    "atlantis\tkind\t-",
]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("x.tsv", WIDE),
        ("x.csv", [line.replace("\t", ",") for line in WIDE]),
        ("x.csv", [line.replace("\t", ";") for line in WIDE]),
        ("x.tsv", ["id\tattribute\tvalue", *LONG]),
        ("x.txt", ["city\tproperty\twhat", *LONG]),
        ("x.tsv", LONG),
    ],
)
def test_tables(tmp_path, name, lines):
    """Wide and long ones say the same."""
    (tmp_path / name).write_text("\n".join(lines))
    assert attributes_of(read_attributes(tmp_path / name)) == EXPECTED


@pytest.mark.parametrize("kind", ["column", "index", "file"])
def test_frames(tmp_path, kind):
    frame = pandas.DataFrame(
        {
            "entity": ["berlin", "rhine", "atlantis"],
            "population": pandas.array([3755251, None, None], dtype="Int64"),
            "founded": [pandas.Timestamp("1244-03-01").date(), None, None],
            "kind": ["city", "river", None],
        }
    )
    source = frame if kind == "column" else frame.set_index("entity")
    if kind == "file":
        frame.to_parquet(tmp_path / "x.parquet")
        source = tmp_path / "x.parquet"
    assert attributes_of(read_attributes(source)) == EXPECTED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as a table"),
        ("entity\na\n", "needs a column with entities, and at least one with an attribute"),
        ("entity\tx\n", "has no entities"),
        ("a\t1\t2\t3\nb\t1\t2\t3\n", "must begin with a line that names its columns.*there is '1'"),
        ("entity\tx\tx\na\t1\t2\n", "must begin with a line that names its columns, each differently.*there is 'x'"),
        ("entity\tx\na\t1\na\t2\n", "more than one row for 'a'.* let there be three columns"),
        ("entity\tx\n\t1\n", "row 1: there is no entity"),
        ("id\tattribute\tvalue\na\t\t1\n", "row 1: there is no entity or attribute"),
        ("entity\tx\na\tNA\nb\t\n", "There are no attributes with any values"),
    ],
)
def test_bad_tables(tmp_path, content, message):
    (tmp_path / "x.tsv").write_text(content)
    with pytest.raises(EncodingError, match=message):
        encode_source(tmp_path / "x.tsv", tmp_path / "f.safetensors", "numeric", progress=False)


def test_no_table(tmp_path):
    with pytest.raises(EncodingError, match=r"The file .*nowhere\.tsv"):
        read_attributes(tmp_path / "nowhere.tsv")


def fit(values, **kwargs):
    """Fit the encoder to the values of an attribute, and return it with the encoded values."""
    encoder = NumericEncoder(**kwargs)
    sources = [json.dumps({"x": value}) for value in values]
    encoder.fit(sources)
    return encoder, encoder.encode([encoder.load(source) for source in sources]).double().numpy()


def test_formula():
    """As documented, in NumPy."""
    x = numpy.array([1.0, 2, 3, 4, 6, 7, 9, -2, 500])
    _, encoded = fit(x.tolist())
    q1, q2, q3 = numpy.percentile(x, [25, 50, 75])
    y = numpy.arcsinh((x - q2) / ((q3 - q1) / 1.349))
    numpy.testing.assert_allclose(encoded[:, 0], (y - y.mean()) / y.std(), rtol=1e-5)
    assert (encoded[:, 1] == 1).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1e12, 1e12).map(lambda x: round(x, 3)), min_size=2, max_size=30))
def test_properties(values):
    """Order stays, mean and variance are those of a standard distribution, and all is finite."""
    _, encoded = fit(values)
    z = encoded[:, 0]
    assert numpy.isfinite(z).all()
    order = numpy.argsort(values, kind="stable")
    assert (numpy.diff(z[order]) >= -1e-5).all()
    assert abs(z.mean()) < 1e-3
    assert z.std() < 1e-3 or abs(z.std() - 1) < 1e-3


def test_heavy_tails_and_outliers():
    """Populations differ in all orders of magnitude, and one wrong entry does not squash the others."""
    rng = numpy.random.default_rng(0)
    populations = numpy.exp(rng.normal(10, 3, 500))
    encoder, encoded = fit([*populations, 1e30])
    assert encoder.attributes[0].is_log
    assert numpy.abs(numpy.corrcoef(encoded[:-1, 0], numpy.log(populations))[0, 1]) > 0.98
    assert encoded[-1, 0] < 5
    heights = rng.normal(1.7, 0.1, 500)
    _, encoded = fit([*heights, 1.7e6])
    assert encoded[:-1, 0].std() > 0.7


def test_dates():
    """They are years, also before Christ and beyond what computers count in nanoseconds."""
    dates = ["-0044-03-15", "0800-12-25", "1912-06-23", "1912-06-24T12:00:00", "1912-07", "1950", "2500-01-01"]
    encoder, encoded = fit(dates)
    assert encoder.columns == ["x", "x is known"]
    assert (numpy.diff(encoded[:, 0]) > 0).all()


def test_categories():
    """The most frequent ones have columns, and several may hold."""
    encoder, encoded = fit(["b", "b", "b", "a", "a", "c", "d", ["a", "c"]], max_categories=2)
    assert encoder.columns == ["x = a", "x = b", "x: another"]
    assert encoded.tolist() == [[0, 1, 0]] * 3 + [[1, 0, 0]] * 2 + [[0, 0, 1]] * 2 + [[1, 0, 1]]


def test_thousands():
    """They may have a sign between them."""
    numbers = [950, 1234, 3755251, 12.5, -1000.25]
    plain = fit([str(x) for x in numbers])[1]
    for sign in (",", "'", " ", "\u202f"):
        encoder, encoded = fit([f"{x:,}".replace(",", sign) for x in numbers])
        assert encoder.columns == ["x", "x is known"]
        numpy.testing.assert_array_equal(encoded, plain)
        assert not encoder.doubts


@pytest.mark.parametrize(
    "values", [["3,5", "0,125", "1.234,5"], ["12 km", "3.5", "far"], ["50%", "3%"], ["no", "1", "2"]]
)
def test_doubts(tmp_path, values, caplog):
    """What was probably meant as numbers, and is none, is told."""
    pandas.DataFrame({"entity": range(len(values)), "x": values}).to_csv(tmp_path / "x.csv", index=False)
    encode_source(tmp_path / "x.csv", tmp_path / "f.safetensors", "numeric", progress=False)
    num = len(values) - len({"3.5", "1", "2"} & set(values))
    assert f"'x' is read as categories, since {num} of its {len(values)} values are no numbers" in caplog.text
    assert f"e.g., {values[0]!r}" in caplog.text
    assert not fit(["a1", "b2", "4 wheels", "2-1", "3D", "1st"])[0].doubts


def test_holes():
    """They are the mean, and it is known that they are holes; a few wrong entries are holes, too."""
    encoder = NumericEncoder()
    sources = [json.dumps({"x": i, "y": "b" if i % 2 else "a"}) for i in range(40)]
    sources += ['{"y": "a"}', '{"x": "unknown", "z": 3}', '{"x": [0, 39]}']
    encoder.fit(sources)
    assert encoder.columns == ["x", "x is known", "y = a", "y = b", "z", "z is known"]
    encoded = encoder.encode([encoder.load(source) for source in sources])
    assert encoded[-3].tolist() == [0, 0, 1, 0, 0, 0]
    assert encoded[-2].tolist() == [0, 0, 0, 0, 0, 1]
    torch.testing.assert_close(encoded[-1, 0], (encoded[0, 0] + encoded[39, 0]) / 2)


def test_options():
    with pytest.raises(EncodingError, match="The number of categories must be positive, but is 0"):
        NumericEncoder(max_categories=0)


def test_deterministic(tmp_path):
    """The file does not depend on the order of columns, and is the same each time, byte for byte."""
    rng = numpy.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal(size=(30, 4)), columns=list("abcd"), index=[f"e{i}" for i in range(30)])
    frame = frame.mask(rng.random(frame.shape) < 0.5)
    files = []
    for i, columns in enumerate(("abcd", "dbca", "abcd")):
        output = tmp_path / f"{i}.safetensors"
        report = encode(read_attributes(frame[list(columns)]), NumericEncoder(), output, progress=False)
        assert report.num_encoded == frame.notna().any(axis=1).sum()
        files.append(output.read_bytes())
    assert len(set(files)) == 1
    features = read_features(output)
    assert features.presence.tolist() == frame.notna().any(axis=1).tolist()
    assert (features.matrix[:, 1::2].numpy() == frame.notna().to_numpy()).all()
    with safe_open(output, framework="pt") as file:
        assert json.loads(file.metadata()["columns"])[:2] == ["a", "a is known"]


def test_command(tmp_path):
    """Entities may be called by their IDs, as those of benchmarks are."""
    (tmp_path / "numeric.tsv").write_text("id\tattribute\tvalue\n1\tx\t3\n0\tx\t1\n1\ty\t1912-06-23\n")
    (tmp_path / "entity2id.txt").write_text("2\nhttp://x/a b\t0\nhttp://x/c\t1\n")
    arguments = ["encode", f"{tmp_path}/numeric.tsv", "--encoder", "numeric", "--no-progress"]
    arguments += ["--output", f"{tmp_path}/numeric.safetensors", "--entities", f"{tmp_path}/entity2id.txt"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    features = read_features(tmp_path / "numeric.safetensors")
    assert features.labels == ("http://x/c", "http://x/a b")
    assert features.matrix[:, 1::2].tolist() == [[1, 1], [1, 0]]
    (tmp_path / "numeric.tsv").write_text("id\tattribute\tvalue\n7\tx\t3\n")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    assert "has an entity '7', which is not among the 2 that have a label" in str(result.output) + str(result.exception)


def test_type_of_paths():
    """A table may be given as text, too."""
    with pytest.raises(EncodingError, match="nowhere"):
        read_attributes(str(Path("nowhere.csv")))
