"""Averages of the same folds, seeds of several kinds, and what else must be like before it is compared."""

from __future__ import annotations

import gzip
import json

import pytest

from rigorkd.errors import InputError
from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.page import Table

from .conftest import gains_of


def folds(lacking: set[tuple[str, int, int]] = frozenset(), shift: int = 0) -> str:  # type: ignore[assignment]
    """Two equal models at five seeds, five folds of which the fourth is hard; some rows are not there."""
    rows = [
        f"{model},{seed},{fold + shift * (model == 'b')},{80 - 10 * (fold == 4) + fold + seed / 10}"
        for model in "ab"
        for seed in range(5)
        for fold in range(5)
        if (model, seed, fold) not in lacking
    ]
    return "\n".join(["model,seed,fold,acc", *rows]) + "\n"


def test_a_fold_that_one_model_lacks_is_left_out_of_both(folder):
    folder.write("cv.csv", folds({("b", seed, 4) for seed in range(5)}))
    found = folder.open("cv.csv", average="fold")
    assert any("fold: b lacks 4; left out of the averages of all cells" in text for text in found.warnings)
    assert folder.gains("cv.csv", average="fold") == {"a vs b": (0.0, 5)}


def test_a_fold_that_one_run_lacks_is_left_out_at_its_seed(folder):
    folder.write("cv.csv", folds({("a", 2, 4), ("a", 2, 0)}))
    found = folder.open("cv.csv", average="fold")
    assert any("a lacks 0 at seed 2; a lacks 4 at seed 2" in text for text in found.warnings)
    assert folder.gains("cv.csv", average="fold") == {"a vs b": (0.0, 5)}


def test_a_fold_without_a_number_counts_as_lacking(folder):
    text = folds().replace("b,3,4,74.3", "b,3,4,")
    folder.write("cv.csv", text)
    found = folder.open("cv.csv", average="fold")
    assert found.tidy is not None
    assert any("no acc of fold 4" in line for line in found.tidy.dropped)
    assert folder.gains("cv.csv", average="fold") == {"a vs b": (0.0, 5)}


def test_averages_over_different_folds_are_refused(folder):
    folder.write("cv.csv", folds(shift=5))
    told = folder.refusal("cv.csv", average="fold")
    assert "a has fold 0, 1, 2, 3, 4, and no 5, 6, 7, 8, 9, which b has" in told


def test_each_fold_has_its_epoch_before_folds_are_averaged(folder):
    """Epochs of a fold were averaged with its folds: 4 epochs of 2 folds became one number without a word."""
    rows = [
        f"{model},{seed},{fold},{epoch},{epoch - 5 * (epoch == 4)},{60 + 10 * epoch + fold + (model == 'b')}"
        for model in "ab"
        for seed in range(3)
        for fold in range(2)
        for epoch in range(1, 5)
    ]
    folder.write("cv.csv", "\n".join(["model,seed,fold,epoch,val_acc,test_acc", *rows]))
    assert "which one counts?" in folder.refusal("cv.csv", metric="test_acc", average="fold")
    for select, at in (("last", 4), ("best:val_acc", 3)):
        found = folder.open("cv.csv", metric="test_acc", average="fold", select=select)
        assert sorted(set(found.table["test_acc"].astype(float))) == [60.5 + 10 * at, 61.5 + 10 * at]
        assert any(text.startswith("judged epoch: ") for text in found.warnings)
        assert (
            "averaged within a run: every result is a mean over fold (0 and 1), as --average asks"
            in found.warnings
        )


def test_rows_of_one_run_that_end_at_other_epochs_are_averaged_and_captions_say_it(folder):
    rows = [
        f"{method},{seed},{kept},{epoch + seed},{70 + seed / 3 + epoch / 10 + (method == 'kd')}"
        for method in ("baseline", "kd")
        for seed in range(3)
        for kept, epoch in (("best", 5), ("last", 9))
    ]
    folder.write("runs.csv", "\n".join(["method,seed,checkpoint,epoch,acc", *rows]))
    found = folder.open("runs.csv", cell="method", average="checkpoint")
    assert "epoch" not in found.table
    result = analysis_of(found, Question(), images=False)
    captions = [block.caption for block in analysis_page(result).blocks if isinstance(block, Table)]
    assert "every result is a mean over checkpoint (best and last)" in captions[0]


@pytest.mark.parametrize(("goal", "kept"), [(None, 9), ("min", 1)])
def test_a_goal_that_is_given_says_which_epoch_is_best(folder, goal, kept):
    """An error rate that is called top1: the worst epoch of each run had been taken for its best one."""
    rows = [
        f"{method},{seed},{epoch},{epoch + seed / 10}"
        for method in ("baseline", "kd")
        for seed in range(3)
        for epoch in (5, 1, 9)
    ]
    folder.write("log.csv", "\n".join(["method,seed,epoch,top1", *rows]))
    found = folder.open("log.csv", metric="top1", select="best:top1", goal=goal)
    assert set(found.table["top1"].astype(float)) == {kept + seed / 10 for seed in range(3)}
    assert any(
        "chosen on top1, which is judged: the results are optimistic" in text for text in found.warnings
    )


def test_a_goal_holds_for_the_same_on_validation_data_and_for_nothing_else(folder):
    rows = [
        f"{method},{seed},{epoch},{epoch},{-epoch},{epoch * 10 + seed}"
        for method in ("baseline", "kd")
        for seed in range(3)
        for epoch in (5, 1, 9)
    ]
    folder.write("log.csv", "\n".join(["method,seed,epoch,val_score,val_acc,test_score", *rows]))
    asked = {"metric": "test_score", "select": "best:val_score"}
    assert "say it by --goal" in folder.refusal("log.csv", **asked)
    found = folder.open("log.csv", **asked, goal="min")
    assert set(found.table["test_score"].astype(float)) == {10.0, 11.0, 12.0}
    found = folder.open("log.csv", metric="test_score", select="best:val_acc", goal="min")
    assert set(found.table["test_score"].astype(float)) == {10.0, 11.0, 12.0}, "more of an accuracy is better"


def test_folds_of_other_data_sets_need_not_be_the_same(folder):
    rows = [
        f"{data},{model},{seed},{fold},{80 + fold + seed / 7 + (model == 'y')}"
        for data, many in (("iris", 3), ("wine", 10))
        for model in "xy"
        for seed in range(3)
        for fold in range(many)
    ]
    folder.write("cv.csv", "\n".join(["dataset,model,seed,fold,acc", *rows]))
    assert not any("lacks" in text for text in folder.open("cv.csv", average="fold").warnings)


CROSSED = "\n".join(
    [
        "model,data_seed,init_seed,test_acc",
        *(
            f"{m},{d},{i},{90 + 3 * d + i / 9 + (m == 'b') / 7 + (i * d % 3) / 5}"
            for m in "ab"
            for d in range(3)
            for i in range(8)
        ),
    ]
)


def test_crossed_seeds_are_averaged_and_no_settings(folder):
    folder.write("runs.csv", CROSSED)
    told = folder.refusal("runs.csv")
    assert "--seed data_seed --average init_seed" in told
    assert "--cell" not in told
    assert folder.gains("runs.csv", seed="data_seed", average="init_seed")["a vs b"][1] == 3


def test_a_second_seed_is_averaged_over(folder):
    folder.write("runs.csv", CROSSED.replace("data_seed", "seed"))
    assert "--average init_seed" in folder.refusal("runs.csv")


def test_parts_keep_their_own_baselines_when_the_suggestion_is_followed(folder):
    rows = [
        f"{method},{seed},{split},{level + gain + seed / 10 + seed % 2 * gain / 9}"
        for method, gain in (("baseline", 0.0), ("ours", 0.5))
        for split, level in (("train", 99.0), ("val", 92.0), ("test", 91.0))
        for seed in range(4)
    ]
    folder.write("runs.csv", "\n".join(["method,seed,split,acc", *rows]))
    assert "--cell method,split" in folder.refusal("runs.csv")
    gains = folder.gains("runs.csv", cell="method,split")
    assert {name: round(gain, 1) for name, (gain, _) in gains.items()} == {
        "ours/test": 0.5, "ours/train": 0.5, "ours/val": 0.5,
    }  # fmt: skip


def test_keras_logs_are_judged_by_validation(folder):
    for method in ("base", "ours"):
        for seed in (1, 2):
            rows = [f"{epoch},0.9{seed},0.3,0.8{seed},0.5" for epoch in range(2)]
            text = "\n".join(["epoch,accuracy,loss,val_accuracy,val_loss", *rows])
            folder.write(f"runs/{method}_seed{seed}/history.csv", text)
    assert "--metric val_accuracy --select last" in folder.refusal("runs")
    found = folder.open("runs", metric="accuracy", select="last")
    result = analysis_of(found, Question(metric="accuracy"), images=False)
    assert any("accuracy is of training data" in text for text in result.warnings)


def test_methods_over_data_sets_are_told_where_to_go(folder):
    rows = [f"d{data},{model},{fold},{80 + fold}" for data in range(6) for model in "xy" for fold in range(3)]
    folder.write("runs.csv", "\n".join(["task,framework,fold,acc", *rows]))
    assert "compared over data sets, as by autorank" in folder.refusal("runs.csv")
    told = folder.refusal("runs.csv", seed="task", cell="framework", average="fold")
    assert "--seed task: d0, d1, d2 and 3 more are no seeds" in told
    assert "compared over data sets" in told


def test_rows_that_no_setting_tells_apart_wholly_are_named_with_the_settings_that_help(folder):
    runs = [("a", "x", 1), ("b", "y", 1), ("c", "y", 2), ("d", "y", 2)]
    rows = [f"{name}-{seed},{seed},{s},{k},{80 + k + seed}" for name, s, k in runs for seed in (0, 1)]
    folder.write("runs.csv", "\n".join(["run_name,seed,strategy,lookahead,test_acc", *rows]))
    told = folder.refusal("runs.csv", cell="strategy")
    assert "these rows differ in lookahead: give --cell strategy,lookahead" in told
    assert "2 rows more than one of a seed" in told


@pytest.mark.parametrize(
    ("document", "gain"),
    [
        ({"baseline": [91.1, 91.3, 91.0], "ours": [91.9, 92.1, 91.9]}, 0.833333),
        (
            {
                "baseline": {"0": {"acc": 91.0}, "1": {"acc": 92.0}},
                "ours": {"0": {"acc": 92.0}, "1": {"acc": 93.5}},
            },
            1.25,
        ),
        ({"baseline": {"seed0": 91.0, "seed1": 92.0}, "ours": {"seed0": 92.0, "seed1": 93.5}}, 1.25),
        ({"baseline": {"acc": [91.0, 92.0]}, "ours": {"acc": [92.0, 93.5]}}, 1.25),
        (
            {
                "method": ["baseline", "baseline", "ours", "ours"],
                "seed": [0, 1, 0, 1],
                "acc": [91, 92, 92, 93.5],
            },
            1.25,
        ),
    ],
)
def test_results_of_each_method_in_json(folder, document: object, gain: float):
    folder.write("runs.json", json.dumps(document))
    assert {name: value[0] for name, value in folder.gains("runs.json").items()} == {"ours": gain}


_GLNN, _MLP = [36.5, 35.9, 37.1, 36.8], [34.6, 33.6, 33.7, 33.1]


@pytest.mark.parametrize(
    ("document", "metric"),
    [
        ({"glnn_accs": _GLNN, "mlp_accs": _MLP, "glnn_mean": 36.575, "config": {"epochs": 500}}, "acc"),
        ({"dataset": "actor", "glnn": _GLNN, "mlp": _MLP}, "value"),
        ({"accs_glnn": _GLNN, "accs_mlp": _MLP, "p_value": 0.01, "t_stat": 5.1}, "acc"),
        ({"glnn_test_accs": _GLNN, "mlp_test_accs": _MLP, "n_test_samples": 5794}, "test_acc"),
        ({"seeds": [7, 8, 9, 10], "glnn_accs": _GLNN, "mlp_accs": _MLP}, "acc"),
        ({"glnn_accs": _GLNN, "mlp_accs": _MLP}, "acc"),
        (
            {
                "title": "actor",
                "glnn_accs": _GLNN,
                "mlp_accs": _MLP,
                "glnn_f1s": _MLP,
                "mlp_f1s": _GLNN,
            },
            "acc",
        ),
    ],
)
def test_lists_beside_single_values_in_json_are_the_results_of_each_method(folder, document, metric):
    folder.write("results.json", json.dumps(document))
    source = folder.open("results.json", metric=metric, goal="max")
    table = source.table
    seeds = document.get("seeds", [0, 1, 2, 3])
    for method, values in (("glnn", _GLNN), ("mlp", _MLP)):
        own = table[table["method"] == method]
        assert own[metric].astype(float).tolist() == values
        assert own["seed"].astype(int).tolist() == seeds
    read = source.tidy.understood
    assert "a list of results for each method" in read[0]
    assert ("of the whole file" in read[0]) == (len(document) > 2 + ("seeds" in document))
    assert "the list seeds" in read[1] if "seeds" in document else "place in each method's list" in read[1]
    assert any("glnn_mean: they sum up" in text for text in source.tidy.dropped) == ("glnn_mean" in document)


@pytest.mark.parametrize(
    "document",
    [
        {"train_accs": [0.5, 0.6], "val_accs": [0.4, 0.5], "note": "a run"},
        {"train_accs": [0.5, 0.6], "val_accs": [0.4, 0.5]},
        {"fold_accs": [0.81, 0.82], "fold_f1s": [0.78, 0.79], "model_family": "logreg"},
        {"kd_accs": [0.5, 0.6], "ce_accs": [0.4, 0.5], "epochs": 2},
        {"kd_accs": [0.5, 0.6], "ce_accs": [0.4, 0.5, 0.6], "note": "no like"},
        {"epsilons": [0.1, 0.2], "baseline_accs": [0.9, 0.8], "cbm_accs": [0.8, 0.7]},
        [{"model_name": "DKT", "all_accs": [0.82, 0.83]}, {"model_name": "AKT", "all_accs": [0.81, 0.84]}],
    ],
)
def test_lists_that_may_be_epochs_or_folds_are_named_with_how_to_write_them(folder, document):
    folder.write("results.json", json.dumps(document))
    refusal = folder.refusal("results.json")
    keys = document[0] if isinstance(document, list) else document
    assert all(name in refusal for name, own in keys.items() if isinstance(own, list))
    assert '{"kd": [91.2' in refusal
    assert "--seed COLUMN" not in refusal


def test_lists_that_a_run_logged_leave_its_result_as_it_is(folder):
    for method, level in (("kd", 91.0), ("scratch", 90.0)):
        for seed in range(3):
            log = {
                "kd_losses": [0.3, 0.2],
                "ce_losses": [0.4, 0.3],
                "test_acc": level + seed / (7 + (level > 90)),
            }
            folder.write(f"runs/{method}-seed{seed}/results.json", json.dumps(log))
    source = folder.open("runs")
    assert set(source.table.cell) == {"kd", "scratch"}
    assert len(source.table) == 6
    assert any("lists of numbers" in text and "kd_losses, ce_losses" in text for text in source.tidy.dropped)


def test_a_history_in_json_holds_no_methods(folder):
    folder.write("history.json", json.dumps({"loss": [0.3, 0.2], "accuracy": [0.8, 0.9]}))
    assert "'loss'" not in str(folder.refusal("history.json").split("columns")[0])


def test_configurations_beside_results_are_columns(folder):
    for day, (model, seed, value) in enumerate([("r", 0, 90), ("r", 1, 91.5), ("v", 0, 91), ("v", 1, 92)]):
        run = f"outputs/2026-11-0{day + 1}_12-30-00"
        folder.write(f"{run}/config.json", json.dumps({"model": {"name": model}, "seed": seed, "out": run}))
        folder.write(f"{run}/metrics.json", json.dumps({"test_acc": value}))
    found = folder.open("outputs", cell="model.name")
    assert set(found.table.cell) == {"r", "v"}
    assert "out" not in found.table
    assert folder.gains("outputs", cell="model.name") == {"r vs v": (-0.75, 2)}


def test_one_configuration_beside_a_table_of_all_runs_is_no_column(folder):
    folder.write("out/config.json", json.dumps({"seed": 42, "model": "r"}))
    folder.write(
        "out/runs.csv", "method,seed,test_acc\nbaseline,0,90\nbaseline,1,91\nours,0,91\nours,1,92.5\n"
    )
    assert folder.gains("out") == {"ours": (1.25, 2)}
    assert "model" not in folder.open("out").table


def test_the_time_that_a_folder_is_called_by_is_no_part_of_the_cell(folder):
    for model, level in (("r", 90), ("v", 91)):
        for seed in range(2):
            run = f"outputs/{model}/2026-11-0{seed + 1}_12-30-00_seed{seed}"
            folder.write(f"{run}/metrics.json", json.dumps({"test_acc": level + seed}))
    assert set(folder.open("outputs/**/metrics.json").table.cell) == {"r", "v"}


def test_a_table_that_pandas_compressed(folder):
    text = "method,seed,test_acc\nbaseline,0,90\nbaseline,1,91\nours,0,91\nours,1,92.5\n"
    folder.write("runs.csv.gz", gzip.compress(text.encode(), mtime=0))
    assert folder.gains("runs.csv.gz") == {"ours": (1.25, 2)}
    folder.write("runs.csv.gz", gzip.compress(b"0" * 2**26, mtime=0))
    assert "larger than" in folder.refusal("runs.csv.gz")
    folder.write("runs.csv.gz", gzip.compress(text.encode(), mtime=0)[:-9])
    assert "cut off" in folder.refusal("runs.csv.gz")


def test_names_in_two_spellings_are_told(folder):
    rows = ["Ours,0,90", "Ours,1,91", "OURS,2,90", "OURS,3,92", "b,0,89", "b,1,90", "b,2,89", "b,3,91"]
    folder.write("runs.csv", "\n".join(["method,seed,test_acc", *rows]))
    assert "'Ours' and 'OURS' are two cells by their spelling" in " ".join(folder.open("runs.csv").warnings)


@pytest.mark.parametrize("word", ["Durchlauf", "Lauf"])
def test_a_german_count_of_runs_is_the_seed(folder, word: str):
    rows = [f"{m},{run},{90 + run % 3 + (m == 'b')}" for m in "ab" for run in range(1, 5)]
    folder.write("runs.csv", "\n".join([f"Verfahren,{word},Genauigkeit", *rows]))
    assert folder.gains("runs.csv") == {"a vs b": (-1.0, 4)}


def test_long_names_of_cells_are_told_a_shorter_way(folder):
    rows = [
        f"{method},{seed},{lr},{decay},{90 + seed / 3 + seed % 2}"
        for method, lr, decay in (
            ("transformer", "2.670080766240071e-05", "1.878836874957554e-05"),
            ("mlp", "0.1", "0"),
        )
        for seed in range(3)
    ]
    folder.write("runs.csv", "\n".join(["algorithm,seed,lr,weight_decay,test_acc", *rows]))
    found = folder.open("runs.csv")
    assert found.tidy is not None
    assert "--cell algorithm tells them apart as well" in found.tidy.understood[1]


def test_a_seed_without_one_of_the_data_sets_has_no_average(folder):
    """Data sets lie 10 points apart: a mean over one of them had stood among means over both."""
    rows = [
        f"{data},{method},{seed},{70 - 10 * (data == 'tiny') + seed / 3 + (method == 'kd')}"
        for data in ("cifar", "tiny")
        for method in ("baseline", "kd", "dkd")
        for seed in range(4)
        if (data, method, seed) != ("cifar", "dkd", 2)
    ]
    folder.write("runs.csv", "\n".join(["dataset,method,seed,acc", *rows]))
    found = folder.open("runs.csv", average="dataset", cell="method")
    assert "dataset: dkd lacks cifar at seed 2, and so has no average there" in found.warnings
    assert sorted(found.table[found.table["method"] == "kd"]["acc"].astype(float)) == pytest.approx(
        [66.0, 66 + 1 / 3, 66 + 2 / 3, 67.0]
    )
    assert folder.gains("runs.csv", average="dataset", cell="method") == {"kd": (1.0, 4), "dkd": (0.0, 3)}


def test_a_column_called_subset_is_the_method_where_its_value_is_named_as_the_baseline(folder):
    rows = [
        f"{data},{subset},{seed},{70 + seed / 3 + (subset == 'chosen') + (data == 'b') * 5}"
        for data in "ab"
        for subset in ("random", "chosen")
        for seed in range(4)
    ]
    folder.write("runs.csv", "\n".join(["dataset,subset,seed,acc", *rows]))
    asked = {"metric": "acc", "cell": "dataset,subset"}
    source = folder.open("runs.csv", **asked)
    nothing = analysis_of(source, Question(), images=False)
    assert any(
        "if subset tells methods apart, --baseline subset=chosen says so" in w for w in nothing.warnings
    )
    with pytest.raises(InputError, match="if subset tells methods apart, --baseline subset=random says so"):
        analysis_of(source, Question(baselines=("random",)), images=False)
    found = analysis_of(source, Question(baselines=("subset=random",)), images=False)
    gains = found.family("gains").comparisons
    assert [(one.a, one.b, round(one.mean_diff, 6)) for one in gains] == [
        ("a/chosen", "a/random", 1.0),
        ("b/chosen", "b/random", 1.0),
    ]
    assert not any("no like comparison" in one.says for one in gains)
    assert (
        "subset is taken as the method, as --baseline subset=random asks, and not for data" in found.warnings
    )


@pytest.mark.parametrize("column", ["mode", "smoke", "select", "table", "experiment", "job_status"])
def test_a_column_that_makes_cells_is_what_it_holds_whatever_its_name_means_elsewhere(folder, column):
    rows = [
        f"{data},{method},{seed},{70 + seed / 3 + (method == 'kd') * (1 + seed / 50) + (data == 'b') * 5}"
        for data in "ab"
        for method in ("scratch", "kd")
        for seed in range(4)
    ]
    folder.write("runs.csv", "\n".join([f"dataset,{column},seed,acc", *rows]))
    source = folder.open("runs.csv", cell=f"dataset,{column}", metric="acc")
    for baseline in ("scratch", f"{column}=scratch"):
        found = analysis_of(source, Question(baselines=(baseline,)), images=False)
        gains = found.family("gains").comparisons
        assert [(one.a, one.b) for one in gains] == [("a/kd", "a/scratch"), ("b/kd", "b/scratch")]
        assert any("each cell against the one of method scratch" in text for text in found.warnings)
        assert f"{column} is taken as the method, as --baseline {baseline} asks" in found.warnings


@pytest.mark.parametrize(
    "column", ["status", "State", "cell", "weights_sha256", "mode", "epoch", "run", "step"]
)
@pytest.mark.parametrize("none", ["scratch", ""])
def test_no_name_of_a_column_is_kept_from_those_that_cells_are_made_of(folder, column, none):
    """Groups of any name as well, with a word left out; a baseline may have none of it."""
    rows = [
        f"{group},{method},{seed},{70 + seed / 3 + (method == 'kd') * (1 + seed / 50) + (group == 'b') * 5}"
        for group in "ab"
        for method in (none, "kd", "fit")
        for seed in range(4)
    ]
    folder.write("methods.csv", "\n".join([f"grp,{column},seed,acc", *rows]))
    folder.write("groups.csv", "\n".join([f"{column},method,seed,acc", *rows]))
    baseline = none or "a"
    for file, cell in (("methods.csv", f"grp,{column}"), ("groups.csv", f"{column},method")):
        source = folder.open(file, cell=cell, metric="acc", without=("fit",))
        assert set(source.table["cell"]) == {"a/kd", "b/kd", *(f"{g}/{none}".strip("/") for g in "ab")}
        found = analysis_of(source, Question(baselines=(baseline,)), images=False)
        if none:
            gains = found.family("gains").comparisons
            assert {(one.a, one.b) for one in gains} == {("a/kd", "a/scratch"), ("b/kd", "b/scratch")}


def test_a_baseline_may_have_no_mode_where_modes_are_what_is_compared(folder):
    rows = [f"a,{m},{s},{70 + s / 3 + len(m) + len(m) * s / 50}" for m in ("", "kd", "fit") for s in range(4)]
    folder.write("runs.csv", "\n".join(["grp,mode,seed,acc", *rows]))
    source = folder.open("runs.csv", cell="grp,mode", metric="acc")
    found = analysis_of(source, Question(baselines=("a",)), images=False)
    assert [(one.a, one.b) for one in found.family("gains").comparisons] == [("a/fit", "a"), ("a/kd", "a")]


def test_modes_that_cells_do_not_name_are_not_compared(folder):
    rows = [
        f"{m},{s},{70 + s},{'fast' if m == 'kd' else 'reference'}" for m in ("kd", "ce") for s in range(3)
    ]
    folder.write("runs.csv", "\n".join(["method,seed,acc,mode", *rows]))
    with pytest.raises(InputError, match="different modes: fast, reference"):
        analysis_of(folder.open("runs.csv", metric="acc"), Question(), images=False)


def test_a_column_of_methods_with_another_meaning_is_offered_as_the_cells(folder):
    rows = [f"{m},{s},{70 + s / 3 + (m == 'kd')}" for m in ("scratch", "kd") for s in range(3)]
    folder.write("runs.csv", "\n".join(["mode,seed,acc", *rows]))
    assert "such as --cell mode" in folder.refusal("runs.csv")


@pytest.mark.parametrize("baseline", ["algorithm=scratch", "method=scratch", "scratch"])
def test_a_baseline_is_named_by_its_column_as_the_file_spells_it(folder, baseline):
    rows = [f"{m},{s},{70 + s / 3 + (m == 'kd') * (1 + s / 50)}" for m in ("scratch", "kd") for s in range(3)]
    folder.write("runs.csv", "\n".join(["algorithm,seed,acc", *rows]))
    found = analysis_of(folder.open("runs.csv"), Question(baselines=(baseline,)), images=False)
    assert [(one.a, one.b) for one in found.family("gains").comparisons] == [("kd", "scratch")]


@pytest.mark.parametrize("baseline", ["scratch", "loss=scratch"])
def test_the_column_in_which_the_baseline_is_a_word_is_the_method(folder, baseline):
    """Averages are of each method, over what its cells differ in, and a teacher among the words is none."""
    rows = [
        f"{net},{loss},{T},{seed},{70 + seed / 3 + 2 * k + len(T) + seed * k / 50:.3f}"
        for net in ("r8", "r20")
        for k, (loss, own) in enumerate(
            [("scratch", ("",)), ("KD", ("1", "4")), ("CRD", ("",)), ("teacher", ("",))]
        )
        for T in own
        for seed in range(4)
    ]
    folder.write("runs.csv", "\n".join(["student_net,loss,temp,rng,acc", *rows]))
    source = folder.open("runs.csv", cell="student_net,loss,temp", seed="rng", metric="acc")
    found = analysis_of(source, Question(baselines=(baseline,)), images=False)
    assert f"loss is taken as the method, as --baseline {baseline} asks" in found.warnings
    averages = found.family("overall").comparisons
    assert {one.name for one in averages} == {"r8/KD: average of 2 (T)", "r20/KD: average of 2 (T)"}
    assert len(found.family("gains").comparisons) == 6
    assert not any("teacher" in one.a for one in found.family("gains").comparisons)
    whose = {
        one.says.partition(", averaged over 2 settings of T, raised ")[2].partition(" ")[0]
        for one in averages
    }
    assert whose == {"r8's", "r20's"}


def test_a_setting_that_is_named_as_the_baseline_is_no_method(folder):
    rows = [
        f"{a},{b},{seed},{70 + seed / 3 + (a != 'off') + 2 * (b != 'off') + seed * (b != 'off') / 50:.3f}"
        for a in ("off", "x")
        for b in ("off", "y")
        for seed in range(4)
    ]
    folder.write("runs.csv", "\n".join(["optimizer,reg,rng,acc", *rows]))
    source = folder.open("runs.csv", cell="optimizer,reg", seed="rng", metric="acc")
    found = analysis_of(source, Question(baselines=("optimizer=off",)), images=False)
    assert len(found.family("gains").comparisons) == 2
    assert not any("taken as the method" in text for text in found.warnings)


def test_a_column_of_words_with_a_baseline_each_parts_what_may_be_the_best(folder):
    """By whatever name it goes: the best cell of two data sets is no answer."""
    rows = [
        f"{data},{method},{seed},{base + k + seed / 3 + (k + 1) * seed % 3 / 9:.3f}"
        for data, base in (("cifar", 70), ("tiny", 55))
        for k, method in enumerate(("scratch", "kd", "dkd"))
        for seed in range(5)
    ]
    for column in ("bench", "dataset"):
        folder.write("runs.csv", "\n".join([f"{column},variant,seed,acc", *rows]))
        source = folder.open("runs.csv", cell=f"{column},variant", metric="acc")
        found = analysis_of(source, Question(baselines=("scratch",)), images=False)
        assert [one.cells for one in found.best.sets] == [
            ("cifar/dkd", "cifar/kd", "cifar/scratch"),
            ("tiny/dkd", "tiny/kd", "tiny/scratch"),
        ]


def test_tables_under_titles_are_not_compared_with_one_another(folder):
    rows = {"A": (70, 71, 72), "B": (50, 51, 52)}
    parts = [
        f"## Attempt {name}\n\n| mode | 0 | 1 | 2 |\n|---|---|---|---|\n"
        + "\n".join(
            f"| {mode} | {mean} | {mean + 0.5} | {mean + k / 7:.2f} |"
            for k, (mode, mean) in enumerate(zip(("scratch", "soft", "hard"), means, strict=True))
        )
        for name, means in rows.items()
    ]
    folder.write("log.md", "\n\n".join(parts) + "\n")
    source = folder.open("log.md", cell="group,mode", metric="acc")
    found = analysis_of(source, Question(), images=False)
    pairs = found.family("all_pairs").comparisons
    assert len(pairs) == 6
    assert all(one.a.split("/")[0] == one.b.split("/")[0] for one in pairs)


def test_baselines_that_pairs_name_too_are_not_said_to_lack_one(folder):
    rows = [
        f"{net},{method},{seed},{70 + k + seed / 3 + (k + 1) * seed % 3 / 9:.3f}"
        for net in ("r8", "r20")
        for k, method in enumerate(("none", "kd", "dkd"))
        for seed in range(5)
    ]
    folder.write("runs.csv", "\n".join(["student,approach_name,seed,acc", *rows]))
    source = folder.open("runs.csv", cell="student,approach_name", metric="acc")
    asked = Question(baselines=("none",), compare=(("kd", "none"),))
    found = analysis_of(source, asked, images=False)
    assert len(found.family("gains").comparisons) == 4
    assert not any("no baseline with the same" in text for text in found.warnings)
    assert found.family("gains").over == "none"


def test_that_tuning_was_unequal_is_said_whatever_names_the_cells(folder):
    """Each data set has a baseline of its own: that it has two of them is no second setting of it."""
    rows = [
        f"{data},r8,{method},{T},{seed},{base + 2 * k + seed / 3 + (k + 1) * seed % 3 / 9:.3f}"
        for data, base in (("cifar", 70), ("tiny", 55))
        for k, (method, own) in enumerate((("baseline", ("",)), ("kd", "124"), ("crd", ("",))))
        for T in own
        for seed in range(5)
    ]
    folder.write("runs.csv", "\n".join(["dataset,student,method,temperature,seed,acc", *rows]))
    told = []
    for cell in (None, "dataset,student,method,temperature"):
        asked = {} if cell is None else {"cell": cell}
        found = analysis_of(folder.open("runs.csv", metric="acc", **asked), Question(), images=False)
        told.append([text for text in found.warnings if text.startswith("tuning was unequal")])
    assert told[0] == told[1]
    assert told[0][0].startswith(
        "tuning was unequal: kd of cifar/r8 at 3 settings; kd of tiny/r8 at 3 settings"
    )


def test_a_column_that_counts_runs_is_offered_where_some_cells_have_fewer(folder):
    rows = [
        f"{run},{method},{70 + run / 3:.2f}"
        for method, n in (("kd", 3), ("dkd", 2))
        for run in range(1, n + 1)
    ]
    folder.write("runs.csv", "\n".join(["no,method,acc", *rows]))
    refused = " ".join(folder.refusal("runs.csv").split())
    assert "such as --seed no" in refused
    assert "--unpaired, too, if a column only counts runs" in refused


_RISING = [50.0, 58.1, 62.4, 65.0, 66.2, 66.1, 67.0, 67.3, 67.2, 67.9]


@pytest.mark.parametrize(
    "document",
    [
        {"kd_accs": [x + 1 for x in _RISING], "mlp_accs": _RISING, "config": {"lr": 0.1}},
        {"kd": [x + 1 for x in _RISING], "scratch": _RISING},
        {"kd": {"accuracy": [x + 1 for x in _RISING]}, "scratch": {"accuracy": _RISING}},
        {
            "kd": {"loss": _RISING[::-1], "accuracy": _RISING, "seconds": [3, 1, 2, 5, 4, 3, 1, 2, 2, 4]},
            "scratch": {
                "loss": _RISING[::-1],
                "accuracy": _RISING,
                "seconds": [1, 4, 2, 2, 4, 1, 3, 5, 2, 1],
            },
        },
    ],
)
def test_lists_that_rise_with_their_places_are_not_taken_for_seeds(folder, document):
    folder.write("curves.json", json.dumps(document))
    refusal = folder.refusal("curves.json")
    assert "as over the epochs of a run, so the places are not taken for seeds" in refusal
    assert '"seeds": [0, 1, …]' in refusal


def test_an_epoch_beside_lists_says_that_their_places_are_none_of_seeds(folder):
    own = {"epoch": [1, 2, 3, 4], "accuracy": [91.0, 90.5, 91.2, 90.8]}
    folder.write("log.json", json.dumps({"kd": own, "scratch": own}))
    assert "are counted by 'epoch', so they are no seeds" in folder.refusal("log.json")
    runs = {
        "kd": {"epochs": [200] * 4, "accuracy": _GLNN},
        "scratch": {"epochs": [200] * 4, "accuracy": _MLP},
    }
    folder.write("runs.json", json.dumps(runs))
    assert len(folder.open("runs.json").table) == 8


@pytest.mark.parametrize(
    "document",
    [
        {"kd": [x + 1 for x in _RISING], "scratch": _RISING, "seeds": [*range(3, 13)]},
        {m: {"accuracy": _RISING, "seeds": [*range(3, 13)]} for m in ("kd", "scratch")},
    ],
)
def test_seeds_beside_lists_say_what_their_places_are(folder, document):
    folder.write("runs.json", json.dumps(document))
    table = folder.open("runs.json", metric="accuracy", goal="max").table
    assert sorted(set(table["method"])) == ["kd", "scratch"]
    assert sorted(set(table["seed"].astype(int))) == [*range(3, 13)]


def test_places_that_nothing_tells_are_said_to_be_taken_for_seeds(folder):
    folder.write("runs.json", json.dumps({"kd": _GLNN, "scratch": _MLP}))
    read = folder.open("runs.json", metric="accuracy", goal="max").tidy.understood
    told = "if they are epochs or parts of a run, write each run's result instead"
    assert f"the place in each method's list ({told})" in read[1]


@pytest.mark.parametrize(("data", "method"), [("none", "none"), ("scratch", "scratch"), ("svhn", "none")])
def test_a_baseline_may_be_called_as_a_data_set_is(folder, data: str, method: str):
    rows = ["dataset,method,seed,test_acc"]
    for at, on in enumerate(("cifar10", data)):
        for seed in range(3):
            rows += [f"{on},{method},{seed},{70 + at + seed / 4}", f"{on},kd,{seed},{71.25 + at + seed / 2}"]
    folder.write("runs.csv", "\n".join(rows))
    found = gains_of(folder.open("runs.csv"), baselines=(method,))
    assert [value[0] for value in found.values()] == [1.5, 1.5]


def test_a_baseline_called_none_alone_in_its_column_is_one(folder):
    rows = ["method,seed,test_acc", *(f"none,{s},{70 + s / 4}\nkd,{s},{71 + s / 2}" for s in range(3))]
    folder.write("runs.csv", "\n".join(rows))
    assert [value[0] for value in gains_of(folder.open("runs.csv"), baselines=("none",)).values()] == [1.25]
    folder.write("blank.csv", "\n".join(rows).replace("none", ""))
    assert "nothing stands in method" in folder.refusal("blank.csv")
