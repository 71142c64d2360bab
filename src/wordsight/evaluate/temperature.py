"""The temperature that makes a model's probabilities honest, fitted on validation images.

    temperature = fit_temperature(validation_logits, validation_labels)
    probabilities = softmax(test_logits / temperature)

One number divides all logits (Guo et al. 2017, section 4.2): the answers stay, their probabilities change.  It is never
fitted on the images that are measured.  Knows nothing of models.
"""

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.evaluate.confidence import check_labels
from wordsight.evaluate.metrics import Floats, Ints

REACH = 100.0  # a temperature is within this factor of the spread of the logits: beyond, all is one-hot or uniform
STEPS = 200  # far more than it takes: a halving each would be 10^-58
PRECISION = 1e-10  # of the temperature, relative
AT_ONCE = 1 << 22  # logits that are looked at a time: 32 MiB of float64


def softmax(logits: Floats) -> Floats:
    """Return the probabilities (N, C) of `logits` (N, C) in float64, in which few are 0 (Bridle 1990)."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Return the T with the least mean negative log-likelihood of softmax(`logits` / T) at `labels`.

    `logits` (N, C), `labels` (N,): of validation images.  The loss is convex in b = 1/T, with the slope
    mean(sum_c p_c z_c - z_label) (Guo et al. 2017, section 4.2); its zero is found by Newton steps between bounds.
    Where every answer is right the best T is 0, where they are no better than guessed it is infinite: the result is
    then the spread of the logits (the root of their mean square around the row's mean) / 100, or x 100.  Logits that
    are equal say nothing of T: 1.
    """
    if logits.ndim != 2 or 0 in logits.shape:
        raise UsageError(f"logits of the shape {logits.shape}", cure="give (images, classes), one image at least")
    check_labels(labels, logits.shape)
    if not np.isfinite(logits).all():
        raise UsageError("a logit is NaN or infinite", cure="leave such images out")
    spread = float(np.sqrt(np.mean(np.square(logits - logits.mean(axis=1, keepdims=True, dtype=np.float64)))))
    if spread <= np.finfo(logits.dtype).eps * float(np.abs(logits).max()):
        return 1.0
    return spread / _best_sharpness(logits, labels, spread)


def _best_sharpness(logits: Floats, labels: Ints, spread: float) -> float:
    """Return the b, within `REACH` of 1, for which b / `spread` times the logits has the least loss."""
    low, high = 1 / REACH, REACH
    if _slope(logits, labels, low / spread)[0] >= 0:
        return low
    if _slope(logits, labels, high / spread)[0] <= 0:
        return high
    sharpness = 1.0
    for _ in range(STEPS):
        slope, curvature = _slope(logits, labels, sharpness / spread)
        step = slope * spread / curvature if curvature > 0 else np.inf
        if abs(step) <= PRECISION * sharpness:
            return sharpness - step
        low, high = (sharpness, high) if slope < 0 else (low, sharpness)
        sharpness = sharpness - step if low < sharpness - step < high else float(np.sqrt(low * high))
    return sharpness


def _slope(logits: Floats, labels: Ints, inverse: float) -> tuple[float, float]:
    """Return the first and second derivative of the mean loss in 1/T at `inverse`; the second is a variance, >= 0."""
    first = second = 0.0
    size = max(1, AT_ONCE // logits.shape[1])
    for start in range(0, len(logits), size):
        part = logits[start : start + size].astype(np.float64)
        part -= part.max(axis=1, keepdims=True)
        probabilities = softmax(part * inverse)
        means = np.einsum("ij,ij->i", probabilities, part)
        first += float((means - part[np.arange(len(part)), labels[start : start + size]]).sum())
        second += float(np.einsum("ij,ij->", probabilities, np.square(part - means[:, None])))
    return first / len(logits), second / len(logits)
