"""The summary of a model before it is trained: equation, parts, shapes, parameters, seconds an epoch on this machine."""

import time
from pathlib import Path

from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.families import VERBS
from pushforward.overrides import read
from pushforward.spec import BLOCK
from pushforward.training import build
from pushforward.training.console import quiet


def show_model(name: str, overrides: list[str], config_dir: Path | None = None) -> str:
    """Lines about the recipe `name` on the data and network that the overrides choose (default: as `train` would)."""
    quiet()
    if name.startswith("model="):
        raise PushforwardError(f"show model {name}: give the name alone, such as show model {name.partition('=')[2]}")
    frozen = compose([f"model={name}", *read(overrides)], config_dir)
    data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec)
    lines = [f"{name} on {frozen['choices']['data']} with network={frozen['choices']['network']}"]
    lines += [f"  {key:<12}{text}" for key, text in family.describe().items()]
    for player in family.players:
        for part in player.modules:
            size = sum(p.numel() for p in family.get_submodule(part).parameters())
            if size:
                lines.append(
                    f"  {part.rpartition('.')[2]:<12}{size:>12,} parameters"
                    + (f", of player {player.name}" if len(family.players) > 1 else "")
                )
    lines.append(f"  {'can':<12}{', '.join(verb for verb, able in VERBS.items() if isinstance(family, able))}")
    lines.append(f"  {'an epoch':<12}about {seconds_an_epoch(family, data):.1f} s on this machine's CPU")
    return "\n".join(lines)


def seconds_an_epoch(family: build.Family, data: build.DataModule) -> float:
    """Measured over two blocks of training steps, the first for warming up."""
    data.per_cycle, data.cycles = family.batches_per_cycle, 2 * BLOCK
    stepper = family.train().get_stepper()
    seconds = 0.0
    for block in data.train_dataloader():
        started = time.perf_counter()
        stepper.block(block)
        seconds = time.perf_counter() - started
    return seconds * data.spec.n_train / (block.batch.x.shape[0] * block.batch.x.shape[1])
