"""What is composed once and altered equals what Hydra composes."""

from typing import Any

import pytest
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from pushforward import composition
from pushforward.errors import PushforwardError
from pushforward.sweep.compose_cache import Once


class Counting:
    """Hydra's loader, counting what it composes."""

    def __init__(self, loader: Any) -> None:
        self.loader, self.count = loader, 0

    def load_sweep_config(self, master: DictConfig, overrides: list[str]) -> DictConfig:
        self.count += 1
        return self.loader.load_sweep_config(master, overrides)


@pytest.fixture
def hydra() -> Any:
    """(loader, master config)"""
    loader = composition.Loader()
    return loader, loader.load_configuration(composition.ROOT, ["model=vae"], RunMode.RUN)


COSINE = "optimizer.model.schedule={_target_: pushforward.schedules.Cosine, warmup: 1}"
JOBS = [
    [["model=vae", f"seed={seed}", f"weighting.beta={beta}"] for seed in (1, 2) for beta in (0.5, 4)],
    [["model=vae", "optimizer.model.lr=1e-3", "trainer.progress=false"], ["model=vae", "optimizer.model.lr=2"]],
    [["model=gan", "network.width=8", "optimizer@optimizer.critic=adamw", f"optimizer.critic.lr={lr}"] for lr in (1, 2)],
    [["model=vae", "budget.images=1000", "budget.epochs=null", f"batch_size={n}"] for n in (16, 32)],
    [["model=vae", "network.hidden=[8]", f"network.hidden.0={n}"] for n in (3, 4)],
    [["model=vae", "seed=1", f"seed={n}"] for n in (3, 4)],
    [["model=vae", f"budget.epochs={n}", "budget={images: 100, epochs: null}"] for n in (3, 4)],
    [["model=vae", "network=mlp", f"+model.note={n}", f"model.note={2 * n}"] for n in (3, 4)],
    [["model=vae", "trainer.progress=false", f"network.hidden=[{n}]", "tags=[a,b]", "init_from=null"] for n in (3, 4)],
    [["model=vae", COSINE, f"optimizer.model.schedule.warmup={n}"] for n in (3, 4)],
]  # fmt: skip


@pytest.mark.parametrize("jobs", JOBS, ids=lambda jobs: " ".join(jobs[-1][1:])[:60])
def test_equals_what_hydra_composes(jobs: list[list[str]], hydra: Any) -> None:
    loader, master = hydra
    once = Once(loader)
    for job in jobs:
        first, second = once.load_sweep_config(master, job), once.load_sweep_config(master, job)
        assert first is second
        wanted = loader.load_sweep_config(master, job)
        assert composition.frozen(first) == composition.frozen(wanted)
        assert first.hydra.overrides.task == job
        assert OmegaConf.to_container(first.hydra.runtime.choices) == OmegaConf.to_container(
            wanted.hydra.runtime.choices
        )


def test_jobs_that_differ_in_numbers_are_composed_once(hydra: Any) -> None:
    loader, master = hydra
    counting = Counting(loader)
    once = Once(counting)  # type: ignore[arg-type]
    for model in ("vae", "ae"):
        for seed in range(5):
            config_ = once.load_sweep_config(master, [f"model={model}", f"seed={seed}", "weighting.beta=2"])
            assert (config_.seed, config_.weighting.beta) == (seed, 2)
    assert counting.count == 2


@pytest.mark.parametrize(
    "job", [["model=vae", "weighting.bta=3"], ["model=vae", "seed=1.5"], ["model=vae", "nothing=1"]]
)
def test_hydra_says_what_is_wrong(job: list[str], hydra: Any) -> None:
    loader, master = hydra
    with pytest.raises(PushforwardError) as wanted:
        composition.frozen(loader.load_sweep_config(master, job))
    with pytest.raises(PushforwardError) as found:
        composition.frozen(Once(loader).load_sweep_config(master, job))
    assert str(found.value) == str(wanted.value)
