"""The best settings that are known for each dataset, as configurations of PyKEEN's pipeline.

>>> from pykeen.pipeline import pipeline_from_config
>>> from pykeen_adamf.presets import load_preset
>>> result = pipeline_from_config(load_preset("EmojiKG"))  # doctest: +SKIP

The same from the command line: ``pykeen experiments run PATH OUTPUT``, with the path of :func:`preset_path`. How they
were chosen is said in the metadata of each: by the ranks of validation triples, or of training triples held out, and
never by those of test triples.
"""

import json
from pathlib import Path
from typing import Any, Final

from ..suggestions import suggest

__all__ = ["list_presets", "load_preset", "preset_path"]

_DIRECTORY: Final = Path(__file__).parent


def list_presets() -> list[str]:
    """Return the names of all presets."""
    return sorted(path.stem for path in _DIRECTORY.glob("*.json"))


def preset_path(name: str) -> Path:
    """Return the path of the JSON file of a preset, whose name may be in upper or lower case.

    :raises ValueError: if there is no such preset
    """
    names = {known.lower(): known for known in list_presets()}
    if name.lower() not in names:
        hint = suggest(name.lower(), names)
        raise ValueError(f"There is no preset {name!r}, but there are {', '.join(names.values())}.{hint}")
    return _DIRECTORY / f"{names[name.lower()]}.json"


def load_preset(name: str) -> dict[str, Any]:
    """Return a preset.

    :param name: The name, in upper or lower case.
    :returns: A new dictionary for :func:`pykeen.pipeline.pipeline_from_config`.
    :raises ValueError: if there is no such preset
    """
    preset: dict[str, Any] = json.loads(preset_path(name).read_text(encoding="utf-8"))
    return preset
