"""Run directories: where they are, how to read, write and find them, and which sources they came from. Imports no torch."""

from pushforward.runs.catalogue import among, by_weights, every_run, find, flatten, runs
from pushforward.runs.directory import HASHED, KILLED, TAKEN, UNREADABLE, Run, RunDir, data_name, outputs, runs_dir
from pushforward.runs.packed import pack, unpack
from pushforward.runs.sources import changed, own_sources, source_fingerprint
from pushforward.runs.sweep_folders import Sweep, chosen, every_study, every_sweep, find_sweep, read_study, sweeps_dir

__all__ = [
    "HASHED",
    "KILLED",
    "TAKEN",
    "UNREADABLE",
    "Run",
    "RunDir",
    "Sweep",
    "among",
    "by_weights",
    "changed",
    "chosen",
    "data_name",
    "every_run",
    "every_study",
    "every_sweep",
    "find",
    "find_sweep",
    "flatten",
    "outputs",
    "own_sources",
    "pack",
    "read_study",
    "runs",
    "runs_dir",
    "source_fingerprint",
    "sweeps_dir",
    "unpack",
]
