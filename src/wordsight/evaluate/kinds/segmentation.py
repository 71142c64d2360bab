"""Segmentation: the class of each pixel by the class names alone, beside one class for the whole picture.

Results: NAME/segmentation/mean-iou and pixel-accuracy, NAME/segmentation/whole/mean-iou and …/pixel-accuracy of the
picture's best class at every pixel, and NAME/segmentation/gain, how much mean IoU the method adds to that.  Pixels are
counted over all images before a class has its intersection over union; the mean is over the classes that occur in the
masks (mmsegmentation's, where every class occurs).  Intervals draw images.  Chance is what drawing among the offered
classes at each pixel gets.  Label images lie as KEY.seg.png beside KEY.jpg (`masks`).
Detail: the IoU of each class.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError
from wordsight.base.nouns import Result
from wordsight.base.progress import bar
from wordsight.base.suggest import suggest
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, image_embeddings, prompt_embeddings
from wordsight.evaluate.masked import NOTHING, LabelImage, MaskedSet, masked_of, read_masked, same_sides, whole_model
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.metrics import Floats
from wordsight.evaluate.resampling import ResampleCounts, Statistic, resamples, statistic_interval, value_of
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec
from wordsight.explain.region_methods import Segmenter, segmenter_of
from wordsight.explain.region_table import AUTO, REGION_METHODS
from wordsight.explain.segmentation import ClassTexts, LabelMap
from wordsight.images.decode import decode


@dataclass(frozen=True, slots=True)
class SegmentationOptions:
    """`masks`: the ending of label images beside the images, or their folder; `first`: the number of the first class.

    `method`: auto, proposals, windows, maskclip, sclip, clearclip, naclip or plain.  With `own_classes` only the
    classes that an image shows are offered for it.  `background`: texts of what else may be seen, whose pixels are of
    no class and so wrong.  `images`: how many, evenly spread.
    """

    masks: str = "seg.png"
    first: int = 1
    method: str = AUTO
    own_classes: bool = False
    background: tuple[str, ...] = ()
    images: int = 100


OPTIONS = SegmentationOptions
read_set = read_masked


@dataclass(frozen=True, slots=True)
class SegmentationTask:
    """Images (N) with label images, their classes (C) with `prompts`, and the prompts of the background."""

    spec: TaskSpec
    masked: MaskedSet
    prompts: tuple[tuple[str, ...], ...]
    beside: tuple[tuple[str, ...], ...]

    @property
    def images(self) -> SampleSet:
        """The images (N)."""
        return self.masked.images


@dataclass(frozen=True, slots=True)
class PixelCounts:
    """Of images (N) and classes (C): pixels that are right, that are of a class, that were predicted as it, (N, C)."""

    right: Floats
    true: Floats
    predicted: Floats

    @property
    def mean_iou(self) -> Statistic:
        """The mean over the classes that occur."""
        return self._mean_iou

    def _mean_iou(self, counts: ResampleCounts) -> Floats:
        ious = self.ious(counts)
        occurring = (counts @ self.true) > 0
        means: Floats = np.where(occurring, ious, 0).sum(axis=1) / np.maximum(occurring.sum(axis=1), 1)
        return means

    def ious(self, counts: ResampleCounts) -> Floats:
        """Return the IoU of each class for each resample, (B, C), 0 for one without a pixel."""
        right, true, predicted = (counts @ part for part in (self.right, self.true, self.predicted))
        ious: Floats = right / np.maximum(true + predicted - right, 1e-12)
        return ious

    def accuracy(self, counts: ResampleCounts) -> Floats:
        """Return the share of pixels that are right for each resample, (B,)."""
        shares: Floats = (counts @ self.right.sum(axis=1)) / np.maximum(counts @ self.true.sum(axis=1), 1e-12)
        return shares


def build(spec: TaskSpec, sets: TaskSets) -> SegmentationTask:
    """Return the task; options that cannot be are `ConfigError`s."""
    if spec.options.method not in (AUTO, *REGION_METHODS):
        raise ConfigError(
            f"method = {spec.options.method!r}", cure=suggest(spec.options.method, (AUTO, *REGION_METHODS))
        )
    masked = masked_of(spec, sets.test)
    return SegmentationTask(spec, masked, prompts_for(spec, masked.names), prompts_for(spec, spec.options.background))


def run(encoder: Encoder, task: SegmentationTask) -> Measured:
    """Return how well the pixels of the images are told apart, and what one class for each picture gets."""
    spec, masked = task.spec, task.masked
    segmenter = segmenter_of(whole_model(encoder, "segmentation"), spec.options.method)
    classes = prompt_embeddings(encoder, (*task.prompts, *task.beside))
    whole = image_embeddings(encoder, masked.images.images, name=spec.name)
    rows: list[tuple[Floats, Floats, Floats]] = []
    with bar(len(masked.images), unit="img", desc=f"{spec.name}, {segmenter.method}") as progress:
        progress.leave = False
        for row in range(len(masked.images)):
            rows.append(_counted(segmenter, task, row, classes, whole[row]))
            progress.update(1)
    method, best, drawn = (PixelCounts(*np.stack(parts).transpose(1, 0, 2)) for parts in zip(*rows, strict=True))
    facts = {**prompt_facts(spec, masked.names, (*task.prompts, *task.beside)), "method": segmenter.method}
    return _measured(f"{spec.name}/segmentation", masked.names, facts, (method, best, drawn))


def _counted(
    segmenter: Segmenter, task: SegmentationTask, row: int, classes: Embeddings, whole: Embeddings
) -> tuple[Floats, Floats, Floats]:
    """Return right, true and predicted pixels (3, C) by the method, by the picture's best class and by chance."""
    masked, count = task.masked, len(task.masked.names)
    image, key = masked.images.images[row], masked.images.samples[row].key
    pixels, labels = decode(image, name=key), masked.labels(row)
    same_sides(labels, pixels.shape[:2], key)
    own = np.unique(labels[labels != NOTHING])
    offered = own if task.spec.options.own_classes else np.arange(count)
    none = np.zeros((3, count))
    if not len(offered):
        return none, none, none
    rows = np.concatenate([offered, np.arange(count, len(classes))])
    beside = frozenset(range(len(offered), len(rows)))
    names = tuple(map(str, rows))  # of texts that are embedded already
    texts = ClassTexts(names, classes[rows], np.arange(len(rows)), beside)
    predicted = segmenter.segment(pixels, texts).labels
    predicted = np.where(predicted >= 0, offered[predicted], NOTHING)
    best = np.full(labels.shape, offered[int((classes[offered] @ whole).argmax())])
    true = np.bincount(labels[labels != NOTHING], minlength=count).astype(np.float64)
    expected = np.zeros(count)
    expected[offered] = true.sum() / len(offered)
    chance = np.stack([true / len(offered), true, expected])
    return _pixels(predicted, labels, count), _pixels(best, labels, count), chance


def _pixels(predicted: LabelMap | NDArray[np.integer], labels: LabelImage, count: int) -> Floats:
    """Return right, true and predicted pixels of each class, (3, C), of pixels that have one."""
    labelled = labels != NOTHING
    true, given = labels[labelled], predicted[labelled]
    parts = (true[true == given], true, given[given != NOTHING])
    return np.stack([np.bincount(part, minlength=count).astype(np.float64) for part in parts])


def _measured(
    name: str, names: tuple[str, ...], facts: dict[str, Value], counts: tuple[PixelCounts, PixelCounts, PixelCounts]
) -> Measured:
    method, best, drawn = counts
    number = len(method.true)
    results = []
    for head, one in ((name, method), (f"{name}/whole", best)):
        for metric, statistic, chance in (
            ("mean-iou", one.mean_iou, value_of(drawn.mean_iou, number)),
            ("pixel-accuracy", one.accuracy, value_of(drawn.accuracy, number)),
        ):
            setting: dict[str, Value] = {**facts, "chance": chance}
            results.append(_result(f"{head}/{metric}", statistic, number, setting))
    difference: dict[str, Value] = {**facts, "unit": "difference"}
    difference.pop("chance", None)
    results.append(
        _result(f"{name}/gain", lambda some: method.mean_iou(some) - best.mean_iou(some), number, difference)
    )
    return Measured(results, [_bars(name, names, method, drawn)])


def _bars(name: str, names: tuple[str, ...], method: PixelCounts, drawn: PixelCounts) -> Detail:
    """Return the IoU of each class that occurs, over the images that are drawn with it."""
    once = np.ones((1, len(method.true)), np.int64)
    ious, by_chance = method.ious(once)[0], drawn.ious(once)[0]
    occurring = np.flatnonzero(method.true.sum(axis=0))
    draws = [
        np.where((some @ method.true)[:, occurring] > 0, method.ious(some)[:, occurring], np.nan)
        for some in resamples(len(method.true))
    ]
    low, high = np.nanquantile(np.concatenate(draws), [0.025, 0.975], axis=0)
    rows = [
        {
            "name": names[i],
            "value": float(ious[i]),
            "interval": [float(low[row]), float(high[row])],
            "count": int((method.true[:, i] > 0).sum()),
            "chance": float(by_chance[i]),
        }
        for row, i in enumerate(occurring.tolist())
    ]
    return Detail(name, "Intersection over union of each class", "bars", {"rows": rows})


def _result(name: str, statistic: Statistic, number: int, setting: dict[str, Value]) -> Result:
    value, interval = value_of(statistic, number), statistic_interval(statistic, number)
    return Result(name, value, interval, number, setting=setting)
