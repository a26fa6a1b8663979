"""The commands. Imports no torch: what a command needs is imported when it runs."""

import os
import sys
from collections.abc import Callable, Sequence

from pushforward import output_streams
from pushforward.cli import commands
from pushforward.cli.completion import completion
from pushforward.crash_report import RESUMES, guarded
from pushforward.errors import PushforwardError, near
from pushforward.signals import handled, interrupt

COMMANDS: dict[str, Callable[[list[str]], int]] = {**commands.COMMANDS, "completion": completion}

USAGE = """pushforward: every family of generative models on one bench

  pushforward train model=vae data=mnist weighting.beta=4     one run
  pushforward train -m model=ae,vae,gan seed=1..3             a grid; finished runs are skipped, stopped ones resume
  pushforward train -m … --plan                               what it would do: done, to run, about how long
  pushforward evaluate RUN...                                 measures again, from a run directory
  pushforward table --rows model --columns fd_lenet,bpd       a table over runs: md, tex, csv
  pushforward records pack NAME --runs tags=zoo               their records in one small file: table --records FILE
  pushforward reproduce [NAME preset=cpu_small]               tables of papers: published beside reproduced; --plan
  pushforward cite NAME                                       BibTeX of what a table, a recipe or a run uses
  pushforward report [RUN...] --out report.html               one page to look at and to send: table, pictures, explorer
  pushforward figure KIND --runs FILTER --out f.pdf           figures for papers: samples, curves, frontier, latent, …
  pushforward why RUN METRIC                                  how a number came about, and the command that made it
  pushforward status                                          every sweep and run and how it stands; --watch
  pushforward sync                                            sends what was logged offline to Weights & Biases
  pushforward show model vae | run RUN                        equation and parts, or numbers
  pushforward sample RUN --n 64 --out grid.png                samples of a trained run
  pushforward export RUN DIR                                  the model as safetensors with config, record and card
  pushforward tour                                            the subject in eight plots, drawn here and now on digits
  pushforward list models|data|networks|…                     what there is, one line each
  pushforward doctor                                          what this machine has, and what is missing
  pushforward completion bash|zsh|fish                        a script by which Tab completes commands, overrides, runs

RUN is a folder, an id or its beginning, latest, or a filter such as model=vae,data=mnist or 'bpd<2.5'.
The folder may be an exported model's, here or on the hub: hf://user/name.
Each command has --help."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: runs a command and exits with its code; whatever ends it is one line."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    output_streams.prepare()
    try:
        with handled(interrupt):
            code = run(args)
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough: `pushforward status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(args: list[str]) -> int:
    """Return the exit code of a command line."""
    name = args[0] if args else ""

    def command() -> int:
        if not args or name in ("-h", "--help", "help"):
            return usage(0 if name else 2)
        if name == "--version":
            return print_version()
        return COMMANDS[name](args[1:]) if name in COMMANDS else unknown(name)

    return guarded(command, RESUMES if name in ("train", "reproduce") else "")


def usage(code: int) -> int:
    print(USAGE)
    return code


def print_version() -> int:
    from importlib.metadata import version

    print(version("pushforward"))
    return 0


def unknown(name: str) -> int:
    raise PushforwardError(f"pushforward {name}: there is no such command; {near(name, COMMANDS)}")
