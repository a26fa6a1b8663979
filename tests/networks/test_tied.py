"""Tied weights: one parameter for a map and its transpose, with the gradient of both uses."""

from functools import partial

import pytest
import torch

from pushforward.bottlenecks import Deterministic, Gaussian
from pushforward.distributions import DiscretizedLogistic
from pushforward.distributions import Gaussian as GaussianLikelihood
from pushforward.errors import PushforwardError
from pushforward.families import PlainAutoencoder, Tuning
from pushforward.networks import MLP, Conv
from pushforward.objectives import Reconstruction
from pushforward.spec import Batch, DataSpec

SPEC = DataSpec((1, 4, 4), 17, 100)


def made(tied: bool, hidden: tuple[int, ...] = (9, 7), **more: object) -> PlainAutoencoder:
    torch.manual_seed(0)
    options: dict[str, object] = {
        "network": MLP(hidden=hidden, activation="tanh"), "bottleneck": Deterministic, "likelihood": GaussianLikelihood,
        "optimizers": {"model": Tuning(torch.optim.SGD, 1e-3)}, "objective": {"reconstruction": Reconstruction()},
        **more,
    }  # fmt: skip
    return PlainAutoencoder(SPEC, code_dim=3, tied=tied, **options)  # type: ignore[arg-type]


def test_weights_are_counted_once_and_the_decoder_keeps_its_biases() -> None:
    tied, untied = ({n: p.numel() for n, p in made(t).named_parameters()} for t in (True, False))
    weights, biases = 16 * 9 + 9 * 7 + 7 * 3, (9 + 7 + 3) + (7 + 9 + 16)
    assert sum(tied.values()) == weights + biases and sum(untied.values()) == 2 * weights + biases
    assert [name for name in tied if name.startswith("coder.decoder")] == [f"coder.decoder.{i}.bias" for i in (0, 2, 4)]


def test_the_gradient_is_the_sum_of_both_uses() -> None:
    """An untied copy with the same values: its encoder's gradient plus its decoder's, transposed; in float64, to rounding."""
    tied, untied = made(True).double(), made(False).double()
    for name, parameter in tied.named_parameters():
        untied.get_parameter(name).data.copy_(parameter.data)
    layers = [untied.coder.encoder[1], untied.coder.encoder[3], untied.coder.bottleneck.linear]
    back = [untied.coder.decoder[i] for i in (4, 2, 0)]  # type: ignore[index]
    for layer, mirror in zip(layers, back, strict=True):
        mirror.weight.data.copy_(layer.weight.data.mT)
    x = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for family in (tied, untied):
        family.loss("model", Batch(x), {}).total.backward()
    names = ["coder.encoder.1.weight", "coder.encoder.3.weight", "coder.bottleneck.linear.weight"]
    for name, layer, mirror in zip(names, layers, back, strict=True):
        wanted = layer.weight.grad + mirror.weight.grad.mT
        torch.testing.assert_close(tied.get_parameter(name).grad, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "more",
    [
        {"network": Conv(width=2)},
        {"bottleneck": Gaussian},
        {"likelihood": DiscretizedLogistic},
        {"spectral": True},
    ],
    ids=str,
)
def test_what_has_no_transpose_is_refused_with_a_remedy(more: dict[str, object]) -> None:
    with pytest.raises(PushforwardError, match=r"model\.(tied|spectral)=true.*use "):
        made(True, **more)


def test_a_stack_reads_the_replaced_weight() -> None:
    """`functional_call` exchanges the encoder's parameter, and with it the decoder's map."""
    family = made(True, hidden=())
    x = torch.rand(2, 1, 4, 4)
    weights = {name: 2 * p.detach() for name, p in family.named_parameters() if name.endswith("weight")}
    assert len(weights) == 1
    reconstruct = partial(torch.func.functional_call, family, weights)
    total = reconstruct(("model", Batch(x), {})).total
    with torch.no_grad():
        for name, value in weights.items():
            family.get_parameter(name).copy_(value)
    torch.testing.assert_close(total, family.loss("model", Batch(x), {}).total)
