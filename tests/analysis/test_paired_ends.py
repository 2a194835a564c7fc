"""What a refused pair of words is told works when followed."""

from __future__ import annotations

import re
import shlex

import pytest

from rigorkd.errors import InputError
from rigorkd.readers.raw import Reading
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_sources


def test_a_method_that_alone_has_a_setting_is_compared_by_the_ends_of_names(tmp_path):
    cells = [(s, m, T) for s in ("r20", "wrn") for m, T in (("baseline", ""), ("DKD", 4), ("CRD", ""))]
    rows = [
        f"{s},{m},{T},{seed},{70 + at + seed * at / 9:.2f}"
        for at, (s, m, T) in enumerate(cells)
        for seed in range(3)
    ]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(["student,method,T,seed,test_acc", *rows]) + "\n")
    source = from_sources([str(path)], Reading(), None)
    with pytest.raises(InputError) as caught:
        analysis_of(source, Question(compare=(("DKD", "CRD"),)), images=False)
    told = caught.value.hint
    offered = re.search(r"--compare (\S+ \S+?)(?:,| compares|$)", told)
    assert offered is not None, told
    a, b = shlex.split(offered[1])
    assert (a, b) == ("DKD-T4", "CRD")
    found = analysis_of(source, Question(compare=((a, b),)), images=False)
    pairs = [(c.a, c.b) for family in found.families for c in family.comparisons if "CRD" in (c.b or "")]
    assert pairs == [("r20/DKD-T4", "r20/CRD"), ("wrn/DKD-T4", "wrn/CRD")]
