"""A page's tables as LaTeX, for the booktabs package."""

from __future__ import annotations

import re

from rigorkd.report.page import Page, Table

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
}


def latex(page: Page) -> str:
    """Every table as a float with caption and label; headline, sentences and warnings as comments above."""
    lines = ["% needs \\usepackage{booktabs}"]
    for heading, texts in (
        ("", (page.banner,) if page.banner else ()),
        ("", page.headline),
        ("in words", page.sentences),
        ("notes", page.notes),
        ("warnings", page.warnings),
    ):
        if texts:
            lines += [f"% {heading}:"] if heading else []
            lines += [f"% {escape(text)}" for text in texts]
    return "\n".join([*lines, *(_table(table) for table in page.tables)]) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_ESCAPES.get(character, character) for character in text).replace("\n", " ")


def _table(table: Table) -> str:
    spec = "".join("r" if column.numeric else "l" for column in table.columns)
    label = re.sub(r"[^a-z0-9]+", "-", table.title.casefold()).strip("-")
    rows = []
    for position, row in enumerate(table.rows):
        cells = [escape(text) for text in row]
        if position in table.emphasis:
            cells = [rf"\textbf{{{text}}}" if text else text for text in cells]
        rows.append("    " + " & ".join(cells) + r" \\")
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            *([r"  \scriptsize\setlength{\tabcolsep}{3pt}"] if table.dense else []),
            rf"  \caption{{{escape(table.title)}. {escape(table.caption)}}}",
            rf"  \label{{tab:{label}}}",
            rf"  \begin{{tabular}}{{{spec}}}",
            r"    \toprule",
            "    " + " & ".join(escape(column.heading) for column in table.columns) + r" \\",
            r"    \midrule",
            *rows,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )
