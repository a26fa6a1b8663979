"""Tab completes commands, overrides and run names, in the shells themselves; lists are whole sentences."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from zoo import RECIPES

from pushforward import cli
from pushforward.cli.commands_about import launchers, listed, summaries
from pushforward.cli.completion import HOW, SCRIPTS, completed
from pushforward.config import conf_dir
from pushforward.runs import RunDir, runs_dir


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    for name in ("vae-digits-s1-aaaa", "gan-digits-s1-bbbb"):
        RunDir.create(runs_dir() / name, {"choices": {"model": "vae"}})


def models(start: str) -> list[str]:
    """The recipes that begin so, as they are completed."""
    return [f"model={recipe}" for recipe in RECIPES if recipe.startswith(start)]


CASES = {
    "pushforward ev": ["evaluate"],
    "pushforward train model=v": models("v"),
    "pushforward train -m model=vae,ga": [model.replace("=", "=vae,") for model in models("ga")],
    "pushforward train weighting=w": ["weighting=warmup"],
    "pushforward train model=gan n_cr": [],
    "pushforward train model=vae weighting.be": ["weighting.beta="],
    "pushforward train model=wgan_gp model.n_c": ["model.n_critic="],
    "pushforward train hydra/launcher=v": ["hydra/launcher=vectorized"],
    "pushforward train --pl": ["--plan"],
    "pushforward reproduce iwae": ["iwae_t1"],
    "pushforward reproduce iwae_t1 preset=c": ["preset=cpu_small"],
    "pushforward reproduce iwae_t1 --pl": ["--plan"],
    "pushforward cite iwae": ["iwae", "iwae_t1"],
    "pushforward train optimizer@optimizer.model=sg": ["optimizer@optimizer.model=sgd"],
    "pushforward status va": ["vae-digits-s1-aaaa"],
    "pushforward evaluate 'ga": ["gan-digits-s1-bbbb"],
    "pushforward why latest --no": [],
    "pushforward figure rec": ["reconstructions"],
    "pushforward figure curves --runs va": ["vae-digits-s1-aaaa"],
    "pushforward export va": ["vae-digits-s1-aaaa"],
    "pushforward export latest model --fo": ["--force"],
    "pushforward table --plo": ["--plot"],
    "pushforward show model sparse_ae_top": ["sparse_ae_topk"],
    "pushforward show ru": ["run"],
    "pushforward list laun": ["launchers"],
    "pushforward completion f": ["fish"],
}


@pytest.mark.parametrize("line", CASES)
def test_what_may_follow(line: str) -> None:
    assert len(CASES) == 26 and len(models("v")) >= 3 and completed(line) == CASES[line]


def test_an_own_folder_s_options_complete_too(tmp_path: Path) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "mine.yaml").write_text("# mine: A model of my own. More.\n_target_: mine.Model\n")
    line = f"pushforward train --config-dir {tmp_path / 'own'} model=min"
    assert completed(line) == sorted(["model=mine", *models("min")])


def test_bash_completes_after_an_equals_sign(tmp_path: Path) -> None:
    """bash takes = for the end of a word."""
    (tmp_path / "pushforward").write_text(f'#!/bin/sh\nexec {sys.executable} -m pushforward "$@"\n')
    (tmp_path / "pushforward").chmod(0o755)
    script = f"""PATH={tmp_path}:$PATH; eval "$(pushforward completion bash)"
    COMP_LINE="pushforward train model=spline_f"; COMP_POINT=${{#COMP_LINE}}; _pushforward; echo "${{COMPREPLY[@]}}"
    COMP_LINE="pushforward tr"; COMP_POINT=${{#COMP_LINE}}; _pushforward; echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("spline_flow\ntrain\n", "")


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_shell_reads_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "pushforward completion words" in script and set(SCRIPTS) == set(HOW)
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True, capture_output=True).stderr == ""


def test_every_option_is_listed_in_a_whole_sentence() -> None:
    names = listed()
    assert {"launchers", "schedules", "models", "networks", "metrics", "data"} <= set(names)
    seen = 0
    for group in {path.parent.relative_to(conf_dir()).as_posix() for path in conf_dir().rglob("*/*.yaml")}:
        for option, text in summaries(group).items():
            assert text.endswith(".") and not re.match(r"[a-z](?!og p|̃|ll_)", text), (group, option, text)
            seen += 1
    assert seen > 80
    assert set(launchers()) == {"basic", "process", "ray", "slurm", "vectorized"} and all(launchers().values())


def test_list_and_show_take_a_folder_and_refuse_what_there_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "mine.yaml").write_text("# mine: A model of\n# my own, et al. 2020. More.\n")
    assert cli.run(["list", "models", "--config-dir", str(tmp_path / "own")]) == 0
    assert "mine                   A model of my own, et al. 2020.\n" in capsys.readouterr().out
    assert cli.run(["list", "launchers"]) == 0 and "vectorized" in capsys.readouterr().out
    assert cli.run(["list", "modles"]) == 2 and "did you mean model" in capsys.readouterr().err
    for command in (["list", "models"], ["show", "model", "vae"]):
        assert cli.run([*command, "--config-dir", str(tmp_path / "none")]) == 2
        assert "there is no such folder" in capsys.readouterr().err


def test_help_names_what_a_person_looks_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    words = ("--plan", "retry=failed", "seed=1..3", "launchers", "--config-dir", "pushforward completion")
    assert [word for word in words if word not in shown] == []
    assert cli.run(["train", "--hydra-help"]) == 0
    shown = capsys.readouterr().out
    assert "pushforward completion" in shown and "eval" not in shown
