"""Write the tables in the documentation from packed records, so that no number in them is typed by hand.

python scripts/write_docs_tables.py              # writes them
python scripts/write_docs_tables.py --check      # which files would change: exit code 1 where one would

A table stands between two comments, the first of which names its records and takes the options of `pushforward table`, or
of `pushforward reproduce`:

<!-- table: zoo --columns bpd,mse --sort bpd -->
…
<!-- end of table -->

<!-- paper table: maf_mnist preset=cpu_small -->
…
<!-- end of table -->

They are made of docs/records/zoo.json.gz, which `pushforward records pack zoo --runs tags=zoo --out docs/records` writes, and
of docs/records/maf_mnist.json.gz, which `pushforward records pack maf_mnist --out docs/records` does.
"""

import argparse
import contextlib
import io
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pushforward.atomic_files import write_whole
from pushforward.cli import commands_paper_tables, commands_table
from pushforward.errors import PushforwardError
from pushforward.runs.packed import SUFFIX

MARKED = re.compile(r"(<!-- ((?:paper )?table): (\S+)(.*?) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)
COMMANDS = {"table": commands_table.table, "paper table": commands_paper_tables.reproduce}
DOCS = Path(__file__).parents[1] / "docs"


def made(kind: str, name: str, options: Sequence[str], records: Path) -> str:
    """The table in Markdown. Raises PushforwardError where there are no such records, or an option is wrong."""
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        COMMANDS[kind]([name, "--records", str(records / f"{name}{SUFFIX}"), "--out", folder, *options])
        [file] = Path(folder).glob("*.md")
        return file.read_text(encoding="utf-8")


def written(text: str, records: Path) -> str:
    """A page with its tables as they are now."""
    return MARKED.sub(lambda m: f"{m[1]}\n{made(m[2], m[3], shlex.split(m[4]), records)}\n{m[6]}", text)


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder of pages, with records/ in it")
    parser.add_argument("--check", action="store_true", help="write nothing, and say what would change")
    asked = parser.parse_args(args)
    changed = tables = 0
    for page in sorted(asked.docs.glob("**/*.md")):
        before = page.read_text(encoding="utf-8")
        tables += len(MARKED.findall(before))
        try:
            after = written(before, asked.docs / "records")
        except PushforwardError as error:
            print(f"error: {page}: {error}", file=sys.stderr)
            return 2
        if after != before:
            changed += 1
            print(page)
            if not asked.check:
                write_whole(page, after)
    print(f"{tables} tables, {changed} pages {'would change' if asked.check else 'changed'}")
    return int(asked.check and changed > 0)


if __name__ == "__main__":
    sys.exit(main())
