"""The page over runs: what its tables, charts and explorer are made of, its size, and that text of runs stays text."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from pages import EVIL, SIDE, finished, some, written
from PIL import Image

from pushforward.errors import PushforwardError
from pushforward.report import page
from pushforward.report.page import charts, configs, explorer, pictures, sprites
from pushforward.report.run_list import RunList

pytest.importorskip("vl_convert", reason="the page's charts need vl-convert-python: pip install 'pushforward[report]'")


def pixels(sprite):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(sprite["uri"].partition(",")[2]))))


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_a_page_is_whole_names_each_picture_and_runs_nothing_that_it_did_not_bring(make, tmp_path):
    out = written(make, tmp_path / "page.html")
    text = out.read_text(encoding="utf-8")
    assert EVIL not in text  # in the cards, whose script element it would end
    elements = Elements(text).found
    pictures = [attributes for tag, attributes in elements if tag == "img"]
    assert len(pictures) > 5
    assert all(one["alt"].strip() and one["src"].startswith("data:image/png;base64,") for one in pictures)
    scripts = [attributes for tag, attributes in elements if tag == "script"]
    assert not any("src" in one for one in scripts)
    policy = next(one["content"] for tag, one in elements if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "unsafe-eval" not in policy
    assert policy.count("'sha256-") == len(scripts) - 1  # JSON is not run
    links = [one["href"] for tag, one in elements if tag in ("a", "link")]
    assert links and all(link.startswith(("#", "data:")) for link in links)
    there = {one["id"] for _, one in elements if "id" in one}
    assert {link[1:] for link in links if link.startswith("#")} <= there


def test_data_of_the_page_survive_their_way_through_it(make, tmp_path):
    text = written(make, tmp_path / "page.html").read_text(encoding="utf-8")
    data = json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    cards = ["\n".join(data["lines"][line] for line in card) for card in data["cards"]]
    assert any(EVIL in card for card in cards)
    assert any("mse of ae-digits-s1" in card and "of 2 seeds: 0.21 (" in card for card in cards)
    assert [point["row"] for point in data["points"]] == ["ae", "vae", "gan"]
    assert data["quality"] == "mse" and data["cost"] == "parameters"


def test_thirty_runs_of_28_by_28_take_less_than_15_mb(make, monkeypatch):
    """What has a budget at its whole, and thirty times the rest of a run's; of noise, which does not compress."""
    monkeypatch.setattr(explorer, "BUDGET", 0)
    monkeypatch.setattr(pictures, "ROOM", 0)
    rng, sizes = np.random.default_rng(0), []
    runs = RunList(finished(make, rng, f"vae{i}", 1, size=28, mse=float(i)) for i in range(3))
    for some_of_them in (runs[:1], runs):
        chosen = RunList(some_of_them)
        sizes.append(len(page.render(chosen, chosen.table(allow_mixed=True)).encode()))
    monkeypatch.undo()
    assert sizes[0] + 29 * (sizes[1] - sizes[0]) / 2 + explorer.BUDGET + 2 * pictures.ROOM < 15e6


def test_planes_beyond_the_budget_are_left_out_and_said(make, monkeypatch):
    runs, kept = some(make), pictures.Kept()
    rows = runs.table(allow_mixed=True).rows
    first, *_ = explorer.spaces(rows, kept)
    room = sum(len(first[part]["sprite"]["uri"]) for part in ("plane", "between", "units"))
    monkeypatch.setattr(explorer, "BUDGET", room)
    found = explorer.spaces(rows, kept)
    assert [one["label"] for one in found] == ["ae"]
    assert kept.gaps == ["latent spaces, from vae on: the page would grow too large; name fewer runs"]


def test_a_plane_is_its_tiles_with_what_lies_over_it(make):
    runs = some(make)
    space, *_ = explorer.spaces(runs.table(allow_mixed=True).rows, pictures.Kept())
    plane = space["plane"]
    assert (
        plane["side"] == SIDE
        and plane["extent"] == [-3, 3, -4, 4]
        and len(plane["codes"]) == len(plane["labels"]) == 40
    )
    sheet = pixels(plane["sprite"])
    assert sheet.shape == (SIDE * 8, SIDE * 8)
    np.testing.assert_array_equal(sheet[::8, ::8], 10 * np.arange(SIDE * SIDE).reshape(SIDE, SIDE) // 4 * 4)
    off = np.frombuffer(base64.b64decode(plane["off"]["bytes"]), np.uint8).reshape(6, 6)
    np.testing.assert_allclose(off[0] / 20, np.linspace(0, 2, 6), atol=0.025)  # half a step of 1/20
    prior = np.frombuffer(base64.b64decode(plane["prior"]["bytes"]), np.uint8).reshape(6, 6) / -10
    np.testing.assert_allclose(prior[0], -np.linspace(0, 2, 6), atol=0.05)
    assert space["between"]["n"] == 3 and pixels(space["between"]["sprite"])[16, 8] == 16


def test_what_was_measured_over_another_plane_is_not_drawn_over_this_one():
    a = {"ratio": np.ones((3, 3)), "extent": np.array([0.0, 1, 0, 1])}
    assert explorer.off_manifold(a, np.array([0.0, 1, 0, 1])) is not None
    assert explorer.off_manifold(a, np.array([0.0, 1, 0, 2])) is None


def test_a_band_holds_every_seed_where_all_of_them_are():
    one, other = (np.array([1.0, 3, 5]), np.array([1.0, 3, 5])), (np.array([3.0, 5, 7]), np.array([0.0, 0, 0]))
    assert charts.band([one, other]) == {"x": [3, 5], "y": [1.5, 2.5], "low": [0, 0], "high": [3, 5]}
    assert charts.band([one]) == {"x": [1, 3, 5], "y": [1, 3, 5]}
    long = np.arange(1000.0)
    assert len(charts.band([(long, long)])["x"]) == charts.POINTS


def test_means_over_seeds_have_their_standard_error(make):
    runs = some(make)
    ae, *_ = charts.points(runs.table(allow_mixed=True))
    assert ae["mse"] == pytest.approx(0.215) and ae["mse ±"] == pytest.approx(0.005)  # of 0.21 and 0.22


def test_only_keys_that_differ_between_some_runs_are_kept(make):
    found = configs.differing([make("ae", 1), make("ae", 2), make("vae", 1)])
    assert found["keys"] == ["choices.model", "model._target_", "seed"]
    assert found["values"] == [["ae", "ae", "1"], ["ae", "ae", "2"], ["vae", "vae", "1"]]


def test_damaged_arrays_are_left_out_with_a_note(make, tmp_path):
    runs = some(make)
    (runs[0].arrays / "plane.npz").write_bytes(b"no archive")
    np.savez(runs[2].arrays / "samples.npz", other=np.zeros(3))
    (runs[1].path / "metrics.csv").write_bytes(b"val/kl\n1,what\n\x00")
    made = page.content(runs, runs.table(allow_mixed=True))
    assert any("plane.npz is damaged" in gap for gap in made["gaps"])
    assert any("samples.npz has not the arrays" in gap for gap in made["gaps"])
    assert {curve["row"] for curve in made["data"]["curves"]} == {"ae", "vae", "gan"}
    assert [one["label"] for one in made["explorer"]] == ["ae", "vae", "gan"]  # of another seed


def test_a_strip_keeps_every_pixel_and_large_images_are_made_smaller():
    x = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    sprite = sprites.strip(x)
    shown = pixels(sprite.as_json())
    assert shown.shape == (48, 3 * 48 + 2 * sprites.GUTTER, 4)
    np.testing.assert_array_equal(shown[::6, 50:98:6, :3], np.moveaxis(x[1], 0, -1))
    assert shown[0, 48, 3] == 0 and shown[0, 0, 3] == 255
    assert sprites.tiles(np.zeros((2, 1, 256, 128)), 2).size == (64, 64)


def test_a_missing_package_is_one_line_with_the_remedy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    with pytest.raises(PushforwardError, match=r"needs vl-convert-python: pip install 'pushforward\[report\]'"):
        page.vega()
