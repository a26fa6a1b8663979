"""What a person writes is what the config holds: paths as they stand, values from Python, ranges, null groups."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from pushforward import composition
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.overrides import override, read, written

SIGNS = [
    "~x",
    "it's",
    "a=b",
    "a#b",
    "a(b",
    "a)b",
    "a,b",
    "a b",
    "é ü",
    "[a]",
    "{a}",
    "a:b",
    "\\",
    "a\\'b",
    "'q'",
    "100%",
    "$HOME",
    "a;b",
    "!x",
    "@",
]
"""Signs that are of Hydra's grammar, of the shell's, or of neither, in names of folders."""


def value_of(text: str) -> Any:
    """What Hydra reads of `key=value`."""
    return OverridesParser.create().parse_override(text).value()


@pytest.mark.parametrize("sign", SIGNS)
def test_a_path_is_taken_as_it_stands(sign: str, tmp_path: Path) -> None:
    there = tmp_path / f"{sign}.npz"
    there.touch()
    for several in (False, True):
        (made,) = read([f"data.source.path={there}"], several)
        assert str(value_of(made)) == str(there)
    (made,) = read([f"features.weights_path={tmp_path}/no{sign}.npz"])  # it need not be there
    assert str(value_of(made)) == f"{tmp_path}/no{sign}.npz"


def test_signs_found() -> None:
    assert len(SIGNS) == 20


def test_a_path_composes_as_it_stands(tmp_path: Path) -> None:
    there = tmp_path / "it's (a) #=1,é" / "x.npz"
    there.parent.mkdir()
    there.touch()
    assert compose(read(["data=npz", f"data.source.path={there}"]))["data"]["source"]["path"] == str(there)


def test_home_is_expanded_and_what_is_quoted_or_refers_to_another_key_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert value_of(read(["data.source.path=~/mine.npz"])[0]) == "/home/me/mine.npz"
    for stays in ("null", "???", "'a b'", '"a b"', "${oc.env:HOME}/x", ""):
        assert read([f"data.source.path={stays}"]) == [f"data.source.path={stays}"]


def test_with_m_commas_part_paths_that_are_not_there(tmp_path: Path) -> None:
    (made,) = read([f"data.source.path={tmp_path}/it's,{tmp_path}/b"], several=True)
    assert [plain(v) for v in value_of(made).list] == [f"{tmp_path}/it's", f"{tmp_path}/b"]
    assert read(["data.source.path=glob(*)"], several=True) == ["data.source.path=glob(*)"]


def test_ranges() -> None:
    assert read(["seed=1..4"], several=True) == ["seed=range(1,5)"]
    assert read(["seed=-1..1"], several=True) == ["seed=range(-1,2)"]
    assert read(["model.code_dim=2..2"]) == ["model.code_dim=2"]
    for as_it_is in ("seed=1", "model=a..b", "tags=[x..y]"):
        assert read([as_it_is]) == [as_it_is]
    with pytest.raises(PushforwardError, match=r"seed=4\.\.1: a range a\.\.b runs upwards"):
        read(["seed=4..1"], several=True)
    with pytest.raises(PushforwardError, match=r"seed=1\.\.4: several values of a key take -m"):
        read(["seed=1..4"])


def test_a_range_is_not_written_out() -> None:
    """A hundred million seeds are a word, and refused as too many jobs before any is composed."""
    assert read(["seed=1..100000000"], several=True) == ["seed=range(1,100000001)"]


def test_text_that_hydra_has_no_place_for_is_text() -> None:
    assert value_of(read(["study.name=it's mine (2)"])[0]) == "it's mine (2)"
    assert read(["tags=[a,b]"]) == ["tags=[a,b]"]
    for broken in ("seed=[1", "tags={a", "seed", "=3", "tags='a"):
        with pytest.raises(PushforwardError, match="this cannot be read"):
            read([broken])


@pytest.mark.parametrize("group", ["logger", "features", "metrics"])
def test_null_is_none_where_a_run_can_do_without(group: str) -> None:
    assert read([f"{group}=null"]) == [f"{group}=none"]
    assert read([f"{group}=null,none"], several=True) == [f"{group}=none,none"]
    compose(read([f"{group}=null"]))


@pytest.mark.parametrize("group", ["experiment", "study"])
def test_null_is_nothing_where_nothing_is_chosen_by_default(group: str) -> None:
    assert read([f"{group}=null"]) == []


@pytest.mark.parametrize(
    "group", ["model", "data", "network", "weighting", "trainer", "optimizer", "likelihood", "corruption"]
)
def test_null_is_refused_of_the_rest(group: str) -> None:
    with pytest.raises(PushforwardError, match=rf"{group}=null: .*choose from \w+") as caught:
        read([f"{group}=null"])
    assert "\n" not in str(caught.value)


VALUES: list[Any] = [
    None, True, False, 3, -1, 2.5, 1e-5, 1e20, "text", "it's", 'say "x"', "a,b", "1e-3", "null", "true", "", " ",
    "é", "\\", "x\\'",
    [1, 2.5, "a b"], [], {"a": 1, "b": ["it's", None]}, {}, [[8], [16, 8]], "model=vae", "a\nb", "~", "x" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_values_from_python_are_what_the_config_holds(value: Any) -> None:
    assert compose(read([override("tags", [value])]))["tags"] == [value] if isinstance(value, str) else True
    found = value_of(override("some.key", value))
    assert plain(found) == value and type(plain(found)) is type(value)


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    return getattr(value, "text", value)


def test_values_found_and_other_types() -> None:
    assert len(VALUES) == 29
    assert written((64, 32)) == "[64,32]" and written(Path("a b")) == "'a b'"
    assert written(np.float32(0.5)) == "0.5" and written(np.int64(3)) == "3"
    with pytest.raises(PushforwardError, match="is a object: a config has numbers"):
        written(object())


def test_composing_works_within_another_hydra_application_and_in_threads() -> None:
    from hydra import initialize, version
    from hydra.core.global_hydra import GlobalHydra

    with initialize(config_path=None, version_base="1.1"):
        before, base = GlobalHydra.instance().hydra, version.getbase()
        found: list[Any] = []

        def work(seed: int) -> None:
            found.append(compose(["model=ae", f"seed={seed}"])["seed"])

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [0, 1, 2, 3]
        assert GlobalHydra.instance().hydra is before and version.getbase() == base


def test_a_key_without_its_beginning_is_named_whole() -> None:
    for given, meant in (("code_dim=3", "model.code_dim"), ("source.name=x", "data.source.name")):
        with pytest.raises(PushforwardError, match=f"did you mean {meant}"):
            composition.compose(["data=toy2d", given])
