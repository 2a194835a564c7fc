"""Averages over data sets and over pairs of networks, where runs are missing, through the command line."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from statistics import fmean, stdev

import pytest

PAIRS = {"ResNet8x4": "ResNet32x4", "WRN-16-2": "WRN-40-2"}
OWN = {"scratch": ("",), "KD": ("1", "4"), "AT": ("",), "OFD+": ("",)}
HEAD = "Bench,TeacherNet,StudentNet,Approach,Tau,rng,eval_acc"
Row = tuple[str, str, str, str, str, int]


def value(row: Row) -> float:
    data, _, student, method, tau, seed = row
    level = {"scratch": 0, "KD": 0.35, "AT": 0.15, "OFD+": 0.55}[method] + 0.4 * (tau == "4")
    wave = (seed * seed * sum(map(ord, method)) + 3 * seed * len(student) + 7 * len(data)) % 11 / 40
    return round(73 - 16 * (data == "Tiny-ImageNet") + level + seed / 10 + wave, 2)


def rows(keep: Callable[[Row], bool] = lambda row: True) -> list[Row]:
    every = [
        (data, teacher, student, method, tau, seed)
        for data in ("CIFAR-100", "Tiny-ImageNet")
        for student, teacher in PAIRS.items()
        for method, own in OWN.items()
        for tau in own
        for seed in (1, 2, 3, 4, 5)
    ]
    return [row for row in every if keep(row)]


def text(some: list[Row], more: Callable[[Row], str] = lambda row: "", head: str = HEAD) -> str:
    return "\n".join([head, *(",".join(map(str, row)) + f",{value(row)}{more(row)}" for row in some)]) + "\n"


LOST = ("Tiny-ImageNet", "ResNet32x4", "ResNet8x4", "OFD+", "", 5)
ASKED = ("--seed", "rng", "--baseline", "scratch", "--sesoi", "0.2")
CELL = ("--cell", "StudentNet,TeacherNet,Approach,Tau,Bench")
OVER = "every result is a mean over Bench (CIFAR-100 and Tiny-ImageNet)"


@pytest.fixture
def judged(rigorkd, tmp_path):
    def run(content: str, *asked: str) -> tuple[dict, str]:
        path = tmp_path / "runs.csv"
        path.write_text(content)
        done = rigorkd("analyze", path, *ASKED, *asked, "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    return run


def gain_of(found: dict, name: str) -> dict:
    gains = next(family for family in found["families"] if family["name"] == "gains")
    return next(one for one in gains["comparisons"] if one["a"] == name)


def test_a_seed_without_one_of_the_data_sets_has_no_average_in_any_form(rigorkd, tmp_path, judged):
    """At seed 5 all methods of the student had been of the easier data set alone: 65.92 ± 3.70."""
    found, said = judged(text(rows(lambda row: row != LOST)), *CELL, "--average", "Bench")
    name = "ResNet8x4/ResNet32x4/OFD+"
    assert f"Bench: {name} lacks Tiny-ImageNet at seed 5, and so has no average there" in said
    assert "left out of the averages of all cells" not in said
    one = gain_of(found, name)
    assert (one["n"], one["seeds"]) == (4, [1, 2, 3, 4])
    assert gain_of(found, "ResNet8x4/ResNet32x4/AT")["n"] == 5
    assert OVER in one["says"]
    means = [
        fmean(
            value((data, "ResNet32x4", "ResNet8x4", "scratch", "", seed))
            for data in ("CIFAR-100", "Tiny-ImageNet")
        )
        for seed in range(1, 6)
    ]
    scratch = next(cell for cell in found["cells"] if cell["cell"] == "ResNet8x4/ResNet32x4/scratch")
    assert (scratch["n"], scratch["std"]) == (5, pytest.approx(stdev(means)))
    for form in ("markdown", "latex"):
        asked = (*ASKED, *CELL, "--average", "Bench", "--layout", "gains", "--format", form)
        table = rigorkd("table", tmp_path / "runs.csv", *asked).stdout
        assert f"{fmean(means):.2f}" in table
        assert OVER in table
        assert "over 4 to 5 seeds" in table


def test_nor_has_one_without_one_of_the_temperatures(judged):
    lost = ("Tiny-ImageNet", "ResNet32x4", "ResNet8x4", "KD", "4", 5)
    average = ("--average", "Tau", "--average", "Bench")
    found, said = judged(text(rows(lambda row: row != lost)), *CELL, *average)
    one = gain_of(found, "ResNet8x4/ResNet32x4/KD mean T=1,4")
    assert one["n"] == 4
    assert "KD lacks 4 at seed 5 (Tiny-ImageNet), and so has no average there" in said
    assert gain_of(found, "WRN-16-2/WRN-40-2/KD mean T=1,4")["n"] == 5
    assert gain_of(found, "ResNet8x4/ResNet32x4/OFD+")["n"] == 5


@pytest.mark.parametrize("also", [False, True])
def test_what_diverged_on_one_data_set_has_diverged_whatever_else_is_missing(judged, also):
    other = ("CIFAR-100", *LOST[1:])
    kept = rows(lambda row: not (also and row == other))
    content = text(kept, lambda row: ",diverged" if row == LOST else ",done", f"{HEAD},status")
    found, said = judged(content, *CELL, "--average", "Bench")
    one = gain_of(found, "ResNet8x4/ResNet32x4/OFD+")
    assert (one["n"], one["verdict"]) == (4, "inconclusive")
    cell = next(cell for cell in found["cells"] if cell["cell"] == "ResNet8x4/ResNet32x4/OFD+")
    assert cell["diverged"] == 1
    assert "1 diverged run in ResNet8x4/ResNet32x4/OFD+" in said


def test_a_data_set_that_a_method_lacks_at_each_seed_is_left_out_of_all_and_captions_say_what_is_left(judged):
    kept = rows(lambda row: not (row[0] == "Tiny-ImageNet" and row[3] == "OFD+"))
    found, said = judged(text(kept), *CELL, "--average", "Bench")
    assert gain_of(found, "ResNet8x4/ResNet32x4/OFD+")["n"] == 5
    assert "OFD+ lacks Tiny-ImageNet; left out of the averages of all cells" in said
    assert gain_of(found, "WRN-16-2/WRN-40-2/AT")["says"].endswith(
        "every result is of Bench CIFAR-100 alone."
    )


def test_a_caption_names_the_cells_that_are_means_over_fewer(judged):
    kept = rows(lambda row: not (row[0] == "Tiny-ImageNet" and row[2] == "WRN-16-2" and row[3] == "OFD+"))
    found, _ = judged(text(kept), *CELL, "--average", "Bench")
    says = gain_of(found, "ResNet8x4/ResNet32x4/AT")["says"]
    assert f"{OVER}, of WRN-16-2/WRN-40-2/scratch, " in says
    assert says.endswith("CIFAR-100 alone.")


WAYS = re.compile(r"((?:--(?:average|cell|without) (?:'[^']*'|[^ ;,)]+(?:,[^ ;,)]+)*) ?)+)")


def follow(rigorkd, path, said: str, asked: tuple[str, ...]) -> list[list[str]]:
    """Each way out that a message offers, typed beside what was asked: it must read the table."""
    ways = [shlex.split(way) for way in WAYS.findall(said.splitlines()[-1])]
    assert ways
    for way in ways:
        kept = [
            word
            for option, word in zip(asked[::2], asked[1::2], strict=True)
            for word in (option, word)
            if option not in way[::2] or option == "--without"
        ]
        done = rigorkd("analyze", path, *kept, *way)
        assert done.returncode == 0, (way, done.stderr)
    return ways


def test_a_cell_without_all_data_sets_at_any_seed_is_refused_with_ways_out_that_work(rigorkd, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(text(rows(lambda row: row[3] != "OFD+" or (row[0] == "Tiny-ImageNet") == (row[5] > 2))))
    asked = (
        "--seed",
        "rng",
        "--cell",
        "Approach,Tau,StudentNet",
        "--average",
        "Bench",
        "--without",
        "StudentNet=WRN-16-2",
    )
    done = rigorkd("analyze", path, *asked)
    assert done.returncode == 2
    assert "at no seed OFD+/ResNet8x4 has all of Bench CIFAR-100, Tiny-ImageNet" in done.stderr
    assert follow(rigorkd, path, done.stderr, asked) == [
        ["--without", "Approach=OFD+"],
        ["--without", "Bench=CIFAR-100"],
    ]


FOUR = (
    "every result is a mean over Bench (CIFAR-100 and Tiny-ImageNet) and pairs of TeacherNet and StudentNet "
)
FOUR += "(ResNet32x4/ResNet8x4 and WRN-40-2/WRN-16-2)"


@pytest.mark.parametrize(
    "average",
    [
        ("Bench", "StudentNet,TeacherNet"),
        ("Bench", "StudentNet", "TeacherNet"),
        ("TeacherNet", "Bench", "StudentNet"),
    ],
)
@pytest.mark.parametrize("teacher", [True, False])
def test_pairs_of_a_teacher_and_its_student_are_averaged_as_one(judged, average, teacher):
    """Both columns together had been refused for runs that were missing at teachers of other students."""
    every = text(rows())
    if not teacher:  # a student that is trained alone has none
        every = re.sub(r",[^,]+,([^,]+),scratch,", r",,\1,scratch,", every)
    asked = [word for name in average for word in ("--average", name)]
    found, said = judged(
        every, "--cell", "Approach,Tau,StudentNet,Bench", *asked, "--compare", "KD-T4", "KD-T1"
    )
    one = gain_of(found, "OFD+")
    assert (one["n"], one["b"]) == (5, "scratch")
    of_seed = [
        fmean(
            value((*row[:3], "OFD+", "", seed)) - value(row)
            for row in rows()
            if row[3] == "scratch" and row[5] == seed
        )
        for seed in range(1, 6)
    ]
    assert one["mean_diff"] == pytest.approx(fmean(of_seed))
    assert one["sd_diff"] == pytest.approx(stdev(of_seed))
    assert FOUR in one["says"]
    assert "lacks" not in said
    (pair,) = next(family for family in found["families"] if family["name"] == "contrasts")["comparisons"]
    assert (pair["a"], pair["b"]) == ("KD-T4", "KD-T1")


def test_a_student_stands_beside_each_of_its_teachers(judged):
    """As in a table where two teachers share a student, whose own accuracy is printed twice."""
    more = [
        ("CIFAR-100", "ResNet110", *row[2:])
        for row in rows()
        if row[:3] == ("CIFAR-100", "ResNet32x4", "ResNet8x4")
    ]
    every = [
        row
        for row in (*rows(lambda row: row[0] == "CIFAR-100"), *more)
        if row[1:4:2] != ("ResNet110", "scratch")
    ]
    content = re.sub(r",[^,]+,([^,]+),scratch,", r",,\1,scratch,", text(every))
    found, _ = judged(content, "--cell", "Approach,Tau", "--average", "StudentNet,TeacherNet")
    cell = next(cell for cell in found["cells"] if cell["cell"] == "scratch")
    twice = [
        fmean(
            [
                2 * value(("CIFAR-100", "", "ResNet8x4", "scratch", "", seed)) / 3
                + value(("CIFAR-100", "", "WRN-16-2", "scratch", "", seed)) / 3
            ]
        )
        for seed in range(1, 6)
    ]
    assert cell["mean"] == pytest.approx(fmean(twice), abs=0.01)
    assert "(ResNet32x4/ResNet8x4, ResNet110/ResNet8x4 and WRN-40-2/WRN-16-2)" in gain_of(found, "AT")["says"]


def test_a_pair_that_is_missing_at_a_seed_is_named(judged):
    found, said = judged(
        text(rows(lambda row: row != LOST)),
        "--cell",
        "Approach,Tau",
        "--average",
        "Bench,StudentNet,TeacherNet",
    )
    assert "OFD+ lacks Tiny-ImageNet/ResNet32x4/ResNet8x4 at seed 5, and so has no average there" in said
    assert (gain_of(found, "OFD+")["n"], gain_of(found, "AT")["n"]) == (4, 5)
    assert FOUR in gain_of(found, "OFD+")["says"]


@pytest.mark.parametrize("bench", [(), ("--average", "Bench")])
def test_advice_for_one_column_of_a_pair_works_as_it_is_printed(rigorkd, tmp_path, bench):
    path = tmp_path / "runs.csv"
    path.write_text(text(rows()))
    cell = "Approach,Tau,StudentNet" + ",Bench" * (not bench)
    asked = (*ASKED, "--cell", cell, *bench, "--average", "StudentNet")
    done = rigorkd("analyze", path, *asked)
    assert done.returncode == 2
    assert "of scratch" in done.stderr
    assert "differ in TeacherNet, too" in done.stderr
    ways = follow(
        rigorkd,
        path,
        done.stderr,
        (*ASKED, "--cell", cell, *bench, "--average", "StudentNet"),
    )
    assert ways[0] == [*bench, "--average", "StudentNet", "--average", "TeacherNet"]


def test_of_folds_a_caption_says_at_which_seeds_there_are_fewer(rigorkd, tmp_path):
    """What is much alike is left out at its seed, of all cells; a caption had named all of it."""
    lines = [
        f"{method},{seed},{fold},{70 + seed / 3 + (method == 'kd') * (1 + seed * 7 % 5 / 20) + fold / 9}"
        for method in ("base", "kd")
        for seed in range(5)
        for fold in range(4)
        if (method, seed, fold) != ("kd", 2, 3)
    ]
    path = tmp_path / "cv.csv"
    path.write_text("\n".join(["method,seed,fold,acc", *lines]))
    asked = ("--average", "fold", "--baseline", "base", "--format", "json")
    found = json.loads(rigorkd("analyze", path, *asked).stdout)
    one = gain_of(found, "kd")
    assert one["n"] == 5
    assert one["says"].endswith("every result is a mean over fold (0, 1, 2 and 3), fewer at seed 2.")


def test_a_seed_that_is_left_out_is_called_a_seed_and_leaves_all_comparisons(judged):
    every, _ = judged(text(rows()), *CELL)
    found, said = judged(text(rows()), *CELL, "--without", "3")
    assert "left out by choice: seed 3 (20 of 100 rows), as --without asks\n" in said
    assert "corrections are over" not in said
    assert [len(family["comparisons"]) for family in found["families"]] == [
        len(family["comparisons"]) for family in every["families"]
    ]
    _, both = judged(text(rows()), *CELL, "--without", "3", "--without", "OFD+")
    assert "as --without asks: corrections are over the comparisons that are left" in " ".join(both.split())


def test_data_sets_with_epochs_of_their_own_are_parts_of_one_mean(rigorkd, tmp_path):
    rows = [
        f"{data},{method},{epochs},{seed},{60 + 9 * k + len(method) + seed / 3 + seed * len(method) / 50:.2f}"
        for k, (data, epochs) in enumerate({"c100": 240, "stl": 120, "tiny": 240}.items())
        for method in ("none", "kd", "review")
        for seed in range(5)
    ]
    found = []
    for heading in ("dataset,method,epochs,seed,acc", "dataset,method,note,seed,acc"):
        path = tmp_path / "runs.csv"
        path.write_text("\n".join([heading, *rows]) + "\n")
        asked = ("--baseline", "none", "--average", "dataset", "--format", "json")
        named = () if "epochs" in heading else ("--cell", "method")
        done = rigorkd("analyze", path, *asked, *named)
        assert done.returncode == 0, done.stderr
        found.append([c["mean_diff"] for f in json.loads(done.stdout)["families"] for c in f["comparisons"]])
        if not named:
            assert "without epochs, which goes with what is averaged over" in " ".join(done.stderr.split())
    assert found[0] == found[1]
