"""Sentences speak of distillation only where the methods are."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.wording import is_distillation


@pytest.mark.parametrize(
    "method", ["kd", "DKD", "feature", "CRD+KD", "self-distillation", "crd", "SimKD", "own", "distilled"]
)
def test_methods_that_distil(method: str):
    assert is_distillation(method)


@pytest.mark.parametrize(
    "method", ["mixup", "cutmix", "sam", "ours", "adamw", "baseline", "label smoothing", ""]
)
def test_methods_that_do_not(method: str):
    assert not is_distillation(method)


def test_a_teacher_or_a_temperature_makes_it_distillation():
    assert is_distillation("ours", teacher="r34")
    assert is_distillation("ours", temperature=4.0)
    assert not is_distillation("baseline", teacher="r34")


def says(method: str) -> str:
    values = {"baseline": (70.0, 70.4, 70.2, 70.1, 70.3), method: (72.0, 72.5, 72.1, 72.2, 72.4)}
    rows = [
        {"cell": name, "method": name, "student": "r8", "seed": seed, "test_acc": value}
        for name, own in values.items()
        for seed, value in enumerate(own)
    ]
    return analyze(pd.DataFrame(rows)).families[-1].comparisons[0].says


def test_sentences():
    assert says("mixup").startswith("mixup raised r8's test accuracy")
    assert "istillation" not in says("mixup")
    assert says("dkd").startswith("DKD distillation raised")
    assert says("kd").startswith("Distillation raised")


def test_a_baseline_or_a_contrastive_temperature_makes_no_distillation():
    assert not is_distillation("scratch", teacher="r34")
    assert not is_distillation("simclr", temperature=0.1)
    assert is_distillation("", cell="r8/kd-T4")
    assert not is_distillation("", cell="r8/at-0.5")


def runs_of(cells: dict[str, float], **columns: dict[str, str]) -> pd.DataFrame:
    """Runs of named cells around their means, with columns by cell."""
    noise = (0.0, 0.4, 0.2, 0.1, 0.3)
    return pd.DataFrame(
        {"cell": cell, "seed": seed, "test_acc": mean + (1 + 0.1 * at) * noise[(seed + at) % 5]}
        | {name: own[cell] for name, own in columns.items()}
        for at, (cell, mean) in enumerate(cells.items())
        for seed in range(5)
    )


def test_what_gains_are_over_is_named_unless_it_is_called_the_baseline():
    method = {"a": "scratch", "b": "kd", "c": "dkd"}
    frame = runs_of({"a": 70, "b": 74, "c": 78}, method=method, student=dict.fromkeys("abc", "r8"))
    over_kd = analyze(frame, Plan(baselines=("b",))).family("gains")
    assert over_kd.over == "KD"
    lower, higher = (c.says for c in over_kd.comparisons)
    assert re.match(r"r8's undistilled baseline scratch was \S+ points below KD in test accuracy \(", lower)
    assert re.match(r"DKD distillation raised r8's test accuracy by \S+ points over KD \(", higher)
    over_scratch = analyze(frame, Plan(baselines=("a",))).family("gains")
    assert over_scratch.over == "scratch"
    assert all(" kd" not in c.says and "compared" not in c.says for c in over_scratch.comparisons)


def test_what_the_name_of_a_studys_cell_says_its_sentence_says_too():
    """Of parameters that are no columns; numbers in names of other tables may be anything."""
    method = {
        "m/r8/baseline": "baseline",
        "m/r8/dist-tau4": "dist",
        "m/r8/dkd-T4-tckd1-nckd8-bs32": "dkd",
        "m/r8/own-a0.5-scale1.5-vgg13-bf16": "own",
        "m/r8/lskd-T2": "lskd",
    }
    columns = {
        "method": method,
        "student": dict.fromkeys(method, "r8"),
        "teacher": {cell: "teacher/vgg13" * (name != "baseline") for cell, name in method.items()},
    }
    cells = dict(zip(method, (70, 74, 75, 76, 77), strict=True))
    other = runs_of(cells, **columns)
    alike = dict.fromkeys(method, "{}")
    study = runs_of(cells, **columns, training=alike, views=alike)

    def begins(frame: pd.DataFrame) -> list[str]:
        return [c.says.partition(" raised")[0] for c in analyze(frame).family("gains").comparisons]

    assert begins(study) == [
        "DIST distillation at tau = 4",
        "DKD distillation at tckd = 1, nckd = 8, batch size = 32",
        "LSKD distillation",
        "Own distillation at scale = 1.5",
    ]
    assert begins(other)[:2] == ["DIST distillation", "DKD distillation"]


def test_a_weight_that_a_column_says_is_not_said_again_by_the_name():
    """A command's own method has its settings in its name by their keys, and α in a column as well."""
    method = {"m/r8/baseline": "baseline", "m/r8/hot-T8-alpha0.5": "hot"}
    alike = dict.fromkeys(method, "{}")
    frame = runs_of(
        dict(zip(method, (70, 74), strict=True)),
        method=method,
        student=dict.fromkeys(method, "r8"),
        training=alike,
        views=alike,
        T=dict(zip(method, (None, 8), strict=True)),
        alpha=dict(zip(method, (None, 0.5), strict=True)),
    )
    (gain,) = analyze(frame).family("gains").comparisons
    assert gain.says.startswith("hot at T = 8, α = 0.5 raised ")


def test_a_studys_sentence_says_which_layers_and_switches_its_method_has():
    """Layers are said where they are the usual ones, too; `pool1` and `no-t2` set nothing to a number."""
    layers = {
        "m/r8/at": '{"layers": ["layer1", "layer2"]}',
        "m/r8/at-pool1": '{"layers": ["pool1"]}',
        "m/r8/sp-relu2.hidden": '{"layers": [{"student": "relu2", "teacher": "hidden"}]}',
        "m/r8/kd-T4-a0.5-reverse-no-t2-std": '{"direction": "reverse"}',
    }
    method = {"m/r8/baseline": "baseline", **{cell: re.split("[/-]", cell)[2] for cell in layers}}
    alike = dict.fromkeys(method, "{}")
    frame = runs_of(
        dict(zip(method, (70, 74, 75, 76, 77), strict=True)),
        method=method,
        student=dict.fromkeys(method, "r8"),
        of_method={"m/r8/baseline": "", **layers},
        training=alike,
        views=alike,
    )
    said = {c.a: c.says.partition(" raised")[0] for c in analyze(frame).family("gains").comparisons}
    assert said == {
        "m/r8/at": "AT distillation at layers layer1 and layer2",
        "m/r8/at-pool1": "AT distillation at layers pool1",
        "m/r8/sp-relu2.hidden": "SP distillation at layers relu2.hidden",
        "m/r8/kd-T4-a0.5-reverse-no-t2-std": (
            "KD distillation at direction reverse, no factor T², standardized logits"
        ),
    }


def test_a_table_without_methods_has_no_students_and_its_baseline_is_named():
    frame = runs_of({"cnn": 70, "mae": 74, "simclr": 78})
    found = analyze(frame, Plan(baselines=("cnn",)))
    text = " ".join(c.says for family in found.families for c in family.comparisons)
    assert "istil" not in text
    assert "student" not in text
    assert "simclr raised the test accuracy by" in text
    assert "points over cnn (" in text


def test_an_open_average_has_no_comma_before_its_colon():
    frame = runs_of({"a": 70, "b": 70, "c": 70.1}, T={"a": "1", "b": "2", "c": "4"})
    average = analyze(frame, Plan(baselines=("a",))).family("overall").comparisons[0]
    assert average.name.endswith("average of 2 (T)")
    assert average.says.startswith("The cells, averaged over 2 settings of T: inconclusive;")


def test_an_average_never_goes_over_different_data():
    cells = [f"{data}/{name}" for data in ("c10", "c100") for name in ("baseline", "kd-1", "kd-2", "dkd")]
    columns = {
        "dataset": {cell: cell.split("/")[0] for cell in cells},
        "method": {cell: cell.split("/")[1].split("-")[0] for cell in cells},
        "T": {cell: cell.partition("-")[2] for cell in cells},
    }
    frame = runs_of({cell: 70 + at for at, cell in enumerate(cells)}, **columns)
    found = analyze(frame)
    names = [c.name for c in found.family("overall").comparisons]
    assert names == ["c10/kd: average of 2 (T)", "c100/kd: average of 2 (T)"]
    says = found.family("overall").comparisons[0].says
    assert says.startswith("KD distillation (c10), averaged over 2 settings of T,")
    grouped = analyze(frame.assign(group=frame["dataset"]))  # as the readers of tables name it
    assert [c.name for c in grouped.family("overall").comparisons] == names
    (together,) = found.family("gains").by_method  # of dkd there are two
    assert "4 settings of dataset and T the gain of KD distillation in" in together.says
    assert not together.alike


@pytest.mark.parametrize("column", ["subset_name", "n_train", "label_fraction"])
def test_which_is_best_is_asked_among_cells_of_one_budget(column: str):
    means = {f"{name}/{size}": 70 + at for size in (10, 100) for at, name in enumerate(("a", "b", "c"))}
    words = {"subset_name": "{}pct"}.get(column, "{}")
    frame = runs_of(means, **{column: {cell: words.format(cell.partition("/")[2]) for cell in means}})
    sets = [{cell.partition("/")[2] for cell in one.cells} for one in analyze(frame).best.sets]
    assert sorted(map(sorted, sets)) == [["10"], ["100"]]


def test_which_is_best_is_asked_beside_the_baseline_that_a_part_of_names_names():
    frame = runs_of({f"{name}/{part}": 70 + at for part in "xy" for at, name in enumerate(("a", "b", "c"))})
    assert [len(one.cells) for one in analyze(frame).best.sets] == [6]
    best = analyze(frame, Plan(baselines=("a",))).best
    assert [one.group for one in best.sets] == ["x", "y"]


def test_a_setting_that_names_hold_is_told_of_an_average():
    means = {"base": 70.0} | {f"a{a}-width{w}": 71.0 + a for a in (1, 2) for w in (64, 512)}
    frame = runs_of(
        means,
        alpha={cell: cell[1] if cell != "base" else "" for cell in means},
        width={cell: cell.partition("width")[2] for cell in means},
    )
    found = analyze(frame, Plan(baselines=("base",)))
    assert found.family("overall").comparisons[0].name.endswith("average of 4 (alpha, width)")


def test_a_sentence_says_its_data_set_also_where_no_other_has_that_setting():
    """DKD at T = 2 was run on one data set alone: its sentence had been the only one without it."""
    cells = ["a/ce", "a/kd", "a/dkd-2", "a/dkd-4", "b/ce", "b/kd", "b/dkd-4"]
    method = {cell: cell.split("/")[1].split("-")[0].replace("ce", "baseline") for cell in cells}
    columns = {
        "dataset": {cell: cell.split("/")[0] for cell in cells},
        "method": method,
        "student": dict.fromkeys(cells, "r8"),
        "T": {cell: cell.partition("-")[2] for cell in cells},
    }
    found = analyze(runs_of({cell: 70 + at for at, cell in enumerate(cells)}, **columns))
    for c in found.family("gains").comparisons:
        assert f"({c.a.split('/')[0]})" in c.says
    (average,) = found.family("overall").comparisons
    assert average.says.startswith("DKD distillation (a), averaged over ")


def test_kd_is_distillation_itself_only_where_it_is_alone():
    """Beside others what it did would be read of all of them, by the case of its letters."""
    for others, called in (((), "Distillation"), (("dkd",), "KD distillation"), (("mixup",), "Distillation")):
        method = {name: name for name in ("baseline", "kd", *others)}
        frame = runs_of(dict(zip(method, (70, 72, 74), strict=False)), method=method)
        kd = next(c for c in analyze(frame).family("gains").comparisons if c.a == "kd")
        assert kd.says.startswith(f"{called} raised ")


def test_a_warm_up_is_said_where_it_is_the_usual_one():
    """It is in no name of a cell then, and the weight that a sentence says was not there from the start."""
    method = {"m/r8/baseline": "baseline", "m/r8/dkd": "dkd", "m/r8/dkd-w5": "dkd"}
    alike = dict.fromkeys(method, "{}")
    frame = runs_of(
        dict(zip(method, (70, 74, 75), strict=True)),
        method=method,
        student=dict.fromkeys(method, "r8"),
        training=alike,
        views=alike,
        of_method=dict(zip(method, ("", '{"warmup": 20}', '{"warmup": 5}'), strict=True)),
    )
    told = [c.says.partition(" raised")[0] for c in analyze(frame).family("gains").comparisons]
    assert sorted(told) == ["DKD distillation at warm-up = 20", "DKD distillation at warm-up = 5"]
