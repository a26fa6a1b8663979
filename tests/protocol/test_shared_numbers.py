"""Computed once, by whichever process comes first, and whole."""

import multiprocessing
from pathlib import Path

import pytest
import torch

from pushforward.protocol.shared_numbers import cached, cached_parts, cached_tensor


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    return tmp_path / "cache"


def test_once_for_a_key(outputs: Path) -> None:
    made: list[int] = []
    for key in ({"n": 1}, {"n": 1}, {"n": 2}):
        assert cached("numbers", key, lambda key=key: made.append(key["n"]) or {"a": [key["n"]]}) == {"a": [key["n"]]}
    assert made == [1, 2]
    assert cached("others", {"n": 1}, lambda: 0.5) == 0.5
    assert len(list(outputs.glob("numbers-*/value.part.json"))) == 2


def test_only_the_parts_that_are_missing() -> None:
    asked: list[list[str]] = []

    def make(names: list[str]) -> dict[str, str]:
        asked.append(names)
        return {name: name.upper() for name in names}

    assert cached_parts("p", {}, ["a", "b"], make) == {"a": "A", "b": "B"}
    assert cached_parts("p", {}, ["c", "a"], make) == {"c": "C", "a": "A"}
    assert cached_parts("p", {}, ["a", "b", "c"], make) == {"a": "A", "b": "B", "c": "C"}
    assert asked == [["a", "b"], ["c"]]


def test_infinite_numbers_come_back() -> None:
    for _ in range(2):
        assert cached("numbers", {}, lambda: float("inf")) == float("inf")


def test_broken_files_are_made_anew_and_failures_are_not_kept(outputs: Path) -> None:
    cached("numbers", {}, lambda: 1)
    (file,) = outputs.glob("*/value.part.json")
    file.write_text("{")
    with pytest.raises(ZeroDivisionError):
        cached("numbers", {}, lambda: 1 // 0)
    assert cached("numbers", {}, lambda: 2) == cached("numbers", {}, lambda: 3) == 2


def count(folder: str) -> None:
    def make() -> int:
        with (Path(folder) / "made").open("a") as file:
            file.write("x")
        return 1

    cached("numbers", {"shared": True}, make)


def test_several_processes_compute_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")  # files alone: no tensor is touched
    workers = [context.Process(target=count, args=(str(tmp_path),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (tmp_path / "made").read_text() == "x"


def test_a_tensor_comes_back_bit_for_bit(outputs: Path) -> None:
    made = []

    def make() -> torch.Tensor:
        made.append(torch.randn(5, 3) / 3)
        return made[-1]

    first = cached_tensor("features", {"n": 5}, make)
    assert torch.equal(cached_tensor("features", {"n": 5}, make), first) and len(made) == 1
    assert not torch.equal(cached_tensor("features", {"n": 6}, make), first) and len(made) == 2
    for file in outputs.glob("features-*/tensor.npy"):
        file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(cached_tensor("features", {"n": 5}, make), made[-1]) and len(made) == 3


def test_features_of_real_images_are_computed_once_for_their_content(outputs: Path) -> None:
    """Another run of the same data reads them; other images, other features and a person's own do not."""
    from pushforward.protocol.feature_sets import TEST, TRAIN, FeatureSets
    from pushforward.protocol.subject import Subject

    calls = []

    class Fake:
        name = "fake"

        def __init__(self, known: str | None = "1") -> None:
            self.card = {"features": "fake", "features_hash": known} if known else {"features": "fake"}

        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            calls.append(len(images))
            return images.flatten(1)[:, ::7] * 1.1

    def seen(*overrides: str, features: Fake | None = None) -> FeatureSets:
        from pushforward.composition import compose
        from pushforward.training.build import build_data, build_family

        frozen = compose(["data=digits", "model=ae", "network.hidden=[4]", *overrides])
        data = build_data(frozen)
        return FeatureSets(Subject(build_family(frozen, data.spec), data, features=features or Fake()), 50)

    first, second = seen("seed=1"), seen("seed=2")
    wanted = first.features(TEST)
    assert torch.equal(second.features(TEST), wanted) and calls == [50]
    assert torch.equal(wanted, first.subject.features(first.images(TEST)).float()), "what is kept is what is computed"
    calls.clear()
    first.features(TRAIN)
    seen("data.split_seed=3").features(TEST)
    seen(features=Fake("2")).features(TEST)
    seen(features=Fake(None)).features(TEST)
    seen(features=Fake(None)).features(TEST)
    assert calls == [50] * 5
