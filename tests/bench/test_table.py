"""The table's medians and ratios, round by round; a row that failed says so."""

import io
import json

import pytest
from rich.console import Console

from bench.cases import CASES
from bench.rounds import Figures, Settings
from bench.table import plain, table

CASE = CASES["vae-digits"]
FOUND = {
    CASE: {
        "hand-written": Figures([100.0, 200.0, 400.0], 1.0, 300.0),
        "pushforward": Figures([90.0, 160.0, 380.0], 2.0, 400.0, 12.5),
        "lightning": Figures(error="no module"),
    }
}


def test_table() -> None:
    out = io.StringIO()
    Console(file=out, width=200).print(table(FOUND))
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.getvalue().splitlines() if "|" in line]
    assert lines[0][-1] == "metrics at the end, s"
    assert lines[2][:6] == ["vae-digits", "hand-written", "200", "3.1", "1.00", "1.00 to 1.00"]
    assert lines[3] == ["", "pushforward", "160", "2.5", "0.90", "0.80 to 0.95", "2.0", "400", "12.5"]
    assert lines[4][:3] == ["", "lightning", "failed: no module"]


def test_plain() -> None:
    found = json.loads(json.dumps(plain(FOUND, Settings(rounds=3), [0.5, 1.0])))
    rows = found["cases"]["vae-digits"]["rows"]
    assert rows["pushforward"]["ratio"] == 0.9
    assert rows["pushforward"]["ratios"] == pytest.approx([0.9, 0.8, 0.95])
    assert rows["lightning"] == {"error": "no module"}
    assert found["settings"]["rounds"] == 3
    assert found["machine"]["torch"]
