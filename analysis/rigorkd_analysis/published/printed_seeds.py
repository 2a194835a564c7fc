"""How many seeds are behind each mean of a printed table, by the words of its headings and its caption."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_MANY = rf"(?P<n>(?<![\d.,])\d{{1,3}}(?![\d.,]?\d|\s*[%-])|\b(?:{'|'.join(_WORDS)})\b)"
_KIND = r"(?:(?:random|independent|different|distinct|separate|training|repeated|full|complete)[\s-]+)"
_BEFORE = (
    r"(?:^|[(\[,;:=±]|\b(?:over|of|across|from|with|using|for|by|in|on|are|is|and|use|used|ran|run|report|averaging|the|"
    r"our|all|least|per))\s*"
)
_SEEDS = r"(?:seeds?|runs?|trials?|repetitions?|repeats|re-?runs?|initiali[sz]ations?|restarts|trainings)\b"
_SAID = (
    rf"{_BEFORE}{_MANY}\s+{_KIND}*{_SEEDS}",
    rf"\b(?P<n>single)[\s-]+{_KIND}*(?:seed|run|trial|training)\b",
    rf"{_BEFORE}{_MANY}\s+{_KIND}+(?:[a-z]+[\s/-]+)?splits\b",
    rf"(?:repeated|averaged|averaging|averages?|means?|trained|run)\s[^.;|]{{0,30}}?{_MANY}\s+times\b",
    rf"\bn(?:[_ ]?(?:seeds|runs))?\s*=\s*{_MANY}(?=\s*(?:{_KIND}*{_SEEDS}|[(),.;:|\]]|$))",
    rf"\b(?:seeds|runs|trials)\s*[=:]\s*{_MANY}",
    rf"\b(?:means?|averages?|averaged|avg\.?)\s+(?:of|over)\s+{_MANY}(?=\s*(?:[.;,)]|$))",
)
_FELL = re.compile(
    r"\s*(?:\w+\s+){0,2}(?:diverged?|diverges|failed|fails|crashed|crashes|collapsed|collapses|missing|lost|"
    r"excluded|removed|dropped|discarded|omitted|left out|did not|didn['’]t|does not|not converge)\b",
    re.IGNORECASE,
)
"""What stands behind a number of runs that are not there: no result is a mean over these."""
_OTHER = r"(?:best|max(?:imum)?|min(?:imum)?|highest|lowest|worst|median)\b"
_NO_MEAN = re.compile(rf"\b{_OTHER}[^.;,|]{{0,25}}$", re.IGNORECASE)
"""What stands before a number of runs of which another value than the mean is printed, and behind it."""
_NO_MEAN_BEHIND = re.compile(
    rf"[^.;|]{{0,30}}\b(?:report|show|keep|tak|choos|select|pick)\w*\s(?:the\s)?{_OTHER}", re.IGNORECASE
)
_SIGNS = {
    "*": r"(?:\\?\*|\\ast\b)",
    "†": r"(?:†|\\dag(?:ger)?\b)",
    "‡": r"(?:‡|\\ddag(?:ger)?\b)",
    "§": "§",
    "¶": "¶",
    **dict(zip("¹²³", "¹²³", strict=True)),
}
_ANY = "|".join(_SIGNS.values())
_SIZE = r"\\(?:textsuperscript|footnotesize|scriptsize|small|tiny|item|noindent)\b"
_RAISED = rf"(?:[\s{{}}$^_]|\\\\|<sup>|{_SIZE})*"
_FOOTNOTE = re.compile(rf"(?!\s*\*\s)[\s*_]*{_RAISED}(?P<sign>{_ANY})(?!\*)")
"""How a line begins that is about numbers with a mark: `†: of`, `$^*$ of`; with `* of` one of a list does."""
_MARKED = re.compile(rf"^{_RAISED}(?P<sign>{_ANY})|(?P<end>{_ANY}){_RAISED}(?:</sup>)?\s*$")
ABOUT = re.compile(
    r"±|\\pm|\+/?-|mean|averag|error bar|parenthes|bracket|report|\bseeds\b|\bruns\b|\btrials\b|\bn\s*=|"
    r"\b(?:1|one|single)[\s-]+(?:seed|run|trial)\b",
    re.IGNORECASE,
)
"""What a text beside a table speaks of that says what its means and spreads are."""
_MOST = 100
"""Seeds that a paper may have; a larger number counts images."""


class Told(NamedTuple):
    """What words say of the number of seeds behind each row's value.

    Attributes:
        seeds: the number that they settle, None for none.
        note: what to say of it, "" where nothing is said.
        although: what they say without settling it, behind `though`: `its heading says “median of 3 runs”`.
    """

    seeds: int | None
    note: str = ""
    although: str = ""


def seeds_said(text: str) -> list[tuple[int, str]]:
    """Each number of seeds that words name, with these words: `over 5 random seeds`, `n = 5`, `three runs`.

    Not of the best of several runs: its value is no mean; nor of a footnote, which is about what it marks.
    """
    text = "\n".join(line for line in text.splitlines() if not _FOOTNOTE.match(line))
    text = re.sub(r"[{}$*_`~\\]+", " ", text)
    found: dict[int, str] = {}
    for pattern in _SAID:
        for one in re.finditer(pattern, text, re.IGNORECASE):
            word = one["n"].casefold()
            many = int(word) if word.isdigit() else 1 if word == "single" else _WORDS.index(word) + 1
            behind = text[one.end() :]
            if not 1 <= many <= _MOST or _NO_MEAN_BEHIND.match(behind) or _FELL.match(behind):
                continue
            other = _NO_MEAN.search(text[: one.start("n")])
            if other is None or re.search("mean|averag", other[0], re.IGNORECASE):
                found.setdefault(many, " ".join(one[0].split()).lstrip("([,;:=± "))
    return list(found.items())


_OTHER_OF_RUNS = re.compile(
    rf"\b{_OTHER}\s+(?:of|over|across|in|from)\s+(?:the\s+)?{_MANY}\s+{_KIND}*{_SEEDS}", re.IGNORECASE
)


def other_of_runs(heading: str) -> str:
    """The words of a heading for another value of several runs than their mean: `median of 3 runs`."""
    found = _OTHER_OF_RUNS.search(heading)
    return "" if found is None else " ".join(found[0].split())


def mark_of(cell: str) -> str:
    """The mark of a printed number that a footnote is about, "" if it has none: bold is no mark."""
    text = cell.replace("**", "").strip()
    if len(text) > _LONGEST or (text.startswith("*") and text.endswith("*")):
        return ""
    found = _MARKED.search(text)
    return "" if found is None else _sign(found["sign"] or found["end"])


_LONGEST = 200
"""Characters of a cell in which a mark is looked for."""


def _sign(written: str) -> str:
    return next((sign for sign, pattern in _SIGNS.items() if re.fullmatch(pattern, written)), "")


def seeds_of_marked(caption: str) -> dict[str, tuple[int, str]]:
    """By their mark, how many seeds the footnotes of a table name, with the words for it."""
    return {sign: said[0] for sign, said in _of_marked(caption).items() if len(said) == 1}


def unsettled_marks(caption: str) -> dict[str, str]:
    """By their mark, the words of the footnotes that name several numbers of seeds, and so settle none."""
    found = _of_marked(caption).items()
    return {sign: " and ".join(f"“{words}”" for _, words in said) for sign, said in found if len(said) > 1}


def of_its_own(caption: str, shown: Iterable[str]) -> str:
    """What is written around a table without the footnotes of marks that none of its texts bears.

    Between two tables those of the first stand above the second.
    """
    texts = [text.replace("**", "") for text in shown]

    def is_foreign(line: str) -> bool:
        note = _FOOTNOTE.match(line)
        sign = re.compile(_SIGNS[_sign(note["sign"])]) if note else None
        return sign is not None and not any(sign.search(text) for text in texts)

    return "\n".join(line for line in caption.splitlines() if not is_foreign(line))


def told_of_marked(caption: str) -> Told:
    """What footnotes alone say: each of the numbers that it marks, so that they settle none of the others."""
    found = _of_marked(caption)
    if not found:
        return Told(None)
    words = " and ".join(f"“{said}” of what {sign} marks" for sign, each in found.items() for _, said in each)
    said = f"a footnote says {words}"
    return Told(None, f"{said}, and nothing says it of others (--seeds K does)", said)


def _of_marked(caption: str) -> dict[str, list[tuple[int, str]]]:
    out: dict[str, list[tuple[int, str]]] = {}
    for line in caption.splitlines():
        if note := _FOOTNOTE.match(line):
            said = seeds_said(line[note.end() :].lstrip("}$): "))
            if said and len(out.get(_sign(note["sign"]), ())) != 1:
                out[_sign(note["sign"])] = said
    return out
