"""Train the recipes that two checkouts share on digits, with the same seed and threads, and compare final weights bit for bit.

python scripts/compare_weights.py ../before                         # this checkout and another, every recipe, one epoch
python scripts/compare_weights.py ../before --recipes vae gan --epochs 3
python scripts/compare_weights.py ../before --rename 'encoder\\.net=network'    # a parameter that has another name there

Each checkout trains in a process of its own, from its own sources, with this interpreter's libraries. One line a recipe.
Exit code 1 where weights differ, or a recipe could not be trained in either.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parents[1]
QUIET = ("features=none", "metrics=none", "logger=none", "trainer.progress=false")
TRAINER = """
import json, sys
import pushforward
for recipe in json.loads(sys.argv[1]):
    try:
        run = pushforward.train(f"model={recipe}", *json.loads(sys.argv[2]))
        print("trained", recipe, run.path, file=sys.stderr, flush=True)
    except Exception as error:
        print("failed", recipe, str(error).splitlines()[0], file=sys.stderr, flush=True)
"""


def recipes_of(checkout: Path) -> list[str]:
    return sorted(path.stem for path in (checkout / "conf" / "model").glob("*.yaml"))


def trained(checkout: Path, outputs: Path, recipes: list[str], overrides: list[str], threads: int) -> dict[str, str]:
    """Train recipes in a checkout. Return what came of each: its run's folder, or after `!` why there is none."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PUSHFORWARD_", "WANDB_"))}
    environment |= {
        "PYTHONPATH": str(checkout / "src"), "PUSHFORWARD_OUTPUTS": str(outputs), "OMP_NUM_THREADS": str(threads),
        **{key: os.environ[key] for key in ("PUSHFORWARD_DATA",) if key in os.environ},
    }  # fmt: skip
    command = [sys.executable, "-c", TRAINER, json.dumps(recipes), json.dumps(overrides)]
    done = subprocess.run(
        command, env=environment, cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    found = dict.fromkeys(recipes, f"!its process exited with {done.returncode}")
    for line in done.stderr.splitlines():
        verb, _, rest = line.partition(" ")
        recipe, _, said = rest.partition(" ")
        if verb in ("trained", "failed") and recipe in found:
            found[recipe] = said if verb == "trained" else f"!{said}"
    return found


def weights(run: str) -> dict[str, torch.Tensor]:
    """A run's last weights and their moving averages, by name."""
    state = torch.load(Path(run) / "checkpoints" / "last.ckpt", weights_only=True)
    return {**state["state_dict"], **{f"{name} (average)": mean for name, mean in state["ema"].items()}}


def compared(here: str, there: str, renames: list[tuple[str, str]]) -> tuple[bool, str]:
    """Whether a recipe's weights are the same in both checkouts, and what to say of it."""
    for where, run in (("here", here), ("there", there)):
        if run.startswith("!"):
            return False, f"not trained {where}: {run[1:]}"
    ours, theirs = weights(here), weights(there)
    for pattern, new in renames:
        theirs = {re.sub(pattern, new, name): tensor for name, tensor in theirs.items()}
    if alone := sorted(ours.keys() ^ theirs.keys()):
        sides = ", ".join(f"{name} {'here' if name in ours else 'there'}" for name in alone[:3])
        return False, f"{len(alone)} tensors in one alone: {sides}{', …' * (len(alone) > 3)}"
    unlike = [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])]
    if not unlike:
        return True, f"the same bits in {len(ours)} tensors"
    same_shape = [name for name in unlike if ours[name].shape == theirs[name].shape]
    gap = max((float((ours[n].double() - theirs[n].double()).abs().max()) for n in same_shape), default=float("inf"))
    return False, f"{len(unlike)} of {len(ours)} tensors differ, by up to {gap:.2g}: {', '.join(unlike[:3])}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the other checkout's folder")
    parser.add_argument("--recipes", nargs="+", help="names under conf/model; default: all that both have")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--rename", nargs="*", default=[], metavar="THERE=HERE", help="a pattern in its names, and what it is here"
    )
    asked = parser.parse_args()
    other = asked.other.resolve()
    if not (other / "src" / "pushforward").is_dir():
        parser.error(f"{other} is no checkout: it has no src/pushforward")
    shared = [recipe for recipe in recipes_of(HERE) if recipe in recipes_of(other)]
    recipes = asked.recipes or shared
    if unknown := [recipe for recipe in recipes if recipe not in shared]:
        parser.error(f"{unknown[0]} is not in both checkouts; choose from {', '.join(shared)}")
    renames = [(there, here) for there, _, here in (rename.partition("=") for rename in asked.rename)]
    overrides = ["data=digits", f"seed={asked.seed}", f"budget.epochs={asked.epochs}", *QUIET]
    overrides.append(f"trainer.threads={asked.threads}")
    differ = 0
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            trained(checkout, Path(folder) / name, recipes, overrides, asked.threads)
            for name, checkout in (("here", HERE), ("there", other))
        ]
        for recipe in recipes:
            same, said = compared(runs[0][recipe], runs[1][recipe], renames)
            differ += not same
            print(f"{recipe:<24}{said}", flush=True)
    print(f"{len(recipes) - differ} of {len(recipes)} recipes have the same weights after {asked.epochs:g} epochs")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
