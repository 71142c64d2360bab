"""Do probabilities mean what they say?  Zero-shot probabilities of the model as it is, and with a fitted temperature.

Results below NAME/calibration: ece, adaptive-ece, brier, nll and aurc, each also as …-fitted with the temperature
fitted on val images (Guo et al. 2017), temperature itself, and accuracy-at-80, the accuracy on the 80 % of the images
with the surest answers.  Conformal sets below NAME/conformal: for "lac" and "aps", with one quantile ("split") and one
for each class ("mondrian"), WAY-SCORE/coverage, mean-size and worst-class-coverage, the quantiles from val images.
Details: reliability diagrams, risk by coverage, and the sets beside the coverage that chance allows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import Classified, check_share, prompt_facts, prompts_for
from wordsight.evaluate.confidence import (
    ReliabilityBins,
    accuracy_at_of,
    adaptive_error_of,
    calibration_error_of,
    calibration_noise,
    equal_width_bins,
    log_losses,
    risk_area_of,
    risk_coverage,
    squared_errors,
    top_answers,
)
from wordsight.evaluate.conformal import (
    aps_scores,
    class_quantiles,
    coverage_bounds,
    lac_scores,
    measure_sets,
    of_labels,
    prediction_sets,
    quantile,
)
from wordsight.evaluate.encode import Encoder, image_embeddings, prompt_embeddings, scorer_of
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured, share
from wordsight.evaluate.resampling import Statistic, statistic_interval, value_of
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.splits import notice_seen, val_and_test
from wordsight.evaluate.tasks import TaskSpec
from wordsight.evaluate.temperature import fit_temperature

Probabilities = NDArray[np.float64]
KEPT = 0.8  # share of the images whose answers are given, in accuracy-at-80
POINTS = 100  # of a curve of risk by coverage
LEAST = 1e-30  # a probability below it is taken as it, since its logarithm is wanted: float32 ends at 1e-38
NOISY = ("ece", "adaptive-ece")  # noise makes them larger, once more in every resample: their interval is reflected at
# the value (the basic bootstrap; Davison and Hinkley 1997, equation 5.6), which takes that out
SEEDS = (1, 2)  # of the randomised scores of val and measured images


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """`alpha`: the share of sets that may miss; `held_out`: the share that is measured on where no val is named."""

    alpha: float = 0.1
    held_out: float = 0.5


OPTIONS = CalibrationOptions
SETS = ("val", "train")
FIRST_SET_ALONE = True


@dataclass(frozen=True, slots=True)
class CalibrationTask:
    """The images that temperature and quantiles are fitted on, and those that are measured on."""

    spec: TaskSpec
    val: Classified
    test: Classified
    prompts: tuple[tuple[str, ...], ...]

    @property
    def images(self) -> SampleSet:
        """The images that are measured on."""
        return self.test.images


@dataclass(frozen=True, slots=True)
class SureAnswers:
    """The probabilities (N, C) of images with their labels (N,), the surest of each and whether it is right, (N,)."""

    probabilities: Probabilities
    labels: NDArray[np.int64]
    sure: NDArray[np.float64]
    right: NDArray[np.bool_]


def build(spec: TaskSpec, sets: TaskSets) -> CalibrationTask:
    """Return the task; options that cannot be are `ConfigError`s."""
    check_share(spec.options.held_out)
    if not 0 < spec.options.alpha < 1:
        raise ConfigError(f"alpha = {spec.options.alpha}", cure="give a share of misses between 0 and 1, such as 0.1")
    val, test = val_and_test(spec, sets, held_out=spec.options.held_out)
    return CalibrationTask(spec, val, test, prompts_for(spec, test.names))


def run(encoder: Encoder, task: CalibrationTask) -> Measured:
    """Return how far probabilities can be trusted, with and without a fitted temperature, and what sets promise."""
    scorer = scorer_of(encoder, "calibration")
    classes = prompt_embeddings(encoder, task.prompts)
    by_val, by_test = (
        image_embeddings(encoder, part.images.images, name=task.spec.name) for part in (task.val, task.test)
    )
    notice_seen(by_val, by_test, task.spec.name)
    val = _of(scorer.probabilities(products(by_val, classes)).astype(np.float64), task.val.labels)
    test = _of(scorer.probabilities(products(by_test, classes)).astype(np.float64), task.test.labels)
    temperature = fit_temperature(np.log(val.probabilities), val.labels)
    fitted = _of(_softened(test.probabilities, temperature), test.labels)
    facts = {**prompt_facts(task.spec, task.test.names, task.prompts), "val_images": len(val.labels)}
    facts.pop("chance")
    name = f"{task.spec.name}/calibration"
    results = [
        *_measures(name, "", test, facts),
        *_measures(name, "-fitted", fitted, {**facts, "temperature": f"{temperature:.4g}"}),
        Result(f"{name}/temperature", temperature, None, len(val.labels), setting={**facts, "unit": "number"}),
    ]
    details = [
        _reliability(name, "Reliability of the model's own probabilities", test),
        _reliability(name, f"Reliability with the temperature fitted on val, {temperature:.3g}", fitted),
        _risks(name, {"as they are": test, "fitted": fitted}),
    ]
    softened = _of(_softened(val.probabilities, temperature), val.labels)
    return Measured(results, details).and_also(_conformal(task, softened, fitted, facts))


def _of(probabilities: Probabilities, labels: NDArray[np.int64]) -> SureAnswers:
    probabilities = np.maximum(probabilities, LEAST)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    sure, right = top_answers(probabilities, labels)
    return SureAnswers(probabilities, labels, np.asarray(sure, dtype=np.float64), np.asarray(right, dtype=np.bool_))


def _softened(probabilities: Probabilities, temperature: float) -> Probabilities:
    logits = np.log(probabilities) / temperature
    shares: Probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _measures(name: str, which: str, answers: SureAnswers, facts: Mapping[str, Value]) -> list[Result]:
    """Return the figures of probabilities; `which` ends their names."""
    sure, right, count = answers.sure, answers.right, len(answers.right)
    _, noise = calibration_noise(sure)
    statistics: tuple[tuple[str, Statistic, dict[str, Value]], ...] = (
        ("ece", calibration_error_of(sure, right), {"by_chance_up_to": round(noise, 4)}),
        ("adaptive-ece", adaptive_error_of(sure, right), {}),
        ("aurc", risk_area_of(sure, right), {}),
        ("accuracy-at-80", accuracy_at_of(sure, right, KEPT), {}),
    )
    means: tuple[tuple[str, NDArray[np.float64]], ...] = (
        ("brier", np.asarray(squared_errors(answers.probabilities, answers.labels))),
        ("nll", np.asarray(log_losses(answers.probabilities, answers.labels))),
    )
    results = []
    for metric, statistic, more in statistics:
        low, high = statistic_interval(statistic, count)
        value = value_of(statistic, count)
        interval = (max(0.0, 2 * value - high), max(0.0, 2 * value - low)) if metric in NOISY else (low, high)
        results.append(Result(f"{name}/{metric}{which}", value, interval, count, setting={**facts, **more}))
    for metric, values in means:
        results.append(share(f"{name}/{metric}{which}", values, setting={**facts, "unit": "number"}))
    return results


def _reliability(name: str, title: str, answers: SureAnswers) -> Detail:
    bins = equal_width_bins(answers.sure, answers.right)
    return Detail(name, title, "reliability", {"bins": _rows(bins)})


def _rows(bins: ReliabilityBins) -> list[dict[str, float | int | None]]:
    """Return the bins as plain numbers; an empty one has no confidence and no accuracy."""
    return [
        {
            "low": float(low),
            "high": float(high),
            "confidence": float(confidence) if count else None,
            "accuracy": float(accuracy) if count else None,
            "count": int(count),
        }
        for low, high, confidence, accuracy, count in zip(
            bins.low, bins.high, bins.confidence, bins.accuracy, bins.count, strict=True
        )
    ]


def _risks(name: str, by_name: Mapping[str, SureAnswers]) -> Detail:
    series: list[dict[str, object]] = []
    for which, answers in by_name.items():
        coverages, risks = risk_coverage(answers.sure, answers.right)
        rows = np.unique(np.linspace(0, len(risks) - 1, POINTS).astype(int))
        series.append({"name": which, "points": [[float(coverages[i]), float(risks[i])] for i in rows], "band": None})
    data = {"x": "images answered, the surest first", "y": "wrong answers", "percent": True, "series": series}
    return Detail(name, "Errors by how many images are answered", "lines", data)


SCORES: Mapping[str, Callable[[Probabilities, int], NDArray[np.floating]]] = {
    "lac": lambda probabilities, seed: lac_scores(probabilities),
    "aps": lambda probabilities, seed: aps_scores(probabilities, seed=seed),
}


def _conformal(task: CalibrationTask, val: SureAnswers, test: SureAnswers, facts: Mapping[str, Value]) -> Measured:
    """Return the sets of both scores and both kinds of quantiles."""
    alpha, classes = task.spec.options.alpha, len(task.test.names)
    low, high = coverage_bounds(len(val.labels), len(test.labels), alpha)
    stated: dict[str, Value] = {**facts, "alpha": alpha, "promised": 1 - alpha}
    stated |= {"allowed_low": round(low, 4), "allowed_high": round(high, 4)}
    results: list[Result] = []
    rows: list[Sequence[str]] = []
    for score, scores_of in SCORES.items():
        own = of_labels(scores_of(val.probabilities, SEEDS[0]), val.labels)
        scores = scores_of(test.probabilities, SEEDS[1])
        limits: dict[str, float | NDArray[np.floating]] = {
            "split": quantile(own, alpha=alpha),
            "mondrian": class_quantiles(own, val.labels, classes=classes, alpha=alpha),
        }
        for way, limit in limits.items():
            sets = prediction_sets(scores, limit)
            measures = measure_sets(sets, test.labels)
            name = f"{task.spec.name}/conformal/{way}-{score}"
            covered = sets[np.arange(len(sets)), test.labels]
            sizes = sets.sum(axis=1)
            worst = task.test.names[measures.worst_class]
            results += [
                share(f"{name}/coverage", covered, setting=stated),
                share(f"{name}/mean-size", sizes, setting={**stated, "unit": "number"}),
                Result(
                    f"{name}/worst-class-coverage",
                    float(measures.coverages[measures.worst_class]),
                    None,
                    int((test.labels == measures.worst_class).sum()),
                    setting={**stated, "class": worst},
                ),
            ]
            rows.append(
                [
                    f"{way} {score}",
                    f"{100 * measures.coverage:.1f} %",
                    f"{measures.mean_size:.2f}",
                    f"{100 * float((sizes == 1).mean()):.1f} %",
                    f"{100 * float((sizes == 0).mean()):.1f} %",
                    f"{100 * float(measures.coverages[measures.worst_class]):.1f} % ({worst})",
                ]
            )
    head = ["sets", "coverage", "classes in a set", "one class", "none", "worst class"]
    title = f"Sets that hold the right class, promised {1 - alpha:.0%}; chance allows {low:.1%} to {high:.1%}"
    return Measured(results, [Detail(f"{task.spec.name}/conformal", title, "table", {"head": head, "rows": rows})])
