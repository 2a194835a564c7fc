"""Tables written to files, and what the analysis says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rigorkd.errors import InputError
from rigorkd.readers.raw import Reading
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import Source, from_sources

Gains = dict[str, tuple[float, int]]


def gains_of(source: Source, **asked: Any) -> Gains:
    """Of every gain or pair its mean difference, to six decimals, and n."""
    result = analysis_of(source, Question(**asked), images=False)
    return {
        (c.a if family.name == "gains" else c.name): (round(c.mean_diff or 0.0, 6), c.n)
        for family in result.families
        if family.name not in ("overall", "primary")
        for c in family.comparisons
    }


class Folder:
    """A folder in which a test writes what somebody else left, and reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def open(self, *sources: str, metric: str | None = None, **asked: Any) -> Source:
        return from_sources([str(self.path / name) for name in sources], Reading(**asked), metric)

    def gains(self, *sources: str, metric: str | None = None, goal: Any = None, **asked: Any) -> Gains:
        return gains_of(self.open(*sources, metric=metric, **asked), metric=metric, goal=goal)

    def refusal(self, *sources: str, metric: str | None = None, **asked: Any) -> str:
        """The message and the hint with which reading or judging the sources ends."""
        with pytest.raises(InputError) as caught:
            gains_of(self.open(*sources, metric=metric, **asked), metric=metric)
        assert caught.value.hint
        return str(caught.value).replace(f"{self.path}/", "")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


Write = Callable[[str, str], Path]
