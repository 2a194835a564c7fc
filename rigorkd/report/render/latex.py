"""A page's tables as LaTeX, for the packages booktabs and, where one may be too wide, graphicx."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from rigorkd.report.page import COMMAND, STARRED, Page, Table, flat, lines_of, title_of
from rigorkd.report.render.latex_width import COLUMN, LEAST, LINE, fitted, width_of
from rigorkd.report.sentences import titled
from rigorkd.text import one_line

_GREEK = (
    *("beta", "gamma", "delta", "lambda", "mu", "tau", "rho", "theta", "pi", "eta", "kappa", "omega"),
    *("phi", "psi"),
)
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
    "∞": r"$\infty$",
    "≈": r"$\approx$",
    "≠": r"$\neq$",
    "·": r"$\cdot$",
    "✓": r"$\surd$",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    **{letter: f"$\\{name}$" for letter, name in zip("βγδλμτρθπηκωφψ", _GREEK, strict=True)},
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "—": "---",
}


def latex(page: Page) -> str:
    """Every table as a float with caption and label; headline, sentences and warnings as comments above."""
    labels: set[str] = set()
    made = [_table(block, page.banner, labels) for block in flat(page.everything) if isinstance(block, Table)]
    scaled = any(table.scaled for table in made)
    lines = [f"% needs \\usepackage{{booktabs{',graphicx' if scaled else ''}}}"]
    if beyond := sorted({c for table in made for c in table.text if c > _LATIN and c not in _ESCAPES}):
        lines.append(f"% needs xelatex or lualatex, and a font that has {' '.join(beyond[:20])}")
    lines += [table.small for table in made if table.small]
    opening = (page.banner, page.question, page.setting, page.short, *page.headline)
    said = [("", tuple(text for text in opening if text))]
    said += [(title_of(block).lower(), lines_of(block)) for block in flat(page.everything)]
    said.append(("warnings", tuple(one.whole for one in page.warnings)))
    for title, texts in said:
        if texts:
            lines += [f"% {escape(title)}:"] if title else []
            lines += [f"% {prose(text)}" for text in texts]
    return "\n".join([*lines, *(table.text for table in made)]) + "\n"


def escape(text: str) -> str:
    """One line of text that LaTeX prints as it stands."""
    return "".join(_ESCAPES.get(character, character) for character in one_line(text))


def prose(text: str) -> str:
    """The same of a sentence, with its commands as code; two hyphens of an option do not become a dash."""
    parts = COMMAND.split(one_line(text))  # text, command, text, …
    return "".join(
        rf"\texttt{{{text}}}" if at % 2 else text
        for at, text in enumerate("-{}-".join(map(escape, part.split("--"))) for part in parts)
    )


_LATIN = "\u024f"
"""The last of the letters that pdflatex sets unasked."""


@dataclass(frozen=True)
class _Made:
    """A table in LaTeX; `scaled` if it may be scaled to a line, `small` a comment if its letters then are."""

    text: str
    scaled: bool
    small: str = ""


def _label(title: str, taken: set[str]) -> str:
    """A label of a title; two tables of one title, as of two students, have each its own."""
    plain = re.sub(r"[^a-z0-9]+", "-", title.casefold()).strip("-")
    label = next(one for at in count(1) if (one := plain if at == 1 else f"{plain}-{at}") not in taken)
    taken.add(label)
    return label


def _table(table: Table, banner: str, labels: set[str]) -> _Made:
    """A float, which goes into a paper without the page: its caption has the banner's word."""
    spec = "".join("r" if column.numeric else "l" for column in table.columns)
    label = _label(table.title, labels)
    grid = fitted([column.heading for column in table.columns], table.texts(), table.emphasis, table.dense)
    below = ["* " * (at == 0) + f"{prose(one)}." for at, one in enumerate(table.starred)]
    below += [f"{prose(one)}." for one in table.alone]
    caption = table.whole_caption
    if table.starred:
        caption = caption.replace(STARRED, " * see below the table.")
    rows = []
    for position, row in enumerate(grid.rows):
        strong = position - 1 in table.emphasis
        cells = [
            _cell(lines, column, bold=strong, top=position > 0)
            for lines, column in zip(row, spec, strict=True)
        ]
        rows.append(_row(cells))
    scaled = grid.points > COLUMN
    command = r"\scriptsize" if table.dense else r"\footnotesize"
    size = [rf"{command}\setlength{{\tabcolsep}}{{3pt}}"] if grid.size < 1 else []
    title, words = escape(titled(table.title, [banner] if banner else [])), prose(caption)
    high = (_CAPTION * (1 + width_of(f"{title}. {words}") // LINE), sum(_CAPTION for _ in below))
    parts = grid.divided(*high)
    text = "\n".join(
        line
        for number, part in enumerate(parts)
        for line in (
            r"\begin{table}",
            r"  \centering",
            *(
                (rf"  \caption{{{title}. {words}}}", rf"  \label{{tab:{label}}}")
                if number == 0
                else (rf"  Table~\ref{{tab:{label}}}, continued: {title}.\par\smallskip",)
            ),
            *(f"  {line}" for line in (*size, *_tabular(spec, rows[0], [rows[at] for at in part], scaled))),
            *(
                rf"  \par\smallskip{{\footnotesize\raggedright {one}\par}}"
                for one in below
                if part is parts[-1]
            ),
            r"\end{table}",
        )
    )
    small = (
        f"% tab:{label}: letters of about {grid.letters:.0f} pt in a line of {LINE:.0f} pt; larger in table* "
        "of two columns, or in sidewaystable, there sidewaystable* (package rotating)"
        if grid.letters < LEAST
        else ""
    )
    return _Made(text, scaled, small)


_CAPTION = 12.0
"""Points of a line of a caption."""


def _tabular(spec: str, heading: str, rows: Sequence[str], scaled: bool) -> list[str]:
    """The lines of a table, in a box that may be scaled to its line."""
    tabular = [
        rf"\begin{{tabular}}{{{spec}}}",
        r"  \toprule",
        f"  {heading}",
        r"  \midrule",
        *(f"  {row}" for row in rows),
        r"  \bottomrule",
        r"\end{tabular}",
    ]
    if not scaled:
        return tabular
    return [  # measured where it is printed: a line may be longer or shorter than article's
        r"\setbox0=\hbox{%",
        *tabular[:-1],
        rf"{tabular[-1]}}}%",
        r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\leavevmode\box0\fi",
    ]


def _cell(lines: tuple[str, ...], column: str, *, bold: bool, top: bool) -> str:
    """A cell of one line, or of several below each other."""
    texts = [escape(line) for line in lines]
    if bold:
        texts = [rf"\textbf{{{text}}}" if text else text for text in texts]
    if len(texts) == 1:
        return texts[0]
    inside = r" \\ ".join(_opened(text) for text in texts)
    return rf"\begin{{tabular}}[{'t' if top else 'b'}]{{@{{}}{column}@{{}}}}{inside}\end{{tabular}}"


def _row(cells: list[str]) -> str:
    return f"{_opened(cells[0])}{' & '.join(['', *cells[1:]])} \\\\"


def _opened(text: str) -> str:
    """After a rule or the end of a row, a bracket or a star would be taken for an option of it."""
    return f"{{}}{text}" if text.startswith(("[", "*", "(")) else text
