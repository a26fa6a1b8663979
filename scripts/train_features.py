"""Trains the shipped weights of FD-lenet anew: PUSHFORWARD_DATA=... python scripts/train_features.py [digits ...]"""

import sys
import time

from pushforward.data import DataModule
from pushforward.data.sources import MNIST, Digits, FashionMNIST
from pushforward.protocol.features.lenet import make, shipped

SOURCES = {"digits": (Digits, 180), "mnist": (MNIST, 5000), "fashion_mnist": (FashionMNIST, 5000)}

for name in sys.argv[1:] or SOURCES:
    source, validation = SOURCES[name]
    started = time.perf_counter()
    card = make(DataModule(source(), batch_size=64, validation=validation), shipped(name))
    print(f"{name}: test accuracy {card['test_accuracy']}, hash {card['hash']}, {time.perf_counter() - started:.0f} s")
