"""Tasks in the order in which they may start: a teacher before the cohort that needs it.

Pure bookkeeping: no process, file or clock. The pool asks for the next task and says how it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import pairwise

from rigorkd.protocol.cells import FIXED, Cohort, Run
from rigorkd.records.expected import Expected
from rigorkd.train.task import Task

Runs = tuple[str, ...]
"""Names of the runs of one task: a teacher or a start alone, or what is missing of a cohort."""


@dataclass(frozen=True)
class Waiting:
    """A task and the names of missing runs that must be done before it; a part is not cut again."""

    task: Task
    needs: frozenset[str]
    part: bool = False


class TaskQueue:
    """The tasks of a launch. `failed` maps runs that can no longer be trained to the reason."""

    def __init__(self, waiting: list[Waiting]) -> None:
        self._waiting = waiting
        self._hashes = {want.run.name: want.run_hash for entry in waiting for want in entry.task.runs}
        self.failed: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def next(self, slots: int) -> Task | None:
        """A task whose needs are met, or None. The last tasks are cut to keep every slot busy."""
        for index, entry in enumerate(self._waiting):
            if not entry.needs:
                del self._waiting[index]
                idle = slots - len(self._waiting)
                if idle > 1 and len(entry.task.runs) > 1 and not entry.part:
                    first, *others = split_evenly(entry.task, idle)
                    self._waiting[index:index] = [Waiting(part, frozenset(), part=True) for part in others]
                    return first
                return entry.task
        return None

    def runs(self) -> set[str]:
        """The runs that are still to be handed out."""
        return {want.run.name for entry in self._waiting for want in entry.task.runs}

    def stages(self) -> list[list[Runs]]:
        """The tasks' runs in stages: each task as early as may be after the runs that it needs."""
        found, left, done = [], self._waiting, set[str]()
        while left:
            ready = [entry for entry in left if entry.needs <= done]
            assert ready
            left = [entry for entry in left if not entry.needs <= done]
            found.append([tuple(want.run.name for want in entry.task.runs) for entry in ready])
            done.update(*found[-1])
        return found

    def cells(self) -> set[str]:
        """The cells of which runs are still to be handed out."""
        return {want.run.cell.name for entry in self._waiting for want in entry.task.runs}

    def hold(self, reason: str) -> list[str]:
        """Hand out nothing more: what waits is noted in `failed`, and returned."""
        held = sorted(self.runs())
        self.failed.update(dict.fromkeys(held, reason))
        self._waiting = []
        return held

    def has(self, run: str) -> bool:
        """Whether a run is still to be handed out."""
        return any(want.run.name == run for entry in self._waiting for want in entry.task.runs)

    def hash_of(self, run: str) -> str:
        """The hash of a run that was queued."""
        return self._hashes[run]

    def put_back(self, task: Task, *, part: bool = True) -> None:
        """Queue a task again, first in line and, as a `part`, not to be cut (its worker died)."""
        self._waiting.insert(0, Waiting(task, frozenset(), part))

    def done(self, run: str) -> None:
        """A run has its record: what waited for it may start."""
        self._waiting = [
            replace(entry, needs=entry.needs - {run}) if run in entry.needs else entry
            for entry in self._waiting
        ]

    def fail(self, run: str, reason: str) -> list[str]:
        """A run has failed. Returns every run that needed it; all are noted in `failed`."""
        self.failed[run] = reason
        return self.fail_behind(run, "which failed")

    def fail_behind(self, run: str, why: str) -> list[str]:
        """Fail every waiting run that needs `run`, which will never be of use. Returns their names."""
        lost = []
        kept = []
        for entry in self._waiting:
            behind = [want for want in entry.task.runs if missing_needs(want.run, {run})]
            left = tuple(want for want in entry.task.runs if want not in behind)
            for want in behind:
                self.failed[want.run.name] = f"it needs {run}, {why}"
                lost.append(want.run.name)
            if left:
                kept.append(Waiting(replace(entry.task, runs=left), entry.needs - {run}))
        self._waiting = kept
        for name in tuple(lost):
            lost += self.fail_behind(name, "which cannot be trained")
        return lost


def build_queue(
    expected: Mapping[str, Expected], missing: AbstractSet[str], cohorts: Iterable[Cohort], like: Task
) -> TaskQueue:
    """Queue every missing run: seed by seed, teachers and starts before the cohorts that need them.

    The tasks have the settings of `like`.
    """
    waiting: list[tuple[tuple[int, int], Waiting]] = []
    for name, want in expected.items():
        if name in missing and want.run.cell.role != "student":
            seed = -1 if want.run.seed is None else want.run.seed
            task = replace(like, runs=(want,), teacher=_teacher_of(want, expected), keep_logits=False)
            waiting.append(((seed, 0), Waiting(task, missing_needs(want.run, missing))))
    for cohort in cohorts:
        wants = tuple(expected[run.name] for run in cohort.runs if run.name in missing)
        if wants:
            teacher = expected.get(cohort.teacher.name) if cohort.teacher else None
            needs = frozenset().union(*(missing_needs(want.run, missing) for want in wants))
            task = replace(like, runs=wants, teacher=teacher)
            waiting.append(((cohort.seed, 1), Waiting(task, needs)))
    waiting.sort(key=lambda item: item[0])
    return TaskQueue([entry for _, entry in waiting])


def _teacher_of(want: Expected, expected: Mapping[str, Expected]) -> Expected | None:
    """The run that a teacher or a start is itself distilled from."""
    cell, seed = want.run.cell, want.run.seed
    if not cell.method.distils:
        return None
    return expected.get(f"{cell.teacher}/seed-{seed}") or expected[f"{cell.teacher}/seed-{FIXED}"]


def missing_needs(run: Run, missing: AbstractSet[str]) -> frozenset[str]:
    """Names of the runs among `missing` that this run needs first."""
    names = set()
    for cell in run.cell.needs:
        names |= {f"{cell}/seed-{run.seed}", f"{cell}/seed-fixed"} & missing
    return frozenset(names)


def split_evenly(task: Task, parts: int) -> list[Task]:
    """Cut a task into at most `parts` tasks of nearly equal numbers of students."""
    parts = min(parts, len(task.runs))
    cuts = [round(index * len(task.runs) / parts) for index in range(parts + 1)]
    return [replace(task, runs=task.runs[a:b]) for a, b in pairwise(cuts)]
