"""A project of W&B, by wandb's own client: `wandb:ENTITY/PROJECT`."""

from __future__ import annotations

from typing import Any

from rigorkd.errors import InputError, TrackingError
from rigorkd.readers.json_records import scalars
from rigorkd.readers.raw import RawTable, Reading, table_of
from rigorkd.readers.wandb_runs import SUMMARY
from rigorkd.text import first_line


def read(place: str, asked: Reading) -> list[RawTable]:
    """One row per run from its summary; with --select, its history.

    Raises:
        TrackingError: nobody is logged in, or the server refuses.
    """
    rows: list[dict[str, object]] = []
    places: list[str] = []
    for run in runs_of(place):
        head: dict[str, object] = {
            "run": run.name,
            "run_id": run.id,
            "status": run.state,
            "created": str(run.created_at),
        }
        settings = {
            name: value for name, value in scalars(dict(run.config)).items() if not name.startswith("_")
        }
        head |= {name: value for name, value in settings.items() if name not in head}
        found = _history(place, run) if asked.select else [dict(run.summary)]
        for one in found or [{}]:
            results = scalars(one)
            if not asked.select:
                results = {name: value for name, value in results.items() if not name.startswith("_")}
            results = {
                name: value
                for name, value in results.items()
                if name not in head and not name.startswith("rigorkd")  # what publish wrote there
            }
            rows.append({**head, **results})
            places.append(f"wandb:{place}/{run.id}")
    if not rows:
        raise InputError(f"wandb:{place}: no run in it", hint="name a project that has runs")
    return [table_of(rows, places, "W&B project" + ("" if asked.select else f", {SUMMARY}"))]


def _history(place: str, run: Any) -> list[dict[str, Any]]:
    """All that a run logged, step by step."""
    try:
        return [dict(row) for row in run.scan_history()]
    except Exception as error:  # wandb's errors have no common base
        raise TrackingError(
            f"wandb:{place}: W&B does not give the history of {run.name} ({first_line(error)})",
            hint="leave --select out to judge the summaries, or try again",
        ) from None


def runs_of(place: str) -> list[Any]:
    """The runs of a project, by wandb's client."""
    from rigorkd.track.wandb_tracker import require_wandb

    require_wandb()
    if place.count("/") != 1:
        raise InputError(f"wandb:{place}: not understood", hint="give wandb:ENTITY/PROJECT")
    import wandb

    try:
        return list(wandb.Api().runs(place, per_page=200))
    except Exception as error:  # wandb's errors have no common base
        raise TrackingError(
            f"wandb:{place}: W&B does not give its runs ({first_line(error)})",
            hint="log in (wandb login), check the name",
        ) from None
