#!/usr/bin/env bash
# The tests that take minutes. Further arguments go to pytest: scripts/test_slow.sh -k resume
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "${PYTHON:-.venv/bin/python}" -m pytest -m slow "$@"
