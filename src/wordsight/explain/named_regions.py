"""From words to the regions of a picture that show them: label map, masks, boxes and cosines in one call.

    shown = regions(model, "street.jpg", ["person", "car|truck", "road"])
    shown.labels                          # int32 (H, W): a class's number, -1 for none
    shown.masks, shown.boxes              # bool (C, H, W), and per class (left, top, width, height) or None
    shown.cosines, shown.whole            # (C,): of the class's largest region, and of the whole picture
    shown.overlay()                       # uint8 (H, W, 3)

A region is a part of the label map that hangs together.  Its cosine is what the model gives the region cut out alone
with the class's texts.  `region_methods.py` has the ways to a label map.

Shapes: C classes, H and W sides of the picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import UsageError
from wordsight.embeddings.classes import class_embeddings
from wordsight.explain.mask_scores import score_masks
from wordsight.explain.masks import BoolMask, as_xywh, box_of
from wordsight.explain.part_labels import grouped
from wordsight.explain.proposals import SMALLEST, Mask
from wordsight.explain.region_drawing import coloured, drawn
from wordsight.explain.region_methods import segmenter_of
from wordsight.explain.region_table import AUTO
from wordsight.explain.segmentation import NOTHING, ClassTexts, LabelMap, class_texts
from wordsight.explain.superpixels import connected
from wordsight.images.decode import decode
from wordsight.images.resize import Box

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model

LEAST = 8  # pixels along each side of a picture: below there is nothing to tell apart
LONGEST = 32  # times as long as high, or as high as long: beyond it there is no thing to see
SIDE = 1024  # pixels of the longer side in which parts that hang together are looked for
MOST_PARTS = 8  # regions of a class
SYNONYMS = "|"  # between the names of one class


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """How regions are made.

    `method` is a row of `region_table.REGION_METHODS` or "auto".  `background` are texts of what else may be seen,
    whose pixels show no class.  Pixels less probable than `threshold` show none either.  `templates` as in `classify`.
    """

    method: str = AUTO
    background: tuple[str, ...] = ()
    threshold: float = 0.0
    templates: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClassRegion:
    """A part of a class's pixels that hangs together.

    `number` of the class, `mask` (H, W), `box` x, y, width, height, `cosine` of the part cut out alone with the class.
    """

    number: int
    mask: BoolMask
    box: Box
    cosine: float

    @property
    def area(self) -> int:
        """How many pixels it has."""
        return int(self.mask.sum())


@dataclass(frozen=True, eq=False)
class Regions:
    """What `regions` made of a picture, `image` uint8 (H, W, 3), for `classes` (C).

    `labels` int32 (H, W) are numbers of classes, -1 where none is shown.  `regions` are the parts of classes, class by
    class, the largest first, those below a 500th of the picture left out but for the largest.  `whole` (C,) are the
    cosines of the whole picture with each class, `beside` (B,) those with each text of the background.  `how` it was
    asked for, and whether masks were `given`.
    """

    classes: tuple[str, ...]
    method: str
    model: str
    image: Pixels
    labels: LabelMap
    regions: tuple[ClassRegion, ...]
    whole: NDArray[np.float32]
    beside: NDArray[np.float32]
    how: RegionOptions
    given: bool

    @property
    def masks(self) -> NDArray[np.bool_]:
        """All pixels of each class, (C, H, W)."""
        return np.asarray(self.labels == np.arange(len(self.classes))[:, None, None])

    @cached_property
    def largest(self) -> tuple[ClassRegion | None, ...]:
        """The largest region of each class, (C,), None of one that is not seen."""
        first: dict[int, ClassRegion] = {}
        for one in self.regions:
            first.setdefault(one.number, one)
        return tuple(first.get(number) for number in range(len(self.classes)))

    @property
    def boxes(self) -> tuple[Box | None, ...]:
        """The box x, y, width, height of the largest region of each class, (C,), None of one that is not seen."""
        return tuple(one.box if one else None for one in self.largest)

    @property
    def cosines(self) -> NDArray[np.float32]:
        """The cosine of the largest region of each class with it, (C,), NaN of one that is not seen."""
        return np.array([one.cosine if one else np.nan for one in self.largest], np.float32)

    @property
    def shares(self) -> NDArray[np.float64]:
        """The share of the picture that shows each class, (C,)."""
        counts = np.bincount(self.labels[self.labels != NOTHING], minlength=len(self.classes))
        return np.asarray(counts / self.labels.size)

    @property
    def nearest(self) -> int:
        """Which class the whole picture is nearest to; from C on a text of the background."""
        return int(np.concatenate([self.whole, self.beside]).argmax())

    def coloured(self) -> Pixels:
        """Return the picture under the colours of its classes alone, uint8 (H, W, 3)."""
        return coloured(self.image, self.labels)

    def overlay(self) -> Pixels:
        """Return the picture under the colours of its classes, with boxes and names, uint8 (H, W, 3)."""
        named = [(self.classes[one.number], one.number, one.box) for one in self.largest if one]
        return drawn(self.image, self.labels, named)


def regions(
    model: "Model",
    image: Any,
    classes: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    proposals: Sequence[Mask] | None = None,
    how: RegionOptions | None = None,
) -> Regions:
    """Return which regions of an image (a path, bytes, a Pillow image or an array) show which class.

    A class is a name, its synonyms with "|" between, or in a mapping a list of them.  With `proposals`, bool (H, W) of
    the image's size, only these masks are scored.  Broken images raise `InputError`; classes without a word that the
    model knows, images of one colour or extreme shape and masks of another size `UsageError`.
    """
    how = how or RegionOptions()
    pixels = decode(image)
    _check_image(pixels)
    if proposals is not None:
        _check_masks(proposals, pixels)
    segmenter = segmenter_of(model, how.method, given=proposals is not None)
    texts = _texts(model, classes, how)
    if proposals is None:
        labels = segmenter.segment(pixels, texts, threshold=how.threshold).labels
    else:
        labels = segmenter.by_masks(pixels, texts, proposals, threshold=how.threshold).labels
    count = len(texts.names) - len(texts.background)
    parts = [(number, mask) for number in range(count) for mask in _parts(labels == number)]
    cosines = grouped(score_masks(model.engine, pixels, [mask for _, mask in parts], texts.embeddings), texts)
    whole = grouped(model.embed_images([pixels]) @ texts.embeddings.T, texts)[0]
    return Regions(
        classes=texts.names[:count],
        method=segmenter.method,
        model=model.name,
        image=pixels,
        labels=labels,
        regions=tuple(
            ClassRegion(number, mask, as_xywh(box_of(mask)), float(cosines[row, number]))
            for row, (number, mask) in enumerate(parts)
        ),
        whole=whole[:count],
        beside=whole[count:],
        how=how,
        given=proposals is not None,
    )


def synonyms_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Return classes by their first name with all names of each; empty ones and one given twice raise `UsageError`."""
    classes: dict[str, list[str]] = {}
    for name in names:
        own = [part.strip() for part in name.split(SYNONYMS)]
        if not all(own):
            raise UsageError("an empty class name", cure="give names with commas between, for example cat,sofa|couch")
        if own[0].casefold() in {one.casefold() for one in classes}:  # most tokenizers lowercase
            raise UsageError(f"the class {own[0]} is given twice", cure="give every class once, in capitals or not")
        classes[own[0]] = list(dict.fromkeys(own))
    return classes


def _texts(model: "Model", classes: Sequence[str] | Mapping[str, Sequence[str]], how: RegionOptions) -> ClassTexts:
    if isinstance(classes, str):
        raise UsageError(f"the classes {classes!r} are one text", cure="give a list of names, or a mapping to synonyms")
    synonyms = dict(classes) if isinstance(classes, Mapping) else synonyms_of(classes)
    for text in (*(text for texts in synonyms.values() for text in texts), *how.background):
        known = model.tokenizer.decode(model.tokenizer.encode(text))
        if not any(letter.isalnum() for letter in known):
            raise UsageError(f"{text!r} has no word that {model.name} knows", cure="name what may be seen, such as dog")
    _check_once(synonyms, how.background)

    def embed(all_texts: Sequence[str]) -> Embeddings:  # each alone: figures do not hang on what else is asked
        return class_embeddings(model.embed_alone, model.class_prompts(all_texts, how.templates))

    return class_texts(embed, synonyms, background=how.background)


def _check_once(synonyms: Mapping[str, Sequence[str]], background: Sequence[str]) -> None:
    """Raise `UsageError` for a name of two classes, or of a class and of the background."""
    of: dict[str, str] = {}
    for name, texts in synonyms.items():
        for text in texts:
            if of.setdefault(text, name) != name:
                raise UsageError(f"{text!r} is a name of {of[text]!r} and of {name!r}", cure="give it to one of them")
    both = sorted(set(of) & set(background))
    if both:
        raise UsageError(f"{both[0]!r} is a class and background", cure="give it once")


def _check_image(pixels: Pixels) -> None:
    height, width = pixels.shape[:2]
    if min(height, width) < LEAST:
        cure = f"give one with at least {LEAST} pixels along each side"
        raise UsageError(f"an image of {width:,} x {height:,} pixels", cure=cure)
    if max(height, width) > LONGEST * min(height, width):
        cure = f"cut out a part of it, at most {LONGEST} times as long as wide"
        raise UsageError(f"an image of {width:,} x {height:,} pixels", cure=cure)
    if (pixels == pixels[0, 0]).all():
        raise UsageError("an image of one colour has no regions", cure="give one that shows something")


def _check_masks(masks: Sequence[Mask], pixels: Pixels) -> None:
    if not len(masks):
        raise UsageError("no proposals", cure="give at least one mask, or None")
    height, width = pixels.shape[:2]
    for number, mask in enumerate(masks):
        if mask.shape != (height, width):
            problem = f"mask {number} of {mask.shape[1]} x {mask.shape[0]} pixels, the image has {width} x {height}"
            raise UsageError(problem, cure="give masks of the image's size")


def _parts(mask: BoolMask) -> list[BoolMask]:
    """Return what hangs together in the mask of a class, the largest first, without crumbs.

    Of pictures above `SIDE` pixels every second, third… pixel is looked at; the others belong to the part of the one
    above and left of them, where they are of the class.
    """
    if not mask.any():
        return []
    step = -(-max(mask.shape) // SIDE)
    coarse = mask[::step, ::step]
    if not coarse.any():  # nothing but lines between the pixels that are looked at
        return [mask]
    numbers = connected(coarse.astype(np.int32))
    sizes = np.bincount(numbers[coarse], minlength=int(numbers.max()) + 1)
    order = np.argsort(-sizes, kind="stable")[:MOST_PARTS].tolist()
    kept = [part for rank, part in enumerate(order) if sizes[part] >= (SMALLEST * coarse.size if rank else 1)]
    height, width = mask.shape
    rows, columns = np.arange(height) // step, np.arange(width) // step
    return [(numbers == part)[rows[:, None], columns] & mask for part in kept]
