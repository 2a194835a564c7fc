"""Tables at the edge of what can be analysed: nothing warns, nothing is NaN, every rendering works."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest
from rigorkd_analysis import Plan, TableError, analyze
from rigorkd_analysis.analysis_plan import Trend

from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.emit import to_json
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.render.terminal import show

TABLES = {
    "single seeds, none shared": ("test_top1", "a,0,baseline,80 b,1,kd,81 c,2,kd,82"),
    "identical runs": (
        "test_top1",
        "a,0,baseline,80 a,1,baseline,80 b,0,kd,80 b,1,kd,80 c,0,kd,80 c,1,kd,80",
    ),
    "zeros": ("test_loss", "a,0,baseline,0 a,1,baseline,0 b,0,kd,0 b,1,kd,0 c,0,kd,0 c,1,kd,1"),
    "tiny values": ("test_loss", "a,0,baseline,1e-300 a,1,baseline,2e-300 b,0,kd,3e-300 b,1,kd,0"),
    "large values": ("test_loss", "a,0,baseline,1e99 a,1,baseline,2e99 b,0,kd,3e99 b,1,kd,0"),
    "a huge t": (
        "test_loss",
        "a,0,baseline,1 a,1,baseline,2 a,2,baseline,3 b,0,kd,1001 b,1,kd,1002.000001 b,2,kd,1003",
    ),
    "negative seeds": ("test_top1", "a,-1,baseline,80 a,1,baseline,81 b,-1,kd,81 b,1,kd,83"),
    "names full of markup": (
        "test_top1",
        "[red]a%_&,0,baseline,80 [red]a%_&,1,baseline,81 b|d,0,kd,81 b|d,1,kd,83",
    ),
    "all diverged": ("test_top1", "a,0,baseline, a,1,baseline, b,0,kd, b,1,kd,"),
}
PLANS = {
    "default": Plan(),
    "everything": Plan(sesoi=0.3, sequential=True, all_pairs=True),
    "joint": Plan(sesoi=0.1, joint=True, correction="none"),
    "selection": Plan(selection_seeds=(0,)),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("name", TABLES)
def test_every_rendering_works(name: str, plan: Plan):
    metric, text = TABLES[name]
    rows = [line.split(",") for line in text.split(" ")]
    table = pd.DataFrame(rows, columns=["cell", "seed", "method", metric])
    table["status"] = ["diverged" if value == "" else "done" for value in table[metric]]
    found = analyze(table, plan)
    page = analysis_page(found)
    stream = io.StringIO()
    show(page, stream)
    assert latex(page)
    assert markdown(page)
    assert json.loads(to_json(found))["schema"] == "rigorkd.analysis/1"
    for family in found.families:
        for c in family.comparisons:
            assert c.verdict == "inconclusive" or c.p_adjusted is not None
            assert c.says.endswith(".")


def test_values_that_no_metric_has_are_refused():
    table = pd.DataFrame({"cell": ["a", "b"], "seed": [0, 0], "test_loss": [1.0, 1e150]})
    with pytest.raises(TableError, match="beyond") as caught:
        analyze(table)
    assert caught.value.row == 1


def test_a_contrast_of_equal_cells_finds_no_rounding():
    """A weighted sum of equal numbers is seldom 0 to the last bit; what is left has a t of its own."""
    rows = [
        {"cell": f"kd-a{alpha}", "seed": seed, "method": "kd", "alpha": alpha, "test_top1": value}
        for alpha in (0.1, 0.2, 0.4, 0.9)
        for seed, value in enumerate((8.3, 10.1, 6.7))
    ]
    plan = Plan(contrasts=(Trend("alpha"),), sesoi=1.0)
    comparison = analyze(pd.DataFrame(rows), plan).family("contrasts").comparisons[0]
    assert (comparison.mean_diff, comparison.sd_diff, comparison.t) == (0.0, 0.0, None)
    assert comparison.verdict == "inconclusive"
    assert any("equal at every seed" in text for text in comparison.warnings)
