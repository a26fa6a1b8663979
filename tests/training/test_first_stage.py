"""Models over another run's codes: whose codes they are, what they are, what samples become, and what is refused."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pushforward import config, launch
from pushforward.composition import compose
from pushforward.data import CodesModule
from pushforward.errors import PushforwardError
from pushforward.families import Autoencoder, IterativeSampler, Samples
from pushforward.protocol.subject import Subject, as_images
from pushforward.report import tables
from pushforward.runs import Run, RunDir, find, runs_dir
from pushforward.spec import DataSpec
from pushforward.training import build
from pushforward.training.load_run import load
from pushforward.training.selection import Selector

QUIET = ("features=pixels", "logger=none", "trainer.threads=1", "trainer.progress=false", "budget.epochs=1")
MEASURED = ("metrics=none", "+measure@metrics.samples=samples", "metrics.samples.images=100", "metrics.samples.parts=[frechet]",
            "+measure@metrics.likelihood=likelihood")  # fmt: skip
FIRST = {
    "vector": ("model=ae", "network.hidden=[16]", "model.code_dim=3"),
    "map": ("model=ae", "network=conv", "network.width=4", "model.code=map", "model.code_dim=2"),
    "vae": ("model=vae", "network.hidden=[16]", "model.code_dim=3", "likelihood=gaussian"),
    "book": ("model=vq_vae", "network.width=4", "model.bottleneck.entries=16"),
    "levels": ("model=fsq_vae", "network.width=4"),
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs that encode: of vectors, of maps, and a VAE with its measures."""
    folder = tmp_path_factory.mktemp("outputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUSHFORWARD_OUTPUTS", str(folder))
        for name, first in FIRST.items():
            measured = MEASURED if name == "vae" else ("metrics=none",)
            assert trained("data=digits", *first, *measured, f"tags=[{name}]").state == "finished"
        yield folder


def trained(*overrides: str) -> Run:
    frozen = compose([*QUIET, *overrides])
    assert launch.start(frozen) == 0
    return Run(runs_dir() / config.run_id(frozen))


def first(name: str) -> Run:
    [run] = find(f"tags={name}")
    return run


def over(name: str, *overrides: str) -> dict[str, Any]:
    """The config of a flow over the codes of a run."""
    small = ("model=realnvp", "model.bijection.transforms=2", "model.bijection.hidden=[8]", "metrics=none")
    return compose([*QUIET, "data=codes", f"data.run={first(name).id}", *small, *overrides])


def test_a_run_over_codes_is_told_apart_by_whose_codes_they_are(outputs: Path, tmp_path: Path) -> None:
    frozen, run = over("vector"), first("vector")
    for given in (run.id[:-3], str(run.path), "'tags=vector'"):
        assert config.identity(over("vector", f"data.run={given}")) == config.identity(frozen)
    assert frozen["data"]["run"] == str(run.path) and frozen["data"]["name"] == "digits_codes"
    assert frozen["encoder"]["identity"] == run.identity and frozen["encoder"]["data"] == "digits"
    others = [
        {**frozen, "encoder": {**frozen["encoder"], key: "other"}} for key in ("identity", "sha256")
    ] + [over("map")]  # fmt: skip
    assert len({config.identity(f) for f in (frozen, *others)}) == 4
    moved = tmp_path / "elsewhere"
    shutil.copytree(run.path, moved)
    assert config.identity(over("vector", f"data.run={moved}")) == config.identity(frozen)


def test_codes_are_what_the_encoder_gives_split_and_standardised(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = build.build_data(over("vector"))
    assert isinstance(data, CodesModule) and data.origin is not None
    model, images = load(first("vector")), data.origin.data
    assert data.spec.shape == (3,) and data.spec.n_train == 1257 and not data.spec.bounded and data.spec.levels is None
    for split in ("train", "val", "test"):
        with torch.no_grad():
            z = model.family.encode(images.tensor(split))  # type: ignore[operator]
        torch.testing.assert_close(data.spec.original(data.tensor(split)).float(), z, rtol=1e-5, atol=1e-5)
        assert torch.equal(data.labels(split), images.labels(split))  # type: ignore[arg-type]
    x = data.tensor("train")
    torch.testing.assert_close(x.mean(0), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(3), rtol=0, atol=1e-5)

    def gone(*_: Any) -> Any:
        raise AssertionError("codes are made once")

    monkeypatch.setattr(Autoencoder, "encode", gone)
    assert torch.equal(build.build_data(over("vector")).tensor("test"), data.tensor("test"))


def test_codes_of_a_map_stay_a_map_standardised_by_channel(outputs: Path) -> None:
    data = build.build_data(over("map"))
    x = data.tensor("train")
    assert data.spec.shape == (2, 4, 4) and len(data.spec.scale) == 2
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.ones(2), rtol=0, atol=1e-5)
    back = data.spec.original(x)
    torch.testing.assert_close(data.spec.standardized(back), x)
    assert data.spec.log_scale == pytest.approx(16 * sum(map(math.log, data.spec.scale)))


def test_points_are_standardised_as_they_were() -> None:
    spec = DataSpec((2,), None, 10, low=-math.inf, high=math.inf, shift=(1.0, 2.0), scale=(3.0, 0.5))
    x = torch.tensor([[4.0, 2.5]])
    assert torch.equal(spec.standardized(x), torch.ones(1, 2)) and torch.equal(
        spec.original(torch.ones(1, 2)), x.double()
    )
    assert spec.log_scale == math.log(3.0) + math.log(0.5)


def test_samples_decode_to_images_that_are_measured_beside_those_of_other_models(outputs: Path) -> None:
    run = trained(
        "data=codes", f"data.run={first('vae').id}", "model=vae", "model.code_dim=2", "network.hidden=[8]", *MEASURED
    )
    model = load(run)
    x = model.sample(5)
    assert x.shape == (5, 1, 8, 8) and float(x.min()) >= 0 and float(x.max()) <= 1
    with torch.no_grad():
        z = model.family.sample(5, torch.Generator().manual_seed(0))  # type: ignore[operator]
        own = load(first("vae")).family.decode(model.spec.original(z).float())  # type: ignore[operator]
    assert own.shape == x.shape
    assert (run.samples / "samples.png").is_file()
    theirs, ours = (r.metrics for r in (first("vae"), run))
    fd, nll = ours["fd_pixels"]["card"], ours["neg_elbo"]["card"]
    assert fd["data"] == theirs["fd_pixels"]["card"]["data"] and fd["floor"] == theirs["fd_pixels"]["card"]["floor"]
    assert first("vae").id in fd["sampler"] and "modelled" not in fd
    assert nll["modelled"] == f"codes of {first('vae').id}" and ours["neg_elbo"]["value"] is not None
    assert [found.id for found in find("data=digits_codes,model=vae")] == [run.id]
    table = tables.build([first("vae"), run], rows=("model", "data"), columns=("fd_pixels", "neg_elbo"))
    column = {c.name: c for c in table.columns}
    assert not column["fd_pixels"].unranked and column["neg_elbo"].unranked
    assert any("modelled" in note and "neg_elbo" in note for note in table.notes)
    assert [row.reference for row in table.rows].count(True) == 4  # one set of them for both: they share their images


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("vector", ("model=flow_matching", "network=mlp", "network.hidden=[8]")),
        ("map", ("model=ddpm", "network.width=4", "network.multipliers=[1,1]", "model.evaluations=4")),
        ("map", ("model=realnvp", "model.bijection.transforms=2", "model.bijection.hidden=[8]")),
    ],
)
def test_models_of_all_kinds_learn_codes(outputs: Path, name: str, model: tuple[str, ...]) -> None:
    frozen = compose(
        [*QUIET, "data=codes", f"data.run={first(name).id}", *model, "metrics=none", "budget.images=128", "budget.epochs=null"]
    )  # fmt: skip
    assert launch.start(frozen) == 0
    trained_model = load(Run(runs_dir() / config.run_id(frozen)))
    shown, images = as_images(trained_model.family, trained_model.data)
    assert isinstance(shown, Samples) and images.spec.shape == (1, 8, 8)
    assert isinstance(shown, IterativeSampler) == isinstance(trained_model.family, IterativeSampler)
    x = shown.sample(3, torch.Generator().manual_seed(0))
    assert x.shape == (3, 1, 8, 8) and bool(x.isfinite().all())


@pytest.mark.parametrize(("name", "entries"), [("book", 16), ("levels", 1000)])
def test_a_prior_of_indices_draws_codes_that_decode(outputs: Path, name: str, entries: int) -> None:
    indices = (*QUIET, "data=code_indices", f"data.run={first(name).id}")
    small = ("network.width=4", "network.blocks=1", "network.first=3", "budget.images=128", "budget.epochs=null")
    run = trained(*indices, "model=pixelcnn_prior", *small, "metrics=none")
    model = load(run)
    assert run.config["data"]["name"] == "digits_indices" and model.spec.levels == entries
    assert model.data.spec.shape == (1, *model.data.tensor("test").shape[2:]) and model.data.spec.bounded
    assert isinstance(model.data, CodesModule) and model.data.origin is not None
    # the numbers stand for the very codes: images are reconstructed from them as by the run itself
    origin, x = load(first(name)), model.data.images.tensor("test")[:7]
    torch.testing.assert_close(model.data.origin.decode(model.data.tensor("test")[:7]), origin.reconstruct(x))
    drawn = model.sample(3)
    assert drawn.shape == (3, 1, 8, 8) and float(drawn.min()) >= 0 and float(drawn.max()) <= 1


def test_codes_without_a_codebook_have_no_indices(outputs: Path) -> None:
    for name in ("vector", "map"):
        frozen = compose(
            [*QUIET, "model=pixelcnn_prior", "data=code_indices", f"data.run={first(name).id}", "metrics=none"]
        )
        with pytest.raises(
            PushforwardError, match=r"data\.run=.*take few values; name a run of model=vq_vae or model=fsq_vae"
        ):
            build.build_data(frozen)


def test_selection_by_samples_looks_at_the_images(outputs: Path) -> None:
    frozen = over("vector")
    data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec).eval()

    class Flat:
        name, card = "flat", {}

        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[1:] == (1, 8, 8)
            return x.flatten(1)

    selector = Selector("fd_lenet", Flat())  # type: ignore[arg-type]
    assert selector.samples(family, data)["criterion"] > 0
    subject = Subject(family, data, features=Flat())  # type: ignore[arg-type]
    assert subject.features is None and subject.images.features is not None
    assert subject.images.samples(4).shape == (4, 1, 8, 8) and subject.images.images is subject.images


def test_vectors_have_no_unet_and_say_which_network_they_take(outputs: Path) -> None:
    frozen = compose([*QUIET, "model=ddpm", "data=codes", f"data.run={first('vector').id}", "metrics=none"])
    with pytest.raises(PushforwardError, match=r"network=unet reads images.*network=mlp"):
        build.build_family(frozen, build.build_data(frozen).spec)


def test_what_cannot_give_codes_is_refused_in_one_line(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gan = trained("data=digits", "model=gan", "network=mlp", "network.hidden=[8]", "metrics=none", "budget.images=128",
                  "budget.epochs=null")  # fmt: skip
    with pytest.raises(PushforwardError, match=r"data\.run=gan.*no encoder and decoder; name a run of an autoencoder"):
        build.build_data(over("vector", f"data.run={gan.id}"))
    for given, why in (("nosuch", "No run matches"), ("seed=1", "runs match, such as .*; name one")):
        with pytest.raises(PushforwardError, match=rf"data\.run={given}: .*{why}"):
            over("vector", f"data.run='{given}'")
    status = RunDir(gan.path)
    status.set_status(state="stopped")
    with pytest.raises(PushforwardError, match=r"data\.run=gan-.* is stopped; train it to its end"):
        over("vector", f"data.run={gan.id}")
    monkeypatch.setattr(config, "RESULTS", config.RESULTS + 1)
    with pytest.raises(PushforwardError, match=r"data\.run=ae-.*trained under results.*train it again"):
        over("vector")


def test_weights_that_are_gone_or_others_are_refused(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, run = over("vector"), first("vector")
    file = Path(frozen["encoder"]["file"])
    kept = file.read_bytes()
    try:
        file.write_bytes(kept + b"0")
        with pytest.raises(PushforwardError, match="no longer those which made these codes"):
            build.build_data(frozen)
        file.unlink()
        with pytest.raises(PushforwardError, match="are gone"):
            build.build_data(frozen)
    finally:
        file.write_bytes(kept)
    elsewhere = {**frozen, "data": {**frozen["data"], "run": "/nowhere"}}  # the outputs' folder has moved
    assert build.build_data(elsewhere).spec.shape == (3,)
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(outputs / "empty"))
    with pytest.raises(PushforwardError, match=r"data\.run=/nowhere: this run is gone"):
        build.build_data(elsewhere)
    assert run.state == "finished"


def test_codes_without_their_run_say_so() -> None:
    data = CodesModule("ae-digits", 8)
    with pytest.raises(PushforwardError, match=r"data\.run=ae-digits: these data are made by a run"):
        data.setup()
