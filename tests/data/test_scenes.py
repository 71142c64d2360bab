"""Drawn scenes: the same seed draws the same, pictures show what captions say, held-out pairs stay out."""

import colorsys
import csv
import json
import re
from collections import deque

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.data.drawing import COLOURS, SHAPES, SIDE, TEXTURES, Spot, paint
from wordsight.data.scenes import (
    COUNTS,
    LOCATIONS,
    Scene,
    all_pairs,
    captions,
    draw,
    held_out_pairs,
    scenes,
    seen_pairs,
    write_scenes,
)
from wordsight.data.source import open_source

RNG = np.random.default_rng


def test_the_same_seed_draws_the_same_scenes_and_another_does_not():
    first, again = (list(scenes(12, pairs=seen_pairs(), seed=3)) for _ in range(2))
    other = list(scenes(12, pairs=seen_pairs(), seed=4))
    for a, b in zip(first, again, strict=True):
        assert a.scene == b.scene
        assert a.captions == b.captions
        assert np.array_equal(a.image, b.image)
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(first, other, strict=True))


def test_a_longer_set_begins_with_the_shorter_one():
    short, long = list(scenes(3, pairs=seen_pairs(), seed=1)), list(scenes(9, pairs=seen_pairs(), seed=1))
    assert [one.captions for one in short] == [one.captions for one in long[:3]]


def test_held_out_pairs_are_balanced_and_apart_from_the_seen_ones():
    held = held_out_pairs()
    assert len(set(held)) == len(held) == 16
    assert set(held) | set(seen_pairs()) == set(all_pairs())
    assert not set(held) & set(seen_pairs())
    for colour in COLOURS:
        assert sum(pair[0] == colour for pair in held) == 2
    for shape in SHAPES:
        assert sum(pair[1] == shape for pair in held) == 2


def test_no_training_caption_names_a_held_out_pair():
    held = set(held_out_pairs())
    shapes = {f"{shape}{ending}": shape for shape in SHAPES for ending in ("", "s")}
    named = set()
    for drawn in scenes(480, pairs=seen_pairs(), seed=0):
        assert drawn.scene.pair not in held
        for caption in drawn.captions:
            words = re.findall(r"[a-z]+", caption)
            pair = {(c, shapes[s]) for c in words if c in COLOURS for s in words if s in shapes}
            assert pair == {drawn.scene.pair}, caption
            named |= pair
    assert named == set(seen_pairs())


def test_scenes_vary_in_everything():
    drawn = [one.scene for one in scenes(300, pairs=seen_pairs(), seed=0)]
    assert {scene.texture for scene in drawn} == set(TEXTURES)
    assert {scene.count for scene in drawn} == set(COUNTS)
    assert {scene.place for scene in drawn} == {*LOCATIONS, ""}


def nearest_colour(rgb):
    """Return the named colour whose hue is nearest to an (R, G, B) in 0..255."""
    hue = colorsys.rgb_to_hsv(*(value / 255 for value in rgb))[0] * 360
    return min(COLOURS, key=lambda name: abs((hue - COLOURS[name][0] + 180) % 360 - 180))


@pytest.mark.parametrize("colour", COLOURS)
def test_a_picture_shows_the_named_colour(colour):
    for seed in range(8):
        drawn = draw(
            Scene(colour, "circle", TEXTURES[seed % 4], 1 + seed % 4, "left" if seed % 4 == 0 else ""), RNG(seed)
        )
        pixels = drawn.image.reshape(-1, 3).astype(float)
        vivid = pixels[(pixels.max(axis=1) - pixels.min(axis=1)) > 0.42 * pixels.max(axis=1)]
        assert len(vivid) > 50
        assert nearest_colour(np.median(vivid, axis=0)) == colour


@pytest.mark.parametrize("count", COUNTS)
def test_a_picture_shows_the_named_number_of_objects(count):
    for seed in range(6):
        scene = Scene("red", ("circle", "square", "heart")[seed % 3], "plain", count, "top" if count == 1 else "")
        image = draw(scene, RNG(seed)).image.astype(float)
        reds = (image[..., 0] - image[..., 1]) > 60
        assert _islands(reds) == count


@pytest.mark.parametrize("place", LOCATIONS)
def test_a_single_object_lies_where_the_caption_says(place):
    for seed in range(4):
        drawn = draw(Scene("blue", "star", "plain", 1, place), RNG(seed))
        image = drawn.image.astype(float)
        rows, columns = np.nonzero(image[..., 2] - image[..., 0] > 60)
        x, y = columns.mean() / SIDE, rows.mean() / SIDE
        nearest = min(LOCATIONS, key=lambda name: np.hypot(x - LOCATIONS[name].x, y - LOCATIONS[name].y))
        assert nearest == place
        assert any(LOCATIONS[place].phrase in caption for caption in drawn.captions)


def test_shapes_and_textures_look_different():
    spot = [Spot(0.5, 0.5, 0.25)]
    looks = [paint(shape, "red", "plain", spots=spot, rng=RNG(0)).astype(int) for shape in SHAPES]
    looks += [paint("square", "red", texture, spots=spot, rng=RNG(0)).astype(int) for texture in TEXTURES[1:]]
    for i, one in enumerate(looks):
        for other in looks[:i]:
            assert (np.abs(one - other).max(axis=2) > 40).sum() > 60


def test_captions_read_well():
    one = captions(Scene("orange", "arrow", "striped", 1, "left"), RNG(1))
    assert "an orange arrow" in [caption.split(" of ")[-1] for caption in one]
    assert "a striped orange arrow on the left" in one
    assert "on the left there is an orange arrow" in one
    many = captions(Scene("red", "arrow", "plain", 3, ""), RNG(1))
    assert "three plain red arrows" in many
    assert "red arrows, three of them" in many
    assert all("  " not in caption and "A " not in caption for caption in one + many)


def test_an_unknown_shape_or_texture_is_an_error_that_names_the_known_ones():
    with pytest.raises(UsageError, match="'blob'; known: circle"):
        paint("blob", "red", "plain", spots=[Spot(0.5, 0.5, 0.2)], rng=RNG(0))
    with pytest.raises(UsageError, match="'furry'; known: plain"):
        paint("circle", "red", "furry", spots=[Spot(0.5, 0.5, 0.2)], rng=RNG(0))


def test_written_scenes_are_a_source_and_a_table(tmp_path):
    drawn = list(scenes(5, pairs=seen_pairs(), seed=0))
    folder = write_scenes(tmp_path / "train", iter(drawn))
    with open(folder / "metadata.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["class"] for row in rows] == [one.scene.name for one in drawn]
    samples = list(open_source(folder).samples())
    assert [sample.texts for sample in samples] == [one.captions for one in drawn]
    assert [sample.label for sample in samples] == [one.scene.name for one in drawn]
    assert json.loads(rows[0]["captions"]) == list(drawn[0].captions)
    assert samples[0].image == folder / "00000.png"


def _islands(mask: np.ndarray) -> int:
    """Count connected regions of more than a few pixels."""
    left, found = mask.copy(), 0
    while left.any():
        start = tuple(np.argwhere(left)[0])
        left[start] = False
        queue, size = deque([start]), 0
        while queue:
            y, x = queue.popleft()
            size += 1
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1] and left[near]:
                    left[near] = False
                    queue.append(near)
        found += size > 15
    return found
