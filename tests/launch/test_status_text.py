"""What `status` says to do about failed runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rigorkd.launch.study_status import Status

COUNTS = {"total": 3, "done": 2, "missing": 0, "failed": 1}
FAILED = Status("one", Path("results/one"), (0,), COUNTS, {"m/a/seed-0": "boom"}, {}, {}, (), (), {}, {})


def last(status: Status) -> str:
    return status.text().splitlines()[-1].strip()


def test_failed_runs_are_tried_again_by_what_works() -> None:
    assert last(FAILED) == (
        "`rigorkd logs RUN --study results/one` shows why; `rigorkd run … --retry-failed` tries them again"
    )
    resumed = last(replace(FAILED, resume="rigorkd run PROTOCOL --seeds 9"))
    assert "`rigorkd run PROTOCOL --seeds 9 --retry-failed` tries them again" in resumed, "of added seeds"
    by_command = last(replace(FAILED, own_code=True))
    assert (
        "once their code is mended, the finished runs of it are stale: --retrain-stale trains" in by_command
    )
    assert by_command.endswith("these again, and what failed")
    assert "stale" not in last(replace(FAILED, own_code=True, runs={**COUNTS, "done": 0}))
    stale = last(replace(FAILED, stale={"m/a/seed-1": "job.py changed"}))
    assert "--retry-failed --retrain-stale` tries them again, and trains again what is stale" in stale
