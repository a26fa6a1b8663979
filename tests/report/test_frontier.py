"""One metric against another: means and errors over seeds, from records alone."""

import numpy as np
import pytest
from PIL import Image

from pushforward.errors import PushforwardError
from pushforward.report import frontier
from pushforward.report.tables import build
from pushforward.runs import RunDir


def sweep(make, model="beta_vae", betas=(8, 1, 0.5)):  # type: ignore[no-untyped-def]
    return [
        make(model, seed, beta=beta, rate=10 / beta + seed, distortion=20 * beta - seed)
        for beta in betas
        for seed in (1, 2, 3)
    ]


def test_points_are_means_over_seeds_in_the_order_of_what_varies(make, tmp_path):
    runs = sweep(make)
    (points,) = frontier.series(runs, "rate", "distortion", "weighting.beta").values()
    assert [p.label for p in points] == [0.5, 1, 8]
    assert [p.x for p in points] == pytest.approx([22, 12, 3.25])
    assert [p.y for p in points] == pytest.approx([8, 18, 158])
    assert all(p.x_error == pytest.approx(1 / 3**0.5) and p.seeds == 3 for p in points)  # s = 1 over seeds 1, 2, 3
    out = frontier.draw(runs, "rate", "distortion", "weighting.beta", tmp_path / "rd.png")
    assert np.asarray(Image.open(out)).std() > 0


def test_a_line_for_each_model_and_runs_without_numbers_left_out(make, tmp_path):
    runs = [
        *sweep(make),
        *sweep(make, "vae"),
        make("vae", 4, beta=1, mse=1.0),
        make("vae", 5, beta=1, rate=(None, "no")),
    ]
    found = frontier.series(runs[:18], "rate", "distortion", "weighting.beta")
    assert [*found] == ["beta_vae", "vae"] and {len(points) for points in found.values()} == {3}
    assert frontier.draw(runs, "rate", "distortion", "weighting.beta", tmp_path / "rd.png").stat().st_size > 0
    (points,) = frontier.series(runs[:18:9], "rate", "distortion", "model").values()
    assert [p.label for p in points] == ["vae", "beta_vae"] and points[0].x_error == 0
    assert frontier.draw(runs[:18:9], "rate", "distortion", "model", tmp_path / "by.png").is_file()


def test_what_cannot_be_drawn_is_said_in_one_line(make, tmp_path):
    runs = sweep(make)
    out = tmp_path / "none.png"
    unlike = [
        make("flow", rate=(1.0, {"density": True}), distortion=2.0),
        make("vae", rate=(1.0, {"density": False}), distortion=2.0),
    ]
    with pytest.raises(PushforwardError, match=r"rate means one thing .* density = True \(flow\), False \(vae\)"):
        frontier.draw(unlike, "rate", "distortion", "model", tmp_path / "x.png")
    with pytest.raises(PushforwardError, match=r"no run has a number mig\. Nearest: distortion, rate"):
        frontier.draw(runs, "rate", "mig", "weighting.beta", out)
    with pytest.raises(PushforwardError, match=r"no run's config has weighting\.gamma"):
        frontier.draw(runs, "rate", "distortion", "weighting.gamma", out)
    with pytest.raises(PushforwardError, match=r"runs at model=beta_vae differ in weighting\.beta beside their seed"):
        frontier.draw(runs, "rate", "distortion", "model", out)
    other = [make("vae", 1, mse=1.0, rate=(1, {"split": "val"}), distortion=2), make("vae", 2, rate=1, distortion=2)]
    with pytest.raises(PushforwardError, match=r"rate was not measured alike in all runs: split = val \("):
        frontier.draw(other, "rate", "distortion", "weighting.beta", out)
    with pytest.raises(PushforwardError, match="no run has both"):
        frontier.draw([make("a", rate=1), make("b", distortion=1)], "rate", "distortion", "model", out)
    assert not out.exists()


def test_gradients_of_a_run_are_drawn(tmp_path):
    from pushforward.report import figures

    rng = np.random.default_rng(0)
    run = RunDir.create(tmp_path / "run", {"choices": {"model": "vae"}})
    names = ("reparameterized", "score", "score_no_baseline")
    arrays = {f"{name}_along": 5 + 10.0**i * rng.normal(size=50) for i, name in enumerate(names)}
    arrays |= {f"{name}_noise": 10.0**i * rng.chisquare(9, 50) for i, name in enumerate(names)}
    run.write_arrays("gradients", mean_norm=5.0, **arrays)
    (made,) = figures.draw_all(run.path)
    assert made.name == "gradients.png" and np.asarray(Image.open(made)).std() > 0


@pytest.mark.parametrize("legend", [False, True])
def test_labels_of_clustered_points_are_apart_and_within_the_axes(make, tmp_path, monkeypatch, legend):
    """12 points within a hundredth of the axes' range and one far off; names of usual length."""
    rng = np.random.default_rng(0)
    betas = [round(float(beta), 4) for beta in rng.uniform(1, 9, 12)]
    runs = [make("beta_vae", beta=b, rate=10 + rng.uniform() / 9, distortion=50 + rng.uniform() / 3) for b in betas]
    runs.append(make("vae" if legend else "beta_vae", beta=1000, rate=20, distortion=80))
    kept = []
    monkeypatch.setattr(frontier.plots, "_save", lambda figure, path: kept.append(figure) or path)
    frontier.draw(runs, "rate", "distortion", "weighting.beta", tmp_path / "x.png")
    (figure,) = kept
    figure.draw_without_rendering()
    (ax,) = figure.axes
    assert (ax.get_legend() is not None) == legend
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert len(boxes) == 13
    boxes += [ax.get_legend().get_window_extent()] if legend else []
    assert not [(i, j) for i in range(len(boxes)) for j in range(i) if boxes[i].overlaps(boxes[j])]
    room = ax.get_window_extent()
    assert all(room.x0 <= b.x0 and b.x1 <= room.x1 and room.y0 <= b.y0 and b.y1 <= room.y1 for b in boxes)


def test_labels_without_room_are_counted_and_display_names_are_text(make, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(frontier.plots, "_save", lambda figure, path: kept.append(figure) or path)
    runs = [make("vae", beta=b, rate=10 + b / 1e6, distortion=50) for b in range(60)]
    names = {str(b): f"a name of some length, {b}" for b in range(60)} | {
        "weighting.beta": "β",
        "rate": "R",
        "0": "$\\x",
    }
    frontier.draw(runs, "rate", "distortion", "weighting.beta", tmp_path / "x.png", names)
    (ax,) = kept[0].axes
    shown = [text.get_text() for text in ax.texts if text.get_text()]
    assert f"no room for {60 - len(shown)} labels" in kept[0].get_supxlabel() and len(shown) < 60
    assert (ax.get_title(loc="left"), ax.get_xlabel(), shown[0]) == ("by β", "R", "$\\x")


def test_a_line_is_called_by_its_display_name(make):
    runs = [*sweep(make), *sweep(make, "vae")]
    assert [*frontier.series(runs, "rate", "distortion", "weighting.beta", {"vae": "a VAE"})] == ["a VAE", "beta_vae"]
    drawn = frontier.texts(runs, "rate", "distortion", "weighting.beta")
    assert drawn == {"rate", "distortion", "vae", "beta_vae"}
    assert frontier.texts(runs[:9], "rate", "distortion", "weighting.beta") == {
        "rate",
        "distortion",
    }  # one line, no name
    names = {"beta_vae": "β-VAE"}
    assert build(runs, ["weighting.beta"], ["rate"], names=names, elsewhere=drawn, allow_mixed=True).names == names
