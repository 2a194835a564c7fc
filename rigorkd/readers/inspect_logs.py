"""Inspect's logs (`.eval`, or `.json`): one evaluation each, with the score of every sample."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError
from rigorkd.extras import require
from rigorkd.readers.item_scores import Items, Scored, Scores
from rigorkd.readers.json_records import json_document, plain_json, scalars
from rigorkd.readers.listing import Listing, most_unpacked
from rigorkd.readers.raw import RawTable, Reading, as_list, as_mapping, as_number, table_of

_ZSTD = 93


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """One row per log: status, task, model, arguments, metadata and the metrics of each scorer."""
    rows, items = [], []
    for path in files:
        content = found.read(path)
        if content.startswith(b"PK\x03\x04"):
            log, samples = _unzipped(path, content)
        else:
            log = json_document(str(path), content)
            samples = as_list(as_mapping(log).get("samples"))
        if not isinstance(log, dict) or not isinstance(log.get("eval"), dict):
            raise InputError(f"{path}: no log of Inspect", hint="leave the file out")
        metrics = _metrics(log)
        rows.append(_row(log, metrics))
        items.append(_items(metrics, [one for one in samples if isinstance(one, dict)]))
    table = table_of(rows, list(map(str, files)), "Inspect logs, scores over samples")
    return [replace(table, items=Items(tuple(items)))]


@dataclass(frozen=True)
class _Metric:
    """A metric of a scorer, as the results of a log give it."""

    column: str
    scorer: str
    name: str
    value: float
    is_mean: bool
    cluster: str | None


def _row(log: Mapping[str, Any], metrics: Sequence[_Metric]) -> dict[str, object]:
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
    return row | {metric.column: metric.value for metric in metrics}


_SPREADS = ("stderr", "std", "var", "bootstrap_stderr")


def _metrics(log: Mapping[str, Any]) -> list[_Metric]:
    """Each metric of each scorer; the reducer of epochs stands in its name where a scorer has several."""
    told_scores = as_list(as_mapping(log.get("results")).get("scores"))
    scores = [one for one in told_scores if isinstance(one, dict)]
    names = [str(one.get("name")) for one in scores]
    out = []
    for score, name in zip(scores, names, strict=True):
        metrics = {
            key: told for key, told in as_mapping(score.get("metrics")).items() if isinstance(told, dict)
        }
        reducer = score.get("reducer")
        suffix = f" ({reducer})" if reducer and names.count(name) > 1 else ""
        cluster = _cluster_key(log, score, metrics)
        for key, told in metrics.items():
            value = as_number(told.get("value"))
            if value is not None and _plainly(key) not in _SPREADS:
                mean = key in ("accuracy", "mean") and reducer in (None, "mean")
                scorer = str(score.get("scorer") or name)
                out.append(_Metric(f"{name}/{key}{suffix}", scorer, name, value, mean, cluster))
    return out


def _plainly(metric: str) -> str:
    """A metric's name without the number that tells several of one name apart."""
    return re.sub(r"\d+$", "", metric.rpartition("/")[2])


def _cluster_key(
    log: Mapping[str, Any], score: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]
) -> str | None:
    """The key of a sample's metadata by which its standard error is clustered, as the task declares it."""
    for key, told in metrics.items():
        for options in (told.get("params"), told.get("options")):
            if _plainly(key) == "stderr" and isinstance(options, dict) and options.get("cluster"):
                return str(options["cluster"])
    declared = [*as_list(log["eval"].get("scorers")), {"metrics": log["eval"].get("metrics")}]
    for scorer in declared:
        if isinstance(scorer, dict) and scorer.get("name", score.get("scorer")) == score.get("scorer"):
            for metric in _definitions(scorer.get("metrics")):
                options = metric.get("options") if str(metric.get("name")).endswith("stderr") else None
                if isinstance(options, dict) and options.get("cluster"):
                    return str(options["cluster"])
    return None


def _definitions(told: Any) -> list[Mapping[str, Any]]:
    """The metrics that a scorer declares: a list, which may hold lists by a score's part."""
    if isinstance(told, dict):
        return [told] if "name" in told and "options" in told else _definitions(list(told.values()))
    return [one for part in told for one in _definitions(part)] if isinstance(told, list) else []


_WORDS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}


def _items(metrics: Sequence[_Metric], samples: Sequence[Mapping[str, Any]]) -> Scores:
    """Of metrics that are means over samples the score of each; several runs of one sample are a cluster."""
    out: dict[str, Scored] = {}
    for metric in metrics:
        if not metric.is_mean:
            continue
        score: dict[str, float] = {}
        cluster: dict[str, str] = {}
        for sample in samples:
            scores = as_mapping(sample.get("scores"))
            value = as_mapping(scores.get(metric.name, scores.get(metric.scorer))).get("value")
            value = value.get(metric.name) if isinstance(value, dict) else value
            number = _WORDS.get(value) if isinstance(value, str) else as_number(value)
            if number is None or number != number:  # a sample that was not scored
                continue
            item = json.dumps([str(sample.get("id")), sample.get("epoch")])
            score[item] = number
            group = as_mapping(sample.get("metadata")).get(metric.cluster) if metric.cluster else None
            cluster[item] = f"sample {sample.get('id')}" if group is None else f"group {group}"
        scored = Scored(score, cluster)
        if score and scored.is_mean(metric.value):
            out[metric.column] = scored
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
