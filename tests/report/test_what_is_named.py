"""A table or a sentence that is taken out of its page: it says whether it was planned, and of which cells."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from rigorkd_analysis import Analysis, Plan, analyze
from rigorkd_analysis.analysis_plan import AllOf, DifferenceOfGains, Pair, Trend, Weighted

from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.render.terminal import show

NAMED = {
    "warm beats cold": (Pair("main/s/kd-T4", "main/s/kd-T1"), "main/s/kd-T4 minus main/s/kd-T1"),
    "more at T = 4": (
        DifferenceOfGains("main/s/kd-T4", "main/s/kd-T1"),
        "gain of main/s/kd-T4 minus gain of main/s/kd-T1",
    ),
    "both gain": (AllOf(("main/s/kd-T4", "main/s/kd-T1")), "all of main/s/kd-T4, main/s/kd-T1 gain"),
    "by hand": (
        Weighted((("main/s/kd-T4", 1.0), ("main/s/base", -1.0))),
        "+1·main/s/kd-T4 -1·main/s/base",
    ),
    "it rises": (Trend("T"), "fitted change over T = 1, 4, from main/s/kd-T1 to main/s/kd-T4"),
}


def table(late: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 1, 8)
    rows = [
        (f"main/s/{name}", "main", "s", method, T, seed, 80 + shared[seed] + shift + rng.normal(0, 0.2))
        for name, method, T, shift in (
            ("base", "baseline", np.nan, 0.0),
            ("kd-T1", "kd", 1, 1.0),
            ("kd-T4", "kd", 4, 2.0),
        )
        for seed in range(8)
    ]
    frame = pd.DataFrame(rows, columns=["cell", "group", "student", "method", "T", "seed", "test_top1"])
    return frame if late else frame[frame["cell"] != "main/s/kd-T4"]


def judged(**plan: object) -> Analysis:
    return analyze(table(), Plan(sesoi=0.3, **plan))


def terminal(found: Analysis) -> str:
    stream = io.StringIO()
    show(short_page(found), stream)
    return stream.getvalue()


def unbroken(text: str) -> str:
    return " ".join(text.split())


def test_every_sentence_about_t_and_alpha_names_its_student():
    frame = pd.concat(
        [table(), table().assign(student="b", cell=lambda t: t["cell"].str.replace("/s/", "/b/"))]
    )
    found = analyze(frame)
    assert {one.says.partition(": T: ")[0] for one in found.factorial} == {"main/s", "main/b"}
    page = analysis_page(found)
    assert not any("main/s: main/s" in text for text in (markdown(page), latex(page)))


def test_a_float_has_the_word_of_the_banner_in_its_caption():
    frame = table()
    frame.loc[frame["method"] == "baseline", "test_top1"] -= 70
    page = analysis_page(analyze(frame, Plan(planned=True, classes=10)))
    text = latex(page)
    assert text.count(r"\caption{") == text.count(r"\caption{AT CHANCE (baseline main/s/base): ")
    assert r"\label{tab:gains-over-the-baseline}" in text
    smoke = latex(analysis_page(analyze(table().assign(smoke=True))))
    assert r"\caption{SMOKE RUNS, no result: Gains" in smoke
