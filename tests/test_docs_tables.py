"""Tables in the documentation are those that their packed records make."""

import re
from pathlib import Path

import pytest

from pushforward.runs import RunDir, pack
from write_docs_tables import DOCS, MARKED, main, written


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A page with one table of two models, as it was before its runs were measured."""
    runs = []
    for model, mse in (("ae", 1.0), ("vae", 2.0)):
        run = RunDir.create(tmp_path / "runs" / f"{model}-digits-s1", {"choices": {"model": model, "data": "digits"}})
        run.set_status(state="finished")
        run.write_record({"mse": {"value": mse, "unit": "", "card": {"better": "lower"}, "na": None}})
        runs.append(run)
    (tmp_path / "docs" / "records").mkdir(parents=True)
    pack(runs, tmp_path / "docs" / "records" / "two.json.gz")
    page = "# Two\n\n<!-- table: two --columns mse --sort -mse -->\nold\n<!-- end of table -->\n\nAfter it.\n"
    (tmp_path / "docs" / "two.md").write_text(page)
    return tmp_path / "docs"


def test_a_page_gets_the_table_of_its_records(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--docs", str(docs), "--check"]) == 1 and "old" in (docs / "two.md").read_text()
    assert main(["--docs", str(docs)]) == 0
    page = (docs / "two.md").read_text()
    assert page.startswith("# Two\n\n<!-- table: two --columns mse --sort -mse -->\n\n| model | mse ↓ | n |")
    assert page.endswith("<!-- end of table -->\n\nAfter it.\n") and page.index("| vae | 2 |") < page.index(
        "| ae | 1 |"
    )
    assert main(["--docs", str(docs), "--check"]) == 0 and "1 tables, 0 pages would change" in capsys.readouterr().out


def test_a_paper_s_table_is_made_of_its_records_too(docs: Path) -> None:
    page = "<!-- paper table: maf_mnist preset=cpu_small -->\n<!-- end of table -->\n"
    (docs / "paper.md").write_text(page)
    pack([], docs / "records" / "maf_mnist.json.gz")
    assert main(["--docs", str(docs)]) == 0
    assert "| MADE | -1380.8 ± 4.8 (secondary) | -1393.67 | not run |" in (docs / "paper.md").read_text()


def test_a_table_without_records_is_an_error(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (docs / "records" / "two.json.gz").unlink()
    assert main(["--docs", str(docs)]) == 2
    assert "two.md" in (said := capsys.readouterr().err) and "no such file" in said


@pytest.mark.parametrize("page", sorted(DOCS.glob("**/*.md")), ids=lambda page: page.name)
def test_the_documentation_s_tables_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert written(text, DOCS / "records") == text
    assert len(re.findall("\n<!-- (?:paper )?table:", text)) == len(MARKED.findall(text))  # each is closed
