"""Batches for the trainer: pixels on the device, tokens, and what tells pairs from negatives.

    loader = Loader([cache, labelled], spec=LoaderSpec(batch=256, size=96), tokenizer=tokenizer, weights=[2, 1])
    batch = loader.batch(1000)              # the same batch whenever and wherever it is asked for
    for batch in loader.stream(1000): ...   # prepared ahead by a background thread

A batch is a pure function of the spec and the step: order, text and augmentation come from generators seeded with
both.  A training run that knows its step knows its position in the data.
"""

import hashlib
import itertools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.base.arrays import Pixels
from wordsight.base.errors import FormatError, InputError, UsageError
from wordsight.base.threads import ordered_map
from wordsight.data.augment import Changes, draw_changes
from wordsight.data.augment_torch import apply
from wordsight.data.balanced import BalancedSet
from wordsight.data.image_set import Caption, ImageSet
from wordsight.data.mix import Mixture
from wordsight.data.order import Order
from wordsight.data.spec import LoaderSpec
from wordsight.text.open import Tokenizer

_REPLACEMENTS = 32  # rows next to one that failed that are tried in its place
_TOKENS_KEPT = 1_000_000  # texts whose tokens are remembered; of 32 tokens each about 300 MB


@dataclass(frozen=True, slots=True)
class Batch:
    """B pairs.  `pixels` uint8 (B, S, S, 3) and `tokens` int32 (B, L) lie on the loader's device, the ids too.

    `image_ids` and `text_ids` int64 (B,): equal numbers are the same image, or texts that mean the same.  Where
    features (B, D) take their place, `image` and `text` are those, and pixels or tokens are empty.  `classes`
    (B, K) are what a classifier says of the images, if one was asked.
    """

    step: int
    pixels: Tensor
    tokens: Tensor
    image_ids: Tensor
    text_ids: Tensor
    texts: tuple[str, ...]
    image: Tensor | None = None
    text: Tensor | None = None
    classes: Tensor | None = None


class Loader:
    """Draws batches from image sets mixed by weight (by size when no weights are given).

    With a spec of size 0 no pixels are read, without a tokenizer no tokens made: `filled` puts features in their place.
    """

    def __init__(
        self,
        image_sets: Sequence[ImageSet],
        *,
        spec: LoaderSpec,
        tokenizer: Tokenizer | None,
        weights: Sequence[float] | None = None,
        device: str | torch.device = "cpu",
        filled: Callable[["Batch"], "Batch"] | None = None,
    ) -> None:
        if not image_sets or (weights is not None and len(weights) != len(image_sets)):
            given = "no" if weights is None else len(weights)
            raise UsageError(f"{len(image_sets)} image sets, {given} weights", cure="give a weight for each set")
        self._image_sets = list(image_sets)
        self._spec = spec
        self._tokenizer = tokenizer
        self._device = torch.device(device)
        self._filled = filled
        self._orders = [_order(one, [spec.seed, number]) for number, one in enumerate(image_sets)]
        for one, order in zip(image_sets, self._orders, strict=True):
            if not order.count:
                raise FormatError(f"{one.name} has no image with a text", cure="give captions or class names")
        counts = [order.count for order in self._orders]
        self._mixture = Mixture([float(count) for count in counts] if weights is None else weights)
        self._first_ids = np.cumsum([0, *(len(one) for one in image_sets)])
        self._known_tokens: dict[str, NDArray[np.int32]] = {}
        self.count = sum(counts)
        self.failures: dict[str, None] = {}  # in order of appearance, each once

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, the same at every call."""
        spec = self._spec
        positions = np.arange(step * spec.batch, (step + 1) * spec.batch, dtype=np.int64)
        runs, inside = np.divmod(positions, spec.run)
        sets, numbers = self._mixture.at(runs)
        numbers = numbers * spec.run + inside
        generator = np.random.default_rng([spec.seed, step])
        uniforms = generator.random(spec.batch)
        rows = np.empty(spec.batch, dtype=np.int64)
        captions = [Caption("", "")] * spec.batch
        sources: dict[int, tuple[NDArray[np.int64], Pixels]] = {}
        for number in np.unique(sets):
            here = np.flatnonzero(sets == number)
            drawn = self._draw(int(number), numbers[here], uniforms[here])
            rows[here] = self._first_ids[number] + drawn.rows
            for position, caption in zip(here, drawn.captions, strict=True):
                captions[position] = caption
            sources[int(number)] = (here, drawn.pixels)
        texts = tuple(caption.text for caption in captions)
        changes = draw_changes(spec.augment, texts, generator)
        batch = Batch(
            step=step,
            pixels=self._changed(sources, changes),
            tokens=self._put(self._tokens(texts)),
            image_ids=self._put(rows),
            text_ids=self._put(np.array([_stable_id(caption.same_as) for caption in captions], dtype=np.int64)),
            texts=texts,
        )
        return self._filled(batch) if self._filled else batch

    def _draw(self, number: int, items: NDArray[np.int64], uniforms: NDArray[np.float64]) -> "_Drawn":
        """Read items of one set; one that fails is replaced by the next item that does not, and listed."""
        image_sets = self._image_sets[number]
        rows = self._orders[number].rows(items)
        pixels, failed = self._read(image_sets, rows)
        captions = [Caption("", "")] * len(rows)
        for position, row in enumerate(rows):
            try:
                captions[position] = image_sets.draw(int(row), uniforms[position])
            except InputError as error:
                failed[position] = error
        if failed:
            pixels = pixels.copy()
        for position, failure in failed.items():
            self.failures[str(failure)] = None
            replaced = self._replace(number, int(items[position]), uniforms[position])
            rows[position], pixels[position], captions[position] = replaced
        return _Drawn(rows, pixels, captions)

    def _read(self, image_set: ImageSet, rows: NDArray[np.int64]) -> tuple[Pixels, dict[int, InputError]]:
        if not self._spec.size:
            return np.empty((len(rows), 0, 0, 3), np.uint8), {}
        return image_set.pixels(rows)

    def _replace(self, number: int, item: int, uniform: float) -> tuple[int, Pixels, Caption]:
        image_sets = self._image_sets[number]
        shifts = _shifts(self._orders[number].count)
        for shift in shifts:
            rows = self._orders[number].rows(np.array([item + shift], dtype=np.int64))
            pixels, failed = self._read(image_sets, rows)
            if failed:
                self.failures[str(failed[0])] = None
                continue
            try:
                return int(rows[0]), pixels[0], image_sets.draw(int(rows[0]), uniform)
            except InputError as error:
                self.failures[str(error)] = None
        last = next(reversed(self.failures))
        raise FormatError(
            f"{image_sets.name}: {len(shifts)} inputs were tried in place of one that failed, and failed: {last}",
            cure="check the source with 'wordsight data check'",
        )

    def _changed(self, sources: dict[int, tuple[NDArray[np.int64], Pixels]], changes: Changes) -> Tensor:
        """Return the augmented images uint8 (B, T, T, 3) in the order of the batch; sets may differ in size."""
        if not self._spec.size:
            return torch.empty((self._spec.batch, 0, 0, 3), dtype=torch.uint8)
        parts = [apply(self._put(pixels), changes.of(here), self._spec.size) for here, pixels in sources.values()]
        if len(parts) == 1:
            return parts[0]
        order = np.argsort(np.concatenate([here for here, _ in sources.values()]))
        return torch.cat(parts)[self._put(order)]

    def _put(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device, non_blocking=True)

    def _tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        known = self._known_tokens
        if self._tokenizer is None:
            return np.empty((len(texts), 0), np.int32)
        if len(known) > _TOKENS_KEPT:
            known.clear()
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            known.update(zip(missing, self._tokenizer.batch(missing), strict=True))
        return np.stack([known[text] for text in texts])

    def stream(self, first_step: int = 0, *, ahead: int = 2) -> Generator[Batch, None, None]:
        """Yield the batches from `first_step` on, without end; a background thread keeps `ahead` of them ready.

        Closing the generator stops the thread.  An error met in the thread is raised here.
        """
        return ordered_map(self.batch, itertools.count(first_step), threads=1, ahead=ahead + 1)


def _order(images: ImageSet, seed: list[int]) -> Order:
    return Order(images.blocks(), seed=seed, probabilities=images.by_row if isinstance(images, BalancedSet) else None)


def _shifts(count: int) -> list[int]:
    """Return how far behind an item its replacements lie: next to it, then farther, out of a shard that is lost."""
    farther = itertools.takewhile(lambda shift: shift < count, (_REPLACEMENTS << power for power in itertools.count(1)))
    return [*range(1, _REPLACEMENTS + 1), *farther]


class _Drawn(NamedTuple):
    rows: NDArray[np.int64]
    pixels: Pixels
    captions: list[Caption]


@lru_cache(maxsize=1 << 18)
def _stable_id(text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little", signed=True
    )
