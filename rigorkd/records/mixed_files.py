"""Files that no hash covers and that were not the same for all runs: which runs they were others for.

What is to be known of these is computed of the records that it is asked of, and of no others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from rigorkd.records.command_code import (
    STUDENTS_OWN,
    TEACHERS_OWN,
    WRITTEN,
    by_inputs,
    hashed,
    noted,
    notes,
    of_whom,
)
from rigorkd.records.record import Record
from rigorkd.text import count, some_of

_ABSENT = ""
"""Stands for the content of a file that a run did not note, and others of its cell did."""


@dataclass(frozen=True)
class Mixture:
    """What is to be known of a file that was not the same for all runs; it was another for `runs`."""

    says: str
    runs: frozenset[str]


def mixed(records: Iterable[Record], but: Collection[str] = ()) -> Iterator[Mixture]:
    """What is to be known of records for which files that no hash covers were not the same.

    Not of those that are left out by `but`, which have a note of their own.
    """
    states: dict[str, dict[str, list[str]]] = {}
    records = list(records)
    every = {name for record in records for name in noted(record)}
    noted_by: dict[object, set[str]] = {}  # a run notes what its own command may read
    for record in records:
        noted_by.setdefault(record.fields.get("cell"), set()).update(noted(record))
    for record in records:
        # what hashes of some runs cover, and of others, as of their teachers, do not
        covered = {name: told for name, told in hashed(record).items() if name in every}
        beside = {**covered, **noted(record)}
        if notes(record):  # one of an earlier version knows nothing of what was not there
            told = dict.fromkeys(noted_by[record.fields.get("cell")] - beside.keys(), _ABSENT)
            beside |= {name: absent for name, absent in told.items() if name not in hashed(record)}
        for name, content in beside.items():
            states.setdefault(name, {}).setdefault(content, []).append(record.run)
    for name, by_content in states.items():
        if len(by_content) > 1 and WRITTEN not in by_content and name not in but:
            *others, most = sorted(by_content.values(), key=len)
            few = [run for runs in others for run in runs]
            how = f"was another for {count(len(few), 'run')} ({some_of(few, 3)}) than for {len(most)},"
            if lacking := by_content.get(_ABSENT):
                there = sum(map(len, by_content.values())) - len(lacking)
                few = lacking
                how = f"was not there for {count(len(few), 'run')} ({some_of(few, 3)}), and was for {there},"
            whose = _lacking(name, records)
            says = (
                f"{name} {how}"
                f" and no hash covers it{of_whom(whose)}, so that runs of before and after the change are"
                f" compared: {by_inputs([name], whose)}"
            )
            yield Mixture(says, frozenset(few))


def _lacking(name: str, records: Iterable[Record]) -> str:
    """Whose trainer leaves a file uncovered that others cover; "" where none does."""
    lack, cover = dict[str, None](), dict[str, None]()
    for record in records:
        told = cover if name in hashed(record) else lack if name in noted(record) else {}
        told[str(record.fields.get("cell"))] = None
    if not lack or not cover:
        return ""
    teachers = [cell.split("/")[0] == "teacher" for cell in lack]
    others = [cell.split("/")[0] == "teacher" for cell in cover]
    if all(teachers) and not any(others):
        return TEACHERS_OWN
    return STUDENTS_OWN if not any(teachers) and all(others) else f"the trainer of {some_of([*lack], 3)}"
