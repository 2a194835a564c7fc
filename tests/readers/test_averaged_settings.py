"""A method averaged over its settings within each seed: a baseline among methods that have none of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from rigorkd.report.judging import Question, analysis_of

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
    folder.write("runs.csv", table(named=named))
    found = folder.open("runs.csv", cell=CELLS, average=named)
    result = analysis_of(found, Question(baselines=(baseline,)), images=False)
    family = result.family("gains")
    symbol = {"temperature": "T", "tau": "T", "alpha": "α"}.get(named, named)
    short = {"temperature": "T", "tau": "T"}.get(named, named)
    assert family.over == f"KD averaged over {symbol} = 2 and 4"
    for one in family.comparisons:
        data, _, method = one.a.split("/")
        assert (one.b, one.n) == (f"{data}/r18/KD mean {short}=2,4", 4)
        assert family.over in one.says
        each = [value(data, method, "", seed) - mean_of_kd(data, seed) for seed in range(4)]
        assert one.mean_diff == pytest.approx(sum(each) / 4)
    told = f"averaged settings: method=KD over {named} 2, 4 within each seed (method=scratch, method=CRD, "
    told += f"method=DKD: no {named}, so as they are), as --average asks"
    assert told in result.warnings


def test_each_method_is_averaged_over_its_own_settings_and_named_with_them(folder):
    """KD would silently be KD at T = 8 beside a method that has T = 8 alone."""
    folder.write("runs.csv", table(distilled={"KD": ("2", "4", "8"), "DKD": ("8",)}))
    for baseline in ("KD", "cifar/r18/KD"):  # as its file calls it, too
        found = folder.open("runs.csv", cell=CELLS, average="temperature", without=("svhn",))
        result = analysis_of(found, Question(baselines=(baseline,)), images=False)
        gains = {one.a: one for one in result.family("gains").comparisons}
        dkd = gains["cifar/r18/DKD-T8"]
        assert dkd.b == "cifar/r18/KD mean T=2,4,8"
        assert "DKD distillation at T = 8" in dkd.says
        assert "KD averaged over T = 2, 4 and 8" in dkd.says
        each = [
            value("cifar", "DKD", "8", seed) - sum(value("cifar", "KD", T, seed) for T in ("2", "4", "8")) / 3
            for seed in range(4)
        ]
        assert dkd.mean_diff == pytest.approx(sum(each) / 4)
    told = (
        "averaged settings: method=KD over temperature 2, 4, 8 within each seed (method=DKD: temperature 8 "
    )
    assert any(text.startswith(f"{told}alone; method=scratch") for text in result.warnings)


def test_the_mean_over_settings_keeps_its_name_in_averages_over_what_else_it_is_of(folder):
    text = "".join(
        f"cifar,{model},{method},{T},{seed},{70 + 7 * seed % 5 + k + len(T)}\n"
        for k, (model, method, T) in enumerate(
            [("r18", "scratch", ""), *(("r18", method, T) for method in ("kd", "DKD") for T in ("1", "4"))]
        )
        for seed in range(3)
    )
    again = "\n".join(f"{row},t{t}" for t in (1, 2) for row in text.splitlines())
    folder.write("runs.csv", f"dataset,student,method,temperature,seed,acc,teacher\n{again}\n")
    found = folder.open("runs.csv", cell="dataset,student,teacher,method", average="temperature")
    family = analysis_of(found, Question(baselines=("scratch",)), images=False).family("overall")
    kd = next(one for one in family.comparisons if "kd" in one.name)
    assert kd.name == "cifar/r18/kd mean T=1,4: average of 2 (teacher)"
    assert "istillation averaged over T = 1 and 4, averaged over t1 and t2, on r18" in kd.says


@pytest.mark.parametrize(("big", "small"), [("wide", "narrow"), ("teacher_net", "student_net")])
def test_an_average_says_how_many_of_its_cells_are_averages_and_all_that_they_differ_in(folder, big, small):
    """Of pairs of networks both are named, unless the columns say that one of them is the student."""
    runs = [
        f"cifar,{pair},{loss},{T},{seed},{70 + k + 2 * (T == '4') + seed % 3 / 4 + seed * k / 50:.2f}"
        for pair in ("r110,r32", "w40,w16")
        for k, (loss, own) in enumerate([("scratch", ("",)), ("CRD", ("",)), ("KD", "14"), ("DKD", "14")])
        for T in own
        for seed in range(4)
    ]
    folder.write("runs.csv", "\n".join([f"data,{big},{small},augmentation,temp,rng,acc", *runs]))
    asked = {"cell": f"data,{big},{small},augmentation", "seed": "rng", "average": "temp"}
    result = analysis_of(folder.open("runs.csv", **asked), Question(baselines=("scratch",)), images=False)
    assert any(
        "averaged settings: augmentation=KD, augmentation=DKD over temp" in text for text in result.warnings
    )
    averages = result.family("overall").comparisons
    if big == "wide":
        (one,) = averages
        assert (
            one.name
            == "cifar: average of 6 (wide, narrow, augmentation; 4 of 6 averaged over T = 1 and 4, 2 not)"
        )
        told = "The cells (4 of 6 averaged over T = 1 and 4, 2 not), averaged over 6 settings of wide, narrow"
        assert one.says.startswith(f"{told} and augmentation, raised")
    else:
        assert [one.student for one in averages] == ["r32", "w16"]
        (first, _) = averages
        assert first.name == "cifar/r32: average of 3 (augmentation; 2 of 3 averaged over T = 1 and 4, 1 not)"
        told = (
            "The cells (2 of 3 averaged over T = 1 and 4, 1 not), averaged over CRD, DKD and KD, raised r32's"
        )
        assert first.says.startswith(told)
    alone = folder.open("runs.csv", **asked, without=("augmentation=CRD",))
    result = analysis_of(alone, Question(baselines=("scratch",)), images=False)
    for one in result.family("overall").comparisons:
        assert "averaged over T = 1 and 4: average of" in one.name
        assert "/ " not in one.name
        assert one.says.startswith("The cells averaged over T = 1 and 4, averaged over ")


def test_what_a_cell_is_averaged_over_is_said_once_where_its_name_stands_in_the_sentence(folder):
    again = [f"{row},{depth}" for depth in ("deep", "flat") for row in table().splitlines()[1:]]
    folder.write("runs.csv", "\n".join([f"{table().splitlines()[0]},shape", *again]))
    found = folder.open("runs.csv", cell="dataset,model,shape,method", average="temperature")
    result = analysis_of(found, Question(baselines=("scratch",)), images=False)
    gain = next(one for one in result.family("gains").comparisons if one.a == "cifar/r18/deep/KD mean T=2,4")
    assert "KD distillation (cifar/r18/deep/KD mean T=2,4) compared" in gain.says


def test_an_average_of_one_setting_is_that_setting(folder):
    folder.write("runs.csv", table(distilled={"KD": ("4",), "DKD": ("4",)}))
    found = folder.open("runs.csv", cell=CELLS, average="temperature")
    assert set(found.table["cell"]) >= {"cifar/r18/KD-T4", "svhn/r18/DKD-T4", "cifar/r18/CRD"}
    assert not any(text.startswith("averaged settings") for text in found.warnings)
    assert any("averages nothing: no cell has several of it" in text for text in found.warnings)


@pytest.mark.parametrize("average", ["temperature", "fold"])
def test_a_run_that_crashed_is_no_part_of_an_average(folder, average):
    """What it shows is no result; a try that finished takes its place, else its seed has no average."""
    head, *rows = table(named=average).splitlines()
    kept = [row for row in rows if ",KD," in row or average == "temperature"]
    status = [f"{row},done" for row in kept]
    crashed = "cifar,r18,KD,2,0,11,crashed"
    folder.write("again.csv", "\n".join([f"{head},status", crashed, *status]))
    asked = {"cell": CELLS, "average": average}
    found = folder.open("again.csv", **asked).table
    name = "cifar/r18/KD mean T=2,4" if average == "temperature" else "cifar/r18/KD"
    (mean,) = found["acc"][(found["cell"] == name) & (found["seed"] == "0")]
    assert float(mean) == pytest.approx(mean_of_kd("cifar", 0))
    alone = [row for row in status if not row.startswith("cifar,r18,KD,2,0,")]
    folder.write("lost.csv", "\n".join([f"{head},status", crashed, *alone]))
    lost = folder.open("lost.csv", **asked)
    assert "11" not in set(lost.table["acc"])
    assert any(f"did not finish ({average} 2)" in text for text in lost.tidy.dropped)
    told = "temperature: cifar/r18/KD lacks 2 at seed 0, and so has no average there"
    if average == "fold":
        told = "runs are averages over 1 to 2 rows of fold (1 of cifar/r18/KD seed 0)"
    assert told in lost.warnings


def test_an_average_over_what_diverged_has_diverged(folder):
    head, *rows = table().splitlines()
    status = [f"{row},{'diverged' if row.startswith('cifar,r18,KD,2,0,') else 'done'}" for row in rows]
    folder.write("runs.csv", "\n".join([f"{head},status", *status]))
    found = folder.open("runs.csv", cell=CELLS, average="temperature").table
    own = found[(found["cell"] == "cifar/r18/KD mean T=2,4") & (found["status"] == "diverged")]
    assert list(own["seed"]) == ["0"]


def test_a_seed_without_one_of_the_settings_has_no_average(folder):
    """Or its difference would be of the other temperature alone."""
    folder.write("runs.csv", table(keep=lambda row: row != ("cifar", "KD", "4", 3)))
    found = folder.open("runs.csv", cell=CELLS, average="temperature")
    told = "temperature: cifar/r18/KD lacks 4 at seed 3, and so has no average there"
    assert told in found.warnings
    gains = folder.gains("runs.csv", cell=CELLS, average="temperature")
    assert gains["cifar/r18/CRD vs cifar/r18/KD mean T=2,4"][1] == 3
    assert gains["svhn/r18/CRD vs svhn/r18/KD mean T=2,4"][1] == 4


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


def test_a_setting_that_is_averaged_tells_no_cells_apart(folder):
    folder.write("runs.csv", table())
    alone = folder.gains("runs.csv", average="temperature")
    assert alone == folder.gains("runs.csv", cell="dataset,method", average="temperature")
    assert any("KD mean T=2,4" in name for name in map(str, alone))


def test_a_column_of_cells_that_is_averaged_over_is_left_out_of_them_and_said(folder):
    folder.write("runs.csv", table())
    both = folder.open("runs.csv", cell=f"{CELLS},temperature", average="temperature")
    assert "(--cell, without temperature, which --average averages over)" in both.tidy.understood[1]
    alone = folder.open("runs.csv", cell=CELLS, average="temperature")
    assert both.table.equals(alone.table)
    told = folder.refusal("runs.csv", cell="method", average="method")
    assert "--average method: it tells the runs apart" in told


def test_methods_with_settings_of_their_own_are_averaged_each_over_its_own(folder):
    """KD over its temperatures, AT over its weights, and a third one over the grid of both."""
    settings = {"scratch": [("", "")], "KD": [("2", ""), ("4", "")], "AT": [("", "1"), ("", "9")]}
    settings["both"] = [(T, beta) for T in ("2", "4") for beta in ("1", "9")]
    rows = [
        f"{method},{T},{beta},{seed},{70 + seed / 3 + int(T or 0) / 4 + int(beta or 0) / 10}"
        for method, own in settings.items()
        for T, beta in own
        for seed in range(4)
    ]
    folder.write("runs.csv", "\n".join(["method,T,beta,seed,acc", *rows]))
    source = folder.open("runs.csv", average="T,beta")
    assert sorted(source.table["cell"].unique()) == [
        "AT mean beta=1,9",
        "KD mean T=2,4",
        "both mean T=2,4 mean beta=1,9",
        "scratch",
    ]
    found = analysis_of(source, Question(baselines=("scratch",), compare=(("AT", "KD"),)), images=False)
    assert {one.a: round(one.mean_diff, 6) for one in found.family("gains").comparisons} == {
        "KD mean T=2,4": 0.75,
        "AT mean beta=1,9": 0.5,
        "both mean T=2,4 mean beta=1,9": 1.25,
    }
    (pair,) = found.family("contrasts").comparisons
    assert (pair.a, pair.b, round(pair.mean_diff, 6)) == ("AT mean beta=1,9", "KD mean T=2,4", -0.25)
    says = next(one.says for one in found.family("gains").comparisons if one.a.startswith("both"))
    assert "averaged over T = 2 and 4 and beta = 1 and 9" in says
    assert "give --cell" not in folder.refusal("runs.csv", average="T,nonsense")
