"""Runs as a list that can become a frame or a table: what `pushforward.runs()` and `pushforward.find()` give."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pushforward.errors import PushforwardError
from pushforward.runs import UNREADABLE, Run, flatten

if TYPE_CHECKING:
    import pandas

    from pushforward.report.tables import Table


class RunList(list[Run]):
    """Runs, as a list that can become a frame or a table."""

    def frame(self) -> "pandas.DataFrame":
        """One row a run: id, state, seed, options chosen, every config key in which the runs differ, every metric."""
        try:
            import pandas
        except ImportError:
            raise PushforwardError(
                "frame() needs pandas: pip install 'pushforward[notebook]' (or use .table())."
            ) from None
        flat = [flatten(run.config) for run in self]
        keys = dict.fromkeys(k for f in flat for k in f if not k.startswith("choices."))
        vary = [k for k in keys if k != "seed" and len({repr(f.get(k)) for f in flat}) > 1]
        rows = []
        for run, leaves in zip(self, flat, strict=True):
            row = {
                "id": run.id,
                "state": UNREADABLE if run.damage() else run.state,
                "seed": run.key("seed"),
            } | run.choices
            row |= {"weights": run.weights} if run.weights else {}
            row |= {k: leaves.get(k) for k in vary} | {name: entry["value"] for name, entry in run.metrics.items()}
            rows.append(row)
        return pandas.DataFrame(rows)

    def table(self, rows: Iterable[str] = ("model",), columns: Iterable[str] = (), **options: Any) -> "Table":
        """The comparison table of these runs (`pushforward.report.tables.build`); options: its others."""
        from pushforward.report.tables import build

        sound, damaged = self.split()
        if damaged and not sound:
            raise PushforwardError(damaged[0])
        table = build(sound, rows=tuple(rows), columns=tuple(columns), **options)
        table.notes += damaged
        return table

    def _repr_html_(self) -> str:
        from pushforward.report import notebook

        return notebook.runs(self)

    def split(self) -> tuple["RunList", list[str]]:
        """The runs that can be read, and a line for each other: which it is, and why."""
        sound = RunList(run for run in self if not run.damage())
        return sound, [f"{run.id}: unreadable: {run.damage()}" for run in self if run.damage()]
