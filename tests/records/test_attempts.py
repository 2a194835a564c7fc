"""Failed attempts are counted from the logs of the engine's runs and of those of commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigorkd.records.attempts import CALLED_AGAIN, ENDED, FailedAttempts, failed_attempts

STARTED, FAILED = "2026-11-27T12:00:00+00:00 started", "2026-11-27T12:00:40+00:00 failed: ValueError: x"
CALL = '[rigorkd] $ ["python", "train.py"]'
TOOK = f"[rigorkd] {ENDED.format(seconds=2.5)}"
BROKE = "[rigorkd] failed: killed by SIGKILL, perhaps for memory"
AGAIN = f"[rigorkd] {CALLED_AGAIN.format(why='exit code 1', attempt=1, retries=2)}"


@pytest.mark.parametrize(
    ("lines", "noted", "found"),
    [
        ([STARTED, "2026-11-27T12:07:00+00:00 done"], False, FailedAttempts()),
        ([STARTED, FAILED, "Traceback", STARTED, "2026-11-27T12:07:00+00:00 done"], False, (1, 40.0, 0)),
        ([STARTED], True, (1, 630.0, 0)),
        ([STARTED], False, FailedAttempts()),  # interrupted, or at work
        ([CALL, "epoch 1", "[rigorkd] done after 38.5 s"], False, FailedAttempts()),
        ([CALL, TOOK, BROKE, CALL, "[rigorkd] done after 38.5 s"], False, (1, 2.5, 0)),
        ([CALL, BROKE, CALL, TOOK, BROKE], True, (2, 2.5, 1)),  # the first as 0.1 noted it
        ([CALL, TOOK, AGAIN, CALL, TOOK, AGAIN, CALL, "[rigorkd] done after 1.0 s"], False, (2, 5.0, 0)),
        ([CALL], True, (1, 0.0, 1)),
        (["failed: of a stranger's script", CALL, "x ended after 9.0 s"], False, FailedAttempts()),
    ],
)
def test_what_a_log_tells(tmp_path: Path, lines: list[str], noted: bool, found) -> None:
    run = "main/plain/kd/seed-0"
    log = tmp_path / ".logs" / f"{run}.log"
    log.parent.mkdir(parents=True)
    log.write_text("\n".join(lines) + "\n")
    if noted:
        failure = tmp_path / ".work" / run / "failed.json"
        failure.parent.mkdir(parents=True)
        failure.write_text('{"time": "2026-11-27T12:10:30+00:00"}')
    wanted = found if isinstance(found, FailedAttempts) else FailedAttempts(*found)
    assert failed_attempts(tmp_path) == wanted
