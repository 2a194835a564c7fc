"""Arrows beside the numbers of a printed table, as CRD's has: notes, and no part of a number."""

from __future__ import annotations

import json

import pytest

from tests.cli import audits

CRD = r"""\begin{table}
\caption{Test accuracy (\%) of student networks on CIFAR100. Average over 5 runs.}
\begin{tabular}{lcc}
\toprule
Teacher & WRN-40-2 & resnet32x4 \\
Student & WRN-16-2 & resnet8x4 \\
\midrule
KD~\cite{kd} & 74.92 & 73.33 \\
FitNet~\cite{fitnet} & 73.58 (DOWN) & 73.50 (UP) \\
AT & 74.08 (DOWN) & 73.44 (UP)\\
CRD & \textbf{75.48} (UP) & \textbf{75.51} (UP) \\
\bottomrule
\end{tabular}
\end{table}
"""
REPDISTILLER = """| Teacher <br> Student | wrn-40-2 <br> wrn-16-2 | resnet32x4 <br> resnet8x4 |
|:---:|:---:|:---:|
| KD | 74.92 | 73.33 |
| FitNet | 73.58 (DOWN) | 73.50 (UP) |
| AT | 74.08 (DOWN) | 73.44 (UP) |
| CRD | **75.48** (UP) | 75.51 (UP) |
"""
HTML = """<table><tr><th>Method</th><th>acc</th></tr><tr><td>KD</td><td>73.33</td></tr>
<tr><td>FitNet</td><td>73.50 (UP)</td></tr><tr><td>AT</td><td>73.44 (UP)</td></tr>
<tr><td>SP</td><td>72.94 (DOWN)</td></tr></table>
"""
NOTE = "arrows beside numbers are notes, and no part of them (73.50 "


def written(text: str, up: str, down: str, brackets: bool = True) -> str:
    for sign, arrow in (("UP", up), ("DOWN", down)):
        text = text.replace(f"({sign})", f"({arrow})" if brackets else arrow)
    return text


@pytest.fixture
def audited(rigorkd, tmp_path):
    def run(name: str, text: str, metric: str) -> dict:
        path = tmp_path / name
        path.write_text(text)
        asked = ("--metric", metric, "--baseline", "KD", "--seeds", "5", "--format", "json")
        done = rigorkd("audit", path, *asked)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("brackets", [True, False])
@pytest.mark.parametrize(
    ("name", "text", "metric", "up", "down"),
    [
        ("crd.tex", CRD, "resnet32x4 resnet8x4", r"$\uparrow$", r"$\downarrow$"),
        (
            "crd.tex",
            CRD,
            "resnet32x4 resnet8x4",
            r"\textcolor{green}{$\uparrow$}",
            r"{\color{red}$\downarrow$}",
        ),
        ("rep.md", REPDISTILLER, "resnet32x4 resnet8x4", "↑", "↓"),
        ("rep.md", REPDISTILLER, "resnet32x4 resnet8x4", "**↑**", "**↓**"),
        ("page.md", HTML, "acc", "&uarr;", "&darr;"),
        ("page.md", HTML, "acc", '<span style="color:green">▲</span>', "<b>▼</b>"),
    ],
)
def test_they_are_dropped_and_said(audited, name, text, metric, up, down, brackets):
    with_arrows = audited(name, written(text, up, down, brackets), metric)
    without = audited(name, written(text, "", "", brackets=False), metric)
    (note,) = set(with_arrows["notes"]) - set(without["notes"])
    assert note.startswith(NOTE)
    assert {**with_arrows, "notes": ()} == {**without, "notes": ()}


def test_an_arrow_before_a_number_is_one_where_the_number_is_no_gain(audited, rigorkd, tmp_path):
    rows = ["| KD | 73.33 | 0 |", "| AT | ↑ 73.44 | ↑ 0.11 |", "| SP | (↓) 72.94 | ↓ 0.39 |"]
    table = "\n".join(["| Method | acc | ahead |", "|---|---|---|", *rows]) + "\n"
    found = audited("t.md", table, "acc")
    assert [cell["value"] for cell in found["cells"]] == [73.33, 73.44, 72.94]
    path = tmp_path / "t.md"
    done = rigorkd("audit", path, "--metric", "ahead", "--seeds", "5")
    assert done.returncode == 2
    assert "'↑ 0.11' is not a number" in done.stderr


@pytest.mark.parametrize("gain", ["(↑0.11)", "(+0.11)", r"($\uparrow$ 0.11)"])
def test_a_number_behind_an_arrow_stays_the_gain_that_it_was(audited, gain):
    table = f"| Method | acc |\n|---|---|\n| KD | 73.33 |\n| AT | 73.44 {gain} |\n"
    found = audited("t.md", table, "acc")
    assert [cell["value"] for cell in found["cells"]] == [73.33, 73.44]
    assert not any("arrows beside" in note for note in found["notes"])


@pytest.mark.parametrize(
    "cell",
    [
        *("**72.20** (+1.54 ↑)", "72.20 (+1.54↑)", "72.20 (+1.54) ↑", "72.20<sup>+1.54</sup>", "72.20 ↑1.54"),
        *("72.20 (↑1.54)", "72.20 (1.54↑)", "72.20$^{+1.54}$"),
    ],
)
def test_a_gain_behind_a_value_is_no_part_of_it_wherever_its_arrow_stands(rigorkd, tmp_path, cell):
    table = f"| Method | Acc |\n|---|---|\n| KD | 70.66 |\n| Ours | {cell} |\n"
    found = audits.audited(rigorkd, tmp_path / "t.md", table, "--n-test", "10000")
    assert [one["value"] for one in found["cells"]] == [70.66, 72.2]


def test_a_footnote_behind_a_bracket_and_a_power_are_no_gains(rigorkd, tmp_path):
    table = "| Method | Acc |\n|---|---|\n| KD | 70.66 (±0.20) |\n| Ours | 72.00 (±0.10)<sup>1</sup> |\n"
    found = audits.audited(rigorkd, tmp_path / "t.md", table, "--seeds", "3")
    assert [one["std"] for one in found["cells"]] == [0.2, 0.1]
    power = table.replace("72.00 (±0.10)<sup>1</sup>", "10^-3")
    found = audits.audited(rigorkd, tmp_path / "t.md", power, "--seeds", "3")
    assert [one["value"] for one in found["cells"]] == [70.66]
