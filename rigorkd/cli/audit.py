"""`rigorkd audit`: what a published table with one seed, or with means over k, can and cannot support."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rigorkd.report.page import FORMATS, Format

if TYPE_CHECKING:
    from rigorkd_analysis.published.printed_spread import Said


def number(text: str) -> Decimal:
    """A number with the digits that were printed: 3.90 is nearer than 3.9."""
    try:
        value = Decimal(text.strip().replace("−", "-"))
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise click.BadParameter(f"{text!r} is not a number")
    return value


@click.command(short_help="Say what a published table of one seed supports.")
@click.argument("table", required=False, type=click.Path(path_type=Path))
@click.option("--n-test", type=int, help="Test images  [default: the table's column n_test]")
@click.option("--metric", help="Column to judge  [default: test_top1, else the only (test) accuracy]")
@click.option("--line", type=int, help="The line on which the table begins, in a text with several tables.")
@click.option("--within", metavar="COLUMN", help="What rows must share to be compared, such as the data set.")
@click.option("--turned", is_flag=True, help="Compare columns, not rows: --metric is then a row's name.")
@click.option("--encoding", metavar="NAME", help="Of a text file  [default: UTF-8]")
@click.option("--sheet", metavar="NAME", help="Of a workbook.")
@click.option("--seeds", type=int, help="Seeds behind each printed mean  [default: a column n, else 1]")
@click.option(
    "--spread",
    type=click.Choice(["sd", "population", "se", "ci"]),
    help="What ± is: a sample sd over seeds (divided by n − 1), a population's (by n: np.std), a standard "
    "error, half of a 95 % interval  [default: by the table's words, else an sd of either divisor]",
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="ROW",
    help="Judge rows against this one alone, on its data. A method's word (scratch) or COLUMN=VALUE "
    "(alpha=0) takes for each the one that shares all else. Repeatable.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="ROW",
    help="Leave rows out: by name, by a word that is a value in exactly one column, or by COLUMN=VALUE "
    "(repeatable); every claim says so.",
)
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Error rate of each test.")
@click.option(
    "--differences",
    type=click.Path(path_type=Path),
    metavar="CSV",
    help="Another table, of printed gains, to check against this one.",
)
@click.option("--t", type=number, metavar="FLOAT", help="A printed paired t; with --p it tells n.")
@click.option("--p", type=number, metavar="FLOAT", help="Its printed two-sided p.")
@click.option(
    "--difference",
    type=number,
    metavar="FLOAT",
    help="The printed mean difference of that t: tells its sd and interval.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def audit(
    table: Path | None,
    n_test: int | None,
    metric: str | None,
    line: int | None,
    within: str | None,
    turned: bool,
    encoding: str | None,
    sheet: str | None,
    seeds: int | None,
    spread: Said | None,
    baselines: tuple[str, ...],
    without: tuple[str, ...],
    alpha: float,
    differences: Path | None,
    t: Decimal | None,
    p: Decimal | None,
    difference: Decimal | None,
    form: Format,
) -> None:
    """Say what a published TABLE supports: a CSV or .xlsx with one row per printed cell, or a table in
    Markdown or LaTeX, pasted into a file (- reads standard input). Cells may hold mean ± sd; a column n says
    of how many seeds.

    \b
    rigorkd audit table4.csv --n-test 10000
    rigorkd audit table2.tex --metric "ResNet8x4" --seeds 3
    rigorkd audit table2.tex --baseline KD --without Teacher
    rigorkd audit --t 3.9024 --p 0.0175 --difference 2.24
    """
    from rigorkd_analysis import Printed
    from rigorkd_analysis import audit as judge
    from rigorkd_analysis.published.bounds import recover

    from rigorkd.errors import InputError
    from rigorkd.readers.raw import Reading
    from rigorkd.report.audit_page import audit_page, recovered_page
    from rigorkd.report.emit import emit, to_csv, to_json
    from rigorkd.report.rows import at, located, printed_rows

    if (t is None) != (p is None):
        raise InputError("--t and --p go together", hint="give both, and --difference if it is printed")
    if t is not None and p is not None and table is None:
        with located(lambda _: "--t and --p"):
            answer = recover(t, p, difference, alpha)
        emit(form, lambda: recovered_page(answer), json=lambda: to_json(answer), csv=lambda: to_csv([answer]))
        return
    if table is None:
        raise InputError("there is no table to audit", hint="give a CSV, or --t and --p")
    test = None if t is None or p is None else (t, p, difference)
    rows = printed_rows(table, line, Reading(encoding=encoding, sheet=sheet)).each_once()
    others = () if differences is None else printed_rows(differences).each_once().mappings()
    with located(lambda error: at(rows, error)):
        result = judge(
            Printed(
                rows=rows.mappings(),
                n_test=n_test,
                metric=metric,
                seeds=seeds,
                alpha=alpha,
                differences=others,
                test=test,
                within=within,
                caption=rows.caption,
                elsewhere=rows.elsewhere,
                spread=spread,
                baselines=baselines,
                without=without,
                turned=turned,
            )
        )
    emit(
        form, lambda: audit_page(result), json=lambda: to_json(result), csv=lambda: to_csv(result.comparisons)
    )
