"""What follows ± in a printed table: by its column's name, or by the words of its heading or the caption."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import special

from rigorkd_analysis.metric_names import is_metric
from rigorkd_analysis.published.spread_words import (
    BEHIND,
    USUAL,
    Kind,
    Meant,
    folded,
    long_words,
    meant_by,
    parted,
    short_words,
    without,
)

Said = Literal["sd", "population", "se", "ci"]
"""What a reader may say of ±: a population's standard deviation is divided by n, as numpy does unasked."""

_STEM = re.compile(
    r"(?:^|[_ ./-])(?:mean|avg|average|m|mittelwert|mw|moyenne|media|promedio)(?:$|[_ ./-])|\((?:mean|avg)\)",
    re.IGNORECASE,
)
UNSAID = ("±", "+-", "+/-")
"""What a column of spreads is called that does not say which."""
MADE = "_±"
"""Between a column of cells such as `72.5 ± 0.2` and what ± is there, in the name of the spreads' column."""


@dataclass(frozen=True)
class _Beside:
    """A column that may hold the spreads of another: `rank` is how surely, the least first."""

    rank: int
    column: str
    meant: Meant
    said: bool = True


def spread_column(columns: Sequence[str], metric: str, kind: Kind = "sd") -> str | None:
    """The column that holds the standard deviations (or what else is asked for) of `metric`, by its name."""
    found = [beside for beside in _beside(columns, metric) if beside.meant.kind == kind]
    return found[0].column if found else None


def _beside(columns: Sequence[str], metric: str) -> list[_Beside]:
    """The columns that hold spreads of a metric: those with its name go before those that name nothing."""
    stems = [_bare_name(metric), _bare_name(_STEM.sub("", metric))]
    found: list[_Beside] = []
    of_pairs = {column.partition(MADE)[0] for column in columns if MADE in column}
    for column in columns:
        if column == metric or MADE in f"{column}{metric}" or column in of_pairs:
            continue
        plain = re.sub(r" \(\d+\)$", "", column)  # the second column of a name has its place behind it
        mark = next((mark for mark in sorted(UNSAID, key=len) if mark in plain), None)
        ways = list(parted(plain))
        said = mark is None or bool(ways)
        if not said and mark is not None:
            ways = [(plain.replace(mark, " "), Meant("sd", 1.0))]
        for of, meant in ways:
            own = _bare_name(of)
            if own in stems:
                found.append(_Beside(stems.index(own), column, meant, said))
            elif not own and _follows(columns, metric, column):
                found.append(_Beside(len(stems), column, meant, said))
    at = list(columns).index(metric) if metric in columns else -1
    places = {column: place for place, column in enumerate(columns)}
    # of columns that name nothing, the one on the right of the metric is its own
    return sorted(found, key=lambda one: (one.rank, places[one.column] < at, places[one.column]))


def _bare_name(text: str) -> str:
    return " ".join(re.split(r"(?:[\s_./()\[\],±-]|\+/?-)+", folded(text))).strip()


def _follows(columns: Sequence[str], metric: str, spread: str) -> bool:
    """Whether a column of spreads without a name may be of this metric: no other metric stands before it."""
    if metric not in columns:
        return True
    begin, end = sorted((list(columns).index(metric), list(columns).index(spread)))
    return not any(
        is_metric(other) and meant_by(other) is None and not list(parted(other))
        for other in columns[begin + 1 : end]
    )


@dataclass(frozen=True)
class Spread:
    """A column of spreads, and what they are.

    Attributes:
        number: the level of an interval in percent, else how many deviations or errors it is (2σ).
        word: what it is called that is neither.
        said: whether anything says so; a bare ± is taken as a standard deviation.
        ddof: 1 for a sample's standard deviation (divided by n − 1), 0 for a population's (by n); None if
            nothing says which, as in nearly every paper: then what is claimed must hold for both.
    """

    column: str
    kind: Kind
    number: float | None = None
    said: bool = True
    ddof: Literal[0, 1] | None = None
    word: str = ""

    @property
    def level(self) -> float:
        return self.number if self.kind == "ci" and self.number else USUAL

    @property
    def many(self) -> float:
        return self.number if self.kind in ("sd", "se") and self.number else 1.0

    def per_unit(self, n: int) -> float:
        """The standard deviation over n > 1 seeds for each unit of what is printed, a sample's by default.

        Of an interval it is the largest that it may be: by the normal distribution, not by Student's.
        """
        per = population_factor(n) if self.ddof == 0 else 1.0
        if self.kind == "sd":
            return per / self.many
        return per * math.sqrt(n) / (_normal(self.level) if self.kind == "ci" else self.many)

    @property
    def is_converted(self) -> bool:
        """Whether what is printed is something else than the standard deviation."""
        return self.kind != "sd" or self.many != 1

    @property
    def name(self) -> str:
        return "±" if MADE in self.column else self.column

    def note(self) -> str | None:
        """How it is read, where that is more than its name says."""
        if self.kind == "se":
            many = "" if self.many == 1 else f"{self.many:g} "
            over = "" if self.many == 1 else f" over {self.many:g}"
            return (
                f"{self.name} is read as {many}standard errors: the standard deviation is √n times it{over}"
            )
        if self.many != 1:
            return f"{self.name} is read as {self.many:g} standard deviations"
        if self.kind == "ci":
            return (
                f"{self.name} is read as half of {self.level:g} % intervals: the standard deviation is √n "
                f"times it over {_normal(self.level):.2f}, the largest that they allow"
            )
        if not self.said:
            return (
                f"nothing says what {self.name} is: it is read as a standard deviation over seeds; a "
                "standard error or an interval would change the claims (--spread se or --spread ci reads it "
                "so)"
            )
        return None

    def divisor_note(self) -> str | None:
        """Which divisor the standard deviations are taken to have, where that needs words."""
        if self.ddof == 0:
            return (
                f"{self.name} is read as a population's standard deviation (divided by n, as np.std does): a "
                "sample's is √(n/(n − 1)) times it"
            )
        if self.ddof is None:
            return (
                f"nothing says whether {self.name} is a sample's standard deviation (divided by n − 1, as "
                "pandas and torch do) or a population's (by n, as np.std does): a claim holds for both; "
                "--spread sd says the former, --spread population the latter"
                if self.kind == "sd"
                else f"nothing says whether the standard deviations behind {self.name} are divided by n − 1 "
                f"or by n: a claim holds for both; --spread {self.kind} says n − 1"
            )
        return None


def population_factor(n: int) -> float:
    """How many times a population's standard deviation (divided by n) the sample's (by n − 1) is."""
    return math.sqrt(n / (n - 1))


def _normal(level: float) -> float:
    return -float(special.ndtri((1 - level / 100) / 2))


def spread_of(columns: Sequence[str], metric: str, said: Said | None = None) -> Spread | None:
    """The spreads of a metric, None where the table prints none; standard deviations go before errors.

    Args:
        said: what the reader says they are, whatever their name.
    """
    found = _spread_of(columns, metric)
    if found is None or said is None:
        return found
    return Spread(found.column, "sd", ddof=0) if said == "population" else Spread(found.column, said, ddof=1)


_MADE = re.compile(r"(sd|se|ci|)([\d.]*)(?:/(n|n-1))?|other (.*)", re.DOTALL)


def _spread_of(columns: Sequence[str], metric: str) -> Spread | None:
    for column in columns:
        made = _MADE.fullmatch(column.removeprefix(f"{metric}{MADE}"))
        if not column.startswith(f"{metric}{MADE}") or made is None:
            continue
        if made[4] is not None:
            return Spread(column, "other", word=made[4])
        number = float(made[2]) if made[2] else None
        return Spread(column, _kind(made[1]), number, bool(made[1]), _DDOF.get(made[3]))
    found = _beside(columns, metric)
    for kind in _KINDS:
        for one in found:
            if one.meant.kind == kind:
                ddof = _DDOF.get(_divisor(one.column).removeprefix("/"))
                return Spread(one.column, kind, one.meant.number, one.said, ddof)
    return None


_KINDS: tuple[Kind, ...] = ("sd", "se", "ci")
_DDOF: dict[str | None, Literal[0, 1]] = {"n": 0, "n-1": 1}
"""What is divided by, at the end of the name of a column that was made."""


def _kind(word: str) -> Kind:
    return "se" if word == "se" else "ci" if word == "ci" else "sd"


# ------------------------------------------------------------------------------------ what the words say

_DIVISORS = (
    (
        "n",
        r"population(?:'s)?[\s_-]*(?:std|s\.?d\.?|standard)(?![a-z])"
        r"|(?:std|deviations?|s\.?d\.?)[\s,(]*(?:of the )?population(?![a-z])"
        r"|(?<![a-z-])biased[\s_-]*(?:std|standard)|\b(?:np|numpy)[\s._]*std(?![a-z])"
        r"|\bddof\s*=?\s*0\b|\bpstdev\b",
    ),
    (
        "n-1",
        r"\bsample(?:'s)?[\s_-]*(?:std|s\.?d\.?|standard)(?![a-z])|un-biased[\s_-]*(?:std|standard)|bessel"
        r"|\bddof\s*=?\s*1\b|(?:divid|divisor|denominator|normali[sz])[^.;|]{0,20}n\s*[-−–]\s*1\b"
        r"|\b(?:torch|pandas)[\s._]*std(?![a-z])",
    ),
)
"""Words that tell a population's standard deviation (divided by n) from a sample's (by n − 1)."""
_BEHIND = r"(?:±|\+/-|\+-|mean|avg\.?|average)[\s_,/(\[±]{0,4}(?:one\s|1\s?(?:×\s?)?)?"


def _plain(text: str) -> str:
    text = re.sub(r"\\(?:text)?pm(?![a-zA-Z])|&plusmn;", "±", text)
    text = text.replace("\\%", "%").replace("~", " ").replace("\\,", " ").replace("\\ ", " ")
    return re.sub(r"\\[a-zA-Z]+\*?|[{}$*`]", "", text)


def _said(text: str, heading: bool) -> set[Meant]:
    text = _plain(text)
    return long_words(text) or short_words(text, heading)


def meanings(text: str) -> set[Meant]:
    """What words beside a table say that ± is."""
    return _said(text, False)


def bare(metric: str) -> str:
    """A metric's name without words of its spread: `Acc (mean ± standard error)` is no error."""
    return without(metric)


def spread_name(heading: str, headings: Sequence[str], caption: str, cells: str = "") -> str:
    """What the column is called of the spreads behind ± in a column: by what is said of them.

    What its cells say themselves goes first (`71.3 (SE 0.2)`), then the column's own heading, then what other
    headings say of ±, then the caption. Where two things are said at one place, that settles nothing.
    """
    others = " | ".join(one for one in headings if re.search(BEHIND, _plain(one), re.IGNORECASE))
    places = ((cells, True), (heading, True), (others, False), (caption, False))
    found, where = next(
        ((said, text) for text, is_heading in places if (said := _said(text, is_heading))), (set(), "")
    )
    divisor = next(filter(None, map(_divisor, (cells, heading, others, caption))), "")
    kinds = {one.kind for one in found}
    if len(kinds) != 1:
        # who names a divisor and nothing else speaks of a standard deviation
        return f"{heading}{MADE}{f'sd{divisor}' if divisor and not found else ''}"
    least = min(found, key=lambda one: one.number)
    if least.kind == "other":
        return f"{heading}{MADE}other {where}"
    # of several levels the lowest gives the largest deviation, of several counts the least does
    number = f"{least.number:g}" if least.kind == "ci" or least.number != 1 else ""
    return f"{heading}{MADE}{least.kind}{number}{divisor}"


def _divisor(text: str) -> str:
    """What words say that standard deviations are divided by: /n or /n-1, nothing where they say both."""
    text = re.sub("unbiased", "un-biased", _plain(text), flags=re.IGNORECASE)
    found = [name for name, words in _DIVISORS if re.search(words, text, re.IGNORECASE)]
    return f"/{found[0]}" if len(found) == 1 else ""
