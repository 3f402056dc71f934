"""The first token's state of transformers; needs transformers, the extra ``huggingface``."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import nn

from ..typing import FloatTensor
from . import weights
from .base import TextualEncoder
from .problems import EncodingError, import_extra

__all__ = ["HuggingFaceEncoder"]

#: Tokenizers say that they know no limit by a very large number.
NO_LIMIT: Final = 1_000_000


class HuggingFaceEncoder(TextualEncoder):
    """Embeds a text by the last hidden state of its first token, ``[CLS]`` for BERT (eq. 3 of the AdaMF-MAT paper)."""

    synonyms = ("transformers",)

    def __init__(
        self,
        model: str = "bert-base-uncased",
        revision: str | None = None,
        max_length: int | None = None,
        device: str | torch.device | None = None,
        name: str | None = None,
    ) -> None:
        """Initialize the encoder.

        :param model: The name of the model on the Hugging Face hub, or a directory with it.
        :param revision: The commit, tag or branch on the hub.
        :param max_length: The number of tokens after which texts are cut off. If ``None``, what the model allows.
        :param device: The device. If ``None``, a GPU if there is one.
        :param name: What to call the model in the provenance. If ``None``, its name on the hub or its directory's.
        :raises EncodingError: if the library, the model or the device is missing, the length is not positive, or the
            tokenizer cannot make batches
        """
        library = import_extra("transformers", extra="huggingface")
        self.device = weights.resolve_device(device)
        with weights.explain_loading(model, "pass the path of a directory with the model"):
            # never runs code that comes with a model
            kwargs: dict[str, Any] = dict(revision=revision, trust_remote_code=False)
            self._tokenizer: Any = library.AutoTokenizer.from_pretrained(model, **kwargs)
            self._model: Any = library.AutoModel.from_pretrained(model, **kwargs, dtype=torch.float32)
        self._model.eval().to(self.device)
        self.dim = int(self._model.config.hidden_size)
        self.model = name or weights.name_of_model(model)
        self.revision = revision or getattr(self._model.config, "_commit_hash", None)
        limit = min(self._tokenizer.model_max_length, _num_positions(self._model))
        self.max_length = limit if max_length is None else max_length
        if not 1 <= self.max_length <= limit:
            raise EncodingError(f"max_length must be between 1 and {limit:,} for {model!r}, but is {max_length}.")
        if self._tokenizer.pad_token is None:
            raise EncodingError(
                f"The tokenizer of {model!r} has no padding token, as is usual for models that generate texts. Choose "
                f"one that encodes texts, e.g., bert-base-uncased."
            )

    def provenance(self) -> dict[str, str]:  # noqa: D102
        return {
            "encoder": "huggingface",
            "model": self.model,
            "revision": self.revision or "",
            "weights": f"sha256:{weights.checksum_of_weights(self._model)}",
            "preprocessing": f"at most {self.max_length} tokens; "
            f"tokenizer sha256:{weights.checksum_of_tokenizer(self._tokenizer)}; last hidden state of the first token",
            "versions": weights.versions_of("transformers", "tokenizers", "torch"),
            "device": weights.describe_device(self.device),
        }

    @torch.inference_mode()
    def encode(self, inputs: Sequence[str]) -> FloatTensor:  # noqa: D102
        tokens = self._tokenizer(
            list(inputs),
            padding=len(inputs) > 1,
            # the first token has to be one of the text
            padding_side="right",
            truncation=self.max_length < NO_LIMIT,
            max_length=self.max_length if self.max_length < NO_LIMIT else None,
            return_tensors="pt",
        ).to(self.device)
        states: FloatTensor = self._model(**tokens).last_hidden_state
        return states[:, 0].float().cpu()


def _num_positions(model: nn.Module) -> int:
    """Return how many tokens a model has positions for."""
    num = int(getattr(model.config, "max_position_embeddings", None) or NO_LIMIT)
    for name, module in model.named_modules():
        # RoBERTa and its relatives count from behind the position that stands for padding
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return num - module.padding_idx - 1
    return num
