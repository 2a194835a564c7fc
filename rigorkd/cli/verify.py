"""`rigorkd verify`: is everything in a study what was committed, and does it come out again?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rigorkd.cli.checked import device_option
from rigorkd.cli.options import results_option, study_folder
from rigorkd.text import printable, unhidden

if TYPE_CHECKING:
    from rigorkd.launch.rerun import Rerun
    from rigorkd.records.integrity import Verified


@dataclass(frozen=True)
class _Told:
    """What `verify` says of a study, in whatever format.

    Attributes:
        folder: The study's.
        found: What hashing its files told.
        again: The runs that were repeated.
        against: The digest that it was compared with.
        shared: Files that a run read, met elsewhere, that no repetition tells of.
        unlike: Cells whose runs read different files.
    """

    folder: Path
    found: Verified
    again: list[Rerun]
    against: str | None
    shared: list[str]
    unlike: list[str]


def _digest(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse what is no digest: it would be no study's."""
    from rigorkd.records.untrusted import is_digest

    if value is not None and not is_digest(value):
        raise click.BadParameter(f"{value!r} is none: 64 digits of 0-9 and a-f, as `rigorkd verify` prints.")
    return value


@click.command(short_help="Hash every record again; repeat runs and compare their bits.")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@results_option
@click.option(
    "--rerun", type=click.IntRange(min=1), metavar="N", help="Train N finished runs again, elsewhere."
)
@click.option("--choice", type=int, default=0, show_default=True, help="Which N runs: the seed of the draw.")
@click.option("--against", metavar="DIGEST", callback=_digest, help="Is it the study of this digest?")
@device_option("For --rerun, as in `rigorkd run`.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Workers for --rerun. Default: as `rigorkd run`; 1 for commands.",
)
@click.option("--trust", is_flag=True, help="For --rerun: run commands and code of others' studies.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where --rerun runs a study's commands. Default: where you ran its protocol.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def verify(
    study: Path | None,
    results: Path,
    rerun: int | None,
    choice: int,
    against: str | None,
    device: str,
    jobs: int | None,
    trust: bool,
    folder: Path | None,
    form: str,
) -> None:
    """Hash every file of STUDY and name what is not what was committed. Default: the newest study.

    Nothing is changed; `rigorkd run` sets damaged records aside and trains them again. Top-1, top-5 and loss
    are computed again from the predictions. The exit code is 1 if anything is damaged, if it is not the study
    of DIGEST, or if a repeated run came out otherwise where it must not. Of runs that a command trains,
    --rerun repeats those once more that come out otherwise than their record, and says whether the command is
    not deterministic, and by how much two runs of one seed differ, or what it reads has changed since.

    Hashes find accidents; who edits a study on purpose can write new ones. The digest that is printed finds
    that too, once it stands where nobody can change it: in a paper's appendix, in a signed commit.

    \b
    rigorkd verify
    rigorkd verify results/digits --rerun 2
    rigorkd verify results/digits --against 1f0c…9a   as printed before
    """
    from rigorkd.extras import require
    from rigorkd.records.changes import met
    from rigorkd.records.integrity import verify_study
    from rigorkd.records.layout import StudyFolder
    from rigorkd.records.mixed_files import mixed
    from rigorkd.records.read import is_by_command
    from rigorkd.records.record import read_records

    place = study_folder(study, results)
    if rerun is not None and not is_by_command(place):
        require("train", "--rerun")
    found = verify_study(place)
    again: list[Rerun] = []
    shared: list[str] = []
    # no hash covers these files, so that "all as committed" does not say that they were the same
    unlike = [] if found.damaged else [one.says for one in mixed(read_records(StudyFolder(place)))]
    if rerun is not None and not found.damaged and against in (None, found.digest):
        from rigorkd.launch.display import PlainConsole
        from rigorkd.launch.rerun import rerun as repeat

        console = PlainConsole(stderr=True)
        again = repeat(
            *(place, rerun, console),
            choice=choice,
            device=device,
            jobs=jobs,
            trust=trust,
            working=None if folder is None else folder.absolute(),
        )
        if any(one.numbers for one in again):
            shared = met(place, read_records(StudyFolder(place)))
    told = _Told(place, found, again, against, shared, unlike)
    if form == "json":
        click.echo(unhidden(json.dumps(_document(told), indent=1, ensure_ascii=False)))
    else:
        click.echo(printable(_text(told)))
        if rerun is not None and found.damaged:
            click.echo("no run was repeated: mend the study first, with `rigorkd run`")
    if found.damaged or against not in (None, found.digest) or any(one.is_wrong for one in again):
        raise click.exceptions.Exit(1)


def _document(told: _Told) -> dict[str, object]:
    """The JSON of `verify --format json`, schema rigorkd.verify/1."""
    from rigorkd.launch.rerun import deterministic, zero_alone

    found, again = told.found, told.again
    steady = deterministic(again)
    counted = [one for one in again if one.numbers]
    changes = _changes([one for one in counted if one.has_changed], len(counted))
    notes = [*told.unlike, *map(str.strip, changes)]
    notes += [doubt] if (doubt := zero_alone(again)) else []
    notes += [f"{_MET}{file}" for file in told.shared]
    return {
        "schema": "rigorkd.verify/1",
        "study": told.folder.name,
        "records": found.records,
        "files": found.files,
        "digest": found.digest,
        "against": told.against,
        "damaged": {entry.run: entry.reason for entry in found.damaged},
        "weights_deleted": list(found.gone),
        "reruns": [
            {
                "run": one.run,
                "same": not one.differs,
                "differs": list(one.differs),
                "excuse": one.excuse or None,
                **_of_command(one),
            }
            for one in again
        ],
        **({} if steady is None else {"deterministic": steady}),
        **({"note": "; ".join(notes)} if notes else {}),
    }


def _of_command(one: Rerun) -> dict[str, object]:
    """A command's numbers, then and now, and what a second repetition told."""
    if not one.numbers:
        return {}
    told: dict[str, object] = {"numbers": {name: list(pair) for name, pair in one.numbers.items()}}
    if one.repeats is not None:
        told |= {"repeats": one.repeats, "again": {name: now for name, (_, now) in one.apart.items()}}
        told |= {"changed_since": list(one.since)} if one.has_changed else {}
    return told


_MET = "not told by repetitions, of runs that were not repeated: "


def _text(told: _Told) -> str:
    from rigorkd.launch.rerun import FAILED
    from rigorkd.text import count

    found, again, against = told.found, told.again, told.against
    read = f"{told.folder}: {count(found.records, 'record')}, {count(found.files, 'file')}"
    if found.damaged:
        lines = [f"{read}, {len(found.damaged)} damaged"]
        lines += [f"  damaged {entry.run}: {entry.reason}" for entry in found.damaged]
        lines.append(
            "  `rigorkd run` with the same protocol sets damaged records aside and trains them again"
        )
    else:
        lines = [f"{read}, all as committed"]
    if found.gone:
        of = count(len(found.gone), "student")
        lines.append(
            f"  the weights of {of} are not there, first {found.gone[0]}; their records stand without"
        )
    if found.digest is not None:
        lines.append(f"  digest {found.digest}")
    if against is not None:
        same = against == found.digest
        lines.append(f"  {'the study' if same else 'NOT the study'} of the digest that was given")
    lines += [f"  {note}" for note in told.unlike]
    for one in again:
        if not one.differs:
            lines.append(f"  repeated {one.run}: the same {'numbers' if one.numbers else 'bits'}")
        elif one.numbers:
            lines.append(f"  repeated {one.run}: {_says(one)}")
        elif one.differs[0].startswith(FAILED):
            lines.append(f"  repeated {one.run}: {one.differs[0]}")
        else:
            why = f" ({one.excuse})" if one.excuse else ""
            lines.append(f"  repeated {one.run}: {', '.join(one.differs)} came out otherwise{why}")
    lines += _determinism(again)
    lines += [f"  {_MET}{file}" for file in told.shared]
    return "\n".join(lines)


def _says(one: Rerun) -> str:
    """How a command's run came out otherwise."""
    if not one.otherwise:
        return f"the same numbers; {', '.join(one.files)} came out otherwise"
    told = [f"{name} {then:g} then, {now:g} now" for name, (then, now) in one.numbers.items() if then != now]
    rest = [name for name in one.differs if name not in one.numbers]
    told += [f"{', '.join(rest)} came out otherwise"] if rest else []
    again = "; the same once more" if one.has_changed else "; otherwise once more" * one.is_unsteady
    if one.is_unsteady and (
        more := [f"{name} {now:g}" for name, (then, now) in one.apart.items() if then != now]
    ):
        again = f"; once more, {', '.join(more)}"
    return ", ".join(told) + again


def _determinism(again: list[Rerun]) -> list[str]:
    """Whether a command is deterministic, by how much it is not, and whether what it reads has changed."""
    from rigorkd.launch.rerun import deterministic, zero_alone
    from rigorkd.text import count

    told = [one for one in again if one.numbers]
    if not told:
        return []
    steady, unsteady = deterministic(again), [one for one in told if one.is_unsteady]
    lines = _changes([one for one in told if one.has_changed], len(told))
    if steady:
        return [*lines, f"deterministic, as far as {count(len(told), 'repeated run')} can tell"]
    if not unsteady:
        names = ", ".join(dict.fromkeys(name for one in told for name in one.files))
        if not names:  # the second repetition of what came out otherwise failed
            return lines
        runs = count(len(told), "repeated run")
        return [
            *lines,
            f"deterministic in its numbers, as far as {runs} can tell; {names} came out otherwise: a time of"
            " day or how long it took, or what its numbers do not show",
        ]
    most = _most(unsteady)
    doubt = zero_alone(again)
    if doubt and len(unsteady) < len(told):
        return [*lines, f"not deterministic at seed 0, {most}", f"  {doubt}"]
    return [
        *lines,
        f"not deterministic: two runs of one seed differ {most}, repeated twice today",
        "  a seed then names a run and does not repeat it"
        + ("; verdicts hold, for they are over runs" * (not lines)),
        *([f"  {doubt}"] if doubt else []),
    ]


def _most(unsteady: list[Rerun]) -> str:
    """By how much the runs of one seed differ at most."""
    largest: dict[str, float] = {}
    for one in unsteady:
        for pairs in (one.numbers, one.apart):
            for name, (first, second) in pairs.items():
                largest[name] = max(largest.get(name, 0.0), abs(second - first))
    by = ", ".join(f"{value:g} in {name}" for name, value in largest.items() if value > 0)
    files = ", ".join(dict.fromkeys(name for one in unsteady for name in one.differs if name not in largest))
    return f"by up to {by}" if by else f"in {files}, in no number"


def _changes(changed: list[Rerun], told: int) -> list[str]:
    """That what runs read was another when they were trained, with what is known of it, and the mend."""
    from rigorkd.text import count, in_yaml, some_of

    lines = []
    for why in dict.fromkeys(one.excuse for one in changed if not one.is_wrong):
        runs = sum(one.excuse == why for one in changed)
        lines.append(
            f"{runs} of {count(told, 'repeated run')} came out otherwise than the record says, and the same"
            f" twice today ({why}): that, or something that they read, is what changed"
        )
    wrong = [one for one in changed if one.is_wrong]
    if not wrong:
        return lines
    lines.append(
        f"changed since: {len(wrong)} of {count(told, 'repeated run')} came out otherwise than the record"
        " says, and the same twice today: something that they read is another now"
    )
    if files := [*dict.fromkeys(name for one in wrong for name in one.since)]:
        lines.append(f"  changed after those runs, and in no hash: {some_of(files, 6)}")
        mend = f"add inputs: [{', '.join(map(in_yaml, files[:6]))}] to the trainer"
    else:
        lines.append("  what it is was not found out: a file that no hash covers, a package")
        mend = "name what it was under the trainer's inputs"
    lines.append(
        "  runs from before and after the change may be compared with each other, so verdicts may not hold:"
        f" {mend}, and train all again with `rigorkd run PROTOCOL --retrain-stale`"
    )
    return lines
