"""The grammar of seeds, from a protocol and from the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.errors import InputError
from rigorkd.protocol.seed_grammar import GRAMMAR, parse_seeds


@pytest.mark.parametrize(
    ("value", "seeds"),
    [
        (5, (0, 1, 2, 3, 4)),
        ("5", (0, 1, 2, 3, 4)),
        ("1", (0,)),
        ("5:10", (5, 6, 7, 8, 9)),
        ("0:1", (0,)),
        ("3,7,11", (3, 7, 11)),
        (" 3, 7 ", (3, 7)),
        ("3,", (3,)),
        ((3, 7), (3, 7)),
        ([11, 2], (11, 2)),
    ],
)
def test_what_seeds_mean(value: object, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(value) == seeds


@pytest.mark.parametrize(
    "value",
    [0, -3, "0", "-3", "a", "1,1", "", " ", ",", "5:5", "10:5", "1:2:3", "1.5", 1.5, True, None, {}, (),
     (1, 1), (-1,), (True,), ("1",), 10_001, "10001", "0:10001", "9" * 30, 10**30, "3;4", "٣", (2**40,),
     "1,,2", f"{2**31}:{2**31 + 1}"],
)  # fmt: skip
def test_what_seeds_cannot_mean(value: object) -> None:
    with pytest.raises(InputError) as caught:
        parse_seeds(value)
    assert GRAMMAR in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.lists(st.integers(0, 2**31 - 1), min_size=2, max_size=20, unique=True))
def test_a_list_reads_the_same_as_text(seeds: list[int]) -> None:
    assert parse_seeds(",".join(map(str, seeds))) == tuple(seeds) == parse_seeds(seeds)


@given(st.integers(0, 1000), st.integers(1, 100))
def test_a_range_is_half_open(start: int, length: int) -> None:
    assert parse_seeds(f"{start}:{start + length}") == tuple(range(start, start + length))
    if start == 0:
        assert parse_seeds(length) == parse_seeds(f"0:{length}")


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        seeds = parse_seeds(text)
    except InputError:
        return
    assert seeds
    assert len(set(seeds)) == len(seeds)
