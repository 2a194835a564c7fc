"""What a backend is: it takes what a launch misses and sees to it that it is trained somewhere.

    local    in worker processes of this machine, which end with the launcher
    slurm    in jobs of a cluster, each a launcher of its own that goes on by itself

Another package adds one by an entry point of the group `rigorkd.backends`, whose name is what
`rigorkd run --backend NAME:OPTIONS` says and whose object is a subclass of `Backend`. However it starts them,
what trains in the end are launchers on the study's folder: they share the work by leases, and the folder
tells what became of every run.
"""

from __future__ import annotations

import inspect
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar

from rigorkd.errors import InputError, RigorkdError
from rigorkd.launch.failures import read_failure
from rigorkd.launch.leases import Leases, has_record
from rigorkd.launch.queue import TaskQueue, build_queue
from rigorkd.launch.run_states import RunStates
from rigorkd.launch.session import Session
from rigorkd.protocol.cohorts import cohorts
from rigorkd.text import suggest
from rigorkd.train.task import Task

GROUP = "rigorkd.backends"
"""The group of entry points in which other packages name their backends."""

OWN = (
    EntryPoint("local", "rigorkd.launch.backends.local:Local", GROUP),
    EntryPoint("slurm", "rigorkd.launch.backends.slurm.backend:Slurm", GROUP),
)

LOOK_EVERY, ASK_EVERY = 1.0, 15.0
"""Seconds between two looks at the records, and between two questions who is alive, while waiting."""


@dataclass(frozen=True)
class Work:
    """What a launch hands to a backend: the runs `todo` of a study that it has opened, as their `states` are.

    They have no record and have not failed before. `leases` are those of the launcher itself.
    """

    session: Session
    states: RunStates
    todo: frozenset[str]
    leases: Leases

    def queue(self, runs: AbstractSet[str] | None = None) -> TaskQueue:
        """`todo`, or some `runs` of it, as tasks; what needs one that failed or diverged has failed there."""
        protocol, options, expected = self.session.protocol, self.session.options, self.states.expected
        queue = build_queue(
            expected,
            self.todo if runs is None else runs,
            cohorts(protocol.cells, options.seeds),
            like=Task(
                runs=(),
                teacher=None,
                keep_logits=protocol.spec.keep_logits,
                save_weights=options.save_weights,
                replay_bytes=options.replay_bytes,
                smoke=protocol.smoke,
            ),
        )
        for name, want in expected.items():
            if want.run.cell.role != "student" and self.states.diverged(name):
                queue.fail_behind(name, "which diverged")
        for name, failure in self.states.failures.items():
            if not failure.behind:
                queue.fail_behind(name, "which failed")
        return queue


class Submitted(ABC):
    """Work that a backend has taken: `runs` are those that it sees to."""

    def __init__(self, work: Work, runs: Iterable[str]) -> None:
        self.work, self.runs = work, frozenset(runs)

    @abstractmethod
    def alive(self) -> AbstractSet[str]:
        """The runs that wait for their turn or are being trained; others may be named too.

        Raises InputError where nobody answers, which says nothing about the runs.
        """

    @abstractmethod
    def cancel(self) -> None:
        """End what was submitted, as soon as can be. Nothing finished is lost."""

    def wait(self) -> dict[str, str]:
        """Wait until every run has its record or will have none; the reasons of those that have none.

        The study's folder tells what became of them, and `alive` of which nothing more will be heard.
        """
        study, say = self.work.session.study, self.work.session.say
        left, asked = set(self.runs), time.monotonic()
        failed: dict[str, str] = {}
        while left:
            for run in sorted(left):
                failure = read_failure(study, run)
                if failure is not None and failure.run_hash == self.work.states.expected[run].run_hash:
                    failed[run] = failure.reason
                    say(f"failed {run}: {failure.reason}")
            left -= failed.keys() | {run for run in left if has_record(study, run)}
            if left and time.monotonic() - asked >= ASK_EVERY:
                asked = time.monotonic()
                gone = {run for run in left - self._believed_alive() if not has_record(study, run)}
                failed |= {run: self.why_lost(run) for run in gone}
                left -= gone
            if left:
                time.sleep(LOOK_EVERY)
        return failed

    def why_lost(self, run: str) -> str:
        """Why a run has no record though nothing is alive that would train it."""
        return "what was to train it ended without it"

    def _believed_alive(self) -> AbstractSet[str]:
        try:
            return self.alive()
        except InputError:
            return self.runs


class Backend(ABC):
    """A way to have runs trained; made with the text after the colon of `--backend NAME:OPTIONS`, or None.

    What is `detached` goes on when the launcher that submitted it ends; else it is waited for, and cancelled
    if the launcher is. `label` says to others what a launcher that submits is doing.
    """

    detached: ClassVar[bool] = True
    label: ClassVar[str] = ""

    def __init__(self, text: str | None = None) -> None:
        """Raises InputError for a text that means nothing, or where the backend cannot be reached."""
        self.text = text

    def check(self, session: Session, states: RunStates) -> None:
        """Refuse what cannot be trained, while the study is still as it was: an error with one message."""
        session.check_runnable(states)

    @abstractmethod
    def submit(self, work: Work) -> Submitted:
        """Take the work, say what was taken (`work.session.say`), and return at once."""


def find_backend(asked: str) -> Backend:
    """The backend of `NAME` or `NAME:OPTIONS`. InputError if there is none, or if it does not work."""
    name, colon, text = asked.partition(":")
    try:
        return _class_of(name)(text if colon else None)
    except RigorkdError:
        raise
    except Exception as error:  # whatever a foreign module does when it is imported
        raise _broken(name, f"does not work ({type(error).__name__}: {error})") from error


def _class_of(name: str) -> type[Backend]:
    foreign = [*entry_points(group=GROUP)]
    found = {entry.value: entry for entry in OWN if entry.name == name}  # ours are not replaced
    found = found or {entry.value: entry for entry in foreign if entry.name == name}
    if not found:
        names = sorted({entry.name for entry in (*OWN, *foreign)})
        hint = suggest(name, names, f"there are {', '.join(names)}")
        raise InputError(f"--backend {name}: there is no such backend", hint=hint)
    if len(found) > 1:
        raise _broken(name, f"is what several packages bring: {', '.join(sorted(found))}")
    ((place, entry),) = found.items()
    made = entry.load()
    if not (inspect.isclass(made) and issubclass(made, Backend)):
        raise _broken(name, f"is no {Backend.__module__}.{Backend.__name__}: {place}")
    if missing := sorted(made.__abstractmethods__):
        raise _broken(name, f"lacks {', '.join(missing)}: {place}")
    return made


def _broken(name: str, why: str) -> InputError:
    return InputError(
        f"--backend {name}: the backend {why}", hint="mend or uninstall the package that brings it"
    )
