"""Paths of weights that code names itself, such as `torch.load("runs/teacher.pt")`.

Files are read as text and never imported or run. A path counts where all of it is written down: what is
joined from a variable, such as the folder that the command is given, is another at each run.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = (".pt", ".pth", ".ckpt", ".safetensors")
"""Endings of files that hold weights."""
PERHAPS = (".h5", ".npz", ".npy", ".keras", ".pkl", ".bin", ".onnx", ".msgpack")
"""Endings of files that hold weights or data: only a word beside them tells."""

_OF_WEIGHTS = re.compile(r"teacher|ckpt|checkpoint|weights|state_dict", re.IGNORECASE)
_OF_TEACHER = re.compile(r"teacher", re.IGNORECASE)
_WRITES = re.compile(r"save|dump|write|export|to_|mkdir|remove|unlink", re.IGNORECASE)
_READS = re.compile(r"load|^open$|restore|(?:^|_)read|from_pretrained", re.IGNORECASE)
_LONGEST = 300
_IN_TEXT = re.compile(r"""(?<![\w./~${}*-])([\w.~/-]+\.(?:pt|pth|ckpt|safetensors))(?![\w*])""")


@dataclass(frozen=True)
class Named:
    """A path of weights in a file of code, and where; whether a word there says `teacher`, and it is read."""

    path: str
    file: Path
    line: int
    of_teacher: bool
    read: bool


def named_weights(code: Mapping[Path, bytes], words: Collection[str] = (), *, there: Path) -> list[Named]:
    """The weights that code names, each once; those of a teacher alone where a word tells them apart.

    `words` are those of the commands: a default of an option that is among them is not used. Without a / a
    name counts where it is read at once, says of what it is, or is a file in the folder `there`.
    """
    found: dict[str, Named] = {}
    for file, content in code.items():
        text = content.decode(errors="replace")
        named = _in_python(text, file, words) if file.suffix == ".py" else _in_text(text, file)
        for one in named:
            path = there / os.path.expanduser(one.path)  # noqa: PTH111  a ~ of nobody stays as it is
            if "/" in one.path or one.read or one.of_teacher or path.is_file():
                found.setdefault(one.path, one)
    ofs = [one for one in found.values() if one.of_teacher]
    return ofs or [*found.values()]


def _in_text(text: str, file: Path) -> Iterator[Named]:
    """In a script that is no Python: every path that is written out, but in comments."""
    for number, line in enumerate(text.splitlines(), 1):
        told = line.partition("#")[0]
        for match in _IN_TEXT.finditer(told):
            yield Named(match[1], file, number, bool(_OF_TEACHER.search(told)), read=False)


def _in_python(text: str, file: Path, words: Collection[str]) -> Iterator[Named]:
    try:
        yield from _Reader(ast.parse(text), file, words).found()
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # of another Python, or no program
        yield from _in_text(text, file)


class _Reader:
    """Reads one program: `fixed` are the names that are bound once, to a path that is written down."""

    def __init__(self, tree: ast.Module, file: Path, words: Collection[str]) -> None:
        self.tree, self.file, self.words = tree, file, words
        self.above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        bound: dict[str, list[ast.expr | None]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                parent = self.above[node]
                bound.setdefault(node.id, []).append(parent.value if isinstance(parent, ast.Assign) else None)
        self.fixed: dict[str, str] = {}
        for _ in range(3):  # one may be made of another
            for name, values in bound.items():
                if len(values) == 1 and values[0] and (value := self._value(values[0])) is not None:
                    self.fixed[name] = value

    def found(self) -> Iterator[Named]:
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            value = self._value(node) if isinstance(node, ast.expr) else None
            if value is not None:
                if (one := self._named(node, value)) is not None:
                    yield one
            elif isinstance(node, ast.BinOp | ast.JoinedStr) or (
                isinstance(node, ast.Call) and _last(node.func) == "join"
            ):  # its written parts are none by themselves
                waiting += [one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.Constant)]
            else:
                waiting += ast.iter_child_nodes(node)

    def _value(self, node: ast.AST) -> str | None:
        """The text of an expression that is written down, as a path; None for any other."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id="__file__"):
                return str(self.file)
            case ast.Name(id=name, ctx=ast.Load()):
                return self.fixed.get(name)
            case ast.Attribute(value=inner, attr="parent"):
                value = self._value(inner)
                return None if value is None else os.path.dirname(value)  # noqa: PTH120  of a text
            case ast.BinOp(left=left, op=ast.Div() | ast.Add() as op, right=right):
                first, second = self._value(left), self._value(right)
                if first is None or second is None:
                    return None
                return os.path.join(first, second) if isinstance(op, ast.Div) else first + second  # noqa: PTH118
            case ast.JoinedStr(values=values):
                told = [
                    self._value(one.value if isinstance(one, ast.FormattedValue) else one) for one in values
                ]
                return None if None in told else "".join(map(str, told))
            case ast.Call(func=func, args=[*given], keywords=[]):
                name = _last(func)
                inside = [self._value(one) for one in given]
                if not given and isinstance(func, ast.Attribute):
                    return self._value(func.value) if name in ("resolve", "absolute", "expanduser") else None
                if not inside or None in inside:
                    return None
                known = [str(one) for one in inside]
                if name in ("Path", "PurePath", "join"):
                    return os.path.join(*known)  # noqa: PTH118
                if name in ("str", "abspath", "expanduser", "realpath", "fspath") and len(known) == 1:
                    return known[0]
                if name == "dirname" and len(known) == 1:
                    return os.path.dirname(known[0])  # noqa: PTH120
        return None

    def _named(self, node: ast.AST, value: str) -> Named | None:
        """What a written text says of weights, None if it says nothing or if they are only written there."""
        if not value.endswith(WEIGHTS + PERHAPS) or len(value) > _LONGEST or re.search(r"[\s{}*%]", value):
            return None
        if value.startswith(".") and "/" not in value:  # an ending alone, of `name.endswith(".pt")`
            return None
        if isinstance(node, ast.Name):  # told where it is bound
            return None
        calls, name, option = self._around(node)
        if name and (uses := self._uses(name)):
            calls = [*calls, *uses]
        read = any(_READS.search(call) for call in calls)
        if not read and any(_WRITES.search(call) for call in calls):
            return None
        if {*map(_plain, (name, *option))} & {_plain(word.partition("=")[0]) for word in self.words} - {""}:
            return None  # the command says another
        around = " ".join((value, name, *option, *calls))
        if not value.endswith(WEIGHTS) and not _OF_WEIGHTS.search(around):
            return None
        line = getattr(node, "lineno", 1)
        return Named(value, self.file, line, bool(_OF_TEACHER.search(around)), read)

    def _around(self, node: ast.AST) -> tuple[list[str], str, tuple[str, ...]]:
        """The calls that a text is given to, its name, and the options whose default it is."""
        calls, name, option = list[str](), "", tuple[str, ...]()
        here = node
        while not isinstance(parent := self.above.get(here), ast.stmt | ast.Lambda | None):
            if isinstance(parent, ast.Call) and here is not parent.func:
                called = _last(parent.func)
                if called == "add_argument":
                    texts = [one.value for one in parent.args if isinstance(one, ast.Constant)]
                    option = tuple(text for text in texts if isinstance(text, str))
                mode = parent.args[1] if called == "open" and len(parent.args) > 1 else None
                writes = isinstance(mode, ast.Constant) and str(mode.value)[:1] in ("w", "x", "a")
                calls.append("write" if writes else called)
            if isinstance(parent, ast.keyword):
                name = name or str(parent.arg or "")
            if isinstance(parent, ast.arguments):
                places = [*zip(reversed(parent.args), reversed(parent.defaults), strict=False)]
                places += [
                    (one, value)
                    for one, value in zip(parent.kwonlyargs, parent.kw_defaults, strict=True)
                    if value
                ]
                name = next((one.arg for one, value in places if value is here), name)
            if isinstance(parent, ast.Dict):
                keys = [key for key, value in zip(parent.keys, parent.values, strict=True) if value is here]
                name = next((str(key.value) for key in keys if isinstance(key, ast.Constant)), name)
            here = parent
        if isinstance(parent, ast.Assign | ast.AnnAssign) and parent.value is here:
            target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target
            name = name or _last(target)
        return calls, name, option

    def _uses(self, name: str) -> list[str]:
        """The calls that a name is given to."""
        nodes = (one for one in ast.walk(self.tree) if isinstance(one, ast.Name) and one.id == name)
        return [call for one in nodes if isinstance(one.ctx, ast.Load) for call in self._around(one)[0]]


def _plain(option: str) -> str:
    """An option or key as a variable is called that holds it: `ckpt` of `--ckpt` and of `kd.ckpt=`."""
    return option.lstrip("-").replace("-", "_").rpartition(".")[2]


def _last(node: ast.AST) -> str:
    """The last name of `a.b.c` or `a["c"]`; "" of anything else."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "id", ""))
