"""Models that travel: the same model elsewhere, of every kind; damage and strangers in one line; a card that the hub reads."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import pushforward as pf
from pushforward import config, launch
from pushforward.cli import main
from pushforward.composition import compose
from pushforward.exports.write import placeless
from pushforward.initial_weights import checksum
from pushforward.runs import Run, runs_dir
from pushforward.training.load_run import Trained, load

SMALL = ("features=none", "metrics=none", "logger=none", "trainer.threads=1", "trainer.progress=false", "budget.images=64",
         "budget.epochs=null")  # fmt: skip
KINDS = {
    "vae": ("data=digits", "model=vae", "network.hidden=[16]",
            "+measure@metrics.reconstruction=reconstruction", "+measure@metrics.likelihood=likelihood"),
    "tied": ("data=digits", "model=tied_ae"),
    "gan": ("data=digits", "model=conditional_gan", "network=mlp", "network.hidden=[16]"),
    "book": ("data=digits", "model=vq_vae", "network.width=4", "model.bottleneck.entries=16"),
    "latent": ("data=codes", "data.run='tags=vae'", "model=latent_diffusion", "network.hidden=[8]", "model.evaluations=4"),
    "indices": ("data=code_indices", "data.run='tags=book'", "model=pixelcnn_prior", "network.width=4", "network.blocks=1",
                "network.first=3"),
}  # fmt: skip


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of each kind, tagged by its name."""
    folder = tmp_path_factory.mktemp("outputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUSHFORWARD_OUTPUTS", str(folder))
        for name, overrides in KINDS.items():
            frozen = compose([*SMALL, *overrides, f"tags=[{name}]"])
            assert launch.start(frozen) == 0
            assert Run(runs_dir() / config.run_id(frozen)).state == "finished"
        yield folder


def exported(name: str, folder: Path, **options: Any) -> tuple[Trained, Path]:
    """The model of a kind as its run has it, and its export."""
    [run] = pf.find(f"tags={name}")
    return load(run), pf.export(run, folder / name, **options)


@pytest.mark.parametrize("name", KINDS)
def test_a_model_is_the_same_elsewhere(
    name: str, outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the runs that it came from, and without data."""
    assert len(KINDS) == 6
    own, folder = exported(name, tmp_path)
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "nothing"))
    there = pf.load(folder)
    images = torch.randint(0, 17, (3, 1, 8, 8), generator=torch.Generator().manual_seed(0)) / 16
    done = []
    for verb, given in {"sample": (5, 3), "encode": (images,), "reconstruct": (images,), "log_prob": (images,)}.items():
        try:
            expected = getattr(own, verb)(*given)
        except pf.PushforwardError:
            continue
        found = getattr(there, verb)(*given)
        assert torch.equal(*((expected.values, found.values) if verb == "log_prob" else (expected, found))), verb
        done.append(verb)
        if verb == "encode":
            assert torch.equal(own.decode(expected), there.decode(expected))
    assert done == {
        "vae": ["sample", "encode", "reconstruct", "log_prob"], "tied": ["encode", "reconstruct"], "gan": ["sample"],
        "book": ["encode", "reconstruct"],
    }.get(name, ["sample", "log_prob"])  # fmt: skip
    if name == "gan":
        assert torch.equal(own.sample(3, y=torch.tensor([1, 2, 2])), there.sample(3, y=torch.tensor([1, 2, 2])))
    if name in ("latent", "indices"):
        assert (folder / "first_stage" / "model.safetensors").is_file() and there.sample(2).shape == (2, 1, 8, 8)
    assert not there.family.training and "data" not in vars(there)
    assert config.identity(there.run.config) == own.run.identity
    if name == "indices":  # its data are made anew of the images, by the model that travels with it
        assert torch.equal(there.data.tensor("test"), own.data.tensor("test"))


def test_it_loads_in_another_process_without_the_config_tree(outputs: Path, tmp_path: Path) -> None:
    own, folder = exported("latent", tmp_path)
    script = """
import sys
import torch
torch.set_num_threads(1)
import pushforward as pf
from pushforward import config
def gone(*_):
    raise AssertionError("the config tree is not read")
config.conf_dir = gone
torch.save(pf.load("model").sample(6, seed=5), "samples.pt")
"""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    folder.rename(tmp_path / "model")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert torch.equal(torch.load(tmp_path / "samples.pt"), own.sample(6, seed=5))


def test_nothing_of_this_machine_travels(outputs: Path, tmp_path: Path) -> None:
    _, folder = exported("indices", tmp_path)
    files = [path for path in folder.rglob("*") if path.suffix in (".json", ".yaml", ".md")]
    assert len(files) == 10
    for path in files:
        text = path.read_text()
        assert str(outputs) not in text and '"host"' not in text and '"pid"' not in text, path
    assert placeless({"a": ["/home/me/x.npz", "evaluate --config-dir /home/me/conf mse/W1", "https://a.org/b/c", "~/b/c"]}) == {
        "a": ["x.npz", "evaluate --config-dir conf mse/W1", "https://a.org/b/c", "c"]
    }  # fmt: skip


def test_the_card_is_read_by_the_hub(outputs: Path, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    own, folder = exported("vae", tmp_path, license="mit")
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "pushforward" and card.data.license == "mit" and "vae" in card.data.tags
    assert card.data.datasets == ["digits"]
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    numbers = {name: own.run.value(name) for name in ("mse", "psnr", "neg_elbo", "bpd")}
    assert {name: results[name] for name in numbers} == numbers
    text = card.content
    assert "arXiv:1312.6114" in text and "@inproceedings{kingma2014auto," in text and "seed: 1" in text
    row = next(line for line in text.splitlines() if line.startswith("| neg\\_elbo"))
    assert "≤" in row and "nats" in row and "an upper bound" in row and "n 360" in row and "split test" in row
    _, latent = exported("latent", tmp_path)
    assert "first_stage/" in (latent / "README.md").read_text()
    assert (
        ModelCard.load(latent / "README.md").data.pipeline_tag
        == card.data.pipeline_tag
        == "unconditional-image-generation"
    )


def changed(folder: Path, **node: Any) -> None:
    path = folder / "config.yaml"
    frozen = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**frozen, "export": {**frozen["export"], **node}}))


def written(folder: Path, text: str) -> None:
    (folder / "config.yaml").write_text(text)


def rewritten(folder: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, folder / "model.safetensors")
    changed(folder, sha256=checksum(folder / "model.safetensors"))


def test_what_is_damaged_or_does_not_fit_is_one_line(outputs: Path, tmp_path: Path) -> None:
    _, whole = exported("vae", tmp_path)
    state = load_file(whole / "model.safetensors")
    first = next(name for name, value in state.items() if value.ndim == 2)

    def flip(folder: Path) -> None:
        content = bytearray((folder / "model.safetensors").read_bytes())
        content[-5] ^= 1
        (folder / "model.safetensors").write_bytes(content)

    def pickled(folder: Path) -> None:
        torch.save(state, folder / "model.safetensors")
        changed(folder, sha256=checksum(folder / "model.safetensors"))

    def target(folder: Path) -> None:
        written(
            folder, (folder / "config.yaml").read_text().replace("pushforward.families.Variational", "os.Variational")
        )

    cases = {
        "is damaged: its SHA-256 is not": flip,
        r"model\.safetensors is not there": lambda folder: (folder / "model.safetensors").unlink(),
        r"model\.safetensors is damaged \(": pickled,
        f"does not fit the model of config.yaml: {first} is missing": lambda folder: rewritten(
            folder, {name: value for name, value in state.items() if name != first}
        ),
        "more is none of the model's": lambda folder: rewritten(folder, {**state, "more": torch.zeros(1)}),
        rf"{first} is \(1, 2\), in the model": lambda folder: rewritten(folder, {**state, first: torch.zeros(1, 2)}),
        f"{first} is I64, in the model torch.float32": lambda folder: rewritten(
            folder, {**state, first: state[first].long()}
        ),
        r"exported by a later version of pushforward \(format 2": lambda folder: changed(folder, format=2),
        "does not say of which format": lambda folder: changed(folder, format=None),
        "nothing of Python's library may be named": target,
        r"config\.yaml has no batch_size, data, model": lambda folder: written(folder, "export: {format: 1}\nseed: 1\n"),
        r"unreadable: config\.yaml is damaged": lambda folder: written(folder, "a: [1\n"),
    }  # fmt: skip
    for i, (why, damage) in enumerate(cases.items()):
        folder = tmp_path / str(i)
        shutil.copytree(whole, folder)
        damage(folder)
        with pytest.raises(pf.PushforwardError, match=why) as error:
            pf.load(folder)
        assert "\n" not in str(error.value)
    _, latent = exported("latent", tmp_path)
    shutil.rmtree(latent / "first_stage")
    with pytest.raises(pf.PushforwardError, match=r"first_stage is not there"):
        pf.load(latent).sample(1)


def test_a_model_of_own_code_is_loaded_by_leave_alone(outputs: Path, tmp_path: Path) -> None:
    _, folder = exported("vae", tmp_path)
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("pushforward.families.Variational", "evil_models.Variational"))
    (folder / "evil_models.py").write_text("raise SystemExit('this ran')")
    with pytest.raises(pf.PushforwardError, match="the module evil_models is not allowed here"):
        pf.load(folder)


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache with no network behind it."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_model_of_the_hub_is_loaded_from_its_cache(
    outputs: Path, tmp_path: Path, cached: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Laid out as the hub's client does: files of a revision are links to blobs."""
    own, folder = exported("latent", tmp_path)
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = cached / "models--me--latent"
    for i, path in enumerate(path for path in folder.rglob("*") if path.is_file()):
        link = repository / "snapshots" / commit / path.relative_to(folder)
        for place in (link.parent, repository / "blobs", repository / "refs"):
            place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, repository / "blobs" / str(i))
        link.symlink_to(repository / "blobs" / str(i))
    for name in ("main", "v1"):
        (repository / "refs" / name).write_text(commit)
    for spec in ("hf://me/latent", "hf://me/latent@v1", f"hf://me/latent@{commit}"):
        assert torch.equal(pf.load(spec).sample(4), own.sample(4))
    picture = tmp_path / "grid.png"
    with pytest.raises(SystemExit, match="0"):
        main(["sample", "hf://me/latent@v1", "--n", "4", "--out", str(picture)])
    assert picture.is_file()
    for spec, why in {
        "hf://me/latent@v2": "is not available: ", "hf://me/other": "is not available: ", "hf://me": "write hf://user/name",
        "hf://me/a/b": "write hf://user/name",
    }.items():  # fmt: skip
        with pytest.raises(pf.PushforwardError, match=why) as error:
            pf.load(spec)
        assert "\n" not in str(error.value)
    shutil.rmtree(repository / "snapshots" / commit)
    (repository / "snapshots" / commit).mkdir()
    with pytest.raises(pf.PushforwardError, match=r"no config\.yaml in it"):
        pf.load("hf://me/latent")


def test_the_hub_is_asked_for_the_model_s_files_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    asked: list[Any] = []

    def downloaded(repository: str, **how: Any) -> str:
        asked.append((repository, how))
        raise OSError("first line\nsecond")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", downloaded)
    with pytest.raises(pf.PushforwardError, match=r"hf://me/x@v1 is not available: first line$"):
        pf.load("hf://me/x@v1")
    [(repository, how)] = asked
    assert repository == "me/x" and how["revision"] == "v1"
    assert not any(pattern.endswith((".py", ".bin", ".ckpt", "*")) for pattern in how["allow_patterns"])
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(pf.PushforwardError, match=r"needs huggingface-hub: pip install 'pushforward\[hf\]'"):
        pf.load("hf://me/x")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as done:
        main(list(words))
    caught = capsys.readouterr()
    return int(done.value.code or 0), caught.out + caught.err


def test_the_command(outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, run = tmp_path / "model", pf.find("tags=vae")[0]
    code, text = said(capsys, "export", "tags=vae", str(folder))
    assert code == 0 and text.startswith(f"{folder}: {run.id}, ") and "pushforward.load(" in text
    (folder / ".git").mkdir()
    code, text = said(capsys, "export", "tags=tied", str(folder))
    assert code == 2 and "is not empty: name another folder, or replace the model in it by --force" in text
    assert said(capsys, "export", "tags=tied", str(folder), "--force")[0] == 0
    assert pf.load(folder).run.choices["model"] == "tied_ae" and (folder / ".git").is_dir()
    assert not list(folder.glob("samples.png")), "the other model's picture"
    # what was exported is a run to every command, and may be exported again
    assert "tied_ae" in said(capsys, "show", "run", str(folder))[1] + said(capsys, "table", "--runs", str(folder))[1]
    assert said(capsys, "export", str(folder), str(tmp_path / "again"))[0] == 0
    for words, why in (
        ([run.id, str(run.path), "--force"], "holds runs"),
        (["seed=1", str(tmp_path / "x")], "runs; name one"),
        ([run.id, str(folder / "config.yaml")], "is a file"),
        (["nosuch", str(tmp_path / "x")], "No run matches"),
    ):
        code, text = said(capsys, "export", *words)
        assert code == 2 and why in text and text.count("\n") == 1
    status = json.loads((run.path / "status.json").read_text())
    try:
        (run.path / "status.json").write_text(json.dumps({**status, "state": "stopped"}))
        assert "is stopped: train it to its end" in said(capsys, "export", run.id, str(tmp_path / "x"))[1]
    finally:
        (run.path / "status.json").write_text(json.dumps(status))
