"""Display names, digits, caption, label, order of rows and rows of reference, in every form of a table."""

import csv
import io
import shutil
import subprocess

import pytest
from rich.console import Console

from pushforward.errors import PushforwardError
from pushforward.report import table_latex, table_render
from pushforward.report.intervals import comparisons
from pushforward.report.run_list import RunList
from pushforward.report.table_text import rich
from pushforward.report.tables import build

FLOOR = {"floor": 0.31415, "references": {"Gaussian on pixels": 80.123456}}
VALUES = {"ae": 3.0, "vae": 1.0, "gan": 2.0}


@pytest.fixture
def runs(make):  # type: ignore[no-untyped-def]
    made = [
        make(m, s, mse=v + s / 10, psnr=12.34567 * v, fd_lenet=(v + s, FLOOR), nll=(None, "no density"))
        for m, v in VALUES.items()
        for s in range(3)
    ]
    return RunList([*made, make("zzz", 1, status={"state": "failed"})])


def forms(table):  # type: ignore[no-untyped-def]
    screen = Console(width=200, file=io.StringIO(), highlight=False)
    screen.print(rich(table, 200))
    return {"md": table_render.markdown(table), "tex": table_render.latex(table), "csv": table_render.csv(table),
            "terminal": screen.file.getvalue()}  # type: ignore[attr-defined]  # fmt: skip


def test_display_names_stand_in_every_form_and_in_the_notes(runs):
    names = {"fd_lenet": "FD, LeNet", "model": "Family", "vae": "a VAE_1", "train vs test (floor)": "floor"}
    runs[0].metrics["psnr"] |= {"value": None, "na": "no image"}
    table = RunList(r for r in runs if r.key("model") != "ae").table(names=names)
    table.notes += comparisons(table, runs, "gan", "vae")
    for form, text in forms(table).items():
        plain = text.replace("\\", "")
        assert all(name in plain for name in ("FD, LeNet", "Family", "a VAE_1", "floor")), form
        assert not any(name in plain for name in ("fd_lenet", "model", "train vs test")), form
    assert "mse: gan − a VAE_1: " in " ".join(table.notes)
    table = build(runs[:3], columns=("psnr",), names={"psnr": "dB!", "ae": "AE"})
    assert table.cell("ae", "psnr").n == 2  # what is looked up keeps its name


def test_notes_use_display_names_and_refusals_those_of_the_runs(make):
    runs = [make(m, s, neg_elbo=(9.0, {"likelihood": m})) for m in ("vae", "beta_vae") for s in range(3)]
    notes = " ".join(build(runs, names={"neg_elbo": "−ELBO", "vae": "V"}).notes)
    assert "not ranked: −ELBO; cards differ in likelihood = vae (V), beta_vae (beta_vae)" in notes
    runs = [make("ae", mse=1.0), make("vae", mse=(1.0, {"n": 9}))]
    with pytest.raises(PushforwardError, match=r"cards of mse differ in n = 360 \(ae\), 9 \(vae\)"):
        build(runs, names={"mse": "error", "vae": "V"})


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("mse", ["vae", "gan", "ae", "zzz"]),
        ("-mse", ["ae", "gan", "vae", "zzz"]),
        ("psnr", ["ae", "gan", "vae", "zzz"]),
        ("-psnr", ["vae", "gan", "ae", "zzz"]),
        ("model", ["ae", "vae", "gan", "zzz"]),
        ("-model", ["zzz", "gan", "vae", "ae"]),
        ("", ["ae", "vae", "gan", "zzz"]),
    ],
)
def test_rows_stand_best_first_and_those_without_a_number_last(runs, by, expected):
    table, plain = build(runs, sort=by), build(runs)
    assert [row.label for row in table.rows if not row.reference] == expected
    assert [row.reference for row in table.rows] == [False] * 4 + [True] * 2
    bold = {(row.label, i) for row in plain.rows for i, cell in enumerate(row.cells) if cell.bold}
    assert bold == {(row.label, i) for row in table.rows for i, cell in enumerate(row.cells) if cell.bold} and bold


def test_rows_are_ordered_within_a_data_set(make):
    values = {("digits", "ae"): 2, ("digits", "vae"): 1, ("mnist", "ae"): 4, ("mnist", "vae"): 3}
    runs = [make(m, data=d, mse=v) for (d, m), v in values.items()]
    table = build(runs, rows=("data", "model"), sort="mse")
    assert [r.label for r in table.rows] == ["digits vae", "digits ae", "mnist vae", "mnist ae"]
    with pytest.raises(PushforwardError, match="no two rows share a data set"):
        build(runs[::2], rows=("data",), sort="mse")


def test_digits_where_no_spread_decides(runs):
    md = {digits: table_render.markdown(build(runs, digits=digits)) for digits in (None, 2, 6)}
    assert all("1.10 ± 0.10" in text for text in md.values())
    assert [("80.12 " in text, "80 " in text, "80.1235 " in text) for text in md.values()] == [
        (True, False, False), (False, True, False), (False, False, True),
    ]  # fmt: skip
    assert [("12.35 ± 0" in text, "12 ± 0" in text, "12.3457 ± 0" in text) for text in md.values()] == [
        (True, False, False), (False, True, False), (False, False, True),
    ]  # fmt: skip
    assert "80.123456" in table_render.csv(build(runs, digits=2))  # for programs, in full


def test_rows_of_reference_are_hidden_and_the_ranking_stays(runs):
    table, plain = build(runs, references=False), build(runs)
    assert not any(row.reference for row in table.rows) and "over draws" not in " ".join(table.notes)
    assert [row.cells for row in table.rows] == [row.cells for row in plain.rows if not row.reference]
    assert not any("floor" in text or "Gaussian" in text for text in forms(table).values())


def test_a_caption_stands_over_every_form_as_text_and_the_label_in_latex(runs):
    table = build(runs, caption="50 % of [/] & β_1", label="tab:all-1")
    text = forms(table)
    assert "50 % of [/] & β_1" in text["terminal"] and "### 50 % of [/] & β\\_1" in text["md"]
    assert "\\caption{50 \\% of {[}/{]} \\& $\\beta$\\_1}\n\\label{tab:all-1}\n" in text["tex"]
    assert r"\label" not in table_render.latex(build(runs, caption="x"))


REFUSED = {
    "--names vea=V: no vea in this table. Nearest: vae": {"names": {"vea": "V"}},
    "--names vae=: an empty display name": {"names": {"vae": " "}},
    "--names: two rows would be called gan": {"names": {"vae": "gan"}},
    "--names: two columns would be called mse": {"names": {"psnr": "mse"}},
    "--names memoriser=M: no memoriser in this table": {"names": {"memoriser": "M"}, "references": False},
    "--sort bpd: no bpd in this table. It has model, mse": {"sort": "bpd"},
    "--sort -fd_lent: no fd_lent in this table. Nearest: fd_lenet": {"sort": "-fd_lent"},
    "--sort nll: no row has a number there": {"sort": "nll", "columns": ["mse", "nll"]},
    "--digits 0: 1 to 15": {"digits": 0},
    "--digits 3: every number here is whole, or its spread": {"digits": 3, "columns": ["mse"]},
    "--label a{b: letters, digits": {"label": "a{b", "caption": "x"},
    "--label tab:x: LaTeX numbers a table by its caption": {"label": "tab:x"},
    "--no-references: there are none": {"references": False, "columns": ["mse"]},
}  # fmt: skip


@pytest.mark.parametrize(("said", "options"), REFUSED.items())
def test_what_cannot_take_effect_is_refused_in_one_line(runs, said, options):
    assert len(REFUSED) == 13
    with pytest.raises(PushforwardError) as refused:
        build(runs, **options)
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value)


def test_one_row_has_no_order(runs):
    with pytest.raises(PushforwardError, match="--sort mse: there is one row"):
        build(runs[:3], sort="mse")


def test_csv_has_a_column_for_each_key_by_its_display_name(runs):
    rows = list(csv.DictReader(io.StringIO(table_render.csv(build(runs, names={"model": "Family", "mse": "MSE"})))))
    assert {"ae", "vae", "gan", "zzz"} <= {row["Family"] for row in rows} and {"MSE", "psnr"} <= {
        r["metric"] for r in rows
    }


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on PATH")
def test_a_folded_table_compiles_as_it_is(make, tmp_path):
    columns = [f"metric_{i}_{'x' * 9}" for i in range(20)]
    runs = [make(m, s, **{c: (i + s + 0.5, FLOOR) for i, c in enumerate(columns)}) for m in VALUES for s in range(3)]
    names = {"ae": "Ünïcode & $_^{}#%~\\ β ≤ 中", columns[0]: "[a] * \\"}
    table = build(runs, columns=columns, caption="50 % & [x] Łódź", label="tab:x_1", names=names, sort="-" + columns[0])
    body = table_render.latex(table)
    assert body.count(r"\begin{tabular}") > 1
    start = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{start}See \\ref{{tab:x_1}}.\n{body}\\end{{document}}\n")
    # no PDF: a small installation may lack a font's outlines
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not [line for line in done.stdout.splitlines() if line.startswith("Overfull") or "Float too large" in line]


def test_what_is_higher_than_a_page_goes_into_further_floats(make):
    columns = [f"metric_{i}_{'x' * 9}" for i in range(20)]
    runs = [make(m, **{c: i + 0.5 for i, c in enumerate(columns)}) for m in "abcdefghijkl"]
    text = table_render.latex(build(runs, columns=columns, caption="All", label="tab:all"))
    floats = text.split(r"\begin{table}")[1:]
    assert len(floats) > 1 and [part.count(r"\caption{All}") for part in floats] == [1] + [0] * (len(floats) - 1)
    assert text.count(r"\end{table}") == len(floats) and max(part.count(r"\\") for part in floats) <= table_latex.PAGE
    assert [r"\footnotesize" in part for part in floats] == [False] * (len(floats) - 1) + [True]
