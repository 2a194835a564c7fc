"""`rigorkd merge`: one study of the parts that several machines have trained."""

from __future__ import annotations

from pathlib import Path

import click

from rigorkd.cli.options import aside, results_option


@click.command(short_help="Make one study of the parts that machines without a common disk have trained.")
@click.argument("sources", nargs=-1, required=True, metavar="STUDY...", type=click.Path(path_type=Path))
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The study to merge into, there or still to be made  [default: that name under --results]",
)
@results_option
@click.option("--dry-run", is_flag=True, help="Only say whether they fit, and what would be merged.")
def merge(sources: tuple[Path, ...], into: Path | None, results: Path, dry_run: bool) -> None:
    """Merge the study folders STUDY, each trained on its own machine (see `rigorkd run --shard 1/4`).

    The sources are only read, and hashed. Refused, with the reason, is what is no part of one study: another
    protocol, plan, mode, data or code, records that the protocol would not make again, and one run that came
    to different results in two parts. Other versions or hardware are a warning, as in every analysis. What
    analyses have met stays noted: verdicts of a study of which a part had been judged before are told as the
    repeated looks that they are. The same command again goes on where it was stopped.

    \b
    rigorkd merge from-a/results/digits from-b/results/digits
    rigorkd merge shards/*/digits --into results/digits --dry-run
    """
    from rigorkd.cli.checked import folder_for, own_study
    from rigorkd.launch.merging import merge as put_together
    from rigorkd.records.study import is_study, read_info
    from rigorkd.text import count, one_line

    target = into or results / read_info(sources[0]).study
    folder_for(target)
    own_study(target if is_study(target) else None, "name your own folder with --into")
    found = put_together(sources, target, dry=dry_run)
    for warning in found.warnings:
        aside(one_line(f"warning: {warning}"))
    verb = "would have" if dry_run else "has"
    click.echo(f"{target}: {verb} {count(found.records, 'run')}, {len(found.new)} of them new")
    if found.missing:
        are = "is" if found.missing == 1 else "are"
        click.echo(f"  {count(found.missing, 'run')} {are} still missing; `rigorkd run` trains what is")
    elif not dry_run:
        click.echo("  complete: rigorkd analyze " + str(target))
