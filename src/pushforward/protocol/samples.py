"""The quality of samples: compared with held-out images through features, beside images that no model produced."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pushforward.domains import Count, Domain
from pushforward.errors import PushforwardError
from pushforward.families import Reconstructs, Samples
from pushforward.metrics.sample import protocol_size
from pushforward.protocol.decoded_codes import DECODED, sets_of_decoded
from pushforward.protocol.feature_sets import OWN, FeatureSets, Part, parts
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.references import Rows, references
from pushforward.protocol.subject import NotApplicable, Subject

GREY = "grey levels, as before binarisation"
"""Compared with binarised models too: of 0 and 1 they then show what binarising costs, of means they show little."""
EVERY, MAIN = "fd", ("gaussian", "mixture")
"""The number measured of every density over codes, and the densities shown in a table that names no columns."""
SHOWN = 64
"""Samples of a density over codes that are kept for pictures."""


@dataclass(frozen=True)
class SampleQuality(Measure):
    """Fréchet and kernel distance, precision, recall, density, coverage, classes, memorisation; of the own prior's samples.

    `fd_<features>_<density>` too for every density over codes, and for those in `further` every number; of what `decoded`
    names, `reconstruction` and `interpolation` (half-way between codes of two held-out images), the Fréchet distance.

    images: on each side at the most: N is the least of this, the test and the training images, and the same for every
    family, however much a sample costs it, since every one of these numbers has a bias that depends on N. Who cannot afford
    it lowers `metrics.images` for all rows of a table. parts: what is computed. k: neighbours of the manifolds. points:
    sizes that the distance at infinite N is drawn through.
    """

    order = 50
    of_images = True
    images: Count
    parts: Sequence[str]
    further: Sequence[str] = ()
    decoded: Sequence[Literal["reconstruction", "interpolation"]] = ()
    k: Count = 5
    points: Annotated[int, Domain(2)] = 15

    def __post_init__(self) -> None:
        super().__post_init__()
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
        for name in self.further:
            subject.check_density(name, "metrics.samples.further")

    def ways(self, subject: Subject) -> dict[str, list[str]]:
        """The parts that are measured of each way to sample: of the own prior, and of densities over codes."""
        of_densities = {d: [p for p in self.chosen if d in self.further or p == EVERY] for d in subject.densities}
        codes: dict[str, list[str]] = {name: [p for p in self.chosen if p == EVERY] for name in self.decoded}
        return {OWN: list(self.chosen), **of_densities, **codes}

    def numbers(self, subject: Subject) -> Sequence[Number]:
        ways = self.ways(subject)
        return [
            number._replace(
                name=entry_name(subject, number, way),
                main=number.main and (way == OWN or (name == EVERY and way in MAIN)),
                headline=number.headline if way == OWN else None,
            )
            for name, part in self.chosen.items()
            for way in ways
            if name in ways[way]
            for number in part.numbers
        ]

    def values(self, subject: Subject) -> dict[str, Value | NotApplicable]:
        """With features that know no classes another measurement's numbers of classes stay in the record as they are."""
        self.check(subject)
        if subject.features is None:
            why = "no features: features=none, or lenet and no labels; features=random and features=pixels need none"
            raise NotApplicable(why if subject.spec.is_image else "points, not images")
        n = protocol_size(subject.size(subject.split), subject.size("train"), self.images)
        able = {name: part for name, part in self.chosen.items() if able_to(subject, part)}
        sets, beside = FeatureSets(subject, n, sets_of_decoded(subject, n)), references_of(subject, n, able)
        values: dict[str, Value | NotApplicable] = {}
        for way, names in self.ways(subject).items():
            for name in names:
                if name in able:
                    values |= self.measured(sets, able[name], way, beside[name])
            if way in subject.densities and names and not isinstance(subject.family, Samples):
                self.show(subject, way)
        return values

    def measured(self, sets: FeatureSets, part: Part, way: str, beside: Rows | str) -> dict[str, Value | NotApplicable]:
        """The values of one part of one way to sample, or why there are none; beside: its reference rows, or why not."""
        subject, card = sets.subject, self.card(sets.subject, part)
        names = [entry_name(subject, number, way) for number in part.numbers]
        try:
            if isinstance(beside, str):
                raise NotApplicable(beside)
            if way != OWN:
                subject.need(Reconstructs, "no codes to decode" if way in DECODED else "no codes to fit a density to")
            found = part.of(sets, way)
        except (NotApplicable, PushforwardError) as reason:
            return dict.fromkeys(names, NotApplicable(str(reason), **card))
        card |= {"n": sets.n, "sampler": DECODED[way] if way in DECODED else subject.described(way)}
        return {
            name: value(one.value, **one.card, **beside[number.name], **card)
            for name, number, one in zip(names, part.numbers, found, strict=True)
        }

    def card(self, subject: Subject, part: Part) -> dict[str, Any]:
        grey = {"against": GREY} if subject.data.card["binarize"] is not None else {}
        return {**(part.card or {}), **grey, **subject.extractor.card}

    def show(self, subject: Subject, density: str) -> None:
        """Keeps samples of a density for pictures, of a family without a prior of its own."""
        try:
            if isinstance(subject.family, Reconstructs):
                subject.keep(f"samples_{density}", {"x": subject.samples(SHOWN, density)})
        except NotApplicable:
            return  # its entries say why


def able_to(subject: Subject, part: Part) -> bool:
    return part.needs is None or isinstance(subject.features, part.needs)


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
