"""Learned perceptual distance between images: LPIPS, on the features of AlexNet."""

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pushforward.errors import PushforwardError

URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
PATCH = 64
"""Pixels a side of the patches on which the distance was fitted to what people see; smaller images are enlarged to it."""
LAYERS = (1, 4, 7, 9, 11)
"""The places of AlexNet's five rectified convolutions."""


def alexnet() -> nn.Sequential:
    """AlexNet's convolutions, laid out and named as torchvision's `alexnet().features`. Krizhevsky 2014, arXiv:1404.5997."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )  # fmt: skip


class LPIPS:
    """(x, y) in [0, 1] → (n,): Σ over layers of the mean over places of wₗ·(ŷₗ − x̂ₗ)², with features of unit length along
    channels. Zhang et al. 2018, arXiv:1801.03924, eq. 1; version 0.1, weights wₗ as torchmetrics ships them.

    No nn.Module: held by a family or a metric it would enter their parameters. features: `alexnet` with its weights.
    Grey images are shown as RGB, images with a side below 64 pixels enlarged to 64×64, bilinearly.
    """

    name = "AlexNet, ImageNet"

    def __init__(self, features: nn.Sequential) -> None:
        self.features = features.float().eval().requires_grad_(False)
        self.weights = heads()
        self.shift = torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)
        self.scale = torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)

    def to(self, device: torch.device | str) -> "LPIPS":
        self.features.to(device)
        self.weights = [weight.to(device) for weight in self.weights]
        self.shift, self.scale = self.shift.to(device), self.scale.to(device)
        return self

    @property
    def hash(self) -> str:
        """Of AlexNet's weights and the wₗ; two numbers compare where it is equal."""
        digest = hashlib.sha256()
        for tensor in [*self.features.state_dict().values(), *self.weights]:
            digest.update(tensor.cpu().numpy().tobytes())
        return digest.hexdigest()[:12]

    def __call__(self, x: Float[Tensor, "n c h w"], y: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        total = torch.zeros(len(x), device=x.device)
        for weight, a, b in zip(self.weights, self._layers(x), self._layers(y), strict=True):
            total = total + (weight * (_unit(a) - _unit(b)).square()).sum(1).mean((1, 2))
        return total

    def _layers(self, x: Tensor) -> list[Tensor]:
        x = self._prepared(x)
        found = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in LAYERS:
                found.append(x)
        return found

    def _prepared(self, x: Tensor) -> Tensor:
        """Three channels, at least 64 pixels a side, in [−1, 1], then in the units of ImageNet's colours."""
        x = x.float().expand(-1, 3, -1, -1)
        if min(x.shape[2:]) < PATCH:
            x = F.interpolate(x, (PATCH, PATCH), mode="bilinear", align_corners=False)
        return (2 * x - 1 - self.shift) / self.scale


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True) + 1e-8).sqrt()


def heads() -> list[Tensor]:
    """The five wₗ ≥ 0, (1, channels, 1, 1) each."""
    file = resources.files("torchmetrics.functional.image") / "lpips_models" / "alex.pth"
    with resources.as_file(file) as path:
        found = torch.load(path, map_location="cpu", weights_only=True)
    return [found[f"lin{i}.model.1.weight"] for i in range(len(LAYERS))]


def load(weights_path: str | Path | None = None) -> LPIPS:
    """LPIPS with torchvision's AlexNet weights, from a file, or else from torch's cache or `URL`.

    Raises PushforwardError where they are not available.
    """
    how = f"download {URL} and set metrics.perceptual.weights_path=FILE"
    try:
        state: dict[str, Any] = (
            torch.hub.load_state_dict_from_url(URL, map_location="cpu", progress=False, check_hash=True)
            if weights_path is None
            else torch.load(Path(weights_path).expanduser(), map_location="cpu", weights_only=True)
        )
    except Exception as error:
        where = "AlexNet's weights" if weights_path is None else str(weights_path)
        reason = " ".join(str(error).split())[:120]
        raise PushforwardError(f"lpips: {where} is not available ({reason}); {how}") from None
    features = alexnet()
    own = {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
    try:
        features.load_state_dict(own)
    except RuntimeError:
        raise PushforwardError(f"lpips: {weights_path} has not the weights of torchvision's alexnet; {how}") from None
    return LPIPS(features)
