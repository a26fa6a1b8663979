"""Glow's maps: round trips in float64, log-determinants against autograd, actnorm's start by data."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pushforward.bijections import Glow
from pushforward.bijections.glow import ActNorm, InvertibleConvolution, MapCoupling, squeeze, unsqueeze
from pushforward.distributions.gaussian import log_normal, log_standard_normal
from pushforward.engine.stack import Stack
from pushforward.errors import PushforwardError
from pushforward.families import Flow, Tuning
from pushforward.objectives import NegativeLogLikelihood
from pushforward.seeds import generator
from pushforward.spec import Batch, Block, DataSpec

SHAPES = [(1, 4, 4), (3, 4, 4), (2, 2, 6), (1, 8, 8)]
DIGITS = DataSpec((1, 8, 8), 17, 320)


def maps(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moved(module: Any, by: float = 0.1) -> Any:
    """Away from its start, in float64."""
    module = module.double()
    with torch.no_grad():
        for i, p in enumerate(module.parameters()):
            p.add_(by * maps(*p.shape, seed=i))
    return module


def glow(shape: tuple[int, ...], learned: bool = True, levels: int = 2, **more: Any) -> Glow:
    torch.manual_seed(0)
    return moved(Glow(shape, levels=levels, transforms=2, width=5, learned=learned, **more))


LAYERS = {
    "actnorm": (ActNorm, 4), "convolution": (InvertibleConvolution, 4),
    "coupling": (partial(MapCoupling, width=3, context=0), 4),
    "prior": (partial(MapCoupling, width=0, context=0), 5),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
def test_each_layer_comes_back_and_knows_its_determinant(kind: str) -> None:
    """Round trip to 1e-10, and log |det| against slogdet of autograd's Jacobian in both directions."""
    make, channels = LAYERS[kind]
    layer, x = moved(make(channels)), maps(3, channels, 2, 3)
    y, ladj = layer(x, None)
    assert float((layer.inverse(y, None) - x).detach().abs().max()) < 1e-10
    size = x[0].numel()
    for i, value in enumerate(ladj.expand(3)):
        there = torch.func.jacrev(lambda one: layer(one[None], None)[0][0])(x[i]).reshape(size, size)
        back = torch.func.jacrev(lambda one: layer.inverse(one[None], None)[0])(y[i]).reshape(size, size)
        torch.testing.assert_close(value, torch.linalg.slogdet(there)[1], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(-value, torch.linalg.slogdet(back)[1], rtol=1e-9, atol=1e-9)


def test_a_1x1_convolution_is_one_matrix_at_each_place() -> None:
    """A rotation at first, log |det| = 0; moved, HW·log |det W| with W read off one place."""
    torch.manual_seed(0)
    layer = InvertibleConvolution(6).double()
    for by in (0.0, 0.2):
        moved(layer, by)
        weight = layer(torch.eye(6, dtype=torch.float64)[..., None, None], None)[0][..., 0, 0].T
        if not by:  # its start is in float32
            torch.testing.assert_close(weight @ weight.T, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-5)
        x = maps(2, 6, 3, 5)
        y, ladj = layer(x, None)
        torch.testing.assert_close(y, torch.einsum("ij,njhw->nihw", weight, x))
        torch.testing.assert_close(ladj, 15 * torch.linalg.slogdet(weight)[1], rtol=1e-9, atol=1e-9)


def test_squeezing_keeps_neighbours_together() -> None:
    x = maps(2, 3, 4, 6)
    assert torch.equal(unsqueeze(squeeze(x)), x)
    assert torch.equal(squeeze(x)[0, :4, 0, 1], x[0, 0, :2, 2:4].flatten())


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_there_and_back_with_the_determinant(shape: tuple[int, ...], learned: bool) -> None:
    d = math.prod(shape)
    t, x = glow(shape, learned)(), maps(4, d)
    z, ladj = (value.detach() for value in t.call_and_ladj(x))  # type: ignore[attr-defined]
    assert float((t.inv(z) - x).detach().abs().max()) < 1e-10
    assert float((t(t.inv(x)) - x).detach().abs().max()) < 1e-10
    for i in range(2):
        there = torch.linalg.slogdet(torch.func.jacrev(t)(x[i]))[1]
        back = torch.linalg.slogdet(torch.func.jacrev(t.inv)(z[i]))[1]
        torch.testing.assert_close(ladj[i], there, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(-ladj[i], back, rtol=1e-9, atol=1e-9)


def test_learned_priors_are_normal_given_the_half_that_goes_on() -> None:
    """The density of two levels is log N(b; μ(a), σ(a)) + log N(top; μ, σ) + log |det| of what is left without priors."""
    flow = glow((1, 4, 4))
    x = maps(5, 16)
    z, ladj = flow().call_and_ladj(x)  # type: ignore[attr-defined]
    first, second = flow.levels
    h, total = squeeze(x.view(5, 1, 4, 4)), torch.zeros(5, dtype=torch.float64)
    for layer in first[:-1]:  # type: ignore[index]
        h, part = layer(h, None)
        total = total + part
    a, b = h.chunk(2, 1)
    prior = first[-1].given(a, None).base  # type: ignore[index]
    total = total + log_normal(b.flatten(1), (-prior.shift / prior.scale).flatten(1), -prior.log_scale.flatten(1))
    h = squeeze(a)
    for layer in second[:-1]:  # type: ignore[index]
        h, part = layer(h, None)
        total = total + part
    top = second[-1]  # type: ignore[index]
    mean, log_std = (-top.shift).expand_as(h[0]).flatten(), (-top.log_scale).expand_as(h[0]).flatten()
    total = total + log_normal(h.flatten(1), mean.expand(5, -1), log_std.expand(5, -1))
    torch.testing.assert_close(log_standard_normal(z) + ladj, total, rtol=1e-9, atol=1e-9)


def test_the_first_batch_gives_each_channel_mean_zero_and_variance_one() -> None:
    """At each of 5 actnorms, in float64, up to the 1e-6 that guards constant channels; a later batch changes nothing."""
    flow, x = glow((3, 4, 4)), 3 * maps(64, 48) + 1
    seen: list[Tensor] = []
    norms = [m for m in flow.modules() if isinstance(m, ActNorm)]
    flow.initialize(x)
    for norm in norms:
        norm.register_forward_hook(lambda m, given, result: seen.append(result[0].detach()))
    flow()(x)
    assert len(seen) == len(norms) == 5
    for y in seen:
        variance, mean = torch.var_mean(y, (0, 2, 3), correction=0)
        assert float(mean.abs().max()) < 1e-12 and float((variance - 1).abs().max()) < 1e-5
    before = [p.clone() for p in flow.parameters()]
    flow.initialize(5 * x)
    assert all(torch.equal(p, q) for p, q in zip(flow.parameters(), before, strict=True))


def test_levels_are_as_many_as_the_sides_can_be_halved() -> None:
    assert [len(glow((1, *sides), levels=3).levels) for sides in ((8, 8), (28, 28), (6, 10), (4, 6))] == [3, 2, 1, 1]
    for shape in ((1, 7, 8), (3, 28, 27), (5,)):
        with pytest.raises(
            PushforwardError, match=r"even height and width, and these are .*; use data of another size"
        ):
            Glow(shape, levels=3, transforms=1, width=4, learned=True)


def family(seed: int = 1, rule: type[torch.optim.Optimizer] = torch.optim.Adam) -> Flow:
    torch.manual_seed(seed)
    bijection = partial(Glow, levels=2, transforms=1, width=4, learned=True)
    tuning = Tuning(rule, 1e-3, ema=0.9)
    made = Flow(DIGITS, bijection, 0.05, {"nll": NegativeLogLikelihood()}, {"model": tuning})
    made.seed = seed
    made.configure_optimizers()
    return made


def block(index: int = 0) -> Block:
    x = torch.randint(17, (16, 8, 1, 8, 8), generator=torch.Generator().manual_seed(index)) / 16
    return Block(index, Batch(x))


def test_a_run_starts_from_its_first_batch_and_resumes_from_what_it_set() -> None:
    """The batch and noise of step 0; averages begin there; what a checkpoint restores is not set again."""
    whole, part = family(), family()
    drawn = whole.draw("model", 16 * 8, generator("cpu", 1, "noise", "model", 0))["dequantize"][:8]
    wanted = family()
    wanted.initialize("model", Batch(block().batch.x[0]), {"dequantize": drawn})
    assert whole.stepper is not None and part.stepper is not None
    norm = next(m for m in wanted.modules() if isinstance(m, ActNorm))
    name = next(n for n, p in wanted.named_parameters() if p is norm.shift)
    assert float(norm.shift.detach().abs().max()) > 0.1
    whole.stepper.block(block())
    part.stepper.block(block())
    # 16 steps of Adam at 1e-3 move no number by more than 0.016 but for its bias correction
    assert float((whole.get_parameter(name) - norm.shift).abs().max()) < 0.02
    assert float((whole.stepper.average_dict()[name] - norm.shift).abs().max()) < 0.02
    resumed = family()
    resumed.load_state_dict(part.state_dict())
    assert resumed.stepper is not None
    resumed.stepper.load_state_dict(part.stepper.state_dict())
    for each in (whole, resumed):
        assert each.stepper is not None
        each.stepper.block(block(1))
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_a_stack_starts_each_replica_from_its_own_batch() -> None:
    """After a block they agree to rounding in 16 steps; by plain descent: Adam divides gradients that are zero but for it."""
    alone, together = ([family(seed, torch.optim.SGD) for seed in (1, 2)] for _ in range(2))
    blocks = [block(seed) for seed in (1, 2)]
    for each, own in zip(alone, blocks, strict=True):
        assert each.stepper is not None
        each.stepper.block(Block(0, own.batch))
    stack = Stack([each.get_stepper() for each in together])
    order = [together.index(each) for each in stack.families]
    stack.block(Block(0, Batch(torch.stack([blocks[i].batch.x for i in order], 1))))
    for one, other in zip(alone, together, strict=True):
        assert bool(other.state_dict()["bijection.started"])
        for key, value in one.state_dict().items():
            torch.testing.assert_close(other.state_dict()[key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_coupling_networks_are_as_wide_as_asked_on_every_scale() -> None:
    made = Glow((1, 8, 8), levels=3, transforms=2, width=7, learned=True)
    convolutions = [m for m in made.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert len(convolutions) == 3 * 2 and {m.out_channels for m in convolutions} == {7}
