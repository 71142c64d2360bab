"""Which class each pixel of a picture shows, from masks or windows that a model saw one by one: any engine will do.

    proposals = of_masks(masks)                         # masks that were given, as those of `propose`
    cosines = score_masks(engine, image, proposals, texts)                    # (M, P)
    mask_labels(proposals, grouped(cosines, classes), background=classes.background).labels    # int32 (H, W)
    window_labels(engine, image, classes).labels

A pixel has the mean of all masks, or windows, that it lies in: of masks the probabilities, of windows the cosines, each
the better of both on 50 photos (align-lite).  Free of PyTorch.

Shapes: H, W sides of the picture, M masks, C classes, P texts of them, L parts, E width of the shared space.
"""

from collections.abc import Collection, Sequence

import numpy as np

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.engines.engine import Engine
from wordsight.explain.proposals import Mask, Proposals
from wordsight.explain.segmentation import NOTHING, SCALE, ClassTexts, Segmentation, check_scale, label_map
from wordsight.explain.windows import Maps, cut, plan_windows

SHORT = 2.0  # times the side of a window: the shorter side of the picture that windows slide over
STRIDE = 3  # strides in a window
WINDOWS = 64  # at most


def of_masks(masks: Sequence[Mask]) -> Proposals:
    """Return masks (M) bool (H, W) as `Proposals`: parts are the pixels that lie in the same of them.

    Masks of several sizes, and none at all, raise `UsageError`.
    """
    if not len(masks):
        raise UsageError("no proposals", cure="give at least one mask")
    height, width = masks[0].shape
    marks = np.random.default_rng(0).integers(1 << 63, size=len(masks), dtype=np.int64)
    mixed = np.zeros((height, width), np.int64)  # two sets of masks share a mark once in 2^63
    for number, mask in enumerate(masks):
        if mask.shape != (height, width):
            problem = f"mask {number} of {mask.shape} after masks of {(height, width)}"
            raise UsageError(problem, cure="give masks of one picture")
        mixed[mask] ^= marks[number]
    _, firsts, parts = np.unique(mixed.ravel(), return_index=True, return_inverse=True)
    rows, columns = np.divmod(firsts, width)
    members = np.stack([mask[rows, columns] for mask in masks])
    return Proposals(height, width, parts.reshape(height, width).astype(np.int32), members)


def grouped(cosines: Maps, classes: ClassTexts) -> Maps:
    """Return cosines with texts (M, P) as those with the nearest text of each class, (M, C)."""
    best: Maps = np.maximum.reduceat(cosines, classes.starts, axis=1)
    return best


def mask_labels(
    proposals: Proposals,
    cosines: Maps,
    *,
    scale: float = SCALE,
    background: Collection[int] = (),
    threshold: float = 0.0,
) -> Segmentation:
    """Return the most probable class of each pixel, for cosines (M, C) of masks with classes; -1 in no mask.

    A pixel has the mean of the probabilities of all masks that it lies in.  Those of a mask, and what shows no class,
    are as in `segmentation.label_map`.
    """
    check_scale(scale, threshold)
    shares = np.exp(scale * (cosines - cosines.max(axis=1, keepdims=True)))
    shares /= shares.sum(axis=1, keepdims=True)
    covering = proposals.members.astype(np.float32)  # (M, L)
    counts = covering.sum(axis=0)
    means = (shares.T @ covering) / np.maximum(counts, 1)  # (C, L)
    labels = means.argmax(axis=0).astype(np.int32)
    probability = means.max(axis=0).astype(np.float32)
    labels[np.isin(labels, sorted(background)) | (probability < threshold) | (counts == 0)] = NOTHING
    return Segmentation(proposals.over_image(labels), proposals.over_image(probability))


def window_labels(
    engine: Engine,
    image: Pixels,
    classes: ClassTexts,
    *,
    scale: float = SCALE,
    threshold: float = 0.0,
) -> Segmentation:
    """Return the most probable class of each pixel of uint8 (H, W, 3), by windows that the engine embeds whole."""
    side = engine.spec.preprocess.size
    plan = plan_windows(
        *image.shape[:2], crop=side, short=round(SHORT * side), stride=max(1, side // STRIDE), most=WINDOWS
    )
    parts = [engine.embed_images(batch) for batch in cut(image, plan, at_once=engine.batch)]
    cosines = grouped(np.concatenate(parts) @ classes.embeddings.T, classes)  # (n, C)
    return label_map(plan, cosines[:, :, None, None], scale=scale, background=classes.background, threshold=threshold)
