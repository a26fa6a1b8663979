"""The small classifier whose features FD-lenet compares."""

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.networks.network import image_shape


class LeNet(nn.Module):
    """Two 5×5 convolutions and dense layers of 120, 84 and `n_classes` units. After LeCun et al. 1998.

    Pooled by 2 after each convolution where the image is large enough, and to 4×4 at the end: so it reads images of any
    size, with fewer than 100,000 parameters.
    """

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        c, h, w = image_shape("lenet", shape)
        layers: list[nn.Module] = []
        side = min(h, w)
        for channels, out, least in ((c, 16, 16), (16, 32, 8)):
            layers += [nn.Conv2d(channels, out, 5, padding=2), nn.ReLU()]
            if side >= least:
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.convolutions = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.dense = nn.Sequential(nn.Linear(32 * 16, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU())
        self.head = nn.Linear(84, n_classes)

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 84"]:
        """The activations of the last hidden layer."""
        return self.dense(self.convolutions(x))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Logits of the classes."""
        return self.head(self.features(x))
