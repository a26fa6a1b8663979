"""What the table says and refuses to say. Means and spreads are worked out by hand from the numbers given."""

import csv
import io
import math

import pytest

from pushforward.errors import PushforwardError
from pushforward.report import table_render
from pushforward.report.table_grid import number
from pushforward.report.tables import build


def test_mean_std_and_n_over_seeds(make):
    runs = [make("vae", seed, mse=value) for seed, value in ((1, 1.0), (2, 2.0), (3, 3.0))]
    cell = build(runs).cell("vae", "mse")
    assert (cell.mean, cell.std, cell.n) == (2.0, 1.0, 3)  # divisor n − 1


def test_best_is_bold_of_three_seeds_with_those_that_do_not_differ(make):
    values = {"ae": (1.0, 1.1, 1.2), "vae": (1.05, 1.15, 1.25), "gan": (2.0, 2.1, 2.2)}
    runs = [make(m, s, mse=v, psnr=v, parameters=v) for m, vs in values.items() for s, v in enumerate(vs)]
    table = build(runs)
    # std .1, so the difference of two means has a standard error of .1·√(2/3) = .082: .05 is 0.6 of it, .95 is 12; the
    # quantile at 4 degrees of freedom and 5 %/2 rivals is 3.5
    assert [table.cell(m, "mse").bold for m in values] == [True, True, False]
    assert [table.cell(m, "psnr").bold for m in values] == [False, False, True]
    assert not any(table.cell(m, "parameters").bold for m in values)  # neither direction is better


@pytest.mark.parametrize(("seeds_ae", "seeds_vae", "bold"), [(3, 3, True), (2, 3, False), (3, 2, False)])
def test_nothing_is_bold_below_three_seeds_on_either_side(make, seeds_ae, seeds_vae, bold):
    runs = [make("ae", s, mse=1 + s / 100) for s in range(seeds_ae)]
    runs += [make("vae", s, mse=2 + s / 100) for s in range(seeds_vae)]
    table = build(runs)
    assert table.cell("ae", "mse").bold is bold and not table.cell("vae", "mse").bold


def unlike(make):
    runs = [make("ae", s, fd_lenet=(1.0 + s, {}), mse=1.0 + s / 100) for s in range(3)]
    return runs + [make("vae", s, fd_lenet=(9.0 + s, {"n": 1000}), mse=2.0) for s in range(3)]


def test_numbers_of_unequal_protocol_are_refused_in_one_line(make):
    with pytest.raises(PushforwardError) as refused:
        build(unlike(make))
    line = str(refused.value)
    assert line.startswith("cards of fd_lenet differ in n = 360 (ae), 1000 (vae): ") and "\n" not in line
    assert all(remedy in line for remedy in ("pushforward evaluate", "--columns", "--allow-mixed"))
    assert build(unlike(make), columns=("mse",)).cell("ae", "mse").bold


def test_allowed_they_are_marked_noted_and_never_ranked(make):
    table = build(unlike(make), allow_mixed=True)
    assert not any(row.cells[1].bold for row in table.rows) and table.cell("ae", "mse").bold
    assert [c.unranked for c in table.columns] == ["", "mixed cards"]
    assert [table.cell(m, "fd_lenet").kind for m in ("ae", "vae")] == ["ᵃ", "ᵇ"]
    assert any(n.startswith("not ranked: fd_lenet; cards differ in n = 360 (ae), 1000 (vae)") for n in table.notes)
    text = table_render.markdown(table).replace("\\", "")
    assert "fd_lenet [feature²] (mixed cards)" in text and "10 ± 1ᵇ" in text.replace("10.0 ± 1.0", "10 ± 1")
    assert r"$^\mathrm{b}$" in table_render.latex(table) and table_render.latex(table).isascii()
    rows = list(csv.DictReader(io.StringIO(table_render.csv(table))))
    assert {(r["model"], r["metric"]): r["cards"] for r in rows} == {
        ("ae", "mse"): "", ("vae", "mse"): "", ("ae", "fd_lenet"): "a", ("vae", "fd_lenet"): "b",
    }  # fmt: skip


def test_a_mean_over_seeds_of_unlike_cards_is_refused_too(make):
    runs = [make("ae", 1, mse=1.0), make("ae", 2, mse=(1.0, {"split": "val"}))]
    with pytest.raises(PushforwardError, match=r"cards of mse differ in split = test \(ae\), val \(ae\)"):
        build(runs)
    assert build(runs, allow_mixed=True).cell("ae", "mse").kind == "ᵃᵇ"


def test_a_stale_card_without_a_key_differs_from_one_with_it(make):
    runs = [make("ae", mse=1.0), make("vae", mse=(1.0, {"binarize": "fixed"}))]
    with pytest.raises(PushforwardError, match=r"binarize = none \(ae\), fixed \(vae\)"):
        build(runs)


def test_several_columns_are_named_together_where_they_differ_alike(make):
    runs = [make(m, mse=(1.0, {"n": n}), psnr=(1.0, {"n": n})) for m, n in (("ae", 360), ("vae", 1000))]
    with pytest.raises(PushforwardError, match=r"cards of mse, psnr differ in n = 360 \(ae\), 1000 \(vae\)"):
        build(runs)


@pytest.mark.parametrize(
    ("metric", "card", "refused"),
    [
        ("bpd", {"standard_error": 0.1}, False),  # a mean over images: more of them make it surer, not other
        ("fd_lenet", {"standard_error": 0.1}, True),  # a distance between sets has a bias that depends on n
        ("generalisation_gap", {"standard_error": 0.1, "train_n": 360}, False),
        ("fd_lenet", {}, True),
        ("bpd", {}, True),
    ],
)
def test_n_may_differ_for_a_mean_with_its_standard_error_alone(make, metric, card, refused):
    runs = [make("vae", s, **{metric: (2.0 + s / 9, card | {"n": 360})}) for s in range(3)]
    fewer = {key: 100 for key in ("n", "train_n") if key in card or key == "n"}
    runs += [make("ddpm", s, **{metric: (1.0 + s / 9, card | fewer)}) for s in range(3)]
    if refused:
        with pytest.raises(PushforwardError, match="n = 360"):
            build(runs)
    else:
        assert build(runs).cell("ddpm", metric).bold


def test_importance_samples_have_to_be_equal_where_there_are_any(make):
    flow = make("realnvp", bpd=(2.0, {"kind": "exact"}))
    vae, other = (make(m, bpd=(2.0, {"kind": "lower bound", "k": k})) for m, k in (("vae", 256), ("beta_vae", 64)))
    assert build([flow, vae]).columns[0].ranked
    with pytest.raises(PushforwardError, match=r"k = 256 \(vae\), 64 \(beta_vae\), none \(realnvp\)"):
        build([flow, vae, other])


def test_what_is_not_applicable_refuses_nothing(make):
    runs = [make("ae", bpd=(None, "no density"), mse=1.0), make("vae", bpd=(2.0, {"levels": 17}), mse=2.0)]
    runs[0].metrics["bpd"]["card"]["levels"] = 2
    assert build(runs).columns[0].ranked


def test_how_a_model_samples_bounds_or_averages_weights_is_its_own_affair(make):
    rule = {"selection": "on validation"}
    runs = [make("gan", s, fd_lenet=(1.0 + s / 9, {"sampler": None, **rule})) for s in range(3)]
    own = {"sampler": "heun", "function_evaluations": 50, "weights": "last (EMA)", **rule}
    runs += [make("ddpm", s, fd_lenet=(5.0 + s / 9, own)) for s in range(3)]
    assert build(runs).cell("gan", "fd_lenet").bold
    other = [make("vae", s, fd_lenet=(9.0, {"selection": "by test"})) for s in range(3)]
    with pytest.raises(PushforwardError, match=r"selection = by test \(vae\), on validation \(gan, ddpm\)"):
        build(runs + other)


def test_bits_carry_their_kind_and_are_ranked_within_one_data_protocol(make):
    kinds = {"vae": "lower bound", "realnvp": "exact", "ddpm": "estimate"}
    runs = [make(m, s, bpd=(2.0 + s / 10, {"kind": k, "likelihood": m})) for m, k in kinds.items() for s in range(3)]
    table = build(runs)
    assert {m: table.cell(m, "bpd").relation for m in kinds} == {"vae": "≤", "realnvp": "=", "ddpm": "≈"}
    assert table.columns[0].ranked and "≤ **2.10 ± 0.10**" in table_render.markdown(table)
    binary = [make("ae", s, bpd=(0.2, {"kind": "lower bound", "levels": 2})) for s in range(3)]
    with pytest.raises(PushforwardError, match="levels"):
        build(runs + binary)


def test_nats_of_unlike_likelihoods_stand_together_unranked(make):
    runs = [make(m, s, neg_elbo=(9.0, {"likelihood": m})) for m in ("vae", "beta_vae") for s in range(3)]
    table = build(runs)  # measuring alike could not make them equal: it is the models that differ
    assert table.columns[0].unranked == "not ranked" and not table.cell("vae", "neg_elbo").bold
    assert [table.cell(m, "neg_elbo").kind for m in ("vae", "beta_vae")] == ["ᵃ", "ᵇ"]
    assert "likelihood = vae (vae), beta_vae (beta_vae)" in " ".join(table.notes)


def test_cards_have_to_agree_within_a_data_set_only(make):
    cards = {"digits": {"n": 360, "levels": 17}, "mnist": {"n": 10_000, "levels": 256}}
    runs = [make(m, data=d, mse=(1.0, c)) for m in ("ae", "vae") for d, c in cards.items()]
    assert build(runs, rows=("data", "model")).columns[0].ranked
    assert build(runs, rows=("model",)).rows[0].marks == "‡"  # a mean over data sets says so
    runs.append(make("gan", data="mnist", mse=(1.0, {"n": 10_000, "levels": 2})))
    with pytest.raises(PushforwardError, match=r"cards of mse on mnist differ in levels = 256 .*, 2 \(mnist gan\)"):
        build(runs, rows=("data", "model"))


def test_a_long_list_of_differences_is_cut_short(make):
    runs = [make(m, mse=(1.0, dict.fromkeys("abcde", m))) for m in ("ae", "vae")]
    with pytest.raises(PushforwardError, match=r"differ in a = ae \(ae\), vae \(vae\); b = .*; and 3 more keys: "):
        build(runs)
    assert "e = ae (ae), vae (vae)" in " ".join(build(runs, allow_mixed=True).notes)


def test_what_is_of_the_model_alone_hangs_on_no_data(make):
    cards = ({"split": None, "selection": "auto"}, {"split": None, "n": 360})
    runs = [make(m, parameters=(1.0, card)) for m, card in zip(("ae", "vae"), cards, strict=True)]
    assert build(runs).columns[0].ranked


def test_columns_by_pattern_and_all(make):
    runs = [make("vae", mse=1.0, own_thing=2.0, fd_lenet=1.0, fd_random=1.0)]
    names = {c: [column.name for column in build(runs, columns=c).columns] for c in ((), ("all",), ("fd_*", "mse"))}
    assert names == {
        (): ["mse", "fd_lenet", "fd_random"],
        ("all",): ["mse", "fd_lenet", "fd_random", "own_thing"],
        ("fd_*", "mse"): ["fd_lenet", "fd_random", "mse"],
    }


def test_each_data_set_is_ranked_for_itself(make):
    runs = [make(m, s, data=d, mse=v + w + s / 100) for m, v in (("ae", 0), ("vae", 1))
            for d, w in (("digits", 1), ("mnist", 5)) for s in range(3)]  # fmt: skip
    table = build(runs, rows=("data", "model"))
    assert [r.label for r in table.rows if r.cells[0].bold] == ["digits ae", "mnist ae"]


def test_what_is_missing_can_be_seen(make):
    runs = [
        make("ae", mse=0.1, bpd=(None, "an autoencoder has no density")),
        make("vae", mse=0.2),
        make("gan", status={"state": "failed"}),
        make("ddpm", 1, mse=0.3, bpd=3.0),
        make("ddpm", 2, status={"state": "diverged"}),
        make("realnvp", status={"state": "running", "host": "gone"}),
    ]
    table = build(runs)
    states = {row.label: [cell.state for cell in row.cells] for row in table.rows}
    assert states == {
        "ae": ["value", "n/a"],
        "vae": ["value", "missing"],
        "gan": ["failed", "failed"],
        "ddpm": ["value", "value"],
        "realnvp": ["stopped (killed)", "stopped (killed)"],
    }
    text = table_render.markdown(table)
    assert "n/a (ae: bpd): an autoencoder has no density" in text and "| 1 (1 diverged) |" in text and "| – |" in text


def test_marks_of_improving_stale_and_mixed(make):
    runs = [make("ae", mse=1.0, improving=True), make("vae", mse=1.0, status={"fingerprint": "then"})]
    runs += [make("beta_vae", 1, beta=b, mse=1.0) for b in (1, 4)]
    table = build(runs, stale=lambda run: str(run.status["fingerprint"] == "then" or ""))
    assert [row.marks for row in table.rows] == ["*", "†", "‡"]
    assert "‡ beta_vae mixes runs that differ in weighting.beta: add it to --rows" in table.notes
    apart = build(runs, rows=("model", "weighting.beta"))
    assert [row.label for row in apart.rows if row.key[0] == "beta_vae"] == ["beta_vae 1", "beta_vae 4"]
    assert not any("‡" in row.marks for row in apart.rows)


def test_a_collapsed_run_is_marked_in_its_row(make):
    runs = [make("vae", s, mse=(0.07, {"collapsed": "decodes 2% of the images' variance"})) for s in (1, 2)]
    table = build([*runs, make("ae", mse=0.01)])
    assert [row.marks for row in table.rows] == ["", "°"]
    assert "° vae collapsed: decodes 2% of the images' variance" in table.notes
    assert table_render.latex(table).count(r"$^\circ$") >= 2 and not any("differ" in note for note in table.notes)


def test_the_floor_stands_below_as_a_row(make):
    runs = [make(m, 1, mse=0.1, fd_lenet=(v, {"floor": 3.0, "references": {"Gaussian on pixels": 80.0}}))
            for m, v in (("ae", 30.0), ("vae", 20.0))]  # fmt: skip
    table = build(runs)
    assert [(r.key, r.reference) for r in table.rows[2:]] == [
        (("train vs test (floor)",), True),
        (("Gaussian on pixels",), True),
    ]
    assert table.cell("train vs test (floor)", "fd_lenet").mean == 3.0
    assert table.cell("Gaussian on pixels", "fd_lenet").mean == 80.0


def test_rows_of_reference_have_the_spread_of_their_draws(make):
    drawn = {"floor": 2.0, "references": {"memoriser": 3.0}, "reference_draws": {"floor": [1.0, 2.0, 3.0]}}
    table = build([make(m, 1, fd_lenet=(v, drawn)) for m, v in (("ae", 30.0), ("vae", 20.0))])
    cell = table.cell("train vs test (floor)", "fd_lenet")
    assert (cell.mean, cell.std) == (2.0, 1.0) and table.cell("memoriser", "fd_lenet").std is None
    assert "2.0 ± 1.0" in table_render.markdown(table) and "over draws" in " ".join(table.notes)


def test_models_come_in_the_order_in_which_they_are_taught_and_numbers_by_size(make):
    runs = [make(m, mse=1.0) for m in ("zzz", "flow_matching", "vae", "ae")]
    assert [r.label for r in build(runs).rows] == ["ae", "vae", "flow_matching", "zzz"]
    runs = [make("vae", beta=b, mse=1.0) for b in (10, 2, 0.5)]
    assert [r.label for r in build(runs, rows=("weighting.beta",)).rows] == ["0.5", "2", "10"]


def test_mistakes_end_in_one_line(make):
    runs = [make("vae", mse=1.0), make("ae", fd_lenet=2.0)]
    with pytest.raises(PushforwardError, match=r"fd_lent.*Nearest: fd_lenet"):
        build(runs, columns=("fd_lent",))
    with pytest.raises(PushforwardError, match=r"--rows modle"):
        build(runs, rows=("modle",))
    with pytest.raises(PushforwardError, match="No runs"):
        build([])
    assert build(runs, columns=("fd_lenet",)).cell("vae", "fd_lenet").state == "missing"
    begun = [make("gan", status={"state": "running", "host": "gone"})]  # no number yet: columns of what is to come
    assert [column.name for column in build(begun, columns=("fd_lenet",)).columns] == ["fd_lenet"]


NUMBERS = {
    (12.3456, 0.4321): "12.35 ± 0.43",
    (12.3456, 0.0996): "12.35 ± 0.10",
    (1234.5, 231.0): "1230 ± 230",
    (0.012347, 0.00067): "0.01235 ± 0.00067",
    (1.5e-5, 2e-6): "(1.50 ± 0.20)e-5",
    (3.14159, None): "3.142",
    (2.0, 0.0): "2 ± 0",
    (1234567.0, 0.0): "1,234,567",
}


@pytest.mark.parametrize(("given", "shown"), NUMBERS.items())
def test_two_significant_digits_of_the_spread(given, shown):
    assert number(*given) == shown and len(NUMBERS) == 8


def test_written_as_markdown_latex_and_csv(make, tmp_path):
    runs = [make(m, s, mse=(v + s / 10, {"floor": 0.5}), bpd=(v, {"kind": "lower bound"}))
            for m, v in (("ae", 1.0), ("beta_vae", 2.0)) for s in range(3)]  # fmt: skip
    table = build(runs, caption="50 % of a & b")
    paths = table_render.write(table, tmp_path / "tables", "families")
    assert [p.name for p in paths] == ["families.md", "families.tex", "families.csv", "families.html"]
    md, tex, text, _ = (p.read_text() for p in paths)
    lines = [line for line in md.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3 and len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "**1.10 ± 0.10**" in md
    assert tex.isascii() and r"beta\_vae" in tex and r"\textbf{1.10 $\pm$ 0.10}" in tex and r"50 \% of a \& b" in tex
    assert tex.count("{") == tex.count("}") and tex.count("$") % 2 == 0
    ends = [line.count(" & ") for line in tex.splitlines() if line.endswith(r"\\")]
    assert ends == [3] * 5  # two lines of headings, two models, floor: model, mse, bpd, n
    rows = list(csv.DictReader(io.StringIO(text)))
    first = next(r for r in rows if r["model"] == "ae" and r["metric"] == "mse")
    assert math.isclose(float(first["mean"]), 1.1) and math.isclose(float(first["std"]), 0.1) and first["n"] == "3"
    assert first["best"] == "True" and len(rows) == 5  # 2 models × 2 metrics and one floor


def test_wide_tables_fold_in_latex(make):
    """Every column once, the keys in each part, the seeds in the last, and no row of reference without a number."""
    names = [f"metric_number_{i}" for i in range(20)]
    runs = [make(m, 1, **{name: (v, {"floor": 1.0} if name == names[0] else {}) for name in names})
            for m, v in (("ae", 3.0), ("vae", 2.0))]  # fmt: skip
    text = table_render.latex(build(runs, columns=names))
    parts = text.split(r"\begin{tabular}")[1:]
    assert len(parts) > 2 and text.count(r"\end{tabular}") == len(parts)
    assert all(part.count("model &") == 1 and part.count("\nvae &") == 1 for part in parts)
    assert sum(part.count(name.replace("_", r"\_") + " ") for part in parts for name in names[10:]) == 10
    assert [part.count("floor") for part in parts] == [1] + [0] * (len(parts) - 1)
    assert [" & n" in part for part in parts] == [False] * (len(parts) - 1) + [True]
