"""Print the lines of Python and YAML that each recipe adds to the package, with median and worst.

python scripts/variant_lines.py                # a line a recipe, the most expensive last
python scripts/variant_lines.py --names        # and what is counted

YAML: the recipe's file, and options of groups that no other recipe takes. Python: classes and functions of the package that
are reached from the recipe's components alone, neither from another recipe's nor from the rest of the package. Blank lines and
YAML's comments are not counted; docstrings are. What two variants share is nobody's: it is what a third one finds there.
"""

import argparse
import ast
import importlib
import inspect
import pkgutil
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pushforward
from pushforward import config
from pushforward.allowed_targets import locate
from pushforward.composition import compose

VARIANTS = (
    "networks", "distributions", "bottlenecks", "priors", "corruption", "augmentation", "objectives", "bijections",
    "diffusion", "conditioning", "families", "schedules",
)  # fmt: skip
"""The packages that recipes are made from: the rest of the package does not belong to one."""
Node = tuple[str, str]
"""Module and name of a class or function."""


class Added(NamedTuple):
    """The lines that a recipe adds."""

    recipe: str
    yaml: int
    python: int
    names: list[str]


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(pushforward.__path__, "pushforward.")
    return [importlib.import_module(each.name) for each in found if not each.name.endswith("__main__")]


def references(some: Iterable[ModuleType]) -> tuple[dict[Node, set[Node]], dict[Node, int], set[Node]]:
    """The names that each class and function refers to, its lines, and all that modules refer to by themselves."""
    edges: dict[Node, set[Node]] = {}
    lines: dict[Node, int] = {}
    loose: set[Node] = set()
    for module in some:
        source = inspect.getsource(module)
        rows = source.splitlines()
        for part in ast.parse(source).body:
            used = set(named(part, module))
            if not isinstance(part, ast.ClassDef | ast.FunctionDef):
                loose |= set() if isinstance(part, ast.Import | ast.ImportFrom) else used
                continue
            node = (module.__name__, part.name)
            first = min([part.lineno, *(decorator.lineno for decorator in part.decorator_list)])
            edges[node] = used - {node}
            lines[node] = sum(bool(row.strip()) for row in rows[first - 1 : part.end_lineno])
    return edges, lines, loose


def named(part: ast.AST, module: ModuleType) -> Iterator[Node]:
    """The package's classes and functions that a piece of a module names."""
    for each in ast.walk(part):
        found: Any = None
        if isinstance(each, ast.Name):
            found = vars(module).get(each.id)
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            holder = vars(module).get(each.value.id)
            found = getattr(holder, each.attr, None) if isinstance(holder, ModuleType) else None
        where = getattr(found, "__module__", None)
        if (inspect.isclass(found) or inspect.isfunction(found)) and str(where).startswith("pushforward."):
            yield str(where), found.__qualname__.partition(".")[0]


def closure(roots: Iterable[Node], edges: Mapping[Node, set[Node]]) -> set[Node]:
    """All that is reached from the roots."""
    found: set[Node] = set()
    waiting = set(roots)
    while waiting:
        found |= waiting
        waiting = {other for node in waiting for other in edges.get(node, ())} - found
    return found


def targets(node: Any) -> Iterator[Node]:
    """The package's classes that a config is made of."""
    if isinstance(node, Mapping):
        if str(node.get("_target_", "")).startswith("pushforward."):
            found = locate(node["_target_"])
            yield found.__module__, found.__qualname__.partition(".")[0]
        for child in node.values():
            yield from targets(child)
    elif isinstance(node, list):
        for child in node:
            yield from targets(child)


def package(node: Node) -> str:
    return node[0].split(".")[1]


def added() -> list[Added]:
    """The lines that each recipe adds, the least first."""
    recipes = config.options("model")
    frozen = {name: compose([f"model={name}", "metrics=none"]) for name in recipes}
    edges, lines, loose = references(modules())
    # a family knows its bases and what it builds; of a recipe the rest of the package knows nothing
    rest = closure((node for node in edges if package(node) not in VARIANTS), edges) | closure(loose, edges)
    reached = {
        name: closure(targets({key: one[key] for key in ("model", "optimizer")}), edges) for name, one in frozen.items()
    }
    users = Counter(node for nodes in reached.values() for node in nodes)
    options = {name: chosen(one) for name, one in frozen.items()}
    takers = Counter(option for own in options.values() for option in own)
    usual = chosen(compose(["metrics=none"]))
    found = []
    for name in recipes:
        own = sorted(n for n in reached[name] if users[n] == 1 and n not in rest and n in lines)
        alone = {option for option in options[name] if takers[option] == 1} - usual - {f"model/{name}"}
        size = sum(yaml_lines(config.conf_dir() / f"{file}.yaml") for file in (f"model/{name}", *alone))
        names = [*(f"{one} {lines[module, one]}" for module, one in own), *sorted(alone)]
        found.append(Added(name, size, sum(lines[node] for node in own), names))
    return sorted(found, key=lambda one: (one.python + one.yaml, one.recipe))


def chosen(frozen: Mapping[str, Any]) -> set[str]:
    """The options of groups that a config is composed of: `weighting/beta4`."""
    return {f"{group.partition('@')[0]}/{option}" for group, option in frozen["choices"].items()}


def yaml_lines(path: Path) -> int:
    rows = (row.strip() for row in path.read_text(encoding="utf-8").splitlines())
    return sum(bool(row) and not row.startswith("#") for row in rows)


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", action="store_true", help="also what is counted")
    asked = parser.parse_args(args)
    found = added()
    print(f"{'recipe':<24} {'YAML':>5} {'Python':>7}")
    for one in found:
        print(f"{one.recipe:<24} {one.yaml:>5} {one.python:>7}  {', '.join(one.names) if asked.names else ''}".rstrip())
    yaml, python = [one.yaml for one in found], [one.python for one in found]
    print(f"\n{len(found)} recipes; no Python: {sum(not one for one in python)}")
    for what, function in (("median", statistics.median), ("worst", max)):
        print(f"{what:<24} {function(yaml):>5g} {function(python):>7g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
