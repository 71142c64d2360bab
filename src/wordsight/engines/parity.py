"""Does one engine give the embeddings of another?  Generated inputs, the agreement of two sets of them, and a report.

Cosines are given plain and after subtracting the mean reference embedding: those of one model lie in a narrow
cone, which flatters plain cosines.  Beside them stands a task: images are named by prompts, and the share that gets
the same name from both is reported.  Free of PyTorch; knows nothing of how graphs are made.
"""

from dataclasses import dataclass, field

import numpy as np

from wordsight.base.arrays import Embeddings, Pixels, Tokens
from wordsight.engines.engine import end_token
from wordsight.towers.spec import ModelSpec

FP32_DIFFERENCE = 1e-4  # largest allowed difference of any number of a unit embedding in fp32
LOWEST_MEAN = 0.99  # smallest allowed mean cosine in other precisions
SOUND_MEAN, SOUND_WORST = 0.999, 0.99  # cosines that an export strives for by keeping layers in fp32
ITSELF = "ONNX Runtime"  # the reference where PyTorch is not installed: the model's own fp32 graphs
CLASSES = (
    "dog", "cat", "bird", "horse", "fish", "flower", "tree", "mountain", "beach", "street",
    "house", "kitchen", "car", "bicycle", "boat", "clock", "red", "green", "blue", "yellow",
)  # fmt: skip
PROMPT = "a photo of a {}"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well the embeddings of one tower agree with the reference's.

    `difference` is the largest absolute difference of two numbers; `mean` and `worst` are cosines of the
    embeddings as they are, `centred_mean` and `centred_worst` with the mean reference one subtracted from both.
    `kept` are the layers that the graph computes in fp32 because they lose most by integers.
    """

    tower: str
    precision: str
    count: int
    difference: float
    mean: float
    worst: float
    centred_mean: float
    centred_worst: float
    kept: tuple[str, ...] = ()
    reference: str = "PyTorch"

    @property
    def good(self) -> bool:
        """Is it close enough to be used instead of the reference?"""
        if self.precision == "fp32":
            return self.difference <= FP32_DIFFERENCE
        return self.mean >= LOWEST_MEAN

    @property
    def sound(self) -> bool:
        """Is it so close that no embedding is lost?"""
        return self.good and self.mean >= SOUND_MEAN and self.worst >= SOUND_WORST

    def line(self) -> str:
        """Return the figures as one line."""
        if self.precision == "fp32" and self.reference == ITSELF:
            return f"{self.tower} fp32: not compared, since PyTorch is not installed"
        kept = f"; kept in fp32: {', '.join(self.kept)}" if self.kept else ""
        return (
            f"{self.tower} {self.precision}: cosine to {self.reference} fp32 mean {self.mean:.6f} "
            f"worst {self.worst:.6f}, mean embedding subtracted {self.centred_mean:.6f} / {self.centred_worst:.6f}, "
            f"largest difference {self.difference:.1e}, over {self.count} inputs{kept}"
        )


@dataclass(frozen=True, slots=True)
class Naming:
    """How often two engines give generated images the same of some names: `share` of `count` images."""

    precision: str
    count: int
    classes: int
    share: float

    def line(self) -> str:
        """Return the figure as one line."""
        return f"{self.precision}: {self.share:.0%} of {self.count} pictures get the same of {self.classes} names"


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What an export measured before it kept its graphs; stored as onnx/parity.json."""

    fingerprint: str
    agreements: tuple[Agreement, ...]
    namings: tuple[Naming, ...] = field(default=())

    def lines(self) -> list[str]:
        """Return one line for each graph, and one for each precision's names."""
        return [entry.line() for entry in self.agreements] + [entry.line() for entry in self.namings]


def naming(precision: str, pair: tuple[Embeddings, Embeddings], reference: tuple[Embeddings, Embeddings]) -> Naming:
    """Compare the names that images get: a `pair` is the embeddings of images (N, E) and of classes (C, E)."""
    given, true = ((images @ texts.T).argmax(axis=1) for images, texts in (pair, reference))
    return Naming(precision, len(given), len(pair[1]), float((given == true).mean()))


def prompts() -> list[str]:
    """Return one prompt for each class of the task."""
    return [PROMPT.format(name) for name in CLASSES]


def agreement(tower: str, precision: str, embeddings: Embeddings, reference: Embeddings) -> Agreement:
    """Compare unit embeddings (N, E) with those of the reference."""
    centre = reference.mean(axis=0)
    plain, centred = _cosines(embeddings, reference), _cosines(embeddings - centre, reference - centre)
    return Agreement(
        tower=tower,
        precision=precision,
        count=len(embeddings),
        difference=float(np.abs(embeddings - reference).max()),
        mean=float(plain.mean()),
        worst=float(plain.min()),
        centred_mean=float(centred.mean()),
        centred_worst=float(centred.min()),
    )


def some_images(spec: ModelSpec, count: int, *, seed: int = 0) -> Pixels:
    """Return uint8 (N, S, S, 3): coloured noise from coarse to fine over a gradient, no photographs but varied.

    For a model that keeps the shape of an image they are one patch wider than high.
    """
    random = np.random.default_rng(seed)
    height = width = spec.preprocess.size
    if spec.preprocess.resize == "patches":
        patch = spec.preprocess.patch
        side = max(spec.image.size // patch, 2)
        height, width = (side - 1) * patch, side * patch
    images = np.empty((count, height, width, 3), dtype=np.uint8)
    down, across = np.linspace(-1, 1, height)[:, None, None], np.linspace(-1, 1, width)[None, :, None]
    for number in range(count):
        cells = 2 ** (1 + number % 6)
        noise = random.standard_normal((cells, cells, 3))
        noise = noise[np.arange(height) * cells // height][:, np.arange(width) * cells // width]  # (H, W, 3)
        slope = random.standard_normal((2, 3))
        images[number] = np.clip(128 + 45 * (noise + down * slope[0] + across * slope[1]), 0, 255)
    return images


def some_texts(spec: ModelSpec, count: int, *, seed: int = 0) -> Tokens:
    """Return int32 (N, context length): random tokens of the vocabulary, from one to as many as fit.

    With a start and an end token where the model's tokenizer puts them, and its padding.
    """
    random = np.random.default_rng(seed)
    text, tokenizer = spec.text, spec.tokenizer
    size, context = text.vocabulary_size, text.context_length
    pairs = tokenizer.kind == "clip-bpe"
    start = size - 2 if pairs and tokenizer.start_id is None else tokenizer.start_id
    end = tokenizer.end_id if end_token(spec) is None else end_token(spec)
    head, tail = ([] if token is None else [token] for token in (start, end))
    special = {*head, *tail, tokenizer.pad_id, text.pad_id, *(range(size - 2, size) if pairs else ())}
    tokens = np.full((count, context), tokenizer.pad_id, dtype=np.int32)
    for row in tokens:
        words = int(random.integers(1, context + 1 - len(head) - len(tail)))
        drawn = random.integers(0, size - 2 if pairs else size, words)
        drawn[np.isin(drawn, list(special))] = next(token for token in range(size) if token not in special)
        row[: len(head) + words + len(tail)] = [*head, *drawn, *tail]
        if tokenizer.last_id is not None:
            row[-1] = tokenizer.last_id
    return tokens


def _cosines(left: Embeddings, right: Embeddings) -> Embeddings:
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines: Embeddings = (left * right).sum(axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    return cosines
