"""Towers whose trunks do not learn (LiT; Zhai et al. 2022): steps read features that were computed once.

    locked = Locked(towers, config, pairs, Where(folder, device, tokenizer))
    batch = locked.filled(batch)                     # with features in place of pixels or tokens
    locked.embed(towers, "image", batch.image)       # unit embeddings (B, E)

The features lie in the cache, by the fingerprints of data and trunk.  The weights of the trunks leave the memory.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.base.arrays import Pixels, RowIds, Tokens
from wordsight.base.cache import cache_folder
from wordsight.base.failures import list_failures
from wordsight.base.files import plain_name, sha256_bytes
from wordsight.data.augment import draw_changes
from wordsight.data.augment_torch import apply
from wordsight.data.balanced import BalancedSet
from wordsight.data.loader import Batch
from wordsight.data.spec import AugmentSpec
from wordsight.text.open import Tokenizer
from wordsight.text.prompts import class_prompts
from wordsight.towers.two import TwoTowers
from wordsight.train.config import STILL, TowerName, TrainConfig, locked_parts
from wordsight.train.features import PART, Features, Vectors, keep
from wordsight.train.held_out import Without
from wordsight.train.learned import before_projection
from wordsight.train.pairs import Pairs, SourcePairs
from wordsight.train.parts import AT_ONCE
from wordsight.train.text_states import TokenRows, padded
from wordsight.train.trunk import Trunk, digest, of_tower, onto_disk, still
from wordsight.weights.trunk import Classifier

VIEWS = 11  # marks the random numbers that choose views


@dataclass(frozen=True, slots=True)
class Where:
    """What the features of a run depend on besides its recipe: where it computes, and its tokenizer."""

    folder: Path
    device: torch.device
    tokenizer: Tokenizer


class Locked:
    """The features of one run."""

    def __init__(self, towers: TwoTowers, config: TrainConfig, pairs: Pairs, where: Where) -> None:
        self.parts = locked_parts(config)
        self._config, self._device, self._tokenizer = config, where.device, where.tokenizer
        self._pairs = pairs
        self._trunks = {part: Trunk(towers, part, config.train, device=where.device) for part in self.parts}
        self.sets = [source.drawn for source in pairs.sources]
        self._images: list[Features] = []
        self._classes: list[Features] = []
        self._still: list[Features] = []  # what stands in for `_images` while the trunk stands still
        self._firsts = np.cumsum([0, *(len(one) for one in self.sets)])
        if "image" in self.parts:
            self._images = [_image_features(source, config, self._trunks["image"]) for source in pairs.sources]
            self.sets = [_readable(one, own) for one, own in zip(self.sets, self._images, strict=True)]
        self._text_index: dict[str, int] = {}
        if "text" in self.parts:
            self._text_index = {text: row for row, text in enumerate(texts_of(pairs))}
            cut = config.train.text not in STILL
            kept_texts = _text_states if cut else _text_features
            self._texts = kept_texts(list(self._text_index), self._trunks["text"], where.tokenizer)
        self._known: dict[tuple[TowerName, str], NDArray[np.float32]] = {}  # of validation, by what they are of
        for trunk in self._trunks.values():
            trunk.release()
        if where.device.type == "cpu":
            onto_disk(towers, self.parts, where.folder)

    def filled(self, batch: Batch) -> Batch:
        """Return a batch with its features."""
        if "image" in self.parts:
            batch = replace(batch, image=self._put(self._of_drawn_images(batch, self._still or self._images)))
            if self._classes:
                batch = replace(batch, classes=self._put(self._of_drawn_images(batch, self._classes)))
        if "text" in self.parts:
            rows = np.array([self._text_index[text] for text in batch.texts], dtype=np.int64)
            batch = replace(batch, text=self._put(self._texts.take(rows)))
        return batch

    def classify(self, towers: TwoTowers, classifier: Classifier) -> None:
        """Compute what a classifier of the trunk's features says of every image, (K,) probabilities, for all batches.

        Called before the first step: the towers are still as they began.
        """
        weight, bias = self.classifier(classifier)
        named = digest("classes", {**of_tower(towers, "image"), "weight": weight, "bias": bias})

        def answers(pooled: Tensor) -> Tensor:
            return (pooled @ weight.T + bias).softmax(dim=1)

        called = (f"classes-{named}", "its classes")
        self._classes = self._of_pooled(towers, answers, width=len(bias), called=called)

    def stand_still(self, towers: TwoTowers | None, folder: Path | None = None) -> None:
        """Give batches what the image tower's projection reads, of the towers as they are now; None: as before.

        Only for a tower whose last blocks learn.  The features lie in `folder`, or beside the others.
        """
        self._still = []
        if towers is not None:
            named = digest("pooled", before_projection(towers, "image"))
            called = (f"pooled-{named}", "pooled")
            width = towers.image_tower.width
            self._still = self._of_pooled(towers, torch.clone, width=width, called=called, folder=folder)

    def _of_pooled(
        self,
        towers: TwoTowers,
        function: Callable[[Tensor], Tensor],
        *,
        width: int,
        called: tuple[str, str],
        folder: Path | None = None,
    ) -> list[Features]:
        """Return what a function gives of every image's pooled features, (B, D) to (B, `width`), for each source.

        `called` are the name of theirs, in `folder` or beside the features, and that of the bar.
        """
        trunk = self._trunks["image"]
        every = []
        for source, features in zip(self._pairs.sources, self._images, strict=True):

            def compute(rows: RowIds, features: Features = features) -> Vectors:
                views = features.views
                parts = []
                for start in range(0, len(rows), AT_ONCE):
                    some = np.repeat(rows[start : start + AT_ONCE], views)  # each row's views one after another
                    given = self._put(features.take(some, np.arange(len(some)) % views))
                    with still(towers):
                        parts.append(function(trunk.pooled(towers, given)).cpu().numpy())
                return np.concatenate(parts).reshape(len(rows), views, -1)

            own = features.folder if folder is None else folder / features.folder.name
            name = f"{source.name}, {called[1]}"
            every.append(keep(own / called[0], len(features), compute, shape=(features.views, width), name=name))
        return every

    def classifier(self, classifier: Classifier) -> tuple[Tensor, Tensor]:
        """Return the weight (K, D) and bias (K,) of a classifier where the towers compute."""
        return torch.tensor(classifier.weight, device=self._device), torch.tensor(classifier.bias, device=self._device)

    def _of_drawn_images(self, batch: Batch, kept: Sequence[Features]) -> NDArray[np.float32]:
        """Return what is kept (B, D) of a batch's images, of each a view chosen by (seed, step)."""
        ids = batch.image_ids.cpu().numpy()
        uniforms = np.random.default_rng([self._config.seed, batch.step, VIEWS]).random(len(ids))
        numbers = np.searchsorted(self._firsts, ids, side="right") - 1
        features = np.empty((len(ids), kept[0].width), np.float32)
        for number in np.unique(numbers):
            here = np.flatnonzero(numbers == number)
            features[here] = kept[number].take(
                ids[here] - self._firsts[number], (uniforms[here] * kept[number].views).astype(np.int64)
            )
        return features

    def some_pixels(self, count: int) -> Tensor:
        """Return images of the training as they are, uint8 (count or fewer, S, S, 3), as many of each source."""
        each = -(-count // len(self.sets))
        rows = [(one, np.concatenate(one.blocks())) for one in self.sets]
        spread = [(one, own[:: max(1, len(own) // each)][:each]) for one, own in rows]
        return self._put(np.concatenate([one.pixels(some)[0] for one, some in spread]))

    def embed(self, towers: TwoTowers, part: TowerName, features: Tensor) -> Tensor:
        """Return unit embeddings (B, E) for features (B, …), by the towers as they are now."""
        return self._trunks[part].embed(towers, features)

    def pooled(self, towers: TwoTowers, features: Tensor) -> Tensor:
        """Return what the projection of the image tower reads, (B, D'), for those of a batch, (B, D)."""
        return features if self._still else self._trunks["image"].pooled(towers, features)

    def projected(self, towers: TwoTowers, pooled: Tensor) -> Tensor:
        """Return unit embeddings (B, E) for what the projection of the image tower reads, (B, D')."""
        return self._trunks["image"].projected(towers, pooled)

    def of_images(self, pixels: Pixels) -> Tensor:
        """Return the features (B, D) of other images, uint8 (B, S, S, 3); each is computed once and remembered."""
        names: list[tuple[TowerName, str]] = [("image", sha256_bytes(one.tobytes())) for one in pixels]
        missing = [number for number, name in enumerate(names) if name not in self._known]
        if missing:
            computed = self._trunks["image"].images(np.ascontiguousarray(pixels[missing]))
            self._known |= {names[number]: row for number, row in zip(missing, computed, strict=True)}
        return self._put(np.stack([self._known[name] for name in names]))

    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the features (B, …) of other texts; each is computed once and remembered."""
        missing = [text for text in dict.fromkeys(texts) if ("text", text) not in self._known]
        if missing:
            computed = self._trunks["text"].texts(missing, self._tokenizer)
            self._known |= {("text", text): row for text, row in zip(missing, computed, strict=True)}
        features = [self._known["text", text] for text in texts]
        return self._put(np.stack(features) if features[0].ndim == 1 else padded(features))

    def _put(self, features: NDArray[Any]) -> Tensor:
        return torch.from_numpy(features).to(self._device)


def _image_features(source: SourcePairs, config: TrainConfig, trunk: Trunk) -> Features:
    """Return the features of a source's images, by row: `train.views` views, of which the first is the image as it is.

    Images that cannot be read are listed, and have none.
    """
    views, augment = config.data.sources[source.name].views or config.train.views or 1, config.augment
    images = source.images
    drawn = f"{augment} {config.seed}" if views > 1 else ""
    identity = f"{source.source.fingerprint()} {len(images)} {trunk.fingerprint()} {views} {drawn}"
    failures: dict[str, None] = {}

    def compute(rows: RowIds) -> Vectors:
        pixels, failed = images.pixels(rows)
        failures.update(dict.fromkeys(str(error) for error in failed.values()))
        shown = [pixels, *(_changed(source, rows, pixels, augment, [config.seed, view]) for view in range(1, views))]
        features = np.stack([trunk.images(view) for view in shown], axis=1)  # (B, V, D)
        features[list(failed)] = np.nan
        return features

    folder = _folder(source.source.name, identity)
    features = keep(folder, len(images), compute, shape=(views, trunk.image_width()), name=source.name)
    list_failures(list(failures), folder / "failures.txt")
    return features


def _changed(source: SourcePairs, rows: RowIds, pixels: Pixels, augment: AugmentSpec, seed: Sequence[int]) -> Pixels:
    """Return another view of images (B, S, S, 3): mirrored only where none of an image's texts forbids it.

    The rows lie in one part of the features, whose views are drawn together: a row's are the same whenever it is read.
    """
    first = int(rows[0]) // PART * PART
    annotations = [source.images.annotation(row) for row in range(first, min(first + PART, len(source.images)))]
    texts = ["\n".join([*one.captions, one.label or ""]) for one in annotations]
    changes = draw_changes(augment, texts, np.random.default_rng([*seed, first])).of(rows - first)
    changed: Pixels = apply(torch.from_numpy(pixels), changes, pixels.shape[1]).numpy()
    return changed


def texts_of(pairs: Pairs) -> list[str]:
    """Return every text that can be drawn, each once: captions, and the prompts of class names."""
    texts: dict[str, None] = {}
    for source in pairs.sources:
        for captions, label in _annotations(source):
            texts.update(dict.fromkeys(captions))
            if label is not None and (source.templates or not captions):
                texts.update(dict.fromkeys(class_prompts(label, source.templates or ["{}"])))
    return list(texts)


def _annotations(source: SourcePairs) -> Iterable[tuple[Sequence[str], str | None]]:
    """Yield captions and class name of each image; those of decoded images without reading the source again."""
    images = source.images
    if hasattr(images, "texts"):
        return zip(images.texts, images.labels, strict=True)
    return ((sample.texts, sample.label) for sample in source.source.samples())


def _text_features(texts: Sequence[str], trunk: Trunk, tokenizer: Tokenizer) -> Features:
    def compute(rows: RowIds) -> Vectors:
        return np.stack(trunk.texts([texts[row] for row in rows], tokenizer))[:, None]

    shape = (1, trunk.text_width(tokenizer))
    folder = _text_folder(trunk, (sha256_bytes(tokens.tobytes()) for tokens in _tokens(texts, tokenizer)))
    return keep(folder, len(texts), compute, shape=shape, name="texts", unit="text")


def _text_states(texts: Sequence[str], trunk: Trunk, tokenizer: Tokenizer) -> TokenRows:
    """Return the states of texts, computed and kept by so many tokens at once."""
    names, lengths = [], []
    for tokens in _tokens(texts, tokenizer):
        names.append(sha256_bytes(tokens.tobytes()))
        lengths.append(trunk.lengths(tokens))
    ends = np.cumsum(np.concatenate(lengths))

    def compute(rows: RowIds) -> Vectors:
        first, last = np.searchsorted(ends, rows[[0, -1]], side="right")
        states = np.concatenate(trunk.texts(texts[first : last + 1], tokenizer))
        return states[rows - (ends[first - 1] if first else 0)][:, None]

    shape = (1, trunk.text_width(tokenizer))
    folder = _text_folder(trunk, names)
    return TokenRows(keep(folder, int(ends[-1]), compute, shape=shape, name="texts, by token", unit="token"), ends)


def _text_folder(trunk: Trunk, names: Iterable[str]) -> Path:
    """Return the folder of the features of texts, of which `names` are the hashes of their tokens, part by part."""
    return _folder("texts", f"{trunk.fingerprint()} {' '.join(names)}")


def _tokens(texts: Sequence[str], tokenizer: Tokenizer) -> Iterator[Tokens]:
    """Yield the tokens of texts, (B, L) for each part of them."""
    return (tokenizer.batch(texts[start : start + PART]) for start in range(0, len(texts), PART))


def _folder(name: str, identity: str) -> Path:
    return (
        cache_folder() / "features" / f"{plain_name(name, otherwise='source')}-{sha256_bytes(identity.encode())[:16]}"
    )


def _readable(drawn: Any, features: Features) -> Any:
    """Return an image set without the rows that have no features."""
    missing = features.missing()
    if not len(missing):
        return drawn
    if isinstance(drawn, BalancedSet):
        return BalancedSet(Without(drawn.images, missing), drawn.by_row)
    return Without(drawn, missing)
