"""YAML text as a tree that knows where everything stands, and as plain data.

Built from the parser's events rather than by a YAML constructor: no tag creates an object, duplicate keys are
errors, an alias cannot grow the document without bound, and every key and value keeps its place. Plain
scalars follow YAML 1.2's core schema (`1e-3` is a number, `no` is text).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from rigorkd.problems import Path

DEEPEST = 24
MOST_NODES = 50_000
LONGEST_TEXT = 1_000_000


@dataclass(frozen=True)
class Place:
    """A line and a column, counted from 1."""

    line: int
    column: int


class TreeError(Exception):
    """The text is not a usable YAML document; `place` says where it breaks."""

    def __init__(self, message: str, place: Place, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.place, self.hint = message, place, hint


@dataclass
class Node:
    """A scalar (`value`), a sequence (`items`) or a mapping (`entries`: key → place of the key, value).

    The root has the document's `text`.
    """

    place: Place
    value: Any = None
    items: list[Node] | None = None
    entries: dict[str, tuple[Place, Node]] | None = None
    nodes: int = field(default=1)
    text: str = field(default="", repr=False)

    def plain(self) -> Any:
        """The data without places: dicts, tuples, text, numbers, booleans, None."""
        if self.entries is not None:
            return {key: node.plain() for key, (_, node) in self.entries.items()}
        if self.items is not None:
            return tuple(node.plain() for node in self.items)
        return self.value

    def find(self, path: Path, *, key: bool = False, near: str = "") -> Place:
        """The place of the value (or key) at `path`, or of the deepest part of it that the text has.

        With `near`, where these characters follow.

        Short forms are looked through: in `{rotation: {degrees: 15}}` the path `("degrees",)` is found, and
        where the text has a bare value for `{name: ...}`, the key that it lacks is skipped.
        """
        node, place = self, self.place
        for part in path:
            step = node._step(part)
            if step is None:
                if isinstance(part, int):
                    break
                continue
            key_place, node = step
            place = key_place if key else node.place
        return self._following(place, near) if near else place

    def _following(self, place: Place, near: str) -> Place:
        """The first place from `place` on at which the text has `near`; `place` if there is none."""
        lines = self.text.split("\n")
        for number in range(place.line, len(lines) + 1):
            column = lines[number - 1].find(near, place.column - 1 if number == place.line else 0)
            if column >= 0:
                return Place(number, column + 1)
        return place

    def _step(self, part: str | int) -> tuple[Place, Node] | None:
        if self.items is not None and isinstance(part, int) and 0 <= part < len(self.items):
            return self.items[part].place, self.items[part]
        if self.entries is None or not isinstance(part, str):
            return None
        if part in self.entries:
            return self.entries[part]
        if len(self.entries) == 1:
            ((_, inner),) = self.entries.values()
            if inner.entries is not None and part in inner.entries:
                return inner.entries[part]
        return None


def parse(text: str, *, finite: bool = True) -> Node:
    """The tree of the one YAML document in `text`, whose numbers are `finite`. Raises `TreeError`."""
    _check_characters(text)
    try:
        root = _Builder(text, finite=finite).document()
        root.text = text
        return root
    except YAMLError as error:
        raise _explained(error) from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        # The parser meets some broken texts with an error of its own code; they are not YAML all the same.
        raise TreeError("this is not a YAML document", Place(1, 1)) from None


def _check_characters(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise TreeError(
            f"the file has {len(text):,} characters; a protocol has fewer than {LONGEST_TEXT:,}", Place(1, 1)
        )
    for number, line in enumerate(text.split("\n"), start=1):
        if bad := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]", line):
            raise TreeError(
                f"the character {bad[0]!r} cannot stand in a protocol: is this a binary file?",
                Place(number, bad.start() + 1),
            )
        if tab := re.match(r" *\t", line):
            raise TreeError("a tab in the indentation", Place(number, tab.end()), "YAML indents with spaces")
    if not text.strip():
        raise TreeError("the file is empty", Place(1, 1), "a protocol starts with `rigorkd: 1`")


class _Builder:
    """Turns parser events into nodes, within limits on depth and size."""

    def __init__(self, text: str, *, finite: bool = True) -> None:
        self.finite = finite
        self.events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self.anchors: dict[str, Node] = {}
        self.nodes = 0

    def document(self) -> Node:
        root: Node | None = None
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise TreeError(
                        "a second document starts here", _place(event), "one file is one protocol"
                    )
                root = self.node(next(self.events), depth=0)
        if root is None:
            raise TreeError("the file is empty", Place(1, 1), "a protocol starts with `rigorkd: 1`")
        return root

    def node(self, event: Any, depth: int) -> Node:
        place = _place(event)
        if depth > DEEPEST:
            raise TreeError(f"nested more than {DEEPEST} levels deep", place)
        if isinstance(event, AliasEvent):
            if event.anchor not in self.anchors:
                raise TreeError(f"the alias *{event.anchor} has no anchor above it", place)
            target = self.anchors[event.anchor]
            self.grow(target.nodes, place)
            return Node(place, target.value, target.items, target.entries, target.nodes)
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise TreeError(f"the tag {tag} means nothing in a protocol", place, "remove it")
        self.grow(1, place)
        if isinstance(event, ScalarEvent):
            plain = event.implicit[0]
            node = Node(place, scalar(event.value, place, finite=self.finite) if plain else event.value)
        elif isinstance(event, SequenceStartEvent):
            node = self.sequence(place, depth)
        else:
            assert isinstance(event, MappingStartEvent)
            node = self.mapping(place, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def sequence(self, place: Place, depth: int) -> Node:
        items = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return Node(place, items=items, nodes=1 + sum(item.nodes for item in items))

    def mapping(self, place: Place, depth: int) -> Node:
        entries: dict[str, tuple[Place, Node]] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            key_place = _place(event)
            if not isinstance(event, ScalarEvent) or not event.value:
                raise TreeError("a key must be a word", key_place)
            key = event.value
            if key == "<<":
                raise TreeError(
                    "merge keys are not YAML 1.2", key_place, "write the keys out, or alias a whole value"
                )
            if key in entries:
                first = entries[key][0]
                raise TreeError(
                    f"duplicate key {key!r}, first on line {first.line}", key_place, "keep one of them"
                )
            node = self.node(next(self.events), depth + 1)
            if node.value is None and node.items is None and node.entries is None:
                node.place = key_place  # the parser puts an empty value where the next thing stands
            entries[key] = (key_place, node)
        return Node(place, entries=entries, nodes=1 + sum(node.nodes for _, node in entries.values()))

    def grow(self, nodes: int, place: Place) -> None:
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            raise TreeError(f"more than {MOST_NODES:,} values, aliases counted in full", place)


_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_NOT_FINITE = re.compile(r"[-+]?\.inf|\.nan", re.IGNORECASE)


def scalar(text: str, place: Place, *, finite: bool = True) -> Any:
    """A plain scalar's value in YAML 1.2's core schema; without `finite`, infinities may stand there."""
    if text.lower() in _WORDS and text in (text.lower(), text.capitalize(), text.upper()):
        return _WORDS[text.lower()]
    if _INT.fullmatch(text) or _BASED.fullmatch(text):
        if len(text) > 30 and not finite:
            return text
        if len(text) > 30:
            raise TreeError("a number of more than 30 digits", place)
        return int(text, 10 if _INT.fullmatch(text) else 0)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return value
    elif not _NOT_FINITE.fullmatch(text):
        return text
    if not finite:
        written = text.lower().replace(".inf", "inf").replace(".nan", "nan")
        return float(written) if written != text.lower() else text
    raise TreeError(f"the number {text} is not finite", place)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _mark(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _explained(error: YAMLError) -> TreeError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = _mark(mark) if mark is not None else Place(1, 1)
    problem = str(getattr(error, "problem", None) or "unreadable").strip()
    if "'\\t'" in problem:
        return TreeError("a tab where YAML wants spaces", place, "YAML indents with spaces")
    context = str(getattr(error, "context", None) or "").strip()
    began = getattr(error, "context_mark", None)
    hint = next((mend for part, mend in _MENDS.items() if part in problem), "")
    if "could not find expected ':'" in problem and began is not None:
        return TreeError(f"not valid YAML: {problem}", _mark(began), hint)
    if context and began is not None and began.line + 1 != place.line:
        context += f" that begins on line {began.line + 1}"  # where a quote or brace was left open
    return TreeError(f"not valid YAML: {problem}" + (f" ({context})" if context else ""), place, hint)


_MENDS = {
    "found '}'": "a bracket is closed that none opened: take it away",
    "found ']'": "a bracket is closed that none opened: take it away",
    "could not find expected ':'": "between a key and its value stand a colon and a space: `epochs: 5`",
    "expected <block end>": "the keys of one mapping begin in one column",
    "mapping values are not allowed": "the keys of one mapping begin in one column; quote text with `: `",
    "unknown escape character": "in double quotes \\ begins an escape; write single quotes",
    "cannot start any token": "put the text in quotes",
}
"""How to mend what a parser of YAML says of common slips."""
