"""The page: its sections in order, and the rendering to one HTML text.

Pure: an `Evidence` in, a text out; the same evidence gives the same bytes. Nothing on the page is loaded from
anywhere: styles, script and figures are in it, and a content policy forbids the browser to fetch more.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from rigorkd import __version__
from rigorkd.report.evidence import Evidence
from rigorkd.report.figures import best, cost, forest, overall, seeds, settings, softness, training
from rigorkd.report.figures.canvas import key_svg, panel_svg
from rigorkd.report.figures.spec import Figure
from rigorkd.report.headline import FAMILIES
from rigorkd.report.html import families, study
from rigorkd.report.html import settings as cells
from rigorkd.report.html.answer import answer
from rigorkd.report.html.view import Block, Chart, DataTable, Fold, Prose, Said, Section, Swatch, View

if TYPE_CHECKING:
    from jinja2 import Environment

_SENTENCES = 60


def page(evidence: Evidence) -> str:
    """Render a report as one self-contained HTML page."""
    return _environment().get_template("page.html.j2").render(view=view(evidence))


def view(evidence: Evidence) -> View:
    """Everything on the page, before it is HTML."""
    analysis = evidence.analysis
    smoke = next((text for text in analysis.warnings if text.startswith("SMOKE")), "")
    name = analysis.study or "study"
    return View(
        title=f"{'SMOKE: ' if smoke else ''}{name} · rigorkd report",
        study=name,
        banner=smoke,
        answer=answer(evidence),
        sections=tuple(section for section in _sections(evidence) if section is not None and section.blocks),
        colophon=f"Made by rigorkd {__version__}. Every number in a table carries its unrounded value.",
    )


def _sections(evidence: Evidence) -> Iterable[Section | None]:
    analysis = evidence.analysis
    for position, family in enumerate(analysis.families):
        yield _family(evidence, position)
        if family is analysis.family("gains"):
            yield _seeds(evidence)
    if analysis.family("gains") is None:
        yield _seeds(evidence)
    yield Section("settings", "Temperature and α", _settings(evidence))
    chosen = cells.choice_table(analysis)
    yield Section("best", "Which cell may be the best", _blocks(_chart(best.candidates(evidence)), chosen))
    yield Section("means", "Every cell", (cells.cells_table(evidence),))
    costs = cells.costs_table(evidence)
    yield Section("cost", "Accuracy and cost", _blocks(_chart(cost.tradeoff(evidence)), costs))
    yield Section("training", "Training", _blocks(_chart(training.convergence(evidence))))
    yield Section(
        "teacher",
        "Teacher",
        _blocks(cells.teachers_table(evidence), _chart(softness.softness(evidence))),
    )
    if analysis.secondary:
        tables = tuple(families.secondary(analysis, at) for at in range(len(analysis.secondary)))
        yield Section("secondary", "Secondary metrics", tables)
    if analysis.images:
        yield Section("images", "New test images", (families.images(analysis),))
    if analysis.sequential is not None:
        yield Section(
            "sequential", "Sequential verdicts", (families.sequential(analysis, analysis.sequential),)
        )
    yield Section(
        "power", "Power", tuple(families.power(analysis, at) for at in range(len(analysis.families)))
    )
    yield study.planned(evidence)
    yield study.methods(analysis)
    if evidence.provenance is not None:
        yield study.provenance(evidence.provenance)
    yield study.reproduce(evidence)


def _family(evidence: Evidence, position: int) -> Section:
    analysis = evidence.analysis
    family = analysis.families[position]
    figure: Figure | None = None
    if family.name == "gains":
        figure = forest.gains(evidence, added=family is not analysis.family("gains"))
    elif family.name == "contrasts":
        figure = forest.contrasts(evidence, family.planned)
    table = families.verdicts(analysis, position)
    ident = table.id.removesuffix("-verdicts")
    said = [
        Said(comparison.says, f"families/{position}/comparisons/{at}/says")
        for at, comparison in enumerate(family.comparisons[:_SENTENCES])
    ]
    if family.size > _SENTENCES:
        said.append(
            Said(f"The first {_SENTENCES} of {family.size:,}; rigorkd analyze --format csv has them all.")
        )
    words = (
        Fold("In words, for a paper", (Prose(tuple(said), bullets=True),)),
        Fold("All statistics", (families.statistics(analysis, position),)),
    )
    return Section(
        ident,
        FAMILIES[family.name],
        (*_blocks(_chart(figure), table), *words),
        mark="planned" if family.planned else "exploratory",
    )


def _seeds(evidence: Evidence) -> Section:
    blocks = _blocks(_chart(seeds.pairs(evidence)), _chart(overall.overall(evidence)))
    return Section(
        "seeds", "Every seed", (*blocks, Fold("Every run as a number", (cells.seeds_table(evidence),)))
    )


def _settings(evidence: Evidence) -> tuple[Block, ...]:
    drawn = [settings.gain_curves(evidence, "T"), settings.gain_curves(evidence, "alpha")]
    if not any(drawn):
        drawn = [settings.mean_curves(evidence, "T"), settings.mean_curves(evidence, "alpha")]
    said = cells.factorial_sentences(evidence.analysis)
    table = cells.factorial_table(evidence.analysis)
    return (
        *_blocks(*(_chart(figure) for figure in drawn)),
        *cells.grid_tables(evidence),
        *((Prose(said),) if said else ()),
        *((Fold("The F tests", (table,)),) if table is not None else ()),
    )


def _blocks(*found: Chart | DataTable | None) -> tuple[Block, ...]:
    return tuple(block for block in found if block is not None)


def _chart(figure: Figure | None) -> Chart | None:
    if figure is None or not figure.panels:
        return None
    return Chart(
        id=f"figure-{figure.name}",
        title=figure.title,
        caption=figure.caption,
        panels=tuple(panel_svg(figure, at, f"{figure.name}-{at}") for at in range(len(figure.panels))),
        swatches=tuple(Swatch(key_svg(key), key.text) for key in figure.keys),
        omitted=figure.omitted,
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    from rigorkd.report.figures.style import PALETTE

    folder = files("rigorkd.report.html") / "templates"

    def load(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    environment = Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["palette"] = PALETTE
    environment.filters["exact"] = _exact
    return environment


def _exact(value: float | int | str | None) -> str:
    """The shortest text that reads back as the same number; "" for none."""
    if value is None or isinstance(value, str):
        return value or ""
    return str(value) if isinstance(value, int) else repr(float(value))
