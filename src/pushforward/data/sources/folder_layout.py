"""The layout of a folder of images: which subfolders are splits and which are classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pushforward.errors import PushforwardError

Layout = Literal["auto", "splits", "classes", "flat"]
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Names of folders that are splits, as Hugging Face's `imagefolder` has them."""
REMEDY = (
    "data.source.layout=splits takes the splits alone, =classes takes each folder as a class, =flat takes all without "
    "labels"
)


def split_of(name: str) -> str | None:
    return next((split for split, names in SPLITS.items() if name.lower() in names), None)


def splits(root: Path, paths: Sequence[Path], layout: Layout) -> tuple[dict[str, tuple[Path, list[Path]]], list[Path]]:
    """Each split's folder and the images in it, and the images that are in none (with layout=splits alone).

    auto: train/ beside val/ or test/, or alone, are splits. Raises PushforwardError where folders could be both.
    """
    if layout in ("classes", "flat"):
        return {"train": (root, list(paths))}, []
    tops: dict[str, list[Path]] = {}
    loose: list[Path] = []
    for path in paths:
        inside = path.relative_to(root).parts
        (tops.setdefault(inside[0], []) if len(inside) > 1 else loose).append(path)
    found: dict[str, list[str]] = {}
    for top in tops:
        if split := split_of(top):
            found.setdefault(split, []).append(top)
    others = [top for top in tops if split_of(top) is None]
    if layout == "auto" and (not found or (others and len(found) == 1) or (loose and len(found) == 1)):
        return {"train": (root, list(paths))}, []
    if "train" not in found:
        beside = ", ".join(f"{name}/" for names in found.values() for name in names)
        raise PushforwardError(
            f"{root} has no train/{f' beside {beside}' if beside else ''}: rename a folder, or data.source.layout=classes "
            f"takes each folder as a class, =flat takes all without labels."
        )
    for split, names in found.items():
        if len(names) > 1:
            raise PushforwardError(
                f"{root} has {' and '.join(f'{n}/' for n in names)}, which both are {split}: keep one."
            )
    if layout == "auto" and (others or loose):
        beside = ", ".join([f"{top}/" for top in others[:3]] + ["…"] * (len(others) > 3)) or f"{len(loose)} images"
        raise PushforwardError(
            f"{root} has {', '.join(f'{n[0]}/' for n in found.values())} and beside them {beside}: {REMEDY}."
        )
    parts = {split: (root / found[split][0], tops[found[split][0]]) for split in SPLITS if split in found}
    return parts, loose + [path for top in others for path in tops[top]]


def classes(base: Path, paths: Sequence[Path], layout: Layout) -> list[str] | None:
    """Each image's class, the first folder that it lies in; None where there are no folders, or one.

    Raises PushforwardError where some images lie in folders and others beside them.
    """
    if layout == "flat":
        return None
    names = [inside[0] if len(inside) > 1 else None for inside in (p.relative_to(base).parts for p in paths)]
    if layout != "classes" and len(set(names)) == 1:
        return None
    if None in names:
        beside = names.count(None)
        folders = sorted({name for name in names if name})
        if not folders:
            raise PushforwardError(f"{base} has no folders of images, so data.source.layout=classes has no classes.")
        raise PushforwardError(
            f"{base}: {beside} images lie beside the folders {', '.join(folders[:3])}{'…' * (len(folders) > 3)}: move them "
            f"into a class, or data.source.layout=flat takes all without labels."
        )
    return [str(name) for name in names]
