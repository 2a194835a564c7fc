"""Ways to harm a file: JSON of other values, torn and foreign bytes, arrays of other kinds, links, pipes."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

RAW = (
    *("NaN", "-Infinity", "1e400", "1" + "0" * 400, "true", "null", '"text"', '"\\ud800"', "[]", "{}", "-1"),
    *("0", "1e308", "-0.0", "[" * 200 + "]" * 200, '"' + "x" * 100_000 + '"', '"../../outside/secret.txt"'),
    *('"/dev/zero"', '"\\u001b[31m"', '"=cmd()"', '"](javascript:alert(1))"', '"a/b"', '".x"', "0.5", '""'),
    *('"\\u202e\\u0000"', str(list(range(20_000))), '["a", 1]', '{"a": {"b": []}}', "9" * 19, "2147483648"),
)
TEXTS = (
    *("", "NaN", "inf", "-1", "1e999", "=1+1", "\x1b[31m", "\x00", "深", "x" * 5_000, "../..", "[", "{"),
    *("- ", ": ", "'", '"', ",", ";", "\t", "\n", "&a", "*a", "!!python/object/apply:os.system ['true']"),
    *("5%", "±", "0", "1:2", "null", "true", "\ud7ff", "\ufeff", "|", "seeds: 100000", "1e3", "[0, 0]"),
    *("<<: *a", "model: os:system", "\\cite[", "\\begin{tabular}", " " * 50_000, "9" * 5_000, "\r"),
)


def harmed_json(text: str, rng: random.Random) -> str:
    """The JSON text with one value somewhere replaced, removed or repeated."""
    document = json.loads(text)
    holders = list(_holders(document)) or [{}]
    holder = rng.choice(holders)
    if not holder:
        return rng.choice(RAW)
    key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    how = rng.random()
    if how < 0.15:
        del holder[key]
    elif how < 0.25 and isinstance(holder, dict):
        holder[rng.choice(TEXTS)] = holder.pop(key)
    else:
        holder[key] = "@@"
    return json.dumps(document).replace('"@@"', rng.choice(RAW), 1)


def _holders(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _holders(item)


def harmed_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bytes torn, flipped, empty, or of something else."""
    at = rng.randrange(len(content) + 1)
    match rng.randrange(7):
        case 0:
            return content[:at]
        case 1:
            return b""
        case 2:
            return rng.randbytes(rng.randrange(2_000))
        case 3:
            return content[:at] + rng.randbytes(rng.randrange(1, 20)) + content[at:]
        case 4:
            return content + content
        case 5:
            return content[:at] + bytes(2**20) + content[at:]
        case _:
            harmed = bytearray(content or b"x")
            for _ in range(rng.randrange(1, 9)):
                harmed[rng.randrange(len(harmed))] ^= 1 << rng.randrange(8)
            return bytes(harmed)


def harmed_text(text: str, rng: random.Random) -> str:
    """A text with a word, a line or a piece replaced."""
    if rng.random() < 0.4:
        lines = text.splitlines(keepends=True) or [""]
        at = rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                lines[at] = rng.choice(TEXTS) + "\n"
            case _:
                lines[at] = lines[at].replace(" ", rng.choice(TEXTS), 1)
        return "".join(lines)
    start = rng.randrange(len(text) + 1)
    end = min(len(text), start + rng.choice((0, 1, 3, 10, 100)))
    return text[:start] + rng.choice(TEXTS) + text[end:]


def harmed_arrays(content: bytes, rng: random.Random) -> bytes:
    """An archive of arrays, one of another kind, shape, length or name; or one that unpacks to much."""
    if rng.random() < 0.3:
        return harmed_bytes(content, rng)
    with np.load(io.BytesIO(content)) as found:
        arrays = dict(found)
    name = rng.choice(sorted(arrays))
    array = arrays[name]
    others: tuple[Callable[[], Any], ...] = (
        lambda: array.astype("f8"),
        lambda: array.astype("O"),
        lambda: array[:0],
        lambda: array[: len(array) // 2],
        lambda: array.reshape(1, -1),
        lambda: np.array(["text"] * len(array)),
        lambda: np.full(len(array), -(2**31), "i4"),
        lambda: np.full(len(array), np.nan, "f4"),
        lambda: np.zeros(3 * 10**7, "i4"),
        lambda: np.array(5),
    )
    arrays[name] = rng.choice(others)()
    if rng.random() < 0.2:
        del arrays[name]
    buffer = io.BytesIO()
    (np.savez_compressed if rng.random() < 0.5 else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def harm_kind_of_file(path: Path, outside: Path, rng: random.Random) -> str:
    """Something else than a file or folder in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    kind = rng.choice(
        ("outside", "folder outside", "zero", "itself", "nowhere", "pipe", "folder", "large", "gone")
    )
    match kind:
        case "outside":
            path.symlink_to(outside / "secret.txt")
        case "folder outside":
            path.symlink_to(outside)
        case "zero":
            path.symlink_to("/dev/zero")
        case "itself":
            path.symlink_to(path.name)
        case "nowhere":
            path.symlink_to(outside / "new" / "file")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            (path / "seed-0").mkdir(parents=True)
        case "large":
            path.touch()
            os.truncate(path, rng.choice((2**21, 2**31, 2**40)))
    return kind
