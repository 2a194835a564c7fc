"""What all pages say alike: what a family, its test and its rows are called, captions, which cells may be the
best; warnings, each once with what it concerns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from rigorkd_analysis.analysis_plan import LABEL_NOISE, is_told_of_each
from rigorkd_analysis.families import UNABLE
from rigorkd_analysis.paper_sentences import CONVERGED, with_cautions
from rigorkd_analysis.questions import quoted
from rigorkd_analysis.results import (
    GAINS,
    Analysis,
    Candidates,
    Comparison,
    Consistency,
    Factorial,
    Family,
    ImageComparison,
)
from rigorkd_analysis.runs import OPTIMISTIC, is_of_no_new_data
from rigorkd_analysis.sanity import AT_CHANCE, who_is_at_chance
from rigorkd_analysis.verdicts import Verdict
from rigorkd_analysis.wording import over_what, percent_text

from rigorkd.readers.averaged_parts import AVERAGED_PARTS
from rigorkd.readers.averaging import AVERAGED
from rigorkd.readers.leaving_out import LEFT_OUT
from rigorkd.readers.run_rows import EPOCH
from rigorkd.records.judged_elsewhere import SHOWN_BEFORE
from rigorkd.records.left_out import CELLS_GONE
from rigorkd.records.planned_looks import OTHER_LOOKS
from rigorkd.report.numbers import range_of
from rigorkd.report.page import Said
from rigorkd.text import count, some_of

CORRECTIONS = {
    "holm": "Holm",
    "bonferroni": "Bonferroni",
    "bh": "Benjamini–Hochberg",
    "none": "no correction",
}
_FAMILIES = {
    "overall": "Average gain over {over}",
    "primary": "Primary gain over {over}",
    "gains": "Gains over {over}",
    "contrasts": "Contrasts",
    "all_pairs": "All pairs",
}
NOUN = {
    "overall": "average gain",
    "primary": "gain",
    "gains": "gain",
    "contrasts": "contrast",
    "all_pairs": "pair",
}
REPEATED = "repeated look"
"""How the reason begins why a verdict is not valid after an earlier look."""
QUESTIONS = ("primary", "contrasts")
"""The families whose comparisons were each a question of its own: the answer is said even if it is open."""
TESTS = {
    "paired": "paired t test",
    "moderated": "moderated t test",
    "unpaired": "unpaired Welch test",
    "seeds_and_images": "seeds × images t test",
}
"""What the test of a family is called."""


def titled_family(family: Family) -> str:
    """What a family is called; its gains by what they are over, where that is not called the baseline."""
    if family.name == "primary" and family.over is None:
        return "Primary gain"
    return _FAMILIES[family.name].format(over=over_what(family.over, several=family.name == "gains"))


def status_of(analysis: Analysis, family: Family) -> str:
    """Whether a family was planned, in a word or two behind its title.

    Where all is exploratory, cells that were added later have families of their own beside those of the plan.
    """
    if family.planned:
        return "planned"
    twins = (one for one in analysis.families if one.name == family.name and one is not family)
    later = not family.demoted and any(one.demoted for one in twins)
    return "exploratory, added later" if later else "exploratory"


def titled_with_status(analysis: Analysis, family: Family) -> str:
    """The title of a table of a family: that it was planned goes without saying."""
    return titled_family(family) + ("" if family.planned else f" ({status_of(analysis, family)})")


def in_a_title(family: Family) -> str:
    """The same behind other words of a title."""
    title = titled_family(family)
    return title[:1].lower() + title[1:]


def minus(family: Family) -> str:
    """What the gains of a family are minus: their baseline, named where it is not plainly that."""
    if family.over is None:
        return "its baseline"
    over = over_what(family.over, several=False)
    return f"its baseline ({over})" if " or " in over else over


def test_of(family: Family) -> str:
    """What the test of a family is called."""
    return TESTS[family.comparisons[0].test] if family.comparisons else TESTS["paired"]


def asked_once(analysis: Analysis) -> list[tuple[int, Family]]:
    """The families with their places in the document, the one that answers the question of the page first.

    Left out is what would judge one comparison twice: contrasts that ask what gains ask and have no name of
    their own.
    """
    lead = analysis.lead
    found = sorted(enumerate(analysis.families), key=lambda item: item[1] is not lead)
    kept: list[tuple[int, Family]] = []
    asked = []
    for at, family in found:
        pairs = [(c.a, c.b) for c in family.comparisons]
        named = any(c.name != f"{c.a} vs {c.b}" for c in family.comparisons)
        repeats = family.name == "contrasts" and not named and all(a for a, _ in pairs)
        if repeats and (family.planned, pairs) in asked:
            continue
        asked.append((family.planned, pairs))
        kept.append((at, family))
    return kept


def not_valid(family: Family) -> str:
    """Why none of a family's verdicts is valid at alpha, "" where some are."""
    reasons = dict.fromkeys(c.not_valid for c in family.comparisons)
    return "" if None in reasons else "; ".join(map(str, reasons))


def name_of(family: Family, comparison: Comparison) -> str:
    """What a row is called: a gain by its distilled cell, and a name of a person's own as a name."""
    gain = family.name in ("overall", *GAINS)
    if gain and comparison.a is not None:
        return comparison.a
    return comparison.called or quoted(comparison.name, comparison.stands_for)


def corrected_by(analysis: Analysis, families: Sequence[Family], sizes: str) -> str:
    """The correction over families of these `sizes`; of one comparison alone there is none."""
    if [family.corrected_over for family in families] == [1]:
        return "one comparison" + "".join(sizes.partition(" (")[1:])
    return f"{CORRECTIONS[analysis.correction]} over {sizes}"


def averaged_over(family: Family) -> str:
    """The cells that a family's averages are over, with their settings where these are not all there are."""
    told = dict.fromkeys(c.settings for c in family.comparisons)
    if not any(told):
        return "cells"
    return f"cells at {next(iter(told))}" if len(told) == 1 else "cells, each over those that its row names"


def who(student: str | None, group: str | None) -> str:
    """The cells of one student, "" where there is nothing to tell apart."""
    return "/".join(part for part in (group, student) if part)


def seeds_of(ns: Iterable[int]) -> str:
    """`5 seeds`; `3 to 5 seeds`."""
    found = sorted(set(ns))
    return count(found[0], "seed") if len(found) == 1 else f"{found[0]} to {found[-1]} seeds"


def numbers_of(analysis: Analysis, family: Family) -> str:
    """How many seeds, or without pairing how many runs of each cell, the comparisons of a family have."""
    if not is_unpaired(family):
        return seeds_of(c.n for c in family.comparisons)
    runs = {cell.cell: cell.n for cell in analysis.cells}
    found = sorted({runs[cell] for c in family.comparisons for cell in c.weights})
    if not found:
        return seeds_of(c.n for c in family.comparisons)
    return f"{' to '.join(dict.fromkeys((str(found[0]), str(found[-1]))))} runs per cell"


def why_exploratory(*families: Family, else_: str = "not planned before the results") -> str:
    """Why families that are not planned are not: what was planned once says what has become of that.

    Of what came later among that, which it is: in one table all of it looks alike.
    """
    whys = " and ".join(dict.fromkeys(family.demoted or else_ for family in families))
    late = [name_of(family, c) for family in families for c in family.comparisons if c.name in family.later]
    return whys + (f"; {some_of(late, 6)} {'was' if len(late) == 1 else 'were'} added later" if late else "")


def exploratory_said(families: Iterable[Family]) -> str:
    """What a caption says of families that were not planned and why, "" where all were."""
    found = [family for family in families if family.comparisons]
    late = [family for family in found if not family.planned]
    if not late:
        return ""
    named = [name_of(family, c) for family in late for c in family.comparisons]
    which = f" ({some_of(named, 4)})" if len(late) < len(found) else ""
    return f" Exploratory{which}: {why_exploratory(*late)}."


def equivalent_by(analysis: Analysis, shown: Iterable[Comparison]) -> str:
    """Which interval decides that a row shown is equivalent, or negligible, "" where no row is.

    A joint verdict is read from the intervals that stand beside it.
    """
    found = list(shown)
    words = ["equivalent"] * any(c.verdict is Verdict.EQUIVALENT for c in found)
    words += ["negligible"] * any(c.verdict.negligible for c in found)
    if analysis.joint:
        return ""
    corrected = any(is_corrected(analysis, family) for family in of_shown(analysis.families, found))
    return decided_by(words, analysis.alpha, corrected=corrected)


def decided_by(words: Sequence[str], alpha: float, *, corrected: bool) -> str:
    """Which interval decides verdicts of these words, "" of none: those of 1 − α beside them are wider."""
    if not words:
        return ""
    twice, share = percent_text(1 - 2 * alpha), percent_text(1 - alpha)
    by = f"the {twice} interval (two one-sided tests)"
    if corrected:  # which takes a wider one than that of each alone
        by = f"corrected two one-sided tests (alone: the {twice} interval)"
    return f"{' and '.join(words)} by {by}; that of {share} may leave the margin"


def sentence_of(part: str) -> str:
    """A part of a caption as a sentence behind others, "" of none."""
    return f" {part[:1].upper()}{part[1:]}." if part else ""


def of_shown(families: Iterable[Family], shown: Iterable[Comparison]) -> list[Family]:
    """The families with those comparisons alone that a table or figure shows, as far as there are such."""
    every = list(shown)
    kept = (
        replace(family, comparisons=tuple(c for c in family.comparisons if c in every)) for family in families
    )
    return [family for family in kept if family.comparisons]


def of_this_call(family: Family) -> str:
    """That pairs which no plan names (`--compare`) are corrected for those of one call, "" of others."""
    asked = family.name == "contrasts" and not (family.planned or family.demoted)
    if not asked or not any(c.a is not None and not c.stands_for for c in family.comparisons):
        return ""
    return "corrected for this call's comparisons alone: other calls are not counted"


def told_of_plan(warnings: Iterable[str]) -> list[str]:
    """What became of the plan of a study, for a table that goes on alone; nothing of plans that stand.

    Which cells were added, left out, or removed and why; the runs of these are not listed.
    """
    told = [text for text in warnings if text.startswith(_OF_THE_PLAN)]
    return [re.sub(r"(\d finished runs?) \(.*$", r"\1", text) for text in told]


_OF_THE_PLAN = (
    "added after the first run",
    "left out, since the newest protocol",
    "removed on ",
    "fewer seeds than",
    OTHER_LOOKS,
    SHOWN_BEFORE,
)


def planned_looks(analysis: Analysis) -> str:
    """What planned looks do to p and intervals, "" where there are none."""
    if not analysis.looks:
        return ""
    at = ", ".join(map(str, analysis.looks))
    return f"verdicts, intervals and adjusted p hold over all planned looks (at {at} seeds)"


def unvalidated(analysis: Analysis) -> str:
    """What a study without validation images tested, "" where an epoch could be chosen."""
    return next((item for item in analysis.conditioned_on if item.startswith("nothing was validated")), "")


def told_of_each(analysis: Analysis) -> str:
    """What goes with every claim of a study: wrong labels on purpose, one teacher, the same inputs."""
    return "; ".join(filter(is_told_of_each, analysis.conditioned_on))


CHOSEN, CHOSEN_CELLS = "chosen seeds: ", "chosen cells: "
"""How the warnings begin that --seeds left finished seeds out, or --without cells."""
INTERIM = "interim look: "
"""How the warning begins that runs are judged before all that were planned are there."""
MIXED = "runs of one cell differ in "
"""How the warning begins that --cell leaves out a setting in which runs differ."""
CHOICES = (CHOSEN, CHOSEN_CELLS, LEFT_OUT, AVERAGED, AVERAGED_PARTS, EPOCH, INTERIM, MIXED)
"""How those begin that say what was chosen, not what is doubted."""


def chosen_of(warnings: Iterable[str]) -> tuple[str, ...]:
    """What a sentence says, which is pasted without captions, of seeds and cells that were chosen by hand."""
    kinds = (CHOSEN, CHOSEN_CELLS, LEFT_OUT, INTERIM, MIXED)
    return tuple(_without_options(text) for text in warnings if text.startswith(kinds))


def _without_options(text: str) -> str:
    """What was chosen, and not by which option."""
    return text.partition(", as --")[0].partition(", which --cell")[0]


def mean_of(warnings: Iterable[str]) -> str:
    """What a sentence says that every result is a mean over, "" where it is none."""
    told = (text for text in warnings if text.startswith(AVERAGED_PARTS))
    return next(told, "").removeprefix(AVERAGED_PARTS).partition(", as --")[0]


def of_no_new_data(warnings: Iterable[str]) -> tuple[str, ...]:
    """The warnings that what is judged was chosen on test data, or is of training data.

    Of epochs and of the checkpoints at them it is said once.
    """
    told = [text for text in warnings if is_of_no_new_data(text)]
    return (
        *(text for text in told if not text.endswith(OPTIMISTIC)),
        *[text for text in told if text.endswith(OPTIMISTIC)][:1],
    )


def unlike_new_data(analysis: Analysis) -> str:
    """The same as a caption says it that does not yet say on what the epoch was chosen."""
    told = of_no_new_data(analysis.warnings)
    if any(text.startswith(EPOCH) and ", which is " in text for text in analysis.warnings):
        told = tuple(text for text in told if not text.endswith(OPTIMISTIC))
    return "; ".join(told)


def cells_are_left(said: Iterable[str]) -> bool:
    """Whether what was chosen by hand, in the words of sentences, are cells: some are left out."""
    return any(text.startswith((CHOSEN_CELLS, LEFT_OUT, CELLS_GONE)) for text in said)


def chosen(analysis: Analysis) -> str:
    """What was judged of all that there is, by somebody's choice, as a caption says it; "" where all was."""
    return "; ".join(_choices(analysis))


def chosen_in_caption(analysis: Analysis) -> str:
    """The same as a paper's caption may say it: what was averaged over what, and without options.

    A method is called by its word alone, as in the rows. Chosen seeds are said in the same words everywhere.
    """
    out = []
    for text in _choices(analysis):
        told = text if text.startswith(CHOSEN) else re.sub(r", as --[a-z-]+ asks", "", text)
        told = _without_options(text) if text.startswith(MIXED) else told
        if text.startswith(AVERAGED):
            said, within, stands = told.removeprefix(AVERAGED).partition(" within each seed")
            told = f"averaged{within}: {said}{stands}"
            told = re.sub(r"(?:(?<=[ (])|^)[^\s=,;:(]+=(?=[^\W\d])", "", told)
        out.append(told)
    return "; ".join(out)


def chosen_in_brief(analysis: Analysis) -> str:
    """The same in a few words, for a file that goes on alone, and that labels were made wrong on purpose."""
    wrong = [text for text in analysis.conditioned_on if text.endswith(LABEL_NOISE)]
    return "; ".join((*wrong, *map(_without_options, _choices(analysis))))


def _choices(analysis: Analysis) -> list[str]:
    return [text for text in analysis.warnings if text.startswith(CHOICES)]


def of_what(analysis: Analysis) -> str:
    """What a caption says of cells that were left out, of the epoch, and what each result is a mean over."""
    out = []
    for kind, says in _IN_CAPTIONS.items():
        all_told = [text for text in analysis.warnings if text.startswith(kind)]
        for told in all_told if kind is MIXED else all_told[:1]:
            out.append(says.format(_without_options(told.removeprefix(kind))))
    return "; ".join(out)


_IN_CAPTIONS = {
    INTERIM: f"{INTERIM}{{}}",
    MIXED: f"{MIXED}{{}}",
    CHOSEN: f"{CHOSEN}{{}}",
    CHOSEN_CELLS: "{}",
    LEFT_OUT: f"{LEFT_OUT}{{}}",
    EPOCH: f"{EPOCH}{{}}",
    AVERAGED_PARTS: "{}",
}


def own_interval(analysis: Analysis) -> str:
    """What sets the interval of one comparison apart from that of all; planned looks widen both."""
    return ", each alone" if analysis.looks else ", unadjusted"


def holm_is_sharper(analysis: Analysis, family: Family) -> str:
    """Why a simultaneous interval holds 0 where a direction is claimed, "" where none does."""
    for c in family.comparisons:
        low, high = c.ci_simultaneous_low, c.ci_simultaneous_high
        if c.verdict.directed and low is not None and high is not None and low <= 0 <= high:
            return "an interval of all (at 1 − α/m) may hold 0 where the stepwise correction rejects"
    return ""


def is_corrected(analysis: Analysis, family: Family) -> bool:
    """Whether a correction does anything: it was not declined, and there is more than one comparison."""
    return analysis.correction != "none" and family.corrected_over > 1


def is_unpaired(family: Family) -> bool:
    """Whether the runs of a family are compared without pairing them."""
    return any(c.test == "unpaired" for c in family.comparisons)


def overlap_said(analysis: Analysis, what: str) -> str:
    """That `what`, as the overlap of the intervals of means is, is no test; of pairs, why."""
    paired = not any(map(is_unpaired, analysis.families))
    return f"{f'Seeds are paired, so {what}' if paired else what.capitalize()} no test"


def factorial_sentences(analysis: Analysis) -> tuple[Said, ...]:
    """The repeated-measures tests of T, alpha and their interaction, in words."""
    lead = _lead_of_factorial(analysis)
    return tuple(
        Said(item.says, f"factorial/{at}/says", lead=lead) for at, item in enumerate(analysis.factorial)
    )


def _lead_of_factorial(analysis: Analysis) -> str:
    """No plan asks for F tests; where nothing was ever planned, that goes without saying."""
    mixed = any(family.planned or family.demoted for family in analysis.families)
    return "exploratory" if mixed else ""


def lead_of(family: Family) -> str:
    """What a sentence that is pasted alone says in front of itself."""
    return "" if family.planned else "exploratory"


TOGETHER = "exploratory"
"""The same before what is said of all gains together: no plan asks it, and nothing corrects it."""


def with_status(analysis: Analysis) -> Analysis:
    """The analysis for a document: each sentence says itself that it is exploratory, as on pages.

    A page says so before the sentence (`Said.lead`), a document has nothing that a sentence keeps when it is
    taken out.
    """
    lead = _lead_of_factorial(analysis)
    return replace(
        analysis,
        families=tuple(map(_family_with_status, analysis.families)),
        factorial=tuple(_led(item, lead) for item in analysis.factorial),
        images=tuple(
            _led(
                item, next((lead_of(family) for family, _ in analysis.asking(item.a, item.b)), "exploratory")
            )
            for item in analysis.images
        ),
        secondary=tuple(
            replace(item, family=_family_with_status(item.family)) for item in analysis.secondary
        ),
    )


def _family_with_status(family: Family) -> Family:
    lead, whole = lead_of(family), family.consistency
    return replace(
        family,
        comparisons=tuple(_led(c, lead) for c in family.comparisons),
        consistency=None if whole is None else _led(whole, TOGETHER),
        by_method=tuple(_led(one, TOGETHER) for one in family.by_method),
    )


_Saying = TypeVar("_Saying", Comparison, Consistency, Factorial, ImageComparison)


def _led(item: _Saying, lead: str) -> _Saying:
    return replace(item, says=Said(item.says, lead=lead).whole)


def not_judged_after(item: Candidates, analysis: Analysis) -> str:
    """The look after which no cell of a set is validly left out as worse than the best; "" of others."""
    if len(item.may_be_best) < len(item.cells):
        return ""
    reasons = (c.not_valid or "" for family in analysis.families for c in family.comparisons)
    return next((text for text in reasons if text.startswith(REPEATED)), "")


def may_be_best(item: Candidates, analysis: Analysis) -> Said:
    """Which cells of a set the data cannot tell from the best one; after a look none is validly left out."""
    cells, share = f"{len(item.cells)} cells", percent_text(1 - analysis.alpha)
    gone = analysis.best.left_out if analysis.best else ()
    cells = f"the {cells} that are left" if cells_are_left(gone) else cells
    whole = len(item.may_be_best) == len(item.cells)
    lost = any(cell.diverged for cell in analysis.cells if cell.cell in item.cells)
    share += f" confidence, {CONVERGED}" if lost else " confidence"
    if look := not_judged_after(item, analysis):
        text = f"which of {cells} may be the best one is not judged ({look})."
    elif whole:
        text = f"any of the {cells.removeprefix('the ')} may be the best one ({share})."
    else:
        among = "is" if len(item.may_be_best) == 1 else "is among"
        text = f"the best one of {cells} {among} {', '.join(item.may_be_best)} ({share})."
    return about(item.student, item.group, with_cautions(text, gone))


def about(student: str | None, group: str | None, text: str) -> Said:
    """A sentence about the cells of one student, where there are several students or groups to tell apart."""
    lead = who(student, group)
    return Said(text, lead=lead) if lead else Said(text[:1].upper() + text[1:])


def banner_of(warnings: Iterable[str]) -> str:
    """The warning that makes a page worthless, "" if there is none: of smoke runs, else of runs at chance."""
    found = [text for text in warnings if text.startswith(WORTHLESS)]
    return min(found, key=lambda text: not text.startswith(SMOKE_RUNS), default="")


SMOKE_RUNS = "SMOKE"
WORTHLESS = (SMOKE_RUNS, AT_CHANCE)
"""How warnings begin that go before everything else."""


def word_of(banner: str) -> str:
    """A banner in a word before a title."""
    return next((f"{word}: " for word in WORTHLESS if banner.startswith(word)), "")


def titled(title: str, warnings: Iterable[str]) -> str:
    """The title of a table or figure that stands without the page around it, with what makes it worthless."""
    banner = banner_of(warnings)
    word = word_of(banner)
    if who := who_is_at_chance(banner):
        word = f"{AT_CHANCE} ({who}): "
    return f"{word.replace('SMOKE:', 'SMOKE RUNS, no result:')}{title}"


def grouped(warnings: Iterable[tuple[str, str]], total: int, all_of_them: str) -> list[str]:
    """Warnings of comparisons, as pairs of name and text, each once with the comparisons it concerns."""
    by_text: dict[str, list[str]] = {}
    sizes: dict[str, dict[str, None]] = {}
    for name, text in warnings:
        # one sentence of one design, in points as large as the spread of each
        said, size = text.removesuffix(")").split(" (") if text.startswith(UNABLE) else (text, "")
        by_text.setdefault(said, []).append(name)
        sizes.setdefault(said, {})[size] = None
    out = []
    for said, names in by_text.items():
        text = said + range_of([*filter(None, sizes[said])])
        unique = list(dict.fromkeys(names))
        if len(names) == total > 1:
            out.append(f"{all_of_them}: {text}")
        elif len(unique) > 3:
            out.append(f"{len(names)} comparisons ({', '.join(unique[:3])}, …): {text}")
        else:
            out.append(f"{', '.join(unique)}: {text}")
    return out


def warnings_of(analysis: Analysis) -> tuple[Said, ...]:
    """The warnings of the study, then those of comparisons; not that of the banner.

    Nor, in front of comparisons that say it with what to do about it, that a look was repeated.
    """
    banner = banner_of(analysis.warnings)
    pairs = [
        (name_of(family, comparison), text)
        for _, family in asked_once(analysis)
        for comparison in family.comparisons
        for text in comparison.warnings
    ]
    # of secondary metrics what the verdicts on the first do not say: stars there stand for something, too
    known = set(pairs)
    pairs += [
        (f"{item.metric} of {name_of(item.family, comparison)}", text)
        for item in analysis.secondary
        for comparison in item.family.comparisons
        for text in comparison.warnings
        if (name_of(item.family, comparison), text) not in known
    ]
    total = sum(len(family.comparisons) for _, family in asked_once(analysis))
    own = [
        Said(text, f"warnings/{at}")
        for at, text in enumerate(analysis.warnings)
        if text != banner
        and not (text.startswith(REPEATED) and any(said.startswith(f"{text};") for _, said in pairs))
    ]
    return (*own, *map(Said, grouped(pairs, total, "all comparisons")))
