"""Whether a program may write a file is told by whether any text of it names that, or its end."""

from __future__ import annotations

import pytest

from rigorkd.launch.command_files import may_name


@pytest.mark.parametrize(
    "text",
    [
        'open("last.txt", "a")',
        'open(f"{tag}_last.txt", "w")',
        'open(f"{tag}.txt", "w")',
        'open("%s.txt" % tag)',
        'echo "acc=0.1" > $1.txt',
        'echo "acc=0.1" > ${run}_last.txt',
        'glob("*.txt")',
        'open(name + ".txt")',
    ],
)
def test_a_name_that_is_put_together_is_one(text: str) -> None:
    assert may_name([b"import os", text.encode()], "notes/a_last.txt" if "_last" in text else "last.txt")


@pytest.mark.parametrize(
    "text", ['open("results.json", "w")', 'open("other.txt")', 'open("first_last.txts")', 'x.txt_of("last")']
)
def test_another_file_of_its_kind_is_none(text: str) -> None:
    assert not may_name([text.encode()], "paper/last.txt")


def test_a_name_without_an_ending_may_be_any() -> None:
    assert may_name([b"print(1)"], "logs/output")
