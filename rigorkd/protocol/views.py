"""What is impossible in views, whatever the cell."""

from __future__ import annotations

from collections.abc import Callable

from rigorkd.problems import Path, Problem
from rigorkd.protocol.facts import facts, side_of
from rigorkd.protocol.schema import (
    CenterCrop,
    Cutout,
    FusedGeometry,
    RandomCrop,
    SourceResizedCrop,
    Spec,
    Views,
)

VIEW_LISTS = ("train", "eval", "strong")
"""The keys of `views` that are lists of operations."""


def check_views(views: Views, spec: Spec, place: Callable[[Path], Path]) -> list[Problem]:
    """What is impossible in views: random operations under evaluation, squares that do not fit the image,
    a resampling of the source that is not the first or cannot shrink it, moments of another channel count.
    """
    problems = [
        Problem(
            place(("eval", index)), f"{op.op} draws at random, so it cannot be part of the evaluation view"
        )
        for index, op in enumerate(views.eval)
        if not isinstance(op, CenterCrop)
    ]
    known, source = facts(spec.dataset), side_of(spec.dataset)
    for key in VIEW_LISTS:
        side = views.size or source
        for index, op in enumerate(getattr(views, key)):
            if isinstance(op, CenterCrop | Cutout):
                if op.size > side:
                    what = "crop" if isinstance(op, CenterCrop) else "square"
                    message = f"a {what} of {op.size} pixels does not fit into an image of {side}"
                    problems.append(Problem(place((key, index, "size")), message))
                elif isinstance(op, CenterCrop):
                    side = op.size
            elif isinstance(op, RandomCrop) and op.padding >= source:
                message = f"a shift by {op.padding} pixels leaves nothing of an image of {source}"
                problems.append(Problem(place((key, index, "padding")), message))
            elif isinstance(op, FusedGeometry | SourceResizedCrop):
                before = [other for other in getattr(views, key)[:index] if not isinstance(other, RandomCrop)]
                if before:
                    message = f"{op.op} resizes the source itself, so it comes before {before[0].op}"
                    problems.append(Problem(place((key, index)), message))
                elif isinstance(op, FusedGeometry) and side < source:
                    message = f"fused_geometry only enlarges: the view has {side} pixels, its source {source}"
                    hint = "use random_resized_crop, horizontal_flip and rotation"
                    problems.append(Problem(place((key, index)), message, hint))
    if (
        not isinstance(views.normalize, str)
        and known
        and len(views.normalize.mean) not in (1, known.channels)
    ):
        given = len(views.normalize.mean)
        problems.append(Problem(place(("normalize", "mean")), f"{given} means for {known.channels} channels"))
    return problems
