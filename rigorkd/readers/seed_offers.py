"""What may be the seed where nothing says it: offers for a message, judged by whoever asked."""

from __future__ import annotations

import re
import shlex

from rigorkd_analysis.runs import seed_of

from rigorkd.readers.draft import Draft, kinds_of_seeds
from rigorkd.readers.known_names import INNER, canonical, folded
from rigorkd.readers.shapes import ENDS, is_metric
from rigorkd.text import count, some_of


def _counted(first: int, many: int) -> set[str]:
    return set(map(str, range(first, first + many)))


_REPEATS = frozenset(
    {"rep", "repeat", "repetition", "replicate", "trial", "try", "draw", "run", "iteration", "lauf",
     "durchlauf", "wiederholung", "versuch", "essai", "corrida", "prueba"}
)  # fmt: skip
"""Words for what seeds number; two values of anything else are rather a setting."""
_SIZES = frozenset({"layers", "units", "depth", "width", "size", "dim", "hidden", "batch", "steps", "heads"})


def seedlike(draft: Draft) -> str | None:
    """The first column that may hold seeds, as its file spells it: numbers from 0 or 1 on, or any whole ones
    that are each there equally often."""
    likely = None
    for name in map(str, draft.frame.columns):
        values = draft.frame[name]
        often = values.value_counts()
        if (
            canonical(name) is None
            and not is_metric(name)
            and not name.startswith(("_", "column "))
            and folded(name) not in INNER
            and _SIZES.isdisjoint(words := re.split("[^a-z]+", name.casefold()))
            and 1 + _REPEATS.isdisjoint(words) < len(often) < len(values)
        ):
            numbers, alike = {str(number) for number in often.index}, often.nunique() == 1
            if numbers in (_counted(0, len(often)), _counted(1, len(often))):
                rising = often[sorted(often.index, key=int)]
                if alike or rising.is_monotonic_decreasing:  # some cells have fewer runs
                    return draft.spelt(name)
            if alike and likely is None and all(re.fullmatch(r"\d{1,9}", number) for number in numbers):
                likely = draft.spelt(name)
    return likely


def numbered(draft: Draft) -> str | None:
    """The pattern of headings that count from 0 or 1, as `Run 1`, `Run 2` do and `Top-1`, `Top-5` do not."""
    found: dict[str, set[str]] = {}
    for name in map(str, draft.frame.columns):
        part = None if name.startswith(("_", "column ")) or is_metric(name) else ENDS.fullmatch(name)
        if part:
            found.setdefault(part[1], set()).add(name.removeprefix(part[1]))
    for stem, numbers in found.items():
        if len(numbers) > 1 and numbers in (_counted(0, len(numbers)), _counted(1, len(numbers))):
            return f"{stem}{{}}"
    return None


def refuse_kinds(draft: Draft) -> None:
    """Where seeds of several kinds are crossed, ask for the outermost one and to average over the others.

    Raises:
        InputError: there are several, with the options that judge them.
    """
    kinds = list(map(draft.spelt, kinds_of_seeds(draft)))
    if len(kinds) < 2:
        return
    outer, inner = kinds[0], kinds[1]
    raise draft.table.error(
        f"{count(len(kinds), 'column')} may hold the seed: {', '.join(kinds)}",
        "runs that share one of them are no replicates of each other: give "
        f"--seed {shlex.quote(outer)} --average {shlex.quote(inner)}, or the other way round",
        seed=outer,
        average="" if draft.asked.average else inner,
    )


def refuse_words(draft: Draft, asked: str) -> None:
    """Refuse a column given as the seed of which no value is one.

    Raises:
        InputError: it holds words.
    """
    words = list(map(str, draft.frame["seed"].unique()))
    if any(seed_of(word) is not None for word in words):
        return
    raise draft.table.error(
        f"--seed {asked}: {some_of(words, 3)} are no seeds",
        "a seed is an integer of at most 64 bits, such as 0, of which each names a training"
        + over_data_sets(draft, asked),
    )


def over_data_sets(draft: Draft, asked: str = "") -> str:
    """What to do with methods that were run once on each of several data sets, "" where that is not so."""
    data = [name for name in ("dataset", "task") if name in draft.frame and draft.frame[name].nunique() > 4]
    if not data:
        return ""
    named = asked or draft.spelt(data[0])
    return (
        f"; methods that were run once on each {named} are compared over data sets, as by "
        "autorank (Friedman, Wilcoxon), and not over seeds"
    )
