"""The base of all schema models, and the few types they share."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_serializer
from pydantic_core.core_schema import SerializationInfo, SerializerFunctionWrapHandler

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


HASHED = "hashed"
"""The context of a dump that identifies runs: without keys `added` later that are at their default."""


def added(version: str, default: Any) -> Any:
    """The default of a key that a version after 0.1 added.

    At this default a run is what it was before there was the key, and so is its hash. A default never
    changes: a corrected behaviour is a new value of the key.
    """
    return Field(default=default, json_schema_extra={"added": version})


class Frozen(BaseModel):
    """A schema model: immutable, strictly typed, and without room for an unknown key."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        if info.context == HASHED:
            for name, default in _added_to(type(self)):
                if getattr(self, name) == default:
                    document.pop(name, None)
        return document


@cache
def _added_to(kind: type[Frozen]) -> tuple[tuple[str, Any], ...]:
    """The keys of a schema model that a later version added, with their defaults."""
    return tuple(
        (name, field.default)
        for name, field in kind.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and "added" in field.json_schema_extra
    )


def text_or_mapping(value: Any) -> str:
    """The tag of a value that is written as a word or as a mapping."""
    return "mapping" if isinstance(value, dict | Frozen) else "text"


def as_tuple(value: Any) -> Any:
    """A name alone as a list of one."""
    return (value,) if isinstance(value, str) else value


def short_form(key: str) -> BeforeValidator:
    """Accept the bare value of one key in place of the mapping: `cosine` for `{name: cosine}`."""

    def widen(value: Any) -> Any:
        return {key: value} if isinstance(value, str | int | float | tuple) else value

    return BeforeValidator(widen)
