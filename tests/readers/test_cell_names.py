"""What cells of a table are called: a value that means nothing without its column has it beside it."""

from __future__ import annotations

import pytest

from rigorkd.report.judging import Question, analysis_of


def table(columns: str, *cells: str) -> str:
    """Four seeds of each cell."""
    runs = [(at, cell, seed) for at, cell in enumerate(cells) for seed in range(4)]
    rows = [f"{cell},{seed},{70 + at + seed * (seed + at) / 10:g}" for at, cell, seed in runs]
    return "\n".join([f"{columns},seed,test_acc", *rows]) + "\n"


@pytest.mark.parametrize(
    ("columns", "cells", "by", "names"),
    [
        ("pretrained", ("True", "False"), "pretrained", {"pretrained=True", "pretrained=False"}),
        ("EMA", ("yes", "no"), "EMA", {"EMA=yes", "EMA=no"}),
        ("distill", ("true", "false"), None, {"distill=true", "distill=false"}),
        ("method", ("0", "1"), None, {"method0", "method1"}),
        ("model,method", ("18,kd", "34,kd"), None, {"model18/kd", "model34/kd"}),
        (
            "model,method,flip",
            ("r20,baseline,True", "r20,kd,True", "r20,kd,False"),
            "model,method,flip",
            {"r20/baseline-flip=True", "r20/kd-flip=True", "r20/kd-flip=False"},
        ),
        ("method,views", ("kd,True", "kd,False"), None, {"kd-views=True", "kd-views=False"}),
        ("method,views", ("kd,1", "kd,2"), None, {"kd-views1", "kd-views2"}),
        ("width", ("64", "128"), "width", {"width64", "width128"}),
        ("method,optimizer", ("kd,sgd", "kd,adam"), None, {"kd-sgd", "kd-adam"}),
    ],
)  # fmt: skip
def test_cells_are_named_with_the_columns_of_bare_values(folder, columns, cells, by, names) -> None:
    folder.write("runs.csv", table(columns, *cells))
    assert set(folder.open("runs.csv", cell=by).table["cell"]) == names


def test_an_answer_can_be_the_baseline_by_its_name_and_by_its_value(folder) -> None:
    folder.write("runs.csv", table("pretrained", "True", "False"))
    found = folder.open("runs.csv", cell="pretrained")
    (c,) = analysis_of(found, Question(baselines=("pretrained=False",))).family("gains").comparisons
    assert (c.a, c.b) == ("pretrained=True", "pretrained=False")


def test_sentences_name_what_a_bare_value_is_of(folder) -> None:
    folder.write("runs.csv", table("model,method", "18,0", "18,1", "34,0", "34,1"))
    found = analysis_of(folder.open("runs.csv"), Question(baselines=("method0",)))
    for c, model in zip(found.family("gains").comparisons, ("model18", "model34"), strict=True):
        assert c.says.startswith(f"Method 1 raised {model}'s test accuracy by")
        assert " points over method0 (" in c.says
