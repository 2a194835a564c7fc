"""More seeds for baselines than for distilled cells: what is run, what is refused, what the plan says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rigorkd_analysis.stats.sample_size import t_test_power
from scipy import stats

from rigorkd.errors import ProtocolError
from rigorkd.launch.planning import make_plan
from rigorkd.launch.run_states import find_run_states
from rigorkd.protocol.cohorts import cohorts, runs
from rigorkd.protocol.load import load_protocol
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import RateBook

SEEDS = "seeds: {baseline: 17, distilled: 7}"


def by_role(path: Path, seeds: str = SEEDS, test: str = "unpaired") -> Path:
    text = path.read_text().replace("seeds: 2", seeds).replace("sesoi: 2.0", f"sesoi: 2.0, test: {test}")
    path.write_text(text)
    return path


def test_baselines_run_at_more_seeds_and_teachers_where_cells_distil(protocol_file: Path) -> None:
    protocol = load_protocol(by_role(protocol_file))
    assert protocol.seeds == tuple(range(17))
    found: dict[str, list[int | None]] = {}
    for run in runs(protocol.cells, protocol.seeds):
        found.setdefault(run.cell.name, []).append(run.seed)
    for cell in protocol.cells:
        plain = cell.role == "student" and not cell.method.distils
        if cell.role != "start" and cell.per_seed:
            assert found[cell.name] == list(range(17 if plain else 7)), cell.name
    for cohort in cohorts(protocol.cells, protocol.seeds):
        distils = any(run.cell.method.distils for run in cohort.runs)
        assert distils == (cohort.seed < 7)
        assert (cohort.teacher is not None) == distils


@pytest.mark.parametrize(
    ("seeds", "test", "message"),
    [
        (SEEDS, "paired", "compared without pairing, which is not declared"),
        ("seeds: {baseline: 9, distilled: 5}", "unpaired", "unequal numbers need at least 7"),
        ("seeds: {baseline: 9}", "unpaired", "distilled"),
        ("seeds: {baseline: 9, distilled: x}", "unpaired", "seeds"),
    ],
)
def test_what_has_no_valid_analysis_is_refused(
    protocol_file: Path, seeds: str, test: str, message: str
) -> None:
    with pytest.raises(ProtocolError, match=message):
        load_protocol(by_role(protocol_file, seeds, test))


def test_the_plan_says_what_welchs_test_detects(protocol_file: Path) -> None:
    protocol, study = load_protocol(by_role(protocol_file)), StudyFolder(protocol_file.parent / "study")
    states = find_run_states(protocol, protocol.seeds, study, "reference", {}, ())
    book = RateBook.of(protocol_file.parent)
    made = make_plan(protocol, states, study, protocol.seeds, book, "reference", 2**0.5)
    assert "baselines at 17 seeds, distilled cells at 7 seeds" in made.seeds_by_role
    gains = next(entry for entry in made.detectable if entry.family == "gains")
    # cells of sd 1: the power at what is detected, by simulation
    rng = np.random.default_rng(1)
    a, b = rng.normal(gains.mde, 1, (20_000, 7)), rng.normal(0, 1, (20_000, 17))
    p = stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue
    assert (p < 0.05 / gains.comparisons).mean() == pytest.approx(0.8, abs=0.02)
    assert (
        t_test_power(gains.mde / 2**0.5, 7, 0.05 / gains.comparisons) < 0.8
    )  # the paired test of 7 does less
