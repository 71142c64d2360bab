"""Which class each pixel of a picture shows, from embeddings of its patches and texts of the classes.

    classes = class_texts(model.embed_classes, {"cat": ["cat", "kitten"], "grass": ["grass"]}, background=["sky"])
    plan = plan_windows(*image.shape[:2], crop=224)
    cosines = class_cosines(features, classes)              # (n, C, G, G) of features (n, E, G, G) of the windows
    found = label_map(plan, cosines, scale=40, background=classes.background)
    found.labels                                            # int32 (H, W): a class's number, -1 where there is none

Arithmetic in NumPy on features that are handed in: it knows neither towers nor PyTorch.  Each class is as near as the
nearest of its texts.  Cosines are put together over windows and brought to the picture's size a tile at a time, so that
all classes are never held for all pixels.

Shapes: H, W sides of the picture, n windows, C classes, P texts, E width of the shared space, G side of a grid.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import UsageError
from wordsight.explain.windows import TILE_BYTES, Maps, WindowPlan, averaged

NOTHING = -1  # the label of pixels that show no class
SCALE = 40.0  # what cosines are multiplied by; Wang et al. 2024, "SCLIP"
LabelMap = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class ClassTexts:
    """Texts of classes: `embeddings` (P, E) grouped by class, `starts` (C,) the first of each, and the `names`.

    `background` are numbers of classes that stand for nothing that was asked for.
    """

    names: tuple[str, ...]
    embeddings: Embeddings
    starts: NDArray[np.int64]
    background: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The class of each pixel, `labels` int32 (H, W), -1 for none, and its `probability` float32 (H, W)."""

    labels: LabelMap
    probability: Maps


def class_texts(
    embed: Callable[[Sequence[str]], Embeddings],
    classes: Mapping[str, Sequence[str]] | Sequence[str],
    *,
    background: Sequence[str] = (),
) -> ClassTexts:
    """Return the texts of classes, embedded: of each class its name, or in a mapping its synonyms.

    `embed` gives an embedding for each text (`model.embed_classes` the mean of its templates). `background` are texts
    of what else may be seen; each is a class of its own behind the others, and its pixels count as none.  No class, a
    class without texts, or one text without the list around it raise `UsageError`.
    """
    if isinstance(classes, str):
        raise UsageError(f"the classes {classes!r} are one text", cure="give a list of names, or a mapping to synonyms")
    synonyms = dict(classes) if isinstance(classes, Mapping) else {name: [name] for name in classes}
    if not synonyms:
        raise UsageError("no classes", cure="give the names of what may be seen")
    for name, texts in synonyms.items():
        if isinstance(texts, str) or not texts:
            raise UsageError(f"the texts of {name!r} are {texts!r}", cure="give a list of at least one text")
    groups = [*(list(texts) for texts in synonyms.values()), *([text] for text in background)]
    counts = [len(group) for group in groups]
    return ClassTexts(
        (*synonyms, *background),
        embed([text for group in groups for text in group]),
        np.cumsum([0, *counts[:-1]]),
        frozenset(range(len(synonyms), len(groups))),
    )


def class_cosines(features: Maps, classes: ClassTexts) -> Maps:
    """Return the cosine of each patch with the nearest text of each class, (n, C, G, G), for features (n, E, G, G)."""
    count, width, rows, columns = features.shape
    if classes.embeddings.shape[1] != width:
        problem = f"features of {width} numbers, texts of {classes.embeddings.shape[1]}"
        raise UsageError(problem, cure="take both from one model")
    cosines = np.empty((count, len(classes.starts), rows, columns), np.float32)
    for window, out in zip(features, cosines, strict=True):  # one at a time: there may be many texts of a class
        each = classes.embeddings @ window.reshape(width, -1)  # (P, G*G)
        out[:] = np.maximum.reduceat(each, classes.starts, axis=0).reshape(-1, rows, columns)
    return cosines


def label_map(
    plan: WindowPlan,
    cosines: Maps,
    *,
    scale: float = SCALE,
    background: Collection[int] = (),
    threshold: float = 0.0,
    tile_bytes: int = TILE_BYTES,
) -> Segmentation:
    """Return the most probable class of each pixel of the picture, for cosines (n, C, G, G) of its windows.

    The probability is the softmax of `scale` times the cosines over classes.  Pixels whose class is of the
    `background`, or less probable than `threshold`, show none.  About `tile_bytes` of maps are held at a time.  A scale
    that is not above 0, or a threshold that is no share, raises `UsageError`.
    """
    check_scale(scale, threshold)
    labels = np.empty((plan.height, plan.width), np.int32)
    probability = np.empty((plan.height, plan.width), np.float32)
    for tile, mean in averaged(plan, cosines, tile_bytes=tile_bytes):
        labels[tile] = mean.argmax(axis=0)
        mean -= mean.max(axis=0)
        mean *= scale
        probability[tile] = 1 / np.exp(mean, out=mean).sum(axis=0)
    if background:
        labels[np.isin(labels, sorted(background))] = NOTHING
    labels[probability < threshold] = NOTHING
    return Segmentation(labels, probability)


def check_scale(scale: float, threshold: float) -> None:
    """Raise `UsageError` for a scale that is not above 0, and a threshold that is no share."""
    if not 0 < scale < float("inf") or not 0 <= threshold <= 1:
        problem = f"a scale of {scale} and a threshold of {threshold}"
        raise UsageError(problem, cure="give a scale above 0, and a threshold from 0 to 1")
