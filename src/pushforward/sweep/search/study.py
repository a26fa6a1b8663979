"""A search: trials proposed by Optuna, each an ordinary run whose number is reported back. Stopped in any way, it resumes.

Who may do what: asking, taking over the trial of a dead process and counting happen under the study's lock, one process
at a time; telling is the business of the process whose trial it is.
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from pushforward.atomic_files import Lock, write_whole
from pushforward.errors import PushforwardError
from pushforward.runs import schema
from pushforward.sweep.search import optuna_study
from pushforward.sweep.search.study_config import Settings
from pushforward.sweep.search.study_journal import DRIVER, Driver, open_storage

Params = dict[str, Any]


@dataclass
class Asked:
    """A trial of this process: Optuna's handle, and the values of the config it stands for."""

    trial: Trial
    params: Params
    adopted: bool = False

    @property
    def number(self) -> int:
        return int(self.trial.number)


class Study:
    """A journal open for a process: what there is to try next, and what became of it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.directions: list[Any] = ["maximize" if o.maximize else "minimize" for o in settings.objectives]
        self.driver = Driver(folder)
        self.lock = Lock(folder / "locks" / "study")
        # refused now, not after the first run
        self.make_sampler = partial(
            optuna_study.sampler, settings.sampler, settings.sampler_options, settings.space, settings.seed,
            len(self.directions),
        )  # fmt: skip
        self.make_pruner = partial(optuna_study.pruner, settings.pruner, settings.pruner_options)
        self.make_sampler(), self.make_pruner()
        self.total = settings.trials
        if settings.sampler == "grid":
            self.total = min(self.total, optuna_study.grid_size(settings.space))

    def __enter__(self) -> "Study":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock.acquire(blocking=True)
        try:
            self._define()
            self.storage = open_storage(self.folder)
            optuna.create_study(
                study_name=self.settings.name, storage=self.storage, directions=self.directions, load_if_exists=True
            )
        finally:
            self.lock.release()
        self.driver.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.driver.__exit__(*error)

    def _define(self) -> None:
        """Write what the study is, or holds it against what it was begun as; one that has no result may be begun anew."""
        if self.begun_alike():
            return
        for old in self.folder.glob("journal*"):
            old.unlink()
        write_whole(self.file, json.dumps(self.settings.definition, indent=1) + "\n")

    @property
    def file(self) -> Path:
        return self.folder / "study.json"

    def begun_alike(self) -> bool:
        """Whether it was begun as it is now. Raises PushforwardError where it differs, and a trial has a result."""
        if not self.file.is_file():
            return False
        wanted, there = json.loads(json.dumps(self.settings.definition)), schema.read(self.file, ("any",))
        differ = [key for key in wanted if there.get(key) != wanted[key]]
        if differ and has_results(self.folder):
            word = {"base": "configuration (the same study takes the same overrides)"}.get(differ[0], differ[0])
            raise PushforwardError(
                f"study {self.settings.name} was begun with another {word}; give this one a name of its own: "
                f"study.name={self.settings.name}_2, or remove {self.folder}"
            )
        return not differ

    def load(self) -> optuna.Study:
        """Return the study as it stands, with a sampler and a pruner that know nothing but their seeds."""
        return optuna.load_study(
            study_name=self.settings.name, storage=self.storage, sampler=self.make_sampler(), pruner=self.make_pruner()
        )

    def ask(self) -> Asked | None:
        """Return the trial to run next: one that a dead process left, else a new one; None where nothing is left."""
        with self.lock:
            study = self.load()
            orphans = self.driver.orphans(study)
            if not orphans and len(study.get_trials(deepcopy=False)) >= self.total:
                return None
            trial = Trial(study, orphans[0]._trial_id) if orphans else study.ask()
            trial.set_user_attr(DRIVER, self.driver.name)
            params = {d.key: d.value(d.suggest(trial)) for d in self.settings.space}
        return Asked(trial, params, adopted=bool(orphans))

    def tell(self, asked: Asked, values: list[float] | None, state: TrialState, note: str = "") -> None:
        """The end of a trial: COMPLETE with values, PRUNED or FAIL with a note why."""
        if note:
            asked.trial.set_user_attr("note", note)
        asked.trial.study.tell(asked.trial, values, state=state)

    def trials(self) -> list[FrozenTrial]:
        return self.load().get_trials(deepcopy=False)


def has_results(folder: Path) -> bool:
    """Whether a trial of the journal has ended, or a living process is at one."""
    if not (folder / "journal.jsonl").is_file():
        return False
    storage, driver = open_storage(folder), Driver(folder)
    for known in storage.get_all_studies():
        trials = storage.get_all_trials(known._study_id, deepcopy=False)
        if any(t.state.is_finished() or driver.alive(t.user_attrs.get(DRIVER)) for t in trials):
            return True
    return False


class Pruning:
    """Whether a trial is worth going on, by its run's validations in their order: it does not matter when it is looked.

    The criterion is turned so that less is better where the study's metric is minimised, and the other way round.
    """

    def __init__(self, asked: Asked, maximize: bool) -> None:
        self.trial, self.sign = asked.trial, -1.0 if maximize else 1.0
        self.reported = set(asked.trial.study.trials[asked.number].intermediate_values) if asked.adopted else set()
        self.pruned_at: int | None = asked.trial.user_attrs.get("pruned_at")

    def look(self, validations: list[tuple[int, float]], budget: int | None) -> bool:
        """Report what is new. True once the trial is to be pruned; the last validation ends the run anyway."""
        for step, (seen, criterion) in enumerate(validations, start=1):
            if self.pruned_at is not None:
                return True
            again = step in self.reported and step == max(self.reported)  # asked, perhaps, and killed before the answer
            if step in self.reported and not again:
                continue
            if not again:
                self.trial.report(self.sign * criterion, step)
                self.reported.add(step)
            if (budget is None or seen < budget) and self.trial.should_prune():
                self.pruned_at = step
                self.trial.set_user_attr("pruned_at", step)
        return self.pruned_at is not None
