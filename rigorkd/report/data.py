"""Results as data: JSON documents, and CSV with one row per comparison. Equal results give equal bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from rigorkd_analysis import document


def to_json(result: Any) -> str:
    """The document of a typed result; NaN cannot occur."""
    return json.dumps(document(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


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
        return "; ".join(str(item) for item in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}={weight:g}" for key, weight in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value
