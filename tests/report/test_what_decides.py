"""What decides a verdict stands beside it: the interval of equivalence, cells that are left, wrong labels."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from rigorkd_analysis.analysis_plan import Plan
from rigorkd_analysis.tuning import _to_claim

from rigorkd.cli.main import cli
from rigorkd.report.figures.catalog import figures
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_study

from .conftest import CELLS, PROTOCOL

BASE = (70.0, 70.5, 69.5, 70.25, 69.75, 70.1, 70.2, 69.8)
EQUIVALENT = tuple(x + d for x, d in zip(BASE, (0.55, -0.4, 0.35, -0.25, 0.5, -0.2, 0.45, 0.3), strict=True))
FAR = tuple(x + d for x, d in zip(BASE, (1.5, 2.5, 2.0, 1.75, 2.25, 2.0, 2.5, 1.5), strict=True))
ALONE = PROTOCOL.replace("T: [1, 4]", "T: 1").partition("  contrasts")[0].replace("sesoi: 0.5", "sesoi: 0.47")
DECIDES = "quivalent by the 90 % interval (two one-sided tests); that of 95 % may leave the margin"


def said(*arguments: object) -> str:
    done = CliRunner().invoke(cli, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.replace("\\%", "%").replace("│", " ").replace("~", " ").split())


COMMANDS = (
    ["analyze"],
    ["analyze", "--all"],
    ["analyze", "--format", "markdown"],
    ["analyze", "--format", "latex"],
    ["table", "--layout", "gains"],
    ["table", "--layout", "overall", "--format", "latex"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_captions_say_which_interval_decides_equivalence(made, tmp_path: Path, command: list[str]) -> None:
    study = made(tmp_path, {CELLS[0]: BASE, CELLS[1]: EQUIVALENT}, text=ALONE)
    (gain,) = analysis_of(from_study(study), Question()).families[0].comparisons
    assert gain.verdict == "equivalent"
    assert gain.equivalence_ci_high < 0.47 < gain.ci_high
    assert DECIDES in re.sub(r"\s*\\,?\s*%", " %", said(*command, study))
    (tmp_path / "other").mkdir()
    other = made(tmp_path / "other", {CELLS[0]: BASE, CELLS[1]: FAR}, text=ALONE)
    assert "90 %" not in re.sub(r"\s*\\,?\s*%", " %", said(*command, other))


def test_pages_and_figures_say_it_too(made, tmp_path: Path) -> None:
    for name, values, there in (("same", EQUIVALENT, True), ("far", FAR, False)):
        (tmp_path / name).mkdir()
        study = made(tmp_path / name, {CELLS[0]: BASE, CELLS[1]: values}, text=ALONE)
        said("report", study)
        page = (study / "report.html").read_text().split("</style>")[-1]
        captions = re.findall(r"<(?:caption|figcaption)[^>]*>(.*?)</(?:caption|figcaption)>", page, re.DOTALL)
        found = [" ".join(text.split()) for text in captions]
        assert sum(DECIDES in text for text in found) == 2 * there
        shown = [text for text in found if "diamond is equivalent" in text or "two one-sided" in text]
        assert all(DECIDES in text for text in shown) or not there


def test_what_is_said_of_the_best_cell_holds_among_those_that_are_left(made, tmp_path: Path) -> None:
    text = PROTOCOL.replace("T: [1, 4]", "T: [1, 2, 4]")
    cells = dict.fromkeys((*CELLS, "main/plain/kd-T2-a0.5"), BASE) | {CELLS[2]: FAR}
    cells[CELLS[1]] = EQUIVALENT
    study = made(tmp_path, cells, text=text)
    whole = said("analyze", "--all", study)
    assert "Best one of 4 cells is main/plain/kd-T4-a0.5" in whole or "best one of 4 cells is main" in whole
    assert "that are left" not in whole
    left = said("analyze", "--all", study, "--without", CELLS[2])
    assert (
        "3 cells that are left may be the best one (95 % confidence); caution: chosen cells: without" in left
    )
    page = tmp_path / "page.html"
    said("report", study, "--without", CELLS[2], "--out", page)
    words = " ".join(page.read_text().split())
    assert (
        "3 cells that are left may be the best one (95 % confidence); caution: chosen cells: without" in words
    )
    assert "any filled one may be it, of the cells that are left." in words


def test_picks_among_cells_that_a_protocol_has_no_more_say_so(made, tmp_path: Path) -> None:
    more = "\n  selection: {seeds: '5:8'}"
    text = PROTOCOL.replace("T: [1, 4]", "T: [1, 2, 4]").replace("sesoi: 0.5", "sesoi: 0.5" + more)
    values = {CELLS[0]: BASE, CELLS[1]: EQUIVALENT, CELLS[2]: FAR, "main/plain/kd-T2-a0.5": BASE}
    made(tmp_path, values, text=text)
    study = made(tmp_path, values, text=text.replace("T: [1, 2, 4]", "T: [1, 4]"))
    (pick,) = analysis_of(from_study(study), Question()).best.validation_pick
    assert "among the 3 cells that are left" in pick.says
    assert "cells left out of the protocol: main/plain/kd-T2-a0.5" in pick.says


def test_label_noise_is_a_condition_of_every_claim_and_in_the_methods(made, tmp_path: Path) -> None:
    text = PROTOCOL.replace("seed: 3}}", "seed: 3}, label_noise: 0.125}")
    noise = "12.5 % of the training labels replaced by wrong ones"
    for folder, protocol, there in (("noisy", text, True), ("clean", PROTOCOL, False)):
        (tmp_path / folder).mkdir()
        study = made(tmp_path / folder, dict(zip(CELLS, (BASE, EQUIVALENT, FAR), strict=True)), text=protocol)
        assert (noise in said("analyze", "--all", study)) is there
        said("report", study)
        page = " ".join((study / "report.html").read_text().split())
        methods = page.partition('id="methods"')[2].partition('id="checklist"')
        assert ("label noise on purpose" in methods[0]) is there
        assert (noise in methods[2]) is there
        for form in ("markdown", "latex"):
            layout = said("table", study, "--layout", "gains", "--format", form).replace("\\%", "%")
            assert (f"Note: {noise}." in layout) is there, form
        document = said("analyze", study, "--format", "json")
        found = json.loads(document[document.index("{") :])
        claims = [c["says"] for family in found["families"] for c in family["comparisons"]]
        claims += [one["says"] for one in found["factorial"]]
        assert len(claims) > 2
        assert all((f"; {noise}" in says) is there for says in claims)
        assert "; ; " not in " ".join(claims)


LOSSES = {"baseline": 0.0, "kd-T1": -1.0, "kd-T2": -1.5, "kd-T4": -2.0}


@pytest.mark.parametrize(
    ("gains", "claim"),
    [
        ({}, "as none of these settings gained here, although more were tried, there is no gain to claim"),
        (
            {"kd-T1": 0.5},
            "the average gain is not above 0 here, so there is none to claim, nor that of the best setting",
        ),
        ({"kd-T1": 9.0}, "claim the average gain, not that of the best setting"),
    ],
)
def test_no_average_gain_is_to_be_claimed_where_there_is_none(tmp_path: Path, gains, claim: str) -> None:
    noise = (0.2, -0.1, 0.3, -0.3, 0.1)
    rows = ["cell,method,T,seed,test_top1"]
    for at, (cell, gain) in enumerate((LOSSES | gains).items()):
        method, _, setting = cell.partition("-T")
        for seed in range(5):
            value = BASE[seed] + gain + noise[(seed * (at + 1)) % 5] * (at > 0)
            rows.append(f"{cell},{method},{setting},{seed},{value:.3f}")
    (tmp_path / "runs.csv").write_text("\n".join(rows))
    told = said("analyze", tmp_path / "runs.csv")
    assert f"kd of this table at 3 settings, its baseline at one; {claim}" in told
    assert ("claim the average gain" in told) == (gains == {"kd-T1": 9.0})
    losses = tmp_path / "errors.csv"
    losses.write_text("\n".join(rows).replace("test_top1", "test_error"))
    assert "claim the average gain" in said("analyze", losses, "--goal", "min") or gains


@pytest.mark.parametrize(
    ("later", "claim"),
    [
        (-8.0, "the average gain is not above 0 here, so there is none to claim"),
        (8.0, "claim the average gain where it is shown"),
    ],
)
def test_settings_of_later_are_averaged_apart_and_claimed_so(later: float, claim: str) -> None:
    """Planned settings have an average of their own, so that no average is over all of them."""
    names = ("base", "T1", "T4", "T8", "T16")
    gains = dict(zip(names[1:], (0.5, -5.5, later, later), strict=True))
    every = [SimpleNamespace(a=name, mean_diff=gain) for name, gain in gains.items()]
    averages = [
        SimpleNamespace(
            weights={a: 0.5, b: 0.5, "base": -1.0},
            mean_diff=(gains[a] + gains[b]) / 2,
            verdict=SimpleNamespace(badge="better" if gains[a] + gains[b] > 0 else "inconclusive"),
        )
        for a, b in (("T1", "T4"), ("T8", "T16"))
    ]
    found = [
        SimpleNamespace(name="gains", comparisons=every),
        SimpleNamespace(name="overall", comparisons=averages),
    ]
    question = SimpleNamespace(plan=Plan(planned=True), sign=1, runs=SimpleNamespace(cells=names))
    assert _to_claim(question, found, [[1, 2, 3, 4]]) == claim  # type: ignore[arg-type]


@pytest.mark.parametrize(("n", "told"), [(2, "; nearly nothing can be shown"), (4, ""), (5, None)])
def test_plan_warns_of_few_seeds_as_the_analysis_will(made, tmp_path: Path, n: int, told: str | None) -> None:
    warning = f"n = {n}: fewer than 5 seeds{told}"
    file = tmp_path / "made.yaml"
    file.write_text(PROTOCOL)
    planned = said("plan", file, "--seeds", n, "--results", tmp_path / "none")
    study = made(tmp_path, {CELLS[0]: BASE[:n], CELLS[1]: EQUIVALENT[:n], CELLS[2]: FAR[:n]})
    assert (f"warning: {warning}" in planned, warning in said("analyze", study)) == ((told is not None,) * 2)
    assert ("fewer than 5 seeds" in planned) is (told is not None)
    kept = PROTOCOL.replace("sesoi: 0.5", f"sesoi: 0.5\n  selection: {{seeds: '{n}:20'}}")
    file.write_text(kept)
    again = said("plan", file, "--seeds", 20, "--results", tmp_path / "none")
    assert ("fewer than 5 seeds" in again) is (told is not None), "seeds kept for choosing judge nothing"


@pytest.mark.parametrize("layout", ["gains", "overall"])
def test_a_layout_says_what_at_least_the_sesoi_stands_for(made, tmp_path: Path, layout: str) -> None:
    told = "; ≥ SESOI: by more than that"
    for folder, rows in (("far", (BASE, EQUIVALENT, FAR)), ("near", (BASE, EQUIVALENT, EQUIVALENT))):
        (tmp_path / folder).mkdir()
        study = made(tmp_path / folder, dict(zip(CELLS, rows, strict=True)), text=PROTOCOL)
        text = said("table", study, "--layout", layout, "--format", "markdown")
        assert (told in text) == (folder == "far")
        assert ("better ≥ SESOI" in text) == (folder == "far")


def test_the_figure_of_gains_says_which_is_the_primary_one(made, tmp_path: Path) -> None:
    """Its row has one interval alone beside others that are simultaneous over their family."""
    text = PROTOCOL.replace("sesoi: 0.5", f"sesoi: 0.5\n  primary: {CELLS[1]}")
    study = made(tmp_path, dict(zip(CELLS, (BASE, EQUIVALENT, FAR), strict=True)), text=text)
    evidence = gather(from_study(study), analysis_of(from_study(study), Question()))
    drawn = next(figure for figure in figures(evidence) if figure.name == "gains")
    assert "The primary gain (kd-T1-a0.5) is a question of its own" in drawn.caption


def test_a_corrected_equivalence_is_no_decision_of_the_90_percent_interval(made, tmp_path: Path) -> None:
    """That interval is of one comparison alone, and the corrected tests take a wider one."""
    study = made(tmp_path, dict(zip(CELLS, (BASE, EQUIVALENT, FAR), strict=True)))
    told = said("analyze", "--all", "--sesoi", "0.6", study)
    assert "equivalent by corrected two one-sided tests (alone: the 90 % interval); that of 95 %" in told
    assert "unadjusted 90 % CI" in told
    assert "equivalent by the 90 %" not in told
