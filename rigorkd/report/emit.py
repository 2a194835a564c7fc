"""Writing a command's answer in the format asked for: the document alone on stdout, all else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from rigorkd.report.page import Format, Page


def emit(form: Format, page: Callable[[], Page], *, json: Callable[[], str], csv: Callable[[], str]) -> None:
    """Print one answer.

    For the document formats, banner and warnings are repeated on stderr, where a pipe does not swallow them.
    """
    if form == "table":
        from rigorkd.report.terminal import show

        show(page())
        return
    if form == "json":
        text = json()
    elif form == "csv":
        text = csv()
    elif form == "markdown":
        from rigorkd.report.markdown import markdown

        text = markdown(page())
    else:
        from rigorkd.report.latex import latex

        text = latex(page())
    rendered = page()
    for line in (rendered.banner, *(f"warning: {warning}" for warning in rendered.warnings)):
        if line:
            click.echo(line, err=True)
    sys.stdout.write(text)
    sys.stdout.flush()
