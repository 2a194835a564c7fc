"""Like is compared with like: the same data, no other setting, and runs that are no copies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, TableError, analyze
from rigorkd_analysis.analysis_plan import Pair
from rigorkd_analysis.likeness import copied, says_on_what
from rigorkd_analysis.runs import read_runs

VALUES = {"baseline": (90.1, 90.5, 89.9, 90.2, 90.4), "ours": (91.3, 91.4, 91.2, 91.7, 91.1)}


def table(**columns: dict[str, str]) -> pd.DataFrame:
    """Five seeds of two methods, with columns that say one thing of each."""
    return pd.DataFrame(
        [
            {"cell": method, "method": method, "seed": seed, "test_acc": value}
            | {name: of[method] for name, of in columns.items()}
            for method, values in VALUES.items()
            for seed, value in enumerate(values)
        ]
    )


def warnings_of(frame: pd.DataFrame, plan: Plan | None = None) -> list[str]:
    result = analyze(frame, plan)
    found = [text for family in result.families for one in family.comparisons for text in one.warnings]
    return list(dict.fromkeys(found))  # an average of one gain repeats it


@pytest.mark.parametrize(
    "column",
    [
        "split",
        "phase",
        "part",
        "eval_set",
        "test_set",
        "Lang",
        "domain",
        "evaluation_task",
        "evalSet",
        "corpus",
    ],
)
def test_a_column_that_says_on_what_was_measured_parts_the_cells(column: str):
    frame = table(**{column: {"baseline": "first", "ours": "second"}})
    with pytest.raises(TableError) as caught:
        analyze(frame)
    assert f"measured on {column} second, and baseline on first" in caught.value.message
    assert "--compare ours baseline" in caught.value.hint
    told = warnings_of(frame, Plan(contrasts=(Pair("ours", "baseline"),)))
    assert told == [f"measured on different data ({column}: ours second, baseline first): no like comparison"]
    assert not warnings_of(table(**{column: {"baseline": "first", "ours": "first"}}))


@pytest.mark.parametrize(
    "column", ["train_split", "feature_source", "note", "target_loss", "n_subsets", "method"]
)
def test_other_columns_say_nothing_of_it(column: str):
    assert not says_on_what(column)


def test_a_study_says_itself_which_baseline_a_cell_has():
    frame = table(domain={"baseline": "first", "ours": "second"}).assign(training="{}")
    assert warnings_of(frame) == [
        "measured on different data (domain: ours second, baseline first): no like comparison"
    ]


def test_numbers_and_gaps_are_settings():
    assert not warnings_of(table(target={"baseline": "0.5", "ours": "0.9"}))
    assert not warnings_of(table(part={"baseline": "", "ours": "encoder"}))


def test_pairs_are_of_cells_that_were_measured_on_the_same_and_lone_ones_are_named():
    rows = [("a", "x"), ("b", "x"), ("c", "y")]
    frame = pd.DataFrame(
        [
            {"cell": cell, "corpus": corpus, "seed": seed, "test_acc": 90 + place + seed * 0.31 + seed % 2}
            for place, (cell, corpus) in enumerate(rows)
            for seed in range(4)
        ]
    )
    result = analyze(frame)
    assert [one.name for family in result.families for one in family.comparisons] == ["a vs b"]
    assert "compared with nothing: c (alone on corpus y)" in result.warnings
    assert not any("nothing" in text for text in analyze(frame.assign(corpus="x")).warnings)


def test_each_part_has_its_own_baseline():
    frame = pd.DataFrame(
        [
            {"cell": f"{method}/{part}", "method": method, "lang": part, "seed": seed, "test_acc": value}
            for method, values in VALUES.items()
            for part, less in (("de", 0.0), ("fr", 30.0))
            for seed, value in enumerate(np.array(values) - less)
        ]
    )
    gains = {one.name: one.mean_diff for family in analyze(frame).families for one in family.comparisons}
    assert gains == pytest.approx(dict.fromkeys(("ours/de vs baseline/de", "ours/fr vs baseline/fr"), 1.12))
    frame = frame.rename(columns={"lang": "bucket"})
    with pytest.raises(TableError) as caught:
        analyze(frame)
    assert "--baseline baseline takes for each" in caught.value.hint
    again = analyze(frame, Plan(baselines=("baseline",)))
    found = [
        one.mean_diff for family in again.families if family.name == "gains" for one in family.comparisons
    ]
    assert found == pytest.approx([1.12, 1.12])


def test_a_baseline_that_was_named_and_measured_elsewhere_is_told():
    frame = table(dataset={"baseline": "cifar10", "ours": "cifar10.1"}).drop(columns="method")
    frame["method"] = frame["cell"].map({"baseline": "plain", "ours": "ours"})
    with pytest.raises(TableError) as caught:
        analyze(frame, Plan(baselines=("baseline",)))
    assert "measured on dataset cifar10.1, and baseline on cifar10" in caught.value.message


def test_settings_that_differ_confound_unless_the_name_tells_them():
    told = warnings_of(
        table(n_train={"baseline": "40000", "ours": "50000"}, aug={"baseline": "none", "ours": "cut"})
    )
    assert told == [
        "n_train differs (ours 50000, baseline 40000): the difference is confounded with it",
        "aug differs (ours cut, baseline none): the difference is confounded with it",
    ]
    assert not warnings_of(table(n_train={"baseline": "50000", "ours": "5e4"}))
    assert not warnings_of(table(aug={"baseline": "none", "ours": "ours"}))
    assert not warnings_of(table(n_train={"baseline": "", "ours": "40000"}))


def test_runs_that_begin_again_are_copies():
    fresh = {"baseline": (91.13, 91.42, 90.87), "ours": (91.58, 91.93, 91.31)}
    frame = pd.DataFrame(
        [
            {"cell": method, "method": method, "seed": seed, "test_acc": values[seed % 3]}
            for method, values in fresh.items()
            for seed in range(9)
        ]
    )
    told = warnings_of(frame)
    assert any("baseline has the same test_acc at seeds 0, 3, 6; 1, 4, 7; 2, 5, 8" in text for text in told)
    assert not any("copied" in text for text in warnings_of(frame[frame.seed < 3]))


@pytest.mark.parametrize("seeds", [(0, 1, 2, 0, 1), (0, 1, 2, 3, 0)])
def test_seeds_that_are_equal_in_every_cell_are_copies(seeds: tuple[int, ...]):
    rng = np.random.default_rng(4)
    values = np.round(90 + 0.3 * rng.standard_normal(4) + 0.3 * rng.standard_normal((4, 4)), 2)
    rows = [
        {"cell": str(cell), "method": "baseline" if cell == 0 else f"m{cell}", "seed": seed,
         "test_acc": values[cell, drawn]}
        for cell in range(4)
        for seed, drawn in enumerate(seeds)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    shown = "0, 3; 1, 4" if seeds[3] == 0 else "0, 4"
    assert any(f"every cell has the same test_acc at seeds {shown}" in text for text in warnings_of(frame))
    assert not copied(read_runs(frame[frame.seed < 3]))
    assert not copied(read_runs(frame.assign(test_acc=frame.test_acc.round(0))))


def test_cells_that_follow_their_seed_tie_together_without_an_alarm():
    """Ten cells that differ by an image or two of 500: a tie in one is nearly one in all."""
    rng, alarms = np.random.default_rng(5), 0
    for _ in range(200):
        right = np.round(450 + 1.5 * rng.standard_normal(10) + 0.2 * rng.standard_normal((10, 10)))
        rows = [
            {"cell": str(cell), "seed": seed, "test_acc": right[cell, seed] / 5}
            for cell in range(10)
            for seed in range(10)
        ]
        alarms += bool(copied(read_runs(pd.DataFrame(rows))))
    assert alarms <= 2


def test_copies_of_a_loss_need_no_period():
    values = [0.41231233, 0.4212391, 0.41231233, 0.42991231, 0.4212391, 0.43112312]
    frame = pd.DataFrame({"cell": "a", "seed": range(6), "test_loss": values})
    assert set(copied(read_runs(frame))) == {0}
    assert not copied(read_runs(frame.assign(test_loss=np.round(frame.test_loss, 2))))
    assert not copied(read_runs(frame.rename(columns={"test_loss": "macro_f1"})))  # of how many images?


@pytest.mark.parametrize("images", [30, 100, 560, 1_000, 10_000, 28_000])
@pytest.mark.parametrize("digits", [2, 12])
def test_accuracies_on_few_images_tie_by_themselves(images: int, digits: int):
    rng = np.random.default_rng(images)
    for _ in range(15):
        n = int(rng.integers(5, 21))
        # seeds differ by less than the test images would let two samples of images do
        right = np.clip(np.round(images * (0.9 + 0.004 * rng.standard_normal((3, n)))), 0, images)
        frame = pd.DataFrame(
            [
                {"cell": str(cell), "seed": seed, "test_acc": round(100 * right[cell, seed] / images, digits)}
                for cell in range(3)
                for seed in range(n)
            ]
        )
        assert not copied(read_runs(frame))


@pytest.mark.parametrize(
    ("metric", "others", "training"),
    [
        ("train_acc", (), True),
        ("accuracy", ("loss", "val_accuracy", "val_loss"), True),
        ("accuracy", ("epoch", "val_accuracy"), True),
        ("accuracy", ("val_accuracy",), False),
        ("accuracy", ("loss", "val_accuracy", "val_loss", "train_accuracy"), False),
        ("val_accuracy", ("accuracy", "loss", "val_loss"), False),
        ("test_acc", ("val_acc", "val_loss", "loss"), False),
    ],
)
def test_a_metric_of_training_data_is_told(metric: str, others: tuple[str, ...], training: bool):
    frame = table().rename(columns={"test_acc": metric})
    result = analyze(frame.assign(**dict.fromkeys(others, 1.0)), Plan(metric=metric))
    assert any("of training data" in text for text in result.warnings) is training


def test_thousands_of_seeds_tie_without_an_alarm():
    rng = np.random.default_rng(2)
    rows = [
        {"cell": cell, "seed": seed, "test_acc": round(float(value), 2)}
        for cell in ("a", "b")
        for seed, value in enumerate(rng.normal(90, 0.4, 3000))
    ]
    assert copied(read_runs(pd.DataFrame(rows))) == {}


def test_a_baseline_that_is_one_of_its_distilled_cells_is_said_of_every_gain_over_it(table_of):
    rng = np.random.default_rng(3)
    base = np.round(80 + rng.normal(0, 1, 5), 2)
    others = {f"kd-T{T}": np.round(base + rng.normal(0.5, 0.4, 5), 2) for T in (1, 2)}
    told = (
        "the baseline base has the test_top1 of kd-T4 at every seed: they may be the same runs, or a script"
    )
    every = analyze(table_of({"base": base, **others, "kd-T4": base}))
    by_name = {one.name: one for family in every.families for one in family.comparisons}
    assert len(by_name) == 4  # their average is one of two distilled networks, too
    assert all(any(text.startswith(told) for text in one.warnings) for one in by_name.values())
    assert f"caution: {told}" in by_name["kd-T1 vs base"].says
    plan = Plan(contrasts=(Pair("kd-T1", "kd-T2"),))
    (contrast,) = (
        analyze(table_of({"base": base, **others, "kd-T4": base}), plan).family("contrasts").comparisons
    )
    assert not any("baseline" in text for text in contrast.warnings)

    def alarms(frame: pd.DataFrame) -> bool:
        return any("defaults" in text for text in warnings_of(frame))

    same = {"base": base, **others, "kd-T4": base}
    assert not alarms(table_of({name: row[:2] for name, row in same.items()})), "two seeds are no sign"
    assert not alarms(table_of({name: np.round(row / 4) * 4 for name, row in same.items()})), "25 images"
    weights = {"kd-T4": 0.0, "kd-T1": 0.5, "kd-T2": 0.5}
    assert not alarms(table_of(same, kd_weight=weights)), "without a weight it is the baseline"
    assert not alarms(table_of({"base": base, **others, "kd-T4": base + np.eye(5)[4] / 100}))
    words = {"base": "baseline", "mixup": "mixup", "cutout": "cutout"}
    frame = pd.DataFrame(
        [
            {"cell": cell, "method": cell, "seed": seed, "test_acc": value}
            for cell, row in zip(words.values(), (base, base, others["kd-T1"]), strict=True)
            for seed, value in enumerate(row)
        ]
    )
    (text,) = {text for text in warnings_of(frame) if "defaults" in text}
    assert "use the method in the baseline, too" in text
    assert "distil" not in text
