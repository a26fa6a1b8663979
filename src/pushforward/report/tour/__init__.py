"""The subject in eight plots: each is drawn, and put in a line, from the arrays of one file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pushforward.report.figures import load
from pushforward.report.tour import bound, codes, information, players
from pushforward.report.tour.common import Arrays


@dataclass(frozen=True)
class Plot:
    """One plot: its file's name, its title, how it is drawn and what there is to see, both from its arrays alone."""

    name: str
    title: str
    draw: Callable[[Arrays, Path], Path]
    caption: Callable[[Arrays], str]


PLOTS = (
    Plot("1-entropy", "Entropy", information.entropy, information.entropy_caption),
    Plot("2-code", "A wrong code", information.code, information.code_caption),
    Plot("3-autoencoder", "An autoencoder's latent space", codes.autoencoder, codes.autoencoder_caption),
    Plot("4-vae", "A VAE's latent space", codes.variational, codes.variational_caption),
    Plot("5-rate-distortion", "Rate against distortion", bound.rate_distortion, bound.rate_distortion_caption),
    Plot("6-gradients", "With and without reparameterisation", bound.gradients, bound.gradients_caption),
    Plot("7-game", "A GAN's players", players.game, players.game_caption),
    Plot("8-families", "Four families", players.families, players.families_caption),
)


def arrays(folder: Path, plot: Plot) -> Arrays:
    """What a plot is drawn from."""
    return load(folder / f"{plot.name}.npz")


def draw(folder: Path, plot: Plot) -> tuple[Path, str]:
    """Draws `NAME.npz` of the folder to `NAME.png`; returns that path and the caption."""
    found = arrays(folder, plot)
    return plot.draw(found, folder / f"{plot.name}.png"), plot.caption(found)


def page(folder: Path, plots: Sequence[Plot] = PLOTS, commands: dict[str, Sequence[str]] | None = None) -> Path:
    """`index.html`: the plots with their captions and the commands that train the like, in one file without others."""
    import base64
    from html import escape

    from pushforward.store import write_whole

    parts = []
    for plot in plots:
        picture = base64.b64encode((folder / f"{plot.name}.png").read_bytes()).decode()
        lines = "".join(f"<code>{escape(line)}</code>" for line in (commands or {}).get(plot.name, ()))
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
