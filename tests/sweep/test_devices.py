"""Cores and GPUs are counted without touching CUDA, and handed out evenly."""

from typing import Any

import pytest

from pushforward.sweep import devices

LISTED = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aa)\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bb)\n"
MIG = (
    "GPU 0: NVIDIA A100 (UUID: GPU-aa)\n  MIG 3g.20gb     Device  0: (UUID: MIG-11)\n"
    "  MIG 3g.20gb     Device  1: (UUID: MIG-22)\n"
)


@pytest.mark.parametrize(
    ("visible", "names"),
    [("0,2", ["0", "2"]), ("", []), ("-1", []), ("GPU-aa, MIG-1/2/3", ["GPU-aa", "MIG-1/2/3"]), ("1,-1,0", ["1"])],
)
def test_visible_gpus_are_those_that_cuda_sees(visible: str, names: list[str]) -> None:
    assert devices.gpus({"CUDA_VISIBLE_DEVICES": visible}) == names


def test_gpus_are_those_that_the_driver_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.listed(LISTED) == ["0", "1"]
    assert devices.listed(MIG) == ["MIG-11", "MIG-22"]
    assert devices.listed("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n") == []
    monkeypatch.setattr(devices.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(devices, "_ask", lambda command: LISTED)
    assert devices.gpus({}) == ["0", "1"]
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    monkeypatch.setattr(devices, "_ask", lambda command: "3\n")
    assert devices.gpus({}) == ["0", "1", "2"]


def job(accelerator: str = "cpu", count: int = 1, threads: int | None = None) -> dict[str, Any]:
    return {"trainer": {"accelerator": accelerator, "devices": count, "threads": threads}}


def test_how_many_run_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 8)
    eight = [str(i) for i in range(8)]
    assert devices.at_once([job()], None, []) == 8
    assert devices.at_once([job(), job(threads=4)], None, []) == 2
    assert devices.at_once([job(count=2, threads=2)], None, []) == 2
    assert devices.at_once([job("gpu"), job()], None, eight) == 8
    assert devices.at_once([job("gpu", 2), job("gpu")], None, eight[:5]) == 2
    assert devices.at_once([job("gpu", 2)], None, []) == 1
    assert devices.at_once([job("gpu")], 3, ["0"]) == 3


def test_the_least_used_gpus_are_handed_out() -> None:
    pool = devices.Devices(["a", "b", "c"])
    assert (pool.take(2), pool.take(1)) == (["a", "b"], ["c"])
    pool.give_back(["b"])
    assert pool.take(1) == ["b"]
    assert pool.take(1) == ["a"], "more jobs than GPUs share them"
