"""Writing a command's answer in the format asked for: the document alone on stdout, all else on stderr.

Results as data are JSON documents, and CSV with one row per comparison. Equal results give equal bytes.
"""

from __future__ import annotations

import csv
import io
import json as _json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
from rigorkd_analysis import document

from rigorkd.report.page import Format, Page
from rigorkd.text import one_line, printable, unhidden


def emit(form: Format, page: Callable[[], Page], *, json: Callable[[], str], csv: Callable[[], str]) -> None:
    """Print one answer.

    For the document formats, banner and warnings are repeated on stderr, where a pipe does not swallow them.
    """
    if form == "table":
        from rigorkd.report.render.terminal import show

        show(page())
        return
    if form == "json":
        text = json()
    elif form == "csv":
        text = csv()
    elif form == "markdown":
        from rigorkd.report.render.markdown import markdown

        text = markdown(page())
    else:
        from rigorkd.report.render.latex import latex

        text = latex(page())
    rendered = page()
    for line in (rendered.banner, *(f"warning: {warning.whole}" for warning in rendered.warnings)):
        if line:
            click.echo(one_line(line), err=True)
    sys.stdout.write(text)
    sys.stdout.flush()


def to_json(result: Any) -> str:
    """The document of a typed result; NaN cannot occur."""
    return unhidden(_json.dumps(document(result), indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def to_csv(rows: Sequence[Any], extra: Iterable[dict[str, object]] = ()) -> str:
    """One row per result (dataclasses of one type), preceded by the columns in `extra`, one dict per row.

    None is empty; several values in one field are joined by "; ", weights as name=weight.
    """
    before = list(extra) or [{} for _ in rows]
    documents = [{**first, **document(row)} for first, row in zip(before, rows, strict=True)]
    stream = io.StringIO()
    if documents:
        writer = csv.DictWriter(stream, list(documents[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _flat(value) for key, value in row.items()} for row in documents)
    return stream.getvalue()


def _flat(value: object) -> object:
    if isinstance(value, list):
        return no_formula("; ".join(str(item) for item in value))
    if isinstance(value, dict):
        return no_formula("; ".join(f"{key}={weight:g}" for key, weight in value.items()))
    if isinstance(value, bool):
        return "true" if value else "false"
    return no_formula(value) if isinstance(value, str) else "" if value is None else value


def no_formula(text: str) -> str:
    """Text of a CSV that no spreadsheet takes for a formula: an apostrophe before it. Numbers are none."""
    text = printable(text)
    if not text.startswith(("=", "+", "-", "@", "\t", "\n")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
