"""The arrays from which pictures are drawn: samples, reconstructions, interpolations and codes, in the run directory."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from pushforward.bottlenecks import REAL
from pushforward.data import DataModule
from pushforward.families import (
    ClassConditional,
    Denoises,
    Family,
    HasCodes,
    HasPrior,
    Reconstructs,
    Samples,
    ShowsSteps,
)
from pushforward.protocol.plane import Plane, as_bytes, bytes_of, share_in_plane
from pushforward.protocol.subject import as_images
from pushforward.report.figures import draw_all
from pushforward.runs import RunDir
from pushforward.seeds import generator
from pushforward.spec import Batch
from pushforward.training.build import as_precise_as
from pushforward.training.missing_results import Gaps, apart

GRID, PAIRS, STEPS, POINTS, ROWS = 64, 16, 11, 2000, 12
SIDE, FINE, DOTS = 25, 60, 1000
"""Images across a decoded plane, places across the density over it, and codes that are drawn in it."""
ENDS, BETWEEN = 8, 9
"""Images between each pair of which there is a way, and images on the way."""
TRAJECTORY, MOMENTS, CALLS = 12, 16, 50
"""Samples that are shown on their way from noise, moments of it, and calls of the network."""
PIXELS = 2**20
"""Pixels of an array of images, at the most: beyond, fewer images are shown. 64 images of 128×128, 16 of 256×256."""

Arrays = dict[str, Tensor]


def draw(run: RunDir, family: Family, data: DataModule, gaps: Gaps, seen: float | None = None) -> list[Path]:
    """Writes the arrays of what the family can show, and draws them. Returns the pictures.

    Each fails alone: `gaps` has it under `pictures.NAME`. seen: images seen, of a moment of training, which is kept.
    """
    training = family.training
    family.eval()
    shown, own = as_images(family, data)
    made = (images if own.spec.is_image else points)(shown, own)
    # of a model that has no prior of its own, reconstructions show how far it is
    shown_then = "samples" if "samples" in made else "reconstructions"
    for name, make in made.items():
        with apart(run, gaps, f"pictures.{name}"):
            with torch.no_grad(), as_precise_as(family):
                arrays = make()
            run.write_arrays(name, **{key: plain(value).cpu().numpy() for key, value in arrays.items()})
            if seen is not None and own.spec.is_image and name == shown_then:
                moment = {key: bytes_of(value[:PAIRS]).numpy() for key, value in arrays.items()}
                run.write_arrays(f"{name}-{int(seen):09d}", **moment)
    family.train(training)
    return draw_all(run.path, lambda name: apart(run, gaps, f"pictures.{name}"))


def plain(value: Tensor) -> Tensor:
    """An array as it is kept: bytes as they are, all else as float32."""
    return value if value.dtype == torch.uint8 else value.float()


def lacking(run: RunDir, family: Family, data: DataModule) -> list[str]:
    """Arrays of pictures that the family can show and the run has not kept: it was trained before there were any."""
    shown, own = as_images(family, data)
    names = (images if own.spec.is_image else points)(shown, own)
    return [name for name in names if not (run.arrays / f"{name}.npz").is_file()]


def images(family: Family, data: DataModule) -> dict[str, Callable[[], Arrays]]:
    """The functions that make the arrays of each picture of images that the family is capable of."""
    shown: dict[str, Callable[[], Arrays]] = {}
    several = size(data) > 1  # one code has no way to another, and no directions
    if isinstance(family, Samples):
        shown["samples"] = lambda: {"x": family.sample(min(GRID, affordable(data)), noise(family))}
    if isinstance(family, ClassConditional) and family.condition.classes:
        shown["classes"] = lambda: classes(family, data)
    if isinstance(family, Reconstructs):
        shown["reconstructions"] = lambda: reconstructions(
            family, some(family, data, min(PAIRS, affordable(data))), noise(family)
        )
    if isinstance(family, HasCodes) and several:
        shown["interpolation"] = lambda: interpolation(family, some(family, data, PAIRS), data)
    if isinstance(family, Reconstructs) and several:
        shown["latent"] = lambda: latent(family, some(family, data, POINTS), shown_batch(data, POINTS).y)
        shown["traversal"] = lambda: traversal(family, some(family, data, POINTS), data)
        shown["plane"] = lambda: plane(family, some(family, data, POINTS), shown_batch(data, POINTS).y, data)
        shown["between"] = lambda: between(family, some(family, data, ENDS), data)
    if isinstance(family, ShowsSteps):
        shown["trajectory"] = lambda: trajectory(family, data)
    return shown


def noise(family: Family) -> torch.Generator:
    return generator(family.device, 0, "pictures")


def classes(family: ClassConditional, data: DataModule) -> Arrays:
    """Rows of samples of one class each, at most `ROWS`; a column has the same noise in all."""
    shares = data.spec.class_shares
    y = torch.tensor([k for k, share in enumerate(shares) if share > 0][: min(ROWS, affordable(data))])
    columns = max(1, min(ROWS, affordable(data) // len(y)))
    rows = [family.sample(columns, noise(family), k.repeat(columns)) for k in y]  # type: ignore[arg-type]
    return {"x": torch.stack(rows), "y": y}


def split_of(data: DataModule) -> str:
    """The split that is shown: test, or the first that has images where the data keep none for it."""
    sizes = data.card["splits"]
    return next((split for split in ("test", "val", "train") if sizes[split]), "test")


def size(data: DataModule) -> int:
    """Images that can be shown."""
    return int(data.card["splits"][split_of(data)])


def affordable(data: DataModule) -> int:
    """The number of images of this size that an array may hold: at 256×256 compressing 64 would take longer than training."""
    return max(1, PIXELS // math.prod(data.spec.shape[1:]))


def shown_batch(data: DataModule, n: int) -> Batch:
    """The first images of the split that is shown, at most n."""
    return next(iter(data.batches(split_of(data), size=n, limit=n)))


def some(family: Family, data: DataModule, n: int) -> Tensor:
    """The first images of the split that is shown, at most n, on the family's device."""
    return shown_batch(data, n).x.to(family.device, family.dtype)  # type: ignore[arg-type]


def reconstructions(family: Reconstructs, x: Tensor, noise: torch.Generator) -> Arrays:
    if not isinstance(family, Denoises):
        return {"x": x, "reconstruction": family.reconstruct(x)}
    corrupted, restored = family.denoise(x, noise)
    return {"x": x, "corrupted": corrupted, "reconstruction": restored}


def interpolation(family: HasCodes, x: Tensor, data: DataModule) -> Arrays:
    """Lines of decoded codes between two images' codes."""
    z = family.encode(x)
    lines = max(1, min(len(z) // 2, affordable(data) // STEPS))
    a, b = z[:lines], z[len(z) // 2 :][:lines]
    shares = torch.linspace(0, 1, STEPS, device=z.device)
    path = torch.lerp(a[:, None], b[:, None], shares.view(1, -1, *[1] * (a.ndim - 1)))
    return {"x": family.decode(path.flatten(0, 1)).unflatten(0, (lines, STEPS))}


def latent(family: HasCodes, x: Tensor, y: Tensor | None) -> Arrays:
    """A map of the code's two widest directions by class; of a code of one unit, of that and nothing."""
    z = family.encode(x)
    centred = z - z.mean(0)
    flat = z if z.shape[1] == 2 else centred @ torch.linalg.svd(centred, full_matrices=False)[2][:2].T
    flat = torch.nn.functional.pad(flat, (0, 2 - flat.shape[1]))
    return {"z": flat, "dimensions": torch.tensor(z.shape[1]), **({} if y is None else {"y": y})}


def traversal(family: HasCodes, x: Tensor, data: DataModule) -> Arrays:
    """Traversals of each of the code's widest units, from two standard deviations below its mean to two above."""
    z = family.encode(x)
    centre, spread = z.mean(0), z.std(0)
    widest = spread.argsort(descending=True)[: max(1, min(8, z.shape[1], affordable(data) // STEPS))]
    shares = torch.linspace(-2, 2, STEPS, device=z.device)
    steps = centre + shares[None, :, None] * torch.diag(spread)[widest][:, None]
    return {"x": family.decode(steps.flatten(0, 1)).unflatten(0, (len(widest), STEPS))}


def plane(family: HasCodes, x: Tensor, y: Tensor | None, data: DataModule) -> Arrays:
    """Decoded images over the codes' plane, (side, side, *shape), rows upwards; codes in it, and the prior's log-density."""
    z = family.encode(x)
    found = Plane.of(z)
    side = min(SIDE, math.isqrt(affordable(data)))
    decoded = as_bytes(family.decode, found.grid(side)).unflatten(0, (side, side))
    arrays = {"x": decoded, "extent": found.extent, "codes": found.coordinates(z)[:DOTS]}
    arrays |= {"dimensions": torch.tensor(z.shape[1]), "share": share_in_plane(z, found)}
    arrays |= {} if y is None else {"y": y[:DOTS]}
    if isinstance(family, HasPrior) and family.prior is not None and family.prior.support == REAL:
        arrays["log_prior"] = family.prior.log_prob(found.grid(FINE)).view(FINE, FINE)
    return arrays


def between(family: HasCodes, x: Tensor, data: DataModule) -> Arrays:
    """Ways between the codes of each pair of images, (pairs, steps, *shape), pairs (0, 1), (0, 2), (1, 2), (0, 3) …"""
    most = affordable(data) // BETWEEN
    n = max(k for k in range(2, len(x) + 1) if k == 2 or k * (k - 1) // 2 <= most)
    z = family.encode(x[:n])
    a, b = map(list, zip(*((i, j) for j in range(n) for i in range(j)), strict=True))
    shares = torch.linspace(0, 1, BETWEEN, device=z.device)
    path = torch.lerp(z[a][:, None], z[b][:, None], shares.view(1, -1, *[1] * (z.ndim - 1)))
    return {"x": as_bytes(family.decode, path.flatten(0, 1)).unflatten(0, path.shape[:2]), "images": bytes_of(x[:n])}


def trajectory(family: ShowsSteps, data: DataModule) -> Arrays:
    """Samples on their way from noise, (moments, n, *shape), and the number of calls before each; the last is their end."""
    n = max(1, min(TRAJECTORY, affordable(data) // MOMENTS))
    seen = family.sampling_steps(n, noise(family), CALLS)  # type: ignore[arg-type]
    at = torch.linspace(0, len(seen) - 1, min(MOMENTS, len(seen))).round().long()
    return {"x": torch.stack([bytes_of(seen[i]) for i in at]), "calls": at, "all": torch.tensor(len(seen) - 1)}


def points(family: Family, data: DataModule) -> dict[str, Callable[[], Arrays]]:
    """The function that makes the arrays of the one picture of points in the plane."""
    if not isinstance(family, Samples) or data.spec.shape != (2,):
        return {}
    return {"points": lambda: cloud(family.sample(POINTS, noise(family)), data)}


def cloud(x: Tensor, data: DataModule) -> Arrays:
    """Samples of a plane over the data, and over the true density where it is known."""
    real = data.tensor(split_of(data), limit=POINTS)
    x, real = data.spec.original(x), data.spec.original(real)
    found = {"x": x, "data": real}
    low, high = real.min(0).values - 0.5, real.max(0).values + 0.5
    axes = [torch.linspace(float(a), float(b), 120) for a, b in zip(low, high, strict=True)]
    grid = torch.stack(torch.meshgrid(*axes, indexing="xy"), -1)
    log_density = data.log_density
    if log_density is not None:
        extent = torch.tensor([float(low[0]), float(high[0]), float(low[1]), float(high[1])])
        found |= {"log_density": log_density(grid.reshape(-1, 2)).reshape(120, 120), "extent": extent}
    return found
