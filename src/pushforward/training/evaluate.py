"""The protocol: what is measured of a trained family, each number with its card, the same for every family."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pushforward import priors
from pushforward.data import DataModule
from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.metrics import baselines, reconstruction, sparsity
from pushforward.metrics.card import measurement, not_applicable
from pushforward.metrics.likelihood import estimate
from pushforward.metrics.sample import fd_protocol, protocol_size, subset
from pushforward.runs import RunDir
from pushforward.seeds import generator
from pushforward.training import checkpoints

Entries = dict[str, dict[str, Any]]
Keep = Callable[[str, Tensor], Any]
CHUNK = 1000
MEASURE_SEED = 0
"""Noise of every measurement comes from this seed, not the run's: runs differ by training alone."""


def choose(run: RunDir, family: Family, best_at: int, frozen: Mapping[str, Any]) -> dict[str, Any]:
    """Puts the weights to evaluate into the family: best where validation chose any, else last; EMA where there are any.

    Returns what the card says of them.
    """
    best = run.checkpoints / "best.ckpt"
    chosen = best if best.is_file() else run.checkpoints / "last.ckpt"
    state = checkpoints.load(chosen, family.device)
    family.load_state_dict(checkpoints.weights(state))
    metric = frozen["selection"]["metric"]
    by = f"validation {'+'.join(family.criterion or ['total']) if metric == 'auto' else metric}"
    return {
        "weights": chosen.stem + (" (EMA)" if state["ema"] else ""),
        "selection": f"{metric}, on validation; last where nothing chooses",
        "chosen_by": by if chosen == best else None,
        "at_images": state["progress"]["images_seen"],
    }


@torch.no_grad()
def evaluate(
    family: Family,
    data: DataModule,
    features: Any,
    settings: Mapping[str, Any],
    card: dict[str, Any],
    keep: Keep | None = None,
) -> Entries:
    """Every number of the protocol that the settings ask for and the family is capable of; n/a with its reason elsewhere.

    keep: is handed (name, samples) of densities over codes, for pictures.
    """
    family.eval()
    card = {"split": "test", "data": data.card, **card}
    entries: Entries = {}
    measures: dict[str, Any] = {
        "reconstructions": reconstructions, "denoising": denoising, "sparse_code": sparse_code,
        "likelihoods": likelihoods, "samples": partial(samples, features=features, keep=keep),
    }  # fmt: skip
    for name in settings.get("measure") or ():
        if name not in measures:
            raise PushforwardError(f"metrics.measure: {name} is not known; choose from {', '.join(measures)}")
        entries.update(measures[name](family, data, settings=settings, card=card))
    return entries


def chunks(data: DataModule, limit: int | None, device: torch.device) -> Any:
    for batch in data.batches("test", size=CHUNK, limit=limit):
        yield batch.x.to(device)


def reconstructions(family: Family, data: DataModule, settings: Mapping[str, Any], card: dict[str, Any]) -> Entries:
    """MSE a pixel, and PSNR in dB, of test images through encoder and decoder."""
    if not data.spec.is_image or not family.can("reconstruct"):
        why = "points, not images" if not data.spec.is_image else "this family has no encoder and decoder"
        if family.can("encode") and data.spec.is_image:
            why = "invertible: its reconstruction is exact"
        return {
            "mse": not_applicable(why, "per pixel", better="lower", **card),
            "psnr": not_applicable(why, "dB", better="higher", **card),
        }
    metric, n = reconstruction.Reconstruction(), 0
    for x in chunks(data, None, family.device):
        metric.update(x.cpu(), family.reconstruct(x).cpu())  # type: ignore[operator]
        n += len(x)
    values = metric.compute()
    return {
        "mse": measurement(float(values["mse"]), "per pixel", better="lower", n=n, code="posterior mean", **card),
        "psnr": measurement(float(values["psnr"]), "dB", better="higher", n=n, peak=1, code="posterior mean", **card),
    }


def denoising(family: Family, data: DataModule, settings: Mapping[str, Any], card: dict[str, Any]) -> Entries:
    """PSNR in dB of corrupted test images before and after a denoising family."""
    if not family.can("denoise"):
        return {}
    g = generator(family.device, MEASURE_SEED, "corruption")
    before, after = reconstruction.Reconstruction(), reconstruction.Reconstruction()
    for x in chunks(data, None, family.device):
        corrupted, restored = family.denoise(x, g)  # type: ignore[operator]
        before.update(x.cpu(), corrupted.cpu())
        after.update(x.cpu(), restored.cpu())
    corruption = family.corruption.describe()  # type: ignore[union-attr, operator]
    card = {**card, "corruption": corruption, "corruption_seed": MEASURE_SEED}
    return {
        "psnr_denoised": measurement(float(after.compute()["psnr"]), "dB", better="higher", **card),
        "psnr_corrupted": measurement(float(before.compute()["psnr"]), "dB", better=None, **card),
    }


def sparse_code(family: Family, data: DataModule, settings: Mapping[str, Any], card: dict[str, Any]) -> Entries:
    """How the units of a sparse code are used on test data."""
    if "sparse" not in family.describe().get("kind", ""):
        return {}
    z = torch.cat([family.encode(x).cpu() for x in chunks(data, None, family.device)])  # type: ignore[operator]
    targets = [term.rho for term in family.objective.terms.values() if hasattr(term, "rho")]  # type: ignore[union-attr, operator]
    values = sparsity.summary(z, float(targets[0]) if targets else None)
    return {
        name: measurement(value, unit, better=None, units=z.shape[1], **extra, **card)
        for name, (value, unit, extra) in values.items()
    }


def likelihoods(family: Family, data: DataModule, settings: Mapping[str, Any], card: dict[str, Any]) -> Entries:
    """Rate, distortion, −ELBO and −log p(x) in nats per image, and bits per dimension, with the kind of number each is."""
    names = {"rate": "nats", "distortion": "nats", "neg_elbo": "nats", "nll": "nats", "bpd": "bits/dim"}
    better: dict[str, Any] = {"rate": None, "distortion": None, "neg_elbo": "lower", "nll": "lower", "bpd": "lower"}
    if not family.can("log_prob"):
        why = "this family has no likelihood"
        return {name: not_applicable(why, unit, better=better[name], **card) for name, unit in names.items()}
    g = generator(family.device, MEASURE_SEED, "likelihood")
    limit = settings.get("costly_images") if getattr(family, "costly", False) else None
    results = [family.log_prob(x, g) for x in chunks(data, limit, family.device)]  # type: ignore[operator]
    first = results[0]
    nats = -torch.cat([r.values for r in results]).double().cpu()
    likelihood = getattr(family, "likelihood", None)
    card = {
        **card, "kind": first.kind, "density": first.density, "n": len(nats), "function_evaluations": first.evaluations,
        "likelihood": likelihood.describe() if likelihood is not None else None, "noise_seed": MEASURE_SEED,
    }  # fmt: skip

    def entry(name: str, values: Tensor) -> dict[str, Any]:
        found = estimate(values)
        return measurement(found.value, names[name], better=better[name], standard_error=found.standard_error, **card)

    entries = {}
    for part in ("rate", "distortion"):
        if part in first.parts:
            entries[part] = entry(part, torch.cat([r.parts[part] for r in results]).cpu())
        else:
            why = (
                "an exact likelihood has no such parts" if first.kind == "exact" else "not taken apart for this family"
            )
            entries[part] = not_applicable(why, "nats", better=None, **card)
    if first.kind == "lower bound":
        entries["neg_elbo"] = entry("neg_elbo", nats)
    else:
        why = f"its likelihood is {first.kind}, not a bound"
        entries["neg_elbo"] = not_applicable(why, "nats", better="lower", **card)
    entries["nll"] = entry("nll", nats)
    reason = no_bits(family, data, first.density)
    bits = data.spec.bits_per_dim(nats, density=first.density)
    entries["bpd"] = (
        not_applicable(reason, "bits/dim", better="lower", **card) if reason else entry("bpd", bits)
    )  # fmt: skip
    return entries


def no_bits(family: Family, data: DataModule, density: bool) -> str | None:
    """Why −log p(x) is no number of bits for the data's own levels, or None where it is."""
    spec = data.spec
    if spec.levels is None:
        return "real-valued data have no levels to code"
    own = getattr(family, "likelihood", None)
    if own is not None and not own.discrete and not spec.dequantized:
        return f"{own.describe()} is no likelihood of images with {spec.levels} levels; use likelihood=discretized_logistic"
    return None


def samples(
    family: Family,
    data: DataModule,
    settings: Mapping[str, Any],
    card: dict[str, Any],
    features: Any,
    keep: Keep | None,
) -> Entries:
    """FD-lenet from the family's own sampler and from densities over codes; the least share of a class among samples.

    Never "FID": the features are those of a small classifier trained on the data's labels.
    """
    names = ["fd_lenet", "fd_lenet_normal", "fd_lenet_gaussian", "fd_lenet_mixture"]
    if features is None:
        why = "no features: the data have no labels, or features=none"
        return {name: not_applicable(why, "feature²", better="lower", **card) for name in names}
    sizes = data.card["splits"]
    limit = int(settings.get("fd_images") or 10_000)
    if getattr(family, "costly", False):  # its card says so, and a table does not rank it beside other n
        limit = min(limit, int(settings.get("costly_images") or limit))
    n = protocol_size(sizes["test"], sizes["train"], limit)
    test = features(subset(raw_images(data, "test"), n, 0, "test"))
    images = raw_images(data, "train")
    train = features(subset(images, n, 0, "train"))
    card = {**card, "n": n, **features.card}
    pixels = baselines.gaussian_pixels(images, n, generator("cpu", MEASURE_SEED, "references"))
    references = {"Gaussian on pixels": fd_protocol(features(pixels), test, train, n).value}
    reconstructs = family.can("reconstruct")
    codes = codes_of(family, data) if reconstructs else None
    entries: Entries = {}
    for name in names:
        kind = name.removeprefix("fd_lenet").strip("_") or "own"
        sampler = sampler_of(kind, family, codes, int(settings.get("mixture_components") or 10))
        if isinstance(sampler, str):
            entries[name] = not_applicable(sampler, "feature²", better="lower", **card)
            continue
        described, draw = sampler
        g = generator(family.device, MEASURE_SEED, "samples", kind)
        fake = torch.cat([draw(min(CHUNK, n - done), g).float().cpu() for done in range(0, n, CHUNK)])
        if not math.isfinite(float(fake.abs().max())):
            entries[name] = not_applicable("its samples are not finite", "feature²", better="lower", **card)
            continue
        found = fd_protocol(features(fake), test, train, n)
        entries[name] = measurement(
            found.value, "feature²", better="lower",
            floor=found.floor, references=references, sampler=described, **card,
        )  # fmt: skip
        if kind != "own" and keep is not None and not family.can("sample"):
            keep(f"samples_{kind}", fake[:64])
        if kind == "own":
            shares = features.classes(fake)
            entries["least_class_share"] = measurement(
                float(shares.min()), "share", better="higher", sampler=described, **card
            )
    return entries


def raw_images(data: DataModule, split: str, limit: int | None = None) -> Tensor:
    """A split as features see it, in [0, 1]: grey levels, whatever binarisation or noise the model's own data have."""
    levels = data.arrays.levels
    return data.tensor(split, limit) if levels is None else data.raw_levels(split, limit).float() / (levels - 1)


def codes_of(family: Family, data: DataModule) -> Tensor:
    """Codes of the training images, (n_train, code_dim), on the CPU."""
    return torch.cat([family.encode(b.x.to(family.device)).cpu() for b in data.batches("train", size=CHUNK)])  # type: ignore


def sampler_of(kind: str, family: Family, codes: Tensor | None, components: int) -> Any:
    """(description, draw(n, generator)) of one way to sample the family, or the reason why there is none."""
    if kind == "own":
        if not family.can("sample"):
            return "no prior of its own: see the columns with a density over codes"
        return getattr(family, "sampler", "prior"), family.sample
    if codes is None:
        return "no codes to fit a density to"
    dim = codes.shape[1]
    prior: Any
    if kind == "normal":
        prior = priors.StandardNormal(dim)
    elif kind == "gaussian":
        prior = priors.FittedGaussian.fit(codes)
    else:
        prior = priors.FittedMixture.fit(codes, components=components, seed=MEASURE_SEED)
    prior = prior.to(family.device)
    return prior.describe(), lambda n, g: family.decode(prior.sample(n, g))  # type: ignore[operator]
