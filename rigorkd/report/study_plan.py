"""The plan of a study: what its first protocol declared, and how what was changed since is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rigorkd_analysis.analysis_plan import AllOf, Contrast, DifferenceOfGains, Pair, Plan, Trend, Weighted

from rigorkd.records.interim import read_interim_analyses
from rigorkd.records.left_out import (
    NOT_THE_PLANNED_CONTRASTS,
    NOT_THE_PLANNED_GAINS,
    dropped_contrasts,
    says_dropped,
)
from rigorkd.records.read import changed_keys, says_changed

if TYPE_CHECKING:
    from rigorkd.protocol import schema
    from rigorkd.records.changes import Removal
    from rigorkd.records.read import StudyTable

#: From so many percent of the test images on, copies of images that were trained on stand at every verdict.
MANY_COPIES = 1.0


def plan_of(study: StudyTable, looks: tuple[int, ...] | None = None) -> tuple[Plan, tuple[str, ...]]:
    """The plan of a study, and what was changed after the first run.

    `looks` are those in force for the seeds that are judged; None takes those for all seeds. A protocol that
    asks for others, which are not used, leaves every verdict what it was: planned, if it was.
    """
    asked = study.current or study.planned
    if asked is None:
        return Plan(conditioned_on=study.conditioned_on, images_per_seed=study.images_per_seed), ()
    in_force = _looks_in_force(study, asked) if looks is None else looks
    first = study.planned
    warnings: list[str] = []
    changed: tuple[str, ...] = ()
    if first is not None:
        used = asked.model_copy(update={"looks": in_force})
        changed = changed_keys(first, study.when_shown or first, used)
        if "sesoi" not in changed and first.sesoi != asked.sesoi:
            warnings.append(
                f"sesoi was changed from {_margin(first)} to {_margin(asked)} after the first run, before "
                "any result was shown: it is the planned one"
            )
    if changed:
        warnings.append(says_changed(changed))
    if study.added:
        warnings.append(f"added after the first run, so exploratory: {', '.join(study.added)}")
    warnings += [removal.says for removal in study.removals]
    looked = any(removal.looked is not None for removal in study.removals)
    planned = first is not None and not changed and not looked
    if text := study.left_out.says:
        warnings.append(text + NOT_THE_PLANNED_GAINS * (planned and bool(study.left_out.of_families)))
    planned_gains = planned and not study.left_out.of_families
    told = "" if study.examined is None else study.examined.says_tested
    doubted = told if study.examined is not None and study.examined.share >= MANY_COPIES else ""
    warnings += [] if study.examined is None else [text for text in study.examined.says() if text != doubted]
    kept = () if first is None else first.contrasts
    if dropped := dropped_contrasts(first, study.when_shown, asked):
        warnings.append(says_dropped(dropped) + NOT_THE_PLANNED_CONTRASTS * planned)
    asked_then = planned and not dropped
    whole = [f"{', '.join(changed)} changed after the first run"] if changed else []
    whole += dict.fromkeys(_taken(removal) for removal in study.removals if removal.looked is not None)
    why_gains = [*whole, *["cells were left out since"] * bool(study.left_out.of_families)]
    why_contrasts = [*whole, *["contrasts were dropped after results were shown"] * bool(dropped)]
    return (
        Plan(
            metric=asked.metric,
            goal=asked.goal,
            sesoi=asked.sesoi,
            alpha=asked.alpha,
            correction=asked.correction,
            joint=asked.joint,
            contrasts=tuple(
                replace(
                    _contrast(item, asked_then and item in kept),
                    demoted=" and ".join(why_contrasts) * (item in kept),
                )
                for item in asked.contrasts
            ),
            planned=planned_gains,
            demoted="" if first is None else " and ".join(why_gains),
            primary=asked.primary,
            test=asked.test,
            inference=asked.inference,
            interim=in_force,
            first_version=study.planned_under_0_1,
            added=study.added,
            c2=asked.sequential.c2 if asked.sequential else 0.25,
            selection_seeds=tuple(asked.selection.seeds) if asked.selection else (),
            conditioned_on=study.conditioned_on,
            classes=study.classes,
            teachers=study.teachers,
            teacher_seeds=study.teacher_seeds,
            secondary=asked.secondary,
            doubted=doubted,
            images_per_seed=study.images_per_seed,
            diverged_unjudged=tuple(
                (cell, tuple(sorted(seeds))) for cell, seeds in _diverged_and_gone(study).items()
            ),
        ),
        tuple(warnings),
    )


def _looks_in_force(study: StudyTable, asked: schema.Analysis) -> tuple[int, ...]:
    """The looks that were planned before any look at the seeds of a study."""
    if study.looks_asked is None:
        return asked.looks
    chosen_on = tuple(asked.selection.seeds) if asked.selection else ()
    looks = [look.without(chosen_on) for look in read_interim_analyses(study.folder)]
    seeds = set(study.runs["seed"]) - set(chosen_on)
    return study.looks_asked.planned(looks, seeds, asked).looks


def _diverged_and_gone(study: StudyTable) -> dict[str, set[int]]:
    """The cells of which diverged runs were removed, and their seeds."""
    found: dict[str, set[int]] = {}
    for removal in study.removals:
        for run in removal.diverged:
            cell, _, seed = run.rpartition("/seed-")
            if seed.isdecimal():
                found.setdefault(cell, set()).add(int(seed))
    return found


def _taken(removal: Removal) -> str:
    """What was done to results that had been seen, in a few words."""
    if removal.retrained:
        return "results were trained again by another protocol after they were shown"
    if removal.fewer:
        return "planned seeds were given up after results were shown"
    return "results were removed after they were shown"


def _margin(asked: schema.Analysis) -> str:
    return "none" if asked.sesoi is None else f"{asked.sesoi:g}"


def _contrast(item: schema.Contrast, planned: bool) -> Contrast:
    if item.pair is not None:
        return Pair(*item.pair, name=item.name, planned=planned)
    if item.difference_of_gains is not None:
        return DifferenceOfGains(*item.difference_of_gains, name=item.name, planned=planned)
    if item.all_of is not None:
        return AllOf(item.all_of, name=item.name, planned=planned)
    if item.trend is not None:
        where = tuple(item.trend.where.items())
        trend = item.trend
        return Trend(trend.over, trend.group, trend.student, where, name=item.name, planned=planned)
    return Weighted(tuple((item.weights or {}).items()), name=item.name, planned=planned)
