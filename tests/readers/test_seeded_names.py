"""Names of configurations that hold the seed of their run."""

from __future__ import annotations

import pandas as pd
import pytest

from rigorkd.readers.seeded_names import pattern_in, stems


def table(names: list[str], seeds: list[int | str], column: str = "method") -> str:
    rows = [
        f"{name},{seed},{70 + at % 3 / 7 + ('kd' in name)}"
        for at, (name, seed) in enumerate(zip(names, seeds, strict=True))
    ]
    return "\n".join([f"{column},seed,test_acc", *rows]) + "\n"


def named(joint: str, numbers: range = range(3)) -> list[str]:
    return [f"{method}{joint}{number}" for method in ("kd-T4", "baseline") for number in numbers]


@pytest.mark.parametrize("joint", ["_seed", "-s", "_run", "-", " #", "/seed=", " run "])
@pytest.mark.parametrize("column", ["method", "cell", "model", "name"])
def test_a_name_that_holds_its_seed_is_one_cell(folder, joint, column):
    folder.write("runs.csv", table(named(joint), [0, 1, 2] * 2, column))
    ((name, found),) = folder.gains("runs.csv").items()
    assert found[1] == 3
    assert abs(found[0]) == 1.0
    assert name in ("kd-T4", "baseline vs kd-T4")


def test_what_was_taken_off_is_said(folder):
    folder.write("runs.csv", table(named("_run", range(1, 4)), [42, 43, 44] * 2))
    tidy = folder.open("runs.csv").tidy
    assert tidy.dropped == ("the seed in method: kd-T4_run1 counts as kd-T4",)
    assert sorted(tidy.table.frame["cell"].unique()) == ["baseline", "kd-T4"]


def test_a_cell_named_by_hand_is_without_it_too(folder):
    text = table(named("_run"), [0, 1, 2] * 2, "what")
    folder.write("runs.csv", text)
    assert folder.gains("runs.csv", cell="what") == {"baseline vs kd-T4": (-1.0, 3)}


@pytest.mark.parametrize(
    ("names", "seeds"),
    [
        (["vit_16", "vit_32", "cnn_16", "cnn_32"], [0, 0, 0, 0]),  # sizes, at one seed
        (["resnet18", "resnet34", "vgg18", "vgg34"], [18, 34, 18, 34]),  # no sign before the number
        (["kd_0", "kd_1", "ce_1", "ce_0"], [0, 1, 0, 1]),  # two rows do not agree
        (["kd_0", "kd_run1", "ce_0", "ce_run1"], [0, 1, 0, 1]),  # written in two ways
        (["a_1", "a_2"], [7, 8]),  # of one stem, and not the seeds
        (["a_1", "b_1"], [1, 1]),
        (["a_1", "b_2"], [1, 2]),
    ],
)
def test_other_numbers_stay(names, seeds):
    assert stems(pd.Series(names), pd.Series(list(map(str, seeds)))) is None


def test_a_name_at_several_seeds_holds_none():
    names = ["kd_0", "kd_1", "ce", "ce"]
    found = stems(pd.Series(names), pd.Series(["0", "1", "0", "1"]))
    assert found == {"kd_0": "kd", "kd_1": "kd", "ce": "ce"}


def test_without_a_column_of_seeds_names_tell_them_or_the_pattern_is_offered(folder):
    rows = [f"{name},{70 + at % 3 / 7 + ('kd' in name)}" for at, name in enumerate(named("_seed"))]
    folder.write("runs.csv", "\n".join(["method,test_acc", *rows]))
    assert folder.gains("runs.csv") == {"kd-T4": (1.0, 3)}
    folder.write("runs.csv", "\n".join(["method,test_acc", *rows]).replace("_seed", "_run"))
    assert "--seed '_run{}'" in folder.refusal("runs.csv")
    assert folder.gains("runs.csv", seed="_run{}") == {"kd-T4": (1.0, 3)}
    assert pattern_in(pd.Series(["resnet-18", "resnet-34", "vgg-18"])) == ""
