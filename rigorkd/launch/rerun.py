"""Repeat finished runs in a scratch folder and compare what comes out, bit by bit.

What a command does to the bits is its own affair: of its runs the numbers are compared, which tells whether
it is deterministic, and by how much two runs of one seed differ if it is not.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from rigorkd.errors import InputError
from rigorkd.launch.launch import launch
from rigorkd.launch.own_commands import code_of, own_folder
from rigorkd.launch.run_states import State, find_run_states, with_needs
from rigorkd.launch.session import LaunchOptions
from rigorkd.protocol.hashes import resolved
from rigorkd.protocol.load import Protocol
from rigorkd.records.expected import start_files
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import threads_of
from rigorkd.records.read import read_protocol
from rigorkd.records.record import Record, copy_record, read_record
from rigorkd.records.study import read_info
from rigorkd.records.untrusted import is_own


@dataclass(frozen=True)
class Rerun:
    """One repeated run: the files that came out otherwise, and why that may be (empty: it must not be).

    `numbers` are a command's, then and now.
    """

    run: str
    differs: tuple[str, ...]
    excuse: str
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def is_wrong(self) -> bool:
        return bool(self.differs) and not self.excuse


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
    found = []
    with tempfile.TemporaryDirectory(prefix="rigorkd-rerun-") as scratch:
        for name in chosen:
            # Each in a study of its own: what one needs may be another one that is repeated.
            again = StudyFolder(Path(scratch) / name.replace("/", ",") / info.study)
            for need in sorted(with_needs(states.expected, {name}).keys() - {name}):
                copy_record(study, need, again)
            options = LaunchOptions(
                seeds=info.seeds,
                results=again.path.parent,
                device=device,
                mode=info.mode,
                jobs=jobs or 1,
                only_runs=frozenset({name}),
                numerics=info.numerics,
                # A sum over more threads is rounded otherwise, which would say nothing of the script.
                threads=threads_of(states.records[name].fields.get("hardware")),
            )
            outcome = launch(protocol, options, console)
            if name in outcome.failed:
                found.append(Rerun(name, (f"it failed: {outcome.failed[name]}",), ""))
            else:
                found.append(compare(states.records[name], read_record(again, name)))
            shutil.rmtree(again.path)
    return found


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


def _is_of_zero(run: str) -> bool:
    return run.endswith("/seed-0")


def zero_alone(found: Iterable[Rerun]) -> str:
    """What it means that commands came out otherwise at seed 0, and the same at other seeds; "" if not so."""
    told = [one for one in found if one.numbers]
    at_zero = [one for one in told if _is_of_zero(one.run)]
    others = [one for one in told if not _is_of_zero(one.run)]
    if not at_zero or not all(one.differs for one in at_zero) or any(one.differs for one in others):
        return ""
    if not others:
        return (
            "only seed 0 was repeated, which a script may take for no seed (`if args.seed:`): --rerun "
            f"{len(told) + 2} repeats other seeds as well"
        )
    return (
        "only runs of seed 0 come out otherwise: the script takes 0 for no seed (`if args.seed:`). Let it ask"
        " `is not None`, or begin at 1 (`rigorkd run --seeds 1:6`) and judge these alone (`rigorkd analyze"
        " --seeds 1:6`)"
    )


def deterministic(found: Iterable[Rerun]) -> bool | None:
    """Whether commands that were called again gave the same; None if none was, or none ended well."""
    told = [one for one in found if one.numbers]
    return all(not one.differs for one in told) if told else None


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
    differs += [name for name, (then, now) in numbers.items() if then != now]
    return Rerun(before.run, tuple(differs), "a command's bits are its own affair", numbers)


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
