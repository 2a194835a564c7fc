"""The paper's protocol: the cells that one would count by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rigorkd.protocol.cohorts import cohorts, runs
from rigorkd.protocol.load import load_protocol

PAPER = Path(__file__).parents[2] / "protocols" / "paper.yaml"


def test_cells_runs_and_cohorts() -> None:
    paper = load_protocol(PAPER)
    assert [cell.name for cell in paper.cells] == [
        "teacher",
        "main/mobilenetv2/baseline",
        "main/mobilenetv2/kd-T4-a0.5",
        "main/shufflenetv2/baseline",
        "main/shufflenetv2/kd-T4-a0.5",
        "ablation/mobilenetv2/baseline",
        "ablation/mobilenetv2/kd-T2-a0.5",
        "ablation/mobilenetv2/kd-T4-a0.5",
        "ablation/mobilenetv2/kd-T6-a0.5",
        "ablation/mobilenetv2/kd-T4-a0.3",
        "ablation/mobilenetv2/kd-T4-a0.7",
    ]
    assert paper.seeds == (0, 1, 2, 3, 4)
    assert len(runs(paper.cells, paper.seeds)) == 55
    grouped = cohorts(paper.cells, paper.seeds)
    assert [cohort.seed for cohort in grouped] == [0, 1, 2, 3, 4]
    assert all(len(cohort.runs) == 10 for cohort in grouped)
    assert [cohort.teacher.name for cohort in grouped if cohort.teacher] == [
        f"teacher/seed-{k}" for k in range(5)
    ]
    assert {cell.training.epochs for cell in paper.cells if cell.group == "ablation"} == {30}


def test_loading_imports_neither_torch_nor_pandas() -> None:
    code = (
        "import sys; from rigorkd.protocol.load import load_protocol; "
        f"load_protocol({str(PAPER)!r}); "
        "print([name for name in ('torch', 'pandas', 'numpy', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
