"""Drawn scenes as the images of a check: everything about them is known, and every model can be asked.

    images = drawn_scenes(200, seed=0)              # labels "red circle", one caption each
    task = scenes_task("zero-shot", images, classes=("red", "blue"), labels=[...])

They are no photographs: a model that has seen photographs alone may fail here and do well there, and the reverse.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from wordsight.base.nouns import Sample
from wordsight.data.scenes import all_pairs, describe, scenes
from wordsight.evaluate.building import TaskSets, build_from
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec

NAME = "drawn-scenes"  # heads the results of drawn scenes
TEMPLATES = ("a picture of a {}", "a drawing of a {}")  # as scenes are captioned


def drawn_scenes(count: int, *, seed: int) -> SampleSet:
    """Return `count` scenes of all 64 pairs of colour and shape, as PNG files in memory.

    The label is colour and shape, the text one caption; the metadata says all that is known.
    """
    pairs = all_pairs()
    order = np.random.default_rng(seed).permutation(len(pairs))
    samples, images = [], []
    for number, drawn in enumerate(scenes(count, pairs=[pairs[i] for i in order], seed=seed)):
        scene = drawn.scene
        samples.append(Sample(f"{NAME}/{number}", None, (describe(scene),), scene.name, asdict(scene)))
        images.append(encoded(drawn.image))
    return SampleSet(NAME, samples, images)


def scenes_task(kind: str, images: SampleSet, *, seed: int = 0, **keys: Any) -> Any:
    """Return the built task of a kind of `wordsight.evaluate` on scenes; `keys` are those of `TaskSpec`."""
    known: dict[str, Any] = {"name": images.name, "templates": TEMPLATES, "seed": seed, "naming": "exact", **keys}
    return build_from(TaskSpec(kind, images.name, **known), TaskSets(images))


def relabelled(images: SampleSet, labels: Sequence[str | None], *, name: str, most: int | None = None) -> SampleSet:
    """Return the images under other labels, the first `most`; those with None are left out."""
    rows = [row for row, label in enumerate(labels) if label is not None][:most]
    part = images.of(rows)
    samples = [replace(sample, label=labels[row]) for sample, row in zip(part.samples, rows, strict=True)]
    return SampleSet(name, samples, part.images)


def in_words(name: str) -> str:
    """Return what a set is called in a sentence: "drawn scenes, by colour" for "drawn-scenes-colour", others as is."""
    head, _, attribute = name.partition(f"{NAME}-")
    if name == NAME or (not head and attribute):
        return "drawn scenes" + (f", by {attribute}" if attribute else "")
    return name


def encoded(pixels: Any) -> bytes:
    """Return uint8 (H, W, 3) as a PNG file."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
