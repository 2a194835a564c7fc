"""What a command leaves of a run: its numbers, wherever they stand, and the files beside them.

Whatever is wrong with them is one `ResultError`, in words for the run's failure.
"""

from __future__ import annotations

import ast
import codecs
import contextlib
import difflib
import glob
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rigorkd_analysis.metric_names import is_accuracy

from rigorkd.launch.command_files import ResultError, read_files, read_left, rows_of
from rigorkd.launch.command_process import last_line
from rigorkd.problems import shown
from rigorkd.protocol.trainer import RESERVED, STDOUT, Result, Trainer
from rigorkd.records.tidy import DESCRIPTION
from rigorkd.records.untrusted import (
    LOG,
    RECORD,
    is_number,
    parse,
)
from rigorkd.text import NUMBER, bare_number, first_line, in_yaml, is_float, some_of, untyped

if TYPE_CHECKING:
    pass

MOST_METRICS = 1000
LONGEST_METRIC = 100
_OF_A_RUN = {*DESCRIPTION, *RESERVED} - {"train_seconds"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LONGEST_LINE = 100_000


class UnreadError(ResultError):
    """The numbers that a run was trained for are not where its `result` says, whatever they are."""


class NoNumberError(ResultError):
    """What stands where a number is looked for is none, such as NaN: that may ail one run alone."""


@dataclass(frozen=True)
class Results:
    """The numbers of a run, and what its record keeps: bytes, or a file to be linked.

    `left_out` are numbers beside those that were asked for whose names say something else of a run.
    """

    metrics: Mapping[str, float]
    files: Mapping[str, bytes | Path]
    left_out: tuple[str, ...] = ()


def read_results(trainer: Trainer, out: Path, stdout: str, stderr: str = "", *, keep_all: bool) -> Results:
    """What a command has left in `out`, or on its standard output. Raises ResultError.

    Words that are not on the output may stand on the error, where Python's logging writes.
    """
    metrics, left_out = dict[str, float](), tuple[str, ...]()
    if not (keep_all and _leaves_no_numbers(trainer, out)):
        metrics, left_out = _metrics(trainer, out, stdout, stderr)
    patterns = trainer.keep if trainer.keep is not None else ("*",) if keep_all else ()
    return Results(metrics, read_files(out, patterns), left_out)


def _leaves_no_numbers(trainer: Trainer, out: Path) -> bool:
    """Whether a teacher or start, of which no number is asked, has left what needs it: files alone."""
    asked = trainer.metrics or "result" in trainer.model_fields_set or (out / trainer.result.file).exists()
    return not asked and any(not path.name.startswith(".") for path in out.iterdir())


# ------------------------------------------------------------------------------------------------ numbers


def _metrics(
    trainer: Trainer, out: Path, stdout: str, stderr: str
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The numbers of a run, and the names beside those asked for that are none of a metric."""
    try:
        name, values = _values(trainer, out, stdout, stderr)
    except NoNumberError:
        raise
    except ResultError as error:
        raise UnreadError(*error.args) from None
    asked = {*trainer.metrics, *trainer.result.keys}
    left_out: tuple[str, ...] = ()
    if asked:  # what else is there, such as settings and names, may be anything
        left_out = tuple(key for key in values if key not in asked and key in _OF_A_RUN)
        values = {
            key: value
            for key, value in values.items()
            if key in asked or (key not in left_out and is_number(value))
        }
    if missing := [metric for metric in trainer.metrics if metric not in values]:
        there = some_of([*values, *left_out], 8)
        raise UnreadError(f"{name} lacks {', '.join(missing)}; it has {there or 'no number'}")
    if not values:
        raise UnreadError(f"{name} has no numbers in it")
    if len(values) > MOST_METRICS:
        raise ResultError(f"{name} has {len(values):,} numbers, more than {MOST_METRICS:,}")
    numbers = {metric: _value(metric, value, name) for metric, value in values.items()}
    for metric in trainer.metrics:  # the analysis would refuse them, when all is trained
        if is_accuracy(metric) and numbers[metric] > 100:
            raise ResultError(
                f"{name}: {metric} is {numbers[metric]:g}, and accuracies lie between 0 and 100, or 0 and 1"
            )
    return numbers, left_out


def _values(trainer: Trainer, out: Path, stdout: str, stderr: str) -> tuple[str, Mapping[str, Any]]:
    """What the result holds, by name, with the result's own name."""
    result = trainer.result
    metric = next(iter(trainer.metrics), "accuracy")
    if result.file == STDOUT:
        stdout, stderr = _COLOUR.sub("", stdout), _COLOUR.sub("", stderr)
        last = _last_document(stdout)
        name, content = "the last line that it printed", last.encode()
        document = _object_of_python(last) if last.startswith("{") else None
        in_words = not last.startswith("{") or (document is None and bool(result.keys) and not _is_json(last))
        if in_words and result.keys:
            name, content = "what it printed", stdout.encode()
    else:
        name, content = _result_file(out, result.file, stdout)
        content, document = content.removeprefix(codecs.BOM_UTF8), None
        meant = name.endswith(".json") and not result.keys  # then what is wrong with its JSON is said
        in_words = not (meant or content.lstrip().startswith(b"{"))
        if not name.endswith(".json"):
            content = _last_object(content)
    text = content.decode(errors="replace") if in_words else ""
    if in_words and name.endswith((".csv", ".tsv")):
        wanted = [*(result.keys.values() if result.keys else trainer.metrics)]
        columns = _last_values(content, name, wanted, result)
        found = {key: _at(columns, at, name) for key, at in result.keys.items()} if result.keys else columns
        if not result.keys and (missing := [key for key in trainer.metrics if key not in columns]):
            raise ResultError(_lacks(name, missing, columns, result.file))
        return name, found
    if in_words and result.keys:
        also = stderr if result.file == STDOUT else ""
        return name, {key: _after_in(text, also, words, name, key) for key, words in result.keys.items()}
    if in_words:
        last = bare_number(last_line(text))
        text = stdout if result.file == STDOUT else text
        if len(trainer.metrics) == 1 and re.fullmatch(rf"{NUMBER}\s?%?", last):
            return name, {metric: float(last.rstrip("% "))}
        words = _words_before(text, metric) or _words_before(stderr * (result.file == STDOUT), metric)
        offer = f"{in_yaml(metric)}: {in_yaml(words) if words else 'WORDS'}}}}}"
        raise ResultError(
            f"{name} is no JSON object of numbers: {last[:80]!r} (result: {{file: {in_yaml(result.file)}, "
            f"keys: {{{offer} takes the number after the words that stand before it)"
        )
    document = _document(content, name) if document is None else document
    if result.keys:
        return name, {key: _at(document, at, name) for key, at in result.keys.items()}
    if missing := [key for key in trainer.metrics if key not in document]:
        raise ResultError(_lacks(name, missing, document, result.file))
    return name, document


def _last_document(stdout: str) -> str:
    """The last line that says something, or all of the object of JSON that ends there."""
    last = last_line(stdout)
    if last == "}" and (start := re.search(r"(?s).*(?:^|\n)(?=\{)", stdout[-LONGEST_LINE:])):
        text = stdout[-LONGEST_LINE:][start.end() :].strip()
        return text if _is_json(text) else last
    return last


def _is_json(text: str) -> bool:
    try:
        return bool(parse(text.encode()))
    except ValueError:
        return False


def _object_of_python(text: str) -> dict[str, Any] | None:
    """The mapping that `print` shows of one, in Python's own quotes; None for JSON and for anything else."""
    try:
        found = ast.literal_eval(untyped(text)) if len(text) < LONGEST_LINE and not _is_json(text) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else None


def _numbers_in(value: Any, path: str = "") -> Iterator[str]:
    """The dotted keys of all numbers in a document."""
    if is_number(value):
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers_in(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and is_number(value[-1]):
        yield f"{path}.-1"


def _lacks(name: str, missing: list[str], document: Mapping[str, Any], file: str) -> str:
    """That a result lacks numbers, with the dotted keys under which they may be."""
    there = [*_numbers_in(document)]
    offers = []
    for metric in missing:
        inside = [at for at in there if metric.lower() in re.split(r"[./]", at.lower())]
        like = difflib.get_close_matches(metric, there, n=1, cutoff=0.5)
        short = [at for at in there if re.search(rf"(?:^|[_./ -]){metric[:3].lower()}", at.lower())]
        offers.append(f"{in_yaml(metric)}: {in_yaml(next(iter([*inside, *like, *short]), 'NAME'))}")
    hint = (
        f" (result: {{file: {in_yaml(file)}, keys: {{{', '.join(offers)}}}}} takes it from there)"
        if there
        else ""
    )
    has = some_of([*map(str, document)], 8) or "nothing"
    return f"{name} lacks {', '.join(missing)}; it has {has}{hint}"


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
    content = read_left(out / found[0], out, most)
    if content is None:
        deeper = sorted(path.relative_to(out) for path in out.glob(f"**/{glob.escape(Path(pattern).name)}"))
        if deeper := [path for path in deeper if (out / path).is_file()]:
            anywhere = "*/" * (len(deeper[0].parts) - 1) + Path(pattern).name
            raise ResultError(
                f"it left no {found[0]} in {{out}} itself, but {some_of([str(path) for path in deeper], 3)}"
                f" (result: {in_yaml(anywhere)} finds it in a folder of any name)"
            )
        raise ResultError(
            f"it left no {found[0]} in {{out}}{_left_instead(out, stdout)} (result: names another file, or"
            " stdout; the trainer of a teacher, start or group has its own, and takes none from the one at"
            " the top)"
        )
    return found[0], content


def _last_object(content: bytes) -> bytes:
    """The last value of each key, in a log in which each line is a JSON object; anything else as it is.

    Where a line cannot be read, the last line alone.
    """
    lines = content.strip().splitlines()
    each = len(lines) > 1 and all(line[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines)
    if not each:
        return content
    found: dict[str, Any] = {}
    try:
        for line in lines:
            found |= parse(line)
    except ValueError:
        return lines[-1]
    return json.dumps(found).encode()


def _last_values(content: bytes, name: str, wanted: Sequence[str], result: Result) -> dict[str, float]:
    """The last number in each column of a table, such as a log by epochs; empty fields are none.

    Where what is wanted stands in the first of two columns, the numbers beside it. Of rows of several folds
    the mean of each one's last number, if `result` says so: the last fold alone would pass for the run.
    """
    first = content.partition(b"\n")[0]
    between = ";" if b";" in first and b"," not in first else ","
    table = list(rows_of(content, name, "\t" if name.endswith(".tsv") else between))
    pairs = {row[0].strip(): row[1] for _, row in table if len(row) == 2}
    if wanted and all(re.fullmatch(rf"\s*{NUMBER}\s*%?\s*", pairs.get(key, "")) for key in wanted):
        table = [(1, [*pairs]), (2, [*pairs.values()])]
    rows = iter(table)
    _, head = next(rows, (0, []))
    if len(set(head)) != len(head):
        raise ResultError(f"{name}: its first line names two columns alike")
    names = [column.strip() for column in head]
    parts = _FOLDS if result.average is None else {result.average.casefold()}
    counted = next((at for at, column in enumerate(names) if column.casefold() in parts), None)
    if result.average is not None and counted is None:
        raise ResultError(
            f"{name} has no column {result.average} to average over; it has {some_of(names, 8)}"
        )
    found: dict[str, dict[str, float]] = {}
    other: dict[str, str] = {}
    part = ""
    for line, row in rows:
        part = row[counted].strip() if counted is not None and counted < len(row) else ""
        for column, field in zip(names, row, strict=False):
            text = field.strip().removesuffix("%")
            if is_float(text):
                found.setdefault(part, {})[column] = float(text)
            elif text:
                other[column] = f"; on line {line} it has {field.strip()[:40]!r}"
    for key in wanted:
        if key in names and not any(key in values for values in found.values()):
            raise ResultError(f"{name} has a column {key}, and no number in it{other.get(key, '')}")
    folds = [each for each in found if each.casefold() not in (*_OF_ALL, "std", "sd", "sem")]
    if result.average is not None:
        return _mean_of({fold: found[fold] for fold in folds}, name, wanted, result.average)
    if counted is not None and len(folds) > 1 and part.casefold() not in _OF_ALL:
        keys = f", keys: {{{_pasted(result.keys)}}}" * bool(result.keys)
        raise ResultError(
            f"{name} has rows of {len(folds)} values of {names[counted]}, of which none is the run's: "
            f"result: {{file: {in_yaml(result.file)}{keys}, average: {in_yaml(names[counted])}}} takes their"
            " mean"
        )
    return {column: value for values in found.values() for column, value in values.items()}


_FOLDS = {"fold", "cv_fold", "k_fold", "kfold", "fold_id", "fold_idx"}
_OF_ALL = ("", "mean", "avg", "average", "all", "overall")
"""What stands for a fold in a last row that is all folds' own."""


def _mean_of(
    folds: Mapping[str, Mapping[str, float]], name: str, wanted: Sequence[str], column: str
) -> dict[str, float]:
    """The mean over folds of what all of them have; each has its last number."""
    for fold, values in folds.items():
        if lacking := [
            key for key in wanted if key not in values and any(key in one for one in folds.values())
        ]:
            raise ResultError(
                f"{name} has no {lacking[0]} of {column} {fold}, so that no mean is that of all"
            )
    shared = [key for key in next(iter(folds.values()), {}) if all(key in one for one in folds.values())]
    return {
        key: math.fsum(one[key] for one in folds.values()) / len(folds) for key in shared if key != column
    }


def _pasted(keys: Mapping[str, str]) -> str:
    return ", ".join(f"{in_yaml(metric)}: {in_yaml(words)}" for metric, words in keys.items())


def _document(content: bytes, name: str) -> dict[str, Any]:
    try:
        return parse(content)
    except UnicodeDecodeError:
        raise ResultError(f"{name} is not text in UTF-8") from None
    except ValueError as error:
        text = content.decode(errors="replace")
        bad = re.search(r'"([^"\\]{1,80})"\s*:\s*(-?(?:NaN|Infinity))', text)
        reason = f"{bad[1]} is {bad[2]}" if bad else first_line(error)
        raise (NoNumberError if bad else ResultError)(f"{name}: {reason}") from None


def _at(document: Mapping[str, Any], key: str, name: str) -> Any:
    value: Any = document
    for part in [key] if key in document else key.split("."):
        if (
            isinstance(value, list)
            and re.fullmatch(r"-?\d{1,9}", part)
            and -len(value) <= int(part) < len(value)
        ):
            value = value[int(part)]
            continue
        if not isinstance(value, dict) or part not in value:
            there = f"; it has {some_of([*map(str, document)], 8)}" if document else ""
            last = key.rpartition(".")[2]
            near = [at for at in _numbers_in(document) if at.rpartition(".")[2] == last]
            raise ResultError(f"{name} has no {key}{there}" + (f" (perhaps {near[0]})" if near else ""))
        value = value[part]
    if isinstance(value, list) and value and is_number(value[-1]):
        raise ResultError(f"{name}: {key} is a list; {key}.-1 is its last, {key}.0 its first")
    return value


def _after_in(text: str, also: str, key: str, name: str, metric: str) -> float:
    """The number after a key; where that does not stand in a text at all, in another one."""
    try:
        return _after(text, key, name, metric)
    except ResultError as missing:
        if key in text or not also:
            raise
        try:
            return _after(also, key, name, metric)
        except ResultError as error:
            says_more = key in also or ("would take" in str(error) and "would take" not in str(missing))
            raise (error if says_more else missing) from None


def _after(text: str, key: str, name: str, metric: str = "") -> float:
    """The number after the last place where a key stands, as a word of its own, on its line.

    653/797 is that share. Between them may stand what frames a table's fields, or a number's type.
    """
    gap = r"[^\S\n]*"
    text = text if "(" in key else untyped(text)
    words = "".join(
        re.escape(char) if char.isascii() else rf"(?:{re.escape(char)}|\ufffd{{1,4}})" for char in key
    )
    pattern = (  # what is not ASCII may have been printed in another encoding than UTF-8
        rf"(?<![\w.-]){words}[\"']?{gap}[:=|│┃]?{gap}[\"']?(?:\[+{gap}(?={NUMBER}{gap}\]))?"
        rf"({NUMBER})(?:{gap}/{gap}(\d+)(?![\w./-]))?(,\d+)?"
    )
    found = re.findall(pattern, text)
    if not found:
        words = _words_before(text, key) or (_words_before(text, metric) if metric else "")
        taken = f"keys: {{{in_yaml(metric)}: {in_yaml(words)}}} would take" if words else ""
        hint = f" ({taken} {_after(text, words, name):g})" if words else ""
        raise ResultError(f"{name} has no number after {key!r}{hint}")
    number, of, comma = found[-1]
    if comma:
        raise ResultError(
            f"{name} has {number}{comma} after {key!r}: write decimals behind a point, and thousands"
            " without a comma"
        )
    return float(number) / float(of) if of.strip("0") and number.isdigit() else float(number)


def _words_before(text: str, key: str) -> str:
    """The words that stand before the number on the last line that holds a key in some spelling.

    Of several numbers it is the one behind an equals sign, a colon or "is", else the first that has decimals.
    """
    for line in reversed(text.splitlines()):
        line = untyped(line)
        at = re.search(re.escape(key), line, flags=re.IGNORECASE)
        if at is None:
            continue
        numbers = list(re.finditer(rf"(?<![\w.]){NUMBER}", line[at.end() :]))
        said = [
            one
            for one in numbers
            if re.search(r"(?:[:=]|\b(?:is|was))[\s\"']*$", line[: at.end() + one.start()])
        ]
        decimal = [one for one in numbers if "." in one[0]]
        for number in [*said, *decimal, *numbers][:1]:
            words = line[at.start() : at.end() + number.start()].rstrip(" \t:=|│┃(\"'")
            if len(words) <= LONGEST_METRIC:
                with contextlib.suppress(ResultError):
                    _after(line, words, "")
                    return words
    return ""


def _value(metric: str, value: Any, name: str) -> float:
    if not metric.isprintable() or not 0 < len(metric) <= LONGEST_METRIC or metric.startswith("."):
        raise ResultError(f"{name}: {metric[:40]!r} is no name of a metric")
    if metric in _OF_A_RUN:
        raise ResultError(f"{name}: {metric} names something else of a run; call the number otherwise")
    if isinstance(value, str) and untyped(value) != value and is_float(bare_number(value)):
        value = float(bare_number(value))  # of json.dump(…, default=str)
    if not is_number(value):
        raise ResultError(f"{name}: {metric} is {shown(value)}, not a number")
    if not math.isfinite(value):
        raise ResultError(f"{name}: {metric} is {value}")
    return float(value)
