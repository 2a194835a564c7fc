"""The one way from a source to its analysis: what `analyze` prints, `report` and `figures` show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rigorkd_analysis.results import Analysis

from rigorkd.report.sources import Overrides, Source, located
from rigorkd.text import count

if TYPE_CHECKING:
    from rigorkd_analysis.stats.new_images import Predictions


def judged(found: Source, asked: Overrides, images: bool | None = None, *, up_to: int = 200) -> Analysis:
    """Analyse a source.

    Args:
        asked: what to change of the source's plan.
        images: whether intervals over new test images are computed; None computes them for at most `up_to`
            runs, since the predictions of each are a file.

    Raises:
        InputError: the table or the question is unusable, with file and line.
    """
    from rigorkd_analysis import analyze

    with located(found.where):
        plan = found.with_looks(asked.onto(found.plan))
        wanted = images if images is not None else len(found.table) <= up_to
        top1 = plan.metric in (None, "test_top1")
        read = found.predictions() if wanted and top1 else None
        lost: list[str] = []

        def predictions(cell: str, seed: int) -> Predictions | None:
            one = read(cell, seed) if read is not None else None
            lost.extend([f"{cell}/seed-{seed}"] * (one is None))
            return one

        result = analyze(found.table, plan, study=found.name, predictions=predictions if read else None)
    notes = (*_other_metrics(found, result.metric), *_lost(lost))
    return replace(result, warnings=(*result.warnings, *found.warnings, *notes))


def _lost(runs: list[str]) -> tuple[str, ...]:
    """That intervals over new test images rest on fewer seeds than the rest."""
    if not runs:
        return ()
    named = ", ".join(runs[:3]) + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")
    return (
        f"the predictions of {count(len(runs), 'run')} ({named}) are gone or not those that were written, so"
        " new test images are judged without their seeds; `rigorkd verify` says more",
    )


def _other_metrics(found: Source, metric: str) -> tuple[str, ...]:
    """That a metric is not the one that the protocol named first."""
    primary = found.plan.metric
    if found.folder is None or primary is None or metric == primary:
        return ()
    role = "a secondary metric" if metric in found.plan.secondary else "no metric of the protocol"
    return (f"{metric} is {role}; {primary} is the primary one, and its verdicts are those of the study",)


def note(found: Source, metric: str) -> str:
    """Note in the study that its verdicts were seen; what to tell the user if that was impossible."""
    from rigorkd.records.interim import note_interim_analysis

    if found.folder is None or note_interim_analysis(found.folder, found.table["seed"], metric):
        return ""
    return f"note: {found.folder} cannot be written, so this look is not noted there"
