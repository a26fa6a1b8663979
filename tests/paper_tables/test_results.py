"""Verdicts: a small budget never matches; numbers are scaled; rules say what they applied."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from paper_table import finish

from pushforward.paper_tables import render
from pushforward.paper_tables.paper_table import Place
from pushforward.paper_tables.planned import Preset, plan
from pushforward.paper_tables.results import outcomes, results, verdict


def comparison(chosen: Preset) -> render.Comparison:
    found = results(chosen, plan(chosen))
    return render.Comparison(chosen, found, outcomes(chosen, found))


def test_a_small_budget_never_matches_and_has_no_difference(preset: Callable[..., Preset]) -> None:
    """Our mean of 99 and 103 is within the published error, and still only the order is judged."""
    chosen = preset("little")
    for seed, nll in ((1, 99.0), (2, 103.0)):
        finish(chosen, "vae", "small", seed, nll=nll, neg_elbo=110.0)
        finish(chosen, "beta", "small", seed, nll=130.0, neg_elbo=140.0)
        finish(chosen, "beta", "large", seed, nll=120.0)
    said = comparison(chosen)
    vae = Place("vae", "small", "nll")
    assert said.found[vae].values == (99.0, 103.0)
    assert verdict(chosen, vae, said.outcomes) == "order holds"
    assert verdict(chosen, Place("beta", "large", "nll"), said.outcomes) == "not comparable"  # vae has no number there
    [row] = [row for section in said.sections for row in section.rows if row[:2] == ("VAE", "100 ± 3 (unverified)")]
    assert row == ("VAE", "100 ± 3 (unverified)", "99", "≤ 101.0 ± 2.8 (n=2)", "", "order holds")
    assert said.found[Place("vae", "small", "elbo")].mean == -110.0  # scale: -1
    assert said.found[Place("vae", "small", "elbo")].relation == "≥"
    assert said.verdicts == [
        "batches of 64: nll: VAE < β-VAE: 101, 130: order holds",
        "batches of 128: nll: VAE < β-VAE: –, 120: not comparable",
    ]
    everything = render.markdown(said) + render.latex(said)
    assert "within tolerance" not in everything and "smaller budget" in everything


def test_an_order_within_the_noise_of_seeds_says_so(preset: Callable[..., Preset]) -> None:
    """Means 100 and 101, each of standard error 2: that of the difference is 2.8."""
    chosen = preset("little")
    for row, numbers in (("vae", (98.0, 102.0)), ("beta", (99.0, 103.0))):
        for seed, nll in enumerate(numbers, 1):
            finish(chosen, row, "small", seed, nll=nll, neg_elbo=1.0)
    assert comparison(chosen).verdicts[0] == (
        "batches of 64: nll: VAE < β-VAE: 100, 101, of which some differ by less than one standard error: order holds"
    )


def test_an_order_that_does_not_hold(preset: Callable[..., Preset]) -> None:
    chosen = preset("little")
    finish(chosen, "vae", "small", 1, nll=140.0)
    finish(chosen, "beta", "small", 1, nll=130.0)
    assert verdict(chosen, Place("vae", "small", "nll"), comparison(chosen).outcomes) == "order does not hold"


@pytest.mark.parametrize(("nll", "expected"), [(104.9, "within tolerance"), (105.1, "not within tolerance")])
def test_a_full_budget_is_within_tolerance_or_not(preset: Callable[..., Preset], nll: float, expected: str) -> None:
    """The larger of one published error, 3, and 5 % of 100."""
    chosen = preset("whole")
    finish(chosen, "vae", "small", 1, nll=nll, neg_elbo=110.0)
    said = comparison(chosen)
    assert verdict(chosen, Place("vae", "small", "nll"), said.outcomes) == expected
    [row] = [row for section in said.sections for row in section.rows if row[:2] == ("VAE", "100 ± 3 (unverified)")]
    assert row[4] == f"{nll - 100:+.3g}"


def test_overrides_that_change_what_is_trained_make_a_full_budget_a_small_one(preset: Callable[..., Preset]) -> None:
    assert preset("whole", "trainer=gpu", "logger=none", "hydra/launcher=basic").full
    assert not preset("whole", "budget.epochs=2").full


def test_a_row_of_reference_comes_from_cards_of_runs_on_the_same_data(preset: Callable[..., Preset]) -> None:
    chosen = preset("little")
    finish(chosen, "vae", "small", 1, nll=100.0)
    found = comparison(chosen).found
    assert found[Place("floor", "small", "nll")].values == (50.0,)
    assert found[Place("floor", "large", "nll")].absent == "not run"


def test_runs_without_a_number_are_counted(preset: Callable[..., Preset]) -> None:
    chosen = preset("little")
    finish(chosen, "vae", "small", 1, nll=100.0)
    finish(chosen, "vae", "small", 2).set_status(state="diverged")
    result = comparison(chosen).found[Place("vae", "small", "nll")]
    assert render.own(result) == "≤ 100, 1 diverged"


def test_a_wide_section_is_folded_and_keeps_its_rows_names() -> None:
    section = render.Section("t", ("", "a", "b", "c"), (("row", "x" * 30, "y" * 30, "z" * 30),))
    parts = render.folded(section, 70)
    assert [part.heads for part in parts] == [("", "a", "b"), ("", "c")]
    assert [part.rows[0][0] for part in parts] == ["row", "row"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on PATH")
def test_the_latex_compiles_and_fits_a_line(preset: Callable[..., Preset], tmp_path: Path) -> None:
    chosen = preset("little")
    for seed in (1, 2):
        finish(chosen, "vae", "small", seed, nll=100.5 + seed, neg_elbo=110.0)
    head, foot = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}", "\\end{document}"
    text = head + render.latex(comparison(chosen)) + foot
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
