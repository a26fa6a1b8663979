"""What is printed never ends a run: encodings without our signs, closed streams, a reader that has gone."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushforward import output_streams


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", b"KL <= beta - 1/2 x^ 10 sigma2 Sigma ? e"),
        ("cp1252", "KL <= beta - ½ x^ 10 sigma² Sigma ? é".encode("cp1252")),
    ],
)
def test_signs_that_an_encoding_lacks_are_written_out(encoding: str, written: bytes) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, errors=output_streams.ERRORS)
    out.write("KL ≤ β − ½ x̂^ 10 σ² Σ 漢 é")
    out.flush()
    assert raw.getvalue() == written


SCRIPT = """
import sys
from pushforward import output_streams
output_streams.prepare()
import os
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
with output_streams.steady():
    for i in range(3):
        print("σ" * 9000, flush=True)
        print("≤", file=sys.stderr, flush=True)
os.write(file, b"done")
"""


@pytest.mark.parametrize("how", ["{} >&-", "{} 2>&-", "{} >&- 2>&- <&-", "{} | head -c1", "{} >/dev/full", "{}"])
def test_work_goes_on_where_its_output_does_not(how: str, tmp_path: Path) -> None:
    """In a shell: a closed stream, a reader that has seen enough, a full disk, ASCII. What is written is not mixed up."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = f"{sys.executable} {tmp_path}/script.py {tmp_path}/file"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        ["bash", "-c", "set -o pipefail; " + how.format(command)], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, (tmp_path / "file").read_text()) == (0, "done"), done.stderr
    assert done.stderr.replace("<=\n", "") == "" and "Traceback" not in done.stdout
