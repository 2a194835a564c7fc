"""A star at a verdict is explained where it is printed; what no table can do is not advised of one."""

from __future__ import annotations

from rigorkd.readers.raw import Reading
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.render.latex import latex
from rigorkd.report.sources import from_sources

ROWS = [
    f"{method},{T},{seed},{70 + gain + seed * (seed + gain) / 10:g}"
    for method, T, gain in (("baseline", "", 0), ("kd", 2, 1), ("kd", 4, 2))
    for seed in range(3)
]


def analysis(folder):
    path = folder / "runs.csv"
    path.write_text("\n".join(["method,T,seed,test_acc", *ROWS]) + "\n")
    return analysis_of(from_sources([str(path)], Reading(), None), Question(), images=False)


def test_latex_prints_what_its_stars_stand_for(tmp_path):
    found = analysis(tmp_path)
    for page in (analysis_page(found), short_page(found)):
        text = latex(page)
        printed = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
        assert "see the warnings" not in printed
        assert "* see below the table" in printed
        assert r"{\footnotesize\raggedright * all: n = 3: fewer than 5 seeds.\par}" in printed
        at = [printed.index(part) for part in (r"\end{tabular}", "fewer than 5 seeds", r"\end{table}")]
        assert at == sorted(at)


def test_a_table_has_no_primary_gain_to_claim(tmp_path):
    told = " ".join(analysis(tmp_path).warnings)
    assert "claim the average gain, not that of the best setting" in told
    assert "primary" not in told
