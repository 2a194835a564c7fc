"""Calls the function of a trainer in a process of its own: `python -m rigorkd.launch.call_function`.

What it returns, a mapping of numbers, is left as `metrics.json` beside the file that told it its values.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rigorkd.files import write_atomically
from rigorkd.records.record import to_json
from rigorkd.records.untrusted import RECORD, read_json


def main(function: str, config: Path) -> None:
    """Call `module:function` with the values in a file of JSON."""
    module, _, name = function.partition(":")
    values = read_json(config, config.parent, RECORD)
    found = getattr(importlib.import_module(module), name)(values)
    if not isinstance(found, Mapping):
        sys.exit(f"{function} returned {type(found).__name__}, not a mapping of numbers by name")
    write_atomically(
        config.with_name("metrics.json"), to_json({str(k): _number(v) for k, v in found.items()})
    )


def _number(value: Any) -> Any:
    """A number of numpy or torch as one of JSON; what is not finite stays visible as text."""
    if hasattr(value, "item"):
        value = value.item()
    return value if not isinstance(value, float) or abs(value) < float("inf") else str(value)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
