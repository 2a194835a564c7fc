"""`rigorkd compare`: two studies, a published table, many studies; its documents and its refusals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rigorkd_analysis.analysis_plan import Plan

from rigorkd.cli.main import cli
from rigorkd.errors import InputError
from rigorkd.records.command_notes import Doubts
from rigorkd.records.record import Record
from rigorkd.report.compared import Runs, common_plan
from rigorkd.report.sources import Source

HEADER = "cell,student,method,T,alpha,epochs,seed,test_top1\n"


def write_study(path: Path, gain: float, first: int, student: str = "s", n: int = 5) -> Path:
    rng = np.random.default_rng(first)
    rows = []
    for seed in range(first, first + n):
        base = 78 + rng.normal(0, 0.3)
        rows.append(f"main/{student}/baseline,{student},baseline,,,40,{seed},{base:.2f}")
        for t in (2, 4):
            value = base + gain + rng.normal(0, 0.1)
            rows.append(f"main/{student}/kd-T{t}-a0.5,{student},kd,{t},0.5,40,{seed},{value:.2f}")
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    for name, gain, first in (("a", 1.0, 0), ("b", 0.2, 10), ("c", 1.1, 20)):
        write_study(tmp_path / f"{name}.csv", gain, first)
    write_study(tmp_path / "other.csv", 1.0, 30, student="mobile")
    (tmp_path / "printed.csv").write_text(
        "student,cell,method,T,alpha,epochs,top1\n"
        "s,s/baseline,baseline,,,40,78.1\n"
        "s,best,kd,4,0.5,40,90.00\n"
        "r50,teacher,teacher,,,40,80.0\n"
    )
    return tmp_path


def invoke(folder: Path, *words: str) -> tuple[int, str, str]:
    """Run the command in this process, as the command line does; exit code, stdout, stderr."""
    import contextlib
    import os

    from rigorkd.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    here, arguments = Path.cwd(), ["rigorkd", "compare", *words]
    os.chdir(folder)
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr("sys.argv", arguments)
            try:
                main()
                code = 0
            except SystemExit as stop:
                code = int(stop.code or 0)
    finally:
        os.chdir(here)
    return code, out.getvalue(), err.getvalue()


def document(folder: Path, *words: str) -> dict[str, Any]:
    code, out, err = invoke(folder, *words, "--format", "json")
    assert code == 0, err
    parsed: dict[str, Any] = json.loads(out)
    return parsed


def test_two_studies(studies: Path) -> None:
    found = document(studies, "a.csv", "b.csv", "--sesoi", "0.5")
    assert (found["schema"], found["kind"], found["metric"]) == (
        "rigorkd.compare/1",
        "replication",
        "test_top1",
    )
    assert [study["name"] for study in found["studies"]] == ["a", "b"]
    gains, cells = found["families"]
    assert (gains["name"], gains["size"], cells["name"], cells["size"]) == ("gains", 2, "cells", 3)
    for one in gains["comparisons"]:
        assert one["mean_diff"] == pytest.approx(one["mean_a"] - one["mean_b"])
        assert one["verdict"] == "differ"
    assert any("exploratory" in text for text in found["warnings"])


def test_a_study_in_which_nothing_learnt_is_named_first(studies: Path) -> None:
    header, *rows = (studies / "a.csv").read_text().splitlines()
    guesses = [f"{row.rpartition(',')[0]},{10 + (seed * 7 % 5 - 2) / 10},10" for seed, row in enumerate(rows)]
    (studies / "guess.csv").write_text("\n".join([f"{header},classes", *guesses]) + "\n")
    code, out, err = invoke(studies, "guess.csv", "b.csv", "--sesoi", "0.5")
    assert code == 0, err
    assert " ".join(out.split()).startswith(
        "AT CHANCE in guess: no cell is shown to be better than guessing among 10"
    )
    assert not any("AT CHANCE" in text for text in document(studies, "a.csv", "b.csv")["warnings"])


def test_the_page_says_what_the_document_says(studies: Path) -> None:
    code, out, _ = invoke(studies, "a.csv", "c.csv", "--sesoi", "0.5", "--format", "markdown")
    assert code == 0
    assert "2 agree of 2 comparisons of a with c" in out
    found = document(studies, "a.csv", "c.csv", "--sesoi", "0.5")
    for one in found["families"][0]["comparisons"]:
        assert f"{one['mean_diff']:+.2f}".replace("-", "−") in out
        assert one["verdict"] == "agree"


def test_a_published_table(studies: Path) -> None:
    found = document(studies, "a.csv", "printed.csv")
    assert found["kind"] == "published"
    assert found["printed_metric"] == "top1"
    cells = {
        one["name"]: one
        for family in found["families"]
        for one in family["comparisons"]
        if family["name"] == "cells"
    }
    assert cells["main/s/baseline"]["verdict"] == "inside"
    assert cells["main/s/kd-T4-a0.5"]["verdict"] == "outside"
    assert cells["main/s/kd-T4-a0.5"]["printed_name"] == "best"
    assert found["unmatched"] == ["teacher (no cell is like it)"]
    code, out, _ = invoke(studies, "a.csv", "printed.csv")
    assert code == 0
    assert "1 lies outside what a predicts" in out


def test_many_studies(studies: Path) -> None:
    found = document(studies, "a.csv", "b.csv", "c.csv")
    assert found["kind"] == "summary"
    overall, gains = found["families"]
    assert overall["summaries"][0]["name"] == "average of 2 gains"
    assert [share["study"] for share in gains["summaries"][0]["studies"]] == ["a", "b", "c"]
    code, out, _ = invoke(studies, "a.csv", "b.csv", "c.csv", "--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["family"] for row in rows] == ["overall", "gains", "gains"]
    assert rows[0]["studies"].startswith("a=")


def test_studies_under_other_instructions_are_told_apart(studies: Path) -> None:
    def with_dispatch(name: str, *values: str) -> None:
        header, *rows = (studies / f"{name}.csv").read_text().splitlines()
        rows = [f'{row},"{values[at % len(values)]}"' for at, row in enumerate(rows)]
        (studies / f"{name}.csv").write_text("\n".join([f"{header},dispatch", *rows]) + "\n")

    def told(*words: str) -> list[str]:
        return [text for text in document(studies, *words)["warnings"] if "instructions" in text]

    with_dispatch("a", "AVX2")
    with_dispatch("b", "AVX2")
    assert not told("a.csv", "b.csv")
    with_dispatch("other", "")
    assert not told("a.csv", "b.csv", "c.csv"), "what does not tell is not blamed"
    with_dispatch("c", "AVX512, not fixed")
    said = "their processors were not held to the same instructions (a: AVX2; c: AVX512, not fixed)"
    assert told("a.csv", "c.csv") == [f"{said}: equal runs differ in bits"]
    assert told("a.csv", "b.csv", "c.csv")


def test_studies_that_were_trained_otherwise_are_told_apart() -> None:
    def runs(name: str, command: str, **files: str) -> Runs:
        fields = {"command": command, "code": {"t.py": "1"}, "inputs": files, "seed": 0}
        records = tuple(Record(Path(), {**fields, "cell": f"main/s/{cell}"}) for cell in ("baseline", "kd"))
        frame = pd.DataFrame({"cell": ["main/s/kd"], "seed": [0], "acc": [1.0]})
        source = Source(name, frame, Plan(metric="acc"), lambda _: "", of_runs=Doubts((), records))
        return Runs(source, Path(name))

    one = runs("one", "python t.py", **{"a.yaml": "1"})
    assert common_plan([one, runs("two", "python t.py", **{"a.yaml": "1"})], Plan())[1] == []
    (told,) = common_plan([one, runs("two", "python t.py -x", **{"a.yaml": "2", "b.yaml": "1"})], Plan())[1]
    assert told == (
        "their runs were not trained alike: the commands differ for 2 cells, such as main/s/baseline (one:"
        " python t.py; two: python t.py -x); other content: a.yaml; not in each: b.yaml (two)"
    )


def test_studies_of_different_metrics_are_told_so() -> None:
    def runs(name: str, metric: str) -> Runs:
        frame = pd.DataFrame({"cell": ["main/s/kd"], "seed": [0], "acc": [1.0], "accuracy": [1.0]})
        return Runs(Source(name, frame, Plan(metric=metric), lambda _: ""), Path(name))

    two = [runs("one", "acc"), runs("two", "accuracy")]
    with pytest.raises(InputError, match="different metrics: acc in one, accuracy in two"):
        common_plan(two, Plan())
    assert common_plan(two, Plan(metric="acc"))[0].metric == "acc"


def test_names_are_brought_together(studies: Path) -> None:
    code, _, err = invoke(studies, "a.csv", "other.csv")
    assert code == 2
    assert "no cell in common" in err
    found = document(studies, "a.csv", "other.csv", "--rename", "mobile", "s")
    assert found["families"][0]["size"] == 2


@pytest.mark.parametrize("form", ["table", "csv", "markdown", "latex"])
def test_every_format_of_every_kind(studies: Path, form: str) -> None:
    for sources in (["a.csv", "b.csv"], ["a.csv", "printed.csv"], ["a.csv", "b.csv", "c.csv"]):
        code, out, err = invoke(studies, *sources, "--format", form)
        assert code == 0, err
        assert out.strip()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.csv"], "two sources or more"),
        (["a.csv", "a.csv"], "given twice"),
        (["a.csv", "nowhere"], "no such file or study"),
        (["printed.csv", "a.csv"], "the study first"),
        (["a.csv", "printed.csv", "b.csv"], "published table"),
        (["a.csv", "b.csv", "--alpha", "2"], "not an error rate"),
        (["a.csv", "b.csv", "--sesoi", "-1"], "smallest effect of interest"),
        (["a.csv", "b.csv", "--metric", "test_top2"], "did you mean test_top1?"),
        (["a.csv", "b.csv", "--seeds", "3"], "published table"),
        (["a.csv", "printed.csv", "--printed-metric", "top7"], "no column top7"),
        (["a.csv", "printed.csv", "--seeds", "0"], "1 or more"),
    ],
)
def test_bad_input_is_one_message(studies: Path, words: list[str], message: str) -> None:
    code, out, err = invoke(studies, *words)
    assert code == 2
    assert message in err
    assert out == ""
    assert "Traceback" not in err


def test_a_real_study_beside_itself_at_other_seeds(finished: Path, tmp_path: Path) -> None:
    """A study folder is read as `analyze` reads it; with itself it shares every run, and that is refused."""
    import shutil

    shutil.copytree(finished / "results" / "tiny", tmp_path / "copy")
    code, _, err = invoke(tmp_path, str(finished / "results" / "tiny"), "copy")
    assert code == 2
    assert "does not replicate itself" in err


def test_results_of_any_form_are_compared(studies: Path) -> None:
    for name in ("a", "b"):
        lines = (studies / f"{name}.csv").read_text().splitlines()
        rows = [line.split(",") for line in lines[1:]]
        text = "Net,Approach,tau,run,acc\n"
        text += "".join(f"{r[1]},{r[2]},{r[3]},trial-{r[6]},{r[7]}\n" for r in rows)
        (studies / f"{name}.tsv").write_text(text.replace(",", "\t"))
    plain = document(studies, "a.csv", "b.csv", "--sesoi", "0.5")
    words = ("--cell", "Net,Approach,tau", "--seed", "trial-{}", "--metric", "acc", "--sesoi", "0.5")
    found = document(studies, "a.tsv", "b.tsv", *words)
    assert found["kind"] == "replication"
    gains = [
        [round(one["mean_diff"], 9) for one in family["comparisons"]]
        for told in (plain, found)
        for family in told["families"]
        if family["name"] == "gains"
    ]
    assert gains[0] == gains[1]
    code, _, err = invoke(studies, "a.csv", "b.csv", "--cell", "nothing")
    assert code == 2
    assert "--cell nothing: no such column" in err


def test_the_interval_beside_an_adjusted_p_says_which_it_is(studies: Path):
    code, out, _ = invoke(studies, "a.csv", "b.csv")
    assert (code, "95 % CI of all" in out, "unadjusted" in out) == (0, True, False)
    wide = invoke(studies, "a.csv", "b.csv", "--format", "markdown")[1]
    assert "| 95 % CI, unadjusted | 95 % CI of all |" in wide
    alone = invoke(studies, "a.csv", "b.csv", "--format", "markdown", "--correction", "none")[1]
    assert "| 95 % CI |" in alone
    document = json.loads(invoke(studies, "a.csv", "b.csv", "--format", "json")[1])
    assert ", over all 2 " in document["families"][0]["comparisons"][0]["says"]
    summed = invoke(studies, "a.csv", "b.csv", "c.csv", "--format", "markdown")[1]
    assert "| 95 % CI, unadjusted |" in summed


def test_a_baseline_of_another_name_is_named(studies: Path) -> None:
    """As of `analyze`: without it the gains, which are what replicates, would not be compared."""
    for name in "ab":
        text = (studies / f"{name}.csv").read_text()
        (studies / f"{name}_ce.csv").write_text(text.replace("s/baseline,s,baseline,", "s/CE,s,CE,"))
    named = ("--baseline", "CE", "--sesoi", "0.3")
    code, out, err = invoke(studies, "a.csv", "b.csv", "--sesoi", "0.3", "--format", "json")
    own = json.loads(out)["families"]
    code, out, err = invoke(studies, "a_ce.csv", "b_ce.csv", *named, "--format", "json")
    assert code == 0, err
    found = json.loads(out)
    assert [family["name"] for family in found["families"]] == ["gains", "cells"]
    keep = ("name", "mean_diff", "p_adjusted", "verdict")
    of_gains = [
        [{key: one[key] for key in keep} for one in f[0]["comparisons"]] for f in (own, found["families"])
    ]
    assert of_gains[0] == of_gains[1]
    assert "gains are over CE, as --baseline asks" in found["warnings"]
    code, out, err = invoke(studies, "a_ce.csv", "b_ce.csv")
    assert "a_ce and b_ce: no cell is a baseline of others; --baseline CELL names" in " ".join(out.split())
    code, out, err = invoke(studies, "a_ce.csv", "b_ce.csv", "c.csv", "--baseline", "CE")
    assert code == 2
    assert "CE" in err
    printed = (studies / "printed.csv").read_text().replace("s/baseline,baseline", "s/CE,CE")
    (studies / "printed.csv").write_text(printed)
    code, out, err = invoke(studies, "a_ce.csv", "printed.csv", "--baseline", "CE")
    assert "Printed gains: of 1 in printed.csv" in out
    code, out, err = invoke(studies, "a_ce.csv", "printed.csv")
    assert "no printed gain is compared (a_ce: no cell is a baseline" in " ".join(out.split())


RUNS = "data,teacher_net,student_net,distiller,tau,run_seed,acc_test\n"


@pytest.fixture
def of_two_data_sets(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    rows: dict[str, list[str]] = {"CIFAR-100": [], "TinyImageNet": []}
    for data, base in (("CIFAR-100", 70.0), ("TinyImageNet", 55.0)):
        for seed in range(5):
            luck = base + rng.normal(0, 0.3)
            for method, tau, gain in (("scratch", "", 0.0), ("KD", "4", 1.0), ("AT", "", 0.3)):
                value = luck + gain + rng.normal(0, 0.1)
                rows[data].append(f"{data},r56,r20,{method},{tau},{seed},{value:.2f}")
    for name, kept in (("both", [*rows["CIFAR-100"], *rows["TinyImageNet"]]), ("cifar", rows["CIFAR-100"])):
        (tmp_path / f"{name}.csv").write_text(RUNS + "\n".join(kept) + "\n")
    (tmp_path / "tiny.csv").write_text(RUNS + "\n".join(rows["TinyImageNet"]) + "\n")
    header = "dataset,teacher_net,student_net,distiller,tau,acc_test,n\n"
    for data, base in (("CIFAR-100", 70.0), ("TinyImageNet", 55.0)):
        own = [("scratch", "", base), ("KD", "4", base + 1.1), ("AT", "", base + 0.2)]
        lines = [f"{data},r56,r20,{method},{tau},{value:.2f},3" for method, tau, value in own]
        (tmp_path / f"printed-{data}.csv").write_text(header + "\n".join(lines) + "\n")
    return tmp_path


def test_printed_numbers_of_other_data_are_like_no_cell(of_two_data_sets: Path) -> None:
    """The columns are named as in tables of runs, and that of the data says which cells a row may be of."""
    named = ("--baseline", "scratch")
    for runs in ("both.csv", "cifar.csv"):
        code, out, err = invoke(of_two_data_sets, runs, "printed-CIFAR-100.csv", *named)
        assert code == 0, err
        assert "Printed gains: of 2 in printed-CIFAR-100.csv" in out
        assert "TinyImageNet" not in out
    code, out, err = invoke(of_two_data_sets, "cifar.csv", "printed-TinyImageNet.csv", *named)
    assert code == 2
    assert "scratch (measured on dataset TinyImageNet, ours CIFAR-100)" in err
    assert "a column `cell`, such as r20/AT)" in err
    table = (of_two_data_sets / "printed-TinyImageNet.csv").read_text().splitlines()
    by_cell = ["cell," + table[0], "r20/scratch," + table[1], "r20/AT," + table[3]]
    (of_two_data_sets / "cells.csv").write_text("\n".join(by_cell) + "\n")
    code, out, err = invoke(of_two_data_sets, "cifar.csv", "cells.csv", *named)
    assert code == 2
    assert "measured on dataset TinyImageNet, ours CIFAR-100" in err
    bare = (of_two_data_sets / "cifar.csv").read_text().replace("data,", "", 1).replace("CIFAR-100,", "")
    (of_two_data_sets / "bare.csv").write_text(bare)
    code, out, err = invoke(of_two_data_sets, "bare.csv", "printed-TinyImageNet.csv", *named)
    assert "measured (dataset TinyImageNet), and nothing here says it of ours" in " ".join(out.split())


def test_two_tables_of_other_data_say_so(of_two_data_sets: Path) -> None:
    _, out, _ = invoke(of_two_data_sets, "cifar.csv", "tiny.csv", "--baseline", "scratch")
    assert "(dataset: CIFAR-100 in cifar, TinyImageNet in tiny)" in " ".join(out.split())


def test_a_printed_gain_is_taken_as_paired_and_says_so(studies: Path) -> None:
    """Of unpaired seeds a gain varies more than ours: its condition goes with each claim."""
    told = "taken as paired by seed, as ours are"
    for form in ("table", "latex", "json"):
        _, out, _ = invoke(studies, "a.csv", "printed.csv", "--seeds", "3", "--format", form)
        assert f"a printed gain is {told}" in " ".join(out.split())
    gains = next(f for f in json.loads(out)["families"] if f["name"] == "gains")
    assert all("if its seeds are paired as ours are" in one["says"] for one in gains["comparisons"])
    cells = next(f for f in json.loads(out)["families"] if f["name"] == "cells")
    assert not any("paired" in one["says"] for one in cells["comparisons"])


def test_a_table_that_import_wrote_and_one_without_seeds(studies: Path) -> None:
    """The first is read as `analyze` reads it; of a published table nobody can name a column of seeds."""
    text = (studies / "a.csv").read_text().replace(",seed,", ",lucky_draw,", 1)
    (studies / "mine.csv").write_text(text)
    named = ("--seed", "lucky_draw")
    code, out, err = invoke(studies, "mine.csv", "printed.csv", *named)
    assert code == 0, err
    assert "Printed gains: of 1 in printed.csv" in out
    code, _, err = invoke(studies, "mine.csv", "printed.csv", "--seed", "lucky_dra")
    assert code == 2
    assert "did you mean lucky_draw?" in err
    asked = ["import", str(studies / "mine.csv"), *named, "--out", str(studies / "tidy.csv")]
    assert CliRunner().invoke(cli, asked, catch_exceptions=False).exit_code == 0
    assert (studies / "tidy.csv").read_text().startswith("# rigorkd import/1")
    for words in (("tidy.csv", "printed.csv"), ("tidy.csv", "b.csv"), ("b.csv", "tidy.csv")):
        code, out, err = invoke(studies, *words)
        assert code == 0, err
        assert "gains" in out.casefold()
