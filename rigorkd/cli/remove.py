"""`rigorkd remove`: set finished runs aside, and put them back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rigorkd.cli.options import parsed_seeds, results_option, study_folder


@click.command(short_help="Set runs of a study aside, so that they count no more; put them back.")
@click.argument("study", type=click.Path(path_type=Path))
@results_option
@click.option("--only", multiple=True, metavar="GLOB", help="Runs of the cells that match (repeatable).")
@click.option("--student", metavar="NAME", help="Runs of this student.")
@click.option("--seeds", metavar="SEEDS", help="Runs at these seeds: 5:10 is 5 to 9; also 3,7,11.")
@click.option(
    "--because",
    metavar="TEXT",
    default="",
    help="Why; needed once an analysis has met them.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be set aside.")
@click.option("--restore", is_flag=True, help="Put back what was removed last.")
@click.option("--number", type=click.IntRange(min=1), metavar="N", help="For --restore: its number.")
@click.option("--list", "listing", is_flag=True, help="Show what was removed, and what can be put back.")
def remove(
    study: Path,
    results: Path,
    only: tuple[str, ...],
    student: str | None,
    seeds: str | None,
    because: str,
    dry_run: bool,
    restore: bool,
    number: int | None,
    listing: bool,
) -> None:
    """Set finished runs of STUDY aside: a cell, a student, seeds, or what several of these have in common.

    Nothing is deleted: the records lie under .removed in the study until `rigorkd gc`, and --restore puts
    them back. Seeds that are named alone are asked for no more; of anything else that the protocol still has,
    the next `rigorkd run` trains the runs again. What was removed is noted in the study: once an analysis has
    met it, a reason is needed, and every later analysis says so and is exploratory, since whoever takes
    results away may have seen them. A run that comes out the same again, or is put back, counts as it did.

    \b
    rigorkd remove digits --seeds 5:10          seeds 5 to 9, asked for by mistake
    rigorkd remove digits --seeds 5,            seed 5 alone
    rigorkd remove digits --only '*/kd-T4-*' --dry-run   what would go
    rigorkd remove digits --student cnn8 --because "its layers were wrong"
    rigorkd remove digits --restore
    """
    from rigorkd.cli.checked import own_study
    from rigorkd.errors import InputError
    from rigorkd.launch import removal
    from rigorkd.records.interim import listed_seeds
    from rigorkd.text import count, one_line, some_of

    selecting = bool(only or student or seeds is not None)
    if (restore or listing) and (selecting or because or dry_run or (restore and listing)):
        raise click.UsageError("--restore and --list go alone: they name no runs")
    if number is not None and not restore:
        raise click.UsageError("--number goes with --restore")
    folder = study_folder(study, results)
    if listing:
        for line in removal.listed(folder) or [f"{folder}: nothing was removed"]:
            _tell(one_line(line))
        return
    if not dry_run:
        own_study(folder, "copy it (cp -R), and remove from the copy")
    if restore:
        back, kept = removal.restore(folder, number)
        _tell(f"{folder}: {count(len(back), 'run')} put back")
        if kept:
            _tell(f"  {some_of(kept, 3)}: trained again meanwhile; the removed one stays aside")
        return
    if not selecting:
        raise InputError(
            "nothing is named to remove", hint="give --only GLOB, --student NAME or --seeds SEEDS"
        )
    if seeds is not None:
        _refuse_number(seeds)
    wanted = removal.Wanted(only, student, parsed_seeds(seeds))
    found = removal.remove(folder, wanted, one_line(because), dry=dry_run)
    verb = "would be set aside" if dry_run else "set aside"
    where = "" if dry_run or not found.runs else f" in {found.place}"
    _tell(f"{folder}: {count(len(found.runs), 'run')} {verb}{where}")
    if found.runs:
        _tell(f"  {some_of(found.runs, 5)}")
    if found.seeds:
        _tell(f"  the study is asked for seeds {listed_seeds(found.seeds)} no more")
    if found.again:
        _tell(
            f"  {count(found.again, 'run')} of the protocol: `rigorkd run` trains them again, unless their "
            "cells are taken out of it first, and then the gains that are left are exploratory"
        )
    if found.seen:
        needed = "; it takes --because TEXT" * (dry_run and not because)
        _tell(f"  {found.seen} has met them: every verdict is exploratory from now on, and says why{needed}")
    if not dry_run:
        _tell(f"  back with: rigorkd remove {folder} --restore")


def _tell(text: str) -> None:
    from rigorkd.text import fitted

    click.echo(fitted(text, sys.stdout))


def _refuse_number(seeds: str) -> None:
    """`run --seeds 5` trains five seeds; of somebody who removes, nobody knows which of the two is meant."""
    from rigorkd.errors import InputError

    text = seeds.strip()
    if text.isascii() and text.isdecimal():
        n = int(text)
        first = f"--seeds 0:{n} for the seeds 0 to {n - 1}, or " if n > 1 else ""
        raise InputError(
            f"--seeds {text}: for `rigorkd run` a lone number counts seeds, here it may be meant to name one",
            hint=f"give {first}--seeds {n}, with the comma for seed {n} alone; --dry-run shows what would go",
        )
