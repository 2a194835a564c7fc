"""Sentences speak of distillation only where the methods are."""

from __future__ import annotations

import pandas as pd
import pytest
from rigorkd_analysis import analyze
from rigorkd_analysis.wording import is_distillation


@pytest.mark.parametrize(
    "method", ["kd", "DKD", "feature", "CRD+KD", "self-distillation", "crd", "SimKD", "own", "distilled"]
)
def test_methods_that_distil(method: str):
    assert is_distillation(method)


@pytest.mark.parametrize(
    "method", ["mixup", "cutmix", "sam", "ours", "adamw", "baseline", "label smoothing", ""]
)
def test_methods_that_do_not(method: str):
    assert not is_distillation(method)


def test_a_teacher_or_a_temperature_makes_it_distillation():
    assert is_distillation("ours", teacher="r34")
    assert is_distillation("ours", temperature=4.0)
    assert not is_distillation("baseline", teacher="r34")


def says(method: str) -> str:
    values = {"baseline": (70.0, 70.4, 70.2, 70.1, 70.3), method: (72.0, 72.5, 72.1, 72.2, 72.4)}
    rows = [
        {"cell": name, "method": name, "student": "r8", "seed": seed, "test_acc": value}
        for name, own in values.items()
        for seed, value in enumerate(own)
    ]
    return analyze(pd.DataFrame(rows)).families[-1].comparisons[0].says


def test_sentences():
    assert says("mixup").startswith("Mixup raised r8's test accuracy")
    assert "istillation" not in says("mixup")
    assert says("dkd").startswith("DKD distillation raised")
    assert says("kd").startswith("Distillation raised")
