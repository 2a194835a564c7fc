"""Defaults and presets are the settings that the methods were published with, written out a second time."""

from __future__ import annotations

from typing import Any

import pytest

from rigorkd.methods.base import loss_weights
from rigorkd.methods.registry import METHODS
from rigorkd.protocol.grids import Choice, read_method

PUBLISHED: dict[tuple[str, str | None], dict[str, Any]] = {
    ("kd", None): {"T": 4, "ce_weight": 0.5, "kd_weight": 0.5, "direction": "forward"},
    ("kd", "paper"): {"T": 4, "ce_weight": 0.5, "kd_weight": 0.5},
    ("kd", "crd"): {"T": 4, "ce_weight": 0.1, "kd_weight": 0.9},
    ("dkd", None): {"T": 4, "a": 1, "b": 8, "warmup": 20, "ce_weight": 1},
    ("dkd", "paper"): {"T": 4, "a": 1, "b": 8, "warmup": 20, "ce_weight": 1},
    ("ctkd", None): {"T_min": 1, "T_range": 20, "warmup": 10, "ce_weight": 0.1, "kd_weight": 0.9},
    ("ctkd", "paper"): {"T_min": 1, "T_range": 20, "warmup": 10, "ce_weight": 0.1, "kd_weight": 0.9},
    ("lskd", None): {"T": 2, "ce_weight": 0.1, "kd_weight": 9},
    ("lskd", "paper"): {"T": 2, "ce_weight": 0.1, "kd_weight": 9},
    ("mlkd", None): {"temperatures": (4, 3, 5, 2, 6), "ce_weight": 0.1, "kd_weight": 0.9},
    ("mlkd", "paper"): {"temperatures": (4, 3, 5, 2, 6), "ce_weight": 0.1, "kd_weight": 0.9},
    ("mlkd", "code"): {"temperatures": (4, 3, 5, 2, 6), "masks": "mean", "ce_weight": 0.1, "kd_weight": 0.9},
    ("rld", None): {"T": 4, "T_a": 1, "a": 1, "b": 8, "warmup": 20, "ce_weight": 1},
    ("rld", "paper"): {"T": 4, "T_a": 1, "a": 1, "b": 8, "warmup": 20, "ce_weight": 1},
    ("dist", None): {"tau": 4, "inter": 2, "intra": 2, "ce_weight": 1},
    ("dist", "cifar"): {"tau": 4, "inter": 2, "intra": 2, "ce_weight": 1},
    ("dist", "imagenet"): {"tau": 1, "inter": 2, "intra": 2, "ce_weight": 1},
    ("eakd", None): {"T": 4, "entropy_temperature": 3, "entropy_bound": "log_classes", "ce_weight": 0.1},
    ("eakd", "paper"): {"T": 4, "entropy_temperature": 3, "ce_weight": 0.1, "kd_weight": 0.9},
    ("eakd", "code"): {"T": 4, "entropy_temperature": 3, "entropy_bound": "classes", "ce_weight": 0.1},
    ("feature", None): {"layers": ("layer1", "layer2", "layer3", "layer4"), "cosine": 0.5},
    ("feature", "capacity"): {"layers": ("layer1", "layer2", "layer3", "layer4"), "cosine": 0.5},
    ("at", None): {"layers": ("layer1", "layer2", "layer3"), "power": 2, "ce_weight": 1, "kd_weight": 1000},
    ("at", "crd"): {"layers": ("layer1", "layer2", "layer3"), "power": 2, "ce_weight": 1, "kd_weight": 1000},
    ("sp", None): {"layers": ("layer3",), "ce_weight": 1, "kd_weight": 3000},
    ("sp", "crd"): {"layers": ("layer3",), "ce_weight": 1, "kd_weight": 3000},
}

CONTROLS = {"baseline", "matched_smoothing", "permuted_tail"}
"""What no publication gives settings for."""


def test_every_method_and_every_preset_is_here() -> None:
    declared = {(key, preset) for key, method in METHODS.items() for preset in (None, *method.presets)}
    assert {(key, preset) for key, preset in declared if key not in CONTROLS} == set(PUBLISHED)


@pytest.mark.parametrize(("key", "preset"), PUBLISHED, ids=str)
def test_settings_are_the_published_ones(key: str, preset: str | None) -> None:
    method, tuned = read_method(key, Choice({} if preset is None else {"preset": preset}, ("groups",)))
    assert not tuned
    written = PUBLISHED[key, preset]
    found = {name: getattr(method, name) for name in written}
    assert found == written


@pytest.mark.parametrize(
    "key", [key for key, method in METHODS.items() if "t_squared" in method.model_fields]
)
def test_the_factor_t_squared_is_there_unless_taken_out(key: str) -> None:
    assert METHODS[key].model_fields["t_squared"].default is True


@pytest.mark.parametrize(
    ("key", "weights"),
    [
        ("baseline", (1.0, 0.0, None)),
        ("kd", (0.5, 0.5, True)),
        ("dkd", (1.0, 1.0, True)),
        ("dist", (1.0, 1.0, True)),
        ("feature", (0.5, 0.5, None)),
    ],
)
def test_records_of_every_method_say_what_weighs_its_loss(
    key: str, weights: tuple[float, float, bool | None]
) -> None:
    method, _ = read_method(key, Choice({}, ("groups",)))
    assert tuple(loss_weights(method).values()) == weights
