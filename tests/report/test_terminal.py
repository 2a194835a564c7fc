"""Tables at 100 columns, and at 80: names and numbers stay whole, headings give way."""

from __future__ import annotations

import io
import re

from rigorkd.report.page import Column, Page, Table
from rigorkd.report.render.terminal import WIDTH, show


def shown(table: Table) -> list[str]:
    stream = io.StringIO()
    show(Page((), (table,)), stream)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def table(*studies: str) -> Table:
    columns = (Column("comparison"), *(Column(name, True) for name in studies), Column("diff", True))
    numbers = (
        Column("95 % CI", True),
        Column("Holm p", True),
        Column("TOST p", True),
        Column("detects", True),
    )
    cells = [f"main/{student}/kd-T{t}-a0.5" for student in ("slim", "wide") for t in (2, 4)]
    values = ("+1.17", "+2.38", "−1.21", "−17.12 … +14.70", "1.0000", "1.0000", "11.83", "inconclusive*")
    rows = tuple((cell, *values) for cell in cells)
    return Table("Gains", (*columns, *numbers, Column("verdict")), rows, "caption")


def test_long_names_of_studies_do_not_squeeze_the_names_of_cells() -> None:
    lines = shown(table("compact-cnns-on-cifar100", "compact-cnns-on-cifar100-again"))
    assert max(map(len, lines)) <= WIDTH
    assert sum("kd-T2-a0.5" in line for line in lines) == 2
    assert sum("−17.12 … +14.70" in line for line in lines) == 4
    assert any("cifar100-" in line and "again" not in line for line in lines)  # the heading is folded


def test_a_table_that_fits_keeps_its_headings() -> None:
    lines = shown(table("a", "b"))
    assert any(line.startswith("comparison") and "verdict" in line for line in lines)
    assert sum("main/slim/kd-T2-a0.5" in line for line in lines) == 1


def test_a_name_that_is_too_long_is_folded_between_its_parts() -> None:
    columns = tuple(
        Column(name, name != "cell") for name in ("cell", "95 % CI", "98 % CI", "Holm p", "detects")
    )
    name = "main/small/matched_smoothing-T4-a0.5-global-teacher.large.once-more"
    numbers = ("−17.12 … +14.70", "−117.12 … +114.70", "0.00000000000000001", "1000000.00000")
    lines = shown(Table("Gains", columns, ((name, *numbers),), "caption"))
    assert max(map(len, lines)) <= WIDTH
    first = next(position for position, line in enumerate(lines) if line.startswith("main/"))
    parts = [line.split(" ")[0] for line in lines[first : lines.index("caption")]]
    assert parts == ["main/small/", "matched_smoothing-T4-a0.5-", "global-teacher.large.once-", "more"]


def test_a_terminal_too_narrow_for_a_table_breaks_no_word_and_no_number(monkeypatch) -> None:
    monkeypatch.setattr("rigorkd.report.render.terminal.WIDTH", 80)
    given = table("compact-cnns-on-cifar100", "compact-cnns-on-cifar100-again")
    lines = shown(given)
    assert max(map(len, lines)) <= 80
    for row in given.texts():
        assert row[0] in lines
        assert all(any(f": {entry}" in line for line in lines) for entry in row[1:]), "whole, on one line"
    assert "  compact-cnns-on-cifar100: +1.17; compact-cnns-on-cifar100-again: +2.38;" in lines
    assert sum("verdict: inconclusive*" in line for line in lines) == 4


def test_names_of_pairs_break_between_their_parts_alone() -> None:
    names = ("cifar_res32x4_kd_long_a9", "cifar-res32x4-reviewkd-T4_a5", "kd")
    columns = (Column("pair"), *(Column(f"{at}" * 9, True) for at in range(7)))
    rows = tuple((f"{b}\nover {a}", *["1.234"] * 7) for a, b in ((names[0], names[1]), names[:2], names[1:]))
    lines = shown(Table("Pairs", columns, rows, "caption"))
    parts = {part for name in names for part in re.findall(r"[^/_. -]+", name)} | {"over"}
    firsts = [re.split(r"\s{2,}", line)[0] for line in lines[3:-1] if "──" not in line]
    assert len(firsts) > 6, "they are broken"
    assert {part for first in firsts for part in re.findall(r"[^/_. -]+", first)} == parts


def test_a_name_longer_than_a_line_breaks_between_its_parts() -> None:
    name = "-".join(["distillation"] * 12)
    columns = (Column("pair"), *(Column(f"{at}" * 9, True) for at in range(7)))
    lines = shown(Table("Pairs", columns, ((f"{name}\nover kd", *["1.234"] * 7),), "caption"))
    assert sum(line.count("distillation") for line in lines) == 12
