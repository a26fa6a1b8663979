"""What passes between packages has a type: no attribute of an object of ours is looked up by its name in a string."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pushforward

PACKAGE = Path(pushforward.__file__).parent
LOOKUPS = {"getattr", "hasattr"}

THIRD_PARTY = {
    ("allowed_targets.py", "__all__"),  # of any module and object that a config names
    ("allowed_targets.py", "__module__"),
    ("allowed_targets.py", "__name__"),
    ("allowed_targets.py", "__qualname__"),
    ("config_files.py", "tag"),  # of PyYAML's events, of which some have one
    ("data/sources/download.py", "response"),  # of whichever library's error
    ("data/sources/images.py", "n_frames"),  # of Pillow's formats with several
    ("domains.py", "__name__"),
    ("engine/stack_structure.py", "__dict__"),
    ("families/family.py", "datamodule"),  # Lightning sets it where it is given one
    ("families/flow.py", "f"),  # zuko's lazy distributions
    ("machine.py", "sched_getaffinity"),  # not on every system
    ("metrics/card.py", "item"),  # NumPy's and torch's scalars
    ("networks/network.py", "out_features"),  # of a person's own encoder
    ("overrides.py", "item"),
    ("runs/directory.py", "item"),
    ("runs/schema.py", "CSafeLoader"),  # where PyYAML was built with it
    ("sweep/wandb_sync.py", "reason"),  # of urllib's errors
}
"""Attributes of others' objects, by the file that asks for them."""


def lookups() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LOOKUPS:
                name = node.args[1]
                if isinstance(name, ast.Constant):
                    yield path.relative_to(PACKAGE).as_posix(), str(name.value)


def test_attributes_of_our_own_objects_are_not_looked_up_by_name() -> None:
    found = set(lookups())
    assert found - THIRD_PARTY == set(), "declare a Protocol and test isinstance"
    assert THIRD_PARTY - found == set(), "an exception that nothing needs any more"


def test_families_and_their_passes_are_typed() -> None:
    untyped, typed = [], 0
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.arg if isinstance(node, ast.arg) else getattr(getattr(node, "target", None), "id", None)
            annotation = getattr(node, "annotation", None)
            if name in ("family", "passed") and annotation is not None:
                typed += 1
                untyped += [path] * (ast.unparse(annotation) == "Any")
    assert typed > 50 and not untyped
