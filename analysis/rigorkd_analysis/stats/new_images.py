"""New test images as well as new seeds: intervals from per-example predictions, McNemar, agreement.

With d_si the difference of correctness at seed s on image i, both crossed, the variance of the mean is
(MS_seed + MS_image − MS_residual)/(nN), floored at MS_seed/(nN), with Satterthwaite's degrees of freedom.
The interval over seeds alone speaks of these very test images; this one speaks of new ones too.

Images that come in groups (questions on one passage, samples of one task run several times) are no single
draws: with clusters known, new clusters take the place of new images (Liang & Zeger 1986; Miller 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.questions import Hypothesis, LinearContrast, Question
from rigorkd_analysis.stats.exact import mcnemar, mcnemar_of_clusters
from rigorkd_analysis.stats.moments import NOISE, Floats
from rigorkd_analysis.stats.paired import Settings, t_columns
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.wording import number_text, percent_text


@dataclass(frozen=True)
class ImageComparison:
    """A difference of top-1 over new seeds and new test images, in points, from per-example predictions.

    `clusters` is how many groups the images come in, None where each stands for itself; `unit` what an image
    is called.
    """

    a: str
    b: str
    n: int
    images: int
    mean_diff: float
    ci_low: float | None
    ci_high: float | None
    df: float | None
    seeds_only_ci_low: float | None
    seeds_only_ci_high: float | None
    agreement: float
    mcnemar_p: tuple[float, ...]
    says: str
    clusters: int | None = None
    unit: str = "images"


@dataclass(frozen=True)
class Predictions:
    """One run on the test set: the class predicted and the class there, each of shape (images,).

    `cluster`, of the same shape, says which images come in a group; `unit` what an image is called.
    """

    target: NDArray[np.integer]
    prediction: NDArray[np.integer]
    cluster: NDArray[np.integer] | None = None
    unit: Literal["images", "items"] = "images"

    @property
    def largest_class(self) -> float | None:
        """The share of the largest class of the images: what a constant answer gets right."""
        if self.unit != "images" or not self.target.size:
            return None
        return float(np.unique(self.target, return_counts=True)[1].max() / self.target.size)

    def tested_alike(self, other: Predictions) -> bool:
        """Whether both runs were tested on the same images in the same order and groups."""
        return not self.apart(other)

    def apart(self, other: Predictions) -> str:
        """How the images of another run are others, as far as is known of them; empty if they are not.

        That is the class of each, in the order of the predictions, and the group that it comes in.
        """
        here, there, unit = self.target, other.target, self.unit
        if here.size != there.size:
            common = min(here.size, there.size)
            places = np.flatnonzero(here[:common] != there[:common])
            alike = f"the classes of the first {places[0] if places.size else common:,} are the same"
            return f"{here.size:,} {unit} and {there.size:,} ({alike})"
        places = np.flatnonzero(here != there)
        if places.size:
            same = np.array_equal(np.sort(here), np.sort(there))
            order = ", as many of each class: the order may be another" if same else ""
            return f"{_listed(places, here.size, unit)} of another class{order}"
        groups, others = (_places(one.cluster, here.size) for one in (self, other))
        places = np.flatnonzero(groups != others)
        return f"{_listed(places, here.size, unit)} in another group" if places.size else ""


#: Gives the predictions of (cell, seed), or None where there are none.
PredictionSource = Callable[[str, int], Predictions | None]


@dataclass(frozen=True)
class Crossed:
    """The mean of a (seeds, images) array with its interval over new seeds and images, and over new seeds."""

    mean: float
    df: float | None
    low: float | None
    high: float | None
    seeds_low: float | None
    seeds_high: float | None


@dataclass(frozen=True)
class CrossedErrors:
    """Standard errors of a mean, each with degrees of freedom: over seeds and images, and over seeds."""

    mean: float
    se: float
    df: float
    seeds_se: float
    seeds_df: float


_FIRST = 5
"""Images that a message names."""


def _listed(places: NDArray[np.intp], images: int, unit: str) -> str:
    """How many of so many images, and the first of them."""
    first = ", ".join(map(str, places[:_FIRST].tolist())) + " …" * (places.size > _FIRST)
    which = f"number {first}" if places.size == 1 else f"numbers {first}"
    return f"{places.size:,} of {images:,} {unit} ({which}, counted from 0)" + (
        " is" if places.size == 1 else " are"
    )


def _places(cluster: NDArray[np.integer] | None, images: int) -> NDArray[np.integer]:
    return np.arange(images) if cluster is None else cluster


def by_cluster(d: Floats, cluster: NDArray[np.integer]) -> tuple[Floats, float]:
    """d (seeds, images) with a column per cluster instead of each image, and the columns' degrees of freedom.

    A column is the mean of all plus G/N times its cluster's summed deviations from it, for G clusters of N
    images. So the means over seeds stay, and the variance of the mean over columns is the clustered one with
    the correction G/(G − 1). Its degrees of freedom are Satterthwaite's where a cluster's images go together:
    G − 1 for clusters of one size, fewer where few large ones decide.
    """
    _, place, counted = np.unique(cluster, return_inverse=True, return_counts=True)
    size = np.asarray(counted, dtype=np.float64)
    G, N = size.size, d.shape[1]
    mean = d.mean()
    sums = np.array([np.bincount(place, weights=row, minlength=G) for row in d - mean])
    return mean + sums * (G / N), _cluster_df(size)


def _cluster_df(size: Floats) -> float:
    """tr(A)² / tr(A²), the clustered variance being uᵀAu in one effect u per cluster.

    With sizes m, w = m/N, p = m² and s = Σm²: A = diag(p) − pwᵀ − wpᵀ + s·wwᵀ.
    """
    w, p = size / size.sum(), size**2
    s, a, b, c = p.sum(), w @ w, p @ w, p @ p
    trace = s - 2 * b + s * a
    square = c + 2 * (s * (p @ w**2) - 2 * (p**2 @ w)) + 2 * (b**2 + a * c) - 4 * s * a * b + (s * a) ** 2
    return float(trace**2 / square) if square > 0 else 0.0


def crossed_errors(d: Floats, cluster: NDArray[np.integer] | None = None) -> CrossedErrors | None:
    """Of the mean of d (seeds, images), both random; None where either is one, or the seeds are copies.

    The variance is never below that of the seeds alone. With `cluster`, (images,), clusters are random
    instead of images.
    """
    image_df = d.shape[1] - 1.0
    if cluster is not None:
        d, image_df = by_cluster(d, cluster)
    n, N = d.shape
    if n < 2 or N < 2:
        return None
    mean = float(d.mean())
    by_seed, by_image = d.mean(axis=1), d.mean(axis=0)
    ms_seed = N * float(((by_seed - mean) ** 2).sum()) / (n - 1)
    ms_image = n * float(((by_image - mean) ** 2).sum()) / (N - 1)
    total = float(((d - mean) ** 2).sum())
    residual = max(total - ms_seed * (n - 1) - ms_image * (N - 1), 0.0)
    ms_residual = residual / ((n - 1) * (N - 1))
    seeds_only = ms_seed / (n * N)
    if ms_seed <= NOISE * total:  # every seed has the same mean: copies, not replicates
        return None
    variance = (ms_seed + ms_image - ms_residual) / (n * N)
    if variance <= seeds_only * (1 + 1e-9):
        variance, df = seeds_only, float(n - 1)
    else:
        parts = ms_seed**2 / (n - 1) + ms_image**2 / image_df + ms_residual**2 / ((n - 1) * image_df)
        df = (ms_seed + ms_image - ms_residual) ** 2 / parts
    return CrossedErrors(mean, variance**0.5, df, seeds_only**0.5, float(n - 1))


def crossed_interval(d: Floats, alpha: float, cluster: NDArray[np.integer] | None = None) -> Crossed:
    """The 1 − alpha interval of the mean of d (seeds n ≥ 2, images N ≥ 2), both random.

    It is never narrower than the interval over seeds alone, whose few degrees of freedom can make it wider.
    With `cluster`, (images,), new clusters of images take the place of new images.
    """
    found = crossed_errors(d, cluster)
    mean = float(d.mean())
    if found is None:
        return Crossed(mean, None, None, None, None, None)
    half_seeds = -special.stdtrit(found.seeds_df, alpha / 2) * found.seeds_se
    half, df = -special.stdtrit(found.df, alpha / 2) * found.se, found.df
    if half < half_seeds:
        half, df = half_seeds, found.seeds_df
    return Crossed(mean, df, mean - half, mean + half, mean - half_seeds, mean + half_seeds)


def crossed_columns(
    question: Question,
    contrasts: Sequence[LinearContrast],
    settings: Settings,
    source: PredictionSource | None,
) -> tuple[dict[str, Floats], dict[int, str]]:
    """The numbers of tests over seeds and images, and why some comparisons have none, by position.

    Every p is the larger, and every interval the wider, of that over seeds and images and that over seeds.
    """
    if source is None:
        why = "inference to new test images needs the predictions of the runs, of top-1, and there are none"
        return {}, dict.fromkeys(range(len(contrasts)), why)
    if question.plan.images_per_seed:
        why = "each seed has test images of its own: seeds are over new ones already; leave out inference"
        return {}, dict.fromkeys(range(len(contrasts)), why)
    runs, refused = question.runs, {}
    tested: list[tuple[str, Predictions]] = []
    right = _right(question, source, tested)
    found: list[CrossedErrors | None] = []
    for row, contrast in enumerate(contrasts):
        used = np.flatnonzero(~np.isnan(runs.values[contrast.cells]).any(axis=0))
        per_seed = [_weighted(contrast, right, runs.seeds[place]) for place in used]
        known = [one for one in per_seed if one is not None]
        if len(known) < len(per_seed):
            refused[row] = "the predictions of some of its runs are gone: no inference to new test images"
        usable = known and row not in refused
        cluster = tested[0][1].cluster if usable else None
        found.append(crossed_errors(np.array(known), cluster) if usable else None)

    def column(name: str) -> Floats:
        return np.array([np.nan if one is None else getattr(one, name) for one in found], dtype=np.float64)

    mean = column("mean")
    with np.errstate(invalid="ignore", divide="ignore"):
        both = t_columns(mean, column("se"), column("df"), settings)
        seeds = t_columns(mean, column("seeds_se"), column("seeds_df"), settings)
    out = {name: np.where(seeds["p"] > both["p"], seeds[name], both[name]) for name in both}
    for name in both:
        if name.endswith("_low") and name.startswith(("ci", "eq")):
            out[name] = np.minimum(both[name], seeds[name])
        elif name.endswith("_high") and name.startswith(("ci", "eq")):
            out[name] = np.maximum(both[name], seeds[name])
    out["p_equivalence"] = np.maximum(both["p_equivalence"], seeds["p_equivalence"])
    # more seeds make no more images
    out |= {f"seeds_needed{end}": np.full(mean.shape, np.nan) for end in ("", "_low", "_high")}
    return out, refused


def _right(
    question: Question, source: PredictionSource, tested: list[tuple[str, Predictions]]
) -> Callable[[int, int], Floats | None]:
    """Per cell and seed, 100 for every test image that is classified rightly, else 0.

    `tested` takes the runs that are read, by name; on the images of the first all must be tested.
    """

    @cache
    def right(cell: int, seed: int) -> Floats | None:
        name = f"{question.runs.cells[cell]}/seed-{seed}"
        found = source(question.runs.cells[cell], seed)
        if found is None:
            return None
        if tested and (how := found.apart(tested[0][1])):
            raise TableError(
                f"the run {name} was tested on other images than {tested[0][0]}: {how}", hint=_ALIKE
            )
        tested.append((name, found))
        return 100.0 * np.asarray(found.prediction == found.target, dtype=np.float64)

    return right


def _weighted(
    contrast: LinearContrast, right: Callable[[int, int], Floats | None], seed: int
) -> Floats | None:
    total: Floats | None = None
    for cell, weight in contrast.weights:
        one = right(cell, seed)
        if one is None:
            return None
        total = weight * one if total is None else total + weight * one
    return total


def image_comparisons(
    question: Question, parts: Sequence[Sequence[Hypothesis]], source: PredictionSource | None
) -> list[ImageComparison]:
    """Every pair of the families, once, where the predictions of both cells are there.

    None where the plan does not pair runs by seed.
    """
    if source is None or question.plan.test == "unpaired":
        return []
    runs = question.runs

    @cache  # a baseline stands in many pairs
    def predictions(cell: int, seed: int) -> Predictions | None:
        return source(runs.cells[cell], seed)

    out = []
    seen: set[tuple[int, int]] = set()
    for part in (part for family in parts for part in family):
        if not isinstance(part, LinearContrast) or part.pair is None or part.pair in seen:
            continue
        seen.add(part.pair)
        a, b = part.pair
        there = np.asarray(~np.isnan(runs.values[[a, b]]).any(axis=0))
        used = [seed for seed, usable in zip(runs.seeds, there, strict=True) if usable]
        found = ((seed, predictions(a, seed), predictions(b, seed)) for seed in used)
        by_seed = {seed: (x, y) for seed, x, y in found if x is not None and y is not None}
        _refuse_apart(by_seed, runs.cells[a], runs.cells[b])
        pairs = [*by_seed.values()]
        # Where each seed has test images of its own, intervals over seeds are over new images already.
        if pairs and not question.plan.images_per_seed and _same(first for first, _ in pairs):
            out.append(_compare(question, a, b, pairs))
    return out


_ALIKE = "test all runs of a comparison on the same images in the same order"


def _refuse_apart(pairs: Mapping[int, tuple[Predictions, Predictions]], a: str, b: str) -> None:
    """TableError, which says what differs, where two cells were tested on different images at a seed."""
    apart = {seed: how for seed, (first, second) in pairs.items() if (how := first.apart(second))}
    if apart:
        seed, how = next(iter(apart.items()))
        others = [str(other) for other in apart if other != seed]
        more = f"; also at seed{'s' * (len(others) > 1)} {', '.join(others[:_FIRST])}" if others else ""
        more += " …" * (len(others) > _FIRST)
        raise TableError(
            f"the runs of {a} and {b} were tested on different images: at seed {seed}, {how}{more}",
            hint=_ALIKE,
        )


def _same(runs: Iterable[Predictions]) -> bool:
    """Whether runs were tested on the same images, by what is known of them."""
    first, *others = runs
    return all(other.tested_alike(first) for other in others)


def _compare(
    question: Question, a: int, b: int, pairs: list[tuple[Predictions, Predictions]]
) -> ImageComparison:
    names = (question.runs.cells[a], question.runs.cells[b])
    first = pairs[0][0]
    target, cluster = first.target, first.cluster
    right_a = np.array([first.prediction == target for first, _ in pairs])
    right_b = np.array([second.prediction == target for _, second in pairs])
    difference = right_a.astype(np.float64) - right_b
    found = crossed_interval(100.0 * difference, question.plan.alpha, cluster)
    if cluster is None:
        exact = tuple(mcnemar(int((row > 0).sum()), int((row < 0).sum())) for row in difference)
    else:
        place = np.unique(cluster, return_inverse=True)[1]
        sums = [np.asarray(np.bincount(place, weights=row), dtype=np.float64) for row in difference]
        exact = tuple(map(mcnemar_of_clusters, sums))
    clusters = None if cluster is None else np.unique(cluster).size
    several = f"{target.size} {first.unit}" + (f" in {clusters} clusters" if clusters else "")
    share = percent_text(1 - question.plan.alpha)

    def interval(low: float | None, high: float | None) -> str:
        return "unknown" if low is None or high is None else f"{_bound(low)} to {_bound(high)}"

    among = " among converged seeds" if question.runs.lost([a, b]).any() else ""
    says = (
        f"{names[0]} vs {names[1]}: {_signed(found.mean)} points{among}; uncorrected {share} CI over new "
        f"seeds {interval(found.seeds_low, found.seeds_high)}, over new seeds and new "
        f"{first.unit} {interval(found.low, found.high)} (n = {len(pairs)} seeds, {several})."
    )
    return ImageComparison(
        a=names[0],
        b=names[1],
        n=len(pairs),
        images=int(target.size),
        mean_diff=found.mean,
        ci_low=found.low,
        ci_high=found.high,
        df=found.df,
        seeds_only_ci_low=found.seeds_low,
        seeds_only_ci_high=found.seeds_high,
        agreement=float(np.mean([(x.prediction == y.prediction).mean() for x, y in pairs])),
        mcnemar_p=exact,
        says=says,
        clusters=clusters,
        unit=first.unit,
    )


def _bound(points: float) -> str:
    return number_text(points, 2, signed=True, bound=True)


def _signed(points: float) -> str:
    return number_text(points, 2, signed=True)
