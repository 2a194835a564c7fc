"""How tables are printed: mean and spread in one cell, marks of the best, names of columns in any case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rigorkd_analysis.columns import METHOD_WORDS, is_cost, plain_name
from rigorkd_analysis.published.printed_arrows import (
    ARROW,
    PLAIN,
    SIGNS,
    results_led,
    without_arrows,
    without_gain,
)
from rigorkd_analysis.published.printed_columns import Lined, aligned_tables
from rigorkd_analysis.published.printed_commas import pointed
from rigorkd_analysis.published.printed_html import html_tables
from rigorkd_analysis.published.printed_marks import (
    LONGEST,
    braced,
    without_commands,
    without_links,
    without_markdown,
)
from rigorkd_analysis.published.printed_nearly import (
    about,
    filled,
    in_columns,
    is_nearly_number,
    may_head,
    numbers_in,
)
from rigorkd_analysis.published.printed_seeds import ABOUT
from rigorkd_analysis.published.printed_spread import spread_name
from rigorkd_analysis.published.spread_words import meant_by
from rigorkd_analysis.table_error import TableError

Row = Mapping[str, str]

KNOWN = ("cell", "run", "method", "model", "student", "teacher", "n_test", "n_seeds", "seeds", "seed", "n",
         "t", "p", "test_top1", "top1")  # fmt: skip
"""Columns that the audit knows by name, whatever their case."""

_COMMANDS = re.compile(
    r"\\(?:mathbf|textbf|mathrm|text|textit|texttt|textsc|textsf|textrm|textsubscript|textsuperscript|emph"
    r"|underline|boldsymbol|bm|mathit|mathcal|mbox|scriptsize|small|footnotesize|tiny|large|normalsize|bf|it|rm"
    r"|bfseries|itshape|scshape|best|second|displaystyle)(?![a-zA-Z])\s*"
    r"|\\(?:makecell|shortstack|thead)\s*(?:\[[^\]]*\])?(?=\{)"
    r"|\\(?:cellcolor|rowcolor|textcolor|color|rotatebox|hspace\*?|phantom|vspace\*?)(?:\[[^\]]*\])?\{[^{}]*\}\s*"
)
_SIGN = re.compile(r"\\([a-zA-Z]+)\s*")
_SIGNS = {
    **SIGNS,
    **dict.fromkeys(("times", "xmark", "XSolid", "XSolidBrush"), "×"),
    **dict.fromkeys(("checkmark", "cmark", "Checkmark", "CheckmarkBold"), "✓"),
    **dict.fromkeys(("rightarrow", "textrightarrow", "to"), "→"),
    **dict.fromkeys(("cdot", "bullet", "textbullet"), "·"),
    **dict.fromkeys(("quad", "qquad", "enspace", "thinspace", "nobreakspace"), " "),
    **dict.fromkeys(("dagger", "dag", "textdagger"), "†"),
    **dict.fromkeys(("ddagger", "ddag", "textdaggerdbl"), "‡"),
    **dict.fromkeys(("ast", "textasteriskcentered"), "*"),
    **dict.fromkeys(("S", "textsection"), "§"),
    **dict.fromkeys(("P", "textparagraph"), "¶"),
    **dict(zip(("alpha", "beta", "gamma", "lambda", "mu", "tau", "Delta"), "αβγλμτΔ", strict=True)),
}
"""Signs by LaTeX's names for them, as a screen shows them: methods are called `w/o` and `2×`."""
_TWO_NUMBERS = 80
"""Characters that a mean, its spread and a word for it may take."""
_SPREAD = re.compile(r"\\(?:std|sd|pms?|stdv|error)\{([^{}]*)\}")
_MARKS = re.compile(
    r"(?<=[\d%)])\s*\^?(?:[*†‡§¶↑↓]+|\\(?:dagger|ddagger|ast)\b)|^\s*[*†‡]+(?=\d)"
    r"|(?<=[\d%])\s*\(\s*[*†‡§¶]*\s*\)$"  # two stars in brackets were taken for bold
)
_NUMBER = rf"[+-]?{PLAIN}"
_RELATIVE = re.compile(rf"(?<=\d)\s*[(\[]\s*[+-]?{PLAIN}\s*%\s*[)\]]$")
_ENDS = re.compile(
    rf"(?<=[\d%])\s*[(\[]\s*(?:[+-]?{PLAIN}\s*%?\s*(?:,\s+|;|to|\.\.\.)\s*[+-]?{PLAIN}"
    r"|[+-]?\d*\.\d+%?,[+-]?\d*\.\d+)\s*%?\s*[)\]]$"  # (0,2) has a decimal comma
)
_ARROWS = re.compile(rf"\s*{ARROW}\s*$")
_UNIT = r"(?:%|(?:pp|p\.p\.|pts?\.?|points?)(?![a-z]))"
_BOTH = re.compile(
    rf"^({_NUMBER})\s*%?\s*(?:(?:±|\+/-|\+-)\s*({PLAIN})|[(\[]\s*(?:±|\+/-|\+-)?\s*({PLAIN})\s*{_UNIT}?\s*[)\]]"
    rf"|[_^]\s*(?:±\s*)?({PLAIN}))\s*{_UNIT}?$",
    re.IGNORECASE,
)
_BRACKETED = re.compile(rf"{_NUMBER}\s*%?\s*[(\[]\s*{PLAIN}\s*{_UNIT}?\s*[)\]]", re.IGNORECASE)
"""A number behind a mean of which neither a sign nor a word says what it is."""
_WHOLE = re.compile(r"^[(\[](.*[±(+].*)[)\]]\s*%?$")  # (71.3 ± 0.2) %
_WORDED = re.compile(
    rf"^({_NUMBER}\s*%?)\s*[(\[,;]?\s*(?:±\s*)?([^\W\d_][^\d()\[\]±=:]*?)\s*[=:]?\s*±?\s*({PLAIN}\s*%?)\s*[)\]]?$"
    rf"|^({_NUMBER}\s*%?\s*(?:±|\+/-|\+-)\s*{PLAIN}\s*%?)\s*(?:[(\[]([^()\[\]±=:]*)[)\]]|([^\W\d_][^\d()\[\]±=:]*))$",
    re.IGNORECASE,
)
"""A mean and its spread with the word for it: `71.3 (SE 0.2)`, `71.3 ± 0.2 (SE)`."""
_LAST_DIGITS = re.compile(
    rf"^(?=[^(\[]*\.){_NUMBER}\s*%?\s*[(\[]\s*\d{{1,3}}\s*[)\]]$|^{_NUMBER}\s*%?\s*[_^]\s*\d+$", re.IGNORECASE
)
"""Whole numbers behind a mean: its spread, that of its last digits (0.713(2) is ± 0.002), a rank, a power."""
_FOOTNOTE = re.compile(r"(?<=[\d%)])(?:\s*\^\s*(?:\d{1,2}|[a-z](?:,[a-z])*)|[¹²³⁰⁴-⁹ᵃᵇᶜ]+)$", re.IGNORECASE)
_RAISED = re.compile(r"(?<=[\d%)])\s*<sup>\s*(?=[\w*†‡.+-])", re.IGNORECASE)
_LOWERED = re.compile(r"(?<=[\d%])\s*<(?:sub|small)>\s*(?=[\d.])", re.IGNORECASE)


def unmarked(text: str) -> str:
    """A printed cell without what only makes it look so: bold, underlined, coloured, cited, starred."""
    if len(text) > LONGEST:
        return text
    text = without_gain(_plainly(text))  # 73.3 (+0.8) is a value and its gain, no spread
    text = _RELATIVE.sub("", text.strip())  # 2.34 (8.04%) is a value and its share of another
    text = _ENDS.sub("", text.strip())  # 39.17 [37.17, 41.20] is a value and its interval
    return _MARKS.sub("", without_arrows(text.strip())).strip()


def as_shown(text: str) -> str:
    """A printed cell with its signs as a screen shows them, marks and all."""
    return text if len(text) > LONGEST else " ".join(_plainly(text).split())


def _plainly(text: str) -> str:
    """A printed cell with all that it shows, and without its commands, links, emphasis and footnotes."""
    text = without_links(without_commands(text))
    text = _SPREAD.sub(r" ± \1", text)
    text = re.sub(r"\\(?:text)?pm(?![a-zA-Z])|&plusmn;|&#177;|&#xb1;", "±", text, flags=re.IGNORECASE)
    text = _LOWERED.sub("_", _RAISED.sub("^", text))
    previous = None
    while previous != text:
        previous, text = text, _COMMANDS.sub("", text)
    text = re.sub(r"\\ding\s*\{(5[1256])\}", lambda found: "✓" if found[1] in "5152" else "×", text)
    text = _SIGN.sub(lambda found: _SIGNS.get(found[1], found[0]), text)
    text = text.replace("\\%", "%").replace("\\&", "&").replace("~", " ").replace("\\,", "")
    text = re.sub(r"[{}$]", "", text).replace("−", "-").replace("–", "-")
    text = re.sub(r"^\s*(?:≈|\\(?:approx|sim)(?![a-z]))\s*(?=[\d.])", "", text)
    text = without_markdown(text).replace("**", "").replace("\\_", "_")
    text = re.sub(r"\^\s*(?=[*†‡§¶])", "", text)
    if "." in text:  # a power of ten has a whole number before it
        text = _FOOTNOTE.sub("", text.strip())
    return text.strip()


def _shows_gain(text: str) -> bool:
    """Whether a signed number stands in brackets behind a value."""
    return len(text) <= LONGEST and without_gain(plain := _plainly(text)) != plain


def value_and_spread(text: str) -> tuple[str, str] | None:
    """`72.50 ± 0.20`, `72.5(0.2)` and the like as two numbers, None for a cell that is not both."""
    found = _both(unmarked(text))
    return None if found is None else found[:2]


def _both(plain: str) -> tuple[str, str, str] | None:
    """The mean, the spread and the word for the spread ("" for none) of a cell without marks."""
    plain = " ".join(plain.split())
    if len(plain) > _TWO_NUMBERS or is_unclear(plain):
        return None
    if whole := _WHOLE.fullmatch(plain):
        plain = whole[1].strip()
    if found := _BOTH.fullmatch(plain):
        return found[1], next(part for part in found.groups()[1:] if part is not None), ""
    worded = _WORDED.fullmatch(plain)
    word = (worded[2] or worded[5] or worded[6] or "") if worded else ""
    if worded is None or meant_by(word) is None:
        return None
    joined = f"{worded[1]} ± {worded[3]}" if worded[1] else worded[4]
    found = _BOTH.fullmatch(joined)
    return (found[1], found[2], word) if found else None


def is_unclear(plain: str) -> bool:
    """Whether a whole number stands behind a mean of which nothing says what it is."""
    return _LAST_DIGITS.fullmatch(plain) is not None


def cleaned(rows: Sequence[Row], caption: str = "") -> list[Row]:
    """The rows with known columns by their names, cells without marks, and mean and spread in two columns.

    What the spreads are, headings and the caption say; their column's name keeps it.
    """
    if not rows:
        return []
    rows = in_columns(rows, unmarked)
    names = {column: _name_of(column, [row.get(column) or "" for row in rows]) for column in rows[0]}
    taken = Counter(names.values())
    names = {column: known if taken[known] == 1 else column for column, known in names.items()}
    texts = {column: [row.get(column) or "" for row in rows] for column in names}
    plain = {column: results_led(pointed([unmarked(text) for text in own])) for column, own in texts.items()}
    pairs = {column: [_both(text) for text in own] for column, own in plain.items()}
    for column, at in _unsigned_gains(texts, plain):
        plain[column][at] = re.split(r"[(\[]", plain[column][at])[0].strip()
        pairs[column][at] = None
    both = {column for column, found in pairs.items() if any(found)}
    spread = {
        column: spread_name(names[column], list(rows[0]), caption, _words_in(pairs[column]))
        for column in both
    }
    percent = {column for column, own in plain.items() if _all_percent(own)}
    out: list[Row] = []
    for at in range(len(rows)):
        made: dict[str, str] = {}
        for column, name in names.items():
            text, bare, pair = texts[column][at], plain[column][at], pairs[column][at]
            if pair is not None:
                made[name], made[spread[column]] = pair[:2]
            else:
                bare = re.sub(rf"^±\s*(?={PLAIN}\s*%?$)", "", bare)
                # a share of the data may name a row, and a range is no value
                if column in percent and name not in _NAMING and re.fullmatch(rf"{_NUMBER}\s*%", bare):
                    bare = bare.removesuffix("%").strip()
                made[name] = bare if bare != text else text
                if column in both:
                    made.setdefault(spread[column], "")
        out.append(made)
    return out


def _unsigned_gains(
    texts: Mapping[str, Sequence[str]], plain: Mapping[str, Sequence[str]]
) -> list[tuple[str, int]]:
    """Where a number in brackets is a gain whose sign was forgotten: `72.52(0.74)` below `72.53(+1.87)`.

    Signed gains stand in its column, which has no ±; or it is alone in its column, and they are in its row.
    """
    brackets = {
        column: [at for at, text in enumerate(own) if _BRACKETED.fullmatch(text)]
        for column, own in plain.items()
    }
    brackets = {
        column: places
        for column, places in brackets.items()
        if places and not any("±" in text or "+-" in text or "+/-" in text for text in plain[column])
    }
    found = []
    for column, places in brackets.items():
        others = [text for at, text in enumerate(texts[column]) if at not in places]
        if any(map(_shows_gain, others)):
            found += [(column, at) for at in places]
        elif len(places) == 1 < len(others):
            (at,) = places
            if any(_shows_gain(own[at]) for name, own in texts.items() if name != column):
                found.append((column, at))
    return found


def _words_in(pairs: Iterable[tuple[str, str, str] | None]) -> str:
    """The words for a spread in the cells of a column, in brackets as a heading has them."""
    return " ".join(sorted({f"({pair[2]})" for pair in pairs if pair is not None and pair[2]}))


def _all_percent(texts: Iterable[str]) -> bool:
    """Whether all values of a column have a percent sign: where some have none, one may be a fraction.

    Words, as of a run in progress, and what is not read, such as a range, are no values, if they are few.
    """
    there = [re.sub(r"^±\s*", "", text) for text in texts if text.casefold() not in _MISSING]
    read = [text for text in there if re.fullmatch(rf"{_NUMBER}\s*%?", text) or _both(text) is not None]
    words = [text for text in there if text not in read and not re.match(r"[~≈+-]?\s*\.?\d", text)]
    return len(read) > len(words) and all(re.fullmatch(rf"{_NUMBER}\s*%", text) for text in read)


_NAMING = frozenset({"cell", "run", "method", "model", "student", "teacher"})
_ROLES = frozenset({"student", "teacher"})
_MISSING = frozenset({"", "-", "--", "---", "–", "—", "n/a"})
"""Cells in which nothing stands."""
RESULTS_OF_ROLES = frozenset(map(str.capitalize, _ROLES))
"""Columns called by what a row is of, where they hold results: in tables of pairs, or turned round."""


def _name_of(column: str, texts: Sequence[str]) -> str:
    """A column as it is called here; one that is called by its role, and holds results, as `Student`.

    `| Teacher → Student | Teacher | Student | KD |` has an accuracy below `Student`: rows are of one student
    where they name it, and not where they came to one accuracy.
    """
    name = known_name(column)
    if name not in _ROLES:
        return name
    plain = [unmarked(text).strip() for text in texts]
    there = [text for text in plain if text.casefold() not in _MISSING]
    measured = [
        "." in text and (re.fullmatch(rf"{_NUMBER}\s*%?", text) is not None or _both(text) is not None)
        for text in there
    ]
    return name.capitalize() if there and all(measured) else name


def known_name(column: str) -> str:
    """A column as it is called here, if it is known: `top1` for `Top-1`."""
    name = unmarked(column)
    folded = re.sub(r"[\s-]+", "_", name.casefold())
    folded = _ALSO.get(folded, folded)
    return folded if folded in KNOWN and name != "T" else name  # a temperature, where t is a statistic


_ALSO = {
    "top_1": "top1", "#seeds": "n_seeds", "num_seeds": "n_seeds", "runs": "n", "test_samples": "n_test",
    "test_images": "n_test", "#test_images": "n_test", "#test_samples": "n_test",
}  # fmt: skip
"""Other names of known columns."""


def first_name(rows: Sequence[Row]) -> str | None:
    """The column of words that names the rows where no known column does: that of methods, else the first.

    A word that spans all rows names none of them, if another column does.
    """
    words: dict[str, set[str]] = {}
    for at, column in enumerate(rows[0] if rows else ()):
        texts = [row.get(column) or "" for row in rows]
        if all(texts) and not any(re.fullmatch(rf"{_NUMBER}%?", text) for text in texts):
            words.update({column: set(texts)} if at == 0 or not is_cost(column) else {})
    words = {column: own for column, own in words.items() if not is_yes_or_no(own)} or words
    methods = {column: own for column, own in words.items() if len(own) > 1 and _of_methods(column)}
    words = methods or words
    return next((column for column, own in words.items() if len(own) > 1), next(iter(words), None))


_OF_METHODS = frozenset(map(plain_name, (*METHOD_WORDS, "methods", "name", "names", "technique")))


def _of_methods(column: str) -> bool:
    return plain_name(column) in _OF_METHODS


def is_yes_or_no(texts: Iterable[str]) -> bool:
    """Whether words answer what their column asks, and name nothing without it."""
    return {text.casefold() for text in texts} <= _ANSWERS


_ANSWERS = frozenset(("true", "false", "yes", "no", "✓", "×", "✗", "on", "off", ""))


# ------------------------------------------------------------------------------------------ pasted tables


def pasted_rows(text: str) -> list[dict[str, str]] | None:
    """The rows of a Markdown or LaTeX table in a text, None if there is none in it; see `pasted_table`."""
    found = pasted_table(text)
    return None if found is None else found[0]


def captions_in(text: str, spaced: bool = False) -> list[str]:
    """What is written of each of the tables in a text."""
    tables = _tables_in(text, spaced)
    return [caption_of(text, [at for at, _ in rows] or [line]) for line, rows in tables]


def _tables_in(text: str, spaced: bool) -> list[tuple[int, list[Lined]]]:
    is_latex = re.search(r"(?<!\\)&", text) and "\\\\" in text
    tables = _latex_tables(text) if is_latex else [*_markdown_tables(text), *html_tables(text)]
    if not tables and spaced:
        tables = aligned_tables(text, _is_value)
    return [(line, rows) for line, rows in tables if any(_is_value(cell) for _, row in rows for cell in row)]


def pasted_table(
    text: str, begins: int | None = None, spaced: bool = False
) -> tuple[list[dict[str, str]], list[int]] | None:
    """The rows of a Markdown or LaTeX table in a text and the line of each, None if there is none in it.

    Args:
        begins: the line on which the table begins, where there are several; None takes the only one.
        spaced: whether a table may be one that spaces alone hold in columns.

    Raises:
        TableError: there are several tables, or none begins there; says on which lines they do.
    """
    tables = _tables_in(text, spaced)
    listed = ", ".join(str(line) for line, _ in tables[:20])
    if begins is not None:
        tables = [(line, rows) for line, rows in tables if line == begins]
        if not tables:
            raise TableError(f"no table begins on line {begins}", hint=f"they do on {listed or 'none'}")
    if len(tables) > 1:
        raise TableError(
            f"{len(tables)} tables, from lines {listed}",
            hint=f"audit one at a time: give --line {tables[0][0]}, or another of these",
        )
    rows = tables[0][1] if tables else []
    # no row is a heading over all columns
    rows = [(at, row) for at, row in rows if any(row) and (len(set(row)) > 1 or len(row) == 1)]
    if len(rows) < 2:
        return None
    width = max(len(row) for _, row in rows)
    rows = [(at, [*row, *[""] * (width - len(row))]) for at, row in rows]
    header, body = rows[0][1], [one for row in rows[1:] for one in _lines_apart(row)]
    # what a spanning heading (Teacher Model) spans may be called by numbers: the heading on the left goes on
    goes_on = bool(header[0]) and bool(body) and body[0][1][0] == header[0]
    if (
        len(body) > 1
        and (
            goes_on or (not any(map(_is_value, body[0][1])) and may_head(text, rows[0], body[0][1], unmarked))
        )
        and any(map(_is_value, body[1][1]))
    ):
        second = body[0][1]
        header = [" ".join(dict.fromkeys(filter(None, pair))) for pair in zip(header, second, strict=True)]
        body = body[1:]
    names: dict[str, None] = {}
    for position, name in enumerate(header):
        own = " ".join(_ARROWS.sub("", unmarked(name)).split()) or f"column {position + 1}"
        names[own if own not in names else f"{own} ({position + 1})"] = None
    held = {at for _, row in body for at, cell in enumerate(row) if _is_value(cell)}
    body = [
        (line, row)
        for line, row in body
        if any(_is_value(cell) or (at in held and is_nearly_number(cell)) for at, cell in enumerate(row))
    ]
    if not body:
        return None
    body = filled(body, [_is_value(cell) for _, row in body for cell in row[1:2]])
    return [dict(zip(names, row, strict=True)) for _, row in body], [at for at, _ in body]


_TABLE = r"(?:[a-zA-Z]*table|longtable)\*?"
_ABOVE, _BELOW = 8, 4
"""Lines of text around a table that may be about it."""


def caption_of(text: str, lines: Sequence[int]) -> str:
    """What is written of a pasted table with rows on these lines: its caption, or the lines around it."""
    every = text.splitlines()
    at = sum(len(line) + 1 for line in every[: lines[0] - 1])
    text = "\n".join(every)
    begun = list(re.finditer(rf"\\begin\{{{_TABLE}\}}", text[:at]))
    ended = re.compile(rf"\\end\{{{_TABLE}\}}").search(text, at)
    if begun and ended:
        inside = text[begun[-1].end() : ended.start()]
        found = re.finditer(r"\\caption(?:of\{table\})?\*?\s*(?=[{\[])", inside)
        notes = re.split(r"\\end\{(?:tab|long)[^}]*\}", inside)[-1]
        notes = re.sub(r"\\(?:caption|label)(?:of)?\*?\s*(?:\{table\})?.*", "", notes, flags=re.DOTALL)
        return "\n".join([*(_argument(inside, one.end())[0] for one in found), notes.strip()]).strip()
    is_row = re.compile(r"\||&.*\\\\|\\(?:begin|end|[a-z]*(?:rule|line))\b")
    first, last = lines[0] - 1, lines[-1]
    while first and (is_row.search(every[first - 1]) or not every[first - 1].strip()):
        first -= 1
    while last < len(every) and (is_row.search(every[last]) or not every[last].strip()):
        last += 1
    above, below = list[str](), list[str]()
    for own, side, most in ((above, every[:first][::-1], _ABOVE), (below, every[last:], _BELOW)):
        for line in side:
            if is_row.search(line) or len(own) == most or (own is below and line.startswith("#")):
                break
            own += [line] if line.strip() else []
            if line.startswith("#"):
                break
    parts = "\n".join(above[::-1]), "\n".join(below)
    return "\n".join(part for part in parts if ABOUT.search(part))


def _lines_apart(row: Lined) -> list[Lined]:
    """A row whose cells hold a value on each of several lines (`Teacher <br> Student`), as a row per line."""
    at, cells = row
    parts = [re.split(r"<br\s*/?>", cell, flags=re.IGNORECASE) if cell else [] for cell in cells]
    if len({len(part) for part in parts if part}) != 1:
        return [row]
    lines = [
        list(line) for line in zip(*(part or [""] * max(map(len, parts)) for part in parts), strict=True)
    ]
    if len(lines) < 2 or not all(any(map(_is_value, line)) for line in lines):
        return [row]
    return [(at, [cell.strip() for cell in line]) for line in lines]


def _is_value(text: str) -> bool:
    plain = unmarked(text)
    single = re.fullmatch(rf"{_NUMBER}\s*%?", plain) is not None
    return single or value_and_spread(text) is not None or bool(numbers_in(plain))


def _markdown_tables(text: str) -> list[tuple[int, list[Lined]]]:
    """The tables of a text, each with its first line; lines without a rule continue the table above them."""
    tables: list[tuple[int, list[Lined]]] = []
    begin, ruled, rows = 0, False, list[Lined]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        line = line.strip()
        if "|" in line:
            begin = begin or number
            if re.fullmatch(r"[|:\s+=-]+", line):
                ruled = True
            else:
                cells = line.replace("\\|", "\0").strip("|").split("|")
                rows.append((number, [about(cell.strip().replace("\0", "|")) for cell in cells]))
        elif rows:
            if ruled or not tables:
                tables.append((begin, rows))
            else:
                tables[-1][1].extend(rows)
            begin, ruled, rows = 0, False, []
    return tables


_RULES = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|centering)\b"
    r"|\\(?:cmidrule|cline)(?:\([^)]{0,99}\))?\{[^}]{0,99}\}"
    r"|\\(?:addlinespace|noalign)(?:\[[^\]]{0,99}\]|\{[^}]{0,99}\})?"
)


_WHERE = re.compile(r"\\href\s*\{[^{}\n]*\}")
"""The address of a link, in which % and & are no comment and no next cell."""


def _latex_tables(text: str) -> list[tuple[int, list[Lined]]]:
    """The tables of a text, each with its first line; a text without an environment is the inside of one."""
    text = re.sub(r"(?<!\\)%.*", "", _WHERE.sub(r"\\href{}", text))
    inside: list[tuple[int, int, int]] = []
    ended, line, counted = 0, 1, 0
    endless: set[str] = set()
    for begin in re.finditer(r"\\begin\{(tabular[x*]?|longtable|array)\}", text):
        if begin.start() < ended or begin[1] in endless:
            continue
        end = text.find(f"\\end{{{begin[1]}}}", begin.end())
        if end < 0:
            endless.add(begin[1])
            continue
        line, counted = line + text.count("\n", counted, begin.start()), begin.start()
        inside.append((line, begin.end(), end))
        ended = end
    if not inside:
        return [(1, _latex_rows(text, 1, False))]
    return [(at, _latex_rows(text[begin:end], at, True)) for at, begin, end in inside]


def _latex_rows(body: str, begins_on: int, begins: bool) -> list[Lined]:
    if begins:  # with its position, width and columns
        head = re.match(r"\s*(?:\[[^\]]*\])?(?:\{[^{}]*\})?\s*\{(?:[^{}]|\{[^{}]*\})*\}", body)
        body = "\n" * head[0].count("\n") + body[head.end() :] if head else body
    body = _one_lined(_RULES.sub("", body))
    rows: list[Lined] = []
    filling: dict[int, tuple[str, int]] = {}
    here = begins_on
    for line, end in re.findall(r"(.*?)(\\\\(?:\[[^\]]*\])?|\\tabularnewline|\Z)", body, re.DOTALL):
        begun = here + line[: len(line) - len(line.lstrip())].count("\n")
        here += line.count("\n") + end.count("\n")
        cells: list[str] = []
        for cell in re.split(r"(?<!\\)&", line):
            text, wide, tall = _spanned(" ".join(cell.split()))
            for position in range(len(cells), len(cells) + wide) if abs(tall) > 1 else ():
                if tall > 0:
                    filling[position] = (text, tall)
                for _, above in rows[tall + 1 :] if tall < 0 else ():  # it stands in the last of its rows
                    if position < len(above):
                        above[position] = above[position] or text
            cells += [text] * wide
        for position, (word, left) in list(filling.items()):
            if left > 0 and position < len(cells):
                cells[position] = cells[position] or word
                filling[position] = (word, left - 1)
        if any(cells):
            rows.append((begun, cells))
    return rows


_SPANS = re.compile(r"\\multi(column|row)(?![a-zA-Z])\*?")


def _spanned(cell: str) -> tuple[str, int, int]:
    """A cell's text, and how many columns and rows it spans; negative for rows above it."""
    wide = tall = 1
    while found := _SPANS.search(cell):
        number, at = _argument(cell, found.end())
        _, at = _argument(cell, at)
        text, at = _argument(cell, at)
        many = int(number) if re.fullmatch(r"[+-]?\d{1,4}", number) else 1
        if found[1] == "column":
            wide = max(1, min(many, 64))
        else:
            tall = many
        cell = f"{cell[: found.start()]}{text}{cell[at:]}"
    return cell, wide, tall


def _argument(text: str, at: int) -> tuple[str, int]:
    """The argument of a command that begins at a place, and where it ends; options before it are skipped."""
    while skipped := re.compile(r"\s+|\[[^\]]*\]").match(text, at):
        at = skipped.end()
    if not text.startswith("{", at):
        return text[at : at + 1], min(at + 1, len(text))
    return braced(text, at)


def _one_lined(body: str) -> str:
    """Rows and fields end outside braces alone: a line break within a cell is a space."""
    if body.count("{") - body.count("\\{") != body.count("}") - body.count("\\}"):
        return body
    out, depth, at = [], 0, 0
    while at < len(body):
        pair = body[at : at + 2]
        if pair.startswith("\\"):
            out.append("  " if pair == "\\\\" and depth > 0 else pair)
            at += 2
            continue
        depth += {"{": 1, "}": -1}.get(body[at], 0)
        out.append(body[at])
        at += 1
    return "".join(out)
