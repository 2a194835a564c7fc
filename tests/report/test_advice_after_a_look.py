"""What is advised after a look is a way for what it is said of: `--sequential` judges planned comparisons."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.records.interim import FILE

from .conftest import PROTOCOL
from .test_looks_added import FIRST_RUN, LATER, LOOK
from .test_mended_margin import run_at

NARROW = PROTOCOL.partition("  contrasts")[0]
WIDE = NARROW.replace("T: [1, 4]", "T: [1, 4, 8]")
BASE = (70.0, 70.5, 69.5, 70.25, 69.75, 70.0, 70.25, 70.5)
ADDED = "main/plain/kd-T8-a0.5"
ROWS = {
    "main/plain/baseline": BASE,
    "main/plain/kd-T1-a0.5": (70.5, 70.75, 70.0, 70.25, 70.5, 70.5, 70.25, 71.0),
    "main/plain/kd-T4-a0.5": (72.0, 70.25, 71.75, 70.5, 71.75, 69.0, 72.25, 70.0),
}
MORE = {**ROWS, ADDED: (71.0, 69.5, 70.5, 69.25, 70.75, 69.0, 71.25, 69.5)}
PAIR = "main/plain/kd-T4-a0.5 vs main/plain/kd-T1-a0.5"
REPEATED = "repeated look, not valid at alpha: analysed before at n = 5"


@pytest.fixture(name="study")
def study_fixture(made: Callable[..., Path], tmp_path: Path) -> Path:
    """Five seeds, looked at; then a cell more, and eight seeds."""
    study = made(tmp_path, {cell: row[:5] for cell, row in ROWS.items()}, text=NARROW)
    line = {"n": 5, "seeds": [*range(5)], "metric": "test_top1", "time": LOOK}
    (study / FILE).write_text(json.dumps(line) + "\n")
    made(tmp_path, MORE, text=WIDE)
    run_at(study, FIRST_RUN, LATER)
    return study


def printed(*words: str) -> str:
    done = CliRunner().invoke(cli, ["analyze", *words], catch_exceptions=False)
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("sequential", [(), ("--sequential",)])
def test_what_the_sequential_test_does_not_judge_is_offered_fresh_seeds_alone(study, sequential) -> None:
    asked = (str(study), "--compare", "T=4", "T=1", *sequential)
    way = "the sequential verdicts" if sequential else "--sequential"
    text = printed(*asked)
    assert "seeds for exploratory gains there" in text
    assert "; seeds are added as fresh ones alone (--seeds)." in text
    assert " in all)" not in text
    does = "the sequential test does" if sequential else "--sequential does"
    assert f"{does} for what was planned, or seeds that no look has seen (" in text
    for form in ("table", "markdown", "latex"):
        whole = printed(*asked, "--format", form, *["--all"] * (form == "table"))
        assert f"{PAIR}: {REPEATED}; seeds that no look has seen stay valid" in whole, form
        left = f"2 exploratory comparisons not judged so ({ADDED}, {PAIR});"
        assert (left in whole) == bool(sequential), form
    found = json.loads(printed(*asked, "--format", "json"))
    told = {
        c["name"]: [w for w in c["warnings"] if w.startswith(REPEATED)]
        for family in found["families"]
        for c in family["comparisons"]
    }
    assert told.pop(PAIR) == [f"{REPEATED}; seeds that no look has seen stay valid"]
    assert told.pop(f"{ADDED} vs main/plain/baseline") == []
    assert {tuple(own) for own in told.values() if own} == {
        (f"{REPEATED}; {way}, or seeds that no look has seen, stay valid",)
    }
    judged = {one["name"] for one in (found["sequential"] or {"comparisons": []})["comparisons"]}
    assert PAIR not in judged
    assert not any("stay valid" in c["says"] for f in found["families"] for c in f["comparisons"])


def test_a_page_offers_the_sequential_test_for_families_that_it_judges(study, tmp_path) -> None:
    out = tmp_path / "page.html"
    CliRunner().invoke(cli, ["report", str(study), "--out", str(out)], catch_exceptions=False)
    page = " ".join(re.sub(r"<[^>]+>", " ", out.read_text()).split())
    fresh = "fresh ones that are analysed alone."
    assert page.count(f"Seeds are added as {fresh}") == 1, "of the cell that was added"
    assert f"Seeds are added by the sequential analysis (rigorkd analyze --sequential), or {fresh}" in page


def test_what_is_open_is_named_where_the_rest_of_a_family_was_looked_at(study) -> None:
    text = printed(str(study), "--without", "*/kd-T1-*")
    assert f" points for {ADDED} of the 2 gains (" in text
    assert " seeds for 1 of the 2 gains there" in text
    assert " in all), or fresh ones alone" in text, "nothing is planned any more: --sequential judges all"


def test_seeds_judged_again_after_others_say_so(study) -> None:
    printed(str(study))
    found = json.loads(printed(str(study), "--seeds", "0:5", "--format", "json"))
    first = "chosen seeds: 5 of 8 finished ones are judged (0:5), as before others were looked at"
    assert f"{first}, as --seeds asks; the others (5:8) have been looked at since" in found["warnings"]
    comparisons = [c for family in found["families"] for c in family["comparisons"]]
    assert all(first in c["says"] and "further test" not in c["says"] for c in comparisons)
    told = {c["name"]: [w for w in c["warnings"] if "repeated look" in w] for c in comparisons}
    late = told.pop(f"{ADDED} vs main/plain/baseline")
    assert [text.partition(";")[0] for text in late] == [REPEATED.replace("= 5", "= 8")]
    assert not any(told.values()), "this very analysis is no repeated look"


@pytest.mark.parametrize(("metric", "counts"), [("test_loss", True), ("train_seconds", False)])
def test_a_look_by_another_metric_of_the_same_runs_is_a_look(study, metric, counts) -> None:
    """Whoever saw losses of five seeds and added three knew of their accuracies; not who saw hours."""
    line = json.loads((study / FILE).read_text())
    (study / FILE).write_text(json.dumps({**line, "metric": metric}) + "\n")
    told = "repeated look, not valid at alpha: analysed before at n = 5 by test_loss"
    found = json.loads(printed(str(study), "--format", "json"))
    planned = [c for f in found["families"] if f["planned"] for c in f["comparisons"]]
    assert planned
    assert {c["not_valid"] for c in planned} == {told if counts else None}
    assert all((told in c["says"]) == counts for c in planned)
    text = printed(str(study), "--format", "latex")
    assert (told in text.replace("\\_", "_")) == counts
    both = json.dumps({**line, "metric": "test_top1"})
    (study / FILE).write_text(f"{json.dumps({**line, 'metric': metric})}\n{both}\n")
    assert "at n = 5 by" not in printed(str(study), "--format", "json"), "by this very metric, too"


def test_fresh_seeds_are_used_up_by_another_metric(study) -> None:
    with (study / FILE).open("a") as looks:
        line = {"n": 8, "seeds": [*range(8)], "metric": "test_loss", "time": LOOK.replace("T1", "T2")}
        looks.write(json.dumps(line) + "\n")
    found = json.loads(printed(str(study), "--seeds", "5:8", "--format", "json"))
    planned = [c for f in found["families"] if f["planned"] for c in f["comparisons"]]
    assert planned
    assert all("analysed before at n = 8 by test_loss" in (c["not_valid"] or "") for c in planned)


def test_a_cell_that_was_added_to_looked_at_seeds_says_so_of_these(made, tmp_path) -> None:
    """No seeds were added: the comparison with a baseline that was known is not planned, whatever n is."""
    study = made(tmp_path, {cell: row[:5] for cell, row in ROWS.items()}, text=NARROW)
    line = {"n": 5, "seeds": [*range(5)], "metric": "test_top1", "time": LOOK}
    (study / FILE).write_text(json.dumps(line) + "\n")
    made(tmp_path, {cell: row[:5] for cell, row in MORE.items()}, text=WIDE)
    run_at(study, FIRST_RUN, LATER)
    found = json.loads(printed(str(study), "--format", "json"))
    told = {
        c["name"].partition(" vs ")[0]: [w for w in c["warnings"] if w.startswith("added after a look")]
        for f in found["families"]
        if f["name"] == "gains"
        for c in f["comparisons"]
    }
    assert told.pop(ADDED) == ["added after a look at n = 5: results were known when it was asked for"]
    assert not any(told.values())
    (study / FILE).write_text(
        "".join(json.dumps({**line, "n": n, "seeds": [*range(n)]}) + "\n" for n in (4, 5))
    )
    assert "added after a look at n = 4, 5:" in printed(str(study), "--format", "json")


def test_a_page_after_a_look_has_the_answers_that_hold_then(study, tmp_path) -> None:
    """It leads with them unasked, as the archive does, and says how they are made again."""
    pages = []
    for asked in ((), ("--sequential",)):
        out = tmp_path / "page.html"
        CliRunner().invoke(cli, ["report", str(study), "--out", str(out), *asked], catch_exceptions=False)
        pages.append(out.read_text())
    assert pages[0] == pages[1]
    assert "Sequential verdicts" in pages[0]
    words = " ".join(re.sub(r"<[^>]+>", " ", pages[0]).split())
    assert re.search(r"rigorkd analyze \S+/made --sequential", words), "what makes it again"
    for layout, told in (("gains", True), ("sequential", False)):
        asked = ["table", str(study), "--layout", layout, "--format", "markdown"]
        done = CliRunner().invoke(cli, asked, catch_exceptions=False)
        assert (f"`rigorkd table {study} --layout sequential`" in done.stderr) == told
    answer = words.partition("Answer By the sequential verdicts, ")[2]
    assert answer.count("are decided; more seeds may decide the rest.") == 1, "said once"
    assert "Gains over the baseline, planned, sequentially" in answer


def test_what_is_open_counts_what_no_sequential_verdict_judges(made, tmp_path) -> None:
    """An exploratory gain has none: its interval, the widest, had not been among those of what is open."""
    study = made(tmp_path, {cell: row[:5] for cell, row in ROWS.items()}, text=NARROW)
    line = {"n": 5, "seeds": [*range(5)], "metric": "test_top1", "time": LOOK}
    (study / FILE).write_text(json.dumps(line) + "\n")
    wide = {**MORE, ADDED: tuple(top1 + (9 if at % 2 else -9) for at, top1 in enumerate(MORE[ADDED]))}
    made(tmp_path, wide, text=WIDE)
    run_at(study, FIRST_RUN, LATER)
    found = json.loads(printed(str(study), "--sequential", "--format", "json"))
    (added,) = (
        c
        for f in found["families"]
        if f["name"] == "gains" and not f["planned"]
        for c in f["comparisons"]
        if c["a"] == ADDED
    )
    largest = max(abs(added["ci_simultaneous_low"]), abs(added["ci_simultaneous_high"]))
    others = [
        abs(end)
        for c in found["sequential"]["comparisons"]
        if c["decided_at"] is None
        for end in (c["ci_low"], c["ci_high"])
        if end is not None
    ]
    assert added["verdict"] == "inconclusive"
    assert largest > max(others, default=0.0)
    out = tmp_path / "page.html"
    CliRunner().invoke(cli, ["report", str(study), "--out", str(out)], catch_exceptions=False)
    words = " ".join(re.sub(r"<[^>]+>", "", out.read_text()).split())
    assert f"what is open here may be as large as {largest:.2f} points" in words


def test_a_figure_after_a_look_says_in_its_file_why_its_rows_are_inconclusive(study, tmp_path) -> None:
    words = ["figures", str(study), "--out", str(tmp_path / "figures"), "--format", "svg"]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert "after a look: inconclusive whatever p is" in (tmp_path / "figures" / "gains.svg").read_text()
