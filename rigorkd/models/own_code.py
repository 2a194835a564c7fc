"""The identity of what a user brings: the source of `module:function`, the files of an `hf/./folder`.

`module:function` names a model, or the term of a method.

Read as text: nothing is imported or run, so that planning stays fast and safe. A module is looked for beside
the protocol first, then among what is installed. Whatever it imports from the same place belongs to it,
transitively; a module that is only imported by a computed name is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.files import refuse_odd
from rigorkd.models.model import hf_folder, is_own_model
from rigorkd.text import nearest

LONGEST = 2 * 2**20
"""Bytes of source that a module may have."""


@dataclass(frozen=True)
class OwnModule:
    """A module of the user's own: its file, the folder that it is imported from, and its source as read."""

    file: Path
    root: Path
    source: bytes


@dataclass(frozen=True)
class Source:
    """Where a user's own code is looked up from, the protocol's folder, and the SHA-256 of what was read."""

    folder: Path
    sha256: str


def has_source(model: str) -> bool:
    """Whether the model of this name is made by files of the user's own."""
    return is_own_model(model) or hf_folder(model) is not None


def read_source(name: str, folder: Path) -> Source:
    """Identify the files that make a model which `has_source`, or a term; `folder` is the protocol's.

    Raises:
        InputError: a module, function or file is not there or cannot be read.
    """
    folder = folder.absolute()
    local = hf_folder(name)
    if local is not None:
        parts = _files(folder / local)
    else:
        parts = {part: module.source for part, module in own_modules(name, folder).items()}
    total = hashlib.sha256()
    for part, content in sorted(parts.items()):
        total.update(f"{part}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return Source(folder, total.hexdigest())


# ------------------------------------------------------------------------------------- module:function


def own_modules(own: str, folder: Path) -> dict[str, OwnModule]:
    """Every module that makes `module:function`, by dotted name; the named one comes first."""
    module, _, function = own.partition(":")
    root, within = _root(module, folder)
    found: dict[str, OwnModule] = {}
    pending = [module]
    while pending:
        name = pending.pop(0)
        file = module_file(root, name)
        if name in found or file is None or not f"{name}.".startswith(within):
            continue
        found[name] = OwnModule(file, root, read_code(file))
        tree = _parsed(found[name].source, file)
        if name == module:
            _require(function, tree, file)
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        pending += [*_parents(name), *_imported(tree, package)]
    return found


def program_files(file: Path, roots: tuple[Path, ...], package: str = "") -> dict[Path, bytes]:
    """A Python program and every module below `roots` that it imports, transitively, by file.

    A name is looked for under each root in turn; `package` is that of the program, if it is a module of one.
    """
    found: dict[Path, bytes] = {}
    pending = [(file, package)]
    while pending:
        path, package = pending.pop(0)
        if path in found:
            continue
        found[path] = read_code(path)
        for name in _imported(_parsed(found[path], path), package):
            for root in roots:
                if module := module_file(root, name):
                    inside = name if module.name == "__init__.py" else name.rpartition(".")[0]
                    pending.append((module, inside))
                    break
    return found


def module_file(root: Path, module: str) -> Path | None:
    """The file of a dotted module under a folder, if it is there."""
    path = root.joinpath(*module.split("."))
    candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _root(module: str, folder: Path) -> tuple[Path, str]:
    """The folder under which a module is found, and the prefix of the modules that belong to it."""
    if module_file(folder, module):
        return folder, ""
    top = module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
        file = Path(spec.origin)
        root = file.parent.parent if file.name == "__init__.py" else file.parent
        if module_file(root, module):
            return root, f"{top}."
    raise InputError(
        f"there is no module {module}",
        hint=f"it is looked for beside the protocol ({folder / module.replace('.', '/')}.py), then among what"
        " is installed",
    )


def _parents(name: str) -> Iterator[str]:
    """The packages that a dotted name lies in: importing it runs them too."""
    while name := name.rpartition(".")[0]:
        yield name


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Dotted names that may be modules, among all that a module of `package` imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                yield from _parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            parts = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            if base:
                yield base
                yield from _parents(base)
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _require(function: str, tree: ast.Module, file: Path) -> None:
    """Refuse a module that binds no such name anywhere outside its functions and classes."""
    names: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(child.name)
                continue
            if isinstance(child, ast.alias):
                names.add(child.asname or child.name.partition(".")[0])
            elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                names.add(child.id)
            pending.append(child)
    if function not in names and not names & {"*", "__getattr__"}:
        close = nearest(function, names)
        raise InputError(
            f"{file} has no function {function!r}", hint=f"did you mean {close}?" if close else ""
        )


def _parsed(source: bytes, file: Path) -> ast.Module:
    if len(source) > LONGEST:
        raise InputError(
            f"{file}: a module of more than {LONGEST:,} bytes", hint="keep data out of the code, in a file"
        )
    try:
        return ast.parse(source, str(file))
    except (RecursionError, MemoryError):
        raise InputError(f"{file}: nested too deeply to be read") from None
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise InputError(f"{file}{line}: not valid Python: {reason}") from None


# ------------------------------------------------------------------------------------------ hf/./folder


def _files(folder: Path) -> Mapping[str, bytes]:
    """What a folder of transformers holds of a model: its configuration, and weights where there are any."""
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: there is no config.json in this folder",
            hint="give a folder that transformers' save_pretrained wrote; it is relative to the protocol's",
        )
    weights = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    return {file.name: read_code(file) for file in (folder / "config.json", *weights)}


def read_code(file: Path) -> bytes:
    """The bytes of a file of the user's own. Raises InputError."""
    try:
        refuse_odd(file)
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
