"""The tutorial's repeated look: five seeds, analyse, two more, analyse again. Whatever is shown of it says
why nothing holds, and no verdict with a direction stands anywhere.

After a change that is meant: `python tests/report/test_repeated_look.py` writes the stored pages anew.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rigorkd_analysis import Analysis

from rigorkd.cli.main import main
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.emit import to_csv, to_json
from rigorkd.report.figures.catalog import figures
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of, note
from rigorkd.report.page import Code, Page, flat, lines_of, title_of
from rigorkd.report.paper_tables import paper_table
from rigorkd.report.render.html import html
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import Source, from_study

GOLDEN = Path(__file__).parent / "golden"
WHY = "repeated look, not valid at alpha: analysed before at n = 5"
VALUES = {
    "main/plain/baseline": (70.0, 70.5, 69.5, 70.25, 69.75, 70.0, 70.25),
    "main/plain/kd-T1-a0.5": (70.5, 70.75, 70.0, 70.25, 70.5, 70.5, 70.25),
    "main/plain/kd-T4-a0.5": (72.0, 72.25, 71.75, 72.5, 71.75, 72.0, 72.25),
}


def looked_twice(made: Callable[..., Path], folder: Path) -> Source:
    """The study at seven seeds, of which five were analysed before."""
    study = made(folder, {cell: row[:5] for cell, row in VALUES.items()})
    first = from_study(study)
    found = analysis_of(first, Question())
    assert [c.verdict for c in found.family("gains").comparisons] == ["better", "better"]
    note(first, found)
    return from_study(made(folder, VALUES))


def words(page: Page) -> str:
    """All that a page says, without the protocol's text."""
    said = [page.question, page.setting, page.short, *page.headline, *(one.whole for one in page.warnings)]
    for block in flat(page.everything):
        if isinstance(block, Code):
            continue
        said += [title_of(block), *lines_of(block)]
    for table in page.tables:
        said += [table.caption, *(cell for row in table.texts() for cell in row)]
    return "\n".join(said)


def shown(source: Source, found: Analysis) -> Iterator[tuple[str, str]]:
    """Every form in which the analysis is given away."""
    page = analysis_page(found)
    yield "repeated_look.md", markdown(page)
    yield "repeated_look.tex", latex(page)
    yield "repeated_look.json", to_json(found)
    families = [c for family in found.families for c in family.comparisons]
    yield "repeated_look.csv", to_csv(families)
    evidence = gather(source, found)
    said = words(report_page(evidence))
    yield "repeated_look.txt", re.sub(r"begun: .* UTC|first run, .* UTC", "some time", said)
    for layout in ("gains", "overall", "ablation"):
        yield f"repeated_look_{layout}.tex", latex(paper_table(evidence, layout))


@pytest.fixture(scope="module")
def looked(made: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Analysis]:
    source = looked_twice(made, tmp_path_factory.mktemp("looked"))
    return source, analysis_of(source, Question())


def test_sequential_verdicts_lead_where_they_alone_hold(looked: tuple[Source, Analysis]) -> None:
    source, plain = looked
    found = analysis_of(source, Question(sequential=True))
    assert found.sequential is not None
    for page in (analysis_page(found), short_page(found), report_page(gather(source, found))):
        if page.short:  # which has the tally
            assert page.headline[0].startswith("Only these hold if seeds were added after a look; ")
        else:
            assert page.headline[0].startswith("Sequential (planned): 3 of 4 are decided (3 better); ")
        assert page.tables[0].title.startswith("Sequential verdicts"), "before those of a fixed number"
        assert "--sequential" not in "\n".join((*page.headline, *(one.whole for one in page.warnings)))
    short = report_page(gather(source, found)).short
    assert short.startswith("By the sequential verdicts, 3 of 4 are decided (3 better); ")
    steps = next(b for b in short_page(found).everything if title_of(b) == "What next")
    assert not any("--sequential" in line for line in lines_of(steps))
    assert any(one.whole.count("--sequential") for one in analysis_page(plain).warnings)


def test_a_repeated_look_is_warned_of_once(looked: tuple[Source, Analysis]) -> None:
    _, found = looked
    assert sum(text.startswith(WHY) for text in found.warnings) == 1, "the document says it of the study, too"
    for page in (analysis_page(found), short_page(found)):
        (once,) = (one.whole for one in page.warnings if WHY in one.whole)
        assert once.startswith("all comparisons: ")
        assert once.endswith("; --sequential, or seeds that no look has seen, stay valid")


def test_every_claim_is_inconclusive_and_says_why(looked):
    _, found = looked
    claims = [c for family in found.families for c in family.comparisons]
    assert len(claims) == 4
    for claim in claims:
        assert (claim.verdict, claim.magnitude, claim.not_valid) == ("inconclusive", None, WHY)
        assert WHY in claim.says
        assert claim.p is not None
    document = json.loads(to_json(found))
    assert {c["not_valid"] for family in document["families"] for c in family["comparisons"]} == {WHY}


def test_no_form_of_it_claims_a_direction(looked):
    for name, text in shown(*looked):
        assert "better" not in text, name
        assert not re.search(r"\braised\b|\bworse\b", text), name
        assert "repeated look, not valid at" in " ".join(text.split()), name
    source, found = looked
    page = re.sub(
        r"<(style|script|svg).*?</\1>|<[^>]*>", " ", html(report_page(gather(source, found))), flags=re.S
    )
    assert "better" not in page
    for figure in figures(gather(source, found)):
        text = " ".join(
            [figure.caption, *(key.text for key in figure.keys), *(p.describe for p in figure.panels)]
        )
        assert "better" not in text, figure.name


def test_it_is_as_stored(looked):
    for name, text in shown(*looked):
        assert to_ten_digits(text) == to_ten_digits((GOLDEN / name).read_text(encoding="utf-8")), name


def to_ten_digits(text: str) -> str:
    """Numbers written to the last bit, to ten digits: other processors end them otherwise."""
    return re.sub(r"-?\d+\.\d{9,}(e-?\d+)?", lambda found: f"{float(found[0]):.10g}", text)


def test_a_comparison_with_another_study_says_so_first(made, tmp_path, monkeypatch, capsys):
    source = looked_twice(made, tmp_path)
    assert source.folder is not None
    other = tmp_path / "other.csv"
    rows = ["cell,method,seed,test_top1"]
    for cell, values in VALUES.items():
        method = "baseline" if cell.endswith("baseline") else "kd"
        rows += [f"{cell},{method},{20 + seed},{value + 0.125 * seed}" for seed, value in enumerate(values)]
    other.write_text("\n".join(rows) + "\n")
    monkeypatch.setattr("sys.argv", ["rigorkd", "compare", str(source.folder), str(other), "--sesoi", "0.5"])
    main()
    said = capsys.readouterr().out.replace("\n", " ")
    assert said.startswith(f"{source.name}: {WHY}: no verdict here is valid.")
    assert "the studies differ" not in said
    assert "the studies agree" not in said


if __name__ == "__main__":
    from conftest import made as make

    with tempfile.TemporaryDirectory() as place:
        made_up = looked_twice(make, Path(place))
        for file, content in shown(made_up, analysis_of(made_up, Question())):
            (GOLDEN / file).write_text(content, encoding="utf-8")
