"""`rigorkd logs`: the log of a run, and of the worker that failed it."""

from __future__ import annotations

from pathlib import Path

import click

from rigorkd.cli.options import results_option, study_folder
from rigorkd.text import printable


@click.command(short_help="Show the log of a run, or of its failed worker.")
@click.argument("run")
@click.option("--study", type=click.Path(path_type=Path), help="The study. Default: the newest.")
@results_option
@click.option("--follow", "-f", is_flag=True, help="Stay, and show what is added while the run is trained.")
@click.option("--lines", "-n", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
def logs(run: str, study: Path | None, results: Path, follow: bool, lines: int | None) -> None:
    """Show the log of RUN, which is <cell>/seed-<k> or the folder of its record.

    If the run failed, what its worker had written since it began with it follows.

    \b
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


def _named(run: str, study: Path | None, results: Path) -> tuple[Path, str]:
    """The study's folder and the run's name; the path of a record's folder names both."""
    from rigorkd.records.study import is_study

    path = Path(run.rstrip("/"))
    for parent in path.parents:
        if study is None and parent != Path() and is_study(parent):
            return parent, path.relative_to(parent).as_posix()
    return study_folder(study, results), path.as_posix()
