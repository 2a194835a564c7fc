"""A run that collapsed keeps averages from a verdict: which run, what follows, and how the rest is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis.analysis_plan import AllOf, Pair, Plan, Trend

from rigorkd.errors import InputError
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.evidence import evidence
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.page import Page, Prose, flat
from rigorkd.report.render.markdown import markdown
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import Source

FELL = "r20/kd-T8"
RUN = "r20/kd-T8 has 31 at seed 3, its median is 71.2"


def source(students: tuple[str, ...] = ("r20",), plan: Plan | None = None) -> Source:
    """Four temperatures of each student that all gain 1.2 points; one run of the first student collapsed."""
    draw = np.random.default_rng(2)
    rows = []
    for student in students:
        shared = draw.normal(0, 0.3, 5)
        for T in (0, 1, 2, 4, 8):
            for seed in range(5):
                value = 70 + shared[seed] + (1.2 if T else 0) + draw.normal(0, 0.1)
                own = {"cell": f"{student}/kd-T{T}" if T else f"{student}/baseline", "student": student}
                method = {"method": "kd" if T else "baseline", "T": T or ""}
                rows.append({**own, **method, "seed": seed, "test_top1": round(value, 1)})
    table = pd.DataFrame(rows)
    table.loc[(table["cell"] == FELL) & (table["seed"] == 3), "test_top1"] = 31.0
    return Source("runs", table, plan or Plan(), where=str)


def texts(page: Page) -> list[str]:
    blocks = flat((*page.answer, *page.blocks))
    return [line.whole for block in blocks if isinstance(block, Prose) for line in block.lines]


def test_the_headline_names_the_run_that_keeps_one_of_several_averages_from_a_verdict() -> None:
    first = short_page(analysis_of(source(("r20", "r32")), Question())).headline[0]
    assert first.endswith(
        f"of 2 average gains, 1 better; 1 inconclusive (1 for a run that fell far behind: {RUN})."
    )


def test_pages_say_what_follows_from_it_and_how_the_rest_is_judged() -> None:
    found = source()
    result = analysis_of(found, Question())
    pages = [
        short_page(result),
        analysis_page(result),
        report_page(evidence(result, found.table)),
    ]
    for page in pages:
        assert any(
            f"--without {FELL} judges averages" in text and "exploratory" in text for text in texts(page)
        )
    for page in pages[1:]:
        (told,) = [text for text in texts(page) if text.startswith(RUN)]
        assert (
            told
            == f"{RUN}: while that run counts, nothing is decided about r20/kd: average of 4 (T), {FELL}."
        )


def test_a_collapsed_baseline_is_not_offered_to_be_left_out() -> None:
    found = source()
    table = found.table
    values = table["test_top1"].where(table["cell"] != FELL, 71.0 + table["seed"] / 10)
    values = values.where((table["cell"] != "r20/baseline") | (table["seed"] != 1), 12.0)
    result = analysis_of(Source("runs", table.assign(test_top1=values), Plan(), where=str), Question())
    assert result.family("overall").comparisons[0].not_valid.startswith("a seed fell far behind")
    assert not any("--without" in text for text in texts(short_page(result)))


def test_without_a_cell_all_is_exploratory_and_every_caption_says_it() -> None:
    plan = Plan(
        planned=True,
        primary=FELL,
        contrasts=(
            Pair(FELL, "r20/kd-T1", planned=True),
            AllOf((FELL, "r20/kd-T2"), planned=True),
            Pair("r20/kd-T4", "r20/kd-T1", planned=True),
            Trend("T", planned=True),
        ),
    )
    found, asked = source(plan=plan), Question(without=(FELL,))
    result = analysis_of(found, asked)
    assert not any(family.planned for family in result.families)
    assert FELL not in {cell.cell for cell in result.cells}
    assert result.family("primary") is None
    assert len(result.family("contrasts").comparisons) == 2
    assert result.family("overall").comparisons[0].verdict == "better"
    assert any(text.startswith(f"chosen cells: without {FELL}") for text in result.warnings)
    judged = asked.judged(found).table
    for page in (short_page(result), analysis_page(result), report_page(evidence(result, judged))):
        captions = [table.caption for table in page.tables if "minus" in table.caption]
        assert captions
        assert all(f"without {FELL}" in caption for caption in captions)


@pytest.mark.parametrize(
    ("without", "message", "hint"),
    [
        (("r20/kd-T9",), "no such cell", "kd-T8"),
        (tuple(set(source().table["cell"])), "no cell beside", "fewer"),
    ],
)
def test_cells_that_cannot_be_left_out_are_one_message(without, message: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        analysis_of(source(), Question(without=without))
    assert message in error.value.message
    assert hint in str(error.value.hint)


def test_a_page_says_how_it_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from rigorkd.cli.main import cli

    monkeypatch.chdir(tmp_path)
    source().table.to_csv("runs.csv", index=False)
    done = CliRunner().invoke(cli, ["report", "runs.csv", "--without", FELL], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"rigorkd analyze runs.csv --without {FELL}" in Path("runs.html").read_text()


def test_a_mean_over_all_settings_that_rests_on_a_fallen_run_is_no_finding() -> None:
    whole = source(("r20", "r32"))
    result = analysis_of(whole, Question())
    together = result.family("gains").consistency
    assert together is not None
    assert RUN in together.not_valid
    assert together.says.endswith(f"; caution: a seed fell far behind: {RUN}.")
    assert "the settings are not judged here (repeated-measures F, p = " in together.says
    (tested,) = [one for one in result.factorial if one.student == "r20"]
    assert f"; caution: a seed fell far behind: {RUN}." in tested.says
    page = report_page(evidence(result, whole.table))
    _, _, rest = markdown(page).partition("What may be said")
    said, _, below = rest.partition("What stays open")
    assert "r32" in said
    assert "Over the 8 settings" not in said
    assert "Over the 8 settings" in below + markdown(analysis_page(result))


def test_no_average_gain_is_claimed_that_is_not_shown() -> None:
    def told(table: pd.DataFrame) -> str:
        result = analysis_of(Source("runs", table, Plan(), where=str), Question())
        (found,) = [w for w in result.warnings if w.startswith("tuning was unequal")]
        return found.rpartition("; ")[2]

    best = "that of the best setting"
    table = source().table
    assert told(table) == f"the average gain is not above 0 here, so there is none to claim, nor {best}"
    fell = table["test_top1"].where(table["test_top1"] != 31.0, 58.0)
    alone = table.assign(test_top1=fell)
    assert told(alone) == f"no average gain is shown to claim, nor {best}"
    assert told(table[table["cell"] != FELL]) == f"claim the average gain, not {best}"
    assert told(source(("r20", "r32")).table) == f"claim the average gain where it is shown, not {best}"
