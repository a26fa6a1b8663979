"""`pushforward reproduce`: the list, the plan, what is handed to the launcher, and the files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from paper_table import finish

from pushforward import cli
from pushforward.paper_tables import reproduce
from pushforward.paper_tables.planned import Planned, Preset
from pushforward.paper_tables.table_file import files
from pushforward.runs import RunDir, runs_dir


def said(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as done:
        cli.main(["reproduce", *args])
    found = capsys.readouterr()
    assert done.value.code == code, found.err
    return found.out if code != 2 else found.err


def test_the_list_fits_a_terminal(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "--config-dir", str(own))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line[0] != " "] == list(files(own))
    assert "little: 8 runs, about 6 min; whole: 5 runs, about" in " ".join(text.split())


def test_the_plan_says_what_is_done_and_to_run_and_starts_nothing(
    own: Path, preset: Callable[..., Preset], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(preset("little"), "vae", "small", 1, nll=1.0, neg_elbo=1.0)
    monkeypatch.setattr(reproduce, "train", None)
    text = said(capsys, "mine", "preset=little", "--plan", "--config-dir", str(own))
    row = next(line for line in text.splitlines() if line.startswith("VAE    batches of 64"))
    assert row.split()[-4:] == ["1", "2", "45", "s"], text
    assert "8 runs: 1 finished, 7 to run; about 5 min. Nothing was started (--plan)." in text


def test_what_is_missing_is_trained_once_and_the_table_is_written(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launcher that finishes what it is handed but for one run, and is called a second time with that run alone."""
    handed: list[list[tuple[str, str, int]]] = []

    def train(chosen: Preset, ready: Sequence[Planned]) -> int:
        handed.append([(one.job.row, one.job.block, one.job.seed) for one in ready])
        stopped = len(handed) == 1
        for row, block, seed in handed[-1][: -1 if stopped else None]:
            finish(chosen, row, block, seed, nll=100.0 + seed + 9 * (row == "beta"), neg_elbo=120.0)
        return 130 if stopped else 0

    monkeypatch.setattr(reproduce, "train", train)
    words = ("mine", "preset=little", "--config-dir", str(own))
    line = "interrupted: 1 of 8 runs are not finished; the same command finishes them\n"
    assert said(capsys, *words, code=130) == line and not (tmp_path / "outputs/tables").exists()
    text = said(capsys, *words)
    assert [len(one) for one in handed] == [8, 1] and handed[1][0] in handed[0]
    assert "batches of 64: nll: VAE < β-VAE: 101.5, 110.5: order holds" in text
    assert {path.name for path in (tmp_path / "outputs/tables").iterdir()} == {
        f"mine-little.{s}" for s in ("md", "tex", "csv")
    }
    said(capsys, *words)
    assert len(handed) == 2  # all is done, and nothing is started


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("mime",), ("there is no table mime", "mine")),
        (("mine", "preset=litle"), ("preset=litle", "did you mean little?")),
        (("mine", "seed=1-3"), ("seed=1-3", "1..3 or 1,2,5")),
        (("mine", "quick"), ("quick", "key=value")),
    ],
)
def test_what_is_refused_is_one_line(
    own: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    text = said(capsys, *words, "--config-dir", str(own), code=2).strip()
    assert "\n" not in text and all(part in text for part in parts), text


def test_a_table_of_packed_records_is_that_of_its_runs(
    own: Path, preset: Callable[..., Preset], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, nll in ((1, 1.0), (2, 2.0)):
        finish(preset("little"), "vae", "small", seed, nll=nll, neg_elbo=nll)
    finish(preset("whole"), "beta", "large", 1, nll=3.0, neg_elbo=3.0)
    RunDir.create(runs_dir() / "vae-digits-s9-other", {}).set_status(state="finished")
    monkeypatch.setattr(reproduce, "train", lambda *_: 0)
    shown = said(capsys, "mine", "preset=little", "--config-dir", str(own), code=1)
    with pytest.raises(SystemExit):
        cli.main(["records", "pack", "mine", "--config-dir", str(own), "--out", str(own)])
    assert "3 runs" in capsys.readouterr().out, "those of its presets, and no others"
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(own / "nothing"))
    packed = said(capsys, "mine", "preset=little", "--config-dir", str(own), "--records", str(own / "mine.json.gz"))
    assert packed.partition(str(own))[0] == shown.partition(str(own.parent))[0] and "1.50" in packed
    plan = said(
        capsys, "mine", "preset=little", "--config-dir", str(own), "--records", str(own / "mine.json.gz"), "--plan"
    )
    assert "8 runs: 2 finished, 6 to run" in plan


def test_seeds_in_a_row_are_shortened() -> None:
    assert reproduce.shortened([1, 2, 3, 5, 7, 8, 9, 10]) == "1 2 3 5 7..10"
    assert reproduce.shortened([]) == ""
