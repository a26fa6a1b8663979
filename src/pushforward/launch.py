"""From Hydra's command line to runs: composes, identifies, says what is done already, and starts what is not."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from pushforward import config, runs
from pushforward.errors import PushforwardError


def hydra_train(args: list[str]) -> int:
    """`pushforward train ARGS`: Hydra composes and, with -m, its launcher starts the jobs. Returns the exit code.

    Raises PushforwardError, in one line, for whatever Hydra refuses.
    """
    import hydra

    from pushforward import complaints

    config.register()
    full = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us; what a person reads is ours to say
    codes: list[int] = []
    sys.argv = ["pushforward train", *args]

    @hydra.main(version_base="1.3", config_path=str(config.conf_dir()), config_name="train")
    def task(cfg: Any) -> int:
        codes.append(start(frozen_now(cfg)))
        return codes[-1]

    try:
        task()
    except complaints.REFUSALS as error:
        if full:
            raise
        complaints.COMPOSED.update(compose_without_errors(args))
        raise PushforwardError(complaints.explain(error)) from None
    finally:
        if not full:
            del os.environ["HYDRA_FULL_ERROR"]
    from pushforward.sweep import CODES

    return max([*codes, *(int(code != 0) for code in CODES)], default=0)


def frozen_now(cfg: Any) -> dict[str, Any]:
    """The frozen config of the job that Hydra runs now."""
    from hydra.core.hydra_config import HydraConfig

    return config.freeze(cfg, dict(HydraConfig.get().runtime.choices))


def compose(overrides: list[str]) -> dict[str, Any]:
    """The frozen config of these overrides, without Hydra's command line. Raises PushforwardError like the command line."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import open_dict

    from pushforward import complaints

    config.register()
    try:
        with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
            cfg = hydra_compose("train", overrides=overrides, return_hydra_config=True)
        choices = dict(cfg.hydra.runtime.choices)
        with open_dict(cfg):
            del cfg["hydra"]
        return config.freeze(cfg, choices)
    except complaints.REFUSALS as error:
        complaints.COMPOSED.update(compose_without_errors(overrides))
        raise PushforwardError(complaints.explain(error)) from None


def compose_without_errors(overrides: list[str]) -> dict[str, Any]:
    """What composes of these overrides: those that are refused are left out. For naming what was meant."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    groups = [o for o in overrides if "=" in o and not o.startswith(("-", "+", "~")) and "." not in o.split("=")[0]]
    for kept in (groups, [g for g in groups if g.startswith("model=")], []):
        try:
            with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
                cfg = hydra_compose("train", overrides=[g.split(",")[0] for g in kept])
            found = OmegaConf.to_container(cfg, resolve=False)
            return found if isinstance(found, dict) else {}  # type: ignore[return-value]
        except Exception:
            continue
    return {}


def start(frozen: dict[str, Any]) -> int:
    """One run: done already, or trained here and now. Returns the exit code."""
    path = runs.runs_dir() / config.run_id(frozen)
    done = standing(path, frozen)
    if done is not None:
        return done
    if config.devices(frozen) > 1 or frozen["trainer"]["strategy"] != "auto":
        return fresh(frozen, path)
    config.calm(frozen)
    from pushforward.training.train import train

    return train(frozen, path)


def fresh(frozen: dict[str, Any], path: Path) -> int:
    """A run of several processes starts from its own command line: its children inherit that, not the sweep's."""
    file = freeze_to(frozen, path)
    return subprocess.run([sys.executable, "-m", "pushforward.job", str(file)]).returncode


def freeze_to(frozen: dict[str, Any], path: Path) -> Path:
    """Writes the frozen config into the run directory, where `pushforward.job` takes it from."""
    file = path / "frozen.yaml"
    runs.write_whole(file, yaml.safe_dump(frozen, sort_keys=False, allow_unicode=True))
    return file


def standing(path: Path, frozen: dict[str, Any]) -> int | None:
    """Exit code of a run that needs no training now, having said how it stands; None where there is something to do."""
    run, retry = runs.Run(path), frozen["retry"]
    state = run.state
    if state == "running":
        raise PushforwardError(f"{run.id}: process {run.status.get('pid')} is training it; see pushforward status")
    if state in ("failed", "diverged"):
        if retry == "failed" or state == "failed" and not run.status.get("images_seen"):
            return renew(path)
        print(f"{run.id}: {state}: {run.status.get('error')}. To try again: retry=failed")
        return 1
    if state != "finished":
        return None
    if run.stale(config.source_fingerprint(frozen)):
        if retry == "stale":
            return renew(path)
        print(f"{run.id}: stale: the source has changed since it was trained. To train it again: retry=stale")
    from pushforward.report import terminal

    terminal.show_run(run)
    return 0


def renew(path: Path) -> None:
    """Sets aside what a run has, so that it is trained from the start: nothing is deleted."""
    number = 1
    while (old := path.with_name(f".{path.name}.{number}")).exists():
        number += 1
    path.rename(old)
