"""Two rows of a table against each other, column by column, with the interval of the difference over seeds."""

from collections.abc import Sequence

from pushforward.errors import PushforwardError
from pushforward.report import comparability, intervals
from pushforward.report.table_layout import Table
from pushforward.runs import Run


def comparisons(table: Table, runs: Sequence[Run], first: str, second: str, level: float = 0.95) -> list[str]:
    """`mse: ae − vae: −0.012 [−0.014, −0.010] (95 %, n = 3 + 3)` for each column that both have two seeds of.

    A row is meant by its value of the table's first key. Columns whose numbers of the two do not compare are left out.
    Raises PushforwardError where a value is in no row, or no column can be compared.
    """
    key = table.keys[0]
    known = sorted({str(run.key(key)) for run in runs})
    for name in (first, second):
        if name not in known:
            raise PushforwardError(f"--compare {first},{second}: no run has {key}={name}; there are {', '.join(known)}")
    by_data = comparability.partition(runs, lambda run: run.key("data"))
    lines, refused = [], []
    for data, own in by_data.items():
        for column in table.columns:
            try:
                both = [r for r in own if str(r.key(key)) in (first, second) and r.value(column.name) is not None]
                differ = comparability.differing([comparability.meaning(run.metrics[column.name]) for run in both])
                if differ:
                    raise PushforwardError(f"{column.name}: the models differ in {', '.join(differ)}")
                found = intervals.between(own, column.name, first, second, key, level)
                pair = " − ".join(table.names.get(name, name) for name in (first, second))
                lines.append((f"{data} " if len(by_data) > 1 else "") + f"{column.title}: {pair}: {found}")
            except PushforwardError as error:
                refused.append(error)
    if not lines:
        raise PushforwardError(f"--compare {first},{second}: {refused[0]}")
    return lines
