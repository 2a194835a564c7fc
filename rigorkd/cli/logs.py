"""`rigorkd logs`: the log of a run, and of the worker that failed it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rigorkd.cli.options import aside, results_option, study_folder
from rigorkd.text import printable

if TYPE_CHECKING:
    from rigorkd.records.layout import StudyFolder


@click.command(short_help="Show the log of a run, or of its failed worker.")
@click.argument("run", required=False)
@click.option("--study", type=click.Path(path_type=Path), help="The study. Default: the newest.")
@results_option
@click.option("--follow", "-f", is_flag=True, help="Stay, and show what is added while the run is trained.")
@click.option("--lines", "-n", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
def logs(run: str | None, study: Path | None, results: Path, follow: bool, lines: int | None) -> None:
    """Show the log of RUN, which is <cell>/seed-<k> or the folder of its record.

    If the run failed, what its worker had written since it began with it follows. Without RUN, or with a
    study in its place, it is one that is trained now, else the last that failed, else the last trained.

    \b
    rigorkd logs
    rigorkd logs main/plain/kd-T4-a0.5/seed-0
    rigorkd logs main/plain/kd-T4-a0.5/seed-0 --follow
    """
    from rigorkd.launch.failures import follow as followed
    from rigorkd.launch.failures import read_log
    from rigorkd.launch.heartbeat import Liveness
    from rigorkd.launch.run_states import running_now
    from rigorkd.records.layout import StudyFolder

    folder, name = _named(run, study, results)
    place = StudyFolder(folder)
    if name is None:
        name, why = _meant(place)
        aside(f"note: {name} of {folder}: {why}")
    found = read_log(place, name)
    rows = found.text.splitlines(keepends=True)
    click.echo(_shown("".join(rows if lines is None else rows[max(len(rows) - lines, 0) :])), nl=False)
    if found.worker_path is not None and found.worker_text.strip():
        click.echo(f"--- its worker's log, {found.worker_path} ---")
        click.echo(_shown(found.worker_text), nl=False)
    if follow:
        liveness = Liveness(place)  # one throughout: it finds out a launcher on another host that has died
        for more in followed(found.path, found.size, lambda: name not in running_now(liveness)):
            click.echo(_shown(more), nl=False)


def _shown(log: str) -> str:
    """What a program has written, without what steers a terminal; a line written over is another one."""
    return printable(click.unstyle(log).replace("\r\n", "\n").replace("\r", "\n"))


def _meant(study: StudyFolder) -> tuple[str, str]:
    """The run whose log is meant where none is named, and why it is that one."""
    from rigorkd.errors import InputError
    from rigorkd.launch.failures import logged_runs, read_failures, shows_log
    from rigorkd.launch.heartbeat import Liveness
    from rigorkd.launch.run_states import running_now
    from rigorkd.text import count

    logged = sorted(logged_runs(study), key=lambda run: study.run_log(run).stat().st_mtime)
    running = running_now(Liveness(study))
    failed = {run for run, failure in read_failures(study).items() if not failure.behind}
    for some, what in ((running, "running"), (failed, "failed"), (set(logged), "logged")):
        if members := [run for run in logged if run in some]:
            last = {"running": "the last that was begun", "failed": "the last that failed"}
            of = f"{last.get(what, 'the last that was trained')} of {count(len(members), f'{what} run')}"
            return members[-1], f"{of}; {shows_log(study.path)} shows another one"
    raise InputError(
        f"{study.path}: no run of it has a log yet",
        hint=f"`rigorkd status {shlex.quote(str(study.path))}` shows what is there; a log begins with the "
        "run, and goes with its record",
    )


def _named(run: str | None, study: Path | None, results: Path) -> tuple[Path, str | None]:
    """The study's folder and the run's name; the path of a record's folder names both, a study's no run."""
    from rigorkd.records.study import is_study

    if run is None:
        return study_folder(study, results), None
    path = Path(run.rstrip("/"))
    if study is None:
        for place in (path, results / path):
            if is_study(place):
                return place, None
        for parent in path.parents:
            if parent != Path() and is_study(parent):
                return parent, path.relative_to(parent).as_posix()
    return study_folder(study, results), path.as_posix()
