"""Tables of other people: long, wide, pivoted, of epochs, in several files."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from rigorkd.errors import InputError
from rigorkd.readers.known_names import seed_in
from rigorkd.report.analysis_page import common_start
from rigorkd.report.judging import Question, analysis_of

BASE = {0: 72.5, 1: 72.9, 2: 72.3}
KD = {0: 73.5, 1: 73.2, 2: 73.9}
GAIN = (0.966667, 3)

LONG = "student,method,seed,test_acc\n" + "".join(
    f"r8,{method},{seed},{value}\n"
    for method, values in (("baseline", BASE), ("kd", KD))
    for seed, value in values.items()
)


def test_the_plain_table(folder):
    folder.write("runs.csv", LONG)
    source = folder.open("runs.csv")
    assert source.tidy is not None
    assert source.tidy.understood == (
        f"read: 6 runs, 2 cells, 3 seeds (0 to 2) from {folder.path}/runs.csv (CSV)",
        "cells: student, method (known names; --cell COLUMNS changes it); seed: column seed",
        "metric: test_acc, the only one",
    )
    assert folder.gains("runs.csv") == {"r8/kd": GAIN}


def test_seeds_that_lie_far_apart_take_no_memory_for_those_between(folder):
    folder.write("runs.csv", LONG.replace(",2,", f",{2**62},"))
    tidy = folder.open("runs.csv").tidy
    assert tidy is not None
    assert f"3 seeds (0, 1, {2**62})" in tidy.understood[0]
    assert folder.gains("runs.csv") == {"r8/kd": GAIN}


def test_cells_from_the_columns_that_define_them(folder):
    rows = [f"r8,baseline,,,{seed},{value}" for seed, value in BASE.items()]
    rows += [f"r8,kd,{T},0.1,{seed},{value + float(T)}" for T in ("4", "2.0") for seed, value in KD.items()]
    folder.write("runs.csv", "student,method,T,alpha,seed,test_acc\n" + "\n".join(rows))
    assert folder.gains("runs.csv") == {"r8/kd-T2-a0.1": (2.966667, 3), "r8/kd-T4-a0.1": (4.966667, 3)}
    assert folder.gains("runs.csv", cell="method, T") == {"kd-T2": (2.966667, 3), "kd-T4": (4.966667, 3)}


def test_wide_by_seed_and_by_method(folder):
    folder.write(
        "seeds.csv",
        "cell,student,method,seed_0,seed_1,seed_2,mean,std\n"
        "r8/base,r8,baseline,72.5,72.9,72.3,72.57,0.31\nr8/kd,r8,kd,73.5,73.2,73.9,73.53,0.35\n",
    )
    folder.write("methods.csv", "seed,baseline,kd\n0,72.5,73.5\n1,72.9,73.2\n2,72.3,73.9\n")
    heading = "method,test_acc_s0,test_acc_s1,test_acc_s2"
    folder.write("named.csv", f"{heading}\nBaseline,72.5,72.9,72.3\nkd,73.5,73.2,73.9")
    assert folder.gains("seeds.csv") == {"r8/kd": GAIN}
    assert folder.gains("methods.csv") == {"kd": GAIN}
    assert folder.gains("named.csv") == {"kd": GAIN}
    tidy = folder.open("seeds.csv").tidy
    assert tidy is not None
    assert tidy.dropped == ("columns mean, std: they sum up",)
    assert tidy.warnings == (
        "the table does not name its metric: it is read as accuracy in percent, more is better",
    )


def test_a_wide_table_as_a_colleague_sends_it(folder):
    """What is no run of it is said: a field without a number, means, costs, other headings."""
    folder.write(
        "sheet.csv",
        "Results (updated),,,,,\n,,,,,\nMethod,Seed 0,Seed 1,Seed 2,Seed 3,Mean ± std\n"
        "baseline,72.5%,72.9%,72.3%,72.0%,72.43 ± 0.4\nKD,73.5%,73.2%,73.9%,n/a,73.53 ± 0.4\n",
    )
    assert folder.gains("sheet.csv") == {"KD": GAIN}
    tidy = folder.open("sheet.csv").tidy
    assert tidy is not None
    assert tidy.dropped[1:] == (
        "columns Mean ± std: they sum up",
        "1 field with 'n/a' in place of a number: no such run",
    )
    folder.write("costs.csv", "seed,baseline,kd,time_s\n0,72.5,73.5,90\n1,72.9,73.2,91\n2,72.3,73.9,95\n")
    assert folder.gains("costs.csv") == {"kd": GAIN}
    tidy = folder.open("costs.csv").tidy
    assert tidy is not None
    assert tidy.dropped == ("columns time_s: what the runs cost, by the name",)
    folder.write(
        "two.csv",
        "method,A run0,A run1,A run2,B run0,B run1\nbaseline,72.5,72.9,72.3,1,2\nkd,73.5,73.2,73.9,3,4\n",
    )
    assert folder.gains("two.csv", seed="A run{}") == {"kd": GAIN}
    tidy = folder.open("two.csv", seed="A run{}").tidy
    assert tidy is not None
    assert tidy.dropped == ("columns B run0, B run1: headings that --seed 'A run{}' does not fit",)


def test_headings_that_do_not_count_are_not_proposed_as_seeds(folder):
    folder.write("runs.csv", "method,Run 1,Run 2\nbaseline,70,71\nkd,72,73\n")
    assert "--seed 'Run {}'" in folder.refusal("runs.csv")
    folder.write(
        "printed.csv", "method,Top-1,Top-5\nbaseline,70.1 ± 0.2,90.2 ± 0.1\nkd,71 ± 0.3,90.8 ± 0.2\n"
    )
    assert "Top-{}" not in (told := folder.refusal("printed.csv"))
    assert "`rigorkd audit` judges a table" in told


def test_a_column_of_another_language_is_proposed_as_the_seed(folder):
    folder.write("essai.csv", "Méthode,Essai,test_acc\nbaseline,1,72\nbaseline,2,73\nkd,1,74\nkd,2,75\n")
    assert "--seed COLUMN, such as --seed Essai, or" in folder.refusal("essai.csv")


def test_a_wide_table_whose_metric_could_be_anything_is_asked_about(folder):
    folder.write("loss.csv", "seed,baseline,kd\n0,1.25,1.35\n1,1.29,1.32\n2,1.23,1.39\n")
    assert "the table does not name its metric" in (told := folder.refusal("loss.csv"))
    assert "--metric NAME" in told
    assert folder.gains("loss.csv", metric="test_loss") == {"kd": (0.096667, 3)}


def test_wide_columns_that_are_no_known_methods_are_asked_about(folder):
    folder.write("two.csv", "seed,ours,theirs\n0,72.5,73.5\n1,72.9,73.2\n2,72.3,73.9\n")
    assert "--wide" in folder.refusal("two.csv")
    assert folder.gains("two.csv", wide=True) == {"ours vs theirs": (-0.966667, 3)}


def pivots() -> dict[str, pd.DataFrame]:
    frame = pd.read_csv(io.StringIO(LONG))
    frame["test_loss"] = 100 - frame.test_acc
    return {
        "by seed": frame.pivot(index="method", columns="seed", values="test_acc"),
        "by method": frame.pivot(index="seed", columns="method", values="test_acc"),
        "two metrics": frame.pivot(index="seed", columns="method", values=["test_acc", "test_loss"]),
        "seeds in columns": frame.pivot(
            index=["student", "method"], columns="seed", values=["test_acc", "test_loss"]
        ),
        "unstacked": frame.set_index(["seed", "student", "method"])[["test_acc"]].unstack([1, 2]),
    }


@pytest.mark.parametrize("name", list(pivots()))
def test_what_pandas_pivots_and_writes(folder, name: str):
    pivots()[name].to_csv(folder.path / "pivot.csv")
    (gain,) = folder.gains("pivot.csv", metric="test_acc").values()
    assert gain == GAIN


def test_a_table_of_means_points_to_audit(folder):
    frame = pd.read_csv(io.StringIO(LONG)).groupby("method")[["test_acc"]].agg(["mean", "std"])
    frame.to_csv(folder.path / "means.csv")
    assert "rigorkd audit" in folder.refusal("means.csv")


def epochs(seeds=(0, 1, 2), length=4) -> str:
    rows = ["method,seed,epoch,val_acc,test_acc"]
    for method, ends in (("baseline", BASE), ("kd", KD)):
        for seed in seeds:
            for epoch in range(length):  # validation is best one epoch before the end
                bump = 5.0 if epoch == length - 2 else 0.0
                test = ends[seed] - (length - 1 - epoch)
                rows.append(f"{method},{seed},{epoch},{60 + epoch + bump},{test:.1f}")
    return "\n".join(rows)


def test_logs_of_epochs(folder):
    folder.write("log.csv", epochs())
    assert "--select last, or --select best:COLUMN" in folder.refusal("log.csv")
    assert folder.gains("log.csv", select="last") == {"kd": GAIN}
    assert folder.gains("log.csv", select="best:val_acc") == {"kd": GAIN}
    last, best = (folder.open("log.csv", select=how).table for how in ("last", "best:VAL_acc"))
    assert (last.test_acc.astype(float) - best.test_acc.astype(float)).round(6).eq(1).all()
    assert "no column 'val_ac'" in folder.refusal("log.csv", select="best:val_ac")


def test_an_epoch_chosen_on_test_data_is_marked(folder):
    folder.write("log.csv", epochs())
    source = folder.open("log.csv", select="best:test_acc")
    assert any("chosen on test data" in text for text in source.warnings)


def test_a_test_logged_once_needs_no_choice_of_epoch(folder):
    rows = ["method,seed,epoch,val_acc,test_acc"]
    for method, ends in (("baseline", BASE), ("kd", KD)):
        for seed in ends:
            rows += [f"{method},{seed},{epoch},{50 + epoch}," for epoch in range(3)]
            rows.append(f"{method},{seed},3,,{ends[seed]}")
    folder.write("log.csv", "\n".join(rows))
    assert folder.gains("log.csv", metric="test_acc") == {"kd": GAIN}


def test_one_epoch_with_two_values_is_two_runs(folder):
    text = epochs()
    folder.write("log.csv", text + "\nkd,2,3,99,50.0")
    assert "log.csv:26: column 'test_acc': epoch 3 of kd seed 2 is there twice" in folder.refusal(
        "log.csv", select="last"
    )


def test_a_file_per_run_with_the_seed_in_its_folder(folder):
    for method, values in (("baseline", BASE), ("kd", KD)):
        for seed, value in values.items():
            folder.write(f"multi/{method}/seed_{seed}/results.csv", f"test_accuracy\n{value}\n")
            folder.write(f"flat/{method}-s{seed}.csv", f"test_accuracy\n{value}\n")
            folder.write(f"odd/{method}/try{seed}/results.json", f'{{"test_accuracy": {value}}}')
    pair = {"baseline vs kd": (-0.966667, 3)}
    assert folder.gains("multi") == pair
    assert folder.gains("flat") == pair
    assert folder.gains("multi/*/*/results.csv") == pair
    assert folder.gains("multi/baseline", "multi/kd") == pair
    assert "--seed PATTERN" in folder.refusal("odd")
    assert folder.gains("odd", seed="try{}") == pair


def test_a_folder_of_several_kinds_of_tables(folder):
    for seed in range(2):
        folder.write(f"runs/s{seed}/results.csv", "acc\n1\n")
        folder.write(f"runs/s{seed}/history.csv", "epoch,acc\n1,1\n")
    assert "results.csv (2 times)" in (told := folder.refusal("runs"))
    assert "'runs/**/" in told.replace(f"{folder.path}/", "")


def test_other_file_formats(folder):
    frame = pd.read_csv(io.StringIO(LONG))
    frame.to_json(folder.path / "runs.jsonl", orient="records", lines=True)
    frame.to_json(folder.path / "runs.json", orient="records")
    frame.to_json(folder.path / "columns.json")
    frame.to_csv(folder.path / "runs.tsv", sep="\t", index=False)
    frame.to_csv(folder.path / "german.csv", sep=";", decimal=",", index=False)
    for name in ("runs.jsonl", "runs.json", "columns.json", "runs.tsv", "german.csv"):
        assert folder.gains(name) == {"r8/kd": GAIN}, name


def test_a_workbook(folder):
    pytest.importorskip("openpyxl", reason="needs rigorkd[excel]")
    frame = pd.read_csv(io.StringIO(LONG))
    with pd.ExcelWriter(folder.path / "runs.xlsx") as book:
        frame.to_excel(book, sheet_name="runs", index=False)
        frame.head(3).to_excel(book, sheet_name="old", index=False)
    assert "--sheet NAME" in folder.refusal("runs.xlsx")
    assert folder.gains("runs.xlsx", sheet="runs") == {"r8/kd": GAIN}
    pivots()["two metrics"].to_excel(folder.path / "pivot.xlsx")
    assert folder.gains("pivot.xlsx", metric="test_acc") == {"kd": GAIN}


def test_a_parquet_file(folder):
    pytest.importorskip("pyarrow", reason="needs rigorkd[parquet]")
    frame = pd.read_csv(io.StringIO(LONG))
    frame["T"] = np.where(frame.method == "kd", 4.0, np.nan)
    frame.set_index("seed").to_parquet(folder.path / "runs.parquet")
    assert folder.gains("runs.parquet") == {"r8/kd-T4": GAIN}


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("vit_s16", None),
        ("kd/deit-s16", None),
        ("poolformer_s24-lr1", None),
        ("swin_s3_tiny_224", None),
        ("mobileone_s2", None),
        ("vit_s16-s3", (3, "vit_s16")),
        ("vit_s16_seed4", (4, "vit_s16")),
        ("resnet8-kd-s3", (3, "resnet8-kd")),
        ("kd_s_7", (7, "kd")),
        ("vits16", None),
        ("r8s3", None),
    ],
)
def test_the_size_of_a_network_is_no_seed(name, seed):
    assert seed_in(name) == seed


def test_what_may_be_a_seed_or_a_networks_size_is_asked_about(folder):
    rows = [f"vit_s{n},{method},{70 + n + len(method)}" for n in (1, 2, 3) for method in ("baseline", "kd")]
    folder.write("runs.csv", "name,method,test_acc\n" + "\n".join(rows) + "\n")
    with pytest.raises(
        InputError, match="s1 in 'vit_s1' may be the seed, or the size of a network"
    ) as caught:
        folder.open("runs.csv")
    assert "--seed 's{}'" in caught.value.hint
    found = folder.open("runs.csv", seed="s{}")
    assert sorted(set(found.table["seed"])) == ["1", "2", "3"]


# ------------------------------------------------------------------------ as tables found in the wild have it


def test_models_on_several_data_sets_are_rivals_on_each(folder):
    rows = [
        f"{data},{model},{seed},{base + gain + 0.1 * (seed * 7 % 5)}"
        for data, base in (("HIGGS", 70.0), ("WILT", 90.0))
        for model, gain in (("KAN", 0.0), ("PReLU", 1.0), ("Tanh", 2.0))
        for seed in (42, 43, 44)
    ]
    folder.write("per_seed.csv", "Dataset,Model,Seed,Acc\n" + "\n".join(rows))
    found = folder.gains("per_seed.csv")
    assert len(found) == 6
    assert all(len({name.split("/")[0] for name in pair.split(" vs ")}) == 1 for pair in found)
    (sets, *_) = analysis_of(folder.open("per_seed.csv"), Question()).best.sets
    assert sets.cells == ("HIGGS/KAN", "HIGGS/PReLU", "HIGGS/Tanh")


def test_a_row_per_metric(folder):
    rows = [
        f"B1,{encoder},{seed},{metric},{value + seed / 100},733"
        for encoder, values in (("mlp", (0.11, 0.61)), ("pointnet", (0.12, 0.65)))
        for seed in (0, 1, 2)
        for metric, value in zip(("accuracy", "macro_auc"), values, strict=True)
    ]
    folder.write("long.csv", "task,encoder,seed,metric,value,n_units\n" + "\n".join(rows))
    found = folder.gains("long.csv", cell="encoder", metric="accuracy")
    assert found == {"mlp vs pointnet": (-0.01, 3)}
    tidy = folder.open("long.csv", cell="encoder", metric="macro_auc").tidy
    assert tidy is not None
    assert "one row per metric" in tidy.understood[0]
    assert "--cell encoder --metric accuracy (" in folder.refusal("long.csv")
    assert "such as --cell encoder" in folder.refusal("long.csv", metric="accuracy")
    folder.write("camel.csv", "task,encoder,RandomSeed,MetricName,MetricValue,nUnits\n" + "\n".join(rows))
    assert folder.gains("camel.csv", cell="encoder", metric="accuracy") == found


def test_a_refusal_names_the_columns_that_may_define_a_cell(folder):
    rows = [
        f"{split},{arm},{seed},last,{90 + seed}.{seed}1"
        for split in ("dev", "eval")
        for arm in ("Hard frame", "Phone")
        for seed in (1, 2, 3)
    ]
    folder.write("seeds.csv", "split,arm,seed,layer,f1\n" + "\n".join(rows))
    assert "such as --cell split,arm; if every column" in folder.refusal("seeds.csv")
    rows = [
        f"{size},{seed},{90 + size + seed / 7:.2f},{size * 795 - 5}" for size in (4, 8) for seed in (1, 2, 3)
    ]
    folder.write("width.csv", "hidden_size,seed,test_accuracy,parameter_count\n" + "\n".join(rows))
    assert "such as --cell hidden_size;" in folder.refusal("width.csv")


def test_a_run_without_a_seed_beside_others(folder):
    folder.write("runs.csv", "method,seed,acc\nzero_shot,,59\nce,0,61\nce,1,62\nla,0,65\nla,1,66\n")
    said = folder.refusal("runs.csv")
    assert "runs.csv:2: column 'seed': this run has no seed" in said
    assert "leave out a run that has none" in said


def test_data_sets_above_seeds_in_a_sheet(folder):
    """Two rows of headings over methods, of which neither has a name."""
    folder.write(
        "sheet.csv",
        "Method,CIFAR-10,,,SVHN,,\n,seed 1,seed 2,seed 3,seed 1,seed 2,seed 3\n"
        "baseline,91,92,90,95,96,94\nkd,92,93,91,97,98,96\n",
    )
    pytest.importorskip("openpyxl")
    import openpyxl

    book = openpyxl.Workbook()
    for row in (folder.path / "sheet.csv").read_text().splitlines():
        book.active.append([float(word) if word.isdecimal() else word for word in row.split(",")])
    book.active.merge_cells("B1:D1")
    book.active.merge_cells("E1:G1")
    book.save(folder.path / "sheet.xlsx")
    assert folder.gains("sheet.xlsx") == {"CIFAR-10/kd": (1.0, 3), "SVHN/kd": (2.0, 3)}


def test_a_column_per_method_and_metric(folder):
    """Read so where a heading names a known method; else `--metric` says it, and is what is proposed."""
    rows = "0,71,72,.61,.62\n1,71.5,72.9,.62,.63\n2,70.9,72.1,.61,.63\n"
    folder.write("known.csv", "seed,baseline_acc,kd_acc,baseline_f1,kd_f1\n" + rows)
    assert folder.gains("known.csv", metric="acc") == {"kd": (1.2, 3)}
    folder.write("new.csv", "seed,ours_acc,theirs_acc,ours_f1,theirs_f1\n" + rows)
    assert "if ours, theirs are what is compared, give --metric acc;" in folder.refusal("new.csv")
    assert folder.gains("new.csv", metric="acc") == {"ours vs theirs": (-1.2, 3)}
    assert folder.gains("new.csv", metric="f1")["ours vs theirs"][1] == 3
    folder.write("before.csv", "seed,acc_ours,acc_theirs,f1_ours,f1_theirs\n" + rows)
    assert folder.gains("before.csv", metric="acc") == {"ours vs theirs": (-1.2, 3)}
    folder.write("splits.csv", "model,seed,train_acc,val_acc\na,0,71,72\na,1,73,74\nb,0,71,73\nb,1,72,75\n")
    assert folder.refusal("splits.csv").endswith("give --metric, one of: val_acc, train_acc")
    folder.write("sets.csv", "method,seed,cifar_acc,svhn_acc\na,0,71,72\na,1,73,74\nb,0,71,73\nb,1,72,75\n")
    assert folder.gains("sets.csv", metric="acc") == {
        "cifar/a vs cifar/b": (0.5, 2),
        "svhn/a vs svhn/b": (-1.0, 2),
    }
    each = "data,seed,size,ours_cov,theirs_cov,ours_len,theirs_len\n" + "".join(
        f"{data},{seed},{size},{seed}.1,{seed}.3,{size}.{seed},{seed}.9\n"
        for size, data in enumerate("ab", 4)
        for seed in (0, 1, 2)
    )
    folder.write("data.csv", each)
    assert "data.csv --metric cov --goal max (judge each guess" in folder.refusal("data.csv")
    assert len(folder.gains("data.csv", metric="cov", goal="max")) == 2


def test_columns_of_one_configuration_are_no_methods(folder):
    """Nor its splits, whatever stands before them: other files hold the others."""
    folder.write(
        "one.csv", "seed,best_val_dice,tuned_val_dice,tuned_test_dice\n0,.71,.72,.73\n1,.72,.75,.76\n"
    )
    told = folder.refusal("one.csv")
    assert "are what is compared" not in told
    assert "if all rows are of one configuration, name the files of others too" in told
    folder.write("two.csv", "seed,best_val_dice,tuned_val_dice,tuned_test_dice\n0,.7,.72,.7\n1,.72,.74,.71\n")
    assert folder.gains("one.csv", "two.csv", metric="tuned_test_dice") == {"one vs two": (0.04, 2)}


def test_what_all_configurations_share_is_no_metric(folder):
    rows = [f"{m},{s},{70 + s},{i}.{s}5,{s}.{i}" for i, m in enumerate("ab") for s in (0, 1, 2)]
    folder.write("runs.csv", "\n".join(["method,seed,teacher_acc,f1,auc", *rows]))
    assert folder.refusal("runs.csv").endswith("give --metric, one of: f1, auc")
    rows = [
        f"d{d},{c},{s},0.{s}{i},0.{i}{s}5,0.{s}{d}{i}"
        for d in (1, 2)
        for i, c in enumerate("ab")
        for s in (1, 2)
    ]
    folder.write("sets.csv", "\n".join(["dataset,config,seed,auc_roc,auc_pr,threshold", *rows]))
    told = folder.refusal("sets.csv")
    assert "(auc_roc, auc_pr, threshold)" in told  # what was chosen comes last, and curves are no methods
    assert "--metric auc_roc --cell dataset,config (" in told


def test_a_name_that_looks_like_a_seed_is_none_beside_a_column_of_them(folder):
    """Sentinel-2 is called S2."""
    rows = [f"{x},{m},{s},7{s}" for x, s in (("HSI", "0"), ("HSI", "1"), ("S2", "")) for m in "ab"]
    folder.write("runs.csv", "\n".join(["experiment,method,seed,acc", *rows]))
    assert "this run has no seed" in folder.refusal("runs.csv", cell="method,experiment")


def test_what_names_of_runs_and_first_lines_hold_besides(folder):
    """The time at which a run began is no part of its cell, run1 is a seed, and a row is no heading."""
    rows = [f"r8_{m}_seed{s}_17693874{i}{s},7{s}.{i}" for i, m in enumerate(("ce", "kd")) for s in (0, 1)]
    folder.write("named.csv", "\n".join(["Name,acc", *rows]))
    assert list(folder.gains("named.csv")) == ["r8_ce vs r8_kd"]
    rows = [f"{m},run{s},7{s}" for m in ("ce", "kd") for s in (1, 2)]
    folder.write("ids.csv", "\n".join(["method,run_id,acc", *rows]))
    assert folder.gains("ids.csv") == {"ce vs kd": (0.0, 2)}
    rows = [f"{10 + at},{m},{s},0.{s}{at}" for at, m in enumerate(("ce", "kd")) for s in (1, 2)]
    folder.write("bare.csv", "\n".join(rows))
    assert "the first line seems to be a row" in folder.refusal("bare.csv")
    rows = [f"{m},{k},{f},0.{k}{f}" for m in ("ce", "kd") for k in (1, 2) for f in (1, 2)]
    folder.write("folds.csv", "\n".join(["method,hidden_layers,fold,acc", *rows]))
    told = folder.refusal("folds.csv")
    assert "hidden_layers," not in told.partition("--seed COLUMN")[2]
    assert "values of fold are no seeds" in told


def test_a_column_per_run(folder):
    """One of the rows is called seed; configurations lie in files, or are rows too."""
    for name, gain in (("ce", 0), ("kd", 1)):
        values = ",".join(f"{71 + seed + gain}" for seed in (1, 2, 3))
        folder.write(f"{name}.csv", f",0,1,2\nloss_fn,{name},{name},{name}\nseed,1,2,3\nAccTest,{values}\n")
    assert folder.gains("ce.csv", "kd.csv") == {"ce vs kd": (-1.0, 3)}
    folder.write("both.csv", "run,a,b,c,d\nseed,1,2,1,2\nmethod,ce,ce,kd,kd\ntest_acc,71,72,73,75\n")
    assert folder.gains("both.csv") == {"ce vs kd": (-2.5, 2)}


def test_tables_as_a_readme_shows_them(folder):
    """Shares in place of percent, a range beside the mean, metrics as rows, and one column of words."""
    folder.write(
        "shares.md",
        "| model | condition | seed 1 | seed 2 | mean (range) |\n|---|---|---|---|---|\n"
        "| a | `on` | 19/20 | 18/20 | 93% (90-95) |\n| a | `off` | 17/20 | 18/20 | 88% |\n",
    )
    assert folder.gains("shares.md", cell="model,condition") == {"a/off vs a/on": (-0.05, 2)}
    folder.write(
        "words.md", "| Regime | Seed 1 | Seed 2 |\n|---|---|---|\n| weak | 60 | 61 |\n| strong | 72 | 74 |\n"
    )
    assert folder.gains("words.md") == {"strong vs weak": (12.5, 2)}
    rows = (
        "| Metric | Seed 1 | Seed 2 |\n|---|---|---|\n| test acc | 90% | 91% |\n| OOD risk | 0.03 | 0.04 |\n"
    )
    folder.write("metrics.md", rows)
    assert "all rows are of one" in folder.refusal("metrics.md")
    folder.write("others.md", rows.replace("9", "8"))
    assert folder.gains("metrics.md", "others.md") == {"metrics vs others": (10.0, 2)}


def test_logs_whose_learning_rate_decays_and_whose_settings_nobody_named(folder):
    """A schedule is no setting; cell and epoch are asked for at once."""
    runs = [(b, v) for b in ("gru", "ssm") for v in ("on", "off")]
    rows = [
        f"{b},{v},{s},{e},{0.1 / e},0.{s}{e}{at}"
        for at, (b, v) in enumerate(runs)
        for s in (0, 1)
        for e in (1, 2, 3)
    ]
    folder.write("log.csv", "\n".join(["block,variant,seed,epoch,lr,test_acc", *rows]))
    assert "log.csv --cell block,variant --select last (judge each guess" in folder.refusal("log.csv")
    assert folder.gains("log.csv", cell="block,variant", select="last")["gru/off vs gru/on"] == (0.001, 2)
    named = [row.replace("gru,", "r8-gru,").replace("ssm,", "r8-ssm,") for row in rows]
    folder.write("named.csv", "\n".join(["model,variant,seed,epoch,lr,test_acc", *named]))
    assert "give --cell model,variant" in folder.refusal("named.csv", select="last")


def test_without_is_no_group(folder):
    """`w/o kd` is a method: neither a cell of a group w, nor shown without its w."""
    folder.write("wide.csv", "seed,full model,w/o aug,w/o kd\n0,71,70,69\n1,72,70,71\n2,71,72,69\n")
    assert (
        folder.refusal("wide.csv")
        .partition("\n")[2]
        .strip()
        .startswith("if every column is a method, give --wide")
    )
    source = folder.open("wide.csv", wide=True)
    assert sorted(source.table["method"].unique()) == ["full model", "w/o aug", "w/o kd"]
    assert common_start(["full model vs w/o aug", "w/o aug vs w/o kd"]) == ""
    assert common_start(["r8/kd vs r8/w/o kd"]) == "r8/"


def test_bits_are_a_setting(folder):
    rows = [
        f"{m},{b},{s},{i}.{s}"
        for i, (m, b) in enumerate((m, b) for m in "ab" for b in ("fp16", "int4"))
        for s in (1, 2)
    ]
    folder.write("runs.csv", "\n".join(["model,precision,seed,perplexity", *rows]))
    assert folder.refusal("runs.csv").endswith("give --cell model,precision")


@pytest.mark.parametrize(("on", "off"), [("✓", ""), ("✓", "✗"), ("x", ""), ("yes", ""), ("✔️", "-")])
def test_marks_stand_for_the_heading_above_them(folder, on: str, off: str):
    """Each part of an ablation alone is a cell of its own, and so is none of them."""
    values = {(off, off): 70, (on, off): 71, (off, on): 73, (on, on): 74}
    rows = [f"r8,{a},{b},{seed},{v + seed / 10}" for (a, b), v in values.items() for seed in (0, 1)]
    folder.write("marks.csv", "\n".join(["student,feature KD,Mixup,seed,mIoU", *rows]))
    told = "give --cell 'student,feature KD,Mixup'"
    assert told in folder.refusal("marks.csv")
    assert set(folder.open("marks.csv", cell="student,feature KD,Mixup").table["cell"]) == {
        "r8",
        "r8/feature KD",
        "r8/Mixup",
        "r8/feature KD/Mixup",
    }
    gains = folder.gains("marks.csv", cell="feature KD,Mixup")
    assert gains["Mixup vs feature KD"] == (2.0, 2)
    assert gains["feature KD vs none"] == (1.0, 2)


def test_tables_of_one_header_that_say_what_each_is_of_are_one(folder):
    """Results by data set, in a text; the baseline's own calls the network model and the others student."""

    def text(method: str, network: str, values: dict[str, int]) -> str:
        head = f"| seed | method | dataset | {network} | acc |\n|--|--|--|--|--|\n"
        parts = [
            f"\n{data}:\n\n{head}" + "".join(f"| {s} | {method} | {data} | r8 | {v}.{s} |\n" for s in (1, 2))
            for data, v in values.items()
        ]
        return "".join(parts)

    plain = text("baseline", "model", {"cifar10": 90, "svhn": 80})
    folder.write("base.md", plain)
    folder.write("kd.md", text("kd", "student", {"cifar10": 92, "svhn": 81}))
    assert folder.gains("base.md", "kd.md") == {"cifar10/r8/kd": (2.0, 2), "svhn/r8/kd": (1.0, 2)}
    tidy = folder.open("base.md", "kd.md").tidy
    assert tidy is not None
    assert tidy.dropped[0].endswith("2 tables with the same headings, which are read as one")
    folder.write("alike.md", plain.replace("svhn", "cifar10"))
    assert "alike.md: 2 tables, from lines 4, 11" in folder.refusal("alike.md")
    folder.write("nets.md", plain.replace("svhn:", "ResNet-34:").replace("cifar10:", "ResNet-18:"))
    assert set(folder.open("nets.md").table["group"]) == {"ResNet-18", "ResNet-34"}  # no column says it


def test_the_split_is_a_part_of_a_metric_and_of_no_cell(folder):
    rows = [
        f"{m},{s},{split},{metric},{v + s / 10 + (split == 'val')}"
        for m, v in (("baseline", 20), ("kd", 18))
        for s in (1, 2)
        for split in ("val", "test")
        for metric in ("perplexity", "rougeL")
    ]
    folder.write("long.csv", "\n".join(["method,seed,split,metric,value", *rows]))
    assert "one of: val_perplexity, test_perplexity, val_rougeL" in folder.refusal("long.csv")
    assert folder.gains("long.csv", metric="test_perplexity") == {"kd": (-2.0, 2)}


@pytest.mark.parametrize("unit", ["", "%"])
def test_what_sums_up_a_column_per_method_is_left_out_at_once(folder, unit):
    """As a README prints two seeds of methods, with their mean and their deviation below."""
    rows = [
        ("42", "68.05", "70.18", "69.92"),
        ("2025", "68.25", "70.17", "70.56"),
        ("**Mean**", "**68.15**", "**70.18**", "**70.30**"),
    ]
    lines = [f"| {' | '.join((seed, *(f'{value}{unit}' for value in own)))} |" for seed, *own in rows]
    head = "| Seed | ResNet-20 baseline | Vanilla KD | CBAM-KD |\n|---|---|---|---|"
    last = "| **Sample SD** | **0.14** | **0.01** | **0.45** |"
    folder.write("t.md", "\n".join([head, *lines, last]))
    source = folder.open("t.md")
    assert sorted(source.table["method"].unique()) == ["CBAM-KD", "ResNet-20 baseline", "Vanilla KD"]
    assert source.tidy.metric == "accuracy"
    assert [line for line in source.tidy.dropped if "sums up" in line] == [
        f"{folder.path / 't.md'}:5: a row that sums up (Mean)",
        f"{folder.path / 't.md'}:6: a row that sums up (Sample SD)",
    ]
    (told,) = (text for text in source.tidy.warnings if "mistyped" in text)
    assert "the mean of CBAM-KD is printed as 70.30, and that of its 2 runs here is 70.24" in told


def test_columns_that_nothing_calls_methods_are_asked_about_once(folder):
    folder.write("t.csv", "seed,left,right\n1,0.4,0.5\n2,0.5,0.6\nSE,0.05,0.05\n")
    assert "give --wide --metric NAME (what they hold, such as test_acc)" in folder.refusal("t.csv")
    source = folder.open("t.csv", wide=True, metric="test_acc")
    assert len(source.table) == 4, "behind seeds SE is a standard error, and no network"


@pytest.mark.parametrize("heading", ["Δ", "∆ bpc", "delta", "Diff (pp)", "gain"])
def test_a_difference_beside_methods_is_no_method(folder, heading):
    """As people write the seeds of two methods in Markdown, with a true minus."""
    rows = ["| 42 | −2.5 | −2.0 | +0.5 |", "| 43 | −2.6 | −2.2 | −0.4 |", "| all 2 | −2.55 | −2.1 | 0.45 |"]
    text = "\n".join([f"| seed | Baseline | ours | {heading} |", "|---|---|---|---|", *rows])
    folder.write("t.md", text)
    assert folder.gains("t.md", metric="reward") == {"ours": (0.45, 2)}
    tidy = folder.open("t.md", metric="reward").tidy
    assert any("a difference of other columns, by the name" in line for line in tidy.dropped)
    assert any("a row that sums up (all 2)" in line for line in tidy.dropped)


def test_numbers_beside_a_column_per_seed_that_were_not_used_are_said_once(folder):
    rows = [
        f"| {m} | {at}.1% | {at}.4% | {at}.9% | 1 ± 2 | {at} % | {at}5 |"
        for m, at in (("baseline", 71), ("kd", 73))
    ]
    head = "| Method | Seed 1 | Seed 2 | Seed 3 | Mean ± Std | Gap Recovery | Width |"
    folder.write("t.md", "\n".join([head, "|---|---|---|---|---|---|---|", *rows]))
    source = folder.open("t.md", metric="acc")
    assert source.tidy is not None
    told = [text for text in source.tidy.dropped if "not used" in text]
    assert told == ["columns Gap Recovery, Width: numbers that are no runs, and were not used"]
    other = folder.open("t.md", metric="acc", cell="Method,Width")
    assert other.tidy is not None
    assert [text for text in other.tidy.dropped if "not used" in text] == [told[0].replace(", Width", "")]


def test_shorter_names_are_offered_only_where_they_are_shorter(folder):
    long = "a configuration with a very long name indeed "
    rows = [
        f"{long}{m},{T},{s},7{s}.{at}" for at, (m, T) in enumerate((("kd", 4), ("ours", 2))) for s in (1, 2)
    ]
    folder.write("runs.csv", "\n".join(["method,T,seed,test_acc", *rows]))
    source = folder.open("runs.csv")
    assert source.tidy is not None
    assert "--cell method tells them apart as well, by shorter names" in source.tidy.understood[1]
    rows = [row.replace(",4,", ",,").replace("ours,2", "ours,") for row in rows]
    folder.write("runs.csv", "\n".join(["method,T,seed,test_acc", *rows]))
    source = folder.open("runs.csv")
    assert source.tidy is not None
    assert "shorter names" not in source.tidy.understood[1]


@pytest.mark.parametrize("heading", ["pair", "Teacher/Student", "model_pair"])
def test_a_pair_of_networks_is_the_student_that_methods_are_compared_on(folder, heading):
    rows = [
        f"{pair},{method},{seed},{70 + len(pair) / 7 + seed / 3 + (method == 'kd')}"
        for pair in ("r56->r20", "wrn40->wrn16")
        for method in ("baseline", "kd")
        for seed in range(3)
    ]
    folder.write("runs.csv", "\n".join([f"{heading},method,seed,acc", *rows]))
    assert folder.gains("runs.csv") == {"r56->r20/kd": (1.0, 3), "wrn40->wrn16/kd": (1.0, 3)}


def test_a_column_that_may_only_count_runs_is_offered_with_what_that_means(folder):
    rows = [f"{no},{method},{70 + no + (method == 'kd')}" for method in ("ce", "kd") for no in (1, 2, 3)]
    folder.write("runs.csv", "\n".join(["no,method,test_acc", *rows]))
    told = folder.refusal("runs.csv")
    assert "such as --seed no, or" in told
    assert "--unpaired, too, if a column only counts runs, so that nothing pairs them" in told


@pytest.mark.parametrize(
    ("column", "seeds"),
    [
        *((name, (7, 11, 13)) for name in ("rand_seed", "global_seed", "numpy_seed")),
        *((name, (0, 1, 2)) for name in ("trial", "Trial", "trial_id")),  # which recur in all cells
    ],
)
def test_columns_of_seeds_are_known_by_their_names(folder, column, seeds):
    rows = [f"{method},{seed},{70 + seed / 10:.1f}" for method in ("ce", "kd") for seed in seeds]
    folder.write("runs.csv", f"method,{column},acc\n" + "\n".join(rows) + "\n")
    tidy = folder.open("runs.csv").tidy
    assert tidy is not None
    assert f"3 seeds ({'0 to 2' if 0 in seeds else '7, 11, 13'})" in tidy.understood[0]


@pytest.mark.parametrize("heading", ["params_width", "lr"])
def test_trials_of_a_search_are_no_seeds(folder, heading):
    rows = [
        f"{method},{trial},{trial % 7 + 1},{70 + trial / 10:.1f}" for method in "ab" for trial in range(8)
    ]
    folder.write("runs.csv", f"method,trial,{heading},val_acc\n" + "\n".join(rows) + "\n")
    assert "--seed trial" in folder.refusal("runs.csv")  # a person may say so
