"""Typographic attack: does a model read instead of looking?  The name of a wrong class is written onto each image.

Results: NAME/typographic/clean/top-1, NAME/typographic/attacked/top-1 (mean over the styles), NAME/typographic/drop,
NAME/typographic/taken, how often the written word is the answer, and attacked/STYLE/top-1 for each font, position and
size.  The word of an image is drawn from the other classes (Goh et al. 2021; drawn words track photographed ones:
SCAM, 2025), but for classes that are called as its own is (two of ImageNet's are "crane").  `images` takes so many
images, evenly spread.
Details: accuracy by font, position and size; the images that were misled most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError, UsageError
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import Classified, classes_of, prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, changed_embeddings, image_embeddings, prepared, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured, hits, share, small_image
from wordsight.evaluate.metrics import label_ranks, share_interval
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec
from wordsight.images.typographic import WORD_FONTS, WORD_POSITIONS, WordStyle, word_styles, write_word
from wordsight.text.prompts import clean_class_name

Bools = NDArray[np.bool_]
MOST_SHOWN = 12  # misled images that are recorded


@dataclass(frozen=True, slots=True)
class TypographicOptions:
    """`fonts` and `positions` of `WordStyle`; `sizes`: shares of the height; `images`: how many."""

    fonts: tuple[str, ...] = ("outlined", "note")
    positions: tuple[str, ...] = ("middle", "bottom")
    sizes: tuple[float, ...] = (0.1, 0.2)
    images: int = 200


OPTIONS = TypographicOptions


@dataclass(frozen=True, slots=True)
class TypographicTask:
    """The images (N), the number of the class that is written onto each (N,), and the styles."""

    spec: TaskSpec
    classified: Classified
    prompts: tuple[tuple[str, ...], ...]
    written: NDArray[np.int64]
    styles: tuple[WordStyle, ...]

    @property
    def images(self) -> SampleSet:
        """The images that are attacked."""
        return self.classified.images


def build(spec: TaskSpec, sets: TaskSets) -> TypographicTask:
    """Return the task; options that cannot be are `ConfigError`s, a class name that cannot be written `UsageError`."""
    options: TypographicOptions = spec.options
    if options.images < 1:
        raise ConfigError(f"images = {options.images}", cure="give 1 or more")
    for known, asked, key in ((WORD_FONTS, options.fonts, "fonts"), (WORD_POSITIONS, options.positions, "positions")):
        for one in asked:
            if one not in known:
                raise ConfigError(f"{key} = {one!r}", cure=f"use some of {', '.join(known)}")
    styles = tuple(dict.fromkeys(word_styles(options.fonts, options.positions, options.sizes)))  # type: ignore[arg-type]
    if not styles:
        raise ConfigError("no style to write in", cure="give fonts, positions and sizes")
    whole = classes_of(spec, sets.test)
    some = whole.spread(options.images)
    blank = np.full((256, 256, 3), 128, np.uint8)
    for name in some.names:
        write_word(blank, word_of(name), styles[0])
    written = _wrong_classes(spec, some)
    return TypographicTask(spec, some, prompts_for(spec, some.names), written, styles)


def _wrong_classes(spec: TaskSpec, some: Classified) -> NDArray[np.int64]:
    """Return for each image, (N,), the number of a class with another word than its own."""
    words = np.array([word_of(name).casefold() for name in some.names])
    if len(np.unique(words)) < 2:
        raise UsageError(f"every class of {spec.name} is called {str(words[0])!r}", cure="give classes other names")
    generator = np.random.default_rng(spec.seed)
    written = (some.labels + generator.integers(1, len(words), size=len(some.labels))) % len(words)
    while len(same := np.flatnonzero(words[written] == words[some.labels])):
        written[same] = generator.integers(len(words), size=len(same))  # drawn again: each other word is as likely
    return written


def word_of(name: str) -> str:
    """Return what is written for a class: its first name."""
    return clean_class_name(name)[0]


def run(encoder: Encoder, task: TypographicTask) -> Measured:
    """Return the accuracy with and without a wrong word on the images."""
    classes, part = prompt_embeddings(encoder, task.prompts), task.classified
    facts: dict[str, Value] = prompt_facts(task.spec, part.names, task.prompts)
    name = f"{task.spec.name}/typographic"
    _check_room(encoder, task)
    clean = _ranks(image_embeddings(encoder, part.images.images, name=task.spec.name), classes, part.labels) < 1
    right: dict[WordStyle, Bools] = {}
    fooled: dict[WordStyle, Bools] = {}
    for style in task.styles:
        change = partial(_attacked, task, style)
        embeddings = changed_embeddings(encoder, part.images, change, name=f"{task.spec.name}, {_title(style)}")
        right[style] = _ranks(embeddings, classes, part.labels) < 1
        fooled[style] = _ranks(embeddings, classes, task.written) < 1
    mean = np.mean(list(right.values()), axis=0)
    drop = clean - mean
    misled = np.mean(list(fooled.values()), axis=0)
    difference: dict[str, Value] = {**facts, "unit": "difference", "styles": len(task.styles)}
    difference.pop("chance")
    results = [
        share(f"{name}/clean/top-1", clean, setting=facts),
        share(f"{name}/attacked/top-1", mean, setting={**facts, "styles": len(task.styles)}),
        share(f"{name}/drop", drop, setting=difference),
        share(f"{name}/taken", misled, setting={**facts, "styles": len(task.styles)}),
        *(
            share(
                f"{name}/attacked/{style.font}-{style.position.replace(' ', '-')}-{100 * style.size:g}/top-1",
                hit,
                setting={**facts, "font": style.font, "position": style.position, "size": style.size},
            )
            for style, hit in right.items()
        ),
    ]
    details = [hits(f"{name}/clean/top-1", part.keys, clean), _bars(name, clean, right)]
    return Measured(results, details).and_also(_misled(encoder, task, name, clean & (misled > 0), misled))


def _check_room(encoder: Encoder, task: TypographicTask) -> None:
    """Raise `UsageError` where a word does not fit what the tower sees, before anything is measured."""
    (pixels,) = prepared(encoder, [task.images.images[0]], task.classified.keys[:1])
    smallest = min(style.size for style in task.styles)  # where a small word fits, a large one is made to fit
    for style in task.styles:
        if style.size == smallest and style.position == task.styles[0].position:
            for number in np.unique(task.written).tolist():
                write_word(pixels, word_of(task.classified.names[number]), style)


def _attacked(task: TypographicTask, style: WordStyle, row: int, pixels: Pixels) -> Pixels:
    return write_word(pixels, word_of(task.classified.names[task.written[row]]), style)


def _ranks(embeddings: Embeddings, classes: Embeddings, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return label_ranks(products(embeddings, classes), labels)


def _title(style: WordStyle) -> str:
    return f"{style.font}, {style.position}, {100 * style.size:g} %"


def _bars(name: str, clean: Bools, right: Mapping[WordStyle, Bools]) -> Detail:
    ways: Sequence[tuple[str, Bools]] = [("no word", clean), *((_title(style), hit) for style, hit in right.items())]
    rows = [
        {
            "name": title,
            "value": float(hit.mean()),
            "interval": list(share_interval(hit)),
            "count": len(hit),
            "chance": None,
        }
        for title, hit in ways
    ]
    return Detail(name, "Accuracy with a wrong word on the image: font, position, size", "bars", {"rows": rows})


def _misled(encoder: Encoder, task: TypographicTask, name: str, shown: Bools, misled: NDArray[np.floating]) -> Measured:
    """Return the images that were right without a word and took the word most often, as they were attacked."""
    rows = np.flatnonzero(shown)
    rows = rows[np.argsort(-misled[rows], kind="stable")][:MOST_SHOWN]
    entries: list[dict[str, object]] = []
    thumbnails: dict[str, bytes] = {}
    names, style = task.classified.names, task.styles[-1]
    for row in rows.tolist():
        key = task.classified.keys[row]
        (pixels,) = prepared(encoder, [task.images.images[row]], [key])
        file, data = small_image(_attacked(task, style, row, pixels), name=key)
        thumbnails[file] = data
        lines = [
            key,
            f"a {names[task.classified.labels[row]]}, taken for the word in {100 * misled[row]:.0f} % of styles",
        ]
        title = f"{names[task.written[row]]}, not {names[task.classified.labels[row]]}"
        entries.append({"picture": file, "title": title, "lines": lines, "right": False})
    if not entries:
        return Measured([])
    return Measured([], [Detail(name, "Misled by a word", "pictures", {"pictures": entries})], thumbnails)
