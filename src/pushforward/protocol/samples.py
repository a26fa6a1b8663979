"""How good samples are: held against held-out images through features, beside what no model produced."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch

from pushforward.domains import Count, Domain
from pushforward.errors import PushforwardError
from pushforward.metrics.sample import protocol_size
from pushforward.protocol.feature_sets import OWN, FeatureSets, Number, Part, parts
from pushforward.protocol.references import Rows, references
from pushforward.protocol.subject import Entries, NotApplicable, Subject, positive

GREY = "grey levels, as before binarisation"
"""What binarised models too are held against: of 0 and 1 they then show what binarising costs, of means they show little."""
SHOWN = 64
"""Samples of a density over codes that are kept for pictures."""


@dataclass(frozen=True)
class Samples:
    """Fréchet and kernel distance, precision, recall, density, coverage, classes, memorisation; of the own prior's samples.

    `fd_<features>_<density>` too for every density over codes, and for those in `further` every number.

    images: on each side at the most: N is the least of this, the test and the training images, and the same for every
    family, however much a sample costs it, since every one of these numbers has a bias that hangs on N. Who cannot afford
    it lowers `metrics.images` for all rows of a table. parts: what is computed. k: neighbours of the manifolds. points:
    sizes that the distance at infinite N is drawn through.
    """

    images: Count
    parts: Sequence[str]
    further: Sequence[str] = ()
    k: Count = 5
    points: Annotated[int, Domain(2)] = 15

    def __post_init__(self) -> None:
        positive(self, "images", "k", "points")
        known = parts(self.k, self.points)
        for name in self.parts:
            if name not in known:
                raise PushforwardError(f"metrics.samples.parts: {name} is not known; choose from {', '.join(known)}.")

    @property
    def chosen(self) -> dict[str, Part]:
        """The parts asked for, by a name of their own."""
        known = parts(self.k, self.points)
        return {part.name: part for name in self.parts for part in known[name]}

    def check(self, subject: Subject) -> None:
        """Raises PushforwardError where there is no density of a name in `further`."""
        for name in self.further:
            if name not in subject.densities:
                raise PushforwardError(
                    f"metrics.samples.further: there is no density {name}; metrics.densities has "
                    f"{', '.join(subject.densities) or 'none'}: add it with +density@metrics.densities.{name}={name}"
                )

    @torch.no_grad()
    def __call__(self, subject: Subject) -> Entries:
        self.check(subject)
        ways = {OWN: list(self.chosen)}
        for density in subject.densities:
            ways[density] = list(self.chosen) if density in self.further else [n for n in self.chosen if n == "fd"]
        entries: Entries = {}
        if subject.features is None:
            why = (
                "points, not images"
                if not subject.spec.is_image
                else "no features: features=none, or lenet and no labels; features=random and features=pixels need none"
            )
            for way, names in ways.items():
                for name in names:
                    entries |= self.na(subject, self.chosen[name], way, why)
            return entries
        n = protocol_size(subject.size(subject.split), subject.size("train"), self.images)
        able = {name: part for name, part in self.chosen.items() if able_to(subject, part)}
        sets, beside = FeatureSets(subject, n), references_of(subject, n, able)
        for way, names in ways.items():
            for name in names:
                entries |= self.measured(sets, self.chosen[name], way, beside.get(name))
            if way != OWN and names and not subject.can("sample"):
                self.show(subject, way)
        return entries

    def measured(self, sets: FeatureSets, part: Part, way: str, beside: Rows | str | None) -> Entries:
        """The entries of one part of one way to sample, or why there are none; {} where the features have no such part.

        With features that know no classes another measurement's numbers of classes stay in the record as they are.
        """
        subject = sets.subject
        if beside is None:
            return {}
        if isinstance(beside, str):
            return self.na(subject, part, way, beside)
        if way != OWN and not subject.can("reconstruct"):
            return self.na(subject, part, way, "no codes to fit a density to")
        try:
            found = part.of(sets, way)
        except (NotApplicable, PushforwardError) as reason:
            return self.na(subject, part, way, str(reason))
        card = {**self.card(subject, part), "n": sets.n, "sampler": subject.described(way)}
        return {
            entry_name(subject, number, way): subject.number(
                value.value,
                number.unit,
                better=number.better,
                standard_error=value.standard_error,
                note=value.note,
                **beside[number.name],
                **card,
            )
            for number, value in zip(part.numbers, found, strict=True)
        }

    def card(self, subject: Subject, part: Part) -> dict[str, Any]:
        grey = {"against": GREY} if subject.data.card["binarize"] is not None else {}
        return {**(part.card or {}), **grey, **subject.features.card}

    def na(self, subject: Subject, part: Part, way: str, reason: str) -> Entries:
        card = self.card(subject, part) if subject.features is not None else {}
        return {
            entry_name(subject, number, way): subject.na(reason, number.unit, better=number.better, **card)
            for number in part.numbers
        }

    def show(self, subject: Subject, density: str) -> None:
        """Keeps samples of a density for pictures, of a family without a prior of its own."""
        try:
            if subject.can("reconstruct"):
                subject.keep(f"samples_{density}", {"x": subject.samples(SHOWN, density)})
        except NotApplicable:
            return  # its entries say why


def able_to(subject: Subject, part: Part) -> bool:
    return part.needs is None or hasattr(subject.features, part.needs)


def references_of(subject: Subject, n: int, able: dict[str, Part]) -> dict[str, Rows | str]:
    """Rows beside each part's numbers, or why it can be measured of nothing at this n."""
    try:
        return dict(references(subject, n, able))
    except PushforwardError:
        found: dict[str, Rows | str] = {}
        for name, part in able.items():
            try:
                found |= references(subject, n, {name: part})
            except PushforwardError as reason:
                found[name] = str(reason)
        return found


def entry_name(subject: Subject, number: Number, way: str) -> str:
    """`kd_lenet`, and `kd_lenet_mixture` for a density over codes."""
    features = "lenet" if subject.features is None else subject.features.name
    return number.name.format(features) + ("" if way == OWN else f"_{way}")
