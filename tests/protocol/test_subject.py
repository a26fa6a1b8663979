"""What measures are given: subsets within subsets, samples that do not depend on how many are asked for, reasons."""

from collections.abc import Callable

import pytest
import torch

from pushforward.composition import compose
from pushforward.priors import StandardNormal
from pushforward.protocol import NotApplicable, Subject
from pushforward.protocol.subject import CHUNK
from pushforward.training import build

Make = Callable[..., Subject]


@pytest.fixture(scope="module")
def make() -> Make:
    def subject(model: str, *overrides: str, **more: object) -> Subject:
        frozen = compose([f"model={model}", "data=digits", "network.hidden=[32]", *overrides])
        data = build.build_data(frozen)
        family = build.build_family(frozen, data.spec).eval()
        return Subject(family, data, densities={"normal": lambda z: StandardNormal(z.shape[1])}, **more)  # type: ignore[arg-type]

    return subject


def test_fewer_rows_lie_within_more(make: Make) -> None:
    subject = make("ae")
    few, more = subject.rows("test", 50), subject.rows("test", 200)
    assert len(few) == 50 and set(few.tolist()) < set(more.tolist())
    assert bool((few.diff() > 0).all()) and len(subject.rows("test")) == 360 == len(subject.rows("test", 1000))
    assert torch.equal(few, make("vae").rows("test", 50))  # whatever the model


@torch.no_grad()
def test_fewer_samples_are_the_first_of_more(make: Make) -> None:
    few, many = make("vae").samples(30), make("vae")
    more = many.samples(CHUNK + 30)
    assert more.shape == (CHUNK + 30, 1, 8, 8) and torch.equal(few, more[:30])
    assert torch.equal(many.samples(30), few) and len(many.samples(2 * CHUNK)) == 2 * CHUNK
    assert not torch.equal(more[:30], more[CHUNK:])  # each chunk has noise of its own


@torch.no_grad()
def test_a_density_over_codes_is_fitted_once_and_sampled(make: Make) -> None:
    subject = make("ae")
    with pytest.raises(NotApplicable, match="no prior of its own"):
        subject.samples(10)
    assert subject.samples(10, "normal").shape == (10, 1, 8, 8)
    assert subject.density("normal") is subject.density("normal") and subject.described("normal") == "N(0, I)"


@torch.no_grad()
def test_what_a_family_lacks_is_not_applicable_with_its_reason(make: Make) -> None:
    gan = make("gan", "network.width=8")
    for ask in (gan.codes, gan.posterior, lambda: gan.density("normal")):
        with pytest.raises(NotApplicable):
            ask()
    entry = gan.na("because", "nats", better="lower", k=3)
    assert entry["value"] is None and entry["na"] == "because" and entry["card"]["k"] == 3
    assert entry["card"]["split"] == "test" and entry["card"]["data"]["data"] == "digits"


@torch.no_grad()
def test_codes_of_a_subset_are_those_of_its_rows(make: Make) -> None:
    some, every = make("vae"), make("vae")
    rows = every.rows("test", 20)
    torch.testing.assert_close(some.codes("test", 20), every.codes("test")[rows], rtol=1e-5, atol=1e-6)
    mean, log_std = some.posterior("test", 20)
    torch.testing.assert_close(mean, some.codes("test", 20), rtol=1e-5, atol=1e-6)
    assert mean.shape == log_std.shape == (20, 16)


def test_costly_families_afford_fewer_images(make: Make) -> None:
    assert make("vae").affordable(5000) == 5000
    assert make("ddpm", "network=mlp", costly_images=200).affordable(5000) == 200


def test_samples_that_are_not_finite_are_said(make: Make) -> None:
    subject = make("vae")
    with torch.no_grad():
        next(subject.family.get_submodule("coder.decoder").parameters()).fill_(float("nan"))
        with pytest.raises(NotApplicable, match="not finite"):
            subject.samples(5)


@pytest.mark.parametrize("options", [[], ["data.binarize=dynamic"], ["data.dequantize=true"]])
def test_of_large_data_only_what_is_asked_for_is_read_and_it_is_the_same(
    make: Make, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, large = make("ae", *options), make("ae", *options)
    large.data.resident_limit_mb = 0
    expected = [(whole.x(split, 300), whole.raw(split, 40)) for split in ("train", "test")]
    monkeypatch.setattr(large.data, "tensor", lambda *_: pytest.fail("the whole split was prepared"))
    for split, (x, raw) in zip(("train", "test"), expected, strict=True):
        assert torch.equal(large.x(split, 300), x) and torch.equal(large.raw(split, 40), raw)
    assert torch.equal(large.codes("train", 300), large.batched(large.family.encode, expected[0][0]))  # type: ignore[operator]
