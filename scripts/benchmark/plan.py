"""Which tables are measured, in which order, on which cases, and with which share of the time.

The whole suite, sized by the device; and the two parts of a GPU's quarter of an hour, each of which fits into
150 seconds on an H100: the most important table first, and what does not fit cut here, with the reason.

The seconds are estimates from counts: eager steps are bound by about 600 launches of 6 µs a step and their
Python, 15 to 20 ms a student; PIL makes about 600 images of 128² a second; opening a cohort takes two to
three seconds; compiling one architecture takes 20 to 60 seconds, once per machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from clock import Rounds
from settings import Case, Planned

MOBILENET, SHUFFLENET, RESNET20 = "mobilenet_v2", "shufflenet_v2_x1_0", "cifar_resnet20"
TEACHER, TEACHER_32, CIFAR_TEACHER = "resnet50", "resnet18_cifar", "cifar_resnet56"
FEWEST = 3
"""Rounds that a table of a part makes at least: a median of fewer says little."""


@dataclass(frozen=True)
class Cut:
    """What was not measured, and why: by the plan, or since its time was up."""

    what: str
    why: str


@dataclass(frozen=True)
class Part:
    """One part of the measurement of a GPU."""

    name: str
    tables: tuple[Planned, ...]
    cut: tuple[Cut, ...]


def everything(*, gpu: bool) -> tuple[Planned, ...]:
    """The whole suite, whatever time it takes."""
    small, paper = (128, 128) if gpu else (32, 16)
    at64 = tuple(Case(student, TEACHER, 64, small) for student in (MOBILENET, SHUFFLENET))
    at128 = tuple(Case(student, TEACHER, 128, paper) for student in (MOBILENET, SHUFFLENET))
    at32 = tuple(Case(student, TEACHER_32, 32, small) for student in (MOBILENET, SHUFFLENET))
    cifar = Case(RESNET20, CIFAR_TEACHER, 32, small)
    both = tuple(case for pair in zip(at64, at128, strict=True) for case in pair)
    return (
        Planned("sharing", cases=at64 if gpu else (*at64, *at32)),
        Planned("overhead", cases=at64),
        Planned("peers", sizes={"rounds": Rounds(FEWEST, FEWEST)}),
        Planned("pipeline", cases=both),
        Planned("fused"),
        Planned("grid"),
        Planned("memory"),
        Planned("idle", cases=(*at128, cifar)),
        Planned("slots", cases=at128[:1]),
        Planned("checkpoints", cases=at128[:1]),
        Planned("compiled", cases=(*at128[::-1], *([cifar] if gpu else []))),
    )


def _parts() -> dict[str, Part]:
    m64, s64 = Case(MOBILENET, TEACHER, 64, 128), Case(SHUFFLENET, TEACHER, 64, 128)
    m128, s128 = Case(MOBILENET, TEACHER, 128, 128), Case(SHUFFLENET, TEACHER, 128, 128)
    cifar = Case(RESNET20, CIFAR_TEACHER, 32, 128)
    rounds = Rounds(7, FEWEST)
    five, four, three = ({"steps": steps, "rounds": rounds} for steps in (5, 4, 3))
    ten = {"steps": 10, "rounds": rounds}
    peers = {
        "rounds": Rounds(FEWEST, FEWEST),
        "loops": ("plain", "well-fed"),
        "epochs": (1, 1),
        "train_images": 256,
        "val_images": 64,
        "test_images": 64,
    }
    reference = (
        Planned("overhead", 27, (m64, s128, cifar, s64, m128), ten),
        Planned("sharing", 22, (m64, s128, cifar, s64, m128), four),
        Planned("grid", 8, sizes=ten),
        Planned("pipeline", 8, (m128, s128, cifar), {**five, "many": 4}),
        Planned("peers", 45, sizes=peers),
        Planned("idle", 11, (s128, cifar, m128), {**three, "many": 4}),
        Planned("checkpoints", 6, (m128,), ten),
        Planned("fused", 2, sizes={"rounds": rounds}),
        Planned("slots", 14, (m128,), ten),
        Planned("memory", 7),
    )
    fast = (
        Planned("compiling", 60, (m128, s128, Case(TEACHER, TEACHER, 128, 128), cifar), {"steps": 3}),
        Planned("grid", 16, sizes=ten),
        Planned("sharing", 10, (m128, cifar), four),
        Planned("idle", 8, (s128, m128), {**three, "many": 4}),
        Planned("pipeline", 5, (m128,), {**five, "many": 4}),
        # Last: a capture of a CUDA graph that breaks can leave the process unusable.
        Planned("compiled", 40, (cifar, s128, m128), ten),
    )
    by_itself = "can be measured with scripts/benchmark/run.py --only"
    return {
        "reference": Part(
            "reference",
            reference,
            (
                Cut(
                    "peers: Accelerate and torchdistill", "a second PIL loop takes 15 s more in three rounds"
                ),
                Cut("pipeline and idle: cohorts of ten", "four show the direction in a third of the time"),
                Cut("eager against compiled", "nothing is compiled in reference: see the part fast"),
            ),
        ),
        "fast": Part(
            "fast",
            fast,
            (
                Cut("overhead", "the bare loop would be compiled as well, another minute; see reference"),
                Cut("peers", "PIL takes as long as in reference, and is measured there"),
                Cut("sharing, idle and pipeline at 64²", "every size and batch is compiled anew"),
                Cut("slots and checkpoints", "measured in reference: they depend little on compiling"),
                Cut("fused and memory", f"they compile nothing; {by_itself} fused --only memory --mode fast"),
            ),
        ),
    }


PARTS = _parts()
