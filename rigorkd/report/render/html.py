"""A page as one self-contained HTML text: styles, script and figures are in it, and a content policy forbids
the browser to fetch more. Equal pages give equal bytes.

Every expression of the templates is escaped and loses hidden characters on its way out; only drawings, which
are made here, enter as they are.
"""

from __future__ import annotations

import re
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rigorkd.report.figures.canvas import key_svg, panel_svg
from rigorkd.report.figures.side_by_side import side_by_side
from rigorkd.report.page import COMMAND, Block, Chart, Page, flat
from rigorkd.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment

    from rigorkd.report.figures.spec import Key


def html(page: Page, processes: int = 1) -> str:
    """Render a page; it needs no network and no other file. At most so many `processes` draw its figures."""
    from markupsafe import Markup

    figures = {block.figure.name: block.figure for block in flat(page.everything) if isinstance(block, Chart)}
    panels = [(figure, at) for figure in figures.values() for at in range(len(figure.panels))]
    drawings = [partial(panel_svg, figure, at, f"{figure.name}-{at}") for figure, at in panels]
    drawn: dict[str, list[Markup]] = {name: [] for name in figures}
    for (figure, _), svg in zip(panels, side_by_side(drawings, processes), strict=True):
        drawn[figure.name].append(Markup(svg))
    return _environment().get_template("page.html.j2").render(page=page, drawn=drawn)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup, escape

    from rigorkd.report.figures.style import PALETTE

    folder = files("rigorkd.report.render") / "templates"

    def load(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    def finalize(value: Any) -> Any:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    def swatch(key: Key) -> Markup:
        return Markup(key_svg(key))

    environment = Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["palette"] = PALETTE

    def commands(text: str) -> Markup:
        parts = COMMAND.split(printable(text))  # text, command, text, …
        shown = [
            Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
            for at, part in enumerate(parts)
        ]
        return Markup("").join(shown)

    environment.filters.update(exact=_exact, kind=_kind, slug=_slug, swatch=swatch, commands=commands)
    return environment


def _exact(value: float | int | str | None) -> str:
    """The shortest text that reads back as the same number; "" for none."""
    if value is None or isinstance(value, str):
        return value or ""
    return str(value) if isinstance(value, int) else repr(float(value))


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.casefold()).strip("-")
