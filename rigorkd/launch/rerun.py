"""Repeat finished runs in a scratch folder and compare what comes out, bit by bit.

What a command does to the bits is its own affair: of its runs the numbers and predictions are compared. One
that comes out otherwise than its record is repeated once more, since that has two causes: two repetitions of
today that differ show a script that is not deterministic, and by how much two runs of one seed differ; two
that agree, and not with the record, show that something which the run reads was another then.

As many are repeated at once as there are workers: of the engine's runs the bits do not depend on that.
Commands share a folder, in which they may meet, and go one by one unless it is said otherwise.
"""

from __future__ import annotations

import itertools
import random
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from rigorkd.errors import DamagedError, InputError, StoreError
from rigorkd.launch.devices import device_slots
from rigorkd.launch.launch import launch
from rigorkd.launch.own_commands import code_of, own_folder
from rigorkd.launch.run_states import State, find_run_states, with_needs
from rigorkd.launch.session import LaunchOptions
from rigorkd.problems import ExpansionError
from rigorkd.protocol.hashes import resolved
from rigorkd.protocol.load import Protocol
from rigorkd.records.changes import met
from rigorkd.records.command_code import changed_since
from rigorkd.records.expected import start_files
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import threads_of
from rigorkd.records.read import read_protocol
from rigorkd.records.record import Record, copy_record, read_record
from rigorkd.records.study import read_info
from rigorkd.records.untrusted import is_own

FAILED = "it failed: "
"""How what differs of a repetition begins that did not end well."""


@dataclass(frozen=True)
class Rerun:
    """One repeated run: the files that came out otherwise, and why that may be (empty: it must not be).

    `numbers` are a command's, then and now; of a command `otherwise` says whether its results are others
    than the record's, and `files` names what else it left that is. Where they are, `repeats` says whether a
    second repetition gave what the first did, with `apart` as the numbers of both, and `since` names the
    files that are known to have changed after the record.
    """

    run: str
    differs: tuple[str, ...]
    excuse: str
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    otherwise: bool = False
    files: tuple[str, ...] = ()
    repeats: bool | None = None
    apart: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    since: tuple[str, ...] = ()

    @property
    def is_wrong(self) -> bool:
        return bool(self.differs) and not self.excuse

    @property
    def has_changed(self) -> bool:
        """Whether something has changed since: a command's results are others, and the same twice."""
        return self.otherwise and self.repeats is True

    @property
    def is_unsteady(self) -> bool:
        """Whether a command gave two results today."""
        return self.otherwise and self.repeats is False


def rerun(
    folder: Path,
    n: int,
    console: Console,
    *,
    choice: int,
    device: str,
    jobs: int | None,
    trust: bool = False,
    working: Path | None = None,
) -> list[Rerun]:
    """Train `n` finished runs again, drawn with the seed `choice`, from the teachers and starts on record.

    `jobs` None is as many workers as `rigorkd run` takes; for commands it is one.
    The scratch folder goes when this returns. Commands are run where this user ran them before, or in the
    folder `working`; those of a study that is not the user's own only with `trust`, and so the code that
    another user's study brings. Raises what `launch` raises.
    """
    study = StudyFolder(folder)
    info = read_info(folder)
    protocol, files = read_protocol(folder), info.start_files
    by_command = any(cell.trainer is not None for cell in protocol.cells)
    if by_command:
        protocol = _placed(protocol, study, trust=trust, working=working)
        files = start_files(protocol)
    if code := code_of(protocol):
        if not trust and not is_own(folder):
            raise InputError(
                f"{folder}: belongs to another user, and to repeat its runs executes code that it brings:\n"
                + "\n".join(f"  {line}" for line in code),
                hint="read that code; if you trust it, give --trust",
            )
        for line in code:
            console.print(f"runs the study's own code: {line}", soft_wrap=True)
    states = find_run_states(protocol, info.seeds, study, info.mode, files)
    if states.stale and files is not info.start_files:
        first = states.stale[0]
        raise InputError(
            f"{protocol.path.parent}: not what the study was run with: {first.run}: {first.reason}",
            hint="check out the code of that time, or name its folder with --folder",
        )
    done = sorted(name for name, state in states.state.items() if state is State.DONE)
    chosen = random.Random(choice).sample(done, min(n, len(done)))
    at_zero = [name for name in done if _is_of_zero(name)] if by_command and len(chosen) > 1 else []
    if at_zero and not any(map(_is_of_zero, chosen)):  # which a script may take for no seed
        chosen[0] = random.Random(choice).choice(at_zero)
    chosen.sort()
    found: list[Rerun] = []
    number = itertools.count()
    needs = {name: with_needs(states.expected, {name}).keys() - {name} for name in chosen}
    threads = {name: threads_of(states.records[name].fields.get("hardware")) for name in chosen}
    shared = met(folder, states.records.values()) if by_command else []
    workers = _workers(device, jobs, by_command=by_command, shared=shared, console=console)
    with tempfile.TemporaryDirectory(prefix="rigorkd-rerun-") as scratch:

        def once(names: Sequence[str]) -> dict[str, Record | str]:
            """The record of each repetition, or why it failed."""
            again = StudyFolder(Path(scratch) / f"{next(number)}" / info.study)
            for need in sorted(with_needs(states.expected, names).keys() - {*names}):
                copy_record(study, need, again)
            options = LaunchOptions(
                seeds=info.seeds,
                results=again.path.parent,
                device=device,
                mode=info.mode,
                jobs=min(workers, len(names)),
                only_runs=frozenset(names),
                keep_going=True,
                numerics=info.numerics,
                # A sum over more threads is rounded otherwise, which would say nothing of the script.
                threads=threads[names[0]],
            )
            failed = launch(protocol, options, console).failed
            return {name: failed[name] if name in failed else read_record(again, name) for name in names}

        for names in _together(chosen, needs, threads, workers):
            fresh, otherwise = once(names), dict[str, Rerun]()
            for name, now in fresh.items():
                if isinstance(now, str):
                    found.append(Rerun(name, (f"{FAILED}{now}",), ""))
                elif not (one := compare(states.records[name], now)).otherwise:
                    found.append(one)
                else:
                    told = "came out otherwise than its record: repeated once more, to tell why"
                    console.print(f"{name} {told}")
                    otherwise[name] = one
            for name, second in once([*otherwise]).items() if otherwise else ():
                one, before, now = otherwise[name], states.records[name], fresh[name]
                assert isinstance(now, Record)
                if isinstance(second, str):
                    differs = (*one.differs, f"repeated again, it failed: {second}")
                    found.append(replace(one, differs=differs, excuse=""))
                else:
                    twice = compare(now, second)
                    found.append(told_apart(one, twice, before, now, _changed(protocol, before)))
            for kept in Path(scratch).iterdir():  # many runs may leave much
                shutil.rmtree(kept)
    return sorted(found, key=lambda one: chosen.index(one.run))


def _together(
    names: Iterable[str],
    needs: Mapping[str, Collection[str]],
    threads: Mapping[str, int | None],
    most: int,
) -> list[list[str]]:
    """The runs in groups that are repeated at once: of none that another one needs, each with its threads."""
    found: list[list[str]] = []
    for name in names:
        fits = (
            group
            for group in found
            if len(group) < most
            and threads[group[0]] == threads[name]
            and not any(other in needs[name] or name in needs[other] for other in group)
        )
        if (group := next(fits, None)) is None:
            found.append([name])
        else:
            group.append(name)
    return found


def _workers(
    device: str, jobs: int | None, *, by_command: bool, shared: Sequence[str], console: Console
) -> int:
    """How many runs are repeated at once."""
    if not by_command:
        return len(device_slots(device, jobs))
    if shared and jobs not in (None, 1):
        console.print(f"repeated one by one: {shared[0]}", soft_wrap=True)
        return 1
    return jobs or 1


def _placed(protocol: Protocol, study: StudyFolder, *, trust: bool, working: Path | None) -> Protocol:
    """The protocol in the folder where its commands are to be run. InputError if they must not be."""
    own = own_folder(protocol)
    if own is None and not trust:
        cell = next(cell for cell in protocol.cells if cell.trainer is not None)
        raise InputError(
            f"{study.path}: you have not run this protocol's commands here, and --rerun would run them: "
            f"{resolved(cell)['command']}",
            hint="`rigorkd plan` on the protocol shows them all, and the code lies in "
            f"{study.protocols}; --trust runs them",
        )
    return replace(protocol, path=(working or own or study.protocols.absolute()) / protocol.path.name)


def _changed(protocol: Protocol, before: Record) -> list[str]:
    """The files that no hash covers and that are others than when a run was trained, as far as is known."""
    try:
        return changed_since(protocol.cells, protocol.path.parent, [before])
    except (OSError, ExpansionError):
        return []


def told_apart(one: Rerun, twice: Rerun, before: Record, now: Record, files: list[str]) -> Rerun:
    """A run that came out otherwise, after its second repetition: `twice` compares both."""
    if twice.otherwise:
        return replace(one, repeats=False, apart=twice.numbers)
    for key in ("hardware", "versions"):  # as of the engine: no error, unless files are known to be others
        if not files and (then := before.fields.get(key)) != (here := now.fields.get(key)):
            return replace(
                one, repeats=True, apart=twice.numbers, excuse=f"other {key}: {then} then, {here} now"
            )
    return replace(one, repeats=True, apart=twice.numbers, since=tuple(files), excuse="")


def _is_of_zero(run: str) -> bool:
    return run.endswith("/seed-0")


def zero_alone(found: Iterable[Rerun]) -> str:
    """What it means that a command repeats itself at every seed but 0; "" if not so.

    A run that is another than its record, and the same twice today, repeats itself.
    """
    told = [one for one in found if one.numbers]
    at_zero = [one for one in told if _is_of_zero(one.run)]
    others = [one for one in told if not _is_of_zero(one.run)]
    if not at_zero or not all(one.is_unsteady for one in at_zero) or any(one.is_unsteady for one in others):
        return ""
    if not others:
        return (
            "only seed 0 was repeated, which a script may take for no seed (`if args.seed:`): --rerun "
            f"{len(told) + 2} repeats other seeds as well"
        )
    return (
        "only runs of seed 0 come out otherwise each time, as where a script takes 0 for no seed"
        " (`if args.seed:`; `rigorkd plan` names such a line). Let it ask `is not None`, or begin at 1"
        " (`rigorkd run --seeds 1:6`) and judge these alone (`rigorkd analyze --seeds 1:6`)"
    )


def deterministic(found: Iterable[Rerun]) -> bool | None:
    """Whether commands gave the same results each time that they were called today, or as their record says.

    None if none was called or ended well, or where files differ of which nobody can say what they hold.
    """
    told = [one for one in found if one.numbers]
    if any(one.is_unsteady for one in told):
        return False
    known = told and all(one.repeats or not (one.otherwise or one.files) for one in told)
    return True if known else None


def compare(before: Record, after: Record) -> Rerun:
    """What differs between a record and its repetition; files that only one of them keeps are no matter."""
    names = sorted(before.files.keys() & after.files.keys())
    differs = [name for name in names if before.files[name] != after.files[name]]
    for key in ("status", "weights_sha256"):
        if before.fields.get(key) != after.fields.get(key):
            differs.append(key)
    if before.fields.get("command") is None:
        return Rerun(before.run, tuple(differs), _excuse(before, after) if differs else "")
    numbers = {
        name: (float(then), float(now))
        for name, then in before.metrics.items()
        if name != "train_seconds" and then is not None and (now := after.metrics.get(name)) is not None
    }
    others = tuple(name for name in differs if name in names and not name.startswith(_RESULTS))
    files = tuple(name for name in others if _without_places(before, name) != _without_places(after, name))
    differs = [name for name in differs if name not in others or name in files]
    otherwise = len(files) < len(differs) or any(then != now for then, now in numbers.values())
    differs += [name for name, (then, now) in numbers.items() if then != now]
    excuse = "a command's bits are its own affair"
    return Rerun(before.run, tuple(differs), excuse, numbers, otherwise=otherwise, files=files)


_RESULTS = ("predictions.",)
"""How files are called that hold results as numbers do; what else a command leaves may have clocks."""
_PLACE = re.compile(rb"(?<![\w./-])/[\w.@+,=-]+(?:/[\w.@+,=-]+)+/?")
"""A whole path: of a run's own folder, or of its teacher's, which are others at each call."""


def _without_places(record: Record, name: str) -> bytes:
    """A file that a command left, as it would be in any folder; its hash, where it is no text."""
    try:
        content = record.content(name)
    except (StoreError, DamagedError):
        return record.files[name].encode()
    return record.files[name].encode() if b"\0" in content else _PLACE.sub(b"/", content)


def _excuse(before: Record, after: Record) -> str:
    """Why equal bits are not promised, empty where they are."""
    if before.fields.get("mode") != "reference":
        return "only the reference mode promises equal bits"
    for key in ("hardware", "versions"):
        then, now = before.fields.get(key), after.fields.get(key)
        if then != now:
            return f"other {key}: {then} then, {now} now"
    if before.dispatch != after.dispatch:
        return f"other dispatch: {before.dispatch} then, {after.dispatch} now"
    return ""
