import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from pushforward.distributions.input_gradient import input_gradient


def test_of_a_linear_function_is_its_weight_and_of_a_quadratic_its_matrix() -> None:
    x = torch.randn(4, 3, dtype=torch.float64)
    w, a = torch.randn(3, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64)
    torch.testing.assert_close(input_gradient(lambda x: x @ w, x), w.expand(4, 3), rtol=1e-12, atol=1e-12)
    quadratic = input_gradient(lambda x: (x @ a * x).sum(1), x)
    torch.testing.assert_close(quadratic, x @ (a + a.T), rtol=1e-12, atol=1e-12)


def test_reaches_the_parameters_as_autograd_does() -> None:
    critic = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    own = list(critic.parameters())
    ours = input_gradient(lambda x: critic(x)[:, 0], x).square().sum()
    theirs = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0].square().sum()
    for a, b in zip(
        torch.autograd.grad(ours, own, allow_unused=True),
        torch.autograd.grad(theirs, own, allow_unused=True),
        strict=True,
    ):
        assert (a is None) == (b is None) or (a if b is None else b).abs().max() == 0
        if a is not None and b is not None:
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_of_stacked_critics_equals_each_alone() -> None:
    critics = [nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double() for _ in range(2)]
    x = torch.randn(4, 3, dtype=torch.float64)
    parameters, _ = stack_module_state(critics)

    def penalty(p: dict) -> torch.Tensor:
        return input_gradient(lambda x: functional_call(critics[0], p, (x,))[:, 0], x).square().sum()

    values = vmap(penalty)(parameters)
    values.sum().backward()
    for k, critic in enumerate(critics):
        alone = input_gradient(lambda x, critic=critic: critic(x)[:, 0], x).square().sum()
        alone.backward()
        torch.testing.assert_close(values[k], alone, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(parameters["0.weight"].grad[k], critic[0].weight.grad, rtol=1e-12, atol=1e-12)
