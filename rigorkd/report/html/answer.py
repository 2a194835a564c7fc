"""What a reader meets first: the question, what holds in words, and what must not be read into it."""

from __future__ import annotations

from collections import Counter

from rigorkd_analysis.metrics import label
from rigorkd_analysis.results import Candidates, Family
from rigorkd_analysis.verdicts import Verdict
from rigorkd_analysis.wording import percent_text

from rigorkd.report.evidence import Evidence
from rigorkd.report.headline import FAMILIES, Numbers, headline
from rigorkd.report.html.view import Answer, Count, Said, Tally
from rigorkd.text import count

_SENTENCES = 12


def answer(evidence: Evidence) -> Answer:
    """The top of the page."""
    say = Numbers(evidence.analysis)
    first, *further = headline(evidence.analysis, say)
    return Answer(
        short=_short(evidence),
        question=_question(evidence),
        setting=_setting(evidence, say),
        first=first,
        further=tuple(further),
        tallies=tuple(_tally(at, family) for at, family in enumerate(evidence.analysis.families)),
        sentences=_sentences(evidence),
        undecided=_open(evidence),
        cautions=_cautions(evidence, say),
        warnings=warnings(evidence),
    )


def _question(evidence: Evidence) -> str:
    analysis = evidence.analysis
    if analysis.family("gains") is None:
        return f"Which cells differ in {label(analysis.metric)}?"
    verb = "raise" if analysis.goal == "max" else "lower"
    gaining = [evidence.facts(c.a) for c in evidence.gains() if c.a is not None]
    students = list(dict.fromkeys(cell.student for cell in gaining if cell.student))
    methods = sorted({cell.method for cell in gaining} - {""})
    named = 0 < len(methods) <= 4 and methods != ["kd"]
    what = f"distillation ({', '.join(methods)})" if named else "distillation"
    of = f" of {_listed(students)}" if 0 < len(students) <= 4 else ""
    return f"Does {what} {verb} the {label(analysis.metric)}{of}?"


def _short(evidence: Evidence) -> str:
    """The answer in a few words, by the verdicts on the gains."""
    found = Counter(comparison.verdict for comparison in evidence.gains())
    total = sum(found.values())
    better, little = found[Verdict.BETTER], found[Verdict.BETTER_NEGLIGIBLE]
    worse = found[Verdict.WORSE] + found[Verdict.WORSE_NEGLIGIBLE]
    if not total:
        return ""

    def of(some: int) -> str:
        return (
            "the one cell"
            if total == 1
            else f"all {total} cells"
            if some == total
            else f"{some} of {total} cells"
        )

    if better:
        parts = [f"Shown for {of(better)}"]
        if little:
            parts.append(f"for {little} more by too little to matter")
    elif little:
        parts = [f"Shown for {of(little)}, but by too little to matter"]
    else:
        parts = [f"Not shown for {'the one cell' if total == 1 else f'any of {total} cells'}"]
    if worse:
        parts.append(f"{worse} {'is' if worse == 1 else 'are'} worse")
    return "; ".join(parts) + "."


def _setting(evidence: Evidence, say: Numbers) -> str:
    """How the question was put: what is compared, over how many seeds, what would matter, planned or not."""
    analysis = evidence.analysis
    seeds = sorted({cell.n for cell in analysis.cells})
    n = count(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    family = analysis.families[0] if analysis.families else None
    parts = []
    if family is not None and family.name == "gains":
        parts.append(f"{count(family.size, 'distilled cell')}, each against its own baseline")
    elif family is not None:
        parts.append(count(family.size, "comparison"))
    parts.append(f"{n}, paired")
    if analysis.sesoi is not None:
        parts.append(f"less than {say(analysis.sesoi)}{say.unit} is too small to matter")
    if family is not None:
        parts.append(
            "planned before the results were seen"
            if family.planned
            else "exploratory: nothing shows that this was planned before the results"
        )
    return "; ".join(parts) + "."


def _tally(position: int, family: Family) -> Tally:
    found = Counter(comparison.verdict for comparison in family.comparisons)
    return Tally(
        title=FAMILIES[family.name] + (", planned" if family.planned else ", exploratory"),
        counts=tuple(
            Count(found[verdict], verdict.label, verdict.badge, f"{position}:{verdict}")
            for verdict in Verdict
            if found[verdict] or not verdict.negligible
        ),
    )


def _sentences(evidence: Evidence) -> tuple[Said, ...]:
    """What a paper may say: every finding, and the gains taken together."""
    out = []
    for at, family in enumerate(evidence.analysis.families):
        for position, comparison in enumerate(family.comparisons):
            if comparison.verdict is not Verdict.INCONCLUSIVE:
                out.append(Said(comparison.says, f"families/{at}/comparisons/{position}/says", strong=True))
        if family.consistency is not None:
            out.append(Said(family.consistency.says, f"families/{at}/consistency/says"))
    return tuple(out[:_SENTENCES])


def _open(evidence: Evidence) -> tuple[Said, ...]:
    """The contrasts that stay undecided: each was a question of its own."""
    return tuple(
        [
            Said(comparison.says, f"families/{at}/comparisons/{position}/says")
            for at, family in enumerate(evidence.analysis.families)
            if family.name == "contrasts"
            for position, comparison in enumerate(family.comparisons)
            if comparison.verdict is Verdict.INCONCLUSIVE
        ][:_SENTENCES]
    )


def _cautions(evidence: Evidence, say: Numbers) -> tuple[Said, ...]:
    """What the results do not say, in this study's own numbers."""
    analysis = evidence.analysis
    out = []
    undecided = [
        c for family in analysis.families for c in family.comparisons if c.verdict is Verdict.INCONCLUSIVE
    ]
    if undecided:
        text = "“Inconclusive” is not “no difference”"
        mdes = [c.mde for c in undecided if c.mde is not None]
        if mdes:
            text += (
                f": differences below {say(min(mdes))}{say.unit} can hide in every one of these comparisons"
            )
        out.append(Said(text + "."))
    for item in analysis.best.sets[:3] if analysis.best else ():
        if len(item.cells) > 1:
            out.append(_about_the_best(item, percent_text(1 - analysis.alpha)))
    if any(not family.planned for family in analysis.families):
        out.append(
            Said(
                "What is marked exploratory suggests questions for new seeds. It confirms nothing by itself."
            )
        )
    if analysis.conditioned_on:
        out.append(Said(f"All of it holds for: {', '.join(analysis.conditioned_on)}."))
    return tuple(out)


def _about_the_best(item: Candidates, share: str) -> Said:
    who = "/".join(part for part in (item.group, item.student) if part) or "all cells"
    if len(item.may_be_best) == len(item.cells):
        may = f"any of its {len(item.cells)} cells may be the best"
    elif len(item.may_be_best) > 1:
        may = f"{len(item.may_be_best)} of its {len(item.cells)} cells may be the best"
    else:
        only = f"only {item.may_be_best[0]} may be the best"
        return Said(f"Of the {len(item.cells)} cells of {who}, {only} ({share} confidence).")
    return Said(f"The highest mean of {who} need not be the best cell: {may} ({share} confidence).")


def warnings(evidence: Evidence) -> tuple[Said, ...]:
    """The warnings of the study, then those of comparisons, each once with the comparisons it concerns."""
    analysis = evidence.analysis
    out = [
        Said(text, f"warnings/{at}")
        for at, text in enumerate(analysis.warnings)
        if not text.startswith("SMOKE")
    ]
    by_text: dict[str, list[str]] = {}
    for family in analysis.families:
        for comparison in family.comparisons:
            for text in comparison.warnings:
                by_text.setdefault(text, []).append(comparison.a or comparison.name)
    total = sum(len(family.comparisons) for family in analysis.families)
    for text, names in by_text.items():
        if len(names) == total > 1:
            out.append(Said(f"All comparisons: {text}"))
        else:
            shown = list(dict.fromkeys(names))
            more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
            out.append(Said(f"{', '.join(shown[:3])}{more}: {text}"))
    return tuple(out)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
