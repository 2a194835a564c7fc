"""Data sets that only their names tell, in a column of any heading: other data makes no rivals."""

from __future__ import annotations

import json

import pytest

METHODS = ("scratch", "KD", "CRD")
PAIRS = {"resnet20": "resnet110", "vgg8": "vgg13"}


def runs(heading: str, data: tuple[str, ...], known: bool = False) -> str:
    names = ("teacher", "student", "method") if known else ("tch", "net", "way")
    rows = [
        f"{where},{teacher},{student},{method},{seed},{60 + 9 * i + seed / 3 + k + seed * k / 40 + j:.2f}"
        for i, where in enumerate(data)
        for j, (student, teacher) in enumerate(PAIRS.items())
        for k, method in enumerate(METHODS)
        for seed in range(5)
    ]
    return "\n".join([",".join((heading, *names, "seed", "acc")), *rows]) + "\n"


@pytest.mark.parametrize(
    ("heading", "data", "pairs"),
    [
        ("where", ("CIFAR-100", "tiny_imagenet", "flowers"), 45),
        ("bench", ("ours", "theirs", "others"), 45),
        ("place", ("ours", "theirs", "others"), 153),
        ("pretrained_on", ("CIFAR-100", "tiny_imagenet", "flowers"), 153),
    ],
)
def test_cells_on_different_data_are_no_pairs(rigorkd, tmp_path, heading, data, pairs):
    path = tmp_path / "runs.csv"
    path.write_text(runs(heading, data))
    asked = ("analyze", path, "--seed", "seed", "--cell", f"way,{heading},tch,net")
    found = json.loads(rigorkd(*asked, "--format", "json").stdout)
    assert sum(len(family["comparisons"]) for family in found["families"]) == pairs
    two = [f"CRD/{where}/resnet110/resnet20" for where in data[:2]]
    told = rigorkd(*asked, "--baseline", "scratch", "--compare", *two, "--all").stdout
    different = f"measured on different data ({heading}: " in " ".join(told.split())
    assert different == (pairs == 45)


@pytest.mark.parametrize("over", ["teacher,student", "dataset", "dataset,teacher,student"])
def test_averages_over_known_columns_need_no_cell(rigorkd, tmp_path, over):
    path = tmp_path / "runs.csv"
    path.write_text(runs("dataset", ("c100", "tiny"), known=True))
    rest = [name for name in ("dataset", "student", "teacher", "method") if name not in over.split(",")]
    asked = ("analyze", path, "--average", over, "--baseline", "scratch", "--format", "json")
    short, spelt = (
        json.loads(rigorkd(*asked, *more).stdout)["families"] for more in ((), ("--cell", ",".join(rest)))
    )
    assert [c["mean_diff"] for f in short for c in f["comparisons"]]
    assert [c["mean_diff"] for f in short for c in f["comparisons"]] == [
        c["mean_diff"] for f in spelt for c in f["comparisons"]
    ]


def test_what_tells_methods_apart_is_not_averaged_over_by_accident(rigorkd, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(runs("dataset", ("c100", "tiny"), known=True))
    done = rigorkd("analyze", path, "--average", "method")
    assert done.returncode == 2
    assert "it tells the runs apart" in " ".join(done.stderr.split())


@pytest.mark.parametrize("heading", ["data_name", "bench"])
def test_baselines_of_several_data_sets_say_what_each_is_averaged_over(rigorkd, tmp_path, heading):
    rows = [
        f"{where},{method},{T},{seed},{60 + 9 * i + len(method) + seed / 3 + seed * len(T) / 40:.2f}"
        for i, where in enumerate(("ours", "theirs"))
        for method, own in (("KD", ("1", "4", "8")), ("CRDs", ("",)))
        for T in own
        for seed in range(5)
    ]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join([f"{heading},way,tau,seed,acc", *rows]) + "\n")
    asked = ("analyze", path, "--cell", f"way,tau,{heading}", "--average", "tau", "--baseline", "KD")
    told = " ".join(rigorkd(*asked, "--all").stdout.split())
    assert "Gains over KD averaged over T = 1, 4 and 8 (exploratory)" in told
    assert "each cell minus KD averaged over T = 1, 4 and 8" in told
    says = [
        c["says"]
        for f in json.loads(rigorkd(*asked, "--format", "json").stdout)["families"]
        for c in f["comparisons"]
    ]
    assert all("over KD averaged over T = 1, 4 and 8" in one for one in says if " over KD" in one)
    assert any(" over KD" in one for one in says)
