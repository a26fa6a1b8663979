"""Computed once, by whichever process comes first, and whole."""

import multiprocessing
from pathlib import Path

import pytest

from pushforward.protocol.cache import cached, cached_parts


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
