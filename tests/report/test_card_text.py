"""A number's card in lines, and two rows compared."""

import pytest

from pushforward.errors import PushforwardError
from pushforward.report.card_text import why
from pushforward.report.intervals import comparisons
from pushforward.report.tables import build


def test_a_number_its_kind_and_every_entry_of_its_card(make):
    card = {"kind": "lower bound", "standard_error": 0.016, "data": {"data": "digits", "levels": 17}, "k": 256}
    run = make("vae", status={"commit": "abc"}, bpd=(2.0064, card))
    lines = why(run, "bpd")
    assert lines[:3] == [
        f"bpd of {run.id}", "  ≤ 2.0064 ± 0.016 (standard error) bits/dim  (an upper bound)", "  lower is better",
    ]  # fmt: skip
    text = "\n".join(lines)
    assert all(piece in text for piece in ("split", "test", "k  ", "256", "data digits; levels 17"))
    assert lines[-1] == "trained by commit abc, source now"


def test_what_is_not_applicable_says_why_and_a_typo_what_was_meant(make):
    run = make("ae", bpd=(None, "no density"), mse=0.1)
    assert why(run, "bpd")[1] == "  n/a: no density"
    with pytest.raises(PushforwardError, match=r"no number bpdd. Nearest: bpd"):
        why(run, "bpdd")


def test_two_rows_compared_column_by_column(make):
    values = {"ae": (1.0, 1.1, 1.2), "vae": (2.0, 2.2, 2.1), "gan": (2.0,)}
    runs = [make(m, s, mse=v, neg_elbo=(v, {"likelihood": m})) for m, vs in values.items() for s, v in enumerate(vs)]
    table = build(runs)
    (line,) = comparisons(table, runs, "ae", "vae")  # nats of unlike likelihoods are not compared
    # seeds are shared: differences −1, −1.1, −.9, 2 degrees of freedom: t = 4.303; 4.303·.1/√3 = .248; of 8 flips 2 are as far
    paired = "3 seeds in pairs; exact sign-flip test: p = 0.25, 3 seeds give at least 0.25"
    assert line == f"mse: ae − vae: -1.000 [-1.248, -0.752] (95 %, {paired})"
    with pytest.raises(PushforwardError, match="no run has model=flow; there are ae, gan, vae"):
        comparisons(table, runs, "ae", "flow")
    with pytest.raises(PushforwardError, match="--compare ae,gan"):
        comparisons(table, runs, "ae", "gan")
