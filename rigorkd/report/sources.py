"""What is analysed: a study folder or any table, as runs, a plan and a way to say "where"."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from rigorkd_analysis.analysis_plan import Plan, Trend
from rigorkd_analysis.columns import OF_METHOD
from rigorkd_analysis.runs import seed_of, suggest
from rigorkd_analysis.table_error import TableError

from rigorkd.errors import InputError, StoreError
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.records.command_notes import Doubt, best_of_epochs
from rigorkd.records.interim import listed_seeds, seen_before
from rigorkd.records.planned_looks import OTHER_LOOKS, LooksAsked
from rigorkd.records.read import CHANGED
from rigorkd.report.chosen_seeds import ChosenSeeds
from rigorkd.report.rows import located
from rigorkd.report.sentences import CHOSEN_CELLS
from rigorkd.report.study_plan import plan_of
from rigorkd.text import count, some_of

if TYPE_CHECKING:
    import pandas as pd
    from rigorkd_analysis.stats.new_images import Predictions, PredictionSource

    from rigorkd.protocol.cells import Cell
    from rigorkd.readers.tidying import Tidy
    from rigorkd.records.command_notes import Doubts
    from rigorkd.records.interim import InterimAnalysis
    from rigorkd.records.judged_elsewhere import Elsewhere
    from rigorkd.records.read import StudyTable

#: A warning shows so much of why a run failed; its log has the rest.
LONGEST_CAUSE = 200


@dataclass(frozen=True)
class Source:
    """A table with its plan. `folder` is the study's, None for tables; `tidy` is how they were understood.

    `doubts` are warnings of every comparison, `of_runs` those of comparisons that use certain runs; `metrics`
    are those that a protocol asks of its commands, with their goals; `appeared` says when cells that the
    first protocol had not were added; `clusters` are the groups of a study's test images, in order, where the
    split keeps groups together; `looks_asked` are the looks that its protocols planned, of which those before
    the first look are planned ones, and `plan_under` is the plan under those in force; `cautions` are what
    every sentence says, and warnings say at more length; `elsewhere` are runs that other studies had shown;
    `peaks` are metrics that commands take from what is the best of many epochs by the name it is read by.
    """

    name: str
    table: pd.DataFrame
    plan: Plan
    where: Callable[[TableError], str]
    warnings: tuple[str, ...] = ()
    folder: Path | None = None
    looks: tuple[InterimAnalysis, ...] = ()
    tidy: Tidy | None = None
    doubts: tuple[str, ...] = ()
    of_runs: Doubts | None = None
    metrics: tuple[tuple[str, Literal["max", "min"]], ...] = ()
    appeared: tuple[tuple[str, str], ...] = ()
    clusters: tuple[int, ...] = ()
    looks_asked: LooksAsked | None = None
    plan_under: Callable[[tuple[int, ...]], tuple[Plan, tuple[str, ...]]] | None = None
    cautions: tuple[str, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    peaks: tuple[tuple[str, str], ...] = ()

    def with_looks(self, plan: Plan) -> Plan:
        """The plan, told of earlier analyses that met some of these seeds: by what metric, of which cells."""
        if not self.looks:
            return plan
        looks = [look.without(self.plan.selection_seeds) for look in self.looks]
        metric = plan.metric or "test_top1"

        def met(since: str) -> tuple[int, ...]:
            later = [look for look in looks if look.time >= since]
            return seen_before(later, self.judged_seeds, metric, self.complete_seeds)

        # whoever reads n = 3 takes the first three seeds for seen, unless told which
        first, named = sorted(self.judged_seeds), dict[int, dict[str, bool]]()
        by: dict[int, dict[str, None]] = {}
        times: list[tuple[str, int]] = []
        for look in looks:
            seen = sorted(self.judged_seeds.intersection(look.seeds))
            if look.tells_of(metric) and seen:
                times.append((look.time, look.complete_of(self.judged_seeds)))
                by.setdefault(times[-1][1], {})[look.metric] = None
                if look.n == len(look.seeds):
                    named.setdefault(len(seen), {})[listed_seeds(seen)] = seen != first[: len(seen)]
        told = tuple((n, "; ".join(seeds)) for n, seeds in named.items() if any(seeds.values()))
        others = tuple((n, " and ".join(metrics)) for n, metrics in by.items() if metric not in metrics)

        judged = self.judged_seeds
        order = dict.fromkeys(seed for look in looks for seed in sorted(judged.intersection(look.seeds)))
        there = set(self.table["cell"])
        appeared = sorted(self.appeared, key=lambda item: item[1])
        later = tuple((cell, met(time)) for cell, time in appeared if cell in there)
        before = tuple((cell, tuple(n for at, n in times if at < time)) for cell, time in appeared)
        return replace(
            plan,
            looks=met(""),
            looks_at_added=later,
            looks_before_added=before,
            seeds_of_looks=told,
            metrics_of_looks=others,
            order=tuple(order),
        )

    def shown_before(self) -> tuple[Elsewhere, ...]:
        """What another study had shown of the runs that are judged."""
        there = set(self.table["cell"])
        judged = (one.at(self.judged_seeds) for one in self.elsewhere)
        return tuple(one for one in judged if one.cells & there)

    def only(self, seeds: tuple[int, ...] | None) -> Source:
        """The runs of these seeds alone; None keeps all."""
        if seeds is None:
            return self
        kept = self.table["seed"].map(seed_of).isin(seeds)
        there = self.table[kept]
        if lost := sorted(set(seeds) - set(there["seed"].map(seed_of))):
            raise InputError(
                f"{self.name} has no runs of {count(len(lost), 'seed')} asked for: {listed_seeds(lost)}",
                hint="give --seeds that the table has",
            )
        table = there.reset_index(drop=True)
        chosen = ChosenSeeds.of(
            self.table, table, self.plan.selection_seeds, self.looks, self.folder is not None
        )
        plan = replace(self.plan, diverged_unjudged=(*self.plan.diverged_unjudged, *chosen.binding))
        kept_only = replace(self, table=table, plan=plan, warnings=(*chosen.told, *self.warnings))
        return kept_only.under_planned_looks()

    def under_planned_looks(self) -> Source:
        """With the looks that were planned before any look at these seeds, and what became of others."""
        if self.looks_asked is None:
            return self
        looks = [look.without(self.plan.selection_seeds) for look in self.looks]
        found = self.looks_asked.planned(looks, self.judged_seeds, self.plan)
        warnings = [text for text in self.warnings if not text.startswith(OTHER_LOOKS)]
        plan = replace(self.plan, interim=found.looks)
        if self.plan_under is not None and found.looks != self.plan.interim:
            # looks that are used, and were not planned, make exploratory; those that are not used do not
            own, said = self.plan_under(found.looks)
            plan = replace(plan, planned=own.planned, demoted=own.demoted, contrasts=own.contrasts)
            changed = [text for text in said if text.startswith(CHANGED)]
            warnings = [*changed, *(text for text in warnings if not text.startswith(CHANGED))]
        return replace(self, plan=plan, warnings=(*warnings, *([found.says] if found.says else [])))

    def meant(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The cells that words name: one each, or with `*` in it all of that pattern.

        Raises:
            InputError: a word names none.
        """
        there = list(dict.fromkeys(map(str, self.table["cell"])))
        found: dict[str, None] = {}
        for word in words:
            own = [word] if word in there else [name for name in there if fnmatchcase(name, word)]
            if not own:
                close = suggest(re.sub(r"[*?\[\]]", "", word), there)
                raise InputError(f"--without {word}: {self.name} has no such cell", hint=close)
            found |= dict.fromkeys(own)
        return tuple(found)

    def leaving_out(self, cells: tuple[str, ...]) -> Source:
        """Without these cells, which are named as for `meant`."""
        if not cells:
            return self
        there = list(dict.fromkeys(map(str, self.table["cell"])))
        cells = self.meant(cells)
        if not (left := set(there) - set(cells)):
            raise InputError(f"{self.name} has no cell beside those left out", hint="leave fewer out")
        table = self.table[self.table["cell"].map(str).isin(left)].reset_index(drop=True)
        named = some_of(tuple(dict.fromkeys(cells)), 6)
        gone = self.table[~self.table["cell"].map(str).isin(left)]
        if fell := int((gone["status"] == "diverged").sum()) if "status" in gone else 0:
            named += f" ({count(fell, 'run')} of these diverged)"
        text = f"{CHOSEN_CELLS}without {named}, as --without asks; results may be why, so all is exploratory"
        return replace(self, table=table, warnings=(text, *self.warnings))

    def judged(self) -> pd.DataFrame:
        """The runs that verdicts use: without those at seeds kept for choosing, unless all are."""
        chosen_on = self.table["seed"].map(seed_of).isin(self.plan.selection_seeds)
        kept = self.table[~chosen_on].reset_index(drop=True)
        return kept if set(kept["cell"]) == set(self.table["cell"]) else self.table

    @property
    def doubted(self) -> list[Doubt]:
        """What is doubted of all numbers, and what of the runs that verdicts use."""
        found = [Doubt(text) for text in self.doubts]
        if self.of_runs is not None:
            found += self.of_runs.among({run for runs in self.judged_runs.values() for run in runs.values()})
        return found

    @property
    def judged_runs(self) -> dict[str, dict[int, str]]:
        """The finished runs of each cell that verdicts use, by their seeds."""
        judged = self.judged()
        judged = judged[judged["status"] != "missing"] if "status" in judged else judged
        found: dict[str, dict[int, str]] = {}
        if self.of_runs is None:
            return found
        for cell, seed in zip(judged["cell"], judged["seed"], strict=True):
            found.setdefault(str(cell), {})[int(seed)] = f"{cell}/seed-{int(seed)}"
        return found

    @property
    def missing(self) -> int:
        """Runs that a study plans and that are not there yet; a CSV plans none."""
        if self.folder is None or "status" not in self.table:
            return 0
        return int((self.table["status"] == "missing").sum())

    @property
    def complete_seeds(self) -> int:
        """At how many of the judged seeds every run is there."""
        if not self.missing:
            return len(self.judged_seeds)
        whole = (self.table["status"] != "missing").groupby(self.table["seed"].astype(int)).all()
        return int(whole[whole.index.isin(self.judged_seeds)].sum())

    @property
    def judged_seeds(self) -> set[int]:
        """The seeds of a study that verdicts use: all but those kept for choosing."""
        return set(map(int, self.table["seed"])) - set(self.plan.selection_seeds)

    def tested_on(self) -> Predictions | None:
        """What the runs were tested on, by the first whose predictions of images can be read."""
        read = self.predictions()
        if read is None:
            return None
        there = self.table[self.table["status"] == "done"] if "status" in self.table else self.table
        runs = zip(there["cell"][:3], there["seed"][:3], strict=True)
        one = next((one for cell, seed in runs if (one := read(str(cell), int(seed))) is not None), None)
        return None if one is None or one.unit != "images" else one

    def on_its_images(self, plan: Plan) -> tuple[Plan, Predictions | None]:
        """A plan that says on how many test images its verdicts hold, and what the runs were tested on."""
        if (tested := self.tested_on()) is None:
            return plan, None
        fresh = plan.images_per_seed or self.has_images_per_seed(tested)
        size = plan.test_images or int(tested.target.size)
        largest = None if fresh else tested.largest_class
        return replace(plan, test_images=size, images_per_seed=fresh, largest_class=largest), tested

    def has_images_per_seed(self, tested: Predictions) -> bool:
        """Whether the seeds of the first cell were tested on other images than `tested`, each on its own."""
        read, first = self.predictions(), self.table["cell"].iloc[0]
        seeds = self.table.loc[self.table["cell"] == first, "seed"][:3]
        others = () if read is None else (read(str(first), int(seed)) for seed in seeds)
        return any(other is not None and not other.tested_alike(tested) for other in others)

    def classes(self, tested: Predictions | None = None) -> int | None:
        """How many classes a study has: by its data set, or else by what its runs were tested on."""
        if self.plan.classes is not None or self.folder is None:
            return self.plan.classes
        one = tested or self.tested_on()
        found = 0 if one is None else len(set(one.target.tolist()))
        return found if found > 1 else None

    def is_share_right(self, metric: str) -> bool:
        """Whether a study's metric, whatever a command calls it, is the percentage of right predictions.

        By the first run that kept its predictions.
        """
        read = self.predictions()
        if self.folder is None or read is None or metric not in self.table:
            return False
        there = self.table[self.table["status"] == "done"] if "status" in self.table else self.table
        for cell, seed, value in zip(there["cell"][:3], there["seed"][:3], there[metric][:3], strict=True):
            if (one := read(str(cell), int(seed))) is not None:
                return abs(100 * float((one.target == one.prediction).mean()) - float(value)) < 1e-6
        return False

    @property
    def other_items(self) -> tuple[str, ...]:
        """That runs were scored on other items than the rest, where evaluations have kept the items."""
        if self.tidy is None or self.tidy.table.items is None or self.tidy.metric is None:
            return ()
        apart = self.tidy.table.items.apart(self.tidy.table, self.tidy.metric)
        then = "so their values are means over different items, and there are no intervals over new ones"
        return (f"runs were scored on different items, {then}: {apart}",) * bool(apart)

    def predictions(self) -> PredictionSource | None:
        """A reader of per-example predictions: of a study, or of evaluations that kept each item's score."""
        if self.tidy is not None and self.tidy.table.items is not None and self.tidy.metric is not None:
            return self.tidy.table.items.reader(self.tidy.table, self.tidy.metric)
        if self.folder is None:
            return None
        folder, clusters = self.folder, self.clusters

        def read(cell: str, seed: int) -> Any:
            import numpy as np
            from rigorkd_analysis.stats.new_images import Predictions

            from rigorkd.records.read import read_predictions

            try:
                arrays = read_predictions(folder, cell, seed)
            except StoreError:
                return None
            cluster = np.array(clusters) if len(clusters) == len(arrays["target"]) else None
            return Predictions(arrays["target"], arrays["prediction"], cluster)

        return read


def from_csv(path: Path) -> Source:
    """A bare table: everything asked of it is exploratory."""
    return from_sources([str(path)], Reading())


def from_sources(
    sources: Sequence[str],
    asked: Reading,
    metric: str | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> Source:
    """Results that others made, of any form that `rigorkd.readers` knows: everything asked is exploratory.

    `told` hears of what takes long.

    Raises:
        InputError: they cannot be read, or something in them is ambiguous; says which option decides it.
    """
    from rigorkd.readers.kinds import read_sources, remote
    from rigorkd.readers.tidying import given_by

    first = sources[0]
    name = unquote(first.rstrip("/").split("/")[-1]) if remote(first) else Path(first).stem
    name = "stdin" if first == "-" else name
    name = name.replace("*", "").strip("-_.") or "runs"
    try:
        tables = read_sources(sources, asked, told)
    except InputError as error:
        if "encoding" not in error.offers:
            raise
        encoding = error.offers["encoding"]
        guess = replace(asked, encoding=encoding)
        files = " ".join(map(shlex.quote, sources))
        then = f"perhaps: rigorkd analyze {files} {given_by(guess, metric).rstrip()}"
        try:
            understood(read_sources(sources, guess, told), guess, metric, name, sources=sources)
        except InputError as further:
            then = f"so read, {further.message}; {further.hint}"
        raise InputError(error.message, hint=f"{error.hint}; {then}") from None
    return understood(tables, asked, metric, name, told, sources)


def from_frame(frame: pd.DataFrame, asked: Reading, metric: str | None, name: str) -> Source:
    """A data frame, read as a file with the same columns and rows would be; the index counts if it is named.

    Raises:
        InputError: something in it is ambiguous; says which option decides it.
    """
    from rigorkd.readers.raw import table_of

    if any(frame.index.names):
        frame = frame.reset_index()
    frame = frame.astype(object).where(frame.notna(), None)  # which a file holds as nothing
    rows = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
    return understood([table_of(rows, [name] * len(rows), "DataFrame")], asked, metric, name)


def understood(
    tables: Sequence[RawTable],
    asked: Reading,
    metric: str | None,
    name: str,
    told: Callable[[str], None] = lambda text: None,
    sources: Sequence[str] = (),
) -> Source:
    """What raw tables hold, as one source; `sources` are these as they were given."""
    from rigorkd.readers.tidying import tidy

    if (rows := sum(len(one.frame) for one in tables)) > 100_000:
        told(f"{rows:,} rows: looking for runs, cells and seeds")
    found = tidy(tables, asked, metric, name, sources)
    table = found.table
    if len(table.frame) > 100_000:
        told(f"{len(table.frame):,} runs: judging them")

    def where(error: TableError) -> str:
        if error.row is not None:
            place = table.place(error.row)
        else:
            place = table.files[0] + (":1" if error.column and table.line.any() else "")
        return place + (f": column {error.column!r}" if error.column else "")

    plan = Plan() if found.metric == "test_top1" else Plan(metric=found.metric)
    return Source(found.name, table.frame, plan, where, found.warnings, tidy=found)


def refuse_unusable(found: Source) -> None:
    """What the analysis would refuse of a table itself, such as a seed that is there twice.

    Raises:
        InputError: with file and line.
    """
    from rigorkd_analysis.runs import read_runs

    with located(found.where):
        read_runs(found.table, found.plan.metric)


def _failed(folder: Path) -> dict[str, str]:
    """The reasons of runs that failed, by run."""
    from rigorkd.launch.failures import read_failures
    from rigorkd.records.layout import StudyFolder

    return {run: failure.reason for run, failure in read_failures(StudyFolder(folder)).items()}


def _failures_among(
    folder: Path, missing: pd.DataFrame, added: Sequence[str], of_own_code: int = 0
) -> tuple[str, ...]:
    """A warning of the missing runs that failed: a study that waits for them would wait for ever.

    Cells that were `added` after the first run are no part of the plan, which is whole without them.
    """
    from rigorkd.launch.failures import by_reason, once_mended

    names = {f"{cell}/seed-{seed}" for cell, seed in zip(missing["cell"], missing["seed"], strict=True)}
    failed = {run: reason for run, reason in _failed(folder).items() if run in names}
    if not failed:
        return ()
    told = {run: shorten(reason, LONGEST_CAUSE, placeholder=" …") for run, reason in failed.items()}
    causes = "; ".join(f"{runs}: {reason}" for runs, reason in by_reason(told))
    cells = {run.rpartition("/seed-")[0] for run in failed}
    then = "as exploratory, since they are not the family that was planned"
    if cells <= set(added):
        then = "as planned as before, since these were added after the first run"
    elif later := cells.intersection(added):
        then += f" (but for {some_of(sorted(later), 3)}, added after the first run)"
    mended = once_mended(of_own_code)
    return (
        f"{len(failed)} of the missing runs failed: {causes}. Mend the cause and run again with"
        f" --retry-failed{f' ({mended})' if mended else ''}, or take the cells out of the protocol and run"
        f" it: then the others are judged, {then}",
    )


def _none_finished(folder: Path, of_own_code: int) -> InputError:
    """That there is nothing to judge, with the reason if runs failed."""
    from rigorkd.launch.failures import by_reason, once_mended, shows_log

    failed = _failed(folder)
    if not failed:
        hint = f"`rigorkd status {shlex.quote(str(folder))}` shows how far it is"
        return InputError(f"{folder}: no student run has finished yet", hint=hint)
    runs, reason = next(by_reason(failed))
    log = f"{shows_log(folder, runs.split(', ')[0])} shows what it printed"
    on = "mended, `rigorkd run` goes on (--retry-failed if neither protocol nor script changed)"
    return InputError(
        f"{folder}: no student run has finished; {count(len(failed), 'run')} failed: {runs}: {reason}",
        hint="; ".join(filter(None, (log, on, once_mended(of_own_code)))),
    )


def from_study(folder: Path, *, every_seed: bool = False, read: StudyTable | None = None) -> Source:
    """A study: what its first run fixed, and the newest protocol still says, is planned.

    `every_seed` keeps seeds at which some cells are not run: for two cells, whatever the others are at.
    `read` is the study where it was read before.
    """
    from rigorkd.records.interim import read_interim_analyses
    from rigorkd.records.judged_elsewhere import elsewhere_of
    from rigorkd.records.read import read_protocol, read_study

    study = read or read_study(folder)
    if study.runs.empty:
        raise _none_finished(folder, study.of_own_code)
    plan, warnings = plan_of(study)
    warnings += study.notes
    runs = study.runs
    if len(study.missing):
        import pandas as pd

        warnings += _failures_among(folder, study.missing, study.added, study.of_own_code)
        runs = pd.concat([study.runs, study.missing.reindex(columns=study.runs.columns)], ignore_index=True)
    cells = read_protocol(folder).cells
    runs = _with_settings_of_methods(cells, _with_columns_of_trends(cells, runs, plan))
    looks = read_interim_analyses(folder)
    # after a look, seeds that were asked for and have nothing yet change none of what was seen
    untouched = study.planned_seeds and set(study.runs["seed"]) <= set(study.planned_seeds)
    if not every_seed and (not looks or untouched):
        why = "of which no run has finished"
        if not looks:
            why = "that the latest `run` did not ask for and that are not complete"
        runs, left_out = _planned_or_complete(runs, study.planned_seeds, why)
        warnings += left_out
    source = Source(
        name=study.study,
        table=runs,
        plan=plan,
        where=lambda error: f"{folder}" + (f": column {error.column!r}" if error.column else ""),
        warnings=warnings,
        folder=folder,
        looks=looks,
        doubts=study.doubts,
        of_runs=study.of_runs,
        metrics=study.metrics,
        appeared=study.appeared,
        clusters=() if study.examined is None else study.examined.clusters,
        looks_asked=study.looks_asked,
        plan_under=partial(plan_of, study),
        cautions=study.left_out.cautions,
        elsewhere=elsewhere_of(folder, study.runs),
        peaks=tuple(best_of_epochs(cells).items()),
    )
    return source.under_planned_looks()


def _with_columns_of_trends(cells: Sequence[Cell], runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The runs with the settings that trends name and the tidy table leaves out, such as the optimizer."""
    trends = [contrast for contrast in plan.contrasts if isinstance(contrast, Trend)]
    named = {name for trend in trends for name in (trend.over, *(column for column, _ in trend.where))}
    lacking = sorted(named - set(runs.columns))
    if not lacking:
        return runs
    from rigorkd.protocol.hashes import resolved

    settings = {cell.name: resolved(cell) for cell in cells}
    columns = {
        name: ["" if (value := settings.get(cell, {}).get(name)) is None else value for cell in runs["cell"]]
        for name in lacking
    }
    return runs.assign(**columns)


def _with_settings_of_methods(cells: Sequence[Cell], runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with what sentences say of a method and no column of the tidy table has, such as layers."""
    methods = {cell.name: cell.method.model_dump(mode="json") for cell in cells}
    return runs.assign(**{OF_METHOD: [json.dumps(methods.get(cell, {})) for cell in runs["cell"]]})


def _planned_or_complete(
    runs: pd.DataFrame, planned: tuple[int, ...], why: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Without the seeds that are neither planned nor complete, and `why` they are left out.

    Before any look this chooses by what was asked and finished, never by results.
    """
    unfinished = set(runs.loc[runs["status"] == "missing", "seed"]) - set(planned)
    if not unfinished:
        return runs, ()
    kept = runs[~runs["seed"].isin(unfinished)].reset_index(drop=True)
    seeds = f"{count(len(unfinished), 'seed')} ({listed_seeds(sorted(unfinished))})"
    return kept, (f"left out: {seeds} {why}",)
