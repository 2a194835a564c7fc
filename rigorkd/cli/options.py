"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rigorkd.protocol.load import Protocol

results_option = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder that holds one folder per study.",
)


def seeds_of(text: str | None, protocol: Protocol) -> tuple[int, ...]:
    """The seeds of the command line, or else the protocol's."""
    from rigorkd.protocol.seeds import parse_seeds

    return protocol.seeds if text is None else parse_seeds(text)


def study_folder(study: Path | None, results: Path) -> Path:
    """The study that was named (a folder, or a name under `results`), or the newest one."""
    from rigorkd.errors import InputError
    from rigorkd.records.study import is_study, newest_study
    from rigorkd.text import nearest

    if study is None:
        return newest_study(results)
    for folder in (study, results / study):
        if is_study(folder):
            return folder
    names = [path.name for path in results.iterdir() if is_study(path)] if results.is_dir() else []
    close = nearest(study.name, names)
    raise InputError(
        f"{study}: not a study (no study.json there)",
        hint=f"did you mean {results / close}?" if close else "give a folder that `rigorkd run` made",
    )
