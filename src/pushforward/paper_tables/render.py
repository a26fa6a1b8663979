"""A reproduced table in the terminal, as Markdown, LaTeX and CSV: published, replicated, ours, difference, verdict."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pushforward.atomic_files import write_whole
from pushforward.paper_tables.paper_table import Number, Place
from pushforward.paper_tables.planned import Preset, jobs
from pushforward.paper_tables.results import Outcome, Result, delta, replicated, verdict
from pushforward.report.plain_tables import lines
from pushforward.report.table_grid import number
from pushforward.untrusted_text import line, md, tex

HEADS = ("published", "by others", "ours", "Δ", "verdict")
SEEN = {"verified": "", "secondary": " (secondary)", "memory": " (unverified)"}
ARROW = {"lower": " ↓", "higher": " ↑"}


@dataclass(frozen=True)
class Section:
    """Rows under a heading: one column beside what was published of it, or several columns of ours alone."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Comparison:
    """A preset's results and what is said of them."""

    preset: Preset
    found: Mapping[Place, Result]
    outcomes: Sequence[Outcome]

    @cached_property
    def sections(self) -> list[Section]:
        """A section for each column that somebody printed numbers of; the other columns of a block side by side."""
        places = list(self.found)
        printed = {
            (p.block, p.column) for p in places if p in self.preset.table.published or replicated(self.preset, p)
        }
        made = []
        for block in dict.fromkeys(place.block for place in places):
            columns = list(dict.fromkeys(place.column for place in places if place.block == block))
            for column in (column for column in columns if (block, column) in printed):
                cells = [place for place in places if (place.block, place.column) == (block, column)]
                made.append(Section(self.head(cells), ("", *HEADS), tuple(map(self.compared, cells))))
            if others := [column for column in columns if (block, column) not in printed]:
                made.append(self.ours(block, others))
        return made

    def head(self, places: Sequence[Place]) -> str:
        """`MNIST: nll [nats] ↓`."""
        unit = next((self.found[place].unit for place in places if self.found[place].unit), "")
        better = next((self.found[place].better for place in places if self.found[place].better), None)
        place = places[0]
        title = self.preset.table.heading(place.block, place.column)
        return title + (f" [{unit}]" if unit else "") + ARROW.get(better or "", "")

    def compared(self, place: Place) -> tuple[str, ...]:
        """A row beside what was published: all of it as text."""
        published, d = self.preset.table.published.get(place), delta(self.preset, place, self.found, self.outcomes)
        others = [number for _, number in replicated(self.preset, place)]
        return (
            self.preset.table.title(place.row), printed(published), spread(others), own(self.found[place]),
            "" if d is None else f"{d:+.3g}", verdict(self.preset, place, self.outcomes),
        )  # fmt: skip

    def ours(self, block: str, columns: Sequence[str]) -> Section:
        """Columns that nobody printed numbers of."""
        table, rows = self.preset.table, dict.fromkeys(place.row for place in self.found if place.block == block)
        by_column = [[p for p in self.found if (p.block, p.column) == (block, column)] for column in columns]
        heads = [self.head(cells).removeprefix(f"{table.blocks[block].name or block}: ") for cells in by_column]
        body = [
            (
                table.title(row),
                *(own(self.found[p]) if (p := Place(row, block, c)) in self.found else "" for c in columns),
            )
            for row in rows
        ]
        return Section(table.blocks[block].name or block, ("", *heads), tuple(body))

    @property
    def caption(self) -> str:
        return f"{self.preset.table.header.title or self.preset.table.name} ({self.preset.name})"

    @property
    def verdicts(self) -> list[str]:
        """A line for each rule."""
        return [f"{one.text}: {one.verdict}" + (f" ({one.note})" if one.note else "") for one in self.outcomes]

    @property
    def notes(self) -> list[str]:
        """Sources with how they were seen, replications, what differs from the published protocol, and the budget."""
        table, shown = self.preset.table, [p for p in self.found if p in self.preset.table.published]
        by_source: dict[tuple[str, str], list[Place]] = {}
        for place in shown:
            published = table.published[place]
            by_source.setdefault((published.source or "", published.status or ""), []).append(place)
        seen = {"verified": "verified", "secondary": "as others quote it", "memory": "unverified: from memory"}
        said = []
        for (source, status), places in by_source.items():
            which = (
                ""
                if len(places) == len(shown)
                else f" of {', '.join(dict.fromkeys(table.title(p.row) for p in places))}"
            )
            said.append(f"published{which}: {source} ({seen[status]})")
        said += (
            [f"±, published: {table.error_is}"]
            if table.error_is and any(table.published[p].error for p in shown)
            else []
        )
        said += [
            f"{table.title(place.row)}, {table.heading(place.block, place.column)}: {note}"
            for place in shown if (note := table.published[place].note)
        ]  # fmt: skip
        for one, values in table.replications:
            if there := [place for place in self.found if place in values]:
                each = ", ".join(
                    f"{table.title(p.row)} {printed(values[p])}"
                    + (f" ({table.heading(p.block, p.column)})" if p.block else "")
                    for p in there
                )
                said.append(f"replicated by {one.by}" + (f" ({one.protocol})" if one.protocol else "") + f": {each}")
        said += [f"differs from what was published: {text}" for text in table.differences]
        searched = {job.search: job.found for job in jobs(self.preset) if job.search is not None and job.found}
        for search, best in searched.items():
            name = table.title(search.row) + f", {table.blocks[search.block].name or search.block}" * bool(search.block)
            said.append(f"{name}: the best of {search.trials} by {search.metric}: {' '.join(best)}")
        several = max((len(result.values) for result in self.found.values()), default=0) > 1
        said.append("ours: mean ± standard deviation over seeds" if several else "ours: one seed")
        if not self.preset.full:
            said.append(
                f"{self.preset.name} is a smaller budget than the published one: orders are compared, not numbers"
            )
        return said


def printed(published: Number | None) -> str:
    if published is None:
        return ""
    error = f" ± {published.error:g}" if published.error is not None else ""
    return f"{published.value:g}{error}" + SEEN.get(published.status or "", "")


def spread(others: Sequence[Number]) -> str:
    """`85.18`, `85.18 to 86.97 (3)`."""
    values = [one.value for one in others]
    if not values:
        return ""
    return f"{values[0]:g}" if len(values) == 1 else f"{min(values):g} to {max(values):g} ({len(values)})"


def own(result: Result) -> str:
    """`≈ 86.4 ± 0.3 (n=2)`, with runs that have no number; or why there is none."""
    if result.mean is None:
        return result.absent.partition(":")[0]
    several = f" (n={len(result.values)})" if len(result.values) > 1 else ""
    before = f"{result.relation} " if result.relation in ("≤", "≥", "≈") else ""
    return before + number(result.mean, result.std) + several + (f", {result.absent}" if result.absent else "")


def show(comparison: Comparison, out: Console) -> None:
    """Print it: in a terminal folded to its width, in a pipe a line a row."""
    print(line(comparison.caption))
    for section in comparison.sections:
        for part in folded(section, out.width) if out.is_terminal else [section]:
            shown = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", padding=(0, 1, 0, 0))
            for i, head in enumerate(part.heads):
                shown.add_column(
                    Text(line(head)), overflow="fold", justify="left" if i == 0 or head == "verdict" else "right"
                )
            for row in part.rows:
                shown.add_row(*(Text(line(cell)) for cell in row))
            print(f"\n{line(part.title)}" if part.title else "")
            if out.is_terminal:
                out.print(shown)
            else:
                print("\n".join(lines(shown)))
    for heading, texts in (("Rules", comparison.verdicts), ("Notes", comparison.notes)):
        if texts:
            print(f"\n{heading}")
        for text in texts:
            out.print(Text(f"  {line(text)}"), soft_wrap=not out.is_terminal)


def folded(section: Section, width: int) -> list[Section]:
    """Return the section in parts that fit side by side into a width, each with the rows' names; a comparison is not parted."""
    if section.heads[1:] == HEADS:
        return [section]
    wide = [max(len(cell) for cell in column) + 1 for column in zip(section.heads, *section.rows, strict=True)]
    parts: list[list[int]] = [[]]
    for i in range(1, len(wide)):
        if parts[-1] and wide[0] + sum(wide[k] for k in parts[-1]) + wide[i] > width:
            parts.append([])
        parts[-1].append(i)
    return [
        Section(section.title, cut(section.heads, part), tuple(cut(row, part) for row in section.rows))
        for part in parts
    ]


def cut(row: Sequence[str], part: Sequence[int]) -> tuple[str, ...]:
    return tuple(row[i] for i in (0, *part))


def markdown(comparison: Comparison) -> str:
    text = [f"### {md(comparison.caption)}", ""]
    for section in comparison.sections:
        text += [f"**{md(section.title)}**", ""] if section.title else []
        text += ["| " + " | ".join(map(md, section.heads)) + " |"]
        text += ["| " + " | ".join([":--"] + ["--:"] * (len(section.heads) - 1)) + " |"]
        text += ["| " + " | ".join(map(md, row)) + " |" for row in section.rows]
        text += [""]
    for heading, said in (("Rules", comparison.verdicts), ("Notes", comparison.notes)):
        text += [f"{heading}:", "", *(f"- {md(one)}" for one in said), ""] if said else []
    return "\n".join(text)


LINE = 84
"""Characters of a line of LaTeX in \\footnotesize on article's 345 pt."""
PAGE = 48
"""Lines of a float beside its caption: sections that do not fit go into a further one."""


def latex(comparison: Comparison) -> str:
    r"""booktabs tabulars, one below the other in as few floats as hold them; the preamble needs \usepackage{booktabs}."""
    floats: list[list[Section]] = []
    for part in (part for section in comparison.sections for part in folded(section, LINE)):
        if not floats or sum(len(one.rows) + 5 for one in [*floats[-1], part]) > PAGE:
            floats.append([])
        floats[-1].append(part)
    text = ["% needs \\usepackage{booktabs}"]
    for sections in floats:
        text += [r"\begin{table}", r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{3pt}"]
        text += [rf"\caption{{{tex(comparison.caption)}}}"]
        for section in sections:
            text += [rf"\par\medskip\textit{{{tex(section.title)}}}\par\smallskip"] if section.title else []
            text += [rf"\begin{{tabular}}{{l{'r' * (len(section.heads) - 1)}}}", r"\toprule"]
            text += [" & ".join(map(tex, section.heads)) + r" \\", r"\midrule"]
            text += [" & ".join(map(tex, row)) + r" \\" for row in section.rows]
            text += [r"\bottomrule", r"\end{tabular}"]
        text += [r"\end{table}", ""]
    said = [*comparison.verdicts, *comparison.notes]
    return "\n".join([*text, *(rf"\par\noindent\footnotesize {tex(one)}" for one in said), ""])


CSV = (
    "row", "block", "column", "metric", "unit", "published", "error", "error_is", "status", "source", "replicated",
    "mean", "std", "n", "values", "absent", "delta", "verdict", "full",
)  # fmt: skip


def as_csv(comparison: Comparison) -> str:
    """One line a cell, at full precision."""
    preset, text = comparison.preset, io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV)
    for place, result in comparison.found.items():
        published = preset.table.published.get(place)
        said = ("", "", "", "", "") if published is None else (
            published.value, published.error, preset.table.error_is, published.status, published.source
        )  # fmt: skip
        others = "; ".join(f"{by}: {printed(one)}" for by, one in replicated(preset, place))
        writer.writerow([
            *place, preset.table.metric(place), result.unit, *said, others, result.mean, result.std, len(result.values),
            " ".join(map(repr, result.values)), result.absent, delta(preset, place, comparison.found, comparison.outcomes),
            verdict(preset, place, comparison.outcomes), preset.full,
        ])  # fmt: skip
    return text.getvalue()


FORMS: dict[str, Callable[[Comparison], str]] = {"md": markdown, "tex": latex, "csv": as_csv}


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write NAME-PRESET.md, .tex and .csv, each whole; return their paths."""
    made = []
    for suffix, form in FORMS.items():
        made.append(folder / f"{comparison.preset.table.name}-{comparison.preset.name}.{suffix}")
        write_whole(made[-1], form(comparison))
    return made
