"""Every image network on images of every size from 4 to 256, and what is said of a module that gives another shape."""

import random
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from pushforward.bottlenecks import Deterministic
from pushforward.diffusion import FlowMatching, Heun
from pushforward.distributions import Gaussian
from pushforward.errors import PushforwardError
from pushforward.families import GAN, Diffusion, Flow, PlainAutoencoder, Tuning
from pushforward.networks import MLP, Conv, Encoder, ResNet, UNet, decoder_of, encoder_of
from pushforward.objectives import FieldError, NegativeLogLikelihood, Reconstruction
from pushforward.objectives.adversarial import NonSaturatingCritic, NonSaturatingGenerator
from pushforward.spec import DataSpec

EDGES = [(4, 4), (4, 256), (256, 4), (5, 7), (27, 33), (28, 28), (30, 30), (33, 33), (36, 100), (255, 129), (256, 256)]


def sample_of_sizes(n: int, seed: int = 0) -> list[tuple[int, int, int]]:
    """The edges, and seeded (c, h, w) with sides from 4 to 256, half of them below 48."""
    draws = random.Random(seed)
    sides = [
        (draws.randint(4, high), draws.randint(4, high)) for high in (47, 256) for _ in range((n - len(EDGES)) // 2)
    ]
    return [(draws.choice((1, 3)), h, w) for h, w in [*EDGES, *sides]]


SIZES = sample_of_sizes(41)


def test_sizes_found() -> None:
    assert len(SIZES) == 41
    for side in (0, 1):
        assert {size[1 + side] % 2 for size in SIZES} == {0, 1}
    assert {size[0] for size in SIZES} == {1, 3}
    assert sum(h != w for _, h, w in SIZES) > 20


@pytest.mark.parametrize("network", [Conv(width=1), ResNet(width=1), UNet(width=2), UNet(width=2, multipliers=[1] * 5)])
@torch.no_grad()
def test_every_role_has_the_shape_of_every_size(network: Any) -> None:
    for shape in SIZES:
        if isinstance(network, UNet):
            assert network.field(shape)(torch.zeros(2, *shape), torch.zeros(2)).shape == (2, *shape)
            continue
        encoder = network.encoder(shape)
        assert encoder(torch.zeros(2, *shape)).shape == (2, encoder.out_features)
        assert network.decoder(2, shape, 2)(torch.zeros(2, 2)).shape == (2, 2, *shape)


def test_every_depth_that_fits_and_none_that_does_not() -> None:
    draws, tried = random.Random(1), 0
    with torch.device("meta"):
        for shape in SIZES[:24]:
            deepest = min(shape[1:]).bit_length() - 1
            for depth in {1, draws.randint(1, deepest), deepest}:
                network, tried = Conv(width=1, depth=depth), tried + 1
                assert encoder_of(network, shape)(torch.zeros(2, *shape)).ndim == 2
                assert decoder_of(network, 5, shape)(torch.zeros(2, 5)).shape == (2, 1, *shape)
            for depth in (0, -1, deepest + 1):
                for role in (encoder_of, partial(decoder_of, in_features=5)):
                    with pytest.raises(PushforwardError, match=rf"depth={depth} does not fit.*choose 1 to {deepest}"):
                        role(Conv(width=1, depth=depth), shape=shape)
    assert tried > 40


@dataclass(frozen=True)
class Fixed:
    """A person's own network whose modules are of one size, whatever the data's."""

    size: tuple[int, ...] = (1, 30, 30)

    def encoder(self, shape: tuple[int, ...]) -> Encoder:
        return Encoder([nn.Flatten(), nn.BatchNorm1d(900)], 900)

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1) -> nn.Module:
        return MLP(hidden=[4]).decoder(in_features, self.size, parameters)

    def field(self, shape: tuple[int, ...]) -> nn.Module:
        return UpscaledField()


class UpscaledField(nn.Module):
    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.cat((x, x[..., -1:]), -1)


def family(kind: str, network: Any, spec: DataSpec) -> Any:
    tuning = Tuning(partial(torch.optim.Adam), 1e-3)
    given: dict[str, Any] = {"optimizers": {"model": tuning}}
    if kind == "ae":
        terms = {"reconstruction": Reconstruction(weight=1.0)}
        return PlainAutoencoder(
            spec, network, 3, partial(Deterministic, activation="identity"), Gaussian, terms, **given
        )
    if kind == "diffusion":
        process = partial(FlowMatching, Heun(), 2)
        return Diffusion(spec, network, process, 4, {"matching": FieldError(weight=1.0)}, **given)
    if kind == "flow":
        return Flow(spec, network, 1e-6, {"nll": NegativeLogLikelihood(weight=1.0)}, **given)
    objective = {
        "critic": {"adversarial": NonSaturatingCritic(weight=1.0)},
        "generator": {"adversarial": NonSaturatingGenerator(weight=1.0)},
    }
    return GAN(spec, network, 3, 1, {}, objective, {"critic": tuning, "generator": tuning})


SMALL = DataSpec((1, 28, 28), 256, 100)


@pytest.mark.parametrize(
    ("kind", "network", "match"),
    [
        ("ae", Fixed(), r"encoder of network Fixed fails on data of shape \(1, 28, 28\)"),
        ("gan", Fixed(), r"decoder of network Fixed gives 2 images as \(2, 1, 1, 30, 30\).*need \(2, 1, 1, 28, 28\)"),
        ("diffusion", Fixed(), r"field of network Fixed gives 2 images as \(2, 1, 28, 29\)"),
        ("flow", lambda features: lambda c=None: lambda y: y[:, 1:], r"model\.bijection gives.*\(2, 783\)"),
    ],
)
def test_another_shape_is_refused_when_a_model_is_built(kind: str, network: Any, match: str) -> None:
    with pytest.raises(PushforwardError, match=match) as refused:
        family(kind, network, SMALL)
    assert "\n" not in str(refused.value)


def test_a_decoder_of_another_size_is_refused_beside_a_fitting_encoder() -> None:
    with pytest.raises(PushforwardError, match="decoder of network Fixed"):
        family("ae", Fixed((1, 28, 28)), replace(SMALL, shape=(1, 30, 30)))


def test_an_encoder_that_does_not_say_its_features_is_refused() -> None:
    class Silent(Fixed):
        def encoder(self, shape: tuple[int, ...]) -> Any:
            return nn.Flatten()

    with pytest.raises(PushforwardError, match="does not say how many features"):
        encoder_of(Silent(), (1, 30, 30))


def test_trying_a_module_changes_nothing() -> None:
    """Neither batch norms, nor modes, nor the stream of random numbers."""
    torch.manual_seed(0)
    plain = Conv(width=2).encoder((1, 12, 9))
    after = torch.rand(3)
    torch.manual_seed(0)
    tried = encoder_of(Conv(width=2), (1, 12, 9))
    assert torch.equal(torch.rand(3), after)
    assert all(torch.equal(a, b) for a, b in zip(plain.state_dict().values(), tried.state_dict().values(), strict=True))
    assert all(part.training for part in tried.modules())


@pytest.mark.parametrize("network", [MLP(hidden=[4], norm="batch"), Conv(width=2), ResNet(width=2)])
def test_batch_norm_refuses_a_batch_of_one_in_training_alone(network: Any) -> None:
    encoder = network.encoder((1, 8, 8))
    with pytest.raises(PushforwardError, match=r"this batch is one image.*network\.norm=layer"):
        encoder(torch.rand(1, 1, 8, 8))
    assert encoder(torch.rand(2, 1, 8, 8)).isfinite().all()
    assert encoder.eval()(torch.rand(1, 1, 8, 8)).isfinite().all()
