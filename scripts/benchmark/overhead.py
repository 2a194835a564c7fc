"""The engine at N = 1 against a bare PyTorch loop of the same step.

Both sides train the same architecture from the same weights with the same view on the same device, the same
optimiser settings, precision and clipping; the bare loop keeps its running loss on the device, as a careful
person writes it. Its only freedom is that it has no history, no quarantine, no per-step seed, no epoch table.
The baseline row is the strict one: without a teacher there is less work to hide an overhead in.

`replay`: an added cell whose teacher's logits were kept by an earlier run, against view + student step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bare_loop import BareLoop
from clock import interleave, quartiles, ratios, seconds_of
from cohorts import open_case
from settings import Case, Settings
from table import Table

KINDS = {"baseline": "≤ 1.03", "kd": "≤ 1.03", "replay": "≤ 1.05"}


def overhead(settings: Settings) -> Iterator[Table]:
    """Ratio of the engine's time to the bare loop's, and of a replayed epoch to its parts."""
    rows: list[tuple[str, ...]] = []
    values: list[dict[str, float | str | None]] = []
    columns = ("student", "engine / bare loop (quartiles)", "target", "engine ms/step", "bare ms/step", "n")
    notes = (
        f"{settings.steps} steps per variant and round; the targets are meant for 64² and more",
        "replay: the bare side is a baseline's bare loop, i.e. view + student step without any teacher",
    )
    planned = tuple(
        {"student": case.student, "size": case.size, "kind": kind}
        for case in settings.cases
        for kind in KINDS
    )
    for case, paced in settings.each_case():
        seconds = _measure(paced, case)
        for kind, target in KINDS.items():
            above, below = seconds[kind, "engine"], seconds["kd" if kind == "kd" else "baseline", "bare"]
            ratio = ratios(above, below)
            engine, bare = (1e3 * quartiles(side).median / settings.steps for side in (above, below))
            what = f"{case.student}, {case.size}², batch {case.batch}, {kind}"
            rows.append((what, ratio.text(3), target, f"{engine:.1f}", f"{bare:.1f}", str(ratio.n)))
            values.append(
                {
                    "student": case.student,
                    "size": case.size,
                    "kind": kind,
                    "ratio": ratio.median,
                    "q25": ratio.q25,
                    "q75": ratio.q75,
                    "rounds": ratio.n,
                }
            )
        title = "N = 1 against a bare PyTorch loop of the same step"
        yield Table("overhead", title, columns, tuple(rows), tuple(values), notes, planned)


def _measure(settings: Settings, case: Case) -> dict[tuple[str, str], list[float]]:
    """Seconds per round of every kind, of the engine and of the bare loops, which replay shares."""
    with (
        open_case(case, 1, settings, baseline=True) as opened,
        open_case(case, 1, settings, replay_bytes=2**30) as kept,
    ):
        students = dict(zip(("baseline", "kd"), opened.students, strict=True))
        loops = {
            kind: BareLoop(opened, student, settings, with_teacher=kind == "kd")
            for kind, student in students.items()
        }

        def engine(kind: str) -> float:
            if kind == "replay":
                seconds = kept.epoch(number=1)
                kept.parts()
                return seconds
            seconds = opened.epoch([students[kind]])
            opened.parts()
            return seconds

        def bare(kind: str) -> float:
            return seconds_of(loops[kind].epoch, opened.context.device)

        variants: dict[tuple[str, str], Callable[[], float]] = {
            **{(kind, "engine"): (lambda kind=kind: engine(kind)) for kind in KINDS},
            **{(kind, "bare"): (lambda kind=kind: bare(kind)) for kind in loops},
        }
        for run in variants.values():
            run()
        return interleave(variants, settings.rounds.times(2), settings.note)
