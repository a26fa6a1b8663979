"""Several processes as one: each takes its slice of the global batch, and the stepper averages gradients itself."""

from typing import Any

from pytorch_lightning.strategies import DDPStrategy
from torch import nn


class SlicedDDP(DDPStrategy):
    """DDP's processes without its wrapper: one flat all-reduce a player's step, whatever the number of players.

    Every rank is initialised from the run's seed alike, so nothing need be broadcast.
    """

    def configure_ddp(self) -> None:
        assert isinstance(self.model, nn.Module)

    def _setup_model(self, model: nn.Module) -> Any:
        return model

    def pre_backward(self, closure_loss: Any) -> None:
        return None
