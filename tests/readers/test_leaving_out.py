"""`--without method=DKD`: a smaller family, which everything that is shown says."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rigorkd.cli.main import cli
from rigorkd.errors import InputError
from rigorkd.report.judging import Question, analysis_of

LEVELS = {"baseline": 0.0, "KD": 1.0, "DKD": 2.0, "CRD": 3.0}
TABLE = "\n".join(
    [
        "dataset,method,temperature,seed,acc",
        *(
            f"{data},{method},{T},{seed},{70 + level + seed % 3 / 2 + (seed * len(method) + T) % 4 / 9:.2f}"
            for data in ("cifar", "svhn")
            for method, level in LEVELS.items()
            for T in (2, 4)
            for seed in range(4)
        ),
    ]
)
TOLD = "left out by choice: method=DKD (16 of 64 rows), as --without asks: corrections are over"
STUDY = Path(__file__).parent.parent / "records" / "study_0_1" / "results" / "legacy"
ASKED = ("--without", "method=DKD")


@pytest.fixture
def table(folder, monkeypatch) -> str:
    folder.write("runs.csv", TABLE)
    monkeypatch.chdir(folder.path)
    return "runs.csv"


def rigorkd(*words: str) -> Result:
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def test_a_method_is_left_out_of_the_family_and_of_its_correction(folder, table):
    found = folder.open(table, without=("method=DKD",))
    whole, part = (
        analysis_of(one, Question(baselines=("baseline",)), images=False).family("gains")
        for one in (folder.open(table), found)
    )
    assert (whole.size, part.size) == (12, 8)
    assert not any("DKD" in cell for cell in found.table["cell"])
    assert any(text.startswith(TOLD) for text in found.warnings)
    held = next(c for c in whole.comparisons if c.a == part.comparisons[0].a)
    assert held.p == part.comparisons[0].p
    assert held.p_adjusted > part.comparisons[0].p_adjusted


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "latex"])
def test_every_format_of_verdicts_says_it(table, form):
    done = rigorkd("analyze", table, "--baseline", "baseline", *ASKED, "--format", form)
    said = " ".join(done.stdout.split())
    assert TOLD in said.replace(r"\-", "-").replace("-{}-", "--")
    if form == "json":
        assert any(text.startswith(TOLD) for text in json.loads(done.stdout)["warnings"])


@pytest.mark.parametrize("form", ["latex", "markdown"])
@pytest.mark.parametrize("layout", ["gains", "overall", "ablation"])
def test_every_table_of_a_paper_says_it_in_its_caption(table, layout, form):
    asked = ("--layout", layout, "--format", form, "--baseline", "baseline", *ASKED)
    assert "left out by choice: method=DKD" in rigorkd("table", table, *asked).stdout


def test_a_page_says_it_with_its_figures_and_asks_so_again(table):
    rigorkd("report", table, "--baseline", "baseline", *ASKED, "--out", "page.html")
    page = Path("page.html").read_text()
    assert "left out by choice: method=DKD" in page
    assert "Note: left out by choice: method=DKD" in page, "in the captions of figures"
    assert "rigorkd analyze runs.csv --baseline baseline --without method=DKD" in page


def test_a_file_of_a_figure_says_it_above_the_panels(folder, table):
    folder.write("short.csv", "\n".join(line for line in TABLE.splitlines() if ",DKD," not in line))
    asked = ("--baseline", "baseline", "--format", "pdf", "--out")
    rigorkd("figures", "short.csv", *asked, "short")
    rigorkd("figures", table, *asked, "part", *ASKED)
    for name in ("gains.pdf", "best.pdf"):
        (width, plain), (same, said) = (_box(Path(folder, name)) for folder in ("short", "part"))
        assert (same, said - plain) == (width, pytest.approx(0.22 * 72, abs=1))


def _box(path: Path) -> tuple[float, float]:
    text = path.read_bytes().partition(b"/MediaBox [")[2].partition(b"]")[0]
    return tuple(map(float, text.split()[2:]))  # type: ignore[return-value]


def test_what_is_imported_keeps_it_and_more_may_be_left_out(folder, table):
    rigorkd("import", table, *ASKED, "--out", "tidy.csv")
    found = folder.open("tidy.csv", without=("CRD",))
    assert [text.partition(" (")[0] for text in found.warnings if text.startswith("left out by choice")] == [
        "left out by choice: method=DKD",
        "left out by choice: method=CRD",
    ]
    assert not any("CRD" in cell for cell in found.table["cell"])


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("DKD", 48),
        ("method=dkd", 48),
        ("temperature=2.0", 32),
        ("T=2", 32),
        ("cifar", 32),
        ("cell=cifar/DKD-T2", 60),
        ("cifar/DKD-T2", 60),
    ],
)
def test_a_word_is_a_value_of_a_column_or_the_name_of_a_cell(folder, table, word, left):
    assert len(folder.open(table, without=(word,)).table) == left


@pytest.mark.parametrize(
    ("word", "left", "named"),
    [
        ("*-T2", 32, [f"cell={data}/{method}-T2" for data in ("cifar", "svhn") for method in LEVELS]),
        ("cell=*/dkd-T2", 56, ["cell=cifar/DKD-T2", "cell=svhn/DKD-T2"]),
        ("method=*KD", 32, ["method=KD", "method=DKD"]),
        ("*K*", 32, ["method=KD", "method=DKD"]),
        ("temperature=*2", 32, ["temperature=2"]),
    ],
)
def test_a_pattern_leaves_out_all_that_it_names_and_says_each(folder, table, word, left, named):
    found = folder.open(table, without=(word,))
    assert len(found.table) == left
    (told,) = (text for text in found.warnings if text.startswith("left out by choice: "))
    listed = told.partition(": ")[2].partition(", as --without asks")[0]
    assert [part.partition(" (")[0] for part in listed.split(", ")] == named


def test_of_many_values_of_a_pattern_their_number_is_said(folder):
    words = ("kd", *(f"m{at}" for at in range(20)))
    rows = [f"{word},{seed},{70 + seed}" for word in words for seed in (0, 1)]
    folder.write("runs.csv", "\n".join(["method,seed,acc", *rows]))
    (told,) = folder.open("runs.csv", without=("m*",)).warnings
    assert told.startswith("left out by choice: m*, 20 values (40 of 42 rows), as --without asks")


def test_what_is_called_like_a_pattern_is_meant_alone(folder):
    """A star is a footnote in many tables."""
    folder.write("runs.csv", TABLE.replace(",DKD,", ",KD*,"))
    assert set(folder.open("runs.csv", without=("KD*",)).table["method"]) == {"baseline", "KD", "CRD"}
    assert set(folder.open("runs.csv", without=("K*",)).table["method"]) == {"baseline", "CRD"}


@pytest.mark.parametrize("asked", [{}, {"cell": "dataset,method,temperature"}, {"cell": "dataset,method"}])
@pytest.mark.parametrize(
    ("word", "over"),
    [
        ("temperature=8", {"KD": "2,4", "DKD": "2,4"}),
        ("*-T8", {"KD": "2,4", "DKD": "2,4"}),
        ("*/DKD-T8", {"KD": "2,4,8", "DKD": "2,4"}),
        ("cell=*/KD-T2", {"KD": "4,8", "DKD": "2,4,8"}),
    ],
)
def test_one_temperature_is_left_out_of_what_is_averaged_over(folder, word, over, asked):
    """By its value, of all methods, or by the name of its cell, which it has where nothing is averaged."""
    runs = [
        (data, method, T, seed, 70 + len(method) + seed % 3 / 2 + (seed * len(method) + int(T or 0)) % 4 / 9)
        for data in ("cifar", "svhn")
        for method in ("baseline", "KD", "DKD")
        for T in (("2", "4", "8") if method != "baseline" else ("",))
        for seed in range(4)
    ]
    head = "dataset,method,temperature,seed,acc"
    folder.write("runs.csv", "\n".join([head, *(",".join(map(str, run)) for run in runs)]))
    found = folder.open("runs.csv", average="temperature", without=(word,), **asked)
    for method, levels in over.items():
        means = found.table[found.table["cell"] == f"cifar/{method} mean T={levels}"].set_index("seed")["acc"]
        for seed in range(4):
            own = [run[4] for run in runs if run[:2] == ("cifar", method) and run[3] == seed]
            own = [value for T, value in zip(("2", "4", "8"), own, strict=True) if T in levels.split(",")]
            assert float(means[str(seed)]) == pytest.approx(sum(own) / len(own))
    assert any(text.startswith("left out by choice: ") for text in found.warnings)


def test_the_name_of_one_temperature_is_offered_under_average(folder, table):
    for word in ("cifar/DKD-T3", "cell=cifar/DKD-T3"):
        told = folder.refusal(table, average="temperature", without=(word,))
        assert "did you mean --without cell=cifar/DKD-T" in told


@pytest.mark.parametrize(
    ("without", "parts"),
    [
        (("method=DKT",), ["no row has it", "did you mean --without method=DKD?", "method is one of: "]),
        (("DKT",), ["no row has this value", "did you mean --without method=DKD?"]),
        (("DKT*",), ["no row has this value", "did you mean --without method=DKD?"]),
        (("method=DKT*",), ["no row has it", "did you mean --without method=DKD?"]),
        (("acc=*",), ["runs came out so", "leave out by a setting"]),
        (("methd=DKD",), ["no column is called methd", "did you mean method?"]),
        (("seed=1",), ["holds the seed", "--seeds judges some seeds alone"]),
        (("acc=70.0",), ["runs came out so", "leave out by a setting"]),
        (("cifar", "svhn"), ["nothing is left without dataset=cifar, dataset=svhn"]),
    ],
)
def test_what_cannot_be_left_out_is_named_with_what_can(folder, table, without, parts):
    told = folder.refusal(table, without=without)
    for part in parts:
        assert part in told


def test_a_word_of_several_columns_is_asked_about(folder):
    rows = [f"{a},{b},{seed},{80 + seed}" for a, b in (("x", "y"), ("y", "x"), ("z", "x")) for seed in (0, 1)]
    folder.write("runs.csv", "\n".join(["model,method,seed,acc", *rows]))
    told = folder.refusal("runs.csv", without=("x",))
    assert "several columns have it: model, method" in told
    assert "--without model=x or --without method=x" in told
    assert len(folder.open("runs.csv", without=("method=x",)).table) == 2


def test_of_a_study_cells_are_left_out_by_their_names():
    """What is left out of a study is asked of what it holds, and makes its plan's verdicts exploratory."""
    from rigorkd.cli.options import ask

    asked = {"metric": None, "without": ("digits/cnn8/none",)}
    found, question = ask([str(STUDY)], STUDY.parent, asked, told=False)
    assert question.without == ("digits/cnn8/none",)
    with pytest.raises(InputError, match="has no such cell"):
        question.judged(found)


@pytest.fixture
def study(tmp_path: Path) -> str:
    """A copy of a study: that it was judged is noted in it."""
    return str(shutil.copytree(STUDY, tmp_path / "results" / "legacy"))


def test_of_a_study_a_pattern_leaves_out_all_cells_that_it_names(study):
    shown = json.loads(rigorkd("analyze", study, "--without", "*/kd-*", "--format", "json").stdout)
    assert not any("/kd-" in cell["cell"] for cell in shown["cells"])
    (told,) = (text for text in shown["warnings"] if "as --without asks" in text)
    for cell in ("main/dropping/kd-T1-a0.5", "main/plain/kd-T4-a0.5", "warm/plain/kd-T2-a0.5"):
        assert cell in told
    assert all(not family["planned"] for family in shown["families"])
    lacking = CliRunner().invoke(cli, ["analyze", study, "--without", "main/plain/kf-*"])
    with pytest.raises(InputError, match="has no such cell") as refused:
        raise lacking.exception
    assert "main/plain/kd-T" in refused.value.hint


def test_studies_are_compared_without_all_cells_of_a_pattern(study, tmp_path):
    """A study beside a table of other runs of its cells."""
    rows = list(csv.DictReader(rigorkd("table", study, "--format", "csv").stdout.splitlines()))
    own = [
        f"{row['cell']},{int(row['seed']) + 10},{row['method']},{row['student']},{row['test_top1']}"
        for row in rows
        if row["cell"].startswith("main/")
    ]
    (tmp_path / "other.csv").write_text("\n".join(["cell,seed,method,student,test_top1", *own]))
    asked = ("compare", study, str(tmp_path / "other.csv"), "--format", "json")
    whole, part = (rigorkd(*asked, *more).stdout for more in ((), ("--without", "*kd-T4-*")))
    assert "main/plain/kd-T4-a0.5" in whole
    assert all("as --without asks" in text for text in json.loads(part)["warnings"] if "kd-T4" in text)
    assert '"main/plain/kd-T1-a0.5' in part
    assert '"main/plain/kd-T4-a0.5' not in part


def test_a_table_in_python_takes_it_too():
    import pandas as pd

    import rigorkd

    rows = [line.split(",") for line in TABLE.splitlines()]
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    found = rigorkd.analyze(frame, baselines="baseline", without="DKD")
    assert any(text.startswith(TOLD) for text in found.warnings)


def test_verdicts_beside_the_runs_say_it(folder, table):
    from rigorkd.report.verdict_marks import marks_of

    found = folder.open(table, without=("DKD",))
    marks = marks_of(analysis_of(found, Question(baselines=("baseline",)), images=False))
    assert all(str(mark["rigorkd/chosen"]).startswith(TOLD) for mark in marks.values())
    said = [str(mark["rigorkd/says"]) for mark in marks.values() if "rigorkd/says" in mark]
    assert said
    assert all(text.startswith("exploratory: ") for text in said)  # a table cannot show when it was asked
    asked = Question(baselines=("baseline",))
    whole = marks_of(analysis_of(folder.open(table), asked, images=False))
    assert not any("rigorkd/chosen" in mark for mark in whole.values())


def test_of_several_sources_one_that_has_the_value_is_enough(folder, table):
    head, *rows = TABLE.splitlines()  # other runs: a table's own are no study beside it
    others = [f"{line}{at % 7 + 1}" for at, line in enumerate(rows) if ",DKD," not in line]
    folder.write("fewer.csv", "\n".join([head, *others]))
    done = rigorkd("compare", table, "fewer.csv", "--without", "temperature=4", *ASKED)
    shown = " ".join(done.output.split())
    assert "runs: left out by choice: temperature=4 (32 of 64 rows), method=DKD (8 of 64 rows)" in shown
    assert "fewer: left out by choice: temperature=4 (24 of 48 rows), as --without asks" in shown
    lacking = CliRunner().invoke(cli, ["compare", table, "fewer.csv", "--without", "method=MGD"])
    with pytest.raises(InputError, match="--without method=MGD: no row has it"):
        raise lacking.exception
