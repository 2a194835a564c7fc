"""What a plan says these seeds can detect: the families that the analysis will have, corrected as it will."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rigorkd_analysis.stats.group_sequential import nominal_level
from rigorkd_analysis.stats.sample_size import detectable as detectable_effect
from rigorkd_analysis.stats.sample_size import seeds_needed
from scipy import stats

from rigorkd.cli.main import cli
from rigorkd.launch.planning import Detectable, Plan, _sd_of_differences, make_plan, sesoi_warning
from rigorkd.launch.run_states import RunStates, find_run_states
from rigorkd.protocol.load import load_protocol
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import RateBook
from rigorkd.records.record import Record


def detectable(path: Path, only: tuple[str, ...] = ()) -> tuple[Detectable, ...]:
    return plan(path, only).detectable


def plan(
    path: Path, only: tuple[str, ...] = (), sd: float | None = None, seeds: tuple[int, ...] = (0, 1, 2)
) -> Plan:
    protocol, study = load_protocol(path), StudyFolder(path.parent / "study")
    states = find_run_states(protocol, seeds, study, "reference", {}, only)
    return make_plan(protocol, states, study, seeds, RateBook.of(path.parent), "reference", sd)


def test_every_distilled_cell_with_a_baseline_is_a_gain(protocol_file: Path) -> None:
    overall, gains = detectable(protocol_file)
    assert (overall.family, overall.comparisons) == ("overall", 2), "one gain is no average"
    assert (gains.family, gains.comparisons) == ("gains", 5)
    (part,) = detectable(protocol_file, only=("short/*/kd*",))
    assert part.comparisons == 1, "its baseline needs not be asked for; its average would say the same"


def test_one_baseline_serves_every_view_of_the_teacher(protocol_file: Path) -> None:
    text = protocol_file.read_text().replace("main: {", "main: {views: {teacher: [same, clean]}, ")
    protocol_file.write_text(text)
    _, gains = detectable(protocol_file)
    assert gains.comparisons == 2 * 4 + 1


def test_without_a_correction_the_size_of_the_family_does_not_matter(protocol_file: Path) -> None:
    _, corrected = detectable(protocol_file)
    protocol_file.write_text(protocol_file.read_text().replace("sesoi: 2.0", "sesoi: 2.0, correction: none"))
    _, plain = detectable(protocol_file)
    assert plain.comparisons == corrected.comparisons
    assert plain.mde_dz is not None
    assert corrected.mde_dz is not None
    assert plain.mde_dz < corrected.mde_dz
    assert plain.mde_dz == detectable_effect(3, 1.0)


def test_ways_to_ask_of_the_gains_stand_side_by_side(protocol_file: Path) -> None:
    made = plan(protocol_file, sd=1.5)
    seeds = {design.question: design.seeds_needed for design in made.designs}
    assert list(seeds) == ["overall", "primary", "gains", "gains, moderated"]
    assert seeds["primary"] == seeds_needed(2.0, 1.5)
    assert seeds["gains"] == seeds_needed(2.0, 1.5, comparisons=5)
    assert seeds["primary"] < seeds["gains, moderated"] <= seeds["gains"]
    assert {entry.sd_source for entry in made.detectable} == {"as given"}
    assert made.document()["designs"][0]["question"] == "overall"
    without = plan(protocol_file)
    assert {design.seeds_needed for design in without.designs} == {None}
    assert without.designs[1].mde == detectable_effect(3, 1.0)


def test_a_declared_primary_gain_leaves_the_family_of_the_others(protocol_file: Path) -> None:
    families = {entry.family: entry for entry in detectable(protocol_file)}
    name = plan(protocol_file).cells
    cell = next(entry["cell"] for entry in name if entry["method"] == "kd")
    text = protocol_file.read_text().replace("sesoi: 2.0", f"sesoi: 2.0, primary: {cell}")
    protocol_file.write_text(text)
    primary = {entry.family: entry for entry in detectable(protocol_file)}
    assert primary["gains"].comparisons == families["gains"].comparisons - 1
    assert primary["primary"].mde_dz == detectable_effect(3, 1.0)


def test_planned_looks_test_at_their_nominal_level(protocol_file: Path) -> None:
    text = protocol_file.read_text().replace("sesoi: 2.0", "sesoi: 2.0, looks: [3, 6]")
    before = detectable(protocol_file)[1].mde_dz
    protocol_file.write_text(text)
    after = detectable(protocol_file)[1].mde_dz
    assert before is not None
    assert after == detectable_effect(3, 1.0, nominal_level((3, 6), 0.05 / 5))
    assert after > before
    made = plan(protocol_file, sd=1.5)
    level = nominal_level((3, 6), 0.05 / 5)
    ways = {design.question: design for design in made.designs}
    assert list(ways) == ["overall", "primary", "gains"], "the moderated test knows no looks"
    assert ways["gains"].mde == pytest.approx(detectable_effect(3, 1.5, level))
    assert ways["gains"].seeds_needed == seeds_needed(2.0, 1.5, level)
    assert made.document()["looks"] == [3, 6]
    shown = CliRunner().invoke(cli, ["plan", str(protocol_file), "--sd", "1.5"]).stdout
    assert "nominal level of the planned looks (3, 6 seeds)" in " ".join(shown.split())


def test_a_declared_moderated_test_is_told_from_the_paired_one(protocol_file: Path) -> None:
    def shown() -> str:
        return " ".join(
            CliRunner().invoke(cli, ["plan", str(protocol_file), "--sd", "1", "--seeds", "4"]).stdout.split()
        )

    assert "by the paired test" not in shown()
    text = protocol_file.read_text().replace("sesoi: 2.0", "sesoi: 2.0, test: moderated")
    text = re.sub(r"(?m)^seeds: .*$", "seeds: 5", text)
    protocol_file.write_text(text)
    assert "by the paired test, the moderated one stands below" in shown()


def test_cells_without_pairs_are_planned_by_welchs_test(protocol_file: Path) -> None:
    text = protocol_file.read_text().replace("sesoi: 2.0", "sesoi: 2.0, test: unpaired")
    protocol_file.write_text(text)
    made = plan(protocol_file)
    gains = made.detectable[1]
    assert gains.mde_dz is not None
    shift, critical = gains.mde_dz * np.sqrt(3), stats.t.isf(0.05 / 5 / 2, 4)
    power = stats.nct.sf(critical, 4, shift) + stats.nct.cdf(-critical, 4, shift)
    assert power == pytest.approx(0.8, abs=1e-6)
    assert made.designs == ()
    shown = CliRunner().invoke(cli, ["plan", str(protocol_file)]).stdout
    assert "sd of the unpaired differences" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("metric", "decimals", "unit"),
    [("test_top1", 2, " points"), ("test_loss", 1, ""), ("latency_ms", 1, " ms")],
)
def test_amounts_are_in_the_unit_of_the_metric(
    protocol_file: Path, metric: str, decimals: int, unit: str
) -> None:
    text = protocol_file.read_text().replace("sesoi: 2.0", f"sesoi: 2.0, metric: {metric}")
    protocol_file.write_text(text)
    shown = CliRunner().invoke(cli, ["plan", str(protocol_file), "--sd", "1.5", "--seeds", "3"]).stdout
    line = next(line for line in shown.splitlines() if "one gain, declared primary" in line)
    assert line.endswith(f": {detectable_effect(3, 1.5):.{decimals}f}{unit}")
    assert ("points" in shown) == (metric == "test_top1")


def test_a_plan_fits_80_columns(protocol_file: Path) -> None:
    for words in ([], ["--sd", "1.5"], ["--seeds", "8"]):
        shown = CliRunner().invoke(cli, ["plan", str(protocol_file), *words]).stdout
        assert max(map(len, shown.splitlines())) <= 80


def test_seeds_kept_for_choosing_detect_nothing(protocol_file: Path) -> None:
    before = plan(protocol_file, sd=1.5)
    text = protocol_file.read_text().replace("sesoi: 2.0", 'sesoi: 2.0, selection: {seeds: "100:104"}')
    protocol_file.write_text(text.replace("seeds: 2", "seeds: [0, 1, 2, 100, 101, 102, 103]"))
    after = plan(protocol_file, sd=1.5, seeds=(0, 1, 2, 100, 101, 102, 103))
    assert (len(after.seeds), after.judged) == (7, (0, 1, 2))
    assert after.detectable == before.detectable
    assert after.designs == before.designs
    assert after.document()["seeds_judged"] == [0, 1, 2]
    shown = CliRunner().invoke(cli, ["plan", str(protocol_file), "--sd", "1.5"]).stdout
    assert "verdicts use 3 seeds, and what is detectable counts these alone" in " ".join(shown.split())


def test_a_plan_asks_for_the_spread_of_a_pilot(protocol_file: Path) -> None:
    shown = CliRunner().invoke(cli, ["plan", str(protocol_file)]).stdout
    assert "give --sd, from a pilot on other seeds or a published study" in " ".join(shown.split())
    values = {"pilot": [0.0, 3.0, 9.0, 9.5], "own": [0.0, 1.0]}
    assert sd_of([*values["own"]], (0, 1), frozenset())[1].endswith("a pilot's or a published sd is (--sd)")
    sd, source = sd_of(
        [*values["own"], *values["pilot"]], (0, 1, 100, 101, 102, 103), frozenset(range(100, 104))
    )
    assert sd == pytest.approx(float(np.std(values["pilot"], ddof=1)))
    assert source.endswith("seeds kept for choosing")


def sd_of(gains: list[float], seeds: tuple[int, ...], chosen_on: frozenset[int]) -> tuple[float | None, str]:
    """What a plan takes as the sd where a cell gained so much at these seeds."""
    records = {
        f"{cell}/seed-{seed}": Record(
            Path(), {"cell": cell, "seed": seed, "metrics": {"test_top1": gain * (cell == "a")}}
        )
        for seed, gain in zip(seeds, gains, strict=True)
        for cell in ("a", "b")
    }
    return _sd_of_differences(RunStates({}, {}, records, (), {}, ()), [("a", "b")], "test_top1", chosen_on)


@pytest.mark.parametrize(
    ("sesoi", "warned"),
    [
        ("0.003", "did you mean analysis.sesoi: 0.3?"),
        (
            ".01",
            "is 0.01 points of 100 here, less than most can mean; for 1 point, which it is of a metric in",
        ),
        ("0.5", ""),
    ],
)
def test_a_sesoi_on_another_scale_is_told_before_anything_is_trained(
    tmp_path: Path, sesoi: str, warned: str
) -> None:
    text = (Path(__file__).parents[2] / "protocols" / "digits.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(re.sub("sesoi: .*", f"sesoi: {sesoi}", text))
    said = sesoi_warning(load_protocol(tmp_path / "mine.yaml"))
    assert warned in said
    assert bool(said) == bool(warned)


def test_the_unit_of_what_commands_leave_is_known_from_their_records(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "mine.yaml").write_text(
        "rigorkd: 1\nstudy: mine\nstudents: [small]\ngroups: {main: {baseline: true}}\n"
        "analysis: {sesoi: 0.5}\n"
        "trainer: {command: 'python train.py {seed} {out}', metrics: {accuracy: max}}\n"
    )
    protocol = load_protocol(tmp_path / "mine.yaml")
    assert sesoi_warning(protocol) == ""
    assert "did you mean analysis.sesoi: 0.005" in sesoi_warning(protocol, [left(0.8), left(0.7)])
    assert sesoi_warning(protocol, [left(80.0)]) == ""
    (tmp_path / "mine.yaml").write_text((tmp_path / "mine.yaml").read_text().replace("0.5", "0.01"))
    small = load_protocol(tmp_path / "mine.yaml")
    assert "0.01 points of 100 here" in sesoi_warning(small, [left(80.0)])
    assert sesoi_warning(small, [left(0.8)]) == ""


@pytest.mark.parametrize(
    ("sesoi", "readings"),
    [
        (
            "0.5",
            ("0.5 points if accuracy comes in percent", "50 points if it comes in fractions", "write 0.005"),
        ),
        (".01", ("0.01 points if accuracy comes in percent", "1 point if it comes in fractions")),
        ("1", ()),
        ("0.002", ()),
    ],
)
def test_before_a_command_has_run_a_plan_says_both_readings(
    tmp_path: Path, rigorkd: Callable[..., Any], sesoi: str, readings: tuple[str, ...]
) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "mine.yaml").write_text(
        "rigorkd: 1\nstudy: mine\nstudents: [small]\ngroups: {main: {baseline: true}}\n"
        f"analysis: {{sesoi: {sesoi}}}\n"
        "trainer: {command: 'python train.py {seed} {out}', metrics: {accuracy: max}}\n"
    )
    said = " ".join(rigorkd("plan", "mine.yaml").stderr.split())
    assert all(reading in said for reading in readings), said
    assert ("note: sesoi" in said) == bool(readings)


def left(accuracy: float) -> Record:
    return Record(Path(), {"metrics": {"accuracy": accuracy}})


def test_averages_of_one_gain_each_are_no_family_of_a_plan_beside_a_primary_one(protocol_file: Path) -> None:
    text = re.sub(r"alpha: \[[^]]*\]|T: \[[^]]*\]", "T: 2", protocol_file.read_text())
    protocol_file.write_text(text)
    cells = ("short/*/kd*", "main/*/kd*T2*")
    before = plan(protocol_file, only=cells)
    primary = next(cell["cell"] for cell in before.cells if "kd" in cell["cell"])
    protocol_file.write_text(text.replace("sesoi: 2.0", f"sesoi: 2.0, primary: {primary}"))
    assert [entry.family for entry in before.detectable] == ["gains"]
    after = plan(protocol_file, only=cells)
    assert [entry.family for entry in after.detectable] == ["primary", "gains"]
    assert "overall" not in {way.question for way in after.designs}


@pytest.mark.parametrize(
    ("contrast", "weights"),
    [
        ("[main/plain/kd-T1-a0.5, main/plain/kd-T4-a0.5]", (1, -1)),
        ("{difference_of_gains: [main/plain/kd-T1-a0.5, main/plain/kd-T4-a0.5]}", (1, -1)),
        ("{difference_of_gains: [main/plain/kd-T1-a0.5, short/plain/kd-T2-a0.5]}", (1, -1, -1, 1)),
        (
            "{weights: {main/plain/kd-T1-a0.5: 2, main/plain/kd-T4-a0.5: -1, main/plain/baseline: -1}}",
            (2, -1, -1),
        ),
    ],
)
def test_a_contrast_varies_as_its_weights_say(
    protocol_file: Path, contrast: str, weights: tuple[int, ...]
) -> None:
    """Cells that vary alike, by sd / √2 each."""
    text = protocol_file.read_text()
    assert "sesoi: 2.0" in text
    protocol_file.write_text(text.replace("sesoi: 2.0", f"sesoi: 2.0, contrasts: [{contrast}]"))
    (found,) = (one for one in plan(protocol_file, sd=2.0).detectable if one.family == "contrasts")
    draw = np.random.default_rng(2)
    seen = (draw.normal(0, 2 / 2**0.5, (200_000, len(weights))) @ weights).std()
    assert found.sd == pytest.approx(seen, rel=0.01)
    assert found.seeds_needed == seeds_needed(2.0, found.sd)
    assert found.mde == pytest.approx(detectable_effect(3, found.sd))
