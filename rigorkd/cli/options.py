"""Options and arguments that several commands share."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rigorkd.cli.again import given_options, words_of

if TYPE_CHECKING:
    from rigorkd_analysis.results import Analysis

    from rigorkd.protocol.load import Protocol, Settle
    from rigorkd.readers.raw import Reading
    from rigorkd.readers.tidying import Tidy
    from rigorkd.report.judging import Question
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

_GOALS = {"max": "max", "min": "min", "higher": "max", "lower": "min"}

goal_option = click.option(
    "--goal",
    type=click.Choice([*_GOALS]),
    metavar="[max|min]",
    callback=lambda _context, _option, goal: _GOALS.get(goal),
    help="Whether more (max, higher) or less (min, lower) is better, if the name does not say.",
)

interim_option = click.option(
    "--interim", is_flag=True, help="Judge a study before its planned runs are there; that is a look."
)
baselines_option = click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="CELL",
    help="Judge cells against this one, on its data. A method's word (scratch) or COLUMN=VALUE (alpha=0) "
    "takes for each the one that shares all else. Repeatable.",
)
_QUESTION = (
    click.option("--metric", help="Column to judge  [default: the protocol's, or test_top1]"),
    goal_option,
    baselines_option,
    click.option("--sesoi", type=float, help="Smallest effect size of interest, in units of the metric."),
    click.option(
        "--seeds",
        metavar="SEEDS",
        callback=lambda _context, _option, text: parsed_seeds(text),
        help="Judge these seeds alone, such as 5:8 for 5, 6, 7: those that no look has seen stay valid.",
    ),
    interim_option,
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


_FURTHER = (
    click.option(
        "--compare",
        nargs=2,
        multiple=True,
        metavar="A B",
        help="Compare two cells, or two methods' words on all that both have; repeatable.",
    ),
    click.option("--all-pairs", is_flag=True, help="Add all pairs of cells within a student (exploratory)."),
    click.option(
        "--unpaired",
        is_flag=True,
        help="Compare runs without pairing them by seed (Welch): for cells without common seeds.",
    ),
    click.option(
        "--sequential",
        is_flag=True,
        help="Add verdicts that stay valid while seeds are added, of the seeds that are there. `rigorkd run "
        "--until-decided` trains more seeds until these verdicts are reached.",
    ),
)


def further_questions(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that add a question, for commands that show everything which was found; those of `Question`."""
    for option in reversed(_FURTHER):
        command = option(command)
    return command


def parsed_seeds(text: str | None) -> tuple[int, ...] | None:
    """The seeds of the command line, None where none are named."""
    from rigorkd.protocol.seed_grammar import parse_seeds

    return None if text is None else parse_seeds(text)


_VARIANT = (
    click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change one value of the protocol, such as training.epochs=2 (repeatable); needs --study.",
    ),
    click.option("--study", "variant", metavar="NAME", help="Name of the study that is made so."),
)


def variant_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that make another protocol from the one that is named; for `load_variant`."""
    for option in reversed(_VARIANT):
        command = option(command)
    return command


def load_variant(
    path: Path, changes: Sequence[str], variant: str | None, settle: Settle | None = None
) -> Protocol:
    """The protocol that was named, or the variant of it that was asked for."""
    from rigorkd.errors import InputError, ProtocolError
    from rigorkd.protocol.load import by_the_files, load_protocol, variant_of

    settle = settle or by_the_files
    if variant is None:
        if changes:
            raise InputError(
                f"--set {changes[0]}: this is another study than the protocol's, and has no name",
                hint="give it one: --study NAME",
            )
        return load_protocol(path, settle=settle)
    content = variant_of(path, changes, variant)
    try:
        return load_protocol(path, content, settle)
    except ProtocolError as error:
        set_to = "".join(f" --set {change}" for change in changes)
        wrong = InputError(f"with{set_to} --study {variant}: {error.message}", hint=error.hint)
        wrong.cells = error.cells
        raise wrong from None


def seeds_of(text: str | None, protocol: Protocol) -> tuple[int, ...]:
    """The seeds of the command line, or else the protocol's."""
    from rigorkd.protocol.seed_grammar import parse_seeds

    return protocol.seeds if text is None else parse_seeds(text)


def study_folder(study: Path | None, results: Path, *, told: bool = True, begun: bool = True) -> Path:
    """The study that was named (a folder, or a name under `results`), or the one that is meant without.

    If `told`, what is not obvious about that choice is said on stderr. Unless it must have `begun`, it may be
    a folder in which a launch is starting.
    """
    from rigorkd.errors import InputError
    from rigorkd.launch.study_status import begins, default_study
    from rigorkd.records.study import is_study, studies_in, where_studies_lie
    from rigorkd.text import nearest

    if study is None:
        folder, why = default_study(results, begun=begun)
        if told and why:
            aside(f"note: {folder}: {why}")
        return folder
    for folder in (study, results / study):
        if is_study(folder) or (not begun and begins(folder)):
            return folder
    names = [path.name for path in studies_in(results)]
    close = nearest(study.name, names)
    there = "no study.json there" if os.path.lexists(study) else "there is no such file or folder"
    raise InputError(
        f"{study}: not a study ({there})",
        hint=f"did you mean {results / close}?"
        if close
        else where_studies_lie(study)
        or where_studies_lie(results)
        or "give a folder that `rigorkd run` made",
    )


_READING = (
    click.option("--cell", metavar="COLUMNS", help="The columns that define a cell, such as model,lr."),
    click.option(
        "--seed", metavar="PATTERN", help="The seed's column, or a pattern for names: run{} takes 3 of run3."
    ),
    click.option(
        "--select", metavar="EPOCH", help="Of a log of epochs: last, or best:COLUMN, such as best:val_acc."
    ),
    click.option(
        "--average",
        multiple=True,
        metavar="COLUMN",
        help="Average within a seed: over fold, item or the like, or over a setting, each method's own. "
        "Repeatable.",
    ),
    click.option(
        "--without",
        multiple=True,
        metavar="NAME",
        help="Judge without a cell, or of tables without a value such as method=DKD, or a pattern such "
        "as '*-T4': every verdict says so, and all is exploratory. Repeatable.",
    ),
    click.option("--wide", is_flag=True, help="Every column of numbers is a cell."),
    click.option("--decimal", type=click.Choice([".", ","]), help="What stands before decimals."),
    click.option("--encoding", metavar="NAME", help="Of text files  [default: UTF-8]"),
    click.option("--sheet", metavar="NAME", help="Of a workbook."),
    click.option(
        "--from", "kind", metavar="KIND", help="Of a folder with several kinds of logs: which to read."
    ),
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say how results from elsewhere are read; the names are those of `Reading`."""
    for option in reversed(_READING):
        command = option(command)
    return command


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What commands that show what sources hold have in common: `sources`, and the options for `ask`."""
    command = results_option(question_options(reading_options(command)))
    return click.argument("sources", nargs=-1, metavar="[SOURCE]...")(command)


def reading_of(options: dict[str, Any]) -> Reading:
    """Takes the reading options out of a command's options, as far as it has them."""
    from dataclasses import fields

    from rigorkd.readers.raw import Reading

    own = [field for field in fields(Reading) if field.name != "goal"]  # which the question has as well
    options["average"] = ",".join(options.pop("average", None) or ()) or None
    return Reading(
        **{field.name: options.pop(field.name, field.default) for field in own}, goal=options.get("goal")
    )


def find_source(
    sources: Sequence[str],
    results: Path,
    asked: Reading | None = None,
    metric: str | None = None,
    *,
    every_seed: bool = False,
) -> Source:
    """The study or the tables that were named, `-` for a CSV on standard input, or the newest study.

    `every_seed` is for `from_study`.
    """
    from rigorkd.errors import InputError
    from rigorkd.readers.raw import Reading
    from rigorkd.records.study import is_study, where_studies_lie
    from rigorkd.report.sources import from_sources, from_study

    if not sources:
        return from_study(study_folder(None, results), every_seed=every_seed)
    studies = [name for name in sources if is_study(Path(name)) or is_study(results / name)]
    if studies and len(sources) > 1:
        raise InputError(
            f"{studies[0]} is a study, and other sources are given beside it",
            hint="analyze judges one study, or several tables as one; `rigorkd compare` compares studies",
        )
    if studies:
        if asked is not None and not asked.is_plain:
            raise InputError(
                f"{studies[0]} is a study: it says itself what its cells and seeds are",
                hint="leave --cell, --seed, --select and the like out",
            )
        return from_study(study_folder(Path(studies[0]), results), every_seed=every_seed)
    lone = Path(sources[0])
    if len(sources) == 1 and lone.suffix in (".yaml", ".yml") and lone.is_file():
        raise InputError(
            f"{lone}: a protocol, or another file in YAML, and no results",
            hint="give the study's folder, results/<study>, by the name at `study:` in a protocol",
        )
    if len(sources) == 1 and (os.path.lexists(lone / "study.json") or where_studies_lie(lone)):
        return from_study(study_folder(lone, results))  # says so
    if len(sources) == 1 and not lone.exists() and not lone.suffix and (asked is None or asked.is_plain):
        from rigorkd.readers.kinds import expanded, remote

        if remote(sources[0]) is None and expanded(sources[0]) == [lone]:
            return from_study(study_folder(lone, results))  # says that there is no such study
    return from_sources(sources, asked or Reading(), metric, lambda text: click.echo(f"{text} …", err=True))


def judged_for_a_page(found: Source, question: Question) -> tuple[Analysis, Question]:
    """The analysis for what is sent to others: after a look with the answers that hold then."""
    from dataclasses import replace

    from rigorkd.report.headline import waits_for_sequential
    from rigorkd.report.judging import analysis_of

    analysis = analysis_of(found, question, up_to=PREDICTIONS_UP_TO)
    if analysis.sequential is None and waits_for_sequential(analysis):
        question = replace(question, sequential=True)
        analysis = analysis_of(found, question, up_to=PREDICTIONS_UP_TO)
    return analysis, question


def asked_so(found: Source, sources: Sequence[str]) -> str:
    """Sources and options of the command that runs, as `rigorkd analyze` takes them to judge the same.

    Of the options those that were given and change the analysis: the fields of `Question` and `Reading`.
    Files are named from where the user stands: a page is sent to others, whom this machine does not concern.
    """
    from dataclasses import fields

    from rigorkd.readers.kinds import remote
    from rigorkd.readers.raw import Reading
    from rigorkd.records.interim import listed_seeds
    from rigorkd.report.judging import Question

    def told(source: str) -> str:
        if source == "-" or remote(source):
            return re.sub(r"//[^/@]*@", "//", source)  # without a user and password
        relative = os.path.relpath(source) if Path(source).is_absolute() else source
        return f"./{relative}" if relative.startswith("-") else relative

    named = [str(found.folder)] if found.folder is not None else list(sources)
    words = [told(source) for source in named]
    asking = {field.name for kind in (Question, Reading) for field in fields(kind)}
    for option, value in given_options(click.get_current_context()):
        if option.name in asking:
            words += words_of(option, listed_seeds(value) if option.name == "seeds" else value)
    return shlex.join(words)


def ask(
    sources: Sequence[str], results: Path, asked: dict[str, Any], *, told: bool = True
) -> tuple[Source, Question]:
    """The sources that were named, and the question put to them, from a command's remaining options."""
    from rigorkd.report.judging import Question

    reading = reading_of(asked)
    found = find_source(sources, results, reading, asked["metric"])
    if told:
        tell(found)
    # tables are read without them: what a cell, a seed and the metric are is decided by what stays
    return found, Question(**asked, without=() if found.folder is None else reading.without)


def aside(text: str) -> None:
    """A line on stderr for whoever watches: wrapped on a terminal, whole in a file."""
    from rigorkd.text import fitted

    click.echo(fitted(text, sys.stderr), err=True)


def warn(found: Source, question: Question, analysis: Analysis, *, all_of_it: bool = True) -> None:
    """Note the look; say on stderr what an analysis warns of, where the document alone does not show it."""
    from rigorkd.report.judging import note
    from rigorkd.report.sentences import banner_of
    from rigorkd.text import one_line

    banner = banner_of(analysis.warnings)
    for warning in analysis.warnings if all_of_it else ():
        aside(one_line(warning if warning == banner else f"warning: {warning}"))
    if trouble := note(found, analysis, question):
        aside(trouble)


def tell(found: Source) -> None:
    """Say on stderr what was understood of tables, and what was left out."""
    if found.tidy is None:
        return
    for line in account(found.tidy, most=10):
        aside(line)


def account(tidy: Tidy, most: int | None = None) -> list[str]:
    """What was understood, in three lines, and a line for each thing that was left out, at most so many."""
    from rigorkd.text import one_line

    dropped = tidy.dropped if most is None else tidy.dropped[:most]
    lines = [*tidy.understood, *(f"left out: {text}" for text in dropped)]
    if len(dropped) < len(tidy.dropped):
        lines.append(f"left out: {len(tidy.dropped) - len(dropped)} more; --dry-run lists all")
    return [one_line(line) for line in lines]
