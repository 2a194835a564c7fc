"""A printed table is judged against a baseline alone, or without some rows, and says so with every claim."""

from __future__ import annotations

import re

import numpy as np
import pytest
from rigorkd_analysis import Printed, TableError, audit
from rigorkd_analysis.published.audited import Audit
from rigorkd_analysis.stats.adjust import adjust

ROWS = [
    {"Method": name, "Teacher": teacher, "Acc": value}
    for name, teacher, value in (
        ("Vanilla", "", "69.1 ± 0.1"),
        ("KD", "r34", "70.7 ± 0.2"),
        ("DKD", "r34", "71.9 ± 0.1"),
        ("Teacher", "", "74.0 ± 0.1"),
    )
]


def judged(*baselines: str, without: tuple[str, ...] = (), rows=ROWS, **more) -> Audit:
    return audit(Printed(rows, seeds=5, spread="sd", baselines=baselines, without=without, **more))


def pairs(found: Audit) -> list[tuple[str, str]]:
    return [(c.a, c.b) for c in found.comparisons]


def test_a_baseline_makes_a_family_of_its_pairs_alone():
    every, found = judged(), judged("KD")
    assert len(every.comparisons) == 6
    assert pairs(found) == [("Vanilla", "KD"), ("KD", "DKD"), ("KD", "Teacher")]
    alone = [c.p_high for c in found.comparisons]
    assert [c.p_adjusted for c in found.comparisons] == pytest.approx(adjust(np.array(alone), "holm"))
    same = [c for c in every.comparisons if "KD" in (c.a, c.b)]
    assert alone == [c.p_high for c in same]
    assert all("by Holm over the table's 3 pairs against KD ≤" in c.says for c in found.comparisons)
    claims = [line for line in found.survives if line.startswith("That")]
    assert claims
    assert all("over 3 pairs against KD, whatever" in line for line in claims)
    assert found.chosen == "Rows are compared with KD alone"
    assert found.baselines == ("KD",)
    assert any("--baseline KD" in note and "these 3 pairs alone" in note for note in found.notes)
    assert every.chosen == ""
    assert not any("--baseline" in note for note in every.notes)


@pytest.mark.parametrize("words", [("Teacher",), ("Method=Teacher",), ("teacher",), ("method=teacher",)])
def test_a_row_is_left_out_by_its_name_or_a_columns_value(words: tuple[str, ...]):
    found = judged("vanilla", without=words)
    assert [cell.cell for cell in found.cells] == ["Vanilla", "KD", "DKD"]
    assert pairs(found) == [("Vanilla", "KD"), ("Vanilla", "DKD")]
    assert "2 pairs against Vanilla without Teacher" in found.survives[0]
    assert found.left_out == ("Teacher",)
    assert found.chosen == "Rows are compared with Vanilla alone, and Teacher is left out"


def test_a_value_of_a_column_names_all_rows_that_have_it_and_one_pair_says_its_condition():
    found = judged(without=("r34",))
    assert pairs(found) == [("Vanilla", "Teacher")]
    assert found.survives[0].endswith("the only pair without KD and DKD).")
    assert found.comparisons[0].says.endswith("; the only pair without KD and DKD.")


@pytest.mark.parametrize(
    ("baselines", "without", "message", "hint"),
    [
        (("KKD",), (), "--baseline KKD: no such row", "did you mean 'KD'?"),
        ((), ("r35",), "--without r35: no such row", "did you mean 'r34'?"),
        ((), ("Teacher=r35",), "no row has r35 in teacher", "did you mean 'r34'?"),
        (("r34",), (), "two baselines of Vanilla: KD and DKD", "--baseline KD"),
        (("KD", "Vanilla"), (), "two baselines of DKD: KD and Vanilla", "--baseline KD"),
        ((), ("KD", "DKD", "Vanilla"), "fewer than two rows are left", "fewer of them"),
    ],
)
def test_a_word_that_names_no_row_or_too_many(baselines, without, message: str, hint: str):
    with pytest.raises(TableError, match=re.escape(message)) as caught:
        judged(*baselines, without=without)
    assert hint in (caught.value.hint or "")


def test_a_word_in_two_columns_is_asked_about():
    rows = [*ROWS, {"Method": "r34", "Teacher": "r50", "Acc": "73.0 ± 0.1"}]
    with pytest.raises(TableError, match="'r34' is a value of 'method' and of 'teacher'") as caught:
        judged(without=("r34",), rows=rows)
    assert caught.value.hint == "write method=r34 or teacher=r34"
    assert [cell.cell for cell in judged(without=("teacher=r34",), rows=rows).cells][-1] == "r34"


def test_a_baseline_is_taken_for_each_on_its_data_and_beside_what_tells_baselines_apart():
    rows = [
        {"dataset": data, "model": model, "lr": lr, "acc": f"{70 + at}.1 ± 0.1"}
        for at, (data, model, lr) in enumerate(
            (d, m, lr) for d in ("c10", "c100") for m in ("r8", "r20") for lr in ("0.1", "0.01")
        )
    ]
    found = judged("lr=0.10", rows=rows, metric="acc")
    assert [(a.replace("0.01", "x"), b) for a, b in pairs(found)] == [
        ("c10/r8/lr=0.1", "c10/r8/lr=0.01"),
        ("c10/r20/lr=0.1", "c10/r20/lr=0.01"),
        ("c100/r8/lr=0.1", "c100/r8/lr=0.01"),
        ("c100/r20/lr=0.1", "c100/r20/lr=0.01"),
    ]
    assert found.chosen == "Rows are compared with lr=0.10 alone"
    less = judged("lr=0.1", rows=rows[:2] + rows[3:], metric="acc")  # c10/r20 has no lr=0.1
    assert len(less.comparisons) == 3
    assert any(
        note.startswith("left out, since no baseline shares dataset and model: c10/r20")
        for note in less.notes
    )


def test_a_wide_table_has_its_baseline_by_the_end_of_its_names():
    rows = [{"student": s, "base_top1": "70.1", "kd_top1": "71.2", "dkd_top1": "72.0"} for s in ("r8", "r20")]
    found = audit(Printed(rows, seeds=5, baselines=("base",), without=("dkd",)))
    assert pairs(found) == [("r8/base", "r8/kd"), ("r20/base", "r20/kd")]
    assert found.left_out == ("r8/dkd", "r20/dkd")


def test_what_a_row_holds_that_is_left_out_does_no_harm():
    rows = [*ROWS, {"Method": "Gap", "Teacher": "", "Acc": "n/a"}]
    with pytest.raises(TableError, match="not a number") as caught:
        judged(rows=rows)
    assert "(--without Gap)" in (caught.value.hint or "")
    assert len(judged(rows=rows, without=("Gap",)).comparisons) == 6
    with pytest.raises(TableError) as second:
        judged(rows=[ROWS[0], *rows], without=("KD",), metric="Acc")
    assert second.value.row is not None
