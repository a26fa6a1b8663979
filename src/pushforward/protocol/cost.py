"""The cost of a family: parameters, operations of a step and of a sample, calls of its network, speed, memory."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pushforward.domains import Count, Positive
from pushforward.families import Family
from pushforward.metrics import cost
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import MEASURE_SEED, NotApplicable, Subject
from pushforward.seeds import generator
from pushforward.spec import Batch

MIB = 2**20
SAMPLING = (
    Number("parameters_sampling", "count"), Number("flops_sample", "FLOP/sample", "lower"),
    Number("evaluations_sample", "calls", "lower"), Number("samples_per_second", "images/s", "higher"),
)  # fmt: skip
FEW = 4
"""Images of a call of the sampler in which operations are counted: each costs the same."""


@dataclass(frozen=True)
class Cost(Measure):
    """Parameters, FLOPs of training and of sampling, network evaluations a sample, images sampled a second, peak memory.

    A copy of the family is trained on; the family itself stays as it is. Seconds and images/s of training are recorded
    by the run. batch: images of a step and of a call of the sampler. seconds: for which sampling is timed.
    """

    order = 150
    batch: Count = 100
    seconds: Positive = 2.0

    def numbers(self, subject: Subject) -> Sequence[Number]:
        players = subject.family.players if len(subject.family.players) > 1 else ()
        return (
            Number("parameters", "count", main=True),
            *(Number(f"parameters_{player.name}", "count") for player in players),
            *SAMPLING[:1],
            Number("flops_step", "FLOP/image", "lower"),
            *SAMPLING[1:],
            Number("peak_memory", "MiB", "lower"),
        )

    def values(self, subject: Subject) -> dict[str, Value | NotApplicable]:
        try:
            sampling: dict[str, Value] | dict[str, NotApplicable] = self.sampling(subject)
        except NotApplicable as reason:
            sampling = {number.name: NotApplicable(str(reason), split=None) for number in SAMPLING}
        return {**parameters(subject), "flops_step": self.step(subject), **sampling, **memory(subject)}

    def step(self, subject: Subject) -> Value:
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
        of = "loss and gradient of every player, the optimiser's step aside"
        return value(total, split=None, counted=cost.COUNTED, of=of, batch=n, note=note)

    def sampling(self, subject: Subject) -> dict[str, Value]:
        """FLOPs, evaluations and speed of the family's own sampler, and the parameters that it uses."""
        draw = subject.sampler()
        few = min(self.batch, FEW)
        with cost.Tally(subject.family) as tally:
            draw(few, subject.generator("cost"))
        taken, times = cost.seconds(
            lambda: draw(self.batch, subject.generator("cost")), subject.device, enough=self.seconds
        )
        sizes = {name: p.numel() for name, p in subject.family.named_parameters()}
        common = {"split": None, "sampler": subject.described()}
        timed = {"batch": self.batch, "note": f"median of {times} calls", **cost.hardware(subject.device)}
        used = sum(sizes[name] for name in tally.parameters)
        return {
            "parameters_sampling": value(used, **common, of="what a sample takes"),
            "flops_sample": value(tally.flops / few, **common, counted=cost.COUNTED),
            "evaluations_sample": value(tally.calls, **common, of="the most calls of any one layer with parameters"),
            "samples_per_second": value(self.batch / taken, **common, **timed),
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


def parameters(subject: Subject) -> dict[str, Value]:
    """The number of trained parameters, in all and by each player where there are several."""
    family = subject.family
    owned = {player.name: family.parameters_of(player) for player in family.players}
    trained = {name for parameters in owned.values() for name in parameters}
    sizes = {name: p.numel() for name, p in family.named_parameters()}
    total = sum(sizes.values())
    idle = total - sum(sizes[name] for name in trained)
    note = f"{idle:,} of them are not trained" if idle else None
    values = {"parameters": value(total, split=None, note=note)}
    if len(owned) > 1:
        for player, its in owned.items():
            values[f"parameters_{player}"] = value(sum(p.numel() for p in its.values()), split=None)
    return values


def memory(subject: Subject) -> dict[str, Value]:
    """The most memory so far of a process that trained; left out where another process did."""
    found = cost.peak_memory(subject.device)
    if subject.family.stepper is None or found is None:
        return {}
    peak, of = found
    device = cost.hardware(subject.device)["device"]
    return {"peak_memory": value(peak / MIB, split=None, of=of, device=device, note="training and measuring so far")}
