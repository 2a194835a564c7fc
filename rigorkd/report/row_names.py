"""What rows are called where there is little room: what all names share is said once, above them.

Nothing is cut: what a row leaves out of its name stands above the table, or on the line that heads its group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

#: A shared beginning and end of fewer characters is left where it is.
_WORTH = 4
_INDENT = "  "
_ASIDE = re.compile(r"(.*\S) (\([^()]+\))")
_FOLDER = re.compile(r"(?<!\s)/(?!\s)")
"""What parts folders; amid blanks it is a sign in a title: `CIFAR-10 / ResNet18`."""
_BRACKETED = re.compile(r"\([^()]*\)")
_BESIDE = re.compile(r": |\bw/", re.IGNORECASE)
"""What begins the part of a name that is no path: `kd: average of 2 (T)`, and `w/o aug`, which is a word."""


def common_start(names: Iterable[str]) -> str:
    """The folders that all cells in these names begin with: `main/plain/`."""
    sides = [_BESIDE.split(side)[0] for name in names for side in name.split(" vs ")]
    sides = [side for side in sides if not side.startswith("“")]  # a name that somebody gave
    paths = [_FOLDER.split(side)[:-1] for side in sides]
    if not all(paths):
        return ""  # of names with and without folders the first of some is not that of all
    if any(path.count("(") != path.count(")") for path in map("/".join, paths)):
        return ""  # within brackets it parts no folders
    if any("/" in side and ", " in _BRACKETED.sub("", side) for side in sides):
        return ""  # nor in a value with a comma, which no name that was put together of columns has
    shared = []
    for parts in zip(*paths, strict=False):  # a heading with blanks is one part, whole or not at all
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared) + "/" if shared else ""


@dataclass(frozen=True)
class RowNames:
    """The names of a table's rows.

    Attributes:
        names: what each row is called.
        above: lines that say what the names leave out.
        headings: a line before a row, by its position: the folders of the rows below it.
    """

    names: tuple[str, ...]
    above: tuple[str, ...] = ()
    headings: Mapping[int, str] = field(default_factory=dict)

    def fits(self, room: int) -> bool:
        """Whether each name fits on one line of so many characters."""
        return all(len(name) <= room for name in self.names)


def short_names(names: Sequence[str], room: int) -> RowNames:
    """The names of a table's rows, each on one line of `room` characters where that can be."""
    found = RowNames(tuple(names))
    if len(set(names)) < 2 or any("\n" in name for name in names):
        return found
    if found.fits(room):
        return found
    plain = _without_asides(found)
    ways = (plain, _in_groups(plain), core := _without_ends(plain), _in_groups(core))
    return next((way for way in ways if way.fits(room)), ways[-1])


def _without_asides(found: RowNames) -> RowNames:
    """Without what stands behind names in brackets: `kd: average of 12 (T, alpha)`."""
    parts = [_ASIDE.fullmatch(name) for name in found.names]
    kept = tuple(part[1] if part else name for name, part in zip(found.names, parts, strict=True))
    if not any(parts) or len(set(kept)) < len(set(found.names)):
        return found
    by: dict[str, list[str]] = {}
    for name, part in zip(kept, parts, strict=True):
        if part:
            by.setdefault(part[2], []).append(name)
    if all(parts) and len(by) == 1:
        return replace(found, names=kept, above=(f"each {next(iter(by))}",))
    return replace(found, names=kept, above=tuple(f"{aside}: {'; '.join(of)}" for aside, of in by.items()))


def _without_ends(found: RowNames) -> RowNames:
    """Without the parts between - _ and / that all cells in the names begin or end with."""
    sides = [name.split(" vs ") for name in found.names]
    cells = list(dict.fromkeys(cell for own in sides for cell in own))
    if len(cells) < 2 or any(" " in cell for cell in cells):
        return found
    parts = [re.findall(r"[^-_/]*[-_/]|[^-_/]+$", cell) for cell in cells]
    least = min(map(len, parts))
    start = _alike(parts, least - 1)
    rest = [own[start:] for own in parts]
    end = _alike([own[::-1] for own in rest], least - start - 1)
    begins, ends = "".join(parts[0][:start]), "".join(rest[0][len(rest[0]) - end :])
    if len(begins) + len(ends) < _WORTH:
        return found
    short = ["".join(own[: len(own) - end]) for own in rest]
    joints = {cell[-1:] for cell in short} if ends else set()
    if len(joints) == 1 and joints <= set("-_/"):  # `kd-` of `kd-T4`: what joins them is shared as well
        ends, short = joints.pop() + ends, [cell[:-1] for cell in short]
    called = dict(zip(cells, short, strict=True))
    names = tuple(" vs ".join(called[cell] for cell in own) for own in sides)
    return replace(found, names=names, above=(*found.above, f"each {begins}…{ends}"))


def _alike(parts: Sequence[Sequence[str]], most: int) -> int:
    """How many of the first parts all have, at most so many."""
    same = 0
    while same < most and len({own[same] for own in parts}) == 1:
        same += 1
    return same


def _in_groups(found: RowNames) -> RowNames:
    """With the folders of rows that stand together on a line before them, unless most stand alone."""
    folders = [common_start([name]) for name in found.names]
    begins = [at for at, own in enumerate(folders) if at == 0 or own != folders[at - 1]]
    if 2 * len(begins) > len(folders) or not any(folders):
        return found
    names = tuple(
        _INDENT + name.replace(own, "") if own else name
        for name, own in zip(found.names, folders, strict=True)
    )
    return replace(found, names=names, headings={at: folders[at] for at in begins if folders[at]})
