"""What pictures are drawn from: arrays of samples, reconstructions, interpolations and codes, in the run directory."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pushforward.data import DataModule
from pushforward.families import Family
from pushforward.report.figures import draw_all
from pushforward.runs import RunDir
from pushforward.seeds import generator
from pushforward.training.build import as_precise_as

GRID, PAIRS, STEPS, POINTS = 64, 16, 11, 2000


def draw(run: RunDir, family: Family, data: DataModule) -> list[Path]:
    """Writes the arrays of what the family can show, and draws them. Returns the pictures."""
    training = family.training
    family.eval()
    with torch.no_grad(), as_precise_as(family):
        found = points(family, data) if not data.spec.is_image else images(family, data)
    family.train(training)
    for name, arrays in found.items():
        run.write_arrays(name, **{key: value.float().cpu().numpy() for key, value in arrays.items()})
    return draw_all(run.path)


def images(family: Family, data: DataModule) -> dict[str, dict[str, Tensor]]:
    """Arrays for images: each only where the family is capable of it."""
    g = generator(family.device, 0, "pictures")
    found: dict[str, dict[str, Tensor]] = {}
    f: Any = family
    x = next(iter(data.batches("test", size=PAIRS, limit=PAIRS))).x.to(family.device, family.dtype)  # type: ignore[arg-type]
    if family.can("sample"):
        found["samples"] = {"x": f.sample(GRID, g)}
    if family.can("denoise"):
        corrupted, restored = f.denoise(x, g)
        found["reconstructions"] = {"x": x, "corrupted": corrupted, "reconstruction": restored}
    elif family.can("reconstruct"):
        found["reconstructions"] = {"x": x, "reconstruction": f.reconstruct(x)}
    if family.can("encode") and family.can("decode"):
        z = f.encode(x)
        a, b = z[: PAIRS // 2], z[PAIRS // 2 :]
        shares = torch.linspace(0, 1, STEPS, device=z.device)
        path = torch.lerp(a[:, None], b[:, None], shares.view(1, -1, *[1] * (a.ndim - 1)))
        found["interpolation"] = {"x": f.decode(path.flatten(0, 1)).unflatten(0, (len(a), STEPS))}
        if family.can("reconstruct"):
            found.update(codes(f, data))
    return found


def codes(f: Any, data: DataModule) -> dict[str, dict[str, Tensor]]:
    """A map of the code's two widest directions by class; for few dimensions, what each does on its own."""
    batch = next(iter(data.batches("test", size=POINTS, limit=POINTS)))
    z = f.encode(batch.x.to(f.device, f.dtype))
    centre = z.mean(0)
    flat = z if z.shape[1] == 2 else (z - centre) @ torch.linalg.svd(z - centre, full_matrices=False)[2][:2].T
    found = {
        "latent": {"z": flat, "dimensions": torch.tensor(z.shape[1]), **({} if batch.y is None else {"y": batch.y})}
    }
    spread = z.std(0)
    widest = spread.argsort(descending=True)[: min(8, z.shape[1])]
    shares = torch.linspace(-2, 2, STEPS, device=z.device)
    steps = centre + shares[None, :, None] * torch.diag(spread)[widest][:, None]
    found["traversal"] = {"x": f.decode(steps.flatten(0, 1)).unflatten(0, (len(widest), STEPS))}
    return found


def points(family: Family, data: DataModule) -> dict[str, dict[str, Tensor]]:
    """Samples of a plane over the data, and over the true density where it is known."""
    if not family.can("sample") or data.spec.shape != (2,):
        return {}
    x: Tensor = family.sample(POINTS, generator(family.device, 0, "pictures"))  # type: ignore[operator]
    x, real = data.spec.original(x), data.spec.original(data.tensor("test", limit=POINTS))
    found = {"x": x, "data": real}
    low, high = real.min(0).values - 0.5, real.max(0).values + 0.5
    axes = [torch.linspace(float(a), float(b), 120) for a, b in zip(low, high, strict=True)]
    grid = torch.stack(torch.meshgrid(*axes, indexing="xy"), -1)
    log_density = data.log_density
    if log_density is not None:
        extent = torch.tensor([float(low[0]), float(high[0]), float(low[1]), float(high[1])])
        found |= {"log_density": log_density(grid.reshape(-1, 2)).reshape(120, 120), "extent": extent}
    return {"points": found}
