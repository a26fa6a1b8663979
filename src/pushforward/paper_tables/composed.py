"""Frozen configs of a table's runs, composed as a sweep composes them and kept: a plan of hundreds takes no minute then."""

import copy
import hashlib
import json
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pushforward import composition, config, data_identity
from pushforward.atomic_files import read_plain, write_whole
from pushforward.errors import Unreadable
from pushforward.machine import uncollected
from pushforward.overrides import read
from pushforward.runs import outputs, source_fingerprint
from pushforward.sweep.compose_cache import Once

OUTSIDE = ("content", "initial", "encoder")
"""Parts of a frozen config that say what lies in files outside the config tree: such a config is composed each time."""


def composed(name: str, jobs: Sequence[Sequence[str]], config_dir: Path | None) -> list[dict[str, Any]]:
    """Return the frozen config of each list of overrides. What was composed before, of the same files, is read again.

    name: of the file under `outputs/cache` in which they are kept. Raises PushforwardError like the command line.
    """
    file, key = outputs() / "cache" / "composed" / f"{name}.json", tree(config_dir)
    kept = known(file, key)
    loader = None
    found = []
    with data_identity.looked_at_once(), uncollected():
        for job in jobs:
            frozen = kept.get(text := json.dumps(list(job)))
            if frozen is None:
                loader = loader or Composer(config_dir)
                frozen = loader.frozen(job)
                if key and not any(part in frozen for part in OUTSIDE):
                    kept[text] = frozen
            found.append(frozen)
    if loader is not None and key:
        asked = {json.dumps(list(job)) for job in jobs}
        content = {"key": key, "configs": {job: one for job, one in kept.items() if job in asked}}
        write_whole(file, json.dumps(content), durable=False)
    return found


SEED = re.compile(r"seed=\d{1,9}")


class Composer:
    """Hydra's loader with the config that a sweep begins with. What differs in nothing but its seed is composed once."""

    def __init__(self, config_dir: Path | None) -> None:
        loader = composition.Loader(config_dir)
        self.master = loader.load_configuration(composition.ROOT, ["hydra.mode=MULTIRUN"], composition.RunMode.MULTIRUN)
        self.loader = Once(loader)  # type: ignore[arg-type]
        self.known: dict[tuple[str, ...], dict[str, Any]] = {}
        """Frozen configs by their overrides without the seed, of those in which it stands in no other place."""
        self.words: dict[str, list[str]] = {}
        """Overrides as they were written, and as Hydra reads them."""

    def frozen(self, overrides: Sequence[str]) -> dict[str, Any]:
        seeds = [override for override in overrides if SEED.fullmatch(override)]
        others = tuple(override for override in overrides if override not in seeds)
        if len(seeds) == 1 and others in self.known:
            return {**copy.deepcopy(self.known[others]), "seed": int(seeds[0].removeprefix("seed="))}
        cfg = self.loader.load_sweep_config(self.master, [word for one in overrides for word in self.read(one)])
        found = composition.frozen(cfg)
        if len(seeds) == 1 and not any("seed" in text for text in composition.interpolations(cfg)):
            self.known[others] = found
        return found

    def read(self, override: str) -> list[str]:
        if override not in self.words:
            self.words[override] = read([override])
        return self.words[override]


def known(file: Path, key: str) -> dict[str, dict[str, Any]]:
    """{overrides: frozen config} of a file that was written under the same key; nothing where there is none."""
    try:
        content = json.loads(read_plain(file) or b"{}")
    except (Unreadable, ValueError):
        return {}
    return dict(content["configs"]) if key and content.get("key") == key else {}


def tree(config_dir: Path | None) -> str:
    """Return a digest of all that a config is composed from beside its overrides; empty where that is more than files."""
    digest = hashlib.sha256(f"{outputs()} {source_fingerprint()}".encode())
    for package in ("hydra-core", "omegaconf"):
        digest.update(version(package).encode())
    for folder in [config.conf_dir(), *([config_dir] if config_dir else [])]:
        for path in sorted(folder.rglob("*.yaml")):
            content = path.read_bytes()
            if re.search(rb"\$\{(oc\.env|now)\b", content) and path.name != "train.yaml":
                return ""  # a value of the environment, or the time
            digest.update(f"{path.relative_to(folder)} {len(content)} ".encode() + content)
    return digest.hexdigest()
