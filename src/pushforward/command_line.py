"""`pushforward train …` by Hydra's command line: its flags, one run, or with -m a sweep. Imports no torch."""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from pushforward import composition, config, config_errors, launch
from pushforward.errors import PushforwardError
from pushforward.overrides import override, read
from pushforward.runs import outputs
from pushforward.untrusted_text import visible

NOT_OURS = {
    "experimental_rerun": "--experimental-rerun: what it reads may run any code; the same command resumes a run",
    "config_path": "--config-path: name the folder of your own groups with --config-dir",
    "config_name": "--config-name: everything is composed from train; choose with experiment=NAME from --config-dir",
}
"""Flags of Hydra's that are refused, with the remedy."""
COMPLETION = "pushforward completion bash, zsh or fish prints the script by which Tab completes"


def hydra_train(args: list[str], sweep_folder: Path | None = None) -> int:
    """`pushforward train ARGS`: Hydra composes and, with -m, its launcher starts the jobs. Returns the exit code.

    sweep_folder: where Hydra writes what it composed a sweep from. Raises PushforwardError, in one line, for whatever is
    refused; nothing has been written then.
    """
    parser, asked = flags(args)
    before, sys.argv = sys.argv, ["pushforward train", *args]
    try:
        if asked.help or asked.hydra_help or asked.cfg or asked.info:
            return show(parser, asked)
        loader = composition.Loader(asked.config_dir)
        overrides = read(asked.overrides, several=asked.multirun)
        if asked.multirun:
            return sweep(loader, overrides, sweep_folder)
        cfg = loader.load_configuration(composition.ROOT, overrides, composition.RunMode.RUN)
        if cfg.hydra.mode == composition.RunMode.MULTIRUN:
            return sweep(loader, overrides, sweep_folder)
        if cfg.study is not None:
            raise PushforwardError("study=…: a search is many runs: pushforward train -m study=…")
        return launch.start(composition.frozen(cfg), list(cfg.hydra.overrides.task))
    finally:
        sys.argv = before


def flags(args: list[str]) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Hydra's flags and the overrides. Raises PushforwardError for what does not go together."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.prog = "pushforward train"

    def refuse(message: str) -> NoReturn:
        raise PushforwardError(f"pushforward train: {message}; see pushforward train --help")

    for action in parser._actions:
        if action.dest == "shell_completion":  # Hydra's would call a command that is not there
            action.help = COMPLETION
    parser.error = refuse  # type: ignore[method-assign]
    asked = parser.parse_intermixed_args(args)
    for flag, why in NOT_OURS.items():
        if getattr(asked, flag) is not None:
            raise PushforwardError(why)
    if asked.shell_completion:
        raise PushforwardError(f"--shell-completion: {COMPLETION}")
    shown = [name for name in ("cfg", "info", "hydra_help", "help") if getattr(asked, name)]
    if asked.cfg and asked.run:  # Hydra's -r is --run, and beside --cfg a person means --resolve
        asked.resolve, asked.run = True, False
    if len(shown) > 1:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in shown)
        raise PushforwardError(f"{names}: give one of them")
    if asked.multirun and (asked.run or shown):
        other = "--run" if asked.run else f"--{shown[0].replace('_', '-')}"
        raise PushforwardError(f"--multirun and {other}: give one of them; {other} is of one configuration")
    if asked.resolve and not (asked.cfg or asked.help):
        raise PushforwardError("--resolve: it belongs to --cfg, such as --cfg job --resolve")
    if asked.package and not asked.cfg:
        raise PushforwardError("--package: it belongs to --cfg, such as --cfg job --package model")
    return parser, asked


def hydra_app(loader: composition.Loader) -> Any:
    """Hydra's application, without the instance that is the process's own."""
    from hydra._internal.hydra import Hydra

    return Hydra(task_name="train", config_loader=loader)


def show(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    """Print what Hydra shows of a configuration, or of itself. Returns 0."""
    app, name = hydra_app(composition.Loader(asked.config_dir)), composition.ROOT
    overrides = read(asked.overrides)
    with composition.hydras_own(), explained(app.config_loader, overrides):
        if asked.help:
            app.app_help(config_name=name, args_parser=parser, args=asked)
        elif asked.hydra_help:
            print(app.format_args_help(parser))
            print("Hydra (https://hydra.cc) composes the configuration. Tab completion: pushforward completion --help")
        elif asked.info:
            app.show_info(asked.info, config_name=name, overrides=overrides)
        else:
            if asked.package:
                check_package(app, asked.package, overrides)
            with contextlib.redirect_stdout(
                io.StringIO()
            ) as shown:  # a file's control characters are shown, not obeyed
                app.show_cfg(name, overrides, asked.cfg, asked.package, asked.resolve)
            print(visible(shown.getvalue()), end="")
    return 0


def check_package(app: Any, package: str, overrides: list[str]) -> None:
    """Refuse a part of the config that is not there."""
    from omegaconf import OmegaConf

    cfg = app.config_loader.load_configuration(composition.ROOT, overrides, composition.RunMode.RUN)
    if package != "_global_" and OmegaConf.select(cfg, package) is None:
        plain: Any = OmegaConf.to_container(cfg, resolve=False)
        raise PushforwardError(config_errors.key_line(package, plain))


@contextlib.contextmanager
def explained(loader: composition.Loader, overrides: list[str]) -> Iterator[None]:
    """Within it, what Hydra and OmegaConf refuse is said in one line."""
    try:
        yield
    except config_errors.REFUSALS as error:
        raise PushforwardError(config_errors.explain(error, loader.without_errors(overrides))) from error


def sweep(loader: composition.Loader, overrides: list[str], folder: Path | None) -> int:
    """Run a grid or a search. Returns the exit code."""

    def multirun(overrides: list[str]) -> None:
        hydra_app(loader).multirun(composition.ROOT, task, overrides)

    return in_folder(loader, overrides, folder, multirun)


def run_jobs(config_dir: Path | None, overrides: list[str], jobs: list[list[str]]) -> int:
    """Run jobs that are no grid, each by its own overrides, as one sweep; overrides: of the launcher. Returns the exit code."""
    from hydra._internal.callbacks import Callbacks
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext

    loader = composition.Loader(config_dir)

    def launched(overrides: list[str]) -> None:
        app = hydra_app(loader)
        cfg = app.compose_config(composition.ROOT, overrides, composition.RunMode.MULTIRUN)
        context = HydraContext(config_loader=loader, callbacks=Callbacks(cfg))
        launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=cfg)
        launcher.launch(jobs, initial_job_idx=0)

    return in_folder(loader, overrides, None, launched)


def in_folder(
    loader: composition.Loader, overrides: list[str], folder: Path | None, start: Callable[[list[str]], None]
) -> int:
    """Start a sweep in a folder of its own, or the one that is given. Returns the exit code."""
    made = None
    if not any(o.startswith("hydra.sweep.dir=") for o in overrides):
        if folder is None:
            folder = made = outputs() / "sweeps" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.getpid()}"
        overrides = [*overrides, override("hydra.sweep.dir", folder)]
    launch.CODES.clear()
    try:
        with explained(loader, overrides):
            start([*overrides, "hydra.mode=MULTIRUN"])
    except PushforwardError:
        tidy(made)
        raise
    return launch.of_sweep(launch.CODES)


def task(cfg: Any) -> int:
    """Run a job, for launchers that are not ours."""
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    return launch.start(config.freeze(cfg, dict(hydra.runtime.choices)), list(hydra.overrides.task))


def tidy(folder: Path | None) -> None:
    """A sweep that was refused leaves nothing behind; folders that are not ours stay, empty or not."""
    if folder is None:
        return
    (folder / "multirun.yaml").unlink(missing_ok=True)
    ours = [above for above in (folder.parent, folder.parent.parent) if above.is_relative_to(outputs())]
    for empty in (folder, *ours):
        with contextlib.suppress(OSError):
            empty.rmdir()


def several(args: Sequence[str]) -> bool:
    """Whether a command line asks for a sweep."""
    return bool({"-m", "--multirun"} & set(args))
