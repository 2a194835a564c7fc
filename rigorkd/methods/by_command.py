"""A method of a study whose runs are trained by a command: what it means is the command's affair."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rigorkd.methods.base import Method


class ByCommand(Method):
    """A method by its name and the values that the protocol's grid gives it."""

    key = "by_command"
    called: str
    args: dict[str, str | bool | int | float] = Field(default={})

    @property
    def name(self) -> str:
        return self.called

    def __hash__(self) -> int:
        return hash((self.called, tuple(sorted(self.args))))


class BaselineByCommand(ByCommand):
    """The same, without a teacher: what gains are measured against."""

    distils: ClassVar[bool] = False
