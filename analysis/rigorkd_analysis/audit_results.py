"""The typed results of an audit, and the published table that goes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rigorkd_analysis.bounds import Recovered

Row = Mapping[str, str]


@dataclass(frozen=True)
class AuditCell:
    """A printed value with its Wilson interval, in the units printed; a mean over k > 1 seeds has none."""

    cell: str
    student: str | None
    value: float
    ci_low: float | None
    ci_high: float | None
    std: float | None


@dataclass(frozen=True)
class AuditComparison:
    """Two rows, the lower one as a: difference = b − a ≥ 0.

    Attributes:
        images: the difference in test images as printed; images_min and _max allow for rounding.
        rejects_up_to_discordant: most discordant images at which McNemar's exact test still rejects.
        break_even_seed_sd: necessary, not sufficient: the seed sd must be below it.
        t_low, t_high, p_low, p_high: for means with printed sds, the paired test whatever the pairing.
    """

    a: str
    b: str
    difference: float
    images: int | None
    discordant_min: int | None
    discordant_max: int | None
    p_min: float | None
    p_max: float | None
    networks_differ: Literal["always", "never", "depends"] | None
    rejects_up_to_discordant: int | None
    break_even_seed_sd: float
    images_min: int | None
    images_max: int | None
    t_low: float | None
    t_high: float | None
    p_low: float | None
    p_high: float | None
    says: str


@dataclass(frozen=True)
class EfficiencyFlag:
    """A cost that a table says differs between cells of one architecture."""

    student: str
    column: str
    values: tuple[str, ...]
    says: str


@dataclass(frozen=True)
class DifferenceCheck:
    """A printed difference beside the difference of the printed values."""

    where: str
    column: str
    printed: float
    recomputed: float
    matches: bool
    rounding_explains: bool
    says: str


@dataclass(frozen=True)
class Audit:
    """The document `rigorkd.audit/1`. `decimals` is the precision to which the column is printed."""

    schema: str
    metric: str
    n_test: int | None
    seeds: int
    alpha: float
    decimals: int
    cells: tuple[AuditCell, ...]
    comparisons: tuple[AuditComparison, ...]
    efficiency: tuple[EfficiencyFlag, ...]
    differences: tuple[DifferenceCheck, ...]
    recovered: tuple[Recovered, ...]
    survives: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Printed:
    """A published table: rows of text, and what the page around it says.

    Attributes:
        rows: one mapping per row, values as printed.
        n_test: test images; None takes the table's `n_test` column.
        metric: column; None takes the first of `test_top1` and `top1`.
        seeds: k, if the values are means over k seeds; None takes a column `n` or `n_seeds`, else 1.
        differences: rows of another table that prints differences of these values.
        test: t, p and difference of a paired test printed in the text.
    """

    rows: Sequence[Row]
    n_test: int | None = None
    metric: str | None = None
    seeds: int | None = None
    alpha: float = 0.05
    differences: Sequence[Row] = ()
    test: tuple[float, float, float | None] | None = None
