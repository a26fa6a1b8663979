"""A trained run taken up again from its directory: to sample from it, or to measure it once more."""

import re
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.report.figures import draw_all
from pushforward.runs import Run, RunDir
from pushforward.seeds import generator
from pushforward.training import build, checkpoints
from pushforward.training.bind import check_targets
from pushforward.training.evaluate import choose, evaluate, features_for

MEASURING = re.compile(r"[+~]*(metrics|features|measure|density)\b")
"""Overrides that change what is measured, and nothing that was trained."""


class Trained:
    """A trained model and its data, as the run directory has them: the chosen weights, in evaluation mode."""

    def __init__(self, run: Run) -> None:
        if not (run.path / "checkpoints" / "last.ckpt").is_file():
            raise PushforwardError(f"{run.id} is {run.state} and has no checkpoint; train it first")
        self.run = run
        with own_modules_in_reach():
            self.data = build.build_data(run.config)
            self.family: Family = build.build_family(run.config, self.data.spec)
        state = checkpoints.load(run.path / "checkpoints" / "last.ckpt")
        self.best_at = int(state["best"]["images_seen"])
        self.weights = choose(RunDir(run.path), self.family, self.best_at, run.config)
        self.family.eval()

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples, (n, *shape), in the data's range."""
        if not self.family.can("sample"):
            raise PushforwardError(
                f"{self.run.id}: {self.run.key('model')} has no prior to sample from; its codes need a density"
            )
        g = generator(self.family.device, seed, "samples")
        return torch.cat([self.family.sample(min(1000, n - i), g) for i in range(0, n, 1000)])  # type: ignore[operator]

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        return self.ask("encode", x)

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        return self.ask("decode", z)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        return self.ask("reconstruct", x)

    def ask(self, capability: str, value: Tensor) -> Tensor:
        if not self.family.can(capability):
            raise PushforwardError(f"{self.run.id}: {self.run.key('model')} cannot {capability}")
        return getattr(self.family, capability)(value)


class own_modules_in_reach:
    """A person's own modules are found from the working directory, as they were when the run was trained."""

    def __enter__(self) -> None:
        self.here = str(Path.cwd())
        sys.path.insert(0, self.here)

    def __exit__(self, *error: object) -> None:
        sys.path.remove(self.here)


def load(run: Run) -> Trained:
    """The trained model of a run."""
    return Trained(run)


def evaluate_again(run: Run, overrides: list[str]) -> str:
    """Measures a run once more, with `metrics` and `features` as the command line has them. Returns what to say of it."""
    from pushforward import launch
    from pushforward.training.console import summary
    from pushforward.training.train import quiet

    quiet()
    wrong = [o for o in overrides if not MEASURING.match(o)]
    if wrong:
        raise PushforwardError(f"evaluate {wrong[0]}: only metrics and features can change after training")
    composed = launch.compose([f"features={run.choices.get('features') or 'lenet'}", *overrides])
    check_targets({key: composed[key] for key in ("metrics", "features")})
    own = run.config["metrics"] or {}
    known = any(isinstance(node, dict) and "_target_" in node for node in own.values())
    settings: dict[str, Any] = own if known and not overrides else composed["metrics"]
    writer = RunDir(run.path)
    if not writer.lock.acquire():
        raise PushforwardError(f"{run.id}: another process is training or measuring it; see pushforward status")
    try:
        trained = Trained(run)
        features = features_for(trained.data, composed["features"])
        started = time.perf_counter()
        found = evaluate(trained.family, trained.data, features, settings, trained.weights, writer)
        cost = {**(run.record.get("cost") or {}), "evaluate_seconds": time.perf_counter() - started}
        writer.update_record(found, cost=cost)
        draw_all(run.path)
        return summary(writer)
    finally:
        writer.lock.release()
