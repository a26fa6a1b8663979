"""Costs of families that can be reckoned by hand, and that measuring leaves everything as it was."""

from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.protocol import Subject
from pushforward.protocol.cost import Cost
from pushforward.training import build

SAMPLING = {"parameters_sampling", "flops_sample", "evaluations_sample", "samples_per_second"}
QUICK = Cost(batch=10, seconds=1e-9)
HIDDEN, CODE = 32, 4


def subject(*overrides: str) -> Subject:
    config = compose(["data=digits", *overrides])
    data = build.build_data(config)
    return Subject(build.build_family(config, data.spec).eval(), data)


def mlp(*overrides: str) -> Subject:
    return subject("network=mlp", f"network.hidden=[{HIDDEN}]", f"model.code_dim={CODE}", *overrides)


def values(given: Subject) -> dict[str, Any]:
    with torch.no_grad():
        return {name: entry["value"] for name, entry in QUICK(given).items()}


def test_a_vae_of_mlps() -> None:
    """64 → 32 → 2·4 and 4 → 32 → 64. Gradients cost twice a forward pass, but for the first layer's input."""
    found = values(mlp("model=vae", "likelihood=bernoulli"))
    encoder, decoder = 64 * HIDDEN + HIDDEN * 2 * CODE, CODE * HIDDEN + HIDDEN * 64
    assert found["flops_step"] == 6 * (encoder + decoder) - 2 * 64 * HIDDEN
    assert found["flops_sample"] == 2 * decoder
    assert found["parameters_sampling"] == decoder + HIDDEN + 64
    assert found["parameters"] == encoder + HIDDEN + 2 * CODE + found["parameters_sampling"]
    assert found["evaluations_sample"] == 1
    assert found["samples_per_second"] > 0
    assert set(found) == {"parameters", "flops_step", *SAMPLING}  # trained elsewhere: no memory


def test_a_gan_of_mlps_has_two_players() -> None:
    """A cycle is 2 steps of the critic on real and on generated images, and one of the generator through the critic."""
    given = mlp("model=gan", "model.n_critic=2", "network.norm=none")
    with torch.no_grad():
        entries = QUICK(given)
    found = {name: entry["value"] for name, entry in entries.items()}
    critic, first = 64 * HIDDEN + HIDDEN, 64 * HIDDEN
    generator, latent = CODE * HIDDEN + HIDDEN * 64, CODE * HIDDEN
    of_critic = 2 * generator + 2 * (6 * critic - 2 * first)
    # the critic hands a gradient to its input and takes none itself
    of_generator = (6 * generator - 2 * latent) + 4 * critic
    assert found["flops_step"] == (2 * of_critic + of_generator) / 2
    assert entries["flops_step"]["card"]["note"] == (
        f"a cycle, for 2 × real images: 2 × critic {of_critic:,} + 1 × generator {of_generator:,}"
    )
    assert found["parameters_generator"] == found["parameters_sampling"] == generator + HIDDEN + 64
    assert found["parameters_critic"] == critic + HIDDEN + 1
    assert found["parameters"] == found["parameters_critic"] + found["parameters_generator"]


def test_a_diffusion_calls_its_field_as_often_as_it_says() -> None:
    found = values(subject("model=ddpm", "network=mlp", "model.evaluations=7"))
    assert found["evaluations_sample"] == 7
    assert found["flops_step"] < found["flops_sample"]


def test_a_pass_through_a_flow_is_one_evaluation_of_each_of_its_layers() -> None:
    found = values(subject("model=realnvp"))
    assert found["evaluations_sample"] == 1 and found["parameters_sampling"] == found["parameters"]


def test_who_does_not_sample_says_why() -> None:
    with torch.no_grad():
        entries = QUICK(mlp("model=ae"))
    assert {name for name, entry in entries.items() if entry["na"]} == SAMPLING
    assert {entries[name]["na"] for name in SAMPLING} == {
        "no prior of its own: see the columns with a density over codes"
    }


MODELS = [
    ["model=vae", "model.gradient=score"], ["model=gan"], ["model=wgan_gp"], ["model=denoising_ae"], ["model=realnvp"],
    ["model=spline_flow"], ["model=ddpm", "model.evaluations=2"], ["model=flow_matching", "model.evaluations=2"],
]  # fmt: skip


@pytest.mark.parametrize("overrides", MODELS, ids=lambda o: o[0])
def test_measuring_leaves_everything_as_it_was(overrides: list[str]) -> None:
    """Weights, batch statistics and buffers bit for bit, gradients, hooks, modes, the global generator; and twice is once."""
    given = subject(*overrides)
    family = given.family
    family.configure_optimizers()
    assert family.stepper is not None
    (parameter, *_) = family.stepper.parameters[family.players[0].name]
    parameter.grad = torch.ones_like(parameter)
    before = {name: t.clone() for name, t in [*family.named_parameters(), *family.named_buffers()]}
    generator, stepper = torch.get_rng_state(), family.stepper
    with torch.no_grad():
        first, second = QUICK(given), QUICK(given)
    after = dict([*family.named_parameters(), *family.named_buffers()])
    assert before.keys() == after.keys() and len(before) >= 5
    for name, t in after.items():
        assert torch.equal(before[name], t), name
    assert torch.equal(parameter.grad, torch.ones_like(parameter))
    assert [p for p in family.parameters() if p.grad is not None] == [parameter]
    assert not family.training and not any(m.training or m._forward_pre_hooks for m in family.modules())
    assert torch.equal(generator, torch.get_rng_state()) and family.stepper is stepper
    for name in set(first) - {"samples_per_second", "peak_memory"}:
        assert first[name] == second[name], name
    memory = first["peak_memory"]
    assert memory["unit"] == "MiB" and memory["value"] > 50 and "ru_maxrss" in memory["card"]["of"]
    assert all(entry["card"]["split"] is None for entry in first.values())
