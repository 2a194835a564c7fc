#!/usr/bin/env python
"""Do the error rates hold on real trainings? Ten equal cells, judged as many small studies.

\b
    python scripts/calibrate.py train --seeds 1000    trains what is missing, then collects it
    python scripts/calibrate.py collect               the table of what is finished, from the study
    python scripts/calibrate.py judge                 rates, page and figure, from the table
    python scripts/calibrate.py judge --check         exit code 1 if that would change one of them

The cells of protocols/calibration.yaml differ in their random stream alone, so every difference that an
analysis finds between them is an error. The seeds are dealt into studies of 5 and of 10, again and again,
and each cell is the reference of the nine others in turn. Standard errors are those of a bootstrap over
seeds. The same table gives the same bytes.

Training may be broken off at any time, and goes on where it was; `collect` and `judge` take what there is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray
from rigorkd_analysis.stats.moderated import moderated
from rigorkd_analysis.stats.moments import Floats, Moments, mean_interval
from rigorkd_analysis.stats.paired import t_test, tost
from rigorkd_analysis.stats.selection import may_be_best

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parent.parent
PROTOCOL = ROOT / "protocols" / "calibration.yaml"
KEPT = ROOT / "analysis" / "calibration"
PAGE = ROOT / "docs" / "one-seed.md"
FIGURE = ROOT / "docs" / "images" / "one-seed.svg"
BEGIN, END = "<!-- Written by scripts/calibrate.py judge -->", "<!-- End of what calibrate.py writes -->"

ALPHA, SESOI = 0.05, 1.0
SIZES = (5, 10)
DEALS = 100
"""In how many ways the seeds are dealt into studies of one size."""
RESAMPLINGS = 2000
BINS = np.arange(-4.0, 12.25, 0.25)


# ------------------------------------------------------------------------------------------------- questions


@dataclass(frozen=True)
class Gains:
    """The gains of many studies over one reference: d has the shape (studies, gains, seeds)."""

    d: Floats

    @cached_property
    def _moments(self) -> tuple[Floats, Floats]:
        found = Moments.of_rows(self.d.reshape(-1, self.n))
        shape = self.d.shape[:2]
        sd = np.where(found.sd > 0, found.sd, np.nan)  # copies are not tested
        return found.mean.reshape(shape), sd.reshape(shape) / np.sqrt(self.n)

    @property
    def n(self) -> int:
        return int(self.d.shape[-1])

    @property
    def mean(self) -> Floats:
        return self._moments[0]

    @property
    def se(self) -> Floats:
        return self._moments[1]

    @cached_property
    def p(self) -> Floats:
        return t_test(self.mean, self.se, self.n - 1)[1]


Outcome = Callable[[Gains], Floats]
"""What each study shows, shape (studies,): 0 or 1, or a share of its gains, or points."""


def any_after_holm(p: Floats) -> Floats:
    """Whether a family finds something after Holm's correction, (studies,), from p (studies, family).

    That is whether his first step rejects: the smallest p, times the family's size.
    """
    return np.asarray(p.min(axis=1) * p.shape[1] < ALPHA, np.float64)


def holm(gains: Gains) -> Floats:
    return any_after_holm(gains.p)


def moderated_holm(gains: Gains) -> Floats:
    mean, se, df, _ = moderated(gains.d)
    return any_after_holm(t_test(mean, se, df[..., None])[1])


def unadjusted(gains: Gains) -> Floats:
    return np.asarray((gains.p < ALPHA).any(axis=1), np.float64)


def announced(gains: Gains) -> Floats:
    return np.asarray(((gains.p < ALPHA) & (gains.mean > 0)).any(axis=1), np.float64)


def announced_points(gains: Gains) -> Floats:
    """The largest gain with p below alpha, 0 where a study announces none."""
    return np.asarray(np.where((gains.p < ALPHA) & (gains.mean > 0), gains.mean, 0.0).max(axis=1))


def overall(gains: Gains) -> Floats:
    average = Gains(gains.d.mean(axis=1, keepdims=True))
    return np.asarray(average.p[:, 0] < ALPHA, np.float64)


def primary(gains: Gains) -> Floats:
    return np.asarray((gains.p < ALPHA).mean(axis=1))


def interval_of_a_gain(gains: Gains) -> Floats:
    n = np.full(gains.mean.shape, float(gains.n))
    low, high = mean_interval(gains.mean, gains.se * np.sqrt(gains.n), n, ALPHA)
    return np.asarray(((low <= 0) & (high >= 0)).mean(axis=1))


def equivalent(gains: Gains) -> Floats:
    """Whether a family finds an equivalence that is none: every gain is moved to the SESOI exactly."""
    return any_after_holm(tost(gains.mean + SESOI, gains.se, gains.n - 1, SESOI))


def one_equivalent(gains: Gains) -> Floats:
    return np.asarray((tost(gains.mean + SESOI, gains.se, gains.n - 1, SESOI) < ALPHA).mean(axis=1))


def largest(gains: Gains) -> Floats:
    return np.asarray(gains.d.mean(axis=-1).max(axis=1))


@dataclass(frozen=True)
class Question:
    """One row: what is asked of every study, and what it should be where the method is right."""

    key: str
    words: str
    of: Outcome
    promised: str


QUESTIONS = (
    Question("holm", "nine gains, Holm: some difference is found", holm, "at most 5 %"),
    Question(
        "moderated", "nine gains, moderated t, Holm: some difference is found", moderated_holm, "at most 5 %"
    ),
    Question("overall", "the average gain: a difference is found", overall, "5 %"),
    Question("primary", "one primary gain: a difference is found", primary, "5 %"),
    Question("unadjusted", "nine gains, no correction: some difference is found", unadjusted, ""),
    Question("announced", "nine gains, no correction: some gain is announced", announced, ""),
    Question("tost", "nine gains at the SESOI, Holm: some is called equivalent", equivalent, "at most 5 %"),
    Question("tost_one", "one gain at the SESOI: called equivalent", one_equivalent, "at most 5 %"),
    Question("interval", "the 95 % interval of a gain holds the truth", interval_of_a_gain, "95 %"),
)
"""An analysis is judged by a function and a line here; page, table of rates and test follow."""


# --------------------------------------------------------------------------------------------------- studies


@dataclass(frozen=True)
class Estimate:
    """A mean over studies, and its standard error over seeds."""

    value: float
    error: float


@dataclass(frozen=True)
class Studies:
    """Studies of n seeds: the positions of their seeds (studies, n), and all values (cells, seeds)."""

    members: NDArray[np.intp]
    values: Floats

    @classmethod
    def deal(cls, values: Floats, n: int, deals: int, rng: np.random.Generator) -> Studies:
        """Every deal uses each seed once, but for those that are left over."""
        seeds = values.shape[1]
        orders = [rng.permutation(seeds)[: seeds // n * n].reshape(-1, n) for _ in range(deals)]
        return cls(np.concatenate(orders), values)

    @cached_property
    def of_cells(self) -> Floats:
        """(studies, cells, n)."""
        return np.ascontiguousarray(self.values[:, self.members].swapaxes(0, 1))

    def over_each(self) -> Iterator[Gains]:
        """The nine others over each cell in turn."""
        for reference in range(len(self.values)):
            others = np.delete(self.of_cells, reference, axis=1)
            yield Gains(others - self.of_cells[:, reference, None])

    def shares(self, outcomes: Floats) -> Floats:
        """Each seed's mean over the studies that it is in, (…, seeds), from outcomes (…, studies)."""
        seeds = self.values.shape[1]
        times = np.bincount(self.members.ravel(), minlength=seeds)
        each = np.repeat(outcomes, self.members.shape[1], axis=-1)
        place = self.members.ravel()
        sums = [np.bincount(place, weights=row, minlength=seeds) for row in np.atleast_2d(each)]
        return np.array(sums) / times


def estimates(
    studies: Studies, outcomes: Mapping[str, Floats], rng: np.random.Generator
) -> dict[str, Estimate]:
    """Means of outcomes (studies,), with the standard errors of a bootstrap over seeds.

    A mean over all studies of n seeds is, to first order, n times the mean of what the single seeds
    contribute (Hoeffding 1948), and these are resampled. Since a seed is in a limited number of studies, the
    errors come out a little too large, never too small.
    """
    names, n = list(outcomes), studies.members.shape[1]
    shares = studies.shares(np.array([outcomes[name] for name in names]))
    seeds = shares.shape[1]
    counts = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLINGS)
    errors = n * (counts @ shares.T / seeds).std(axis=0)
    return {
        name: Estimate(float(np.mean(outcomes[name])), float(error))
        for name, error in zip(names, errors, strict=True)
    }


def judge(values: Floats, deals: int = DEALS) -> dict[str, Any]:
    """Everything that page and figure show, from accuracies (cells, seeds)."""
    cells, seeds = values.shape
    rng = np.random.default_rng(0)
    variance = values.var(axis=1, ddof=1).mean()
    truth = float(values.mean())
    found: dict[str, Any] = {
        "cells": cells,
        "seeds": seeds,
        "deals": deals,
        "mean": truth,
        "sd": float(np.sqrt(variance)),
        "r": float(1 - values.var(axis=0, ddof=1).mean() / variance),
        "tables": [],
        "rates": [],
    }
    for n in (1, *SIZES):
        studies = Studies.deal(values, n, 1 if n == 1 else deals, rng)
        best = np.array([largest(gains) for gains in studies.over_each()])
        outcomes = {"largest": best.mean(axis=0), "beyond_sesoi": (best >= SESOI).mean(axis=0)}
        table = estimates(studies, outcomes, rng)
        low, high = np.quantile(best, [0.25, 0.75])
        found["tables"].append(
            {
                "n": n,
                "studies": seeds // n,
                "quartiles": [float(low), float(high)],
                **{name: vars(estimate) for name, estimate in table.items()},
                "counts": np.histogram(best, BINS)[0].tolist(),
            }
        )
        if n > 1:
            found["rates"].append({"n": n, "studies": seeds // n, **_rates(studies, truth, rng)})
    rounded: dict[str, Any] = _rounded(found)
    return rounded


def _rates(studies: Studies, truth: float, rng: np.random.Generator) -> dict[str, Any]:
    """The rates of every question in studies of one size, then those that have no reference."""
    references = len(studies.values)
    outcomes = {question.key: np.zeros(len(studies.members)) for question in QUESTIONS}
    points = np.zeros(len(studies.members))
    for gains in studies.over_each():
        for question in QUESTIONS:
            outcomes[question.key] += question.of(gains) / references
        points += announced_points(gains) / references
    of_cells = Moments.of_rows(studies.of_cells.reshape(-1, studies.members.shape[1]))
    low, high = mean_interval(of_cells.mean, of_cells.sd, of_cells.n, ALPHA)
    holds = ((low <= truth) & (high >= truth)).reshape(len(studies.members), -1)
    outcomes["interval_of_a_cell"] = holds.mean(axis=1)
    stays = np.array([may_be_best(cells, ALPHA) for cells in studies.of_cells], np.float64)
    outcomes["best_stays"] = stays.mean(axis=1)
    outcomes["best_narrowed"] = np.asarray(1.0 - stays.min(axis=1))
    rates = estimates(studies, outcomes, rng)
    announced_each = rates["announced"].value
    return {
        **{name: vars(estimate) for name, estimate in rates.items()},
        "announced_points": float(points.mean() / announced_each) if announced_each else None,
    }


def _rounded(value: Any) -> Any:
    """Five decimals: the last bits are the machine's."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value


# ------------------------------------------------------------------------------------------- page and figure

_WITHOUT_REFERENCE = (
    ("interval_of_a_cell", "the 95 % interval of a cell's mean holds the truth", "95 %"),
    ("best_stays", "a cell stays in the set that may be best", "at least 95 %"),
    ("best_narrowed", "at least one of the ten leaves that set", ""),
)


def _percent(found: Mapping[str, float]) -> str:
    return f"{100 * found['value']:.1f} ± {100 * found['error']:.1f}"


def _paragraph(text: str) -> str:
    return "\n".join([*wrap(text, 118), ""])


def _points(found: Mapping[str, float]) -> str:
    return f"{found['value']:+.2f} ± {found['error']:.2f}"


def section(rates: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The text between the marks of the page."""
    one, five, ten = rates["tables"]
    of_five, of_ten = rates["rates"]
    n, cells = rates["seeds"], rates["cells"]
    lead = (
        f"**One seed.** A table of one seed announces, as its largest gain over the baseline, "
        f"{_points(one['largest'])} points on average, where every gain is 0 (n = {n} tables, each cell as "
        f"the baseline in turn; one in four announces {one['quartiles'][1]:+.1f} or more). In "
        f"{_percent(one['beyond_sesoi'])} % of them it is {SESOI:g} point or more.",
        f"**Five seeds, no correction.** {_percent(of_five['announced'])} % of studies find a gain with "
        f"p < .05, the largest of them {of_five['announced_points']:+.2f} points on average; "
        f"{_percent(of_five['unadjusted'])} % find a gain or a loss (n = {of_five['studies']} studies that "
        f"share no seed, dealt in {rates['deals']} ways).",
        f"**As rigorkd judges them.** With five seeds {_percent(of_five['holm'])} % of studies find a "
        f"difference in some of nine gains, {_percent(of_five['overall'])} % in their average; with ten "
        f"{_percent(of_ten['holm'])} % and {_percent(of_ten['overall'])} %.",
    )
    rows = [
        f"| {words} | {promised} | {_percent(of_five[key])} | {_percent(of_ten[key])} |"
        for key, words, promised in (
            *((question.key, question.words, question.promised) for question in QUESTIONS),
            *_WITHOUT_REFERENCE,
        )
    ]
    largest_rows = [
        f"| {table['n']} | {table['studies']} | {_points(table['largest'])} | "
        f"{table['quartiles'][0]:+.2f} to {table['quartiles'][1]:+.2f} | "
        f"{_percent(table['beyond_sesoi'])} |"
        for table in (one, five, ten)
    ]
    drawn = (
        "![The largest of nine gains, all of them 0, in tables of one, five and ten seeds, and how often "
        f"each analysis finds a difference](images/{FIGURE.name})"
    )
    return "\n".join(
        [
            *map(_paragraph, lead),
            drawn,
            "",
            "| share of studies, in % (± standard error) | promised | 5 seeds | 10 seeds |",
            "|---|---|---|---|",
            *rows,
            "",
            _paragraph(
                f"n = {of_five['studies']} studies of 5 seeds and {of_ten['studies']} of 10 that share no "
                f"seed, dealt in {rates['deals']} ways. Cells: {rates['mean']:.2f} % accuracy on average, sd "
                f"over seeds {rates['sd']:.2f} points, correlation between cells of a seed {rates['r']:.2f}."
            ),
            "| seeds per table | tables | largest gain, points | half of them lie in | "
            f"{SESOI:g} point or more, % |",
            "|---|---|---|---|---|",
            *largest_rows,
            "",
            f"{n} seeds × {cells} cells = {n * cells:,} trainings on {about['hardware']}, PyTorch "
            f"{about['torch']}, engine numerics {about['engine']}, {about['date']}.",
        ]
    )


def figure(rates: Mapping[str, Any]) -> bytes:
    """The SVG beside the text."""
    from rigorkd.report.figures.canvas import figure_file
    from rigorkd.report.figures.marks import point, row_panel
    from rigorkd.report.figures.spec import Figure, Key, Panel
    from rigorkd.report.figures.style import light, series

    def distributions(axes: Axes) -> None:
        for at, table in enumerate(rates["tables"]):
            role, _, dashes = series(at)
            counts = np.array(table["counts"], np.float64)
            axes.stairs(100 * counts / counts.sum(), BINS, color=light(role), linestyle=dashes, linewidth=1.4)
        axes.axvline(0, color=light("muted"), linewidth=0.8)
        axes.set_xlim(-2, 10)
        axes.set_xlabel("largest of nine gains, all of them 0 (points)")
        axes.set_ylabel("% of tables")

    asked = [
        ("unadjusted", "no correction"),
        ("holm", "Holm"),
        ("moderated", "moderated t, Holm"),
        ("overall", "average gain"),
        ("primary", "one gain"),
    ]

    def errors(axes: Axes) -> None:
        axes.axvline(100 * ALPHA, color=light("muted"), linewidth=0.8)
        for shift, of in zip((-0.13, 0.13), rates["rates"], strict=True):
            hollow = of["n"] == SIZES[1]
            for at, (key, _) in enumerate(asked):
                value, error = 100 * of[key]["value"], 100 * of[key]["error"]
                axes.hlines(
                    at + shift, value - 2 * error, value + 2 * error, color=light("blue"), linewidth=1.2
                )
                point(axes, value, at + shift, "blue", hollow=hollow)
        axes.set_xlim(left=0)
        axes.set_xlabel("% of studies that find a difference")

    words = "; ".join(
        f"{t['n']} seeds: {t['largest']['value']:+.2f} points on average" for t in rates["tables"]
    )
    rated = "; ".join(f"{label}: {_percent(rates['rates'][0][key])} % at 5 seeds" for key, label in asked)
    right = row_panel("Ten equal cells", [label for _, label in asked], errors, rated, heights=(0.36, 0.5))
    keys = [
        *(Key(f"{n} seed{'s' * (n > 1)}", "line", series(at)[0], at) for at, n in enumerate((1, *SIZES))),
        Key("5 seeds, ± 2 standard errors", "filled", "blue"),
        Key("10 seeds", "hollow", "blue"),
    ]
    panels = (Panel("What a table announces", distributions, right.height, words), right)
    return figure_file(Figure("one-seed", "What one seed tells you", "", panels, tuple(keys)), "svg")


# -------------------------------------------------------------------------------------------------- commands


@click.group(help=__doc__)
def main() -> None:
    pass


_RESULTS = click.option(
    "--results", type=click.Path(file_okay=False, path_type=Path), default=Path("results"), show_default=True
)


@main.command()
@click.option("--seeds", default="1000", show_default=True, help="as for rigorkd run: 1000, 0:250, 250:500")
@_RESULTS
def train(seeds: str, results: Path) -> None:
    """Train what is missing, then collect it."""
    command = [sys.executable, "-m", "rigorkd", "run", str(PROTOCOL), "--seeds", seeds, "--no-weights"]
    done = subprocess.run([*command, "--results", str(results)], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    _collect(results)


@main.command()
@_RESULTS
def collect(results: Path) -> None:
    """Write the table of what is finished."""
    _collect(results)


def _collect(results: Path) -> None:
    import rigorkd

    runs = rigorkd.load(results / PROTOCOL.stem).runs
    KEPT.mkdir(parents=True, exist_ok=True)
    table = runs[["cell", "seed", "test_top1"]].sort_values(["seed", "cell"])
    table.to_csv(KEPT / "runs.csv", index=False, lineterminator="\n")
    last = _last_record(results)
    versions = dict(part.split("=", 1) for part in str(runs["versions"].iloc[0]).split())
    about = {
        "hardware": " and ".join(sorted(set(runs["hardware"]))),
        "torch": versions["torch"],
        "engine": last["numerics_of_parts"].get("engine", 1),
        "date": last["finished"][:10],
    }
    (KEPT / "about.json").write_text(json.dumps(about, indent=2) + "\n")
    click.echo(f"{KEPT / 'runs.csv'}: {len(runs)} runs, {runs['seed'].nunique()} seeds")


def _last_record(results: Path) -> dict[str, Any]:
    """The record of the run that finished last; all of a study have the same numerics."""
    records = (results / PROTOCOL.stem).glob("*/*/*/seed-*/record.json")
    found: dict[str, Any] = json.loads(max(records, key=lambda path: path.stat().st_mtime).read_text())
    return found


def values_of(table: Path) -> Floats:
    """Accuracies (cells, seeds) of the seeds at which every cell is finished."""
    import pandas as pd

    wide = pd.read_csv(table).pivot(index="cell", columns="seed", values="test_top1").dropna(axis=1)
    return wide.to_numpy(np.float64)


@main.command(name="judge")
@click.option("--check", is_flag=True, help="Write nothing; say whether all is as the table gives it.")
def judge_command(check: bool) -> None:
    """Write rates, page and figure from the table."""
    rates = judge(values_of(KEPT / "runs.csv"))
    files = outputs(rates)
    changed = [path for path, content in files.items() if not path.exists() or path.read_bytes() != content]
    if check:
        if changed:
            raise click.ClickException(f"not what the table gives: {', '.join(map(str, changed))}")
        return
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[path])
    click.echo(f"{PAGE}: {rates['seeds']} seeds")


def outputs(rates: Mapping[str, Any]) -> dict[Path, bytes]:
    """Every file that the rates make, with its content."""
    about = json.loads((KEPT / "about.json").read_text())
    page = PAGE.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise click.ClickException(f"{PAGE} must hold these two lines once: {BEGIN} {END}")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    text = f"{before}{BEGIN}\n\n{section(rates, about)}\n\n{END}{after}"
    return {
        KEPT / "rates.json": (json.dumps(rates, indent=1) + "\n").encode(),
        PAGE: text.encode(),
        FIGURE: figure(rates),
    }


if __name__ == "__main__":
    main()
