"""The ledger of a search: what `rigorkd gate` was asked, what it saw, what it said, and what of alpha is
spent.

A file of JSON lines, only ever appended to. Its first line holds what the search asks (alpha, margin, metric,
goal) and its first base. A comparison has a line when it begins, which spends its level of alpha, and one for
each time that it is looked at: the seeds that are new, both values of each, and the verdict. Both are on the
disk before anybody hears the verdict. Every line holds the hash of the one before, and its own: what was
edited or removed is named. A line that a crash tore may have begun a comparison, so it spends the level of
one.

All is read and written under a lock of the file, so that two processes lose nothing.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.stats.gating import Budget, Gated, GateVerdict, Pairs, Spent

from rigorkd import __version__
from rigorkd.errors import DamagedError, InputError, StoreError
from rigorkd.files import append_line, sha256_of, timestamp
from rigorkd.records.untrusted import INTERIM, is_number, parse, read_bytes

SCHEMA = "rigorkd.gate-ledger/1"


@dataclass(frozen=True)
class Asked:
    """What a search asks of every candidate; it never changes."""

    alpha: float
    margin: float
    metric: str
    goal: Goal


@dataclass(frozen=True)
class Comparison:
    """One candidate against the base of its time, and the pairs that it was judged by.

    `epoch` counts the acceptances before it began.
    """

    number: int
    epoch: int
    base: str
    candidate: str
    level: float
    seeds: tuple[int, ...] = ()
    base_values: tuple[float | None, ...] = ()
    candidate_values: tuple[float | None, ...] = ()
    verdict: GateVerdict = GateVerdict.UNDECIDED

    @property
    def decided(self) -> bool:
        return self.verdict is not GateVerdict.UNDECIDED


@dataclass(frozen=True)
class Search:
    """A ledger as read.

    Attributes:
        torn: the lines that a crash tore and the level that each one spent.
        unnoted: torn last lines, which the next line to be written has to note.
        head: the hash of the last whole line.
    """

    path: Path
    asked: Asked
    base: str
    budget: Budget
    comparisons: tuple[Comparison, ...] = ()
    torn: tuple[tuple[int, float], ...] = ()
    accepted: tuple[str, ...] = ()
    head: str = ""
    lines: int = 0
    unnoted: tuple[bytes, ...] = field(default=(), repr=False)

    def find(self, base: str, candidate: str) -> Comparison | None:
        """The comparison of these two that is going on, or that made the candidate the present base."""
        now = len(self.accepted)
        for one in reversed(self.comparisons):
            if (one.base, one.candidate) == (base, candidate):
                made_base = one.verdict is GateVerdict.BETTER and one.epoch == now - 1
                return one if one.epoch == now or made_base else None
        return None

    def base_for(self, candidate: str) -> str:
        """What a candidate is compared with; who is the base by now, with what it was accepted against."""
        won = [one for one in self.comparisons if one.verdict is GateVerdict.BETTER]
        return won[-1].base if won and candidate == self.base else self.base

    def used_up(self, base: str, candidate: str) -> dict[str, tuple[int, ...]]:
        """Seeds at which these two may not be compared, by the reason.

        Those that accepted a candidate, where one of these took part: they were the lucky ones of the winner,
        and the unlucky ones of the loser. And those at which the candidate was seen against an earlier base:
        that it is taken up again may rest on its luck there.
        """
        found: dict[str, tuple[int, ...]] = {}
        for one in self.comparisons:
            if one.verdict is GateVerdict.BETTER and {one.base, one.candidate} & {base, candidate}:
                why = f"they accepted {one.candidate}, so they are its lucky ones"
            elif one.epoch < len(self.accepted) and candidate in (one.base, one.candidate):
                why = f"{candidate} was seen there before, in comparison {one.number}"
            else:
                continue
            found[why] = (*found.get(why, ()), *one.seeds)
        return found

    def spent(self, comparison: Comparison) -> Spent:
        """Where a comparison stands in its search."""
        return Spent(
            ledger=str(self.path),
            comparison=comparison.number,
            base=self.base,
            spent=self.budget.alpha - self.budget.left,
            left=self.budget.left,
            accepted=self.accepted,
            torn=tuple(line for line, _ in self.torn),
            head=self.head,
        )


class Ledger:
    """A ledger that this process holds; `search` is None until there is one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.search = read_ledger(path)

    def start(self, asked: Asked, base: str) -> Search:
        """Begin a search from a base."""
        first = {"schema": SCHEMA, "kind": "search", **vars(asked), "base": base, "version": __version__}
        self._write(first)
        return self._now

    def begin(self, base: str, candidate: str) -> Comparison:
        """Begin a comparison, which spends its level whatever becomes of it."""
        self._note_torn()
        budget = self._now.budget
        level = budget.next_level
        line = {"kind": "begin", "comparison": budget.begun + 1, "base": base, "candidate": candidate}
        self._write({**line, "level": level})
        return self._now.comparisons[-1]

    def look(self, comparison: Comparison, pairs: Pairs, verdict: GateVerdict) -> Comparison:
        """Note the pairs that are new and what is said of all; nothing where nothing is new."""
        new = slice(len(comparison.seeds), len(pairs.seeds))
        if not pairs.seeds[new] and verdict is comparison.verdict:
            return comparison
        self._note_torn()
        self._write(
            {
                "kind": "look",
                "comparison": comparison.number,
                "seeds": list(pairs.seeds[new]),
                "base_values": [_or_null(value) for value in pairs.base_values[new]],
                "candidate_values": [_or_null(value) for value in pairs.candidate_values[new]],
                "n": len(pairs.seeds),
                "verdict": verdict.value,
            }
        )
        return next(one for one in self._now.comparisons if one.number == comparison.number)

    @property
    def _now(self) -> Search:
        assert self.search is not None
        return self.search

    def _note_torn(self) -> None:
        if raw := self._now.unnoted:
            lines, levels = zip(*self._now.torn[-len(raw) :], strict=True)
            self._write(
                {
                    "kind": "torn",
                    "lines": list(lines),
                    "levels": list(levels),
                    "of": sha256_of(b"\n".join(raw)),
                }
            )

    def _write(self, entry: dict[str, Any]) -> None:
        before = "" if self.search is None else self.search.head
        now = timestamp()
        entry = {**entry, "time": now, "previous": before}
        text = json.dumps({**entry, "sha256": _hash(entry)}, ensure_ascii=False)
        append_line(self.path, text, alone=False)  # it is the file itself that is locked
        self.search = read_ledger(self.path)


@contextmanager
def opened_ledger(path: Path) -> Iterator[Ledger]:
    """Hold a ledger, which need not be there yet; waits for whoever else holds it.

    Raises:
        StoreError: it is no ledger; a line of it was edited or removed.
    """
    with _locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX):
        yield Ledger(path)


def known_search(path: Path) -> Search | None:
    """The search of a ledger that one may perhaps read only, None where there is none yet.

    Raises:
        StoreError: it is no ledger, or was edited.
    """
    if not os.path.lexists(path):
        return None
    with _locked(path, os.O_RDONLY, fcntl.LOCK_SH):
        return read_ledger(path)


def refuse_unwritable(path: Path) -> None:
    """InputError where a ledger could not be written, for who trains before there is anything to write."""
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}", hint="make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{path}: it may not be written", hint="mend its permissions, or name another file")


@contextmanager
def _locked(path: Path, access: int, lock: int) -> Iterator[None]:
    try:
        descriptor = os.open(path, access | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no folder {path.parent}", hint="make it first") from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise StoreError(
            f"{path}: a link, and a ledger is none", hint=f"name the file itself: {os.path.realpath(path)}"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, lock)
        except OSError as error:
            raise StoreError(
                f"{path}: its file system cannot lock it ({error.strerror})",
                hint="keep the ledger on another disk: without locks two could spend the same alpha",
            ) from None
        yield
    finally:
        os.close(descriptor)


def read_ledger(path: Path) -> Search | None:
    """The search that a ledger holds, checked line by line; None for an empty file.

    Raises:
        StoreError: it is no ledger; a line of it was edited or removed.
    """
    lines = read_bytes(path, path.parent, INTERIM).split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        return None
    reading = _begun(path, _entry(lines[0]), lines[0])
    for number, raw in enumerate(lines[1:], 2):
        entry = _entry(raw)
        if entry is None:
            reading.tear(number, raw)
        else:
            reading.read(number, entry)
    return reading.search(len(lines))


def _entry(raw: bytes) -> dict[str, Any] | None:
    """A line, None for one that is torn."""
    try:
        return parse(raw)
    except ValueError:
        return None


_BEGINS = b'{"schema": "rigorkd.gate-ledger'


def _begun(path: Path, entry: dict[str, Any] | None, raw: bytes) -> _Reading:
    if entry is None and raw[: len(_BEGINS)] == _BEGINS[: len(raw)]:
        raise DamagedError(
            f"{path}:1: torn: the search had not begun and nothing is spent", hint="remove the file"
        )
    schema = "" if entry is None else str(entry.get("schema", ""))
    if entry is None or schema != SCHEMA:
        if schema.startswith("rigorkd.gate-ledger/"):
            raise StoreError(
                f"{path}: written by a newer rigorkd ({schema}; this one knows {SCHEMA})",
                hint="go on with that version: pip install --upgrade rigorkd",
            )
        raise StoreError(f"{path}: no ledger of a gate", hint="name another file; a new one is made")
    _check(path, 1, entry, "")
    try:
        goal: Goal = "min" if entry["goal"] == "min" else "max"
        alpha, margin = _number(entry["alpha"]), _number(entry["margin"])
        if alpha is None or margin is None or not (0 < alpha < 0.5 and margin >= 0):
            raise ValueError("nobody can have asked so")
        asked = Asked(alpha, margin, str(entry["metric"]), goal)
        return _Reading(path, asked, str(entry["base"]), Budget(asked.alpha), entry["sha256"])
    except (KeyError, TypeError, ValueError):
        raise _edited(path, 1, "it asks nothing that a search can ask") from None


MOST_TORN = 100
"""Torn lines in a row. A crash leaves one, which the next line notes: so many are of something else."""

_Noted = tuple[list[int], list[float | None], list[float | None]]
"""The seeds of a comparison, and both values of each."""


@dataclass
class _Reading:
    """A ledger as far as it was read."""

    path: Path
    asked: Asked
    base: str
    budget: Budget
    head: str
    comparisons: dict[int, tuple[Comparison, _Noted]] = field(default_factory=dict)
    torn: list[tuple[int, float]] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    unnoted: list[bytes] = field(default_factory=list)

    def search(self, lines: int) -> Search:
        """What was read."""
        return Search(
            path=self.path,
            asked=self.asked,
            base=self.base,
            budget=self.budget,
            comparisons=tuple(
                replace(
                    one,
                    seeds=tuple(noted[0]),
                    base_values=tuple(noted[1]),
                    candidate_values=tuple(noted[2]),
                )
                for one, noted in self.comparisons.values()
            ),
            torn=tuple(self.torn),
            accepted=tuple(self.accepted),
            head=self.head,
            lines=lines,
            unnoted=tuple(self.unnoted),
        )

    def tear(self, number: int, raw: bytes) -> None:
        """A line that cannot be read."""
        if len(self.unnoted) == MOST_TORN:
            raise _edited(self.path, number, f"it and {MOST_TORN} before it cannot be read")
        self.torn.append((number, self.budget.next_level))
        self.unnoted.append(raw)
        self.budget = self.budget.begin()

    def read(self, number: int, entry: dict[str, Any]) -> None:
        """A line that can."""
        if self.unnoted and entry.get("kind") != "torn":
            raise _edited(self.path, self.torn[-1][0], "it cannot be read, and no line says that it was torn")
        _check(self.path, number, entry, self.head)
        try:
            if self.unnoted and entry["of"] == sha256_of(b"\n".join(self.unnoted)):
                self.unnoted.clear()
            elif entry["kind"] == "begin":
                self._begin(entry)
            elif entry["kind"] == "look":
                self._look(entry)
            else:
                raise ValueError("of no kind")
        except (KeyError, TypeError, ValueError):
            raise _edited(
                self.path, number, f"no line of a ledger as rigorkd {__version__} writes it"
            ) from None
        self.head = entry["sha256"]

    def _begin(self, entry: dict[str, Any]) -> None:
        level = self.budget.next_level
        if (entry["comparison"], entry["level"]) != (self.budget.begun + 1, level):
            raise ValueError("it spends something else than its share")
        number = self.budget.begun + 1
        one = Comparison(number, len(self.accepted), str(entry["base"]), str(entry["candidate"]), level)
        self.comparisons[number] = one, ([], [], [])
        self.budget = self.budget.begin()

    def _look(self, entry: dict[str, Any]) -> None:
        one, (seeds, *values) = self.comparisons[entry["comparison"]]
        seeds += map(int, entry["seeds"])
        for known, name in zip(values, ("base_values", "candidate_values"), strict=True):
            known += map(_number, entry[name])
        if not len(seeds) == len(values[0]) == len(values[1]) == entry["n"]:
            raise ValueError("seeds and values do not go together")
        if one.decided or one.epoch != len(self.accepted):
            raise ValueError("it was decided before, or of another base")
        one = replace(one, verdict=GateVerdict(entry["verdict"]))
        self.comparisons[one.number] = one, self.comparisons[one.number][1]
        if one.verdict is GateVerdict.BETTER:
            self.base = one.candidate
            self.accepted.append(one.candidate)
            self.budget = self.budget.accept(one.level)


def _check(path: Path, number: int, entry: dict[str, Any], head: str) -> None:
    """StoreError for a line that is not what was written, or that follows another one than this."""
    told = entry.get("sha256")
    if told != _hash({key: value for key, value in entry.items() if key != "sha256"}):
        raise _edited(path, number, "its hash is not that of what it says")
    if entry.get("previous") != head:
        raise DamagedError(
            f"{path}:{number}: the line before it is not the one that it was written after: "
            "lines were removed or moved",
            hint="restore the file from a copy; a search whose ledger is lost begins anew, on fresh seeds",
        )


def _edited(path: Path, number: int, why: str) -> DamagedError:
    return DamagedError(
        f"{path}:{number}: the line was edited: {why}",
        hint="restore the file from a copy; a search whose ledger is lost begins anew, on fresh seeds",
    )


def _hash(entry: dict[str, Any]) -> str:
    return sha256_of(json.dumps(entry, sort_keys=True, ensure_ascii=False))


def _number(value: object) -> float | None:
    if value is None:
        return None
    if not is_number(value):
        raise ValueError("a value is no number")
    return float(value)  # type: ignore[arg-type]


def _or_null(value: float) -> float | None:
    return None if value != value else value


def with_search(found: Gated, search: Search, comparison: Comparison) -> Gated:
    """A verdict, told where it stands in its search."""
    return replace(found, search=search.spent(comparison))
