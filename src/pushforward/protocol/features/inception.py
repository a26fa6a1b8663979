"""Features of InceptionV3, trained on ImageNet: those of the Fréchet Inception distance. Heusel et al. 2017."""

from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.data import DataModule
from pushforward.errors import PushforwardError
from pushforward.protocol.features.base import NoFeatures, batched, digest

CHUNK = 50
LAYERS = ["2048", "logits_unbiased"]


class InceptionFeatures:
    """images (n, 1 or 3, h, w) in [0, 1] → the 2048 pooled features of torch-fidelity's InceptionV3.

    Its logits are of 1,008 classes of ImageNet, none of the data's: they give the Inception score and no histogram.
    """

    name = "inception"

    def __init__(self, network: torch.nn.Module, source: str) -> None:
        weights = network.state_dict()
        self.hash = digest(
            *(part for key in sorted(weights) for part in (key.encode(), weights[key].float().cpu().numpy()))
        )[:16]
        self.source = source
        self._network = network.eval().requires_grad_(False)

    def __call__(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 2048"]:
        return self._layer(x, 0)

    def logits(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Without the last layer's bias, as the Inception score has them."""
        return self._layer(x, 1)

    def to(self, device: torch.device | str) -> Self:
        self._network.to(device)
        return self

    @property
    def card(self) -> dict[str, Any]:
        return {
            "features": self.name,
            "features_hash": self.hash,
            "features_layer": "2048 pooled units of InceptionV3, ImageNet",
            "features_weights": self.source,
            "preprocessing": "rounded to 256 levels, grey as three equal channels, to 299 × 299 as TensorFlow 1 resizes",
        }

    def _layer(self, x: Tensor, index: int) -> Tensor:
        device = next(self._network.parameters()).device
        return batched(lambda part: self._network(rgb(part))[index], x, device, CHUNK)


def rgb(x: Float[Tensor, "n c h w"]) -> Tensor:
    """Images in [0, 1] as 256 levels of red, green and blue, uint8."""
    levels = (x * 255).round().clamp(0, 255).to(torch.uint8)
    return levels.expand(-1, 3, -1, -1) if x.shape[1] == 1 else levels


def for_data(data: DataModule, weights_path: str | None = None) -> InceptionFeatures:
    """InceptionV3 with the weights at `weights_path`, or as torch-fidelity downloads them. Raises NoFeatures of points."""
    if not data.spec.is_image:
        raise NoFeatures("the data are points, not images")
    if data.spec.shape[0] not in (1, 3):
        raise NoFeatures(f"inception reads grey or RGB images, not {data.spec.shape[0]} channels")
    if weights_path is not None and not Path(weights_path).expanduser().is_file():
        raise PushforwardError(
            f"features.weights_path={weights_path}: there is no such file; leave it null to download."
        )
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise PushforwardError(
            f"features=inception needs torch-fidelity ({error}): pip install 'pushforward[inception]'."
        ) from None
    path = None if weights_path is None else str(Path(weights_path).expanduser())
    try:
        with torch.random.fork_rng(devices=[]):  # initial weights, replaced at once, advance the global generator
            network = FeatureExtractorInceptionV3("inception", LAYERS, feature_extractor_weights_path=path)
    except OSError as error:
        raise PushforwardError(
            f"features=inception: its weights cannot be downloaded ({error}); fetch them elsewhere and give "
            f"features.weights_path=FILE."
        ) from None
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise PushforwardError(
            f"features.weights_path={path}: no weights of torch-fidelity's InceptionV3 ({line})."
        ) from None
    return InceptionFeatures(network, "torch-fidelity" if path is None else Path(path).name)
