"""A page as Markdown."""

from __future__ import annotations

from rigorkd.report.page import Page, Table


def markdown(page: Page) -> str:
    """The whole page; GitHub's tables, captions in italics under them."""
    blocks = []
    if page.banner:
        blocks.append(f"> **{_inline(page.banner)}**")
    if page.headline:
        first, *rest = page.headline
        blocks.append("\n\n".join([f"**{_inline(first)}**", *map(_inline, rest)]))
    blocks += [_table(table) for table in page.tables]
    for heading, lines in (("In words", page.sentences), ("Notes", page.notes), ("Warnings", page.warnings)):
        if lines:
            blocks.append("\n".join([f"### {heading}", "", *(f"- {_inline(line)}" for line in lines)]))
    return "\n\n".join(blocks) + "\n"


def _table(table: Table) -> str:
    headings = [column.heading for column in table.columns]
    rules = ["---:" if column.numeric else ":---" for column in table.columns]
    lines = [f"### {_inline(table.title)}", "", _row(headings), _row(rules)]
    for position, row in enumerate(table.rows):
        bold = position in table.emphasis
        lines.append(_row([f"**{_cell(text)}**" if bold and text else _cell(text) for text in row]))
    return "\n".join([*lines, "", f"*{_inline(table.caption)}*"])


def _row(texts: list[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _cell(text: str) -> str:
    return _inline(text).replace("|", "\\|").replace("\n", " ")


def _inline(text: str) -> str:
    """Names such as kd_T4_a0.5 must not turn into emphasis."""
    for mark in ("\\", "*", "_", "<", "`"):
        text = text.replace(mark, "\\" + mark)
    return text
