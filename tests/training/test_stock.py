"""Stock Lightning: a family under a bare Trainer, with Lightning's own callbacks and checkpoints."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.training.build import build_data, build_family

Compose = Callable[..., dict[str, Any]]


def trainer(folder: Path, **options: Any) -> pl.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return pl.Trainer(
        **{"logger": False, "enable_checkpointing": False, **quiet, "default_root_dir": folder, **options}
    )


def built(frozen: dict[str, Any]) -> tuple[Family, Any]:
    data = build_data(frozen)
    return build_family(frozen, data.spec), data


def test_trains_under_a_bare_trainer(small: Compose, tmp_path: Path) -> None:
    family, data = built(small("model=vae"))
    host = trainer(tmp_path, max_epochs=4)
    host.fit(family, data)
    blocks = -(-1257 // (64 * 16))  # a pass is rounded up to whole blocks
    assert family.progress.cycles == 4 * blocks * 16
    assert host.global_step == family.progress.cycles
    first = host.callback_metrics["val/criterion"]
    host.fit_loop.max_epochs = 8
    host.fit(family, data)
    assert host.callback_metrics["val/criterion"] < first
    assert {"train/model/reconstruction", "val/total", "val/kl"} <= set(host.callback_metrics)


def test_two_players_train_under_a_bare_trainer(small: Compose, tmp_path: Path) -> None:
    family, data = built(small("model=wgan_gp", "network=mlp", "model.n_critic=3"))
    host = trainer(tmp_path, max_epochs=1, callbacks=[ModelCheckpoint(tmp_path / "c")], enable_checkpointing=True)
    host.fit(family, data)
    cycles = host.global_step
    assert cycles > 0 and family.progress.steps == {"critic": 3 * cycles, "generator": cycles}
    assert family.progress.images_seen == 3 * 64 * cycles
    assert {"train/critic/gradient_penalty", "train/generator/adversarial"} <= set(host.callback_metrics)
    assert len(list((tmp_path / "c").glob("*.ckpt"))) == 1


def test_model_checkpoint_writes_and_resumes(small: Compose, tmp_path: Path) -> None:
    """`global_step` stays 0 with raw optimisers unless it is advanced, and then ModelCheckpoint writes nothing."""
    frozen = small("model=vae", "optimizer.model.ema=0.9")
    best = ModelCheckpoint(tmp_path / "best", monitor="val/total", save_top_k=1)
    regular = ModelCheckpoint(tmp_path / "regular", every_n_train_steps=32, save_top_k=-1)
    family, data = built(frozen)
    trainer(tmp_path, max_epochs=3, callbacks=[best, regular], enable_checkpointing=True).fit(family, data)
    assert len(list((tmp_path / "best").glob("*.ckpt"))) == 1
    assert Path(best.best_model_path).is_file()
    assert len(list((tmp_path / "regular").glob("*.ckpt"))) == 3

    whole, data = built(frozen)
    trainer(tmp_path, max_epochs=5).fit(whole, data)
    resumed, data = built(frozen)
    host = trainer(tmp_path, max_epochs=5)
    host.fit(resumed, data, ckpt_path=best.best_model_path)
    assert host.global_step == whole.progress.cycles == resumed.progress.cycles
    assert whole.stepper is not None and resumed.stepper is not None
    for a, b in (
        (whole.state_dict(), resumed.state_dict()),
        (whole.stepper.average_dict(), resumed.stepper.average_dict()),
    ):
        assert a and all(torch.equal(a[k], b[k]) for k in a)


def test_early_stopping_stops(small: Compose, tmp_path: Path) -> None:
    family, data = built(small("model=vae", "optimizer.model.lr=1e-30"))
    host = trainer(tmp_path, max_epochs=50, callbacks=[EarlyStopping("val/criterion", patience=2)])
    host.fit(family, data)
    assert host.current_epoch == 3  # one that sets the value, two without gain


def test_learning_rate_monitor_sees_the_schedule(small: Compose, tmp_path: Path) -> None:
    cosine = "optimizer.model.schedule={_target_: pushforward.schedules.Cosine, epochs: 4}"
    family, data = built(small("model=vae", cosine))
    logger = CSVLogger(tmp_path)
    trainer(tmp_path, max_epochs=3, callbacks=[LearningRateMonitor("epoch")], logger=logger).fit(family, data)
    rows = csv.DictReader((Path(logger.log_dir) / "metrics.csv").open())
    seen = [float(row["lr-Adam"]) for row in rows if row["lr-Adam"]]
    assert len(seen) == 3 and seen[0] > seen[1] > seen[2] > 0


def test_load_from_checkpoint(small: Compose, tmp_path: Path) -> None:
    frozen = small("model=vae")
    family, data = built(frozen)
    host = trainer(tmp_path, max_epochs=1)
    host.fit(family, data)
    path = tmp_path / "it.ckpt"
    host.save_checkpoint(path)
    with pytest.raises(
        PushforwardError, match=r"^VariationalAutoencoder.load_from_checkpoint needs .*pushforward.load"
    ) as e:
        type(family).load_from_checkpoint(path)
    assert "\n" not in str(e.value)
    node = {k: v for k, v in frozen["model"].items() if k not in ("_target_", "_convert_")}
    parts: dict[str, Any] = instantiate({"_target_": "builtins.dict", "_convert_": "all", **node})
    again = type(family).load_from_checkpoint(path, spec=data.spec, **parts)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in family.state_dict().items())
    assert again.progress == family.progress
    x = data.tensor("test", 5)
    assert torch.equal(again.eval().reconstruct(x), family.cpu().eval().reconstruct(x))


def test_lightnings_own_ddp_is_refused_in_one_line(small: Compose, tmp_path: Path) -> None:
    family, data = built(small("model=vae"))
    try:
        with pytest.raises(PushforwardError, match=r"^Trainer\(strategy='ddp'\).*SlicedDDP\(\)$"):
            trainer(tmp_path, max_epochs=1, strategy="ddp", devices=1).fit(family, data)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_bf16_trains(small: Compose, tmp_path: Path, network: str) -> None:
    """16 steps lie within one autocast: its default cache of bf16 weights would freeze what the later ones see."""
    width = ["network.width=4"] if network == "conv" else []
    terms = {}
    for precision in ("32-true", "bf16-mixed"):
        family, data = built(small("model=vae", f"network={network}", "optimizer.model.lr=0.01", *width))
        family.hosted = True  # keeps the terms of every step
        trainer(tmp_path, max_epochs=1, precision=precision, limit_val_batches=0).fit(family, data)
        assert family.stepper is not None
        terms[precision] = family.stepper.history.steps()["model/reconstruction"]
        assert all(p.dtype is torch.float32 for p in family.parameters())
    fp32, bf16 = terms["32-true"], terms["bf16-mixed"]
    assert fp32[15] < 0.9 * fp32[0]
    # bf16 has 8 bits, 0.4 % a rounding, and roundings of many units average out
    torch.testing.assert_close(bf16, fp32, rtol=0.01, atol=0)
