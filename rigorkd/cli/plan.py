"""`rigorkd plan`: what a protocol means, what of it is there, what it costs; trains nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rigorkd.cli.checked import folder_for
from rigorkd.cli.options import (
    aside,
    load_variant,
    only_option,
    results_option,
    seeds_of,
    seeds_option,
    variant_options,
)
from rigorkd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rigorkd.launch.display import PlainConsole
    from rigorkd.launch.planning import Plan
    from rigorkd.protocol.schema import Analysis


@click.command(short_help="Show cells, runs, cost and detectable gains; train nothing.")
@click.argument("protocol", type=click.Path(path_type=Path))
@seeds_option
@variant_options
@click.option("--smoke", is_flag=True, help="Plan the shrunk protocol of `run --smoke`.")
@only_option
@results_option
@click.option(
    "--mode",
    type=click.Choice(["reference", "fast"]),
    default="reference",
    show_default=True,
    help="The mode that `run` will be given: each has its own records.",
)
@click.option(
    "--measure",
    is_flag=True,
    help="First time a few steps of every kind of training on this machine, for the cost.",
)
@click.option("--trust", is_flag=True, help="With --measure: run code that another user wrote.")
@click.option(
    "--sd",
    type=click.FloatRange(min=0, min_open=True),
    help="Standard deviation of the differences paired by seed, from a pilot or a published study.",
)
@click.option("--cells", is_flag=True, help="Print the names of the cells alone, for contrasts and --only.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def plan(
    protocol: Path,
    seeds: str | None,
    changes: tuple[str, ...],
    variant: str | None,
    smoke: bool,
    only: tuple[str, ...],
    results: Path,
    mode: str,
    measure: bool,
    trust: bool,
    sd: float | None,
    cells: bool,
    form: str,
) -> None:
    """Show what PROTOCOL expands to, how much of it is done, and the smallest gain these seeds can detect.

    The cost comes from rates that finished runs, or --measure, left in the results folder. Only --measure
    executes a protocol's own code.

    \b
    rigorkd plan protocols/paper.yaml --seeds 5
    rigorkd plan protocols/digits.yaml --measure
    rigorkd plan protocols/digits.yaml --cells
    """
    from rigorkd.extras import require
    from rigorkd.launch.growth import cost_of_growing
    from rigorkd.launch.planning import make_plan, protocol_warnings, seeds_warnings, sesoi_of_commands
    from rigorkd.launch.run_states import find_run_states, matching_cells
    from rigorkd.protocol.load import refuse_misfit
    from rigorkd.records.expected import ABSENT, start_files
    from rigorkd.records.layout import StudyFolder
    from rigorkd.records.rates import RateBook
    from rigorkd.records.read import looks_ahead
    from rigorkd.records.study import folder_name, is_study, read_info, settled_under
    from rigorkd.text import unhidden

    try:
        loaded = load_variant(protocol, changes, variant, settled_under(results, mode, smoke=smoke))
    except InputError as error:
        # What names no cell is mended by a look at their names.
        if form == "table":
            click.echo("".join(f"{name}\n" for name in error.cells), nl=False)
        raise
    if cells:
        wanted = matching_cells(loaded, only) if only else {cell.name for cell in loaded.cells}
        click.echo("\n".join(cell.name for cell in loaded.cells if cell.name in wanted))
        return
    refuse_misfit(loaded)
    if measure and any(cell.trainer is not None for cell in loaded.cells):
        raise InputError(
            f"--measure: {protocol}: only rigorkd's own training is timed in a few steps",
            hint="how long a command takes, its finished runs tell: `rigorkd run` one seed first",
        )
    if measure:
        from rigorkd.launch.own_commands import refuse_foreign_code

        require("train", "--measure")
        refuse_foreign_code(loaded, trust=trust)
    chosen = seeds_of(seeds, loaded)
    for warning in protocol_warnings(loaded, chosen):
        aside(warning)
    if smoke:
        from rigorkd.protocol.smoke import smoke as shrink

        loaded = shrink(loaded)
    folder_for(results)
    place = results / folder_name(loaded, mode)
    planned = looks_ahead(place, loaded).looks
    for warning in [] if smoke else seeds_warnings(place, loaded, chosen):
        aside(warning)
    if warning := cost_of_growing(place, chosen, loaded.spec.analysis, planned):
        aside(warning)
    study = StudyFolder(place)
    remembered = read_info(study.path).start_files if is_study(study.path) else None
    files = start_files(loaded, remembered, planning=True)
    for name, file in files.items():
        if file.sha256 == ABSENT:
            aside(f"note: {name} is not there yet; `rigorkd run` needs it")
    states = find_run_states(loaded, chosen, study, mode, files, only)
    if not smoke and (told := sesoi_of_commands(loaded, states.records.values())):
        aside(told)
    book = RateBook.of(results)
    if measure:
        from rigorkd.launch.measure import measure as measure_rates
        from rigorkd.launch.rehearsal import refuse_unfit

        refuse_unfit(loaded, dict.fromkeys(run.cell for run in states.missing()))
        measure_rates(loaded, states, chosen, book, mode, lambda text: click.echo(text, err=True))
    made = make_plan(loaded, states, study, chosen, book, mode, sd)
    if form == "json":
        click.echo(unhidden(json.dumps(made.document(), indent=1, ensure_ascii=False)))
    else:
        _show(made, loaded.spec.analysis)


def _show(made: Plan, asked: Analysis) -> None:
    from rich import box
    from rich.table import Table

    from rigorkd.launch.display import PlainConsole
    from rigorkd.protocol.chains import comes_from
    from rigorkd.text import count, duration, fitted, unhidden

    console = PlainConsole()
    tell = _teller(console)
    if made.by_command:
        for cell in made.cells:
            # Whoever decides by this line whether to run it sees all of it: nothing steers the terminal.
            command = unhidden(cell["command"]).replace("\n", "\\u000a")
            console.print(fitted(f"{cell['cell']}\n    {command}", console.file))
        for note in made.notes:
            tell(note)
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("cell", "model", "start", "epochs"):
            table.add_column(heading, no_wrap=True, justify="right" if heading == "epochs" else "left")
        for cell in made.cells:
            epochs = str(cell["epochs"]) if cell["train"] and not cell.get("mean_of") else "none"
            table.add_row(cell["cell"], _model(cell), str(cell["start"]), epochs)
        console.print(table)
        for note in made.notes:
            tell(note if note.startswith("warning: ") else f"note: {note}")
    for cell in made.cells:
        if cell["role"] != "student" and (origin := comes_from(cell)):  # a student's name says it
            tell(f"{cell['cell']}: {origin}")
    runs = made.runs
    rest = ", ".join(f"{number} {state}" for state, number in runs.items() if state != "total" and number)
    tell(
        f"{made.study}: {count(len(made.cells), 'cell')} × {count(len(made.seeds), 'seed')}"
        f" = {count(runs['total'], 'run')}"
        f"{'' if made.by_command else ' in ' + count(made.cohorts, 'cohort')} ({rest})",
    )
    if len(made.judged) < len(made.seeds):
        tell(
            f"verdicts use {count(len(made.judged), 'seed')}, and what is detectable counts these alone; "
            f"{len(made.seeds) - len(made.judged)} are kept for choosing"
        )
    if made.seeds_by_role:
        tell(made.seeds_by_role)
    for line in made.data.lines() if made.data is not None else ():
        tell(line)
    if made.training_images is not None:
        images = made.training_images
        tell(f"work: {f'{images:,}' if images < 1e7 else f'{images:.1e}'} training images in all runs")
    cost = made.cost
    if cost.seconds is None:
        tell(f"cost: {cost.basis}")
    else:
        disk = "" if cost.disk_bytes is None else f", {cost.disk_bytes / 1e6:,.1f} MB on disk"
        tell(f"cost: {duration(cost.seconds)}{disk} ({cost.basis})")
    _show_names(asked, tell)
    _show_detectable(made, tell)
    _show_designs(made, tell)


def _show_names(asked: Analysis, tell: Callable[[str], None]) -> None:
    """What the verdicts on named contrasts are about: a name that says the reverse reads as the finding."""
    from rigorkd_analysis.metric_names import goal_of

    side = "above" if goal_of(asked.metric, asked.goal) == "max" else "below"
    for one in asked.contrasts:
        if one.name and one.difference:
            tell(f"contrast “{one.name}”: {one.difference}; “better” says that it is {side} 0")


def _model(cell: dict[str, Any]) -> str:
    """The name of a cell's model, of the small plain one with its shape: `cnn 32-64, hidden 64`."""
    from rigorkd.records.untrusted import parse

    shape = parse(str(cell.get("model_args") or "{}").encode())
    if "channels" not in shape:
        return str(cell["model"])
    others = [f"{key} {shape[key]}" for key in ("hidden", "dropout") if shape.get(key)]
    others += ["no norm"] * (shape.get("norm") is False)
    return ", ".join([f"{cell['model']} {'-'.join(map(str, shape['channels']))}", *others])


def _teller(console: PlainConsole) -> Callable[[str], None]:
    """Prints a line, wrapped between words at the terminal's width, at 80 columns elsewhere."""
    from rigorkd.text import wrapped

    width = console.width if console.is_terminal else 80
    return lambda text: console.print(wrapped(text, width))


def _number(made: Plan, value: float) -> str:
    """A difference in the metric's unit, with as many decimals as its spread has use for."""
    from rigorkd_analysis.wording import decimals_for

    spread = next((entry.sd for entry in made.detectable if entry.sd), 0.0)
    return f"{value:.{decimals_for(made.unit, spread)}f}{made.unit}"


def _show_detectable(made: Plan, tell: Callable[[str], None]) -> None:
    """What each declared family detects."""
    from rigorkd.text import count

    alike: dict[tuple[int, str], list[str]] = {}  # families by their size and what they detect
    for entry in made.detectable:
        if entry.mde_dz is None:
            text = "one seed supports no test"
        elif entry.mde is None or entry.sd is None:
            text = f"{entry.mde_dz:.2f} sd of the {made.difference}s"
        else:
            text = f"{_number(made, entry.mde)} (sd of the {made.difference}s {_number(made, entry.sd)})"
        also = (
            "; by the paired test, the moderated one stands below"
            if made.moderated and entry.family == "gains"
            else ""
        )
        text += also
        if entry.equivalence_power is not None:
            text += f"; power to show equivalence {100 * entry.equivalence_power:.0f} %"
        alike.setdefault((entry.comparisons, text), []).append(entry.family)
    for (comparisons, text), families in alike.items():
        each = " each" if len(families) > 1 else ""
        tell(
            f"{', '.join(families)}: {count(comparisons, 'comparison')}{each}; detectable at 80 % power,"
            f" {'corrected' if made.corrected else 'uncorrected'}: {text}",
        )
    if made.detectable:
        tell(f"that sd: {made.detectable[0].sd_source}")
    if made.looks:
        tell(
            f"all of it at the nominal level of the planned looks ({', '.join(map(str, made.looks))} seeds); "
            "looks before the last may find more"
        )


def _show_designs(made: Plan, tell: Callable[[str], None]) -> None:
    """What these seeds detect, and how many the SESOI needs, by what is asked of the gains."""
    from rigorkd_analysis.stats.sample_size import cheapest

    if len(made.designs) == 0 or len(made.judged) < 2:
        return
    known = any(entry.sd is not None for entry in made.detectable)
    gains = next(design.comparisons for design in made.designs if design.question == "gains")
    declared = {(entry.family, entry.comparisons) for entry in made.detectable}
    others = [
        design
        for design in made.designs
        if design.mde is not None and (design.question, design.comparisons) not in declared
    ]
    if others:
        tell("asked otherwise, these seeds detect:")
    for design in others:
        amount = _number(made, design.mde or 0.0) if known else f"{design.mde:.2f} sd of a {made.difference}"
        tell(f"  {design.words(gains)}: {amount}")
    if made.sesoi is None:
        return
    effect = f"{made.sesoi:g}{' point' if made.sesoi == 1 and made.unit == ' points' else made.unit}"
    if known:
        tell(f"seeds for the smallest effect of interest: {cheapest(made.designs, effect)}")
    else:
        tell(
            f"seeds for the smallest effect of interest, {effect}: give --sd, from a pilot on other seeds or "
            "a published study"
        )
