"""Contestants in processes of their own; one that fails says why and leaves the others to themselves."""

import sys
from pathlib import Path

import pytest

import bench
from bench.rounds import Settings, compete

STAND_IN = """
import argparse, os, socket, sys
sys.path.insert(0, SCRIPTS)
from bench.gate import Channel, Gate
parser = argparse.ArgumentParser()
parser.add_argument("fate")
for flag in ("channel", "threads"):
    parser.add_argument(f"--{flag}", type=int)
parser.add_argument("--born", type=float)
parser.add_argument("--device")
asked = parser.parse_args()
assert os.environ["OMP_NUM_THREADS"] == str(asked.threads) == "1"
channel = Channel(socket.socket(fileno=asked.channel))
class Over(Exception): pass
def over(): raise Over
gate, images = Gate(channel, asked.born, over), 0
try:
    while True:
        images += 100
        gate.tick(images)
        if asked.fate == "fails" and images > 1000:
            sys.exit("error: it was too much")
        if asked.fate == "is killed" and images > 1000:
            os.kill(os.getpid(), 9)
except Over:
    channel.send(metrics_seconds=1.5)
    channel.send(done=True)
"""


def test_rounds_in_turn(tmp_path: Path) -> None:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN.replace("SCRIPTS", repr(str(Path(bench.__file__).parents[1]))))
    commands = {fate: [sys.executable, str(script), fate] for fate in ("lasts", "fails", "is killed")}
    told: list[str] = []
    found = compete(commands, Settings(rounds=3, seconds=0.05, warm=0.01), tmp_path, told.append)
    lasts, fails = found["lasts"], found["fails"]
    assert lasts.error is None
    assert len(lasts.rates) == 3 and min(lasts.rates) > 0
    assert lasts.first_step > 0 and lasts.memory_mb > 1 and lasts.metrics_seconds == 1.5
    assert fails.error == "error: it was too much"
    assert found["is killed"].error == "it ended with code -9"
    assert [line for line in told if "round" in line][:4] == [
        "lasts, round 1 of 3", "fails, round 1 of 3", "is killed, round 1 of 3", "lasts, round 2 of 3",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_real_case(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import json

    from bench.__main__ import main

    file = tmp_path / "found.json"
    line = ["--cases", "vae-digits-small", "--rounds", "1", "--seconds", "0.1", "--threads", "1", "--metrics"]
    assert main([*line, "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert all(row in printed for row in ("hand-written", "pushforward", "lightning"))
    rows = json.loads(file.read_text())["cases"]["vae-digits-small"]["rows"]
    assert rows["hand-written"]["ratio"] == 1
    assert 0 < rows["pushforward"]["ratio"] < 2
    assert rows["pushforward"]["metrics_seconds"] > 0
    assert len(rows) == 3
