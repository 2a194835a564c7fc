"""What a printed number may have been before it was rounded: printed decimals are part of the input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

UNROUNDED = 7
"""Decimals of a column that no paper prints: a program wrote it, and dropped the zeros at ends of numbers."""


@dataclass(frozen=True)
class Span:
    """All values that a number may have."""

    low: float
    high: float

    @classmethod
    def of_size(cls, value: Decimal, half: Decimal) -> Span:
        """The sizes that a printed number may have, which may be off by half of its last digit."""
        return cls(float(max(Decimal(0), abs(value) - half)), float(abs(value) + half))

    def times(self, factor: float) -> Span:
        return Span(self.low * factor, self.high * factor)


def decimals_of(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def half_unit(value: Decimal, decimals: int | None = None) -> Decimal:
    """Half a unit of the last digit that is printed, or of this decimal: what rounding may hide."""
    exponent = value.as_tuple().exponent
    return (
        Decimal(1).scaleb((exponent if isinstance(exponent, int) else 0) if decimals is None else -decimals)
        / 2
    )


def column_decimals(values: Iterable[Decimal]) -> int | None:
    """The decimals of all values of a column that a program wrote; None where each has its own.

    A table may mix them (a rival's number is cited as its paper rounded it), so fewer decimals are taken for
    a coarser number, unless nobody rounded.
    """
    most = max(map(decimals_of, values), default=0)
    return most if most >= UNROUNDED else None
