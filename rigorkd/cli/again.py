"""The command that runs, as it was typed: for messages that say what to type next.

Whoever follows such a message is to train what was meant. So every option that was given stays in it,
whatever it does, and a message names those that it leaves out; one that `run` gets later is kept unasked.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from typing import Any

import click
from click.core import ParameterSource

OF_ITS_RUNS = frozenset({"retry_failed", "retrain_stale", "keep_going"})
"""What was decided on one study's own failed and stale runs, and is to be decided anew of others."""
SEEDS_BY_SEEDS = frozenset({"until_decided", "gate", "against", "margin", "ledger", "max_seeds"})
"""What makes `run` choose its seeds by what they show."""
_TALK = frozenset({"quiet", "verbose"})


def given_options(context: click.Context) -> Iterator[tuple[click.Option, Any]]:
    """The options that were given, with their values, in the order of the command's help."""
    for option in context.command.params:
        source = context.get_parameter_source(str(option.name))
        if isinstance(option, click.Option) and source not in (ParameterSource.DEFAULT, None):
            yield option, context.params[str(option.name)]


def words_of(option: click.Option, value: Any) -> list[str]:
    """An option with its value, as words of a command line."""
    if option.is_flag:
        return [*(option.opts if value else option.secondary_opts)[:1]]
    words: list[str] = []
    for one in value if option.multiple else (value,):
        words += [option.opts[0], *map(str, one if option.nargs > 1 else (one,))]
    return words


def run_again(without: Collection[str] = ()) -> str:
    """This `rigorkd run`, but for the options (by the names of their parameters) that are left out.

    How much it says is left out, too.
    """
    context = click.get_current_context()
    words = ["rigorkd", "run", str(context.params["protocol"])]
    for option, value in given_options(context):
        if option.name not in _TALK.union(without):
            words += words_of(option, value)
    return shlex.join(words)
