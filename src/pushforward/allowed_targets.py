"""The code that a config may name, decided once for everything that is built from a `_target_`. Imports no torch.

A `_target_` names a class or a function of `FAMILIES`, or of a module that the user allows: on the command line by
`--config-dir` and `--allow-modules`, from Python by `allow_modules=`, anywhere by `PUSHFORWARD_ALLOW_MODULES`.
See docs/trust.md.
"""

import difflib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pushforward.errors import PushforwardError

ENVIRONMENT = "PUSHFORWARD_ALLOW_MODULES"
"""Names of modules, and folders whose modules are meant, with `:` between; processes started from here inherit it."""

_OURS = (
    "networks", "distributions", "bottlenecks", "priors", "corruption", "augmentation", "objectives", "bijections",
    "diffusion", "conditioning", "engine", "families", "data", "metrics", "protocol", "schedules",
)  # fmt: skip
FAMILIES = (
    *(f"pushforward.{name}" for name in _OURS),
    "torch.nn", "torch.optim", "torchmetrics", "zuko", "pytorch_lightning.callbacks", "pytorch_lightning.profilers",
)  # fmt: skip
"""Modules and packages whose classes may be named."""
INTERNAL = (
    "pushforward.data.prepare", "pushforward.data.sources.download", "pushforward.engine.traced_replay",
    "pushforward.engine.cuda_graph", "pushforward.protocol.shared_numbers",
    # these load models of others by a name
    "torchmetrics.text", "torchmetrics.multimodal", "torchmetrics.audio",
    "torchmetrics.functional.text", "torchmetrics.functional.multimodal", "torchmetrics.functional.audio",
)  # fmt: skip
"""Parts of these that fetch, write or run something, and may not be named."""
FUNCTIONS = ("torch.nn.functional", "torch.nn.init", "torchmetrics.functional", "zuko")
"""Packages of others whose functions may be named as well."""
OWN_FUNCTIONS = (
    "pushforward.training.loggers.wandb_logger", "pushforward.training.loggers.tensorboard_logger",
)  # fmt: skip
"""Functions of ours elsewhere. In `FAMILIES`, those that a package exports, `for_data`, and a prior's `fit`."""


@contextmanager
def allowed(entries: Iterable[str | Path]) -> Iterator[None]:
    """Allow modules while this lasts, in this process and those that it starts: by name, or all in a folder (a Path)."""
    before, path = os.environ.get(ENVIRONMENT), [*sys.path]
    added = [str(entry.absolute()) if isinstance(entry, Path) else entry for entry in entries]
    for entry in added:
        if os.pathsep in entry or not (os.sep in entry or entry.isidentifier()):
            raise PushforwardError(
                f"{entry!r} names no module to allow: give the first part of its name, such as my_models"
            )
    if added:
        os.environ[ENVIRONMENT] = os.pathsep.join([*_entries(), *added])
    reach()
    try:
        yield
    finally:
        sys.path[:] = path
        os.environ.pop(ENVIRONMENT, None)
        if before is not None:
            os.environ[ENVIRONMENT] = before


def beside(config_dir: Path | None) -> list[Path]:
    """Folders whose modules `--config-dir` allows: itself, the one around it, and the working directory."""
    return [] if config_dir is None else [config_dir.absolute(), config_dir.absolute().parent, Path.cwd()]


def reach() -> None:
    """Put the folders of allowed modules at the end of `sys.path`; the working directory where modules are allowed by name."""
    for entry in _entries():
        folder = entry if os.sep in entry else str(Path.cwd())
        if folder not in sys.path:
            sys.path.append(folder)


def _entries() -> list[str]:
    return [entry for entry in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if entry]


def own(module: str) -> bool:
    """Whether the user has allowed the module `module`, or the package that it is in."""
    root = module.partition(".")[0]
    folders = [entry for entry in _entries() if os.sep in entry]
    return root in _entries() or (bool(folders) and any(place in folders for place in _places(root)))


def _places(root: str) -> list[str]:
    """The folders in which Python finds a module or package, without importing it: `os.py` in a folder is not Python's os."""
    try:
        spec = find_spec(root)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    return [str(Path(p).parent) for p in spec.submodule_search_locations or ([spec.origin] if spec.origin else [])]


def _within(name: str, families: Iterable[str]) -> bool:
    return any(name == family or name.startswith(f"{family}.") for family in families)


def _may_be_named(name: str) -> bool:
    """Whether a dotted name lies in an allowed family; nothing is imported to find out."""
    if any(part.startswith("_") or not part.isidentifier() for part in name.split(".")):
        return False
    return name in OWN_FUNCTIONS or (_within(name, FAMILIES) and not _within(name, INTERNAL)) or own(name)


def locate(target: Any) -> Any:
    """Return the class or function that a `_target_` names.

    Raises PushforwardError where it may not be named, and where it is not there: which part is missing, what was meant.
    """
    if not isinstance(target, str) or not target.isprintable() or len(target) > 500:
        raise PushforwardError("a _target_ is the dotted name of a class or a function")
    if not _may_be_named(target):
        raise PushforwardError(refusal(target))
    found = _import(target)
    if not _may_be_built(target, found):
        raise PushforwardError(f"{target} is {_kind(found)}; a _target_ names a class or function of an allowed module")
    return found


def refusal(target: str) -> str:
    """Return one line on a name that may not be used, and how its module is allowed."""
    root = target.partition(".")[0]
    if root in {family.partition(".")[0] for family in FAMILIES}:
        return f"{target} may not be named in a config; what may be is said in docs/trust.md"
    if root in sys.stdlib_module_names:
        return f"{target}: nothing of Python's library may be named in a config; see docs/trust.md"
    return (
        f"the module {root} is not allowed here; if it is yours or you trust it, name its folder with --config-dir, "
        f"or say {ENVIRONMENT}={root} (from Python allow_modules=['{root}']; see docs/trust.md)"
    )


def _may_be_built(target: str, found: Any) -> bool:
    """Whether the object itself is a class, function or class method of a family; a re-export of something else is not."""
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return False
    if own(module):
        return callable(found)
    if not _within(module, FAMILIES) or _within(module, INTERNAL):
        return f"{module}.{name}" in OWN_FUNCTIONS
    if inspect.isclass(found):
        return True
    if inspect.ismethod(found):
        return module.startswith("pushforward.priors") and found.__name__ == "fit"
    if not inspect.isfunction(found) or "." in name:
        return False
    package = target.rpartition(".")[0]
    exported = getattr(sys.modules.get(package), "__all__", None) or [name] * (
        package == module and package.count(".") == 1
    )
    return _within(module, FUNCTIONS) or name == "for_data" or (module.startswith("pushforward.") and name in exported)


def _kind(found: Any) -> str:
    """Return what an object is, for an error."""
    if inspect.ismodule(found):
        return f"the module {found.__name__}"
    return f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', type(found).__name__)}"


def _import(target: str) -> Any:
    parts = target.split(".")
    for i in range(len(parts), 0, -1):
        name = ".".join(parts[:i])
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and (name == error.name or name.startswith(f"{error.name}.")):
                continue  # this part is no module: it may be a name inside one
            raise PushforwardError(f"it imports {error.name}, which is not installed") from None
        except Exception as error:
            raise PushforwardError(f"{name} cannot be imported: {type(error).__name__}: {error}") from None
        for part in parts[i:]:
            if not hasattr(found, part):
                close = difflib.get_close_matches(part, dir(found), n=3, cutoff=0.5)
                hint = f"; did you mean {' or '.join(close)}?" if close else ""
                raise PushforwardError(f"{getattr(found, '__name__', found)} has no {part}{hint}")
            found = getattr(found, part)
        return found
    raise PushforwardError(f"there is no module {parts[0]}; put its folder on PYTHONPATH")


SECRET = re.compile(r"(?i)KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|PRIVATE")
"""Names of environment variables whose values must not land in a run's `config.yaml`."""


def refuse_secrets(node: Any, path: str = "") -> None:
    """Raise PushforwardError where an unresolved config takes a secret from the environment by `${oc.env:NAME}`."""
    if isinstance(node, Mapping | list):
        items = node.items() if isinstance(node, Mapping) else enumerate(node)
        for key, value in items:
            refuse_secrets(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, str) and "oc.env" in node:
        for name in re.findall(r"oc\.env:\s*([^},\s]*)", node):
            if SECRET.search(name) or "$" in name:
                raise PushforwardError(
                    f"{path}: ${{oc.env:{name}}} would be written into the run's config.yaml; leave the key out, and let "
                    f"the program that needs {name} read it from the environment"
                )


def refuse_hydras_own(hydra: Mapping[str, Any]) -> None:
    """Raise PushforwardError where the node `hydra` names code: its callbacks, or loggers other than Hydra's own."""
    if hydra.get("callbacks"):
        raise PushforwardError("hydra.callbacks: Hydra's callbacks are not run; those of training are callbacks=…")
    for key in ("job_logging", "hydra_logging"):
        for text in _named(hydra.get(key)):
            if text not in LOGGING:
                raise PushforwardError(f"hydra.{key}: {text} may not be named; see docs/trust.md")


LOGGING = ("logging.StreamHandler", "logging.FileHandler", "colorlog.ColoredFormatter")


def _named(node: Any) -> Iterator[str]:
    """Yield what a logging configuration calls: `class`, `()` and `ext://`."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if isinstance(value, str) and (
            key in ("class", "()") or (value.startswith("ext://") and not value.startswith("ext://sys."))
        ):
            yield value
        yield from _named(value)


def trusted(node: Any, depth: int = 0) -> Any:
    """Return a config node with every `_target_` in it replaced by what it names: nothing else is left to be looked up.

    Raises PushforwardError for what may not be named, and for `${…}`, which would be filled in when it is built.
    """
    if depth > 50:
        raise PushforwardError("a config is nested more than 50 levels deep")
    if isinstance(node, Mapping):
        return {key: locate(v) if key == "_target_" else trusted(v, depth + 1) for key, v in node.items()}
    if isinstance(node, list | tuple):
        return [trusted(value, depth + 1) for value in node]
    if isinstance(node, str) and "${" in node:
        raise PushforwardError(f"{node[:60]}: a frozen config has no ${{…}}; write the value")
    return node
