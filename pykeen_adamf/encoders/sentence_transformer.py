"""Sentence embeddings; needs sentence-transformers, the extra ``sentence-transformers``."""

from collections.abc import Sequence
from typing import Any

import torch

from ..typing import FloatTensor
from . import weights
from .base import TextualEncoder
from .problems import import_extra

__all__ = ["SentenceTransformerEncoder"]


class SentenceTransformerEncoder(TextualEncoder):
    """Embeds texts by a model of `Sentence-BERT <https://arxiv.org/abs/1908.10084>`_.

    Texts longer than what the model has been made for are cut off, as its library does.
    """

    synonyms = ("sentence-transformers", "sbert")

    def __init__(
        self,
        model: str = "sentence-transformers/all-MiniLM-L6-v2",
        revision: str | None = None,
        device: str | torch.device | None = None,
        name: str | None = None,
    ) -> None:
        """Initialize the encoder, as :class:`.hugging_face.HuggingFaceEncoder`, but without ``max_length``."""
        library = import_extra("sentence_transformers", extra="sentence-transformers")
        self.device = weights.resolve_device(device)
        with weights.explain_loading(model, "pass the path of a directory with the model"):
            # never runs code that comes with a model
            self._model: Any = library.SentenceTransformer(
                model, revision=revision, device=str(self.device), trust_remote_code=False
            ).eval()
        self.model = name or weights.name_of_model(model)
        self.revision = revision
        # older and newer versions of the library call it differently
        self.dim = self.encode(["a"]).shape[-1]

    def provenance(self) -> dict[str, str]:  # noqa: D102
        return {
            "encoder": "sentence-transformers",
            "model": self.model,
            "revision": self.revision or "",
            "weights": f"sha256:{weights.checksum_of_weights(self._model)}",
            "preprocessing": f"at most {self._model.max_seq_length} tokens; "
            f"tokenizer sha256:{weights.checksum_of_tokenizer(self._model.tokenizer)}; "
            f"modules {', '.join(type(module).__name__ for module in self._model)}",
            "versions": weights.versions_of("sentence-transformers", "transformers", "tokenizers", "torch"),
            "device": weights.describe_device(self.device),
        }

    def encode(self, inputs: Sequence[str]) -> FloatTensor:  # noqa: D102
        vectors: FloatTensor = self._model.encode(
            list(inputs), batch_size=len(inputs), convert_to_tensor=True, show_progress_bar=False
        )
        return vectors.float().cpu()
