"""The runs that other launchers train for us: counted when done, taken over when their holder dies."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from rigorkd.launch.claims import Claims
from rigorkd.launch.failures import Failure, read_failure
from rigorkd.launch.presence import Holder
from rigorkd.records.layout import StudyFolder
from rigorkd.train.task import Task


@dataclass(frozen=True)
class Claimed:
    """A task after claiming: what of it is ours to train, if anything, and which runs are done already."""

    ours: Task | None
    done: tuple[str, ...]


@dataclass(frozen=True)
class News:
    """What became of the watched runs: done, failed, or free again because their holder has gone."""

    done: tuple[str, ...]
    failed: tuple[Failure, ...]
    free: tuple[Task, ...]


class Elsewhere:
    """Claims runs for this launcher and watches those that others hold."""

    def __init__(self, study: StudyFolder, claims: Claims) -> None:
        self._study, self._claims = study, claims
        self._watched: dict[str, Task] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def claim(self, task: Task) -> Claimed:
        """Claim every run of a task; those that others hold are watched from now on."""
        ours, done = [], []
        for want in task.runs:
            name = want.run.name
            if not self._claims.take(name):
                self._watched[name] = task
            elif has_record(self._study, name):  # it was finished between our inventory and our claim
                done.append(name)
            else:
                ours.append(want)
        return Claimed(replace(task, runs=tuple(ours)) if ours else None, tuple(done))

    def look(self) -> News:
        """See what became of the watched runs; those that are told of are watched no longer."""
        done, failed = [], []
        free: defaultdict[int, list[str]] = defaultdict(list)
        tasks = {id(task): task for task in self._watched.values()}
        for name, task in self._watched.items():
            want = next(want for want in task.runs if want.run.name == name)
            failure = read_failure(self._study, name)
            if has_record(self._study, name):
                done.append(name)
            elif failure is not None and failure.run_hash == want.run_hash:
                failed.append(failure)
            elif self._claims.holder(name) is None:
                free[id(task)].append(name)
        for name in (
            *done,
            *(failure.run for failure in failed),
            *(n for part in free.values() for n in part),
        ):
            del self._watched[name]
        parts = tuple(
            replace(tasks[key], runs=tuple(want for want in tasks[key].runs if want.run.name in names))
            for key, names in free.items()
        )
        return News(tuple(done), tuple(failed), parts)

    def holders(self) -> list[Holder]:
        """The launchers that hold what is watched."""
        found = {holder.id: holder for name in self._watched if (holder := self._claims.holder(name))}
        return list(found.values())


def has_record(study: StudyFolder, run: str) -> bool:
    """Whether a run has its record. The folder is listed: NFS long remembers that a file was not there."""
    try:
        return any(path.name == "record.json" for path in study.run(run).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False
