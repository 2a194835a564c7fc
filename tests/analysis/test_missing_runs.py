"""A study looked at before its end: families keep the size that the plan gave them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import AllOf, DifferenceOfGains, Pair, Plan, TableError, Trend, analyze, until_decided
from rigorkd_analysis.runs import read_runs

CELLS = ["base", "kd-1", "kd-2", "kd-3", "kd-4"]


def runs(there: set[str], seeds: int = 6) -> pd.DataFrame:
    """One student's cells; those not in `there` are declared and missing."""
    rng = np.random.default_rng(5)
    rows = []
    for i, cell in enumerate(CELLS):
        for seed in range(seeds):
            value = 80 + i + rng.normal(0, 0.3)
            found = cell in there
            rows.append(
                {
                    "cell": cell,
                    "seed": seed,
                    "student": "s",
                    "method": "baseline" if i == 0 else "kd",
                    "T": None if i == 0 else i,
                    "status": "done" if found else "missing",
                    "mode": "reference" if found else None,
                    "test_top1": value if found else np.nan,
                }
            )
    return pd.DataFrame(rows)


def test_a_missing_run_need_not_say_how_its_cell_is_set_up():
    table = runs(set(CELLS))
    table["lr"] = table.cell.map(dict(zip(CELLS, ["0.1", "1", "2", "5", "10"], strict=True)))
    gone = (table.cell == "kd-4") & (table.seed.isin([0, 4]))
    table.loc[gone, ["status", "test_top1", "lr"]] = ["missing", np.nan, None]
    found = read_runs(table, "test_top1")
    assert found.attributes["lr"] == ("0.1", "1", "2", "5", "10")
    table.loc[gone, "lr"] = "7"
    with pytest.raises(TableError, match="differ in 'lr'"):
        read_runs(table, "test_top1")


def test_the_family_keeps_its_size():
    whole, part = analyze(runs(set(CELLS)), Plan()), analyze(runs({"base", "kd-1"}), Plan())
    gains = part.family("gains")
    assert gains.size == whole.family("gains").size == 4
    first = gains.comparisons[0]
    assert first.p == pytest.approx(whole.family("gains").comparisons[0].p)
    assert first.p_adjusted == pytest.approx(min(1.0, 4 * first.p))
    rest = gains.comparisons[1:]
    assert all((c.n, c.p, c.verdict) == (0, None, "inconclusive") for c in rest)
    assert all("no seed has all the cells it needs" in c.warnings for c in rest)


def test_without_the_declaration_the_family_is_what_the_table_holds():
    table = runs({"base", "kd-1"})
    assert analyze(table[table["status"] == "done"], Plan()).family("gains").size == 1


def test_every_kind_of_contrast_copes_with_cells_that_are_not_there():
    plan = Plan(
        sesoi=0.5,
        contrasts=(
            Pair("kd-1", "kd-2"),
            DifferenceOfGains("kd-1", "kd-3"),
            AllOf(("kd-1", "kd-2")),
            Trend("T"),
        ),
    )
    contrasts = analyze(runs({"base", "kd-1"}), plan).family("contrasts")
    assert contrasts.size == 4
    assert [c.verdict for c in contrasts.comparisons] == ["inconclusive"] * 4


def test_sequential_looks_ignore_what_was_left_out_but_correct_for_it():
    found = until_decided(runs({"base", "kd-4"}, seeds=12), Plan())
    assert found.decided
    assert [c.name for c in found.comparisons if c.decided_at is not None] == ["kd-4 vs base"]
    assert until_decided(runs({"base"}), Plan()).decided is False
