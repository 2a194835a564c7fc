"""From a figure to bytes: one SVG per panel for the page, one SVG or PDF per figure for papers.

Equal figures give equal bytes: ids come from a fixed salt, and no date is written.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from html import escape
from math import ceil
from textwrap import wrap
from typing import IO, TYPE_CHECKING, Any, Literal

from rigorkd.report.figures.spec import Figure, Key, Panel
from rigorkd.report.figures.style import DASHES, FONT, MARKS, PALETTE, PANEL_WIDTH, SMALL, light, looks_at
from rigorkd.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

Form = Literal["svg", "pdf"]

_TOP, _TOP_WITHOUT_TITLE, _BOTTOM, _RIGHT = 0.3, 0.1, 0.46, 0.12
_BOLD = 0.07
"""Inches of a character of the banner."""


@contextmanager
def _settings(text: Literal["text", "outlines"]) -> Iterator[None]:
    """matplotlib's settings for all figures; text stays text on the page and becomes outlines in files."""
    import matplotlib

    wanted: dict[str, Any] = {
        "font.family": ["DejaVu Sans"],
        "font.size": FONT,
        "mathtext.fontset": "dejavusans",
        "svg.fonttype": "none" if text == "text" else "path",
        "figure.facecolor": "none" if text == "text" else "white",
        "axes.facecolor": "none",
        "svg.hashsalt": "rigorkd",
        "pdf.fonttype": 42,
        "path.simplify": True,
        "text.parse_math": False,
        "axes.edgecolor": light("muted"),
        "axes.labelcolor": light("ink"),
        "axes.titlesize": FONT + 0.5,
        "axes.titleweight": "bold",
        "axes.titlecolor": light("ink"),
        "axes.titlelocation": "left",
        "axes.labelsize": FONT,
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "text.color": light("ink"),
        "xtick.color": light("muted"),
        "ytick.color": light("muted"),
        "xtick.labelcolor": light("ink"),
        "ytick.labelcolor": light("ink"),
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "xtick.major.size": 3.0,
        "ytick.major.size": 3.0,
        "grid.color": light("rule"),
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "axes.unicode_minus": True,
    }
    with matplotlib.rc_context(wanted):  # type: ignore[arg-type]
        yield


def panel_svg(figure: Figure, position: int, key: str) -> str:
    """One panel as an SVG element for an HTML page.

    Its colours are variables (`--fig-ink`, …), its text takes the font of the page, and it carries title and
    description. `key` must be unique on the page.
    """
    panel = figure.panels[position]
    with _settings("text"):
        drawing = _drawing((panel,), columns=1)
        with warnings.catch_warnings():  # a name in another script: the reader's browser has the font
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            raw = _bytes(drawing, "svg").decode()
    label = f"{figure.title}: {panel.title}" if panel.title else figure.title
    return _for_page(raw, key, label, panel.describe)


def figure_file(figure: Figure, form: Form) -> bytes:
    """The whole figure, panels side by side, with its keys and its banner; fonts are embedded."""
    return figure_files(figure, (form,))[form]


def figure_files(figure: Figure, forms: Iterable[Form]) -> dict[Form, bytes]:
    """The whole figure in several forms, drawn once."""
    with _settings("outlines"):
        columns = min(len(figure.panels), figure.columns or (3 if len(figure.panels) != 4 else 2))
        drawing = _drawing(figure.panels, columns, figure.keys, figure.banner)
        return {form: _bytes(drawing, form) for form in forms}


def _drawing(
    panels: tuple[Panel, ...], columns: int, keys: tuple[Key, ...] = (), banner: str = ""
) -> Drawing:
    """Panels on a grid, each row as high as its highest panel, the banner above them."""
    from matplotlib.figure import Figure as Drawing

    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [max(_height(panel) for panel in row) for row in rows]
    width = PANEL_WIDTH * columns
    per_row = _keys_per_row(keys, width)
    legend = 0.17 * ceil(len(keys) / per_row) + 0.12 if keys else 0.0
    lines = wrap(banner, int(width / _BOLD))
    above_all = 0.22 + 0.13 * (len(lines) - 1) if lines else 0.0
    height = sum(heights) + legend + above_all
    drawing = Drawing(figsize=(width, height))
    top = height - above_all
    for at, line in enumerate(lines):
        place = 1 - (0.12 + 0.13 * at) / height
        drawing.text(0.5, place, line, ha="center", va="center", weight="bold", color=light("vermillion"))
    for row, row_height in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            above = _TOP if panel.title else _TOP_WITHOUT_TITLE
            axes = drawing.add_axes(
                (
                    (column * PANEL_WIDTH + panel.left) / width,
                    (top - above - panel.height) / height,
                    (PANEL_WIDTH - panel.left - _RIGHT) / width,
                    panel.height / height,
                )
            )
            panel.draw(axes)
            if panel.title:
                x = -panel.left / (PANEL_WIDTH - panel.left - _RIGHT) + 0.02
                axes.set_title(panel.title, pad=6, x=x, y=None if _may_rise(axes) else 1.0)
        top -= row_height
    if keys:
        drawing.legend(
            handles=[_handle(key) for key in keys],
            loc="lower center",
            ncols=per_row,
            fontsize=SMALL,
            handlelength=2.2,
            columnspacing=1.4,
            borderaxespad=0.2,
        )
    _drop_hidden(drawing)
    return drawing


def _may_rise(axes: Axes) -> bool:
    """Whether matplotlib may have to raise a title, above the factor of an axis (1e6).

    Elsewhere it is told not to look, which takes it a twelfth of the time of a drawing.
    """
    formatter = axes.yaxis.get_major_formatter()
    formatter.set_locs(list(axes.yaxis.get_majorticklocs()))
    return bool(formatter.get_offset())


def _drop_hidden(drawing: Drawing) -> None:
    """Names come from anywhere: whatever stands on a drawing loses the characters that steer a screen."""
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter

    for text in drawing.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(printable(text.get_text()))
    for axis in (axis for axes in drawing.axes for axis in (axes.xaxis, axes.yaxis)):
        formatter = axis.get_major_formatter()
        if isinstance(formatter, FuncFormatter):  # of labels that were given
            formatter.func = partial(_printable_label, formatter.func)


def _printable_label(inner: Callable[[float, int | None], str], x: float, position: int | None) -> str:
    return printable(inner(x, position))


def _keys_per_row(keys: tuple[Key, ...], width: float) -> int:
    """As many as fit side by side; a legend's columns are as wide as their longest text."""
    for columns in range(len(keys), 1, -1):
        widest = [max(len(key.text) for key in keys[start::columns]) for start in range(columns)]
        if sum(0.5 + 0.062 * length for length in widest) < width - 0.1:
            return columns
    return 1


def _height(panel: Panel) -> float:
    return panel.height + _BOTTOM + (_TOP if panel.title else _TOP_WITHOUT_TITLE)


def _handle(key: Key) -> Any:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    color = light(key.role)
    if key.kind == "band":
        return Patch(facecolor=color, edgecolor="none", label=key.text)
    if key.kind in ("thick", "thin"):
        return Line2D([], [], color=color, linewidth=2.4 if key.kind == "thick" else 0.8, label=key.text)
    if key.kind == "line":
        at = looks_at(key.position)
        return Line2D(
            [], [], color=color, linestyle=DASHES[at], marker=MARKS[at], markersize=4, label=key.text
        )
    mark = {"diamond": "D", "cross": "x", "star": "*"}.get(key.kind, "o")
    face = light("paper") if key.kind == "hollow" else color
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=mark,
        markersize=7 if mark == "*" else 5,
        markerfacecolor=face,
        markeredgecolor=color,
        label=key.text,
    )


def _bytes(drawing: Drawing, form: Form) -> bytes:
    stream = io.BytesIO()
    if form == "svg":
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        FigureCanvasSVG(drawing).print_svg(  # type: ignore[no-untyped-call]
            stream, metadata={"Date": None, "Creator": "rigorkd"}
        )
    else:
        from matplotlib.backends.backend_pdf import FigureCanvasPdf

        with _one_font_subset():
            FigureCanvasPdf(drawing).print_pdf(  # type: ignore[no-untyped-call]
                stream, metadata={"CreationDate": None, "Creator": "rigorkd", "Producer": None}
            )
    return stream.getvalue()


_USUAL = "".join(map(chr, range(0x20, 0x7F))) + "ﬀﬁﬂﬃﬄ±²³·×Δαβγδσμ–—’…→−≈≤≥"
"""Characters of figures, as text is set: a font reduced to these serves nearly all of them."""

_LAYOUT = ("GSUB", "GPOS", "GDEF", "kern")
"""Tables for setting text, which a PDF has behind it; to reduce them takes longer than the rest of a font."""


@contextmanager
def _one_font_subset() -> Iterator[None]:
    """Have fonts reduced to the usual characters once, not for every figure to its own: that took most time.

    A figure with others gets them besides. Where matplotlib does it in another way, it does it as ever.
    """
    from matplotlib.backends import _backend_pdf_ps as shared

    theirs = shared.get_glyphs_subset
    if not hasattr(shared, "SubsetResults"):
        yield
        return

    def reduced(font: Any, glyphs: Iterable[int]) -> Any:
        wanted = frozenset(glyphs) | _usual_glyphs(str(font), font.face_index)
        key = (str(font), font.face_index, wanted)
        if key not in _REDUCED:
            content, places = _reduced(font, wanted)
            _REDUCED[key] = shared.SubsetResults(_Saved(content), places)
        return nullcontext(_REDUCED[key])

    shared.get_glyphs_subset = reduced  # type: ignore[assignment]
    try:
        yield
    finally:
        shared.get_glyphs_subset = theirs


def _reduced(font: Any, glyphs: frozenset[int]) -> tuple[bytes, dict[int, int]]:
    """A font with these glyphs alone, and where each of them is in it."""
    from fontTools import subset

    options = subset.Options(glyph_names=True, recommended_glyphs=True, font_number=font.face_index)
    options.drop_tables += [*_LAYOUT, "FFTM", "PfEd"]  # the last two are a font editor's
    subsetter = subset.Subsetter(options)
    subsetter.populate(gids=glyphs)
    stream = io.BytesIO()
    with subset.load_font(font, options) as found:
        subsetter.subset(found)
        found.save(stream, reorderTables=False)
    return stream.getvalue(), subsetter.glyph_index_map


@dataclass(frozen=True)
class _Saved:
    """What writes a reduced font, as often as it is asked to."""

    content: bytes

    def save(self, file: IO[bytes], reorderTables: bool | None = False) -> None:  # as fontTools calls it
        file.write(self.content)


_REDUCED: dict[tuple[str, int, frozenset[int]], Any] = {}


@cache
def _usual_glyphs(font: str, face_index: int) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    face = FT2Font(font, face_index=face_index)
    return frozenset(index for character in _USUAL if (index := face.get_char_index(ord(character))))


_VARIABLES = {shade.light: f"var(--fig-{role})" for role, shade in PALETTE.items()}


def _for_page(raw: str, key: str, title: str, description: str) -> str:
    """Strip what an inline SVG does not need, make ids unique, turn colours into variables."""
    body = raw[raw.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    body = re.sub(
        r' id="([^"]+)"',
        lambda found: f' id="{key}-{found[1]}"' if found[1] in used else "",
        body,
    )
    body = re.sub(r'(url\(#|xlink:href="#)([^)"]+)', lambda found: f"{found[1]}{key}-{found[2]}", body)
    body = body.replace("xlink:href=", "href=")
    body = re.sub(r"font-family: [^;\"]+;? ?", "", body)
    body = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", body)
    body = re.sub(
        r"#[0-9a-f]{6}\b", lambda found: _VARIABLES.get(found[0].lower(), found[0]), body, flags=re.IGNORECASE
    )
    body = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), body)  # no text
    body = re.sub(r">\s+<", "><", body).replace("\n", " ").strip()
    body = re.sub(r"<g([^>]*)>((?:<use [^>]*/>)+)</g>", _style_once, body)
    box = re.search(r'viewBox="([^"]+)"', body)
    head = (
        f'<svg viewBox="{box[1] if box else ""}" role="img" aria-labelledby="{key}-title {key}-desc" '
        f'class="panel"><title id="{key}-title">{escape(printable(title))}</title>'
        f'<desc id="{key}-desc">{escape(printable(description))}</desc>'
    )
    return head + body[body.index(">") + 1 :]


_STAR = "M12 .6l1.5 3.7 4 .3-3 2.6 1 3.9-3.5-2.1-3.5 2.1 1-3.9-3-2.6 4-.3z"


def _style_once(group: re.Match[str]) -> str:
    """Marks that all look the same take their style from their group."""
    styles = set(re.findall(r' style="([^"]*)"', group[2]))
    if len(styles) != 1:
        return group[0]
    (style,) = styles
    return f'<g{group[1]} style="{style}">{re.sub(r" style=.[^>]*?(?=/>)", "", group[2])}</g>'


def key_svg(key: Key) -> str:
    """A small swatch for a key on the page."""
    color = f"var(--fig-{key.role})"
    dashes = DASHES[looks_at(key.position)]
    dash = "" if isinstance(dashes, str) else f' stroke-dasharray="{" ".join(f"{x:g}" for x in dashes[1])}"'
    shapes = {
        "band": f'<rect x="2" y="1" width="20" height="10" fill="{color}"/>',
        "thick": f'<path d="M1 6H23" stroke="{color}" stroke-width="3"/>',
        "thin": f'<path d="M1 6H23" stroke="{color}" stroke-width="1"/>',
        "line": f'<path d="M1 6H23" stroke="{color}" stroke-width="1.8"{dash}/>' + _dot(key, color),
        "filled": f'<circle cx="12" cy="6" r="3.6" fill="{color}"/>',
        "hollow": f'<circle cx="12" cy="6" r="3.2" fill="none" stroke="{color}" stroke-width="1.5"/>',
        "diamond": f'<path d="M12 1.5L16.5 6L12 10.5L7.5 6Z" fill="{color}"/>',
        "cross": f'<path d="M8.5 2.5L15.5 9.5M15.5 2.5L8.5 9.5" stroke="{color}" stroke-width="1.6"/>',
        "star": f'<path d="{_STAR}" fill="{color}"/>',
    }
    return (
        f'<svg viewBox="0 0 24 12" width="24" height="12" aria-hidden="true" focusable="false">'
        f"{shapes[key.kind]}</svg>"
    )


def _dot(key: Key, color: str) -> str:
    marks = (
        '<circle cx="12" cy="6" r="3"',
        '<rect x="9.2" y="3.2" width="5.6" height="5.6"',
        '<path d="M12 2.4L15.4 9H8.6Z"',
        '<path d="M12 2L16 6L12 10L8 6Z"',
        '<path d="M12 9.6L15.4 3H8.6Z"',
        '<path d="M10.6 2.6h2.8v2h2v2.8h-2v2h-2.8v-2h-2v-2.8h2z"',
    )
    return f'{marks[looks_at(key.position)]} fill="{color}"/>'
