"""The console of commands that work for a while: it prints text as it stands."""

from __future__ import annotations

from rich.console import Console


class PlainConsole(Console):
    """A console for text with names and paths of the user's own.

    Brackets are no markup and words between colons no emoji there, numbers have no colours, and a long line
    is left to the terminal.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)
