"""Results as a JSON document: plain dictionaries in the order of the fields, None for what is unknown."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any


def document(result: Any) -> Any:
    """Dataclasses become dictionaries, tuples lists; NaN and infinities become None."""
    if is_dataclass(result) and not isinstance(result, type):
        return {field.name: document(getattr(result, field.name)) for field in fields(result)}
    if isinstance(result, dict):
        return {str(key): document(value) for key, value in result.items()}
    if isinstance(result, (tuple, list)):
        return [document(item) for item in result]
    if isinstance(result, float) and not math.isfinite(result):
        return None
    return result.value if isinstance(result, Enum) else result
