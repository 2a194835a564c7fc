"""Evaluation: metrics against hand computation, one view per batch, modes restored."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rigorkd.train import evaluate
from rigorkd.train.evaluate import EvaluationSet, expected_calibration_error, fidelity, predict

LOGITS = torch.tensor([[4.0, 1, 0, 0, 0, 0], [0, 3, 2, 1, 0.5, -9], [0, 0, 0, 0, 0, 2.0]])
TARGETS = torch.tensor([0, 5, 5])


def test_metrics_by_hand() -> None:
    found = predict(LOGITS, TARGETS)
    assert found.prediction.tolist() == [0, 1, 5]
    assert found.top5_hit.tolist() == [True, False, True]
    metrics = found.metrics()
    assert metrics["test_top1"] == pytest.approx(100 * 2 / 3)
    assert metrics["test_top5"] == pytest.approx(100 * 2 / 3)
    by_hand = -torch.log_softmax(LOGITS.double(), 1)[torch.arange(3), TARGETS].mean()
    assert metrics["test_loss"] == pytest.approx(float(by_hand), rel=1e-6)


def test_types_of_the_stored_arrays() -> None:
    arrays = np.load(io.BytesIO(predict(LOGITS, TARGETS).to_npz()))
    kinds = {name: arrays[name].dtype.name for name in arrays.files}
    assert kinds == {
        "target": "int32",
        "prediction": "int32",
        "loss": "float32",
        "confidence": "float32",
        "top5_hit": "bool",
    }


def test_two_classes_have_a_top_5_of_both() -> None:
    assert predict(torch.tensor([[0.0, 1.0]]), torch.tensor([0])).top5_hit.tolist() == [True]


def test_equal_arrays_give_equal_bytes() -> None:
    assert predict(LOGITS, TARGETS).to_npz() == predict(LOGITS, TARGETS).to_npz()


def test_calibration_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55], np.float32)
    correct = np.array([True, True, True, False])
    assert expected_calibration_error(confidence, correct) == pytest.approx(
        (2 * 0.05 + abs(1 - 1.1)) / 4, abs=1e-6
    )


@given(st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=50))
def test_calibration_error_lies_between_0_and_1(pairs: list[tuple[float, bool]]) -> None:
    confidence = np.array([pair[0] for pair in pairs])
    correct = np.array([pair[1] for pair in pairs])
    assert 0 <= expected_calibration_error(confidence, correct) <= 1 + 1e-12


def test_fidelity_of_a_copy_is_perfect() -> None:
    assert fidelity(LOGITS, LOGITS) == {
        "teacher_agreement": 100.0,
        "teacher_kl": pytest.approx(0.0, abs=1e-12),
    }


def test_fidelity_direction_is_teacher_to_student() -> None:
    student, teacher = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    q = torch.softmax(student.double(), 1)[0]
    expected = sum(0.5 * (np.log(0.5) - np.log(float(value))) for value in q)
    assert fidelity(student, teacher)["teacher_kl"] == pytest.approx(expected)


class CountingView:
    """A view that counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, images: torch.Tensor, draws: torch.Tensor | None) -> torch.Tensor:
        assert draws is None
        self.calls += 1
        return images.float()


@pytest.mark.parametrize(("budget", "calls"), [(2**30, 2), (0, 4), (5000, 4)])
def test_a_small_subset_is_viewed_once(monkeypatch: pytest.MonkeyPatch, budget: int, calls: int) -> None:
    monkeypatch.setattr(evaluate, "BATCH", 50)
    monkeypatch.setattr(evaluate, "CACHE_BYTES", budget)
    view = CountingView()
    images = torch.randint(0, 255, (80, 1, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
    subset = EvaluationSet(images, torch.zeros(80, dtype=torch.int64), view)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Dropout(0.5)).train()
    first = subset.logits_of([model, model])
    assert view.calls == 2
    again = subset.logits(model)
    assert view.calls == calls
    assert torch.equal(first[0], again)
    assert torch.equal(first[0], first[1])
    assert model.training
