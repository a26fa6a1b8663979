"""What a family costs: parameters, operations of a step and of a sample, calls of its network, speed, memory."""

import copy
from dataclasses import dataclass
from typing import Any

import torch

from pushforward.domains import Count, Positive
from pushforward.families import Family
from pushforward.metrics import cost
from pushforward.protocol.subject import MEASURE_SEED, Entries, NotApplicable, Subject, positive
from pushforward.seeds import generator
from pushforward.spec import Batch

MIB = 2**20
FEW = 4
"""Images of a call of the sampler in which operations are counted: each costs the same."""


@dataclass(frozen=True)
class Cost:
    """Parameters, FLOPs of training and of sampling, network evaluations a sample, images sampled a second, peak memory.

    A copy of the family is trained on; the family itself stays as it is. Seconds and images/s of training are recorded
    by the run. batch: images of a step and of a call of the sampler. seconds: for which sampling is timed.
    """

    batch: Count = 100
    seconds: Positive = 2.0

    def __post_init__(self) -> None:
        positive(self, "batch")

    def __call__(self, subject: Subject) -> Entries:
        return {**parameters(subject), **self.step(subject), **self.sampling(subject), **memory(subject)}

    def step(self, subject: Subject) -> Entries:
        """FLOPs of training for each real image shown: loss and gradient of all players' steps in a cycle."""
        family = scratch(subject.family)
        first = next(iter(subject.data.batches("train", size=self.batch, limit=self.batch)))
        batch = first.to(subject.device, family.dtype)
        n = len(batch.x)
        flops = {player.name: step_flops(family, player.name, batch) / n for player in family.players}
        steps = {player.name: player.steps for player in family.players}
        total = sum(steps[name] * flops[name] for name in flops) / family.batches_per_cycle
        each = " + ".join(f"{steps[name]} × {name} {flops[name]:,.0f}" for name in flops)
        note = None if len(flops) == 1 else f"a cycle, for {family.batches_per_cycle} × real images: {each}"
        return {
            "flops_step": subject.number(
                total, "FLOP/image", better="lower", split=None, counted=cost.COUNTED,
                of="loss and gradient of every player, the optimiser's step aside", batch=n, note=note,
            )
        }  # fmt: skip

    def sampling(self, subject: Subject) -> Entries:
        """FLOPs, evaluations and speed of the family's own sampler, and the parameters that it uses."""
        units: dict[str, tuple[str, Any]] = {
            "parameters_sampling": ("count", None), "flops_sample": ("FLOP/sample", "lower"),
            "evaluations_sample": ("calls", "lower"), "samples_per_second": ("images/s", "higher"),
        }  # fmt: skip
        try:
            draw = subject.sampler()
        except NotApplicable as reason:
            return {
                name: subject.na(str(reason), unit, better=better, split=None) for name, (unit, better) in units.items()
            }
        with torch.no_grad():
            few = min(self.batch, FEW)
            with cost.Tally(subject.family) as tally:
                draw(few, subject.generator("cost"))
            taken, times = cost.seconds(
                lambda: draw(self.batch, subject.generator("cost")), subject.device, enough=self.seconds
            )
        sizes = {name: p.numel() for name, p in subject.family.named_parameters()}
        values = {
            "parameters_sampling": sum(sizes[name] for name in tally.parameters),
            "flops_sample": tally.flops / few,
            "evaluations_sample": tally.calls,
            "samples_per_second": self.batch / taken,
        }
        cards: dict[str, dict[str, Any]] = {
            "parameters_sampling": {"of": "what a sample takes"},
            "flops_sample": {"counted": cost.COUNTED},
            "evaluations_sample": {"of": "the most calls of any one layer with parameters"},
            "samples_per_second": {
                "batch": self.batch, "note": f"median of {times} calls", **cost.hardware(subject.device)
            },
        }  # fmt: skip
        common = {"split": None, "sampler": subject.described()}
        return {
            name: subject.number(values[name], unit, better=better, **common, **cards[name])
            for name, (unit, better) in units.items()
        }


def scratch(family: Family) -> Family:
    """A copy to train on, in training mode: no gradients, optimisers or trainer come along."""
    known: dict[int, Any] = {} if family.stepper is None else {id(family.stepper): None}
    twin = copy.deepcopy(family, known)
    twin.zero_grad(set_to_none=True)
    return twin.train()


def step_flops(family: Family, player: str, batch: Batch) -> int:
    """FLOPs of one step of a player on a batch, its gradient included; changes the family's statistics."""
    noise = family.draw(player, len(batch.x), generator(family.device, MEASURE_SEED, "cost", player))
    noise = {key: t.to(family.dtype) if t.is_floating_point() else t for key, t in noise.items()}  # type: ignore[arg-type]
    own = list(family.parameters_of(next(p for p in family.players if p.name == player)).values())
    with torch.enable_grad(), cost.Tally(family) as tally:
        family.loss(player, batch, noise).total.backward(inputs=own)
    return tally.flops


def parameters(subject: Subject) -> Entries:
    """How many numbers are trained, in all and by each player where there are several."""
    family = subject.family
    owned = {player.name: family.parameters_of(player) for player in family.players}
    trained = {name for parameters in owned.values() for name in parameters}
    sizes = {name: p.numel() for name, p in family.named_parameters()}
    total = sum(sizes.values())
    idle = total - sum(sizes[name] for name in trained)
    entries = {
        "parameters": subject.number(
            total, "count", better=None, split=None, note=f"{idle:,} of them are not trained" if idle else None
        )
    }
    if len(owned) > 1:
        for player, its in owned.items():
            size = sum(p.numel() for p in its.values())
            entries[f"parameters_{player}"] = subject.number(size, "count", better=None, split=None)
    return entries


def memory(subject: Subject) -> Entries:
    """The most memory so far of a process that trained; left out where another process did."""
    found = cost.peak_memory(subject.device)
    if subject.family.stepper is None or found is None:
        return {}
    peak, of = found
    where = cost.hardware(subject.device)["device"]
    return {
        "peak_memory": subject.number(
            peak / MIB, "MiB", better="lower", split=None, of=of, device=where, note="training and measuring so far"
        )
    }
