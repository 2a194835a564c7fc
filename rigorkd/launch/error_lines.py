"""Which line of what a failed command printed says why: launchers and libraries write their own below it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_TRACEBACK = "Traceback (most recent call last):"
_RAISED_BY_LAUNCHERS = re.compile(
    r"torch\.distributed\.\S*ChildFailedError|(subprocess\.)?CalledProcessError: Command "
)
"""Ends the traceback of a launcher (torchrun, accelerate), whose child failed and said why above."""
_LISTS = re.compile(r"Config search path:$|Available options in '.*':$")
"""Heads lines that are set in, what Hydra knows."""
_NO_REASON = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"Set the environment variable HYDRA_FULL_ERROR=1",
        r"(full_key|object_type|reference_type)[:=]",  # of OmegaConf, below its message
        r"See https?://\S+ for more|For (more|further) (details|information|help)\b",
        r"Try '.*(--help|-h)' for help",
        r"usage: ",
        r".*\btorch[./]distributed[./]elastic\b",
        r".*\bfailed \(exitcode: -?\d+\) local_rank",
        r".*Sending process \d+ closing signal",
        r".*\bdestroy_process_group\(\)",
        r"wandb: ",
        r"srun: error: .* task .*: Exited with exit code",
        r"[\W_]*$",  # a rule, or the frame of a message
    )
)
_FRAME = re.compile(r"^[│┃|]\s*(.*?)\s*[│┃|]$")
_RANK = re.compile(r"^\[(rank|default)\d+\]:\s*")


def error_line(text: str) -> str:
    """The last line that may be the reason of a failure; the last one that says something, where none may."""
    rows = [row for row in text.replace("\r", "\n").splitlines() if row.strip()]
    last = rows[-1].strip() if rows else ""
    for lines in (_without_launchers(rows), rows):
        told = [line for line in _plain(lines) if not any(each.match(line) for each in _NO_REASON)]
        if told:
            return told[-1]
    return last


def _without_launchers(rows: Sequence[str]) -> list[str]:
    """The lines above the last traceback of a launcher; all, where there is none."""
    for at, row in enumerate(rows):
        if _RAISED_BY_LAUNCHERS.match(row.strip()):
            begun = [before for before in range(at) if rows[before].strip() == _TRACEBACK]
            return list(rows[: begun[-1] if begun else at])
    return list(rows)


def _plain(rows: Sequence[str]) -> Iterator[str]:
    """Lines without frames and ranks, and without lists of what there is."""
    listed = False
    for row in rows:
        line = _RANK.sub("", row.strip())
        if framed := _FRAME.match(line):
            line = framed[1]
        listed = listed and row[:1].isspace()
        if _LISTS.match(line):
            listed = True
        elif not listed and line:
            yield line
