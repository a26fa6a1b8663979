"""A sweep of small models: trained as one, one process a job, and as usually written in Lightning; from shell to last file.

python scripts/bench sweep --out sweeps                     32 VAEs (8 β × 4 seeds) on digits, 500 epochs
python scripts/bench sweep --kind gan --out gans            16 GANs (4 rates × 4 seeds) on digits, 200 epochs

Lightning's row trains some of the jobs, two at a time, and the time for all is worked out from theirs; it measures and
draws nothing at the end. What pushforward writes, it writes in both rows: curves, checkpoints, record, pictures.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import PROGRAM

KINDS = {
    "vae": (
        ["model=vae", "data=digits", "network.hidden=[128]", "likelihood=bernoulli", "seed=1..4"],
        ["weighting.beta=0.25,0.5,1,2,4,8,16,32"], 500,
    ),
    "gan": (
        ["model=gan", "data=digits", "network=mlp", "network.hidden=[128]", "seed=1..4"],
        ["optimizer.generator.lr=5e-5,1e-4,2e-4,4e-4"], 200,
    ),
}  # fmt: skip
"""Command line, what is swept beside the seed, epochs."""
JOBS = {"vae": 32, "gan": 16}


def sweep(launcher: Sequence[str], outputs: Path, arguments: Sequence[str]) -> dict[str, float]:
    """Seconds from shell to the last file, and those of training alone: the runs' own, over two processes."""
    from pushforward.runs import every_run

    environment = {**os.environ, "PUSHFORWARD_OUTPUTS": str(outputs)}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pushforward", "train", "-m", *launcher, *arguments],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    runs = every_run(outputs / "runs")
    steps = sum(sum(run.record["cost"]["steps"].values()) for run in runs)
    training = sum(run.record["cost"]["train_seconds"] for run in runs) / 2
    print("\n".join(line for line in done.stdout.splitlines() if "trained" in line), flush=True)
    return {"seconds": seconds, "training": training, "steps_per_second": steps / training}


def in_lightning(kind: str, epochs: int, jobs: int, outputs: Path) -> dict[str, float]:
    """Seconds of all jobs, from those of `jobs` that are trained two at a time, a process each."""
    outputs.mkdir(parents=True, exist_ok=True)
    began, running, waiting = time.perf_counter(), list[subprocess.Popen[bytes]](), list(range(jobs))
    while running or waiting:
        if any(process.poll() for process in running):
            sys.exit(f"a job in Lightning has failed: {outputs / 'log'}")
        running = [process for process in running if process.poll() is None]
        while waiting and len(running) < 2:
            job = [*PROGRAM, "sweep", "--job", str(waiting.pop()), "--kind", kind, "--epochs", str(epochs)]
            with (outputs / "log").open("ab") as log:
                environment = {**os.environ, "OMP_NUM_THREADS": "1"}
                running.append(subprocess.Popen([*job, "--out", str(outputs)], stdout=log, stderr=log, env=environment))
        time.sleep(0.05)
    return {"seconds": (time.perf_counter() - began) * JOBS[kind] / jobs}


def job(kind: str, seed: int, epochs: int, outputs: Path) -> None:
    """One run as usually written in Lightning: a DataLoader over a TensorDataset, self.log_dict, its own checkpoints."""
    import pytorch_lightning as pl
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    from bench import lightning
    from bench.written import gan, vae
    from pushforward.composition import compose
    from pushforward.training.build import build_data

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x = build_data(compose(["data=digits", "model=ae"])).tensor("train")
    if kind == "vae":
        module: pl.LightningModule = lightning.VAE(vae.mlp(64, (128,), 1), "bernoulli")
        x = x.flatten(1)
    else:
        module = lightning.GAN()
        module.generator = nn.Sequential(
            nn.Linear(gan.CODE, 128), nn.ReLU(), nn.Linear(128, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8))
        )
        module.critic = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1), nn.Flatten(0)
        )
    loader = DataLoader(TensorDataset(x), batch_size=64, shuffle=True, drop_last=True)
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", devices=1, default_root_dir=outputs / str(seed), enable_progress_bar=False
    )
    trainer.fit(module, loader)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/bench sweep", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kind", choices=KINDS, default="vae")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--lightning", type=int, default=4, help="jobs of Lightning's row that are run; 0: none")
    parser.add_argument("--out", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--job", type=int, help=argparse.SUPPRESS)
    asked, more = parser.parse_known_args(arguments)
    common, swept, epochs = KINDS[asked.kind]
    epochs = asked.epochs or epochs
    if asked.job is not None:
        job(asked.kind, asked.job, epochs, asked.out)
        return 0
    if asked.out.exists():
        sys.exit(f"error: --out {asked.out} is there already; name a folder that is not")
    arguments = [*common, *swept, f"budget.epochs={epochs}", "logger=none", *more]
    rows: dict[str, list[dict[str, float]]] = {"vectorized": [], "process": [], "lightning": []}
    for number in range(asked.rounds):
        out = asked.out / str(number)
        for name, launcher in (("vectorized", ["hydra/launcher=vectorized"]), ("process", [])):
            rows[name].append(sweep([*launcher, "hydra.launcher.parallel=2"], out / name, arguments))
            print(number, name, rows[name][-1], flush=True)
        if asked.lightning:
            rows["lightning"].append(in_lightning(asked.kind, epochs, asked.lightning, out / "lightning"))
            print(number, "lightning", rows["lightning"][-1], flush=True)
    (asked.out / "figures.json").write_text(json.dumps(rows, indent=1))
    ours = rows["vectorized"]
    for name in ("process", "lightning"):
        for what in ("seconds", "training"):
            ratios = [
                theirs[what] / mine[what] for theirs, mine in zip(rows[name], ours, strict=False) if what in theirs
            ]
            if ratios:
                print(f"{what}: vectorized {statistics.median(ratios):.2f} times as fast as {name}")

    return 0
