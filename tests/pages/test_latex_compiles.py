"""A real TeX accepts every table that rigorkd prints."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

DOCUMENT = r"""\documentclass{article}
\usepackage[a4paper,landscape,margin=10mm]{geometry}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


PORTRAIT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


@pytest.fixture(scope="module")
def pdflatex() -> str:
    done = subprocess.run([ROOT / "scripts" / "latex.sh"], capture_output=True, text=True, check=False)
    found = shutil.which("pdflatex")
    if found is None:
        pytest.skip(f"no TeX here, and it could not be installed: {done.stderr[-300:]}")
    return found


def write_runs(path: Path) -> None:
    """A study with main and ablation groups and awkward names."""
    draw = random.Random(5)
    columns = (
        "cell,group,student,method,T,alpha,seed,test_top1,test_top5,test_loss,latency_ms,params_millions"
    )
    lines = [columns]
    cells = [("main", "net_50%", None, None), ("main", "net_50%", 4, 0.5)]
    cells += [("ablation", "a&b#1", T, a) for T, a in ((None, None), (2, 0.5), (4, 0.5), (4, 0.3), (4, 0.7))]
    for group, student, T, alpha in cells:
        name = "baseline" if T is None else f"kd-T{T}-a{alpha}"
        method = "baseline" if T is None else "kd"
        for seed in range(5):
            values = [80 + draw.gauss(0, 0.3), 95 + draw.gauss(0, 0.2), 1 + draw.gauss(0, 0.02), 3.98, 2.35]
            numbers = ",".join(f"{value:.4f}" for value in values)
            who = f"{group}/{student}/{name},{group},{student},{method}"
            lines.append(f"{who},{T or ''},{alpha or ''},{seed},{numbers}")
    path.write_text("\n".join(lines) + "\n")


def test_every_table_compiles(pdflatex: str, tmp_path: Path) -> None:
    write_runs(tmp_path / "runs.csv")
    published = ROOT / "analysis" / "published"
    layouts = ("overall", "gains", "ablation")
    commands = [["table", "runs.csv", "--layout", layout, "--sesoi", "0.3"] for layout in layouts]
    commands += [["analyze", "runs.csv", "--sesoi", "0.3"], ["power", "--n", "5", "--sd", "0.2"]]
    commands += [["analyze", str(published / "kd_capacity_gap_runs.csv")]]
    commands += [["audit", str(published / "fauzan2026_ablation.csv"), "--n-test", "10000"]]
    tables = []
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "rigorkd", *command, "--format", "latex"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        tables.append(done.stdout)
    for number, table in enumerate(tables):
        (tmp_path / f"{number}.tex").write_text(DOCUMENT % table, encoding="utf-8")
        done = subprocess.run(
            [pdflatex, "-interaction=nonstopmode", "-halt-on-error", f"{number}.tex"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, errors="replace",
        )  # fmt: skip
        assert done.returncode == 0, f"{commands[number]}\n{done.stdout[-2000:]}"
        assert (tmp_path / f"{number}.pdf").stat().st_size > 5_000
        if number < 3:
            assert "Overfull \\hbox" not in done.stdout, f"{commands[number]} does not fit a landscape page"


LONG = "attention_transfer_with_labels_and_augmentation"


@pytest.mark.parametrize("document", [PORTRAIT, PORTRAIT.replace("{article}", "[twocolumn]{article}", 1)])
def test_no_table_is_wider_than_its_line(pdflatex: str, tmp_path: Path, document: str) -> None:
    """In article's own narrow lines, with long names of cells and students."""
    write_runs(tmp_path / "runs.csv")
    text = (tmp_path / "runs.csv").read_text().replace("net_50%", "mobilenetv2_x0_5_for_cifar100")
    (tmp_path / "runs.csv").write_text(text.replace("/kd-", f"/{LONG}-"))
    rows = [f"| {LONG}_{at} | {70 + at}.20 ± 0.3 |" for at in range(4)]
    (tmp_path / "t.md").write_text("\n".join(["| Method | Acc (mean ± SE) |", "|---|---|", *rows]) + "\n")
    commands = [
        ["table", "runs.csv", "--layout", layout, "--sesoi", "0.3"] for layout in ("overall", "gains")
    ]
    commands += [["analyze", "runs.csv", "--sesoi", "0.3"], ["audit", "t.md", "--seeds", "5"]]
    for number, command in enumerate(commands):
        done = subprocess.run(
            [sys.executable, "-m", "rigorkd", *command, "--format", "latex"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        tables = "".join(line for line in done.stdout.splitlines(keepends=True) if r"\caption" not in line)
        (tmp_path / f"{number}.tex").write_text(document % tables, encoding="utf-8")
        made = subprocess.run(
            [pdflatex, "-interaction=nonstopmode", "-halt-on-error", f"{number}.tex"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, errors="replace",
        )  # fmt: skip
        assert made.returncode == 0, f"{command}\n{made.stdout[-2000:]}"
        assert "Overfull \\hbox" not in made.stdout, f"{command}: {made.stdout[-3000:]}"


def test_no_table_is_longer_than_its_page(pdflatex: str, tmp_path: Path) -> None:
    rows = [f"| {LONG}_{at} | {70 + at / 10}0 ± 0.3 |" for at in range(14)]
    (tmp_path / "t.md").write_text("\n".join(["| Method | Acc |", "|---|---|", *rows]) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "rigorkd", "audit", "t.md", "--seeds", "5", "--format", "latex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.count(r"\begin{table}") > 3, done.stderr
    (tmp_path / "t.tex").write_text(PORTRAIT % done.stdout, encoding="utf-8")
    made = subprocess.run(
        [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, errors="replace",
    )  # fmt: skip
    assert made.returncode == 0, made.stdout[-2000:]
    assert "too large for page" not in made.stdout
