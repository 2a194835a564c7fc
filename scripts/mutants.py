"""How many small faults in the statistics do their tests notice?

    python scripts/mutants.py --sample 300 --seed 0
    python scripts/mutants.py --sample 40 analysis/rigorkd_analysis/stats/paired.py

Each mutant is one change of one operator, comparison, condition or number of `rigorkd_analysis`. The fast
tests of `tests/analysis` are collected once; then each mutant gets a forked process, in which its code takes
the place of the right one (no file is touched), and the tests that reach its line run, quickest first, until
one fails. One that none of them notices survives and is printed: a test is missing, or the change means
nothing. 300 take a few minutes on one core; Ctrl-C ends early, with what was found (the sample has no order).
POSIX only.

Exit code: 0, or 1 where fewer than `--at-least` percent are killed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import pickle
import random
import resource
import select
import signal
import sys
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "analysis" / "rigorkd_analysis"
TESTS = ROOT / "tests" / "analysis"

#: What a mutant's process may take, in bytes.
MEMORY = 4 * 2**30

SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.RShift: (ast.LShift,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


@dataclass(frozen=True)
class Mutant:
    """The `variant`-th change of the `index`-th node, in the order of `ast.walk`, of a file."""

    path: Path
    index: int
    variant: int
    line: int
    lines: range

    def tree(self) -> ast.Module:
        tree = ast.parse(self.path.read_text(encoding="utf-8"))
        changes(list(ast.walk(tree))[self.index])[self.variant]()
        return tree

    def __str__(self) -> str:
        before, after = ast.parse(self.path.read_text(encoding="utf-8")), self.tree()
        shown = []
        for tree in (before, after):  # the innermost statement around the change
            around = [
                n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n.lineno <= self.line <= _end(n)
            ]
            text = ast.unparse(ast.fix_missing_locations(around[-1])).splitlines()
            compound = isinstance(around[-1], ast.If | ast.For | ast.While | ast.With | ast.FunctionDef)
            shown.append(text[0] if compound else " ".join(line.strip() for line in text))
        return f"{self.path.relative_to(ROOT)}:{self.line}\n    - {shown[0]}\n    + {shown[1]}"


def changes(node: ast.AST) -> list[Callable[[], None]]:
    """What may be changed at a node: functions that do so in place."""
    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op):
            return [lambda new=new: setattr(node, "op", new()) for new in SWAPS.get(type(op), ())]
        case ast.Compare(ops=ops):
            return [
                lambda i=i, new=new: ops.__setitem__(i, new())
                for i, op in enumerate(ops)
                for new in SWAPS.get(type(op), ())
            ]
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            return [lambda: _become(node, operand)]
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare | ast.UnaryOp):
            return [lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), test))]
        case ast.Constant(value=bool(value)):
            return [lambda: setattr(node, "value", not value)]
        case ast.Constant(value=int(value) | float(value)):
            return [lambda: setattr(node, "value", value + 1)]
        case ast.Continue():
            return [lambda: _become(node, ast.Break())]
        case _:
            return []


def _become(node: ast.AST, other: ast.AST) -> None:
    node.__class__ = other.__class__
    for name in other._fields:
        setattr(node, name, getattr(other, name))


def mutants_of(path: Path) -> list[Mutant]:
    """Every mutant of a file; annotations, decorators and the like are left alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node) for part in _untouched(tree) for node in ast.walk(part)}
    lines: dict[int, range] = {}
    for statement in ast.walk(tree):  # breadth first, so that the innermost statement comes last
        if isinstance(statement, ast.stmt):
            own = range(statement.lineno, _end(statement) + 1)
            lines.update({id(node): own for node in ast.walk(statement)})
    return [
        Mutant(path, index, variant, getattr(node, "lineno", lines[id(node)].start), lines[id(node)])
        for index, node in enumerate(ast.walk(tree))
        if id(node) in lines and id(node) not in skipped
        for variant in range(len(changes(node)))
    ]


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _untouched(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(annotation=part) | ast.arg(annotation=ast.expr() as part):
                yield part
            case ast.FunctionDef(returns=returns, decorator_list=decorators):
                yield from (part for part in (returns, *decorators) if part is not None)
            case ast.ClassDef(decorator_list=decorators):
                yield from decorators
            case ast.If(test=ast.Name("TYPE_CHECKING")) | ast.keyword(arg="strict"):
                yield node


# ------------------------------------------------------------------------------------------ taking effect


def take_effect(mutant: Mutant) -> None:
    """Give the loaded module the mutant's code; whoever imported its functions before has the mutant, too."""
    parts = mutant.path.relative_to(PACKAGE.parent).with_suffix("").parts
    module = sys.modules[".".join(part for part in parts if part != "__init__")]
    twin = types.ModuleType(module.__name__)
    twin.__dict__.update({name: value for name, value in vars(module).items() if name.startswith("__")})
    exec(compile(ast.fix_missing_locations(mutant.tree()), str(mutant.path), "exec"), vars(twin))
    for name, new in vars(twin).items():
        old = vars(module).get(name)
        if name.startswith("__") or getattr(new, "__module__", module.__name__) != module.__name__:
            continue
        if callable(new) or isinstance(new, type):
            _graft(old, new)
        elif repr(old) != repr(new):  # a constant: wherever it was imported to
            for other in list(sys.modules.values()):
                if vars(other).get(name) is old:
                    setattr(other, name, new)


def _graft(old: Any, new: Any) -> None:
    if isinstance(new, type):
        for name, value in vars(new).items():
            if name in vars(old):
                _graft(vars(old)[name], value)
        return
    for wrapped in (
        "__wrapped__",
        "__func__",
        "fget",
    ):  # caches and context managers, class methods, properties
        if hasattr(new, wrapped):
            _graft(getattr(old, wrapped), getattr(new, wrapped))
            return
    if isinstance(new, types.FunctionType):
        old.__code__, old.__defaults__, old.__kwdefaults__ = (
            new.__code__,
            new.__defaults__,
            new.__kwdefaults__,
        )


# ------------------------------------------------------------------------------------- running the tests


@dataclass(frozen=True)
class Task:
    """Work for a process of its own, which is ended after these seconds."""

    name: Any
    work: Callable[[], Any]
    seconds: float


def answers(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Any, Any]]:
    """The name of each task and what its work gave, None if that took too long or died."""
    waiting, running = list(reversed(tasks)), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            task = waiting.pop()
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                _work(task, writing)
            os.close(writing)
            running[reading] = task, child
        for reading in select.select(list(running), [], [])[0]:
            task, child = running.pop(reading)
            with os.fdopen(reading, "rb") as pipe:
                data = pipe.read()
            os.waitpid(child, 0)
            yield task.name, pickle.loads(data) if data else None


def _work(task: Task, writing: int) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # a mutant may ask for all there is
    signal.alarm(max(1, round(task.seconds)))
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    answer = None
    with contextlib.suppress(BaseException):
        answer = task.work()
    with os.fdopen(writing, "wb") as pipe:
        pickle.dump(answer, pipe)
    os._exit(0)


class Campaign:
    """A pytest plugin: after the tests are collected, the mutants run them instead."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, longest: float) -> None:
        self.mutants, self.jobs, self.longest = mutants, jobs, longest
        self.killed, self.survived = Counter[Path](), Counter[Path]()
        self.failed = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.failed |= bool(report.failed)

    def pytest_runtestloop(self, session: Any) -> bool:
        ((_, reach),) = answers([Task("", lambda: self._reach(session.items), 3600)], 1)
        if reach is None:
            raise RuntimeError("the tests fail without any mutant, or take more than an hour")
        reached, seconds = reach
        quickest = sorted(session.items, key=lambda item: seconds[item.nodeid])
        quickest = [item for item in quickest if seconds[item.nodeid] <= self.longest]
        tasks = []
        for mutant in self.mutants:
            places = {(str(mutant.path), line) for line in mutant.lines}
            items = [item for item in quickest if reached[item.nodeid] & places]
            if not items and _at_import(mutant):
                items = quickest
            limit = 60 + 20 * sum(seconds[item.nodeid] for item in items)
            tasks.append(Task((mutant, len(items)), lambda m=mutant, i=items: self._notices(m, i), limit))
        with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"{len(self.mutants)} mutants, {len(quickest)} tests", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                for (mutant, tests), noticed in answers(tasks, self.jobs):
                    (self.survived if noticed is False else self.killed)[mutant.path] += 1
                    if noticed is False:
                        print(f"survives {tests} tests: {mutant}", flush=True)
        return True

    def _run(self, items: Sequence[Any]) -> Iterator[Any]:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            yield item

    def _notices(self, mutant: Mutant, items: Sequence[Any]) -> bool:
        if items:
            take_effect(mutant)
        return any(self.failed for _ in self._run(items))

    def _reach(self, items: Sequence[Any]) -> tuple[dict[str, set[tuple[str, int]]], dict[str, float]] | None:
        """Which lines of the package every test runs, and how long it takes."""
        reached: dict[str, set[tuple[str, int]]] = {}
        seconds: dict[str, float] = {}
        lines: set[tuple[str, int]] = set()

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            if not frame.f_code.co_filename.startswith(str(PACKAGE)):
                return None
            lines.add((frame.f_code.co_filename, frame.f_lineno))
            return trace

        began = time.perf_counter()
        sys.settrace(trace)
        for item in self._run(items):
            seconds[item.nodeid] = time.perf_counter() - began
            reached[item.nodeid] = set(lines)
            lines.clear()
            for module in [own for name, own in sys.modules.items() if name.startswith("rigorkd_analysis")]:
                for value in list(vars(module).values()):
                    getattr(value, "cache_clear", lambda: None)()  # what is remembered is not reached again
            began = time.perf_counter()
        sys.settrace(None)
        return None if self.failed else (reached, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="files of rigorkd_analysis (default: all)")
    parser.add_argument("--sample", type=int, default=300, help="mutants to try (0: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--longest", type=float, default=60.0, help="leave out tests that take more seconds")
    parser.add_argument("--at-least", type=float, default=0.0, help="percent to be killed")
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(PACKAGE.parent)]
    files = [path.resolve() for path in given.files] or sorted(PACKAGE.rglob("*.py"))
    mutants = [mutant for path in files for mutant in mutants_of(path)]
    random.Random(given.seed).shuffle(mutants)
    total, mutants = len(mutants), mutants[: given.sample or None]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    campaign = Campaign(mutants, given.jobs, given.longest)
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("mutants")
    options = ["-m", "not slow", "-o", "addopts=--import-mode=importlib", "--rootdir", str(ROOT)]
    options += [part for name in ("cacheprovider", "terminal", "xdist") for part in ("-p", f"no:{name}")]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded already
    pytest.main([*options, str(TESTS)], plugins=[campaign])
    for path in files:
        if tried := campaign.killed[path] + campaign.survived[path]:
            print(f"{campaign.killed[path]:4} of {tried:4} killed  {path.relative_to(PACKAGE)}")
    killed, tried = campaign.killed.total(), campaign.killed.total() + campaign.survived.total()
    share = 100 * killed / max(1, tried)
    print(f"{killed} of {tried} mutants killed ({total} are possible): {share:.1f} %")
    return 0 if tried and share >= given.at_least else 1


def _at_import(mutant: Mutant) -> bool:
    """Whether the line runs when the module is loaded, so that every test may notice it."""
    tree = ast.parse(mutant.path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return not any(one.body[0].lineno <= mutant.line <= (one.end_lineno or 0) for one in functions)


if __name__ == "__main__":
    sys.exit(main())
