"""Figures for papers: of made-up runs, every kind, every suffix, the same bytes; what cannot be drawn is one line."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pushforward.cli import main
from pushforward.errors import PushforwardError
from pushforward.report.paper import KINDS, Settings, draw, pictures
from pushforward.report.paper.style import styled, width_of
from pushforward.runs import Run, RunDir

Make = Callable[..., Run]
RNG = np.random.default_rng(0)
CURVES = "images_seen,train/kl,val/kl,val/total\n100,1,,\n200,2,2.5,9\n300,3,3.5,8\n"


@pytest.fixture
def runs(make: Make) -> list[Run]:
    """Two seeds of a VAE and a GAN that keep everything, and one run that keeps nothing."""
    found = [make("vae", s, rate=5.0 + s, distortion=80.0 - s, fd_lenet=(9.0 + s, {"floor": 2.0})) for s in (1, 2)]
    found += [make("gan", s, fd_lenet=(20.0 + s, {"floor": 2.0})) for s in (1, 2)]
    x = RNG.random((12, 1, 8, 8))
    for run in found:
        own = RunDir(run.path)
        own.write_arrays("samples", x=x)
        own.write_arrays("reconstructions", x=x, reconstruction=x / 2, corrupted=1 - x)
        own.write_arrays("trajectory", x=RNG.random((4, 3, 1, 8, 8)), calls=np.arange(4), all=4)
        for name in ("interpolation", "traversal"):
            own.write_arrays(name, x=RNG.random((5, 7, 1, 8, 8)))
        z = RNG.normal(size=(60, 2))
        own.write_arrays("latent", z=z, y=np.arange(60) % 10, dimensions=2)
        log_prior = -np.add.outer(np.linspace(-3, 3, 9) ** 2, np.linspace(-3, 3, 9) ** 2) / 2
        own.write_arrays(
            "plane", x=RNG.random((5, 5, 1, 8, 8)), extent=np.array([-3.0, 3, -3, 3]), codes=z, dimensions=16, share=0.5,
            log_prior=log_prior,
        )  # fmt: skip
        (run.path / "metrics.csv").write_text(CURVES)
    return [*found, make("wgan_gp")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_at_its_width(kind: str, runs: list[Run], tmp_path: Path) -> None:
    assert len(KINDS) == 11
    out = tmp_path / f"{kind}.png"
    columns = ("fd_lenet", "rate") if kind == "cost" else ()
    if kind == "cost":
        runs = [run for run in runs if run.key("model") == "vae"]
    notes = draw(kind, runs, out, Settings(width=3.25, columns=columns))
    with Image.open(out) as image:
        assert image.width == pytest.approx(975, abs=2) and len(set(image.convert("L").tobytes())) > 10
    if kind != "cost":
        assert any("wgan_gp" in note or "left out" in note for note in notes)
    if kind in ("curves", "bars", "frontier", "cost"):
        assert any("seeds" in note for note in notes)


@pytest.mark.parametrize("suffix", ["pdf", "svg", "png"])
def test_files_are_the_same_and_hold_text(suffix: str, runs: list[Run], tmp_path: Path) -> None:
    out, again = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    for path in (out, again):
        draw("bars", runs, path, Settings(width=3.25, columns=("fd_lenet",)), "serif")
    content = out.read_bytes()
    assert content == again.read_bytes() and not list(tmp_path.glob(".*"))
    if suffix == "pdf":
        assert b"/CIDFontType2" in content and b"/Type3" not in content and b"STIXGeneral" in content
        width = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", content)
        assert width and float(width[1]) == pytest.approx(3.25 * 72, abs=1)


def test_images_are_squares_of_their_pixels_in_order(runs: list[Run], tmp_path: Path) -> None:
    """A white image stands where it was put: the second of the first row, beside the label."""
    x = np.zeros((3, 1, 8, 8))
    x[1] = 1
    with styled():
        figure = pictures.sheet([pictures.Strip("a", x), pictures.Strip("b", 1 - x)], 3.0, 3)
    shown = [float(ax.images[0].get_array().mean()) for ax in figure.axes]  # type: ignore[union-attr]
    assert shown == [0, 255, 0, 255, 0, 255]
    places = [ax.get_position() for ax in figure.axes]
    width, height = figure.get_size_inches()
    assert all(place.width * width == pytest.approx(place.height * height) for place in places)
    assert (
        places[0].x0 < places[1].x0 < places[2].x0 and places[2].x1 == pytest.approx(1) and places[0].y0 > places[3].y0
    )
    assert [text.get_text() for text in figure.texts] == ["a", "b"]


def test_curves_are_means_with_bands(runs: list[Run], tmp_path: Path) -> None:
    (runs[0].path / "metrics.csv").write_text(CURVES.replace("2.5", "4.5"))
    vae = [Run(run.path) for run in runs if run.key("model") == "vae"]
    from pushforward.report.paper.rows import rows_of

    with styled():
        figure = KINDS["curves"](rows_of(vae, ("model",), {}), Settings(width=3.25, columns=("kl",))).figure
    [ax] = figure.axes
    assert list(ax.get_lines()[0].get_ydata()) == [3.5, 3.5] and len(ax.collections) == 1  # type: ignore[arg-type]
    assert (ax.get_title(loc="left"), ax.get_ylabel()) == ("kl", "nats")


def test_points_of_the_plane_are_panels(make: Make, tmp_path: Path) -> None:
    for model in ("vae", "gan"):
        RunDir(make(model, data="moons").path).write_arrays(
            "points", x=RNG.normal(size=(50, 2)), data=RNG.normal(size=(50, 2))
        )
    runs = [Run(path) for path in (tmp_path / "runs").iterdir()]
    assert draw("samples", runs, tmp_path / "a.svg", Settings(width=3.25)) == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("figure nosuch", "argument KIND: invalid choice: 'nosuch'"),
        ("figure bars --out a.gif", "--out a.gif: figures are .pdf, .svg, .png"),
        ("figure bars --runs model=nosuch", "No run matches 'model=nosuch'"),
        ("figure bars --columns nosuch", "--columns nosuch: no run has this metric"),
        ("figure curves --columns nosuch", "--columns nosuch: no run has a curve of this term"),
        ("figure frontier --columns rate", "--columns rate: give two numbers"),
        ("figure frontier --columns rate,nosuch", "--columns rate,nosuch: no run has a number nosuch"),
        ("figure bars --rows nosuch", "--rows nosuch: no run's config has this key"),
        ("figure bars --width three", "--width three: give one, two, or inches"),
        ("figure bars --columns fd_lenet --log x --runs model=vae --names vae=", "--names vae=: give pairs"),
        ("figure samples --images 0", "--images 0: give 1 to 100"),
        ("figure latent --runs model=wgan_gp", "none of these runs has arrays/latent.npz; pushforward evaluate RUN"),
        ("figure samples --runs model=wgan_gp", "none of these runs has arrays/samples.npz"),
        ("figure curves --runs model=wgan_gp", "none of these runs has curves"),
        ("figure bars --columns fd_lenet --out file/a.pdf", "--out file/a.pdf: the figure is not written"),
        ("figure samples --width 1.5 --names vae=a_name_that_is_far_too_long_for_it", "take more than half of it"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    line: str, why: str, runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a file is no folder")
    with pytest.raises(SystemExit, match="2"):
        main(line.split(" "))
    said = capsys.readouterr().err
    assert why in said and said.count("\n") == 1
    assert not list(tmp_path.glob("*.pdf"))


def test_damaged_arrays_are_left_out_and_told(runs: list[Run], tmp_path: Path) -> None:
    (runs[0].arrays / "latent.npz").write_bytes(b"PK\x03\x04 no archive")
    notes = draw("latent", runs, tmp_path / "a.png", Settings(width=3.25))
    assert any("is damaged" in note for note in notes)  # the other seed's is shown
    (runs[0].arrays / "plane.npz").unlink()
    with pytest.raises(PushforwardError, match="is damaged"):
        draw("latent", runs[:1], tmp_path / "b.png", Settings(width=3.25))


def test_numbers_that_were_not_measured_alike_are_refused(make: Make, tmp_path: Path) -> None:
    runs = [make("vae", fd_lenet=1.0), make("gan", fd_lenet=(2.0, {"n": 50}))]
    with pytest.raises(PushforwardError, match="--columns fd_lenet: it was not measured alike in these runs"):
        draw("bars", runs, tmp_path / "a.png", Settings(width=3.25, columns=("fd_lenet",)))


def test_widths() -> None:
    assert [width_of(text) for text in ("one", "two", "5.5")] == [3.25, 6.75, 5.5]
