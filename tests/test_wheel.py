"""The wheel holds all that a run needs, and finds it away from the checkout. Needs no network."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def files(folder: Path, pattern: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob(pattern) if "__pycache__" not in path.parts}


def test_the_wheel_is_whole(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    conf = {f"pushforward/conf/{name}" for name in files(ROOT / "conf", "*.yaml")}
    assert len(conf) >= 50 and conf <= names
    assets = {f"pushforward/assets/{name}" for name in files(ROOT / "src" / "pushforward" / "assets", "*.*")}
    assert len(assets) >= 2 and assets <= names
    page = {
        f"pushforward/report/page/{name}" for name in files(ROOT / "src" / "pushforward" / "report" / "page", "*.*")
    }
    assert {path.rpartition(".")[2] for path in page} >= {"j2", "css", "js"} and page <= names
    modules = files(ROOT / "src", "*.py")
    assert len(modules) >= 90 and modules <= names
    assert "hydra_plugins/pushforward_launchers/launchers.py" in names
    assert "hydra_plugins/__init__.py" not in names, "the namespace is Hydra's: a file of ours would hide other plugins"
    outside = {name for name in names if not name.startswith(("pushforward/", "hydra_plugins/", "pushforward-"))}
    assert not outside


def test_the_config_tree_is_found_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """Unpacked ahead of the checkout on the path, as site-packages would have it."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    script = """
from pathlib import Path
import pushforward
from pushforward import config
from pushforward.composition import compose
import hydra_plugins.pushforward_launchers.launchers as launcher
site = Path.cwd() / "site"
assert Path(pushforward.__file__).is_relative_to(site), pushforward.__file__
assert Path(launcher.__file__).is_relative_to(site), launcher.__file__
assert config.conf_dir() == (site / "pushforward" / "conf").resolve(), config.conf_dir()
print(compose(["model=vae", "data=digits"])["choices"]["model"])
"""
    env = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.stdout.strip() == "vae", done.stderr


def test_a_folder_named_conf_beside_site_packages_is_not_ours(wheel: Path, tmp_path: Path) -> None:
    """Only a checkout has conf two folders above the package."""
    site = tmp_path / "lib" / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (tmp_path / "lib" / "conf").mkdir()
    (tmp_path / "lib" / "conf" / "train.yaml").write_text("# another project's\n")
    script = "from pushforward import config; print(config.conf_dir())"
    env = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.stdout.strip() == str((site / "pushforward" / "conf").resolve()), done.stderr


@pytest.mark.slow
def test_an_exported_model_gives_the_same_samples_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """The wheel with its core dependencies as constraints.txt pins them: needs the package index, and some minutes."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "PUSHFORWARD_OUTPUTS": str(tmp_path),
    }
    here = [sys.executable, "-c"]
    make = """
import torch
import pushforward as pf
small = ("budget.images=64", "budget.epochs=null", "metrics=none", "features=none", "logger=none", "trainer.threads=1")
first = pf.train("model=vae", "data=digits", *small)
run = pf.train("model=latent_diffusion", "data=codes", f"data.run={first.id}", "model.evaluations=8", *small)
pf.export(run, "model")
torch.save(pf.load(run).sample(16, seed=3), "here.pt")
"""
    check = """
import sys
from pathlib import Path
import torch
import pushforward as pf
assert Path(pf.__file__).is_relative_to(sys.prefix), pf.__file__
assert torch.equal(pf.load("model").sample(16, seed=3), torch.load("here.pt"))
print("same")
"""
    python = tmp_path / "empty" / "bin" / "python"
    for command in (
        [*here, make],
        [sys.executable, "-m", "venv", str(tmp_path / "empty")],
        [str(python), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)],
        [str(python), "-c", check],
    ):
        installing = "pip" in command
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **env} if installing else env
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "same\n"
    sample = [str(python.with_name("pushforward")), "sample", "model", "--n", "4", "--out", "grid.png"]
    assert subprocess.run(sample, cwd=tmp_path, env=env).returncode == 0 and (tmp_path / "grid.png").is_file()
