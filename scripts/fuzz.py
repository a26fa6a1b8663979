"""Mutated command lines, config files, run directories, checkpoints and data files: each ends well or in one clear line.

    python scripts/fuzz.py                          10,000 lines and config files, 2,000 run directories and files
    python scripts/fuzz.py --lines 500 --files 100 --seed 7 --workers 2 --out findings.jsonl

Cases run in processes of their own, with training left out behind the rehearsal. An audit hook refuses, and notes, what no
case may do: write outside its sandbox, start a process, open a connection, import a stranger's module. A case that takes
10 s of CPU, or 60 s of waiting, hangs. Findings are JSON lines; `--only KIND:NUMBER` repeats one.
"""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

OWN = ("git", "pushforward.sweep.local.forkserver")
"""Processes that a command may start: who the commit is, and what a study's plan is rehearsed in."""
SECONDS, PATIENCE = 10, 60
CODES = {0, 1, 2, 74, 130, 143}
MEMORY = 8 * 2**30

LINES = """
train model=vae data=digits budget.epochs=1
train model=gan network=conv seed=3 optimizer.generator.lr=1e-3
train model=beta_vae weighting.beta=4 data=sprites data.limit=100
train model=realnvp data=toy2d model.bijection.hidden=[8,8]
train model=ddpm network=unet network.width=4 trainer=debug
train model=sparse_ae_topk model.bottleneck.k=4 tags=[a,b]
train model=denoising_ae corruption=masking likelihood=gaussian precision=bf16
train model=ae selection.metric=mse selection.every=0.5 logger=none metrics=none features=none
train -m model=vae,gan seed=1..3 --plan
train -m weighting.beta=1,2,4 model=beta_vae --plan
train -m 'network.hidden=[8],[16]' model=ae --plan
train -m study=vae_tuning study.trials=3 --plan
train --cfg job model=vae
train data=folder data.source.path=images
train data=npz data.source.path=own.npz
train --config-dir own model=mine
train +model.objective.extra={_target_:pushforward.objectives.KL,weight:1} ~likelihood
status
status --all latest
table mine --rows model,seed --columns mse,fd_* --compare vae,gan
table --plot mse,nll --runs model=vae
why latest mse
show run latest
show model vae data=digits network=mlp
sample latest --n 4 --seed 1 --out x.png
evaluate latest metrics=none
list models
list networks
sync
doctor --help
""".strip().splitlines()
VALUES = """
nan inf -inf -1 0 1 0.5 1e999 1e-999 16.0 1e400 null true [] {} [0] [-1] [[1]] {a:1} '' "" ~ . .. ../.. / /etc/passwd
/dev/zero /dev/stdin ${oc.env:HOME} ${oc.env:SECRET_TOKEN} ${seed} ${model} ${nothing.there} ${oc.decode:x} ???
!!python/object/apply:os.system os.system subprocess.run evil_module.run numpy.load torch.load builtins.eval
pushforward.launch.start torch.nn.Linear torch.nn.modules.os.system é 日本 \x1b[31m [/] [bold] % %s {0} \\ ' " ( ) # = , :
; | & > < * ? @ ! \t \n \u202e range(1,5) choice(1,2) interval(0,1) glob(*) 1,2,3 latest model=vae state=failed seed= =1
a=b=c 99999999999999999999999999 1.7976931348623157e308 -0 0x10 1_000 0b1 01 1e5 10000000
""".split()  # noqa: SIM905
KEYS = """
model data network weighting optimizer likelihood corruption trainer logger features metrics callbacks schedule ema
study experiment model._target_ model.code_dim model.objective data.source._target_ data.source.path data.limit
data.test data.validation network.hidden network._target_ optimizer.lr optimizer.model.lr weighting.beta budget.epochs
budget.images batch_size seed precision tags retry selection selection.metric selection.every trainer.devices
trainer.threads trainer.accelerator trainer.strategy trainer.compile hydra.run.dir hydra.sweep.dir
hydra.callbacks.a._target_ hydra.launcher._target_ hydra.job_logging hydra.searchpath hydra/launcher init_from results
study.name study.trials metrics.images _target_ choices + ++ ~
""".split()  # noqa: SIM905
FLAGS = [
    "-m",
    "--plan",
    "--cfg",
    "--resolve",
    "-r",
    "--package",
    "--config-dir",
    "--config-name",
    "--info",
    "--help",
    "-h",
    "--all",
    "--runs",
    "--rows",
    "--columns",
    "--n",
    "--out",
]


def literally(value: str) -> str:
    return (
        value.encode().decode("unicode_escape")
        if value.startswith("\\") and len(value) > 1 and value != "\\\\"
        else value
    )


# Mutations -----------------------------------------------------------------------------------------------------------


def mutated_text(
    text: str, rng: random.Random, alphabet: str = "aZ09=.,:;[]{}()'\"\\/~+-_@%$#&|*?! \n\t\x1b\x00é日\u202e"
) -> str:
    """A few characters replaced, removed, repeated, or moved."""
    letters = list(text)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(letters) + 1)
        match rng.randrange(6):
            case 0:
                letters.insert(at, rng.choice(alphabet))
            case 1 if letters:
                del letters[min(at, len(letters) - 1)]
            case 2 if letters:
                letters[min(at, len(letters) - 1)] = rng.choice(alphabet)
            case 3:
                letters[at:at] = letters[at : at + rng.randrange(1, 20)]
            case 4:
                del letters[at : at + rng.randrange(1, 20)]
            case _:
                letters[at:at] = literally(rng.choice(VALUES))
    return "".join(letters)


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, cut, zeroed, repeated, or replaced."""
    data = bytearray(content)
    match rng.randrange(7):
        case 0:
            return b""
        case 1:
            return bytes(data[: rng.randrange(len(data) + 1)])
        case 2:
            return bytes(len(data))
        case 3:
            return rng.randbytes(rng.randrange(1, 4000))
        case 4 if data:
            at = rng.randrange(len(data))
            data[at:at] = rng.randbytes(rng.randrange(1, 64))
        case _ if data:
            for _ in range(rng.choice((1, 1, 4, 64))):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def value(rng: random.Random, depth: int = 0) -> Any:
    """A value that does not belong."""
    options: list[Callable[[], Any]] = [
        lambda: None, lambda: True, lambda: rng.choice((0, -1, 1, 2**31, 2**63, 10**30, 10**400)),
        lambda: rng.choice((0.5, 1e300, -1e-300)),
        lambda: literally(rng.choice(VALUES)), lambda: "x" * rng.choice((1, 1000, 100_000)), lambda: [], lambda: {},
        lambda: "2026-01-01T00:00:00", lambda: "\x1b[2J[/]",
    ]  # fmt: skip
    if depth < 3:
        options += [
            lambda: [value(rng, depth + 1) for _ in range(3)],
            lambda: {literally(rng.choice(VALUES)): value(rng, depth + 1)},
        ]
    return rng.choice(options)()


def mutated_tree(tree: Any, rng: random.Random) -> Any:
    """One place of nested data replaced, removed, renamed, or nested."""
    if isinstance(tree, dict | list) and tree and rng.random() < 0.8:
        key = rng.choice(list(tree)) if isinstance(tree, dict) else rng.randrange(len(tree))
        changed: Any = dict(tree) if isinstance(tree, dict) else list(tree)
        match rng.randrange(8):
            case 0:
                del changed[key]
            case 1 if isinstance(changed, dict):
                changed[literally(rng.choice(VALUES))] = changed.pop(key)
            case 2:
                inner: Any = 1
                for _ in range(rng.choice((30, 200, 900))):
                    inner = [inner]
                changed[key] = inner
            case _:
                changed[key] = mutated_tree(tree[key], rng)
        return changed
    return value(rng)


# Cases ---------------------------------------------------------------------------------------------------------------


class Sandbox:
    """A folder with outputs, two trained runs, own data, own configs, and modules that are nobody's to import."""

    def __init__(self, root: Path) -> None:
        self.root, self.outputs, self.work, self.pristine = root, root / "outputs", root / "work", root / "pristine"

    @classmethod
    def made(cls, root: Path) -> "Sandbox":
        import numpy as np
        from PIL import Image

        box = cls(root)
        (box.work / "images" / "a").mkdir(parents=True)
        rng = np.random.default_rng(0)
        for i in range(24):
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(box.work / "images" / "a" / f"{i}.png")
        np.savez(box.work / "own.npz", x=rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), y=rng.integers(0, 2, 40))
        (box.work / "own" / "model").mkdir(parents=True)
        (box.work / "own" / "experiment").mkdir(parents=True)
        (box.work / "own/model/mine.yaml").write_text(
            "defaults: [vae, _self_]\ncode_dim: 4\nobjective:\n  kl: {weight: 2.0}\n"
        )
        (box.work / "own/experiment/mine.yaml").write_text(
            "# @package _global_\ndefaults:\n  - override /model: ae\n  - override /data: digits\nbatch_size: 32\ntags: [a]\n"
        )
        for name in ("evil_module", "org", "numpy_", "sitecustomize_"):
            (box.root / f"{name}.py").write_text("raise SystemExit('a stranger ran')\ndef run(*a, **k): pass\n")
            shutil.copy(box.root / f"{name}.py", box.work / f"{name}.py")
        with box.entered():
            for model in ("vae", "ae"):
                code, _, said = command(
                    ["train", f"model={model}", "data=digits", "network.hidden=[8]", "budget.epochs=0.5",
                     "trainer.progress=false",
                     "trainer.threads=1", "logger=none", "features=none"]
                )  # fmt: skip
                assert code == 0, said
        shutil.copytree(box.outputs, box.pristine)
        return box

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        before, environment = Path.cwd(), dict(os.environ)
        os.chdir(self.work)
        tempfile.tempdir = str(self.root / "tmp")
        Path(tempfile.tempdir).mkdir(exist_ok=True)
        os.environ |= {
            "PUSHFORWARD_OUTPUTS": str(self.outputs),
            "OMP_NUM_THREADS": "1",
            "SECRET_TOKEN": "hunter2",
            "TMPDIR": tempfile.tempdir,
        }
        try:
            yield
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ |= environment
            tempfile.tempdir = None

    def fresh(self) -> Path:
        """The outputs as they were after training; returns the first run's directory."""
        shutil.rmtree(self.outputs, ignore_errors=True)
        shutil.copytree(self.pristine, self.outputs)
        return sorted((self.outputs / "runs").iterdir())[0]


def command(words: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and error of a command line."""
    from pushforward.cli import run

    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(words)
    return code, out.getvalue(), err.getvalue()


def line_case(rng: random.Random, box: Sandbox) -> list[list[str]]:
    """A mutated command line."""
    import shlex

    words = shlex.split(rng.choice(LINES))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(1, len(words) + 1)
        match rng.randrange(9):
            case 0:
                words.insert(
                    at, f"{rng.choice(('', '+', '++', '~'))}{rng.choice(KEYS)}={literally(rng.choice(VALUES))}"
                )
            case 1 if len(words) > 1:
                key = words[min(at, len(words) - 1)].partition("=")[0]
                words[min(at, len(words) - 1)] = f"{key}={literally(rng.choice(VALUES))}"
            case 2:
                words.insert(at, rng.choice(FLAGS))
            case 3 if len(words) > 1:
                del words[min(at, len(words) - 1)]
            case 4:
                words.insert(at, literally(rng.choice(VALUES)))
            case 5:
                words.insert(at, rng.choice(words))
            case 6 if rng.random() < 0.1:
                words[0] = mutated_text(words[0], rng)
            case _:
                at = min(at, len(words) - 1)
                words[at] = mutated_text(words[at], rng)
    words = [word.replace("\0", "").encode("utf-8", "replace").decode() for word in words]
    if words[:1] in (["tour"], ["doctor"]) and "--help" not in words:
        words.append("--help")
    if {"-m", "--multirun"} & set(words) and "--plan" not in words:
        words.append("--plan")
    if "--watch" in words:
        words.remove("--watch")
    return [words]


def config_case(rng: random.Random, box: Sandbox) -> list[list[str]]:
    """A mutated config file of one's own."""
    import yaml

    folder = box.work / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(box.work / "own", folder)
    group = rng.choice(("model", "experiment"))
    file = folder / group / "mine.yaml"
    text = file.read_text()
    match rng.randrange(4):
        case 0:
            file.write_bytes(mutated_bytes(text.encode(), rng))
        case 1:
            head = "# @package _global_\n" if group == "experiment" else ""
            with contextlib.suppress(ValueError, RecursionError, yaml.YAMLError):
                file.write_text(head + yaml.safe_dump(mutated_tree(yaml.safe_load(text), rng), allow_unicode=True))
        case 2:
            key, inner = rng.choice(KEYS).replace(".", ": {", 1), literally(rng.choice(VALUES))
            file.write_text(text + f"\n{key}: {inner}" + "}" * key.count("{") + "\n", errors="replace")
        case _:
            file.write_text(mutated_text(text, rng), errors="replace")
    return [
        ["train", "--config-dir", str(folder), f"{group}=mine", "--cfg", "job"],
        ["train", "--config-dir", "fuzzed", f"{group}=mine"],
    ]


def run_case(rng: random.Random, box: Sandbox) -> list[list[str]]:
    """A mutated run directory; the other run is sound and has to stay in sight."""
    import yaml

    run = box.fresh()
    name = rng.choice(("status.json", "record.json", "config.yaml", "metrics.csv", "arrays", "place"))
    file = run / name
    if name == "arrays":
        file = rng.choice(sorted((run / "arrays").glob("*.npz")) or [run / "metrics.csv"])
        file.write_bytes(mutated_bytes(file.read_bytes(), rng))
    elif name == "place":
        file = run / rng.choice(
            ("status.json", "record.json", "config.yaml", "metrics.csv", "checkpoints/last.ckpt", "arrays")
        )
        misplaced(file, rng)
    elif rng.random() < 0.3 or name == "metrics.csv":
        file.write_bytes(mutated_bytes(file.read_bytes(), rng))
    elif rng.random() < 0.3:
        file.write_text(mutated_text(file.read_text(), rng), errors="replace")
    else:
        tree = yaml.safe_load(file.read_text()) if name == "config.yaml" else json.loads(file.read_text())
        for _ in range(rng.choice((1, 1, 3))):
            tree = mutated_tree(tree, rng)
        with contextlib.suppress(ValueError, RecursionError, yaml.YAMLError):
            file.write_text(yaml.safe_dump(tree) if name == "config.yaml" else json.dumps(tree))
    lines = [["status"], ["status", "--all"], ["table", "--columns", "all"], ["show", "run", str(run)],
             ["why", str(run), "mse"],
             ["sample", str(run), "--n", "4", "--out", "x.png"], ["show", "run", "latest"], ["table", "--pictures"],
             ["evaluate", str(run), "metrics=none"],
             ["train", "model=ae", "data=digits", "network.hidden=[8]", "budget.epochs=0.5",
             "trainer.threads=1", "logger=none", "features=none"]]  # fmt: skip
    return [["status"], *rng.sample(lines, 3)]


def misplaced(file: Path, rng: random.Random) -> None:
    """A folder, a pipe, a loop, a link outside, or nothing in the place of a file."""
    shutil.rmtree(file) if file.is_dir() else file.unlink()
    match rng.randrange(6):
        case 0:
            file.mkdir()
        case 1:
            os.mkfifo(file)
        case 2:
            file.symlink_to(file)
        case 3:
            file.symlink_to("/etc/passwd")
        case 4:
            file.symlink_to("/dev/zero")


def checkpoint_case(rng: random.Random, box: Sandbox) -> list[list[str]]:
    """Mutated weights."""
    run = box.fresh()
    for file in sorted((run / "checkpoints").iterdir())[: rng.choice((1, 2))]:
        if rng.random() < 0.15:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'touch ran'\ntR.")
                archive.writestr("archive/version", b"3\n")
        else:
            file.write_bytes(mutated_bytes(file.read_bytes(), rng))
    return [["sample", str(run), "--n", "4", "--out", "x.png"], ["evaluate", str(run), "metrics=none"]]


def data_case(rng: random.Random, box: Sandbox) -> list[list[str]]:
    """Mutated data of one's own."""
    shutil.rmtree(box.work / "data", ignore_errors=True)
    if rng.random() < 0.5:
        (box.work / "data").mkdir()
        file = box.work / "data" / "own.npz"
        file.write_bytes(mutated_bytes((box.work / "own.npz").read_bytes(), rng))
        return [["train", "data=npz", f"data.source.path={file}", "model=ae", "network.hidden=[8]"]]
    shutil.copytree(box.work / "images", box.work / "data")
    for file in rng.sample(sorted((box.work / "data" / "a").iterdir()), rng.choice((1, 1, 5))):
        if rng.random() < 0.2:
            misplaced(file, rng)
        else:
            file.write_bytes(mutated_bytes(file.read_bytes(), rng))
    return [["train", "data=folder", "data.source.path=data", "model=ae", "network.hidden=[8]"]]


KINDS: dict[str, Callable[[random.Random, Sandbox], list[list[str]]]] = {
    "line": line_case, "config": config_case, "run": run_case, "checkpoint": checkpoint_case, "data": data_case,
}  # fmt: skip


# What a case may not do ----------------------------------------------------------------------------------------------

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.mkdir": 1,
    "os.rename": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.symlink": 2,
    "os.link": 2,
    "os.truncate": 1,
    "os.chmod": 1,
}
STARTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "socket.connect",
    "pty.spawn",
    "os.spawn",
)


class Watch:
    """Notes, and refuses, what goes beyond the sandbox while a case runs."""

    def __init__(self, box: Sandbox) -> None:
        self.root, self.found, self.on = os.path.realpath(box.root), list[str](), False
        sys.addaudithook(self.hook)

    def outside(self, path: Any) -> bool:
        if isinstance(path, int):
            return False
        text = os.fsdecode(path)
        real = os.path.realpath(Path(Path(text).resolve()).parent or ".")
        return not (
            f"{real}/".startswith(f"{self.root}/") or text in ("/dev/null", "/dev/tty") or "__pycache__" in text
        )

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        note = ""
        if event == "open" and args[0] is not None:
            path, mode, flags = args
            writes = bool(isinstance(flags, int) and flags & WRITES) or bool(
                isinstance(mode, str) and set(mode) & set("wax+")
            )
            if writes and self.outside(path):
                note = f"opens {path} to write"
        elif event in CHANGES:
            if any(self.outside(path) for path in args[: CHANGES[event]][-1:]):
                note = f"{event} {args[: CHANGES[event]]}"
        elif event in STARTS and not (event == "subprocess.Popen" and any(own in str(args[:2]) for own in OWN)):
            note = f"{event} {str(args)[:200]}"
        elif event == "import" and str(args[0]).partition(".")[0] in ("evil_module", "org"):
            note = f"imports {args[0]}"
        if note:
            self.on = False
            self.found.append(note)
            self.on = True
            raise PermissionError(1, f"the fuzz refuses: {note[:100]}")


class Hangs(BaseException):
    """A case has taken too long."""


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """At most SECONDS of CPU."""

    def over(*_: Any) -> None:
        raise Hangs

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def untrained() -> Iterator[None]:
    """Training is left out: a run is composed and rehearsed, and that is all."""
    from pushforward import composition, launch
    from pushforward.training import build, train

    originals = train.train, launch.fresh, composition.Loader.without_errors
    known: dict[str, Any] = {}

    def without_errors(self: Any, overrides: list[str]) -> Any:
        """Two thirds of the time of a line that is refused went into composing what it might have meant: once a model."""
        model = next((o for o in overrides if o.startswith("model=")), "")
        if model not in known:
            known[model] = originals[2](self, overrides)
        return known[model]

    train.train = lambda *_, **__: 0  # type: ignore[assignment]
    launch.fresh = lambda *_, **__: 0
    composition.Loader.without_errors = without_errors  # type: ignore[method-assign]
    try:
        yield
    finally:
        train.train, launch.fresh = originals[:2]  # type: ignore[assignment]
        composition.Loader.without_errors = originals[2]  # type: ignore[method-assign]
        build.READY.clear()


def judged(words: list[str], watch: Watch) -> str:
    """Return the fault in how a command line ends; empty where there is none."""
    watch.found.clear()
    watch.on = True
    try:
        with bounded():
            code, out, err = command(words)
    except Hangs:
        return f"hangs: over {SECONDS} s"
    except BaseException as error:
        return f"raises {type(error).__name__}: {str(error)[:200]}"
    finally:
        watch.on = False
    if watch.found:
        return f"does: {watch.found[0]}"
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    if code not in CODES:
        return f"exit code {code}: {err[-200:]}"
    if "Traceback" in out + err:
        return f"a traceback: {err[-300:]}"
    if "the traceback is in" in err or "PUSHFORWARD_FULL_ERROR" in err:
        return f"unforeseen: {err[-300:]}"
    if code == 2 and len(errors) != 1:
        return f"{len(errors)} lines of error: {err[-300:]}"
    if set(out + err) & {"\x1b", "\x9b", "\u202e"}:
        return f"control characters: {(out + err)[-200:]!r}"
    if words[:1] == ["status"] and len(words) == 1 and code == 0 and "-s1-" not in out:
        return f"the sound run is hidden: {out[-300:]}"
    if any(
        "hunter2" in path.read_text(errors="replace")
        for path in Path(os.environ["PUSHFORWARD_OUTPUTS"]).glob("runs/*/*.yaml")
        if path.is_file() and not path.is_symlink()
    ):
        return "a secret is in a config.yaml"
    return ""


def work(box: Sandbox, kind: str, numbers: range, seed: int, report: Callable[[dict[str, Any]], None]) -> int:
    """Runs cases of a kind; reports findings. Returns how many command lines were run."""
    watch, lines = Watch(box), 0
    with box.entered(), untrained():
        for number in numbers:
            rng = random.Random(f"{seed}-{kind}-{number}")
            report({"at": number})
            for words in KINDS[kind](rng, box):
                lines += 1
                wrong = judged(words, watch)
                if wrong:
                    report({"kind": kind, "number": number, "line": words, "wrong": wrong})
            if kind in ("line", "config") and number % 50 == 49:
                box.fresh()
    return lines


# Many processes ------------------------------------------------------------------------------------------------------


def worker(arguments: argparse.Namespace) -> int:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    own = Sandbox(Path(arguments.box))
    first, last = arguments.numbers
    # not print: a case captures sys.stdout
    stream = os.fdopen(os.dup(1), "w")

    def report(found: dict[str, Any]) -> None:
        stream.write(json.dumps(found) + "\n")
        stream.flush()

    lines = work(own, arguments.kind, range(first, last), arguments.seed, report)
    report({"done": lines})
    return 0


def supervised(box: Path, kind: str, numbers: range, seed: int) -> Iterator[dict[str, Any]]:
    """Findings of cases run in a process of their own, which is started anew behind a case that ends it."""
    import selectors

    first = numbers.start
    while first < numbers.stop:
        process = subprocess.Popen(
            [sys.executable, __file__, "--worker", "--box", str(box), "--kind", kind, "--seed", str(seed),
             "--numbers", str(first), str(numbers.stop)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        at, done, waiting = first, False, selectors.DefaultSelector()
        waiting.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not waiting.select(PATIENCE):
                yield {"kind": kind, "number": at, "wrong": f"hangs: {PATIENCE} s without an answer"}
                break
            text = process.stdout.readline()
            if not text:
                break
            found = json.loads(text)
            at = found.get("at", at)
            done = done or "done" in found
            yield found
        process.kill()
        code = process.wait()
        if not done and code != -signal.SIGKILL:
            yield {"kind": kind, "number": at, "wrong": f"ends the process: {code}"}
        first = numbers.stop if done else at + 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--lines", type=int, default=10_000, help="command lines and config files, a fifth of them files"
    )
    parser.add_argument("--files", type=int, default=2_000, help="run directories, checkpoints and data files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("fuzz.jsonl"))
    parser.add_argument("--only", default="", metavar="KIND:NUMBER", help="one case, in this process, printed")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--box", default="", help=argparse.SUPPRESS)
    parser.add_argument("--kind", default="", help=argparse.SUPPRESS)
    parser.add_argument("--numbers", type=int, nargs=2, default=(0, 0), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        return worker(asked)
    with tempfile.TemporaryDirectory(prefix="pushforward-fuzz-") as root:
        made = Sandbox.made(Path(root) / "made")
        if asked.only:
            kind, _, number = asked.only.partition(":")
            work(
                made,
                kind,
                range(int(number), int(number) + 1),
                asked.seed,
                lambda found: print(json.dumps(found, indent=1)),
            )
            return 0
        return campaign(made, asked)


def campaign(made: Sandbox, asked: argparse.Namespace) -> int:
    """All kinds, over several processes. Returns 1 where there are findings."""
    from concurrent.futures import ThreadPoolExecutor

    counts = {
        "line": asked.lines * 4 // 5,
        "config": asked.lines // 5,
        "run": asked.files // 2,
        "checkpoint": asked.files // 4,
        "data": asked.files // 4,
    }
    parts = [
        (kind, range(start, min(start + 100, count))) for kind, count in counts.items() for start in range(0, count, 100)
    ]  # fmt: skip
    parts.sort(key=lambda part: (part[1].start, part[0]))
    began, ran, found = time.monotonic(), Counter[str](), list[dict[str, Any]]()

    def one(part: tuple[str, range]) -> None:
        kind, numbers = part
        box = made.root.with_name(f"{kind}-{numbers.start}")
        shutil.copytree(made.root, box)
        for event in supervised(box, kind, numbers, asked.seed):
            if "wrong" in event:
                found.append(event)
                with asked.out.open("a") as file:
                    file.write(json.dumps(event) + "\n")
            ran[kind] += "at" in event
        shutil.rmtree(box, ignore_errors=True)
        print(f"{time.monotonic() - began:6.0f} s  {dict(ran)}  {len(found)} findings", flush=True)

    with ThreadPoolExecutor(asked.workers) as pool:
        list(pool.map(one, parts))
    for text, count in Counter(f"{event['kind']}: {event['wrong'][:100]}" for event in found).most_common(40):
        print(f"{count:5} {text}")
    print(f"{sum(ran.values()):,} cases in {time.monotonic() - began:.0f} s: {len(found)} findings, in {asked.out}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
