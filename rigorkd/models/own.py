"""A user's own `module:function`, imported with the protocol's folder on Python's path.

The code that runs is the code that the run's hash names: it is read again before it is imported, and once
imported it stays as it was, whatever happens to the files.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from rigorkd.errors import InputError
from rigorkd.models.weights import first_line
from rigorkd.protocol.sources import Source, own_modules, read_source

_functions: dict[tuple[str, Source], Callable[..., Any]] = {}
_imported: dict[str, str] = {}
"""Modules that this file imported, and the SHA-256 of their source."""
_folders: list[str] = []


def own_model(name: str, source: Source | None, **arguments: Any) -> nn.Module:
    """What the user's function gives for classes, channels, size and the protocol's `args`.

    Raises:
        InputError: it cannot be imported, raises, or gives no `nn.Module`.
    """
    if source is None:
        raise InputError(
            f"model {name}: its code is only remembered by its hash",
            hint="give the protocol file, beside which the code lies",
        )
    function = own_function(name, source)
    try:
        model = function(**arguments)
    except InputError:
        raise
    except Exception as error:
        called = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise InputError(
            f"model {name}: called with {called} it raised {told(error)}",
            hint="rigorkd calls it with classes, channels and size, and with the protocol's args",
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(f"model {name}: it returned {type(model).__name__}, not a torch.nn.Module")
    return model


def own_function(name: str, source: Source, what: str = "model") -> Callable[..., Any]:
    """The function that `module:function` names, from the very source that `source` identifies.

    Raises:
        InputError: it is none, cannot be imported, or has changed; the message says `what` it was to be.
    """
    key = (name, source)
    if key not in _functions:
        if read_source(name, source.folder) != source:
            raise InputError(
                f"{what} {name}: its code changed since this run was planned",
                hint="run the same command again",
            )
        module, _, function = name.partition(":")
        found = getattr(_import(name, source.folder, what), function, None)
        if not callable(found):
            raise InputError(f"{what} {name}: {function} is no function of {module}")
        _functions[key] = found
    return _functions[key]


def _import(name: str, folder: Path, what: str) -> Any:
    module = name.partition(":")[0]
    sources = {part: hashlib.sha256(text).hexdigest() for part, text in own_modules(name, folder).items()}
    if any(part in _imported and _imported[part] != digest for part, digest in sources.items()):
        _forget()
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        _folders.append(str(folder))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    before = set(sys.modules)
    importlib.invalidate_caches()
    try:
        imported = importlib.import_module(module)
    except Exception as error:
        raise InputError(f"{what} {name}: importing {module} raised {told(error)}") from error
    finally:
        sys.dont_write_bytecode = writes
    for part, digest in sources.items():
        if part not in sys.modules or _imported.get(part) == digest:
            continue  # imported here, from this very source, wherever that lay
        if digest != _digest(file := getattr(sys.modules[part], "__file__", None)):
            raise InputError(
                f"{what} {name}: the name {part} is taken by {file or 'a module of Python itself'}",
                hint="give your file another name",
            )
    _imported.update({part: digest for part, digest in sources.items() if part not in before})
    return imported


def _digest(file: str | None) -> str:
    content = Path(file).read_bytes() if file and Path(file).is_file() else b""
    return hashlib.sha256(content).hexdigest()


def _forget() -> None:
    """Take everything back that was imported here: the same names now stand for other code."""
    for module in _imported:
        sys.modules.pop(module, None)
    for folder in _folders:
        sys.path.remove(folder)
    _imported.clear()
    _folders.clear()


def told(error: BaseException) -> str:
    """The exception with the line of the user's code that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" ({frame.filename}:{frame.lineno})" for frame in last if frame.filename != __file__)
    return f"{type(error).__name__}: {first_line(error)}{where}"
