"""The subject in eight plots, on digits, by models trained here and now; each is drawn from the arrays of one file."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pushforward.atomic_files import whole, write_whole
from pushforward.report.figures import load
from pushforward.tour import bound, codes, information, players
from pushforward.tour.drawing import Arrays
from pushforward.tour.models import Models, commands


@dataclass(frozen=True)
class Plot:
    """One plot: its file's name, its title, how it is measured, drawn and described, and the models it shows.

    draw and caption work from the arrays alone.
    """

    name: str
    title: str
    measure: Callable[[Models], dict[str, Any]]
    draw: Callable[[Arrays, Path], Path]
    caption: Callable[[Arrays], str]
    models: tuple[str, ...] = ()


PLOTS = (
    Plot(
        "1-entropy", "Entropy",
        information.measure_entropy, information.draw_entropy, information.caption_entropy,
    ),
    Plot(
        "2-code", "A wrong code",
        information.measure_code, information.draw_code, information.caption_code, ("flow", "VAE"),
    ),
    Plot(
        "3-autoencoder", "An autoencoder's latent space",
        codes.measure_autoencoder, codes.draw_autoencoder, codes.caption_autoencoder, ("autoencoder",),
    ),
    Plot(
        "4-vae", "A VAE's latent space",
        codes.measure_variational, codes.draw_variational, codes.caption_variational, ("planar VAE",),
    ),
    Plot(
        "5-rate-distortion", "Rate against distortion",
        bound.measure_rate_distortion, bound.draw_rate_distortion, bound.caption_rate_distortion, ("VAE",),
    ),
    Plot(
        "6-gradients", "With and without reparameterisation",
        bound.measure_gradients, bound.draw_gradients, bound.caption_gradients, ("VAE",),
    ),
    Plot(
        "7-game", "A GAN's players",
        players.measure_game, players.draw_game, players.caption_game, ("GAN",),
    ),
    Plot(
        "8-families", "Four families",
        players.measure_families, players.draw_families, players.caption_families, players.FAMILIES,
    ),
)  # fmt: skip


def tour(folder: Path, seed: int = 1) -> list[Path]:
    """Train, measure and draw all eight into `folder`, with a line about each as it is finished; return the pictures.

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
        models = Models(seed, lambda what: status.update(what))
        for number, plot in enumerate(PLOTS, 1):
            begun = time.perf_counter()
            write(folder / f"{plot.name}.npz", plot.measure(models))
            path, caption = draw(folder, plot)
            pictures.append(path)
            line = f"{number} {plot.title}. {caption} [{path.name}, {time.perf_counter() - begun:.1f} s]"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        page = write_page(folder)
    print(f"{page}   {time.perf_counter() - start:.0f} s", flush=True)
    return pictures


def write(path: Path, arrays: dict[str, Any]) -> None:
    """Write the arrays as one file, whole."""
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


def arrays(folder: Path, plot: Plot) -> Arrays:
    """Return what a plot is drawn from."""
    return load(folder / f"{plot.name}.npz")


def draw(folder: Path, plot: Plot) -> tuple[Path, str]:
    """Draw `NAME.npz` of the folder to `NAME.png`; return that path and the caption."""
    found = arrays(folder, plot)
    return plot.draw(found, folder / f"{plot.name}.png"), plot.caption(found)


def write_page(folder: Path, plots: Sequence[Plot] = PLOTS) -> Path:
    """Write `index.html`: the plots with their captions and the commands that train the like, in one file without others."""
    import base64

    from pushforward.untrusted_text import html as escape

    parts = []
    for plot in plots:
        picture = base64.b64encode((folder / f"{plot.name}.png").read_bytes()).decode()
        lines = "".join(f"<code>{escape(line)}</code>" for line in commands(*plot.models))
        parts.append(
            f"<section><h2>{escape(plot.title)}</h2><p>{escape(plot.caption(arrays(folder, plot)))}</p>"
            f'<img alt="{escape(plot.title)}" src="data:image/png;base64,{picture}">{lines}</section>'
        )
    path = folder / "index.html"
    write_whole(path, PAGE.replace("PLOTS", "\n".join(parts)))
    return path


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>pushforward: the subject in eight plots</title>
<style>
body{max-width:60rem;margin:3rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff}
h1{font-size:1.5rem;font-weight:600}h2{font-size:1.1rem;font-weight:600;margin:3rem 0 .3rem;counter-increment:plot}
h2::before{content:counter(plot) "  ";color:#d9822b}p{margin:.2rem 0 .8rem;max-width:48rem}img{width:100%;height:auto}
code{display:block;font-size:.78rem;color:#555;white-space:pre-wrap}
</style>
<h1>From entropy to diffusion, in eight plots</h1>
<p>Drawn on this machine from scikit-learn's handwritten digits (8×8 pixels, 17 grey levels)
by small models trained just now.</p>
PLOTS
</html>
"""
