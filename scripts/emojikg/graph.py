"""The triples of EmojiKG, from the emoji and their annotations.

The rules, and what each is for:

- No skin tones, no flags of countries, no keycaps, no mirrored copies: they differ from another emoji in nothing but a
  name that spells the answer.
- A keyword, or a part of a sequence, whose words occur in the emoji's own short name is left out: it would be answered
  by copying the text.
- The forms of a sequence for men and women have the keywords of the neutral form; only that one gets them.
"""

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Graph", "Triple", "build_graph", "is_told_by"]

Triple = tuple[str, str, str]

HAS_KEYWORD = "has_keyword"
IN_SUBGROUP = "in_subgroup"
IN_GROUP = "in_group"
COMPOSED_OF = "composed_of"
GENDER_COUNTERPART = "gender_counterpart"

#: how many emoji must share a keyword for it to become an entity
MIN_KEYWORD_COUNT = 3

JOINER = "\N{ZERO WIDTH JOINER}"
VARIATION = "\N{VARIATION SELECTOR-16}"
WOMAN, MAN = "\N{WOMAN}", "\N{MAN}"
FEMALE, MALE = "\N{FEMALE SIGN}", "\N{MALE SIGN}"
FACING_RIGHT = "\N{BLACK RIGHTWARDS ARROW}"

#: pairs which are no sequences, and thus not found by replacing a part
SIMPLE_PAIRS = [
    (MAN, WOMAN),
    ("\N{BOY}", "\N{GIRL}"),
    ("\N{OLDER MAN}", "\N{OLDER WOMAN}"),
    ("\N{PRINCE}", "\N{PRINCESS}"),
    ("\N{FATHER CHRISTMAS}", "\N{MOTHER CHRISTMAS}"),
    ("\N{MAN DANCING}", "\N{DANCER}"),
]

LEFT_OUT_CATEGORIES = {"Component"}
LEFT_OUT_SUBCATEGORIES = {"country-flag", "subdivision-flag", "keycap"}


@dataclasses.dataclass(frozen=True)
class Graph:
    """A graph with a text for every entity and a picture for some."""

    triples: Sequence[Triple]

    #: the text of each entity, by label
    texts: Mapping[str, str]

    #: the name of the picture's file, by the label of the emoji
    pictures: Mapping[str, str]

    #: the characters, by the label of the emoji
    characters: Mapping[str, str]


def _stems(text: str) -> set[str]:
    """Return the words of a text without case and endings: enough to tell that rockets are told by rocket."""
    words = re.findall(r"[^\W_]+", text.lower())
    return {re.sub(r"(ies|es|s|ing|ed|y|e)$", "", word) if len(word) > 3 else word for word in words}


def is_told_by(answer: str, name: str) -> bool:
    """Return whether all words of an answer occur in a name, up to common endings, and to who is meant by person."""
    return _stems(answer) - _stems("person people") <= _stems(name)


def _gender(parts: Sequence[str]) -> str | None:
    """Return the gender of the person in a joined sequence, if it has exactly one."""
    genders = [part for part in parts if part in {WOMAN, MAN, FEMALE, MALE}]
    return genders[0] if len(genders) == 1 and len(parts) > 1 else None


def build_graph(emoji: Iterable[Mapping[str, Any]], annotations: Mapping[str, Mapping[str, Sequence[str]]]) -> Graph:
    """Build the graph.

    :param emoji: The records of the emoji.
    :param annotations: The short name and the keywords, by characters without variation selectors.
    :returns: The graph; its triples are distinct and sorted.
    """
    annotations = {characters.replace(VARIATION, ""): annotation for characters, annotation in annotations.items()}
    records: dict[str, Mapping[str, Any]] = {}
    for record in sorted(emoji, key=lambda record: record["sort_order"]):
        characters = "".join(chr(int(point, 16)) for point in record["unified"].split("-")).replace(VARIATION, "")
        if (
            record["has_img_google"]
            and record["category"] not in LEFT_OUT_CATEGORIES
            and record["subcategory"] not in LEFT_OUT_SUBCATEGORIES
            and FACING_RIGHT not in characters.split(JOINER)[1:]
        ):
            records[characters] = record
    names = {characters: annotations[characters]["tts"][0] for characters in records}
    labels = {characters: f"emoji:{name}" for characters, name in names.items()}
    assert len(set(labels.values())) == len(labels)

    triples: set[Triple] = set()
    texts = {labels[characters]: name for characters, name in names.items()}
    emoji_of_keyword = defaultdict(list)
    for characters, record in records.items():
        label, name = labels[characters], names[characters]
        subgroup, group = f"subgroup:{record['subcategory']}", f"group:{record['category']}"
        texts[subgroup] = record["subcategory"].replace("-", " ")
        texts[group] = record["category"]
        triples |= {(label, IN_SUBGROUP, subgroup), (subgroup, IN_GROUP, group)}
        parts = characters.split(JOINER)
        if _gender(parts) is None:
            for keyword in annotations[characters]["default"]:
                if not is_told_by(keyword, name):
                    emoji_of_keyword[keyword].append(label)
        for part in parts if len(parts) > 1 else []:
            if part in labels and not is_told_by(names[part], name) and part not in {FEMALE, MALE}:
                triples.add((label, COMPOSED_OF, labels[part]))
    for keyword, members in emoji_of_keyword.items():
        if len(members) >= MIN_KEYWORD_COUNT:
            texts[f"keyword:{keyword}"] = keyword
            triples |= {(label, HAS_KEYWORD, f"keyword:{keyword}") for label in members}
    for first, second in _gender_pairs(records):
        triples |= {
            (labels[first], GENDER_COUNTERPART, labels[second]),
            (labels[second], GENDER_COUNTERPART, labels[first]),
        }
    return Graph(
        triples=sorted(triples),
        texts=texts,
        pictures={labels[characters]: record["image"] for characters, record in records.items()},
        characters={labels[characters]: characters for characters in records},
    )


def _gender_pairs(characters: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of emoji which differ in the gender of the one person shown."""
    known = set(characters)
    replacement = {WOMAN: MAN, FEMALE: MALE}
    pairs = list(SIMPLE_PAIRS)
    for sequence in known:
        parts = sequence.split(JOINER)
        gender = _gender(parts)
        if gender in replacement:
            other = JOINER.join(replacement[gender] if part == gender else part for part in parts)
            if other in known:
                pairs.append((sequence, other))
    return sorted(pairs)


def count_relations(triples: Iterable[Triple]) -> Counter[str]:
    """Return the number of triples of each relation."""
    return Counter(relation for _, relation, _ in triples)
