"""Tables' files: those that are shipped are sound, and mistakes are one line that names file, key and remedy."""

from pathlib import Path

import pytest
from paper_table import TABLE

from pushforward.errors import PushforwardError
from pushforward.paper_tables import table_file
from pushforward.paper_tables.cite import cite
from pushforward.paper_tables.paper_table import Number, Place
from pushforward.paper_tables.planned import Preset, frozen_of, jobs
from pushforward.paper_tables.table_file import load, merged

SHIPPED = sorted(table_file.files())


def test_there_are_tables() -> None:
    assert "iwae_t1" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_table_has_a_header_papers_and_budgets_whose_jobs_compose(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each row's runs the first: what is composed of the others differs from it by a seed."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    table = load(name)
    assert table.header.sentence.endswith(".") and table.header.source and table.header.commands
    assert cite(name)
    for which, budget in table.budgets.items():
        made = jobs(Preset(table, which, budget, (1,)))
        assert made
        first = [job for job in made if not table_file.needs(job.overrides)]
        rows = {job.row: job for job in reversed(first)} | {job.block: job for job in first}
        assert frozen_of(Preset(table, which, budget, (1,)), name, list(rows.values()))


def test_numbers_take_the_status_and_the_source_of_the_most(own: Path) -> None:
    table = load("mine", own)
    assert table.published == {
        Place("vae", "small", "nll"): Number(100, 3, "memory", "p. 7"),
        Place("beta", "small", "nll"): Number(120, None, "verified", "p. 8"),
        Place("beta", "large", "nll"): Number(120, None, "verified", "p. 8"),
    }
    assert [p for p in table.places(table.budgets["little"]) if p.row == "vae"] == [
        Place("vae", "small", "nll"), Place("vae", "small", "elbo"), Place("vae", "large", "nll")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("ascending: [vae, beta]", "ascending: [vae, bta]", ("rules[0]", "there is no bta", "did you mean beta?")),
        ("ascending: [vae, beta]", "ascending: [vae]", ("rules[0].ascending", "at least two")),
        ("ascending: [vae, beta]", "ascending: [vae, beta@large.elbo]", ("rules[0]", "no column large.elbo")),
        ("ascending: [vae, beta]", "rising: [vae, beta]", ("rules[0].rising", "no such key")),
        ("within: {errors: 1, relative: 0.05}", "within: {}", ("rules[1].within", "absolute, relative or errors")),
        ("vae: {small.nll: [100, 3]}", "vae: {small.nl: 100}", ("published.values.vae.small.nl", "no column", "nll")),
        ("vae: {small.nll: [100, 3]}", "vea: {small.nll: 100}", ("published.values", "no vea", "mean vae")),
        ("vae: {small.nll: [100, 3]}", "vae: {small.nll: [1, 2, 3]}", ("published.values.vae.small.nll", "[number, error]")),
        ("vae: {small.nll: [100, 3]}", "vae: {small.nll: many}", ("published.values.vae.small.nll.value=many", "a number")),
        ("status: memory", "status: recalled", ("published.status=recalled", "verified or secondary or memory")),
        ("rows: [vae, beta, floor]", "rows: [vea]", ("budgets.little.rows", "no vea")),
        ("seeds: [1, 2]", "seeds: []", ("budgets.little.seeds", "at least one")),
        ("minutes: 6, ", "", ("budgets.little", "lacks minutes")),
        ("blocks: [small]}\nrows", "blocks: [tiny]}\nrows", ("columns.elbo.blocks", "no tiny")),
        ("{metric: nll}", "{metrc: nll}", ("columns.nll.metrc", "no such key", "metric")),
        ("data.run={vae}", "data.run={vea}", ("rows.second.overrides", "no vea")),
        ("data.run={vae}", "data.run={second}", ("rows.second.overrides", "second → second is a circle")),
        ("reference: floor", "reference: floor, overrides: [a=b]", ("rows.floor", "takes no overrides")),
        ("  large: {name", "  vae: {name", ("blocks.vae", "a row has this name")),
        ("budgets:", "budget:", ("budget: there is no such key", "budgets")),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_file_key_and_remedy(own: Path, old: str, new: str, parts: tuple[str, ...]) -> None:
    assert TABLE.count(old) == 1
    file = own / "table" / "mine.yaml"
    file.write_text(TABLE.replace(old, new), encoding="utf-8")
    with pytest.raises(PushforwardError) as refused:
        load("mine", own)
    said = str(refused.value)
    assert said.startswith(f"{file}: ") and "\n" not in said
    assert all(part in said for part in parts), said


def test_a_table_that_is_not_there(own: Path) -> None:
    with pytest.raises(PushforwardError, match="there is no table mime; did you mean mine"):
        load("mime", own)


def test_of_overrides_of_one_key_the_last_counts_where_it_stands() -> None:
    assert merged(["a=1", "+b=2"], ["c=3", "a=4"], ["b=5"]) == ["+b=2", "c=3", "a=4", "b=5"]


def test_cite_takes_tables_recipes_and_a_persons_own_papers(own: Path) -> None:
    [paper, *_] = cite("mine", own)
    assert paper.startswith("@inproceedings{kingma2014auto,")
    assert [entry.partition("{")[2].partition(",")[0] for entry in cite("iwae")] == [
        "burda2016importance",
        "kingma2014auto",
    ]
    file = own / "table" / "mine.yaml"
    file.write_text(TABLE + "papers: [me2026table]\n", encoding="utf-8")
    with pytest.raises(PushforwardError, match=r"me2026table: no such entry; write it into papers\.bib"):
        cite("mine", own)
    (own / "papers.bib").write_text("@misc{me2026table,\n  title = {Mine},\n}\n", encoding="utf-8")
    from pushforward.recipes import papers

    papers.cache_clear()
    assert cite("mine", own)[1] == "@misc{me2026table,\n  title = {Mine},\n}"
    with pytest.raises(PushforwardError, match="mime: no table, recipe or run; did you mean mine"):
        cite("mime", own)
