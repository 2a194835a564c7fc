"""A further test statistic is a field and a row in stats/paired.py: nothing else has to know of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import rigorkd_analysis

FIELD = "    variance_ratio: float | None\n"
ROW = '        "dz": dz,\n'

ASK = """
import json, sys
import pandas as pd
from rigorkd.report.emit import to_csv
from rigorkd_analysis import AllOf, Plan, Trend, analyze, document

found = analyze(pd.read_csv(sys.argv[1]), Plan(contrasts=(AllOf(("kd-1", "kd-2")), Trend("T"))))
comparisons = [comparison for family in found.families for comparison in family.comparisons]
print(json.dumps({"document": document(comparisons), "columns": to_csv(comparisons).splitlines()[0]}))
"""


def test_a_further_statistic_touches_one_file(tmp_path: Path, table_of):
    shutil.copytree(Path(rigorkd_analysis.__file__).parent, tmp_path / "rigorkd_analysis")
    paired = tmp_path / "rigorkd_analysis" / "stats" / "paired.py"
    text = paired.read_text()
    assert text.count(FIELD) == text.count(ROW) == 1
    text = text.replace(FIELD, f"{FIELD}    median_diff: float | None\n")
    paired.write_text(text.replace(ROW, f'{ROW}        "median_diff": np.median(d, axis=1),\n'))

    base = np.array([80.0, 80.3, 79.8, 80.1, 79.9])
    gains = {"kd-1": np.array([0.1, 0.9, 0.2, 0.3, 0.5]), "kd-2": np.array([1.0, 0.2, 0.1, 0.4, 0.7])}
    table = table_of({"base": base, **{c: base + g for c, g in gains.items()}}, T={"kd-1": 1, "kd-2": 2})
    table.to_csv(tmp_path / "runs.csv", index=False)
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path / "runs.csv")],
        capture_output=True, text=True, check=True, timeout=120,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
    )  # fmt: skip
    found = json.loads(done.stdout)
    average, first, second, both, trend = found["document"]
    assert [list(one) for one in (average, second, both, trend)] == [list(first)] * 4
    names = found["columns"].split(",")
    assert names == list(first)
    assert names[names.index("median_diff") - 1] == "variance_ratio"
    assert np.isclose(first["median_diff"], 0.3)
    assert np.isclose(second["median_diff"], 0.4)
    assert np.isclose(trend["median_diff"], np.median(gains["kd-2"] - gains["kd-1"]))
    assert both["median_diff"] is None
