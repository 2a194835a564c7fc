"""`looks.jsonl` in a study: when it was analysed on how many seeds.

A fixed-n test is valid once. The first analysis of a study is fair; one that meets seeds of an earlier look
together with others is a repeated look, and says so.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rigorkd_analysis.metric_names import is_cost

from rigorkd.files import append_line, timestamp
from rigorkd.records.untrusted import INTERIM, parse, read_bytes
from rigorkd.text import count

FILE = "looks.jsonl"
SHOWN = "shown.jsonl"
"""When means were shown that nothing had judged: no look, but whoever gives seeds up then has seen them."""


@dataclass(frozen=True)
class InterimAnalysis:
    """One analysis: of `seeds`, on one metric, at an ISO time; at `n` of them every run was there.

    A `summary` is none: the means that `run` or `table` showed, of `n` seeds at most.
    """

    n: int
    seeds: tuple[int, ...]
    metric: str
    time: str
    summary: bool = False

    def tells_of(self, metric: str) -> bool:
        """Whether whoever saw this knows something of the same runs' results by a metric.

        The loss of a run tells of its accuracy, so seeds that are added after a look at either are added
        after a look; what a run cost tells of neither.
        """
        return self.metric == metric or not (is_cost(self.metric) or is_cost(metric))

    def complete_of(self, seeds: Collection[int]) -> int:
        """How many of these seeds it met; of seeds that it met all, how many it was at."""
        both = len(set(self.seeds).intersection(seeds))
        return self.n if both == len(seeds) else min(self.n, both)

    @property
    def line(self) -> str:
        """As it is written; only a summary says that it is one."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not False})

    def without(self, chosen_on: Iterable[int]) -> InterimAnalysis:
        """The same of judged seeds alone: those kept for choosing may be looked at as often as one likes."""
        kept = tuple(seed for seed in self.seeds if seed not in set(chosen_on))
        return replace(self, seeds=kept, n=len(kept) if self.n == len(self.seeds) else min(self.n, len(kept)))


def read_interim_analyses(folder: Path, file: str = FILE) -> tuple[InterimAnalysis, ...]:
    """The analyses noted so far; a line that cannot be read is passed over, since it only adds a warning."""
    try:
        lines = read_bytes(folder / file, folder, INTERIM).splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            entry = parse(line)
            n, seeds = int(entry["n"]), tuple(map(int, entry["seeds"]))
            summary = entry.get("summary") is True
            found.append(InterimAnalysis(n, seeds, str(entry["metric"]), str(entry["time"]), summary))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return tuple(found)


def all_shown(folder: Path) -> tuple[InterimAnalysis, ...]:
    """Whatever has shown results of a study: its analyses, and the means that nothing had judged."""
    return (*read_interim_analyses(folder), *read_interim_analyses(folder, SHOWN))


def most_shown(looks: Iterable[InterimAnalysis]) -> InterimAnalysis | None:
    """The analysis, or else the summary, of most seeds."""
    return max(looks, key=lambda look: (not look.summary, look.n), default=None)


def says_seen(n: int, *, summary: bool) -> str:
    """What had met results: an analysis, or a summary alone."""
    return f"{'a summary' if summary else 'an analysis'} of {count(n, 'seed')}"


def first_shown(folder: Path, chosen_on: Iterable[int] = ()) -> str | None:
    """When verdicts or means of seeds that verdicts use were first shown; None if they never were."""
    seen = all_shown(folder)
    return min((one.time for one in seen if set(one.seeds) - set(chosen_on)), default=None)


def seen_before(
    looks: Iterable[InterimAnalysis], seeds: Iterable[int], metric: str, n: int
) -> tuple[int, ...]:
    """At how many seeds the data of an analysis were looked at before, other than by this very analysis.

    Looks at other seeds do not count, nor do those after the first one at just these data.
    """
    now, found = set(seeds), []
    for look in looks:
        then = set(look.seeds)
        if not look.tells_of(metric) or not then & now:
            continue
        if then == now and look.n == n:
            break
        found.append(look.complete_of(now))
    return tuple(found)


def note_interim_analysis(
    folder: Path,
    seeds: Iterable[int],
    metric: str,
    n: int | None = None,
    *,
    training: bool = False,
    since: str = "",
) -> bool:
    """Note an analysis if it meets data that none did before; whether it could be noted where it had to be.

    `n` of the seeds are complete; None says that all are. A folder that cannot be written stops no analysis:
    False is returned; so it is for a study of somebody else, unless whoever analyses it is `training` its
    runs. `since` is when results were last replaced by others: looks before that met none of these.
    StoreError if the file is a link.
    """
    seen = tuple(sorted(set(seeds)))
    n = len(seen) if n is None else n
    looks = (look for look in read_interim_analyses(folder) if look.time > since)
    known = (look for look in looks if look.metric == metric and look.n >= n)
    if any(set(seen) <= set(look.seeds) for look in known):
        return True
    now = timestamp()
    try:
        append_line(
            folder / FILE,
            InterimAnalysis(n, seen, metric, now).line,
            owner=None if training else os.geteuid(),
        )
    except OSError:
        return False
    return True


def note_shown(folder: Path, seeds: Iterable[int], metric: str, n: int, *, summary: bool = False) -> None:
    """Note that means of `n` of these seeds were shown before they were judged, once each.

    A folder that cannot be written, or is somebody else's, is left as it is. StoreError if it is a link.
    """
    seen = tuple(sorted(set(seeds)))
    shown = InterimAnalysis(n, seen, metric, timestamp(), summary)
    known = ((old.seeds, old.n) for old in read_interim_analyses(folder, SHOWN) if summary or not old.summary)
    if (seen, n) in known:
        return
    with contextlib.suppress(OSError):
        append_line(folder / SHOWN, shown.line, owner=os.geteuid())


def listed_seeds(seeds: Iterable[int]) -> str:
    """Seeds as `--seeds` takes them: 5:8, or 3,7,11; a range without its end."""
    found = sorted(seeds)
    if len(found) > 1 and found[-1] - found[0] == len(found) - 1:
        return f"{found[0]}:{found[-1] + 1}"
    return ",".join(map(str, found)) if len(found) != 1 else f"{found[0]}:{found[0] + 1}"


def seeds_for_run(seeds: Iterable[int]) -> str:
    """Seeds as `run --seeds` takes them, whose lone number counts them: 5 for the first five."""
    found = sorted(seeds)
    return str(len(found)) if found == [*range(len(found))] else listed_seeds(found)
