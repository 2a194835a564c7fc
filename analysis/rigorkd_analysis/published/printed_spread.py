"""What follows ± in a printed table: by its column's name, or by the words of its heading or the caption."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import special

Kind = Literal["sd", "se", "ci"]
"""A standard deviation over seeds, a standard error, or half of a confidence interval."""
Said = Literal["sd", "population", "se", "ci"]
"""What a reader may say of ±: a population's standard deviation is divided by n, as numpy does unasked."""

_STEM = re.compile(r"(?:^|[_ ./-])(?:mean|avg|average|m)(?:$|[_ ./-])|\((?:mean|avg)\)", re.IGNORECASE)
UNSAID = ("±", "+-", "+/-")
"""What a column of spreads is called that does not say which."""
SPREADS = (
    "std", "sd", "stdev", "stddev", "std.", "s.d.", *UNSAID, "std dev", "std_dev", "std. dev.",
    "standard deviation", "standard_deviation",
)  # fmt: skip
ERRORS = (
    "sem",
    "se",
    "s.e.",
    "stderr",
    "std err",
    "std_err",
    "std error",
    "standard error",
    "standard_error",
)
"""What a column of standard errors is called: a standard deviation over √n."""
MADE = "_±"
"""Between a column of cells such as `72.5 ± 0.2` and what ± is there, in the name of the spreads' column."""
USUAL = 95.0
"""The level in percent of an interval that does not say its own."""


def spread_column(columns: Sequence[str], metric: str, words: Sequence[str] = SPREADS) -> str | None:
    """The column that holds the standard deviations (or errors) of `metric`, by any usual pair of names."""
    stem = _STEM.sub("", metric).strip("_ ./-")
    by_folded = {column.casefold(): column for column in columns}
    for base in dict.fromkeys((metric, stem)):
        for word in words:
            for name in (f"{base}_{word}", f"{base} {word}", f"{base}.{word}", f"{base}/{word}",
                         f"{base} ({word})", f"{word}_{base}", f"{word} {base}", f"{word}({base})",
                         f"{base}{word}"):  # fmt: skip
                if name.casefold() in by_folded and by_folded[name.casefold()] != metric:
                    return by_folded[name.casefold()]
    return next((by_folded[word] for word in words if word in by_folded), None)


@dataclass(frozen=True)
class Spread:
    """A column of spreads, and what they are.

    Attributes:
        level: of an interval, in percent.
        said: whether anything says so; a bare ± is taken as a standard deviation.
        ddof: 1 for a sample's standard deviation (divided by n − 1), 0 for a population's (by n); None if
            nothing says which, as in nearly every paper: then what is claimed must hold for both.
    """

    column: str
    kind: Kind
    level: float = USUAL
    said: bool = True
    ddof: Literal[0, 1] | None = None

    def per_unit(self, n: int) -> float:
        """The standard deviation over n > 1 seeds for each unit of what is printed, a sample's by default.

        Of an interval it is the largest that it may be: by the normal distribution, not by Student's.
        """
        per = population_factor(n) if self.ddof == 0 else 1.0
        if self.kind == "sd":
            return per
        return per * math.sqrt(n) / (_normal(self.level) if self.kind == "ci" else 1)

    @property
    def name(self) -> str:
        return "±" if MADE in self.column else self.column

    def note(self) -> str | None:
        """How it is read, where that is more than its name says."""
        if self.kind == "se":
            return f"{self.name} is read as standard errors: the standard deviation is √n times it"
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


def _spread_of(columns: Sequence[str], metric: str) -> Spread | None:
    for column in columns:
        kind = re.fullmatch(r"(sd|se|ci|)([\d.]*)(?:/(n|n-1))?", column.removeprefix(f"{metric}{MADE}"))
        if column.startswith(f"{metric}{MADE}") and kind:
            ddof = _DDOF.get(kind[3])
            return Spread(column, _kind(kind[1]), float(kind[2] or USUAL), bool(kind[1]), ddof)
    if (found := spread_column(columns, metric)) is not None:
        return Spread(found, "sd", said=not any(mark in found.removeprefix(metric) for mark in UNSAID))
    found = spread_column(columns, metric, ERRORS)
    return None if found is None else Spread(found, "se")


_DDOF: dict[str | None, Literal[0, 1]] = {"n": 0, "n-1": 1}
"""What is divided by, at the end of the name of a column that was made."""


def _kind(word: str) -> Kind:
    return "se" if word == "se" else "ci" if word == "ci" else "sd"


# ------------------------------------------------------------------------------------ what the words say

_LEVEL = r"(\d{2}(?:\.\d+)?)\s*%\s*-?\s*"
_WORDS: tuple[tuple[Kind, str], ...] = (
    ("se", r"standard[\s_-]*errors?|(?<![a-z])std\.?[\s_-]*err(?:or)?s?(?![a-z])|(?<![a-z])s\.\s?e\.|stderr"),
    (
        "ci",
        rf"{_LEVEL}(?:confidence[\s_-]*)?(?:intervals?|c\.?i\.?s?)(?![a-z])|confidence[\s_-]*intervals?"
        r"(?:\s*\(?(?:at\s|of\s)?\s*(\d{2}(?:\.\d+)?)\s*%)?",
    ),
    (
        "sd",
        r"standard[\s_-]*deviations?|(?<![a-z])(?:std\.?[\s_-]*dev\w*|stdd?ev|s\.\s?d\.)"
        r"|(?<![a-z])std(?![a-z])(?!\.?[\s_-]*err)",
    ),
)
"""Words that mean nothing else."""
_SHORT: tuple[tuple[Kind, str], ...] = (("se", r"s\.?e\.?m?\.?"), ("ci", r"ci"), ("sd", r"sd|σ"))
"""Short for them, and for networks and methods too: read behind ± or mean, or in parentheses of a heading."""
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
_END = r"(?![\w-])"


def _plain(text: str) -> str:
    text = re.sub(r"\\(?:text)?pm(?![a-zA-Z])|&plusmn;", "±", text)
    text = text.replace("\\%", "%").replace("~", " ").replace("\\,", " ").replace("\\ ", " ")
    return re.sub(r"\\[a-zA-Z]+\*?|[{}$*`]", "", text)


def _said(text: str, heading: bool) -> set[tuple[Kind, float]]:
    text = _plain(text)
    found: set[tuple[Kind, float]] = set()
    for kind, words in _WORDS:
        for one in re.finditer(words, text, re.IGNORECASE):
            found.add((kind, float(next(filter(None, one.groups()), USUAL))))
    for kind, word in _SHORT if not found else ():
        places = [rf"{_BEHIND}(?:{word}){_END}", *[rf"[(\[](?:{word})[)\]]"] * heading]
        if any(re.search(place, text, re.IGNORECASE) for place in places):
            found.add((kind, USUAL))
    return found


def bare(metric: str) -> str:
    """A metric's name without words of its spread: `Acc (mean ± standard error)` is no error."""
    for _, words in _WORDS:
        metric = re.sub(words, "", metric, flags=re.IGNORECASE)
    return metric


def spread_name(heading: str, headings: Sequence[str], caption: str) -> str:
    """What the column is called of the spreads behind ± in a column: by what is said of them.

    The column's own heading goes first, then what other headings say of ±, then the caption. Where two
    things are said at one place, that settles nothing.
    """
    others = " | ".join(one for one in headings if re.search(_BEHIND, _plain(one), re.IGNORECASE))
    found = _said(heading, True) or _said(others, False) or _said(caption, False)
    divisor = next(filter(None, map(_divisor, (heading, others, caption))), "")
    if len({kind for kind, _ in found}) != 1:
        # who names a divisor and nothing else speaks of a standard deviation
        return f"{heading}{MADE}{f'sd{divisor}' if divisor and not found else ''}"
    kind, level = min(found, key=lambda one: one[1])
    return f"{heading}{MADE}{kind}{f'{level:g}' if kind == 'ci' else ''}{divisor}"


def _divisor(text: str) -> str:
    """What words say that standard deviations are divided by: /n or /n-1, nothing where they say both."""
    text = re.sub("unbiased", "un-biased", _plain(text), flags=re.IGNORECASE)
    found = [name for name, words in _DIVISORS if re.search(words, text, re.IGNORECASE)]
    return f"/{found[0]}" if len(found) == 1 else ""
