"""Ramps: where they start, where they end, and that they go one way between."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.methods.base import Ramp

ends = st.tuples(st.floats(-10, 10), st.floats(-10, 10))


@given(ends, st.sampled_from(["linear", "cosine"]), st.integers(2, 50))
def test_a_ramp_goes_one_way_from_its_first_value_to_its_second(
    ends: tuple[float, float], shape: str, epochs: int
) -> None:
    ramp = Ramp.model_validate({shape: ends})
    values = [ramp.at(epoch, epochs) for epoch in range(1, epochs + 1)]
    assert values[0] == pytest.approx(ends[0], abs=1e-9)
    assert values[-1] == pytest.approx(ends[1], abs=1e-9)
    rises = ends[0] <= ends[1]
    assert all((a <= b + 1e-9) if rises else (a >= b - 1e-9) for a, b in pairwise(values))


@given(ends, st.integers(3, 51).filter(lambda n: n % 2 == 1))
def test_both_shapes_are_half_way_in_the_middle(ends: tuple[float, float], epochs: int) -> None:
    for shape in ("linear", "cosine"):
        ramp = Ramp.model_validate({shape: ends})
        assert ramp.at((epochs + 1) // 2, epochs) == pytest.approx(sum(ends) / 2, abs=1e-9)


def test_a_cosine_is_flat_at_its_ends_and_steep_between() -> None:
    values = [Ramp(cosine=(0.0, 1.0)).at(epoch, 5) for epoch in range(1, 6)]
    assert values == pytest.approx([0, 0.1464466, 0.5, 0.8535534, 1])
    assert [Ramp(linear=(0.0, 1.0)).at(epoch, 5) for epoch in range(1, 6)] == [0, 0.25, 0.5, 0.75, 1]


def test_steps_hold_from_their_epoch_on() -> None:
    ramp = Ramp.model_validate({"step": {"at": (1, 3, 4), "values": (5, 2, 1)}})
    assert [ramp.at(epoch, 9) for epoch in range(1, 7)] == [5, 5, 2, 1, 1, 1]


@given(ends, st.sampled_from(["linear", "cosine"]))
def test_one_epoch_sees_the_first_value(ends: tuple[float, float], shape: str) -> None:
    assert Ramp.model_validate({shape: ends}).at(1, 1) == pytest.approx(ends[0], abs=1e-9)
