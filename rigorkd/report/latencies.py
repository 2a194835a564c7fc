"""How long a forward pass takes, in a column of a paper's table and in its caption."""

from __future__ import annotations

from rigorkd.metrics import BY_NAME
from rigorkd.report.evidence import CellFacts, Evidence, Latency
from rigorkd.report.page import MISSING


def latency_text(model: CellFacts, evidence: Evidence) -> str:
    """`4.012 (3.980 to 4.100)`: quartiles of the measurement that all runs share, of each if several."""
    found = _counted(evidence, model)
    decimals = BY_NAME["latency_ms"].decimals
    texts = (f"{one.median:.{decimals}f} ({one.q25:.{decimals}f} to {one.q75:.{decimals}f})" for one in found)
    return "; ".join(texts) or MISSING


def _counted(evidence: Evidence, model: CellFacts) -> list[Latency]:
    """The measurements that count: those taken alone on the device, else those that do not know."""
    found = [latency for latency in evidence.latencies.get(model.cell, ()) if not latency.shared]
    return [latency for latency in found if latency.shared is False] or found


def latency_note(evidence: Evidence, measured: list[str], models: list[CellFacts]) -> str:
    """What the column of latencies rests on, and what it leaves out."""
    if "latency_ms" not in measured:
        return ""
    found = [latency for model in models for latency in evidence.latencies.get(model.cell, ())]
    if not found:
        return " Latency as given, per run."
    counted = [latency for model in models for latency in _counted(evidence, model)]
    if not counted:
        return " Latencies were measured beside other work and are left out."
    forwards = sorted({latency.n for latency in counted})
    times = f"{forwards[0]}" if len(forwards) < 2 else f"{forwards[0]} to {forwards[-1]}"
    text = (
        f" Latency: median (quartiles) of {times} forward passes of one image, measured once per "
        "architecture and device and shared by all runs; it depends on the architecture alone."
    )
    if any(latency.shared is None for latency in counted):
        text += " Whether other work was on the device meanwhile was not noted."
    if any(latency.shared for latency in found):
        text += " Latencies measured beside other work are left out."
    return text
