"""Layers trained one by one: their losses, whose parameters move and when, and that a run resumes across a boundary."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.bottlenecks import Deterministic
from pushforward.corruption import Masking
from pushforward.distributions import Gaussian
from pushforward.errors import PushforwardError
from pushforward.families import DenoisingAutoencoder, StackedDenoisingAutoencoder, Tuning
from pushforward.networks import MLP, Conv
from pushforward.objectives import During, LayerDenoising, Reconstruction
from pushforward.spec import Batch, Block, DataSpec

SPEC = DataSpec((1, 4, 4), 17, 64)
HIDDEN = (9, 7)
PHASES = ("layer_1", "layer_2", "layer_3", "reconstruction")
RULE = partial(torch.optim.RMSprop, alpha=0.99)


def terms(layers: int = 3) -> dict[str, Any]:
    """Each layer for an epoch, then all."""
    own = {f"layer_{i + 1}": LayerDenoising(i + 1, During(1.0, i, i + 1)) for i in range(layers)}
    return {**own, "reconstruction": Reconstruction(During(1.0, layers, None))}


def made(kind: Any = StackedDenoisingAutoencoder, tied: bool = True, **more: Any) -> Any:
    torch.manual_seed(0)
    options = {
        "network": MLP(hidden=HIDDEN), "bottleneck": Deterministic, "likelihood": Gaussian, "corruption": Masking(0.3),
        "optimizers": {"model": Tuning(RULE, 1e-3)}, "objective": terms(), "code_dim": 3, **more,
    }  # fmt: skip
    return kind(SPEC, tied=tied, **options)


def images(n: int, seed: int = 0) -> Tensor:
    return torch.randint(17, (n, 1, 4, 4), generator=torch.Generator().manual_seed(seed)) / 16


def noise_of(family: Any, n: int) -> dict[str, Tensor]:
    return family.draw("model", n, torch.Generator().manual_seed(1))


def test_a_stack_of_one_layer_is_the_denoising_autoencoder() -> None:
    """Of which linear maps are Σ(Σ + s²I)⁻¹ at best: the same loss and the same gradient, bit for bit."""
    more = {"network": MLP(hidden=()), "objective": {"layer_1": LayerDenoising(1)}}
    stack, alone = (
        made(**more),
        made(DenoisingAutoencoder, **{**more, "objective": {"reconstruction": Reconstruction()}}),
    )
    batch, noise = Batch(images(8)), noise_of(alone, 8)
    found, wanted = stack.loss("model", batch, noise), alone.loss("model", batch, noise)
    assert torch.equal(found.terms["layer_1"], wanted.terms["reconstruction"])
    found.total.backward()
    wanted.total.backward()
    for one, other in zip(stack.parameters(), alone.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_each_layer_is_asked_for_its_own_input() -> None:
    """Written out with the weights as they are; masked inputs are those whose noise is below 0.3."""
    family = made()
    x, noise = images(8), noise_of(family, 8)
    w1, w2, w3 = (
        family.get_parameter(f"coder.{name}.weight") for name in ("encoder.1", "encoder.3", "bottleneck.linear")
    )
    b1, b2, b3 = (
        family.get_parameter(f"coder.{name}.bias") for name in ("encoder.1", "encoder.3", "bottleneck.linear")
    )
    c3, c2 = (family.get_parameter(f"coder.decoder.{i}.bias") for i in (0, 2))
    h1 = (x.flatten(1) @ w1.T + b1).relu()
    h2 = (h1 @ w2.T + b2).relu()
    masked = [torch.where(noise[f"corruption {i}"] < 0.3, 0.0, h) for i, h in ((2, h1), (3, h2))]
    found2 = ((masked[0] @ w2.T + b2).relu() @ w2 + c2).relu()
    found3 = ((masked[1] @ w3.T + b3) @ w3 + c3).relu()
    loss = family.loss("model", Batch(x), noise)
    torch.testing.assert_close(loss.terms["layer_2"], 0.5 * (h1 - found2).square().sum(1))
    torch.testing.assert_close(loss.terms["layer_3"], 0.5 * (h2 - found3).square().sum(1))


@pytest.mark.parametrize("tied", [True, False])
def test_the_layer_whose_loss_is_on_moves_and_no_other(tied: bool) -> None:
    """4 epochs of 8 steps, one for each layer and the last for all; what does not move keeps its bits."""
    family = made(tied=tied)
    family.configure_optimizers()
    own = [("encoder.1", "decoder.4"), ("encoder.3", "decoder.2"), ("bottleneck.linear", "decoder.0")]
    before = {name: p.detach().clone() for name, p in family.named_parameters()}
    for phase in range(4):
        steps = images(8 * 8, phase).view(8, 8, 1, 4, 4)
        family.stepper.block(Block(phase, Batch(steps)))
        after = {name: p.detach().clone() for name, p in family.named_parameters()}
        moved = {name for name in after if not torch.equal(after[name], before[name])}
        wanted = set(after)
        if phase < 3:
            wanted = {name for name in after if name.removeprefix("coder.").startswith(own[phase])}
        assert moved == wanted and moved
        before = after
    assert family.settled() == 3.0


def test_a_run_resumes_across_a_boundary() -> None:
    whole, part = made(), made()
    for family in (whole, part):
        family.configure_optimizers()
        family.stepper.block(Block(0, Batch(images(16 * 6).view(16, 6, 1, 4, 4))))  # ends in the second layer's epoch
    resumed = made()
    resumed.configure_optimizers()
    resumed.load_state_dict(part.state_dict())
    resumed.stepper.load_state_dict(part.stepper.state_dict())
    for family in (whole, resumed):
        family.stepper.block(Block(1, Batch(images(16 * 6, 1).view(16, 6, 1, 4, 4))))
    assert whole.progress.images_seen > 2 * SPEC.n_train
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_what_has_no_layers_in_pairs_is_refused() -> None:
    with pytest.raises(PushforwardError, match="use network=mlp and condition=none"):
        made(tied=False, network=Conv(width=2))
    with pytest.raises(PushforwardError, match=r"a term is of layer 4, and there are 3.*network\.hidden"):
        made(objective=terms(4))
    with pytest.raises(PushforwardError, match="Only model=stacked_denoising_ae trains its layers one by one"):
        made(DenoisingAutoencoder)
