"""Which cell is the baseline of which: found by what cells share, or named.

A distilled cell's gain is judged against the cell whose method is `baseline` and that agrees with it in
group, student, start, epochs, training and views, as far as the table has such columns, and in what it was
measured on (`likeness.on_what`). A cell that is named as the baseline settles the cells for which that finds
none or several, no others. What is named by a value (`alpha=0`, or a method's word; `short_names`) is the
baseline of whatever shares the rest, and stands instead of the rule. Never matched: the teacher and the
method's own parameters, since a baseline has neither.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from rigorkd_analysis.analysis_plan import Contrast, Pair
from rigorkd_analysis.axis_names import AXES
from rigorkd_analysis.columns import is_number, sets_up
from rigorkd_analysis.likeness import may_be_methods, on_what
from rigorkd_analysis.named_pairs import each_pair
from rigorkd_analysis.offered_baselines import (
    is_called_baseline,
    likely,
    no_such_cell,
    offered,
    switches,
)
from rigorkd_analysis.runs import Runs
from rigorkd_analysis.short_names import (
    MATCHED,
    Having,
    beside_methods,
    compared_by,
    data_of,
    having,
    one_kind,
    plain,
    unlike_beside_method,
)
from rigorkd_analysis.table_error import TableError

_NOT_DISTILLED = ("baseline", "teacher", "")
_OF_NETWORKS = frozenset({"student", "teacher", "model", "start", "training", "views"})


def distilled(runs: Runs) -> list[int]:
    """Positions of the cells that have a distillation method."""
    if "method" not in runs.attributes:
        return []
    return [cell for cell in range(len(runs.cells)) if runs.text("method", cell) not in _NOT_DISTILLED]


def baselines(runs: Runs) -> list[int]:
    """Positions of the cells whose method is `baseline`."""
    if "method" not in runs.attributes:
        return []
    return [cell for cell in range(len(runs.cells)) if runs.text("method", cell) == "baseline"]


class Matcher:
    """Finds the baseline of a cell by the rule above.

    Cells that were named settle it where the rule finds none or several, and only there: each of its student,
    on its data. A value of a column names the baseline of every cell that shares the rest with one that has
    it; where no column tells, one part of their names does, `relu` of `cifar10/relu`. Cells without a
    baseline that a pair of the plan compares have no gain, and need none.
    """

    def __init__(self, runs: Runs, named: tuple[str, ...] = (), contrasts: Sequence[Contrast] = ()) -> None:
        self._runs = runs
        pairs = [pair for pair in each_pair(runs, contrasts) if isinstance(pair, Pair)]
        self._in_pairs = {cell for pair in pairs for cell in (pair.a, pair.b)}
        self._columns = [column for column in MATCHED if column in runs.attributes]
        self._on_what = on_what(runs)
        self._is_study = "training" in runs.attributes  # its protocol says what cells and baselines share
        if self._is_study:
            self._on_what = tuple(column for column in self._on_what if column in ("dataset", "task"))
        else:
            self._columns += [column for column in self._on_what if all(runs.attributes[column])]
        self._named: dict[tuple[str, ...], int] = {}
        self._beside: dict[tuple[int, tuple[str, ...]], int] = {}
        self._having: list[Having] = []
        self._wide: dict[str, bool] = {}
        self._places: dict[int, list[str]] = {}
        self._off: dict[str, str] | None = None
        self._settings: tuple[str, ...] | None = None
        self._compared: frozenset[str] | None = None
        for name in named:
            if found := self._by_value(name):
                self._having.append(found)
                continue
            if beside := self._sharing(name):
                self._beside |= beside
                continue
            for position in self._meant(name):
                whose = self._whose(position)
                if whose in self._named:
                    of = " on ".join(filter(None, whose))
                    raise TableError(
                        f"two baselines{f' of {of}' * bool(of)}: {runs.cells[self._named[whose]]} and "
                        f"{runs.cells[position]}",
                        hint="name one baseline per student and data set",
                    )
                self._named[whose] = position
        self._by_key: dict[tuple[str, ...], list[int]] = {}
        for position in baselines(runs):
            self._by_key.setdefault(self._key(position), []).append(position)
        if self._having and not self.targets():
            raise self._beside_nothing(self._having[0])

    def _by_value(self, name: str) -> Having | None:
        """The cells that a value names; in a study a word alone is the end of their names."""
        if name in self._runs.index or (self._is_study and "=" not in name):
            return None
        return having(self._runs, name)

    def named(self) -> set[int]:
        """The cells that were named as baselines, by whatever name."""
        values = {cell for found in self._having for cell in found.cells}
        return values | {*self._named.values(), *self._beside.values()}

    def _meant(self, name: str) -> list[int]:
        """The cell of a name, or those that end in it, one on each data set."""
        if name in self._runs.index:
            return [self._runs.position(name)]
        if column := data_of(self._runs, name):
            instead = self._name_one(range(len(self._runs.cells)))
            if may_be_methods(self._runs, column):
                value = name.partition("=")[2] or name
                given = shlex.quote(f"{column}={value}")
                instead = f"if {column} tells methods apart, --baseline {given} says so; else {instead}"
            raise TableError(
                f"{name} is a {column} and no baseline: none is on other data than its cells", hint=instead
            )
        if found := self._by_ending(name):
            return found
        raise no_such_cell(self._runs, name, self.word_for)

    def word_for(self, cell: int) -> str:
        """What names this cell and its likes as the baselines of several others, "" if nothing does."""
        runs, name = self._runs, self._runs.cells[cell]
        words = [runs.text("method", cell)]
        if self._off is None:
            self._off = switches(runs)
        off = self._off.items()
        words += [f"{column}={plain(value)}" for column, value in off if runs.text(column, cell) == value]
        last = name.rpartition("/")[2]
        found = next(filter(self._is_wide, words), "")
        return found or (last if last != name and self._is_wide_name(last) else "")

    def _is_wide(self, word: str) -> bool:
        """Whether a word names a baseline for several cells, each by the rest of its columns or its name."""
        if word not in self._wide:
            found = self._by_value(word) if word else None
            if found:
                several = len(found.cells) > 1
                wide = several and max((len(found.beside(at)) for at in self._others(found)), default=0) == 1
            else:
                wide = self._is_wide_name(word)
            self._wide[word] = wide
        return self._wide[word]

    def _is_wide_name(self, word: str) -> bool:
        if word in self._runs.index:
            return False
        several = len(self._by_ending(word)) > 1 or bool(self._sharing(word))
        return several and not data_of(self._runs, word)

    def _others(self, found: Having) -> list[int]:
        """The cells that are judged against those that have a value."""
        cells, own = range(len(self._runs.cells)), set(found.cells)
        return [at for at in cells if at not in own and self._runs.text("method", at) != "teacher"]

    def _name_one(self, cells: Iterable[int]) -> str:
        """How to name a baseline, of these cells: those that are called as one, else any."""
        some = [cell for cell in cells if self._runs.text("method", cell) != "teacher"]
        called = [cell for cell in likely(self._runs) if cell in some]
        if not some:
            return "add the runs of a baseline there, or leave this cell out"
        return f"name one with {offered(self._runs, called or some, self.word_for)}"

    def _by_ending(self, name: str) -> list[int]:
        """The cells that end in a name, if they are one on each data set."""
        found = [at for cell, at in self._runs.index.items() if cell.endswith(f"/{name}")]
        return found if len({self._whose(position) for position in found}) == len(found) else []

    def _sharing(self, name: str) -> dict[tuple[int, tuple[str, ...]], int]:
        """The cells of which a name is one part, at one place, by that place and their other parts.

        None where the others are baselines themselves: the part is then a network or a data set.
        """
        index = self._runs.index
        if name in index or self._by_ending(name):
            return {}
        found = [(cell.split("/"), at) for cell, at in index.items() if name in cell.split("/")]
        if len(found) < 2 or len({(parts.index(name), len(parts)) for parts, _ in found}) > 1:
            return {}
        place = found[0][0].index(name)
        beside = {(place, (*parts[:place], *parts[place + 1 :])): at for parts, at in found}
        if is_called_baseline(name):
            return beside
        rest = {part for _, parts in beside for part in parts}
        if data_of(self._runs, name) or any(map(is_called_baseline, rest)):
            return {}
        return beside

    def _settled(self, cell: int) -> int | None:
        """The named baseline of a cell."""
        ruled = {at for found in self._having for at in found.beside(cell)}
        if len(ruled) > 1:
            names = [self._runs.cells[at] for at in sorted(ruled)]
            own = [part for part in names[0].split("/") if part not in names[1].split("/")]
            word = own[0] if len(own) == 1 else names[0]  # one part of the name is one for all data
            raise TableError(
                f"two baselines of {self._runs.cells[cell]}: {names[0]} and {names[1]}",
                hint=f"name one of them alone: --baseline {shlex.quote(word)}",
            )
        if ruled:
            return ruled.pop()
        if (whose := self._whose(cell)) in self._named:
            return self._named[whose]
        parts = self._runs.cells[cell].split("/")
        keys = ((place, (*parts[:place], *parts[place + 1 :])) for place in range(len(parts)))
        found = next((self._beside[key] for key in keys if key in self._beside), None)
        return found if found is not None and not self._apart(found, cell, self._on_what) else None

    def _apart(self, a: int, b: int, columns: Sequence[str]) -> list[str]:
        """The columns in which two cells differ."""
        text = self._runs.text
        return [column for column in columns if plain(text(column, a)) != plain(text(column, b))]

    def rest_of_name(self, cell: int) -> str:
        """What a cell shares with its baseline and not with others', beside whose it is; "" for nothing.

        Of names the parts beside the one that the baseline was named by; of values the words in columns that
        no rule knows: `bench`, in which each word has a baseline of its own, is no setting.
        """
        return "/".join((*self._rest(cell), *(self._runs.text(name, cell) for name in self._strata)))

    @cached_property
    def _strata(self) -> tuple[str, ...]:
        """The columns of words, known by no name, in which baselines that a value names differ."""
        known = {*AXES, *self._on_what, "group", "student", "method", "cell"}
        found = dict.fromkeys(name for one in self._having for name in one.shares if name not in known)
        return tuple(name for name in found if self._parts_baselines(name))

    def _parts_baselines(self, name: str) -> bool:
        words = {self._runs.text(name, cell) for one in self._having for cell in one.cells}
        return len(words) > 1 and all(words) and not any(map(is_number, words)) and not sets_up(name)

    def _rest(self, cell: int) -> tuple[str, ...]:
        parts = self._runs.cells[cell].split("/")
        for place, rest in self._beside:
            if (*parts[:place], *parts[place + 1 :]) == rest:
                return rest
        return ()

    def in_one_place(self, teacher: int, cell: int) -> bool:
        """Whether a teacher's runs stand where a cell's do: of one data set, group, or part of the table.

        By what a cell's baseline must share with it, but for networks and how they were trained: in these a
        teacher differs. A column in which it has what no other cell has is of that kind.
        """
        if teacher not in self._places:
            self._places[teacher] = self._places_of(teacher)
        if self._apart(teacher, cell, self._places[teacher]):
            return False
        rest = self._rest(cell)
        return not rest or rest == self._rest(teacher)

    def _places_of(self, teacher: int) -> list[str]:
        """The columns that say where a teacher's runs stand."""
        text, own = self._runs.text, self._runs.attributes
        columns = {*self._on_what, *({"group"} & own.keys())}
        for name in dict.fromkeys(column for found in self._having for column in found.shares):
            others = (
                text(name, at) for at in range(len(self._runs.cells)) if text("method", at) != "teacher"
            )
            if name not in _OF_NETWORKS and not sets_up(name) and text(name, teacher) in others:
                columns.add(name)
        return sorted(columns)

    def _whose(self, cell: int) -> tuple[str, ...]:
        """Whose baseline a named cell is: its student's, on its data."""
        return tuple(self._runs.text(column, cell) for column in ("student", *self._on_what))

    def _key(self, cell: int) -> tuple[str, ...]:
        return tuple(plain(self._runs.text(column, cell)) for column in self._columns)

    def any(self) -> bool:
        """Whether there is any baseline at all."""
        return bool(self._named or self._beside or self._having or self._by_key)

    def targets(self) -> list[int]:
        """The cells that have a gain: the distilled ones, or all others if only named baselines tell."""
        cells, named = list(range(len(self._runs.cells))), self.named()
        if self._having or "method" not in self._runs.attributes:
            cells = [at for at in cells if self._runs.text("method", at) != "teacher"]
            cells = [at for at in cells if at not in named and self._settled(at) is not None]
        else:
            cells = distilled(self._runs)
        return [cell for cell in cells if cell not in named and not self._is_excused(cell)]

    def by_value(self) -> list[str]:
        """How the baselines that values name were taken, and which cells have none."""
        told, left = [], self.left_out()
        for found in self._having:
            shares = f" that shares {found.rest}" if found.rest else ""
            told.append(f"baseline {found.called}: each cell against the one of {found.what}{shares}")
        if left:
            names = [self._runs.cells[cell] for cell in left[:6]]
            more = f" and {len(left) - 6} more" if len(left) > 6 else ""
            told.append(
                f"left out, since no baseline shares {self._having[0].rest}: {', '.join(names)}{more}"
            )
        return told

    def left_out(self) -> list[int]:
        """The cells that no baseline stands beside, where values name them."""
        if not self._having:
            return []
        cells = self._others(self._having[0])
        named, pairs, names = self.named(), self._in_pairs, self._runs.cells
        return [
            at for at in cells if at not in named and names[at] not in pairs and self._settled(at) is None
        ]

    @property
    def matched(self) -> tuple[str, ...]:
        """The columns in which a baseline agrees with its cell."""
        return tuple(self._columns)

    def excused(self) -> list[str]:
        """The distilled cells that only pairs of the plan compare: no baseline agrees with them."""
        named = self.named()
        found = (cell for cell in distilled(self._runs) if cell not in named and self._is_excused(cell))
        return [self._runs.cells[cell] for cell in found]

    def _is_excused(self, cell: int) -> bool:
        known = self._by_key.get(self._key(cell)) or self._settled(cell) is not None
        return not known and self._runs.cells[cell] in self._in_pairs

    def of(self, cell: int) -> int:
        """The baseline of a cell.

        Raises:
            TableError: none or several; the candidates are named.
        """
        found = [] if self._having else self._by_key.get(self._key(cell), [])
        if len(found) == 1:
            return found[0]
        if (settled := self._settled(cell)) is not None:
            return settled
        if self._having:
            raise self._beside_nothing(self._having[0], cell)
        name = self._runs.cells[cell]
        if found:
            listed = ", ".join(self._runs.cells[position] for position in found)
            raise TableError(
                f"{name} has several baselines: {listed}",
                hint=self._of_each(found) or f"choose one: {offered(self._runs, found, self.word_for)}",
                column="method",
            )
        if elsewhere := self._elsewhere(cell):
            raise elsewhere
        matching = ", ".join(self._columns) or "no column"
        raise TableError(
            f"{name} has no baseline (a cell of method 'baseline' with the same {matching})",
            hint=self._nearest(cell),
            column="method",
        )

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Each cell that has a gain, with the baseline that this is over."""
        for cell in self.targets():
            with contextlib.suppress(TableError):
                yield cell, self.of(cell)

    def serving(self) -> set[int]:
        """The cells that gains are over; unless some were named, also those of no distilled cell."""
        found = set() if self.named() else set(baselines(self._runs))
        return found.union(baseline for _, baseline in self.pairs())

    def unlike(self, cell: int) -> tuple[str, ...]:
        """In what a cell of a table differs from its baseline beside its method, each as a warning.

        A study's protocol says what both share.
        """
        runs = self._runs
        if self._is_study:
            return ()
        if self._settings is None:
            self._settings = beside_methods(runs)
        own = self.of(cell)
        asked = {one.column for one in self._having}  # whoever names width=16 asks about the width
        mend = ""
        if not self.named() and having(runs, "baseline") is not None:
            mend = "; --baseline baseline leaves out what has no baseline that shares it"
        found = [one for one in unlike_beside_method(runs, cell, own, self._settings) if one[0] not in asked]
        if runs.text("method", cell) == runs.text("method", own):
            found = self._beside_what_is_compared(found)
        return tuple(
            f"{column} is {mine}, and {its} in its baseline {runs.cells[own]}: the difference is confounded "
            f"with it{mend}"
            for column, mine, its in found
        )

    def _beside_what_is_compared(self, found: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        """Of the differences from a baseline that has the same method, or none, those that confound it.

        What is compared is none: one column, by whatever names, in which alone they differ, or columns in
        which all cells differ from their baselines.
        """
        columns = [column for column, _, _ in found]
        if all(one_kind(self._runs, columns[:1], (column,)) for column in columns):
            return []
        if self._compared is None:
            pairs = [(cell, self.of(cell)) for cell in self.targets()]
            self._compared = compared_by(self._runs, pairs, self._settings or ())
        return [one for one in found if one[0] not in self._compared]

    def _of_each(self, found: Sequence[int]) -> str:
        """How to name the baseline of every cell at once, where each has its own beside it.

        One of them for all would compare what was measured on one part with what was measured on another.
        """
        parts = [{self.word_for(at), *self._runs.cells[at].split("/")} for at in found]
        wide = [word for word in sorted(set.intersection(*parts)) if self._is_wide(word)]
        values = [value for word in wide if (value := self._by_value(word))]
        for value in values:
            if all(value.beside(cell) or cell in value.cells for cell in self.targets()):
                called = shlex.quote(value.called)
                return f"--baseline {called} takes for each the one that shares {value.rest}"
        for word in wide:
            beside = Matcher(self._runs, (word,))
            if beside._beside and all(beside._settled(cell) is not None for cell in self.targets()):
                return (
                    f"--baseline {shlex.quote(word)} takes for each the one that shares the rest of its name"
                )
        return ""

    def _beside_nothing(self, found: Having, cell: int | None = None) -> TableError:
        """That none of the cells that have a value shares the rest with a cell, or with any."""
        runs = self._runs
        others = self._others(found)
        if cell is None and not others:
            return TableError(
                f"every cell has {found.what}: there is nothing to judge against it",
                hint="name a value that some cells have not",
            )
        one = others[0] if cell is None else cell
        told = [f"{column} {mine or '–'} instead of {its or '–'}" for column, mine, its in found.differs(one)]
        which = "no cell has" if cell is None else f"{runs.cells[one]} has no"
        which = f"{which} a baseline" if cell is None else f"{which} baseline"
        such = f" ({runs.cells[one]} has {', '.join(told)})" if told else ""
        alike = [at for at in self._like(one) if at not in found.cells]
        return TableError(
            f"{which} of {found.what} that shares {found.rest}{such}",
            hint=f"{self._name_one(alike)}; --compare {shlex.quote(runs.cells[one])} "
            f"{shlex.quote(runs.cells[found.cells[0]])} shows a difference all the same",
            column=found.column,
        )

    def _like(self, cell: int) -> list[int]:
        """The other cells of its student, on its data."""
        others = range(len(self._runs.cells))
        return [at for at in others if at != cell and self._whose(at) == self._whose(cell)]

    def _elsewhere(self, cell: int) -> TableError | None:
        """That baselines are of another network, or were measured on something else, if that is why."""
        runs = self._runs
        own = [at for at in baselines(runs) if runs.text("student", at) == runs.text("student", cell)]
        named = list(self._named.values())
        columns = ("student", *self._on_what) if named else self._on_what
        found = named or own or baselines(runs)
        differs = [self._apart(position, cell, columns) for position in found]
        if not found or not all(differs):
            return None
        baseline, name = runs.cells[found[-1]], runs.cells[cell]
        on = ", ".join(f"{column} {runs.text(column, cell) or 'of no name'}" for column in differs[-1])
        other = ", ".join(runs.text(column, found[-1]) or "none" for column in differs[-1])
        shown = f"--compare {shlex.quote(name)} {shlex.quote(baseline)} shows their difference all the same"
        if "student" in differs[-1]:
            return TableError(
                f"{name} has no baseline: it is of {on}, and {baseline} of {other}",
                hint=f"a baseline is the same network without the method: "
                f"{self._name_one(self._like(cell))}; {shown}",
                column="method",
            )
        word = self.word_for(found[-1])
        each = f"--baseline {shlex.quote(word)} takes one on each; " if word else ""
        return TableError(
            f"{name} has no baseline: it was measured on {on}, and {baseline} on {other}",
            hint=f"{each}only what was measured on the same is compared: if these are one, write them alike; "
            f"else add a baseline there, or leave it out; {shown}",
            column="method",
        )

    def _nearest(self, cell: int) -> str:
        runs = self._runs
        lines = []
        same_student = [b for b in baselines(runs) if runs.text("student", b) == runs.text("student", cell)]
        candidates = (same_student or baselines(runs))[:6]
        for position in candidates:
            differs = [
                f"{column} {runs.text(column, position) or '–'} instead of {runs.text(column, cell) or '–'}"
                for column in self._apart(position, cell, self._columns)
            ]
            lines.append(f"{runs.cells[position]} has {', '.join(differs)}")
        if not lines:
            return self._name_one(self._like(cell))
        named = runs.cells[candidates[0]] if len(candidates) == 1 else "CELL"
        return f"candidates: {'; '.join(lines)}. Name one with --baseline {named}, or correct the table"
