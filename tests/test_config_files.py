"""A person's config file that is none is refused in one line that names the file and the line, before Hydra reads it."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pushforward.cli import run
from pushforward.composition import compose
from pushforward.config_files import MOST, check_file
from pushforward.errors import PushforwardError

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
WRONG: dict[str, tuple[bytes, int, str]] = {  # content, line, what is said
    "latin-1": (b"seed: 1\ntags: [caf\xe9]\n", 2, "0xe9 is no UTF-8"),
    "utf-16": ("seed: 1\n".encode("utf-16"), 1, "is no UTF-8"),
    "duplicate key": (b"seed: 1\nbudget: {epochs: 1}\nseed: 2\n", 3, "the key seed stands in line 1 already"),
    "a key that YAML reads as a boolean": (b"model:\n  off: 1.0\n", 2, "the key off is read as true or false"),
    "a key that YAML reads as nothing": (b"~: 1.0\n", 1, "the key ~ is read as nothing"),
    "tab": (b"budget:\n\tepochs: 1\n", 2, "a tab"),
    "list": (b"- 1\n", 1, "it is a list"),
    "scalar": (b"# a comment\n5\n", 2, "it is a single value"),
    "tag": (b"seed: 1\ntags: !!python/object/apply:os.system [ls]\n", 2, "the tag !!python/object/apply:os.system"),
    "NUL": (b"seed: 1\ntags: a\0b\n", 2, "a sign that text does not have"),
    "levels": (b"tags: " + b"[" * 5000 + b"]" * 5000, 1, "more than 40 levels"),
    "digits": (b"seed: " + b"9" * 6000, 1, "a number of 6,000 digits"),
    "bomb": (BOMB.encode(), 5, f"more than {MOST:,} values"),
    "itself": (b"seed: 1\ntags: &a [*a]\n", 2, "stands within what it refers to"),
    "documents": (b"seed: 1\n---\nseed: 2\n", 2, "a second document"),
    "key": (b"{[1, 2]: 3}\n", 1, "a key is a name"),
    "open": (b"x: {a: 1\n", 2, "it is no YAML"),
    "size": (b"# " + b"x" * 1_000_001, 1, "it has 1,000,003 bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused_in_one_line_with_file_and_line(name: str, tmp_path: Path) -> None:
    content, line, said = WRONG[name]
    file = tmp_path / "experiment" / "mine.yaml"
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(PushforwardError) as caught:
        check_file(file)
    assert str(caught.value).startswith(f"{file}:{line}: ") and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cases_found() -> None:
    assert len(WRONG) == 18


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# nothing\n",
        "a: &x {b: 1}\nc: *x\nd: {<<: *x, b: 2}\n",
        "x: !!str 5\n",
        "é: ü\n",
        "\ufeffseed: 1\n",
        "null\n",
    ],
)
def test_what_configs_are_is_taken(content: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content, encoding="utf-8")
    check_file(file)


def refused(tmp_path: Path, *overrides: str, **files: str) -> str:
    """What is said of overrides with a person's own experiments."""
    (tmp_path / "experiment").mkdir()
    for name, content in files.items():
        (tmp_path / "experiment" / f"{name}.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(PushforwardError) as caught:
        compose(list(overrides), tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    return str(caught.value)


def test_a_circle_of_defaults_is_named(tmp_path: Path) -> None:
    said = refused(tmp_path, "experiment=a", a="defaults:\n  - b\n", b="defaults:\n  - a\n", c="seed: [\n")
    assert "experiment/a → experiment/b → experiment/a" in said and str(tmp_path) in said


@pytest.mark.parametrize("defaults", ["5", "[[1]]", "[{model: [a, {b: c}]}]"])
def test_a_defaults_list_that_is_none_names_its_file(defaults: str, tmp_path: Path) -> None:
    assert str(tmp_path / "experiment" / "a.yaml") in refused(tmp_path, "experiment=a", a=f"defaults: {defaults}\n")


def test_a_package_that_is_none_names_its_file(tmp_path: Path) -> None:
    assert "a.yaml" in refused(tmp_path, "experiment=a", a="# @package foo bar baz\nseed: 1\n")


def test_a_package_that_was_forgotten_is_named(tmp_path: Path) -> None:
    assert "@package _global_" in refused(tmp_path, "experiment=a", a="seed: 1\n")


@pytest.mark.parametrize("value", ["${", "${nothing}", "${seed}", "${oc.env:NOT_THERE}"])
def test_references_that_lead_nowhere(value: str, tmp_path: Path) -> None:
    assert refused(tmp_path, "experiment=a", a=f"# @package _global_\nseed: '{value}'\n")


@pytest.mark.parametrize(
    "key",
    ["trainer.accumulate_grad_batches", "selection.metrics", "budget.epoch", "metrics.sampels.k", "logger.x", "foo"],
)
def test_unknown_keys_in_files_are_refused(key: str, tmp_path: Path) -> None:
    node = "3"
    for part in reversed(key.split(".")):
        node = f"{{{part}: {node}}}"
    said = refused(tmp_path, "experiment=a", a=f"# @package _global_\n{node}\n")
    assert key.split(".")[-1] in said or "sampels" in said


def test_control_characters_of_a_file_are_shown_and_not_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text('# @package _global_\ntags: ["a\u202eb"]\n', encoding="utf-8")
    assert run(["train", "--config-dir", str(tmp_path / "own"), "experiment=mine", "--cfg", "job"]) == 0
    shown = capsys.readouterr().out
    assert "\u202e" not in shown and "seed: 1" in shown


def test_a_file_is_parsed_once_as_long_as_it_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, parsed, load = tmp_path / "weighting" / "mine.yaml", list[str](), OmegaConf.load
    file.parent.mkdir()
    monkeypatch.setattr(OmegaConf, "load", lambda stream: parsed.append(stream.name) or load(stream))
    for beta in (2.0, 2.0, 12.0):
        if not file.exists() or f"{beta}" not in file.read_text():
            file.write_text(f"_target_: pushforward.objectives.Constant\nbeta: {beta}\n")
        frozen = compose(["model=ae", "weighting=mine"], tmp_path)
        assert frozen["weighting"]["beta"] == beta
    assert parsed.count(str(file)) == 2 and max(map(parsed.count, parsed)) == 2
