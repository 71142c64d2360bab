"""Drawn pairs: captions of the same words, pictures that show what they say, and the set on disk."""

import colorsys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import UsageError
from wordsight.data.contrast_scenes import contrast_kinds, contrast_pairs, draw_contrasts, is_as_drawn
from wordsight.data.drawing import COLOURS, SHAPES, SIDE, Figure, Spot, paint, paint_figures
from wordsight.data.selection import read_selection

RNG = np.random.default_rng
PAIRS = list(contrast_pairs(40, seed=3))


def amounts(image, colour: str) -> np.ndarray:
    """Return where an image shows a colour: bool (S, S), by the nearest of the pure colours among strong pixels."""
    pixels = image.reshape(-1, 3).astype(np.float64) / 255
    hues = np.array([colorsys.rgb_to_hsv(*pixel)[:2] for pixel in pixels])
    wanted = COLOURS[colour][0] / 360
    away = np.abs((hues[:, 0] - wanted + 0.5) % 1 - 0.5)
    return ((away < 0.045) & (hues[:, 1] > 0.3)).reshape(SIDE, SIDE)


def centre(mask) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())


def test_pairs_are_of_the_kinds_in_turn_and_a_function_of_seed_and_number():
    assert [pair.kind for pair in PAIRS] == [contrast_kinds()[i % 5] for i in range(40)]
    again = list(contrast_pairs(7, seed=3))
    for one, other in zip(PAIRS, again, strict=False):
        assert one.captions == other.captions
        assert all(np.array_equal(a, b) for a, b in zip(one.images, other.images, strict=True))
    assert [pair.captions for pair in contrast_pairs(7, seed=4)] != [pair.captions for pair in again]


def test_the_captions_of_a_pair_have_the_same_words_and_differ():
    for pair in PAIRS:
        first, second = (Counter("a" if w == "an" else w for w in caption.split()) for caption in pair.captions)
        assert first == second
        assert pair.captions[0] != pair.captions[1]
        assert not np.array_equal(*pair.images)


def test_the_pictures_of_a_pair_have_one_backdrop():
    for pair in PAIRS:
        corners = [image[:2, :2].astype(int) for image in pair.images]
        assert np.array_equal(*corners)


@pytest.mark.parametrize("kind", ["colour", "relation"])
def test_pictures_show_their_caption_and_not_the_other(kind):
    for pair in (pair for pair in PAIRS if pair.kind == kind):
        for image, caption in zip(pair.images, pair.captions, strict=True):
            words = caption.replace(" of", "").split()  # a red circle left a blue square
            first, relation, second = words[1], words[3], words[5]
            (x, y), (other_x, other_y) = centre(amounts(image, first)), centre(amounts(image, second))
            assert (other_x - x if relation == "left" else other_y - y) > 20


def test_sizes_swap_areas():
    for pair in (pair for pair in PAIRS if pair.kind == "size"):
        colours = [word for word in pair.captions[0].split() if word in COLOURS]
        first, second = ([amounts(image, colour).sum() for colour in colours] for image in pair.images)
        assert first[0] > 2 * second[0] and second[1] > 2 * first[1]


def test_counts_are_what_is_drawn():
    numbers = {"two": 2, "three": 3, "four": 4}
    for pair in (pair for pair in PAIRS if pair.kind == "count"):
        for caption in pair.captions:
            first, colour, shapes, _, second, other, others = caption.split()
            assert numbers[first] != numbers[second] and colour != other
            assert {shapes[:-1], others[:-1]} <= set(SHAPES) and shapes != others
        words = pair.captions[0].split()
        areas = [[amounts(image, words[i]).sum() for image in pair.images] for i in (1, 5)]
        ratio = numbers[words[0]] / numbers[words[4]]
        assert areas[0][0] / areas[0][1] == pytest.approx(ratio, rel=0.12)
        assert areas[1][1] / areas[1][0] == pytest.approx(ratio, rel=0.12)


def test_one_object_a_spot_is_what_paint_draws():
    spots = [Spot(0.3, 0.3, 0.15), Spot(0.7, 0.6, 0.2)]
    figures = [Figure("star", "red", "striped", spot) for spot in spots]
    whole = paint("star", "red", "striped", spots=spots, rng=RNG(1))
    assert np.array_equal(whole, paint_figures(figures, rng=RNG(1)))


def test_what_is_drawn_is_read_again(tmp_path):
    chosen = read_selection(draw_contrasts(tmp_path / "set", count=12, seed=1))
    assert chosen.failures == ()
    assert [(item.key, item.kind) for item in chosen.items[:2]] == [("00000", "colour"), ("00001", "relation")]
    for item, pair in zip(chosen.items, contrast_pairs(12, seed=1), strict=True):
        assert item.captions == pair.captions
        for path, image in zip(item.images, pair.images, strict=True):
            assert np.array_equal(np.asarray(Image.open(path)), image)


def test_no_pairs_are_an_error(tmp_path):
    with pytest.raises(UsageError, match="0 pairs; draw at least one"):
        draw_contrasts(tmp_path, count=0, seed=0)


def test_a_folder_knows_whether_it_is_as_it_was_drawn(tmp_path):
    folder = tmp_path / "set"
    assert not is_as_drawn(folder)
    draw_contrasts(folder, count=2, seed=1)
    assert is_as_drawn(folder)
    (folder / "more.txt").write_text("of somebody else")
    assert is_as_drawn(folder)
    for name in ("selection.jsonl", "00001-1.png"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-1])
        assert not is_as_drawn(folder)
        (folder / name).write_bytes(content)
    (folder / "checksums.json").write_text("[]")
    assert not is_as_drawn(folder)
