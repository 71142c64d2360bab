"""Texture against shape: images with the shape of one class and the texture of another; which do they get?

Results: NAME/texture/shape, how often the shape's class is the answer, NAME/texture/texture, how often the texture's,
and NAME/texture/shape-bias, the share of shape among the answers that are one of both (Geirhos et al. 2019; people:
about 96 %).  The share alone says little where hardly any answer is one of both: read all three.  Images are made by
transferring texture in patches (`wordsight.images.textures`), from pairs of images that are right as they are, where
there are enough (the setting `pairs_of` says so).  `count` is that of pairs; an image is in several where there are
more pairs than images, so intervals draw the images of the shapes whole.
Detail: some of the images with their answers.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError, FormatError
from wordsight.base.nouns import Result
from wordsight.base.threads import ordered_map
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import PromptedTask, classes_of, prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, image_embeddings, prepared, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured, share, small_image
from wordsight.evaluate.metrics import label_ranks, share_interval
from wordsight.evaluate.tasks import TaskSpec
from wordsight.images.textures import cue_conflict

MOST_SHOWN = 12  # images that are recorded
FEWEST_RIGHT = 10  # images that are right as they are, below which all are taken
BLOCK = 64  # images that are made at a time


@dataclass(frozen=True, slots=True)
class TextureOptions:
    """`way`: "patches", or "amplitudes", which keeps contours and gives colours alone; `images`: how many are made."""

    way: Literal["patches", "amplitudes"] = "patches"
    images: int = 200


OPTIONS = TextureOptions


def build(spec: TaskSpec, sets: TaskSets) -> PromptedTask:
    """Return the task; a set in which one class alone has images is a `FormatError`."""
    if not 1 <= spec.options.images <= 100_000:
        raise ConfigError(f"images = {spec.options.images}", cure="give 1 to 100000")
    whole = classes_of(spec, sets.test)
    if len(np.unique(whole.labels)) < 2:
        raise FormatError(f"{spec.name} has images of one class only", cure="give images of two classes or more")
    return PromptedTask(spec, whole, prompts_for(spec, whole.names))


def run(encoder: Encoder, task: PromptedTask) -> Measured:
    """Return how often shape and texture decide."""
    part, options = task.classified, task.spec.options
    classes = prompt_embeddings(encoder, task.prompts)
    embeddings = image_embeddings(encoder, part.images.images, name=task.spec.name)
    clean = label_ranks(products(embeddings, classes), part.labels) < 1
    able = np.flatnonzero(clean)
    if len(able) < FEWEST_RIGHT or len(np.unique(part.labels[able])) < 2:
        able = np.arange(len(clean))
    shapes, textures = draw_pairs(part.labels, able, options.images, np.random.default_rng(task.spec.seed))
    scores: list[NDArray[np.float32]] = []
    kept: list[Pixels] = []
    for start in range(0, len(shapes), BLOCK):
        block = slice(start, start + BLOCK)
        made = _made(encoder, task, shapes[block], textures[block])
        kept += made[: max(0, MOST_SHOWN - len(kept))]
        scores.append(products(encoder.embed_images(made), classes))
    every = np.concatenate(scores)  # (pairs, classes)
    shape, texture = (label_ranks(every, part.labels[rows]) < 1 for rows in (shapes, textures))
    name = f"{task.spec.name}/texture"
    facts: dict[str, Value] = {**prompt_facts(task.spec, part.names, task.prompts), "way": options.way}
    facts["pairs_of"] = "right images" if clean[able].all() else "all images"
    results = [
        share(f"{name}/shape", shape, clusters=shapes, setting=facts),
        share(f"{name}/texture", texture, clusters=shapes, setting=facts),
    ]
    either = shape | texture
    if either.any():
        decided = shape[either]
        setting: dict[str, Value] = {**facts, "chance": 0.5, "decided": int(either.sum()), "of": len(either)}
        interval = share_interval(decided, clusters=shapes[either])
        results.append(Result(f"{name}/shape-bias", float(decided.mean()), interval, len(decided), setting=setting))
    return Measured(results).and_also(_shown(task, name, kept, shapes, textures, every.argmax(axis=1)))


def draw_pairs(
    labels: NDArray[np.int64], able: NDArray[np.int64], count: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return `count` pairs of rows (shapes, textures) among `able` ones, the two of a pair of different classes."""
    shapes = generator.choice(able, size=count)
    textures = np.array([generator.choice(able[labels[able] != labels[row]]) for row in shapes])
    return shapes, textures


def _made(encoder: Encoder, task: PromptedTask, shapes: NDArray[np.int64], textures: NDArray[np.int64]) -> list[Pixels]:
    keys = task.classified.keys

    def pixels(rows: NDArray[np.int64]) -> list[Pixels]:
        return prepared(encoder, [task.images.images[int(row)] for row in rows], [keys[int(row)] for row in rows])

    way, seed = task.spec.options.way, task.spec.seed
    pairs = zip(pixels(shapes), pixels(textures), strict=True)
    return list(ordered_map(lambda pair: cue_conflict(pair[0], pair[1], way=way, seed=seed), pairs))


def _shown(
    task: PromptedTask,
    name: str,
    made: list[Pixels],
    shapes: NDArray[np.int64],
    textures: NDArray[np.int64],
    guessed: NDArray[np.int64],
) -> Measured:
    names, labels = task.classified.names, task.classified.labels
    entries: list[dict[str, object]] = []
    thumbnails: dict[str, bytes] = {}
    for pixels, shape, texture, guess in zip(made, labels[shapes], labels[textures], guessed, strict=False):
        file, data = small_image(pixels, name=names[shape])
        thumbnails[file] = data
        lines = [f"shape: {names[shape]}", f"texture: {names[texture]}"]
        right = True if guess == shape else False if guess == texture else None
        entries.append({"picture": file, "title": f"answer: {names[guess]}", "lines": lines, "right": right})
    return Measured(
        [], [Detail(name, "Shape of one, texture of another", "pictures", {"pictures": entries})], thumbnails
    )
