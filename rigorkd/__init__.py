"""Which knowledge-distillation gains are real.

A protocol file declares teacher, students, distillation grid and seeds; rigorkd runs every cell over every
seed and says which differences hold. The command line (`rigorkd --help`) is the front door. From Python:

    import rigorkd

    study = rigorkd.load("results/digits")          a finished study, or one that still runs
    study.runs                                      one row per run, as a DataFrame
    study.history("main/cnn8/kd-T1-a0.5", seed=0)   one run by epochs
    study.predictions("main/cnn8/baseline", seed=0) what it predicted for every test image

    found = study.analyze()                         which differences hold, as planned
    found.says                                      … in sentences; a notebook shows `found` as tables
    found.to_frame()                                … one row per comparison
    found.plot("gains").save("gains.pdf")           … as a figure; `found.figures` names them all

    rigorkd.analyze(dataframe, sesoi=0.3)           any table with the columns cell, seed and a metric
    rigorkd.run("protocols/digits.yaml", seeds=5)   trains what is missing (needs rigorkd[train])

`help(rigorkd.analyze)` and its neighbours explain each. Errors are `rigorkd.RigorkdError` and say where,
what, and how to mend it. The statistics alone are the package `rigorkd_analysis`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rigorkd.api import Findings, Picture, Study, analyze, load, run
    from rigorkd.errors import RigorkdError, RunsFailedError

__version__ = "0.2.0.dev0"

_HOME = {
    **dict.fromkeys(("Findings", "Picture", "Study", "analyze", "load", "run"), "api"),
    **dict.fromkeys(("RigorkdError", "RunsFailedError"), "errors"),
}
"""Where the public names live; they are imported when they are first used."""

__all__ = ["Findings", "Picture", "RigorkdError", "RunsFailedError", "Study", "analyze", "load", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
