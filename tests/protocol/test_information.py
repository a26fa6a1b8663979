"""The data's own bits, on digits and on what has no levels."""

import pytest
import torch

from pushforward.composition import compose
from pushforward.metrics import compressors
from pushforward.protocol.information import Information, compressor_references, levels_of
from pushforward.protocol.subject import NotApplicable, Subject
from pushforward.training import build


def subject(*overrides: str) -> Subject:
    cfg = compose(["network=mlp", *overrides])
    data = build.build_data(cfg)
    return Subject(build.build_family(cfg, data.spec).eval(), data)


@pytest.fixture(scope="module")
def digits() -> Subject:
    return subject("model=vae", "data=digits")


def test_digits(digits: Subject) -> None:
    entries = Information(per_image=True)(digits)
    columns = ["pixel_entropy", "independent_pixels", "zlib", "lzma", "png", "webp", "png_per_image", "webp_per_image"]
    assert list(entries) == [*columns, "label_entropy"]
    for name, entry in entries.items():
        assert entry["na"] is None and entry["card"]["better"] is None and entry["card"]["n"] == 360, name
        assert entry["unit"] == ("bits" if name == "label_entropy" else "bits/dim")
    value = {name: entry["value"] for name, entry in entries.items()}
    # a code learnt elsewhere pays more than the plug-in entropy; neither does more than 17 equal levels
    assert 0 < value["pixel_entropy"] < value["independent_pixels"] < torch.tensor(17.0).log2()
    assert value["pixel_entropy"] < entries["pixel_entropy"]["card"]["pooled"]
    assert 3.2 < value["label_entropy"] < torch.tensor(10.0).log2()  # ten classes, nearly balanced
    assert value["png_per_image"] > 2 * value["png"]  # 64 pixels and a header


def test_references_are_those_of_the_entries_and_computed_once(
    digits: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = compressor_references(digits)
    assert list(references) == ["zlib", "lzma", "PNG", "WebP", "independent pixels"]
    monkeypatch.setattr(compressors, "bits_per_dim", None)
    entries = Information(per_image=False)(digits)
    assert [entries[name]["value"] for name in ("zlib", "lzma", "png", "webp", "independent_pixels")] == list(
        references.values()
    )


def test_binarised_images_are_compressed_as_the_model_saw_them() -> None:
    for override in ("data.binarize=static", "data.binarize=dynamic"):
        s = subject("model=vae", "data=digits", override)
        x, levels = levels_of(s)
        assert levels == 2 and torch.equal(x.float(), s.x())
        assert compressor_references(s)["independent pixels"] < 1


def test_dequantised_images_are_compressed_as_levels() -> None:
    s = subject("model=realnvp", "data=digits", "data.dequantize=true")
    assert s.spec.dequantized
    x, levels = levels_of(s, n=50)
    assert levels == 17 and len(x) == 50 and torch.equal(x.float() / 16, s.raw(n=50))


def test_points_have_no_levels() -> None:
    s = subject("model=realnvp", "data=toy2d", "data.source.name=checkerboard", "data.source.n_train=2500")
    assert Information(per_image=False)(s) == {} and compressor_references(s) == {}
    with pytest.raises(NotApplicable, match="no levels"):
        levels_of(s)
