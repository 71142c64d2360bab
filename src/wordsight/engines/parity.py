"""Does one engine give the rows of another?  Generated inputs, the agreement of two sets of rows, and a report.

Cosines are given plain and after subtracting the mean reference row: rows of one model lie in a narrow
cone, which flatters plain cosines.  Free of PyTorch; knows nothing of how graphs are made.
"""

from dataclasses import dataclass

import numpy as np

from wordsight.engines.engine import Pixels, Rows, Tokens
from wordsight.towers.spec import ModelSpec

FP32_DIFFERENCE = 1e-4  # largest allowed difference of any number of a unit row in fp32
INT8_COSINE = 0.99  # smallest allowed mean cosine in int8


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well the rows of one tower agree with the reference's.

    `difference` is the largest absolute difference of two numbers; `mean` and `worst` are cosines of the
    rows as they are, `centred_mean` and `centred_worst` with the mean reference row subtracted from both.
    """

    tower: str
    precision: str
    count: int
    difference: float
    mean: float
    worst: float
    centred_mean: float
    centred_worst: float

    @property
    def good(self) -> bool:
        """Is it close enough to be used in the place of the reference?"""
        if self.precision == "fp32":
            return self.difference <= FP32_DIFFERENCE
        return self.mean >= INT8_COSINE

    def line(self) -> str:
        """Return the figures as one line."""
        return (
            f"{self.tower} {self.precision}: cosine to PyTorch fp32 mean {self.mean:.6f} worst {self.worst:.6f}, "
            f"mean row subtracted {self.centred_mean:.6f} / {self.centred_worst:.6f}, "
            f"largest difference {self.difference:.1e}, over {self.count} inputs"
        )


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What an export measured before it kept its graphs; stored as onnx/parity.json."""

    fingerprint: str
    agreements: tuple[Agreement, ...]

    def lines(self) -> list[str]:
        """Return one line for each graph."""
        return [agreement.line() for agreement in self.agreements]


def agreement(tower: str, precision: str, rows: Rows, reference: Rows) -> Agreement:
    """Compare unit rows (N, E) with those of the reference."""
    centre = reference.mean(axis=0)
    plain, centred = _cosines(rows, reference), _cosines(rows - centre, reference - centre)
    return Agreement(
        tower=tower,
        precision=precision,
        count=len(rows),
        difference=float(np.abs(rows - reference).max()),
        mean=float(plain.mean()),
        worst=float(plain.min()),
        centred_mean=float(centred.mean()),
        centred_worst=float(centred.min()),
    )


def some_pictures(spec: ModelSpec, count: int, *, seed: int = 0) -> Pixels:
    """Return uint8 (N, S, S, 3): coloured noise from coarse to fine over a gradient, no photographs but varied."""
    random = np.random.default_rng(seed)
    size = spec.preprocess.size
    pictures = np.empty((count, size, size, 3), dtype=np.uint8)
    ramp = np.linspace(-1, 1, size)[:, None]
    for number in range(count):
        cells = 2 ** (1 + number % 6)
        place = np.arange(size) * cells // size
        noise = random.standard_normal((cells, cells, 3))[place][:, place]  # (S, S, 3)
        slope = random.standard_normal((2, 3))
        gradient = ramp[:, None] * slope[0] + ramp * slope[1]  # (S, S, 3)
        pictures[number] = np.clip(128 + 45 * (noise + gradient), 0, 255)
    return pictures


def some_texts(spec: ModelSpec, count: int, *, seed: int = 0) -> Tokens:
    """Return int32 (N, context length): random words of the vocabulary, from one to as many as fit."""
    random = np.random.default_rng(seed)
    size, context = spec.text.vocabulary_size, spec.text.context_length
    tokens = np.zeros((count, context), dtype=np.int32)
    for row in tokens:
        words = int(random.integers(1, context - 1))
        row[0] = size - 2
        row[1 : 1 + words] = random.integers(0, size - 2, words)
        row[1 + words] = size - 1
    return tokens


def _cosines(left: Rows, right: Rows) -> Rows:
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines: Rows = (left * right).sum(axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    return cosines
