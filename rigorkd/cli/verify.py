"""`rigorkd verify`: is everything in a study what was committed, and does it come out again?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rigorkd.cli.checked import device_option
from rigorkd.cli.options import results_option, study_folder

if TYPE_CHECKING:
    from rigorkd.launch.rerun import Rerun
    from rigorkd.records.integrity import Verified


@click.command(short_help="Hash every record again; repeat runs and compare their bits.")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@results_option
@click.option(
    "--rerun", type=click.IntRange(min=1), metavar="N", help="Train N finished runs again, elsewhere."
)
@click.option("--choice", type=int, default=0, show_default=True, help="Which N runs: the seed of the draw.")
@device_option("For --rerun, as in `rigorkd run`.")
@click.option("--jobs", type=click.IntRange(min=1), help="Workers for --rerun. Default: 1.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def verify(
    study: Path | None,
    results: Path,
    rerun: int | None,
    choice: int,
    device: str,
    jobs: int | None,
    form: str,
) -> None:
    """Hash every file of STUDY and name what is not what was committed. Default: the newest study.

    Nothing is changed; `rigorkd run` sets damaged records aside and trains them again. The exit code is 1 if
    anything is damaged, or if a repeated run came out otherwise where it must not.

    \b
    rigorkd verify
    rigorkd verify results/digits --rerun 2
    """
    from rigorkd.extras import require
    from rigorkd.records.integrity import verify_study

    if rerun is not None:
        require("train", "--rerun")
    folder = study_folder(study, results)
    found = verify_study(folder)
    again: list[Rerun] = []
    if rerun is not None and not found.damaged:
        from rigorkd.launch.display import PlainConsole
        from rigorkd.launch.rerun import rerun as repeat

        console = PlainConsole(stderr=True)
        again = repeat(folder, rerun, console, choice=choice, device=device, jobs=jobs)
    if form == "json":
        click.echo(json.dumps(_document(folder, found, again), indent=1, ensure_ascii=False))
    else:
        click.echo(_text(folder, found, again))
        if rerun is not None and found.damaged:
            click.echo("no run was repeated: mend the study first, with `rigorkd run`")
    if found.damaged or any(one.is_wrong for one in again):
        raise click.exceptions.Exit(1)


def _document(folder: Path, found: Verified, again: list[Rerun]) -> dict[str, object]:
    """The JSON of `verify --format json`, schema rigorkd.verify/1."""
    return {
        "schema": "rigorkd.verify/1",
        "study": folder.name,
        "records": found.records,
        "files": found.files,
        "damaged": {entry.run: entry.reason for entry in found.damaged},
        "reruns": [
            {
                "run": one.run,
                "same": not one.differs,
                "differs": list(one.differs),
                "excuse": one.excuse or None,
            }
            for one in again
        ],
    }


def _text(folder: Path, found: Verified, again: list[Rerun]) -> str:
    from rigorkd.text import count

    read = f"{folder}: {count(found.records, 'record')}, {count(found.files, 'file')}"
    if found.damaged:
        lines = [f"{read}, {len(found.damaged)} damaged"]
        lines += [f"  damaged {entry.run}: {entry.reason}" for entry in found.damaged]
        lines.append(
            "  `rigorkd run` with the same protocol sets damaged records aside and trains them again"
        )
    else:
        lines = [f"{read}, all as committed"]
    for one in again:
        if not one.differs:
            lines.append(f"  repeated {one.run}: the same bits")
        else:
            why = f" ({one.excuse})" if one.excuse else ""
            lines.append(f"  repeated {one.run}: {', '.join(one.differs)} came out otherwise{why}")
    return "\n".join(lines)
