"""What a notebook shows: runs with pictures and units, tables, models by their parts; text escaped, no script, no exception."""

import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pushforward as pf
from pushforward.report import images, notebook, table_render
from pushforward.runs import Run, RunDir

Make = Callable[..., Run]


class Shown(HTMLParser):
    """The tags and the text of a fragment."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.sources: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words += data.split("\n")


def shown(thing: object) -> Shown:
    found = Shown(thing._repr_html_())  # type: ignore[attr-defined]
    assert "script" not in found.tags and all(source.startswith("data:image/png;base64,") for source in found.sources)
    return found


def test_a_run_shows_its_samples_and_numbers_with_units(make: Make) -> None:
    run = make("vae", bpd=(2.4, {"kind": "lower bound"}), psnr=15.0, mine=3.0, fd_lenet=(None, "no features"))
    assert not shown(run).sources
    images.save(images.grid(np.zeros((4, 1, 8, 8))), run.samples / "samples.png")
    found = shown(Run(run.path))
    assert len(found.sources) == 1 and found.tags.count("table") == 2
    text = " ".join(found.words)
    assert re.search(r"bpd ↓ *≤ 2\.4 *bits/dim *test, n = 360; last", text) and "psnr ↑" in text and "dB" in text
    assert "2 more numbers" in text and "n/a" in text and "no features" in text


def test_runs_and_tables_show_themselves(make: Make) -> None:
    runs = pf.RunList([make("vae", bpd=2.4), make("gan", 2, fd_lenet=100.0), make("ae", status={"state": "failed"})])
    text = " ".join(shown(runs).words)
    assert "bpd 2.4 bits/dim" in text and "fd_lenet 100 feature²" in text and "failed" in text
    table = runs.table(columns=["bpd"])
    assert table._repr_html_() == table_render.html(table) and "bits/dim" in " ".join(shown(table).words)
    assert "no runs" in " ".join(shown(pf.RunList()).words)
    many = pf.RunList([runs[0]] * (notebook.MOST + 7))
    assert "and 7 more" in " ".join(shown(many).words)


def test_text_is_escaped(make: Make) -> None:
    evil = "<script>alert(1)</script>"
    run = make("vae", status={"error": evil}, **{"bpd": (2.0, {"sampler": evil}), "<b>": 1.0})
    for thing in (run, pf.RunList([run])):
        assert "<script" not in thing._repr_html_() and "<b>\n" not in thing._repr_html_()
        shown(thing)
    assert evil in " ".join(shown(run).words)


@pytest.mark.parametrize("name", ["config.yaml", "status.json", "record.json", "samples/samples.png"])
def test_a_damaged_run_says_so_and_raises_nothing(make: Make, name: str, tmp_path: Path) -> None:
    run = make("vae", bpd=2.4)
    images.save(images.grid(np.zeros((4, 1, 8, 8))), run.samples / "samples.png")
    whole = (run.path / name).read_bytes()
    damage = [b"", b"{", whole[: len(whole) // 2], b"\0" * 50, whole + b"\0", b'{"metrics": {"bpd": 3}}', b"a: [", None]
    for i, content in enumerate(damage):
        folder = tmp_path / str(i)
        shutil.copytree(run.path, folder)
        (folder / name).unlink()
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)
        damaged = Run(folder)
        assert damaged.id in " ".join(shown(damaged).words)
        shown(pf.RunList([damaged]))
    shutil.rmtree(run.path)
    shown(Run(run.path))


def test_a_picture_that_is_large_or_none_is_left_out(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make("vae", bpd=2.4)
    picture = run.samples / "samples.png"
    Image.new("RGBA", (40, 40)).save(picture)
    assert len(shown(Run(run.path)).sources) == 1
    monkeypatch.setattr(notebook, "LARGEST", 10)
    assert not shown(Run(run.path)).sources


def test_a_model_shows_its_parts(tmp_path: Path) -> None:
    from zoo import spec_of

    from pushforward.composition import compose
    from pushforward.training import build, checkpoints
    from pushforward.training.load_run import Trained

    frozen = compose(["model=beta_vae", "data=digits", "network.hidden=[8]", "features=none", "metrics=none"])
    run, spec = RunDir.create(tmp_path / "b", frozen), spec_of((1, 8, 8))
    build.write_spec(run, spec)
    family = build.build_family(frozen, spec)
    checkpoints.save(run.checkpoints / "last.ckpt", family)
    rows = shown(Trained(Run(run.path))).words
    text = " ".join(rows)
    for part in (
        "VariationalAutoencoder",
        "MLP(hidden=[8]",
        "prior N(0, I)",
        "kl: 4·KL",
        "reconstruction: ",
        "digits: 1 × 8 × 8",
    ):
        assert part in text, part
    assert f"{sum(p.numel() for p in family.parameters()):,}" in text and "sample, encode, decode" in text
