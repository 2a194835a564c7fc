"""The softness of a teacher: against scipy's entropy, at its limits, and in the records."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from rigorkd.records.layout import StudyFolder
from rigorkd.train.cohort import train_cohort
from rigorkd.train.evaluate import TEMPERATURES, softness
from rigorkd.train.runtime import Runtime
from rigorkd.train.task import Task

from .conftest import BASELINE, COLD, TEACHER, Train, wanted


def test_against_scipy() -> None:
    logits = torch.randn(40, 7, generator=torch.Generator().manual_seed(0)) * 3
    targets = torch.arange(40) % 7
    measured = softness(logits, targets)
    for k, T in enumerate(TEMPERATURES):
        p = softmax(logits.double().numpy() / T, axis=1)
        assert measured.entropy[k] == pytest.approx(np.mean(entropy(p, axis=1)) / math.log(7), rel=1e-9)
        rest = np.sort(p, axis=1)[:, :-1]
        expected = np.mean(entropy(rest / rest.sum(axis=1, keepdims=True), axis=1)) / math.log(6)
        assert measured.rest[k] == pytest.approx(expected, rel=1e-9)
        np.testing.assert_allclose(
            measured.sorted_softmax[k], np.sort(p, axis=1)[:, ::-1].mean(axis=0), rtol=1e-5
        )
        np.testing.assert_allclose(measured.softened[:, k], p[:7], rtol=1e-5)
    assert measured.image.tolist() == measured.target.tolist() == list(range(7))


def test_the_limits() -> None:
    one_hot = softness(torch.tensor([[5000.0, 0, 0]]), torch.tensor([1]))
    assert one_hot.entropy[0] == 0
    assert one_hot.rest[0] == pytest.approx(1)  # the other two are equal
    flat = softness(torch.zeros(3, 4), torch.tensor([0, 1, 2]))
    assert flat.entropy == pytest.approx(1)
    two = softness(torch.zeros(3, 2), torch.tensor([0, 1, 1])).metrics()
    assert two["softness_T4"] == pytest.approx(1)
    assert two["softness_rest_T4"] is None


def test_teachers_record_their_softness_and_every_student_its_fidelity(
    train: Train, study: StudyFolder
) -> None:
    train([BASELINE, COLD])
    teacher = json.loads((study.run("teacher/seed-0") / "record.json").read_text())
    assert 0 < teacher["metrics"]["softness_T1"] < teacher["metrics"]["softness_T40"] <= 1
    with np.load(study.run("teacher/seed-0") / "softness.npz") as arrays:
        assert arrays["softened"].shape == (8, len(TEMPERATURES), 10)
        assert arrays["entropy"][3] == teacher["metrics"]["softness_T4"]
    with np.load(study.run("teacher/seed-0") / "softness_train.npz") as arrays:
        assert arrays["sorted_softmax"].shape == (len(TEMPERATURES), 10)
        assert 0 < arrays["entropy"][0] < arrays["entropy"][-1] <= 1
        assert arrays["entropy"][3] != teacher["metrics"]["softness_T4"]
    assert not (study.run(f"{BASELINE.name}/seed-0") / "softness_train.npz").exists()
    for cell in (BASELINE, COLD):
        metrics = json.loads((study.run(f"{cell.name}/seed-0") / "record.json").read_text())["metrics"]
        assert 0 < metrics["teacher_agreement"] <= 100
        assert metrics["teacher_kl"] > 0
    assert "softness_T1" not in metrics


def test_a_baseline_trained_before_its_teacher_has_no_fidelity(study: StudyFolder, runtime: Runtime) -> None:
    train_cohort(Task((wanted(BASELINE),), wanted(TEACHER)), study, runtime, lambda event: None)
    metrics = json.loads((study.run(f"{BASELINE.name}/seed-0") / "record.json").read_text())["metrics"]
    assert "teacher_agreement" not in metrics
    assert "test_top1" in metrics
