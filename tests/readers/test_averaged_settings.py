"""A method averaged over its settings within each seed: a baseline among methods that have none of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest

Row = tuple[str, str, str, int]
CELLS = "dataset,model,method"


def value(data: str, method: str, T: str, seed: int) -> float:
    level = {"scratch": 0.0, "KD": 1.0, "DKD": 2.0, "CRD": 1.5}[method] + (data == "svhn")
    return round(70 + level + seed % 3 / 2 + {"": 0.0, "2": 0.25, "4": 0.75, "8": 0.1}[T] + seed / 100, 2)


def table(
    *,
    keep: Callable[[Row], bool] = lambda row: True,
    named: str = "temperature",
    distilled: dict[str, tuple[str, ...]] | None = None,
    more: str = "",
) -> str:
    """Methods on two data sets over four seeds; KD has two temperatures, unless it is said otherwise."""
    settings = {"scratch": ("",), "KD": ("2", "4"), "CRD": ("",)} | (distilled or {"DKD": ("",)})
    rows = [
        (data, method, T, seed)
        for data in ("cifar", "svhn")
        for method, own in settings.items()
        for T in own
        for seed in range(4)
    ]
    lines = [
        f"{d},r18,{m},{T},{s},{value(d, m, T, s)}{more and f',{m}{T}'}"
        for d, m, T, s in rows
        if keep((d, m, T, s))
    ]
    return "\n".join([f"dataset,model,method,{named},seed,acc{more and f',{more}'}", *lines]) + "\n"


def mean_of_kd(data: str, seed: int) -> float:
    return (value(data, "KD", "2", seed) + value(data, "KD", "4", seed)) / 2


@pytest.mark.parametrize("named", ["temperature", "tau", "alpha", "depth_of_hints"])
@pytest.mark.parametrize("baseline", ["KD", "method=KD"])
def test_a_method_averaged_over_its_settings_is_the_baseline_seed_by_seed(folder, named, baseline):
    from rigorkd.report.judging import Question, analysis_of

    folder.write("runs.csv", table(named=named))
    found = folder.open("runs.csv", cell=CELLS, average=named)
    result = analysis_of(found, Question(baselines=(baseline,)), images=False)
    family = result.family("gains")
    assert family.over == "KD"
    for one in family.comparisons:
        data, _, method = one.a.split("/")
        assert (one.b, one.n) == (f"{data}/r18/KD", 4)
        each = [value(data, method, "", seed) - mean_of_kd(data, seed) for seed in range(4)]
        assert one.mean_diff == pytest.approx(sum(each) / 4)
    told = f"averaged settings: method=KD over {named} 2, 4 within each seed (method=scratch, method=CRD, "
    told += f"method=DKD: no {named}, so as they are), as --average asks"
    assert told in result.warnings


def test_settings_that_all_have_are_averaged_over_the_same_ones(folder):
    folder.write("runs.csv", table(distilled={"DKD": ("2", "4", "8")}))
    found = folder.open("runs.csv", cell=CELLS, average="temperature")
    assert any("cifar/r18/KD lacks 8, which is left out of the averages" in text for text in found.warnings)
    gains = folder.gains("runs.csv", cell=CELLS, average="temperature")
    assert gains["cifar/r18/DKD vs cifar/r18/KD"] == (1.0, 4)


def test_a_seed_without_one_of_the_settings_has_no_average(folder):
    """Or its difference would be of the other temperature alone."""
    folder.write("runs.csv", table(keep=lambda row: row != ("cifar", "KD", "4", 3)))
    found = folder.open("runs.csv", cell=CELLS, average="temperature")
    told = "temperature: cifar/r18/KD lacks 4 at seed 3, and so has no average there"
    assert told in found.warnings
    gains = folder.gains("runs.csv", cell=CELLS, average="temperature")
    assert gains["cifar/r18/CRD vs cifar/r18/KD"][1] == 3
    assert gains["svhn/r18/CRD vs svhn/r18/KD"][1] == 4


def test_runs_of_two_temperatures_are_averaged_though_each_has_an_id_of_its_own(folder):
    folder.write("runs.csv", table(more="id"))
    assert len(folder.open("runs.csv", cell=CELLS, average="temperature").table) == 32


def test_rows_without_a_setting_are_never_averaged_with_each_other(folder):
    text = table()
    folder.write("runs.csv", text + "cifar,r18,scratch,,0,71.5\n")
    assert "seed 0 of cifar/r18/scratch is there 2 times" in folder.refusal(
        "runs.csv", cell=CELLS, average="temperature"
    )


OPTION = re.compile(r"(--(?:cell|without) (?:'[^']*'|[^ ;,)]+(?:,[^ ;)]+)*))")


def followed(folder: Any, told: str, asked: dict[str, Any]) -> None:
    """Each way out that a message offers reads the table: options with one another, or --cell alone."""
    words = [shlex.split(one) for one in OPTION.findall(told)]
    assert words
    without = tuple(value for option, value in words if option == "--without")
    cells = [value for option, value in words if option == "--cell"]
    if without:
        folder.gains("runs.csv", **asked, without=without)
    for cell in cells:
        folder.gains("runs.csv", **{**asked, "cell": cell, "average": None})


@pytest.mark.parametrize(
    ("made", "parts"),
    [
        (
            table(distilled={"DKD": ("8",)}),
            ["cifar/r18/DKD has temperature 8, and no 2, 4, which cifar/r18/KD has", "--without method=DKD"],
        ),
        (
            table(keep=lambda row: row[1] != "KD" or (row[3] < 2) == (row[2] == "2")),
            ["at no seed cifar/r18/KD has all of temperature 2, 4", "--without temperature=4"],
        ),
    ],
)
def test_averages_that_cannot_be_are_refused_with_ways_out_that_work(folder, made, parts):
    folder.write("runs.csv", made)
    asked = {"cell": CELLS, "average": "temperature"}
    told = folder.refusal("runs.csv", **asked)
    for part in parts:
        assert part in told
    followed(folder, told, asked)


def test_an_empty_fold_is_no_setting_and_what_lacks_it_may_be_left_out(folder):
    folder.write("runs.csv", table(named="fold"))
    asked = {"cell": CELLS, "average": "fold"}
    told = folder.refusal("runs.csv", **asked)
    assert "cifar/r18/scratch has a field that is empty, and no 2, 4, which cifar/r18/KD has" in told
    assert "--without method=scratch --without method=CRD --without method=DKD" in told
    assert len(folder.open("runs.csv", **asked, without=("scratch", "CRD", "DKD")).table) == 8


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            table().replace("cifar,r18,KD,4,0,", "cifar,r18,KD,,0,"),
            [
                "runs.csv:10: column 'temperature'",
                "cifar/r18/KD has temperature 2, 4 elsewhere, and none here",
            ],
        ),
        (
            table() + "cifar,r18,KD,2.0,0,70.1\n",
            ["seed 0 of cifar/r18/KD is there 2 times with temperature 2", "each counts once"],
        ),
        (
            table(more="optimizer").replace(",KD2\n", ",sgd\n").replace(",KD4\n", ",adam\n"),
            [
                "rows of one seed of cifar/r18/KD differ in optimizer, too",
                "--cell dataset,model,method,optimizer",
            ],
        ),
    ],
)
def test_rows_of_which_it_is_not_known_what_is_averaged_are_refused(folder, text, parts):
    folder.write("runs.csv", text)
    told = folder.refusal("runs.csv", cell=CELLS, average="temperature")
    for part in parts:
        assert part in told


def test_a_setting_that_tells_cells_apart_is_told_how_to_be_averaged(folder):
    folder.write("runs.csv", table())
    told = folder.refusal("runs.csv", average="temperature")
    assert "leave it out of what a cell is: --cell dataset,method" in told
    assert folder.gains("runs.csv", cell=CELLS, average="temperature")
