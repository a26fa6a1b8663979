"""Training beside other packages: `python scripts/bench` with a row of pythae, in an environment of its own.

python scripts/bench peers --threads 2 --json peers.json

The first time it makes that environment, of about 1 GB, and installs pythae there with the torch that is installed here.
pythae 0.1.2 (Chadebec et al. 2022) trains the VAE of the case vae-mnist: its own default networks are the same,
784-512-16, with the same Bernoulli likelihood, batch and Adam. It is spared validation and checkpoints.
"""

import argparse
import importlib.util
import os
import socket
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = "pythae==0.1.2"
CASE = "vae-mnist"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/bench peers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--cases", default=CASE, help=f"as `python scripts/bench --list` has them; pythae trains {CASE}"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--environment", type=Path, help="where pythae is, or will be; default: outputs/bench/peers")
    asked = parser.parse_args(arguments)
    from bench.cases import Case
    from bench.command import bench
    from bench.rounds import Settings
    from pushforward.runs import outputs

    python = environment(asked.environment or outputs() / "bench" / "peers")

    def more(case: Case, images: Path) -> Mapping[str, Sequence[str]]:
        from bench import gate

        if python is None or case.name != CASE:
            return {}
        return {"pythae": [str(python), __file__, "contestant", str(images), str(case.batch), str(gate.__file__)]}

    settings = Settings(rounds=asked.rounds, seconds=asked.seconds, threads=asked.threads)
    return bench(asked.cases, settings, asked.json, more)


def environment(folder: Path) -> Path | None:
    """The interpreter that has pythae, installed where it is not; None, with a line, where it is not available."""
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.is_file():
        print(f"installing {PACKAGE} into {folder}", flush=True)
        index = ["--extra-index-url", os.environ["TORCH_INDEX"]] if os.environ.get("TORCH_INDEX") else []
        torch = f"torch=={version('torch').split('+')[0]}"
        try:
            venv.create(folder, clear=True, with_pip=True)
            install = [str(python), "-m", "pip", "install", "--quiet", *index, torch, PACKAGE]
            subprocess.run(install, capture_output=True, text=True, check=True)
            subprocess.run([str(python), "-c", "import pythae.trainers"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            print(f"pythae: not measured, it cannot be installed: {said[-1] if said else error}", flush=True)
            return None
        done.touch()
    return python


# With pythae's interpreter, which knows nothing of pushforward --------------------------------------------------------


class Over(Exception):
    """No round will follow."""


def contestant() -> None:
    """pythae's own trainer, held between rounds by a callback of its own kind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("contestant")
    parser.add_argument("images", type=Path)
    parser.add_argument("batch", type=int)
    parser.add_argument("gate", type=Path)
    parser.add_argument("--channel", type=int)
    parser.add_argument("--born", type=float)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device")
    asked = parser.parse_args()
    import numpy as np
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    torch.set_num_threads(asked.threads)
    found = importlib.util.spec_from_file_location("gate", asked.gate)
    assert found is not None and found.loader is not None
    gate = importlib.util.module_from_spec(found)
    found.loader.exec_module(gate)

    def over() -> None:
        raise Over

    channel = gate.Channel(socket.socket(fileno=asked.channel))
    held = gate.Gate(channel, asked.born, over)

    class Ticks(TrainingCallback):
        images = 0

        def on_train_step_end(self, training_config: Any, **kwargs: Any) -> None:
            self.images += asked.batch
            held.tick(self.images)

    x = torch.from_numpy(np.load(asked.images))
    model = VAE(VAEConfig(input_dim=tuple(x.shape[1:]), latent_dim=16, reconstruction_loss="bce"))
    config = BaseTrainerConfig(
        output_dir=str(asked.images.parent / "pythae"), num_epochs=10**6, learning_rate=1e-3,
        per_device_train_batch_size=asked.batch, keep_best_on_train=True, no_cuda=asked.device != "cuda",
    )  # fmt: skip
    trainer = BaseTrainer(model, BaseDataset(x, torch.zeros(len(x))), training_config=config, callbacks=[Ticks()])
    try:
        trainer.train()
    except Over:
        channel.send(done=True)
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    contestant()
