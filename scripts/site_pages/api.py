"""The pages of the Python interface: public names of the package and of the packages that are extended, by mkdocstrings."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from pushforward.untrusted_text import md
from site_pages.text import page, table

PACKAGES = (
    "objectives", "bottlenecks", "priors", "networks", "distributions", "diffusion", "bijections", "families", "engine",
    "protocol", "data.sources", "data", "spec", "domains",
)  # fmt: skip
"""Packages and modules whose names a module of a person's own uses."""


def pages() -> dict[str, str]:
    """{path: text}: a page of `pushforward` itself, one for each of these packages, one of the metrics' functions."""
    modules = {name: importlib.import_module(f"pushforward.{name}") for name in PACKAGES}
    made = {"api/index.md": front(modules)}
    return made | {path_of(name): of_module(module) for name, module in modules.items()} | {"api/metrics.md": metrics()}


def path_of(name: str) -> str:
    return f"api/{name.replace('.', '_')}.md"


def front(modules: dict[str, ModuleType]) -> str:
    import pushforward

    rows = [
        [f"[`pushforward.{name}`]({path_of(name)[4:]})", md(first_line(module))] for name, module in modules.items()
    ]
    rows.append(["[`pushforward.metrics`](metrics.md)", md(first_line(importlib.import_module("pushforward.metrics")))])
    return page(
        "# Python interface",
        "`import pushforward as pf` gives what a notebook or a script needs. Models, data and measures of your own "
        "extend the classes of the packages below.",
        table(["package", ""], rows),
        "## pushforward",
        *(reference(f"pushforward.{name}", 3) for name in pushforward.__all__),
    )


def of_module(module: ModuleType) -> str:
    """A page of a module's public names: first those to extend, abstract classes and protocols."""
    names = list(public(module))
    extended = [
        name for name in names if inspect.isabstract(getattr(module, name)) or is_protocol(getattr(module, name))
    ]
    rest = [name for name in names if name not in extended]
    parts = [f"# {module.__name__}", inspect.getdoc(module) or ""]
    for title, chosen in (("To extend", extended), ("What there is", rest)):
        parts += [f"## {title}"] * bool(chosen and extended)
        parts += [reference(f"{module.__name__}.{name}", 3) for name in chosen]
    return page(*parts)


def public(module: ModuleType) -> Iterator[str]:
    """Yield classes and functions in `__all__`; of a module without one, its own."""
    shown = vars(module).get("__all__")
    for name, value in vars(module).items():
        own = name in shown if shown is not None else inspect.getmodule(value) is module and not name.startswith("_")
        if own and (inspect.isclass(value) or inspect.isfunction(value)):
            yield name


def is_protocol(value: object) -> bool:
    return isinstance(value, type) and vars(value).get("_is_protocol", False)


def metrics() -> str:
    """A page of the functions behind the numbers, a section a module."""
    package = importlib.import_module("pushforward.metrics")
    found = sorted(one.name for one in pkgutil.walk_packages(package.__path__, "pushforward.metrics."))
    parts = [f"# {package.__name__}", inspect.getdoc(package) or ""]
    for name in found:
        module = importlib.import_module(name)
        parts += [f"## {name.removeprefix('pushforward.metrics.')}", first_line(module)]
        parts += [reference(f"{name}.{one}", 3) for one in public(module)]
    return page(*parts)


def first_line(module: ModuleType) -> str:
    return (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")


def reference(name: str, level: int) -> str:
    return f"::: {name}\n    options:\n      heading_level: {level}"
