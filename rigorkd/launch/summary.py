"""The closing table of a run: what every cell reached. Descriptive only; verdicts are the analysis's."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, stdev

from rich import box
from rich.console import Console
from rich.table import Table

from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import DIVERGED, read_records
from rigorkd.text import count


def print_summary(study: StudyFolder, console: Console) -> None:
    """Print n and mean ± standard deviation of test top-1 per cell."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    diverged: defaultdict[str, int] = defaultdict(int)
    for record in read_records(study):
        cell = str(record.fields["cell"])
        top1 = record.metrics.get("test_top1")
        if record.fields["status"] == DIVERGED or top1 is None:
            diverged[cell] += 1
            values[cell] += []
        else:
            values[cell].append(top1)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cell", no_wrap=True)
    table.add_column("n", justify="right")
    table.add_column("test top-1 (%)", justify="right")
    for cell, top1s in values.items():
        spread = f" ± {stdev(top1s):.2f}" if len(top1s) > 1 else ""
        mean = f"{fmean(top1s):.2f}{spread}" if top1s else "–"
        note = f"  {count(diverged[cell], 'run')} diverged" if diverged[cell] else ""
        table.add_row(cell, str(len(top1s)), mean + note)
    console.print(table)
    console.print("mean ± standard deviation over seeds", style="dim")
