"""Public data sets in their published formats: tiny files of the same layout, and one line for what is missing or damaged."""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from pushforward.data import DataModule
from pushforward.data.sources import SVHN, CelebA, DSprites, Omniglot, Source, Sprites
from pushforward.data.sources.base import Split
from pushforward.data.sources.download import kept
from pushforward.errors import PushforwardError


@pytest.fixture
def mine(alone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that PUSHFORWARD_DATA names."""
    (alone / "mine").mkdir()
    monkeypatch.setenv("PUSHFORWARD_DATA", str(alone / "mine"))
    return alone / "mine"


def published(monkeypatch: pytest.MonkeyPatch, source: type[Source], *files: Path) -> None:
    """From here on these files are the published ones."""
    sums = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in files}
    monkeypatch.setattr(source, "md5", sums)


def png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(stream, "PNG")
    return stream.getvalue()


def pixels(split: Split | None) -> torch.Tensor:
    assert split is not None
    rows = torch.arange(len(split))
    return split.x[rows] if isinstance(split.x, torch.Tensor) else split.x.gather(rows)


# SVHN -----------------------------------------------------------------------------------------------------------------


def test_svhn_reads_matlab_files_with_images_last_and_ten_as_zero(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mine / "svhn"
    folder.mkdir()
    for file, n in (("train_32x32.mat", 5), ("test_32x32.mat", 3), ("extra_32x32.mat", 2)):
        x = np.zeros((32, 32, 3, n), np.uint8)
        x[4, 7, 1] = np.arange(n) + 100  # row 4, column 7, green
        savemat(folder / file, {"X": x, "y": (np.arange(n, dtype=np.uint8) + 8)[:, None] % 10 + 1})
    published(monkeypatch, SVHN, *folder.iterdir())
    arrays = SVHN(extra=False).load()
    x = pixels(arrays.train)
    assert x.shape == (5, 3, 32, 32) and x[:, 1, 4, 7].tolist() == [100, 101, 102, 103, 104] and x.sum() == 510
    assert arrays.train.y is not None and arrays.train.y.tolist() == [9, 0, 1, 2, 3] and len(arrays.test or ()) == 3
    assert len(SVHN(extra=True).load().train) == 7
    (folder / "test_32x32.mat").write_bytes(b"half")
    with pytest.raises(PushforwardError, match=r"test_32x32\.mat is damaged \(wrong checksum"):
        SVHN(extra=False).load()


# Omniglot -------------------------------------------------------------------------------------------------------------


def archive(path: Path, alphabets: dict[str, int]) -> None:
    """Two characters of each alphabet, `alphabets` drawings of each: a black stroke of 15 pixels on 105×105 white ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for alphabet, n in alphabets.items():
            for character in (1, 2):
                for k in range(n):
                    ink = np.full((105, 105), 255, np.uint8)
                    ink[:, 15 * k : 15 * k + 15] = 0
                    name = f"{path.stem}/{alphabet}/character{character:02d}/{character:04d}_{k + 1:02d}.png"
                    file.writestr(name, png(ink, "1"))
        file.writestr(f"{path.stem}/.DS_Store", b"")


def test_omniglot_joins_both_archives_and_decodes_once(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [mine / "omniglot" / name for name in ("images_background.zip", "images_evaluation.zip")]
    archive(files[0], {"Greek": 3, "Latin": 3})
    archive(files[1], {"Futurama": 2})
    published(monkeypatch, Omniglot, *files)
    arrays = Omniglot(size=7).load()
    x = pixels(arrays.train)
    assert x.shape == (16, 1, 7, 7) and arrays.class_names == ("Futurama", "Greek", "Latin") and arrays.test is None
    assert arrays.train.y is not None and arrays.train.y.tolist() == [1] * 6 + [2] * 6 + [0] * 4
    # a stroke of 15 of 105 pixels is one of 7: ink is white, as MNIST's is; elsewhere there are Lanczos' ripples
    assert x[1, 0, :, 1].min() > 200 and x[1, 0, :, 4].max() < 8
    monkeypatch.setattr("pushforward.data.sources.omniglot.Drawings.decode", lambda self, i: 1 / 0)
    assert torch.equal(pixels(Omniglot(size=7).load().train), x)
    files[1].write_bytes(files[0].read_bytes())
    with pytest.raises(PushforwardError, match=r"images_evaluation\.zip is damaged \(wrong checksum"):
        Omniglot(size=7).load()


def test_what_is_decoded_is_kept_whole_or_made_again(alone: Path) -> None:
    x = torch.arange(3 * 4, dtype=torch.uint8).view(3, 1, 2, 2)
    made = []

    def make() -> torch.Tensor:
        made.append(1)
        return x

    assert torch.equal(kept("a", "b", make), x) and torch.equal(kept("a", "b", make), x) and len(made) == 1
    path = alone / "cache" / "pushforward" / "a" / "b.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert torch.equal(kept("a", "b", make), x) and len(made) == 2
    assert [file.name for file in path.parent.iterdir()] == ["b.npy"]


# dSprites -------------------------------------------------------------------------------------------------------------


def dsprites(path: Path) -> None:
    """A file laid out as Matthey et al.'s: colour, shape, scale, orientation, x, y."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = (1, 3, 2, 2, 2, 2)
    classes = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, 6)
    images = np.zeros((len(classes), 64, 64), dtype=np.uint8)
    images[np.arange(len(classes)), classes[:, 4], classes[:, 5]] = 1
    images[np.arange(len(classes)), 8 + classes[:, 1], 8 + 2 * classes[:, 2] + classes[:, 3]] = 1
    np.savez(path, imgs=images, latents_classes=classes, latents_values=classes * 0.5, metadata=np.array({"a": 1}))


def test_dsprites_have_their_factors_wherever_the_file_lies(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mine / "dsprites" / DSprites.file
    dsprites(path)
    monkeypatch.setattr(DSprites, "md5", hashlib.md5(path.read_bytes()).hexdigest())
    arrays = DSprites().load()
    x, factors = pixels(arrays.train), arrays.train.factors
    assert x.shape == (48, 1, 64, 64) and arrays.levels == 2 and arrays.factor_sizes == (3, 2, 2, 2, 2)
    assert factors is not None and arrays.factor_values[1] == (0.0, 0.5)
    assert bool(x[torch.arange(48), 0, factors[:, 3], factors[:, 4]].all())
    for other in (
        DSprites(str(path)),
        Sprites(32, 2, 2, 2, True, dsprites=True),
        Sprites(32, 2, 2, 2, True, str(path)),
    ):
        again = other.load()
        assert torch.equal(pixels(again.train), x) and torch.equal(again.train.factors, factors)  # type: ignore[arg-type]


def test_dsprites_missing_or_wrong_are_named(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DSprites, "mirrors", ("http://127.0.0.1:9/",))
    with pytest.raises(
        PushforwardError, match=r"no complete copy of dsprites_ndarray.*put it into a folder as dsprites/"
    ):
        DSprites().load()
    os.mkfifo(mine / "fifo.npz")
    with pytest.raises(PushforwardError, match=r"fifo\.npz is not the dSprites file \(no file\)"):
        DSprites(str(mine / "fifo.npz")).load()
    (mine / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(PushforwardError, match=r"bad\.npz is not the dSprites file"):
        DSprites(str(mine / "bad.npz")).load()


# CelebA ---------------------------------------------------------------------------------------------------------------

NAMES = [f"{k + 1:06d}.jpg" for k in range(9)]


def face(k: int) -> bytes:
    """178×218: the central square of 148 pixels has the level 20 k, what surrounds it is white."""
    image = np.full((218, 178, 3), 255, np.uint8)
    image[35:183, 15:163] = 20 * k
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def celeba(root: Path, packed: bool) -> None:
    root.mkdir(parents=True)
    if packed:
        with zipfile.ZipFile(root / "img_align_celeba.zip", "w") as file:
            for k, name in enumerate(NAMES):
                file.writestr(f"img_align_celeba/{name}", face(k))
    else:
        (root / "img_align_celeba").mkdir()
        for k, name in enumerate(NAMES):
            (root / "img_align_celeba" / name).write_bytes(face(k))
    splits = "000001112"
    (root / "list_eval_partition.txt").write_text("".join(f"{n} {s}\n" for n, s in zip(NAMES, splits, strict=True)))
    rows = "".join(f"{name} -1 {1 if k % 3 else -1}\n" for k, name in enumerate(NAMES))
    (root / "list_attr_celeba.txt").write_text(f"{len(NAMES)}\nMale Smiling \n{rows}")


@pytest.mark.parametrize("packed", [True, False])
def test_celeba_from_the_archive_or_a_folder(mine: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    root = mine / "celeba"
    celeba(root, packed)
    published(monkeypatch, CelebA, *(file for file in root.iterdir() if file.is_file()))
    monkeypatch.setitem(CelebA.md5, "img_align_celeba.zip", CelebA.md5.get("img_align_celeba.zip", "a folder"))
    arrays = CelebA(16, 148, "Smiling").load()
    assert [len(part or ()) for part in (arrays.train, arrays.val, arrays.test)] == [5, 3, 1]
    x = pixels(arrays.train)
    # nothing of the white border is left within; at the edge JPEG's blocks of 16 pixels mix with it
    assert (
        x.shape == (5, 3, 16, 16)
        and (x[:, :, 3:-3, 3:-3].float() - 20 * torch.arange(5.0).view(-1, 1, 1, 1)).abs().max() < 3
    )
    assert arrays.train.y is not None and arrays.train.y.tolist() == [0, 1, 1, 0, 1]
    assert arrays.class_names == ("not Smiling", "Smiling") and CelebA(16, 148, None).load().train.y is None
    assert pixels(CelebA(16, 178, None).load().train)[0].max() > 200  # a wider crop has the border
    own = CelebA(16, 148, None, str(root)).load()
    assert torch.equal(pixels(own.train), x) and torch.equal(pixels(own.test), pixels(arrays.test))


def test_celeba_says_what_is_missing_where_to_get_it_and_which_attributes_there_are(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PushforwardError, match=r"no .*celeba/img_align_celeba\.zip\. .* get .*mmlab.*PUSHFORWARD_DATA"):
        CelebA(64, 148, None).load()
    root = mine / "celeba"
    celeba(root, packed=True)
    with pytest.raises(PushforwardError, match=r"celeba: CelebA's files are damaged \(wrong checksum"):
        CelebA(64, 148, None).load()
    published(monkeypatch, CelebA, *root.iterdir())
    with pytest.raises(PushforwardError, match="attribute=Bald is not known: use Male, Smiling"):
        CelebA(64, 148, "Bald", str(root)).load()
    with zipfile.ZipFile(root / "img_align_celeba.zip", "w") as file:
        file.writestr(f"img_align_celeba/{NAMES[2]}", face(2))
    with pytest.raises(PushforwardError, match=r"lacks 8 of 9 images, 000001\.jpg first"):
        CelebA(64, 148, None).load()
    assert len(CelebA(64, 148, None, str(root)).load().train) == 1  # a person's own part of it


def test_celeba_streams_from_the_archive(mine: Path) -> None:
    celeba(mine / "celeba", packed=True)
    source = CelebA(16, 148, "Male", str(mine / "celeba"))
    data = DataModule(source, 2, 0.1, resident_limit_mb=0)
    block = next(iter(data.train_dataloader()))
    assert block.batch.x.shape[1:] == (2, 3, 16, 16) and block.batch.y is not None
    resident = DataModule(source, 2, 0.1)
    assert torch.equal(next(iter(resident.train_dataloader())).batch.x, block.batch.x)
