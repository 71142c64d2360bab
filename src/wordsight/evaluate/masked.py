"""Images with label images: which class each pixel is of, whatever numbers a set has for its classes.

    images, failures = read_masked(spec, location, split)         # with label images beside the images
    masked = masked_of(spec, images)
    masked.labels(row)                                    # int32 (H, W): numbers into masked.names, -1 for none

Numbers become names in one of two ways.  Where samples list the names of their classes (`label=classes`, as COCO's
panoptic sets are packed here), the i-th smallest number of an image is its i-th name.  Else the numbers are those of
`classes`, or of the classes that the set states, counted from `first` on.  What has no name is unlabelled and counts
nowhere: 0 in the first way, IGNORED in both.

Shapes: N images, C classes, H and W sides of an image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import ConfigError, FormatError, InputError, UsageError
from wordsight.base.progress import notice
from wordsight.base.reading import IMAGE_LIMIT, read_file
from wordsight.embeddings.kept import KeptModel
from wordsight.embeddings.model import Model
from wordsight.evaluate.building import read_source
from wordsight.evaluate.encode import Encoder
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec
from wordsight.explain.mask_files import parsed_labels
from wordsight.images.decode import decode, sides, upright_sides
from wordsight.index.index import spread_evenly

NOTHING = -1  # of pixels without a class
IGNORED = 255  # of pixels that nobody labelled, in Pascal VOC, Cityscapes and ADE20K as mmsegmentation has it
ENDINGS = ("-other-merged", "-merged", "-other", "-stuff")  # of names in COCO's panoptic sets, which nobody says
LabelImage = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class MaskedSet:
    """Images (N) with label images; `names` (C) are the classes, as they are prompted.

    `numbers` are those of the label images, with the class of each.
    """

    images: SampleSet
    names: tuple[str, ...]
    numbers: Mapping[int, int]

    def labels(self, row: int) -> LabelImage:
        """Return the class of each pixel of an image, int32 (H, W), `NOTHING` where it has none."""
        values = _read(self.images, row)
        table = np.full(int(values.max()) + 1, NOTHING, np.int32)
        for value, number in self.numbers.items():
            if value < len(table):
                table[value] = number
        return table[values]


def read_masked(spec: TaskSpec, location: str | Path, split: str | None) -> tuple[SampleSet, list[InputError]]:
    """Return at most `images` images of a source, evenly spread, of those with a label image, and what is wrong.

    A label image that cannot be read, or has other sides than its image, is left out and stands in the errors.  A
    source without label images raises `FormatError`.
    """
    _check_options(spec)
    images, failures = read_source(spec, location, split, masks=spec.options.masks)
    kept = images.of(row for row, sample in enumerate(images.samples) if sample.mask is not None)
    if not len(kept) and not failures:
        cure = "say with masks= how they are called (seg.png: KEY.seg.png beside KEY.jpg), or in which folder they lie"
        raise FormatError(f"{images.name} has no label images by masks={spec.options.masks}", cure=cure)
    if len(kept) < len(images):
        notice(f"{images.name}: {len(images) - len(kept)} of {len(images)} images have no label image and are left out")
    some = kept.of(spread_evenly(len(kept), spec.options.images).tolist())
    wrong = [_fault(some, row) for row in range(len(some))]
    failures = [*failures, *(error for error in wrong if error is not None)]
    return some.of(row for row, error in enumerate(wrong) if error is None), failures


def _check_options(spec: TaskSpec) -> None:
    most, first = spec.options.images, spec.options.first
    if most < 1 or first < 0:
        raise ConfigError(f"images = {most}, first = {first}", cure="give 1 or more images, and first=0 or first=1")


def _fault(images: SampleSet, row: int) -> InputError | None:
    """Return what is wrong with a label image, None where nothing is, or where its image itself cannot be read."""
    image, key = images.images[row], images.samples[row].key
    try:
        labels = _read(images, row)
    except InputError as error:
        return error
    try:
        upright = upright_sides(image, name=key)
        shape = upright[::-1] if upright else decode(image, name=key).shape[:2]
    except InputError:
        return None  # whoever embeds the image says so
    try:
        same_sides(labels, shape, key)
    except InputError as error:
        turned = labels.shape == shape[::-1] == sides(image, name=key)[::-1]
        why = ", since its EXIF orientation turns it by a quarter: turn the label image too" if turned else ""
        return InputError(error.problem + why, cure=error.cure)
    return None


def masked_of(spec: TaskSpec, images: SampleSet) -> MaskedSet:
    """Return at most `images` of a set, evenly spread, with its classes; numbers without a name are errors."""
    _check_options(spec)
    first = spec.options.first
    some = images.of(spread_evenly(len(images), spec.options.images).tolist())
    listed = [sample.labels for sample in some.samples]
    present = [_numbers(some, row) for row in range(len(some))]
    if spec.classes and not any(listed):
        known = {first + i: i for i in range(len(spec.classes))}
        for sample, numbers in zip(some.samples, present, strict=True):
            unknown = [value for value in numbers if value not in known and value != 0]
            if unknown:
                raise _unknown(spec, f"the label image of {sample.key} has a {unknown[0]}", set().union(*present))
        return _checked(spec, MaskedSet(some, tuple(spec.classes), known))
    if not any(listed):
        cure = "list them in order with classes=A,B, or name the JSON key that lists an image's classes with label="
        raise FormatError(f"{spec.name} has no class names for the numbers of its label images", cure=cure)
    return _checked(spec, _by_lists(spec, some, present))


def _unknown(spec: TaskSpec, problem: str, numbers: set[int]) -> FormatError:
    """Return the error of a number that no class has; `numbers` are those of all label images."""
    first, names = spec.options.first, spec.classes or ()
    last = first + len(names) - 1
    cure = f"name all classes with classes=, in the order of their numbers; pixels of no class are {IGNORED}"
    if first != 1 and numbers - {0} <= set(range(1, len(names) + 1)):
        cure = "all numbers fit with first=1"
    return FormatError(
        f"{spec.name}: {problem}, and the classes are {first} ({names[0]}) to {last} ({names[-1]})", cure=cure
    )


def _by_lists(spec: TaskSpec, some: SampleSet, present: list[list[int]]) -> MaskedSet:
    """Return the set whose samples list their classes in the order of their numbers."""
    if spec.options.first != 1:
        problem = f"first={spec.options.first} for {spec.name}, whose images list the names of their numbers"
        raise UsageError(problem, cure="leave first out")
    named: dict[int, str] = {}
    for sample, numbers in zip(some.samples, present, strict=True):
        seen = [value for value in numbers if value != 0]
        if len(seen) != len(sample.labels):
            problem = (
                f"{spec.name}: {sample.key} lists {len(sample.labels)} different classes and its label image "
                f"has {len(seen)}"
            )
            raise FormatError(problem, cure="a class is listed once for each number above 0, in their order")
        for value, name in zip(seen, sample.labels, strict=True):
            if named.setdefault(value, name) != name:
                problem = f"{spec.name}: {value} is {named[value]!r} in one image and {name!r} in {sample.key}"
                raise FormatError(problem, cure="a class has one number in all images")
    plain = _plain(set(named.values()))
    names = tuple(spec.classes or sorted(set(plain.values())))
    missing = sorted(set(plain.values()) - set(names))
    if missing:
        raise UsageError(f"class {missing[0]!r} of {spec.name} is not among classes", cure="add it to classes")
    known = {value: names.index(plain[name]) for value, name in named.items()}
    return MaskedSet(some, names, known)


def _plain(names: set[str]) -> dict[str, str]:
    """Return each name as it is spoken: without COCO's endings, with spaces, where no two become one."""
    spoken = {}
    for name in names:
        ending = next((one for one in ENDINGS if name.endswith(one)), "")
        spoken[name] = name.removesuffix(ending).replace("-", " ")
    return spoken if len(set(spoken.values())) == len(names) else {name: name for name in names}


def _checked(spec: TaskSpec, masked: MaskedSet) -> MaskedSet:
    if len(set(masked.names)) < max(2, len(masked.names)):
        raise UsageError(
            f"{spec.name} has the classes {', '.join(masked.names)[:80]}", cure="give two or more, once each"
        )
    return masked


def _numbers(images: SampleSet, row: int) -> list[int]:
    """Return the numbers of a label image, ascending, those of pixels without a label left out."""
    return [value for value in np.unique(_read(images, row)).tolist() if value != IGNORED]


def _read(images: SampleSet, row: int) -> NDArray[np.int64]:
    sample = images.samples[row]
    mask: Any = sample.mask
    try:
        data = read_file(mask, limit=IMAGE_LIMIT) if isinstance(mask, Path) else mask
    except OSError as error:
        raise InputError(f"{mask} cannot be read: {error.strerror}", cure="check the file") from None
    try:
        return parsed_labels(data, name=f"the label image of {sample.key}")
    except FormatError as error:
        raise InputError(error.problem, cure=error.cure) from None


def whole_model(encoder: Encoder, kind: str) -> Model:
    """Return the model behind an encoder; one that is none raises `UsageError`."""
    model = encoder.model if isinstance(encoder, KeptModel) else encoder
    if not isinstance(model, Model):
        raise UsageError(f"{kind} needs a whole model", cure="measure one that was saved")
    if model.spec.preprocess.resize == "patches":
        problem = f"{kind} needs images of one size, and {model.name} keeps the shape of each"
        raise UsageError(problem, cure="measure a model with images of one size")
    return model


def same_sides(labels: NDArray[np.integer[Any]], shape: tuple[int, ...], key: str) -> None:
    """Raise `InputError` where a label image (H, W) has other sides than its image."""
    if labels.shape != shape:
        own = f"{labels.shape[1]} x {labels.shape[0]}"
        problem = f"the image {key} has {shape[1]} x {shape[0]} pixels and its label image {own}"
        raise InputError(problem, cure="make them alike")
