"""The statistics of rigorkd: a tidy table in, verdicts out.

    import pandas as pd
    from rigorkd_analysis import Plan, analyze
    print(analyze(pd.read_csv("runs.csv"), Plan(sesoi=0.3)).lead.comparisons[0].says)

Pure: no files, no clock, no network, no torch. Names are imported on first use, so that
`rigorkd_analysis.stats.sample_size` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rigorkd_analysis.analysis_plan import AllOf, DifferenceOfGains, Pair, Plan, Trend, Weighted
    from rigorkd_analysis.published.printed_table import Printed
    from rigorkd_analysis.published.table_audit import audit
    from rigorkd_analysis.results import Analysis, Comparison, Family, document
    from rigorkd_analysis.stats.sample_size import power
    from rigorkd_analysis.studies.effects import Study
    from rigorkd_analysis.studies.prediction import PublishedTable, compare_published
    from rigorkd_analysis.studies.replication import compare_studies
    from rigorkd_analysis.studies.synthesis import summarize_studies
    from rigorkd_analysis.table_error import TableError
    from rigorkd_analysis.whole_analysis import analyze, progress, until_decided

_HOME = {
    "analysis_plan": ("AllOf", "DifferenceOfGains", "Pair", "Plan", "Trend", "Weighted"),
    "published.printed_table": ("Printed",),
    "published.table_audit": ("audit",),
    "results": ("Analysis", "Comparison", "Family", "document"),
    "stats.sample_size": ("power",),
    "studies.effects": ("Study",),
    "studies.prediction": ("PublishedTable", "compare_published"),
    "studies.replication": ("compare_studies",),
    "studies.synthesis": ("summarize_studies",),
    "table_error": ("TableError",),
    "whole_analysis": ("analyze", "progress", "until_decided"),
}
_NAMES = {name: home for home, names in _HOME.items() for name in names}

__all__ = [
    "AllOf",
    "Analysis",
    "Comparison",
    "DifferenceOfGains",
    "Family",
    "Pair",
    "Plan",
    "Printed",
    "PublishedTable",
    "Study",
    "TableError",
    "Trend",
    "Weighted",
    "analyze",
    "audit",
    "compare_published",
    "compare_studies",
    "document",
    "power",
    "progress",
    "summarize_studies",
    "until_decided",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
