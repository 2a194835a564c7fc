"""A text that a message offers for pasting is read back as that text."""

from __future__ import annotations

import io

from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rigorkd.text import in_yaml


@given(
    st.text(
        st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Zl", "Zp"]),
        min_size=1,
    )
)
@example("*/metrics.json")
@example("Test: acc")
@example("it's")
@example("yes")
@example("1e5")
@example("val acc #1")
@example("a, b")
@example(" a ")
def test_a_text_in_yaml_is_read_back(text: str) -> None:
    for of in ("safe", "rt"):
        read = YAML(typ=of, pure=True).load(io.StringIO(f"{{{in_yaml(text)}: {in_yaml(text)}}}"))
        assert dict(read) == {text: text}
