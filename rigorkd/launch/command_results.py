"""What a command leaves of a run: numbers, and optionally a history, predictions and files to keep.

Whatever is wrong with them is one `ResultError`, in words for the run's failure.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import fnmatch
import io
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rigorkd_analysis.metric_names import is_accuracy

from rigorkd.errors import StoreError
from rigorkd.launch.command_process import last_line
from rigorkd.problems import shown
from rigorkd.protocol.trainer import RESERVED, STDOUT, Trainer
from rigorkd.records.tidy import DESCRIPTION
from rigorkd.records.untrusted import (
    HISTORY,
    LOG,
    PREDICTIONS,
    RECORD,
    is_number,
    is_plain_path,
    parse,
    parse_arrays,
    read_bytes,
)
from rigorkd.text import first_line, some_of

if TYPE_CHECKING:
    import numpy as np

MOST_METRICS = 1000
LONGEST_METRIC = 100
_ARRAYS = {
    "target": ("iu", 1),
    "prediction": ("iu", 1),
    "loss": ("f", 1),
    "confidence": ("f", 1),
    "top5_hit": ("b", 1),
    "logits": ("f", 2),
}
_KEPT_AS = {"iu": "int32", "f": "float32", "b": "bool"}
_OF_A_RUN = {*DESCRIPTION, *RESERVED} - {"train_seconds"}
_NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?:nan|inf(?:inity)?)(?!\w))"


class ResultError(Exception):
    """What a command left cannot be used."""


@dataclass(frozen=True)
class Results:
    """The numbers of a run, and what its record keeps: bytes, or a file to be linked."""

    metrics: Mapping[str, float]
    files: Mapping[str, bytes | Path]


def read_results(trainer: Trainer, out: Path, stdout: str, *, keep_all: bool) -> Results:
    """What a command has left in `out`, or on its standard output. Raises ResultError."""
    metrics = _metrics(trainer, out, stdout)
    files: dict[str, bytes | Path] = {}
    if (content := _optional(out / "history.csv", out, HISTORY)) is not None:
        files["history.csv"] = _history(content)
    if (content := _optional(out / "predictions.npz", out, PREDICTIONS)) is not None:
        files["predictions.npz"] = _npz(_arrays(content))
    elif (content := _optional(out / "predictions.csv", out, PREDICTIONS)) is not None:
        files["predictions.npz"] = _npz(_predictions_csv(content))
    patterns = trainer.keep if trainer.keep is not None else ("*",) if keep_all else ()
    for name, path in _kept(out, patterns):
        files.setdefault(name, path)
    return Results(metrics, files)


def _optional(path: Path, root: Path, most: int) -> bytes | None:
    try:
        return read_bytes(path, root, most)
    except StoreError as error:
        raise ResultError(f"{path.name}: {error.message.partition(': ')[2]}") from None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultError(f"{path.name} cannot be read: {(error.strerror or str(error)).lower()}") from None


# ------------------------------------------------------------------------------------------------ numbers


def _metrics(trainer: Trainer, out: Path, stdout: str) -> dict[str, float]:
    result = trainer.result
    if result.file == STDOUT:
        last = last_line(stdout)
        name, content = "the last line that it printed", last.encode()
        in_words = not last.startswith("{")
        if in_words and result.keys:
            name, content = "what it printed", stdout.encode()
    else:
        name, content = _result_file(out, result.file, stdout)
        content = content.removeprefix(codecs.BOM_UTF8)
        meant = name.endswith(".json") and not result.keys  # then what is wrong with its JSON is said
        in_words = not (meant or content.lstrip().startswith(b"{"))
        if not name.endswith(".json"):
            content = _last_object(content)
    values: dict[str, Any]
    if in_words and name.endswith((".csv", ".tsv")):
        values = _last_values(content, name)
        if result.keys:
            values = {metric: _at(values, key, name) for metric, key in result.keys.items()}
        else:  # a log names its own seed; in JSON it would be a number that someone chose to report
            values = {column: value for column, value in values.items() if column not in _OF_A_RUN}
    elif in_words and not result.keys:
        metric = next(iter(trainer.metrics), "accuracy")
        shown_last = last_line(content.decode(errors="replace"))[:80]
        raise ResultError(
            f"{name} is no JSON object of numbers: {shown_last!r} (result: {{file: {result.file}, keys: "
            f"{{{metric}: WORDS}}}} takes the number after the words that stand before it)"
        )
    elif in_words:
        values = {
            metric: _after(content.decode(errors="replace"), key, name) for metric, key in result.keys.items()
        }
    else:
        document = _document(content, name)
        values = document
        if result.keys:
            values = {metric: _at(document, key, name) for metric, key in result.keys.items()}
    if missing := [metric for metric in trainer.metrics if metric not in values]:
        raise ResultError(f"{name} lacks {', '.join(missing)}; it has {', '.join(values) or 'nothing'}")
    if not values:
        raise ResultError(f"{name} has no numbers in it")
    if len(values) > MOST_METRICS:
        raise ResultError(f"{name} has {len(values):,} numbers, more than {MOST_METRICS:,}")
    numbers = {metric: _value(metric, value, name) for metric, value in values.items()}
    for metric in trainer.metrics:  # the analysis would refuse them, when all is trained
        if is_accuracy(metric) and numbers[metric] > 100:
            raise ResultError(
                f"{name}: {metric} is {numbers[metric]:g}, and accuracies lie between 0 and 100, or 0 and 1"
            )
    return numbers


def _left_instead(out: Path, stdout: str) -> str:
    """Where the numbers of a run may be that left no result: its files, and the last line that it printed."""
    files = sorted(
        path.relative_to(out).as_posix()
        for path in out.glob("**/*")
        if path.suffix in (".json", ".jsonl", ".csv", ".txt", ".log") and path.is_file()
    )
    last = last_line(stdout)[:80]
    told = [f"left {some_of(files, 3)}"] * bool(files) + [f"printed {last!r} last"] * bool(last)
    return f"; it {' and '.join(told)}" if told else ""


def _result_file(out: Path, pattern: str, stdout: str) -> tuple[str, bytes]:
    """The one file that is named, by a glob perhaps, with its content."""
    found = [pattern] if not set(pattern) & set("*?[") else []
    if not found:
        found = sorted(
            path.relative_to(out).as_posix()
            for path in out.glob(pattern)
            if path.is_file() and not path.is_symlink()
        )
    if len(found) != 1:
        what = "no file matches" if not found else f"{len(found)} files match"
        raise ResultError(
            f"{what} {pattern} in what it left" + (f": {', '.join(found[:3])}" if found else "")
        )
    most = RECORD if pattern.endswith(".json") else LOG
    content = _optional(out / found[0], out, most)
    if content is None:
        raise ResultError(
            f"it left no {found[0]} in {{out}}{_left_instead(out, stdout)} (result: names another file, or"
            " stdout; the trainer of a teacher, start or group has its own, and takes none from the one at"
            " the top)"
        )
    return found[0], content


def _last_object(content: bytes) -> bytes:
    """The last line of a log in which each line is a JSON object; anything else as it is."""
    lines = content.strip().splitlines()
    each = len(lines) > 1 and all(line[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines)
    return lines[-1] if each else content


def _last_values(content: bytes, name: str) -> dict[str, float]:
    """The last number in each column of a table, such as a log by epochs; empty fields are none."""
    rows = _rows(content, name, "\t" if name.endswith(".tsv") else ",")
    _, head = next(rows, (0, []))
    if len(set(head)) != len(head):
        raise ResultError(f"{name}: its first line names two columns alike")
    found: dict[str, float] = {}
    for _, row in rows:
        for column, field in zip(head, row, strict=False):
            with contextlib.suppress(ValueError):
                found[column.strip()] = float(field)
    return found


def _document(content: bytes, name: str) -> dict[str, Any]:
    try:
        return parse(content)
    except UnicodeDecodeError:
        raise ResultError(f"{name} is not text in UTF-8") from None
    except ValueError as error:
        text = content.decode(errors="replace")
        bad = re.search(r'"([^"\\]{1,80})"\s*:\s*(-?(?:NaN|Infinity))', text)
        reason = f"{bad[1]} is {bad[2]}" if bad else first_line(error)
        raise ResultError(f"{name}: {reason}") from None


def _at(document: Mapping[str, Any], key: str, name: str) -> Any:
    value: Any = document
    for part in [key] if key in document else key.split("."):
        if not isinstance(value, dict) or part not in value:
            there = f"; it has {some_of([*map(str, document)], 8)}" if document else ""
            raise ResultError(f"{name} has no {key}{there}")
        value = value[part]
    return value


def _after(text: str, key: str, name: str) -> float:
    """The number after the last place where a key stands, as a word of its own, on its line.

    653/797 is that share.
    """
    gap = r"[^\S\n]*"
    pattern = (
        rf"(?<![\w.-]){re.escape(key)}[\"']?{gap}[:=]?{gap}[\"']?((?i:{_NUMBER}))"
        rf"(?:{gap}/{gap}(\d+)(?![\w./-]))?(,\d+)?"
    )
    found = re.findall(pattern, text)
    if not found:
        raise ResultError(f"{name} has no number after {key}")
    number, of, comma = found[-1]
    if comma:
        raise ResultError(f"{name} has {number}{comma} after {key}: write decimals behind a point")
    return float(number) / float(of) if of.strip("0") and number.isdigit() else float(number)


def _value(metric: str, value: Any, name: str) -> float:
    if not metric.isprintable() or not 0 < len(metric) <= LONGEST_METRIC or metric.startswith("."):
        raise ResultError(f"{name}: {metric[:40]!r} is no name of a metric")
    if metric in _OF_A_RUN:
        raise ResultError(f"{name}: {metric} names something else of a run; call the number otherwise")
    if not is_number(value):
        raise ResultError(f"{name}: {metric} is {shown(value)}, not a number")
    if not math.isfinite(value):
        raise ResultError(f"{name}: {metric} is {value}")
    return float(value)


# ------------------------------------------------------------------------------------- history, predictions


def _rows(content: bytes, name: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ResultError(f"{name} is not text in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise ResultError(f"{name}:{reader.line_num}: {error}") from None


def _history(content: bytes) -> bytes:
    """A history as it is, if it is one: numbers by epoch."""
    rows = _rows(content, "history.csv")
    _, head = next(rows, (0, []))
    if "epoch" not in head or len(set(head)) != len(head):
        raise ResultError("history.csv: its first line names its columns, one of them epoch")
    for line, row in rows:
        if len(row) != len(head):
            raise ResultError(f"history.csv:{line}: {len(row)} values for {len(head)} columns")
        for column, value in zip(head, row, strict=True):
            try:
                float(value or "nan")
            except ValueError:
                raise ResultError(f"history.csv:{line}: {column} is {value[:40]!r}, not a number") from None
    return content


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    try:
        found = parse_arrays(content, _ARRAYS)
    except ValueError as error:
        raise ResultError(f"predictions.npz: {first_line(error)}") from None
    if lacking := [name for name in ("target", "prediction") if name not in found]:
        raise ResultError(f"predictions.npz lacks {' and '.join(lacking)}")
    return found


def _predictions_csv(content: bytes) -> dict[str, np.ndarray]:
    import numpy as np

    rows = _rows(content, "predictions.csv")
    _, head = next(rows, (0, []))
    if lacking := [name for name in ("target", "prediction") if name not in head]:
        raise ResultError(f"predictions.csv has no column {' and none '.join(lacking)}")
    known = [(name, head.index(name)) for name in _ARRAYS if name in head and name != "logits"]
    columns: dict[str, list[float]] = {name: [] for name, _ in known}
    for line, row in rows:
        for name, index in known:
            text = row[index].strip().lower() if index < len(row) else ""
            try:
                value = {"true": 1.0, "false": 0.0}.get(text)
                value = float(text) if value is None else value
                if not math.isfinite(value) or (_ARRAYS[name][0] != "f" and value != int(value)):
                    raise ValueError
            except ValueError:
                kind = "a number" if _ARRAYS[name][0] == "f" else "a whole number"
                raise ResultError(f"predictions.csv:{line}: {name} is {text[:40]!r}, not {kind}") from None
            columns[name].append(value)
    return {name: np.array(values) for name, values in columns.items()}


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Predictions as a record keeps them; equal arrays give equal bytes."""
    import numpy as np

    if not len(arrays["target"]):
        raise ResultError("its predictions are empty")
    for name in ("target", "prediction"):
        if arrays[name].min() < 0 or arrays[name].max() > np.iinfo(np.int32).max:
            raise ResultError(f"predictions: a {name} is no class, counted from 0")
    buffer = io.BytesIO()
    kept: dict[str, Any] = {name: array.astype(_KEPT_AS[_ARRAYS[name][0]]) for name, array in arrays.items()}
    np.savez(buffer, **kept)
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------- files


def _kept(out: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """The files below `out` that match any of the globs (`*` crosses `/`), hidden ones left out."""
    if not patterns:
        return
    inside = out.resolve()
    for place, folders, files in os.walk(out):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(place, file)
            name = path.relative_to(out).as_posix()
            if file.startswith(".") or not any(fnmatch.fnmatchcase(name, each) for each in patterns):
                continue
            real = path.resolve()
            if not is_plain_path(name) or name == "record.json":
                raise ResultError(f"{name!r} cannot be kept: it is rigorkd's own name, or none of a file")
            if not real.is_relative_to(inside) or not real.is_file():
                raise ResultError(f"{name} cannot be kept: it is a link out of {{out}}, or no file")
            yield name, real
