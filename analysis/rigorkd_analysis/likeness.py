"""Whether compared cells differ in nothing but what is compared: on what they were measured, settings that
their names do not tell, and runs that are copies of each other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from rigorkd_analysis.columns import is_number, normal, plain_name, tells
from rigorkd_analysis.metric_names import is_accuracy, words_of
from rigorkd_analysis.runs import Floats, Runs

# ------------------------------------------------------------------------------------ on what it was measured

_ON_WHAT = ("dataset", "task")
"""Columns that say it in any table, whatever they hold."""
_ELSE = ("cell", "group", "student", "teacher", "model", "method", "start")
"""Columns of which it is known that they say something else, whatever they hold."""
_PARTS = frozenset(
    {"split", "phase", "part", "partition", "subset", "portion", "benchmark", "bench", "corpus", "domain",
     "language", "lang", "site", "cohort", "subject", "target"}
)  # fmt: skip
_OF_A_TEST = frozenset({"test", "eval", "evaluation", "evaluated", "tested"})
_MEASURED = frozenset({"set", "on", "data", "dataset", "task"}) | _PARTS
_WHOLE = frozenset({"evalset", "testset"})


def says_on_what(column: str) -> bool:
    """Whether a column says, by its name, on what a result was measured: `split`, `lang`, `eval_set`."""
    about = [word for word in words_of(column) if word not in ("name", "id")]
    if len(about) == 1:
        return about[0] in (*_ON_WHAT, "data") or about[0] in _PARTS or about[0] in _WHOLE
    if about and about[0] in _OF_A_TEST and set(about[1:]) <= _MEASURED:
        return True
    return len(about) == 2 and about[0] in ("data", "target") and about[1] in _PARTS | {"dataset"}


_DATA = re.compile(
    r"(?:tiny|mini|tiered|longtailed)?"
    r"(?:cifar(?:10|100)?|c100?|in1k|in100|tinyin|imagenet|imagenette|imagewoof|stl10|svhn|e?k?mnist|fashionmnist|cinic10|"
    r"(?:caltech)?cub(?:200)?(?:2011)?|(?:stanford)?(?:cars|dogs)(?:196|120)?|(?:fgvc)?aircrafts?|"
    r"(?:oxford)?(?:iiit)?(?:flowers?|pets?)(?:17|102)?|food101|dtd|caltech(?:101|256)|places(?:205|365)?|sun397|"
    r"inat(?:uralist)?|eurosat|resisc45|pcam|gtsrb|celeba|vggface2?|lfw|ms1m|"
    r"(?:ms)?coco|(?:pascal)?voc|cityscapes|camvid|ade20k|kitti|nyu(?:v2|depth)?|lvis|"
    r"sst2?|mnli|qnli|qqp|rte|mrpc|cola|stsb|wnli|squad|imdb|agnews|yelp|wikitext|ptb|"
    r"librispeech|audioset|esc50|speechcommands|cora|citeseer|pubmed|digits)"
    r"(?:1k|21k|100|2012|r|a|v2|c|lt|sketch|subset|train|val|test|(?:19|20)\d\d|v?\d(?:\.\d)?)*",
    re.IGNORECASE,
)
"""What well-known data sets are called, without the dashes, spaces and underscores of their names."""
_NOT_TESTED = frozenset(
    {"train", "training", "trained", "pretrain", "pretrained", "pretraining", "source", "transfer", "teacher",
     "init", "initial", "unlabeled", "unlabelled", "synthetic", "proxy", "from"}
)  # fmt: skip


def holds_data(column: str, values: Iterable[str]) -> bool:
    """Whether a column of any name says on what was measured by what it holds: names of known data sets.

    Not one that says, by its name, on what was trained.
    """
    if not _NOT_TESTED.isdisjoint(words_of(column)):
        return False
    found = [word for word in values if word.strip()]
    return bool(found) and all(map(_is_data, found)) and len(set(found)) > 1


@lru_cache(maxsize=1_000)
def _is_data(word: str) -> bool:
    return len(word) < 40 and _DATA.fullmatch(re.sub(r"[-_ ./]+", "", word)) is not None


def on_what(runs: Runs) -> tuple[str, ...]:
    """The columns that say on what each cell was measured: only cells of the same are rivals, or baselines.

    Numbers say it of data sets only: `target` may be a sparsity, `split` a fold. A column that some cells
    lack is a setting of the others.
    """
    found = [column for column in _ON_WHAT if column in runs.attributes]
    for column, values in runs.attributes.items():
        if column in (*found, *_ELSE) or not (says_on_what(column) or holds_data(column, values)):
            continue
        if all(values) and not any(is_number(value) for value in values):
            found.append(column)
    return tuple(found)


def place(runs: Runs, cell: int, parts: Sequence[str]) -> str:
    """A cell's group, with the data of these columns that the group does not name itself."""
    group = runs.text("group", cell)
    told = ("", *group.split("/"))
    words = (runs.text(part, cell) for part in parts)
    return "/".join(filter(None, (group, *(word for word in words if word not in told))))


def may_be_methods(runs: Runs, column: str) -> bool:
    """Whether a column that says on what was measured, by its name alone, may hold methods: none are told.

    `subset` holds parts of a data set in one table, and ways to select features in another.
    """
    methods = set(runs.attributes.get("method", ()))
    return column not in _ON_WHAT and len(methods) < 2 and len(set(runs.attributes[column])) > 1


# ------------------------------------------------------------------------------------------ other differences

_BUDGETS = frozenset(
    {"ntrain", "numtrain", "trainsize", "trainsamples", "ntrainsamples", "numtrainsamples",
     "nsamples", "numsamples", "trainingsamples", "trainingsize", "nlabels", "nlabeled", "numlabels",
     "numlabeled", "trainimages", "ntrainimages", "trainfraction", "trainfrac", "datafraction", "datafrac",
     "datapercent", "datapct", "labelfraction", "labelfrac", "labelpercent", "labelpct", "labelbudget",
     "databudget", "shots", "nshot", "nshots", "numshots", "kshot"}
)  # fmt: skip
"""How much data, or how many labels, a network saw."""
_RECIPE = _BUDGETS | frozenset(
    {"aug", "augment", "augmentation", "augmentations", "dataaugmentation", "pretrained",
     "pretraining", "resolution", "imagesize", "imgsize", "inputsize"}
)  # fmt: skip
"""The same, and which of it: settings that move any result, as the length of training does."""


def unlike(runs: Runs, cells: Sequence[int]) -> Iterator[str]:
    """What these cells differ in beside what their names tell, each difference as a warning."""
    for column in on_what(runs):
        values = [runs.text(column, cell) for cell in cells]
        if all(values) and len(set(values)) > 1 and _apart(runs, cells, column):
            yield f"measured on different data ({column}: {_each(runs, cells, values)}): no like comparison"
    for column in runs.attributes:
        if not is_recipe(column):
            continue
        values = [runs.text(column, cell) for cell in cells]
        told = any(tells(runs.cells[cell], value) for cell, value in zip(cells, values, strict=True))
        if all(values) and len({normal(value) for value in values}) > 1 and not told:
            yield f"{column} differs ({_each(runs, cells, values)}): the difference is confounded with it"


_TRAINING = frozenset(
    {"lr", "learningrate", "baselr", "initiallr", "batchsize", "bs", "weightdecay", "wd", "momentum",
     "optimizer", "schedule", "scheduler", "lrschedule", "warmupepochs", "dropout",
     "labelsmoothing", "clipnorm"}
)  # fmt: skip
"""How a network was trained, beside its length."""
_LENGTHS = frozenset({"epochs", "numepochs", "nepochs", "totalepochs", "maxepochs"})


def is_training_setting(column: str) -> bool:
    """Whether a column says how, how long or on what a network was trained, by its name: no method's own."""
    return plain_name(column) in _TRAINING | _RECIPE | _LENGTHS


def unlike_training(runs: Runs, first: int, second: int) -> Iterator[str]:
    """In what the training of two cells differs that neither's name tells, each difference as a warning."""
    for column in runs.attributes:
        cells = (first, second)
        values = [runs.text(column, cell) for cell in cells]
        if plain_name(column) not in _TRAINING or not all(values) or len(set(map(normal, values))) < 2:
            continue
        if not any(_is_in(runs.cells[cell], value) for cell, value in zip(cells, values, strict=True)):
            yield f"{column} differs ({_each(runs, cells, values)}): the difference is confounded with it"


def _is_in(name: str, value: str) -> bool:
    """Whether a name tells a value, behind the letters of its setting too: lr0.1, bs128."""
    written = "|".join(map(re.escape, {value, normal(value)}))
    return tells(name, value) or (
        is_number(value) and re.search(rf"(?<![\d.])(?:{written})(?!\.?\d)", name) is not None
    )


def is_recipe(column: str) -> bool:
    """Whether a column says how much data a network saw, or how it was shown, by its name."""
    return plain_name(column) in _RECIPE


def budgets(runs: Runs) -> tuple[str, ...]:
    """The columns of how much data a cell saw, where cells differ: which is best is asked among equals."""
    return tuple(
        column
        for column, values in runs.attributes.items()
        if plain_name(column) in _BUDGETS and len({*values} - {""}) > 1
    )


def _apart(runs: Runs, cells: Sequence[int], column: str) -> bool:
    """Whether one of the cells was measured on what no other was: an average over data sets has pairs."""
    found = [runs.text(column, cell) for cell in cells]
    return any(found.count(value) == 1 for value in found)


def _each(runs: Runs, cells: Sequence[int], values: Sequence[str]) -> str:
    pairs = zip(cells, values, strict=True)
    shown = [f"{runs.cells[cell]} {value}" for cell, value in pairs][:4]
    return ", ".join(shown) + ", …" * (len(cells) > 4)


# ------------------------------------------------------------------------------------------------ copied runs

_BY_CHANCE = 1e-3
"""Runs are called copies where chance would make so many equal in fewer tables than this share."""
_MEASURED_FINELY = frozenset(
    {"loss", "nll", "ce", "mse", "rmse", "mae", "perplexity", "ppl", "verlust", "perte"}
)
"""Metrics whose digits go on: others, such as F1, take few values where test sets are small."""
_LARGEST_TEST_SET = 100_000
_COARSE = 0.3
"""Values that tie more often lie on a few steps, where a normal distribution says too little of them."""
_ENOUGH_CELLS = 40
"""So many cells settle whether two seeds are copies."""
_NO_REPLICATES = ": as if runs were copied, or their seeds changed nothing; copies are no replicates"
_NO_REPLICATES_OR_CONSTANT = (
    ": as if runs were copied, their seeds changed nothing, or they fell to one constant answer; "
    "copies are no replicates"
)
"""One cell alone may have come to that as well."""


def copied(runs: Runs) -> dict[int, str]:
    """Cells in which runs of several seeds are equal more often than chance does it with the metric's digits.

    Two seeds that are equal in every cell count for all of them. A cell of one value is not among them: that
    is told by itself.
    """
    step = _step(runs)
    if step is None:
        return {}
    out = _copied_seeds(runs, step)
    for cell, row in enumerate(runs.values):
        seeds = np.flatnonzero(~np.isnan(row))
        values = row[seeds]
        kinds: dict[float, list[int]] = {}
        for seed, value in zip(seeds, values, strict=True):
            kinds.setdefault(float(value), []).append(runs.seeds[seed])
        again = len(values) - len(kinds)
        if again < 2 or len(kinds) < 2:  # two equal runs are a tie
            continue
        tie = _tie(step, float(np.std(list(kinds), ddof=1)))
        pairs = math.comb(len(values), 2)
        trials = math.log(len(values)) if _is_periodic(values) else _log_choose(pairs, again)
        if math.log(len(runs.cells)) + trials + again * math.log(tie) < math.log(_BY_CHANCE):
            out[cell] = (
                f"{runs.cells[cell]} has the same {runs.metric} at seeds {_alike(list(kinds.values()))}"
                + _NO_REPLICATES_OR_CONSTANT
            )
    return out


def _copied_seeds(runs: Runs, step: float) -> dict[int, str]:
    """All cells, where some seeds are equal in every one of them by more than chance.

    Cells that share their seeds tie together, so each counts by what it differs from the nearest before it.
    """
    whole = np.flatnonzero(~np.isnan(runs.values).any(axis=0))
    kinds: dict[bytes, list[int]] = {}
    for at in whole:
        kinds.setdefault(runs.values[:, at].tobytes(), []).append(int(at))
    again = len(whole) - len(kinds)
    if not again or len(kinds) < 3 or len(runs.cells) < 2:
        return {}
    table = runs.values[:_ENOUGH_CELLS, [own[0] for own in kinds.values()]]
    spreads = [float(np.std(table[0], ddof=1))]
    for cell in range(1, len(table)):
        spreads.append(float(np.std(table[cell] - table[:cell], axis=1, ddof=1).min()))
    ties = [_tie(step, spread) for spread in spreads]
    chance = sum(math.log(tie) for tie in ties if tie < _COARSE)
    if _log_choose(math.comb(len(whole), 2), again) + again * chance >= math.log(_BY_CHANCE):
        return {}
    groups = [[runs.seeds[at] for at in own] for own in kinds.values()]
    told = f"every cell has the same {runs.metric} at seeds {_alike(groups)}{_NO_REPLICATES}"
    return dict.fromkeys(range(len(runs.cells)), told)


FEWEST_ALIKE = 3
"""At fewer seeds equal numbers are no sign of anything."""
_PERHAPS = 0.05
"""A baseline may be its own distilled cell where chance makes them equal in fewer tables than this share."""


def distilled_baselines(runs: Runs, pairs: Iterable[tuple[int, int]], *, distils: bool) -> dict[int, str]:
    """Baselines with the numbers of a cell that has a gain over them at every seed: what is to be known.

    A script that distils unless it is told not to makes such a baseline: then each gain over it is between
    two distilled networks. `pairs` are cells with their baselines; `distils` is whether the table is about
    that. Not told where a cell's own method has no weight, where all numbers are one, or where the metric is
    so coarse that chance may do it.
    """
    by_baseline: dict[int, list[int]] = {}
    for cell, baseline in pairs:
        by_baseline.setdefault(baseline, []).append(cell)
    out = {}
    for baseline, cells in by_baseline.items():
        differences = {cell: _at_both(runs.values[cell] - runs.values[baseline]) for cell in cells}
        equal = [
            cell
            for cell, found in differences.items()
            if len(found) >= FEWEST_ALIKE and not found.any() and runs.number("kd_weight", cell) != 0
        ]
        own = _at_both(runs.values[baseline])
        if not equal or len(np.unique(own)) < 2:
            continue
        spreads = [float(np.std(found, ddof=1)) for found in differences.values() if len(found) > 1]
        spreads = [sd for sd in spreads if sd > 0]
        # without another gain: paired runs differ by less than seeds do, half of it at a correlation of .75
        spread = float(np.median(spreads)) / math.sqrt(2) if spreads else float(np.std(own, ddof=1)) / 2
        tie = _tie(_step(runs) or _written(runs.values), spread)
        seeds = min(len(differences[cell]) for cell in equal)
        if math.log(len(cells)) + seeds * math.log(tie) >= math.log(_PERHAPS):
            continue
        more = f" and {len(equal) - 1} more" if len(equal) > 1 else ""
        named = f"{runs.cells[equal[0]]}{more}"
        does, it = ("distil", "distillation") if distils else ("use the method in", "it")
        out[baseline] = (
            f"the baseline {runs.cells[baseline]} has the {runs.metric} of {named} at every seed: they may"
            f" be the same runs, or a script's defaults {does} the baseline, too; a gain over it is then none"
            f" over training without {it}"
        )
    return out


def _at_both(values: Floats) -> Floats:
    return np.asarray(values[~np.isnan(values)])


def _written(values: Floats) -> float:
    """A unit of the last decimal with which numbers are written."""
    known = np.unique(values[~np.isnan(values)])
    digits = (len(f"{value:.12g}".partition("e")[0].partition(".")[2]) for value in known)
    return float(10.0 ** -max(digits, default=0))


def _alike(kinds: Sequence[Sequence[int]]) -> str:
    groups = [own for own in kinds if len(own) > 1]
    return "; ".join(", ".join(map(str, own[:6])) for own in groups[:3]) + "; …" * (len(groups) > 3)


def _tie(step: float, sd: float) -> float:
    """The probability that two draws of a normal distribution fall on one step."""
    return min(1.0, step / (2 * math.sqrt(math.pi) * sd)) if sd > 0 else 1.0


def _log_choose(n: int, k: int) -> float:
    """The logarithm of n over k, which of thousands of seeds is no number of a computer any more."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _is_periodic(values: Floats) -> bool:
    """Whether the values in the order of the seeds begin again, as of `seed % 3`."""
    return any((values[period:] == values[:-period]).all() for period in range(2, len(values) // 2 + 1))


def _step(runs: Runs) -> float | None:
    """How far apart neighbouring values of the metric lie: the coarsest that these values allow.

    An accuracy on N images is a multiple of 1/N; None for metrics of which nobody knows how often they tie.
    """
    values = np.unique(runs.values[~np.isnan(runs.values)])
    if len(values) < 2:
        return None
    words = set(words_of(runs.metric))
    written = _written(values)
    if not words.isdisjoint(_MEASURED_FINELY):
        return written
    if not is_accuracy(runs.metric) or not words.isdisjoint({"balanced", "mean", "macro", "weighted", "avg"}):
        return None
    whole = 100.0 if values.max() > 1.5 else 1.0
    sizes = np.arange(1, _LARGEST_TEST_SET + 1)
    for value in values[:: max(1, len(values) // 200)] / whole:
        counts = value * sizes
        sizes = sizes[np.abs(counts - np.round(counts)) <= sizes * (0.5 * written / whole + 1e-9)]
    return max(written, whole / int(sizes[0])) if len(sizes) else None
