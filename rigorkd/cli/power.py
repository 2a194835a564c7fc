"""`rigorkd power`: what a number of seeds can detect, and how many a difference needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rigorkd.report.page import FORMATS, Format

if TYPE_CHECKING:
    from rigorkd_analysis.analysis_plan import Correction


@click.command(short_help="Compute detectable effects and seeds needed.")
@click.option("--n", type=int, help="Seeds  [default: the last look, else 5]")
@click.option("--sd", type=float, required=True, help="Standard deviation of the differences paired by seed.")
@click.option("--comparisons", type=int, default=1, show_default=True, help="Size of the family.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Error rate over the family.")
@click.option(
    "--power", "wanted", type=float, default=0.8, show_default=True, help="Probability of detection."
)
@click.option("--effect", type=float, help="A difference: how many seeds detect it?")
@click.option("--sesoi", type=float, help="A bound: how probably do n seeds show equivalence within it?")
@click.option(
    "--correction", type=click.Choice(["holm", "bonferroni", "bh", "none"]), default="holm", show_default=True
)
@click.option("--looks", metavar="N,N,…", help="Planned interim analyses, the last one included: 5,8,12.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def power(
    n: int | None,
    sd: float,
    comparisons: int,
    alpha: float,
    wanted: float,
    effect: float | None,
    sesoi: float | None,
    correction: Correction,
    looks: str | None,
    form: Format,
) -> None:
    """Say what N seeds detect when paired differences have standard deviation SD.

    \b
    rigorkd power --n 5 --sd 0.2 --comparisons 9
    rigorkd power --sd 0.2 --comparisons 9 --effect 0.3
    rigorkd power --sd 0.2 --comparisons 9 --looks 5,8,12
    """
    from rigorkd_analysis.stats.sample_size import power as compute

    from rigorkd.errors import InputError
    from rigorkd.report.audit_page import power_page
    from rigorkd.report.emit import emit, to_csv, to_json
    from rigorkd.report.rows import located

    try:
        planned = tuple(int(look) for look in looks.split(",")) if looks else ()
    except ValueError:
        raise InputError(f"--looks {looks}: no numbers of seeds", hint="such as --looks 5,8,12") from None
    with located(lambda _: "rigorkd power"):
        answer = compute(
            n if n is not None else planned[-1] if planned else 5,
            sd,
            alpha=alpha,
            power=wanted,
            comparisons=comparisons,
            effect=effect,
            sesoi=sesoi,
            correction=correction,
            looks=planned,
        )
    emit(form, lambda: power_page(answer), json=lambda: to_json(answer), csv=lambda: to_csv([answer]))
