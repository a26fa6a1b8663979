"""Imports point down only: read from the syntax of every module, and from what a command loads."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pushforward

PACKAGE = Path(pushforward.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

GROUND = {
    "domains",
    "spec",
    "seeds",
    "errors",
    "numbers",
    "parallel",
    "schedules",
    "machine",
    "signals",
    "output_streams",
    "file_walk",
}
MATHEMATICS = {"networks", "distributions"}
PARTS = {"bottlenecks", "priors", "corruption", "augmentation", "objectives", "bijections", "diffusion", "conditioning"}
FILES = {"runs", "atomic_files", "allowed_targets", "untrusted_text"}
TOP = {"machine", "signals", "output_streams", "crash_report"}
COMMANDS = {
    "recipes",
    "data_identity",
    "run_identity",
    "command_line",
    "composition",
    "config_files",
    "overrides",
    "launch",
    "sweep",
    "job",
    "config_errors",
    "doctor",
    "paper_tables",
}

MAY: dict[str, set[str]] = {
    **dict.fromkeys(GROUND, GROUND),
    **dict.fromkeys(MATHEMATICS, GROUND | MATHEMATICS),
    **dict.fromkeys(PARTS, GROUND | MATHEMATICS | PARTS),
    "engine": GROUND | {"networks"},
    "families": GROUND | MATHEMATICS | PARTS | {"engine"},
    "data": {"domains", "spec", "seeds", "errors", "machine", "file_walk", "augmentation"},
    "metrics": GROUND | {"distributions"},
    "atomic_files": {"errors"},
    "allowed_targets": {"errors"},
    "untrusted_text": set(),
    "runs": {"errors", "atomic_files", "untrusted_text"},
    "report": {"errors", "atomic_files", "runs", "untrusted_text"},
    "config": {
        "domains",
        "errors",
        "runs",
        "machine",
        "data_identity",
        "run_identity",
        "initial_weights",
        "allowed_targets",
    },
    "initial_weights": {"errors", "runs"},
    "data_identity": {"errors", "file_walk"},
    "run_identity": {"errors", "runs", "data_identity"},
    "config_errors": {"errors", "config"},
    "config_files": {"errors"},
    "recipes": {"errors", "config_files"},
    "overrides": {"errors", "config"},
    "composition": {"errors", "config", "config_errors", "config_files", "allowed_targets"},
    "doctor": {"errors", "config", "runs", "machine"},
    "crash_report": {"errors", "runs", "signals", "untrusted_text"},
    "protocol": GROUND | MATHEMATICS | PARTS | FILES | {"families", "engine", "data", "metrics"},
    "training": GROUND
    | MATHEMATICS
    | PARTS
    | FILES
    | {
        "families",
        "engine",
        "data",
        "metrics",
        "protocol",
        "report",
        "config",
        "data_identity",
        "initial_weights",
        "run_identity",
        "composition",
        "overrides",
        "launch",
        "crash_report",
        "recipes",
    },
    **dict.fromkeys(
        ("command_line", "launch", "sweep", "job", "paper_tables"),
        FILES | COMMANDS | TOP | {"domains", "errors", "config", "training", "report"},
    ),
    "cli": FILES | COMMANDS | TOP | {"errors", "config", "training", "report", "tour", "exports"},
    "exports": FILES | {"spec", "errors", "config", "families", "recipes", "paper_tables", "report", "training"},
    "tour": GROUND
    | MATHEMATICS
    | PARTS
    | FILES
    | {"families", "engine", "data", "metrics", "protocol", "report", "composition", "training"},
    "__init__": FILES | {"report", "errors", "composition", "overrides", "config", "launch", "training", "exports"},
    "__main__": {"cli"},
}
"""What each module or folder of the package may import of it, besides itself."""

CONFIGURED = {
    "cli",
    "config",
    "run_identity",
    "composition",
    "overrides",
    "command_line",
    "launch",
    "config_errors",
    "sweep",
    "training",
}
TORCHLESS = TOP | {
    "domains",
    "recipes",
    "command_line",
    "composition",
    "config_files",
    "overrides",
    "cli",
    "config",
    "data_identity",
    "initial_weights",
    "run_identity",
    "launch",
    "config_errors",
    "sweep",
    "job",
    "runs",
    "atomic_files",
    "errors",
    "report",
    "paper_tables",
    "allowed_targets",
    "untrusted_text",
}
TORCHLESS |= {"__main__"}


def part(path: Path) -> str:
    """The folder or module of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, top_only: bool = False) -> Iterator[str]:
    """Dotted names that a file imports, but for type checking; `top_only`: when it is itself imported."""

    def visit(node: ast.AST) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from (name.name for name in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: imports are absolute"
                yield from (f"{child.module}.{name.name}" for name in child.names)
            elif not (top_only and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)):
                yield from visit(child)

    return visit(ast.parse(path.read_text()))


def test_every_module_is_walked_and_has_a_rule() -> None:
    assert len(MODULES) >= 85
    assert {part(path) for path in MODULES} <= set(MAY)


@pytest.mark.parametrize("name", sorted(MAY))
def test_imports_point_down(name: str) -> None:
    paths = [path for path in MODULES if part(path) == name]
    assert paths
    for path in paths:
        inside = {n.split(".")[1] for n in imports(path) if n.startswith("pushforward.")}
        inside = {
            n for n in inside if (PACKAGE / n).is_dir() or (PACKAGE / f"{n}.py").is_file()
        }  # not names in __init__
        assert inside <= MAY[name] | {name}, f"{path} imports {inside - MAY[name] - {name}}"


SWEEP = {"": set(), "local": {""}, "cluster": {""}, "search": {"", "local"}}
"""What each folder of `sweep` may import of it; "": its own modules, which know nothing of where jobs run."""


@pytest.mark.parametrize("name", SWEEP)
def test_what_sweeps_share_knows_nothing_of_where_jobs_run(name: str) -> None:
    paths = list((PACKAGE / "sweep" / name).glob("*.py"))
    assert len(paths) > 3
    inside = [n.split(".")[2] for path in paths for n in imports(path) if n.startswith("pushforward.sweep.")]
    assert {n if n in SWEEP else "" for n in inside} <= SWEEP[name] | {name}


def test_no_module_imports_itself_in_a_circle() -> None:
    """Whatever an import stands in: a module, a function, or a block for type checking."""
    names = {module(path): path for path in MODULES}

    def target(name: str) -> str:
        while name not in names:
            name = name.rpartition(".")[0]
        return name

    def used(path: Path) -> set[str]:
        nodes = ast.walk(ast.parse(path.read_text()))
        found = [n for node in nodes if isinstance(node, ast.Import) for n in (a.name for a in node.names)]
        nodes = ast.walk(ast.parse(path.read_text()))
        found += [f"{n.module}.{a.name}" for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names]
        return {target(name) for name in found if name.split(".")[0] == "pushforward"} - {module(path), "pushforward"}

    graph = {name: used(path) for name, path in names.items()}
    assert sum(map(len, graph.values())) > 500
    TopologicalSorter(graph).prepare()  # raises a CycleError that names the circle


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_configuration_stays_outside_the_mathematics() -> None:
    for path in MODULES:
        used = {n.split(".")[0] for n in imports(path)} & {"hydra", "omegaconf", "wandb"}
        assert not used or part(path) in CONFIGURED, f"{path} imports {used}"


def test_no_torchvision() -> None:
    assert not [path for path in MODULES if any(n.split(".")[0] == "torchvision" for n in imports(path))]


def test_what_reads_runs_imports_no_torch() -> None:
    heavy = {"torch", "pytorch_lightning", "torchmetrics", "zuko"}
    for path in MODULES:
        if part(path) == "report":
            assert not {n.split(".")[0] for n in imports(path)} & heavy, path
        elif part(path) in TORCHLESS:
            assert not {n.split(".")[0] for n in imports(path, top_only=True)} & heavy, path


def test_commands_that_only_read_load_no_torch(tmp_path: Path) -> None:
    """Each of them in turn in one process; a run is there to be shown."""
    script = """
import sys
from pushforward.cli import main
from pushforward.runs import RunDir, runs_dir
run = RunDir.create(runs_dir() / "vae-digits-s1-000000", {"choices": {"model": "vae", "data": "digits"}, "seed": 1})
run.set_status(state="finished", fingerprint="x", images_seen=100, budget_images=100)
run.write_record({"mse": {"value": 0.5, "unit": "per pixel", "card": {"better": "lower"}, "na": None}}, improving=False)
for line in ("--help", "--version", "list models", "status", "table", "show run latest", "train --help", "reproduce",
             "reproduce iwae_t1 --plan", "cite iwae_t1", "figure bars --columns mse --out bars.png"):
    try:
        main(line.split())
    except SystemExit as done:
        assert done.code in (0, None), (line, done.code)
    loaded = {"torch", "pytorch_lightning", "wandb"} & set(sys.modules)
    assert not loaded, (line, loaded)
"""
    done = python(script, tmp_path)
    assert done.returncode == 0, done.stderr


def test_no_tensor_work_at_import(tmp_path: Path) -> None:
    """A child of a fork server that has computed in parallel hangs: importing must compute nothing."""
    names = [".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts) for p in MODULES if p.stem[:2] != "__"]
    script = f"""
import importlib, pytorch_lightning, torchmetrics, zuko, sklearn.datasets, torch
from torch.utils._python_dispatch import TorchDispatchMode
worked = []
class Watch(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        worked.append((name, str(function)))
        return function(*args, **(kwargs or {{}}))
with Watch():
    for name in {names!r}:
        importlib.import_module(name)
assert not worked, worked[:5]
print(len({names!r}))
"""
    done = python(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 75


def python(script: str, outputs: Path) -> subprocess.CompletedProcess[str]:
    import os

    env = {**os.environ, "PUSHFORWARD_OUTPUTS": str(outputs)}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=outputs)
