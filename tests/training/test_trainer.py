"""What the trainer's settings do to a run: batches in parts, a time limit, profilers, learning by heart."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from zoo import AT_LEAST, RECIPES, batch_of, family_of, frozen_of, network_of, targets

from pushforward import bottlenecks, config, diffusion, families, objectives, priors
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.runs import Run
from pushforward.seeds import generator
from pushforward.training import build
from pushforward.training.acceleration import check
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]
N, PARTS = 12, 3
NORMED = ("conv", "resnet", "mlp_batch")
"""Networks with a norm over the batch."""


COUPLING = {
    name
    for package in (bottlenecks, diffusion, families, objectives, priors)
    for name in package.__all__
    if getattr(getattr(package, name), "couples_batch", False) is True
}
"""Classes that say that they take a batch as a whole."""


@pytest.mark.parametrize("model", RECIPES)
def test_parts_of_a_batch_give_the_gradient_of_the_whole(model: str) -> None:
    """For every player of every recipe, with terms per image in their order; what couples the batch is refused.

    In float64, where the two differ by the order of sums alone: an entry is a sum over at most N images, 64 pixels and as many
    activations, some 10⁵ summands, each rounded to 1.1e-16 of the largest: 1e-10 of the largest entry bounds it.
    """
    norm = ("network.norm=none",) if network_of(model) in NORMED else ()  # of a batch it would couple it
    parts = (f"trainer.accumulate={PARTS}", f"batch_size={N}", *norm)
    frozen, family = frozen_of(model, None, *parts), family_of(model, (1, 8, 8), None, *parts).double()
    coupling = (targets(frozen) & COUPLING) | ({"GAN"} if frozen["model"].get("pack", 1) > 1 else set())
    coupling |= {"BatchNorm"} if frozen["model"].get("critic", {}).get("norm") == "batch" else set()
    assert set(family.coupled()) == coupling
    if coupling:
        with pytest.raises(PushforwardError, match=r"takes the batch as a whole"):
            check(frozen, family)
        return
    check(frozen, family)
    with build.as_precise_as(family):
        family.configure_optimizers()
        assert family.stepper is not None
        batch = batch_of(family.spec, N).to("cpu", torch.float64)
        for player in family.players:
            noise = family.draw(player.name, N, generator("cpu", 1, "noise", player.name))
            move, found = family.stepper.player_steps[player.name], {}
            for move.parts in (1, PARTS):
                grads, terms, _ = move.gradient(batch, noise)
                found[move.parts] = (
                    [g.clone() for g in grads if g is not None],
                    {k: v.detach() for k, v in terms.items()},
                )
            (whole, terms), (parts, theirs) = found[1], found[PARTS]
            largest = max(float(g.abs().max()) for g in whole)
            assert largest > 0 and len(whole) == len(parts)
            for ours, other in zip(whole, parts, strict=True):
                torch.testing.assert_close(ours, other, rtol=0, atol=1e-10 * largest)
            assert terms.keys() == theirs.keys()
            for name, value in terms.items():
                torch.testing.assert_close(theirs[name], value, rtol=1e-10, atol=1e-10)


def test_every_recipe_is_among_them_and_few_couple_the_batch() -> None:
    assert len(RECIPES) >= AT_LEAST and {"ActivationKL", "MMD", "VectorQuantizer"} & COUPLING == {"ActivationKL", "MMD"}
    assert len(COUPLING) >= 8


REFUSED = [
    ("sparse_ae", (), "ActivationKL takes the batch as a whole"),
    ("beta_vae", ("weighting=capacity",), "Capacity takes the batch as a whole"),
    ("vae", ("weighting=free_bits",), "FreeBits takes the batch as a whole"),
    ("vae", ("network=conv", "network.norm=batch"), "BatchNorm takes the batch as a whole"),
]


@pytest.mark.parametrize(("model", "more", "line"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_what_couples_a_batch_is_not_taken_in_parts(model: str, more: tuple[str, ...], line: str) -> None:
    frozen = compose([f"model={model}", "data=digits", "trainer.accumulate=2", *more])
    family = build.build_family(frozen, build.build_data(frozen).spec)
    with pytest.raises(PushforwardError, match=rf"^trainer\.accumulate=2: {line}.*; leave it out"):
        check(frozen, family)


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(PushforwardError, match=r"trainer\.accumulate=3: batch_size=64 does not divide"):
        compose(["model=vae", "data=digits", "trainer.accumulate=3"])
    with pytest.raises(
        PushforwardError, match=r"batch_size=8 does not divide into as many equal parts in each of 2 processes"
    ):
        compose(["model=vae", "data=digits", "batch_size=8", "trainer=ddp_cpu", "trainer.accumulate=8"])


def test_a_run_in_parts_is_the_same_run(small: Compose, tmp_path: Path) -> None:
    """One identity, and by plain gradient steps in float64 the same weights: 79 steps, each of rounding error 1e-10 at most."""
    common = (
        "model=vae",
        "optimizer@optimizer.model=sgd",
        "precision=fp64",
        "budget.epochs=1",
        "optimizer.model.lr=1e-4",
    )
    runs = {}
    for parts in (1, 4):
        frozen = small(*common, "batch_size=16", f"trainer.accumulate={parts}")
        assert train(frozen, tmp_path / str(parts)) == 0
        runs[parts] = Run(tmp_path / str(parts))
    assert runs[1].status["identity"] == runs[4].status["identity"]
    ours, theirs = (torch.load(run.checkpoints / "last.ckpt", weights_only=True)["state_dict"] for run in runs.values())
    for key, value in ours.items():
        torch.testing.assert_close(theirs[key], value, rtol=1e-8, atol=1e-8)
    assert not all(torch.equal(theirs[key], value) for key, value in ours.items())  # they did come about otherwise


TIMES = [("00:12:00:00", 43200.0), ("1:00:00:01", 86401.0), ("90", 90.0), ("0.5", 0.5)]


@pytest.mark.parametrize(("given", "seconds"), TIMES)
def test_a_time_limit_is_lightnings_or_seconds(given: str, seconds: float) -> None:
    frozen = compose(["model=vae", "data=digits", f"trainer.max_time={given}"])
    assert config.max_seconds(frozen) == seconds


@pytest.mark.parametrize("given", ["0", "-1", "12h", "00:00:00:00", "1:2:3", "nan"])
def test_a_time_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(PushforwardError, match=rf"^trainer\.max_time={given}: "):
        compose(["model=vae", "data=digits", f"trainer.max_time={given}"])


def test_a_run_whose_time_is_over_is_stopped_and_resumes(small: Compose, tmp_path: Path) -> None:
    """Bit for bit: it is the same run, and the limit is no part of it."""
    common = ("model=gan", "network=mlp", "batch_size=32", "budget.epochs=1")
    assert train(small(*common), tmp_path / "whole") == 0
    limited, code, states = small(*common, "trainer.max_time=1e-9"), 1, list[str]()
    while code:
        code = train(limited, tmp_path / "pieces")
        states.append(Run(tmp_path / "pieces").status["state"])
        assert code == (0 if states[-1] == "finished" else 130)
    assert states == ["stopped", "stopped", "finished"]  # 40 steps in blocks of 16
    whole, pieces = (
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True) for name in ("whole", "pieces")
    )
    assert all(torch.equal(pieces["state_dict"][key], value) for key, value in whole["state_dict"].items())
    assert Run(tmp_path / "whole").status["identity"] == Run(tmp_path / "pieces").status["identity"]


@pytest.mark.parametrize("name", ["simple", "advanced", "pytorch"])
def test_a_profilers_report_lies_in_the_run_directory(small: Compose, tmp_path: Path, name: str) -> None:
    frozen = small("model=ae", "budget={epochs:null,images:1024}", f"trainer.profiler={name}")
    assert train(frozen, tmp_path / "run") == 0
    assert len((tmp_path / "run" / "fit-profile.txt").read_text().splitlines()) > 10


def test_overfitting_learns_its_few_images_by_heart(small: Compose, tmp_path: Path) -> None:
    """Its last squared error is a fifth of what one mean image leaves, and nothing is validated."""
    frozen = small(
        "model=ae", "trainer=overfit", "trainer.threads=1", "trainer.progress=false", "likelihood=gaussian", hidden=128
    )
    assert train(frozen, tmp_path / "run") == 0
    run = Run(tmp_path / "run")
    assert not (run.checkpoints / "best.ckpt").exists() and "val/criterion" not in run.curves()
    data = build.build_data(frozen)
    x = data.tensor("train")
    assert len(x) == 256
    family = build.build_family(frozen, data.spec)
    family.load_state_dict(torch.load(run.checkpoints / "last.ckpt", weights_only=True)["state_dict"])
    with torch.no_grad():
        left = float((family.reconstruct(x) - x).square().mean())  # type: ignore[operator]
    assert left < 0.2 * float((x - x.mean(0)).square().mean())
