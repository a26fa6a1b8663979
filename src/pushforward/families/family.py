"""The base class of families: a LightningModule that the engine can train, with capabilities that measures ask for."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from pushforward.bottlenecks import Bottleneck
from pushforward.engine import Loss, Progress, Stepper, Trainable, Tuning
from pushforward.errors import PushforwardError
from pushforward.networks.blocks import BatchNorm
from pushforward.objectives import Objective, Weight
from pushforward.priors import TrainingImages
from pushforward.spec import BLOCK, Batch, Block, DataSpec


class Likelihoods(NamedTuple):
    """log p(x) in nats per image, (n,): `kind` is exact, lower bound or estimate; `density` or else a mass.

    parts: what the value is made of, such as rate and distortion, (n,) each. evaluations: network calls an image.
    """

    values: Tensor
    kind: str
    density: bool
    parts: dict[str, Tensor] = {}  # noqa: RUF012
    evaluations: int = 1


@runtime_checkable
class StartsLater(Protocol):
    """Data that begin at a block of a run, counted from 0."""

    start_block: int


@runtime_checkable
class MayCoupleBatch(Protocol):
    """A module that says whether it takes a batch as a whole: terms, weights, bottlenecks, priors, couplings, families."""

    couples_batch: bool


class Family(pl.LightningModule, Trainable):
    """A family of generative models on the bench. Abstract.

    A final family sets `players`, `draw`, `loss` and `objectives`; what else it can do is said by the types in
    `pushforward.families.capabilities`, which measures test for.

    Raises PushforwardError where the tunings do not fit the players.
    """

    criterion: tuple[str, ...] | None = None
    """Validation terms whose sum chooses the best weights; None: the weighted total; (): nothing does."""
    couples_batch: bool = False
    """Whether a player's loss takes a batch as a whole beside what its terms and layers do."""
    hosted: bool = False
    """Logging and validation are done by pushforward's callbacks, not by stock Lightning."""

    def __init__(self, spec: DataSpec, optimizers: Mapping[str, Tuning]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.spec = spec
        self.tunings = dict(optimizers)
        self.progress = Progress()
        self.stepper: Stepper | None = None
        self._restored: dict[str, Any] | None = None
        self.register_buffer("epochs", torch.zeros(()), persistent=False)
        names = {player.name for player in self.players}
        if names != set(self.tunings):
            raise PushforwardError(
                f"optimizer: {type(self).__name__} has the players {', '.join(sorted(names))}, "
                f"but optimizers are given for {', '.join(sorted(self.tunings)) or 'nobody'}. One group per player: "
                f"{' '.join(f'optimizer@optimizer.{n}=adam' for n in sorted(names))}"
            )

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """The objective of each player as an equation, and what it is read with (likelihood, σ)."""

    @property
    @abstractmethod
    def objectives(self) -> dict[str, Objective]:
        """Each player's objective."""

    def units(self) -> dict[str, str]:
        """The unit of each term that is not in nats, under the term's name, or `player/term` where there are several."""
        several = len(self.objectives) > 1
        return {
            f"{player}/{name}" if several else name: term.unit
            for player, objective in self.objectives.items()
            for name, term in objective.terms.items()
            if term.unit != "nats"
        }

    def settled(self) -> float:
        """Epochs after which what is minimised no longer changes with time: before, no weights are better than later ones."""
        return max((part.settled() for part in self.modules() if isinstance(part, Weight | Bottleneck)), default=0.0)

    def coupled(self) -> list[str]:
        """Modules that take a batch as a whole, by class: the gradient is not the mean of its parts' gradients."""
        norms = [m for m in self.modules() if isinstance(m, BatchNorm | nn.modules.batchnorm._BatchNorm)]
        others = [m for m in self.modules() if isinstance(m, MayCoupleBatch) and m.couples_batch]
        return sorted({type(module).__name__ for module in (*norms, *others)})

    def attach_data(self, data: TrainingImages) -> None:
        """Take what the model is made of from a run's data, before it starts or resumes."""

    # Lightning's hooks -----------------------------------------------------------------------------------------------

    def get_stepper(self) -> Stepper:
        """Return the stepper; it is made where there is none."""
        if self.stepper is None:
            self.stepper = Stepper(self)
        return self.stepper

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        self.stepper = Stepper(self)
        return list(self.stepper.optimizers.values())

    def training_step(self, block: Block, batch_idx: int) -> None:
        assert self.stepper is not None
        try:
            self.stepper.block(block)
        except StopIteration as error:  # Lightning would silently continue with the next block
            raise RuntimeError("a step raised StopIteration") from error
        # with raw optimisers `global_step` would stay 0, and then ModelCheckpoint writes nothing: it counts cycles
        self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = self.progress.cycles
        if not self.hosted:
            [means] = self.stepper.history.take()
            self.log_dict({f"train/{name}": value for name, value in means.terms.items()})

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        for name, value in self.validation_terms(batch, batch_idx).items():
            self.log(f"val/{name}", value.mean(), batch_size=len(batch.x))

    def judged(self, loss: Loss) -> dict[str, Tensor]:
        """A loss on held-out data as validation's terms, with `total` and `criterion`."""
        terms = {**loss.terms, "total": loss.total}
        if self.criterion != ():
            terms["criterion"] = (
                loss.total if self.criterion is None else torch.stack([terms[t].mean() for t in self.criterion]).sum()
            )
        return {name: value.detach() for name, value in terms.items()}

    def on_validation_epoch_start(self) -> None:
        if self.stepper is not None:
            self.stepper.swap()

    def on_validation_epoch_end(self) -> None:
        """The raw weights are back before ModelCheckpoint saves."""
        if self.stepper is not None:
            self.stepper.swap()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.stepper is not None:
            checkpoint["pushforward"] = self.stepper.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._restored = checkpoint.get("pushforward")
        if self._restored is not None:
            self.progress = Progress(**self._restored["progress"])

    def on_fit_start(self) -> None:
        if isinstance(self.trainer.strategy.model, nn.parallel.DistributedDataParallel):
            raise PushforwardError(
                "Trainer(strategy='ddp'): its wrapper expects one loss for all parameters, and players have their own; "
                "use strategy=pushforward.training.strategy.SlicedDDP()"
            )
        if self._restored is not None and self.stepper is not None:
            self.stepper.load_state_dict(self._restored)
        data = getattr(self.trainer, "datamodule", None)  # Lightning sets it where it is given one
        if not self.hosted and isinstance(data, TrainingImages):
            self.attach_data(data)
        if not self.hosted and isinstance(data, StartsLater):  # Lightning restores a loader in mid-epoch only
            data.start_block = -(-self.progress.cycles // BLOCK)

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Stock Lightning's: needs the constructor's arguments beside the path. `pushforward.load(run)` needs none."""
        if "spec" not in kwargs:
            raise PushforwardError(
                f"{cls.__name__}.load_from_checkpoint needs the constructor's arguments (spec=…, optimizers=…, …) "
                f"beside the path; pushforward.load(run) builds the model from its run directory"
            )
        return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
