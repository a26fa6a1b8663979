"""What a `_target_` may name: every recipe's parts, nothing that runs, fetches or writes, and modules that a user allows."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pushforward import allowed_targets
from pushforward.config import conf_dir
from pushforward.errors import PushforwardError
from pushforward.training.build import make


def targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [value for key, value in node.items() if key == "_target_"]
        node = list(node.values())
    for value in node if isinstance(node, list) else []:
        yield from targets(value)


def test_all_that_the_config_tree_names_may_be_named() -> None:
    named = {t for file in conf_dir().rglob("*.yaml") for t in targets(yaml.safe_load(file.read_text()))}
    assert len(named) > 60
    for target in named:
        assert callable(allowed_targets.locate(target))


@pytest.mark.parametrize(
    "target",
    [
        "torch.nn.Linear", "torch.nn.functional.relu", "torch.optim.Adam", "torch.optim.lr_scheduler.StepLR",
        "torchmetrics.MeanMetric", "zuko.flows.NSF", "pytorch_lightning.callbacks.EarlyStopping",
        "pytorch_lightning.profilers.SimpleProfiler",
    ],
)  # fmt: skip
def test_parts_of_other_libraries(target: str) -> None:
    assert callable(allowed_targets.locate(target))


REFUSED = """
os.system builtins.open builtins.eval subprocess.run shutil.copy functools.partial asyncio.create_subprocess_shell
numpy.load joblib.load pytest.main hydra.utils.get_method hydra.utils.instantiate omegaconf.OmegaConf.load yaml.load
torch.load torch.hub.load torch.nn.modules.os torch.nn.modules.module.os.system torch.nn.utils.parametrize.torch.load
torch.nn.Module.apply torch.nn.Module.register_forward_hook torchmetrics.functional.text.bert_score
pushforward.launch.start pushforward.launch.subprocess.run pushforward.job.main pushforward.atomic_files.write_whole
pushforward.data.loader.torch.load pushforward.data.sources.download.retrieve pushforward.data.module.pl
pushforward.protocol.features.lenet.write_whole pushforward.families.Family.load_from_checkpoint
pushforward.families.VariationalAutoencoder.to_onnx pushforward.families.Family.__init__.__globals__
pushforward.training.train.train pushforward.training.loggers.log_sweep pushforward pushforward.families
a..b .os os. os.system() torch.nn.Linear\x00
""".split()  # noqa: SIM905


@pytest.mark.parametrize("target", [*REFUSED, "", " ", "torch.nn", "x" * 600, None, 3, ["os.system"], {"a": 1}])
def test_what_may_not_be_named(target: Any) -> None:
    with pytest.raises(PushforwardError) as refused:
        make({"_target_": target, "command": "true"}, "model")
    assert "\n" not in str(refused.value)


def test_how_many_are_refused() -> None:
    assert len(REFUSED) > 35


@pytest.mark.parametrize(
    "around",
    [
        lambda node: {"_target_": "torch.nn.Sequential", "_args_": [node]},
        lambda node: {"_target_": "torch.nn.Sequential", "_partial_": True, "deep": [[{"x": node}]]},
        lambda node: {"_target_": "torch.nn.Sequential", "_recursive_": False, "x": node},
        lambda node: {"a": {"b": node}},
    ],
)
def test_however_deep_it_stands(around: Any, tmp_path: Path) -> None:
    with pytest.raises(PushforwardError, match=r"os\.mkdir"):
        make(around({"_target_": "os.mkdir", "_args_": [str(tmp_path / "made")]}), "model")
    assert not (tmp_path / "made").exists()


def test_nothing_is_filled_in_when_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "os.getcwd")
    for node in ({"_target_": "${oc.env:SECRET}"}, {"_target_": "torch.nn.Linear", "in_features": "${oc.env:SECRET}"}):
        with pytest.raises(PushforwardError):
            make(node, "model")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with modules of a stranger's, one of them named as Python's own."""
    for name in ("org.py", "own_parts_of_mine.py", "colorsys.py"):
        (tmp_path / name).write_text(
            "import os, pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\nclass Part:\n    pass\n"
            "def function():\n    return 3\nfrom os import system\n"
        )
    (tmp_path / "torch").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(allowed_targets.ENVIRONMENT, raising=False)
    yield tmp_path
    for name in ("org", "own_parts_of_mine"):
        sys.modules.pop(name, None)


def test_modules_of_the_working_directory_stay_out(elsewhere: Path) -> None:
    for target in ("org.Part", "own_parts_of_mine.Part"):
        with pytest.raises(PushforwardError, match="is not allowed here"):
            allowed_targets.locate(target)
    assert not list(elsewhere.glob("*.ran"))


@pytest.mark.parametrize("entry", ["own_parts_of_mine", Path()])
def test_modules_that_a_user_allows(entry: Any, elsewhere: Path) -> None:
    path = [*sys.path]
    with allowed_targets.allowed([entry]):
        assert allowed_targets.ENVIRONMENT in os.environ
        assert make({"_target_": "own_parts_of_mine.function"}, "model") == 3
        assert type(make({"_target_": "own_parts_of_mine.Part"}, "model")).__name__ == "Part"
        for target in ("own_parts_of_mine.system", "own_parts_of_mine.os.system", "colorsys.Part", "torch.hub.load"):
            with pytest.raises(PushforwardError):
                allowed_targets.locate(target)
    assert allowed_targets.ENVIRONMENT not in os.environ and sys.path == path
    with pytest.raises(PushforwardError, match="is not allowed here"):
        allowed_targets.locate("own_parts_of_mine.Part")


@pytest.mark.parametrize("entry", ["", "a:b", "a.b", "my module"])
def test_a_name_that_is_no_module(entry: str) -> None:
    with pytest.raises(PushforwardError, match="names no module"), allowed_targets.allowed([entry]):
        pass


def test_secrets_of_the_environment_stay_out_of_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    from pushforward.composition import compose

    monkeypatch.setenv("MY_API_TOKEN", "hunter2")
    monkeypatch.setenv("SCRATCH", "/scratch")
    with pytest.raises(PushforwardError, match=r"tags\.0: \$\{oc\.env:MY_API_TOKEN\} would be written"):
        compose(["tags=[${oc.env:MY_API_TOKEN}]"])
    assert compose(["tags=[${oc.env:SCRATCH}]"])["tags"] == ["/scratch"]


@pytest.mark.parametrize(
    "override",
    ["+hydra.callbacks.a._target_=os.getcwd", "+hydra.hydra_logging.handlers.x={class: os.mkdir}",
     "+hydra.job_logging.handlers.x={'()': os.mkdir}", "+hydra.job_logging.handlers.x={stream: 'ext://os.environ'}"],
)  # fmt: skip
def test_hydras_own_node_names_no_code(override: str) -> None:
    from pushforward.composition import compose

    with pytest.raises(PushforwardError, match=r"hydra\."):
        compose([override])


@pytest.mark.parametrize("name", ["checkpoints", "console.log", "metrics.csv", ".lock", "job.log"])
def test_nothing_is_written_through_a_link(name: str, tmp_path: Path) -> None:
    from pushforward.atomic_files import Lock
    from pushforward.launch import freeze_to

    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(outside if name == "checkpoints" else outside / "file")
    for write in (lambda: Lock(tmp_path / "run").acquire(), lambda: freeze_to({"seed": 1}, tmp_path / "run")):
        with pytest.raises(PushforwardError, match=f"{name} is a link"):
            write()
    assert not list(outside.iterdir())
