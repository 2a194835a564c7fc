"""Words for a spread in the languages that tables are written in, and the ways in which cells print it."""

from __future__ import annotations

import re

import pytest
from rigorkd_analysis import Printed, TableError, audit
from rigorkd_analysis.published.audited import Audit
from rigorkd_analysis.published.printed_commas import pointed
from rigorkd_analysis.published.printed_spread import spread_of
from rigorkd_analysis.published.spread_words import folded, long_words, meant_by

N = 5
SD, SE, CI = 0.2, 0.2 * N**0.5, 0.2 * N**0.5 / 1.959964


def of_cells(cell: str, heading: str = "Acc", **more) -> Audit:
    rows = [{"Method": "A", heading: cell}, {"Method": "B", heading: cell.replace("71", "72")}]
    return audit(Printed(rows, seeds=N, **more))


def of_columns(column: str, metric: str = "Acc") -> Audit:
    rows = [{"Method": m, "Acc": acc, column: "0.2"} for m, acc in (("A", "71.3"), ("B", "72.3"))]
    return audit(Printed(rows, seeds=N, metric=metric))


@pytest.mark.parametrize(
    ("word", "sd"),
    [(word, SD) for word in (
        "Ecart-type", "Écart-type", "écart type", "Std.-Abw.", "Stdabw.", "Standardabweichung", "desv. est.",
        "desviación estándar", "desv. típica", "desvio padrão", "deviazione standard", "dev. std", "σ",
        "s.d.", "± std", "标准差", "標準偏差", "стандартное отклонение", "standaardafwijking")]
    + [(word, SE) for word in (
        "SE", "s.e.", "s.e.m.", "SEM", "Std. Err.", "Standardfehler", "erreur type", "error estándar",
        "erro padrão", "标准误", "± SE")]
    + [("95% CI", CI), ("KI", CI), ("Konfidenzintervall", CI), ("2σ", SD / 2), ("± 2 std", SD / 2)],
)  # fmt: skip
def test_a_column_of_spreads_by_its_word(word: str, sd: float):
    assert [cell.std for cell in of_columns(word).cells] == pytest.approx([sd, sd], rel=1e-5)


@pytest.mark.parametrize(
    ("heading", "sd"),
    [("Genauigkeit (MW ± Standardabweichung)", SD), ("Acc (moyenne ± écart-type)", SD),
     ("Acc (media ± desv. est.)", SD), ("Acc (mean ± Std.-Abw.)", SD), ("Acc (平均±标准差)", SD),
     ("Acc ± Standardfehler", SE), ("Acc ± erreur type", SE), ("Acc (media ± error estándar)", SE),
     ("Acc ± 95% KI", CI), ("Acc (± 2σ)", SD / 2), ("Acc (± two standard deviations)", SD / 2),
     ("Acc ± 2 SE", SE / 2), ("Acc ± 1.96 SE", SE / 1.96)],
)  # fmt: skip
def test_a_heading_says_it_in_any_language_and_how_many(heading: str, sd: float):
    found = of_cells("71.3 ± 0.2", heading)
    assert [cell.std for cell in found.cells] == pytest.approx([sd, sd], rel=1e-5)
    assert not any("nothing says what" in note for note in found.notes)


def test_a_caption_says_it_in_any_language():
    for caption, sd in (("Mittelwert ± Standardfehler", SE), ("Moyenne et écart-type sur 5 graines", SD)):
        assert of_cells("71.3 ± 0.2", caption=caption).cells[0].std == pytest.approx(sd)
    assert folded("Écart-Type") == "ecart-type"
    assert long_words("표준편차")
    assert meant_by("SE-ResNet") is None
    assert meant_by("uncertainty") is None


@pytest.mark.parametrize(
    ("cell", "sd", "printed"),
    [("71,3 ± 0,2", SD, "71.3 ± 0.2"), ("71,30 (0,20)", SD, "71.30 ± 0.20"), ("71.3 ± 0,2", SD, "71.3 ± 0.2"),
     ("71.3(±0.2)", SD, "71.3 ± 0.2"), ("71.3±.2", SD, "71.3 ± .2"), ("$71.3_{0.2}$", SD, "71.3 ± 0.2"),
     ("(71.3 ± 0.2) %", SD, "71.3 ± 0.2"), ("71.3 ± 0.2 pp", SD, "71.3 ± 0.2"),
     ("71.3<sub>0.2</sub>", SD, "71.3 ± 0.2"), ("71.3<sup>±0.2</sup>", SD, "71.3 ± 0.2"),
     ("71.3 &#177; 0.2", SD, "71.3 ± 0.2"), ("71.3 (SD 0.2)", SD, "71.3 ± 0.2"),
     ("71.3 (σ=0.2)", SD, "71.3 ± 0.2"),
     ("71.3 (SE 0.2)", SE, "71.3 ± 0.2"), ("71.3 ± 0.2 (s.e.m.)", SE, "71.3 ± 0.2"),
     ("71.3 ± 0.2 (95% CI)", CI, "71.3 ± 0.2"), ("71.3 (écart-type 0.2)", SD, "71.3 ± 0.2"),
     ("71.3<sup>1</sup>", None, "71.3"), ("71.3$^{1}$", None, "71.3"), ("71.3¹", None, "71.3"),
     ("71.3 [70.1, 72.2]", None, "71.3"), ("71,3 [70,1; 72,2]", None, "71.3")],
)  # fmt: skip
def test_a_cell_with_its_spread(cell: str, sd: float | None, printed: str):
    found = of_cells(cell).cells[0]
    assert found.value == pytest.approx(71.3)
    assert found.std == (None if sd is None else pytest.approx(sd, rel=1e-5))
    assert found.printed == printed


@pytest.mark.parametrize("cell", ["71.3 (2)", "0.713(2)", "$71.3_{2}$", "10<sup>3</sup>"])
def test_whole_numbers_behind_a_mean_are_asked_about(cell: str):
    with pytest.raises(TableError, match="is not a number") as caught:
        of_cells(cell)
    assert "write mean ± standard deviation, as in 71.3 ± 0.2, or the mean alone" in (caught.value.hint or "")
    assert of_cells("71 (2)").cells[0].std == 2


@pytest.mark.parametrize(
    "heading", ["Acc ± variance", "Acc (mean ± var)", "Acc ± IQR", "Acc (median ± MAD)", "Acc ± half range"]
)
def test_what_is_no_standard_deviation_is_refused_unless_the_reader_says_so(heading: str):
    with pytest.raises(TableError, match="no standard deviation, standard error or interval") as caught:
        of_cells("71.3 ± 0.2", heading)
    assert "--spread sd" in (caught.value.hint or "")
    assert of_cells("71.3 ± 0.2", heading, spread="sd").cells[0].std == SD
    assert of_cells("71.3 ± 0.2", "Acc (max)").cells[0].std == SD  # a setting of the metric, no spread


def test_a_spread_belongs_to_the_metric_on_its_left():
    columns = ["M", "Acc", "Std", "F1", "Std (5)"]
    assert [spread_of(columns, c).column for c in ("Acc", "F1")] == ["Std", "Std (5)"]
    assert spread_of(["M", "F1", "Acc", "Std"], "F1") is None
    found = of_columns("uncertainty")
    assert found.cells[0].std is None
    assert any(
        "if they are in uncertainty, call it Acc_std (standard errors: Acc_sem)" in n for n in found.notes
    )


@pytest.mark.parametrize(
    ("heading", "metric", "offered"),
    [
        (["acc", "f1", "f1_std"], "acc", ""),  # another result's by its name
        (["CIFAR acc", "STL acc", "std acc"], "CIFAR acc", ""),  # another's by its place
        (["CIFAR acc", "STL acc", "std acc"], "STL acc", "std acc"),
        (["CIFAR acc", "STL acc", "std CIFAR"], "CIFAR acc", "std CIFAR"),
        (["CIFAR acc", "STL acc", "std CIFAR"], "STL acc", ""),
        (["acc", "tiny", "f1"], "acc", ""),  # a result of its own, by its numbers
        (["acc", "wiggle", "f1"], "acc", "wiggle"),
    ],
)
def test_a_name_is_proposed_for_a_column_that_is_no_other_results(heading, metric: str, offered: str):
    values = {**dict.fromkeys(heading, ("71.3", "72.3")), "wiggle": ("0.2", "0.3")}
    values |= {name: ("0.2", "0.3") for name in heading if "std" in name}
    rows = [{"M": m, **{name: values[name][at] for name in heading}} for at, m in enumerate("AB")]
    found = audit(Printed(rows, metric=metric, seeds=3))
    told = [re.search(r"if they are in (.*), call it (.*) \(standard", note) for note in found.notes]
    assert [one[1] for one in told if one] == ([offered] if offered else [])
    for one in filter(None, told):  # the advice works when it is followed
        again = [{one[2] if name == offered else name: text for name, text in row.items()} for row in rows]
        assert audit(Printed(again, metric=metric, seeds=3)).cells[0].std == 0.2


def test_another_column_is_not_judged_in_the_place_of_one_that_is_not_read():
    rows = [{"Method": m, "Acc": f"{a} / 0.2", "size": "1.2"} for m, a in (("A", "71.3"), ("B", "72.3"))]
    with pytest.raises(TableError, match=re.escape("'71.3 / 0.2' is not a number")):
        audit(Printed(rows, seeds=N))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(["71,3", "1,234"], ["71.3", "1.234"]), (["1,234", "71.3"], ["1234", "71.3"]), (["1,234"], ["1,234"]),
     (["1,234,567"], ["1234567"]), (["1.234,5"], ["1234.5"]), (["1,234.5"], ["1234.5"]),
     (["0,713"], ["0.713"]),
     (["71,30 ± 0,20"], ["71.30 ± 0.20"]), (["plain", "3"], ["plain", "3"])],
)  # fmt: skip
def test_commas_are_read_where_they_are_certain(texts: list[str], expected: list[str]):
    assert pointed(texts) == expected


@pytest.mark.parametrize(
    "cell", ["1" + " " * 480 + "x", "9" * 240 + "(" + "9" * 230, "1," * 240, "1 ± " + "a" * 470]
)
def test_a_cell_that_is_a_text_is_no_number(cell: str):
    with pytest.raises(TableError, match="is not a number"):
        of_cells(cell)


def test_text_is_shown_as_it_is_printed():
    rows = [{"Method": m, "Acc": a} for m, a in (("A", "71.30 ± 0.20"), ("B", "72.3 ± 0.10"))]
    assert [c.printed for c in audit(Printed(rows, seeds=N)).cells] == ["71.30 ± 0.20", "72.3 ± 0.10"]
    errors = audit(Printed(rows, seeds=N, spread="se"))
    assert [c.printed for c in errors.cells] == ["71.30 ± 0.20", "72.3 ± 0.10"]
    assert errors.cells[0].std == pytest.approx(0.2 * N**0.5)
    assert "standard errors" in errors.converted
