"""A console for commands whose work matters more than their output."""

from __future__ import annotations

import os
import sys

import click

from rigorkd.launch.console import PlainConsole


class SteadyConsole(PlainConsole):
    """Goes on in silence when whoever read its output has gone (`rigorkd run … | head`), and says so once."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, sys.stdout.fileno())
        os.close(silence)
        click.echo("standard output was closed; training goes on (see `rigorkd status`)", err=True)
