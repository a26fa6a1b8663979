"""What a person gets wrong ends in one line that names what was meant, exit code 2, and nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushforward.cli import COMMANDS, main

KL_ON_AE = "+model.objective.kl={_target_: pushforward.objectives.KL, weight: 1.0}"
REFUSED: list[tuple[str, list[str]]] = [  # a command line, and what its message must name
    ("train model.objective.kl.wieght=4", ["model.objective.kl.wieght", "did you mean weight?"]),
    ("train model.objectve.kl.weight=4", ["did you mean objective?", "(in model)"]),
    ("train optimizer.model.lrr=4", ["did you mean lr?", "(in optimizer.model)"]),
    ("train bach_size=4", ["did you mean batch_size?"]),
    ("train +model.objective.kl.wieght=4", ["model.objective.kl.wieght", "did you mean weight?"]),
    ("train model=ae +model.objective.kl.weight=4", ["model.objective.kl", "it has reconstruction", "_target_"]),
    ("train ~model.objective.klx", ["model.objective.klx", "did you mean kl?"]),
    ("train model=vea", ["model=vea", "did you mean vae"]),
    ("train data=mnsit", ["data=mnsit", "did you mean mnist"]),
    ("train experiment=xyz", ["experiment=xyz", "choose from"]),
    ("train modle=vae", ["modle", "did you mean model?"]),
    ("train optimizer=adamw", ["one for each player", "optimizer@optimizer.model=…"]),
    ("train corruption=gaussian", ["takes no corruption", "denoising_ae"]),
    ("train seed=1.5", ["seed=1.5", "a whole number"]),
    ("train batch_size=abc", ["batch_size=abc", "a whole number"]),
    ("train batch_size=0", ["batch_size=0", "at least 1"]),
    ("train weighting.beta=fast", ["weighting.beta=fast", "a number"]),
    ("train weighting.beta=${nope}", ["weighting.beta", "${nope}", "no key"]),
    ("train model.code_dim=big", ["model.code_dim=big", "a whole number"]),
    ("train trainer.devices=two", ["trainer.devices=two", "a whole number"]),
    ("train precision=fp8", ["precision=fp8", "fp32, bf16, fp64"]),
    ("train retry=maybe", ["retry=maybe", "null, stale, failed"]),
    ("train seed=[1", ["seed=[1", "write key=value"]),
    ("train model", ["model:", "write key=value"]),
    ("train seed=5..1", ["seed=5..1", "seed=1..5"]),
    ("train budget.images=100", ["epochs and images", "budget.epochs=null"]),
    ("train budget.epochs=null", ["neither"]),
    ("train budget.epochs=0", ["above 0"]),
    ("train budget.epochs=0.0001", ["budget.epochs=0.0001", "less than one image"]),
    ("train model=gan network.depth=4", ["network.depth=4", "choose 1 to 3"]),
    (f"train|model=ae|{KL_ON_AE}", ["KL", "posterior", "~model.objective.kl"]),
    ("train model._target_=pushforward.families.VariationalAutoencodr", ["did you mean VariationalAutoencoder"]),
    ("train model._target_=nothing.VAE", ["the module nothing is not allowed", "PUSHFORWARD_ALLOW_MODULES=nothing"]),
    ("train data=folder", ["data.source.path", "it has no default"]),
    ("train data=folder data.source.path=/no/such/folder", ["data.source.path=/no/such/folder", "no such file"]),
    ("train -m model=vae,vea", ["model=vea", "did you mean vae"]),
    ("train -m seed=1,x", ["seed=x", "a whole number"]),
    ("train -m model=vae,ae seed=1,2 weighting.beta=fast", ["weighting.beta=fast", "a number"]),
    (f"train|-m|model=vae,ae|{KL_ON_AE.replace('+', '++')}", ["posterior", "~model.objective.kl"]),
    ("tran", ["did you mean train"]),
    ("frobnicate", ["choose from train"]),
    ("list modles", ["modles", "did you mean models"]),
    ("table --rws model", ["--rws"]),
    ("table --plot mse", ["--plot mse", "--plot A,B"]),
    ("table --names vae", ["--names vae", "fd_lenet=FD"]),
    ("table --names a=b,a=c", ["--names a=b,a=c", "a twice"]),
    ("table --caption=", ["--caption", "empty"]),
    ("table --sort --columns mse", ["--sort", "expected one argument"]),
    ("table --digits x", ["--digits", "'x'"]),
    ("why nothing mse", ["No runs in"]),
    ("show thing", ["thing"]),
    ("sample nothing", ["No runs in", "PUSHFORWARD_OUTPUTS"]),
    ("evaluate nothing", ["No runs in"]),
    ("report --out page.txt", ["page.txt: name a file that ends in .html"]),
    ("report nothing", ["No runs in"]),
]


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.delenv("PUSHFORWARD_FULL_ERROR", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return tmp_path / "outputs"


def said(capsys: pytest.CaptureFixture[str], *args: str, code: int = 2) -> str:
    """What a command line prints to stderr, having ended with `code`."""
    with pytest.raises(SystemExit) as done:
        main(args)
    out, err = capsys.readouterr()
    assert done.value.code == code, out + err
    return err


def split(line: str) -> list[str]:
    return line.split("|") if "|" in line else line.split()


@pytest.mark.parametrize(("line", "names"), REFUSED, ids=[line for line, _ in REFUSED])
def test_refused_in_one_line(line: str, names: list[str], outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = said(capsys, *split(line))
    assert message.startswith("error: ") and message.count("\n") == 1, message
    assert all(name in message for name in names), message
    assert not outputs.exists(), "what is refused leaves nothing behind"


def test_refusals_found() -> None:
    assert len(REFUSED) == len({line for line, _ in REFUSED}) >= 45


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("# @package _global_\nmodel: {objective: {kl: {wieght: 4}}}\n", ["model.objective.kl.wieght", "weight"]),
        ("# @package _global_\nweighting: {beta: fast}\n", ["weighting.beta=fast", "a number"]),
        ("# @package _global_\nbach_size: 32\n", ["bach_size", "did you mean batch_size?"]),
        ("# @package _global_\ndefaults: [{override /model: vea}]\n", ["model=vea", "did you mean vae"]),
        ("# @package _global_\noptimizer: fast\n", ["optimizer=fast", "choose from adam"]),
    ],
)
def test_a_typo_in_an_experiment_file(
    content: str, names: list[str], outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "typo.yaml").write_text(content)
    message = said(capsys, "train", "--config-dir", str(tmp_path / "mine"), "experiment=typo")
    assert message.startswith("error: ") and message.count("\n") == 1, message
    assert all(name in message for name in names), message
    assert not outputs.exists()


def test_own_modules_in_the_working_folder_are_found(
    outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "own.yaml").write_text("defaults: [vae, _self_]\n_target_: own_models.Mine\n")
    source = "from pushforward.families import VariationalAutoencoder\nclass Mine(VariationalAutoencoder): pass\n"
    (tmp_path / "own_models.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    message = said(capsys, "train", "--config-dir", "conf", "model=own", "model.code_dim=big")
    assert message == "error: model.code_dim=big: it must be a whole number of at least 1 or null\n"
    assert not outputs.exists()


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    shown = capsys.readouterr().out
    assert done.value.code == 0
    assert len(COMMANDS) >= 10 and all(f"pushforward {name}" in shown for name in COMMANDS)


def test_list_has_a_line_for_each_option(capsys: pytest.CaptureFixture[str]) -> None:
    from pushforward.config import conf_dir, options

    groups = sorted(p.name for p in conf_dir().iterdir() if p.is_dir())
    assert len(groups) >= 11
    for group in groups:
        with pytest.raises(SystemExit) as done:
            main(["list", group])
        out = capsys.readouterr().out
        lines = (
            [line for line in out.splitlines() if line.startswith("  ")]
            if group == "model"
            else out.split("\n\n")[0].splitlines()
        )
        assert done.value.code == 0
        listed = [line.split()[0] for line in lines]
        assert (sorted(listed) if group == "model" else listed) == options(group)
        assert all(len(line.split()) > 1 for line in lines), f"{group}: an option without a first comment line"


def test_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PUSHFORWARD_DATA", raising=False)
    with pytest.raises(SystemExit) as done:
        main(["doctor"])
    shown = capsys.readouterr().out
    assert done.value.code == 0, shown
    assert all(
        word in shown for word in ("python", "torch", "threads", "logger=wandb", "outputs", "GiB free", "[tensorboard]")
    )
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit) as done:
        main(["doctor"])
    assert done.value.code == 1
    assert "✗ PUSHFORWARD_DATA" in capsys.readouterr().out


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m pushforward --help | true; {sys.executable} -m pushforward list data | head -1"
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}  # each line is a write of its own
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env)
    assert done.stderr == ""


def test_a_table_of_unlike_cards_is_refused_unless_allowed(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pushforward.runs import RunDir

    for model, n in (("ae", 360), ("vae", 1000)):
        run = RunDir.create(outputs / "runs" / f"{model}-digits-s1-000000", {"choices": {"model": model}, "seed": 1})
        run.set_status(state="finished")
        run.write_record({"mse": {"value": 0.5, "unit": "per pixel", "card": {"better": "lower", "n": n}, "na": None}})
    message = said(capsys, "table")
    assert message.startswith("error: cards of mse differ in n = 360 (ae), 1000 (vae): ") and message.count("\n") == 1
    assert "--allow-mixed" in message and not (outputs / "tables").exists()
    said(capsys, "table", "--allow-mixed", code=0)
    assert "mixed cards" in (outputs / "tables" / "table.md").read_text()
    assert "no run has model=gan" in said(capsys, "table", "--allow-mixed", "--compare", "ae,gan")


def test_a_table_takes_names_digits_caption_label_and_order(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pushforward.runs import RunDir

    for model, mse in (("ae", 0.123456), ("vae", 0.234567)):
        run = RunDir.create(outputs / "runs" / f"{model}-digits-s1-000000", {"choices": {"model": model}, "seed": 1})
        run.set_status(state="finished")
        card = {"better": "lower", "floor": 0.01}
        run.write_record({"mse": {"value": mse, "unit": "", "card": card, "na": None}})
    names = 'ae=AE,"mse=MSE, test"'
    options = ["--digits", "2", "--caption", "All", "--label", "tab:all", "--sort", "-mse", "--no-references"]
    said(capsys, "table", "x", "--names", names, *options, code=0)
    lines = (outputs / "tables" / "x.md").read_text().splitlines()
    assert lines[0] == "### All" and lines[2].startswith("| model | MSE, test ↓ |")
    assert lines[4:7] == ["| vae | 0.23 | 1 |", "| AE | 0.12 | 1 |", ""]
    assert r"\label{tab:all}" in (outputs / "tables" / "x.tex").read_text()
    assert "no mes in this table. Nearest: mse" in said(capsys, "table", "--sort", "mes")


def test_a_picture_beside_the_table_and_why_a_number_is_what_it_is(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pushforward.composition import compose
    from pushforward.runs import RunDir

    for beta in (1, 4):
        frozen = compose(["model=vae", "data=digits", f"weighting.beta={beta}"])
        run = RunDir.create(outputs / "runs" / f"vae-digits-s1-00000{beta}", frozen)
        run.set_status(state="finished", commit="abc")
        numbers = {
            name: {"value": beta, "unit": "nats", "card": {"n": 9}, "na": None} for name in ("rate", "distortion")
        }
        run.write_record(numbers)
    line = "table rd --rows weighting.beta --columns rate --plot rate,distortion"
    said(capsys, *line.split(), code=0)
    made = sorted(path.name for path in (outputs / "tables").iterdir())
    assert made == ["rd-rate-distortion.png", "rd.csv", "rd.html", "rd.md", "rd.tex"]
    with pytest.raises(SystemExit) as done:
        main(["why", "vae-digits-s1-000004", "rate"])
    shown = capsys.readouterr().out
    assert done.value.code == 0 and "4 nats" in shown and "n  9" in shown
    assert "pushforward train model=vae data=digits weighting.beta=4" in shown
    assert "pushforward evaluate vae-digits-s1-000004" in shown


def test_every_measure_says_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    from pushforward.cli.commands_about import COSTS, price
    from pushforward.config import conf_dir

    files = sorted((conf_dir() / "measure").glob("*.yaml"))
    assert len(files) >= 17 and {price(file) for file in files} == set(COSTS)
    with pytest.raises(SystemExit) as done:
        main(["list", "metrics"])
    listed = capsys.readouterr().out
    assert done.value.code == 0 and all(file.stem in listed for file in files)
