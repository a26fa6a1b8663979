"""One damaged run never hides the others: sixty kinds of damage, each beside a sound run, through every reading command."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pushforward as pf
from pushforward.cli import run as command
from pushforward.errors import PushforwardError
from pushforward.runs import UNREADABLE, Run, RunDir, every_run, every_study, every_sweep
from pushforward.runs.schema import parse_yaml

ESCAPES = "\x1b[31m\x1b]0;title\x07\x9b2J[/][bold]\u202e"
CARD = {"better": "lower", "split": "test", "n": 10, "kind": "exact", "weights": "last"}


def entry(value: float | None, **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": "nats", "card": CARD, "na": None, **more}


CONFIG = {
    "choices": {"model": "vae", "data": "digits", "network": "mlp"}, "results": 1, "seed": 1, "batch_size": 64,
    "data": {"limit": None}, "network": {}, "model": {}, "optimizer": {}, "budget": {"epochs": 1.0, "images": None},
    "selection": {"metric": "auto", "every": 1.0}, "tags": [],
}  # fmt: skip


def finished(path: Path, seed: int) -> RunDir:
    run = RunDir.create(path, {**CONFIG, "seed": seed})
    run.set_status(state="finished", images_seen=100, budget_images=100, latest={"kl": 1.0}, units={})
    run.write_record(
        {"nll": entry(1.5)}, improving=False, objective={"min": "E"}, cost={"train_seconds": 3.0, "images_seen": 100}
    )
    return run


def deep(levels: int) -> Any:
    return json.loads('{"a":' * levels + "1" + "}" * levels)


def laughs() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    return "\n".join(lines)


Damage = Callable[[Path], object]
WRONG: dict[str, dict[str, list[Any]]] = {
    "status.json": {
        "state": [None, 3, [], {}, "", "no such state"], "updated": [3, "yesterday", {}, [], "2026-99-01"], "started": [True],
        "images_seen": ["100", 10**400, [], 1.5, {}], "budget_images": ["many"], "latest": [[], "kl", {"kl": "1"}, {"kl": {}}],
        "error": [3, []], "pid": ["1", {}, 10**30], "host": [[]], "units": [[], {"kl": 3}], "fingerprint": [{}],
    },
    "record.json": {
        "metrics": [[], "none", 3, {"nll": 1.5}, {"nll": []}, {"nll": entry("1.5")}, {"nll": entry(1e300)},
                    {"nll": entry(10**400)}, {"nll": entry(1.0, unit=3)}, {"nll": entry(1.0, card=[])},
                    {"nll": entry(1.0, na=[])}, {"nll": entry(1.0, card={"better": []})},
                    {"nll": entry(1.0, card={"floor": "0"})},
                    {"nll": entry(1.0, card={"references": [1]})}, {"nll": entry(1.0, card={"x": deep(60)})}],
        "cost": [[], {"train_seconds": "3"}], "objective": [{"min": []}, []], "improving": ["no"], "execution": [[]],
        "failed": [[], {"x": 3}],
    },
}  # fmt: skip
WHOLE: dict[str, bytes] = {
    "empty": b"", "null": b"null", "a list": b"[1]", "a number": b"3", "text": b'"x"', "half": b'{"state": "fin',
    "bytes": bytes(range(256)), "NaN": b'{"images_seen": NaN, "metrics": NaN}', "deep": b"[" * 100_000, "zeros": b"\0" * 4096,
    "6,000 digits": b'{"images_seen": ' + b"9" * 6000 + b"}",
}  # fmt: skip
YAML: dict[str, bytes] = {
    "laughs": laughs().encode(), "itself": b"a: &a [*a]\n", "deep flow": b"[" * 50_000, "deep block": b"- " * 50_000,
    "a list": b"- 1\n", "a scalar": b"3\n", "tabs": b"\ta: 1", "a tag": b"a: !!python/object/apply:os.system ['touch ran']",
    "choices as a list": b"choices: [a]\n", "seed as text": b"seed: one\n", "budget as a list": b"budget: [1]\n",
    "a number as a key": b"1: 2\n", "latin-1": "tags: [é]".encode("latin-1"), "huge": b"# " + b"x" * 2**21, "half": b"a: [1, 2",
    "6,000 digits": b"seed: " + b"9" * 6000,
}  # fmt: skip


def written(name: str, key: str, value: Any) -> Damage:
    def change(run: Path) -> None:
        (run / name).write_text(json.dumps({**json.loads((run / name).read_text()), key: value}))

    return change


def loop(run: Path, name: str) -> None:
    (run / name).unlink()
    (run / name).symlink_to(run / name)


def folder(run: Path, name: str) -> None:
    (run / name).unlink()
    (run / name).mkdir()


def pipe(run: Path, name: str) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)


def kinds() -> dict[str, Damage]:
    found: dict[str, Damage] = {}
    for name, keys in WRONG.items():
        for key, values in keys.items():
            found |= {f"{name} {key} {i}": written(name, key, value) for i, value in enumerate(values)}
        found |= {
            f"{name} {kind}": lambda run, n=name, c=content: (run / n).write_bytes(c) for kind, content in WHOLE.items()
        }
    found |= {
        f"config.yaml {kind}": lambda run, c=content: (run / "config.yaml").write_bytes(c)
        for kind, content in YAML.items()
    }
    for name in ("status.json", "record.json", "config.yaml"):
        for what in (loop, folder, pipe):
            found[f"{name} {what.__name__}"] = lambda run, n=name, w=what: w(run, n)
    return found


KINDS = kinds()


def test_how_many_kinds() -> None:
    assert len(KINDS) >= 60


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    for seed in (1, 2):
        finished(tmp_path / "runs" / f"vae-digits-s{seed}-abc", seed)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = command(list(words))
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err and "traceback" not in err, err
    assert code in (0, 1, 2)
    return code, out + err


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_run_beside_a_sound_one(kind: str, outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = outputs / "runs" / "vae-digits-s1-abc", outputs / "runs" / "vae-digits-s2-abc"
    KINDS[kind](bad)
    assert Run(bad).damage() and not Run(good).damage()
    _, text = said(capsys, "status")
    assert "vae-digits-s2-abc" in text and (kind.startswith("config") or UNREADABLE in text)
    code, text = said(capsys, "table")
    assert code == 0 and "1.5" in text and "vae-digits-s1-abc: unreadable: " in text
    code, text = said(capsys, "show", "run", str(bad))
    assert code == 1 and "unreadable" in text and text.count("\n") == 1
    code, text = said(capsys, "why", str(bad), "nll")
    assert code == 2 and "unreadable" in text and text.count("\n") == 1
    assert [run.id for run in pf.runs(seed=2)] == [good.name]
    assert len(pf.runs()) == 2
    assert not (outputs / "ran").exists()
    with pytest.raises(PushforwardError, match="unreadable"):
        pf.runs().__class__([Run(bad)]).table()


@pytest.mark.parametrize("name", ["status.json", "record.json", "config.yaml"])
def test_a_run_that_lacks_a_file(name: str, outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (outputs / "runs" / "vae-digits-s1-abc" / name).unlink()
    for words in (["status"], ["table"], ["show", "run", "latest"], ["show", "run", "vae-digits-s2"]):
        code, text = said(capsys, *words)
        assert code == 0 and text


def test_times_without_a_zone_are_utc(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written("status.json", "updated", "2026-01-01T00:00:00")(outputs / "runs" / "vae-digits-s1-abc")
    assert "ago" in said(capsys, "status")[1]


def test_text_of_a_record_is_shown_and_not_obeyed(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = outputs / "runs" / "vae-digits-s1-abc"
    run = RunDir(bad)
    run.set_status(state="failed", error=ESCAPES, command=ESCAPES, latest={ESCAPES: 1.0}, units={ESCAPES: ESCAPES})
    run.write_record(
        {ESCAPES: entry(1.0, unit=ESCAPES, card={**CARD, "sampler": ESCAPES})}, objective={ESCAPES: ESCAPES}
    )
    (bad / "config.yaml").write_text(
        json.dumps({**CONFIG, "choices": {"model": ESCAPES, "data": ESCAPES}, "tags": [ESCAPES]})
    )
    shutil.copytree(bad, outputs / "runs" / "\x1b[31m[bold]x")
    sweep = outputs / "sweeps" / "\x1b[31m[b]"
    sweep.mkdir(parents=True)
    (sweep / "sweep.json").write_text(json.dumps({"name": ESCAPES, "jobs": [{"run": "../../x"}]}))
    study = outputs / "studies" / "\x1b[31m[b]"
    study.mkdir(parents=True)
    (study / "status.json").write_text(
        json.dumps({"name": ESCAPES, "metric": [ESCAPES], "best": {"value": 1.0, "run": ESCAPES}})
    )
    shown = Run(bad).metrics
    (metric,) = shown
    for words in (["status"], ["status", "--all"], ["table", "--columns", "all"], ["show", "run", str(bad)],
                  ["why", str(bad), metric], ["show", "run", "no\x1b[31mrun"], ["why", "latest", "\x1b[31m"]):  # fmt: skip
        _, text = said(capsys, *words)
        assert not set(text) & set("\x1b\x07\x9b\u202e"), words
    assert "[/][bold]" in said(capsys, "show", "run", str(bad))[1]
    for file in (outputs / "tables").iterdir():
        assert not set(file.read_text()) & set("\x1b\x07\x9b\u202e")
    assert every_sweep()[0].run_ids == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"trials": "x"}', b"\0", b"[" * 50_000, b'{"jobs": [3]}'])
def test_damaged_sweeps_and_studies(content: bytes, outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, file in (("sweeps", "sweep.json"), ("studies", "status.json")):
        for name in ("bad", "good"):
            (outputs / kind / name).mkdir(parents=True)
            (outputs / kind / name / file).write_text("{}")
        (outputs / kind / "bad" / file).write_bytes(content)
    code, text = said(capsys, "status")
    assert code == 0 and text.count("good") == 2 and "unreadable" in text
    assert len(every_sweep()) == len(every_study()) == 2


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", ".hidden", "a\nb", "\x1b[31m", "x" * 300])
def test_a_name_is_one_path_component(name: str, outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path for path in outputs.parent.rglob("*") if "tables" not in str(path))
    code, text = said(capsys, "table", name)
    assert code == 2 and "give a name" in text
    assert sorted(path for path in outputs.parent.rglob("*") if "tables" not in str(path)) == before


def test_depth_and_aliases_are_bounded() -> None:
    assert parse_yaml("a: &x [1]\nb: *x\n") == {"a": [1], "b": [1]}
    assert len(every_run()) >= 0
