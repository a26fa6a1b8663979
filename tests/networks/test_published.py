"""Networks of published shapes: layers and counts of parameters against the papers' tables, and other sizes of images."""

from typing import Any

import pytest
import torch
from torch import nn

from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.families import GAN
from pushforward.networks import DCGAN, InfoGANConv, MaxoutMLP, SNGANResNet, decoder_of, encoder_of
from pushforward.networks.published import Maxout
from pushforward.spec import DataSpec
from pushforward.training.build import build_family

SMALL: dict[str, Any] = {
    "dcgan": DCGAN(8, None, "relu", "batch"),
    "infogan": InfoGANConv(2, 8, "relu", "batch"),
    "sngan_resnet": SNGANResNet(4, 4, "relu", "batch"),
    "maxout_mlp": MaxoutMLP((8, 6), 3, (6, 8), "relu", "batch"),
}
SHAPES = [(1, 4, 4), (1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 28, 28), (3, 32, 32), (2, 5, 9), (3, 64, 64)]


def gan(*options: str, shape: tuple[int, ...], bounded: bool = True) -> GAN:
    spec = DataSpec(shape, 256, 100) if bounded else DataSpec(shape, None, 100, low=-float("inf"), high=float("inf"))
    family = build_family(compose(["features=none", "metrics=none", "logger=none", *options]), spec)
    assert isinstance(family, GAN)
    return family


def weights(module: nn.Module) -> list[tuple[int, ...]]:
    """The shapes of all linear maps and convolutions, in order."""
    return [
        tuple(m.weight.shape) for m in module.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    ]


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_dcgan_on_64x64_is_figure_1() -> None:
    """z of 100 → 1024 × 4 × 4 → 512 × 8 × 8 → 256 × 16 × 16 → 128 × 32 × 32 → 3 × 64 × 64; the critic mirrors it."""
    with torch.device("meta"):
        generator = DCGAN(1024, None, "relu", "batch").decoder(100, (3, 64, 64))
        critic = DCGAN(1024, None, "leaky_relu", "batch").encoder((3, 64, 64))
    up = [(1024, 512, 5, 5), (512, 256, 5, 5), (256, 128, 5, 5), (128, 3, 5, 5)]
    assert weights(generator) == [(16 * 1024, 100), *up]
    assert weights(critic) == [(128, 3, 5, 5), (256, 128, 5, 5), (512, 256, 5, 5), (1024, 512, 5, 5)]
    assert critic.out_features == 16 * 1024
    # weights, two numbers of each normalised channel, and the last layer's biases
    assert parameters(generator) == 1638400 + 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3) + 2 * 1920 + 3


def test_dcgan_on_32x32_and_28x28_drops_a_layer() -> None:
    """Maps of 256, 512 and 1024 channels on 32×32: pooled to 4×4 they are the paper's 28,672 features (sec. 5.1)."""
    with torch.device("meta"):
        critic = DCGAN(1024, None, "leaky_relu", "batch").encoder((3, 32, 32))
    channels = [shape[0] for shape in weights(critic)]
    assert channels == [256, 512, 1024] and 16 * sum(channels) == 28672
    sizes, x = [], torch.zeros(2, 1, 28, 28)
    for layer in DCGAN(8, None, "relu", "none").encoder((1, 28, 28)):
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            sizes.append(tuple(x.shape[2:]))
    assert sizes == [(14, 14), (7, 7), (4, 4)]


def test_dcgan_of_pacgan_on_28x28() -> None:
    """64, 128, 256 and 512 channels at 14, 7, 4 and 2 pixels, in their code for stacked MNIST."""
    with torch.device("meta"):
        network = DCGAN(512, 4, "relu", "batch")
        critic, generator = network.encoder((3, 28, 28)), network.decoder(100, (3, 28, 28))
    assert [shape[0] for shape in weights(critic)] == [64, 128, 256, 512] and critic.out_features == 2 * 2 * 512
    assert [shape[:2] for shape in weights(generator)[1:]] == [(512, 256), (256, 128), (128, 64), (64, 3)]


def test_infogan_on_mnist_is_table_1() -> None:
    """Appendix C.1: 74 numbers → 1024 → 7 × 7 × 128 → 14 × 14 × 64 → 28 × 28; the critic has the same layers the other way."""
    with torch.device("meta"):
        published = ("network=infogan", "model.critic.norm=batch", "model.guess_hidden=128")
        family = gan("model=infogan", *published, shape=(1, 28, 28))
    assert weights(family.generator) == [(1024, 74), (6272, 1024), (128, 64, 4, 4), (64, 1, 4, 4)]
    assert weights(family.critic.encoder) == [(64, 1, 4, 4), (128, 64, 4, 4), (1024, 6272)]
    norms = 2 * (1024 + 6272 + 64)
    assert parameters(family.generator) == 74 * 1024 + 1024 * 6272 + 128 * 64 * 16 + 64 * 16 + 1 + norms
    assert family.critic.decode is not None
    assert weights(family.critic.decode) == [(128, 1024), (12, 128)]
    assert parameters(family.critic.encoder) == 64 * 17 + 128 * 64 * 16 + 6272 * 1024 + 2 * (128 + 1024)


def test_sngan_on_32x32_is_table_4() -> None:
    """With a bias in each layer 4,276,739 and 1,053,825 numbers, less nine biases of 256 that a batch norm takes out."""
    with torch.device("meta"):
        family = gan("model=sngan", "network=sngan_resnet", "model.spectral=false", shape=(3, 32, 32))
    assert parameters(family.generator) == 4_276_739 - 9 * 256
    assert parameters(family.critic) == 1_053_825
    assert [shape[0] for shape in weights(family.critic.encoder)] == [128, 128, 128] * 2 + [128] * 4
    assert not any(isinstance(m, nn.BatchNorm2d) for m in family.critic.modules())


def test_sngans_critic_is_spectrally_normalised_and_halves_twice() -> None:
    """Every weight of the critic has a largest singular value of 1, within what 15 power iterations leave."""
    small = ("network.width=8", "network.critic_width=8")
    critic = gan("model=sngan", "network=sngan_resnet", *small, shape=(3, 32, 32)).critic
    for shape, weight in (
        (tuple(m.weight.shape), m.weight) for m in critic.modules() if isinstance(m, nn.Conv2d | nn.Linear)
    ):
        largest = float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2))
        assert largest == pytest.approx(1, abs=0.1), shape
    x = torch.rand(2, 3, 32, 32)
    sizes = [tuple(x.shape[2:]) for layer in list(critic.encoder)[:4] if (x := layer(x)) is not None]
    assert sizes == [(16, 16), (8, 8), (8, 8), (8, 8)]


@pytest.mark.parametrize("pack", [1, 2, 3, 4])
def test_pacgans_networks_on_points(pack: int) -> None:
    """Three layers of 200 maxout units of 5 pieces; four of 400 rectified ones, normalised and without biases."""
    options = ("model=pacgan", "network=maxout_mlp", "model.code_dim=2", f"model.pack={pack}")
    family = gan(*options, shape=(2,), bounded=False)
    assert parameters(family.critic) == (2 * pack * 1000 + 1000) + 2 * (200 * 1000 + 1000) + 201
    assert parameters(family.generator) == 2 * 400 + 3 * 400 * 400 + 4 * 2 * 400 + 400 * 2 + 2
    assert family.sample(3, torch.Generator().manual_seed(0)).shape == (3, 2)


def test_a_maxout_unit_is_its_largest_piece() -> None:
    """Of pieces x and −x it is |x|, and of x, −x and 1 the larger of |x| and 1."""
    unit = Maxout(1, 1, 3)
    with torch.no_grad():
        unit.linear.weight.copy_(torch.tensor([[1.0], [-1.0], [0.0]]))
        unit.linear.bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
    assert unit(torch.tensor([[-3.0], [0.5], [2.0]])).flatten().tolist() == [3, 1, 2]


@pytest.mark.parametrize("name", SMALL)
def test_every_shape_of_data(name: str) -> None:
    """Grey, RGB, odd and oblong; every parameter has a gradient, and conditions come beside the input."""
    network, tried = SMALL[name], 0
    for shape in [*SHAPES, *([(2,)] if name == "maxout_mlp" else [])]:
        for condition in (0, 3):
            c = (torch.randn(4, condition),) if condition else ()
            encoder, decoder = encoder_of(network, shape, condition), decoder_of(network, 5, shape, 2, condition)
            h, x = encoder(torch.rand(4, *shape), *c), decoder(torch.randn(4, 5), *c)
            assert h.shape == (4, encoder.out_features) and x.shape == (4, 2, *shape)
            (h.square().sum() + x.square().sum()).backward()
            for module in (encoder, decoder):
                assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in module.parameters())
            tried += 1
    assert tried >= 16


def test_sizes_that_cannot_be_made_are_refused() -> None:
    for name, network in SMALL.items():
        with pytest.raises(PushforwardError, match=f"network={name} makes no field"):
            network.field((1, 28, 28))
        for shape in ((2,), (1, 3, 8)) if name != "maxout_mlp" else ():
            for make in (lambda n, s: n.encoder(s), lambda n, s: n.decoder(5, s)):
                with pytest.raises(PushforwardError, match=r"reads images .*Use network=mlp"):
                    make(network, shape)
    deep = DCGAN(8, 6, "relu", "batch")
    with pytest.raises(PushforwardError, match=r"depth=6 does not fit images of 28×28: choose 1 to 5"):
        deep.encoder((1, 28, 28))
    assert deep.encoder((1, 33, 33)).out_features == 8
