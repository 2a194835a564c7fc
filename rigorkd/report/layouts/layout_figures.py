"""From a layout to a figure: the panels of the publication, with our means and intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rigorkd_analysis.axes import SYMBOLS
from rigorkd_analysis.metric_names import label
from rigorkd_analysis.wording import percent_text

from rigorkd.errors import InputError
from rigorkd.report.conditions import banner_about, caption_under_conditions
from rigorkd.report.evidence import CellFacts, Evidence, Floats, Images, SoftOutput
from rigorkd.report.figures.catalog import CATALOG
from rigorkd.report.figures.convergence import Curves, epoch_panel, over_seeds
from rigorkd.report.figures.marks import axis_name, in_words, setting_name
from rigorkd.report.figures.spec import Figure, Key, Panel
from rigorkd.report.figures.style import SERIES, SMALL, light, series
from rigorkd.report.layouts.layout_spec import (
    CatalogLayout,
    CurvesLayout,
    EpochsLayout,
    FigureLayout,
    HeatLayout,
    SoftenedLayout,
    SortedLayout,
)
from rigorkd.report.layouts.layout_tables import grid_of, softened_images
from rigorkd.report.layouts.wanted_cells import (
    by_columns,
    called,
    lacking,
    of_one,
    restricted,
    setting,
    wanted,
)
from rigorkd.report.numbers import MetricNumbers
from rigorkd.report.sentences import overlap_said, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def layout_figure(name: str, layout: FigureLayout, studies: Sequence[Evidence]) -> Figure:
    """The figure of a layout; with several studies, such as one per data set, each has its panels.

    Raises:
        InputError: a study has none of the cells, or nothing of what is to be drawn.
    """
    panels: list[Panel] = []
    keys: dict[str, Key] = {}
    notes: list[str] = []
    doubted: list[str] = []
    for evidence in studies:
        prefix = f"{evidence.analysis.study}: " if len(studies) > 1 else ""
        made, own_keys, own_notes, shown = _draw(evidence, layout)
        panels += [Panel(prefix + p.title, p.draw, p.height, p.describe, p.left) for p in made]
        keys |= {key.text: key for key in own_keys if key.text not in keys}
        doubted += filter(None, [banner_about(evidence.analysis, shown)])
        own_notes = [*own_notes, caption_under_conditions(evidence.analysis, "")]
        notes += [prefix + note for note in own_notes if note and prefix + note not in notes]
    title = layout.title + (f" ({layout.published})" if layout.published else "")
    return Figure(
        name,
        titled(title, doubted),
        " ".join((*notes, *filter(None, [layout.note]))),
        tuple(panels),
        tuple(keys.values()),
        columns=layout.side_by_side if isinstance(layout, CurvesLayout) else None,
        doubted=tuple(doubted),
    )


Parts = tuple[list[Panel], list[Key], list[str], list[str]]
"""Panels, what their marks mean, what is to be said below them, and the cells that they show."""


def _draw(evidence: Evidence, layout: FigureLayout) -> Parts:
    match layout:
        case CatalogLayout():
            return _of_catalog(evidence, layout)
        case CurvesLayout():
            return _curves(evidence, layout)
        case EpochsLayout():
            return _epochs(evidence, layout)
        case HeatLayout():
            return _heat_map(evidence, layout)
        case SortedLayout():
            return _sorted(evidence, layout)
        case SoftenedLayout():
            return _softened(evidence, layout)


def _of_catalog(evidence: Evidence, layout: CatalogLayout) -> Parts:
    found = wanted(evidence, layout.cells)
    some = restricted(evidence, found.cells)
    panels: list[Panel] = []
    keys: dict[str, Key] = {}
    notes: list[str] = []
    for entry in CATALOG:
        figure = entry.make(some) if entry.name in layout.figures else None
        if figure is not None:
            panels += list(figure.panels)
            keys |= {key.text: key for key in figure.keys}
            notes += [note for note in (figure.caption, figure.omitted) if note and note not in notes]
    if not panels:
        raise InputError(
            f"{evidence.analysis.study} has nothing to draw of {', '.join(layout.figures)}",
            hint="`rigorkd figures --help` says what each shows",
        )
    return panels, list(keys.values()), [*notes, lacking(found.missing)], _names(found.cells)


def _names(cells: Iterable[CellFacts]) -> list[str]:
    return [cell.cell for cell in cells]


# ---------------------------------------------------------------------------------------- against a setting


def _curves(evidence: Evidence, layout: CurvesLayout) -> Parts:
    found = wanted(evidence, layout.cells)
    panels: dict[str, dict[str, list[CellFacts]]] = {}
    names: list[str] = []
    for cell in found.cells:
        line = called(cell, layout.lines, layout.words) or label(layout.metric)
        names += [line] if line not in names else []
    for cell in by_columns(found.cells, layout.panels):
        line = called(cell, layout.lines, layout.words) or label(layout.metric)
        panels.setdefault(called(cell, layout.panels, layout.words), {}).setdefault(line, []).append(cell)
    settings = [text for text in dict.fromkeys(_x(cell, layout) for cell in found.cells) if text]
    if all(_is_number(text) for text in settings):
        settings.sort(key=float)
    colours = {name: at for at, name in enumerate(names)}
    if layout.grey:
        colours = {names[-1]: 0}
        keys = [
            Key(names[-1], "line", "blue"),
            Key(f"{', '.join(names[:-1])}, from light to dark", "thin", "muted"),
        ]
        keys = keys if len(names) > 1 else keys[:1]
    else:
        keys = [Key(name, "line", SERIES[at % len(SERIES)], at) for name, at in colours.items()]
    drawn = [
        _curve_panel(evidence, layout, title, lines, settings, names, colours)
        for title, lines in panels.items()
    ]
    share = percent_text(1 - evidence.analysis.alpha)
    note = f"{share} intervals of each mean. {overlap_said(evidence.analysis, 'overlap of these is')}."
    said = of_one(evidence, found.cells, (*layout.panels, *layout.lines, *layout.x), layout.words)
    return drawn, keys if len(names) > 1 else [], [said, note, lacking(found.missing)], _names(found.cells)


def _curve_panel(
    evidence: Evidence,
    layout: CurvesLayout,
    title: str,
    lines: dict[str, list[CellFacts]],
    settings: list[str],
    names: list[str],
    colours: dict[str, int],
) -> Panel:
    place = {text: at for at, text in enumerate(settings)}
    metric = layout.metric
    ordered = [name for name in names if name in lines]

    def along(name: str) -> list[tuple[int, CellFacts, float]]:
        """The cells of a line by their place, those with a mean."""
        there = [(place[at], cell) for cell in lines[name] if (at := _x(cell, layout))]
        there.sort(key=lambda pair: pair[0])
        return [(x, cell, mean) for x, cell in there if (mean := cell.mean(metric)) is not None]

    def draw(axes: Axes) -> None:
        axes.grid(axis="y", zorder=0)
        for order, name in enumerate(ordered):
            known = along(name)
            shift = (order - (len(ordered) - 1) / 2) * min(0.08, 0.5 / max(1, len(ordered)))
            xs, ys = [x + shift for x, _, _ in known], [mean for _, _, mean in known]
            if name not in colours:
                darkness = 0.25 + 0.6 * (order + 1) / len(ordered)
                axes.plot(xs, ys, color=light("muted"), alpha=darkness, linewidth=0.9, zorder=2)
                continue
            role, mark, dashes = series(colours[name])
            look: dict[str, Any] = {"color": light(role), "linewidth": 1.3, "linestyle": dashes}
            axes.plot(xs, ys, marker=mark, markersize=3.5, zorder=4, **look)
            for cell in lines[name]:
                if not _x(cell, layout) and (mean := cell.mean(metric)) is not None:
                    axes.axhline(mean, zorder=2, **look)
            for x, cell, _ in known:
                low, high = _interval(evidence, cell, metric)
                if low is not None and high is not None:
                    axes.vlines(x + shift, low, high, color=light(role), linewidth=0.9, zorder=3)
        axes.set_xticks(range(len(settings)), settings)
        axes.set_xlim(-0.45, max(len(settings), 1) - 0.55)
        axes.set_xlabel(setting_name(evidence, layout.x[0]))
        axes.set_ylabel(axis_name(evidence, metric))

    say, symbol = _numbers(evidence, metric), SYMBOLS.get(layout.x[0], layout.x[0])
    told = []
    for name in ordered:
        values = [f"{say(mean)} at {symbol} = {settings[at]}" for at, _, mean in along(name)]
        alone = [say(cell.mean(metric)) for cell in lines[name] if not _x(cell, layout)]
        told.append(f"{name}: {', '.join([*values, *alone])}")
    return Panel(title, draw, 1.9, in_words(told), 0.62)


def _interval(evidence: Evidence, cell: CellFacts, metric: str) -> tuple[float | None, float | None]:
    """The t interval of a mean; the analysis' own for its metric."""
    if metric == evidence.analysis.metric:
        summary = evidence.summary(cell.cell)
        return summary.ci_low, summary.ci_high
    summaries = [one for item in evidence.analysis.secondary if item.metric == metric for one in item.cells]
    found = next((one for one in summaries if one.cell == cell.cell), None)
    return (None, None) if found is None else (found.ci_low, found.ci_high)


def _x(cell: CellFacts, layout: CurvesLayout) -> str:
    """Where a cell stands along the axis, "" for one that stands nowhere."""
    return next((text for column in layout.x if (text := setting(cell, column))), "")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _numbers(evidence: Evidence, metric: str) -> MetricNumbers:
    return MetricNumbers(metric, [cell.mean(metric) for cell in evidence.cells], [None])


# ------------------------------------------------------------------------------------------ against epochs


_AXES = {
    "val_loss": "validation loss",
    "val_objective": "validation objective",
    "val_top1": "validation top-1 (%)",
    "train_loss": "training loss",
    "train_top1": "training top-1 (%)",
}


def _epochs(evidence: Evidence, layout: EpochsLayout) -> Parts:
    found = wanted(evidence, layout.cells)
    groups: dict[str, list[CellFacts]] = {}
    for cell in found.cells:
        groups.setdefault(called(cell, layout.panels, layout.words), []).append(cell)
    panels = []
    for title, cells in groups.items():
        for column in layout.columns:
            drawn: list[Curves] = []
            names = [called(cell, layout.lines, layout.words) for cell in cells]
            for cell, words in zip(cells, names, strict=True):
                name = words if words and names.count(words) == 1 else cell.label
                if (curve := over_seeds(evidence, cell, column, name)) is not None:
                    drawn.append(curve)
            if drawn:
                axis = _AXES.get(column, column)
                panels.append(epoch_panel(f"{title}: {axis}" if title else axis, drawn, axis))
    if not panels:
        raise InputError(
            f"{evidence.analysis.study} has no history of {', '.join(layout.columns)}",
            hint="a study's folder has it; a table of runs has no epochs",
        )
    note = "Lines are means over seeds, bands reach from the lowest to the highest seed."
    said = of_one(evidence, found.cells, (*layout.panels, *layout.lines), layout.words)
    return panels, [], [said, note, lacking(found.missing)], _names(found.cells)


# ------------------------------------------------------------------------------------------------ heat maps


def _heat_map(evidence: Evidence, layout: HeatLayout) -> Parts:
    grid = grid_of(evidence, layout)
    names = []
    for down in grid.down:
        entropy, rest = grid.entropies.get(down, (None, None))
        told = "" if entropy is None else f"  {entropy:.2f}"
        names.append(down + told + ("" if rest is None else f"/{rest:.2f}"))
    every = [_or_nan(cell.mean(layout.metric)) for cell in grid.cells.values()]
    limits = (float(np.nanmin(every)), float(np.nanmax(every)))
    parts: dict[str, dict[str, dict[str, CellFacts]]] = {}
    for (down, _), cell in grid.cells.items():
        title, x = called(cell, layout.across[:-1], layout.words), setting(cell, layout.across[-1])
        parts.setdefault(title, {}).setdefault(x, {})[down] = cell
    drawn = [
        _heat_panel(evidence, layout, title, columns, grid.down, names, limits)
        for title, columns in parts.items()
    ]
    said = of_one(evidence, grid.cells.values(), (*layout.down, *layout.across), layout.words)
    notes = [said, "Means over seeds, darker where larger."]
    if grid.entropies:
        notes.append(
            f"Beside a row: normalised entropy of its teacher's output at T = {layout.softness:g}, whole and "
            f"without the most probable class, on {grid.images}."
        )
    return drawn, [], [*notes, lacking(grid.missing)], _names(grid.cells.values())


def _heat_panel(
    evidence: Evidence,
    layout: HeatLayout,
    title: str,
    columns: dict[str, dict[str, CellFacts]],
    down: tuple[str, ...],
    names: list[str],
    limits: tuple[float, float],
) -> Panel:
    across = sorted(columns, key=float) if all(map(_is_number, columns)) else list(columns)
    say = _numbers(evidence, layout.metric)
    values = np.full((len(down), len(across)), math.nan)
    for column, x in enumerate(across):
        for row, name in enumerate(down):
            if name in columns[x]:
                values[row, column] = _or_nan(columns[x][name].mean(layout.metric))

    def draw(axes: Axes) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        shades = LinearSegmentedColormap.from_list("blue", [light("paper"), light("sky"), light("blue")])
        low, high = limits
        known = np.ma.masked_invalid(values)
        axes.imshow(known, cmap=shades, aspect="auto", interpolation="nearest", vmin=low, vmax=high)
        for row, column in np.argwhere(np.isfinite(values)):
            dark = high > low and (values[row, column] - low) / (high - low) > 0.75
            axes.text(
                column, row, f"{values[row, column]:.1f}", ha="center", va="center", fontsize=5.0,
                color=light("paper" if dark else "ink"),
            )  # fmt: skip
        axes.set_xticks(range(len(across)), across)
        axes.set_yticks(range(len(down)), names, fontsize=5.5)
        axes.set_xlabel(setting_name(evidence, layout.across[-1]))
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)

    told = [
        f"{name}, {called(cell, layout.across[-1:], {})}: {say(cell.mean(layout.metric))}"
        for x in across
        for name, cell in columns[x].items()
    ]
    left = min(1.7, 0.15 + 0.045 * max(map(len, names)))
    return Panel(title, draw, 0.16 * len(down) + 0.1, in_words(told), left)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


# ------------------------------------------------------------------------------------------ softened outputs


def _teachers(
    evidence: Evidence, patterns: Sequence[str], images: Images = "test"
) -> tuple[dict[str, tuple[SoftOutput, ...]], str]:
    """Softened outputs by teacher, and what is missing."""
    found = wanted(evidence, patterns, teachers=True)
    names = [cell.cell for cell in found.cells if cell.method == "teacher"]
    out = {name: items for name in names if (items := evidence.softened(name, images))}
    if not out:
        raise InputError(
            f"{evidence.analysis.study} has no softened outputs of its teachers",
            hint="the records of a study's teachers have them; a table of runs has not",
        )
    return out, lacking(found.missing)


def _named(layout: SortedLayout | SoftenedLayout, teacher: str) -> str:
    """A teacher in a layout's words."""
    name = teacher.removeprefix("teacher/")
    return layout.words.get("teacher", {}).get(name, name)


def smoothed(entropy: float, classes: int) -> Floats:
    """The label smoothing over so many classes, largest first, whose entropy relative to log C is this."""
    low, high = 1.0 / classes, 1.0
    for _ in range(60):
        top = (low + high) / 2
        rest = (1 - top) / (classes - 1)
        own = -(top * math.log(top) + (classes - 1) * (rest * math.log(rest) if rest > 0 else 0.0))
        low, high = (top, high) if own > entropy * math.log(classes) else (low, top)
    return np.array([top] + [(1 - top) / (classes - 1)] * (classes - 1))


def _sorted(evidence: Evidence, layout: SortedLayout) -> Parts:
    images, told = softened_images(evidence, layout.images)
    found, missing = _teachers(evidence, layout.teachers, images)
    panels = []
    for teacher, items in found.items():
        for T in layout.T:
            at = np.flatnonzero(items[0].temperature == T)
            if at.size:
                profile = np.mean([item.sorted_softmax[at[0]] for item in items], axis=0)
                panels.append(_bars_panel(f"{_named(layout, teacher)}, T = {T:g}", profile, layout.classes))
    keys = [
        Key("mean sorted softmax of the teacher", "band", "blue"),
        Key("label smoothing of the same entropy", "filled", "ink"),
    ]
    note = (
        f"The {layout.classes} most probable classes of the teacher's softened output, sorted in each image "
        f"and averaged over runs and {told}; the axes differ."
    )
    return panels, keys, [note, missing], list(found)


def _bars_panel(title: str, profile: Floats, most: int) -> Panel:
    profile = np.asarray(profile, dtype=np.float64)
    classes = len(profile)
    p = profile[profile > 0]
    smooth = smoothed(float(-(p * np.log(p)).sum() / math.log(classes)), classes)[:most]
    shown = profile[:most]

    def draw(axes: Axes) -> None:
        axes.grid(axis="y", zorder=0)
        ranks = range(1, len(shown) + 1)
        axes.bar(ranks, shown, color=light("blue"), width=0.8, zorder=2)
        axes.plot(
            ranks, smooth, "o", color=light("ink"), markersize=3.4, markeredgecolor=light("paper"),
            markeredgewidth=0.5, zorder=3,
        )  # fmt: skip
        axes.set_xticks([1, *range(5, len(shown) + 1, 5)])
        axes.set_xlabel("class, by probability")
        axes.set_ylabel("probability")

    told = [f"{value:.4g}" for value in shown]
    return Panel(title, draw, 1.6, f"Largest first: {in_words(told)}", 0.62)


def _softened(evidence: Evidence, layout: SoftenedLayout) -> Parts:
    found, missing = _teachers(evidence, layout.teachers)
    panels = []
    for teacher, items in found.items():
        at = np.flatnonzero(items[0].target == layout.target)
        if not at.size:
            classes = ", ".join(str(int(one)) for one in items[0].target)
            raise InputError(
                f"{teacher} kept no softened image of class {layout.target}", hint=f"there are: {classes}"
            )
        for T in layout.T:
            which = np.flatnonzero(items[0].temperature == T)
            if which.size:
                title = f"{_named(layout, teacher)}, T = {T:g}"
                panels.append(_image_panel(title, items[0].softened[at[0], which[0]], layout.target))
    keys = [Key("the image's class", "filled", "vermillion"), Key("another class", "filled", "sky")]
    note = f"The softened output of one run for one test image, the first of class {layout.target}."
    return panels, keys, [note, missing], list(found)


def _image_panel(title: str, softened: Floats, target: int) -> Panel:
    shown = np.arange(len(softened)) if len(softened) <= 20 else np.sort(np.argsort(-softened)[:20])
    if target not in shown:
        shown = np.sort(np.append(shown[:-1], target))

    def draw(axes: Axes) -> None:
        axes.grid(axis="y", zorder=0)
        for place, name in enumerate(shown):
            role = light("vermillion" if name == target else "sky")
            axes.bar(place, softened[name], color=role, width=0.8, zorder=2)
            if len(shown) <= 10:
                axes.text(
                    place, softened[name] + 0.02, f"{softened[name]:.3f}", ha="center", fontsize=4.5,
                    color=light("ink"),
                )  # fmt: skip
        axes.set_xticks(range(len(shown)), [str(int(name)) for name in shown], fontsize=SMALL - 1)
        axes.set_ylim(0, 1.08)
        axes.set_xlabel("class")
        axes.set_ylabel("probability")

    told = [f"class {int(name)} {softened[name]:.3f}" for name in shown]
    return Panel(title, draw, 1.7, in_words(told), 0.62)
