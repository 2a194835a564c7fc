"""Can our seeds have given a printed number? A published table against the prediction intervals of a study.

A number of k seeds is a new draw, not the mean that our interval is about: it is compared with
m ± t·s·√(1/n + 1/k), n − 1 degrees of freedom. The interval of the mean would accept a true replication only
.68 of the time at n = 5. Inside is no proof of agreement: the interval's half-width says how far a number may
be off without being noticed.

Rows are matched to cells by name, or else by what both tables say of them (student, method, T, alpha, …).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

import numpy as np
from scipy import special

from rigorkd_analysis.analysis_plan import Correction, Plan
from rigorkd_analysis.likeness import on_what, says_on_what
from rigorkd_analysis.metric_names import Goal, is_percentage
from rigorkd_analysis.published.printed_cells import Row
from rigorkd_analysis.published.printed_rounding import half_unit
from rigorkd_analysis.published.printed_table import decimal_of, row_names
from rigorkd_analysis.runs import Runs, suggest
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.moments import Moments, or_none
from rigorkd_analysis.studies.effects import (
    SCHEMA,
    Effect,
    Effects,
    Level,
    Study,
    StudyFacts,
    common_metric,
    effects_of,
    no_verdict,
    of_looks,
    over_looks,
    without_gains,
)
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.wording import Phrasing, adjusted_name, p_text, percent_text

Compatibility = Literal["inside", "outside", "unknown"]

PAIRED = "a printed gain is taken as paired by seed, as ours are"
"""What nothing in a printed table says, and the interval of a gain stands on."""

_DESCRIBES = ("group", "student", "method", "teacher", "T", "alpha", "ce_weight", "kd_weight", "epochs")


@dataclass(frozen=True)
class PublishedTable:
    """The rows of a published table as text, since printed decimals are part of the input.

    `metric` names its column (None: the study's metric, with or without `test_`), `seeds` how many seeds are
    behind each number (None: a column n_seeds, seeds or n, else 1).
    """

    name: str
    rows: Sequence[Row]
    metric: str | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class PrintedNumber:
    """A printed number of k seeds against the prediction interval m ± t·s·√(1/n + 1/k) of our n seeds.

    Attributes:
        printed: as it stands in the table. half_unit: half a unit of its last digit, which is rounding.
        p: two-sided, of the part of the distance that rounding does not explain.
        verdict: outside if the adjusted p is below alpha. Inside is no proof of agreement: `half_width` says
            how far a number may be off and still be inside.
        not_valid: why no verdict is valid at alpha, such as a repeated look; the verdict is then unknown.
    """

    name: str
    printed_name: str
    printed: float
    half_unit: float
    k: int
    n: int
    mean: float | None
    sd: float | None
    prediction_low: float | None
    prediction_high: float | None
    half_width: float | None
    t: float | None
    df: int | None
    p: float | None
    p_adjusted: float | None
    inside: bool | None
    verdict: Compatibility
    says: str
    warnings: tuple[str, ...]
    not_valid: str | None = None


@dataclass(frozen=True)
class PrintedFamily:
    """Printed cells, or printed gains, corrected together."""

    name: Level
    size: int
    comparisons: tuple[PrintedNumber, ...]


@dataclass(frozen=True)
class Prediction:
    """A study against a published table. `unmatched` names printed rows that no cell of the study is like."""

    schema: str
    kind: Literal["published"]
    metric: str
    printed_metric: str
    goal: Goal
    alpha: float
    correction: Correction
    studies: tuple[StudyFacts, ...]
    families: tuple[PrintedFamily, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class PrintedValue:
    """A printed number of k seeds, off by `half_unit` at most for rounding; `name` says where it stands."""

    name: str
    value: Decimal
    half_unit: float
    k: int


def compare_published(study: Study, table: PublishedTable, plan: Plan) -> Prediction:
    """Say which printed numbers, and which printed gains, our seeds can have produced.

    Raises:
        TableError: a table is unusable, or no printed row is like a cell of the study.
    """
    ours = effects_of(study, plan.metric)
    metric, goal, say = common_metric([ours], plan.goal)
    column = _column(table, metric)
    matched, unmatched = _match(ours.runs, table, column)
    _same_scale(ours, matched, metric, column, table.name)
    cells = [(ours.cells[cell], number) for cell, number in matched.items()]
    gains = [
        (effect, _difference(matched[name], matched[effect.baseline]))
        for name, effect in ours.gains.items()
        if name in matched and effect.baseline in matched
    ]
    families = []
    if gains:
        families.append(printed_family("gains", gains, plan, say, ours.study))
    families.append(printed_family("cells", cells, plan, say, ours.study))
    warnings = [
        "SMOKE RUNS: shrunken and synthetic; these numbers say nothing about any method"
    ] * ours.runs.smoke
    if not gains:
        why = without_gains([ours]) or ": no row beside its baseline's is like a cell of ours"
        warnings.append(f"no printed gain is compared{why}")
    if gains:
        warnings.append(f"{PAIRED}: where its cells had seeds of their own, more lie outside by chance")
    if told := _data_only_there(ours.runs, table):
        warnings.append(told)
    return Prediction(
        schema=SCHEMA,
        kind="published",
        metric=metric,
        printed_metric=column,
        goal=goal,
        alpha=plan.alpha,
        correction=plan.correction,
        studies=(
            ours.facts,
            StudyFacts(table.name, len(table.rows), max(n.k for n in matched.values())),
        ),
        families=tuple(families),
        unmatched=tuple(unmatched),
        warnings=tuple(warnings),
    )


def _column(table: PublishedTable, metric: str) -> str:
    if not table.rows:
        raise TableError(f"{table.name} has no rows", hint="one row per printed cell")
    columns = list(table.rows[0])
    wanted = [table.metric] if table.metric else list(dict.fromkeys((metric, metric.removeprefix("test_"))))
    for name in wanted:
        if name in columns:
            return name
    numeric = [name for name in columns if _number(table.rows[0].get(name) or "") is not None]
    raise TableError(
        f"{table.name} has no column {' or '.join(wanted)}",
        hint=f"name it with --printed-metric; {suggest(wanted[0], numeric)}",
    )


def _number(text: str) -> Decimal | None:
    """The printed number of a cell such as `69.06` or `69.06 ± 0.24`; the spread is not used."""
    return decimal_of(_SPREAD.split(text, maxsplit=1)[0].strip().lstrip("*$").rstrip())


_SPREAD = re.compile(r"(?<=\d)\s*\$?\s*(?:±|\+/?-|\\pm)")


def _match(runs: Runs, table: PublishedTable, column: str) -> tuple[dict[str, PrintedValue], list[str]]:
    """Printed numbers by the cell that they are of, and the names of rows that are like no cell."""
    matched: dict[str, PrintedValue] = {}
    unmatched: list[str] = []
    names = row_names(table.rows)
    for position, row in enumerate(table.rows):
        name = names[position]
        text = (row.get(column) or "").strip()
        if not text:
            continue
        value = _number(text)
        if value is None:
            raise TableError(
                f"{text!r} is not a number", hint="one printed number per row", row=position, column=column
            )
        cell, why = _cell_like(runs, row, name)
        if cell is None:
            unmatched.append(f"{name} ({why})")
            continue
        number = PrintedValue(name, value, float(half_unit(value)), _seeds(table, row, position))
        if cell in matched and matched[cell].value != value:
            raise TableError(
                f"{matched[cell].name} and {name} are both like {cell}, and print {matched[cell].value} and "
                f"{value}",
                hint="leave one out, or tell them apart by a column such as epochs",
                row=position,
            )
        matched.setdefault(cell, number)
    if not matched:
        raise TableError(
            f"no row of {table.name} is like a cell of the study: {'; '.join(unmatched[:4])}",
            hint="rows are matched by cell name (a column `cell`, such as "
            f"{runs.cells[0]}), or by data set, student, teacher, method, T, alpha, epochs; --rename OLD NEW "
            "brings names together",
        )
    return matched, unmatched


def _cell_like(runs: Runs, row: Row, name: str) -> tuple[str | None, str]:
    """The one cell that a printed row is of, or why there is none."""
    data = on_what(runs)
    if name in runs.index:
        own = {key: runs.text(key, runs.index[name]) for key in data if (row.get(key) or "").strip()}
        other = [f"{key} {row[key]}, ours {text}" for key, text in own.items() if not _same(row[key], text)]
        return (None, f"measured on {', '.join(other)}") if other else (name, "")
    ends = [cell for cell in runs.cells if cell.endswith(f"/{name}")]
    keys = (*dict.fromkeys((*data, *_DESCRIBES)),)
    said = [key for key in keys if (row.get(key) or "").strip() and key in runs.attributes]
    alike = [
        cell
        for position, cell in enumerate(runs.cells)
        if all(_same(row[key], runs.text(key, position)) for key in said)
    ]
    if ends:
        alike = [cell for cell in ends if cell in alike]
    if len(alike) == 1 and (ends or len(said) > 1):
        return alike[0], ""
    if not alike:
        there = [key for key in data if (row.get(key) or "").strip()]
        if there and _cell_like(runs, {key: text for key, text in row.items() if key not in data}, name)[0]:
            told = (
                f"{key} {row[key]}, ours {', '.join(dict.fromkeys(runs.attributes[key]))}" for key in there
            )
            return None, f"measured on {'; '.join(told)}"
        return None, "no cell is like it"
    if not ends and len(said) < 2:
        return None, "the row does not say enough of itself"
    return None, f"{len(alike)} cells are like it: {', '.join(alike[:3])}{', …' if len(alike) > 3 else ''}"


def _data_only_there(runs: Runs, table: PublishedTable) -> str:
    """That a table says on what its numbers were measured where ours does not, "" otherwise."""
    named = {
        column: dict.fromkeys(text for row in table.rows if (text := (row.get(column) or "").strip()))
        for column in (table.rows[0] if table.rows else ())
        if (column in ("dataset", "task") or says_on_what(column)) and column not in runs.attributes
    }
    told = [f"{column} {', '.join([*values][:3])}" for column, values in named.items() if values]
    if not told:
        return ""
    return (
        f"{table.name} says on what its numbers were measured ({'; '.join(told)}), and nothing here says it "
        "of ours: of other data, no number agrees or disagrees with ours"
    )


def _same(printed: str, own: str) -> bool:
    try:
        return float(printed) == float(own)
    except ValueError:
        return printed.strip().casefold() == own.strip().casefold()


def _seeds(table: PublishedTable, row: Row, position: int) -> int:
    if table.seeds is not None:
        if table.seeds < 1:
            raise TableError(f"seeds = {table.seeds}", hint="the seeds behind a number are 1 or more")
        return table.seeds
    for column in ("n_seeds", "seeds", "n"):
        text = (row.get(column) or "").strip()
        if text:
            if not text.isdigit() or int(text) < 1:
                raise TableError(
                    f"{text!r} is not a number of seeds", hint="give --seeds K", row=position, column=column
                )
            return int(text)
    return 1


def _same_scale(
    ours: Effects, matched: Mapping[str, PrintedValue], metric: str, column: str, table: str
) -> None:
    largest = max((abs(float(number.value)) for number in matched.values()), default=0.0)
    own = ours.largest
    if is_percentage(metric, own) != is_percentage(metric, largest) and is_percentage(metric, 50.0):
        raise TableError(
            f"{metric} is {'in percent' if own > 1.5 else 'a fraction'} in {ours.study}, "
            f"{column} is not in {table}",
            hint="bring both to percent",
        )


def _difference(a: PrintedValue, b: PrintedValue) -> PrintedValue:
    return PrintedValue(f"{a.name} − {b.name}", a.value - b.value, a.half_unit + b.half_unit, min(a.k, b.k))


def printed_family(
    name: Level,
    members: list[tuple[Effect, PrintedValue]],
    plan: Plan,
    say: Phrasing,
    study: str,
) -> PrintedFamily:
    """Printed numbers, each against the prediction interval of our values, corrected together."""
    moments = Moments.of([effect.values for effect, _ in members])
    n, mean, sd = moments.n, moments.mean, moments.sd
    k = np.array([number.k for _, number in members], dtype=np.float64)
    printed = np.array([float(number.value) for _, number in members])
    rounding = np.array([number.half_unit for _, number in members])
    with np.errstate(invalid="ignore", divide="ignore"):
        error = sd * np.sqrt(1 / n + 1 / k)
        half = -special.stdtrit(n - 1, plan.alpha / 2) * error
        away = np.maximum(np.abs(printed - mean) - rounding, 0.0)
        t = np.sign(printed - mean) * away / error
        p = np.asarray(2 * special.stdtr(n - 1, -np.abs(t)))
    looks = over_looks([(effect,) for effect, _ in members])
    adjusted = np.minimum(1.0, looks * adjust(p, plan.correction))
    out = []
    for i, (effect, number) in enumerate(members):
        known = bool(np.isfinite(half[i]))
        warnings = of_looks((effect,), (study,))
        if unfit := no_verdict((effect,)):
            warnings.append(unfit)
        if effect.diverged:
            warnings.append(f"{effect.diverged} of our seeds diverged: among converged seeds only")
        if not known:
            warnings.append("fewer than 2 seeds of ours" if n[i] < 2 else "our seeds are all equal")
        one = PrintedNumber(
            name=effect.name,
            printed_name=number.name,
            printed=float(number.value),
            half_unit=number.half_unit,
            k=number.k,
            n=int(n[i]),
            mean=or_none(mean[i]),
            sd=or_none(sd[i]),
            prediction_low=or_none(mean[i] - half[i]),
            prediction_high=or_none(mean[i] + half[i]),
            half_width=or_none(half[i]),
            t=or_none(t[i]),
            df=int(n[i]) - 1 if known else None,
            p=or_none(p[i]),
            p_adjusted=or_none(adjusted[i]),
            inside=bool(p[i] >= plan.alpha) if known else None,
            verdict="unknown" if unfit or not known else "outside" if adjusted[i] < plan.alpha else "inside",
            says="",
            warnings=tuple(warnings),
            not_valid=unfit,
        )
        out.append(_with_words(one, name, len(members), plan, say, study))
    return PrintedFamily(name, len(members), tuple(out))


def _with_words(
    one: PrintedNumber, family: str, size: int, plan: Plan, say: Phrasing, study: str
) -> PrintedNumber:
    signed = family == "gains"
    what = "gain" if signed else say.words
    seeds = "one seed" if one.k == 1 else f"{one.k} seeds"
    text = f"{one.name}: the printed {what} of {say.number(one.printed, signed)}{say.unit} ({seeds})"
    if one.prediction_low is None:
        return replace(one, says=f"{text} cannot be compared: {'; '.join(one.warnings)}.")
    end = say.bound if signed else say.number
    low, high = end(one.prediction_low), end(one.prediction_high)
    where = {
        "inside": "lies inside"
        if one.inside
        else "lies outside this one interval, as the correction over the family allows",
        "outside": "lies outside",
        "unknown": f"is not judged against the interval ({one.not_valid})",
    }[one.verdict]
    numbers = f"{percent_text(1 - plan.alpha)} prediction from {one.n} seeds of {study}: {low} to {high}"
    numbers += ", if its seeds are paired as ours are" * signed
    return replace(
        one,
        says=f"{text} {where} ({numbers}, {p_text(one.p_adjusted, adjusted_name(plan.correction, size))}).",
    )
