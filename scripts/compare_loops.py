"""Train DCGAN, DDPM and RealNVP on MNIST in loops written by hand and by `pushforward train`, and compare their numbers.

python scripts/compare_loops.py                                  # three models, three seeds, two epochs
python scripts/compare_loops.py --models gan --seeds 1 2 3 4 5

The loops are plain PyTorch: data, losses, optimisers, averages of weights, densities and samplers of their own. Layers are
written anew for the GAN and the flow; the U-Net is the package's. Both sides have the same architecture, batches of 64 and as
many steps, and draw their own numbers. FD-lenet is of --images samples against the 10,000 test images, by the same features;
bits per dimension are of the test images. One line a run, then mean and standard deviation of each side.
"""

import argparse
import math
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import pushforward as pf
from pushforward.metrics.sample import frechet_distance_of
from pushforward.networks.unet import UNetField
from pushforward.protocol.features import lenet

QUIET = ("data=mnist", "features=none", "metrics=none", "logger=none", "trainer.progress=false", "trainer.threads=1")
BATCH = 64


def batches(x: Tensor, epochs: int) -> Iterator[Tensor]:
    """Whole batches of x in a new order each epoch."""
    for _ in range(epochs):
        for rows in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            yield x[rows]


def gan(x: Tensor, test: Tensor, epochs: int, n: int) -> tuple[Tensor, float]:
    """Samples of a DCGAN trained on x in [0, 1]."""
    up = lambda a, b: nn.ConvTranspose2d(a, b, 4, 2, 1, bias=b == 1)  # noqa: E731
    down = lambda a, b: nn.Conv2d(a, b, 4, 2, 1)  # noqa: E731
    generator = nn.Sequential(
        nn.Linear(64, 3136, bias=False), nn.Unflatten(1, (64, 7, 7)), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        up(64, 32), nn.BatchNorm2d(32), nn.ReLU(), up(32, 1), nn.Tanh(),
    )  # fmt: skip
    critic = nn.Sequential(
        down(1, 32), nn.LeakyReLU(0.2), down(32, 64), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 64, 3, 1, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(3136, 1),
    )  # fmt: skip
    critic_steps = torch.optim.Adam(critic.parameters(), 2e-4, (0.5, 0.999))
    generator_steps = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    for real in batches(x, epochs):
        with torch.no_grad():
            fake = generator(torch.randn(BATCH, 64))
        loss = F.softplus(-critic(2 * real - 1)).mean() + F.softplus(critic(fake)).mean()
        critic_steps.zero_grad()
        loss.backward()
        critic_steps.step()
        loss = F.softplus(-critic(generator(torch.randn(BATCH, 64)))).mean()
        generator_steps.zero_grad()
        loss.backward()
        generator_steps.step()
    generator.eval()
    with torch.no_grad():
        samples = torch.cat([generator(torch.randn(500, 64)) for _ in range(n // 500)])
    return (samples + 1) / 2, math.nan


def ddpm(x: Tensor, test: Tensor, epochs: int, n: int) -> tuple[Tensor, float]:
    """Samples of a DDPM trained on x in [0, 1], drawn in 50 ancestral steps."""
    T, calls = 1000, 50
    field = UNetField((1, 28, 28), width=16, multipliers=(1, 2, 2), blocks=1, attention=7, condition=0)
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    cosine = torch.cos(0.5 * math.pi * (t + 0.008) / 1.008).square()
    alpha_bar = torch.cumprod(1 - (1 - cosine[1:] / cosine[:-1]).clamp(max=0.999), 0)
    steps = torch.optim.Adam(field.parameters(), 1e-3)
    mean = [p.detach().clone() for p in field.parameters()]
    root, rest = alpha_bar.sqrt().float(), (1 - alpha_bar).sqrt().float()
    for i, real in enumerate(batches(x, epochs)):
        level, noise = torch.randint(T, (len(real),)), torch.randn(len(real), 1, 28, 28)
        noised = root[level, None, None, None] * (2 * real - 1) + rest[level, None, None, None] * noise
        loss = (field(noised, (level + 1) / T) - noise).square().sum((1, 2, 3)).mean()
        steps.zero_grad()
        loss.backward()
        steps.step()
        with torch.no_grad():
            for average, p in zip(mean, field.parameters(), strict=True):
                average.lerp_(p, 1 - min(0.999, (i + 1) / (i + 10)))
    with torch.no_grad():
        for average, p in zip(mean, field.parameters(), strict=True):
            p.copy_(average)
    levels = torch.linspace(1, T, calls, dtype=torch.float64).round().long() - 1
    shorter = alpha_bar[levels]
    before = torch.cat((torch.ones(1, dtype=torch.float64), shorter[:-1]))
    beta = 1 - shorter / before

    @torch.no_grad()
    def draw(count: int) -> Tensor:
        v = torch.randn(count, 1, 28, 28)
        for i in reversed(range(calls)):
            noise = field(v, ((levels[i] + 1) / T).float().expand(count))
            x0 = ((v - (1 - shorter[i]).sqrt().float() * noise) / shorter[i].sqrt().float()).clamp(-1, 1)
            a, b = before[i].sqrt() * beta[i], (1 - beta[i]).sqrt() * (1 - before[i])
            v = ((a.float() * x0 + b.float() * v) / (1 - shorter[i])).float()
            if i:
                v = v + (beta[i] * (1 - before[i]) / (1 - shorter[i])).sqrt().float() * torch.randn_like(v)
        return v

    return (torch.cat([draw(500) for _ in range(n // 500)]) + 1) / 2, math.nan


class Coupling(nn.Module):
    """y_b = exp(s(x_a))·x_b + t(x_a), |s| < 3."""

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.kept, self.moved = order[: len(order) // 2], order[len(order) // 2 :]
        self.net = nn.Sequential(
            nn.Linear(len(self.kept), 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, 2 * len(self.moved)),
        )
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def parameters_of(self, a: Tensor) -> tuple[Tensor, Tensor]:
        # a dimension's shift and log-scale lie side by side
        shift, scale = self.net(a).unflatten(-1, (-1, 2)).unbind(-1)
        return shift, scale / (1 + (scale / 3).abs())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale = self.parameters_of(x[:, self.kept])
        y = x.clone()
        y[:, self.moved] = scale.exp() * x[:, self.moved] + shift
        return y, scale.sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        shift, scale = self.parameters_of(y[:, self.kept])
        x = y.clone()
        x[:, self.moved] = (y[:, self.moved] - shift) * (-scale).exp()
        return x


def realnvp(x: Tensor, test: Tensor, epochs: int, n: int) -> tuple[Tensor, float]:
    """Samples and bits per dimension of a RealNVP trained on x in [0, 1] of 256 levels."""
    D, alpha = 784, 1e-6
    layers = nn.ModuleList()
    for i in range(8):
        order = torch.randperm(D) if i % 2 == 0 else order.flip(0)  # noqa: F821
        layers.append(Coupling(order))

    def density(images: Tensor) -> Tensor:
        """log p of images dequantised within their levels' bins, nats, (n,)."""
        u = (images.flatten(1) * 255 + torch.rand(len(images), D)) / 256
        s = alpha + (1 - 2 * alpha) * u
        v, log_det = torch.logit(s), (math.log(1 - 2 * alpha) - s.log() - torch.log1p(-s)).sum(1)
        for layer in layers:
            v, scale = layer(v)
            log_det = log_det + scale
        return log_det - 0.5 * v.square().sum(1) - 0.5 * D * math.log(2 * math.pi)

    steps = torch.optim.Adam(layers.parameters(), 1e-3)
    for real in batches(x, epochs):
        steps.zero_grad()
        (-density(real).mean()).backward()
        nn.utils.clip_grad_norm_(layers.parameters(), 50.0)
        steps.step()

    @torch.no_grad()
    def draw(count: int) -> Tensor:
        v = torch.randn(count, D)
        for layer in reversed(layers):
            v = layer.inverse(v)
        u = ((v.sigmoid() - alpha) / (1 - 2 * alpha)).clamp(0, 1 - 1e-7)
        return ((u * 256).floor() / 255).view(n, 1, 28, 28)

    with torch.no_grad():
        nats = torch.cat([density(part) for part in test.split(500)]).mean().item()
    return torch.cat([draw(500) for _ in range(n // 500)]), 8 - nats / D / math.log(2)


LOOPS: dict[str, Callable[[Tensor, Tensor, int, int], tuple[Tensor, float]]] = {
    "gan": gan,
    "ddpm": ddpm,
    "realnvp": realnvp,
}


def ours(model: str, seed: int, epochs: int) -> Any:
    """The trained model of `pushforward train`."""
    run = pf.train(f"model={model}", f"seed={seed}", f"budget.epochs={epochs}", "selection.metric=none", *QUIET)
    return pf.load(run)


def summary(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else math.nan
    return f"{statistics.mean(values):.4g} ± {deviation:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=LOOPS, default=list(LOOPS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--images", type=int, default=10_000, help="samples of each model, in five hundreds")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as outputs:
        os.environ["PUSHFORWARD_OUTPUTS"] = outputs
        for model in args.models:
            found: dict[str, list[tuple[float, float]]] = {"by hand": [], "pushforward": []}
            for seed in args.seeds:
                trained = ours(model, seed, args.epochs)
                data = trained.data
                x, test = data.tensor("train"), data.tensor("test")
                features = lenet.for_data(data)
                reference = features(test)
                torch.manual_seed(seed)
                made = {"by hand": LOOPS[model](x, test, args.epochs, args.images)}
                bits = math.nan
                if model == "realnvp":
                    with torch.no_grad():
                        g = torch.Generator().manual_seed(seed)
                        nats = (
                            torch.cat([trained.family.log_prob(part, g).values for part in test.split(500)])
                            .mean()
                            .item()
                        )
                    bits = -nats / 784 / math.log(2) + 8
                made["pushforward"] = trained.sample(args.images), bits
                for side, (samples, bits) in made.items():
                    levels = (samples.clamp(0, 1) * 255).round() / 255
                    fd = frechet_distance_of(features(levels), reference)
                    found[side].append((fd, bits))
                    print(f"{model:8} seed {seed}  {side:12} FD-lenet {fd:8.3f}  bits/dim {bits:.4f}", flush=True)
            for side, values in found.items():
                distance, bits_per_dim = (summary(list(column)) for column in zip(*values, strict=True))
                print(f"{model:8} {side:20} FD-lenet {distance}  bits/dim {bits_per_dim}")


if __name__ == "__main__":
    main()
