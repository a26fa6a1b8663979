"""From a frozen config to its run: identifies it, says what is done already, and starts what is not."""

import json
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from pushforward import config, run_identity
from pushforward.atomic_files import refuse_links, write_whole
from pushforward.errors import Busy, PushforwardError
from pushforward.runs import UNREADABLE, Run, RunDir, runs_dir
from pushforward.signals import STOPPING, Asked

PATIENCE = 600.0
"""Seconds that a run of several processes has to checkpoint and stop."""
INTERRUPTED = 130
"""Exit code of a sweep that a person stopped."""
CODES: list[int] = []
"""Exit codes of the jobs of this process's sweeps: Hydra's multirun hands none back."""


def of_sweep(codes: Sequence[int]) -> int:
    """Return a sweep's exit code: 0 where all jobs are finished, 130 where it was interrupted and none failed, else 1."""
    bad = set(codes) - {0}
    if not bad:
        return 0
    # a process that a signal has ended has its number below zero: 1 alone is a failure, and not SIGHUP
    return INTERRUPTED if bad <= {code for number in STOPPING for code in (-number, 128 + number)} else 1


def start(frozen: dict[str, Any], overrides: Sequence[str] = ()) -> int:
    """Train a run here and now, unless it is done; overrides: what was requested. Returns the exit code."""
    if said := run_identity.unused([frozen], [overrides]):
        print(said, flush=True)
    path = runs_dir() / config.run_id(frozen)
    done = standing(path, frozen)
    if done is not None:
        for said in asked_more([(Run(path), frozen)] if done == 0 else []):
            print(said)
        return done
    config.calm(frozen)  # before torch is imported
    from pushforward.training.dry_run import rehearse

    rehearse([frozen])
    if config.devices(frozen) > 1 or frozen["trainer"]["strategy"] != "auto":
        return fresh(frozen, path)
    from pushforward.training.train import train

    return train(frozen, path)


def fresh(frozen: dict[str, Any], path: Path) -> int:
    """Start a run of several processes from its own command line: its children inherit that, not the sweep's."""
    from pushforward.sweep import job_process

    file, asked = freeze_to(frozen, path), Asked(*STOPPING)
    with asked:  # handed on as one request: the terminal's would reach the child a second time
        code = job_process.follow(job_process.begin(file, None), asked, PATIENCE)
    if asked():
        return 128 + asked.taken[0]
    if code == 0 and Run(path).state != "finished":
        print(f"{path.name}: its process exited with 0, and the run is {Run(path).state}", file=sys.stderr)
        return 1
    return code


def freeze_to(frozen: dict[str, Any], path: Path) -> Path:
    """Write the frozen config into the run directory, where `pushforward.job` takes it from."""
    run_identity.check_identity(Run(path), frozen)
    refuse_links(path)
    file = path / "frozen.yaml"
    write_whole(file, yaml.safe_dump(frozen, sort_keys=False, allow_unicode=True))
    return file


class Outlook(NamedTuple):
    """The action that a command takes on a run that may exist already."""

    kind: Literal["to run", "resumes", "done", "refused", "elsewhere"]
    note: str = ""
    anew: bool = False
    """Whether what is there is set aside first."""


def outlook(run: Run, retry: str | None) -> Outlook:
    """Decide, from how a run stands, what its command does about it; nothing is done yet."""
    state, status = run.state, run.status
    seen, whole = status.get("images_seen") or 0, status.get("budget_images")
    match state:
        case "new":
            return Outlook("to run")
        case "running":
            return Outlook("elsewhere", f"process {status.get('pid')} on {status.get('host')}")
        case "finished":
            stale = config.stale(run)
            if stale and retry == "stale":
                return Outlook("to run", "stale, again", anew=True)
            return Outlook("done", "stale: again with retry=stale" if stale else "")
        case "diverged" if retry == "failed":
            return Outlook("to run", "diverged, again", anew=True)
        case "failed" | "diverged" if state == "diverged" or (seen and retry != "failed"):
            return Outlook("refused", f"{state}: {str(status.get('error'))[:60]}; again with retry=failed")
        case "unreadable":
            return Outlook("resumes", "its status is damaged")
    if seen and whole:
        return Outlook("resumes", f"from {seen:,} of {whole:,} images ({seen / whole:.0%})")
    return Outlook("to run", "failed before" if state == "failed" else "stopped at its start")


def standing(path: Path, frozen: dict[str, Any]) -> int | None:
    """Return the exit code of a run that needs no training now; None where something is to be done."""
    run = Run(path)
    run_identity.check_identity(run, frozen)
    found, state, error = outlook(run, frozen["retry"]), run.state, run.status.get("error")
    if state == "finished" and (measuring := measures_anew(run, frozen)):
        from pushforward.training.signatures import check_targets

        check_targets(measuring)
    if found.anew:
        renew(path)
    if state == UNREADABLE:
        print(f"{run.id}: {run.damage('status.json', 'record.json')}; it is trained from its last checkpoint on")
    if found.kind == "elsewhere":
        raise Busy(f"{run.id}: process {run.status.get('pid')} is training it; see pushforward status")
    if found.kind == "refused":
        print(f"{run.id}: {state}: {error}. To try again: retry=failed")
        return 1
    if found.kind != "done":
        return None
    if why := config.stale(run):
        print(f"{run.id}: stale: {why}. To train it again: retry=stale")
    from pushforward.report.terminal import show_run

    show_run(run)
    if tags := add_tags(run, frozen):
        print(f"{run.id}: tags added: {', '.join(tags)}")
    return 0


def measures_anew(run: Run, frozen: dict[str, Any]) -> dict[str, Any]:
    """Return what follows and measures training in a config, where it is not what the run was trained with."""
    asked = {key: frozen[key] for key in ("logger", "features", "metrics")}
    return asked if any(node != run.config.get(key) for key, node in asked.items()) else {}


def to_measure(run: Run, frozen: dict[str, Any]) -> list[str] | None:
    """Overrides by which `pushforward evaluate` measures a finished run as a config asks; None where its record has that."""
    had = run.record.get("measured") or run.config
    lacking = []
    for key in ("metrics", "features"):
        wanted, there = frozen[key] or {}, had.get(key) or {}
        known = run_identity.canonical({**there, **wanted}) == run_identity.canonical(there)
        if not known and "_target_" in json.dumps(wanted):
            lacking.append(key)
    if not lacking:
        return None
    from pushforward.training.evaluate_again import settings_of
    from pushforward.training.rerun_command import differing

    def left() -> list[str]:
        plain = run_identity.canonical({key: node or {} for key, node in settings_of(run, anew).items()})
        return [o for key in lacking for o in differing(key, run_identity.canonical(frozen), plain)]

    chosen = {key: frozen["choices"].get(key) for key in lacking}
    anew = [f"{key}={option}" for key, option in chosen.items() if option and option != run.choices.get(key)]
    try:  # other values are taken from the highest by interpolation
        anew += [override for override in left() if override.partition("=")[0].count(".") == 1]
        return anew + left()
    except PushforwardError:  # groups of one's own folder, which only the command line names
        return anew


def asked_more(asked: Iterable[tuple[Run, dict[str, Any]]]) -> list[str]:
    """Return what a command asks of finished runs beside their training, and the command that does it: a line for all alike."""
    measures, followed = dict[tuple[str, ...], list[Run]](), list[Run]()
    for run, frozen in asked:
        if (anew := to_measure(run, frozen)) is not None:
            measures.setdefault(tuple(anew), []).append(run)
        target = (frozen.get("logger") or {}).get("_target_")
        if target and target != (run.config.get("logger") or {}).get("_target_"):
            followed.append(run)
    said = []
    for by, runs in measures.items():
        keys = sorted({re.split(r"[.=]", o.lstrip("+~"))[0] for o in by} or {"metrics"}, reverse=True)
        line = shlex.join(["pushforward", "evaluate", *(run.id for run in runs), *by])
        one = len(runs) == 1
        said.append(f"{trained(runs)}; to measure {'it' if one else 'them'} by other {' and '.join(keys)}: {line}")
    if followed:
        said.append(f"{trained(followed)}, and a logger follows training: curves are in metrics.csv")
    return said


def trained(runs: Sequence[Run]) -> str:
    return f"{runs[0].id} is trained" if len(runs) == 1 else f"{len(runs)} of the runs are trained"


def add_tags(run: Run, frozen: dict[str, Any]) -> list[str]:
    """Add the tags of a config that a finished run does not have. Returns those."""
    own = run.config
    tags = [tag for tag in frozen["tags"] if tag not in (own.get("tags") or [])]
    writer = RunDir(run.path)
    if not tags or not writer.lock.acquire():
        return []
    try:
        RunDir.create(run.path, {**own, "tags": [*(own.get("tags") or []), *tags]})
    finally:
        writer.lock.release()
    return tags


def renew(path: Path) -> None:
    """Set aside what a run has, so that it is trained from the start: nothing is deleted."""
    number = 1
    while (old := path.with_name(f".{path.name}.{number}")).exists():
        number += 1
    path.rename(old)
