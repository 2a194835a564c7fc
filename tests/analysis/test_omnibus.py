"""A test of all settings beside comparisons of some of them: both sentences hold, and the first says why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.analysis_plan import Pair
from rigorkd_analysis.results import Analysis


def table(temperatures: tuple[float, ...], *, seed: int = 3, last: float = 0.0) -> pd.DataFrame:
    """T = 1 and T = 2 that clearly differ, among noisy others; all of one α."""
    rng = np.random.default_rng(seed)
    n, level = 8, rng.normal(80, 1, 8)
    rows = [("base", "baseline", None, None, s, level[s] + rng.normal(0, 0.4)) for s in range(n)]
    for at, T in enumerate(temperatures):
        gain, noise = (0.75 if T == 1 else 0.3), (0.6 if at > 1 else 0.15)
        rows += [
            (f"kd-T{T:g}", "kd", T, 0.5, s, level[s] + gain + last * (T == 16) + rng.normal(0, noise))
            for s in range(n)
        ]
    return pd.DataFrame(rows, columns=["cell", "method", "T", "alpha", "seed", "test_top1"])


def judged(of: pd.DataFrame, *, planned: bool = True, name: str | None = None) -> Analysis:
    pair = Pair("kd-T1", "kd-T2", planned=planned, name=name)
    return analyze(of, Plan(contrasts=(pair,), planned=planned))


MANY = (1.0, 2.0, 4.0, 8.0, 16.0)


def test_an_open_test_of_all_settings_says_why_two_of_them_may_be_decided():
    found = judged(table(MANY))
    (contrast,) = found.family("contrasts").comparisons
    assert contrast.verdict.directed
    (factorial,) = found.factorial
    for says in (factorial.says, found.family("gains").consistency.says):
        assert "no effect shown" in says or "are not shown to differ" in says
        assert "Beside it kd-T1 vs kd-T2 (planned: better) is decided, and that is no contradiction" in says
        assert "asks of all 5 settings together; the planned comparison asks of its own cells alone" in says
    assert factorial.beside
    assert factorial.says.endswith(factorial.beside)


def test_what_a_comparison_is_and_whether_it_was_planned_is_said():
    found = judged(table(MANY), planned=False, name="a cool teacher")
    says = found.factorial[0].says
    assert "Beside it “a cool teacher” (kd-T1 minus kd-T2) (exploratory: better) is decided" in says
    assert "planned comparison" not in says


def test_nothing_is_said_where_the_test_rejects_or_nothing_is_decided():
    differing = judged(table(MANY, last=3.0))
    assert ": an effect" in differing.factorial[0].says
    assert differing.factorial[0].beside == ""
    open_pair = analyze(table(MANY), Plan(contrasts=(Pair("kd-T4", "kd-T8"),)))
    assert open_pair.factorial[0].beside == ""
    assert "Beside it" not in open_pair.family("gains").consistency.says


def test_of_two_settings_the_planned_contrast_is_the_answer():
    found = judged(table((1.0, 2.0)))
    (factorial,) = found.factorial
    (contrast,) = found.family("contrasts").comparisons
    assert factorial.tests[0].p == pytest.approx(contrast.p)
    assert "which kd-T1 vs kd-T2 (planned: better) compares, too" in factorial.says
    assert factorial.says.endswith("the planned comparison is the answer, and this F test is exploratory.")


def test_a_pair_at_one_temperature_is_nothing_beside_the_test_of_temperature():
    """Of a grid, a contrast of two weights at one T says nothing of T."""
    rng = np.random.default_rng(1)
    rows = [
        (f"kd-T{T}-a{a}", "kd", T, a, s, 80 + (a == 0.1) + rng.normal(0, 0.2 if T == 1 else 2.0))
        for T in (1, 4, 8)
        for a in (0.1, 0.5)
        for s in range(8)
    ]
    of = pd.DataFrame(rows, columns=["cell", "method", "T", "alpha", "seed", "test_top1"])
    found = analyze(of, Plan(contrasts=(Pair("kd-T1-a0.1", "kd-T1-a0.5"),)))
    assert found.family("contrasts").comparisons[0].verdict.directed
    (factorial,) = found.factorial
    told = {test.effect: test for test in factorial.tests}
    assert told["T"].p_together > 0.05
    assert "the F test of T asks" not in factorial.beside


def test_the_caption_of_the_f_tests_says_it_too():
    from rigorkd.report.report_tables import factorial_table

    found = judged(table(MANY))
    assert found.factorial[0].beside in factorial_table(found).caption
