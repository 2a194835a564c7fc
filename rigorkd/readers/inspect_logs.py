"""Inspect's logs (`.eval`, or `.json`): one evaluation each, with the score of every sample."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError
from rigorkd.extras import require
from rigorkd.readers.item_scores import Items
from rigorkd.readers.json_records import json_document, plain_json, scalars
from rigorkd.readers.listing import Listing, most_unpacked
from rigorkd.readers.raw import RawTable, Reading, as_list, as_mapping, as_number, table_of

_ZSTD = 93


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """One row per log: status, task, model, arguments, metadata and the metrics of each scorer."""
    rows, scores = [], {}
    for path in files:
        content = found.read(path)
        if content.startswith(b"PK\x03\x04"):
            log, samples = _unzipped(path, content)
        else:
            log = json_document(str(path), content)
            samples = as_list(as_mapping(log).get("samples"))
        if not isinstance(log, dict) or not isinstance(log.get("eval"), dict):
            raise InputError(f"{path}: no log of Inspect", hint="leave the file out")
        rows.append(_row(log))
        scores[str(path)] = _items(log, samples)
    table = table_of(rows, list(scores), "Inspect logs, scores over samples")
    return [replace(table, items=Items(scores))]


def _row(log: Mapping[str, Any]) -> dict[str, object]:
    told = log["eval"]
    row: dict[str, object] = {
        "run_id": told.get("eval_id") or told.get("run_id") or told.get("task_id"),
        "created": told.get("created"),
        "status": log.get("status"),
        "task": told.get("task"),
        "model": told.get("model"),
    }
    for part in ("task_args", "model_args", "metadata"):
        if isinstance(told.get(part), dict):
            row |= {f"{part}.{name}": value for name, value in scalars(told[part]).items()}
    for scorer, metric, value in _metrics(log):
        row[f"{scorer}/{metric}"] = value
    return row


def _metrics(log: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    return [
        (str(score.get("name")), str(metric), value)
        for score in map(as_mapping, as_list(as_mapping(log.get("results")).get("scores")))
        for metric, told in as_mapping(score.get("metrics")).items()
        if (value := as_number(as_mapping(told).get("value"))) is not None
        if metric not in ("stderr", "std", "var", "bootstrap_stderr")
    ]


def _items(log: Mapping[str, Any], samples: Sequence[Any]) -> dict[str, dict[str, float]]:
    """Each sample's score, where a sample was run once: several epochs of one are no items."""
    words = {"C": 1.0, "I": 0.0}
    out: dict[str, dict[str, float]] = {}
    for scorer, metric, _ in _metrics(log):
        own: dict[str, float] = {}
        for sample in samples:
            sample = as_mapping(sample)
            value = as_mapping(as_mapping(sample.get("scores")).get(scorer)).get("value")
            number = words.get(value) if isinstance(value, str) else as_number(value)
            key = str(sample.get("id"))
            if number is None or key in own:
                own = {}
                break
            own[key] = number
        if own and metric in ("accuracy", "mean"):
            out[f"{scorer}/{metric}"] = own
    return out


def _unzipped(path: Path, content: bytes) -> tuple[Any, list[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {entry.filename: entry for entry in archive.infolist()}
            start = "header.json" if "header.json" in names else "_journal/start.json"
            log = plain_json(_member(archive, names[start], content))
            if start != "header.json":  # it never came to an end
                log = {"status": "started", **as_mapping(log)}
            summaries = names.get("summaries.json")
            samples = as_list(plain_json(_member(archive, summaries, content))) if summaries else []
    except (
        *(zipfile.BadZipFile, zlib.error, KeyError, ValueError, OSError, EOFError, RuntimeError),
        struct.error,
    ) as error:
        raise InputError(f"{path}: no log of Inspect ({error})", hint="leave the file out") from None
    return log, samples


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, content: bytes) -> bytes:
    """A file of the archive; Inspect packs by Zstandard, which zipfile knows from Python 3.14 on.

    No more of it is unpacked than its header says, whatever it holds. Raises ValueError, and what zipfile
    does.
    """
    if entry.file_size > most_unpacked(content):
        raise ValueError(f"{entry.filename} has more than {most_unpacked(content):,} bytes unpacked")
    if entry.compress_type != _ZSTD:
        with archive.open(entry) as file:
            return file.read(entry.file_size)
    require("inspect", "reading Inspect's .eval logs")
    import zstandard

    name, extra = struct.unpack_from("<HH", content, entry.header_offset + 26)
    begin = entry.header_offset + 30 + name + extra
    packed = content[begin : begin + entry.compress_size]
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed) as stream:
            return bytes(stream.read(entry.file_size))
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
