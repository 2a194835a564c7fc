"""CSV and its relatives: commas, semicolons, tabs or bars, whatever the encoding says of itself."""

from __future__ import annotations

import codecs
import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from rigorkd_analysis.published.printed_marks import without_markdown

from rigorkd.errors import InputError
from rigorkd.readers.grid import Grid, is_number, table_from
from rigorkd.readers.known_names import NAMED, PARAMETERS, canonical, seed_in
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.text import count, some_of, untyped

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_KINDS = {",": "CSV", ";": "CSV with semicolons", "\t": "TSV", "|": "table with bars"}

OWN = "# rigorkd import/1"
"""The first line of a table that `rigorkd import` wrote."""


def is_own(path: Path) -> bool:
    """Whether a file is a table that `rigorkd import` wrote: its settings stand in comments above it."""
    with path.open("rb") as stream:
        return stream.read(len(OWN)) == OWN.encode()


class _RowError(Exception):
    """What csv says of a row, and the line on which the row begins."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_delimited(file: str, content: bytes, asked: Reading) -> RawTable:
    """Read a delimited file.

    Raises:
        InputError: it is no text, or no table; says on which line.
    """
    if asked.encoding is None and b"\0" in content[:4096] and not any(map(content.startswith, _WIDE)):
        raise InputError(f"{file}: not text (byte 0 in it)", hint="give a CSV, or --encoding utf-16")
    text = decoded(file, content, asked.encoding)
    if "\0" in text[:4096]:
        raise InputError(f"{file}: not text (byte 0 in it)", hint="give a CSV, or --encoding utf-16")
    if file.casefold().endswith(".tex") or "\\begin{tabular" in text[:65536]:
        raise InputError(
            f"{file}: LaTeX, which prints numbers of a paper and no runs",
            hint=f"`rigorkd audit {file}` says what a printed table supports; analyze needs one row per run",
        )
    text, around = _table_in_markdown(file, text)
    if around is None and file.casefold().endswith((".md", ".markdown")):
        raise InputError(
            f"{file}: no table in Markdown in it",
            hint="give a table with one row per run, in CSV or Markdown",
        )
    delimiter = "|" if around is not None else delimiter_of(text, file)
    try:
        comments, rows, lines = _rows(file, text, delimiter)
    except _RowError as error:
        raise InputError(
            f"{file}:{error.line}: not a CSV ({error})",
            hint="close every quote that is opened, and write a quote inside quotes twice",
        ) from None
    if around is not None:
        rows, lines = _marked_down(rows, lines)
    settings = _settings(comments) if comments[:1] == [OWN] else {}
    if (line := spaced(rows, lines)) is not None:
        raise unparted(file, line)
    notes = [] if settings or not comments else [f"{file}: {len(comments)} comment lines"]
    notes += [f"{file}: {around}"] if around else []
    if comments and not settings and rows and _numeric(rows[0]):
        name = next(csv.reader([comments[-1].lstrip("# ")], delimiter=delimiter))
        if len(name) == len(rows[0]):  # numpy writes its header as a comment
            rows.insert(0, tuple(field.strip() for field in name))
            lines.insert(0, lines[0] - 1)
    return table_from(Grid(file, rows, lines, _KINDS[delimiter], notes=tuple(notes), settings=settings))


def spaced(rows: Sequence[Sequence[str]], lines: Sequence[int]) -> int | None:
    """The line on which fields begin that only spaces part; a caption above them may have commas."""
    for begin in range(2) if len(rows) > 2 else range(min(1, len(rows))):
        if all(len(row) == 1 and re.search(r"\S\s+\S", row[0]) for row in rows[begin:20]):
            return lines[begin]
    return None


def unparted(file: str, line: int) -> InputError:
    """Fields that only spaces part."""
    return InputError(
        f"{file}:{line}: no commas, semicolons, tabs or bars between the fields",
        hint="spaces separate no fields, since they may stand in names: write it with commas"
        " (a printed data frame by df.to_csv)",
    )


def decoded(file: str, content: bytes, encoding: str | None) -> str:
    """The text of a file, by what it says of itself unless an encoding was named.

    Numbers that were printed with their type are numbers, before commas inside of them part anything.
    """
    found = next((name for mark, name in _BOMS if content.startswith(mark)), "utf-8")
    try:
        return untyped(content.decode(encoding or found))
    except LookupError:
        raise InputError(
            f"--encoding {encoding}: no such encoding", hint="such as cp1252, latin-1 or utf-16"
        ) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        refused = InputError(
            f"{file}:{line}: not text in UTF-8 ({error.reason} at byte {error.start})"
            if encoding is None
            else f"{file}:{line}: not text in {encoding}",
            hint="give --encoding, such as cp1252 for a sheet saved on Windows, or save it as a UTF-8 CSV",
        )
        refused.offers = {"encoding": "cp1252"} if encoding is None else {}
        raise refused from None


def delimiter_of(text: str, file: str) -> str:
    """The separator that gives the first rows equally many fields, and the most; else a comma."""
    head = [line for line in text[:65536].splitlines() if line.strip() and not line.startswith("#")][:20]
    if len(text) > 65536:
        head = head[:-1]
    best, most = "\t" if file.endswith((".tsv", ".tab")) else ",", 1
    for candidate in (",", ";", "\t", "|"):
        try:
            widths = {len(row) for row in csv.reader(head, delimiter=candidate, strict=True)}
        except csv.Error:
            continue
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = candidate, width
    if most == 1 and head:  # uneven rows: the header decides, and the line at fault is named later
        counts = {candidate: head[0].count(candidate) for candidate in (",", ";", "\t", "|")}
        best = max(counts, key=lambda candidate: counts[candidate]) if any(counts.values()) else best
    return best


def _rows(file: str, text: str, delimiter: str) -> tuple[list[str], list[tuple[str, ...]], list[int]]:
    comments: list[str] = []

    def uncommented() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            if line.startswith("#"):
                comments.append(line.rstrip("\r\n"))
                yield "\n"
            else:
                yield line

    reader = csv.reader(uncommented(), delimiter=delimiter, strict=True)
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    before = csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))  # a cell may be all of its file
    try:
        while True:
            begin = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                raise _RowError(str(error), begin) from None
            row = tuple([sys.intern(field.strip()) for field in fields])  # a log says the same words often
            if any(row):
                rows.append(row)
                lines.append(reader.line_num)
    finally:
        csv.field_size_limit(before)
    return comments, rows, lines


def _table_in_markdown(file: str, text: str) -> tuple[str, str | None]:
    """The text with the lines around its table in Markdown made empty, and what there was: "" for nothing.

    None stands for a text without such a table. Of several the one whose headings speak of seeds is taken;
    those with the same headings are one in parts.

    Raises:
        InputError: it holds several tables; says on which lines.
    """
    if "|" not in text[:65536]:
        return text, None
    lines = text.splitlines()
    rules = [at for at, line in enumerate(lines) if at and "|" in lines[at - 1] and _is_rule(line)]
    if not rules:
        return text, None
    of_runs = [rule for rule in rules if _speaks_of_seeds(lines[rule - 1])] or rules
    others = [rule for rule in rules if rule not in of_runs]
    besides = f"{count(len(others), 'table')} without seeds (line {some_of(list(map(str, others)), 9)}) and "
    if len(of_runs) > 1 and (stacked := _stacked(lines, of_runs)) is not None:
        around = f"text around {len(of_runs)} tables with the same headings, which are read as one"
        return stacked, besides * bool(others) + around
    if len(of_runs) == 1:
        rules = of_runs
    if len(rules) > 1:
        raise InputError(
            f"{file}: {len(rules)} tables, from lines {', '.join(map(str, rules[:9]))}",
            hint="leave one of them in the file, or give each a file of its own; of a printed one "
            f"`rigorkd audit --line {rules[0]}` says what it supports",
        )
    begin, end = rules[0] - 1, _end(lines, rules[0])
    around = "text around the table" if any(line.strip() for line in (*lines[:begin], *lines[end:])) else ""
    if others:
        around = f"{besides}other text"
    kept = ["" if at == rules[0] else line.strip() for at, line in enumerate(lines[:end])]
    return "\n".join(["" if at < begin else line for at, line in enumerate(kept)]), around


def _stacked(lines: list[str], rules: list[int]) -> str | None:
    """Tables with the same headings as one, on their lines; None where nothing tells them apart.

    Either a column says what each is of, or its title does, which becomes the column `group`.
    """
    header, *others = [_fields(lines[rule - 1]) for rule in rules]
    parts = [range(rule + 1, _end(lines, rule)) for rule in rules]
    rows = [[_fields(lines[at]) for at in part] for part in parts]
    if any(other != header for other in others) or not all(rows):
        return None
    kept = [""] * len(lines)
    titles = [without_markdown(title) for title in _titles(lines, rules)]
    told = len({*titles}) == len(titles) and all(title and "|" not in title for title in titles)
    named = not _say_what_they_are(header, rows, titles if told else [])
    if named and (not told or "group" in header):
        return None
    kept[rules[0] - 1] = "|".join([*["group"] * named, *header])
    for which, part in enumerate(parts):
        for at, fields in zip(part, rows[which], strict=True):
            kept[at] = "|".join([*titles[which : which + named], *fields])
    return "\n".join(kept)


_LONGEST_TITLE = 80
"""Characters of a line that may be the title of the table below it: longer ones are text."""


def _titles(lines: Sequence[str], rules: Sequence[int]) -> list[str]:
    """What tables in Markdown, whose rules are on these lines, are called; "" where nothing says it.

    By the heading above each, where each has its own; else by the short line above it, if that is all of its
    paragraph, since the end of a sentence is no title.
    """
    headings, short = [], []
    before = 0
    for rule in rules:
        above = lines[before : rule - 1]
        fences = accumulate(line.lstrip().startswith("```") for line in above)
        heads = [  # in code `#` begins a remark
            name for at, n in enumerate(fences) if n % 2 == 0 and (name := _heading(above, at))
        ]
        headings.append(heads[-1] if heads else "")
        while above and not above[-1].strip():
            above = above[:-1]
        begin = len(above)
        while begin and above[begin - 1].strip() and "|" not in above[begin - 1]:
            begin -= 1
        one = above[-1].strip() if len(above) - begin == 1 else ""
        is_title = 0 < len(one) <= _LONGEST_TITLE
        short.append(one.strip("#*_=: \t") if is_title else headings[-1])
        before = _end(lines, rule)
    return headings if all(headings) and len({*headings}) == len(headings) else short


def _heading(lines: Sequence[str], at: int) -> str:
    """The heading that a line of Markdown is, by its signs or by the line drawn under it; "" if none."""
    line = lines[at].strip()
    below = lines[at + 1].strip() if at + 1 < len(lines) else ""
    if re.match(r"#{1,6}\s", line) or (line and re.fullmatch(r"={2,}|-{2,}", below)):
        return line.strip("#*_=: \t")
    return ""


def _say_what_they_are(
    header: Sequence[str], parts: Sequence[Sequence[Sequence[str]]], titles: Sequence[str]
) -> bool:
    """Whether parts of a table, rows of fields, have columns that say what each is of, as its title does."""
    if any(len(row) != len(header) for rows in parts for row in rows):
        return False
    said = [at for at, name in enumerate(header) if canonical(name) in (*NAMED, *PARAMETERS)]
    said = [at for at in said if all(len({row[at] for row in rows}) == 1 for rows in parts)]
    said = [at for at in said if len({rows[0][at] for rows in parts}) > 1]
    words = [tuple(re.sub(r"[\W_]+", "", rows[0][at].casefold()) for at in said) for rows in parts]
    plain = [re.sub(r"[\W_]+", "", title.casefold()) for title in titles]
    repeated = all(any(map(title.__contains__, own)) for title, own in zip(plain, words, strict=False))
    return repeated and len(set(words)) == len(parts)


def _end(lines: Sequence[str], rule: int) -> int:
    """The line after the last row of the table in Markdown below a rule."""
    end = rule + 1
    while end < len(lines) and "|" in lines[end]:
        end += 1
    return end


def _fields(line: str) -> list[str]:
    """The fields of a line of a table in Markdown, by their words: without links, emphasis, code and tags."""
    return [without_markdown(field).strip(" *`") for field in _parts(line)]


def _parts(line: str) -> list[str]:
    return line.strip().removeprefix("|").removesuffix("|").split("|")


def _speaks_of_seeds(header: str) -> bool:
    """Whether a table has a column of seeds, or a column for each of several."""
    names = _fields(header)
    each = [name for name in names if (found := seed_in(name)) is not None and not found[1]]
    return len(each) > 1 or any(canonical(name) == "seed" for name in names)


def _is_rule(line: str) -> bool:
    """Whether a line is the rule below the header of a table in Markdown."""
    return all(re.fullmatch(":?-+:?", part.strip(" *`")) for part in _parts(line))


def _marked_down(rows: list[tuple[str, ...]], lines: list[int]) -> tuple[list[tuple[str, ...]], list[int]]:
    """The rows of a table in Markdown: without the bars at their ends, and by their words alone."""
    plain = [tuple(map(without_markdown, row)) for row in rows]
    if len({len(row) for row in plain}) == 1 and not any(row[0] for row in plain):
        plain = [row[1:] for row in plain]
    return plain, lines


def _numeric(row: tuple[str, ...]) -> bool:
    return any(map(is_number, row))


def _settings(comments: list[str]) -> dict[str, tuple[str, ...]]:
    """What `rigorkd import` wrote above its table: `# key: value`, a key several times for several values."""
    found: dict[str, tuple[str, ...]] = {}
    for line in comments[1:]:
        key, colon, value = line.lstrip("# ").partition(": ")
        if colon:
            found[key] = (*found.get(key, ()), value)
    return found
