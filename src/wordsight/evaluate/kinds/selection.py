"""Image-caption selection: which caption belongs to an image, and which image to a caption, among hard alternatives.

Results: NAME/selection/text (every image of an item gets its own caption), image (every caption gets its own image)
and group (both), and text/KIND for each kind of item; and NAME/selection/blind-fluency, blind-shorter and
blind-longer, what choosing by the text alone is worth: sets in which it is near 100 % say little of a model.
`form` "stated" reads sets as Winoground, SugarCrepe and ARO have them (`wordsight.data.selection`), "rules" makes
negatives of the captions of any source (`wordsight.text.contrasts`), "drawn" draws pairs of scenes, PLACE a mere name.
Details: accuracy by kind, the worst mistakes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.cache import cache_errors, cache_folder
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError, FormatError, InputError
from wordsight.base.files import atomic_folder, storage_errors
from wordsight.base.nouns import Result, Sample
from wordsight.base.value import Value
from wordsight.data.contrast_scenes import CHECKSUMS, draw_contrasts, is_as_drawn
from wordsight.data.selection import SelectionItem, read_selection
from wordsight.evaluate.building import TaskSets, read_source
from wordsight.evaluate.encode import Encoder, image_embeddings, text_embeddings
from wordsight.evaluate.equal_rows import first_equal
from wordsight.evaluate.measured import Measured, hits, share, small_image
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import PLACE, TaskSpec
from wordsight.images.decode import decode
from wordsight.text.blind import blind_scores
from wordsight.text.contrasts import KINDS, WEAK_KINDS, contrasts

Bools = NDArray[np.bool_]
MOST_MISTAKES = 20  # items that are recorded
SURE_KINDS = tuple(kind for kind in KINDS if kind not in WEAK_KINDS)


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """`form` as above; `images`: the folder of a stated set's images; `kinds`: of "rules"; `count`: pairs to draw."""

    form: Literal["stated", "rules", "drawn"] = "stated"
    images: str | None = field(default=None, metadata=PLACE)
    kinds: tuple[str, ...] = SURE_KINDS
    count: int = 500


OPTIONS = SelectionOptions


@dataclass(frozen=True, slots=True)
class ChoiceItem:
    """An item: rows of its images, its captions (the first for the first image, and so on), its kind."""

    key: str
    kind: str
    rows: tuple[int, ...]
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SelectionTask:
    """The images of all items, and the items."""

    spec: TaskSpec
    images: SampleSet
    items: tuple[ChoiceItem, ...]


def read_set(spec: TaskSpec, location: str | Path, split: str | None) -> tuple[SampleSet, list[InputError]]:
    """Return the images of a set's items as samples, whose texts are the item's captions, and what could not be read.

    An image knows its item by `item` in its metadata.
    """
    options: SelectionOptions = spec.options
    if options.form == "rules":
        return read_source(spec, location, split)
    if options.form == "drawn":
        location = _drawn(spec)
    folder = None if options.images is None else Path(options.images)
    selection = read_selection(location, split=split, images=folder)
    items = selection.items[: spec.limit]
    samples = [
        _sample(number, item, position) for number, item in enumerate(items) for position in range(len(item.images))
    ]
    images: list[Any] = [image for item in items for image in item.images]
    name = Path(spec.place).name if options.form == "drawn" else selection.name
    return SampleSet(name, samples, images), list(selection.failures)


def _drawn(spec: TaskSpec) -> Path:
    """Return the folder of drawn pairs, which is made once, and again where it is not as it was drawn."""
    count = spec.options.count
    if not 1 <= count <= 100_000:
        raise ConfigError(f"count = {count}", cure="give 1 to 100000 pairs")
    folder = cache_folder() / "drawn" / f"contrasts-{count}-{spec.seed}"
    if not is_as_drawn(folder):
        with cache_errors("drawn"):
            with storage_errors(folder):
                (folder / CHECKSUMS).unlink(missing_ok=True)
            with atomic_folder(folder, mark=CHECKSUMS) as draft:  # another process may read it
                draw_contrasts(draft, count=count, seed=spec.seed)
    return folder


def _sample(number: int, item: SelectionItem, position: int) -> Sample:
    meta: dict[str, Any] = {"item": number, "kind": item.kind}
    if item.box is not None:
        meta["box"] = ",".join(map(str, item.box))
    return Sample(f"{item.key}/{position}" if position else item.key, None, item.captions, None, meta)


def build(spec: TaskSpec, sets: TaskSets) -> SelectionTask:
    """Return the task; a set without any choice is a `FormatError`."""
    items = _by_rules(spec, sets.test) if spec.options.form == "rules" else _stated(sets.test)
    if not items:
        cure = "give a set of images with true and false captions, or form=rules and any images with English captions"
        if spec.options.form == "rules":
            cure = "rules make negatives of captions: give a caption column, captions=COLUMN, or .txt beside images"
            if any(sample.texts for sample in sets.test.samples):
                cure = "no rule makes a negative of its captions: give longer ones in English, or other kinds="
        raise FormatError(f"{spec.name} has no captions to choose from", cure=cure)
    return SelectionTask(spec, sets.test, tuple(items))


def _stated(images: SampleSet) -> list[ChoiceItem]:
    rows: dict[Any, list[int]] = {}
    for row, sample in enumerate(images.samples):
        rows.setdefault(sample.meta["item"], []).append(row)
    firsts = [(images.samples[own[0]], tuple(own)) for own in rows.values()]
    return [ChoiceItem(first.key, str(first.meta["kind"]), own, first.texts) for first, own in firsts]


def _by_rules(spec: TaskSpec, images: SampleSet) -> list[ChoiceItem]:
    """Return an item for each negative of each image's first caption."""
    unknown = [kind for kind in spec.options.kinds if kind not in KINDS]
    if unknown:
        raise ConfigError(f"kinds = {unknown[0]!r}", cure=f"use some of {', '.join(KINDS)}")
    return [
        ChoiceItem(f"{sample.key}/{one.kind}", one.kind, (row,), (sample.texts[0], one.text))
        for row, sample in enumerate(images.samples)
        if sample.texts and images.images[row] is not None
        for one in contrasts(sample.texts[0], seed=spec.seed, kinds=spec.options.kinds)
    ]


def run(encoder: Encoder, task: SelectionTask) -> Measured:
    """Return how often images and captions of an item belong together."""
    images = _images(encoder, task)
    texts = list(dict.fromkeys(text for item in task.items for text in item.captions))
    numbers = {text: number for number, text in enumerate(texts)}
    embeddings = text_embeddings(encoder, texts)
    scores = [_scores(images[list(item.rows)], embeddings[[numbers[t] for t in item.captions]]) for item in task.items]
    text, image = (np.array([right(one) for one in scores]) for right in (_texts_right, _images_right))
    name, owners = f"{task.spec.name}/selection", np.array([item.rows[0] for item in task.items])
    clusters = owners if len(set(owners.tolist())) < len(owners) else None  # several questions about one image
    shapes = {(len(item.rows), len(item.captions)) for item in task.items}
    guessed = np.array([_by_guessing(len(item.rows), len(item.captions)) for item in task.items]).mean(axis=0)
    results = []
    for which, values, chance in zip(("text", "image", "group"), (text, image, text & image), guessed, strict=True):
        if which == "text" or any(rows > 1 for rows, _ in shapes):
            setting: dict[str, Value] = {"chance": float(chance), "items": len(task.items)}
            results.append(share(f"{name}/{which}", values, clusters=clusters, setting=setting))
    blind = _blind(task)
    kinds = list(dict.fromkeys(item.kind for item in task.items))
    if len(kinds) > 1:
        results += [_of_kind(task, kind, text, blind["fluency"], name) for kind in kinds]
    for which, values in blind.items():
        one = share(f"{name}/blind-{which}", values, clusters=clusters, setting={"chance": float(guessed[0])})
        results.append(one)
    keys = [item.key for item in task.items]
    return Measured(results, [hits(f"{name}/text", keys, text)]).and_also(_drawing(task, scores, text, results))


def _images(encoder: Encoder, task: SelectionTask) -> Embeddings:
    """Return the embeddings of all images; of those with a box that part."""
    if not any("box" in sample.meta for sample in task.images.samples):
        return image_embeddings(encoder, task.images.images, name=task.spec.name)
    cut = []
    for row, sample in enumerate(task.images.samples):
        pixels = decode(task.images.images[row], name=sample.key)
        if "box" in sample.meta:
            left, top, right, bottom = map(int, str(sample.meta["box"]).split(","))
            pixels = pixels[top:bottom, left:right]
        cut.append(encoder.embed_images([pixels]))
    return np.concatenate(cut)


def _scores(images: Embeddings, captions: Embeddings) -> NDArray[np.floating]:
    """Return the cosines of the images (I) and captions (C) of an item, (I, C); equal ones have exactly equal ones."""
    return np.asarray((images @ captions.T)[first_equal(images)][:, first_equal(captions)])


def _texts_right(scores: NDArray[np.floating]) -> bool:
    """Say whether each image (of I, x captions C) prefers its own caption to every other; a tie is wrong."""
    return all(np.sum(row >= row[i]) == 1 for i, row in enumerate(scores[: scores.shape[1]]))


def _images_right(scores: NDArray[np.floating]) -> bool:
    """Say whether each caption that has an image prefers it to every other."""
    return _texts_right(scores.T)


def _by_guessing(images: int, captions: int) -> tuple[float, float, float]:
    """Return what guessing gives for text, image and group, each preference on its own; two by two: 1/4, 1/4, 1/6.

    For two by two of independent scores the two preferences of the group share a score each: Thrush et al. 2022,
    section 4.  Larger groups are taken as the product, which is a lower bound.
    """
    pairs = min(images, captions)
    text, image = captions**-pairs, images**-pairs
    return text, image, 1 / 6 if images == captions == 2 else text * image


def _blind(task: SelectionTask) -> dict[str, Bools]:
    """Return which items the text alone decides rightly: the more usual, the shorter, the longer caption.

    Where several images have one of the captions each, it prefers the same for all of them: it is never right.
    """
    blind = blind_scores([item.captions for item in task.items], [item.captions[0] for item in task.items])
    one_image = np.array([len(item.rows) == 1 for item in task.items])
    return {
        "fluency": one_image & np.array([_first_largest(scores) for scores in blind.fluency]),
        "shorter": one_image & np.array([_first_largest(-lengths) for lengths in blind.length]),
        "longer": one_image & np.array([_first_largest(lengths) for lengths in blind.length]),
    }


def _first_largest(scores: NDArray[np.float64]) -> bool:
    return bool((scores[0] > scores[1:]).all())


def _of_kind(task: SelectionTask, kind: str, text: Bools, fluency: Bools, name: str) -> Result:
    mine = np.array([item.kind == kind for item in task.items])
    chance = float(np.mean([_by_guessing(len(i.rows), len(i.captions))[0] for i in task.items if i.kind == kind]))
    setting: dict[str, Value] = {"chance": chance, "kind": kind, "blind_fluency": round(float(fluency[mine].mean()), 4)}
    return share(f"{name}/text/{kind}", text[mine], setting=setting)


def _drawing(
    task: SelectionTask, scores: Sequence[NDArray[np.floating]], text: Bools, results: Sequence[Result]
) -> Measured:
    name = f"{task.spec.name}/selection"
    rows = [
        {
            "name": str(result.setting["kind"]),
            "value": result.value,
            "interval": list(result.interval or ()) or None,
            "count": result.count,
            "chance": result.setting["chance"],
        }
        for result in results
        if "kind" in result.setting
    ]
    details = [Detail(name, "Right caption chosen, by kind", "bars", {"rows": rows})] if rows else []
    lost = np.array([float((one[0, 1:] - one[0, 0]).max()) for one in scores])
    wrong_items = np.flatnonzero(~text)
    entries: list[dict[str, Any]] = []
    thumbnails: dict[str, bytes] = {}
    for number in wrong_items[np.argsort(-lost[wrong_items], kind="stable")][:MOST_MISTAKES]:
        item = task.items[number]
        entry: dict[str, Any] = {"picture": "", "title": item.kind, "right": False}
        wrong = int(scores[number][0].argmax())
        entry["lines"] = [f"preferred: {item.captions[wrong]}", f"true: {item.captions[0]}"]
        try:
            file, data = small_image(task.images.images[item.rows[0]], name=item.key)
            entry["picture"], thumbnails[file] = file, data
        except InputError as error:
            entry["lines"].append(str(error))
        entries.append(entry)
    if entries:
        details.append(Detail(name, "The worst mistakes", "pictures", {"pictures": entries}))
    return Measured([], details, thumbnails)
