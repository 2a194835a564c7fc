"""A page's tables as LaTeX, for the booktabs package."""

from __future__ import annotations

import re

from rigorkd.report.page import STARRED, Page, Table, flat, lines_of, title_of
from rigorkd.text import one_line

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "α": r"$\alpha$",
    "σ": r"$\sigma$",
    "ε": r"$\varepsilon$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "→": r"$\to$",
    "–": "--",
    "…": r"\dots{}",
    "√": r"$\surd$",
    "χ": r"$\chi$",
    "²": r"$^2$",
    "Δ": r"$\Delta$",
    "<": "$<$",
    ">": "$>$",
    "•": r"\textbullet{}",
    "|": r"\textbar{}",
}


def latex(page: Page) -> str:
    """Every table as a float with caption and label; headline, sentences and warnings as comments above."""
    lines = ["% needs \\usepackage{booktabs}"]
    opening = (page.banner, page.question, page.setting, page.short, *page.headline)
    said = [("", tuple(text for text in opening if text))]
    said += [(title_of(block).lower(), lines_of(block)) for block in flat(page.everything)]
    said.append(("warnings", tuple(one.whole for one in page.warnings)))
    for title, texts in said:
        if texts:
            lines += [f"% {escape(title)}:"] if title else []
            lines += [f"% {escape(text)}" for text in texts]
    tables = [_table(block) for block in flat(page.everything) if isinstance(block, Table)]
    return "\n".join([*lines, *tables]) + "\n"


def escape(text: str) -> str:
    """One line of text that LaTeX prints as it stands."""
    return "".join(_ESCAPES.get(character, character) for character in one_line(text))


def _table(table: Table) -> str:
    spec = "".join("r" if column.numeric else "l" for column in table.columns)
    label = re.sub(r"[^a-z0-9]+", "-", table.title.casefold()).strip("-")
    below = ["* " * (at == 0) + f"{escape(one)}." for at, one in enumerate(table.starred)]
    caption = table.caption
    if below:
        caption = caption.replace(STARRED, " * see below the table.")
    rows = []
    for position, row in enumerate(table.texts()):
        cells = [escape(text) for text in row]
        if position in table.emphasis:
            cells = [rf"\textbf{{{text}}}" if text else text for text in cells]
        rows.append(_row(cells))
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            *([r"  \scriptsize\setlength{\tabcolsep}{3pt}"] if table.dense else []),
            rf"  \caption{{{escape(table.title)}. {escape(caption)}}}",
            rf"  \label{{tab:{label}}}",
            rf"  \begin{{tabular}}{{{spec}}}",
            r"    \toprule",
            _row([escape(column.heading) for column in table.columns]),
            r"    \midrule",
            *rows,
            r"    \bottomrule",
            r"  \end{tabular}",
            *(rf"  \par\smallskip{{\footnotesize\raggedright {text}\par}}" for text in below),
            r"\end{table}",
        ]
    )


def _row(cells: list[str]) -> str:
    # After a rule or the end of a row, a bracket or a star would be taken for an option of it.
    opened = "{}" if cells[0].startswith(("[", "*", "(")) else ""
    return f"    {opened}{' & '.join(cells)} \\\\"
