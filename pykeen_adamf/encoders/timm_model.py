"""Image models with weights; needs timm and torchvision, the extra ``timm``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..typing import FloatTensor
from .base import VisualEncoder
from .images import DEFAULT_MAX_PIXELS, pillow_version
from .problems import EncodingError, UnusableInputError, import_extra
from .weights import checksum_of_weights, describe_device, explain_loading, resolve_device, versions_of

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["TimmEncoder"]


class TimmEncoder(VisualEncoder):
    """Embeds images by the layer before the classifier of any model in `timm <https://huggingface.co/docs/timm>`_.

    The default is the 4,096-dimensional layer of VGG16, as in the AdaMF-MAT paper; ``beit_base_patch16_224`` is BEiT.
    Images are resized, cropped and normalized as the model has been trained.
    """

    def __init__(
        self,
        model: str = "vgg16",
        pretrained: bool = True,
        checkpoint_path: str | Path | None = None,
        device: str | torch.device | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        """Initialize the encoder.

        :param model: The name of the model, optionally with a tag, e.g., ``vgg16.tv_in1k``.
        :param pretrained: Whether to download the published weights. Otherwise, they are random.
        :param checkpoint_path: A file with weights, to be used instead. Nothing but tensors is loaded from it.
        :param device: The device. If ``None``, a GPU if there is one.
        :param max_pixels: Images with more pixels are not decoded, and hence missing. The limit also applies to the
            resized image, which is large if the image is a thin line.
        :raises EncodingError: if the libraries, the model, its weights or the device are missing
        """
        super().__init__(max_pixels=max_pixels)
        # timm imports it only where it needs it, and then says less about how to get it
        import_extra("torchvision", extra="timm")
        timm = import_extra("timm", extra="timm")
        self.device = resolve_device(device)
        if checkpoint_path is not None and not Path(checkpoint_path).is_file():
            raise EncodingError(f"The weights {Path(checkpoint_path).absolute()} do not exist. Check the path.")
        with explain_loading(model, "pass checkpoint_path=... if its weights cannot be downloaded"):
            self._model: Any = timm.create_model(
                model,
                pretrained=pretrained or checkpoint_path is not None,
                pretrained_cfg_overlay={"file": str(checkpoint_path)} if checkpoint_path else {},
                # leaves out the classifier only
                num_classes=0,
            )
        self._model.eval().to(self.device)
        # the layers between the pooled features and the classifier may have another width, as in VGG
        self.dim = int(getattr(self._model, "head_hidden_size", self._model.num_features))
        self._config: dict[str, Any] = timm.data.resolve_model_data_config(self._model)
        self._transform: Any = timm.data.create_transform(**self._config, is_training=False)
        self._pillow_version = pillow_version()
        config = self._model.pretrained_cfg
        self.model = ".".join(part for part in (config.get("architecture") or model, config.get("tag")) if part)
        self.weights_origin = Path(checkpoint_path).name if checkpoint_path else "published" if pretrained else "random"

    def provenance(self) -> dict[str, str]:  # noqa: D102
        return {
            "encoder": "timm",
            "model": self.model,
            "weights": f"sha256:{checksum_of_weights(self._model)}",
            "weights_origin": self.weights_origin,
            "preprocessing": json.dumps(self._config, sort_keys=True),
            "versions": f"{versions_of('timm', 'torchvision', 'torch')}, pillow=={self._pillow_version}",
            "device": describe_device(self.device),
        }

    def prepare(self, image: "Image") -> FloatTensor:  # noqa: D102
        # the shorter side is resized to about that, and the longer one accordingly
        shorter = self._config["input_size"][-1] / self._config["crop_pct"]
        if max(image.size) / min(image.size) * shorter**2 > self.max_pixels:
            raise UnusableInputError(f"is too thin to be resized ({image.width:,} x {image.height:,} pixels)")
        prepared: FloatTensor = self._transform(image)
        return prepared

    @torch.inference_mode()
    def encode(self, inputs: Sequence[FloatTensor]) -> FloatTensor:  # noqa: D102
        vectors: FloatTensor = self._model(torch.stack(list(inputs)).to(self.device))
        return vectors.float().cpu()
