"""Benchmarks of training beside a loop written by hand and beside other packages: `python scripts/bench`."""

import sys
from pathlib import Path

PROGRAM = [sys.executable, str(Path(__file__).parent)]
"""The command that starts another process of this program; its first word says which."""
