"""Codes of any shape pass through a model: maps, and tuples of several levels; and the module stands in other families."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from pushforward.bottlenecks import Bottleneck, Code, Deterministic, Gaussian, GaussianPosterior, flat, shaped
from pushforward.distributions import Gaussian as GaussianLikelihood
from pushforward.engine import Loss, Noise, Player
from pushforward.errors import PushforwardError
from pushforward.families import Family, Tuning, VariationalAutoencoder
from pushforward.families.encoder_decoder import EncoderDecoder
from pushforward.networks import MLP, Conv, ResNet
from pushforward.objectives import KL, L1, ImportanceWeightedBound, Objective, Reconstruction, TotalCorrelation
from pushforward.spec import Batch, DataSpec

SPEC = DataSpec((1, 8, 8), 17, 100, 10)
N = 6
TUNING = Tuning(partial(torch.optim.Adam), 1e-3)


class TwoLevels(Bottleneck):
    """A map below and a vector above it, each a Gaussian: a code of two levels."""

    gives = frozenset({"code", "posterior", "Gaussian posterior"})

    def __init__(self, in_shape: tuple[int, ...], code_dim: int) -> None:
        super().__init__()
        features, *places = in_shape
        self.shapes = ((code_dim,), (2, *places))
        self.top, self.bottom = nn.Linear(features, 2 * code_dim), nn.Conv2d(features, 4, 1)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.dim, generator=generator)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        levels = zip(self.top(features.mean((2, 3))).chunk(2, 1), self.bottom(features).chunk(2, 1), strict=True)
        mean, log_std = (flat(level, self.shapes) for level in levels)
        z = mean if noise is None else mean + log_std.exp() * noise
        return Code(shaped(z, self.shapes), GaussianPosterior(mean, log_std))

    def describe(self) -> str:
        return f"Gaussian posterior over two levels of {self.size()}"


CONV = Conv(width=4, norm="none")
TERMS: dict[str, Any] = {"reconstruction": Reconstruction(), "kl": KL()}


def model(bottleneck: Any, seed: int = 0, network: Any = CONV, **more: Any) -> Any:
    torch.manual_seed(seed)
    options: dict[str, Any] = {"code": "map", "objective": TERMS, "optimizers": {"model": TUNING}, **more}
    return VariationalAutoencoder(SPEC, network, 3, bottleneck, GaussianLikelihood, **options)


def images(seed: int = 0) -> Tensor:
    return torch.rand(N, *SPEC.shape, generator=torch.Generator().manual_seed(seed))


FORMS = {"map": (Gaussian, 3 * 4 * 4), "two levels": (TwoLevels, 3 + 2 * 4 * 4)}


@pytest.mark.parametrize("form", FORMS)
def test_codes_of_any_shape_pass_through_encode_decode_and_terms(form: str) -> None:
    bottleneck, dim = FORMS[form]
    more = {**TERMS, "l1": L1(0.1), "tc": TotalCorrelation(1.0)}
    family, x = model(bottleneck, objective=more), images()
    code = family.coder(x)
    assert isinstance(code.z, tuple) == (form == "two levels")
    assert family.encode(x).shape == (N, dim) and torch.equal(family.encode(x), family.coder.flat(code.z))
    torch.testing.assert_close(family.decode(family.encode(x)), family.likelihood.mean(family.coder.decode(code.z)))
    assert family.sample(N, torch.Generator().manual_seed(0)).shape == family.reconstruct(x).shape == x.shape
    noise = family.draw("model", N, torch.Generator().manual_seed(1))
    loss = family.loss("model", Batch(x), noise)
    assert list(loss.terms) == list(more) and loss.terms["kl"].shape == (N,)
    grads = torch.autograd.grad(loss.total, list(family.parameters_of(family.players[0]).values()))
    assert all(bool(g.isfinite().all() and g.any()) for g in grads)
    q = family.posterior(x)
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.mean, q.log_std.exp()), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(loss.terms["kl"], kl.sum(1))
    assert family.log_prob(x, torch.Generator().manual_seed(2), 3).values.shape == (N,)


@pytest.mark.parametrize("form", FORMS)
def test_several_samples_an_image_take_codes_of_any_shape(form: str) -> None:
    """With k = 1 the bound is −ELBO of the same draw; with k = 3 it is that of three draws laid side by side."""
    bottleneck, _ = FORMS[form]
    family, x = model(bottleneck, objective={"bound": ImportanceWeightedBound()}, samples=3), images()
    noise = family.draw("model", N, torch.Generator().manual_seed(1))
    found = family.loss("model", Batch(x), noise).terms["bound"]
    one = model(bottleneck, objective={"bound": ImportanceWeightedBound()})
    each = [one.loss("model", Batch(x), {"code": noise["code"][:, k]}).terms["bound"] for k in range(3)]
    torch.testing.assert_close(found, -(torch.logsumexp(-torch.stack(each), 0) - math.log(3)), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_stacked_replicas_with_codes_of_any_shape_equal_the_replicas_alone(form: str) -> None:
    replicas = [model(FORMS[form][0], seed) for seed in (0, 1)]
    noises = [r.draw("model", N, torch.Generator().manual_seed(i)) for i, r in enumerate(replicas)]
    parameters, buffers = stack_module_state(replicas)

    def one(p: Any, b: Any, x: Tensor, noise: Any) -> Loss:
        return functional_call(replicas[0], (p, b), ("model", Batch(x), noise))

    noise = {"code": torch.stack([n["code"] for n in noises])}
    together = vmap(one)(parameters, buffers, torch.stack([images(0), images(1)]), noise)
    for k, replica in enumerate(replicas):
        alone = replica.loss("model", Batch(images(k)), noises[k])
        torch.testing.assert_close(together.total[k], alone.total, rtol=1e-5, atol=1e-5)


def test_maps_are_refused_where_there_are_none() -> None:
    with pytest.raises(PushforwardError, match=r"network=mlp makes no map encoder.*network=conv.*model\.code=vector"):
        model(Gaussian, network=MLP(hidden=[8]))
    with pytest.raises(PushforwardError, match=r"model\.code=grid: choose from vector, map"):
        model(Gaussian, code="grid")


class Split(Family):
    """A family whose two players own parts of one module: the encoder and the decoder against each other."""

    players = (Player("encoder", ("coder.encoder", "coder.bottleneck")), Player("decoder", ("coder.decoder",)))

    def __init__(self, spec: DataSpec, optimizers: Mapping[str, Tuning]) -> None:
        super().__init__(spec, optimizers)
        self.coder = EncoderDecoder(ResNet(width=2, norm="none"), spec.shape, Deterministic, 3)

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        return {}

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        error = (self.coder.decode(self.coder(batch.x).z)[:, 0] - batch.x).square().flatten(1).sum(1)
        return Loss(error.mean() if player == "encoder" else -error.mean(), {"error": error})

    @property
    def objectives(self) -> dict[str, Objective]:
        return {}

    def describe(self) -> dict[str, str]:
        return {player.name: "±‖x − x̂‖²" for player in self.players}


def test_players_of_another_family_own_the_parts() -> None:
    torch.manual_seed(0)
    family = Split(SPEC, {"encoder": TUNING, "decoder": TUNING})
    family.configure_optimizers()
    assert family.stepper is not None
    owned = [set(family.parameters_of(player)) for player in family.players]
    assert owned[0] | owned[1] == {name for name, _ in family.named_parameters()} and not owned[0] & owned[1]
    for player, own in zip(family.players, owned, strict=True):
        before = {name: p.detach().clone() for name, p in family.named_parameters()}
        family.stepper.step(player, Batch(images()), {}, 0.0)
        assert {n for n, p in family.named_parameters() if not torch.equal(p, before[n])} <= own
        assert any(not torch.equal(p, before[n]) for n, p in family.named_parameters())


@pytest.mark.parametrize("form", ["vector", "map"])
def test_a_condition_reaches_code_and_outputs(form: str) -> None:
    torch.manual_seed(0)
    coder = EncoderDecoder(CONV, SPEC.shape, Deterministic, 3, form, outputs=2, condition=4)
    x, c = images(), torch.randn(N, 4)
    z = coder(x, None, c).z
    assert not torch.equal(z, coder(x, None, c.roll(1, 0)).z)
    several = torch.stack([coder.flat(z), 2 * coder.flat(z)])
    found = coder.decode(shaped(several, coder.shapes), c)
    assert found.shape == (2, N, 2, *SPEC.shape)
    torch.testing.assert_close(found[1], coder.decode_flat(2 * coder.flat(z), c))
    assert not torch.equal(found[0], coder.decode(z, c.roll(1, 0)))
