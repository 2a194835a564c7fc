"""The last sections: what was planned, how it was judged, where the records come from, how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from rigorkd_analysis.analysis_plan import COMMANDS_CONDITION, LABEL_NOISE, POOL, Plan
from rigorkd_analysis.metric_names import label
from rigorkd_analysis.results import Analysis
from rigorkd_analysis.stats.exact import exact_from
from rigorkd_analysis.wording import percent_text

from rigorkd.records.attempts import FailedAttempts
from rigorkd.report.chosen_seeds import diverged_at_others
from rigorkd.report.evidence import Evidence, Provenance
from rigorkd.report.numbers import Numbers
from rigorkd.report.page import Block, Code, Facts, Prose, Said, Section
from rigorkd.report.sentences import (
    CORRECTIONS,
    asked_once,
    is_corrected,
    name_of,
    of_this_call,
    seeds_of,
    test_of,
    titled_family,
    why_exploratory,
)
from rigorkd.text import count, duration


def sections(evidence: Evidence) -> Iterator[Section]:
    """The last sections of the page."""
    yield planned(evidence)
    yield methods(evidence.analysis)
    if evidence.analysis.families:
        yield checklist(evidence)
    if evidence.provenance is not None:
        yield provenance(evidence.provenance)
    yield reproduce(evidence)


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


_LATER = "Asked later, or of a table that cannot show when it was asked"


def planned(evidence: Evidence) -> Section:
    """Which questions were fixed before the results, and which were not."""
    analysis = evidence.analysis
    lines = []
    for _, family in asked_once(analysis):
        what = f"{titled_family(family)}: {count(family.size, 'comparison')}"
        names = [
            f"{name_of(family, one)} ({one.stands_for})" if one.stands_for else one.name
            for one in family.comparisons
        ]
        listed = f" ({'; '.join(names)})" if family.name == "contrasts" and len(names) <= 12 else ""
        status = (
            "Planned. Fixed by the protocol before the results were seen."
            if family.planned
            else f"Exploratory. {_begun(why_exploratory(family, else_=_LATER))}."
        )
        more = f" Corrected with {count(family.beside, 'comparison')} more of a family that asks it, too."
        alone = f" {_begun(own)}." if (own := of_this_call(family)) else ""
        lines.append(Said(f"{what}{listed}. {status}{alone}{more * bool(family.beside)}"))
    for item in analysis.secondary:
        lines.append(
            Said(
                f"{label(item.metric)}: a secondary metric, {count(item.family.size, 'gain')} of its own "
                "family."
            )
        )
    blocks = [Prose(tuple(lines), bullets=True)]
    if evidence.provenance is not None:
        text = _when_planned(evidence.provenance)
        if len(evidence.provenance.protocol_hashes) > 1:
            versions = count(len(evidence.provenance.protocol_hashes), "version")
            text += f" The protocol has {versions}; what later ones added to the analysis is exploratory."
        blocks.append(Prose((Said(text),)))
    return Section("Planned and exploratory", tuple(blocks), "planned")


def _when_planned(found: Provenance) -> str:
    """When the plan was fixed: what a first run of which nothing came had planned, a later one replaced."""
    if found.planned == found.created:
        return f"The plan was written into the study at its first run, {_minute(found.created)}."
    before = ""
    if found.planned <= found.finished_first:
        before = f", before the first of its runs finished, {_minute(found.finished_first)}"
    return (
        f"The plan was written into the study on {_minute(found.planned)}{before}. The study had begun on "
        f"{_minute(found.created)}."
    )


def methods(analysis: Analysis) -> Section:
    """How the verdicts were reached, with references."""
    say = Numbers(analysis)
    share = percent_text(1 - analysis.alpha)
    lines = [
        *_data(analysis),
        f"{_test(analysis)} Intervals are {share} t intervals. Assumed: {normality(analysis)}.",
        _correction(analysis),
        _equivalence(analysis, say),
        "A verdict claims a direction if the adjusted p is below α, equivalence if the adjusted p of "
        "equivalence is, both (“negligible”) if both are, else nothing (inconclusive). A repeated look, or a "
        "comparison that rests on a seed that fell far behind, is inconclusive whatever its p; none that "
        "rests on a seed that fell out of its cell is equivalent; where runs diverged, only a loss of the "
        "cell that lost them is claimed. Direction and equivalence are each "
        f"controlled at α = {analysis.alpha:g} over the family, so some false verdict "
        "of either kind has a probability of up to 2α. A page asks several questions, each family at its own "
        "α: under a complete null some family makes a claim more often than that (on .19 of pages in a "
        "simulation)." + (" Here verdicts are joint: all hold together at 1 − α." if analysis.joint else ""),
        "“Detects” is the difference that a test at α/m finds with 80 % power, given the standard deviation "
        "seen; “needs” is the number of seeds for the smallest effect of interest, never for the difference "
        "observed.",
        "The set that may be best leaves out a cell if another beats it by a one-sided "
        f"{_of_pairs(analysis)} at α/(cells − 1), after Hsu (1981); the truly best one stays in it with "
        "probability 1 − α or more.",
    ]
    if analysis.factorial:
        lines.append(
            "T, α and their interaction are tested by repeated-measures F tests with the ε of Greenhouse and "
            "Geisser (1959), Holm over all of these tests."
        )
    if analysis.images:
        unit = analysis.images[0].unit
        lines.append(
            f"Intervals over new test {unit} cross seeds with {unit} and use Satterthwaite's degrees of "
            "freedom."
        )
        if analysis.images[0].clusters is not None:
            lines.append(
                f"{unit.capitalize()} come in clusters, and new clusters take the place of new {unit}: the "
                "variance is the clustered one (Liang and Zeger, Biometrika 73 (1986)), McNemar's test the "
                "exact one over the signs of clusters."
            )
    if analysis.sequential is not None:
        lines.append(
            "Sequential verdicts use the anytime-valid t statistic of Wang and Ramdas (2023, arXiv "
            "2310.03722)."
        )
    references = (
        "Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995). Berger, Technometrics 24 (1982). Fisher, The "
        "Design of Experiments (1935). Greenhouse and Geisser, Psychometrika 24 (1959). Hedges, J. Educ. "
        "Stat. 6 (1981). Holm, Scand. J. Stat. 6 (1979). Hsu, Ann. Stat. 9 (1981). Okabe and Ito, Color "
        "Universal Design (2008). Pocock, Biometrika 64 (1977). Satterthwaite, Biometrics 2 (1946). "
        "Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987). Steiger and Fouladi, in What If There Were No "
        "Significance Tests? (1997). Student, Biometrika 6 (1908). Wang and Ramdas, arXiv 2310.03722 "
        "(2023). Welch, Biometrika 34 (1947). Wilcoxon, Biometrics Bull. 1 (1945)."
    )
    folded = Section("References", (Prose((Said(references),)),), folded=True)
    return Section("Methods", (Prose(tuple(map(Said, lines))), folded), "methods")


def _data(analysis: Analysis) -> list[str]:
    """What was done to the data that every claim is of: a gain on wrong labels is one on wrong labels."""
    return [
        f"The data has label noise on purpose, for teachers and students alike: {text}. Labels of validation "
        "and test images are as they were given."
        for text in analysis.conditioned_on
        if text.endswith(LABEL_NOISE)
    ]


def _of_pairs(analysis: Analysis) -> str:
    unpaired = any(c.test == "unpaired" for family in analysis.families for c in family.comparisons)
    return "Welch test" if unpaired else "paired test"


def _test(analysis: Analysis) -> str:
    """The test that was declared, and why."""
    tests = {c.test for family in analysis.families for c in family.comparisons}
    if "unpaired" in tests:
        text = (
            "The unit of replication is the seed. Runs are not paired: each difference is tested by "
            "Welch's t (1947) with Satterthwaite's degrees of freedom; a cell that has more than .8 of a "
            "difference's variance lends it its own n − 1 instead, as Satterthwaite's are too many there."
        )
    else:
        shared = "Runs of one seed share split, batches and, mostly, the teacher, so differences are paired"
        if not analysis.is_shared_known:
            source = "a table" if analysis.of_table else "a command"
            shared = (
                f"What runs of one seed share (split, initialization, order of batches) {source} does not "
                "tell; they are assumed to belong together. Where they share nothing, the test holds with "
                "less power than Welch's (--unpaired, to be chosen before the results are seen). "
                "Differences are paired"
            )
        text = (
            f"The unit of replication is the seed. {shared} by seed and tested by Student's t on n − 1 "
            "degrees of freedom (Student 1908)."
        )
    if "moderated" in tests:
        text += (
            " The family of gains is tested by a moderated t, as declared: gains lend one another variance, "
            "with a prior of 3 degrees of freedom; everything else by the paired t."
        )
    if "seeds_and_images" in tests:
        text += (
            " As declared, new test images decide too: p is the larger, and the interval the wider, of that "
            "over seeds × images and that over seeds alone."
        )
    if analysis.looks:
        text += (
            f" Looks were planned at {', '.join(map(str, analysis.looks))} seeds (Pocock 1977): each tests "
            f"at the same level, so that all of them together err at α = {analysis.alpha:g}."
        )
    return text


def _says_attempts(found: FailedAttempts) -> str:
    if not found.count:
        return "no failed attempt is in the logs of the runs"
    said = count(found.count, "failed attempt")
    if found.untimed == found.count:
        return f"{said}, of unknown length, which is not in the compute above"
    more = f", {found.untimed} of them of unknown length" if found.untimed else ""
    return f"{said} took {duration(found.seconds)} by the wall{more}, which is not in the compute above"


def checklist(evidence: Evidence) -> Section:
    """Answers for checklists such as that of NeurIPS: statistical significance and compute resources."""
    analysis, found = evidence.analysis, evidence.provenance
    share, over = percent_text(1 - analysis.alpha), seeds_of(cell.n for cell in analysis.cells)
    corrected = "without correction"
    if analysis.correction != "none":
        corrected = f"corrected over its family by {CORRECTIONS[analysis.correction]}"
    new = [_PER_SEED[text] for text in analysis.conditioned_on if text in _PER_SEED]
    held = ", ".join(
        _NOT_VARIED if text == COMMANDS_CONDITION else text
        for text in analysis.conditioned_on
        if text not in _PER_SEED
    )
    lost = sum(cell.diverged for cell in analysis.cells)
    others = diverged_at_others(analysis.warnings)
    tests = dict.fromkeys(test_of(family) for family in analysis.families)
    items = [
        (
            "variability",
            (f"between training runs of {over}{_new_at_each(new)}; held fixed: {held or 'nothing known'}",),
        ),
        (
            "shown as",
            (f"± is the standard deviation over seeds, not the standard error; intervals are {share}",),
        ),
        ("test", (f"two-sided {', '.join(tests)} over seeds, {corrected}, in closed form (no bootstrap)",)),
        ("assumptions", (normality(analysis), _independence(analysis))),
        (
            "diverged runs",
            (
                f"{lost}{_diverged(analysis) * bool(lost)}",
                *([f"at seeds that are not judged: {others}"] if others else ()),
            ),
        ),
    ]
    if found is not None:
        items += [
            (
                "compute",
                (f"{duration(found.train_seconds)} of training in {count(found.records, 'run')}", _SIDE),
            ),
            ("hardware", found.hardware),
            (
                "failed runs",
                (
                    f"{count(found.failed, 'run')} without a record",
                    _says_attempts(found.attempts),
                ),
            ),
        ]
    note = Said("Preliminary runs outside this study are not known here; a checklist asks for them too.")
    return Section("For a checklist", (Facts(tuple(items)), Prose((note,))), "checklist")


_SIDE = "how many runs were trained side by side is not known"
"""Of seconds: no record says what else the machine did meanwhile."""
_NOT_VARIED = "what of data and split its commands do not vary by seed, which is not known here"
"""Of commands, where it is asked what all seeds share."""
_PER_SEED = {
    "teacher per seed": "a teacher",
    "start per seed": "a start",
    "a new split per seed": "a split",
    "a new split per seed, other test images at each": "a split with other test images",
}
"""What a study's conditions say of what is not the same at all seeds: it varies with them."""


def _diverged(analysis: Analysis) -> str:
    """What became of runs that diverged; whoever made a table may have put other seeds in their place."""
    replaced = "no seed was replaced"
    if analysis.of_table:
        replaced = "whether seeds were replaced a table does not tell"
    return (
        f", counted as outcomes: {replaced}; means and intervals are among converged seeds, and of a cell "
        "that lost runs only a loss is claimed"
    )


def _new_at_each(what: list[str]) -> str:
    return f", each seed with {' and '.join(what)} of its own" if what else ""


def _independence(analysis: Analysis) -> str:
    text = "seeds are independent of each other"
    if POOL not in analysis.conditioned_on:
        return text
    return (
        f"{text}, given {POOL}: the sets of two seeds overlap, so for images drawn anew intervals may be too "
        "short"
    )


def normality(analysis: Analysis) -> str:
    """What the t test assumes, and from how many seeds on an exact test could reject, corrected or not."""
    tests = {c.test for family in analysis.families for c in family.comparisons}
    if "unpaired" in tests:
        return "the runs of a cell are normal, which few seeds cannot check"
    bounded = [family for family in analysis.families if family.exact_from is not None]
    least = sorted({family.exact_from for family in bounded if family.exact_from is not None})
    assumed = "differences over seeds are normal, which few seeds cannot check"
    if not least:
        return assumed
    ends = str(least[0]) if len(least) == 1 else f"{least[0]} to {least[-1]} (by family)"
    text = f"{assumed}: below {ends} seeds no exact test could reject at α = {analysis.alpha:g}"
    if not any(is_corrected(analysis, family) for family in bounded):
        return text
    alone = exact_from(analysis.alpha)
    text += f" after the correction ({CORRECTIONS[analysis.correction]})"
    return text + (f", below {alone} none could without it either" if least[-1] > alone else "")


def _correction(analysis: Analysis) -> str:
    if analysis.correction == "none":
        return "By request the comparisons of a family are not corrected for their number."
    controls = (
        "controls the expected share of false findings among the findings (Benjamini and Hochberg 1995)"
        if analysis.correction == "bh"
        else "controls the probability of any false finding in the family, whatever the dependence"
        + (" (Holm 1979)" if analysis.correction == "holm" else "")
    )
    return (
        f"Each family is corrected by itself: {CORRECTIONS[analysis.correction]} {controls}. Simultaneous "
        "intervals are at 1 − α/m, m the family's size."
    )


def _equivalence(analysis: Analysis, say: Numbers) -> str:
    if analysis.sesoi is None:
        return "No smallest effect of interest was named, so nothing is called equivalent."
    return (
        f"Equivalence within ±{say(analysis.sesoi)}{say.unit}, the smallest effect of interest, is shown "
        "by two one-sided tests (Schuirmann 1987). A p above α is no evidence of equality."
    )


def provenance(found: Provenance) -> Section:
    """Versions, hardware, modes and dates of the records."""
    items = (
        ("records", (count(found.records, "run") + ", teachers included",)),
        ("study begun", (_minute(found.created),)),
        ("runs finished", (f"{_minute(found.finished_first)} to {_minute(found.finished_last)}",)),
        ("training time", (f"{duration(found.train_seconds)} in all, summed over runs", _SIDE)),
        ("mode", () if found.of_commands else (found.mode,)),  # the engine's: no command is held to it
        ("precision", found.precision),
        ("hardware", found.hardware),
        ("dispatch", found.dispatch),
        ("versions", found.versions),
        ("versions of what commands import", ("not noted",) if found.of_commands else ()),
        ("commit", found.git),
        ("data, SHA-256", found.data_checksum),
        ("protocol, SHA-256", found.protocol_hashes[-1:]),
    )
    kept = tuple((term, values) for term, values in items if any(values))
    note = Said("More than one value in a line means that the records differ in it.")
    return Section("Provenance", (Facts(kept), Prose((note,))), "provenance")


def _minute(time: str) -> str:
    """An ISO time in UTC, to the minute: `2026-11-21 09:06 UTC`."""
    return f"{time[:10]} {time[11:16]} UTC" if time.endswith("+00:00") else time


def reproduce(evidence: Evidence) -> Section:
    """The commands that make this page again."""
    asked = evidence.asked or _asked(evidence)
    text = f"rigorkd analyze {asked}\nrigorkd report {asked}"
    if evidence.provenance is None:
        return Section("Reproduce", (Code(text, "Commands"),), "reproduce")
    seeds = evidence.cells[0].seeds if evidence.cells else ()
    wanted = ",".join(str(seed) for seed in seeds)
    if seeds == tuple(range(len(seeds))):
        wanted = f"{len(seeds)}"
    mode = "" if evidence.provenance.mode == "reference" else f" --mode {evidence.provenance.mode}"
    smoke = " --smoke" if evidence.is_smoke else ""
    results = Path(shlex.split(asked)[0]).parent
    place = "" if results == Path("results") else f" --results {shlex.quote(str(results))}"
    text = f"rigorkd run protocol.yaml --seeds {wanted}{mode}{smoke}{place}\n{text}"
    promised = (
        "Whether its commands give the same numbers again is theirs: rigorkd verify --rerun 2 runs two of "
        "them again and compares; rigorkd verify re-hashes the records."
        if evidence.provenance.of_commands
        else "In reference mode, equal versions and hardware give equal bits, and so do processors whose "
        "dispatch is AVX2, as far as tried (docs/running.md); rigorkd verify re-hashes the records."
    )
    save, promise = "Save the protocol below as protocol.yaml.", Said(promised)
    how: tuple[Block, ...] = (Prose((Said(f"{save} {promised}"),)),)
    if beside := evidence.provenance.beside:
        save += " It needs these, beside it or where it says:"
        how = (Prose((Said(save),)), Facts(beside), Prose((promise,)))
    protocol = Code(evidence.provenance.protocol_text, "protocol.yaml")
    return Section(
        "Reproduce",
        (*how, Code(text, "Commands"), Section("The protocol", (protocol,), folded=True)),
        "reproduce",
    )


def _asked(evidence: Evidence) -> str:
    """What to ask where no command line did: what an analysis still knows of its source and question."""
    analysis = evidence.analysis
    if evidence.provenance is not None:
        return shlex.quote(f"results/{analysis.study}")
    words = [f"{analysis.study}.csv", "--metric", analysis.metric]
    words += [] if analysis.sesoi is None else ["--sesoi", f"{analysis.sesoi:g}"]
    words += [] if analysis.alpha == Plan().alpha else ["--alpha", f"{analysis.alpha:g}"]
    words += [] if analysis.correction == Plan().correction else ["--correction", analysis.correction]
    words += [] if analysis.sequential is None else ["--sequential"]
    return shlex.join(words)
