"""The subject of a measure: a trained family, its data, and what several measures want of them, computed once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

from pushforward.bijections import quantize
from pushforward.bottlenecks import GaussianPosterior
from pushforward.data import DataModule
from pushforward.errors import PushforwardError
from pushforward.families import Decodes, Encodes, Family, HasPosterior, HasPrior, IterativeSampler, Samples
from pushforward.families.capabilities import HasCoder
from pushforward.families.decoded import Decoded, decoded
from pushforward.metrics.card import Better, measurement, not_applicable
from pushforward.priors import Prior
from pushforward.protocol.features.base import Features
from pushforward.seeds import generator
from pushforward.spec import Batch, DataSpec

Entries = dict[str, dict[str, Any]]
"""name -> {"value", "unit", "card", "na"}, as `record.json` keeps it."""

CHUNK = 500
MOST_UNITS = 512
"""Units of a code to which a density is fitted after training: covariances grow with their square."""
MEASURE_SEED = 0
"""Noise of every measurement comes from this seed, not the run's: runs differ by training alone."""


C = TypeVar("C")


class NotApplicable(Exception):
    """The family or the data cannot give what a measure asks for; the message is the reason that stands in the table.

    card: what the number's card says all the same.
    """

    def __init__(self, reason: str, **card: Any) -> None:
        super().__init__(reason)
        self.card = card


class Density(Protocol):
    """p(z) over codes, fitted after training."""

    def to(self, device: torch.device) -> Self: ...

    def log_prob(self, z: Tensor) -> Tensor: ...

    def sample(self, n: int, generator: torch.Generator) -> Tensor: ...

    def describe(self) -> str: ...


class Subject:
    """A trained family in evaluation mode on `split` of its data. What is asked for twice is computed once.

    A model over codes is measured as such, but for what concerns images: measures of these take `subject.images`.

    card: what every number of it depends on (weights, chosen by what …). costly_images: the most images of what costs
    many evaluations of the network each. densities: name -> fit(codes) of a density over codes, beside the own prior.
    keep: is handed (name, arrays by key) for pictures.
    """

    def __init__(
        self,
        family: Family,
        data: DataModule,
        *,
        features: Features | None = None,
        card: Mapping[str, Any] | None = None,
        densities: Mapping[str, Callable[[Tensor], Density]] | None = None,
        costly_images: int = 1000,
        split: str = "test",
        keep: Callable[[str, dict[str, Tensor]], None] | None = None,
    ) -> None:
        self.family, self.data, self.split = family, data, split
        self.features = features if data.origin is None else None
        self.densities, self.costly_images = dict(densities or {}), costly_images
        self.card = {"split": split, **data.about, **(card or {})}
        self.keep = keep or (lambda name, arrays: None)
        self._kept: dict[Any, Any] = {}
        self.images = self
        """The subject of image measures: of a model over codes, images decoded beside those that the codes are of."""
        if data.origin is not None:
            shown, own = as_images(family, data)
            settings: dict[str, Any] = {
                "features": features,
                "card": card,
                "costly_images": costly_images,
                "split": split,
            }
            self.images = Subject(shown, own, **settings, densities=densities, keep=keep)

    @property
    def spec(self) -> DataSpec:
        return self.data.spec

    @property
    def device(self) -> torch.device:
        return self.family.device  # type: ignore[return-value]

    @property
    def extractor(self) -> Features:
        """The features. Raises NotApplicable where there are none."""
        if self.features is None:
            raise NotApplicable("no features")
        return self.features

    @property
    def prior(self) -> Prior | None:
        """The density over codes that the family was trained with."""
        return self.family.prior if isinstance(self.family, HasPrior) else None

    @property
    def levels(self) -> int:
        """Levels of its codes; 1 where it has none."""
        return len(self.family.coder.shapes) if isinstance(self.family, HasCoder) else 1

    @property
    def iterative(self) -> bool:
        """Whether each image costs the family many evaluations of its network."""
        return isinstance(self.family, IterativeSampler)

    def need(self, capability: type[C], reason: str) -> C:
        """The family, as something with a capability. Raises NotApplicable with the reason where it has not."""
        if not isinstance(self.family, capability):
            raise NotApplicable(reason)
        return self.family

    def decoder(self) -> Decodes:
        """The family, as something that decodes. Raises NotApplicable where it does not."""
        return self.need(Decodes, "this family has no decoder")

    def generator(self, *stream: Any) -> torch.Generator:
        """Noise of one measurement, on the family's device."""
        return generator(self.device, MEASURE_SEED, *stream)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """make(), or what it gave before under the same key."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def forget(self, *keys: Any) -> None:
        """Lets go of what `once` keeps under these keys."""
        for key in keys:
            self._kept.pop(key, None)

    # The data ---------------------------------------------------------------------------------------------------------

    def size(self, split: str) -> int:
        return self.data.card["splits"][split]

    def rows(self, split: str, n: int | None = None) -> Tensor:
        """`n` rows of a split in their order, the same for every run, fewer within more; all where n is None or more."""
        size = self.size(split)
        if n is None or n >= size:
            return torch.arange(size)
        return torch.randperm(size, generator=generator("cpu", MEASURE_SEED, "rows", split))[:n].sort().values

    def x(self, split: str | None = None, n: int | None = None) -> Tensor:
        """Images as the model is shown them (binarised, dequantised …), (n, *shape), on the CPU."""
        split = split or self.split
        if n is not None and self.data.large(split):
            return self.once(("x", split, n), lambda: self.data.rows(split, self.rows(split, n)))
        return self.once(("x", split), lambda: self.data.tensor(split))[self.rows(split, n)]

    def raw(self, split: str | None = None, n: int | None = None) -> Tensor:
        """Images as features see them: the source's grey levels in [0, 1], whatever the model's own data have."""
        split, levels = split or self.split, self.data.arrays.levels
        if n is not None and levels is not None and self.data.large(split):
            rows = self.rows(split, n)
            return self.once(("raw", split, n), lambda: self.data.raw_levels(split, rows=rows).float() / (levels - 1))
        return self.once(("raw", split), lambda: raw_images(self.data, split))[self.rows(split, n)]

    def labels(self, split: str | None = None, n: int | None = None) -> Tensor | None:
        y = self.data.labels(split or self.split)
        return None if y is None else y[self.rows(split or self.split, n)]

    def batch(self, split: str | None = None, n: int | None = None) -> Batch:
        """Images with their labels as a loss takes them: on the family's device, in its precision."""
        return Batch(self.x(split, n), self.labels(split, n)).to(self.device, self.family.dtype)

    def factors(self, split: str | None = None, n: int | None = None) -> Tensor | None:
        f = self.data.factors(split or self.split)
        return None if f is None else f[self.rows(split or self.split, n)]

    # The model --------------------------------------------------------------------------------------------------------

    def batched(self, f: Callable[[Tensor], Tensor], x: Tensor, size: int = CHUNK) -> Tensor:
        """f over x in chunks on the family's device; the results on the CPU in float32."""
        return torch.cat([f(self.placed(part)).float().cpu() for part in x.split(size)])

    def placed(self, x: Tensor) -> Tensor:
        """x on the family's device, in its precision."""
        return x.to(self.device, self.family.dtype)  # type: ignore[arg-type]

    @property
    def chunk(self) -> int:
        """Images at a time: what one call of the network takes, fewer where it is called often and a CPU's cache is small."""
        return 64 if self.iterative and self.device.type == "cpu" else CHUNK

    def affordable(self, n: int) -> int:
        """n, or fewer where each image costs the family many evaluations of its network."""
        return min(n, self.costly_images) if self.iterative else n

    def codes(self, split: str = "train", n: int | None = None) -> Tensor:
        """Codes of a split's images, (n, d), a posterior's means. Raises NotApplicable where the family has none."""
        encode = self.need(Encodes, "this family has no encoder").encode
        key = ("codes", split)
        if key not in self._kept and n is not None:
            return self.once((*key, n), lambda: self.batched(encode, self.x(split, n)))
        return self.once(key, lambda: self.batched(encode, self.x(split)))[self.rows(split, n)]

    def posterior(self, split: str | None = None, n: int | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log σ of q(z|x), (n, d) each. Raises NotApplicable where the family has no such posterior."""
        family = self.need(HasPosterior, "this family has no posterior density over codes")
        split = split or self.split

        def both(x: Tensor) -> Tensor:
            q = family.posterior(x)
            if not isinstance(q, GaussianPosterior):
                raise NotApplicable("its posterior is no diagonal Gaussian")
            return torch.stack((q.mean, q.log_std), 1)

        whole = self.once(("posterior", split, n), lambda: self.batched(both, self.x(split, n)))
        return whole[:, 0], whole[:, 1]

    def check_density(self, name: str, setting: str = "metrics.densities") -> None:
        """Raise PushforwardError where no density over codes has the name that a setting gives."""
        if name not in self.densities:
            raise PushforwardError(
                f"{setting}: there is no density {name}; metrics.densities has {', '.join(self.densities) or 'none'}: "
                f"add it with +density@metrics.densities.{name}={name}"
            )

    def density(self, name: str) -> Density:
        """The density `name` over codes, fitted to those of the training images, on the family's device."""
        if not (isinstance(self.family, Encodes) and isinstance(self.family, Decodes)):
            raise NotApplicable("no codes to fit a density to")
        self.check_density(name)
        if (units := self.codes("train", 1).shape[1]) > MOST_UNITS:
            raise NotApplicable(
                f"densities are fitted to codes of at most {MOST_UNITS} units, these have {units}: see data=codes data.run=RUN"
            )
        return self.once(("density", name), lambda: self.densities[name](self.codes("train")).to(self.device))

    def samples(self, n: int, density: str = "own") -> Tensor:
        """The first n of the family's samples, float32 on the CPU: from its own prior, or decoded from `density`.

        Raises NotApplicable where there is no such sampler, or its samples are not finite.
        """
        return self.drawn(self.sampler(density), n, density, self.once(("samples", density), list))

    def drawn(self, draw: Callable[[int, torch.Generator], Tensor], n: int, name: str, kept: list[Tensor]) -> Tensor:
        """The first n draws, float32 on the CPU, of the noise that `name` stands for; kept: chunks drawn before, added to.

        Raises NotApplicable where they are not finite.
        """
        # a chunk's noise depends on its number alone: fewer samples are the first of more
        while sum(map(len, kept)) < n:
            with torch.no_grad():
                kept.append(draw(self.chunk, self.generator("samples", name, len(kept))).float().cpu())
        found = torch.cat(kept)[:n]
        if not bool(found.isfinite().all()):
            raise NotApplicable("its samples are not finite")
        return found

    def levelled(self, x: Tensor) -> Tensor:
        """Samples as features take them: on the source's levels where its own data are dequantised."""
        return quantize(x, replace(self.spec, dequantized=False)) if self.spec.dequantized else x

    def sampler(self, density: str = "own") -> Callable[[int, torch.Generator], Tensor]:
        """draw(n, generator) of one way to sample the family."""
        if density == "own":
            return self.need(Samples, "no prior of its own: see the columns with a density over codes").sample
        fitted, family = self.density(density), self.decoder()
        return lambda n, g: family.decode(fitted.sample(n, g))

    def described(self, density: str = "own") -> str:
        """The sampler of samples, for their card."""
        if density == "own":
            if isinstance(self.family, IterativeSampler):
                return self.family.sampler
            return f"prior; decoded by {self.family.by}" if isinstance(self.family, Decoded) else "prior"
        return self.density(density).describe()

    # What is said of it -----------------------------------------------------------------------------------------------

    def number(self, value: float | Tensor, unit: str, *, better: Better, **card: Any) -> dict[str, Any]:
        """The entry of a number with its card; not applicable where it would be a mean over no images (`n`)."""
        if card.get("n") == 0:
            return self.na(no_images(card.get("split", self.split)), unit, better=better, **card)
        return measurement(float(value), unit, better=better, **{**self.card, **card})

    def na(self, reason: str, unit: str, *, better: Better, **card: Any) -> dict[str, Any]:
        """The entry of a number that is not available."""
        return not_applicable(reason, unit, better=better, **{**self.card, **card})


def as_images(family: Family, data: DataModule) -> tuple[Family, DataModule]:
    """Return the family and data as they are; those over codes as what they decode to, and the images that they are of."""
    origin = data.origin
    if origin is None:
        return family, data
    spec = data.spec
    shown = decoded(family, lambda codes: origin.decode(spec.original(codes).float()), data.images.spec, origin.run)
    return shown, data.images


def no_images(split: str) -> str:
    """Why nothing is measured on a split that is empty."""
    return f"there are no {split} images to measure on; see data.{'validation' if split == 'val' else split}"


def raw_images(data: DataModule, split: str, limit: int | None = None) -> Tensor:
    """A split as features see it, in [0, 1]: grey levels, whatever binarisation or noise the model's own data have."""
    levels = data.arrays.levels
    return data.tensor(split, limit) if levels is None else data.raw_levels(split, limit).float() / (levels - 1)
