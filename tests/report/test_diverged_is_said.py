"""What a diverged run decides, a loss alone, is said wherever its comparison is: no more seeds mend it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from rigorkd_analysis.verdicts import Verdict

from rigorkd.cli.main import cli
from rigorkd.launch.removal import Wanted, remove, restore
from rigorkd.records.interim import InterimAnalysis
from rigorkd.report.chosen_seeds import ChosenSeeds
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_study

WHY = "inconclusive, since runs diverged; "


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that equals its baseline but for one run that diverged, and one that is better."""
    monkeypatch.chdir(tmp_path)
    rows = ["method,seed,acc,status"]
    for seed in range(1, 13):
        luck, noise = (seed * 7) % 5 / 10, ((seed * 5) % 7 - 3) / 100
        rows.append(f"none,{seed},{70 + luck:.2f},done")
        there = f"{70 + luck + noise:.2f},done"
        rows.append(f"FitNet,{seed},{there if seed != 3 else ',diverged'}")
        rows.append(f"CRD,{seed},{71 + luck + noise:.2f},done")
    Path("runs.csv").write_text("\n".join(rows) + "\n")


def shown(*words: str) -> str:
    asked = ("--baseline", "none", "--sesoi", "0.3", *words)
    done = CliRunner().invoke(cli, [words[0], "runs.csv", *asked[:4], *words[1:]], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_sentence_says_why_and_offers_no_seeds() -> None:
    (family,) = (
        f for f in json.loads(shown("analyze", "--format", "json"))["families"] if f["name"] == "gains"
    )
    (lost,) = (c for c in family["comparisons"] if c["name"].startswith("FitNet"))
    assert lost["p_equivalence_adjusted"] < 0.05, "it would be equivalent"
    assert lost["verdict"] == "inconclusive"
    assert WHY in lost["says"]
    assert "seeds detect" not in lost["says"]
    text = " ".join(shown("analyze").split())
    assert "no comparison that misses one can be better or equivalent" in text
    assert "seeds are added" not in text
    assert "These seeds detect" not in text


def test_the_sequential_headline_promises_nothing() -> None:
    text = " ".join(shown("analyze", "--sequential").split())
    assert "1 of 2 are decided" in text
    assert "the rest stays open since runs diverged" in text
    assert "more seeds may decide" not in text


def test_methods_and_checklist_say_what_was_done_with_it() -> None:
    shown("report", "--out", "page.html")
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", Path("page.html").read_text()))
    told = "1, counted as outcomes: whether seeds were replaced a table does not tell; means and"
    assert f"{told} intervals are among converged seeds" in text
    assert "no seed was replaced" not in text, "somebody else's table may have it replaced"
    assert "where runs diverged, only a loss of the cell that lost them is claimed" in text
    assert "none dropped" not in text


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_a_row_of_gains_says_that_its_gain_is_over_fewer_seeds_than_its_means(form: str) -> None:
    told = shown("table", "--layout", "gains", "--format", form)
    said = "A gain is over the seeds that both have; some means are over more: of none over 12 seeds beside "
    assert f"{said}the gain of FitNet over 11." in told, "FitNet's own mean is over as many as its gain"
    text = Path("runs.csv").read_text()
    Path("runs.csv").write_text("\n".join(row for row in text.splitlines() if ",3," not in row) + "\n")
    assert "some means are over more" not in shown("table", "--layout", "gains", "--format", form)


def test_which_cell_may_be_the_best_and_what_is_open_say_it_too() -> None:
    assert (
        "the best one of 3 cells is among CRD, FitNet (95 % confidence, among converged seeds)."
        in " ".join(shown("analyze", "--all").replace("The best", "the best").split())
    )
    shown("report", "--out", "page.html")
    page = " ".join(re.sub(r"<[^>]+>", "", Path("page.html").read_text()).split())
    assert re.search(r"may be as large as [\d.]+ points, by its intervals, among converged seeds\.", page)


@pytest.mark.parametrize(("gain", "said"), [(1, "gain"), (-1, "")])
def test_the_average_over_settings_claims_no_more_than_its_verdicts(gain: int, said: str) -> None:
    """As an average gain of its own would be inconclusive, its note beside it is no claim either."""
    rows = ["data,method,seed,acc,status"]
    for data in ("c10", "c100", "svhn"):
        for seed in range(1, 9):
            luck, noise = (seed * 7) % 5 / 10, ((seed * 5) % 7 - 3) / 100
            rows.append(f"{data},none,{seed},{70 + luck:.2f},done")
            lost = data == "c100" and seed == 3
            rows.append(f"{data},CRD,{seed},{'' if lost else f'{70 + gain + luck + noise:.2f}'},")
            rows[-1] += "diverged" if lost else "done"
    Path("runs.csv").write_text("\n".join(rows) + "\n")
    found = json.loads(shown("analyze", "--format", "json"))
    (family,) = (f for f in found["families"] if f["name"] == "gains")
    told = family["consistency"]["says"]
    assert "over 7 seeds at which every run converged" in told
    assert ("not claimed as a gain since runs diverged" in told) == bool(said)
    assert "not claimed as a loss" not in told


def test_an_ablation_says_of_which_method_its_rows_are() -> None:
    """Rows have T alone, and other methods have a T, too."""
    rows = ["method,T,seed,acc"]
    for seed in range(6):
        luck, noise = (seed * 7) % 5 / 10, ((seed * 5) % 7 - 3) / 100
        rows += [f"none,,{seed},{70 + luck:.2f}", f"KD,1,{seed},{71 + luck + noise:.2f}"]
        rows += [f"KD,4,{seed},{71.5 + luck - noise:.2f}", f"DKD,4,{seed},{72 + luck + noise / 2:.2f}"]
    Path("runs.csv").write_text("\n".join(rows) + "\n")
    told = shown("table", "--layout", "ablation", "--format", "markdown")
    assert "*Settings of KD. Mean ± standard deviation" in told


def _gains(*words: str) -> dict[str, dict[str, object]]:
    found = json.loads(shown("analyze", "--format", "json", *words))
    (family,) = (f for f in found["families"] if f["name"] == "gains")
    return {c["name"].split(" ")[0]: c for c in family["comparisons"]}


def test_seeds_that_leave_out_a_diverged_run_make_no_gain_of_what_is_left() -> None:
    rows = Path("runs.csv").read_text().replace("FitNet,3,", "CRD,3,", 1).splitlines()
    lost = [at for at, row in enumerate(rows) if row.startswith("CRD,3,")]
    rows[lost[0]], rows[lost[1]] = "CRD,3,,diverged", rows[lost[1]].replace("CRD", "FitNet")
    Path("runs.csv").write_text("\n".join(rows) + "\n")
    without = ("--seeds", "1,2,4,5,6,7,8,9,10,11,12")
    for words in ((), without):
        found = _gains(*words)
        assert found["CRD"]["p_adjusted"] < 0.05, "it would be better"  # type: ignore[operator]
        assert found["CRD"]["verdict"] == "inconclusive"
        assert "since runs diverged" in str(found["CRD"]["says"])
    assert any("CRD seed 3, left out" in text for text in found["CRD"]["warnings"])  # type: ignore[attr-defined]
    said = "and at others runs diverged: CRD (seed 3)"
    for form in (
        ("analyze",),
        ("analyze", "--format", "latex"),
        ("table", "--layout", "gains", "--format", "latex"),
        ("analyze", "--format", "json"),
    ):
        assert said in " ".join(shown(*form, *without).split()), form
    assert "or equivalent, also where its seed is left out" in " ".join(shown("analyze", *without).split())


def test_seeds_that_came_after_a_diverged_run_are_judged_and_say_so() -> None:
    """Whoever asks for the seeds that came after all others has chosen none of them by how it ended."""
    rows = [row for row in Path("runs.csv").read_text().splitlines() if not row.startswith("CRD,3,")]
    Path("runs.csv").write_text("\n".join([*rows, "CRD,3,,diverged"]) + "\n")
    fresh = ("--seeds", "5:13")
    assert _gains(*fresh)["CRD"]["verdict"] == "better"
    assert "at others runs diverged: FitNet (seed 3), CRD (seed 3)" in " ".join(
        shown("analyze", *fresh).split()
    )
    assert _gains("--seeds", "1,2,5,6,7,8,9,10,11,12")["CRD"]["verdict"] == "inconclusive"
    text = Path("runs.csv").read_text()
    Path("runs.csv").write_text(
        text.replace("CRD,3,", "CRD,0,").replace("CRD,1,", "CRD,3,").replace("CRD,0,", "CRD,1,")
    )
    assert _gains("--seeds", "2:13")["CRD"]["verdict"] == "inconclusive", "no analysis was of one seed"


@pytest.mark.parametrize(
    ("looks", "judged", "fresh"),
    [
        (((0, 1, 2),), (3, 4, 5), True),
        ((), (3, 4, 5), False),
        (((0, 1, 2), (0, 1, 2, 3, 4, 5)), (3, 4, 5), False),
        (((0, 1, 2, 3),), (3, 4, 5), False),
        (((0, 1, 2),), (0, 3, 4, 5), False),
    ],
)
def test_a_study_knows_by_its_looks_which_seeds_are_fresh(
    looks: tuple[tuple[int, ...], ...], judged: tuple[int, ...], fresh: bool
) -> None:
    table = pd.DataFrame({"cell": "kd", "seed": range(6), "status": ["done", "diverged", *["done"] * 4]})
    kept = table[table["seed"].isin(judged)]
    met = [InterimAnalysis(len(seeds), seeds, "test_top1", str(at)) for at, seeds in enumerate(looks)]
    found = ChosenSeeds.of(table, kept, (), met, True)
    assert found.fresh is fresh
    assert found.binding == (() if fresh else (("kd", (1,)),))
    assert "runs diverged: kd (seed 1)" in found.told[0]


KD, OTHER, BARE = "main/plain/kd-T4-a0.5", "main/plain/kd-T1-a0.5", "main/plain/baseline"


def test_a_diverged_run_that_was_removed_still_counts(made: Callable[..., Path], tmp_path: Path) -> None:
    """Whatever the reason, what is left of its cell is a selection; before a look, too."""
    noise = [0.0, 0.3, -0.2, 0.1, -0.1, 0.2, 0.0, -0.3]
    values = {
        BARE: [70 + one for one in noise],
        KD: [72 + one + 0.01 * at for at, one in enumerate(noise)],
        OTHER: [72 + one - 0.01 * at for at, one in enumerate(noise)],
    }
    values[KD][3] = float("nan")
    study = made(tmp_path, values)

    def judged() -> dict[str, object]:
        found = analysis_of(from_study(study), Question())
        (family,) = (family for family in found.families if family.name == "gains")
        return {c.name.split(" ")[0]: c for c in family.comparisons} | {"warnings": found.warnings}

    remove(study, Wanted(seeds=(3,)))
    found = judged()
    assert found[KD].verdict is Verdict.INCONCLUSIVE  # type: ignore[attr-defined]
    assert found[KD].p_adjusted < 0.05  # type: ignore[attr-defined]
    assert found[OTHER].verdict is Verdict.BETTER  # type: ignore[attr-defined]
    assert any(text.endswith(f"; of these diverged: {KD}/seed-3") for text in found["warnings"])  # type: ignore[attr-defined]
    restore(study)
    found = judged()
    assert "among converged seeds" in found[KD].conditions  # type: ignore[attr-defined]
    assert not any("left out" in text for text in found["warnings"])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("column", "options"), [("trial", ()), ("rng", ("--seed", "rng")), ("Rng", ("--seed", "rng"))]
)
def test_no_seed_is_left_out_as_a_setting(column: str, options: tuple[str, ...]) -> None:
    """Where only the cells tell that a column holds seeds, a diverged run went with its seed in silence."""
    Path("runs.csv").write_text(Path("runs.csv").read_text().replace(",seed,", f",{column},", 1))
    asked = ("--baseline", "none", *options, "--without", f"{column}=3")
    done = CliRunner().invoke(cli, ["analyze", "runs.csv", *asked])
    assert done.exit_code != 0
    assert f"{column} holds the seed" in str(done.exception)


def test_a_cell_that_is_left_out_says_that_runs_of_it_diverged(
    made: Callable[..., Path], tmp_path: Path
) -> None:
    told = " ".join(shown("analyze", "--without", "method=FitNet", "--all").split())
    assert "left out by choice: method=FitNet (12 of 36 rows, 1 diverged)" in told
    assert "caution: left out by choice: method=FitNet (12 of 36 rows, 1 diverged)." in told
    values = {BARE: [70.0, 71.0, 70.5], KD: [72.0, float("nan"), 72.5], OTHER: [71.0, 72.5, 71.5]}
    study = made(tmp_path, values)
    words = ["analyze", str(study), "--without", KD]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert f"chosen cells: without {KD} (1 run of these diverged)" in " ".join(done.stdout.split())


def test_a_checklist_counts_no_divergence_away(tmp_path: Path) -> None:
    shown("report", "--out", "page.html", "--seeds", "1,2,4,5,6,7,8,9,10,11,12")
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", Path("page.html").read_text()))
    assert "diverged runs 0 at seeds that are not judged: FitNet (seed 3)" in text
