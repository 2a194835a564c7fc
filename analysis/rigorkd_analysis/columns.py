"""What the columns of a tidy table are, by their names and their values: settings, results, descriptions."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

OF_METHOD = "of_method"
"""The column in which a study says what its method is set to beside T and α: JSON, by names."""
OWN_SETTINGS = "method_settings"
"""The column that says behind a method's name what it was averaged over, or set to: `at T = 4`. No two cells
are compared by it, and none are told apart: each method has its own."""
AVERAGED_OVER, SET_TO = "averaged over ", "at "
"""How its values begin."""

METHOD_WORDS = (
    "algorithm", "algo", "distiller", "approach", "distill", "kd_method", "method_name",
    "verfahren", "methode", "méthode", "método", "方法",
)  # fmt: skip
"""What a column of methods is called beside `method`."""

#: Columns that describe a run. They are never taken for a metric unless named.
DESCRIPTIVE = frozenset(
    {
        "cell", "seed", "group", "student", "method", "start", "epochs", "epochs_run", "best_epoch",
        "teacher", "T", "alpha", "ce_weight", "kd_weight", "training", "views", "status", "mode", "smoke",
        "run", "run_hash", "teacher_run_hash",
        "weights_sha256", "hardware", "dispatch", "device", "versions", "n_test", "table",
        "factor", "params_millions", "macs_millions", "study", "precision", "finished", "select",
        "selection", "selected_on", "latency_shared", OWN_SETTINGS, OF_METHOD,
    }
)  # fmt: skip

#: Columns that set a cell up, as `plain_name` writes them: runs that differ in one are not one cell. What a
#: log says of a run, such as the epochs that it trained before it stopped, is none of them.
SETTINGS = frozenset(
    {
        "student", "method", "group", "start", "training", "views", "t", "alpha", "kdweight", "ceweight",
        "beta", "gamma", "temperature", "temp", "tau", "kdtemperature", "kdt", "lambda", "lr", "learningrate",
        "baselr", "initiallr", "batchsize", "bs", "weightdecay", "wd", "momentum", "optimizer", "schedule",
        "scheduler", "lrschedule", "epochs", "numepochs", "nepochs", "totalepochs", "maxepochs",
        "warmupepochs", "dropout", "labelsmoothing", "augmentation", "augment", "resolution", "imagesize",
        "model", "arch", "architecture", "dataset", "precision", "clipnorm",
    }
)  # fmt: skip

_NAMING = frozenset(
    {"student", "teacher", "method", "group", "model", "arch", "architecture", "dataset", "precision"}
)
"""Settings by their name that tables call a column of results by, or that some measure."""

_MAY_BE_MEASURED = frozenset({"precision", "epochs", "numepochs", "nepochs", "totalepochs", "epoch"})
"""Settings by their name that some tables measure: TP / (TP + FP), and where a run stopped early."""

INNER = ("image", "image_index", "example", "index", "epoch", "step", "fold", "repeat", "evaluation")
"""Columns that count what is inside a run: their values are no replicates."""


def sets_up(column: str) -> bool:
    """Whether a column sets a cell up, by its name: runs that differ in it are not one cell."""
    return plain_name(column) in SETTINGS


def is_setting(column: str) -> bool:
    """Whether a column sets a cell up, by its name, and is no result."""
    return plain_name(column) in SETTINGS - {"precision"} or column in DESCRIPTIVE


def is_called_setting(name: str) -> bool:
    """Whether a name that was printed is that of a setting, before its sign or unit in brackets, too.

    `Temperature (T)` is one, and `Student (ours)` may be a column of results.
    """
    if is_setting(name) or is_inner(name):
        return True
    head = re.sub(r"\s*[(\[][^)\]]*[^\W\d][^)\]]*[)\]]\s*$", "", name)
    return head != name and plain_name(head) in SETTINGS - _NAMING


def is_number_set(name: str) -> bool:
    """Whether a printed name is that of a setting in numbers, such as a temperature: no role, no network."""
    return is_called_setting(name) and plain_name(name) not in _NAMING


def is_inner(column: str) -> bool:
    """Whether a column counts what is inside a run, by its name: an epoch is no result."""
    return column.casefold() in INNER


def plain_name(column: str) -> str:
    """A column's name without case, blanks and signs: Learning-Rate and learning_rate are one."""
    return "".join(sign for sign in column.casefold() if sign.isalnum())


def metric_columns(frame: pd.DataFrame) -> list[str]:
    """Numeric columns that vary between the seeds of some cell; parameters of a cell do not."""
    import pandas as pd

    names: list[str] = []
    constant: list[str] = []
    for column in frame.columns:
        name = str(column)
        if not name or name.startswith("Unnamed:"):  # an index that pandas wrote
            continue
        measured = plain_name(name) == "precision" and is_measured(name, text_of(frame[name]))
        if not measured and (name in DESCRIPTIVE or plain_name(name) in SETTINGS):
            continue
        numbers = pd.to_numeric(frame[name], errors="coerce")
        if not numbers.notna().any() or numbers.notna().mean() < 0.5:
            continue
        varies = "cell" not in frame or (numbers.groupby(frame["cell"]).nunique() > 1).any()
        (names if varies else constant).append(name)
    return names or constant


def are_measured(numbers: NDArray[np.float64], cell_of: NDArray[np.integer[Any]] | None = None) -> bool:
    """Whether numbers are what each run came to: settings are few, and come again.

    With the cells of runs that each have their seed once, so are those that differ within most cells.
    """
    distinct = len(np.unique(numbers))
    if cell_of is None or distinct <= 4:
        return distinct > max(4, len(numbers) / 2)
    _, cells = np.unique(cell_of, return_inverse=True)
    pairs = np.unique(np.stack([cells, numbers]), axis=1)
    values = np.bincount(pairs[0].astype(np.intp))
    several = np.bincount(cells) > 1
    return distinct > len(numbers) / 2 or bool(several.any() and (values[several] > 1).mean() > 0.5)


def is_measured(column: str, values: NDArray[np.object_], cell_of: NDArray[np.intp] | None = None) -> bool:
    """Whether a column that may be a setting by its name holds what each run came to."""
    if plain_name(column) not in _MAY_BE_MEASURED:
        return False
    there = np.array([bool(str(value).strip()) for value in values], dtype=bool)
    numbers = np.array([_number(value) for value in values[there]])
    return bool(np.isfinite(numbers).all()) and are_measured(
        numbers, None if cell_of is None else cell_of[there]
    )


def is_number(text: str) -> bool:
    """Whether Python reads a value of the table as a number; `nan` and `inf` are some."""
    try:
        float(text)
    except ValueError:
        return False
    return True


_ANSWERS = frozenset({"true", "false", "yes", "no", "y", "n"})


def is_bare(text: str) -> bool:
    """Whether a value means nothing without its column: a number, or an answer to what the column asks."""
    return is_number(text) or text.casefold() in _ANSWERS


def tells(name: str, value: str) -> bool:
    """Whether a cell's name holds a setting's value, so that who reads the comparison sees it."""
    return re.search(rf"(?<![a-z0-9]){re.escape(normal(value))}(?![0-9])", name, re.IGNORECASE) is not None


def normal(text: str) -> str:
    """A value as it is compared: 4 and 4.0 are one, and so are words in any case."""
    return f"{float(text):g}" if is_number(text) else text.casefold()


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return math.nan


def number_text(text: object) -> str:
    """Numbers written differently are equal: 30, 30.0 and 3e1."""
    try:
        return f"{float(str(text)):.12g}"
    except ValueError:
        return str(text).strip()


def text_of(column: pd.Series[Any]) -> NDArray[np.object_]:
    """A column as text, "" where nothing stands."""
    filled = column.astype(object).where(column.notna(), "")
    return np.array([value if isinstance(value, str) else f"{value}" for value in filled], dtype=object)


_COSTS = frozenset(
    {
        "params", "param", "parameters", "flop", "flops", "gflops", "mflops", "macs", "gmacs", "madds",
        "mem", "memory", "size", "ratio", "compression", "throughput", "fps", "cost", "speedup",
        "epoch", "epochs", "resolution", "time", "hours", "minutes", "days", "gpus", "layers", "classes",
    }
)  # fmt: skip


def is_cost(column: str) -> bool:
    """Whether a column says what a network is or costs, and not how well it does, by its words.

    What begins with # counts something: `# Train Images`.
    """
    words = re.split(r"[^a-z0-9]+", column.casefold())
    counts = re.match(r"\s*\\?#\s*[^\W\d]", column) is not None
    return counts or not _COSTS.isdisjoint(words) or words == ["res"]


_DIFFERENCES = frozenset({"delta", "diff", "diff.", "difference", "gain", "improvement", "change"})


def is_difference(name: str) -> bool:
    """Whether a column beside methods says how far apart they are: `Δ`, `Δ bpc`, `gain (pp)`, `RKD Gain`.

    Its last word counts too, before a unit in brackets.
    """
    plain = name.strip().casefold()
    first, *_ = [*re.split(r"[\s_(\[]+", plain), ""]
    *_, last = ["", *re.split(r"[\s_]+", re.sub(r"\s*[(\[][^)\]]*[)\]]\s*$", "", plain))]
    return first.startswith(("δ", "∆")) or not _DIFFERENCES.isdisjoint((first, last))
