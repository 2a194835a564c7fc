"""The words and numbers of a whole page against a stored text: what a reader reads, without the drawings.

After a change that is meant: `python tests/pages/test_golden_page.py` writes it anew; read the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rigorkd.report.gather import gather
from rigorkd.report.html.page import view
from rigorkd.report.html.view import Block, DataTable, View
from rigorkd.report.judged import judged
from rigorkd.report.sources import Overrides, from_csv

GOLDEN = Path(__file__).parent / "golden" / "capacity.txt"
PUBLISHED = Path(__file__).parents[2] / "analysis" / "published" / "kd_capacity_gap_runs.csv"


def words(shown: View) -> Iterator[str]:
    """A page as lines of text."""
    answer = shown.answer
    yield f"# {answer.question}"
    yield from (answer.setting, f"{answer.short} {answer.first}", *answer.further)
    for tally in answer.tallies:
        yield f"{tally.title}: " + ", ".join(f"{count.number} {count.word}" for count in tally.counts)
    for title, lines in (
        ("What may be said", answer.sentences),
        ("What stays open", answer.undecided),
        ("What must not be read into it", answer.cautions),
        ("Warnings", answer.warnings),
    ):
        yield f"## {title}"
        yield from (f"- {said.text}" for said in lines)
    for section in shown.sections:
        yield f"## {section.title} {section.mark}".rstrip()
        for block in section.blocks:
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block.kind:
        case "prose":
            yield from (f"{said.lead} {said.text}".strip() for said in block.lines)
        case "chart":
            yield f"[{block.title}; {len(block.panels)} panels] {block.caption} {block.omitted}".rstrip()
        case "table":
            yield from _table(block)
        case "facts":
            yield from (f"{term}: {', '.join(values)}" for term, values in block.items)
        case "code":
            yield from (f"    {line}" for line in block.text.splitlines())
        case "fold":
            yield f"> {block.summary}"
            for inner in block.blocks:
                yield from _block(inner)


def _table(table: DataTable) -> Iterator[str]:
    yield f"### {table.caption}"
    yield " | ".join(column.text for column in table.columns)
    for row in table.rows:
        texts = ["".join(p if isinstance(p, str) else p.text for p in cell.parts) for cell in row]
        yield " | ".join(texts)
    yield table.note


def text() -> str:
    found = from_csv(PUBLISHED)
    return "\n".join(words(view(gather(found, judged(found, Overrides(sesoi=0.2)))))) + "\n"


def test_the_page_of_the_capacity_study_is_as_stored() -> None:
    assert text() == GOLDEN.read_text(encoding="utf-8")


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(text(), encoding="utf-8")
