"""Rows of a terminal's table stay on one line: what their names share is said once, and nothing is lost."""

from __future__ import annotations

import io

import pytest

from rigorkd.report.page import Column, Page, Table
from rigorkd.report.render.terminal import show
from rigorkd.report.row_names import common_start, short_names

DATA = ("cifar100", "svhn", "tinyimagenet")
NETS = ("resnet20", "mobilenetv2_x1_0")
GRID = [f"{data}/{net}/{cell}" for data in DATA for net in NETS for cell in ("dkd-T4-a0.9", "reviewkd")]
FLAT = [f"wrn_40_2_to_wrn_16_2_cifar100_{method}_bs64_lr0.05" for method in ("baseline", "kd", "dkd")]


def shown(names: list[str], width: int) -> list[str]:
    numbers = (Column(heading, True) for heading in ("diff", "95 % CI of all", "Holm p"))
    columns = (Column("comparison"), *numbers, Column("verdict"))
    rest = ("−17.12 … +14.70", "0.0062", "better ≥ SESOI")
    rows = tuple((name, f"+{at}.25", *rest) for at, name in enumerate(names))
    stream = io.StringIO()
    show(Page((), (Table("Gains", columns, rows, "caption"),), narrow=width == 80), stream)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("names", [GRID, FLAT, [f"{FLAT[1]} vs {FLAT[0]}", f"{FLAT[2]} vs {FLAT[0]}"]])
@pytest.mark.parametrize("width", [80, 100])
def test_every_row_is_one_line(names: list[str], width: int) -> None:
    lines = shown(names, width)
    assert max(map(len, lines)) <= width
    rule = next(at for at, line in enumerate(lines) if line.startswith("──"))
    rows = [line for line in lines[rule + 1 : lines.index("caption")] if not line.endswith("/")]
    assert len(rows) == len(names)
    assert all(f"+{at}.25" in line for at, line in enumerate(rows))


def test_columns_stand_below_their_headings_in_every_group() -> None:
    lines = shown(GRID, 80)
    ends = {line.index("0.0062") for line in lines if "0.0062" in line}
    assert len(ends) == 1
    assert [line for line in lines if line.endswith("/")] == [
        f"{data}/{net}/" for data in DATA for net in NETS
    ]


def test_names_can_be_put_together_again() -> None:
    grouped = short_names(GRID, 20)
    folder, whole = "", []
    for at, name in enumerate(grouped.names):
        folder = grouped.headings.get(at, folder)
        whole.append(folder + name.strip())
    assert whole == GRID
    flat = short_names(FLAT, 20)
    assert flat.names == ("baseline", "kd", "dkd")
    assert flat.above == ("each wrn_40_2_to_wrn_16_2_cifar100_…_bs64_lr0.05",)


def test_what_averages_are_over_stands_above_them() -> None:
    names = [f"{net}/kd: average of 12 (T, alpha)" for net in ("resnet20", "resnet32")]
    assert short_names(names, 30).above == ("each (T, alpha)",)
    mixed = short_names([*names, "resnet20/at: average of 2 (teacher)"], 30)
    assert mixed.above == (
        "(T, alpha): resnet20/kd: average of 12; resnet32/kd: average of 12",
        "(teacher): resnet20/at: average of 2",
    )


def test_what_fits_is_left_as_it_is() -> None:
    assert short_names(GRID, 60).names == tuple(GRID)
    ranked = GRID[::2] + GRID[1::2]  # no two of a folder stand together
    assert short_names(ranked, 20).headings == {}


def test_names_that_are_only_beginnings_of_others_stay_whole() -> None:
    assert short_names(["long-name-kd", "long-name-kd-T4"], 5).names == ("kd", "kd-T4")


@pytest.mark.parametrize(
    ("names", "start"),
    [
        (("main/net/kd-T1", "main/net/kd-T4"), "main/net/"),
        (("main/net/kd: average of 2 (T)", "main/net/at"), "main/net/"),
        (("main/net/a vs main/net/b", "“a warm teacher helps”"), "main/net/"),
        (("Attempt 4: average of 4", "Exp 1 — FashionMNIST / LeNet: average of 4"), ""),
        (("Exp 1 / LeNet/kd", "Exp 1 / LeNet/at"), "Exp 1 / LeNet/"),
        (("kd", "main/net/at"), ""),
    ],
)
def test_what_all_begin_with_is_a_folder_of_every_name(names: tuple[str, ...], start: str) -> None:
    """A title with a slash in it is no folder, and that of one row is not that of the others."""
    assert common_start(names) == start
