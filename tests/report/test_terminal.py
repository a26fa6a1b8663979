"""What the commands print, without a terminal: plain text that says what the run directory says."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from pushforward.report import terminal
from pushforward.report.plain_tables import figure
from pushforward.report.table_text import rich
from pushforward.report.tables import build

NAMES = (
    "mse", "psnr", "rate", "distortion", "neg_elbo", "generalisation_gap", "bpd", "fd_lenet", "fd_lenet_mixture",
    "precision_lenet", "mutual_information", "off_manifold_midpoints_spherical", "parameters",
)  # fmt: skip


def test_a_run_is_shown_with_its_numbers_and_their_cards(make, capsys):
    run = make("vae", mse=0.25, bpd=(2.5, {"kind": "lower bound"}), psnr=(None, "not asked for"))
    terminal.show_run(run)
    out = capsys.readouterr().out
    assert "test, n = 360; last; lower bound" in out and "not asked for" in out and str(run.path) in out


@pytest.mark.parametrize("width", [80, 120, 200])
def test_no_line_of_the_table_is_wider_than_the_terminal(make, width):
    runs = [make(m, s, **dict.fromkeys(NAMES, 0.0123456 + s / 1e4)) for m in ("ae", "flow_matching") for s in (1, 2)]
    table = build(runs)
    out = Console(width=width, record=True, file=io.StringIO())
    out.print(rich(table, width))
    text = out.export_text()
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text
    # every column is there, whole: two seeds 1e-4 apart have a standard deviation of 1e-4/√2
    assert text.count("0.012496 ± 0.000071") == 2 * len(table.columns)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (374_400, "374,400"),
        (8.0691e6, "8,069,100"),
        (894.764, "894.8"),
        (0.00115, "0.00115"),
        (-12345.6, "-12,346"),
        (2e14, "2e+14"),
    ],
)
def test_figures_are_said_in_full_where_that_is_short(value: float, said: str) -> None:
    assert figure(value, 4) == said
