"""The subject in eight plots, on digits, by models trained here and now. Drawn by `pushforward.report.tour`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pushforward.report import tour as report
from pushforward.store import whole
from pushforward.training.tour import bound, codes, information, players
from pushforward.training.tour.bench import Bench, commands

MEASURED: dict[str, tuple[Callable[[Bench], dict[str, Any]], tuple[str, ...]]] = {
    "1-entropy": (information.of_entropy, ()),
    "2-code": (information.of_code, ("flow", "VAE")),
    "3-autoencoder": (codes.of_autoencoder, ("autoencoder",)),
    "4-vae": (codes.of_variational, ("planar VAE",)),
    "5-rate-distortion": (bound.of_rate_distortion, ("VAE",)),
    "6-gradients": (bound.of_gradients, ("VAE",)),
    "7-game": (players.of_game, ("GAN",)),
    "8-families": (players.of_families, players.FAMILIES),
}
"""Plot -> what measures it, and the models of the bench that it shows."""


def tour(folder: Path, seed: int = 1) -> list[Path]:
    """Trains, measures and draws all eight into `folder`, with a line about each as it is finished; returns the pictures.

    One thread: small layers gain nothing from two, and lose much where another job has the other core.
    """
    from rich.console import Console

    console, start = Console(), time.perf_counter()
    print(
        f"Eight plots on scikit-learn's digits, seed {seed}; under a minute on a free core. Folder: {folder}",
        flush=True,
    )
    pictures = []
    with threads(1), console.status("loading") as status:
        bench = Bench(seed, lambda what: status.update(what))
        for number, plot in enumerate(report.PLOTS, 1):
            begun = time.perf_counter()
            measure, _ = MEASURED[plot.name]
            write(folder / f"{plot.name}.npz", measure(bench))
            path, caption = report.draw(folder, plot)
            pictures.append(path)
            line = f"{number} {plot.title}. {caption} [{path.name}, {time.perf_counter() - begun:.1f} s]"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        page = report.page(folder, commands={name: commands(*models) for name, (_, models) in MEASURED.items()})
    print(f"{page}   {time.perf_counter() - start:.0f} s", flush=True)
    return pictures


def write(path: Path, arrays: dict[str, Any]) -> None:
    """The arrays as one file, whole."""
    found = {k: v.numpy() if isinstance(v, torch.Tensor) else np.asarray(v) for k, v in arrays.items()}
    with whole(path) as aside:
        np.savez_compressed(aside, **found)  # type: ignore[arg-type]


@contextmanager
def threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
