"""The tutorial docs/own_module.md, block by block: files are written, commands run, and what it says of them holds."""

import math
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
import tutorial

import pushforward as pf
from pushforward import config

PAGE = "own_module.md"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What each command printed; the page's files are in the working directory."""
    with tutorial.reading(PAGE, tmp_path_factory.mktemp("bars")) as printed:
        yield dict(printed)


def one(shown: dict[str, str], beginning: str) -> str:
    [found] = [text for command, text in shown.items() if command.startswith(f"pushforward {beginning}")]
    return found


def test_every_block_is_taken(shown: dict[str, str]) -> None:
    assert {block.kind for block in tutorial.blocks(PAGE)} == {"python", "yaml", "bash"} and len(shown) == 6
    assert {path.name for path in Path().rglob("*.yaml") if "conf" in path.parts} == {
        "bars.yaml", "rows.yaml", "bars_ae.yaml", "pixels.yaml", "stray.yaml"
    }  # fmt: skip


def test_own_recipes_are_listed_and_shown(shown: dict[str, str]) -> None:
    listed, about = one(shown, "list models"), one(shown, "show model")
    assert "  bars_ae                Autoencoder with a heavy-tailed code: min" in listed
    assert "Autoencoders\n" in listed
    assert (
        "Rows(hidden=[64], activation=relu, norm=none, filters=8)" in about or "Rows(hidden=[64], filters=8)" in about
    )
    assert "0.02·Σ log cosh z, code² (LogCosh)" in about


def test_the_table_has_own_numbers_beside_the_packages(shown: dict[str, str]) -> None:
    table = one(shown, "table bars")
    assert "bpd" in table and "stray" in table and "not ranked" not in table
    assert "no prior of its own" in table
    why = one(shown, "why")
    assert "pushforward train" in why and re.search(
        r"pushforward evaluate pixels-bars-s1-\w+ --allow-modules bars$", why.strip()
    )


def test_pixels_reach_the_entropy_of_independent_pixels(shown: dict[str, str]) -> None:
    """Every pixel is lit with probability 1 − (1 − rate)²; their entropies, in nats, are the least NLL. 300 test images."""
    p = 1 - (1 - 0.15) ** 2
    entropy = -36 * (p * math.log(p) + (1 - p) * math.log(1 - p))
    runs = pf.runs(model="pixels", tags="bars")
    assert len(runs) == 2
    for run in runs:
        entry = run.metrics["nll"]
        # five standard errors, and what 10 epochs leave
        assert abs(entry["value"] - entropy) < 5 * entry["card"]["standard_error"] + 0.5
        assert run.value("stray_pixels") > pf.runs(model="vae", tags="bars", seed=run.key("seed"))[0].value(
            "stray_pixels"
        )


def test_a_table_of_ones_own(shown: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path("table.py")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["bars_ae", "pixels", "vae"]
    assert "no prior of its own" in lines[0] and float(lines[1].split()[1]) > float(lines[2].split()[1])


def test_a_changed_module_makes_its_runs_stale(shown: dict[str, str]) -> None:
    [run] = pf.runs(model="pixels", tags="bars", seed=2)
    assert config.stale(run) == ""
    with Path("bars.py").open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert "bars" in config.stale(run) and "changed since it was trained" in config.stale(run)
