"""The page for people who did not run a study: the question, what holds in words, what must not be read into
it, then every comparison, seed and setting, the plan, the methods and where the records come from.

Pure: an `Evidence` in, a page out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rigorkd_analysis.columns import is_bare
from rigorkd_analysis.metric_names import label
from rigorkd_analysis.paper_sentences import CONVERGED
from rigorkd_analysis.results import GAINS, Analysis, Candidates, Comparison, Family
from rigorkd_analysis.sanity import AT_CHANCE, who_is_at_chance
from rigorkd_analysis.verdicts import Verdict

from rigorkd import __version__
from rigorkd.report import report_methods, report_tables
from rigorkd.report.analysis_page import (
    caption,
    cells_table,
    comparisons_table,
    says_secondary,
    secondary_table,
    sequential_table,
)
from rigorkd.report.conditions import under_conditions
from rigorkd.report.evidence import CellFacts, Evidence, distils
from rigorkd.report.figures.catalog import on_page
from rigorkd.report.headline import (
    after_a_look,
    asking,
    headline,
    in_sequence,
    sequential_answers,
    sequential_leads,
    sequential_tally,
    ways_to_add,
    what_fell,
)
from rigorkd.report.images_table import images_table
from rigorkd.report.numbers import Numbers
from rigorkd.report.page import Block, Chart, Count, Page, Prose, Said, Section, Table, Tally, listed
from rigorkd.report.sentences import (
    QUESTIONS,
    REPEATED,
    SMOKE_RUNS,
    TOGETHER,
    asked_once,
    banner_of,
    factorial_sentences,
    in_a_title,
    is_unpaired,
    lead_of,
    may_be_best,
    minus,
    name_of,
    not_valid,
    numbers_of,
    seeds_of,
    status_of,
    test_of,
    titled_family,
    warnings_of,
    why_exploratory,
    word_of,
)
from rigorkd.text import count, some_of

#: More rows than this are not readable; the strongest are shown and the rest is left to `analyze`.
MAX_ROWS = 250
#: So many sentences stand in sight, the others behind a fold; of so many sets the best cells are named.
_SAID, _SETS = 12, 3
_IN_WORDS, _NAMED = 60, 4
_WORDS = "In words, for a paper"
_LOOKED = "In words, not for a paper: not valid after a look"
"""Over sentences that hold, and over those of seeds that were added after a look, which hold nowhere."""
_STATISTICS = (
    *("t", "df", "dz", "dz_ci", "g_z", "g_av", "r", "variance_ratio", "p_signflip", "p_signflip_floor"),
    *("p_wilcoxon", "p_paired", "p_welch", "p_equivalence", "win_rate", "win_rate_ci"),
)
_OF_PAIRS = frozenset(
    {"dz", "dz_ci", "g_z", "g_av", "r", "variance_ratio", "p_signflip", "p_signflip_floor", "p_wilcoxon",
     "p_paired", "p_welch"}
)  # fmt: skip
"""What is said of pairs alone: runs without partners have none of it, and Welch's p is the one they have."""


def report_page(evidence: Evidence) -> Page:
    """Everything that there is to see of a study."""
    analysis, say = evidence.analysis, Numbers(evidence.analysis)
    learnt = not banner_of(analysis.warnings).startswith(AT_CHANCE)
    banner, name = banner_of(analysis.warnings), analysis.study or "study"
    first, *further = (*headline(analysis, say), *says_secondary(analysis))
    if analysis.sequential is not None and sequential_leads(analysis):  # the short answer has its tally
        first = first.partition(sequential_tally(analysis.sequential))[2].strip() or first
    return Page(
        title=f"{word_of(banner)}{name} · rigorkd report",
        study=name,
        banner=banner,
        question=_question(evidence),
        setting=_setting(evidence, say),
        short=_short(evidence)
        if learnt
        else f"Not to be believed: {_at_chance(banner_of(analysis.warnings))}.",
        headline=(first,),
        answer=(
            *(_tally(analysis, at, family) for at, family in asked_once(analysis)),
            Prose(tuple(map(Said, further))),
            *(_with_fold("What may be said", _findings(analysis)) if learnt else ()),
            *_with_fold("What stays open", _open(analysis)),
            *listed(("What must not be read into it", _cautions(analysis, say))),
        ),
        warnings=warnings_of(analysis),
        blocks=under_conditions(analysis, (one for one in _sections(evidence, say) if one.blocks)),
        colophon=f"Made by rigorkd {__version__}. Every number in a table carries its unrounded value.",
    )


# -------------------------------------------------------------------------------------------- the answer


def _at_chance(banner: str) -> str:
    if not (who := who_is_at_chance(banner)):
        return "no network is shown to be better than guessing"
    return f"the {who} {'are' if who.startswith('baselines') else 'is'} near chance"


def _question(evidence: Evidence) -> str:
    analysis = evidence.analysis
    if analysis.progress is not None:
        return f"How far is {analysis.study or 'the study'}?"
    if analysis.lead is None and not evidence.gains():
        return f"Which cells differ in {label(analysis.metric)}?"
    verb = "raise" if analysis.goal == "max" else "lower"
    gaining = [evidence.facts(c.a) for c in evidence.gains() if c.a is not None]
    students = list(dict.fromkeys(cell.student for cell in gaining if cell.student))
    methods = sorted({cell.method for cell in gaining} - {""})
    named = 0 < len(methods) <= 4 and not any(map(is_bare, methods))
    if _all_distilled(evidence, gaining):
        what = f"distillation ({', '.join(methods)})" if named and methods != ["kd"] else "distillation"
    elif named:
        what = " or ".join(filter(None, (", ".join(methods[:-1]), methods[-1])))
    else:
        what = f"any of the {'methods' if methods else 'cells'}"
    of = f" of {' and '.join(filter(None, (', '.join(students[:-1]), students[-1])))}" if students else ""
    data = list(dict.fromkeys(filter(None, (cell.settings.get("dataset") for cell in gaining))))
    if 1 < len(data) <= 4:
        of = f"{of if len(students) <= 4 else ''} on {', '.join(data[:-1])} and {data[-1]}"
    elif len(students) > 4:
        of = ""
    over = "" if evidence.the_baseline == "the baseline" else f" over {evidence.the_baselines}"
    return f"Does {what} {verb} the {label(analysis.metric)}{of}{over}?"


def _all_distilled(evidence: Evidence, gaining: Iterable[CellFacts]) -> bool:
    """Whether distillation is asked after: of every cell, and not beside a baseline that may distil."""
    return evidence.treated == "distilled" and all(distils((cell,)) for cell in gaining)


def _short(evidence: Evidence) -> str:
    """The answer in a few words: of the family that leads alone, so that it errs at α; else of the gains."""
    if evidence.analysis.sequential is not None and sequential_leads(evidence.analysis):
        status = "" if evidence.analysis.sequential.planned else " (exploratory)"
        return f"By the sequential verdicts{status}, {sequential_tally(evidence.analysis.sequential)}"
    lead = evidence.analysis.lead
    judged = evidence.gains() if lead is None else lead.comparisons
    found = Counter(comparison.verdict for comparison in judged)
    total = sum(found.values())
    reasons = {comparison.not_valid for comparison in judged}
    nouns = {"primary": "primary gain", "overall": "average gain"}
    noun = "cell" if lead is None else nouns.get(lead.name, "gain")
    if reasons and None not in reasons:
        return f"Not shown: {'; '.join(sorted(map(str, reasons)))}."
    better, little = found[Verdict.BETTER], found[Verdict.BETTER_NEGLIGIBLE]
    worse, hardly = found[Verdict.WORSE], found[Verdict.WORSE_NEGLIGIBLE]
    if not total:
        return ""

    def of(some: int) -> str:
        if total == 1:
            return f"the {'one cell' if lead is None else noun}"
        return f"all {total} {noun}s" if some == total else f"{some} of {total} {noun}s"

    equal = found[Verdict.EQUIVALENT]
    if better:
        parts = [f"Shown for {of(better)}"]
        if little:
            parts.append(f"for {little} more by too little to matter")
    elif little:
        parts = [f"Shown for {of(little)}, but by too little to matter"]
    elif equal == total:
        return f"Shown to be equivalent for {of(equal)}: any difference is too small to matter."
    else:
        no = "No gain is shown" if equal else "Not shown"  # an equivalence is something shown
        parts = [f"{no} for {of(1) if total == 1 else f'any of {total} {noun}s'}"]
    if worse:
        parts.append("it is worse" if total == 1 else f"{worse} {'is' if worse == 1 else 'are'} worse")
    if hardly:
        who = "it is" if total == 1 else f"{hardly} {'is' if hardly == 1 else 'are'}"
        parts.append(f"{who} worse by too little to matter")
    if equal:
        parts.append(f"{equal} {'is' if equal == 1 else 'are'} shown to be equivalent")
    return "; ".join(parts) + "."


_UNSHOWN = "nothing shows that this was planned before the results"


def _setting(evidence: Evidence, say: Numbers) -> str:
    """How the question was put: what is compared, over how many seeds, what would matter, planned or not."""
    analysis = evidence.analysis
    family = analysis.family("gains") or (analysis.families[0] if analysis.families else None)
    parts = []
    if family is not None and family.name == "gains":
        gaining = [evidence.facts(c.a) for c in evidence.gains() if c.a]
        cell = "distilled cell" if _all_distilled(evidence, gaining) else "cell"
        against = "its own baseline" if family.over is None else minus(family)
        parts.append(f"{count(len(gaining), cell)}, {'each ' if len(gaining) > 1 else ''}against {against}")
    elif family is not None:
        parts.append(count(family.size, "comparison"))
    if family is None or not is_unpaired(family):
        parts.append(f"{seeds_of(cell.n for cell in analysis.cells)}, paired")
    else:
        parts.append(numbers_of(analysis, family))
    if analysis.sesoi is not None:
        parts.append(f"less than {say(analysis.sesoi)}{say.unit} is too small to matter")
    if family is not None:
        asked = [one for one in analysis.families if one.name in GAINS] if family.name in GAINS else [family]
        later = sum(one.size for one in asked if not one.planned)
        planned = "planned before the results were seen"
        if later and any(one.planned for one in asked):
            planned = f"{sum(one.size for one in asked if one.planned)} {planned}, {later} exploratory"
            planned += " (added after the first run)"
        elif later:
            planned = f"exploratory: {why_exploratory(family, else_=_UNSHOWN)}"
        parts.append(planned)
    return "; ".join(parts) + "."


def _tally(analysis: Analysis, position: int, family: Family) -> Tally:
    found = Counter(comparison.verdict for comparison in family.comparisons)
    unfit = not_valid(family)
    title, path = f"{titled_family(family)}, {status_of(analysis, family)}", str(position)
    answers = [
        one.verdict
        for (name, planned, _), (_, one) in sequential_answers(analysis).items()
        if (name, planned) == (family.name, family.planned)
    ]
    if answers:  # these lead the page, and the others of a family may all be of no more than a look
        found, unfit = Counter(answers), ""
        title, path = f"{title}, sequentially", f"sequential/{position}"
    return Tally(
        title,
        tuple(
            Count(found[verdict], verdict.label, verdict.badge, verdict.sentence, f"{path}:{verdict}")
            for verdict in Verdict
            if found[verdict] or not (verdict.negligible or unfit)
        ),
    )


@dataclass(frozen=True)
class _Finding:
    """A sentence of the answer; `kind` is its verdict in a word. One `against` a method stays in sight."""

    said: Said
    kind: str
    against: bool = False


def _with_fold(title: str, found: Sequence[_Finding]) -> tuple[Block, ...]:
    """The sentences under a title; of many the others stand behind a fold that says how many of what kind.

    What counts against a method is never among those that one has to look for.
    """
    if len(found) <= _SAID:
        return listed((title, (one.said for one in found)))
    ranked = sorted(range(len(found)), key=lambda at: not found[at].against)
    seen = set(ranked[:_SAID]) | {at for at, one in enumerate(found) if one.against}
    left = [one for at, one in enumerate(found) if at not in seen]
    shown = listed((title, (one.said for at, one in enumerate(found) if at in seen)))
    if not left:
        return shown
    kinds = ", ".join(f"{number} {kind}" for kind, number in Counter(one.kind for one in left).items())
    rest = Prose(tuple(one.said for one in left), bullets=True)
    return (*shown, Section(f"{title}: {len(left)} more of {len(found)} ({kinds})", (rest,), folded=True))


def _findings(analysis: Analysis) -> tuple[_Finding, ...]:
    """What a paper may say: every finding, and the gains taken together."""
    out: dict[str, _Finding] = {}  # an unnamed contrast may say what a gain says
    together: dict[str, _Finding] = {}  # last: it points to the verdict that is the answer
    for at, one in sequential_answers(analysis).values():  # which say themselves that they are exploratory
        if one.decided_at is not None:
            said = Said(one.says, f"sequential/comparisons/{at}/says", strong=True)
            out.setdefault(one.says, _Finding(said, one.verdict.label, one.verdict.badge == "worse"))
    for at, family in asked_once(analysis):
        lead = lead_of(family)
        for position, comparison in enumerate(family.comparisons):
            verdict = comparison.verdict
            if verdict is not Verdict.INCONCLUSIVE:
                place = f"families/{at}/comparisons/{position}/says"
                said = Said(comparison.says, place, strong=True, lead=lead)
                out.setdefault(said.text, _Finding(said, verdict.label, verdict.badge == "worse"))
        for place, whole in family.together.items():
            if whole.alike and whole.not_valid is None and not not_valid(family):
                said = Said(whole.says, f"families/{at}/{place}/says", lead=TOGETHER)
                together.setdefault(whole.says, _Finding(said, "of gains together"))
    return (*out.values(), *together.values())


def _open(analysis: Analysis) -> tuple[_Finding, ...]:
    """What stays undecided: the primary gain and each contrast as said, other families by their names.

    After a look that is what the sequential verdicts, where there are any, leave open.
    """
    found: dict[str, _Finding] = {}  # a gain that is a contrast too is said once
    answers = sequential_answers(analysis)
    for at, family in asked_once(analysis):
        undecided = [
            (position, c)
            for position, c in enumerate(family.comparisons)
            if c.verdict is Verdict.INCONCLUSIVE
            and not ((own := answers.get(asking(family, c))) and own[1].decided_at is not None)
        ]
        if family.name in QUESTIONS:
            for position, c in undecided:
                place = f"families/{at}/comparisons/{position}/says"
                said = Said(c.says, place, lead=lead_of(family))
                if (answer := answers.get(asking(family, c))) is not None:
                    said = Said(answer[1].says, f"sequential/comparisons/{answer[0]}/says")
                found.setdefault(said.text, _Finding(said, Verdict.INCONCLUSIVE.label))
        elif undecided:
            names = some_of([name_of(family, c) for _, c in undecided], _NAMED)
            later = f" ({lead_of(family)})" if not family.planned else ""
            under = dict.fromkeys(
                _WORDS if asking(family, c) in answers else _words_over(c) for _, c in undecided
            )
            text = (
                f"{titled_family(family)}{later}: {len(undecided)} of {family.size} inconclusive ({names}); "
                f"the sentence of each is under {' or '.join(f'“{title}”' for title in under)}."
            )
            found.setdefault(text, _Finding(Said(text), Verdict.INCONCLUSIVE.label, against=True))
    return tuple(found.values())


def _words_over(c: Comparison) -> str:
    """The heading over the sentence of a comparison, which no paper should print after a look."""
    return _LOOKED if (c.not_valid or "").startswith(REPEATED) else _WORDS


_BEST = "Which cell may be the best"


def _sets(analysis: Analysis) -> list[Candidates]:
    """The sets of cells of which any choice was to be made."""
    return [item for item in analysis.best.sets if len(item.cells) > 1] if analysis.best else []


def _limits(analysis: Analysis) -> list[Candidates]:
    """The few sets that the cautions name: those of which the best cell is not known. Where it is, that is no
    limit but a finding."""
    return [item for item in _sets(analysis) if len(item.may_be_best) > 1][:_SETS]


_LEFT_OUT = ".31 of studies of 5 seeds and .28 of 10"
"""How often at least one of ten equal cells leaves the set: from docs/one-seed.md, as a test holds."""


def _open_intervals(
    analysis: Analysis, shown: Sequence[Family]
) -> tuple[list[tuple[float | None, float | None]], str]:
    """Where what is open may lie, and what is wrong with that: those of a fixed n survive no look.

    Where sequential verdicts lead, of what they judge by theirs; of the rest by its own.
    """
    answers = sequential_answers(analysis)
    rest = [
        c
        for family in shown
        for c in family.comparisons
        if c.verdict is Verdict.INCONCLUSIVE and asking(family, c) not in answers
    ]
    found = [(one.ci_low, one.ci_high) for _, one in answers.values() if one.decided_at is None]
    looked = [family for family in analysis.families if after_a_look(family)]
    short = ", some of which" if found else ", which"
    short = f"{short} are too short after a look" * any(
        (c.not_valid or "").startswith(REPEATED) for c in rest
    )
    if short and analysis.sequential is None and any(in_sequence(analysis, family) for family in looked):
        short += " (--sequential)"
    return [*found, *((c.ci_simultaneous_low, c.ci_simultaneous_high) for c in rest)], short


def _cautions(analysis: Analysis, say: Numbers) -> tuple[Said, ...]:
    """What the results do not say, in this study's own numbers."""
    out = []
    shown = [family for _, family in asked_once(analysis)]
    undecided = [c for f in shown for c in f.comparisons if c.verdict is Verdict.INCONCLUSIVE]
    if undecided:
        text = "“Inconclusive” is not “no difference”"
        intervals, short = _open_intervals(analysis, shown)
        ends = [abs(end) for both in intervals for end in both if end is not None]
        if ends and math.isfinite(max(ends)):
            largest = f"{say(max(ends))}{say.unit}"
            text += f": what is open here may be as large as {largest}, by its intervals{short}"
            text += f", {CONVERGED}" * any(CONVERGED in c.says for c in undecided)
        out.append(Said(text + "."))
    out += map(Said, what_fell(analysis))
    sets = _sets(analysis)
    if sets:
        best = "highest" if analysis.goal == "max" else "lowest"
        out.append(Said(f"The {best} mean {label(analysis.metric)} need not be that of the best cell."))
    named = _limits(analysis)
    out += [may_be_best(item, analysis) for item in named]
    if left := len(sets) - len(named):
        of = f"it of the other {'set' if left == 1 else f'{left} sets'}" if named else "which that may be"
        out.append(Said(f"“{_BEST}” says {of}."))
    if sets:
        text = (
            "Cells that are left out of such a set are not tested jointly: of ten equal cells, for example,"
        )
        out.append(Said(f"{text} at least one was left out in {_LEFT_OUT} (measured on real trainings)."))
    if any(not family.planned for family in analysis.families):
        out.append(
            Said(
                "What is marked exploratory suggests questions for new seeds. It confirms nothing by itself."
            )
        )
    if analysis.conditioned_on:
        out.append(Said(f"All of it holds for: {', '.join(analysis.conditioned_on)}."))
    return tuple(out)


# ------------------------------------------------------------------------------------------- the sections


def _sections(evidence: Evidence, say: Numbers) -> Iterable[Section]:
    """In order; one without blocks is left out."""
    analysis = evidence.analysis
    charts = on_page(evidence)

    def drawn(section: str) -> tuple[Chart, ...]:
        return tuple(Chart(figure) for figure in charts.get(section, ()))

    def section(id: str, title: str, *blocks: Block | None) -> Section:
        return Section(title, (*drawn(id), *(block for block in blocks if block is not None)), id)

    each_seed = section(
        *("seeds", "Every seed"),
        Section("Every run as a number", (report_tables.seeds_table(evidence),), folded=True),
    )
    families, sequential = asked_once(analysis), []
    if analysis.sequential is not None:
        table = sequential_table(analysis, analysis.sequential, say, id="sequential-table", most=MAX_ROWS)
        mark = "planned" if analysis.sequential.planned else "exploratory"
        told = tuple(
            Said(one.says, f"sequential/comparisons/{at}/says")
            for at, one in enumerate(analysis.sequential.comparisons[:_IN_WORDS])
        )
        words = Section(_WORDS, (Prose(told, bullets=True),), folded=True)
        sequential = [replace(section("sequential", "Sequential verdicts", table, words), mark=mark)]
    if sequential_leads(analysis):
        yield from sequential
    gains = analysis.family("gains") or analysis.lead
    for position, family in families:
        yield _family(analysis, position, say, drawn(family_id(family)))
        if family is gains:
            yield each_seed
    if gains is None:
        yield each_seed
    tests = report_tables.factorial_table(analysis)
    yield section(
        "settings",
        report_tables.settings_title(analysis),
        *report_tables.grid_tables(evidence),
        Prose(factorial_sentences(analysis)) if analysis.factorial else None,
        Section("The F tests", (tests,), folded=True) if tests is not None else None,
    )
    every = [may_be_best(item, analysis) for item in _sets(analysis)]
    # the answer has named the few that are limits
    sets = Prose(tuple(every), bullets=True) if len(every) > len(_limits(analysis)) else None
    yield section("best", _BEST, sets, report_tables.choice_table(analysis))
    means = cells_table(analysis, say, id="cells-table", most=report_tables.MAX_CELLS)
    yield section("means", "Every cell", means)
    yield section("cost", "Accuracy and cost", report_tables.costs_table(evidence))
    yield section("training", "Training")
    # The table says who the teachers are, so it stands before their figure.
    teachers = report_tables.teachers_table(evidence)
    yield Section("Teacher", (*((teachers,) if teachers else ()), *drawn("teacher")), "teacher")
    fields = ("verdict", "mean_diff", "ci", "p", "p_adjusted", "n")
    secondary = [
        secondary_table(analysis, at, fields, id=f"secondary-{at}", most=MAX_ROWS)
        for at in range(len(analysis.secondary))
    ]
    yield section("secondary", "Secondary metrics", *secondary)
    if analysis.images:
        table = images_table(analysis, say, id="images-table", most=MAX_ROWS)
        yield section("images", table.title, table)
    if not sequential_leads(analysis):
        yield from sequential
    smoke = banner_of(analysis.warnings).startswith(SMOKE_RUNS)
    powers = [] if smoke else [_power(analysis, position, say) for position, _ in families]
    yield section("power", "Power", *powers)
    yield from report_methods.sections(evidence)


def family_id(family: Family) -> str:
    """Where a family stands on the page; its figure names the same place."""
    return family.name.replace("_", "-") + ("" if family.planned else "-exploratory")


def _family(analysis: Analysis, position: int, say: Numbers, charts: tuple[Chart, ...]) -> Section:
    family = analysis.families[position]
    several = family.corrected_over > 1
    id = family_id(family)
    fields = ["verdict", "mean_diff", "ci", "ci_simultaneous", "p", "p_adjusted", "n"]
    if not several:
        # planned looks adjust p even of one comparison; its own interval is at their level
        same = ("ci_simultaneous", "p" if analysis.looks else "p_adjusted")
        fields = [field for field in fields if field not in same]
    table = comparisons_table(
        *(analysis, family, f"families/{position}", fields, say, f"{titled_family(family)}, in numbers"),
        caption(analysis, family, say, power=False), id=f"{id}-verdicts", most=MAX_ROWS,
    )  # fmt: skip
    everything = comparisons_table(
        *(analysis, family, f"families/{position}", _statistics(family), say),
        f"All statistics: {in_a_title(family)}",
        f"The verdict uses the {test_of(family)} alone."
        if is_unpaired(family)
        else f"The verdict uses the {test_of(family)} alone. Sign flips, Wilcoxon and Welch are sensitivity "
        "checks; the floor of the first two is a limit of the design, never evidence against an effect.",
        id=f"{id}-statistics",
        most=MAX_ROWS,
    )
    under: dict[str, list[Said]] = {}
    for at, comparison in enumerate(family.comparisons[:_IN_WORDS]):
        place = f"families/{position}/comparisons/{at}/says"
        under.setdefault(_words_over(comparison), []).append(
            Said(comparison.says, place, lead=lead_of(family))
        )
    if family.size > _IN_WORDS:
        rest = f"The first {_IN_WORDS} of {family.size:,}; rigorkd analyze --format csv has them all."
        [*under.values()][-1].append(Said(rest))
    folded = (
        *(Section(title, (Prose(tuple(said), bullets=True),), folded=True) for title, said in under.items()),
        Section("All statistics", (everything,), folded=True),
    )
    mark = "planned" if family.planned else "exploratory"
    return Section(titled_family(family), (*charts, table, *folded), id, mark)


def _statistics(family: Family) -> list[str]:
    """Those that a family can have: without pairs, none of what is said of pairs."""
    return [field for field in _STATISTICS if field not in _OF_PAIRS or not is_unpaired(family)]


def _power(analysis: Analysis, position: int, say: Numbers) -> Table:
    """What these seeds can detect, what the SESOI would need, and the tests of equivalence."""
    family = analysis.families[position]
    m = f"at α/{family.corrected_over}" if family.corrected_over > 1 else "at α"
    spread, fields = "standard deviation of these seeds' differences", ["sd_diff", "mde", "mde_range"]
    if is_unpaired(family):  # no run has a partner there to differ from
        spread, fields = "standard deviations of the runs of each of its cells", ["mde", "mde_range"]
    note = f"Two-sided {test_of(family)} {m}, given the {spread}."
    if analysis.sesoi is not None:
        by, fresh = "", "fresh ones that are analysed alone"
        if in_sequence(analysis, family):
            by = "by the sequential analysis (rigorkd analyze --sequential)"
            note += " “needs” counts seeds that are judged once; the sequential analysis takes more."
        note += f" Seeds are added {ways_to_add(analysis, by, fresh)}."
        fields += ["seeds_needed", "needs", "equivalence_ci", "p_equivalence_adjusted"]
        note += (
            " Exaggeration: how many times too large a difference is that is found, wrong sign: the "
            "probability that it has that, were the true one the SESOI."
        )
        fields += ["exaggeration", "sign_error"]
    return comparisons_table(
        *(analysis, family, f"families/{position}", fields, say, f"Power: {in_a_title(family)}"),
        note, id=f"{family_id(family)}-power", most=MAX_ROWS,
    )  # fmt: skip
