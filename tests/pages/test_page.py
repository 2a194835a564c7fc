"""The page itself: self-contained, well formed, honest about smoke, small for large studies."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from rigorkd.report.evidence import Evidence
from rigorkd.report.figures.softness import softness
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.page import Block, Page, Prose, Section, flat
from rigorkd.report.render.html import html as render
from rigorkd.report.render.markdown import markdown
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_csv

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PUBLISHED = Path(__file__).parents[2] / "analysis" / "published" / "kd_capacity_gap_runs.csv"


LARGE = ((1, 2, 4, 8, 16), (0.1, 0.3, 0.5, 0.7, 0.9))
SMALL = ((1, 4), (0.1, 0.5))


def grid(
    students: int = 2,
    seeds: int = 5,
    gain: float = 0.0,
    settings: tuple[tuple[int, ...], tuple[float, ...]] = SMALL,
) -> pd.DataFrame:
    """A study with baselines and a grid of T × alpha, drawn from a fixed generator."""
    draw = random.Random(7)
    rows = []
    for student in range(students):
        shared = [draw.gauss(0, 0.3) for _ in range(seeds)]
        for T, alpha in [
            (None, None),
            *((T, a) for T in settings[0] for a in settings[1]),
        ]:
            name = "baseline" if T is None else f"kd-T{T}-a{alpha}"
            for seed in range(seeds):
                rows.append(
                    {
                        "cell": f"main/net{student}/{name}",
                        "group": "main",
                        "student": f"net{student}",
                        "method": "baseline" if T is None else "kd",
                        "T": T,
                        "alpha": alpha,
                        "seed": seed,
                        "test_top1": 70 + student + shared[seed] + draw.gauss(0, 0.1) + (gain if T else 0.0),
                        "best_val_top1": 70 + draw.gauss(0, 0.3),
                        "latency_ms": 1.0 + student,
                        "params_millions": 2.0 + student,
                    }
                )
    return pd.DataFrame(rows)


def evidence_of(table: pd.DataFrame, folder: Path, **asked: object) -> Evidence:
    path = folder / "runs.csv"
    table.to_csv(path, index=False)
    found = from_csv(path)
    return gather(found, analysis_of(found, Question(**asked)))  # type: ignore[arg-type]


def rendered(evidence: Evidence) -> str:
    return render(report_page(evidence))


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return rendered(evidence_of(grid(), tmp_path_factory.mktemp("grid"), sesoi=0.3))


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    links = re.findall(r'(?:src|href|action|data|poster)="([^"]*)"', html)
    assert links
    assert all(link.startswith(("#", "data:")) for link in links), set(links)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert "default-src 'none'" in html


def test_ids_are_unique_and_all_references_lead_somewhere(html: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    wanted = re.findall(r'(?:href="#|url\(#)([^")]+)', html)
    wanted += [name for names in re.findall(r'aria-labelledby="([^"]+)"', html) for name in names.split()]
    assert set(wanted) <= set(ids), set(wanted) - set(ids)


def test_every_figure_says_in_words_what_it_shows(html: str) -> None:
    panels = re.findall(r"<svg viewBox[^>]*role=\"img\".*?</svg>", html, flags=re.DOTALL)
    assert len(panels) > 8
    for panel in panels:
        assert re.search(r"<title [^>]+>[^<]{5,}</title><desc [^>]+>[^<]{20,}</desc>", panel)


def test_figures_use_no_colour_but_the_variables(html: str) -> None:
    panels = "".join(re.findall(r"<svg viewBox.*?</svg>", html, flags=re.DOTALL))
    assert not re.findall(r"#[0-9a-fA-F]{6}\b", panels)
    used = set(re.findall(r"var\((--fig-[a-z]+)\)", panels))
    assert {"--fig-ink", "--fig-muted", "--fig-band"} <= used
    light, dark = html.split("@media screen and (prefers-color-scheme: dark)", 1)
    assert all(f"{name}:" in light and f"{name}:" in dark for name in used)


def test_what_holds_comes_first(html: str) -> None:
    order = [
        "<h1>Does distillation raise the test top-1 of net0 and net1?</h1>",
        "Shown to be equivalent for all 2 average gains: any difference is too small to matter.",
        "inconclusive",
    ]
    order += ["What must not be read into it", 'id="gains-exploratory"', 'id="methods"', 'id="reproduce"']
    body = html[html.index("<body") :]
    places = [body.index(text) for text in order]
    assert places == sorted(places)


def test_a_gain_that_holds_is_said(tmp_path: Path) -> None:
    shown = report_page(evidence_of(grid(students=1, gain=2.0), tmp_path, sesoi=0.3))
    assert shown.short == "Shown for the average gain."
    (found,) = (b for b in shown.answer if isinstance(b, Prose) and b.title == "What may be said")
    assert len(found.lines) >= 5
    assert all(said.path for said in found.lines)
    worse = report_page(evidence_of(grid(students=1, gain=-2.0), tmp_path, sesoi=0.3))
    assert worse.short == "Not shown for the average gain; it is worse."


def test_smoke_is_unmistakable(tmp_path: Path) -> None:
    html = rendered(evidence_of(grid(students=1).assign(smoke=True), tmp_path))
    assert html.count('<aside class="banner"') == 2
    assert html.count("SMOKE RUNS") >= 2
    assert "<title>SMOKE: " in html
    assert '<body class="smoke">' in html
    assert html.index("SMOKE RUNS") < html.index("<h1>")


def test_a_table_without_baselines_has_a_page(tmp_path: Path) -> None:
    table = grid(students=1).drop(columns=["method", "T", "alpha", "latency_ms", "params_millions"])
    html = rendered(evidence_of(table, tmp_path))
    assert "<h1>Which cells differ in test top-1?</h1>" in html
    assert 'id="all-pairs-exploratory"' in html
    assert 'id="provenance"' not in html
    assert 'id="training"' not in html


def test_one_seed_and_lost_runs_have_a_page(tmp_path: Path) -> None:
    assert "inconclusive" in rendered(evidence_of(grid(students=1, seeds=1), tmp_path, sesoi=0.3))
    table = grid(students=1, seeds=3)
    table["status"] = "done"
    table.loc[table.index[-1], ["status", "test_top1"]] = ["diverged", None]
    html = rendered(evidence_of(table, tmp_path, sesoi=0.3))
    assert "diverged" in html


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    table = grid(students=1)
    table["cell"] = table["cell"].str.replace("main/net0", "<b>&\"'x/$y$_{z}")
    table[["group", "student"]] = ["", "<i>student"]
    html = rendered(evidence_of(table, tmp_path, sesoi=0.3))
    assert "<b>&\"'x" not in html
    assert "<i>student" not in html
    assert "&lt;b&gt;&amp;" in html
    assert "$y$" in html, "a dollar sign in a name is no formula"


@pytest.mark.slow
def test_two_hundred_cells_make_a_small_page(tmp_path: Path) -> None:
    evidence = evidence_of(grid(students=8, seeds=2, settings=LARGE), tmp_path, sesoi=0.3)
    assert len(evidence.cells) == 208
    html = rendered(evidence)
    assert len(html.encode()) < 3_000_000
    assert html.count("<svg viewBox") < 120
    assert "are drawn" in html, "what was left out is said"


def test_equal_evidence_gives_equal_bytes(tmp_path: Path, html: str) -> None:
    assert rendered(evidence_of(grid(), tmp_path, sesoi=0.3)) == html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "no such file or study"),
        (["."], "a folder, but no study"),
        ([str(PUBLISHED), "--metric", "test_topp1"], "did you mean test_top1?"),
        ([str(PUBLISHED), "--sesoi", "-1"], "not a smallest effect of interest"),
        ([str(PUBLISHED), "--out", "folder"], "folder"),
    ],
)
def test_bad_input_is_one_message(
    arguments: list[str], message: str, tmp_path: Path, rigorkd: Rigorkd
) -> None:
    (tmp_path / "folder").mkdir()
    done = rigorkd("report", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.glob("*.html")) == []


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["report", "--help"], ["jinja2", "matplotlib", "pandas", "torch"]),
        (["figures", "--help"], ["jinja2", "matplotlib", "pandas", "torch"]),
        *(
            pytest.param(words, unwanted, marks=pytest.mark.slow)
            for words, unwanted in (
                (["report", str(PUBLISHED), "--out", "page.html"], ["matplotlib.pyplot", "torch"]),
                (["figures", str(PUBLISHED), "--out", "drawn", "--format", "svg"], ["jinja2", "torch"]),
                (["table", str(PUBLISHED), "--layout", "gains"], ["jinja2", "matplotlib", "torch"]),
            )
        ),
    ],
    ids=lambda given: " ".join(given[:1]),
)
def test_commands_load_what_they_need(arguments: list[str], unwanted: list[str], tmp_path: Path) -> None:
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print(sorted(set({unwanted}) & set(sys.modules))))\n"
        f"sys.argv = {['rigorkd', *arguments]!r}\n"
        "from rigorkd.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.rstrip().endswith("[]"), done.stdout[-200:]


def test_help_teaches() -> None:
    from click.testing import CliRunner

    from rigorkd.cli.figures import figures
    from rigorkd.cli.report import report

    assert "rigorkd report runs.csv --sesoi 0.3" in CliRunner().invoke(report, ["--help"]).output
    assert (
        "rigorkd figures results/digits --out paper/figures" in CliRunner().invoke(figures, ["--help"]).output
    )


def test_the_page_and_the_figures_lie_in_the_study_by_default(finished: Path, tmp_path: Path) -> None:
    """And the study stays what it was: its runs, and its page when it is made again."""
    from click.testing import CliRunner

    from rigorkd.cli.figures import figures
    from rigorkd.cli.report import report
    from rigorkd.records.read import read_study

    study = tmp_path / "tiny"
    shutil.copytree(finished / "results" / "tiny", study)
    before = read_study(study).runs
    done = CliRunner().invoke(report, [str(study)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    first = (study / "report.html").read_bytes()
    drawn = CliRunner().invoke(figures, [str(study), "--format", "svg"], catch_exceptions=False)
    assert drawn.exit_code == 0, drawn.output
    assert {path.name for path in (study / "figures").iterdir()} >= {"gains.svg", "training.svg", "cost.svg"}
    assert read_study(study).runs.equals(before)
    CliRunner().invoke(report, [str(study)], catch_exceptions=False)
    assert (study / "report.html").read_bytes() == first
    for ident in ("provenance", "training", "teacher", "reproduce", "images"):
        assert f'<section id="{ident}"'.encode() in first


def test_templates_lie_in_the_package() -> None:
    """They are read as package data; the wheel takes every file of the package."""
    from importlib.resources import files

    names = {item.name for item in (files("rigorkd.report.render") / "templates").iterdir()}
    assert {"page.html.j2", "blocks.html.j2", "page.css", "page.js"} <= names


# ------------------------------------------------------------------------------------- what is not in sight


def many(lost: int) -> pd.DataFrame:
    """Twenty-five settings, the last `lost` of which lose what the others gain."""
    table = grid(students=1, gain=2.0, settings=LARGE)
    last = sorted(table.query("method == 'kd'")["cell"].unique())[-lost:]
    table.loc[table["cell"].isin(last), "test_top1"] -= 6.0
    return table


def may_be_said(page: Page) -> tuple[Prose, Section, Prose]:
    """The sentences in sight, and the fold behind them with its own."""
    titles = [block.title if isinstance(block, Prose) else "" for block in page.answer]
    at = titles.index("What may be said")
    seen, fold = page.answer[at : at + 2]
    assert isinstance(seen, Prose)
    assert isinstance(fold, Section)
    (rest,) = fold.blocks
    assert isinstance(rest, Prose)
    return seen, fold, rest


def test_findings_beyond_the_first_stand_behind_a_fold_that_counts_them(tmp_path: Path) -> None:
    evidence = evidence_of(many(2), tmp_path, sesoi=0.3)
    page = report_page(evidence)
    seen, fold, rest = may_be_said(page)
    found = {c.says for f in evidence.analysis.families for c in f.comparisons if c.verdict.directed}
    assert found <= {line.text for line in (*seen.lines, *rest.lines)}
    assert fold.title.startswith(f"What may be said: {len(rest.lines)} more of ")
    assert "better" in fold.title
    assert "worse" not in fold.title
    assert f"<summary>{fold.title}</summary>" in render(page)
    shown = markdown(page)
    assert all(line.text.partition(" (")[0] in shown for line in rest.lines)


def test_what_speaks_against_a_method_is_never_behind_the_fold(tmp_path: Path) -> None:
    seen, _, rest = may_be_said(report_page(evidence_of(many(14), tmp_path, sesoi=0.3)))
    assert sum("lowered" in line.text for line in seen.lines) >= 14
    assert not any("lowered" in line.text for line in rest.lines)


def test_gains_that_stay_open_are_named_in_the_answer(tmp_path: Path) -> None:
    page = report_page(evidence_of(grid(students=1), tmp_path))
    (open_,) = (
        block for block in page.answer if isinstance(block, Prose) and block.title == "What stays open"
    )
    texts = [line.text for line in open_.lines]
    assert texts[-1].startswith(
        "Gains over the baseline (exploratory): 4 of 4 inconclusive (main/net0/kd-T1-a0.1, "
    )
    assert "“In words, for a paper”" in texts[-1]
    assert "<summary>In words, for a paper</summary>" in render(page)


def test_findings_of_a_question_that_was_not_planned_say_so_beside_those_that_were(tmp_path: Path) -> None:
    evidence = evidence_of(many(2), tmp_path, sesoi=0.3)
    first, *rest = evidence.analysis.families
    mixed = replace(
        evidence, analysis=replace(evidence.analysis, families=(replace(first, planned=True), *rest))
    )
    seen, _, folded = may_be_said(report_page(mixed))
    leads = {line.lead for line in (*seen.lines, *folded.lines)}
    assert leads == {"", "exploratory"}
    alone, _, _ = may_be_said(report_page(evidence))
    assert {line.lead for line in alone.lines} == {"exploratory"}, "each is pasted without the page"


def test_every_set_of_cells_has_its_sentence_somewhere(tmp_path: Path) -> None:
    def lines(block: Block) -> list[str]:
        return [line.whole for line in block.lines] if isinstance(block, Prose) else []

    page = report_page(evidence_of(grid(students=5), tmp_path))
    every = [line for block in flat((*page.answer, *page.blocks)) for line in lines(block)]
    assert any("says it of the other 2 sets" in line for line in every)
    assert {f"main/net{at}" for at in range(5)} <= {line.partition(":")[0] for line in every}


def test_a_figure_says_which_teachers_it_leaves_out() -> None:
    items = [
        SimpleNamespace(teacher=f"teacher/{at}", T=T, entropy=(0.5,), entropy_rest=())
        for at in range(8)
        for T in (1.0, 4.0)
    ]
    figure = softness(SimpleNamespace(softness=items))  # type: ignore[arg-type]
    assert figure is not None
    assert figure.omitted == "The first 6 of 8 teachers are drawn."
