"""A user's own `module:function`, imported from the very bytes that the run's hash names.

Python's path stays as it is, so that no other file beside the protocol stands in for a module of Python, of a
library or of rigorkd. Once imported, code stays as it was, whatever happens to the files.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rigorkd.errors import InputError
from rigorkd.models.own_code import OwnModule, Source, own_modules, read_source
from rigorkd.models.weights import seeded
from rigorkd.text import first_line


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
    called = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    hint = "rigorkd calls it with classes, channels and size, and with the protocol's args"
    with telling(f"model {name}: called with {called} it", hint), same_settings(f"model {name}"):
        model = function(**arguments)
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


# ---------------------------------------------------------------------------------------------- importing


class _Loader(SourceLoader):
    """Runs a module's source as it was read; nothing compiled is kept."""

    def __init__(self, module: OwnModule) -> None:
        self.module = module

    def get_filename(self, fullname: str) -> str:
        return str(self.module.file)

    def get_data(self, path: str | bytes) -> bytes:
        return self.module.source


class _Finder(MetaPathFinder):
    """Finds the modules that hashes name, and no other file beside them."""

    def __init__(self) -> None:
        self.modules: dict[str, OwnModule] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        module = self.modules.get(fullname)
        if module is not None:
            inside = [str(module.file.parent)] if module.file.name == "__init__.py" else None
            return spec_from_file_location(
                fullname, module.file, loader=_Loader(module), submodule_search_locations=inside
            )
        below = [each for name, each in self.modules.items() if name.startswith(f"{fullname}.")]
        if not below or PathFinder.find_spec(fullname, path) is not None:
            return None
        folder = ModuleSpec(fullname, None, is_package=True)  # without an __init__.py
        folder.submodule_search_locations = [str(below[0].root.joinpath(*fullname.split(".")))]
        return folder


_finder = _Finder()
_functions: dict[tuple[str, Source], Callable[..., Any]] = {}
_imported: dict[str, str] = {}
"""Modules that this file imported, and the SHA-256 of their source."""


def _import(name: str, folder: Path, what: str) -> Any:
    modules = own_modules(name, folder)
    digests = {part: hashlib.sha256(module.source).hexdigest() for part, module in modules.items()}
    if any(part in _imported and _imported[part] != digest for part, digest in digests.items()):
        _forget()
    for part in modules:
        if part in sys.stdlib_module_names:
            raise _taken(what, name, part, "a module of Python itself")
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    before = set(sys.modules)
    _finder.modules |= modules
    module = name.partition(":")[0]
    importing = f"{what} {name}: importing {module}"
    with telling(importing), same_settings(importing), seeded(0):  # a module may draw constants
        imported = importlib.import_module(module)
    for part, digest in digests.items():
        if part not in sys.modules or _imported.get(part) == digest:
            continue  # imported here, from this very source, wherever that lay
        if digest != _digest(file := getattr(sys.modules[part], "__file__", None)):
            raise _taken(what, name, part, file or "a module of Python itself")
    _imported.update({part: digest for part, digest in digests.items() if part not in before})
    return imported


def _taken(what: str, name: str, part: str, by: str) -> InputError:
    return InputError(f"{what} {name}: the name {part} is taken by {by}", hint="give your file another name")


def _digest(file: str | None) -> str:
    content = Path(file).read_bytes() if file and Path(file).is_file() else b""
    return hashlib.sha256(content).hexdigest()


def _forget() -> None:
    """Take everything back that was imported here: the same names now stand for other code."""
    for module in {*_imported, *_finder.modules}:
        if module in _imported or isinstance(getattr(sys.modules.get(module), "__loader__", None), _Loader):
            sys.modules.pop(module, None)
    _imported.clear()
    _finder.modules.clear()


# --------------------------------------------------------------------------------- what code of others does


@contextmanager
def telling(what: str, hint: str = "") -> Iterator[None]:
    """Tell what the user's code raises as an InputError, even what would end the process (sys.exit)."""
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise InputError(
            f"{what} raised {type(error).__name__}: {first_line(error)}{own_line(error)}", hint=hint
        ) from error


def own_line(error: BaseException) -> str:
    """The last line of the user's own code that an exception went through, in brackets; empty without."""
    files = {str(module.file) for module in _finder.modules.values()}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


_SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "the number of threads": (torch.get_num_threads, torch.set_num_threads),
    "the default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "deterministic algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "the precision of matrix products": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    "whether gradients are kept": (torch.is_grad_enabled, torch.set_grad_enabled),
}


@contextmanager
def same_settings(what: str) -> Iterator[None]:
    """Refuse code that changes settings of torch, which all students of a worker share; they are restored."""
    before = {name: read() for name, (read, _) in _SETTINGS.items()}
    yield
    changed = [name for name, (read, _) in _SETTINGS.items() if read() != before[name]]
    for name in changed:
        _SETTINGS[name][1](before[name])
    if changed:
        raise InputError(
            f"{what} changes {' and '.join(changed)}",
            hint="settings of torch are shared by all students of a worker: leave them as they are",
        )
