"""The statistics of rigorkd: a tidy table in, verdicts out.

    import pandas as pd
    from rigorkd_analysis import Plan, analyze
    print(analyze(pd.read_csv("runs.csv"), Plan(sesoi=0.3)).families[0].comparisons[0].says)

Pure: no files, no clock, no network, no torch. Names are imported on first use, so that
`rigorkd_analysis.power` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rigorkd_analysis.analysis import analyze
    from rigorkd_analysis.audit_results import Printed
    from rigorkd_analysis.documents import document
    from rigorkd_analysis.effects import Study
    from rigorkd_analysis.errors import TableError
    from rigorkd_analysis.plan import AllOf, DifferenceOfGains, Pair, Plan, Trend, Weighted
    from rigorkd_analysis.prediction import PublishedTable, compare_published
    from rigorkd_analysis.published import audit
    from rigorkd_analysis.replication import compare_studies
    from rigorkd_analysis.results import Analysis, Comparison, Family
    from rigorkd_analysis.synthesis import summarize_studies

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
    "summarize_studies",
]

_HOME = {
    "analyze": "analysis",
    "audit": "published",
    "Printed": "audit_results",
    "document": "documents",
    "Study": "effects",
    "PublishedTable": "prediction",
    "compare_published": "prediction",
    "compare_studies": "replication",
    "summarize_studies": "synthesis",
    "TableError": "errors",
    **dict.fromkeys(("AllOf", "DifferenceOfGains", "Pair", "Plan", "Trend", "Weighted"), "plan"),
    **dict.fromkeys(("Analysis", "Comparison", "Family"), "results"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
