import json

import pytest
import torch

from pushforward.metrics.card import measurement, not_applicable


def test_a_measurement_is_strict_json():
    entry = measurement(
        torch.tensor(1.5), "dB", better="higher", n=torch.tensor(3), split="test", shape=(1, 8), error=float("nan")
    )
    assert json.loads(json.dumps(entry, allow_nan=False)) == {
        "value": 1.5,
        "unit": "dB",
        "card": {"better": "higher", "n": 3, "split": "test", "shape": [1, 8], "error": None},
        "na": None,
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_has_no_value(value):
    entry = measurement(value, "nats", better="lower", n=3)
    assert entry["value"] is None and "not finite" in entry["na"] and entry["card"]["n"] == 3


def test_not_applicable_says_why():
    entry = not_applicable("this family has no likelihood", "nats", better=None)
    assert entry == {"value": None, "unit": "nats", "card": {"better": None}, "na": "this family has no likelihood"}


def test_what_a_card_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="better='smaller'"):
        measurement(1.0, "nats", better="smaller")
    with pytest.raises(TypeError, match=r"card entry model is a object"):
        measurement(1.0, "nats", better=None, model=object())
