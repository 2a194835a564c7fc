"""Cells that differ in more than the method: pairs of two words, and baselines of another width."""

from __future__ import annotations

import re
import shlex

import pandas as pd
import pytest
from rigorkd_analysis.analysis_plan import AllOf, DifferenceOfGains, Pair, Plan
from rigorkd_analysis.results import Analysis
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.whole_analysis import analyze

NOISE = (0.0, 0.4, -0.3, 0.2, -0.1)


def runs_of(cells: dict[str, dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(
        {"cell": cell, "seed": seed, "test_acc": 70 + at / 3 + NOISE[(seed * (at + 1)) % 5], **columns}
        for at, (cell, columns) in enumerate(cells.items())
        for seed in range(5)
    )


# ---------------------------------------------------------------------------------------- pairs of two words


def settings(
    kd: tuple[str, ...], dkd: tuple[str, ...], column: str = "", named: bool = True
) -> dict[str, dict[str, object]]:
    """Two methods at several temperatures on two data sets; the column, the names or both hold them."""
    return {
        f"{data}/{method}-{f'T{T}' if named else at}": {"dataset": data, "method": method}
        | ({column: T} if column else {})
        for data in ("cifar", "svhn")
        for method, own in (("KD", kd), ("DKD", dkd))
        for at, T in enumerate(own)
    }


def compared(frame: pd.DataFrame, a: str = "DKD", b: str = "KD") -> list[str]:
    found = analyze(frame, Plan(contrasts=(Pair(a, b),))).family("contrasts")
    assert found is not None
    return [c.name for c in found.comparisons]


@pytest.mark.parametrize(
    "frame",
    [
        runs_of(settings(("2", "4"), ("2", "4"))),
        runs_of(settings(("2", "4"), ("2", "4"), "T")),
        runs_of(settings(("2", "4"), ("4", "2"), "T")),
        runs_of(settings(("2", "4"), ("2", "4"), "hint")),
    ],
    ids=["names", "column", "in another order", "another column"],
)
def test_of_several_settings_equal_ones_are_compared(frame):
    pairs = {f"{data}/DKD-T{T} vs {data}/KD-T{T}" for data in ("cifar", "svhn") for T in ("2", "4")}
    assert len(found := compared(frame)) == 4
    assert set(found) == pairs


def test_a_column_pairs_settings_that_names_do_not_tell():
    frame = runs_of(settings(("2", "4"), ("4", "2"), "T", named=False))
    assert set(compared(frame)) == {
        f"{data}/DKD-{a} vs {data}/KD-{1 - a}" for data in ("cifar", "svhn") for a in (0, 1)
    }


@pytest.mark.parametrize("column", ["", "T"])
def test_settings_that_one_method_alone_has_are_left_out_and_named(column):
    result = analyze(runs_of(settings(("2", "4"), ("4", "8"), column)), Plan(contrasts=(Pair("DKD", "KD"),)))
    assert [c.name for c in result.family("contrasts").comparisons] == [
        "cifar/DKD-T4 vs cifar/KD-T4",
        "svhn/DKD-T4 vs svhn/KD-T4",
    ]
    told = next(text for text in result.warnings if text.startswith("compared with nothing"))
    for cell in ("cifar/DKD-T8", "cifar/KD-T2", "svhn/DKD-T8", "svhn/KD-T2"):
        assert cell in told


def test_cells_of_pairs_are_named_once_where_nothing_has_a_baseline():
    """Whoever leaves the baselines out and names pairs need not be told that there are no gains."""
    result = analyze(runs_of(settings(("4",), ("4",), "T")), Plan(contrasts=(Pair("DKD", "KD"),)))
    assert not any("no baseline" in text or "compared with nothing" in text for text in result.warnings)


def test_settings_in_none_of_a_pairs_comparisons_are_named_though_they_have_gains():
    cells = settings(("1", "4"), ("4",), "T")
    cells |= {f"{data}/baseline": {"dataset": data, "method": "baseline"} for data in ("cifar", "svhn")}
    result = analyze(runs_of(cells), Plan(contrasts=(Pair("DKD", "KD"),)))
    told = "in no pair of DKD and KD, as none of the other shares the rest: cifar/KD-T1, svhn/KD-T1"
    assert told in result.warnings
    assert not any(text.startswith("compared with nothing") for text in result.warnings)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            {name: {"method": name.split("-")[0]} for name in ("KD-T2", "KD-T4", "DKD-b1", "DKD-b8")},
            "'DKD' and 'KD' are several in one place, and nothing says which belong together: "
            "DKD-b1, DKD-b8 beside KD-T2, KD-T4",
        ),
        (
            {name: {"method": name.split("-")[0]} for name in ("KD", "DKD-b1", "DKD-b8")},
            "'DKD' and 'KD' are several in one place, and nothing says which belong together: "
            "DKD-b1, DKD-b8 beside KD",
        ),
        (
            {
                name: {"method": name.split("-")[0], "T": name.partition("-T")[2]}
                for name in ("KD-T2", "KD-T4", "DKD")
            },
            "no cell 'DKD' shares the rest with a cell 'KD' (DKD has T – instead of 2)",
        ),
    ],
)
def test_what_nothing_pairs_is_asked_and_the_mend_works(cells, told):
    frame = runs_of(cells)
    with pytest.raises(TableError) as raised:
        compared(frame)
    assert told in raised.value.message
    a, b = shlex.split(re.search(r"--compare (\S+ [^ ;(]+)", raised.value.hint)[1])
    assert compared(frame, a, b) == [f"{a} vs {b}"]


def test_one_pair_is_compared_whatever_else_it_differs_in():
    cells = {"net/KD-T2": {"method": "KD"}, "net/DKD-b8": {"method": "DKD"}}
    assert compared(runs_of(cells)) == ["net/DKD-b8 vs net/KD-T2"]


# ------------------------------------------------------------------------------ baselines of another width


def wide(*widths: int, column: str = "width", methods: tuple[str, ...] = ("kd", "dkd"), base: object = 1):
    cells: dict[str, dict[str, object]] = {
        f"net/baseline-{column}{base}": {"student": "net", "method": "baseline", column: base}
    }
    for width in widths:
        for method in methods:
            cells[f"net/{method}-{column}{width}"] = {"student": "net", "method": method, column: width}
    return runs_of(cells)


def warned(result: Analysis, family: str) -> dict[str, tuple[str, ...]]:
    found = result.family(family)
    assert found is not None
    return {c.name.split(" vs ")[0]: c.warnings for c in found.comparisons}


@pytest.mark.parametrize("column", ["width", "lr", "batch_size"])
def test_a_baseline_of_another_width_is_said_with_every_verdict_and_in_averages(column):
    result = analyze(wide(1, 2, column=column))
    told = (
        f"{column} is 2, and 1 in its baseline net/baseline-{column}1: the difference is confounded with it"
    )
    for name, texts in warned(result, "gains").items():
        assert any(text.startswith(told) for text in texts) == name.endswith("2"), name
    assert all(any(text.startswith(told) for text in texts) for texts in warned(result, "overall").values())


def test_the_offer_leaves_out_what_has_no_baseline_of_its_width():
    frame = wide(1, 2)
    told = " ".join(warned(analyze(frame), "gains")["net/kd-width2"])
    assert "--baseline baseline leaves out what has no baseline that shares it" in told
    result = analyze(frame, Plan(baselines=("baseline",)))
    assert warned(result, "gains").keys() == {"net/kd-width1", "net/dkd-width1"}
    assert "left out, since no baseline shares width: net/dkd-width2, net/kd-width2" in result.warnings


def test_a_baseline_that_was_named_by_its_cell_is_no_other():
    frame = wide(1, 2).replace({"method": {"baseline": "scratch"}})
    frame["cell"] = frame["cell"].str.replace("baseline", "scratch")
    texts = warned(analyze(frame, Plan(baselines=("net/scratch-width1",))), "gains")["net/kd-width2"]
    told = "width is 2, and 1 in its baseline net/scratch-width1: the difference is confounded with it"
    assert told in texts, "without an offer that leaves out nothing"


@pytest.mark.parametrize(
    "frame",
    [
        wide(1, 1),
        wide(1, 2, column="T"),
        wide(1, 2, column="temperature"),
        wide(1, 2, column="lambda"),
        wide(1, 2, column="alpha", base=0),
        wide(1, 2, base=""),
        wide(1, 2, base=0),
        wide(2, methods=("kd",), base=1),
        wide(1, 2).assign(training="{}"),
    ],
    ids=["one", "T", "temperature", "lambda", "alpha", "none", "off", "the method's", "a study's"],
)
def test_what_methods_set_for_themselves_is_no_other_setting(frame):
    text = " ".join(text for texts in warned(analyze(frame), "gains").values() for text in texts)
    assert "confounded" not in text


def test_it_is_said_once():
    """How much data a network saw is told already, where the names do not tell it."""
    frame = runs_of(
        {
            "baseline": {"method": "baseline", "n_train": 100},
            "kd": {"method": "kd", "n_train": 500},
        }
    )
    (texts,) = warned(analyze(frame), "gains").values()
    assert sum("n_train" in text for text in texts) == 1


def test_other_comparisons_of_gains_say_it_too():
    both = DifferenceOfGains("net/kd-width2", "net/kd-width1"), AllOf(("net/kd-width1", "net/kd-width2"))
    found = analyze(wide(1, 2), Plan(contrasts=both)).family("contrasts")
    assert all(any("width is 2, and 1 in" in text for text in c.warnings) for c in found.comparisons)


# -------------------------------------------------------------------------------- what no comparison meets


@pytest.mark.parametrize("named", ["scratch", "method=scratch", "r8/scratch"])
def test_a_teacher_that_nothing_is_compared_with_is_named_beside_a_named_baseline(named):
    words = ("scratch", "kd", "dkd")
    cells = {f"r8/{word}": {"method": word, "student": "r8"} for word in words}
    frame = runs_of(cells | {"r50/teacher": {"method": "teacher", "student": "r50"}})
    result = analyze(frame, Plan(baselines=(named,)))
    assert "compared with nothing: r50/teacher" in result.warnings


# --------------------------------------------------------------------------------- which cells are baselines


def test_which_cells_serve_as_baselines_follows_from_the_gains():
    words = ("baseline", "kd", "dkd")
    frame = runs_of({word: {"method": word} for word in words})
    assert analyze(frame).baselines == {"baseline"}
    assert analyze(frame, Plan(baselines=("method=kd",))).baselines == {"kd"}
    assert analyze(frame, Plan(contrasts=(Pair("kd", "dkd"),))).baselines == {"baseline"}
    scratch = frame.replace("baseline", "scratch")
    assert analyze(scratch, Plan(baselines=("scratch",))).baselines == {"scratch"}
    assert analyze(scratch).baselines == set()
    lone = runs_of({f"{s}/{w}": {"method": w, "student": s} for s in ("a", "b") for w in words})
    lone = lone[~lone["cell"].isin(["b/kd", "b/dkd"])]
    assert analyze(lone).baselines == {"a/baseline", "b/baseline"}
