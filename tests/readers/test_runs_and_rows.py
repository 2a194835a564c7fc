"""Which rows are runs: statuses of every tracker, duplicates, NaN."""

from __future__ import annotations

import json
import re

import pytest

HEADER = "cell,seed,student,method,status,test_top1\n"
VALUES = {"baseline": (72.5, 72.9, 72.3), "kd": (73.5, 73.2, 73.9)}
GAIN = {"kd": (0.966667, 3)}


def table(word: str) -> str:
    return HEADER + "".join(
        f"{method},{seed},r8,{method},{word},{value}\n"
        for method, values in VALUES.items()
        for seed, value in enumerate(values)
    )


@pytest.mark.parametrize(
    "word",
    ["finished", "FINISHED", "COMPLETED", "COMPLETE", "success", "Succeeded", "TrialState.COMPLETE", "ok"],
)
def test_words_for_done(folder, word: str):
    folder.write("runs.csv", table(word))
    assert folder.gains("runs.csv") == GAIN


@pytest.mark.parametrize(
    "word",
    ["crashed", "failed", "FAILED", "killed", "CANCELLED by 1000", "preempted", "running", "TIMEOUT",
     "OUT_OF_MEMORY", "PRUNED"],
)  # fmt: skip
def test_a_run_that_did_not_finish_is_missing_and_named(folder, word: str):
    folder.write("runs.csv", table("finished").replace("kd,2,r8,kd,finished,73.9", f"kd,2,r8,kd,{word},10.0"))
    source = folder.open("runs.csv")
    assert source.tidy is not None
    assert source.tidy.dropped == (
        f"{folder.path}/runs.csv:7: kd seed 2 ({word}): did not finish, and nothing replaces it",
    )
    assert source.warnings == ("1 run did not finish and is missing",)
    assert folder.gains("runs.csv") == {"kd": (0.65, 2)}


def test_a_failed_try_beside_a_finished_one(folder):
    folder.write("runs.csv", table("finished") + "kd,2,r8,kd,crashed,10\nkd,2,r8,kd,killed,\n")
    assert folder.gains("runs.csv") == GAIN
    tidy = folder.open("runs.csv").tidy
    assert tidy is not None
    assert [text.partition(": ")[2] for text in tidy.dropped] == [
        "kd seed 2 (crashed): did not finish; another try of this seed did",
        "kd seed 2 (killed): did not finish; another try of this seed did",
    ]


def test_duplicates_need_something_that_tells_them_apart(folder):
    folder.write("plain.csv", table("finished") + "kd,2,r8,kd,finished,73.9\n")
    assert "seed 2 of kd is there twice" in folder.refusal("plain.csv")
    rows = [
        f"{method},{seed},{method}{seed},2026-10-0{seed + 1}T10:00:00Z,{value}"
        for method, values in VALUES.items()
        for seed, value in enumerate(values)
    ]
    header = "method,seed,run_id,created,test_acc"
    folder.write("same.csv", "\n".join([header, *rows, rows[-1]]))
    assert folder.gains("same.csv") == GAIN
    folder.write("later.csv", "\n".join([header, "kd,2,again,2026-10-01T09:00:00Z,10.0", *rows]))
    assert folder.gains("later.csv") == GAIN
    assert any("the latest counts" in text for text in folder.open("later.csv").warnings)
    folder.write("two.csv", "\n".join([header, rows[-1].replace("kd2", "other"), *rows]))
    assert "seed 2 of kd is there 2 times" in folder.refusal("two.csv")


def test_nan_is_a_divergence_only_where_a_status_says_so(folder):
    text = table("finished").replace("kd,2,r8,kd,finished,73.9", "kd,2,r8,kd,{},nan")
    folder.write("runs.csv", text.format("diverged"))
    assert folder.gains("runs.csv") == {"kd": (0.65, 2)}
    folder.write("runs.csv", text.format("finished"))
    assert "'nan' is not a number" in folder.refusal("runs.csv")


def test_a_table_of_wandb(folder):
    head = '"Name","State","Created","Runtime","Sweep","seed","method","student","epochs",'
    head += '"test/acc1","val/acc1","_step"'
    rows = [
        f'"r8-{m}-s{s}","finished","2026-10-01T1{s}:00:00.000Z","3600","","{s}","{m}","r8","240","{v}","70","239"'
        for m, values in VALUES.items()
        for s, v in enumerate(values)
    ]
    crashed = '"r8-kd-s2","crashed","2026-10-01T09:00:00.000Z","9","","2","kd","r8","240","10.4","9","7"'
    folder.write("runs.csv", "\n".join([head, *rows, crashed]))
    assert folder.gains("runs.csv") == {"r8/kd": (0.966667, 3)}


def sweep(*more: str) -> str:
    """W&B's table of a sweep over a setting that rigorkd does not know by its name."""
    rows = [
        f"{m}{d}{s},finished,2026-10-0{day}T1{s}:00:00Z,{s},{m},{d},{72 + s + day}"
        for day, (m, d) in enumerate([("baseline", 0.0), ("baseline", 0.5), ("kd", 0.0), ("kd", 0.5)], 1)
        for s in (0, 1)
    ]
    return "\n".join(["Name,State,Created,seed,method,dropout,test_acc", *rows, *more])


def test_runs_that_differ_in_a_setting_are_no_tries_of_one(folder):
    """A tracker dates every run: its time tells tries of one run apart, not two configurations."""
    folder.write("runs.csv", sweep())
    told = folder.refusal("runs.csv")
    assert "runs.csv:4: column 'seed': seed 0 of baseline is there 2 times" in told
    assert "these rows differ in dropout: give --cell method,dropout" in told
    assert folder.open("runs.csv", cell="method,dropout").table.cell.nunique() == 4


def test_a_try_made_again_is_still_known_by_its_time(folder):
    folder.write("runs.csv", sweep("again,finished,2026-10-09T10:00:00Z,0,kd,0.5,80"))
    source = folder.open("runs.csv", cell="method,dropout")
    assert source.tidy is not None
    assert [text for text in source.tidy.dropped if "the latest counts" in text]
    assert len(source.table) == 8


def test_a_setting_is_offered_as_a_cell_and_not_as_a_metric(folder):
    settings = [(env, width) for env in ("cart", "pole") for width in (64, 256)]
    rows = [
        f"{m},{s},{e},{w},{i / 7}" for i, (e, w) in enumerate(settings) for m in ("a", "b") for s in (0, 1)
    ]
    folder.write("runs.csv", "\n".join(["Algo,Seed,arena,width,test_acc", *rows]))
    assert folder.refusal("runs.csv").endswith("give --cell Algo,arena,width")
    folder.write("two.csv", "\n".join(["algo,seed,width,my_acc,f1", *(f"a,{s},{w},{s}.{w},{w}.{s}1"
                                       for s in (0, 1, 2) for w in (64, 256))]))  # fmt: skip
    told = folder.refusal("two.csv")
    assert "nothing says which column is judged (my_acc, f1) and which columns define a configur" in told
    assert "two.csv --metric my_acc --cell width (judge each guess)" in told


def test_runs_on_several_tasks_are_of_the_models_that_their_names_tell(folder):
    rows = [
        f"{task},{model}-s{seed},{70 + gain + seed * 0.5 + place}"
        for place, task in enumerate(("arc", "piqa"))
        for model, gain in (("base", 0), ("kd", 1 + place))
        for seed in range(3)
    ]
    folder.write("tasks.csv", "\n".join(["task,run,acc", *rows]))
    source = folder.open("tasks.csv")
    assert source.tidy is not None
    assert "cells: task, model (known names; model from the runs' names" in source.tidy.understood[1]
    assert folder.gains("tasks.csv") == {"arc/base vs arc/kd": (-1.0, 3), "piqa/base vs piqa/kd": (-2.0, 3)}


def test_a_table_in_latex_is_sent_to_audit(folder):
    folder.write("table.tex", "Method & top1 \\\\ KD & 73.3 \\\\ CRD & 75.5 \\\\")
    assert "rigorkd audit" in folder.refusal("table.tex")
    folder.write("table.txt", "\\begin{tabular}{lr}\nKD & 73.3 \\\\\n\\end{tabular}")
    assert "rigorkd audit" in folder.refusal("table.txt")


def test_a_run_that_was_saved_twice_is_to_be_left_out(folder):
    for name, value, epoch in (("kd-s0", 73, 40), ("kd-s0(1)", 74, 38), ("kd-s1", 75, 38), ("ce-s0", 71, 40)):
        run = {"model_name": name[:2], "seed": int(name[4]), "best_epoch": epoch, "test_acc": value}
        folder.write(f"runs/{name}.json", json.dumps(run))
    refusal = folder.refusal("runs", cell="model_name")
    assert "seed 0 of kd is there 2 times (runs/kd-s0(1).json and runs/kd-s0.json)" in refusal
    assert "no setting tells them apart (they differ in best_epoch): leave one out" in refusal


def test_prose_in_markdown_is_no_table_with_commas(folder):
    folder.write("README.md", "# Runs\n\nFirst, second, third.\nAnd a line, of two.\n")
    assert "no table in Markdown" in folder.refusal("README.md")


def test_pointers_of_git_lfs_are_no_results(folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 99\n"
    folder.write("runs.csv", pointer)
    assert "git lfs pull" in folder.refusal("runs.csv")
    folder.write("mlruns/1/abc/meta.yaml", pointer)
    assert "git lfs pull" in folder.refusal("mlruns")


def test_what_a_person_names_as_the_cell_wins_over_what_a_column_is_called(folder):
    rows = [
        f"{name}-{seed},sweep{seed // 2},{name},{4 + seed % 2},{seed},{70 + seed / 7 + (name == 'kd')}"
        for name in ("ce", "kd")
        for seed in range(4)
    ]
    for group in ("run_group", "Group", "group"):
        folder.write("runs.csv", "\n".join([f"Name,{group},loss_fn,T,seed,test_acc", *rows]))
        source = folder.open("runs.csv", cell="loss_fn")
        assert folder.gains("runs.csv", cell="loss_fn") == {"ce vs kd": (-1.0, 4)}
        told = "runs of one cell differ in T (4, 5), which --cell leaves out: they count as one configuration"
        assert told in source.warnings
    folder.write("kd.csv", "cell,T,seed,test_acc\nkd,4,0,70\nkd,5,1,71\nce,,0,69\nce,,1,68\n")
    assert "the runs of kd differ in 'T'" in folder.refusal("kd.csv")


def test_a_group_that_names_each_method_is_no_group_of_methods(folder):
    rows = [
        f"c100-{name},{name},{seed},{70 + seed / 7 + (name == 'kd')}"
        for name in ("baseline", "kd")
        for seed in range(3)
    ]
    folder.write("runs.csv", "\n".join(["Group,method,seed,test_acc", *rows]))
    assert folder.gains("runs.csv") == {"kd": (1.0, 3)}
    other = (
        "\n".join(["Group,method,seed,test_acc", *rows]).replace("c100-kd", "svhn").replace("c100-", "c10")
    )
    folder.write("runs.csv", other)
    assert "has no baseline" in folder.refusal("runs.csv")
    assert folder.gains("runs.csv", cell="method") == {"kd": (1.0, 3)}


@pytest.mark.parametrize(
    "row",
    [
        "kd,{},71.0,".replace("{}", seed)
        for seed in ('"0,1,2"', "0-2", "[0 1 2]", "0..2", "3 seeds", "all", "mean")
    ]
    + ["kd,,71.4 ± 0.3,", "kd_mean,,71.4,", "kd (avg),nan,71.4,", "kd,mean ± std,71.4 ± 0.3,", "mean,,70,"],
)
def test_a_row_that_sums_up_is_left_out_with_its_line(folder, row):
    rows = [f"{name},{seed},{70 + seed / 7 + (name == 'kd')}," for name in ("ce", "kd") for seed in range(3)]
    folder.write("runs.csv", "\n".join(["method,seed,test_acc,note", *rows[:4], row, *rows[4:]]))
    tidy = folder.open("runs.csv").tidy
    assert any(line.startswith(f"{folder.path / 'runs.csv'}:6: a row that sums up") for line in tidy.dropped)
    assert folder.gains("runs.csv") == {"ce vs kd": (-1.0, 3)}
    assert not any("means alone" in text for text in tidy.warnings)


def test_a_method_of_means_alone_is_told_and_a_table_of_them_is_sent_to_audit(folder):
    rows = ["ce,0,70", "ce,1,71", "kd,0,71", "kd,1,72.5", "crd,0-4,75"]
    folder.write("runs.csv", "\n".join(["method,seed,test_acc", *rows]))
    assert "crd: means alone, no runs, so compared with nothing" in folder.open("runs.csv").warnings
    folder.write("runs.csv", "method,seed,test_acc\nce,0-4,70\nkd,0-4,71\n")
    assert "`rigorkd audit` judges means" in folder.refusal("runs.csv")


def test_a_column_whose_name_counts_something_is_offered_where_it_alone_tells_rows_apart(folder):
    rows = [
        f"{name},{many},{seed},{70 + seed / 7 + (name == 'ours') + many},{80 + seed / 3 + many}"
        for name in ("avg", "ours")
        for many in (4, 8)
        for seed in range(3)
    ]
    folder.write("runs.csv", "\n".join(["method,N,seed,acc,oracle", *rows]))
    assert "give --cell method,N" in folder.refusal("runs.csv", metric="acc")
    assert folder.open("runs.csv", metric="acc", cell="method,N").table["cell"].nunique() == 4


def test_rows_that_are_named_differ_in_what_is_said_of_them(folder):
    """The first two of a seed were, though these differ in something else."""
    rows = [
        f"{data},{net},{loss},{T},{seed},{70 + seed}"
        for data in ("c10", "c100")
        for net in ("resnet56", "wrn_40_2")
        for loss, T in (("baseline", ""), ("crd", ""), ("kd", "1"), ("kd", "4"))
        for seed in range(3)
    ]
    folder.write("runs.csv", "\n".join(["data,big_net,loss,tau,random_seed,acc1", *rows]))
    told = folder.refusal("runs.csv")
    named = re.search(r"these rows differ in ([a-z_]+)", told)[1]
    places = re.findall(r"runs\.csv:(\d+)", told.partition(" times (")[2])
    assert len(places) == 2
    at = ("data", "big_net", "loss", "tau").index(named)
    first, second = (rows[int(line) - 2].split(",")[at] for line in places)
    assert first != second
