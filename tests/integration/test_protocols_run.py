"""The protocols that the project ships: smoked offline, and the grid of digits in full."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.methods.registry import METHODS
from rigorkd.report.layouts.layout_spec import RowsLayout, find_layouts

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
NONE = "none of the"
PROTOCOLS = sorted((ROOT / "protocols").rglob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", PROTOCOLS, ids=lambda path: path.relative_to(ROOT / "protocols").with_suffix("").as_posix()
)
def test_every_protocol_plans_smokes_and_is_analysed(path: Path, rigorkd: Rigorkd, tmp_path: Path) -> None:
    plan = rigorkd("plan", path, "--seeds", 5, "--format", "json")
    assert plan.returncode == 0, plan.stderr
    done = rigorkd("run", path, "--smoke", "--seeds", 2)
    assert done.returncode == 0, done.stderr
    analysis = rigorkd("analyze", "--format", "json")
    assert analysis.returncode == 0, analysis.stderr
    study = json.loads(analysis.stdout)["study"]
    assert study == f"{json.loads(plan.stdout)['study']}.smoke"
    records = [json.loads(r.read_text()) for r in (tmp_path / "results" / study).rglob("record.json")]
    assert all(record["smoke"] is True for record in records)
    files = [file for file in (tmp_path / "results").rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 50e6, "a smoke study is small"
    shipped = find_layouts(publication) if (publication := publication_of(path)) else {}
    tables = [name for name, layout in shipped.items() if isinstance(layout, RowsLayout)]
    shown = [rigorkd("table", study, "--layout", name.replace("-", "/", 1)) for name in tables]
    if len(tables) < len(shipped):  # in one command, those that this study of several has the cells for
        shown.append(
            rigorkd("figures", study, "--layout", publication, "--format", "svg", "--out", "layouts")
        )
    for one in shown:
        nothing = f"{NONE} cells that this layout wants" in one.stderr or f"{NONE} figures" in one.stderr
        assert one.returncode == 0 or nothing, one.stderr
        left_out = [line for line in one.stderr.splitlines() if "is left out" in line]
        assert all(f"{NONE} cells that this layout wants" in line for line in left_out), left_out
    assert any(one.returncode == 0 for one in shown) or not shipped or path.stem == "paper_direction"


def publication_of(path: Path) -> str:
    """The publication whose study a protocol is, "" for one of our own."""
    start = path.relative_to(ROOT / "protocols").as_posix()
    known = {"paper": "000", "temperature/": "001", "capacity": "002", "notebook/": "004"}
    return next((name for begins, name in known.items() if start.startswith(begins)), "")


@pytest.mark.slow
def test_the_grid_of_digits(rigorkd: Rigorkd, tmp_path: Path) -> None:
    """One seed; again, which does nothing; a second seed; and one cell alone with the bytes of the grid."""
    path = ROOT / "protocols" / "digits.yaml"
    first = rigorkd("run", path, "--seeds", 1, "--jobs", 2)
    assert first.returncode == 0, first.stderr
    assert "21 runs to train" in first.stdout
    again = rigorkd("run", path, "--seeds", 1)
    assert "nothing to train: all 21 runs have their record" in again.stdout
    second = rigorkd("run", path, "--seeds", 2, "--jobs", 2)
    assert second.returncode == 0, second.stderr
    assert "21 runs to train" in second.stdout
    assert "21 already done" in second.stdout
    study = tmp_path / "results" / "digits"
    cell = "main/cnn8/kd-T2-a0.5/seed-1"
    names = ("history.csv", "predictions.npz", "model.safetensors")
    whole = {name: (study / cell / name).read_bytes() for name in names}
    shutil.rmtree(study)
    alone = rigorkd("run", path, "--only", "main/cnn8/kd-T2-a0.5", "--seeds", "1:2")
    assert alone.returncode == 0, alone.stderr
    assert {name: (study / cell / name).read_bytes() for name in names} == whole
    assert len(list(study.rglob("record.json"))) == 2


@pytest.mark.slow
def test_every_method_trains(rigorkd: Rigorkd, tmp_path: Path) -> None:
    """Two seeds of every method on digits: all far above chance (10 %), and the study is analysed."""
    done = rigorkd("run", ROOT / "protocols" / "digits-methods.yaml", "--seeds", 2, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    analysis = json.loads(rigorkd("analyze", "--format", "json").stdout)
    assert {cell["method"] for cell in analysis["cells"]} == set(METHODS)
    (attention,) = (cell["mean"] for cell in analysis["cells"] if cell["method"] == "at")
    assert attention > 30, "its published weight is for larger networks"
    assert min(cell["mean"] for cell in analysis["cells"] if cell["method"] != "at") > 60
    sizes = {family["name"]: family["size"] for family in analysis["families"]}
    assert sizes["gains"] == len(analysis["cells"]) - 1
