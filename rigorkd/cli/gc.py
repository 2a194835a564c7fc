"""`rigorkd gc`: delete what no run of a study needs any more."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from rigorkd.cli.options import results_option, study_folder


@click.command(short_help="Delete what no run needs any more: weights, logs, old checkpoints.")
@click.argument("studies", nargs=-1, metavar="[STUDY]...", type=click.Path(path_type=Path))
@results_option
@click.option(
    "--what",
    multiple=True,
    type=click.Choice(["weights", "logs", "checkpoints", "aside"]),
    help="Only this (repeatable)  [default: all four]",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted, and its size.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def gc(studies: tuple[Path, ...], results: Path, what: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete what no run of STUDY needs any more. Default: every study under --results.

    No record goes, and no verdict changes: weights of students that no run starts from, logs of runs that
    ended well, checkpoints and teacher logits that no missing run needs, and what was set aside (removed,
    stale, damaged). First the sizes are shown, and you are asked. What is deleted does not come back:
    weights can be trained again, and what `rigorkd remove` set aside cannot be put back any more. A study
    that a launcher works on is refused. Weights that another study's protocol starts from by their path are
    not known here: keep them with --what.

    \b
    rigorkd gc --dry-run
    rigorkd gc results/digits --what weights --what logs
    rigorkd gc --what aside --yes
    """
    from rigorkd.cli.checked import own_study
    from rigorkd.errors import InputError
    from rigorkd.launch.cleaning import KINDS, clear, pieces, size_of
    from rigorkd.launch.merging import unfinished
    from rigorkd.records.study import studies_in
    from rigorkd.text import count

    if dry_run and yes:
        raise click.UsageError("--dry-run deletes nothing; leave --yes out")
    folders = [study_folder(study, results) for study in studies]
    left = []
    if not folders:
        folders = studies_in(results)
        left = unfinished(results)
    if not folders and not left:
        study_folder(None, results)  # says that there is none
    kinds = what or tuple(KINDS)
    left = left if "aside" in kinds else []
    total = len(left)
    for path in left:
        click.echo(f"{path}: {_size(size_of(path))} to delete: a merge that was killed")
    for folder in folders:
        found = pieces(folder, kinds)
        total += len(found)
        click.echo(f"{folder}: {_size(sum(piece.bytes for piece in found))} to delete")
        for kind in kinds:
            mine = [piece for piece in found if piece.kind == kind]
            if mine:
                size = _size(sum(piece.bytes for piece in mine))
                click.echo(f"  {size:>9} in {count(len(mine), 'place')}: {KINDS[kind]} ({kind})")
    if dry_run or not total:
        return
    for folder in (*folders, *left):
        own_study(folder, "only its owner deletes from it")
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(
                "nothing was deleted: nobody can be asked here", hint="give --yes, or look with --dry-run"
            )
        click.confirm("Delete it?", abort=True)
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
        click.echo(f"{path}: deleted")
    for folder in folders:
        gone = clear(folder, kinds)
        click.echo(f"{folder}: {_size(sum(piece.bytes for piece in gone))} deleted")


def _size(number: int) -> str:
    """`0 bytes`, `12.3 kB`, `4.5 MB`, `1.2 GB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number} bytes"
