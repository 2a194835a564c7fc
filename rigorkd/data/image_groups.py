"""Which image files are of one patient, speaker or scene: told by their names, or by a table."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rigorkd.data.dataset import ImageGroups
from rigorkd.errors import InputError
from rigorkd.text import count, in_yaml, nearest, some_of

KEY = "split.group_by"
_TABLE = re.compile(r"(?i)(.+\.[ct]sv)(?::(.+))?")
_FILES = frozenset({"file", "filename", "path", "filepath", "image", "imagename", "imageid", "img", "name"})
_GROUPS = frozenset(
    f"{word}{ending}"
    for word in ("group", "subject", "patient", "speaker", "person", "participant", "subj", "animal", "scene")
    for ending in ("", "id", "s")
)
"""What columns and arrays are called that tell what belongs together, without case and signs."""
_TELLING = re.compile(r"(?i)(?<![^\W_])((?:patient|subject|subj|speaker|participant)[-_ ]?)[a-z]{0,2}\d+")
"""A name that plainly tells a patient or the like: patient07_slice3.png."""


def names_groups(name: str) -> bool:
    """Whether a column or an array is called as one that tells what belongs together."""
    return re.sub(r"[\W_]", "", name).casefold() in _GROUPS


def check_pattern(told: str) -> str:
    """What is wrong with a `group_by` that should be a regular expression or a table; "" if nothing."""
    if _TABLE.fullmatch(told):
        return ""
    try:
        re.compile(told)
    except re.error as error:
        return f"{KEY} is neither a table (.csv, .tsv) nor a regular expression: {error}"
    return ""


def group_files(told: str, folder: Path, pool: Sequence[str], test: Sequence[str] | None) -> list[str]:
    """The group of every file, those of `pool` first, as `split.group_by` tells them.

    The names are paths below `folder`.

    Raises:
        InputError: an image is told no group, or the table cannot be used.
    """
    names = [*pool, *(test or ())]
    table = _TABLE.fullmatch(told)
    found = list(_of_table(table[1], table[2], folder, names) if table else _of_names(told, names))
    if lacking := [name for name, group in zip(names, found, strict=True) if not group]:
        where = "has no row of" if table else "does not match"
        hint = "the table needs a row for each image, with its name or its path below dataset.root"
        if not table:
            hint = (
                "it is searched in the name of the file, or, where it has a /, in the path below "
                "dataset.root; what brackets enclose is the group, else all that matches: "
                f"{KEY}: '^[^_]+' takes what stands before the first _"
            )
        others = f" and {count(len(lacking) - 1, 'other image')}" * (len(lacking) > 1)
        raise InputError(f"{KEY} {in_yaml(told)} {where} {lacking[0]}{others}", hint=hint)
    return [str(group) for group in found]


def groups_of(
    by: str, found: Sequence[str], classes: tuple[str, ...], pool: int, *, own_test: bool
) -> ImageGroups:
    """Groups by their names, the first `pool` of them of the images to split, the others of a test set."""
    import numpy as np

    names, numbers = np.unique(np.array(found, dtype=np.str_), return_inverse=True)
    numbers = numbers.astype(np.int64)
    test = numbers[pool:] if own_test else None
    return ImageGroups(by, tuple(map(str, names)), classes, numbers[:pool], test)


def tells_subject(name: str) -> bool:
    """Whether a name plainly is, or has in it, that of a patient, a speaker or the like."""
    return _TELLING.search(name) is not None


def telling_names(names: Iterable[str]) -> str:
    """A `group_by` for files whose names all plainly tell a patient or the like, several of each; else ""."""
    found, words = Counter[str](), set[str]()
    for name in names:
        told = _TELLING.search(name.rpartition("/")[2])
        if told is None:
            return ""
        found[told[0]] += 1
        words.add(told[1])
    several = 1 < len(found) < found.total()
    return rf"{re.escape(words.pop())}[A-Za-z]*\d+".replace(r"\-", "-") if several and len(words) == 1 else ""


def _of_names(pattern: str, names: Iterable[str]) -> Iterator[str]:
    compiled, whole = re.compile(pattern), "/" in pattern
    for name in names:
        told = compiled.search(name if whole else name.rpartition("/")[2])
        parts = [] if told is None else [part for part in told.groups() if part]
        yield "/".join(parts) or ("" if told is None or told.groups() else told[0])


def _of_table(file: str, column: str | None, folder: Path, names: Sequence[str]) -> Iterator[str]:
    path = folder / Path(file).expanduser()
    rows = _rows(path)
    of_file, of_group = _columns(path, next(rows, []), column)
    told: dict[str, str] = {}
    for row in rows:
        if len(row) <= max(of_file, of_group) or not row[of_group].strip():
            continue
        name, group = row[of_file].strip().replace("\\", "/").removeprefix("./"), row[of_group].strip()
        if told.setdefault(name, group) != group:
            raise InputError(
                f"{path}: {name} is there twice, of {told[name]} and of {group}",
                hint="an image is of one group: keep one of the two rows",
            )
    last = [name.rpartition("/")[2] for name in names]
    for short, found in ((last, Counter(last)), (stems := [Path(one).stem for one in last], Counter(stems))):
        for name, key in zip(names, short, strict=True):
            if name not in told and key in told and found[key] > 1:
                raise InputError(
                    f"{path}: {key} stands for {count(found[key], 'image')}, {name} and others",
                    hint="write the paths of the images below dataset.root into the table",
                )
    for name, file_name, stem in zip(names, last, stems, strict=True):
        yield next((told[key] for key in (name, file_name, stem) if key in told), "")


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"{KEY}: {path}: {(error.strerror or str(error)).lower()}",
            hint="the place of the table starts at dataset.root",
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{KEY}: {path} is not text in UTF-8", hint="save the table as UTF-8") from None
    first = text.partition("\n")[0]
    between = max(",;\t", key=first.count)
    try:
        yield from csv.reader(text.splitlines(), delimiter=between)
    except csv.Error as error:
        raise InputError(f"{KEY}: {path}: {error}", hint="save the table as CSV") from None


def _columns(path: Path, head: Sequence[str], asked: str | None) -> tuple[int, int]:
    """Which column names the image, and which its group."""
    heads = [name.strip() for name in head]
    plain = [re.sub(r"[\W_]", "", name).casefold() for name in heads]
    some = some_of(heads, 8) or "nothing"
    files = [at for at, name in enumerate(plain) if name in _FILES and heads[at] != asked]
    groups = [at for at, name in enumerate(plain) if names_groups(name)]
    if asked is not None:
        if asked not in heads:
            close = nearest(asked, heads)
            raise InputError(
                f"{KEY}: {path} has no column {asked!r}",
                hint=f"did you mean {close!r}?" if close else f"it has {some}",
            )
        groups = [heads.index(asked)]
    if len(files) != 1 or len(groups) != 1:
        of = [heads[at] for at in groups if len(groups) > 1]
        hint = f"its first line names the columns, one of them file, one group; it has {some}"
        if len(files) == 1:
            offers = of or [name for at, name in enumerate(heads) if at not in files]
            hint = f"say which column tells the group: {KEY}: {path.name}:{next(iter(offers), 'COLUMN')}"
            hint += f" (it has {some})"
        raise InputError(
            f"{KEY}: {path}: "
            + ("several columns may tell" if of else "no column plainly tells")
            + (" the group" if len(files) == 1 else " which row is of which image"),
            hint=hint,
        )
    return files[0], groups[0]
