"""Scenes of several objects: masks cover what is drawn and nothing else, captions are true, shards are read again."""

import json
import tarfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import UsageError
from wordsight.data.drawing import SIDE, Figure, Spot, paint_figures, paint_located
from wordsight.data.located_scenes import class_number, located_scenes, write_located_scenes
from wordsight.data.scenes import all_pairs, held_out_pairs, seen_pairs
from wordsight.data.source import open_source

SCENES = list(located_scenes(30, pairs=seen_pairs(), seed=5))


def centre(mask):
    rows, columns = np.nonzero(mask)
    return columns.mean(), rows.mean()


def test_a_scene_is_a_function_of_seed_and_number():
    again, other = (list(located_scenes(4, pairs=seen_pairs(), seed=seed)) for seed in (5, 6))
    for one, same in zip(SCENES, again, strict=False):
        assert one.captions == same.captions
        assert np.array_equal(one.image, same.image) and np.array_equal(one.labels, same.labels)
    assert [one.captions for one in again] != [one.captions for one in other]


def test_objects_differ_and_stay_among_the_pairs():
    assert {len(scene.pairs) for scene in SCENES} == {2, 3}
    for scene in SCENES:
        assert (
            len({shape for _, shape in scene.pairs}) == len({colour for colour, _ in scene.pairs}) == len(scene.pairs)
        )
        assert not set(scene.pairs) & set(held_out_pairs())


def test_masks_are_where_the_objects_are_and_apart():
    for scene in SCENES:
        masks = [scene.mask(number) for number in range(len(scene.pairs))]
        assert (np.sum(masks, axis=0) <= 1).all()
        assert all(0.01 < mask.mean() < 0.15 for mask in masks)
        backdrop = scene.image[scene.labels == 0].reshape(-1, 3).astype(int)
        for mask in masks:  # an object is far more colourful than the backdrop, which is nearly grey
            inside = scene.image[mask].astype(int)
            assert np.ptp(inside, axis=1).mean() > 2 * np.ptp(backdrop, axis=1).mean()


def test_captions_name_the_side_on_which_an_object_lies():
    said = 0
    for scene in SCENES:
        assert scene.captions[: len(scene.names)] == tuple(
            f"{'an' if n[0] in 'aeiou' else 'a'} {n}" for n in scene.names
        )
        assert all(all(name in text for name in scene.names) for text in scene.captions[len(scene.names) :])
        for text in scene.captions:
            for words, axis in ((" left of ", 0), (" above ", 1)):
                if words in text:
                    first, second = (scene.names.index(part.split(" ", 1)[1]) for part in text.split(words))
                    assert centre(scene.mask(first))[axis] < centre(scene.mask(second))[axis]
                    said += 1
    assert said >= 5


def test_later_objects_cover_earlier_ones():
    below = Figure("circle", "red", "plain", Spot(0.5, 0.5, 0.3))
    above = Figure("square", "blue", "plain", Spot(0.5, 0.5, 0.1))
    both = paint_located([below, above], rng=np.random.default_rng(0))
    alone = paint_located([below], rng=np.random.default_rng(0))
    assert both.labels[SIDE // 2, SIDE // 2] == 2 and 1 in both.labels
    assert ((both.labels == 1) == (alone.labels == 1))[both.labels != 2].all()
    red, green, blue = both.image[both.labels == 2].mean(axis=0)
    assert blue > red and blue > green
    assert np.array_equal(both.image, paint_figures([below, above], rng=np.random.default_rng(0)))


def test_a_shard_holds_images_labels_and_names(tmp_path):
    path = write_located_scenes(tmp_path, SCENES[:6])
    first = path.read_bytes()
    assert write_located_scenes(tmp_path, SCENES[:6]).read_bytes() == first
    samples = list(open_source(tmp_path).samples())
    assert [sample.texts for sample in samples] == [scene.captions for scene in SCENES[:6]]
    with tarfile.open(path) as tar:
        for number, scene in enumerate(SCENES[:6]):
            known = json.load(tar.extractfile(f"{number:05d}.json"))
            labels = np.asarray(Image.open(BytesIO(tar.extractfile(f"{number:05d}.seg.png").read())))
            assert np.array_equal(np.asarray(Image.open(BytesIO(samples[number].image))), scene.image)
            present = [int(one) for one in np.unique(labels) if one]
            assert [" ".join(all_pairs()[one - 1]) for one in present] == known["classes"]
            for index, pair in enumerate(scene.pairs):
                assert np.array_equal(labels == class_number(pair), scene.mask(index))


def test_pairs_that_do_not_differ_are_refused():
    with pytest.raises(UsageError, match="no second object beside a red circle; give more pairs"):
        list(located_scenes(1, pairs=[("red", "circle"), ("orange", "square")], seed=0))
