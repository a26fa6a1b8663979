"""The time left is one estimate, right to a factor of 1.5 after a fifth of the work: recorded timings, no clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pushforward.report import eta
from pushforward.runs import Run, RunDir, runs_dir

FACTOR = 1.5
MEASURES = {f"m{i}": {"_target_": "pushforward.protocol.x.M"} for i in range(11)}
SPRITES, OTHER = (195_840, 211.3, 15.6, 768), (195_840, 171.5, 12.2, 768)
TIMINGS = [
    (SPRITES, [OTHER]),
    (OTHER, [SPRITES]),
    (SPRITES, [(195_840, 211.3, 17.1, 768), OTHER, (195_840, 171.5, 15.9, 768)]),
    (SPRITES, []),
    (OTHER, []),
    ((50_304, 39.5, 0.1, 360), []),
]
"""Records of VAEs on sprites and of a GAN on digits, measured by default: images, seconds of training and of measuring,
test images; and those that had finished before."""


NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return NOW


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    monkeypatch.setattr(eta, "datetime", Stopped)


def config(images: int, measured: int = 10_000) -> dict[str, Any]:
    choices = {"model": "vae", "data": "digits", "network": "mlp"}
    return {"choices": choices, "budget": {"images": images}, "metrics": {"images": measured, **MEASURES}}


def finished(images: int, train: float, seconds: float, measured: int = 10_000) -> None:
    run = RunDir.create(runs_dir() / f"vae-digits-s1-{len(list(runs_dir().glob('*'))):012}", config(images, measured))
    run.set_status(state="finished", budget_images=images, images_seen=images)
    run.write_record({}, cost={"train_seconds": train, "images_seen": images, "evaluate_seconds": seconds})


def going(share: float, images: int, train: float, seconds: float, test: int) -> tuple[Run, float]:
    """A run that has done a share of its work, and the seconds that it truly has left."""
    run, spent = RunDir.create(runs_dir() / "vae-digits-s2-aaaa", config(images)), share * (train + seconds)
    status: dict[str, Any] = {"images_seen": round(min(spent / train, 1) * images), "train_seconds": min(spent, train)}
    if spent > train:
        since = NOW - timedelta(seconds=spent - train)
        status |= {"phase": "measuring", "measuring_since": since.isoformat()}
    run.set_status(state="running", budget_images=images, test_images=test, **status)
    return Run(run.path), train + seconds - spent


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize(("run", "before"), TIMINGS)
def test_a_run_s_time_left(run: tuple[Any, ...], before: list[tuple[Any, ...]], share: float) -> None:
    for images, train, seconds, _ in before:
        finished(images, train, seconds)
    made, true = going(share, *run)
    found = eta.remaining(made, made.config, eta.Estimates())
    assert found is not None and true / FACTOR <= found <= true * FACTOR, (found, true)
    assert len(TIMINGS) == 6


@pytest.mark.parametrize("known", [True, False])
def test_a_sweep_s_time_left(known: bool) -> None:
    """Ten jobs, two at a time, after a fifth of the work: two are done, two have begun."""
    if known:
        finished(*OTHER[:3])
    finished(*SPRITES[:3])
    finished(*SPRITES[:3])
    run, left = going(0.05, *SPRITES)
    estimates, each = eta.Estimates(), sum(SPRITES[1:3])
    running = [eta.remaining(run, run.config, estimates)] * 2
    waiting = [estimates.seconds(run.config)] * 6
    found, true = eta.together(running, waiting, [each, each], 2), left + 3 * each
    assert found is not None and true / FACTOR <= found <= true * FACTOR, (found, true)


@pytest.mark.parametrize(
    ("step", "evaluations", "train", "seconds"),
    [
        (0.0046, 0, 4.0, 3.3),
        (0.0045, 0, 5.8, 1.2),
        (0.0094, 0, 11.2, 0.3),
        (0.0083, 0, 10.0, 1.6),
        (0.0512, 50, 71.9, 43.5),
    ],
)
def test_a_run_of_which_no_like_is_known(step: float, evaluations: int, train: float, seconds: float) -> None:
    """Five families on digits, 40 epochs, on one busy core: by a step of 64 images that was tried on a core as busy."""
    tried = {**config(50_304, 1_000), "model": {"evaluations": evaluations} if evaluations else {}}
    tried["metrics"] = {"images": 1_000, **{f"m{i}": {"_target_": "x"} for i in range(3)}}
    busy = 71.9 / (50_304 / 64 * 0.0512)
    found, true = eta.expected_seconds(tried, 50_304, busy * step / 64, 180), train + seconds
    assert true / FACTOR <= found <= true * FACTOR, (found, true)


def test_measuring_scales_with_its_images() -> None:
    finished(1_000, 10.0, 8.0, 1_000)
    estimates = eta.Estimates()
    assert estimates.seconds(config(1_000, 1_000)) == pytest.approx(18.0)
    assert estimates.seconds(config(2_000, 4_000)) == pytest.approx(20.0 + 32.0)
