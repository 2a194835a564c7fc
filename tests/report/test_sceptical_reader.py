"""Sentences that somebody pastes: each names its metric, its data and the interval that it speaks of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.analysis_plan import Pair

from rigorkd.report.analysis_page import caption
from rigorkd.report.evidence import evidence
from rigorkd.report.headline import headline
from rigorkd.report.numbers import Numbers
from rigorkd.report.page import Prose
from rigorkd.report.report_page import report_page

SHARPER = "may hold 0 where the stepwise correction rejects"


def table(gain: float = 1.2, spread: float = 0.25, metric: str = "test_top1") -> pd.DataFrame:
    """Two networks on three data sets by three methods, five seeds each."""
    draw = np.random.default_rng(3)
    rows = []
    for data in ("cifar100", "svhn", "tinyimagenet"):
        for model in ("resnet20", "vgg8"):
            for at, method in enumerate(("baseline", "kd", "dkd")):
                for seed in range(5):
                    own = {"cell": f"{data}/{model}/{method}", "dataset": data, "group": data, "n_test": 1000}
                    value = 70 + gain * at + draw.normal(0, spread)
                    rows.append({**own, "student": model, "method": method, "seed": seed, metric: value})
    return pd.DataFrame(rows)


def test_a_sentence_names_the_data_set_and_not_the_cell() -> None:
    says = [c.says for c in analyze(table()).family("gains").comparisons]
    assert len(set(says)) == len(says)
    assert not any("/" in text for text in says)
    assert says[0].startswith("DKD distillation (cifar100) raised resnet20's test top-1 by")


def test_an_interval_that_holds_0_beside_a_rejection_is_called_bonferronis() -> None:
    result = analyze(table(0.9, 0.4))
    family = result.family("gains")
    holds_0 = [c.ci_simultaneous_low <= 0 <= c.ci_simultaneous_high for c in family.comparisons]
    told = ["over all 12 by Bonferroni" in c.says for c in family.comparisons]
    assert told == [c.verdict.directed and over for c, over in zip(family.comparisons, holds_0, strict=True)]
    assert any(told)
    assert not all(told)
    assert SHARPER in caption(result, family, Numbers(result), power=False)


def test_what_gains_come_to_together_names_metric_and_images_and_claims_nothing_over_0() -> None:
    for none, word in zip(analyze(table(0.0)).family("gains").by_method, ("DKD", "KD"), strict=True):
        assert none.says.startswith("Over the 6 settings of ")
        assert f" the gain of {word} distillation in test top-1 averages " in none.says
        assert " points on these 1,000 test images (95 % CI of all 2 methods " in none.says
        assert "), so that a gain on average is not shown; " in none.says
    for some in analyze(table()).family("gains").by_method:
        assert "gain on average is not shown" not in some.says


def test_f_tests_name_what_they_are_of() -> None:
    draw = np.random.default_rng(1)
    rows = [
        {"cell": f"kd-T{T}-a{a}", "method": "kd", "T": T, "alpha": a, "seed": s, "test_loss": draw.normal()}
        for T in (1, 2, 4)
        for a in (0.1, 0.5)
        for s in range(5)
    ]
    (found,) = analyze(pd.DataFrame(rows), Plan(metric="test_loss")).factorial
    assert ", in test loss." in found.says


def test_three_families_that_miss_power_are_listed_with_commas() -> None:
    plan = Plan(sesoi=0.2, contrasts=(Pair("svhn/vgg8/dkd", "svhn/vgg8/kd"),))
    settings = table(0.0).assign(T=1)
    more = settings[settings["method"] != "baseline"].assign(T=4)
    more["cell"] += "-T4"
    text = " ".join(headline(analyze(pd.concat([settings, more]), plan)))
    assert " for average gains, " in text
    assert " points for gains and " in text


@pytest.mark.parametrize(("metric", "word"), [("test_top1", "highest"), ("test_loss", "lowest")])
def test_the_best_mean_is_that_of_the_goal(metric: str, word: str) -> None:
    found = table(0.0, metric=metric)
    result = analyze(found, Plan(metric=metric))
    page = report_page(evidence(result, found))
    texts = [line.text for block in page.answer if isinstance(block, Prose) for line in block.lines]
    assert any(text.startswith(f"The {word} mean test ") for text in texts)
    (hidden,) = [text for text in texts if text.startswith("“Inconclusive”")]
    assert "what is open here may be as large as " in hidden
    family = result.lead
    ends = [abs(end) for c in family.comparisons for end in (c.ci_simultaneous_low, c.ci_simultaneous_high)]
    assert f"{max(ends):.2f}" in hidden  # nothing that an interval holds is beyond it
