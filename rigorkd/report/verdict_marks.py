"""Verdicts where the runs live: what is said of a cell, written beside each of its runs in W&B or MLflow.

Every key begins with `rigorkd`, so that it is never taken for a result, and holds only what the analysis
says: written again, nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rigorkd_analysis.results import Analysis

from rigorkd.errors import InputError, TrackingError
from rigorkd.readers.tidying import Tidy
from rigorkd.report.page import Said
from rigorkd.report.sentences import chosen, lead_of

Mark = Mapping[str, float | int | str]


@dataclass(frozen=True)
class Marked:
    """How many runs got their cell's verdict now, and how many had it already."""

    written: int
    before: int


def marks_of(result: Analysis) -> dict[str, Mark]:
    """Per cell its mean, sd, n and interval, and the verdict against its baseline if it has one.

    Where somebody chose what is judged (`--seeds`, `--without`, `--average`), each says that, too.
    """
    marks: dict[str, dict[str, float | int | str]] = {}
    for cell in result.cells:
        told = {
            "mean": cell.mean,
            "sd": cell.std,
            "n": cell.n,
            "ci_low": cell.ci_low,
            "ci_high": cell.ci_high,
        }
        marks[cell.cell] = {"metric": result.metric, **{k: v for k, v in told.items() if v is not None}}
    for family in result.families:
        for one in family.comparisons:
            if family.name != "gains" or one.a not in marks or one.b is None:
                continue
            gain = {
                "difference": one.mean_diff,
                "difference_ci_low": one.ci_low,
                "difference_ci_high": one.ci_high,
            }
            # it is read far from any page: a sentence that nobody planned says so itself
            says = Said(one.says, lead=lead_of(family)).whole
            marks[one.a] |= {"against": one.b, "verdict": str(one.verdict), "says": says}
            marks[one.a] |= {name: value for name, value in gain.items() if value is not None}
    if choice := chosen(result):
        for mark in marks.values():
            mark["chosen"] = choice
    return {cell: {f"rigorkd/{name}": value for name, value in mark.items()} for cell, mark in marks.items()}


def write_marks(source: str, found: Tidy, result: Analysis) -> Marked:
    """Write every cell's mark beside its runs, in the tracker that the source names.

    Raises:
        TrackingError: the tracker does not take it; the same command goes on where it stopped.
    """
    frame = found.table.frame
    if "run_id" not in frame:
        raise InputError(
            f"{source}: its runs have no ids", hint="give wandb:ENTITY/PROJECT or mlflow:URL/EXPERIMENT"
        )
    marks = marks_of(result)
    wanted = {
        str(run): marks[cell]
        for run, cell in zip(frame["run_id"], frame["cell"], strict=True)
        if run and cell in marks
    }
    scheme, _, place = source.partition(":")
    return _to_wandb(place, wanted) if scheme == "wandb" else _to_mlflow(place, wanted)


def _to_wandb(place: str, wanted: Mapping[str, Mark]) -> Marked:
    from rigorkd.readers.wandb_api import runs_of

    written = before = 0
    for run in runs_of(place):
        mark = wanted.get(run.id)
        if mark is None:
            continue
        own = {name: value for name, value in dict(run.summary).items() if name.startswith("rigorkd/")}
        if own == dict(mark):
            before += 1
            continue
        try:
            for name in set(own) - set(mark):
                del run.summary[name]
            run.summary.update(dict(mark))
        except Exception as error:  # wandb's errors have no common base
            raise TrackingError(
                f"wandb:{place}: run {run.id} does not take its verdict ({error})",
                hint=f"{written} runs have it; check that you may write there",
            ) from error
        written += 1
    return Marked(written, before)


def _to_mlflow(place: str, wanted: Mapping[str, Mark]) -> Marked:
    from rigorkd.readers.mlflow_api import call, experiment_id, runs_of, server_and_name

    server, name = server_and_name(place)
    written = before = 0
    for run in runs_of(server, experiment_id(server, name)):
        mark = wanted.get(run["info"]["run_id"])
        if mark is None:
            continue
        told = {key.replace("/", "."): _text(value) for key, value in mark.items()}
        tags = {item["key"]: item["value"] for item in run.get("data", {}).get("tags", ())}
        own = {key: value for key, value in tags.items() if key.startswith("rigorkd.")}
        if own == told:
            before += 1
            continue
        for key in set(own) - set(told):
            call(server, "runs/delete-tag", {"run_id": run["info"]["run_id"], "key": key})
        for key, value in told.items():
            if own.get(key) != value:
                call(server, "runs/set-tag", {"run_id": run["info"]["run_id"], "key": key, "value": value})
        written += 1
    return Marked(written, before)


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
