"""The ways from class names to a label map, by name: by embeddings of patches, by windows, by proposed masks.

    segmenter = segmenter_of(model, "auto")
    segmenter.segment(image, classes)           # Segmentation of uint8 (H, W, 3), for `ClassTexts`
    segmenter.by_masks(image, classes, masks)   # of given proposals

The dense ways look inside the towers and need PyTorch; windows and proposals need an engine alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from wordsight.base.arrays import Pixels
from wordsight.base.errors import MissingExtra, UsageError
from wordsight.base.optional import resolve
from wordsight.base.progress import notice
from wordsight.base.suggest import suggest
from wordsight.explain.mask_scores import score_masks
from wordsight.explain.part_labels import grouped, mask_labels, of_masks, window_labels
from wordsight.explain.proposals import Mask, Proposals, propose
from wordsight.explain.region_table import ANY, AUTO, DEFAULTS, OF_MEANS, REGION_METHODS, WITHOUT
from wordsight.explain.segmentation import ClassTexts, Segmentation, class_cosines, label_map
from wordsight.explain.windows import cut, plan_windows
from wordsight.weights.manifest import WEIGHTS

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.towers.two import TwoTowers

SIDE = 768  # pixels of the longer side: of images twice as large and larger, proposals are cut from a smaller copy
AT_ONCE = 16  # windows that go through a tower together
_OPENED: WeakKeyDictionary["Model", "TwoTowers"] = WeakKeyDictionary()  # the modules of each model that is in use


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A method of `REGION_METHODS` with the model that it computes with; `towers` where it looks inside."""

    method: str
    model: "Model"
    towers: "TwoTowers | None" = None

    def segment(self, image: Pixels, classes: ClassTexts, *, threshold: float = 0.0) -> Segmentation:
        """Return the class of each pixel of an image, uint8 (H, W, 3); -1 where it shows none."""
        if self.towers is None:
            if self.method == "proposals":
                return self.by_masks(image, classes, propose(image), threshold=threshold)
            return window_labels(self.model.engine, image, classes, threshold=threshold)
        features = resolve("wordsight.explain.inside.dense:dense_features", extra="train")
        plan = plan_windows(*image.shape[:2], crop=self.model.spec.preprocess.size)
        cosines = class_cosines(features(self.towers, cut(image, plan, at_once=AT_ONCE), self.method), classes)
        return label_map(plan, cosines, background=classes.background, threshold=threshold)

    def by_masks(
        self, image: Pixels, classes: ClassTexts, masks: Sequence[Mask], *, threshold: float = 0.0
    ) -> Segmentation:
        """Return the class of each pixel by masks that are scored one by one; -1 in no mask."""
        proposals = masks if isinstance(masks, Proposals) else of_masks(masks)
        seen, shown = _smaller(image, proposals)
        cosines = grouped(score_masks(self.model.engine, seen, shown, classes.embeddings), classes)
        return mask_labels(proposals, cosines, background=classes.background, threshold=threshold)


def segmenter_of(model: "Model", method: str = AUTO, *, given: bool = False) -> Segmenter:
    """Return the method that is meant, ready to compute: "auto" is the best of the model's family that fits.

    With `given` proposals it is "proposals".  An unknown method, one that does not fit the towers or the proposals, and
    a model that keeps the shape of images raise `UsageError`; a missing package `MissingExtra`, with what works
    without.
    """
    if method not in (AUTO, *REGION_METHODS):
        raise UsageError(f"no method {method!r}", cure=suggest(method, [AUTO, *REGION_METHODS]))
    if model.spec.preprocess.resize == "patches":
        problem = f"regions need images of one size, and {model.name} keeps the shape of each"
        raise UsageError(problem, cure="use a model with images of one size")
    if given and method not in (AUTO, "proposals"):
        raise UsageError(f"proposals with the method {method}", cure="leave out one of both")
    if given or method in ANY:
        return Segmenter("proposals" if given else method, model)
    kind = model.spec.image.kind
    if method == AUTO:
        try:
            return Segmenter(_usual(model), model, _towers(model)) if kind in DEFAULTS else Segmenter(WITHOUT, model)
        except (MissingExtra, UsageError):
            return Segmenter(WITHOUT, model)
    if kind not in DEFAULTS:
        problem = f"{method} does not fit {model.name}, whose image tower is of kind {kind!r}"
        raise UsageError(problem, cure=f"use {' or '.join(ANY)}")
    return Segmenter(method, model, _towers(model))


def _usual(model: "Model") -> str:
    """Return the way of a family, which for transformers depends on how they pool."""
    spec = model.spec.image
    return OF_MEANS if getattr(spec, "pool", "").startswith("mean") else DEFAULTS[spec.kind]


def _smaller(image: Pixels, proposals: Proposals) -> tuple[Pixels, Proposals]:
    """Return an image, and its proposals, at a part of the size where it has far more pixels than a tower sees.

    Only of proposals that were made on a smaller image: those that were given keep all of their pixels.
    """
    factor = max(image.shape) // SIDE
    if factor < 2 or proposals.parts.shape == image.shape[:2]:
        return image, proposals
    from PIL import Image

    reduced = np.asarray(Image.fromarray(image).reduce(factor))
    return reduced, replace(proposals, height=reduced.shape[0], width=reduced.shape[1])


def _towers(model: "Model") -> "TwoTowers":
    """Return the model as PyTorch modules; one that has none says what works without."""
    if model.folder is None:
        raise UsageError(f"{model.name} has no weights to look into", cure=f"use {' or '.join(ANY)}, which need none")
    if model in _OPENED:
        return _OPENED[model]
    if not (model.folder / WEIGHTS).is_file():
        notice(f"taking the image tower of {model.name} out of its graph: some seconds, once", once=True)
    try:
        towers: TwoTowers = resolve("wordsight.weights.folder:load_image_towers", extra="train")(model.folder)
    except MissingExtra as error:
        cure = f"{error.cure}, or use {' or '.join(ANY)}, which work without"
        raise MissingExtra(error.problem, cure=cure) from None
    _OPENED[model] = towers
    return towers
