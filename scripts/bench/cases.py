"""What is measured: one training of each kind, as a command line. Imports no torch."""

import os
from dataclasses import dataclass
from pathlib import Path

from pushforward.errors import PushforwardError

MNIST = "train-images-idx3-ubyte"
QUARTER = ("data.limit=13750", "data.validation=1250", "trainer.checkpoint_share=0.025")
SMALLER = ("trainer.channels_last=true", "data.limit=2750", "data.validation=250", "trainer.checkpoint_share=0.0025")
"""A part of MNIST, so that an epoch fits into a round; validation and checkpoints take the share that they do on the whole."""


@dataclass(frozen=True)
class Case:
    """One training. overrides: of `pushforward train`; it says network, loss, optimiser and batch of every row."""

    name: str
    title: str
    data: str
    batch: int
    overrides: tuple[str, ...]

    @property
    def command(self) -> tuple[str, ...]:
        return (f"data={self.data}", f"batch_size={self.batch}", *self.overrides)


CASES = {
    case.name: case
    for case in (
        Case(
            "vae-digits-small", "MLP-VAE 64-128-16, Bernoulli, digits", "digits", 64,
            ("model=vae", "network.hidden=[128]", "likelihood=bernoulli"),
        ),
        Case("vae-digits", "MLP-VAE 64-512-256-16, discretised logistic, digits", "digits", 64, ("model=vae",)),
        Case(
            "vae-mnist", "MLP-VAE 784-512-16, Bernoulli, MNIST", "mnist", 100,
            ("model=vae", "network.hidden=[512]", "likelihood=bernoulli", *QUARTER),
        ),
        Case("conv-vae-mnist", "conv-VAE, discretised logistic, MNIST", "mnist", 64, ("model=vae", "network=conv", *SMALLER)),
        Case("gan-mnist", "GAN of convolutions, MNIST", "mnist", 64, ("model=gan", *SMALLER)),
        Case("flow-digits", "RealNVP, 8 couplings, digits", "digits", 64, ("model=realnvp", "optimizer.model.clip=null")),
        Case("diffusion-digits", "DDPM, U-Net of 16 channels, digits", "digits", 64, ("model=ddpm",)),
    )
}  # fmt: skip
ROWS = {
    "hand-written": "a plain PyTorch loop: fused Adam, images in memory, nothing else",
    "pushforward": "pushforward train: with validation, curves and checkpoints",
    "lightning": "a LightningModule as usually written: DataLoader over a TensorDataset, self.log_dict",
}
"""Who is measured, and what that is; the first is what the others are compared with."""


def chosen(names: str) -> list[Case]:
    """The cases of a comma-separated list; all of them where it is empty."""
    wanted = [name for name in names.split(",") if name]
    unknown = [name for name in wanted if name not in CASES]
    if unknown:
        raise PushforwardError(f"--cases {unknown[0]}: there is no such case; choose from {', '.join(CASES)}")
    return [CASES[name] for name in wanted] or list(CASES.values())


def absent(case: Case) -> str | None:
    """Why the case's data are not at hand, in a line; None where they are. Nothing is downloaded."""
    if case.data != "mnist":
        return None
    import pooch

    own = os.environ.get("PUSHFORWARD_DATA")
    folders = [Path(own).expanduser()] if own else []
    folders.append(Path(pooch.os_cache("pushforward")))
    if any((folder / "mnist" / file).is_file() for folder in folders for file in (MNIST, f"{MNIST}.gz")):
        return None
    return (
        f"{case.name}: skipped, MNIST is not here; set PUSHFORWARD_DATA, or train once with data=mnist to download it"
    )
