"""One launch: refuse what cannot run, see what is missing, have it trained, say how it ended.

Several launchers may work on one study, on one host or on several: each takes leases of the runs that it
trains, and waits for those that others hold. What all of them share is changed by one at a time. Where the
runs are trained is a backend's affair: here, unless it is told otherwise.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from rich.console import Console

from rigorkd.launch.backends.interface import Backend, Submitted, Work
from rigorkd.launch.backends.local import Local
from rigorkd.launch.heartbeat import Heartbeat, Liveness, starting
from rigorkd.launch.leases import Leases
from rigorkd.launch.run_states import State
from rigorkd.launch.session import LaunchOptions, Session
from rigorkd.protocol.load import Protocol
from rigorkd.records.judged_elsewhere import note_outcomes_elsewhere
from rigorkd.records.layout import StudyFolder
from rigorkd.records.study import folder_name

__all__ = ["LaunchOptions", "Outcome", "launch"]


@dataclass(frozen=True)
class Outcome:
    """How a launch ended, or, if it has not `ended`, what was known when it was left to a backend.

    `failed` maps runs to reasons; `failed_before` are those of earlier launches.
    """

    study: StudyFolder
    trained: int
    already_done: int
    failed: dict[str, str]
    failed_before: frozenset[str] = frozenset()
    ended: bool = True


def launch(
    protocol: Protocol, options: LaunchOptions, console: Console, backend: Backend | None = None
) -> Outcome:
    """Have trained what is missing of the protocol. Raises before that if something cannot run."""
    backend = backend or Local()
    label = options.label or backend.label
    with contextlib.ExitStack() as entered:
        if (me := options.me) is not None and me.present:
            entered.enter_context(me)
        else:
            study = StudyFolder(options.results / folder_name(protocol, options.mode))
            me = entered.enter_context(starting(study, label))
        session = Session.of(protocol, options, console)
        study, states = session.study, session.run_states()
        checked = not session.is_complete(states)
        if checked:
            session.refuse_stale(states)
            session.warn_of_looks(states)
            session.refuse_shared(states)
            backend.check(session, states)
        elif session.is_settled(me) and not backend.detached:
            session.intact.save()
            return Outcome(study, 0, len(states.expected), {})
        study.path.mkdir(parents=True, exist_ok=True)
        if me is None:
            me = entered.enter_context(Heartbeat(study, label, trains=True))
        submitted: Submitted | None = None
        failed: dict[str, str] = {}
        leases = Leases(study, me, Liveness(study))
        if backend.detached:
            # It leaves alone what others train. So nobody is believed to live without proof: what was on a
            # node that is lost is to be handed over again.
            leases.liveness.proven(leases.liveness.launchers())
        states = session.open(leases)
        before = {name: failure.reason for name, failure in states.failures.items() if not failure.behind}
        todo = frozenset(run.name for run in states.missing()) - before.keys()
        try:
            if todo or backend.detached:
                if (
                    not checked
                ):  # records were found damaged only now, or a backend is to say that all is done
                    backend.check(session, states)
                submitted = backend.submit(Work(session, states, todo, leases))
                if not backend.detached:
                    failed = _until_ended(submitted)
        finally:
            session.close(leases, todo)
    done = states.count(State.DONE)
    runs = submitted.runs if submitted else frozenset()
    if backend.detached:
        if not options.wait:
            return Outcome(study, 0, done, before, frozenset(before), ended=False)
        if submitted and runs:
            console.print("waiting for the jobs; Ctrl-C leaves them to go on", highlight=False)
            failed = submitted.wait()
    if runs:
        if not protocol.smoke:
            note_outcomes_elsewhere(study.path)  # whose code was changed in a comment, no run hash tells
        session.refuse_removed({*states.records, *runs} - failed.keys() - before.keys(), failed)
    return Outcome(study, len(runs) - len(failed), done, before | failed, frozenset(before))


def _until_ended(submitted: Submitted) -> dict[str, str]:
    """Wait for what ends with this launch, however the launch ends."""
    try:
        return submitted.wait()
    except BaseException:
        submitted.cancel()
        raise
