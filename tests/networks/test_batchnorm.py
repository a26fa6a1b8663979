"""Our batch norm against torch's: values, gradients and running statistics. float64: 1e-12 is rounding alone."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from pushforward.networks.blocks import BatchNorm

CLOSE: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4, 5)])
def test_equals_torch(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    ours = BatchNorm(3).double()
    theirs: nn.Module = (nn.BatchNorm1d(3) if len(shape) == 2 else nn.BatchNorm2d(3)).double()
    with torch.no_grad():
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            q.copy_(p.normal_())
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        x = (2 + 3 * torch.randn(shape, dtype=torch.float64)).requires_grad_()
        x2 = x.detach().clone().requires_grad_()
        a, b = ours(x), theirs(x2)
        a.sin().sum().backward()
        b.sin().sum().backward()
        torch.testing.assert_close(a, b, **CLOSE)
        torch.testing.assert_close(x.grad, x2.grad, **CLOSE)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad, **CLOSE)
        torch.testing.assert_close(ours.running_mean, theirs.running_mean, **CLOSE)
        torch.testing.assert_close(ours.running_var, theirs.running_var, **CLOSE)


def test_without_track_nothing_moves_and_the_output_is_the_same() -> None:
    x, norm = torch.randn(8, 3), BatchNorm(3)
    norm.track = False
    out = norm(x)
    assert torch.equal(norm.running_mean, torch.zeros(3))
    assert torch.equal(norm.running_var, torch.ones(3))
    norm.track = True
    assert torch.equal(norm(x), out)
    assert not torch.equal(norm.running_mean, torch.zeros(3))


def test_twice_before_backward_as_a_discriminator_does() -> None:
    norm = BatchNorm(3)
    (norm(torch.randn(8, 3)).sin().sum() - norm(torch.randn(8, 3)).sin().sum()).backward()
    assert norm.weight.grad is not None


def test_stacked_twice_in_training_and_in_evaluation() -> None:
    replicas = [BatchNorm(3).double() for _ in range(2)]
    x = torch.randn(2, 8, 3, 2, 2, dtype=torch.float64)
    parameters, buffers = stack_module_state(replicas)

    def call(p: dict, b: dict, x: Tensor) -> Tensor:
        first = functional_call(replicas[0], (p, b), (x,))
        return first + functional_call(replicas[0], (p, b), (2 * x,))

    for training in (True, False):
        for r in replicas:
            r.train(training)
        out = vmap(call)(parameters, buffers, x)
        out.sin().sum().backward()
        for k, r in enumerate(replicas):
            torch.testing.assert_close(out[k], r(x[k]) + r(2 * x[k]), **CLOSE)
            torch.testing.assert_close(buffers["running_mean"][k], r.running_mean, **CLOSE)
            torch.testing.assert_close(buffers["running_var"][k], r.running_var, **CLOSE)


def test_input_gradient_through_it() -> None:
    """torch.func.grad inside an outer backward, as a gradient penalty does it, moving no statistics."""
    from pushforward.distributions.input_gradient import input_gradient

    critic = nn.Sequential(nn.Linear(2, 4), BatchNorm(4), nn.Tanh(), nn.Linear(4, 1))
    critic[1].track = False
    x = torch.randn(8, 2)
    input_gradient(lambda x: critic(x)[:, 0], x).square().sum().backward()
    assert all(p.grad is not None for p in (critic[0].weight, critic[1].weight, critic[3].weight))
