"""Whatever a protocol file holds, loading ends in a protocol or in one `ProtocolError`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rigorkd.errors import ProtocolError
from rigorkd.protocol.load import load_protocol

PROTOCOLS = Path(__file__).parents[2] / "protocols"
SMALL = [file.read_text() for file in [*PROTOCOLS.glob("notebook/*.yaml"), *PROTOCOLS.glob("capacity*.yaml")]]
SNIPPETS = [
    "[", "]", "{", "}", ":", ": ", "- ", ",", "\n", "  ", "\t", "#", "&a ", "*a", "!!str ", "|", ">", "'",
    '"', "?", "0", "-1", "1e400", ".nan", "null", "~", "true", "[[]]", "{}",
    "[1, 2]", "{a: b}", "{path: x}", "kd", "teacher",
    "é", "\u2028", "\x85", "\ufeff", "\x00", "%", "@", "`", "---\n", "...\n", "<<: ", "9" * 40,
]  # fmt: skip
SETTINGS = settings(
    max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def _loads_or_says_why(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fuzz.yaml"
        file.write_bytes(raw)
        error = _error(file)
    if error is not None:
        assert str(error).startswith(str(file))
        assert (error.line or 0) >= 1
        assert (error.column or 0) >= 1


def _error(file: Path) -> ProtocolError | None:
    try:
        return None if load_protocol(file).cells else ProtocolError("no cells and no error", file=file)
    except ProtocolError as error:
        return error


@given(st.data())
@SETTINGS
def test_edited_text(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SMALL))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(st.sampled_from(SNIPPETS)) + text[start + length :]
    _loads_or_says_why(text.encode("utf-8"))


@given(st.data())
@SETTINGS
def test_replaced_values(data: st.DataObject) -> None:
    """Every value of a valid file exchanged for one of another type: the schema has no hole."""
    text = data.draw(st.sampled_from(SMALL))
    places = [
        index + 2
        for index in range(len(text))
        if text.startswith(": ", index) and "#" not in text[:index][text[:index].rfind("\n") :]
    ]
    place = data.draw(st.sampled_from(places))
    end = min(found for mark in ",}\n" if (found := text.find(mark, place)) >= 0)
    value = data.draw(
        st.sampled_from(["x", "-1", "0", "1.5", "true", "null", "[]", "{}", "[x]", "[[1]]", "{a: 1}", "[{}]"])
    )
    _loads_or_says_why((text[:place] + value + text[end:]).encode())


@given(st.binary(max_size=200))
@SETTINGS
def test_bytes(raw: bytes) -> None:
    _loads_or_says_why(raw)
