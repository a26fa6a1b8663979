"""The hand-written loops train what the recipes train: the same loss at the same weights, and on the way down."""

import pytest
import torch
from torch import Tensor, nn

from bench.written import diffusion, flow, gan, vae
from pushforward.composition import compose
from pushforward.data import DataModule
from pushforward.families import Family
from pushforward.spec import Batch, DataSpec
from pushforward.training import build

MNIST = DataSpec(shape=(1, 28, 28), levels=256, n_train=55_000, n_classes=10)
DIGITS = DataSpec(shape=(1, 8, 8), levels=17, n_train=1257, n_classes=10)
N = 16


def family(*overrides: str, spec: DataSpec) -> Family:
    return build.build_family(compose([*overrides, "trainer.threads=1"]), spec)


def images(spec: DataSpec) -> Tensor:
    """Black, white and what lies between."""
    assert spec.levels is not None
    levels = torch.randint(0, spec.levels, (N, *spec.shape), generator=torch.Generator().manual_seed(0))
    x = levels.float() / (spec.levels - 1)
    x[:, :, ::3], x[:, :, 1::3] = 0.0, x[:, :, 1::3].round()
    return x


def copy(source: nn.Module, target: nn.Module) -> None:
    """Parameters one by one: the layers are in the same order."""
    theirs, ours = list(source.parameters()), list(target.parameters())
    assert [p.shape for p in theirs] == [p.shape for p in ours]
    with torch.no_grad():
        for a, b in zip(theirs, ours, strict=True):
            b.copy_(a.detach())


def shaken(net: nn.Module) -> nn.Module:
    """Away from layers that start at zero."""
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=g))
    return net


@pytest.mark.parametrize(
    ("overrides", "spec", "net", "likelihood"),
    [
        (
            ("model=vae", "network.hidden=[512]", "likelihood=bernoulli"),
            MNIST,
            vae.mlp(784, (512,), 1),
            "bernoulli",
        ),
        (("model=vae",), DIGITS, vae.mlp(64, (512, 256), 2), "logistic"),
        (("model=vae", "network=conv"), MNIST, vae.conv(2), "logistic"),
    ],
)
def test_vae(overrides: tuple[str, ...], spec: DataSpec, net: vae.VAE, likelihood: str) -> None:
    model, x, noise = family(*overrides, spec=spec), images(spec), torch.randn(N, vae.CODE)
    shaken(model)
    copy(model, net)
    target, terms = vae.likelihood_of(likelihood, spec.levels or 0)
    written = sum(terms(net, target(x.flatten(1)), noise)) / N
    same(
        model,
        model.loss("model", Batch(x), {"code": noise}).total,
        list(model.parameters()),
        written,
        list(net.parameters()),
    )


def same(model: Family, ours: Tensor, of_ours: list[Tensor], written: Tensor, of_written: list[Tensor]) -> None:
    """Equal values and gradients, to the rounding of sums in another order."""
    assert ours.item() == pytest.approx(written.item(), rel=1e-5)
    for a, b in zip(torch.autograd.grad(ours, of_ours), torch.autograd.grad(written, of_written), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(a.abs().max()))


def test_gan() -> None:
    model, x, z = family("model=gan", spec=MNIST), images(MNIST), torch.randn(N, gan.CODE)
    g, d = gan.generator(), gan.critic()
    copy(model.generator, g)  # type: ignore[arg-type]
    copy(model.critic, d)  # type: ignore[arg-type]
    for player, written, own, ours in (
        ("critic", gan.critic_loss(d, g, 2 * x - 1, z), d, model.critic),
        ("generator", gan.generator_loss(d, g, z), g, model.generator),
    ):
        loss = model.loss(player, Batch(x), {"code": z, "mix": torch.rand(N)})
        same(model, loss.total, list(ours.parameters()), written, list(own.parameters()))  # type: ignore[union-attr]


def test_flow() -> None:
    """A written layer takes the halves as they come: its splits are given in terms of the ones before."""
    # float64: made-up weights on made-up images lose half of float32's digits
    model, x, u = (
        family("model=realnvp", spec=DIGITS).double(),
        images(DIGITS).double(),
        torch.rand(N, 1, 8, 8).double(),
    )
    net, ours = flow.RealNVP(64).double(), list(model.bijection.transforms)  # type: ignore[arg-type, union-attr]
    shaken(net)
    before = torch.arange(64)
    for i, (first, second) in enumerate(zip(ours[::2], ours[1::2], strict=True)):
        net.orders[i] = before.argsort()[first.order]
        before = first.order
        assert torch.equal(second.order, first.order.flip(0))
        become(first.hyper, net.first[i])
        become(second.hyper, net.second[i], mirrored=True)
    written = flow.loss(net, *flow.prepared(x, u, 17))
    loss = model.loss("model", Batch(x), {"dequantize": u}).total
    loss.backward()
    written.backward()
    assert loss.item() == pytest.approx(written.item(), rel=1e-5)
    norms = [sum(float(p.grad.square().sum()) for p in m.parameters()) for m in (model, net)]  # type: ignore[union-attr]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def become(hyper: nn.Module, written: nn.Module, mirrored: bool = False) -> None:
    """The coupling's network: it has shift and scale side by side, and a second layer's halves in reverse."""
    weights = [p.detach().clone() for p in written.parameters()]
    if mirrored:
        weights[0] = weights[0].flip(1)
    for k in (-2, -1):
        pairs = torch.stack(weights[k].chunk(2), 1)
        weights[k] = (pairs.flip(0) if mirrored else pairs).flatten(0, 1)
    with torch.no_grad():
        for p, w in zip(hyper.parameters(), weights, strict=True):
            p.copy_(w)


def test_diffusion() -> None:
    model, x, eps = family("model=ddpm", spec=DIGITS), images(DIGITS), torch.randn(N, 1, 8, 8)
    net, time = diffusion.field((1, 8, 8)), torch.rand(N)
    shaken(model)
    copy(model.field, net)  # type: ignore[arg-type]
    i = (time * diffusion.TIMESTEPS).long()
    written = diffusion.loss(net, *diffusion.noised(x, i, eps, diffusion.kept()), eps)
    loss = model.loss("model", Batch(x), {"time": time, "noise": eps})
    same(model, loss.total, list(model.parameters()), written, list(net.parameters()))


def test_learns_the_same() -> None:
    """The mean loss of steps 100 to 200, three seeds each; seeds differ by 0.15 nats of 28.7."""
    frozen = compose(["model=vae", "data=digits", "network.hidden=[64]", "likelihood=bernoulli", "trainer.threads=1"])
    data: DataModule = build.build_data(frozen)
    x = data.tensor("train")
    ours, written = [], []
    for seed in range(3):
        data.seed, data.per_cycle, data.cycles, data.device = seed, 1, 208, "cpu"
        model = build.build_family({**frozen, "seed": seed}, data.spec)
        model.configure_optimizers()
        assert model.stepper is not None
        for block in data.train_dataloader():
            model.stepper.block(block)
        steps = model.stepper.history.steps()
        ours.append((steps["model/reconstruction"] + steps["model/kl"])[100:200].mean())
        torch.manual_seed(seed)
        loop = vae.steps(vae.mlp(64, (64,), 1), "bernoulli", x, 64)
        written.append(torch.stack([next(loop) for _ in range(200)])[100:].mean())
    a, b = torch.stack(ours), torch.stack(written)
    assert abs(float(a.mean() - b.mean())) < 0.3
