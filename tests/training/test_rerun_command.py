"""The command told of a run composes to the identity it was trained under."""

import shlex
from pathlib import Path

import pytest

from pushforward import config
from pushforward.composition import compose
from pushforward.runs import RunDir
from pushforward.training.rerun_command import command

LINES = {
    "model=vae data=digits": "model=vae data=digits",
    "model=vae data=digits +measure@metrics.probes=probes metrics.images=9": "model=vae data=digits",
    "experiment=demo model=sparse_ae seed=2": None,
    "model=vae data=digits network.hidden=[32,16]": "model=vae data=digits 'network.hidden=[32,16]'",
    "model=vae data=sprites network=conv weighting.beta=4 data.source.size=16 batch_size=32": (
        "model=vae data=sprites network=conv batch_size=32 weighting.beta=4 data.source.size=16"
    ),
    "model=ddpm data=digits optimizer.model.lr=0.0003 budget.epochs=null budget.images=1000": None,
    "model=denoising_ae data=digits corruption=masking likelihood=bernoulli": None,
    "model=vae data=digits ~model.objective.kl": None,
    "model=gan data=digits optimizer@optimizer.critic=adamw": None,
    "model=ae data=digits augmentation=crop data.augmentation.pad=1": None,
    "model=vae data=digits callbacks=[early_stopping,learning_rate_monitor] callbacks.early_stopping.patience=2": None,
    "model=vae data=digits schedule=cosine schedule.warmup=2": "model=vae data=digits schedule=cosine schedule.warmup=2",
    "model=gan data=digits +schedule@optimizer.critic.schedule=exponential ema=exponential optimizer.critic.ema=null": None,
    "model=vae data=digits optimizer.model.schedule={_target_:pushforward.schedules.Cosine,warmup:1}": None,
}


@pytest.mark.parametrize(("line", "told"), LINES.items())
def test_the_command_composes_to_the_same_identity(line: str, told: str | None, tmp_path: Path) -> None:
    frozen = compose(line.split())
    found = command(RunDir.create(tmp_path / "run", frozen))
    assert found.startswith("pushforward train ")
    assert config.identity(compose(shlex.split(found)[2:])) == config.identity(frozen), found
    if told:
        assert found == f"pushforward train {told}"


def test_lines_found() -> None:
    assert len(LINES) == 14


def test_a_run_of_groups_that_are_gone_is_told_by_the_command_it_was_started_with(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", {"choices": {"model": "gone", "data": "digits"}, "seed": 1})
    run.set_status(state="finished", command="pushforward train model=gone")
    assert command(run) == "pushforward train model=gone"
