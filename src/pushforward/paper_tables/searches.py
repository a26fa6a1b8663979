"""The searches of a budget: each row's best configuration in each block, found before its seeds are trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.overrides import override
from pushforward.paper_tables.paper_table import Budget, PaperTable
from pushforward.runs import Run, outputs, read_study, runs_dir


@dataclass(frozen=True, eq=False)
class RowSearch:
    """The search of a row in a block: a study of the sweeper, with runs as any other's."""

    row: str
    block: str
    name: str
    """Of the study."""
    trials: int
    metric: str
    space: Mapping[str, Any]
    overrides: tuple[str, ...]
    """Of the command that runs it."""

    @property
    def status(self) -> Mapping[str, Any]:
        """How it stands, as it last said; empty where it has not begun. Raises PushforwardError where that is unreadable."""
        folder = outputs() / "studies" / self.name
        found = read_study(folder) if (folder / "status.json").exists() else {}
        if "unreadable" in found:
            raise PushforwardError(f"{folder}: {found['unreadable']}; remove the folder, and the search begins anew")
        return found

    @property
    def over(self) -> int:
        """Trials that have ended."""
        return sum(self.status.get(key, 0) for key in ("complete", "pruned", "failed"))

    @property
    def best(self) -> list[str] | None:
        """Overrides of the best trial's values; None before all trials have ended, and where none has a value."""
        run = self.best_run
        if self.over < self.trials or run is None or not run.config:
            return None
        return [override(key, value_at(run.config, key)) for key in self.space]

    @property
    def best_run(self) -> Run | None:
        found = self.status.get("best") or {}
        return Run(runs_dir() / found["run"]) if found.get("run") else None

    @property
    def standing(self) -> str:
        """Why there is no best configuration yet."""
        run = self.best_run
        if self.over < self.trials:
            return f"for its search {self.name}, {self.over} of {self.trials} trials"
        if run is None:
            return f"none of the {self.trials} trials of its search {self.name} succeeded"
        return f"the run of the best trial of its search {self.name} is gone: {run.id}"


def row_search(
    table: PaperTable, preset: str, budget: Budget, row: str, block: str, overrides: Sequence[str]
) -> RowSearch | None:
    """Return the search of a row in a block; overrides: of its runs. None where the budget has none."""
    search = budget.search
    if search is None:
        return None
    name = "-".join(part for part in (table.name, preset, block, row) if part)
    space = {**search.space, **table.rows[row].space}
    study = {"name": name, "trials": search.trials, "metric": search.metric, "sampler": search.sampler, "space": space}
    own = [override(f"study.{key}", value) for key, value in study.items()]
    return RowSearch(row, block, name, search.trials, search.metric, space, ("study=random", *own, *overrides))


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key, or the option of a group, of a run's config."""
    choices = config.get("choices") or {}
    if key in choices:
        return choices[key]
    node: Any = config
    for part in key.split("."):
        node = node[part]
    return node
