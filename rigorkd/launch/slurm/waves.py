"""Which runs become which Slurm jobs, and which jobs wait for which. Pure: no file, no cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from rigorkd.launch.queue import missing_needs
from rigorkd.protocol.cells import Cohort
from rigorkd.records.expected import Expected

Runs = tuple[str, ...]
"""Names of the runs that one job trains: a teacher or a start alone, or what is missing of a cohort."""


def waves(
    expected: Mapping[str, Expected], missing: Collection[str], cohorts: Sequence[Cohort]
) -> list[list[Runs]]:
    """The jobs that train what is missing, in waves: a job needs runs of earlier waves only.

    Teachers and starts come first, cohorts in the wave after the last run that they need.
    """
    wanted = set(missing)
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            needs = missing_needs(expected[name].run, wanted)
            depths[name] = max((depth(need) + 1 for need in needs), default=0)
        return depths[name]

    jobs: list[Runs] = [
        (name,) for name, want in expected.items() if name in wanted and want.run.cell.role != "student"
    ]
    for cohort in cohorts:
        if members := tuple(run.name for run in cohort.runs if run.name in wanted):
            jobs.append(members)
    by_wave: defaultdict[int, list[Runs]] = defaultdict(list)
    for job in jobs:
        by_wave[max(map(depth, job))].append(job)
    return [by_wave[wave] for wave in sorted(by_wave)]
