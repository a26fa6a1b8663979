"""A search that is killed, shared, pruned: no trial lost, none proposed twice, the seeded one equal to the undisturbed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

import optuna
from optuna.trial import FrozenTrial, TrialState

from pushforward.errors import PushforwardError
from pushforward.runs import Run, RunDir, runs_dir
from pushforward.sweep.search import optuna_study
from pushforward.sweep.search.study_journal import FILE, Driver, open_storage

sys.path.insert(0, str(Path(__file__).parent))
import stand_in
from stand_in import Inline, frozen, search, wanted

from pushforward.sweep.search.study import Study
from pushforward.sweep.search.trials import Search


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a killed process loses nothing that a living system keeps
    return tmp_path / "outputs" / "studies" / "s"


def trials(folder: Path) -> list[FrozenTrial]:
    storage = open_storage(folder)
    return storage.get_all_trials(storage.get_all_studies()[0]._study_id)


def told(found: list[FrozenTrial]) -> list[tuple[Any, ...]]:
    """What a search is, but for when and by whom."""
    return [(t.number, t.state.name, t.values, t.params, t.intermediate_values, t.user_attrs["run"]) for t in found]


def waiting(folder: Path, runs: int, sampler: str = "tpe") -> "subprocess.Popen[str]":
    """A search in a process of its own, which waits for input when it has trained so many runs; 0: it ends."""
    command = [sys.executable, str(Path(stand_in.__file__)), str(folder), str(runs), sampler]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)


def has_come_there(process: "subprocess.Popen[str]") -> bool:
    assert process.stdout is not None
    return "waiting\n" in iter(process.stdout.readline, "")


def killed_after(folder: Path, runs: int, sampler: str) -> None:
    """Starts the search, and kills it with `kill -9` when so many runs have been trained, the last one untold."""
    driver = waiting(folder, runs, sampler)
    assert has_come_there(driver)
    os.killpg(driver.pid, signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("cmaes", marks=pytest.mark.slow)])
def test_killed_twice_it_equals_the_undisturbed_search(
    folder: Path, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for runs in (10, 20):
        killed_after(folder, 10, sampler)
        left = [t.state for t in trials(folder)]
        assert left.count(TrialState.RUNNING) == 1 and len(left) == runs
    waiting(folder, 0, sampler).communicate()
    disturbed = trials(folder)
    assert [t.state for t in disturbed] == 30 * [TrialState.COMPLETE]
    points = {(t.params["x"], t.params["lr"]) for t in disturbed}
    assert len(points) == 30
    trained = (runs_dir().parent / "trained.txt").read_text().split()
    assert len(trained) == len(set(trained)) == 30, "what was trained is not trained again"
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(folder.parents[2] / "undisturbed"))
    whole = folder.parents[2] / "undisturbed" / "studies" / "s"
    search(whole, wanted(sampler=sampler))
    assert told(trials(whole)) == told(disturbed)
    assert min(t.values[0] for t in disturbed[15:]) < min(t.values[0] for t in disturbed[:5]), "it learns"


def test_two_processes_share_a_journal(folder: Path) -> None:
    """Side by side, each up to its fifth run; then for the other twenty."""
    both = [waiting(folder, 5) for _ in range(2)]
    assert all(map(has_come_there, both))
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        process.communicate()
        assert process.returncode == 0
    found = trials(folder)
    assert [t.number for t in found] == list(range(30))
    assert [t.state for t in found] == 30 * [TrialState.COMPLETE]
    assert len({(t.params["x"], t.params["lr"]) for t in found}) == 30
    assert sorted(t.user_attrs["run"] for t in found) == sorted((runs_dir().parent / "trained.txt").read_text().split())
    assert len({t.user_attrs["driver"] for t in found}) == 2
    assert not list((folder / "locks" / "drivers").iterdir())


def test_a_living_process_keeps_its_trial_and_a_dead_one_loses_it(folder: Path) -> None:
    with Study(wanted(), folder) as one:
        first = one.ask()
        other = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(folder)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(Path(stand_in.__file__).parent)},
        )  # fmt: skip
        assert other.stdout is not None and other.stdout.readline() == "1 False\n", "not the living one's trial 0"
        second = one.ask()
        assert first is not None and second is not None and second.number == 2, "not the living one's trial 1"
        other.kill()
        other.wait()
        third = one.ask()
        assert third is not None and (third.number, third.adopted) == (1, True)
        assert third.params == trials(folder)[1].params


OTHER = """
import sys
from pathlib import Path
from stand_in import wanted
from pushforward.sweep.search.study import Study
with Study(wanted(), Path(sys.argv[1])) as study:
    asked = study.ask()
    print(asked.number, asked.adopted, flush=True)
    sys.stdin.read()
"""


def test_a_trial_that_was_never_quite_begun_is_proposed_the_same(folder: Path) -> None:
    """Killed between Optuna's records of one ask: some parameters are there, and nobody's name."""
    with Study(wanted(trials=3), folder) as study:
        loaded = study.load()
        torn = loaded.ask()
        study.settings.space[0].suggest(torn)
        adopted = study.ask()
    with Study(wanted(trials=3), folder.with_name("whole")) as study:
        whole = study.ask()
    assert adopted is not None and whole is not None
    assert adopted.adopted and adopted.number == 0 and adopted.params == whole.params


def test_half_a_record_is_cut_off(folder: Path) -> None:
    search(folder, wanted(trials=2))
    with (folder / FILE).open("a") as file:
        file.write('{"op_code":4,"worker_id":"killed')
    search(folder, wanted(trials=4))
    assert [t.state for t in trials(folder)] == 4 * [TrialState.COMPLETE]
    assert "killed" not in (folder / FILE).read_text()


def test_a_study_that_is_done_runs_nothing_and_more_trials_go_on(folder: Path) -> None:
    search(folder, wanted(trials=5))
    before = (runs_dir().parent / "trained.txt").read_text()
    search(folder, wanted(trials=5))
    assert (runs_dir().parent / "trained.txt").read_text() == before
    search(folder, wanted(trials=8))
    assert len(trials(folder)) == 8
    search(folder.with_name("whole"), wanted(trials=8))
    assert told(trials(folder)) == told(trials(folder.with_name("whole")))
    count = len((runs_dir().parent / "trained.txt").read_text().split())
    assert count == 8, "the same runs, found by identity, answer at once"


def test_a_journal_is_of_one_space_and_one_metric(folder: Path) -> None:
    search(folder, wanted(trials=2))
    with pytest.raises(PushforwardError, match=r"begun with another metric.*study\.name=s_2"):
        search(folder, wanted(trials=4, metric="val/kl"))
    with pytest.raises(PushforwardError, match=r"begun with another space"):
        search(folder, wanted(trials=4, space={"x": {"float": [0, 1]}}))


def test_a_study_without_a_result_may_be_begun_anew(folder: Path) -> None:
    with pytest.raises(PushforwardError, match=r"study\.metric=val/kll: .* did you mean val/kl"):
        search(folder, wanted(trials=2, metric="val/kll"))
    search(folder, wanted(trials=2, metric="val/kl"))
    assert [t.state for t in trials(folder)] == 2 * [TrialState.COMPLETE]


def test_the_test_split_is_seen_only_where_it_is_named(folder: Path) -> None:
    with pytest.raises(PushforwardError, match=r"measured on the test split.*say test/mse"):
        search(folder, wanted(trials=1, metric="mse", direction="minimize"))
    search(folder, wanted(trials=1, metric="test/mse"))  # its direction is on the card of the run that there is
    assert trials(folder)[0].values == [Run(next(runs_dir().iterdir())).value("mse")]


def test_a_trial_that_fails_is_told_so_and_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work(job: Any) -> None:
        if job.frozen["model"]["x"] > 0:
            RunDir.create(job.path, job.frozen).set_status(state="diverged", error="kl is not finite")
        else:
            stand_in.train(job)

    search(folder, wanted(trials=8, sampler="random"), work=work)
    found = trials(folder)
    assert {t.state for t in found} == {TrialState.COMPLETE, TrialState.FAIL} and len(found) == 8
    assert all((t.params["x"] > 0) == (t.state == TrialState.FAIL) for t in found)
    assert next(t for t in found if t.state == TrialState.FAIL).user_attrs["note"] == "kl is not finite"
    assert "failed: kl is not finite" in capsys.readouterr().out


# Pruning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_hopeless_runs_are_pruned_alike_whenever_they_are_looked_at(folder: Path, pruner: str) -> None:
    """Finished runs are judged by their curves as running ones are."""
    search(folder, wanted(trials=20, pruner=pruner))
    states = [t.state for t in trials(folder)]
    assert 3 <= states.count(TrialState.PRUNED) < 20 and states.count(TrialState.COMPLETE) >= 3
    again = folder.with_name("again")
    for many in (7, 13):
        search(again, wanted(trials=many, pruner=pruner))
    search(again, wanted(trials=20, pruner=pruner))
    assert told(trials(again)) == told(trials(folder))


def test_a_pruned_run_is_stopped_and_says_why(folder: Path) -> None:
    class Stoppable(Inline):
        """A run that is looked at after each validation, and stops where it is told to."""

        search: Search

        def signal_came(self, job: Any) -> Any:
            attempt = next(a for a in self.search.attempts if a.job is job)
            return lambda step: attempt.worthless()

    pool = Stoppable()
    pool.work = lambda job: stand_in.train(job, pool.signal_came(job))
    with Study(wanted(trials=20, pruner="median"), folder) as study:
        pool.search = Search(study, frozen, pool)
        pool.search.run()
    pruned = [t for t in trials(folder) if t.state == TrialState.PRUNED]
    assert len(pruned) >= 3
    for trial in pruned:
        run = Run(runs_dir() / trial.user_attrs["run"])
        assert run.state == "stopped"
        assert run.status["error"] == f"pruned by study s, trial {trial.number}, after validation {trial.last_step}"
        assert len(run.curves()["images_seen"]) == trial.last_step
    whole = folder.with_name("whole")
    search(whole, wanted(trials=20, pruner="median"))
    assert [t[:5] for t in told(trials(whole))] == [t[:5] for t in told(trials(folder))]


# What is proposed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["random", "qmc", "nsga2", "tpe"])
def test_each_sampler_proposes_by_seed_and_number(folder: Path, sampler: str) -> None:
    more = {"sampler_options": {"population_size": 4}} if sampler == "nsga2" else {}
    search(folder, wanted(trials=6, sampler=sampler, **more))
    search(folder, wanted(trials=12, sampler=sampler, **more))
    search(folder.with_name("whole"), wanted(trials=12, sampler=sampler, **more))
    found = trials(folder)
    assert told(found) == told(trials(folder.with_name("whole")))
    assert len({tuple(t.params.values()) for t in found}) == 12  # of its parents' numbers a child has some
    search(folder.with_name("other"), wanted(trials=3, sampler=sampler, seed=2, **more))
    assert not {t.params["x"] for t in found} & {t.params["x"] for t in trials(folder.with_name("other"))}


def test_a_grid_takes_every_combination_once_and_ends(folder: Path) -> None:
    space = {"x": {"float": [0, 1], "step": 0.5}, "lr": {"log": [0.01, 1], "points": 3}, "width": {"int": [1, 2]}}
    space["net"] = {"choice": ["a"]}
    search(folder, wanted(trials=99, sampler="grid", space=space))
    found = {(t.params["x"], round(t.params["lr"], 9), t.params["width"]) for t in trials(folder)}
    assert found == {(x, lr, w) for x in (0, 0.5, 1) for lr in (0.01, 0.1, 1.0) for w in (1, 2)}
    assert len(trials(folder)) == 18


def test_quasi_random_points_fill_every_part(folder: Path) -> None:
    search(folder, wanted(trials=16, sampler="qmc"))
    xs = sorted(t.params["x"] for t in trials(folder))
    assert [int((x + 1) / 2 * 16) for x in xs] == list(range(16)), "one in each sixteenth"


def test_a_sampler_that_repeats_itself_is_asked_again(folder: Path) -> None:
    from pushforward.sweep.search.search_space import parse

    space = parse({"x": {"float": [0, 1]}})
    stuck = optuna_study.Joint(lambda seed: optuna_study.ByNumber(lambda n: {"x": 0.5}), space, 1)
    study = optuna.create_study(sampler=stuck)
    found = []
    for _ in range(3):
        trial = study.ask()
        found.append(space[0].suggest(trial))
        study.tell(trial, 1.0)
    assert found[0] == 0.5 and len(set(found)) == 3


def test_several_metrics_make_a_front(folder: Path) -> None:
    search(folder, wanted(trials=12, metric={"rate": "val/kl", "distortion": "val/reconstruction"}))
    found = trials(folder)
    assert all(len(t.values) == 2 and t.values[1] == pytest.approx(1 / (0.1 + t.values[0])) for t in found)
    with pytest.raises(PushforwardError, match=r"pruned by one metric, not 2"):
        wanted(metric=["val/kl", "val/reconstruction"], pruner="median")


def test_a_driver_that_is_gone_is_dead(folder: Path) -> None:
    with Driver(folder) as driver:
        assert driver.alive(driver.name) and not driver.alive(None) and not driver.alive("host-1-abc")
    assert not driver.alive(driver.name)
