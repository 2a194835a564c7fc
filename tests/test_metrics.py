"""The table of metrics: what rigorkd writes is known everywhere, by one entry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rigorkd_analysis.metric_names import goal_of
from rigorkd_analysis.table_error import TableError

from rigorkd import metrics
from rigorkd.metrics import BY_NAME, METRICS, NAMES, shown

PROTOCOL = (Path(__file__).parents[1] / "protocols" / "digits.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_directions_are_those_that_the_names_tell(metric: metrics.Metric) -> None:
    if metric.goal is None:
        with pytest.raises(TableError):
            goal_of(metric.name)
    else:
        assert goal_of(metric.name) == metric.goal


def test_places_have_an_order_without_ties() -> None:
    for place in ("costs", "teachers", "overall", "tradeoff"):
        found = shown(place)  # type: ignore[arg-type]
        assert found
        assert [item.shown[place] for item in found] == list(range(1, len(found) + 1))  # type: ignore[index]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["metric", "secondary"])
def test_a_protocol_may_name_every_metric(name: str, key: str, tmp_path: Path) -> None:
    from rigorkd.protocol.load import load_protocol

    value = f"[{name}]" if key == "secondary" else name
    lines = [line for line in PROTOCOL.splitlines() if not line.strip().startswith(("metric:", "secondary:"))]
    at = lines.index("analysis:")
    lines.insert(at + 1, f"  {key}: {value}")
    file = tmp_path / "named.yaml"
    file.write_text("\n".join(lines), encoding="utf-8")
    analysis = load_protocol(file).spec.analysis
    assert name in (analysis.metric, *analysis.secondary)


def test_one_entry_is_enough_for_a_new_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scratch metric reaches the tables that show the place it names."""
    new = replace(BY_NAME["test_loss"], name="brier", words="Brier score", shown={"costs": 6})
    monkeypatch.setattr(metrics, "METRICS", (*METRICS, new))
    assert shown("costs")[-1].heading == "Brier score"


def test_names_of_others_tell_their_goal_in_camel_case_too() -> None:
    for name in ("testAcc", "mean_reward", "R2_gcn", "MacroF1", "Top-1 (%)", "mIoU"):
        assert goal_of(name) == "max"
    for name in ("MSETest", "StalenessErrorRate", "valLoss"):
        assert goal_of(name) == "min"
