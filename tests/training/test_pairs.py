"""Reflow: a run learns the pairs of the run that it starts from, the same when it resumes; its paths are straighter."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from pushforward import config, launch
from pushforward.composition import compose
from pushforward.families import Diffusion
from pushforward.runs import Run, runs_dir
from pushforward.seeds import generator
from pushforward.training import build
from pushforward.training.load_run import load
from pushforward.training.pairs import teach
from pushforward.training.stack_planning import Kinds

SMALL = (
    "data=toy2d", "data.source.name=8gaussians", "data.source.n_train=3000", "data.source.n_test=500", "data.validation=500",
    "network=mlp", "network.hidden=[64]", "network.activation=silu", "features=none", "logger=none", "trainer.threads=1",
    "trainer.progress=false", "batch_size=100", "budget.epochs=16", "ema=none", "metrics=none",
    "+measure@metrics.straightness=straightness",
)  # fmt: skip
REFLOW = ("model=rectified_flow", "model.process.reflow.pairs=1500", "model.process.reflow.evaluations=20")


def frozen_of(*overrides: str) -> dict[str, Any]:
    return compose([*SMALL, *overrides])


def trained(frozen: dict[str, Any]) -> Run:
    assert launch.start(frozen) == 0
    return Run(runs_dir() / config.run_id(frozen))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        yield trained(frozen_of("model=flow_matching", "budget.epochs=20"))


def test_a_reflowed_run_is_straighter_and_starts_from_its_teacher(teacher: Run) -> None:
    """Liu, Gong & Liu 2023, theorem 3.7: straightness falls. A quarter of it is left room for: the field is a small network."""
    run = trained(frozen_of(*REFLOW, f"init_from={teacher.id}"))
    before, after = (r.record["metrics"]["straightness"]["value"] for r in (teacher, run))
    assert after < 0.75 * before and run.record["init_from"]["run"] == teacher.id
    family = load(run).family
    assert isinstance(family, Diffusion) and "pairs" not in str(family.state_dict().keys())


def test_pairs_are_those_of_the_teacher_and_the_same_again(teacher: Run) -> None:
    """They end where the teacher's own sampler ends from the same noise; a second run reads them from disk, bit for bit."""
    frozen = frozen_of(*REFLOW, f"init_from={teacher.id}")
    spec = build.build_data(frozen).spec
    found = []
    for _ in range(2):
        family = build.build_family(frozen, spec)
        teach(family, frozen["initial"])
        assert isinstance(family, Diffusion)
        found.append(family.draw("model", 50, generator("cpu", 0, "n")))
    assert found[0].keys() == {"noise", "end", "time"}
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])
    own = load(teacher).family
    assert isinstance(own, Diffusion)
    with torch.no_grad():
        end = own.process.end(own.field, found[0]["noise"], 20)  # type: ignore[operator]
    torch.testing.assert_close(found[0]["end"], end, rtol=1e-5, atol=1e-5)


def test_stacks_part_runs_with_pairs_from_others(teacher: Run) -> None:
    begun = f"init_from={teacher.id}"
    jobs = [frozen_of(*REFLOW, *more) for more in ((), ("seed=2",), (begun,), (begun, "seed=2"))]
    assert Kinds(jobs).groups({}) == [[0, 1], [2, 3]]
