"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rigorkd.protocol.load import Protocol
    from rigorkd.report.sources import Source

results_option = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder that holds one folder per study.",
)

seeds_option = click.option(
    "--seeds", metavar="SEEDS", help="5 is seeds 0 to 4; also 3,7,11 and 5:10. Default: the protocol's."
)

only_option = click.option(
    "--only", multiple=True, metavar="GLOB", help="Only cells that match (repeatable), and what they need."
)


#: Beyond this many runs, predictions are read only when asked for: each is a file.
PREDICTIONS_UP_TO = 200

_QUESTION = (
    click.option("--metric", help="Column to judge  [default: the protocol's, or test_top1]"),
    click.option(
        "--goal", type=click.Choice(["max", "min"]), help="Whether more is better, if the name does not say."
    ),
    click.option(
        "--baseline", "baselines", multiple=True, metavar="CELL", help="Judge cells against this one."
    ),
    click.option("--sesoi", type=float, help="Smallest effect size of interest, in units of the metric."),
    click.option("--alpha", type=float, help="Error rate over a family  [default: 0.05]"),
    click.option(
        "--correction",
        type=click.Choice(["holm", "bonferroni", "bh", "none"]),
        help="How a family is corrected  [default: holm]",
    ),
)


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that change the question put to a source; the names are those of `sources.Question`."""
    for option in reversed(_QUESTION):
        command = option(command)
    return command


def seeds_of(text: str | None, protocol: Protocol) -> tuple[int, ...]:
    """The seeds of the command line, or else the protocol's."""
    from rigorkd.protocol.seed_grammar import parse_seeds

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


def find_source(source: Path | None, results: Path) -> Source:
    """The CSV or the study that was named, `-` for a CSV on standard input, or the newest study."""
    from rigorkd.report.sources import from_csv, from_study

    if source is not None and str(source) == "-":
        return from_csv(Path("/dev/stdin"))
    if source is not None and source.is_file():
        return from_csv(source)
    if source is None or source.is_dir() or (results / source).is_dir():
        return from_study(study_folder(source, results))
    return from_csv(source)  # says that there is no such file or study
