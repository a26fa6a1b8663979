"""Groups of columns, transposition, spreads, the runner-up, and what is missing, in every form of a table."""

import csv
import html.parser
import io
import shutil
import statistics
import subprocess

import pytest
from rich.cells import cell_len
from rich.console import Console

from pushforward.errors import PushforwardError
from pushforward.report import spread, table_form, table_render
from pushforward.report.table_grid import grid, interval
from pushforward.report.table_text import rich
from pushforward.report.tables import build

DATA = {"digits": 0.0, "mnist": 10.0}


def screen(table, width=200):  # type: ignore[no-untyped-def]
    out = Console(width=width, file=io.StringIO(), highlight=False)
    out.print(rich(table, width))
    return out.file.getvalue()  # type: ignore[attr-defined]


def forms(table):  # type: ignore[no-untyped-def]
    return {suffix: form(table) for suffix, form in table_render.FORMS.items()} | {"terminal": screen(table)}


@pytest.fixture
def runs(make):  # type: ignore[no-untyped-def]
    """Two data sets with their own protocols and floors; the VAE is the better one on digits, the worse on MNIST."""
    cards = {"digits": {"n": 360, "floor": 0.25}, "mnist": {"n": 10_000, "floor": 0.75}}
    values = {("digits", "ae"): 2, ("digits", "vae"): 1, ("mnist", "ae"): 1, ("mnist", "vae"): 2, ("digits", "gan"): 5}
    return [
        make(m, s, data=d, mse=(DATA[d] + v + s / 10, cards[d]), psnr=(v + s / 10, {"n": cards[d]["n"]}))
        for (d, m), v in values.items()
        for s in range(3)
    ]


def test_columns_stand_in_groups_each_ranked_for_itself(runs):
    table = build(runs, across=("data",))
    assert [row.label for row in table.rows] == ["ae", "vae", "gan", "train vs test (floor)"]
    assert [column.label for column in table.columns] == ["digits.mse", "digits.psnr", "mnist.mse", "mnist.psnr"]
    # each group has its own protocol: n = 360 and 10,000 are no difference within a column
    assert [table.cell("vae", c).bold for c in ("digits.mse", "mnist.mse")] == [True, False]
    assert [table.cell("ae", c).bold for c in ("digits.mse", "mnist.mse")] == [False, True]
    assert table.cell("vae", "mnist.mse").mean == pytest.approx(12.1) and table.cell("vae", "mnist.mse").n == 3
    assert table.cell("gan", "mnist.mse").state == "missing"
    floor = [table.cell("train vs test (floor)", c).mean for c in ("digits.mse", "mnist.mse")]
    assert floor == [0.25, 0.75]


def test_without_named_columns_a_group_has_those_that_it_was_measured_by(make):
    runs = [make("vae", data="digits", mse=1.0), make("vae", data="mnist", mse=1.0, psnr=2.0)]
    assert [c.label for c in build(runs, across=["data"]).columns] == ["digits.mse", "mnist.mse", "mnist.psnr"]
    named = build(runs, across=["data"], columns=["psnr"])
    assert [c.label for c in named.columns] == ["digits.psnr", "mnist.psnr"]


def test_a_mean_over_unlike_runs_is_told_within_a_group(make):
    runs = [make("vae", 1, data=d, beta=b, mse=1.0) for d in DATA for b in (1, 4)]
    assert build(runs[::2], across=["data"]).rows[0].marks == ""
    table = build(runs, across=["data"])
    assert (
        table.rows[0].marks == "‡" and "‡ vae mixes runs that differ in weighting.beta: add it to --rows" in table.notes
    )


class Cells(html.parser.HTMLParser):
    """Rows of (tag, attributes, text)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, dict[str, str | None], str]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):  # type: ignore[no-untyped-def]
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append((tag, dict(attrs), ""))

    def handle_endtag(self, tag):  # type: ignore[no-untyped-def]
        assert self.open.pop() == tag

    def handle_data(self, data):  # type: ignore[no-untyped-def]
        if {"td", "th"} & set(self.open):
            tag, attrs, text = self.rows[-1][-1]
            self.rows[-1][-1] = (tag, attrs, text + data)


def test_the_groups_stand_above_their_columns_in_every_form(runs):
    text = forms(
        build(runs, across=("data",), names={"mnist": "MNIST & co", "mse": "MSE", "train vs test (floor)": "floor"})
    )
    assert r" & \multicolumn{2}{c}{digits} & \multicolumn{2}{c}{MNIST \& co} &  \\" in text["tex"]
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}" in text["tex"]
    assert text["md"].startswith("| model | digits<br>MSE ↓ | digits<br>psnr [dB] ↑ | MNIST & co<br>MSE ↓ |")
    cells = Cells(text["html"])
    assert not cells.open and [(a.get("colspan"), t) for _, a, t in cells.rows[0]] == [
        (None, ""), ("2", "digits"), ("2", "MNIST & co"), (None, ""),
    ]  # fmt: skip
    spanned = {sum(int(attrs.get("colspan") or 1) for _, attrs, _ in row) for row in cells.rows}
    assert spanned == {6} and len(cells.rows) == 2 + 4
    lines = text["terminal"].splitlines()
    assert lines[0].split("  ")[-1].strip() == "MNIST & co" and lines[0].index("digits") < lines[0].index("MNIST")
    assert [len(part) for part in lines[1].split()] == [24, 25]  # a rule over each group
    rows = list(csv.DictReader(io.StringIO(text["csv"])))
    assert {(r["data"], r["metric"]) for r in rows} == {(d, m) for d in DATA for m in ("MSE", "psnr")}
    assert {r["n"] for r in rows if r["model"] == "vae"} == {"3"}


def test_values_of_a_key_that_are_no_names_say_of_what_they_are(make):
    runs = [make(m, s, beta=b, mse=1.0 + s + b) for m in ("vae", "beta_vae") for b in (1, 4) for s in range(3)]
    table = build(runs, across=["weighting.beta"], names={"weighting.beta": "β"})
    assert [line.titles for line in grid(table).columns] == [("β = 1", "mse ↓"), ("β = 4", "mse ↓"), ("", "n")]
    turned = build(runs, rows=["model", "weighting.beta"], transpose=True)
    assert grid(turned).spans(0) == [("vae", 2), ("beta_vae", 2)]
    assert [line.titles[1] for line in grid(turned).columns] == ["weighting.beta = 1", "weighting.beta = 4"] * 2


def test_transposed_every_cell_is_where_row_and_column_meet(runs):
    plain, turned = (grid(build(runs, across=("data",), transpose=t)) for t in (False, True))
    assert turned.heads == ["data", "measure"] and len(turned.rows) == len(plain.columns)
    for i, row in enumerate(turned.cells):
        assert [piece.text for piece in row] == [pieces[i].text for pieces in plain.cells]
    assert [line.titles for line in turned.rows][2] == ("mnist", "mse ↓")
    text = forms(build(runs, across=("data",), transpose=True))
    assert "| mnist | mse ↓ |" in text["md"] and r"\begin{tabular}{llrrr" in text["tex"]
    assert text["csv"] == table_render.csv(build(runs, across=("data",)))  # a line for each cell: it has no sides


@pytest.mark.parametrize("width", [60, 84, 100])
def test_a_group_that_fits_is_not_split_where_the_terminal_is_narrow(make, width):
    names = ("mse", "psnr", "bpd", "fd_lenet")
    runs = [make(m, s, data=d, **dict.fromkeys(names, 12.345 + s / 10))
            for m in ("ae", "flow_matching") for d in ("a", "b", "c") for s in range(2)]  # fmt: skip
    table = build(runs, across=("data",), columns=names)
    parts = grid(table).folded(width, lambda line: line.narrow.split("\n"))
    fits = {60: [[*"aa"], [*"aa"], [*"bb"], [*"bb"], [*"cc"], [*"cc"]], 84: [[*"aaaa"], [*"bbbb"], [*"cccc"]]}
    groups = [[line.titles[0] for line in part.columns if line.titles[0]] for part in parts]
    assert groups == fits.get(width, fits[84])
    text = screen(table, width)
    assert max(map(cell_len, text.splitlines())) <= width and text.count("flow_matching") == len(parts)
    assert text.count("12.395 ± 0.071") == 2 * 12


@pytest.mark.parametrize(
    ("kind", "shown"), [("std", "2.0 ± 1.0"), ("se", "2.00 ± 0.58"), ("bootstrap", "2.0 [1.0, 3.0]")]
)
def test_spread(make, kind, shown):
    """Of 1, 2, 3: deviation 1, error 1/√3. The bootstrap's mean is 1 in one of 27 resamples: beyond the 2.5 % quantile."""
    table = build([make("vae", s, mse=float(s)) for s in (1, 2, 3)], spread=kind)
    assert all(
        shown in text.translate({ord(c): None for c in "{}\\"}).replace("$pm$", "±")
        for form, text in forms(table).items()
        if form != "csv"
    )
    assert f"{spread.KINDS[kind]} over n seeds" in table.notes
    row = next(csv.DictReader(io.StringIO(table_render.csv(table))))
    assert (float(row["std"]), float(row["se"])) == pytest.approx((1, 3**-0.5))
    assert (row["low"], row["high"]) == (("1.0", "3.0") if kind == "bootstrap" else ("", ""))


def test_the_bootstrap_s_interval_is_that_of_every_resample():
    """All nⁿ = 3125 resamples of five values: 10,000 drawn ones have the same quantiles but for their own error."""
    import itertools

    values = [0.1, 0.5, 0.7, 1.9, 2.0]
    means = sorted(statistics.fmean(draw) for draw in itertools.product(values, repeat=5))
    low, high = spread.bootstrap(values) or (0, 0)
    assert spread.bootstrap(values) == (low, high)
    # an order statistic of 10,000 draws lies within ± 4·√(.025·.975/10,000) = .0063 of its share
    for end, share in ((low, 0.025), (high, 0.975)):
        below = [means[int(3125 * p)] for p in (share - 0.0063, share + 0.0063)]
        assert below[0] <= end <= below[1]
    assert spread.bootstrap([1.0]) is None


def test_intervals_are_said_to_two_digits_of_their_half_width():
    assert [interval(*ends) for ends in ((12.3456, 11.9, 12.8), (1e-5, 8e-6, 1.2e-5), (2.0, 2.0, 2.0))] == [
        "12.35 [11.90, 12.80]", "(1.00 [0.80, 1.20])e-5", "2 [±0]",
    ]  # fmt: skip


def test_the_runner_up_is_underlined_where_the_best_is_bold(make):
    values = {"ae": (1.0, 1.1, 1.2), "vae": (2.0, 2.1, 2.2), "gan": (3.0, 3.1, 3.2)}
    runs = [make(m, s, mse=v, parameters=v) for m, vs in values.items() for s, v in enumerate(vs)]
    table = build(runs)
    cells = [table.cell(m, "mse") for m in values]
    assert [(cell.bold, cell.runner_up) for cell in cells] == [(True, False), (False, True), (False, False)]
    assert not any(row.cells[1].runner_up for row in table.rows)
    text = forms(table)
    assert "<ins>2.10 ± 0.10</ins>" in text["md"] and r"\underline{2.10 $\pm$ 0.10}" in text["tex"]
    assert "<u>2.10 ± 0.10</u>" in text["html"] and "underlined: the best of the others" in text["terminal"]
    out = Console(width=100, file=io.StringIO(), force_terminal=True)
    out.print(rich(table))
    assert "\x1b[4m2.10 ± 0.10\x1b[0m" in out.file.getvalue()  # type: ignore[attr-defined]
    few = build([run for run in runs if run.key("model") != "vae" or run.key("seed") < 2])
    assert few.cell("ae", "mse").bold and not any(cell.runner_up for row in few.rows for cell in row.cells)


def test_diverged_runs_are_counted_in_every_form(make):
    runs = [make("gan", s, mse=1.0 + s) for s in (1, 2)] + [make("gan", 3, status={"state": "diverged"})]
    runs += [make("vae", s, status={"state": "diverged"}) for s in (1, 2)]
    table = build(runs)
    assert {row.label: row.others for row in table.rows} == {"gan": "1 diverged", "vae": "2 diverged"}
    for form, text in forms(table).items():
        assert "1 diverged" in text and "2 diverged" in text, form
    assert "2 (1 diverged)" in screen(table) and "0 (2 diverged)" in screen(table)
    across = build([*runs, make("gan", 1, data="mnist", mse=1.0)], across=("data",))
    assert [row.others for row in across.rows] == ["digits: 2 diverged", "digits: 1 diverged"]


def test_the_average_rank_counts_columns_that_every_row_has(make):
    """Places by hand: mse 1 2 3, psnr (higher is better) 1.5 1.5 3, and fd_lenet, which `gan` lacks, not at all."""
    values = {"ae": (1.0, 5.0, 9.0), "vae": (2.0, 5.0, 8.0), "gan": (3.0, 4.0, (None, "no encoder"))}
    runs = [make(m, s, mse=a, psnr=b, fd_lenet=c, parameters=7) for m, (a, b, c) in values.items() for s in range(2)]
    runs.append(make("ddpm", status={"state": "diverged"}))
    table = build(runs, average_rank=True, sort="average_rank")
    assert [(row.label, row.cells[-1].mean) for row in table.rows] == [
        ("ae", 1.25), ("vae", 1.75), ("gan", 3.0), ("ddpm", None),
    ]  # fmt: skip
    note = next(note for note in table.notes if note.startswith("average_rank"))
    assert "in mse, psnr; not counted, since not ranked or not of every row: fd_lenet, parameters" in note
    assert all("1.25" in text and "(n=1)" not in text for text in forms(table).values())
    table_form.complete(build(runs[:4], average_rank=True))
    with pytest.raises(PushforwardError, match="--average-rank: no column"):
        build(runs, columns=["parameters"], average_rank=True)


def test_the_average_rank_goes_over_data_sets_that_stand_side_by_side(runs):
    table = build(runs[:12], across=["data"], average_rank=True)
    # ae, vae: mse 2 1 on digits, 1 2 on MNIST; psnr 1 2 and 2 1
    assert [row.cells[-1].mean for row in table.rows if not row.reference] == [1.5, 1.5]
    assert grid(table).columns[-2].titles == ("", "average_rank ↓")


def test_rows_at_an_equal_budget(make):
    from pushforward.runs import RunDir

    costs = {"ae": 1000, "vae": 1005, "gan": 1900, "ddpm": 2000, "nice": 2100}
    runs = []
    for model, cost in costs.items():
        run = make(model, mse=1.0)
        RunDir(run.path).update_record({}, cost={"parameters": cost, "images_seen": 50_000, "train_seconds": cost / 10})
        runs.append(type(run)(run.path))
    runs.append(make("wgan", status={"state": "diverged"}))
    shown = {
        (budget, share): [row.label for row in build(runs, columns=["mse"], match=budget, tolerance=share).rows]
        for budget, share in (("images", None), ("parameters", None), ("parameters", 0.12), ("seconds", 1.2))
    }
    # 1000 and 1005 are as many within 10 % as 2000 and 2100: the larger budget; from 1900 on, 12 % reach to 2128
    assert shown == {
        ("images", None): ["ae", "vae", "gan", "ddpm", "nice"],
        ("parameters", None): ["ddpm", "nice"],
        ("parameters", 0.12): ["gan", "ddpm", "nice"],
        ("seconds", 1.2): ["ae", "vae", "gan", "ddpm", "nice"],
    }
    note = build(runs, columns=["mse"], match="parameters").notes[0]
    assert (
        note
        == "rows at 2,000 to 2,100 parameters, within 10 %; left out: ae (1,000), vae (1,005), gan (1,900), wgan (none)"
    )
    with pytest.raises(PushforwardError, match="--match parameters: no two rows are within 0% of each other"):
        build(runs, match="parameters", tolerance=0)


def test_strict_names_what_is_missing_in_one_line(make, runs):
    with pytest.raises(PushforwardError) as refused:
        table_form.complete(build(runs, across=("data",)))
    line = str(refused.value)
    assert line.startswith("--strict: 2 cells without a number: gan mnist.mse (missing), gan mnist.psnr (missing); ")
    assert "\n" not in line
    table_form.complete(build(runs[:6]))
    table_form.complete(build([make("ddpm", mse=(None, "no decoder"))], columns=("mse",)))  # n/a has its reason
    with pytest.raises(PushforwardError, match=r"wgan_gp mse \(diverged\)"):
        table_form.complete(build([make("ddpm", mse=1.0), make("wgan_gp", status={"state": "diverged"})]))


REFUSED = {
    "--across data: it is among --rows": {"rows": ["data"], "across": ["data"]},
    "--across datum: no run's config has this key": {"across": ["datum"]},
    "--sort mse: no mse in this table. It has model, digits.mse": {"across": ["data"], "sort": "mse"},
}


@pytest.mark.parametrize(("said", "options"), REFUSED.items())
def test_what_cannot_take_effect_is_refused(runs, said, options):
    with pytest.raises(PushforwardError) as refused:
        build(runs, **options)
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value) and len(REFUSED) == 3


def test_rows_in_the_order_of_a_column_of_a_group(runs):
    table = build(runs, across=["data"], sort="mnist.mse")
    assert [row.label for row in table.rows if not row.reference] == ["ae", "vae", "gan"]
    assert [r.label for r in build(runs, across=["data"], sort="-digits.mse").rows][:3] == ["gan", "ae", "vae"]


PAGE = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on PATH")
@pytest.mark.parametrize("options", [{}, {"transpose": True}, {"spread": "bootstrap", "sort": "-digits.mse"}])
def test_groups_compile_as_they_are(runs, make, tmp_path, options):
    runs = [*runs, make("gan", 1, data="mnist", status={"state": "diverged"})]
    table = build(runs, across=("data",), caption="A & B", label="tab:x", names={"gan": "G_A%N^2 √"}, **options)
    (tmp_path / "t.tex").write_text(f"{PAGE}Table \\ref{{tab:x}}.\n{table_render.latex(table)}\\end{{document}}\n")
    # no PDF: a small installation may lack a font's outlines
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not [line for line in done.stdout.splitlines() if line.startswith("Overfull") or "Float too large" in line]
