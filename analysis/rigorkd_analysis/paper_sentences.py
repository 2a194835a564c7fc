"""Sentences for a paper: what may be said of one comparison, with the conditions that its claim carries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rigorkd_analysis.analysis_plan import Correction
from rigorkd_analysis.questions import Subject
from rigorkd_analysis.stats.new_images import ImageComparison
from rigorkd_analysis.stats.paired import PairedTest
from rigorkd_analysis.verdicts import AT_LEAST, Claim, Verdict
from rigorkd_analysis.wording import (
    MINUS,
    TESTS,
    Phrasing,
    adjusted_name,
    number_text,
    p_text,
    percent_text,
)


@dataclass(frozen=True)
class Facts:
    """What a sentence needs, already settled.

    Attributes:
        over_images: the interval over new seeds and new test images, where predictions give one.
        reason: why nothing can be tested, where that is so.
        runs: of unpaired cells the different numbers of runs, ascending.
    """

    kind: str
    test: PairedTest
    n: int
    claim: Claim
    over_images: ImageComparison | None
    reason: str
    runs: tuple[int, ...] = ()

    @property
    def replicates(self) -> str:
        """`n = 5 seeds`; of unpaired cells `n = 5 runs per cell`, or `n = 8 to 20 runs per cell`."""
        if not self.runs:
            return f"n = {self.n} seeds"
        return f"n = {' to '.join(dict.fromkeys(map(str, (self.runs[0], self.runs[-1]))))} runs per cell"


@dataclass(frozen=True)
class Context:
    """What all sentences of a family share."""

    alpha: float
    correction: Correction
    size: int
    sesoi: float | None
    joint: bool
    phrasing: Phrasing
    looks: tuple[int, ...] = ()

    @property
    def p_name(self) -> str:
        """What p is adjusted for: the size of the family, planned looks, both or nothing."""
        name = adjusted_name(self.correction, self.size)
        if not self.looks:
            return name
        return "look-adjusted p" if name == "p" else name.replace("-adjusted", "- and look-adjusted")


def sentence(facts: Facts, context: Context, subject: Subject) -> str:
    """One sentence for a paper: the claim with its conditions, never without them."""
    say, test, claim = context.phrasing, facts.test, facts.claim
    where = "".join(f" {condition}" for condition in claim.conditions)
    if test.mean_diff is None or test.p_adjusted is None:
        seen = "" if test.mean_diff is None else f" (difference {say.number(test.mean_diff, True)}{say.unit})"
        about = f"{_lower(subject.called)}{subject.compared}"
        return f"Nothing can be said of {about}{seen}: {facts.reason}."
    numbers = _numbers(facts, context)
    size = f"{say.number(abs(test.mean_diff))}{say.unit}"
    if claim.verdict.directed:
        raised = test.mean_diff > 0
        if facts.kind == "gain":
            verb = "raised" if raised else "lowered"
            over = f" over {subject.over}" if subject.over and raised else subject.compared
            words = f"{subject.words}, {subject.aside}," if subject.aside else subject.words
            said = f"{words} {verb} {subject.owner}{say.words} by {size}{over}{where}"
            if subject.is_baseline:
                side = f"{'above' if raised else 'below'} {subject.over or 'its own'}"
                words = words.replace("The ", f"{subject.student}'s ", 1) if subject.student else words
                said = f"{words} was {size} {side} in {say.words}{where}"
        else:
            said = f"{subject.words}: {say.words} {'higher' if raised else 'lower'} by {size}{where}"
        if claim.verdict.negligible:
            extra = f"; the effect is real but smaller than {say.number(context.sesoi)}{say.unit}"
            extra += f" ({_tost(facts, context)})"
        elif claim.magnitude == AT_LEAST:
            extra = f"; by more than the smallest effect of interest, {say.number(context.sesoi)}{say.unit}"
        else:
            extra = ""
        return f"{said}{_open_on_others(facts, context)} ({numbers}){extra}."
    if claim.verdict is Verdict.EQUIVALENT:
        share = percent_text(1 - 2 * context.alpha)
        interval = say.interval(test.equivalence_ci_low, test.equivalence_ci_high)
        alone = "unadjusted " * (context.size > 1 and context.correction != "none")
        return (
            f"{subject.called}: equivalent within ±{say.number(context.sesoi)}{say.unit} "
            f"in {say.words}{subject.compared}{where} (difference {say.number(test.mean_diff, True)}, "
            f"{alone}{share} CI {interval}, {_tost(facts, context)}, {facts.replicates})."
        )
    limit = ""
    if test.mde is not None and not claim.not_valid and CONVERGED not in claim.conditions:
        limit = f"; {facts.n} seeds detect about {say.number(test.mde)}{say.unit} with 80 % power"
        if test.mde_low is not None and test.mde_high is not None:
            among = f"{say.number(test.mde_low)} to {say.number(test.mde_high)}"
            limit += f" ({among}, over the interval of the spread)"
    return (
        f"{subject.called}: inconclusive{_since(claim)}; {say.words} differed by "
        f"{say.number(test.mean_diff, True)}{say.unit}{subject.compared}{where} ({numbers}){limit}."
    )


def conjunction(facts: Facts, context: Context, subject: str) -> str:
    """The sentence of an intersection–union test."""
    claim = facts.claim
    if facts.test.p_adjusted is None:
        return f"Nothing can be said of {_lower(subject)}: {facts.reason}."
    say = context.phrasing
    where = f" in {say.words}" + "".join(f" {condition}" for condition in claim.conditions)
    p = p_text(facts.test.p_adjusted, f"largest one-sided {context.p_name}")
    within = f"equivalent within ±{say.number(context.sesoi)}{say.unit}"
    tost = p_text(facts.test.p_equivalence_adjusted, f"largest TOST {context.p_name}")
    if claim.verdict.negligible:
        both = f"{claim.verdict.badge}, and {within}"
        return f"{subject}: holds{where}, each is {both} ({p}, {tost}, n = {facts.n} seeds)."
    if claim.verdict.directed:
        return f"{subject}: holds{where}, each is {claim.verdict.badge} ({p}, n = {facts.n} seeds)."
    if claim.verdict is Verdict.EQUIVALENT:
        return f"{subject}: each is {within}{where} ({tost}, n = {facts.n} seeds)."
    if claim.not_valid:
        return f"{subject}: inconclusive{_since(claim)} ({p}, n = {facts.n} seeds)."
    return f"{subject}: not shown for all of them{where} ({p}, n = {facts.n} seeds)."


def with_cautions(says: str, warnings: Sequence[str], over: str = "") -> str:
    """The sentence with what its comparison is warned of, as far as it does not say that itself.

    A sentence is pasted without the warnings around it. How few seeds there are it says by its n. Before all
    cautions it says what every result is a mean `over`, which is no doubt of it.
    """
    if says.startswith(_NOTHING):
        return says
    if over and over not in says:
        claimed, caution, told = says.removesuffix(".").partition(_CAUTION)
        says = f"{claimed}; {over}{caution}{told}."
    left = []
    for text in dict.fromkeys(map(in_brief, warnings)):
        fact = text.partition(": ")[2] or text
        if fact not in says and not text.startswith(_TOLD_BY_NUMBERS):
            left.append(_OF_A_CELL.sub(_of_a_cell, text))
    return f"{says.removesuffix('.')}{_CAUTION}{'; '.join(left)}." if left else says


def _of_a_cell(found: re.Match[str]) -> str:
    """A run far off, whose cell is not named: a baseline is, for it may make the gain that is claimed."""
    of_baseline = found[2].rsplit("/", 1)[-1].partition("-")[0] == "baseline"
    return f"{found[1]}: {'the baseline' if of_baseline else 'one of its cells'} has "


_CAUTION = "; caution: "


def in_brief(warning: str) -> str:
    """What a warning says, without what can be done about it."""
    return _ADVICE.sub("", warning)


def beside(not_valid: str | None, warnings: Sequence[str]) -> tuple[str, ...]:
    """The warnings of a comparison in brief, but for why its verdict is not valid, which is told first."""
    fell = (not_valid or "").partition(": ")[2]
    told = dict.fromkeys(map(in_brief, warnings))
    return tuple(
        text
        for text in told
        if text != not_valid and not ((fact := text.partition(": ")[2]) and fact in fell)
    )


CONVERGED = "among converged seeds"
"""The condition of a comparison that lost runs: it may count against them, and nothing else is decided."""
_ADVICE = re.compile(
    r"(; |: )(let |give |remove |if it shapes results|if that is by design|the sequential verdicts"
    r"|--sequential|seeds that no look has seen).*$"
)
_NOTHING = "Nothing can be said of"
_OF_A_CELL = re.compile(r"^(an outlying seed|a seed far behind): (.+?) has ")
"""Sentences call no cell by its name."""
_TOLD_BY_NUMBERS = ("n = ", "among converged seeds only", "this design cannot decide", "zero variance")


def _since(claim: Claim) -> str:
    """Why nothing is decided, where that is no lack of seeds."""
    if claim.not_valid:
        return f" ({claim.not_valid})"
    return ", since runs diverged" if CONVERGED in claim.conditions else ""


def _open_on_others(facts: Facts, context: Context) -> str:
    """That new test images may turn a direction, where their interval holds 0."""
    over = facts.over_images
    if over is None or over.ci_low is None or over.ci_high is None or not over.ci_low <= 0 <= over.ci_high:
        return ""
    low, high = (number_text(end, 2, True, bound=True) for end in (over.ci_low, over.ci_high))
    interval = f"{low} to {high}"
    share = percent_text(1 - context.alpha)
    return f", though not shown for new ones ({share} CI over new seeds and {over.unit} {interval} points)"


def _numbers(facts: Facts, context: Context) -> str:
    """Interval and p of this comparison alone, then those that hold over the family, side by side."""
    say, test = context.phrasing, facts.test
    p = p_text(test.p_adjusted, context.p_name)
    df = f"{test.df}" if isinstance(test.df, int) else f"{test.df or 0:.2f}"
    t = "" if test.t is None else f"{TESTS[facts.claim.test]}({df}) = {test.t:.2f}, ".replace("-", MINUS)
    alone = f"{percent_text(1 - context.alpha)} CI {say.interval(test.ci_low, test.ci_high)}"
    together = ""
    if context.size > 1 and context.correction != "none" and test.ci_simultaneous_low is not None:
        low, high = test.ci_simultaneous_low, test.ci_simultaneous_high
        # a stepwise correction may reject where the interval at 1 − α/m holds 0: say whose interval it is
        wider = facts.claim.verdict.directed and high is not None and low <= 0 <= high
        by = " by Bonferroni" if wider else ""
        together = f", over all {context.size}{by} {say.interval(low, high)}"
    return f"{alone}{together}, {t}{p}, {facts.replicates}"


def _tost(facts: Facts, context: Context) -> str:
    return p_text(facts.test.p_equivalence_adjusted, f"TOST {context.p_name}")


def _lower(subject: str) -> str:
    return (
        subject[:1].lower() + subject[1:]
        if subject.startswith(("Distillation", "Feature", "Logit", "The "))
        else subject
    )
