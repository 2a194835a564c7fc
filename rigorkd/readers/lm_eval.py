"""lm-evaluation-harness with `--log_samples`: `results_<time>.json` beside `samples_<task>_<time>.jsonl`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError
from rigorkd.readers.item_scores import Items
from rigorkd.readers.json_records import json_document, json_lines, scalars
from rigorkd.readers.listing import Listing
from rigorkd.readers.raw import RawTable, Reading, as_list, as_mapping, as_number, table_of

_NAME = re.compile(r"samples_(.+)_(\d{4}-\d{2}-\d{2}T[\d.-]+)\.jsonl")


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """One row per model, task and evaluation: the mean of each metric over the items."""
    rows, scores = [], {}
    for path in files:
        named = _NAME.fullmatch(path.name)
        task, time = (named[1], named[2]) if named else (path.stem.removeprefix("samples_"), "")
        items = _items(path, found.read(path))
        head: dict[str, object] = {"run": path.parent.name, "task": task}
        if time:
            head["created"] = re.sub(r"T(\d\d)-(\d\d)-", r"T\1:\2:", time)
            results = path.with_name(f"results_{time}.json")
            if results in found.files:
                head |= _settings(json_document(str(results), found.read(results)))
        means = {name: sum(own.values()) / len(own) for name, own in items.items()}
        rows.append({**head, **means})
        scores[str(path)] = items
    table = table_of(rows, list(scores), "lm-evaluation-harness samples, means over items")
    return [replace(table, items=Items(scores))]


def _settings(document: Any) -> dict[str, object]:
    document = as_mapping(document)
    told = scalars(as_mapping(document.get("config")))
    # random_seed and the like draw the examples of a prompt: they are no seeds of a training
    kept: dict[str, object] = {f"config.{k}": v for k, v in told.items() if not k.endswith("_seed")}
    if document.get("model_name"):
        kept["run"] = str(document["model_name"])
    return {name: value for name, value in kept.items() if name != "config.model"}


def _items(path: Path, content: bytes) -> dict[str, dict[str, float]]:
    """Per metric (with its filter, if there are several) the score of each document."""
    out: dict[str, dict[str, float]] = {}
    rows = [(number, row) for number, row in json_lines(str(path), content)]
    filters = {str(row.get("filter", "none")) for _, row in rows}
    for number, row in rows:
        names = as_list(row.get("metrics")) or [name for name in row if name not in _OTHER]
        suffix = f",{row.get('filter', 'none')}" if len(filters) > 1 else ""
        for name in map(str, names):
            value = as_number(row.get(name))
            if value is None:
                continue
            own = out.setdefault(f"{name}{suffix}", {})
            key = str(row.get("doc_hash") or row.get("doc_id", number))
            if key in own and row.get("doc_hash"):
                key = f"{key} {row.get('doc_id', number)}"
            if key in own:
                raise InputError(
                    f"{path}:{number}: document {key} is there twice", hint="evaluate once a file"
                )
            own[key] = value
    if not out:
        raise InputError(f"{path}: no metric of single items", hint="leave the file out")
    return out


_OTHER = frozenset({"doc_id", "doc_hash", "prompt_hash", "target_hash", "target"})
