"""The words for a spread, in the languages that tables are written in: which kind of spread each one means.

A standard error is √n times smaller than a standard deviation, so no word may be taken for the other kind.
Rows and columns that sum up others are called by these words, and by those for a mean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["sd", "se", "ci", "other"]
"""A standard deviation over seeds, a standard error, half of a confidence interval, or none of them."""
USUAL = 95.0
"""The level in percent of an interval that does not say its own."""

_LEVEL = r"(?:(?P<level>\d{2}(?:\.\d+)?)\s*%\s*-?\s*)"
_BEHIND_LEVEL = r"(?:\s*\(?(?:at\s|of\s)?\s*(?P<after>\d{2}(?:\.\d+)?)\s*%)?"
_OF_WHOM = r"(?:(?<![a-z])(?:sample|population|(?:un-?)?biased)[\s_-]+)?"
"""What stands before a standard deviation and says what it was divided by."""
_LONG: tuple[tuple[Kind, str], ...] = (
    (
        "se",
        r"standard[\s_-]*errors?|(?<![a-z])std\.?[\s_-]*err(?:or)?s?\.?(?![a-z])|(?<![a-z])s\.\s?e\.(?:\s?m\.)?"
        r"|stderr|standard-?fehler|std\.?[\s_-]*fehler|erreurs?[\s_-]*(?:type|standard|std)"
        r"|error(?:es)?[\s_-]*(?:estandar|tipico|std)|erro[\s_-]*padrao|errore[\s_-]*standard|standaardfout"
        r"|标准误差?|標準誤差?|표준\s?오차|стандартн\w*\s+ошибк\w*|ст(?:анд)?\.?\s*ошибк\w*",
    ),
    (
        "ci",
        rf"{_LEVEL}(?:confidence[\s_-]*)?(?:intervals?|[ck]\.?i\.?s?|i\.?c\.?)(?![a-z])"
        rf"|{_LEVEL.replace('level', 'before')}?(?:confidence[\s_-]*intervals?"
        r"|(?<![a-z])conf\.?[\s_-]*int(?:erval)?s?(?![a-z])\.?|(?:konfidenz|vertrauens)(?:intervall|bereich)\w*"
        r"|intervalles?\s+de\s+confiance|intervalos?\s+de\s+confian[zc]a|intervall[oi]\s+di\s+confidenza"
        rf"|betrouwbaarheidsinterval\w*|置信区间|信頼区間|신뢰\s?구간|доверительн\w*\s+интервал\w*){_BEHIND_LEVEL}",
    ),
    (
        "sd",
        rf"{_OF_WHOM}(?:standard[\s_-]*deviations?|(?<![a-z])(?:std\.?[\s_-]*dev\w*\.?|stdd?ev|s\.\s?d\.)"
        r"|standard-?abweichung(?:en)?|(?<![a-z])sta?n?d?\.?[\s_-]*abw(?:eichung)?(?:en)?(?![a-z])\.?"
        r"|ecarts?[\s_-]*types?|(?<![a-z])desv(?:iacion(?:es)?|\.)?[\s_-]*(?:est(?:andar|\.)?|tip(?:ica|\.)?)(?![a-z])"
        r"|desvio[\s_-]*padrao|deviazione[\s_-]*standard|(?<![a-z])dev\.?[\s_-]*std\.?(?![a-z])|scarto[\s_-]*tipo"
        r"|standaard(?:afwijking|deviatie)|standardavvik\w*|odchylenie\s+standardowe"
        r"|标准偏?差|標準偏?差|표준\s?편차|стандартн\w*\s+отклонени\w*|ст(?:анд)?\.?\s*откл\w*\.?"
        r"|(?<![a-z])std(?![a-z])(?!\.?[\s_-]*(?:err|fehler))\.?)",
    ),
)
"""Words that mean nothing else, wherever they stand."""
_SHORT: tuple[tuple[Kind, str], ...] = (
    ("se", r"s\.?e\.?(?:m\.?)?"),
    ("ci", r"ci|ki|ic"),
    ("sd", rf"{_OF_WHOM}(?:sd|σ|sigma)"),
    (
        "other",
        r"var(?:iance|ian[zc]a?)?|方差|range|half[\s-]range|spannweite|iqr|inter-?quartile(?:[\s-]range)?|mad"
        r"|(?:median|mean)[\s-]absolute[\s-]deviation|max(?:imum|imal|\.)?[\s-](?:deviation|abweichung)|quantiles?"
        r"|percentiles?",
    ),
)
"""Words that mean a network, a method or a setting elsewhere: read where only a spread can stand."""
_MANY = r"(?:(?P<many>[123](?:\.\d+)?|one|two|three|zwei|deux|dos)\s*[×x*·]?\s*-?)"
_WORDS = {"one": 1.0, "two": 2.0, "three": 3.0, "zwei": 2.0, "deux": 2.0, "dos": 2.0}
_BEFORE_MANY = r"(?:^|[±(\[=,]|\+/-|\b(?:are|is|show|by|mean|denotes?|bars?:?))\s*"
BEHIND = r"(?:±|\+/-|\+-|mean|avg\.?|average|median|mittelwert|mw|moyenne|media)[\s_,/(\[±]{0,4}"
"""What stands before the word for a spread."""
_END = r"(?![\w-])"


@dataclass(frozen=True)
class Meant:
    """A kind of spread, and its number: the level of an interval in percent, else how many there are (2σ)."""

    kind: Kind
    number: float


def folded(text: str) -> str:
    """Text in small letters without accents: `Écart-type` is ecart-type."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).casefold())
    return unicodedata.normalize("NFC", "".join(c for c in apart if not "\u0300" <= c <= "\u036f"))


def long_words(text: str) -> set[Meant]:
    """What the unmistakable words in a text mean."""
    text = folded(text)
    found: set[Meant] = set()
    for kind, words in _LONG:
        for one in re.finditer(words, text):
            found.add(Meant(kind, _number(kind, one, text[: one.start()])))
    return found


def short_words(text: str, heading: bool) -> set[Meant]:
    """What the short words mean that stand behind ± or a mean, or in the brackets of a heading."""
    text = folded(text)
    for kinds in (("se", "ci", "sd"), ("other",)):
        found = set[Meant]()
        for kind, word in _SHORT:
            places = [rf"{BEHIND}{_MANY}?(?:{word}){_END}"]
            places += [rf"[(\[]{_MANY}?(?:{word})[)\]]"] if heading else []
            for place in places if kind in kinds else ():
                for one in re.finditer(place, text):
                    found.add(Meant(kind, _times(one["many"]) if kind in ("sd", "se") else _usual(kind)))
        if found:
            return found
    return set()


def meant_by(word: str) -> Meant | None:
    """What a word means that stands alone, as in `71.3 (SE 0.2)` or above a column: None for any other."""
    text = folded(word).strip(" ._-/()[]:=")
    if not text:
        return None
    for kind, words in (*_LONG, *_SHORT):
        # a dot at its end may be the word's own
        for own in (text, f"{text}."):
            if one := re.fullmatch(rf"(?:±\s*)?{_MANY}?(?:{words})", own):
                many = one["many"]
                return Meant(kind, _times(many) if many else _number(kind, one, ""))
    return None


_MEANS = frozenset({"mean", "avg", "average", "mittelwert", "moyenne", "media", "promedio"})
SUMMARY = _MEANS | {
    "std", "sd", "median", "min", "max", "count", "sem", "var", "total", "overall", "all", "25%", "50%",
    "75%", "range", "spread", "95%_ci", "95%_ci_±",
}  # fmt: skip
"""What rows and columns below and beside the runs are called that sum them up, beside the words above."""
_JOINTS = re.compile(r"_*(?:±|\+/?-|[(),/&])_*")
_ANY_LONG = re.compile("|".join(f"(?:{words})" for _, words in _LONG))
_COUNTED = re.compile(r"n_?=_?\d{1,4}|(?:of_|over_)?\d{1,4}_(?:seeds|runs)")
_LONGEST = 100
"""Characters of a name that may sum others up."""


def sums_up(name: str) -> bool:
    """Whether a row or a column is called as what sums up runs: `mean`, `Mean (std)`, `Sample SD`."""
    return bool(parts := _summing(name)) and not all(map(_COUNTED.fullmatch, parts))


def is_mean(name: str) -> bool:
    """Whether a row or a column is called as a mean, which may have its spread beside it: `Avg ± sd`."""
    return not _MEANS.isdisjoint(_summing(name))


def _summing(name: str) -> list[str]:
    """The words of a name that are all of a summary; none where one is not."""
    short = re.sub(r"[\s-]+", "_", name.strip().casefold())
    if len(short) > _LONGEST:
        return []
    parts = [short] if short in SUMMARY else [part for part in _JOINTS.split(short) if part]
    told = all(part in SUMMARY or _COUNTED.fullmatch(part) or _is_spread(part) for part in parts)
    return parts if told else []


def _is_spread(word: str) -> bool:
    """Whether a word means a spread wherever it stands, with what it was divided by or without."""
    text = folded(word).replace("_", " ")
    if re.sub(rf"^{_OF_WHOM}", "", text) in SUMMARY:
        return True
    return any(map(_ANY_LONG.fullmatch, (text, f"{text}.")))  # a dot at its end may be the word's own


def without(text: str) -> str:
    """A text without the unmistakable words of a spread."""
    for _, words in _LONG:
        text = re.sub(words, "", text, flags=re.IGNORECASE)
    return text


def parted(name: str) -> Iterator[tuple[str, Meant]]:
    """Each way to take a column's name apart into what it is a spread of ("" for nothing) and the spread."""
    text = folded(name).strip()
    if (alone := meant_by(text)) is not None:
        yield "", alone
    for kind, words in _LONG:
        for one in re.finditer(words, text):
            rest = f"{text[: one.start()]} {text[one.end() :]}"
            yield rest, Meant(kind, _number(kind, one, ""))
    for kind, words in _SHORT:
        if kind == "other":
            continue
        for place in (rf"^(?:{words})(?=[\s_./(-])", rf"(?<=[\s_./(-])(?:{words})(?=$|[)\]])"):
            for one in re.finditer(place, text):
                yield f"{text[: one.start()]} {text[one.end() :]}", Meant(kind, _usual(kind))


def _usual(kind: Kind) -> float:
    return USUAL if kind == "ci" else 1.0


def _number(kind: Kind, one: re.Match[str], before: str) -> float:
    """The level of an interval, or the number of deviations that the text before the word counts."""
    if kind == "ci":
        named = one.groupdict()
        return float(
            next((level for key in ("level", "before", "after") if (level := named.get(key))), USUAL)
        )
    counted = re.search(rf"{_BEFORE_MANY}{_MANY}$", before)
    return _times(counted["many"]) if counted else 1.0


def _times(many: str | None) -> float:
    return 1.0 if many is None else _WORDS.get(many) or float(many)
