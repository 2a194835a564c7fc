"""What a report is made of: an analysis, and the runs behind it as typed values.

Pure: `evidence` turns a table into cells; `rigorkd.report.gather` reads what a study folder adds to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from rigorkd_analysis.results import GAINS, Analysis, CellSummary, Comparison
from rigorkd_analysis.runs import seed_of
from rigorkd_analysis.wording import OWN_BASELINES, is_distillation, over_what

from rigorkd.metrics import NAMES
from rigorkd.records.attempts import FailedAttempts

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CellFacts:
    """One cell and what was measured of it.

    `measures` holds, per metric, one value for each of `seeds`; None where there is none. `settings` is how
    the cell is set up beyond that, each as text. `is_baseline` says whether it serves as one in this
    analysis. `data` is the data set where the cell's name begins with it, which is its group then.
    """

    cell: str
    group: str
    student: str
    method: str
    teacher: str
    T: float | None
    alpha: float | None
    epochs: int | None
    seeds: tuple[int | None, ...]
    measures: Mapping[str, tuple[float | None, ...]]
    settings: Mapping[str, str] = field(default_factory=dict)
    is_baseline: bool = False
    data: str = ""

    @property
    def block(self) -> str:
        """The cells that belong side by side: `<group>/<student>`, as far as they are known."""
        return "/".join(part for part in (self.group, self.student) if part)

    @property
    def label(self) -> str:
        """The name within its block, such as `kd-T4-a0.5`."""
        return self.cell.removeprefix(self.block + "/") if self.block else self.cell

    def values(self, metric: str) -> tuple[float, ...]:
        """The values of a metric over those seeds that have one."""
        return tuple(value for value in self.measures.get(metric, ()) if value is not None)

    def mean(self, metric: str) -> float | None:
        """The mean of a metric over seeds."""
        values = self.values(metric)
        return math.fsum(values) / len(values) if values else None


@dataclass(frozen=True)
class History:
    """One run by epochs: columns of `history.csv`, each of shape (epochs,)."""

    epochs: Floats
    columns: Mapping[str, Floats]


HistorySource = Callable[[str, int], History | None]


@dataclass(frozen=True)
class Softness:
    """How soft a teacher's output is at one temperature, in [0, 1], one value per seed.

    `entropy` is H(p)/log C; `entropy_rest` is the same without the most probable class, renormalised
    (Frank and Davis 2026), empty if it is not known.
    """

    teacher: str
    T: float
    entropy: tuple[float, ...]
    entropy_rest: tuple[float, ...] = ()


@dataclass(frozen=True)
class SoftOutput:
    """A teacher's softened output at k temperatures, one run of it, on test or training images.

    entropy, rest: (k,), relative, of all classes and without the most probable; sorted_softmax: (k, C), the
    mean over images of the classes in descending order; image, target: (m,), some images by their place and
    class; softened: (m, k, C), their outputs.
    """

    temperature: Floats
    entropy: Floats
    rest: Floats
    sorted_softmax: Floats
    image: NDArray[np.int64]
    target: NDArray[np.int64]
    softened: Floats


Images = Literal["test", "train"]
SoftOutputs = Callable[[str, Images], tuple[SoftOutput, ...]]
"""The softened outputs of a teacher's runs on some images, by the name of its cell."""


@dataclass(frozen=True)
class Latency:
    """One measurement of an architecture on a device: milliseconds for one image over `n` forwards.

    `shared` says whether other work was on the device meanwhile; None where nobody noted it.
    """

    median: float
    q25: float
    q75: float
    n: int
    shared: bool | None


@dataclass(frozen=True)
class Provenance:
    """Where the records of a study come from; every tuple lists the distinct values, sorted.

    `planned` is when the plan was written that counts, which may be after the study was `created`.

    `of_commands`: the user's commands trained some of the runs, and what those share, imported or would give
    again nobody noted. `beside` are the files that the protocol needs, with what is known of each.
    """

    created: str
    planned: str
    finished_first: str
    finished_last: str
    mode: str
    hardware: tuple[str, ...]
    dispatch: tuple[str, ...]
    versions: tuple[str, ...]
    precision: tuple[str, ...]
    git: tuple[str, ...]
    data_checksum: tuple[str, ...]
    records: int
    protocol_hashes: tuple[str, ...]
    protocol_text: str
    train_seconds: float
    of_commands: bool = False
    failed: int = 0
    attempts: FailedAttempts = field(default_factory=FailedAttempts)
    beside: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Evidence:
    """All that a report shows.

    `cells` has an entry for each of the analysis' cells, in its order. `history` is None for a bare CSV, and
    `latencies`, the distinct measurements by cell, teachers too, are empty. `asked` is what stood behind
    `rigorkd analyze`, sources and options, to ask the same again; "" where no command line asked.
    """

    analysis: Analysis
    cells: tuple[CellFacts, ...]
    teachers: tuple[CellFacts, ...] = ()
    softness: tuple[Softness, ...] = ()
    history: HistorySource | None = None
    provenance: Provenance | None = None
    latencies: Mapping[str, tuple[Latency, ...]] = field(default_factory=dict)
    soft_outputs: SoftOutputs | None = None
    index: Mapping[str, int] = field(default_factory=dict)
    asked: str = ""

    @property
    def is_smoke(self) -> bool:
        return any(text.startswith("SMOKE") for text in self.analysis.warnings)

    @property
    def treated(self) -> str:
        """What stands beside the baselines: distilled cells, or those of a method where not all distil.

        Nor are cells called distilled beside a baseline that may be distilled itself.
        """
        gaining = [self.facts(c.a) for c in self.gains() if c.a is not None]
        if self._over is None and gaining and all(distils((cell,)) for cell in gaining):
            return "distilled"
        return "method" if any(cell.method for cell in gaining) else "cell"

    @property
    def baseline(self) -> str:
        """What one gain is over: `baseline`, or its name where it is one that is not plainly that."""
        return "baseline" if self._over in (None, OWN_BASELINES) else str(self._over)

    @property
    def the_baseline(self) -> str:
        """The same in a sentence about each cell: `the baseline`, or its name."""
        return over_what(self._over, several=False)

    @property
    def the_baselines(self) -> str:
        """The same in a sentence about all cells."""
        return over_what(self._over, several=True)

    @property
    def _over(self) -> str | None:
        families = [family for family in self.analysis.families if family.name in GAINS]
        return next((family.over for family in families if family.over), None)

    def facts(self, cell: str) -> CellFacts:
        return self.cells[self.index[cell]]

    def summary(self, cell: str) -> CellSummary:
        return self.analysis.cells[self.index[cell]]

    def softened(self, teacher: str, images: Images) -> tuple[SoftOutput, ...]:
        """The softened outputs of a teacher's runs, none where none were kept."""
        return () if self.soft_outputs is None else self.soft_outputs(teacher, images)

    def blocks(self) -> tuple[tuple[str, tuple[CellFacts, ...]], ...]:
        """Cells by `<group>/<student>`, in the order of their names."""
        found: dict[str, list[CellFacts]] = {}
        for cell in self.cells:
            found.setdefault(cell.block, []).append(cell)
        return tuple((name, tuple(cells)) for name, cells in found.items())

    def gains(self) -> tuple[Comparison, ...]:
        """Every gain, the planned ones first; none where there are no baselines."""
        return tuple(comparison for comparison, _ in self.gain_paths())

    def gain_paths(self) -> tuple[tuple[Comparison, str], ...]:
        """Every gain with its place in the document, such as `families/0/comparisons/2`."""
        return tuple(
            (comparison, f"families/{at}/comparisons/{position}")
            for at, family in enumerate(self.analysis.families)
            if family.name in GAINS
            for position, comparison in enumerate(family.comparisons)
        )


def distils(cells: Iterable[CellFacts]) -> bool:
    """Whether sentences may speak of distillation: only where a cell gives cause."""
    return any(
        is_distillation(cell.method, teacher=cell.teacher, temperature=cell.T, cell=cell.cell)
        for cell in cells
    )


def evidence(
    analysis: Analysis,
    table: pd.DataFrame,
    *,
    teachers: tuple[CellFacts, ...] = (),
    softness: tuple[Softness, ...] = (),
    history: HistorySource | None = None,
    provenance: Provenance | None = None,
    latencies: Mapping[str, tuple[Latency, ...]] | None = None,
    soft_outputs: SoftOutputs | None = None,
    settings: Mapping[str, Mapping[str, str]] | None = None,
    asked: str = "",
) -> Evidence:
    """Join an analysis with the table that it judged: one row per run, numbers as numbers or as text."""
    cells = _cells(analysis, table, settings or {})
    index = {cell.cell: position for position, cell in enumerate(cells)}
    return Evidence(
        *(analysis, cells, teachers, softness, history, provenance, latencies or {}, soft_outputs, index),
        asked=asked,
    )


def _cells(
    analysis: Analysis, table: pd.DataFrame, settings: Mapping[str, Mapping[str, str]]
) -> tuple[CellFacts, ...]:
    import pandas as pd

    frame = table.reset_index(drop=True)
    seed_at = [seed_of(seed) for seed in frame["seed"]]
    seeds = sorted({seed for seed in seed_at if seed is not None})
    position = {seed: at for at, seed in enumerate(seeds)}
    metrics = [name for name in dict.fromkeys((*NAMES, analysis.metric)) if name in frame.columns]
    numbers = {name: pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float) for name in metrics}
    rows: dict[str, list[int]] = {}
    for row, cell in enumerate(frame["cell"]):
        rows.setdefault(str(cell), []).append(row)
    if "latency_shared" in frame.columns and "latency_ms" in numbers:
        # Measured beside other work, it says nothing of the architecture.
        beside = frame["latency_shared"].astype(str).str.casefold().eq("true").to_numpy()
        numbers["latency_ms"] = np.where(beside, np.nan, numbers["latency_ms"])
    diverged = frame["status"].eq("diverged").tolist() if "status" in frame.columns else [False] * len(frame)
    out, baselines = [], analysis.baselines
    for summary in analysis.cells:
        mine = rows[summary.cell]
        measures: dict[str, list[float | None]] = {name: [None] * len(seeds) for name in metrics}
        for row in mine:
            for name in metrics:
                value = float(numbers[name][row])
                seed = seed_at[row]
                hidden = diverged[row] and name == analysis.metric
                if math.isfinite(value) and seed is not None and not hidden:
                    measures[name][position[seed]] = value
        first = frame.iloc[mine[0]]
        epochs = _number(first.get("epochs"))
        data = "/".join(filter(None, (_text(first.get(column)) for column in ("dataset", "task"))))
        of_data = data * summary.cell.startswith(f"{data}/")  # a table whose methods a baseline named
        group = _text(first.get("group"))
        out.append(
            CellFacts(
                cell=summary.cell,
                group=group or of_data,
                student=_text(first.get("student")),
                method=_text(first.get("method")),
                teacher=_text(first.get("teacher")),
                T=_number(first.get("T")),
                alpha=_number(first.get("alpha")),
                epochs=None if epochs is None else round(epochs),
                seeds=tuple(seeds),
                measures={name: tuple(values) for name, values in measures.items()},
                settings=settings.get(summary.cell)
                or {str(name): _text(first[name]) for name in frame.columns if name not in metrics},
                is_baseline=summary.cell in baselines,
                data=of_data if group in ("", of_data) else "",
            )
        )
    return tuple(out)


def grids(evidence: Evidence) -> list[tuple[str, tuple[CellFacts, ...]]]:
    """Sets of cells that differ in T and alpha alone, as far as their names tell, each with a title."""
    out: dict[tuple[str, ...], list[CellFacts]] = {}
    for cell in evidence.cells:
        if cell.T is not None or cell.alpha is not None:
            key = (cell.block, cell.method, cell.teacher, str(cell.epochs), _rest_of_name(cell))
            out.setdefault(key, []).append(cell)
    sets: dict[str, int] = {}
    for parts, cells in out.items():
        sets[parts[0]] = sets.get(parts[0], 0) + (len(cells) > 1)
    named = []
    for parts, cells in out.items():
        name = parts[0] or "all cells"
        if sets[parts[0]] > 1:
            name += f", {parts[4] or parts[1]}"
        named.append((name, tuple(cells)))
    return named


def _rest_of_name(cell: CellFacts) -> str:
    """The cell's label without its T and alpha: cells with another extra parameter are another grid."""
    parts = cell.label.split("-")
    drop = {
        f"T{cell.T:g}" if cell.T is not None else "",
        f"a{cell.alpha:g}" if cell.alpha is not None else "",
    }
    kept = [part for part in parts if part not in drop]
    return "-".join(kept) if len(kept) < len(parts) else cell.method


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value)


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
