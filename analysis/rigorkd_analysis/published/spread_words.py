"""The words for a spread, in the languages that tables are written in: which kind of spread each one means.

A standard error is √n times smaller than a standard deviation, so no word may be taken for the other kind.
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
        r"standard[\s_-]*deviations?|(?<![a-z])(?:std\.?[\s_-]*dev\w*\.?|stdd?ev|s\.\s?d\.)"
        r"|standard-?abweichung(?:en)?|(?<![a-z])sta?n?d?\.?[\s_-]*abw(?:eichung)?(?:en)?(?![a-z])\.?"
        r"|ecarts?[\s_-]*types?|(?<![a-z])desv(?:iacion(?:es)?|\.)?[\s_-]*(?:est(?:andar|\.)?|tip(?:ica|\.)?)(?![a-z])"
        r"|desvio[\s_-]*padrao|deviazione[\s_-]*standard|(?<![a-z])dev\.?[\s_-]*std\.?(?![a-z])|scarto[\s_-]*tipo"
        r"|standaard(?:afwijking|deviatie)|standardavvik\w*|odchylenie\s+standardowe"
        r"|标准偏?差|標準偏?差|표준\s?편차|стандартн\w*\s+отклонени\w*|ст(?:анд)?\.?\s*откл\w*\.?"
        r"|(?<![a-z])std(?![a-z])(?!\.?[\s_-]*(?:err|fehler))\.?",
    ),
)
"""Words that mean nothing else, wherever they stand."""
_SHORT: tuple[tuple[Kind, str], ...] = (
    ("se", r"s\.?e\.?(?:m\.?)?"),
    ("ci", r"ci|ki|ic"),
    ("sd", r"sd|σ|sigma"),
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
