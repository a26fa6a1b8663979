"""The same trainings in PyTorch Lightning as its users write them: automatic optimisation, a DataLoader, `self.log_dict`."""

import tempfile
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from bench.written import diffusion, flow, gan, vae


class VAE(pl.LightningModule):
    def __init__(self, net: vae.VAE, likelihood: str, levels: int = 256) -> None:
        super().__init__()
        self.net = net
        self.target, self.terms = vae.likelihood_of(likelihood, levels)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x = batch[0].flatten(1)
        noise = torch.randn(len(x), vae.CODE, device=self.device)
        reconstruction, rate = (term / len(x) for term in self.terms(self.net, self.target(x), noise))
        loss = reconstruction + rate
        self.log_dict({"loss": loss, "reconstruction": reconstruction, "kl": rate})
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Flow(pl.LightningModule):
    def __init__(self, dim: int, levels: int) -> None:
        super().__init__()
        self.net, self.levels = flow.RealNVP(dim), levels

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        loss = flow.loss(self.net, *flow.prepared(x, torch.rand_like(x).clamp_(max=1 - 2**-16), self.levels))
        self.log_dict({"loss": loss})
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Diffusion(pl.LightningModule):
    alpha_bar: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.net = diffusion.field(shape)
        self.register_buffer("alpha_bar", diffusion.kept())

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        noise, i = torch.randn_like(x), torch.randint(diffusion.TIMESTEPS, (len(x),), device=self.device)
        loss = diffusion.loss(self.net, *diffusion.noised(x, i, noise, self.alpha_bar), noise)
        self.log_dict({"loss": loss})
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class GAN(pl.LightningModule):
    """Two optimisers, so optimised by hand, as Lightning's own example does."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.critic = gan.generator(), gan.critic()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        (x,) = batch
        of_g, of_d = self.optimizers()  # type: ignore[attr-defined, misc]
        self.toggle_optimizer(of_d)
        z = torch.randn(len(x), gan.CODE, device=self.device)
        critic_loss = gan.critic_loss(self.critic, self.generator, 2 * x - 1, z)
        of_d.zero_grad()
        self.manual_backward(critic_loss)
        of_d.step()
        self.untoggle_optimizer(of_d)
        self.toggle_optimizer(of_g)
        z = torch.randn(len(x), gan.CODE, device=self.device)
        generator_loss = gan.generator_loss(self.critic, self.generator, z)
        of_g.zero_grad()
        self.manual_backward(generator_loss)
        of_g.step()
        self.untoggle_optimizer(of_g)
        self.log_dict({"critic_loss": critic_loss, "generator_loss": generator_loss})

    def configure_optimizers(self) -> Any:
        adam = [torch.optim.Adam(m.parameters(), lr=2e-4, betas=(0.5, 0.999)) for m in (self.generator, self.critic)]
        return adam, []


class Ticks(pl.Callback):
    """Tells the gate after every batch."""

    def __init__(self, batch: int, tick: Callable[[int], None]) -> None:
        self.batch, self.tick, self.images = batch, tick, 0

    def on_train_batch_end(self, *args: Any) -> None:
        self.images += self.batch
        self.tick(self.images)


def fit(module: nn.Module, x: Tensor, batch: int, tick: Callable[[int], None], device: str) -> None:
    """Trains for ever, with the Trainer's own checkpoints and logger; without its bar, which costs it more."""
    loader = DataLoader(TensorDataset(x), batch_size=batch, shuffle=True, drop_last=True)
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=-1, accelerator="gpu" if device == "cuda" else "cpu", devices=1, default_root_dir=folder,
            callbacks=[Ticks(batch, tick)], enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(module, loader)  # type: ignore[arg-type]
