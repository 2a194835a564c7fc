"""`--set KEY=VALUE --study NAME`: another protocol from one, as text, so that its study can keep it.

What is set is replaced, or put in, where it stands; all else stays as it was written, comments too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from rigorkd.errors import InputError
from rigorkd.protocol.tree import Place, TreeError, parse


def variant(text: str, changes: Sequence[str], study: str) -> str:
    """The text of a protocol under another name, with `changes` such as `training.epochs=2` made to it.

    Raises:
        InputError: a change that cannot be made; what it means is for whoever loads the text to check.
        TreeError: the text is no protocol.
    """
    plain = parse(text).plain()
    if isinstance(plain, dict) and plain.get("study") == study:
        raise InputError(f"--study {study}: the protocol's own name", hint="give the variant another one")
    for change in [*changes, f"study={study}"]:
        text = _changed(text, change)
    return text


def _changed(text: str, change: str) -> str:
    key, equals, value = change.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or not value.strip():
        raise InputError(f"--set {change}: not KEY=VALUE", hint="such as --set training.epochs=2")
    value = value.strip()
    try:
        if "\n" in value:
            raise TreeError("it has several lines", Place(1, 1))
        wanted = parse(value).plain()
    except TreeError as error:
        raise _refused(change, f"{value!r} is no value: {error.message}") from None
    node: Any = YAML(typ="safe", pure=True).compose(text)
    before = parse(text)
    path: list[str | int] = []
    empty_at: int | None = None
    while parts:
        found, used, step, key_node = _step(node, parts)
        if found is None:
            break
        parts, node = parts[used:], found
        path.append(step)
        if isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index:
            # The parser puts an empty value where the next thing stands.
            empty_at = text.index(":", key_node.end_mark.index) + 1
    if parts and isinstance(node, SequenceNode):
        many = f"{'.'.join(map(str, path))} is a list of {len(node.value)}"
        raise _refused(change, f"{many}: {parts[0]} is none of its places, counted from 0")
    if parts and isinstance(node, ScalarNode) and node.value:
        where, said = ".".join(map(str, path)), node.value[:40]
        raise _refused(change, f"{where} is {said}, which has no keys; set it whole: --set '{where}={{…}}'")
    new = _put(text, node, parts, value, empty_at)
    try:
        same = parse(new).plain() == _with(before.plain(), [*path, *parts], wanted)
    except TreeError:
        same = False
    if not same:
        raise _refused(
            change, f"{value!r} cannot stand there; lists and mappings go in brackets, text in quotes"
        )
    return new


def _refused(change: str, why: str) -> InputError:
    return InputError(f"--set {change}: {why}", hint="or copy the protocol and edit it")


def _step(node: Any, parts: Sequence[str]) -> tuple[Any, int, str | int, Any]:
    """The value that the first parts name inside a node, how many these are, and its key as such and as a
    node; None if none is.

    Names may have dots in them: as many parts as a key has are taken.
    """
    if isinstance(node, SequenceNode):
        place = int(parts[0]) if re.fullmatch(r"\d{1,6}", parts[0]) else -1
        found = node.value[place] if 0 <= place < len(node.value) else None
        return found, 1, place, found
    if isinstance(node, MappingNode):
        known = {key.value: (key, value) for key, value in node.value}
        for used in range(len(parts), 0, -1):
            if (key := ".".join(parts[:used])) in known:
                return known[key][1], used, key, known[key][0]
    return None, 0, "", None


def _put(text: str, node: Any, parts: Sequence[str], value: str, empty_at: int | None) -> str:
    """The text with the value in the place of a node, or under new keys in a mapping.

    `empty_at` is where the node would stand if it is empty.
    """
    start, end = node.start_mark.index, node.end_mark.index
    if not parts or isinstance(node, ScalarNode):
        for part in reversed(parts):
            value = f"{{{part}: {value}}}"
        if empty_at is not None:
            return f"{text[:empty_at]} {value}{text[empty_at:]}"
        old = text[start:end].rstrip()
        return f"{text[:start]}{value}{text[start + len(old) :]}"
    first, *rest = parts
    for part in reversed(rest):
        value = f"{{{part}: {value}}}"
    if node.flow_style:
        return f"{text[: start + 1]}{first}: {value}{', ' if node.value else ''}{text[start + 1 :]}"
    return f"{text[:start]}{first}: {value}\n{' ' * node.start_mark.column}{text[start:]}"


def _with(plain: Any, path: Sequence[str | int], value: Any) -> Any:
    """Plain data with a value set at a path."""
    if not path:
        return value
    first, *rest = path
    if isinstance(plain, tuple):
        assert isinstance(first, int)
        return (*plain[:first], _with(plain[first], rest, value), *plain[first + 1 :])
    inside = plain if isinstance(plain, dict) else {}
    return {**inside, first: _with(inside.get(first), rest, value)}
