"""A page as what a notebook shows below a cell: HTML without a frame, styles of its own or figures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rigorkd.report.page import Page, Prose, Table, flat


def fragment(page: Page) -> str:
    """A page for a notebook's cell; everything is escaped, and characters that print nothing are left out."""
    parts = [f"<p><strong>{_safe(text)}</strong></p>" for text in (page.banner, *page.headline[:1]) if text]
    parts += [f"<p>{_safe(text)}</p>" for text in page.headline[1:]]
    parts += [_table_fragment(table) for table in page.tables if not table.dense]
    parts += [f"<p>Warning: {_safe(said.whole)}</p>" for said in page.warnings]
    prose = [block for block in flat(page.blocks) if isinstance(block, Prose)]
    if more := "".join(f"<li>{_safe(said.whole)}</li>" for block in prose for said in block.lines):
        parts.append(
            f"<details><summary>In sentences, and what they rest on</summary><ul>{more}</ul></details>"
        )
    return f'<div class="rigorkd">{"".join(parts)}</div>'


def _table_fragment(table: Table) -> str:
    aligned = ["right" if column.numeric else "left" for column in table.columns]

    def row(cells: Sequence[str], tag: str, weight: str) -> str:
        styles = [f"text-align:{side};font-weight:{weight}" for side in aligned]
        both = zip(styles, cells, strict=True)
        return (
            "<tr>"
            + "".join(f'<{tag} style="{style}">{_safe(text)}</{tag}>' for style, text in both)
            + "</tr>"
        )

    head = row([column.heading for column in table.columns], "th", "bold")
    body = [
        row(cells, "td", "bold" if at in table.emphasis else "normal")
        for at, cells in enumerate(table.texts())
    ]
    return (
        f"<h4>{_safe(table.title)}</h4><table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"
        + f'<p style="font-size:smaller">{_safe(table.whole_caption)}</p>' * bool(table.whole_caption)
    )


def _safe(text: str) -> str:
    return escape("".join(character for character in text if character.isprintable() or character == "\n"))
