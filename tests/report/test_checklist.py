"""What a report answers of a conference's checklist, and what it says of the assumption behind the t test."""

from __future__ import annotations

from pathlib import Path

from rigorkd_analysis import Plan

from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.page import Facts
from rigorkd.report.report_methods import checklist, normality
from rigorkd.report.sources import from_study

VALUES = {
    "main/plain/baseline": (70.0, 70.5, 69.5, 70.25, 69.75),
    "main/plain/kd-T1-a0.5": (70.5, 70.75, 70.0, 70.25, 70.5),
    "main/plain/kd-T4-a0.5": (72.0, 72.25, 71.75, 72.5, 71.75),
}


def log_of(study: Path, run: str, *lines: str) -> None:
    """A run's log; lines that begin with a time of day get a date and a zone."""
    path = study / ".logs" / f"{run}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    stamped = (f"2026-11-27T{line[:8]}+00:00{line[8:]}" if line[0] == "1" else line for line in lines)
    path.write_text("\n".join(stamped) + "\n")


def test_a_study_answers_the_checklist(made, tmp_path):
    study = made(tmp_path, VALUES)
    failed = study / ".work" / "main" / "plain" / "kd-T1-a0.5" / "seed-4"
    failed.mkdir(parents=True)
    (failed / "failed.json").write_text('{"time": "2026-11-27T12:10:30+00:00"}')
    log_of(study, "main/plain/kd-T1-a0.5/seed-4", "12:00:00 started", "12:00:20 epoch 1/30 trained")
    log_of(
        *(study, "main/plain/kd-T4-a0.5/seed-0", "12:00:00 started", "12:00:40 failed: ValueError: x"),
        *("Traceback (most recent call last):", "12:05:00 started", "12:07:00 done"),
    )
    source = from_study(study)
    found = analysis_of(source, Question())
    section = checklist(gather(source, found))
    (facts,) = [block for block in section.blocks if isinstance(block, Facts)]
    said = {term: " ".join(values) for term, values in facts.items}
    assert set(said) == {
        *(
            "variability",
            "shown as",
            "test",
            "assumptions",
            "diverged runs",
            "compute",
            "hardware",
            "failed runs",
        )
    }
    assert said["variability"].startswith(
        "between training runs of 5 seeds, each seed with a teacher of its own; held fixed: split seed 3"
    )
    assert "standard deviation over seeds, not the standard error" in said["shown as"]
    assert "two-sided paired t test over seeds, corrected over its family by Holm" in said["test"]
    assert "below 6 to 7 (by family) seeds no exact test could reject" in said["assumptions"]
    assert said["failed runs"].startswith("1 run without a record")
    assert "2 failed attempts took 11 min 10 s by the wall" in said["failed runs"]
    assert said["hardware"] == "CPU"


def test_the_assumption_is_that_of_the_correction_asked_for(made, tmp_path):
    source = from_study(made(tmp_path, VALUES))
    plain = analysis_of(source, Question(correction="none"))
    assert "below 6 seeds no exact test could reject at α = 0.05" in normality(plain)
    assert "correction" not in normality(plain)
    holm = normality(analysis_of(source, Question()))
    assert holm.endswith(
        "below 6 to 7 (by family) seeds no exact test could reject at α = 0.05 after the correction (Holm), "
        "below 6 none could without it either"
    )
    assert source.plan != Plan()
