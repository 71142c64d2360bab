"""How far probabilities can be trusted: calibration, proper scores, and what leaving doubtful images out brings.

    confidences, hits = top_answers(probabilities, labels)
    ece = calibration_error(equal_width_bins(confidences, hits))
    interval = statistic_interval(calibration_error_of(confidences, hits), len(hits))     # of `evaluate.resampling`
    temperature = fit_temperature(validation_logits, validation_labels)                   # of `evaluate.temperature`

Shapes: N images, C classes.  `confidences` (N,): how sure, larger is surer.  `hits` (N,): whether the answer is right;
an answer that ties with a wrong one is none.  Each number has a plain form and, with `_of`, one for
`resampling.statistic_interval`.  Knows nothing of models; what is fitted is fitted on other images than are measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.evaluate.metrics import DRAWS, Floats, Ints, label_ranks
from wordsight.evaluate.resampling import (
    ResampleCounts,
    Statistic,
    reciprocal_sums,
    run_sums,
    runs_of,
    sums_up_to,
    value_of,
)

Correct = NDArray[np.bool_]

BINS = 15  # of an expected calibration error: Guo et al. 2017, table 1
SUM_SLACK = 1e-2  # of a row of probabilities from 1: half precision sums of 1,000 classes differ by less


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """Bins of images by confidence, (M,) each; the rows of a reliability diagram (Guo et al. 2017, section 2).

    `low`, `high`: the confidences a bin spans.  `confidence`, `accuracy`: the means within it, NaN in an empty one.
    """

    low: Floats
    high: Floats
    confidence: Floats
    accuracy: Floats
    count: NDArray[np.int64]


def check_probabilities(probabilities: Floats, labels: Ints) -> None:
    """Raise `UsageError` unless `probabilities` (N, C) are those of classes and `labels` (N,) their numbers."""
    if probabilities.ndim != 2 or 0 in probabilities.shape:
        raise UsageError(
            f"probabilities of the shape {probabilities.shape}", cure="give (images, classes), one at least"
        )
    check_labels(labels, probabilities.shape)
    sums = probabilities.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero(~((np.abs(sums - 1) <= SUM_SLACK) & (probabilities >= 0).all(axis=1)))  # NaN is wrong, too
    if wrong.size:
        cure = "give the softmax of the logits"
        raise UsageError(f"row {wrong[0]} holds no probabilities: its sum is {sums[wrong[0]]:.3g}", cure=cure)


def check_labels(labels: Ints, shape: tuple[int, ...]) -> None:
    """Raise `UsageError` unless `labels` are (N,) class numbers for scores of the shape (N, C)."""
    if labels.shape != shape[:1]:
        raise UsageError(f"{labels.shape} labels for {shape[0]} images", cure="give one label for each image")
    if not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(f"labels of the type {labels.dtype}", cure="give class numbers")
    wrong = np.flatnonzero((labels < 0) | (labels >= shape[1]))
    if wrong.size:
        raise UsageError(
            f"label {labels[wrong[0]]} of image {wrong[0]}", cure=f"give class numbers 0 to {shape[1] - 1}"
        )


def top_answers(probabilities: Floats, labels: Ints) -> tuple[Floats, Correct]:
    """Return the largest probability of each image (N,) and whether it is the right class's alone (N,)."""
    check_probabilities(probabilities, labels)
    return largest_probability(probabilities), label_ranks(probabilities, labels) == 0


# --- how sure: three scores to abstain by, larger is surer


def largest_probability(probabilities: Floats) -> Floats:
    """Return the largest probability of each row of (N, C), (N,) (Hendrycks and Gimpel 2017, section 2)."""
    return np.asarray(probabilities.max(axis=1), dtype=np.float64)


def margin(probabilities: Floats) -> Floats:
    """Return the largest minus the second largest of each row of (N, C), (N,) (Scheffer et al. 2001); 1 if C is 1."""
    if probabilities.shape[1] == 1:
        return np.ones(len(probabilities))
    largest = np.partition(probabilities.astype(np.float64), -2, axis=1)
    return np.asarray(largest[:, -1] - largest[:, -2])


def negative_entropy(probabilities: Floats) -> Floats:
    """Return the sum of p ln p of each row of (N, C), (N,), in nats (Shannon 1948): 0 is surest."""
    wide = probabilities.astype(np.float64)
    return np.asarray(np.sum(wide * np.log(np.where(wide > 0, wide, 1.0)), axis=1))


ABSTENTION: dict[str, Callable[[Floats], Floats]] = {
    "probability": largest_probability,
    "margin": margin,
    "entropy": negative_entropy,
}


# --- proper scores


def squared_errors(probabilities: Floats, labels: Ints) -> Floats:
    """Return the sum over classes of (p_c - [c is the label])^2 for each image, (N,): 0 is best, 2 worst.

    Their mean is the Brier score in its first, multi-class form (Brier 1950); with two classes it is twice
    the form that looks at one of them.
    """
    check_probabilities(probabilities, labels)
    wide = probabilities.astype(np.float64)
    own = wide[np.arange(len(labels)), labels]
    return np.asarray(np.einsum("ij,ij->i", wide, wide) - 2 * own + 1)


def log_losses(probabilities: Floats, labels: Ints) -> Floats:
    """Return -ln of the probability of the label for each image, (N,), in nats; infinite where that is 0.

    Their mean is the negative log-likelihood (Guo et al. 2017, section 2).
    """
    check_probabilities(probabilities, labels)
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(own, where=own > 0, out=np.full(len(own), -np.inf)))


def brier_score(probabilities: Floats, labels: Ints) -> float:
    """Return the mean of `squared_errors`, 0 to 2 (Brier 1950)."""
    return float(squared_errors(probabilities, labels).mean())


def negative_log_likelihood(probabilities: Floats, labels: Ints) -> float:
    """Return the mean of `log_losses` in nats (Guo et al. 2017, section 2, there as a sum)."""
    return float(log_losses(probabilities, labels).mean())


# --- calibration


def equal_width_bins(confidences: Floats, hits: Correct, *, bins: int = BINS) -> ReliabilityBins:
    """Return `bins` bins of one width over 0..1, each with its upper end (Guo et al. 2017, section 2)."""
    _check_answers(confidences, hits, bins=bins)
    members = _width_members(confidences, bins)
    count = members.sum(axis=0).astype(np.int64)
    edges = np.arange(bins + 1) / bins
    confidence = _shares(confidences.astype(np.float64) @ members, count)
    return ReliabilityBins(edges[:-1], edges[1:], confidence, _shares(hits @ members, count), count)


def equal_mass_bins(confidences: Floats, hits: Correct, *, bins: int = BINS) -> ReliabilityBins:
    """Return `bins` bins with the same number of images, one more or less (Nguyen and O'Connor 2015).

    Fewer images than bins: each is one.  Images of one confidence that fall into several bins share their hits evenly
    among them, so that the order of the data does not matter.
    """
    _check_answers(confidences, hits, bins=bins)
    positions = _mass_edges(len(confidences), bins)
    means, count = _mass_sums(confidences, hits, positions)(np.ones((1, len(hits)), dtype=np.int64))
    ranked = np.sort(confidences.astype(np.float64))
    low, high = ranked[positions[:-1]], ranked[positions[1:] - 1]
    return ReliabilityBins(low, high, means[0][0] / count, means[1][0] / count, count)


def calibration_error(bins: ReliabilityBins) -> float:
    """Return the expected calibration error, the mean |accuracy - confidence| (Guo et al. 2017, equation 3)."""
    gaps = np.abs(bins.accuracy - bins.confidence)
    return float(np.average(gaps[bins.count > 0], weights=bins.count[bins.count > 0]))


def calibration_error_of(confidences: Floats, hits: Correct, *, bins: int = BINS) -> Statistic:
    """Return `calibration_error` of `equal_width_bins` as a statistic (Guo et al. 2017, equation 3)."""
    _check_answers(confidences, hits, bins=bins)
    gaps = _width_members(confidences, bins) * (confidences.astype(np.float64) - hits)[:, None]
    return lambda counts: np.abs(counts.astype(np.float64) @ gaps).sum(axis=1) / counts.sum(axis=1)


def adaptive_error_of(confidences: Floats, hits: Correct, *, bins: int = BINS) -> Statistic:
    """Return `calibration_error` of `equal_mass_bins` as a statistic: every resample has its own bins."""
    _check_answers(confidences, hits, bins=bins)
    sums = _mass_sums(confidences, hits, _mass_edges(len(hits), bins))

    def statistic(counts: ResampleCounts) -> Floats:
        (sure, right), _ = sums(counts)
        return np.asarray(np.abs(sure - right).sum(axis=1) / len(hits))

    return statistic


def calibration_noise(confidences: Floats, *, bins: int = BINS, seed: int = 0) -> tuple[float, float]:
    """Return the mean and the 97.5 % quantile of the equal-width ECE if every confidence were true.

    ECE is never 0 on few images.  One above the quantile is miscalibration; one near the mean is none that could be
    seen (consistency resampling: Broecker and Smith 2007; Vaicenavicius et al. 2019).
    """
    _check_answers(confidences, np.zeros(len(confidences), dtype=bool), bins=bins)
    generator = np.random.default_rng(seed)
    sure = confidences.astype(np.float64)
    members = _width_members(confidences, bins)
    errors = [np.abs((sure - (generator.random(len(sure)) < sure)) @ members).sum() for _ in range(DRAWS)]
    return float(np.mean(errors) / len(sure)), float(np.quantile(errors, 0.975) / len(sure))


# --- leaving doubtful images out


def risk_coverage(confidences: Floats, hits: Correct) -> tuple[Floats, Floats]:
    """Return the coverages 1/N, 2/N, ... 1 and the share of wrong answers among the surest so many, (N,) each.

    Geifman and El-Yaniv 2017, section 2: selective risk.  Images of one confidence come in no order: the
    risk is the expected one over all orders, so that a constant confidence gives the plain error rate everywhere.
    """
    _check_answers(confidences, hits)
    positions = np.arange(1.0, len(hits) + 1)
    right = _right_up_to(confidences, hits, positions)(np.ones((1, len(hits)), dtype=np.int64))[0]
    return positions / len(hits), 1 - right / positions


def risk_area(confidences: Floats, hits: Correct) -> float:
    """Return the AURC, the mean of the risks of `risk_coverage` (Geifman, Uziel and El-Yaniv 2019, AURC).

    `risk_area(hits, hits)` is that of the best order; what is above it is E-AURC of the same paper.
    """
    return value_of(risk_area_of(confidences, hits), len(hits))


def risk_area_of(confidences: Floats, hits: Correct) -> Statistic:
    """Return `risk_area` as a statistic (Geifman, Uziel and El-Yaniv 2019, AURC).

    A run of m equal images, e of them wrong, after W images with E wrong, adds the sum over t = 1..m of
    (E + t e/m) / (W + t) = e + (E - W e/m) (H(W + m) - H(W)), H the harmonic numbers.
    """
    _check_answers(confidences, hits)
    order, starts = runs_of(confidences)
    wrong, sums = ~hits.astype(bool)[order], reciprocal_sums(len(hits))

    def statistic(counts: ResampleCounts) -> Floats:
        ranked = counts[:, order]
        sizes, errors = run_sums(ranked, starts), run_sums(ranked * wrong, starts)
        ends = np.cumsum(sizes, axis=1)
        before, errors_before = ends - sizes, np.cumsum(errors, axis=1) - errors
        spans = sums[ends.astype(np.int64)] - sums[before.astype(np.int64)]
        added = errors + (errors_before - before * _shares(errors, sizes, empty=0.0)) * spans
        return np.asarray(added.sum(axis=1) / len(hits))

    return statistic


def accuracies_at(confidences: Floats, hits: Correct, coverages: Sequence[float]) -> list[float]:
    """Return the accuracy among the surest ceil(c N) images for each coverage c (Geifman and El-Yaniv 2017)."""
    return [value_of(accuracy_at_of(confidences, hits, coverage), len(hits)) for coverage in coverages]


def accuracy_at_of(confidences: Floats, hits: Correct, coverage: float) -> Statistic:
    """Return the accuracy among the surest ceil(`coverage` N) images as a statistic; ties as in `risk_coverage`."""
    _check_answers(confidences, hits)
    if not 0 < coverage <= 1:
        raise UsageError(f"a coverage of {coverage}", cure="give shares of the images, over 0 to 1")
    kept = np.ceil(np.round(coverage * len(hits), 9))  # 0.07 * 100 is 7.000000000000001
    right = _right_up_to(confidences, hits, np.array([kept]))
    return lambda counts: right(counts)[:, 0] / kept


def _right_up_to(confidences: Floats, hits: Correct, positions: Floats) -> Statistic:
    """Return the function from counts (B, N) to the right answers among the surest `positions` (K,), (B, K)."""
    order, starts = runs_of(confidences)
    right = hits[order]

    def up_to(counts: ResampleCounts) -> Floats:
        ranked = counts[:, order]
        return sums_up_to(run_sums(ranked, starts), run_sums(ranked * right, starts), positions)

    return up_to


def _mass_edges(count: int, bins: int) -> NDArray[np.int64]:
    """Return the positions (M + 1,) between bins of the same number of images."""
    return np.unique(np.round(np.linspace(0, count, min(bins, count) + 1)).astype(np.int64))


def _mass_sums(
    confidences: Floats, hits: Correct, positions: NDArray[np.int64]
) -> Callable[[ResampleCounts], tuple[tuple[Floats, Floats], NDArray[np.int64]]]:
    """Return the function from counts (B, N) to the sums of confidences and hits between `positions`, (B, M) each."""
    order, starts = runs_of(-confidences.astype(np.float64))  # from low to high
    sure, right = confidences.astype(np.float64)[order], hits[order].astype(np.float64)

    def sums(counts: ResampleCounts) -> tuple[tuple[Floats, Floats], NDArray[np.int64]]:
        ranked = counts[:, order]
        sizes = run_sums(ranked, starts)
        both = [
            sums_up_to(sizes, run_sums(ranked * values, starts), positions.astype(np.float64))
            for values in (sure, right)
        ]
        return (np.diff(both[0], axis=1), np.diff(both[1], axis=1)), np.diff(positions)

    return sums


def _width_members(confidences: Floats, bins: int) -> Floats:
    """Return 1.0 where an image is in a bin, (N, M); bin m holds those over m/M up to (m + 1)/M, the first also 0."""
    numbers = np.searchsorted(np.arange(1, bins) / bins, confidences.astype(np.float64), side="left")
    return np.asarray(numbers[:, None] == np.arange(bins), dtype=np.float64)


def _shares(sums: Floats, counts: Floats | Ints, *, empty: float = np.nan) -> Floats:
    """Return sums / counts, and `empty` where the count is 0."""
    return np.asarray(np.divide(sums, counts, out=np.full(np.shape(sums), empty), where=counts > 0))


def _check_answers(confidences: Floats, hits: Correct, *, bins: int | None = None) -> None:
    if confidences.ndim != 1 or confidences.shape != hits.shape or not len(hits):
        cure = "give one of both for each image, one image at least"
        raise UsageError(f"confidences of the shape {confidences.shape} and hits of {hits.shape}", cure=cure)
    if np.isnan(confidences).any():
        raise UsageError(f"the confidence of image {np.isnan(confidences).argmax()} is NaN", cure="leave it out")
    if bins is None:
        return
    if bins < 1:
        raise UsageError(f"{bins} bins", cure="give 1 or more")
    outside = np.flatnonzero((confidences < 0) | (confidences > 1 + SUM_SLACK))
    if outside.size:
        cure = "calibration is of probabilities"
        raise UsageError(f"the confidence of image {outside[0]} is {confidences[outside[0]]:.3g}", cure=cure)
