"""Who trains what, when several launchers share a study, and what becomes of the runs that others train.

A lease of a run is the file `.claims/<run>/<n>`, n = 1, 2, …; the highest one counts. It is a hard link to
its holder's `holder.json`, since making a link is exclusive everywhere, on NFS too. Whoever finds the highest
lease's holder dead or gone makes the next one; of several who try, one succeeds. Leases are never taken back
or renamed while they count, so no launcher can remove another's by mistake: a launcher gives up all it holds
by leaving. A run that has its record needs no lease, and loses them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rigorkd.errors import StoreError
from rigorkd.launch.failures import Failure, read_failure
from rigorkd.launch.heartbeat import Heartbeat, Holder, Liveness, at_work, read_holder
from rigorkd.records.layout import StudyFolder
from rigorkd.train.task import Task

STUDY = ".study"
"""The name of the lease that guards the study itself, while one launcher changes what all of them share."""

_POLL = 0.05


class Leases:
    """The leases of one launcher (`me`) on the runs of a study."""

    def __init__(self, study: StudyFolder, me: Heartbeat, liveness: Liveness) -> None:
        self.study, self.me, self.liveness = study, me, liveness

    def take(self, run: str) -> bool:
        """Take a run; whether it is ours now (or was before)."""
        return self._take(self.study.leases(run)) is not None

    def holder(self, run: str) -> Holder | None:
        """The launcher that holds a run and may be alive."""
        folder = self.study.leases(run)
        highest = _highest(folder)
        return self._living_holder(folder, highest) if highest else None

    @contextlib.contextmanager
    def whole_study(self) -> Iterator[None]:
        """Hold the study itself for a moment; waits for a living launcher that does, not for a dead one."""
        folder = self.study.leases(STUDY)
        while (mine := self._take(folder)) is None:
            time.sleep(_POLL)
        try:
            for path in folder.iterdir():  # what is below ours counts for nobody
                if path.name.isdecimal() and int(path.name) < mine:
                    # The lease first: while it is there, so is the word that it was given back. Its holder,
                    # whose listing may be older than ours, would take it for held otherwise.
                    path.unlink(missing_ok=True)
                    _given_back(path).unlink(missing_ok=True)
            yield
        finally:
            with contextlib.suppress(OSError):
                _given_back(folder / str(mine)).touch()

    def drop(self, runs: Iterable[str]) -> None:
        """Remove all leases of runs that have their record: whoever takes one now will see the record."""
        for run in runs:
            shutil.rmtree(self.study.leases(run), ignore_errors=True)

    def _take(self, folder: Path) -> int | None:
        """Make the next lease in a folder of leases; its number if the highest is ours now."""
        highest = _highest(folder)
        if highest:
            path = folder / str(highest)
            if not _given_back(path).exists() and self._is_mine(path):  # in this order: see whole_study
                return highest
            if self._living_holder(folder, highest) is not None:
                return None
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / str(highest + 1)
        if not self._link(target):
            return None
        # A listing that was out of date may have hidden higher leases: then this one counts for nothing.
        return highest + 1 if _highest(folder) == highest + 1 else None

    def _link(self, target: Path) -> bool:
        """Make a lease's file, exclusively; whether it is ours."""
        if not self.me.holder_json.exists():
            self.me.appear()
        try:
            os.link(self.me.holder_json, target)
        except FileExistsError:
            return self._is_mine(target)  # NFS may answer so to a repeated request that had succeeded
        except FileNotFoundError:
            return False  # the leases were dropped, or this launcher was reaped: look again later
        except OSError:  # no hard links here: the next best, which a reader may meet half-written
            try:
                with target.open("xb") as file:
                    file.write(self.me.holder_json.read_bytes())
            except (FileExistsError, FileNotFoundError):
                return False
        return True

    def _is_mine(self, path: Path) -> bool:
        holder = read_holder(path, self.study)
        return holder is not None and holder.id == self.me.holder.id

    def _living_holder(self, folder: Path, number: int) -> Holder | None:
        path = folder / str(number)
        if _given_back(path).exists():
            return None
        holder = read_holder(path, self.study)
        return holder if holder is not None and self.liveness.alive(holder) else None


@contextlib.contextmanager
def alone_in(study: StudyFolder, what: str) -> Iterator[None]:
    """Hold a study for `what`, a command that moves what it has: launchers wait until it has ended.

    StoreError, with nothing changed, while one is at work: it holds runs, and needs what it found.
    """
    study.refuse_links()
    with Heartbeat(study, what) as me:
        leases = Leases(study, me, Liveness(study))
        with leases.whole_study():
            others = [one for one in leases.liveness.launchers() if one.id != me.holder.id]
            if living := leases.liveness.proven(one for one in others if at_work(study, one)):
                raise StoreError(
                    f"{study.path}: {what} while a launcher is at work ({living[0].says})",
                    hint="wait until it has ended (`rigorkd status --watch`), or stop it with Ctrl-C",
                )
            yield


@dataclass(frozen=True)
class News:
    """What became of the watched runs: done, failed, or free again because their holder has gone."""

    done: tuple[str, ...]
    failed: tuple[Failure, ...]
    free: tuple[Task, ...]


class RemoteRuns:
    """Leases runs for this launcher and watches those that others hold."""

    def __init__(self, study: StudyFolder, leases: Leases) -> None:
        self._study, self._leases = study, leases
        self._watched: dict[str, Task] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def lease(self, task: Task) -> tuple[Task | None, list[str]]:
        """Take every run of a task: what is ours to train now, and which runs are done already.

        Those that others hold are watched from now on.
        """
        ours, done = [], []
        for want in task.runs:
            name = want.run.name
            if not self._leases.take(name):
                self._watched[name] = task
            elif has_record(self._study, name):  # it was finished after we had looked, before we took it
                done.append(name)
            else:
                ours.append(want)
        return replace(task, runs=tuple(ours)) if ours else None, done

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
            elif self._leases.holder(name) is None:
                free[id(task)].append(name)
        for name in {*done, *(failure.run for failure in failed)}.union(*free.values()):
            del self._watched[name]
        parts = tuple(
            replace(tasks[key], runs=tuple(want for want in tasks[key].runs if want.run.name in names))
            for key, names in free.items()
        )
        return News(tuple(done), tuple(failed), parts)


def has_record(study: StudyFolder, run: str) -> bool:
    """Whether a run has its record. The folder is listed: NFS long remembers that a file was not there."""
    try:
        return any(path.name == "record.json" for path in study.run(run).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _highest(folder: Path) -> int:
    """The number of the highest lease, 0 if there is none."""
    try:
        return max((int(path.name) for path in folder.iterdir() if path.name.isdecimal()), default=0)
    except FileNotFoundError:
        return 0


def _given_back(path: Path) -> Path:
    return path.with_name(path.name + ".free")
