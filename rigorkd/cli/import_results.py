"""`rigorkd import`: results of any form as one tidy table, which says where everything in it came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rigorkd.cli.options import account, reading_of, reading_options

if TYPE_CHECKING:
    from rigorkd.readers.tidying import Tidy


@click.command("import", short_help="Write results from elsewhere as one tidy table.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--out", type=click.Path(path_type=Path), help="The CSV to write  [default: standard output]")
@click.option("--metric", help="Column to judge, if its name does not tell.")
@reading_options
@click.option("--dry-run", is_flag=True, help="Only say what is understood of SOURCE.")
def import_results(
    sources: tuple[str, ...], out: Path | None, metric: str | None, dry_run: bool, **asked: Any
) -> None:
    """Write results of any origin as one tidy table: one row per run, with cell, seed and metrics.

    SOURCE is what `rigorkd analyze` takes. Lines that begin with # say where each column came from, what
    was left out, and which metric is meant; `analyze`, `report` and `figures` of the table give what SOURCE
    gives.

    \b
    rigorkd import wandb_export.csv --out runs.csv
    rigorkd import 'runs/*/results.csv' --out runs.csv
    """
    from rigorkd.cli.checked import free_for_writing
    from rigorkd.errors import InputError
    from rigorkd.files import write_atomically
    from rigorkd.records.study import is_study
    from rigorkd.report.sources import from_sources, refuse_unusable

    studies = [name for name in sources if is_study(Path(name))]
    if studies:
        raise InputError(
            f"{studies[0]} is a study", hint="`rigorkd table STUDY --format csv` writes its runs as a table"
        )
    source = from_sources(sources, reading_of(asked), metric)
    found = source.tidy
    assert found is not None
    for line in account(found):
        click.echo(line, err=not dry_run)
    refuse_unusable(source)
    if dry_run:
        return
    text = written(found)
    if out is None:
        click.echo(text, nl=False)
        return
    free_for_writing(out)
    write_atomically(out, text.encode())
    click.echo(str(out))


def written(found: Tidy) -> str:
    """The table as a CSV under its own account of itself."""
    from rigorkd_analysis.runs import seed_of

    from rigorkd.readers.delimited import OWN
    from rigorkd.report.emit import no_formula
    from rigorkd.text import is_float, one_line

    frame = found.table.frame
    lines = [OWN, f"# study: {found.name}"]
    lines += [f"# understood: {text}" for text in found.understood]
    lines += [f"# metric: {found.metric}"] if found.metric else []
    lines += [
        f"# column {name}: {found.came.get(str(name), f'column {str(name)!r} of the source')}"
        for name in frame.columns
    ]
    lines += [f"# left out: {text}" for text in found.dropped]
    lines += [f"# warning: {text}" for text in found.warnings]
    names = [name for name in frame.columns if name not in ("cell", "seed")]
    table = frame[["cell", "seed", *names]].sort_values(
        ["cell", "seed"],
        key=lambda column: column.map(seed_of) if column.name == "seed" else column,
        kind="stable",
    )
    table = table.map(lambda word: word if is_float(word) else no_formula(word))
    return "".join(f"{one_line(line)}\n" for line in lines) + table.to_csv(index=False, lineterminator="\n")
