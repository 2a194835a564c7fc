"""Paths that a Python program writes down: in one text, or joined of several that are written down."""

from __future__ import annotations

import ast
import os

LONGEST = 300
"""Characters of a text that may be a path."""


class WrittenPaths:
    """Reads one program: `fixed` are the names that are bound once, to a path that is written down.

    `unknown` stands for parts of a path that are not; with None a path of such a part is none.
    """

    def __init__(self, tree: ast.Module, file: os.PathLike[str], unknown: str | None = None) -> None:
        self.tree, self.at, self.unknown = tree, os.fspath(file), unknown
        self.above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        bound: dict[str, list[ast.expr | None]] = {}
        self.loads: dict[str, list[ast.Name]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self.loads.setdefault(node.id, []).append(node)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                parent = self.above[node]
                bound.setdefault(node.id, []).append(parent.value if isinstance(parent, ast.Assign) else None)
        self.fixed: dict[str, str] = {}
        for _ in range(3):  # one may be made of another
            for name, values in bound.items():
                if len(values) == 1 and values[0] and (value := self.value(values[0])) is not None:
                    self.fixed[name] = value if len(value) <= 4 * LONGEST else ""

    def value(self, node: ast.AST) -> str | None:
        """The text of an expression that is written down, as a path; `unknown` for any other."""
        found = self._written(node)
        return self.unknown if found is None else found

    def _written(self, node: ast.AST) -> str | None:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id="__file__"):
                return self.at
            case ast.Name(id=name, ctx=ast.Load()):
                return self.fixed.get(name)
            case ast.Attribute(value=inner, attr="parent"):
                value = self.value(inner)
                return None if value is None else os.path.dirname(value)  # noqa: PTH120  of a text
            case ast.Subscript(
                value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(above))
            ) if 0 <= above < 20:
                value = self.value(inner)
                for _ in range(above + 1):
                    value = None if value is None else os.path.dirname(value)  # noqa: PTH120
                return value
            case ast.BinOp(left=left, op=ast.Div() | ast.Add() as op, right=right):
                first, second = self.value(left), self.value(right)
                if first is None or second is None:
                    return None
                return os.path.join(first, second) if isinstance(op, ast.Div) else first + second  # noqa: PTH118
            case ast.JoinedStr(values=values):
                told = [
                    self.value(one.value if isinstance(one, ast.FormattedValue) else one) for one in values
                ]
                return None if None in told else "".join(map(str, told))
            case ast.Call(func=func, args=[*given], keywords=[]):
                return self._called(func, given)
        return None

    def _called(self, func: ast.expr, given: list[ast.expr]) -> str | None:
        name = last(func)
        if not given:
            kept = isinstance(func, ast.Attribute) and name in ("resolve", "absolute", "expanduser")
            return self.value(func.value) if kept and isinstance(func, ast.Attribute) else None
        whole = name in ("str", "abspath", "expanduser", "realpath", "fspath", "dirname", "with_name")
        if name not in ("Path", "PurePath", "join", "joinpath") and not (whole and len(given) == 1):
            return None
        inside = [self.value(one) for one in given]
        if name in ("joinpath", "with_name"):
            before = self.value(func.value) if isinstance(func, ast.Attribute) else None
            inside.insert(0, before if name == "joinpath" or before is None else os.path.dirname(before))  # noqa: PTH120
        if None in inside:
            return None
        known = [str(one) for one in inside]
        if name == "dirname":
            return os.path.dirname(known[0])  # noqa: PTH120
        return os.path.join(*known)  # noqa: PTH118

    def around(self, node: ast.AST) -> tuple[list[str], str, tuple[str, ...]]:
        """The calls that a text is given to, its name, and the options whose default it is."""
        calls, name, option = list[str](), "", tuple[str, ...]()
        here = node
        while not isinstance(parent := self.above.get(here), ast.stmt | ast.Lambda | None):
            if isinstance(parent, ast.Call) and here is not parent.func:
                called = last(parent.func)
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
            name = name or last(target)
        return calls, name, option

    def uses(self, name: str) -> list[str]:
        """The calls that a name is given to."""
        return [call for one in self.loads.get(name, ()) for call in self.around(one)[0]]


def last(node: ast.AST) -> str:
    """The last name of `a.b.c` or `a["c"]`; "" of anything else."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "id", ""))
