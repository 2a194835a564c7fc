"""A page as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rigorkd.report.page import COMMAND, Block, Code, Page, Prose, Section, Table, lines_of, title_of
from rigorkd.text import one_line, printable

_MARKS = re.compile(r"([\\*_<`\[\]~&$])")
_OPENING = re.compile(r"^(?:([#>+=-])|(\d+)(?=[.)](?:\s|$)))")


def markdown(page: Page) -> str:
    """The whole page; GitHub's tables, captions in italics under them."""
    parts = []
    if page.banner:
        parts.append(f"> {_marked(page.banner)}")
    opening = [page.question, page.setting, page.short, *page.headline]
    first, *rest = [text for text in opening if text] or [""]
    if first:
        parts.append("\n\n".join([_marked(first), *map(_line, rest)]))
    parts += [text for block in page.everything for text in _block(block, 3)]
    if page.warnings:
        parts.append(_list("Warnings", tuple(said.whole for said in page.warnings)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block, depth: int) -> Iterator[str]:
    title = title_of(block)
    match block:
        case Table():
            yield _table(block)
        case Section():
            yield f"{'#' * depth} {_text(title)}"
            for inner in block.blocks:
                yield from _block(inner, depth + 1)
        case Code():
            text = printable(block.text)
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            yield f"{fence}\n{text}\n{fence}"
        case Prose(bullets=False):
            yield "\n\n".join(map(_line, lines_of(block)))
        case _:
            yield _list(title, lines_of(block))


def _list(title: str, lines: tuple[str, ...]) -> str:
    heading = [f"### {_text(title)}", ""] if title else []
    return "\n".join([*heading, *(f"- {_line(line)}" for line in lines)])


def _table(table: Table) -> str:
    headings = [column.heading for column in table.columns]
    rules = ["---:" if column.numeric else ":---" for column in table.columns]
    lines = [f"### {_text(table.title)}", "", _row([_cell(text) for text in headings]), _row(rules)]
    for position, row in enumerate(table.texts()):
        bold = position in table.emphasis
        lines.append(_row([_marked(text).replace("|", "\\|") if bold else _cell(text) for text in row]))
    return "\n".join([*lines, "", _marked(table.whole_caption, "*")])


def _row(texts: list[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _marked(text: str, mark: str = "**") -> str:
    """Text in bold; of nothing, the marks alone would be a rule."""
    inner = _text(text)
    return f"{mark}{inner}{mark}" if inner else ""


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _line(text: str) -> str:
    """Text at the start of a line, where more marks have a meaning."""
    return _OPENING.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\", _text(text))


def _text(text: str) -> str:
    """One line that Markdown shows as it stands: names such as kd_T4_a0.5 must not turn into emphasis, nor
    others into links, formulas or HTML."""
    parts = COMMAND.split(one_line(text))  # text, command, text, …
    return "".join(
        f"`{part}`" if at % 2 else _MARKS.sub(r"\\\1", part) for at, part in enumerate(parts)
    ).strip()
