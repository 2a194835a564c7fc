"""From a source to its analysis: what is said of runs whose predictions cannot be read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
from rigorkd_analysis.analysis_plan import Plan

from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import commit
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import Source


def source(folder: Path) -> Source:
    """Two cells at three seeds with predictions of 40 images each."""
    draw = np.random.Generator(np.random.Philox(1))
    target = draw.integers(0, 3, 40).astype(np.int32)
    rows = []
    for cell, method in (("m/s/baseline", "baseline"), ("m/s/kd", "kd")):
        for seed in range(3):
            prediction = np.where(draw.random(40) < 0.6, target, (target + 1) % 3).astype(np.int32)
            top1 = 100.0 * float((prediction == target).mean())
            arrays = io.BytesIO()
            np.savez(arrays, target=target, prediction=prediction)
            fields = {"cell": cell, "seed": seed, "run_hash": f"{cell}{seed}", "status": "done"}
            place = StudyFolder(folder).run(f"{cell}/seed-{seed}")
            commit(place, {**fields, "metrics": {"test_top1": top1}}, {"predictions.npz": arrays.getvalue()})
            rows.append({"cell": cell, "seed": seed, "method": method, "student": "s", "test_top1": top1})
    return Source("study", pd.DataFrame(rows), Plan(planned=True), where=str, folder=folder)


def test_whole_predictions_need_no_word(tmp_path: Path) -> None:
    found = analysis_of(source(tmp_path), Question())
    assert len(found.images) == 1
    assert not any("predictions" in text for text in found.warnings)


def test_a_run_without_its_predictions_is_named(tmp_path: Path) -> None:
    study = source(tmp_path)
    (StudyFolder(tmp_path).run("m/s/kd/seed-1") / "predictions.npz").write_bytes(b"torn")
    found = analysis_of(study, Question())
    assert len(found.images) == 1
    (warning,) = [text for text in found.warnings if "predictions" in text]
    assert "1 run (m/s/kd/seed-1)" in warning
    assert "rigorkd verify" in warning
