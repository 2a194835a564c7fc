"""What a metric's name tells: whether more is better, and in which unit a difference is said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from rigorkd_analysis.table_error import TableError

Goal = Literal["max", "min"]

_MAX = {
    "top1", "top5", "acc", "acc1", "acc5", "accuracy", "agreement", "f1", "auc", "auroc", "map", "miou",
    "bleu", "precision", "recall", "throughput", "genauigkeit", "exactitude", "exactitud",
    "reward", "rewards", "return", "returns", "success", "r2", "f2", "dice", "iou", "jaccard", "kappa", "mcc",
    "ndcg", "mrr", "auprc", "psnr", "ssim", "rouge",
}  # fmt: skip
_MIN = {
    "loss", "nll", "ce", "ece", "brier", "error", "err", "latency", "ms", "seconds", "kl", "perplexity",
    "ppl", "mse", "rmse", "mae", "wer", "params", "macs", "millions", "flops", "cer", "eer", "fid", "mape",
    "smape", "regret", "fehler", "fehlerrate", "verlust", "erreur", "perte",
}  # fmt: skip
_PERCENT = {
    "top1", "top5", "acc", "acc1", "acc5", "accuracy", "agreement", "genauigkeit", "exactitude", "exactitud",
}  # fmt: skip
_SHARES = {
    "f1", "f2", "auc", "auroc", "auprc", "map", "miou", "iou", "dice", "jaccard", "precision", "recall",
    "ndcg", "mrr",
}  # fmt: skip
"""Metrics between 0 and 1 that are written in percent as well."""
_WORDS = {
    "top1": "top-1",
    "top5": "top-5",
    "acc": "accuracy",
    "acc1": "top-1 accuracy",
    "acc5": "top-5 accuracy",
    "auc": "AUC",
    "auroc": "AUROC",
    "ece": "ECE",
    "f1": "F1",
    "kl": "KL",
    "macs": "MACs",
    "nll": "NLL",
    "train": "training",
}

#: Words that make another quantity of a metric: `accuracy_drop` is no accuracy, nor is `loss_of_accuracy`.
_CHANGES = {
    "drop", "gap", "degradation", "forgetting", "delta", "diff", "difference", "change", "std", "stdev", "sd",
    "var", "variance", "stderr", "se", "of",
}  # fmt: skip
_GAINS = {"gain", "improvement"}
_PEAKS = {"best", "max", "peak", "highest"}
_VALIDATION = {"val", "valid", "validation", "dev"}

_SETTINGS = {
    "weight", "weights", "coef", "coeff", "coefficient", "lambda", "lam", "factor", "scale", "type", "fn",
    "func", "function", "ratio", "w", "wt",
}  # fmt: skip
"""Beside `loss` the words of a method's setting: `loss_weight`, `w_loss` and `loss_fn` are no results."""
_LOSSES = {"loss", "ce", "kl", "mse", "mae", "nll", "l1", "l2", "verlust", "perte"}

_COSTS = {
    "seconds", "sec", "s", "ms", "hours", "h", "minutes", "time", "latency", "throughput", "params",
    "parameters", "macs", "flops", "millions", "memory", "mem", "vram", "gb", "gib", "mb", "mib", "bytes",
    "size", "energy", "kwh", "power", "epochs", "steps",
}  # fmt: skip

_UNITS = {"ms": " ms", "seconds": " s", "millions": " M"}


_JOINT = re.compile(r"(?<=[A-Za-z])(?=[A-Z][a-z]{2})|(?<=[a-z])(?=F1|AUC)")
"""Where a name in camel case goes on with another word: `testAcc`, `MSETest`, and not `mIoU`."""

_TOP = re.compile(r"(top)[-_ @]([15])(?!\d)")
"""`Top-1` and `top_1` are top1."""
_ACC_AT = re.compile(r"(?<![a-z])acc(?:uracy)?@([15])(?!\d)")
"""`acc@1` is acc1; `acc_1` may be of a first task."""


def words_of(metric: str) -> list[str]:
    """The words of a metric's name, in small letters."""
    spaced = _ACC_AT.sub(r"acc\1", _TOP.sub(r"\1\2", _JOINT.sub(" ", metric).casefold()))
    return [token for token in re.split(r"[^a-z0-9]+", spaced) if token]


_HOW = re.compile(r"\b(?:with|without|using|under|via)\b|\bw/", re.IGNORECASE)
"""What follows says how something was trained: an `accuracy with CosineLoss` is an accuracy."""


def noun_of(metric: str) -> str:
    """A metric's name without what follows it on how it was come by, if a metric is left."""
    head = _HOW.split(metric)[0]
    return head if is_metric(head) else metric


def goal_of(metric: str, goal: Goal | None = None) -> Goal:
    """The metric's direction, from its name unless `goal` says it.

    Raises:
        TableError: the name says nothing and no goal was given.
    """
    if goal is not None:
        return goal
    tokens = words_of(noun_of(metric))
    tokens = [] if sets_a_loss(metric) else tokens
    for token in reversed(tokens if _CHANGES.isdisjoint(tokens) else ()):
        # the noun comes last: top1_error is an error
        if token in _MAX:
            return "max"
        if token in _MIN:
            return "min"
    raise TableError(
        f"is more of {metric!r} better or worse?",
        hint="its name does not say; give the goal: --goal max or --goal min",
        column=metric,
    )


def sets_a_loss(name: str) -> bool:
    """Whether a name is that of a setting of a loss, such as its weight: `loss_weight`, `w_loss`."""
    tokens = words_of(_HOW.split(name)[0])
    nouns = [token for token in tokens if token in _MAX | _MIN | _LOSSES]
    # `loss w KD` is a loss with it: a lone w stands first or last
    lone = {*tokens[:1], *tokens[-1:]}
    settings = {token for token in tokens if token in _SETTINGS and (token != "w" or token in lone)}
    return bool(settings) and bool(nouns) and set(nouns) <= _LOSSES


def is_metric(name: str) -> bool:
    """Whether a name has the word of a metric in it."""
    return not sets_a_loss(name) and not (_MAX | _MIN).isdisjoint(words_of(name))


def is_percentage(metric: str, largest: float) -> bool:
    """Whether values of this metric are percentages, so that a difference is in points."""
    return any(token in _PERCENT for token in words_of(metric)) and 1.5 < largest <= 100.0


def is_cost(metric: str) -> bool:
    """Whether a metric says what a run took, and nothing of how well it does: seconds, memory, parameters."""
    return not _COSTS.isdisjoint(words_of(metric))


def is_accuracy(metric: str) -> bool:
    """Whether values of this metric lie between 0 and 1, or 0 and 100, and nowhere else."""
    tokens = words_of(noun_of(metric))
    nouns = [token for token in tokens if token in _MAX | _MIN]
    changed = not (_CHANGES | _GAINS).isdisjoint(tokens)
    return bool(nouns) and nouns[-1] in _PERCENT and not changed


def on_two_scales(values: Sequence[float]) -> tuple[int, int] | None:
    """Where an accuracy in fractions is and where one in percent, in a column that mixes them.

    A network that fell to chance (1.00 %) is not near a hundredth of the others.
    """
    percent = [at for at, value in enumerate(values) if value > 1.5]
    if not percent:
        return None
    low, high = min(values[at] for at in percent) / 2, max(values[at] for at in percent) * 1.25
    mixed = (at for at, value in enumerate(values) if value <= 1 and low <= 100 * value <= high)
    return next(((at, percent[0]) for at in mixed), None)


def sesoi_off_scale(metric: str, sesoi: float | None, high: float) -> tuple[str, float] | None:
    """What is wrong with a SESOI in points for a metric in fractions, or the reverse, and what was meant.

    `high` is the largest value of the metric: it says on which scale it is.
    """
    share = _is_share(metric)
    if sesoi is None or not (is_accuracy(metric) or share):
        return None
    # a tenth of an accuracy is no margin that anyone has; of an area or an F1 some have had it
    if 0 < high <= 1 and sesoi >= (0.2 if share else 0.1):  # zeros alone, as of a smoke run, are on no scale
        return f"sesoi {sesoi:g} is {100 * sesoi:g} points on this scale", sesoi / 100
    if high > 1.5 and sesoi < 0.005:
        return f"sesoi {sesoi:g} is {sesoi:g} points of 100, less than anyone can mean", 100 * sesoi
    return None


def sesoi_readings(metric: str, sesoi: float | None, high: float | None) -> str:
    """What a SESOI is on the scale of the metric, where it may well be meant on the other; else "".

    `high` is the largest value of the metric, None where nobody knows its scale yet.
    """
    if sesoi is None or not 0.005 <= sesoi < 1 or not (is_accuracy(metric) or _is_share(metric)):
        return ""
    if high is None:
        return (
            f"sesoi {sesoi:g} is {_points(sesoi)} if {metric} comes in percent, and {_points(100 * sesoi)} "
            f"if it comes in fractions of 1: then write {sesoi / 100:g} for {_points(sesoi)}"
        )
    if high > 1.5 and sesoi < 0.05:
        return (
            f"sesoi {sesoi:g} is {_points(sesoi)} of 100 here, less than most can mean; for "
            f"{_points(100 * sesoi)}, which it is of a metric in fractions, write {100 * sesoi:g}"
        )
    return ""


def _points(number: float) -> str:
    return f"{number:g} point{'s' * (number != 1)}"


def _is_share(metric: str) -> bool:
    """Whether a metric is a share by its name, such as an F1 or an area, and no change of one."""
    tokens = words_of(metric)
    nouns = [token for token in tokens if token in _MAX | _MIN]
    return bool(nouns) and nouns[-1] in _SHARES and (_CHANGES | _GAINS).isdisjoint(tokens)


def is_peak(metric: str) -> bool:
    """Whether this is the largest of many values, such as `best_acc`: the maximum over epochs of some log."""
    tokens = set(words_of(metric))
    return not tokens.isdisjoint(_PEAKS) and tokens.isdisjoint(_VALIDATION)


def is_validation(column: str) -> bool:
    """Whether a column is about validation data."""
    return not _VALIDATION.isdisjoint(words_of(column))


def is_peak_of_test(metric: str, columns: Iterable[str]) -> bool:
    """Whether a metric is the largest of many on test data, as far as names tell.

    Beside columns of validation data one that does not name the test was chosen on these, perhaps.
    """
    return is_peak(metric) and ("test" in metric.casefold() or not any(map(is_validation, columns)))


_TRAINING = frozenset({"train", "training"})


def of_training(metrics: Iterable[str], columns: Iterable[str]) -> set[str]:
    """The metrics that are of the training data, as far as names tell.

    `accuracy` and `loss` beside `val_accuracy` and `val_loss` are the training's, as Keras logs them; where
    others are called `train_…` it may be the test's.
    """
    words = {metric: tuple(words_of(metric)) for metric in metrics}
    known = {tuple(words_of(column)) for column in columns}
    pairs = {own[1:] for own in known if own and own[0] in _VALIDATION and own[1:] in known}
    if any(not _TRAINING.isdisjoint(other) for other in known) or (
        len(pairs) < 2 and ("epoch",) not in known
    ):
        pairs = set()
    return {metric for metric, own in words.items() if not _TRAINING.isdisjoint(own) or own in pairs}


def is_top5(metric: str) -> bool:
    return not {"top5", "acc5"}.isdisjoint(words_of(metric))


def unit_of(metric: str, largest: float) -> str:
    """What follows a number of this metric: " points", " ms", " s" or nothing."""
    if is_percentage(metric, largest):
        return " points"
    return _UNITS.get(words_of(metric)[-1], "") if words_of(metric) else ""


_ON_WHAT = frozenset({"test", "val", "valid", "validation", "eval", "train"})
"""What a metric is of, said before it: `acc_test` is the test accuracy."""


def label(metric: str) -> str:
    """The metric in words: `test_top1` is "test top-1", `latency_ms` is "latency"."""
    tokens = words_of(metric)
    if len(tokens) > 1 and tokens[-1] in _UNITS:
        tokens = tokens[:-1]
    # `test_metrics.macro_f1` is where a program keeps it, and no word of the metric
    tokens = [token for token in tokens if token not in ("metric", "metrics")] or tokens
    if len(tokens) == 2 and tokens[1] in _ON_WHAT and tokens[0] in {*_WORDS, "accuracy", "error", "loss"}:
        tokens = tokens[::-1]  # `acc_test`
    return " ".join(_WORDS.get(token, token) for token in tokens) or metric
