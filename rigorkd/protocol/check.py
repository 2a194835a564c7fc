"""Checks that no single value can show: the split against the data, model names, contrasts against cells."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from rigorkd_analysis.analysis_plan import FEWEST_UNEQUAL
from rigorkd_analysis.axis_names import SAME_AXIS, others_of

from rigorkd.data.dataset import DatasetInfo, Split
from rigorkd.data.operations import check_views
from rigorkd.methods.base import loss_weights
from rigorkd.metrics import NAMES as METRICS
from rigorkd.models.model import (
    CNN,
    MODELS,
    Model,
    is_known_model,
    is_named_by_timm,
    is_own_model,
    models_like,
)
from rigorkd.problems import Path, Problem, unknown
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.cohorts import gain_pairs
from rigorkd.protocol.hashes import resolved, training_key, views_key
from rigorkd.protocol.schema import TAKES_A_GAIN, Contrast, MeanTeacher, SeedsByRole, Spec, TrendSpec
from rigorkd.protocol.trainer_spec import CommandSpec
from rigorkd.text import count, nearest, some_of

RESERVED_ENDINGS = (".smoke", ".fast")


def check_spec(spec: Spec) -> list[Problem]:
    """Problems that need no expansion."""
    if isinstance(spec, CommandSpec):
        return [*_names(spec), *_seeds(spec), *_metrics(spec), *_undeclared(spec)]
    problems = [
        *_names(spec),
        *check_views(spec.views, spec.dataset, lambda loc: ("views", *loc)),
        *_models(spec),
        *_metrics(spec),
        *_seeds(spec),
    ]
    split = spec.dataset.split
    if split.group_by is not None and not spec.dataset.takes_groups:
        message = f"nothing tells which images of {spec.dataset.name} belong together"
        hint = "remove split.group_by; it is for image_folder, arrays and huggingface"
        problems.append(Problem(("dataset", "split", "group_by"), message, hint, at_key=True))
    if known := spec.dataset.info:
        problems += split_problems(spec.dataset.split, known)
    return problems


def check_contrasts(spec: Spec, cells: Sequence[Cell]) -> list[Problem]:
    """Contrasts that name cells, groups or columns which the expansion does not have."""
    contrasts = spec.analysis.contrasts
    place: Path = ("analysis", "contrasts")
    return [
        *_primary(spec.analysis.primary, cells, contrasts),
        *_moderated(spec, cells),
        *(
            problem
            for index, contrast in enumerate(contrasts)
            for problem in contrast_problems(contrast, (*place, index), cells)
        ),
        *_repeated(contrasts, place),
    ]


def unknown_cell(name: str, cells: Sequence[Cell]) -> tuple[str, str]:
    """Message and hint for a name that no cell has: the nearest of the same student and method come first."""
    student, _, label = name.partition("/")[2].partition("/")
    students = [cell for cell in cells if cell.role == "student"]
    meant = nearest(student, dict.fromkeys(str(cell.student) for cell in students))
    own = [cell for cell in students if cell.student == meant]
    method = nearest(label.split("-")[0], dict.fromkeys(map(_called, own)))
    alike = [cell.name for cell in own if _called(cell) == method]
    message, hint = unknown("cell", name, [cell.name for cell in own or cells])
    near = difflib.get_close_matches(name, alike, n=4, cutoff=0)
    first = sorted(students, key=lambda cell: cell.method.distils)
    named = [cell.name for cell in first if "/" not in name and cell.student == name]
    if named:  # the name of a student, of which there may be several cells
        hint = f"did you mean {' or '.join(map(repr, named[:4]))}?"
    elif len(alike) == 1:
        hint = f"did you mean {alike[0]!r}?"
    elif near:
        others = ", ".join(map(repr, near[1:]))
        hint = f"did you mean {near[0]!r}? others of this student and method: {others}"
    return message, f"{hint}; `rigorkd plan FILE --cells` prints all names".removeprefix("; ")


def _called(cell: Cell) -> str:
    """How a cell's name begins to say its method."""
    return cell.name.rpartition("/")[2].split("-")[0]


def _primary(name: str | None, cells: Sequence[Cell], contrasts: Sequence[Contrast]) -> Iterator[Problem]:
    place: Path = ("analysis", "primary")
    by_name = {cell.name: cell for cell in cells}
    if name is None:
        return
    if name in [contrast.name for contrast in contrasts]:
        yield Problem(place, f"{name!r} is a contrast, which is no gain", TAKES_A_GAIN)
    elif name not in by_name:
        message, hint = unknown_cell(name, cells)
        yield Problem(place, message, f"{hint}; {TAKES_A_GAIN}")
    elif not by_name[name].method.distils:
        yield Problem(place, f"{name} does not distil, so it has no gain", TAKES_A_GAIN)
    elif name not in dict(gain_pairs(cells, cells)):
        yield Problem(place, f"{name} has no baseline, so it has no gain", TAKES_A_GAIN)


def _moderated(spec: Spec, cells: Sequence[Cell]) -> Iterator[Problem]:
    """The moderated test of so few gains, over so many seeds, would not hold its level."""
    if spec.analysis.test != "moderated":
        return
    from rigorkd_analysis.stats.sample_size import refusal  # loads scipy

    primary = spec.analysis.primary
    gains = sum(name != primary for name, _ in gain_pairs(cells, cells))
    seeds = set(spec.all_seeds) - set(spec.analysis.selection.seeds if spec.analysis.selection else ())
    if why := refusal(len(seeds), gains):
        yield Problem(("analysis", "test"), why, "plan more seeds, or leave out test: moderated")


def _repeated(contrasts: Sequence[Contrast], path: Path) -> Iterator[Problem]:
    """A question asked twice would be corrected for twice; two of one name could not be told apart."""
    for index, contrast in enumerate(contrasts):
        before = contrasts[:index]
        asked = contrast.model_copy(update={"name": None})
        if asked in [other.model_copy(update={"name": None}) for other in before]:
            yield Problem((*path, index), "this contrast is there twice", "remove one of them")
        elif contrast.name is not None and contrast.name in [other.name for other in before]:
            message = f"two contrasts are named {contrast.name!r}"
            yield Problem((*path, index, "name"), message, "rename one of them")


def _names(spec: Spec) -> Iterator[Problem]:
    if ending := next((end for end in RESERVED_ENDINGS if spec.study.endswith(end)), None):
        hint = "`run --smoke` and `run --mode fast` name their own studies so"
        yield Problem(("study",), f"the name of a study cannot end in {ending!r}", hint)
    if spec.teacher is not None and spec.teachers is not None:
        hint = "keep one of them"
        yield Problem(("teachers",), "give teacher or teachers, not both", hint, at_key=True)


def split_problems(split: Split, known: DatasetInfo) -> Iterator[Problem]:
    """What a data set of this shape has too few images for, or none."""
    path: Path = ("dataset", "split")
    if known.test_images is not None and split.test is not None:
        message = f"{known.title} has a test set of its own ({known.test_images:,} images)"
        yield Problem((*path, "test"), message, "remove split.test", at_key=True)
        return
    if known.test_images is None and split.test is None:
        hint = f"split.test says how many of its {known.images:,} images are for testing"
        if known.unread:
            hint += f"; or, to test on what is not read ({some_of(known.unread, 3)}), {known.to_test}"
        yield Problem(path, f"{known.title} has no test set of its own", hint)
        return
    each = known.classes if split.per_class else 1  # then the sizes count images of one class
    parts = {"train": each * (split.train or 1), "val": each * split.val, "test": each * (split.test or 0)}
    if sum(parts.values()) > known.images:
        asked = " + ".join(
            f"{n:,} {name}" for name, n in parts.items() if n and (name != "train" or split.train)
        )
        message = f"{asked} leaves no training images of the {known.images:,} of {known.title}"
        if split.train:
            message = f"{asked} are more than the {known.images:,} images of {known.title}"
        hint = "leave split.train out, and all that is left is trained on" if split.train else "ask for fewer"
        if split.per_class:
            hint += f"; under per_class the sizes count images of each of the {known.classes} classes"
        if known.use_set_apart:
            hint += f"; {known.use_set_apart}"
        yield Problem(path, message, hint)
    elif split.per_class and known.smallest is not None:
        name, most = known.smallest
        wanted = (split.train or 1) + split.val + (split.test or 0)
        if wanted > most:
            asked = " + ".join(
                f"{n:,} {part}"
                for part, n in (("train", split.train), ("val", split.val), ("test", split.test))
                if n
            )
            message = (
                f"{asked} of each class leaves class {name!r} none to train on: it has {count(most, 'image')}"
            )
            hint = "leave per_class out: then the sizes count images of all classes"
            if most > 2:
                hint = f"ask for at most {most - 1:,} of each class in all, or {hint}"
            yield Problem(path, message, hint)


def limited_test_problems(split: Split, known: DatasetInfo) -> Iterator[Problem]:
    """That `split.test` is to limit a test set of the user's own to more images than it has."""
    asked = (known.classes if split.per_class else 1) * (split.test or 0)
    if known.test_images is not None and asked > known.test_images:
        yield Problem(
            ("dataset", "split", "test"),
            f"{asked:,} images to test, and {known.title} has {known.test_images:,} for it",
            "ask for fewer, or leave split.test out, and all of them are tested",
            at_key=True,
        )


def _models(spec: Spec) -> Iterator[Problem]:
    for name, student in spec.students.items():
        yield from _model(student.model, ("students", name, "model"))
    if spec.teacher is not None:
        yield from _model(spec.teacher.model, ("teacher", "model"))
    for name, teacher in (spec.teachers or {}).items():
        if isinstance(teacher, MeanTeacher):
            continue  # its teachers are declared beside it
        yield from _model(teacher.model, ("teachers", name, "model"))


def _model(model: Model, path: Path) -> Iterator[Problem]:
    of_torchvision = re.fullmatch(r"torchvision(?:[./]models)?[.:/](\w+)", model.name)
    if not is_known_model(model.name) or of_torchvision:
        message, hint = unknown("model", model.name, MODELS)
        module, _, function = model.name.rpartition(".")
        if of_torchvision and of_torchvision[1] in MODELS:
            hint = f"did you mean {of_torchvision[1]!r}?"
        elif is_named_by_timm(model.name):
            hint = f"did you mean 'timm/{model.name}'?"
        elif function in MODELS:
            hint = f"did you mean {function!r}?"
        elif module and is_own_model(f"{module}:{function}"):
            hint = f"did you mean '{module}:{function}', a function of your own?"
        elif close := models_like(model.name):
            hint = f"did you mean {' or '.join(map(repr, close))}?"
        yield Problem((*path, "name"), message, hint + " others: timm/<name>, hf/<name>, module:function")
    for key in ("channels", "hidden", "dropout", "norm"):
        if getattr(model, key) not in (None, True) and model.name != CNN:
            yield Problem((*path, key), f"{key} shapes the model {CNN!r}, not {model.name!r}", at_key=True)
    if model.args and model.name == CNN:
        yield Problem(
            (*path, "args"), "the cnn takes channels, hidden, dropout and norm, not args", at_key=True
        )


def _seeds(spec: Spec) -> Iterator[Problem]:
    """Unequal numbers of runs have one valid analysis, and it needs enough of them."""
    if not isinstance(spec.seeds, SeedsByRole):
        return
    if spec.analysis.test != "unpaired":
        hint = "add analysis: {test: unpaired}, or give one number of seeds"
        yield Problem(("seeds",), "seeds by role are compared without pairing, which is not declared", hint)
    numbers = {role: len(getattr(spec.seeds, role)) for role in ("baseline", "distilled")}
    for role, number in numbers.items():
        if len(set(numbers.values())) > 1 and number < FEWEST_UNEQUAL:
            message = f"{role} has {number} seeds; unequal numbers need at least {FEWEST_UNEQUAL} for each"
            yield Problem(("seeds", role), message, "with fewer the error rate is not held")


def _metrics(spec: Spec) -> Iterator[Problem]:
    named: list[tuple[Path, str]] = [(("analysis", "metric"), spec.analysis.metric)]
    named += [(("analysis", "secondary", i), metric) for i, metric in enumerate(spec.analysis.secondary)]
    declared = list(spec.metric_goals()) if isinstance(spec, CommandSpec) else []
    for path, metric in named:
        if metric not in (*METRICS, *declared) and (declared or spec.analysis.goal is None):
            message, hint = unknown("metric", metric, declared or METRICS)
            yield Problem(path, message, f"{hint}; or say goal: max or goal: min for a metric of your own")


def _undeclared(spec: CommandSpec) -> Iterator[Problem]:
    """A study of commands that names no metric would be judged by one that only the engine has."""
    if spec.metric_goals() or "metric" in spec.analysis.model_fields_set:
        return
    keys = () if spec.trainer is None else spec.trainer.result.keys
    names = ", ".join(f"{name}: max" for name in keys) or "accuracy: max"
    hint = f"add metrics: {{{names}}} to the trainer, min where less is better"
    place: Path = ("groups",) if spec.trainer is None else ("trainer",)
    yield Problem(place, "no metrics are declared: nothing says which number is judged", hint, at_key=True)


def contrast_problems(contrast: Contrast, path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    """What one contrast names that the cells do not have."""
    kind = contrast.kind
    by_name = {cell.name: cell for cell in cells}
    for index, name in enumerate(contrast.cells()):
        key: str | int = name if kind == "weights" else index
        place = (*path, kind, key)
        if name not in by_name:
            yield Problem(place, *unknown_cell(name, cells), at_key=kind == "weights")
        elif kind in ("difference_of_gains", "all_of") and not by_name[name].method.distils:
            yield Problem(place, f"{name} does not distil, so it has no gain")
        elif contrast.cells().index(name) != index:
            yield Problem(place, f"{name} is named twice")
    if contrast.trend is not None:
        yield from _trend(contrast.trend, (*path, "trend"), cells)


def _trend(trend: TrendSpec, path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    groups = dict.fromkeys(cell.group for cell in cells if cell.role == "student")
    if trend.group not in groups:
        yield Problem((*path, "group"), *unknown("group", trend.group, groups))
        return
    members = [cell for cell in cells if cell.group == trend.group]
    students = dict.fromkeys(cell.student for cell in members)
    if trend.student is not None and trend.student not in students:
        yield Problem((*path, "student"), *unknown("student of this group", trend.student, students))
        return
    if trend.student is None and len(students) > 1:
        hint = f"say which: student: one of {', '.join(students)}"
        yield Problem(
            path, f"the group {trend.group!r} has {len(students)} students; a trend runs over one", hint
        )
        return
    chosen = [resolved(cell) for cell in members if trend.student in (None, cell.student)]
    columns = dict.fromkeys(key for row in chosen for key in row)
    unknown_columns: list[tuple[Path, str]] = [(("over",), trend.over)] if trend.over not in columns else []
    unknown_columns += [(("where", key), key) for key in trend.where if key not in columns]
    for place, column in unknown_columns:
        yield Problem((*path, *place), *unknown("column", column, columns), at_key=place[0] == "where")
    if unknown_columns:
        return
    rows = [row for row in chosen if all(row.get(key) == value for key, value in trend.where.items())]
    levels = {
        row.get(trend.over) for row in rows if row["method"] != "baseline" or trend.over in ("epochs", "lr")
    }
    numeric = [level for level in levels if isinstance(level, int | float) and not isinstance(level, bool)]
    if len(numeric) < 2:
        yield Problem(
            (*path, "over"), f"{trend.over} has {len(numeric)} value(s) here; a trend needs at least two"
        )
    else:
        there = [cell for cell in members if trend.student in (None, cell.student)]
        yield from _one_arm(trend, path, [cell for cell in there if _meets(cell, trend)])


def _meets(cell: Cell, trend: TrendSpec) -> bool:
    row = resolved(cell)
    return cell.method.name != "baseline" and all(row.get(key) == value for key, value in trend.where.items())


def _one_arm(trend: TrendSpec, path: Path, cells: Sequence[Cell]) -> Iterator[Problem]:
    """The analysis follows a trend over cells that differ in nothing else: it must know which, beforehand."""
    arms: dict[tuple[tuple[str, str], ...], list[Cell]] = {}
    levels = {}
    for cell in cells:
        row = {**({} if cell.trainer else loss_weights(cell.method)), **resolved(cell)}
        row |= {"training": training_key(cell), "views": views_key(cell)}
        level = levels[cell.name] = row.get(trend.over)
        if isinstance(level, int | float):
            others = ("method", *others_of(trend.over))
            key = tuple((column, str(row[column])) for column in others if row.get(column) is not None)
            arms.setdefault(key, []).append(cell)
    several = {key: arm for key, arm in arms.items() if len({levels[cell.name] for cell in arm}) > 1}
    if not several:
        yield Problem(path, f"no two cells differ in {trend.over} alone", "check the group and `where`")
        return
    if len(several) > 1:
        ways = [dict(key) for key in several]
        columns = dict.fromkeys(column for way in ways for column in way)
        varying = [one for one in columns if len({way.get(one) for way in ways}) > 1]
        first = {one: SAME_AXIS.get(one, (one,))[0] for one in varying}
        varying = [one for one in varying if first[one] == one or first[one] not in varying]
        listed = "; ".join(", ".join(f"{one} {way.get(one, 'none')}" for one in varying) for way in ways[:6])
        example = next((f"{one}: {ways[0][one]}" for one in varying if one in ways[0]), "…")
        yield Problem(
            path,
            f"{len(several)} arms could be meant ({listed})",
            f"say which with `where`, such as where: {{{example}}}",
        )
        return
    (arm,) = several.values()
    if len({levels[cell.name] for cell in arm}) < len(arm):
        names = some_of([cell.name for cell in arm], 4)
        yield Problem(path, f"two cells share a value of {trend.over}: {names}", "narrow it with `where`")
