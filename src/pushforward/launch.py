"""From Hydra's command line to runs: composes, identifies, says what is done already, and starts what is not."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from pushforward import config, identities
from pushforward.errors import PushforwardError
from pushforward.runs import UNREADABLE, Run, outputs, runs_dir, write_whole

CODES: list[int] = []
"""Exit codes of the jobs of this process's sweeps: Hydra's multirun hands none back."""


def hydra_train(args: list[str]) -> int:
    """`pushforward train ARGS`: Hydra composes and, with -m, its launcher starts the jobs. Returns the exit code.

    Raises PushforwardError, in one line, for whatever Hydra refuses; nothing has been written then.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    from pushforward import complaints

    config.register()
    CODES.clear()
    CODES.clear()
    codes: list[int] = []
    refused: list[PushforwardError] = []  # raised below: Hydra prints lines of its own about what a task raises
    before, folder = (sys.argv, os.environ.get("HYDRA_FULL_ERROR")), sweep_folder(args)
    sys.argv = ["pushforward train", *args, *([f"hydra.sweep.dir='{folder}'"] if folder else [])]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us; what a person reads is ours to say

    @hydra.main(version_base="1.3", config_path=str(config.conf_dir()), config_name="train")
    def task(cfg: Any) -> int:
        try:
            if cfg.study is not None:
                raise PushforwardError("study=…: a search is many runs: pushforward train -m study=…")
            codes.append(start(*frozen_now(cfg)))
        except complaints.REFUSALS as error:
            refused.append(PushforwardError(complaints.explain(error, compose_without_errors(args))))
        except PushforwardError as error:
            refused.append(error)
        return max(codes, default=2)

    try:
        task()
        if refused:
            raise refused[0]
    except complaints.REFUSALS as error:
        tidy(folder)
        if before[1] == "1":
            raise
        raise PushforwardError(complaints.explain(error, compose_without_errors(args))) from None
    except PushforwardError:
        tidy(folder)
        raise
    finally:
        GlobalHydra.instance().clear()
        sys.argv = before[0]
        os.environ.pop("HYDRA_FULL_ERROR")
        if before[1] is not None:
            os.environ["HYDRA_FULL_ERROR"] = before[1]
    return max([*codes, *(int(code != 0) for code in CODES)], default=0)


def sweep_folder(args: list[str]) -> Path | None:
    """Where Hydra is to write what it composed a sweep from; None for a single run, or where a person names the place."""
    if not {"-m", "--multirun"} & set(args) or any(a.startswith("hydra.sweep.dir=") for a in args):
        return None
    return outputs() / "sweeps" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.getpid()}"


def tidy(folder: Path | None) -> None:
    """A sweep that was refused leaves nothing behind."""
    if folder is None:
        return
    (folder / "multirun.yaml").unlink(missing_ok=True)
    for empty in (folder, folder.parent, folder.parent.parent):
        with contextlib.suppress(OSError):
            empty.rmdir()


def frozen_now(cfg: Any) -> tuple[dict[str, Any], list[str]]:
    """The frozen config of the job that Hydra runs now, and its overrides."""
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    return config.freeze(cfg, dict(hydra.runtime.choices)), list(hydra.overrides.task)


def compose(overrides: list[str], config_dir: Path | None = None) -> dict[str, Any]:
    """The frozen config of these overrides, without Hydra's command line; config_dir: a person's own groups beside ours.

    Raises PushforwardError like the command line.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import open_dict

    from pushforward import complaints

    config.register()
    try:
        with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
            own = [] if config_dir is None else [f"hydra.searchpath=[file://{config_dir.resolve()}]"]
            cfg = hydra_compose("train", overrides=[*overrides, *own], return_hydra_config=True)
        choices = dict(cfg.hydra.runtime.choices)
        with open_dict(cfg):
            del cfg["hydra"]
        return config.freeze(cfg, choices)
    except complaints.REFUSALS as error:
        raise PushforwardError(complaints.explain(error, compose_without_errors(overrides))) from None


def compose_without_errors(args: list[str]) -> dict[str, Any]:
    """What composes of a command line, what is refused left out: for naming what was meant."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    choices = [a.split(",")[0] for a in args if "=" in a and "." not in a.split("=")[0] and a[0] not in "-+~"]
    models = [c for c in choices if c.startswith("model=")]
    for kept in (choices, models, []):
        try:
            with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
                cfg = hydra_compose("train", overrides=kept)
            found: Any = OmegaConf.to_container(cfg, resolve=False)
            return found
        except Exception:
            continue
    return {}


def start(frozen: dict[str, Any], overrides: Sequence[str] = ()) -> int:
    """One run: done already, or trained here and now; overrides: what was asked for. Returns the exit code."""
    if said := identities.unused([frozen], [overrides]):
        print(said, flush=True)
    path = runs_dir() / config.run_id(frozen)
    done = standing(path, frozen)
    if done is not None:
        return done
    config.calm(frozen)  # before torch is imported
    from pushforward.training.rehearsal import rehearse

    rehearse([frozen])
    if config.devices(frozen) > 1 or frozen["trainer"]["strategy"] != "auto":
        return fresh(frozen, path)
    from pushforward.training.train import train

    return train(frozen, path)


def fresh(frozen: dict[str, Any], path: Path) -> int:
    """A run of several processes starts from its own command line: its children inherit that, not the sweep's."""
    file = freeze_to(frozen, path)
    code = subprocess.run([sys.executable, "-P", "-m", "pushforward.job", str(file)]).returncode
    if code == 0 and Run(path).state != "finished":
        print(f"{path.name}: its process exited with 0, and the run is {Run(path).state}", file=sys.stderr)
        return 1
    return code


def freeze_to(frozen: dict[str, Any], path: Path) -> Path:
    """Writes the frozen config into the run directory, where `pushforward.job` takes it from."""
    identities.check_identity(Run(path), frozen)
    file = path / "frozen.yaml"
    write_whole(file, yaml.safe_dump(frozen, sort_keys=False, allow_unicode=True))
    return file


def standing(path: Path, frozen: dict[str, Any]) -> int | None:
    """Exit code of a run that needs no training now, having said how it stands; None where there is something to do."""
    run, retry = Run(path), frozen["retry"]
    identities.check_identity(run, frozen)
    state = run.state
    if state == UNREADABLE:
        print(f"{run.id}: {run.damage('status.json', 'record.json')}; it is trained from its last checkpoint on")
        return None
    if state == "running":
        raise PushforwardError(f"{run.id}: process {run.status.get('pid')} is training it; see pushforward status")
    if state in ("failed", "diverged"):
        if state == "failed" and (retry == "failed" or not run.status.get("images_seen")):
            return None  # goes on from its last checkpoint
        if retry == "failed":
            renew(path)
            return None
        print(f"{run.id}: {state}: {run.status.get('error')}. To try again: retry=failed")
        return 1
    if state != "finished":
        return None
    if run.stale(config.fingerprint(frozen)):
        if retry == "stale":
            renew(path)
            return None
        print(f"{run.id}: stale: the source has changed since it was trained. To train it again: retry=stale")
    from pushforward.report.terminal import show_run

    show_run(run)
    return 0


def renew(path: Path) -> None:
    """Sets aside what a run has, so that it is trained from the start: nothing is deleted."""
    number = 1
    while (old := path.with_name(f".{path.name}.{number}")).exists():
        number += 1
    path.rename(old)
