"""Every network in every role it has, on every shape that fits."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from pushforward.errors import PushforwardError
from pushforward.networks import MLP, Conv, Network, ResNet, UNet, map_decoder_of, map_encoder_of
from pushforward.networks import network as roles
from pushforward.networks.blocks import ACTIVATIONS, NORMS

ROLES = {role: having for role, having in roles.WITH_ROLE.items() if role != "autoregressive"}
"""Those with tests here; masks have theirs in test_masked.py."""
NETWORKS: dict[str, Network] = {
    "mlp": MLP(),
    "mlp-linear": MLP(hidden=()),
    "mlp-batch": MLP(hidden=[40], norm="batch", activation="tanh"),
    "conv": Conv(width=8),
    "conv-layer": Conv(width=8, norm="layer", hidden=[32], activation="leaky_relu"),
    "resnet": ResNet(width=8),
    "resnet-group": ResNet(width=8, norm="group", blocks=2, multipliers=[1, 2]),
    "unet": UNet(width=8),
}
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (2,)]
ODD = [(1, 4, 4), (2, 5, 7), (3, 13, 9)]
CASES = [
    (name, role, shape)
    for name in NETWORKS
    for role, having in ROLES.items()
    for shape in SHAPES + ODD
    if name.split("-")[0] in having and (len(shape) == 3 or name.startswith("mlp"))
    if (name, role, shape) != ("mlp-linear", "field", (3, 64, 64))  # 151 million weights
    if name != "conv-layer" or "map" not in role  # its dense layers
]
CODE = 6


def test_cases_found() -> None:
    """3 mlp × 3 roles × 8 shapes but one, 4 convolutional × 2 roles × 7 images, 3 of them × 2 more, 1 unet × 1 role × 7."""
    assert len(CASES) == 3 * 3 * 8 - 1 + 4 * 2 * 7 + 3 * 2 * 7 + 1 * 7


def build(
    name: str, role: str, shape: tuple[int, ...], seed: int = 0, condition: int = 0
) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    torch.manual_seed(seed)
    network, g = NETWORKS[name], torch.Generator().manual_seed(1)
    x, t, z = torch.rand(4, *shape, generator=g), torch.rand(4, generator=g), torch.randn(4, CODE, generator=g)
    c = (torch.randn(4, condition, generator=g),) if condition else ()
    if role == "encoder":
        return network.encoder(shape, condition), (x, *c)
    if role == "decoder":
        return network.decoder(CODE, shape, 2, condition), (z, *c)
    if role == "map encoder":
        return map_encoder_of(network, shape, condition), (x, *c)
    if role == "map decoder":
        known = name.split("-")[0] in ROLES[role]
        code = (CODE, *(map_encoder_of(network, shape).out_shape[1:] if known else (4, 4)))
        torch.manual_seed(seed)
        return map_decoder_of(network, code, shape, 2, condition), (torch.randn(4, *code, generator=g), *c)
    return network.field(shape, condition), (x, t, *c)


@pytest.mark.parametrize(("name", "role", "shape"), CASES)
def test_shapes_gradients_and_seed(name: str, role: str, shape: tuple[int, ...]) -> None:
    module, inputs = build(name, role, shape)
    out = module(*inputs)
    expected = {
        "encoder": lambda: (module.out_features,),
        "decoder": lambda: (2, *shape),
        "field": lambda: shape,
        "map encoder": lambda: module.out_shape,
        "map decoder": lambda: (2, *shape),
    }[role]()
    assert out.shape == (4, *expected)
    assert isinstance(getattr(module, "out_features", 0), int)
    if name == "mlp-linear" and role == "encoder":  # the identity
        assert torch.equal(out, inputs[0].flatten(1))
        return
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    again, other = build(name, role, shape)[0], build(name, role, shape, seed=1)[0]
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), again.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True))


STACKED = [  # a linear encoder is the identity, with nothing to stack
    (name, role, shape)
    for name, role, shape in CASES
    if shape in ((1, 8, 8), (2,)) and (name, role) != ("mlp-linear", "encoder")
]


@pytest.mark.parametrize(("name", "role", "shape"), STACKED)
def test_stacked_replicas_equal_solo(name: str, role: str, shape: tuple[int, ...]) -> None:
    """Outputs, gradients and moved buffers of two replicas under vmap, against each alone.

    float64, so that 1e-9 relative is far above rounding (1e-16 × some 1e3 operations) and far below a real difference.
    """
    replicas = [build(name, role, shape, seed)[0].double() for seed in (0, 1)]
    for module in replicas:  # a zero-initialised layer would hide what comes before it
        for p in module.parameters():
            p.data += 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(2), dtype=p.dtype)
    inputs = tuple(i.double() for i in build(name, role, shape)[1])
    parameters, buffers = stack_module_state(replicas)

    def call(p: dict, b: dict) -> torch.Tensor:
        return functional_call(replicas[0], (p, b), inputs)

    out = vmap(call)(parameters, buffers)
    out.square().sum().backward()
    for k, module in enumerate(replicas):
        alone = module(*inputs)
        alone.square().sum().backward()
        torch.testing.assert_close(out[k], alone, rtol=1e-9, atol=1e-9)
        for key, p in module.named_parameters():
            torch.testing.assert_close(parameters[key].grad[k], p.grad, rtol=1e-8, atol=1e-8)
        for key, b in module.named_buffers():
            torch.testing.assert_close(buffers[key][k], b, rtol=1e-9, atol=1e-9)


def test_stacked_cases_found() -> None:
    assert len(STACKED) == 8 * 2 + 4 * 2 + 3 * 2 + 1


CONDITION = 3
CONDITIONED = [(name, role, shape) for name, role, shape in CASES if shape in ((1, 8, 8), (2,), (2, 5, 7))]


def test_conditioned_cases_found() -> None:
    """3 mlp × 3 roles × 3 shapes, 4 convolutional × 2 roles × 2 images, 3 of them × 2 more, 1 unet × 2 images."""
    assert len(CONDITIONED) == 3 * 3 * 3 + 4 * 2 * 2 + 3 * 2 * 2 + 2


@pytest.mark.parametrize(("name", "role", "shape"), CONDITIONED)
def test_a_condition_reaches_the_output_and_must_be_given(name: str, role: str, shape: tuple[int, ...]) -> None:
    module, inputs = build(name, role, shape, condition=CONDITION)
    for p in module.parameters():  # a zero-initialised layer would hide it
        p.data += 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(2))
    out, other = module(*inputs), module(*inputs[:-1], inputs[-1].roll(1, 0))
    plain = build(name, role, shape)[0]
    extra = CONDITION if (name, role) == ("mlp-linear", "encoder") else 0  # the identity, of c too
    assert out.shape == (4, plain(*inputs[:-1]).shape[1] + extra, *out.shape[2:])
    assert not torch.allclose(out, other)
    if out.requires_grad:
        out.square().sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    with pytest.raises(PushforwardError, match="for a condition is given none"):
        module(*inputs[:-1])
    with pytest.raises(PushforwardError, match="without a condition is given one"):
        plain(*inputs)


GOLDEN = {
    ("mlp", "encoder"): 5042.250,
    ("mlp", "decoder"): 5971.085,
    ("mlp", "field"): 5956.792,
    ("mlp-linear", "encoder"): 132.126,
    ("mlp-linear", "decoder"): 435.745,
    ("mlp-linear", "field"): 382.339,
    ("mlp-batch", "encoder"): 299.546,
    ("mlp-batch", "decoder"): 654.125,
    ("mlp-batch", "field"): 522.905,
    ("conv", "encoder"): 268.093,
    ("conv", "decoder"): 368.223,
    ("conv-layer", "encoder"): 333.506,
    ("conv-layer", "decoder"): 651.349,
    ("resnet", "encoder"): 719.100,
    ("resnet", "decoder"): 876.523,
    ("resnet-group", "encoder"): 1045.154,
    ("resnet-group", "decoder"): 1156.857,
    ("unet", "field"): 3185.078,
}
"""Sum of absolute parameters and of absolute outputs of networks without a condition, as before there were conditions."""


def test_without_a_condition_a_network_is_what_it_was() -> None:
    found = {}
    for name, role, shape in CASES:
        if shape == (1, 8, 8) and (name, role) in GOLDEN:
            module, inputs = build(name, role, shape)
            parameters = sum(float(p.detach().double().abs().sum()) for p in module.parameters())
            found[name, role] = parameters + float(module(*inputs).detach().double().abs().sum())
    assert found == pytest.approx(GOLDEN, rel=1e-5)
    assert len(found) == len(GOLDEN) == 3 * 3 + 4 * 2 + 1


def test_missing_roles_name_who_has_them() -> None:
    found = 0
    for name in ("mlp", "conv", "resnet", "unet"):
        for role, having in ROLES.items():
            if name in having:
                continue
            found += 1
            with pytest.raises(PushforwardError, match=f"network={name} makes no {role}.*network={having[0]}"):
                build(name, role, (1, 8, 8))
    assert found == 8


@pytest.mark.parametrize("network", [Conv(), ResNet()])
def test_points_and_tiny_images_are_refused(network: Network) -> None:
    for shape in ((2,), (1, 3, 8)):
        with pytest.raises(PushforwardError, match="network=mlp"):
            network.encoder(shape)


def test_unknown_names_are_refused_with_the_choices() -> None:
    with pytest.raises(PushforwardError, match=r"activation=rleu.*relu"):
        MLP(activation="rleu").encoder((2,))
    with pytest.raises(PushforwardError, match=r"norm=bach.*batch"):
        Conv(norm="bach").encoder((1, 8, 8))
    with pytest.raises(PushforwardError, match="depth=4"):
        Conv(depth=4).encoder((1, 8, 8))


@pytest.mark.parametrize(("shape", "depth"), [((1, 8, 8), 1), ((1, 28, 28), 2), ((3, 32, 32), 3), ((3, 64, 64), 4)])
def test_depth_follows_the_size(shape: tuple[int, ...], depth: int) -> None:
    encoder = Conv(width=8).encoder(shape)
    assert sum(isinstance(m, nn.Conv2d) and m.stride == (2, 2) for m in encoder.modules()) == depth


@pytest.mark.parametrize("network", [MLP(norm="batch"), Conv(), ResNet()])
def test_no_bias_before_a_batch_norm(network: Network) -> None:
    """Such a bias has a gradient of zero: none may be left."""
    for module in (network.encoder((1, 8, 8)), network.decoder(CODE, (1, 8, 8))):
        x = torch.rand(8, 1, 8, 8) if module is not None and hasattr(module, "out_features") else torch.randn(8, CODE)
        torch.manual_seed(0)
        module(x).square().sum().backward()
        biases = [p for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear) and (p := m.bias) is not None]
        # the batch norm's own shift comes after; rounding leaves about 1e-6 of a vanishing gradient's terms
        assert all(p.grad is not None and p.grad.abs().max() > 1e-4 for p in biases)


def test_a_map_passes_no_dense_layers() -> None:
    for role in (map_encoder_of, lambda network, shape: map_decoder_of(network, (6, 4, 4), shape)):
        with pytest.raises(PushforwardError, match=r"hidden=\[32\].*model\.code=vector"):
            role(NETWORKS["conv-layer"], (1, 8, 8))


def test_a_map_is_what_the_encoder_flattens() -> None:
    for name in ("conv", "resnet"):
        (whole, (x,)), (mapped, _) = (build(name, role, (1, 28, 28)) for role in ("encoder", "map encoder"))
        assert mapped.out_shape[1:] == (7, 7) and torch.equal(mapped(x).flatten(1), whole(x))


def test_mlp_forward_is_linear_and_activation_only() -> None:
    layers = [type(m).__name__ for m in MLP(hidden=[400]).encoder((1, 28, 28))]
    assert layers == ["Flatten", "Linear", "ReLU"]
    assert len(ACTIVATIONS) == 9
    assert set(NORMS) == {"none", "batch", "group", "layer"}


def test_unet_starts_at_zero() -> None:
    module, inputs = build("unet", "field", (1, 28, 28))
    assert module(*inputs).abs().max() == 0


def test_fields_depend_on_time() -> None:
    for name, shape in (("mlp", (2,)), ("unet", (1, 8, 8))):
        module, (x, _) = build(name, "field", shape)
        for p in module.parameters():
            p.data += 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(2))
        early, late = (module(x, torch.full((4,), t)) for t in (0.1, 0.9))
        assert (early - late).abs().max() > 1e-3


@pytest.mark.parametrize("name", list(NETWORKS))
def test_bf16_autocast_is_near_float32(name: str) -> None:
    """bf16 has 8 bits: 0.4 % a rounding, and some tens of layers; a tenth of the output's size is far above that."""
    for role, having in ROLES.items():
        if name.split("-")[0] not in having or (name, role, (1, 8, 8)) not in CASES:
            continue
        module, inputs = build(name, role, (1, 8, 8))
        for p in module.parameters():
            p.data += 0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(2))
        exact = module(*inputs)
        with torch.autocast("cpu", torch.bfloat16):
            out = module(*inputs)
        assert (out.float() - exact).abs().mean() <= 0.1 * exact.abs().mean()
        if out.requires_grad:
            out.float().square().sum().backward()
            assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
