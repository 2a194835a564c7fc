"""The words of a cell without the marks around them: links, images, emphasis, code, tags and citations."""

from __future__ import annotations

import html
import re

_WORDS = r"((?:[^\[\]]|\[[^\[\]]*\])*)"
"""What a link shows; it may have brackets of its own, as [12]."""
_TARGET = r"\(\s*(?:<[^<>]*>|(?:[^()\s]|\([^()\s]*\))*)(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
_LINK = re.compile(rf"!?\[{_WORDS}\]{_TARGET}")
_NOTE = re.compile(rf"(?:(?<=[\d%])|(?<=[\d%]\*)|(?<=[\d%]\*\*))\s*{_LINK.pattern}|\[\^[\w-]+\]")
"""A link behind a number is a footnote."""
LONGEST = 500
"""Characters of a printed cell; what is longer is a text, and kept as it stands."""
_MARK = re.compile(r"[\[\]*_`<~&\\]")
_LINK_BY_NAME = re.compile(r"!?\[([^\[\]]*[^\W\d][^\[\]]*)\]\[[^\[\]]*\]")  # [1][2] are two citations
_ADDRESS = re.compile(r"<((?:https?|ftp|mailto):[^<>\s]+)>", re.IGNORECASE)
_IMAGE_TAG = re.compile(r"<img\b[^<>]*?\balt\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)')[^<>]*>", re.IGNORECASE)
_BREAK = re.compile(r"\s*<br\b[^<>]*>\s*", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|center|code|del|div|em|font|i|img|ins|kbd|mark|nobr|p|s|samp|small|span|strike"
    r"|strong|sub|sup|tt|u|wbr)\b[^<>]*>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[a-zA-Z][a-zA-Z\d]{1,31});")
_CODE = re.compile(r"(`+)([^`]+)\1(?!`)")
_EMPHASIS = (
    re.compile(r"(\*\*\*|\*\*)(?=[^\s*])(.+?)(?<=[^\s*])\1"),
    re.compile(r"(?<![\w*)\]}])(\*)(?=[^\s*])([^*]+?)(?<=[^\s*])\*(?![\w*])"),
    re.compile(r"(?<!\w)(___|__|_)(?=[^\s_])(.+?)(?<=[^\s_])\1(?!\w)"),  # kd_T4_a has none
    re.compile(r"(?<!\w)(~~)(?=[^\s~])(.+?)(?<=[^\s~])~~(?!\w)"),
)
_ESCAPED = re.compile(r"\\([*_#|\[\]])")


def without_markdown(text: str) -> str:
    """A cell of a table in Markdown as it is shown: links by their words, no emphasis, no tags."""
    if len(text) > LONGEST or not _MARK.search(text):
        return text
    text = _LINK_BY_NAME.sub(r"\1", without_links(text))
    parts = _CODE.split(text)  # text, ticks, code, text, …
    for at in range(0, len(parts), 3):
        held: list[str] = []  # what is escaped is no mark

        def hold(found: re.Match[str], held: list[str] = held) -> str:
            held.append(found[1])
            return "\0"

        part = _ESCAPED.sub(hold, parts[at])
        previous = None
        while previous != part:
            previous = part
            for pattern in _EMPHASIS:
                part = pattern.sub(r"\2", part)
        parts[at] = re.sub("\0", lambda _, held=held: held.pop(0), part)  # type: ignore[misc]
    text = "".join(part for at, part in enumerate(parts) if at % 3 != 1)
    return " ".join(without_tags(text).split())


def without_links(text: str) -> str:
    """A text with the words of its links alone; one inside of another, such as a badge, too."""
    text = _NOTE.sub("", text)
    previous = None
    while previous != text:
        previous, text = text, _LINK.sub(r"\1", text)
    return _ADDRESS.sub(r"\1", text)


def without_tags(text: str) -> str:
    """A text without the tags of HTML around its words, and with signs for their names."""
    text = _IMAGE_TAG.sub(lambda found: found[1] or found[2] or "", text)
    text = _TAG.sub("", _BREAK.sub(" ", text))
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text).replace("\xa0", " ")


_OPTIONS = r"\s*\*?(?:\s*\[[^\]]*\])*\s*"
_CITES = re.compile(
    rf"\\(?:[a-zA-Z]*cit(?:e[a-zA-Z]*|ation)|[a-zA-Z]*ref|footnote(?:mark|text)?|tnote|label)(?![a-zA-Z]){_OPTIONS}"
)
_SHOWS_LAST = re.compile(
    rf"\\(href|hyperref|hyperlink|colorbox|scalebox|resizebox|raisebox|url|nolinkurl|texorpdfstring|fbox"
    rf"|adjustbox)(?![a-zA-Z]){_OPTIONS}"
)
_ARGUMENTS = {"href": 2, "hyperlink": 2, "colorbox": 2, "scalebox": 2, "raisebox": 2, "adjustbox": 2,
              "resizebox": 3, "texorpdfstring": 2}  # fmt: skip
"""How many arguments a command has, of which one is shown: the last, or the first of two spellings."""


def without_commands(text: str) -> str:
    """A cell of LaTeX with the words of its links alone, without citations, references and footnotes.

    A cell that is nothing but a citation keeps its keys, which name the row.
    """
    while found := _SHOWS_LAST.search(text):
        end, words = found.end(), list[str]()
        for _ in range(_ARGUMENTS.get(found[1], 1)):
            word, end = braced(text, end)
            words.append(word)
        shown = words[0] if found[1] == "texorpdfstring" else words[-1]
        text = f"{text[: found.start()]}{shown}{text[end:]}"
    kept, keys, at = "", list[str](), 0
    for found in _CITES.finditer(text):
        if found.start() < at:  # within a footnote
            continue
        kept += text[at : found.start()]
        word, at = braced(text, found.end())
        keys += [word] if "cite" in found[0] else []
    kept += text[at:]
    return kept if kept.strip(" ~{}\\,") or not keys else " ".join(keys)


def braced(text: str, at: int) -> tuple[str, int]:
    """The argument in braces at a place and where it ends; "" where none stands there."""
    while at < len(text) and text[at].isspace():
        at += 1
    if not text.startswith("{", at):
        return "", at
    depth = 0
    for end in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[at + 1 : end], end + 1
    return text[at + 1 :], len(text)
