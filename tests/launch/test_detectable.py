"""What a plan says these seeds can detect: the families that the analysis will have, corrected as it will."""

from __future__ import annotations

from pathlib import Path

from rigorkd_analysis.stats.sample_size import detectable as detectable_effect

from rigorkd.launch.planning import Detectable, make_plan
from rigorkd.launch.run_states import find_run_states
from rigorkd.protocol.load import load_protocol
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import RateBook


def detectable(path: Path, only: tuple[str, ...] = ()) -> tuple[Detectable, ...]:
    protocol, study = load_protocol(path), StudyFolder(path.parent / "study")
    states = find_run_states(protocol, (0, 1, 2), study, "reference", {}, only)
    book = RateBook.of(path.parent)
    return make_plan(protocol, states, study, (0, 1, 2), book, "reference").detectable


def test_every_distilled_cell_with_a_baseline_is_a_gain(protocol_file: Path) -> None:
    (gains,) = detectable(protocol_file)
    assert (gains.family, gains.comparisons) == ("gains", 5)
    (part,) = detectable(protocol_file, only=("short/*/kd*",))
    assert part.comparisons == 1, "its baseline needs not be asked for"


def test_one_baseline_serves_every_view_of_the_teacher(protocol_file: Path) -> None:
    text = protocol_file.read_text().replace("main: {", "main: {views: {teacher: [same, clean]}, ")
    protocol_file.write_text(text)
    (gains,) = detectable(protocol_file)
    assert gains.comparisons == 2 * 4 + 1


def test_without_a_correction_the_size_of_the_family_does_not_matter(protocol_file: Path) -> None:
    (corrected,) = detectable(protocol_file)
    protocol_file.write_text(protocol_file.read_text().replace("sesoi: 2.0", "sesoi: 2.0, correction: none"))
    (plain,) = detectable(protocol_file)
    assert plain.comparisons == corrected.comparisons
    assert plain.mde_dz is not None
    assert corrected.mde_dz is not None
    assert plain.mde_dz < corrected.mde_dz
    assert plain.mde_dz == detectable_effect(3, 1.0)
