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

from rigorkd.records.written_paths import LONGEST, WrittenPaths, last

WEIGHTS = (".pt", ".pth", ".ckpt", ".safetensors")
"""Endings of files that hold weights."""
PERHAPS = (".h5", ".npz", ".npy", ".keras", ".pkl", ".bin", ".onnx", ".msgpack")
"""Endings of files that hold weights or data: only a word beside them tells."""

_OF_WEIGHTS = re.compile(r"teacher|ckpt|checkpoint|weights|state_dict", re.IGNORECASE)
_OF_TEACHER = re.compile(r"teacher", re.IGNORECASE)
WRITES = re.compile(r"save|dump|write|export|to_|mkdir|remove|unlink", re.IGNORECASE)
READS = re.compile(r"load|^open$|restore|(?:^|_)read|from_pretrained", re.IGNORECASE)
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


class _Reader(WrittenPaths):
    """Reads the weights that one program names."""

    def __init__(self, tree: ast.Module, file: Path, words: Collection[str]) -> None:
        super().__init__(tree, file)
        self.file, self.words = file, words

    def found(self) -> Iterator[Named]:
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            value = self.value(node) if isinstance(node, ast.expr) else None
            if value is not None:
                if (one := self._named(node, value)) is not None:
                    yield one
            elif isinstance(node, ast.BinOp | ast.JoinedStr) or (
                isinstance(node, ast.Call) and last(node.func) == "join"
            ):  # its written parts are none by themselves
                waiting += [one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.Constant)]
            else:
                waiting += ast.iter_child_nodes(node)

    def _named(self, node: ast.AST, value: str) -> Named | None:
        """What a written text says of weights, None if it says nothing or if they are only written there."""
        if not value.endswith(WEIGHTS + PERHAPS) or len(value) > LONGEST or re.search(r"[\s{}*%]", value):
            return None
        if value.startswith(".") and "/" not in value:  # an ending alone, of `name.endswith(".pt")`
            return None
        if isinstance(node, ast.Name):  # told where it is bound
            return None
        calls, name, option = self.around(node)
        if name and (uses := self.uses(name)):
            calls = [*calls, *uses]
        read = any(READS.search(call) for call in calls)
        if not read and any(WRITES.search(call) for call in calls):
            return None
        if {*map(_plain, (name, *option))} & {_plain(word.partition("=")[0]) for word in self.words} - {""}:
            return None  # the command says another
        around = " ".join((value, name, *option, *calls))
        if not value.endswith(WEIGHTS) and not _OF_WEIGHTS.search(around):
            return None
        line = getattr(node, "lineno", 1)
        return Named(value, self.file, line, bool(_OF_TEACHER.search(around)), read)


def _plain(option: str) -> str:
    """An option or key as a variable is called that holds it: `ckpt` of `--ckpt` and of `kd.ckpt=`."""
    return option.lstrip("-").replace("-", "_").rpartition(".")[2]
