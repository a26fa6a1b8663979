"""What a step does beside the loss: the moving average."""

import torch

from pushforward.composition import compose
from pushforward.spec import Batch
from pushforward.training import build


def test_the_average_is_the_recursion_and_forgets_its_start():
    frozen = compose(
        ["model=ae", "data=digits", "network.hidden=[8]", "optimizer.model.ema=0.5", "optimizer.model.lr=0.1"]
    )
    data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec)
    family.configure_optimizers()
    stepper, player = family.stepper, family.players[0]
    assert stepper is not None
    expected = [p.detach().clone() for p in stepper.parameters["model"]]
    for t in range(12):
        stepper.step(player, Batch(data.tensor("train", 64)), {}, 0.0)
        decay = min(0.5, (1 + t) / (10 + t))
        expected = [
            decay * mean + (1 - decay) * p.detach()
            for mean, p in zip(expected, stepper.parameters["model"], strict=True)
        ]
    assert decay == 0.5  # the warm-up is over within these steps
    for mean, wanted in zip(stepper.averages["model"], expected, strict=True):
        torch.testing.assert_close(mean, wanted, rtol=1e-5, atol=1e-6)  # lerp and the sum round differently
