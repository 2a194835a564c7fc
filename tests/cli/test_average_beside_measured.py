"""Averages over a setting beside columns that were measured, such as training hours: typed as advised."""

from __future__ import annotations

import json
import shlex

import pytest

PAIRS = {"res20": "res56", "wrn16x2": "wrn40x2"}
OWN = {"none": ("",), "KD": ("2", "4"), "CRD": ("",)}
CELL = "benchmark,teacher_net,student_net,distiller"
PAIR = ("--compare", "CRD", "KD")
ASKED = (
    "--seed",
    "rep",
    "--metric",
    "top1",
    "--baseline",
    "none",
    "--sesoi",
    "0.3",
    "--compare",
    "CRD",
    "KD",
)
OVER = ("benchmark", "teacher_net,student_net", "tau")


def table(measured: str = "", margins: tuple[str, ...] = (), distinct: int = 40) -> str:
    """Runs of three methods on two data sets, with hours between 1 and 2, or with margins as a setting."""
    more = measured or "margin" * bool(margins)
    lines = [f"benchmark,teacher_net,student_net,distiller,tau,rep,top1{',' * bool(more)}{more}"]
    number = 0
    for data in ("cifar100", "stl10"):
        for student, teacher in PAIRS.items():
            for method, own in OWN.items():
                for tau in own:
                    for margin in margins if margins and method == "KD" else ("",):
                        for seed in range(1, 6):
                            number += 1
                            wave = (seed * seed * 7 + 5 * number) % 13 / 20
                            gain = {"none": 0, "KD": 0.4, "CRD": 0.7}[method] + 0.2 * (tau == "4")
                            # hours that come again now and then, as two decimals do
                            hours = number - 9 * (tau == "4" and seed == 5)
                            told = f"{1 + hours * 37 % distinct / distinct:.2f}" if measured else margin
                            lines.append(
                                f"{data},{teacher},{student},{method},{tau},{seed},"
                                f"{70 + gain + seed / 5 + wave:.2f}{',' * bool(more)}{told if more else ''}"
                            )
    return "\n".join(lines) + "\n"


@pytest.fixture
def analyze(rigorkd, tmp_path):
    def run(text: str, *asked: str):
        (path := tmp_path / "runs.csv").write_text(text)
        return rigorkd("analyze", path, *ASKED, *asked)

    return run


def judged(analyze, text: str, *asked: str) -> list:
    done = analyze(text, *asked, "--format", "json")
    assert done.returncode == 0, done.stderr
    return [
        (family["name"], one["a"], one["b"], one["mean_diff"], one["n"])
        for family in json.loads(done.stdout)["families"]
        for one in family["comparisons"]
    ]


def averages(names: tuple[str, ...]) -> list[str]:
    return [word for name in names for word in ("--average", name)]


@pytest.mark.parametrize(("measured", "distinct"), [("train_h", 40), ("train_h", 31), ("train_time", 40)])
def test_what_was_measured_beside_the_metric_blocks_no_average(analyze, measured, distinct):
    text = table(measured, distinct=distinct)
    first = analyze(text, "--cell", f"{CELL},tau")
    assert first.returncode == 2
    assert "--average T makes one of several" in first.stderr
    asked = ("--cell", CELL, "--average", "T")
    assert judged(analyze, text, *asked) == judged(analyze, table(), *asked)
    typed = ("--cell", f"{CELL},tau", "--average", "T")  # added to the line as it stood
    assert judged(analyze, text, *typed) == judged(analyze, text, *asked)


def test_cells_that_hours_tell_apart_are_to_be_told_apart_without_them(analyze):
    done = analyze(table("train_h"), "--cell", f"{CELL},train_h", "--average", "tau")
    assert done.returncode == 2
    advice = done.stderr.splitlines()[-1]
    assert "train_h is what runs came to" in advice
    assert "--without" not in advice
    way = shlex.split(advice[advice.index("--cell") :])
    assert way == ["--cell", CELL]
    judged(analyze, table("train_h"), *way, "--average", "tau")


def test_averages_are_one_in_whatever_order_they_are_asked_for(analyze):
    found = [judged(analyze, table("train_h"), "--cell", CELL, *averages(o)) for o in (OVER, OVER[::-1])]
    assert [(*one[:3], one[4]) for one in found[0]] == [(*one[:3], one[4]) for one in found[1]]
    assert [one[3] for one in found[0]] == pytest.approx([one[3] for one in found[1]])


@pytest.mark.parametrize("order", [OVER, OVER[::-1], ("tau",)])
def test_another_setting_is_refused_in_any_order_with_advice_that_works(analyze, order):
    text = table(margins=("8", "16"))
    done = analyze(text, "--cell", CELL, *averages(order))
    assert done.returncode == 2
    assert "differ in margin, too" in done.stderr
    ways = done.stderr.splitlines()[-1].split("; or ")
    assert len(ways) == 3
    for way in ways:
        typed = shlex.split(way[way.index("--") :])
        kept = [] if "--cell" in typed else ["--cell", CELL]
        kept += [] if "--average" in typed else averages(order)
        after = analyze(text, *kept, *typed)
        assert after.returncode == 0 or "shares the rest" in after.stderr, (way, after.stderr)
