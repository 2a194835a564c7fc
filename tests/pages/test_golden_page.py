"""The words and numbers of a whole page against a stored text: what a reader reads, without the drawings.

After a change that is meant: `python tests/pages/test_golden_page.py` writes it anew; read the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.page import Block, Chart, Page, Section, Table, lines_of, title_of
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_csv

GOLDEN = Path(__file__).parent / "golden" / "capacity.txt"
PUBLISHED = Path(__file__).parents[2] / "analysis" / "published" / "kd_capacity_gap_runs.csv"


def words(shown: Page) -> Iterator[str]:
    """A page as lines of text."""
    yield f"# {shown.question}"
    yield from (shown.setting, f"{shown.short} {shown.headline[0]}", *shown.headline[1:])
    for block in shown.answer:
        yield from _block(block, "## ", "- ")
    yield "## Warnings"
    yield from (f"- {said.whole}" for said in shown.warnings)
    for block in shown.blocks:
        yield from _block(block, "## ")


def _block(block: Block, above: str = "", before: str = "") -> Iterator[str]:
    match block:
        case Section():
            yield f"{'> ' if block.folded else above}{block.title} {block.mark}".rstrip()
            for inner in block.blocks:
                yield from _block(inner)
        case Table():
            yield f"### {block.title}"
            yield " | ".join(column.heading for column in block.columns)
            yield from (" | ".join(row) for row in block.texts())
            yield block.caption
        case Chart():
            figure = block.figure
            yield f"[{figure.title}; {len(figure.panels)} panels] {figure.caption} {figure.omitted}".rstrip()
        case _:
            if title_of(block):
                yield f"{above}{title_of(block)}"
            yield from (f"{before}{line}" for line in lines_of(block))


def text() -> str:
    found = from_csv(PUBLISHED)
    return "\n".join(words(report_page(gather(found, analysis_of(found, Question(sesoi=0.2)))))) + "\n"


def test_the_page_of_the_capacity_study_is_as_stored() -> None:
    assert text() == GOLDEN.read_text(encoding="utf-8")


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(text(), encoding="utf-8")
