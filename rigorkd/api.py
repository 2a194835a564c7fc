"""rigorkd from Python: the same records, questions and figures as on the command line.

    import rigorkd

    study = rigorkd.load("results/digits")
    found = study.analyze()
    found                        in a notebook: a table with the verdicts
    print(found.says)
    found.plot("gains").save("gains.pdf")
    rigorkd.analyze(dataframe, sesoi=0.3)

Everything is read when it is asked for, and nothing here imports torch: `run` trains in a process of its own.
"""

from __future__ import annotations

import inspect
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from rigorkd.errors import InputError, RunsFailedError
from rigorkd.text import count, nearest, suggest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from rigorkd_analysis import Analysis, Plan, TableError

    from rigorkd.records.read import StudyTable
    from rigorkd.report.evidence import Evidence
    from rigorkd.report.figures.spec import Figure
    from rigorkd.report.sources import Source

__all__ = ["Findings", "Picture", "Study", "analyze", "load", "run"]

Goal = Literal["max", "min"]
Correction = Literal["holm", "bonferroni", "bh", "none"]


class Asked(TypedDict, total=False):
    """What may be asked otherwise than planned: the arguments of `analyze`."""

    plan: Plan | None
    metric: str | None
    goal: Goal | None
    sesoi: float | None
    alpha: float | None
    correction: Correction | None
    baselines: Sequence[str]
    compare: Sequence[tuple[str, str]]
    all_pairs: bool
    sequential: bool
    unpaired: bool
    seeds: int | str | Sequence[int] | None
    images: bool | None


class AsRead(TypedDict, total=False):
    """How results from elsewhere are read: the options of `rigorkd analyze` of the same names."""

    cell: str
    seed: str
    select: str
    wide: bool
    average: str
    decimal: str
    encoding: str
    sheet: str
    kind: str
    without: str | Sequence[str]


def load(study: str | Path | None = None, *, results: str | Path = "results") -> Study:
    """Open a study that `rigorkd run` made, also while it still runs.

    Args:
        study: its folder, or its name under `results`; None opens the one that runs now, else the newest
            there that is no smoke study.

    Raises:
        RigorkdError: it is no study, or one of its records is damaged; says where, what, and how to mend it.
    """
    from rigorkd.cli.options import study_folder

    opened = Study(study_folder(None if study is None else Path(study), Path(results), told=False))
    opened.runs  # noqa: B018 - whatever is wrong with it is said here
    return opened


def analyze(
    data: pd.DataFrame | str | Path | Sequence[str | Path],
    *,
    plan: Plan | None = None,
    metric: str | None = None,
    goal: Goal | None = None,
    sesoi: float | None = None,
    alpha: float | None = None,
    correction: Correction | None = None,
    baselines: Sequence[str] = (),
    compare: Sequence[tuple[str, str]] = (),
    all_pairs: bool = False,
    sequential: bool = False,
    unpaired: bool = False,
    seeds: int | str | Sequence[int] | None = None,
    images: bool | None = None,
    name: str = "table",
    **reading: Unpack[AsRead],
) -> Findings:
    """Say which differences of a table of runs are real. It may come from anywhere.

    Args:
        data: one row per run with the columns `cell`, `seed` and a metric; `method` (`baseline` for the cells
            to be compared with), `student`, `group` and the like refine what is compared with what. A path
            names a study, or results of any origin, as `rigorkd analyze` reads them; several are one table.
        plan: the question as a `rigorkd_analysis.Plan`, with its contrasts and what was planned. A study has
            its own, and another one is exploratory, as is what the arguments below change.
        metric: the column to judge; by default `test_top1`, else the only metric there is.
        goal: whether more is better, if the metric's name does not say so.
        sesoi: the smallest effect of interest, in units of the metric. Without one, nothing is equivalent.
        alpha: the error rate over a family.
        baselines: cells to compare with, instead of those whose method is `baseline`; `alpha=0` or a method's
            word is for each cell the one that shares all else.
        compare: pairs (a, b) of cells to compare as well.
        all_pairs: adds every pair of cells within a student.
        sequential: adds verdicts that stay valid while seeds are added.
        unpaired: compare runs without pairing them by seed (Welch).
        seeds: judge these seeds alone; as in `run`, 5 is seeds 0 to 4.
        images: intervals over new test images too, for a study; None computes them for at most 200 runs.
        name: what to call the table.
        reading: how results from elsewhere are read, as on the command line: `cell`, `seed`, `select`,
            `average`, `without`, `wide`, `decimal`, `encoding`, `sheet`, `kind`. A DataFrame with any of them
            is read as a file of the same rows would be.

    Raises:
        RigorkdError: the table or the question cannot be used; says in which row and column.
    """
    import pandas as pd
    from rigorkd_analysis import Plan

    from rigorkd.cli.options import find_source
    from rigorkd.protocol.seed_grammar import parse_seeds
    from rigorkd.readers.raw import Reading
    from rigorkd.report.sources import Source, from_frame

    _refuse_unusable(data, plan, compare, reading)
    without = reading.get("without", ())
    own = {name: value for name, value in reading.items() if name != "without"}
    how = Reading(**own, without=(without,) if isinstance(without, str) else tuple(without), goal=goal)  # type: ignore[arg-type]
    if not isinstance(data, pd.DataFrame):
        named = [data] if isinstance(data, str | Path) else data
        source = find_source([str(one) for one in named], Path("results"), how, metric)
    elif how != Reading(goal=goal):
        source = from_frame(data, how, metric, name)
    else:
        frame = data.reset_index(drop=not any(data.index.names))
        source = Source(name, frame, Plan(), lambda error: _place(name, error))
    if plan is not None:
        plan = plan if source.folder is None else _late(plan, source.plan)
        source = replace(source, plan=plan, plan_under=None)
    asked = {
        "metric": metric,
        "goal": goal,
        "sesoi": sesoi,
        "alpha": alpha,
        "correction": correction,
        "baselines": (baselines,) if isinstance(baselines, str) else tuple(baselines),
        "compare": tuple(map(tuple, compare)),
        "all_pairs": all_pairs,
        "sequential": sequential,
        "unpaired": unpaired,
        "seeds": None if seeds is None else parse_seeds(seeds if isinstance(seeds, int | str) else [*seeds]),
        "without": () if source.folder is None else how.without,
    }
    return _findings(source, asked, images)


def run(
    protocol: str | Path,
    seeds: int | str | Sequence[int] | None = None,
    *,
    results: str | Path = "results",
    smoke: bool = False,
    only: Sequence[str] = (),
    device: str = "auto",
    mode: Literal["reference", "fast"] = "reference",
    jobs: int | None = None,
    retry_failed: bool = False,
    keep_going: bool = False,
    trust: bool = False,
    quiet: bool = False,
    set: Mapping[str, object] | None = None,
    study: str | None = None,
) -> Study:
    """Train what a protocol still misses, and open its study. Finished runs are never trained again.

    It is `rigorkd run` in a process of its own. Interrupted, it stops at the next epoch, and resumes when
    asked again; it goes on if this Python dies. Needs `pip install "rigorkd[train]"`.

    Args:
        seeds: 5 is seeds 0 to 4; also "5:10", or a list; None takes the protocol's.
        smoke: shrink the protocol to seconds on synthetic data: the same code, and no result.
        only: globs of cells to train, with what they need.
        jobs: workers; by default one per GPU, or one per CPU core.
        retry_failed: try runs again that failed before.
        keep_going: go on where the first runs all fail for one reason.
        trust: run code and commands of the protocol that another user wrote.
        quiet: print nothing.
        set: values of the protocol to change, such as {"training.epochs": 2}: a variant, which needs a name.
        study: the name of the study that is made so.

    Raises:
        RunsFailedError: some runs failed; the others are finished, and `load` opens the study.
        RigorkdError: the protocol, the machine or the results folder cannot be used.
    """
    from rigorkd.cli.options import load_variant
    from rigorkd.extras import require
    from rigorkd.protocol.smoke import smoke as shrink
    from rigorkd.records.study import folder_name, settled_under

    path = Path(protocol)
    changes = [f"{key}={json.dumps(value)}" for key, value in (set or {}).items()]  # JSON is YAML
    loaded = load_variant(path, changes, study, settled_under(Path(results), mode, smoke=smoke))
    if any(cell.trainer is None for cell in loaded.cells):
        require("train", "rigorkd.run")
    options = ["--results", str(results), "--device", device, "--mode", mode]
    if seeds is not None:
        options += ["--seeds", seeds if isinstance(seeds, str) else _seeds(seeds)]
    for glob in only:
        options += ["--only", glob]
    if jobs is not None:
        options += ["--jobs", str(jobs)]
    options += ["--smoke"] * smoke + ["--retry-failed"] * retry_failed
    options += ["--keep-going"] * keep_going
    options += ["--trust"] * trust
    for change in changes:
        options += ["--set", change]
    if study is not None:
        options += ["--study", study]
    code, said = _rigorkd(["run", *options, "--", str(path)], None if quiet else print)
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise (RunsFailedError if code == 1 else InputError)(said)
    return load(Path(results) / folder_name(shrink(loaded) if smoke else loaded, mode))


@dataclass(frozen=True)
class Study:
    """A study on disk. What it holds is read when it is first asked for; `load` again to see what is new."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def runs(self) -> pd.DataFrame:
        """One row per finished student run: what was trained, and every metric."""
        return self._table.runs.copy()

    @property
    def missing(self) -> pd.DataFrame:
        """One row per student run that the protocol declares and that has no record yet."""
        return self._table.missing.copy()

    @property
    def plan(self) -> Plan:
        """What is asked of it: metric, contrasts, smallest effect of interest, and what of it was planned."""
        from rigorkd.report.study_plan import plan_of

        return plan_of(self._table)[0]

    def history(self, cell: str, seed: int | Literal["fixed"] = 0) -> pd.DataFrame:
        """One run by epochs: rate, losses, validation. A teacher for all seeds has the seed "fixed"."""
        import pandas as pd

        from rigorkd.report.gather import read_history

        found = read_history(self.folder, self._run(cell, seed))
        if found is None:
            raise InputError(
                f"{cell}/seed-{seed}: its history cannot be read",
                hint=f"`rigorkd verify {self.folder}` says more",
            )
        return pd.DataFrame({"epoch": found.epochs.astype(int), **found.columns})

    def predictions(self, cell: str, seed: int | Literal["fixed"] = 0) -> dict[str, np.ndarray]:
        """What a run predicted for every test image, in the data set's order.

        Arrays of shape (n_test,): target, prediction, loss, confidence, top5_hit; logits where kept.
        """
        from rigorkd.records.read import read_predictions

        self._run(cell, seed)
        return read_predictions(self.folder, cell, seed)  # type: ignore[arg-type]

    def analyze(self, **asked: Unpack[Asked]) -> Findings:
        """Say which differences hold, as planned; the arguments are those of `rigorkd.analyze`.

        As on the command line, the study notes that its verdicts were seen at this number of seeds.
        """
        return analyze(self.folder, **asked)

    @cached_property
    def _table(self) -> StudyTable:
        from rigorkd.records.read import read_study

        return read_study(self.folder)

    def _run(self, cell: str, seed: int | str) -> str:
        """The name of a run that has a record."""
        from rigorkd.records.layout import StudyFolder

        layout = StudyFolder(self.folder)
        known = {path.parent.relative_to(self.folder).as_posix() for path in layout.records()}
        wanted = f"{cell}/seed-{seed}"
        if wanted not in known:
            close = nearest(wanted, known)
            raise InputError(
                f"{self.folder}: no finished run {wanted}",
                hint=f"did you mean {close}?" if close else "`.runs` lists those of students",
            )
        return wanted

    def __repr__(self) -> str:
        done, open_ = count(len(self._table.runs), "student run"), len(self._table.missing)
        return f"<rigorkd.Study {str(self.folder)!r}: {done}{f', {open_} missing' if open_ else ''}>"


@dataclass(frozen=True, eq=False)
class Findings:
    """What an analysis found. In a notebook it shows itself as tables with the verdicts.

    Attributes:
        result: all of it, typed: `rigorkd_analysis.Analysis`, the document of `analyze --format json`.
    """

    result: Analysis
    _source: Source = field(repr=False)

    @property
    def says(self) -> str:
        """What holds and what is still missing, in plain sentences."""
        from rigorkd.report.analysis_page import says_secondary
        from rigorkd.report.headline import headline
        from rigorkd.report.sentences import banner_of

        banner = banner_of(self.result.warnings)
        said = (*headline(self.result), *says_secondary(self.result))
        return "\n".join(([banner] if banner else []) + list(said))

    @property
    def conditions(self) -> tuple[str, ...]:
        """What every verdict holds fixed."""
        return self.result.conditioned_on

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be known before a verdict is repeated to anybody."""
        return self.result.warnings

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell: n, mean and standard deviation over seeds, with intervals."""
        return _frame(self.result.cells)

    def to_frame(self) -> pd.DataFrame:
        """One row per comparison, with its family and whether that was planned; unrounded.

        `mean_diff` is a − b: in the gains, the distilled cell minus its baseline. `says` is a sentence for a
        paper; what cannot be computed is missing.
        """
        from rigorkd.report.sentences import with_status

        families = with_status(self.result).families
        pairs = [(family, one) for family in families for one in family.comparisons]
        frame = _frame([one for _, one in pairs])
        frame.insert(0, "family", [family.name for family, _ in pairs])
        frame.insert(1, "planned", frame.pop("planned"))
        return frame

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures that it has."""
        return tuple(figure.name for figure in self._figures)

    def plot(self, name: str = "gains") -> Picture:
        """A figure by its name, as `rigorkd figures` writes it.

        Raises:
            InputError: there is no such figure; says which there are.
        """
        for figure in self._figures:
            if figure.name == name:
                return Picture(figure)
        close = nearest(name, self.figures)
        raise InputError(
            f"{self.result.study}: it has no figure {name!r}",
            hint=f"did you mean {close!r}?" if close else f"it has {', '.join(self.figures) or 'none'}",
        )

    @cached_property
    def _evidence(self) -> Evidence:
        from rigorkd.report.gather import gather

        return gather(self._source, self.result)

    @cached_property
    def _figures(self) -> tuple[Figure, ...]:
        from rigorkd.report.figures.catalog import figures

        return figures(self._evidence)

    def __str__(self) -> str:
        return self.says

    def __repr__(self) -> str:
        return f"<rigorkd.Findings of {self.result.study!r}: {self.says.splitlines()[0]}>"

    def _repr_html_(self) -> str:
        from rigorkd.report.analysis_page import analysis_page
        from rigorkd.report.render.notebook import fragment

        return fragment(analysis_page(self.result))


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure. A notebook shows it; `save` writes it for a paper."""

    _figure: Figure = field(repr=False)

    @property
    def name(self) -> str:
        return self._figure.name

    @property
    def caption(self) -> str:
        return self._figure.caption

    def save(self, file: str | Path) -> Path:
        """Write it as .svg (its text as outlines) or .pdf (its fonts embedded)."""
        path = Path(file)
        if path.suffix not in (".svg", ".pdf"):
            raise InputError(
                f"{path}: a figure is written as .svg or .pdf", hint="choose one of these endings"
            )
        path.write_bytes(self._drawn("svg" if path.suffix == ".svg" else "pdf"))
        return path

    def _drawn(self, form: Literal["svg", "pdf"]) -> bytes:
        from rigorkd.report.figures.canvas import figure_file

        return figure_file(self._figure, form)

    def _repr_svg_(self) -> str:
        text = self._drawn("svg").decode()
        return text[text.index("<svg") :]

    def __repr__(self) -> str:
        return f"<rigorkd.Picture {self.name!r}: {self._figure.title}>"


def _refuse_unusable(data: Any, plan: Any, compare: Any, reading: Mapping[str, Any]) -> None:
    """InputError for arguments that would fail far from here; TypeError for what is no argument."""
    import pandas as pd
    from rigorkd_analysis import Plan

    for name in reading.keys() - AsRead.__annotations__.keys():
        known = (*inspect.signature(analyze).parameters, *AsRead.__annotations__)
        close = suggest(name, known)
        raise TypeError(f"analyze() got an unexpected keyword argument {name!r}" + f"; {close}" * bool(close))
    frame = isinstance(data, pd.DataFrame)
    several = isinstance(data, list | tuple) and all(isinstance(one, str | Path) for one in data) and data
    if not (frame or several or isinstance(data, str | Path)):
        raise InputError(
            f"data is {data!r:.60}, no table and no path",
            hint="give a DataFrame (pandas.DataFrame(…) makes one), a path, or a list of paths",
        )
    if frame and (of_files := [name for name in ("encoding", "sheet", "kind") if reading.get(name)]):
        raise InputError(
            f"{of_files[0]} says how files are read, and data is a DataFrame", hint="leave it out"
        )
    if plan is not None and not isinstance(plan, Plan):
        raise InputError(f"plan is {plan!r:.60}, no plan", hint="give a rigorkd_analysis.Plan(…)")
    if isinstance(compare, str) or not all(
        isinstance(pair, list | tuple) and [type(cell) for cell in pair] == [str, str] for pair in compare
    ):
        raise InputError(f"compare is {compare!r:.60}", hint='give pairs of cells: [("a", "b"), …]')


def _findings(source: Source, asked: dict[str, Any], images: bool | None) -> Findings:
    """Analyse a source, and note in a study that it was looked at."""
    from rigorkd.report.judging import Question, analysis_of, note

    question = Question(**asked)
    result = analysis_of(source, question, images)
    trouble = note(source, result, question)
    found = replace(result, warnings=(*result.warnings, *[trouble] * bool(trouble)))
    return Findings(found, question.judged(source))


def _late(plan: Plan, own: Plan) -> Plan:
    """A plan put to a study that has its own: none of it was planned, and the conditions are the study's."""
    contrasts = tuple(replace(contrast, planned=False) for contrast in plan.contrasts)
    return replace(plan, planned=False, contrasts=contrasts, conditioned_on=own.conditioned_on)


def _place(name: str, error: TableError) -> str:
    """Where in a table something is wrong; rows count from 0, as `iloc` does."""
    row = "" if error.row is None else f", row {error.row}"
    return f"{name}{row}" + (f", column {error.column!r}" if error.column else "")


def _frame(rows: Sequence[Any]) -> pd.DataFrame:
    import pandas as pd
    from rigorkd_analysis import document

    return pd.DataFrame([document(row) for row in rows])


def _seeds(seeds: int | Sequence[int]) -> str:
    """As the command line takes them; a list of one keeps its comma, since `7` would be seven seeds."""
    if isinstance(seeds, int):
        return str(seeds)
    return ",".join(map(str, seeds)) + "," * (len(seeds) == 1)


def _rigorkd(arguments: list[str], say: Callable[[str], object] | None) -> tuple[int, str]:
    """Run the command line in a process; its exit code, and its error's message.

    It takes no signal of this process's terminal, and is told of an interruption once for each.
    """
    command = [sys.executable, "-m", "rigorkd", *arguments]
    message: list[str] = []

    def follow(stream: IO[str], is_error: bool) -> None:
        for line in stream:
            if is_error and (message or line.startswith(("error: ", "Error: "))):
                message.append(line)
            elif say is not None:
                say(line.rstrip("\n"))

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        followers = [
            threading.Thread(target=follow, args=(process.stdout, False)),
            threading.Thread(target=follow, args=(process.stderr, True)),
        ]
        for follower in followers:
            follower.start()
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
        for follower in followers:
            follower.join()
    return process.returncode, "".join(message)[len("error: ") :].strip()
