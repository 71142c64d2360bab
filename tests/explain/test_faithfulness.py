import numpy as np
import pytest
from tests.explain.patch_engine import SIDE, TEXTS, PatchEngine, patch_map, red_patch

from wordsight.base.errors import UsageError
from wordsight.explain.faithfulness import Perturbation, area, faithfulness, random_maps
from wordsight.explain.locating import centre_map

PATCH = (slice(0, 8), slice(24, 32))  # a sixteenth of the image, in its corner
FULL = 3**-0.5  # the cosine of the red patch with the text "red"
BLACK = Perturbation(removed="black", shown="black")


def measured(maps, how=BLACK, texts=TEXTS[:1], patch=PATCH):
    return faithfulness(PatchEngine(patch), red_patch(patch), texts, maps, how=how)


def test_a_true_map_falls_at_once_and_rises_at_once():
    """The patch is a sixteenth: it is gone after the first of ten steps, and there after the first."""
    [result] = measured(patch_map(PATCH))
    assert result.deletion == pytest.approx([FULL] + [0] * 10, abs=1e-6)
    assert result.insertion == pytest.approx([0] + [FULL] * 10, abs=1e-6)
    assert result.kept == pytest.approx([FULL] * 10 + [0], abs=1e-6)
    assert result.areas.deletion == pytest.approx(FULL / 20)
    assert result.areas.insertion == pytest.approx(FULL * 19 / 20)
    assert result.areas.gap == pytest.approx(FULL * 18 / 20)
    assert result.positive == pytest.approx(FULL / 18)  # nine steps of the first nine tenths
    assert result.negative == pytest.approx(FULL)
    assert result.p_value == 1 / 20
    assert result.passes
    assert result.better_than_random > 0.3


def test_the_reversed_map_is_as_bad_as_the_map_is_good():
    """With one fill for both, deleting a map's end is inserting its beginning, backwards."""
    [result] = measured(patch_map(PATCH))
    assert result.reversed.gap == pytest.approx(-result.areas.gap)
    [turned] = measured(-patch_map(PATCH))
    assert turned.areas.gap == pytest.approx(result.reversed.gap)
    assert turned.reversed.gap == pytest.approx(result.areas.gap)
    assert not turned.passes
    assert turned.p_value == 1
    assert turned.better_than_random < -0.3


def test_the_centre_loses_where_the_thing_lies_in_the_corner_and_wins_in_the_middle():
    assert measured(patch_map(PATCH))[0].centre.gap < -0.3
    middle = (slice(12, 20), slice(12, 20))
    assert measured(patch_map(middle), patch=middle)[0].centre.gap > 0.3


def test_a_map_of_elsewhere_and_a_flat_map_do_not_pass():
    elsewhere = patch_map((slice(24, 32), slice(0, 8)))
    assert not measured(elsewhere)[0].passes
    assert not measured(np.zeros((1, SIDE, SIDE), dtype=np.float32))[0].passes


def test_random_maps_pass_as_rarely_as_the_level_says():
    """Grids of noise among grids of noise: 1 in 20 should pass, of 60 hardly more than 9."""
    passed = 0
    for number in range(60):
        noise = random_maps(patch_map(PATCH)[0], Perturbation(baseline="grids", seed=1000 + number))[:1]
        passed += measured(noise, Perturbation(removed="black", shown="black", baseline="grids"))[0].passes
    assert passed <= 9


def test_curves_by_hand_with_two_fills():
    """Deletion puts the mean colour in place, insertion begins with the blurred image."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    relevance = generator.permutation(SIDE * SIDE).reshape(1, SIDE, SIDE).astype(np.float32)
    engine = PatchEngine(PATCH)
    how = Perturbation(steps=4)
    [result] = faithfulness(engine, pixels, TEXTS[1:2], relevance, how=how)
    mean = np.rint(pixels.mean(axis=(0, 1)))
    for step in range(5):
        gone = pixels.copy()
        gone[relevance[0] >= SIDE * SIDE - 256 * step] = mean
        assert result.deletion[step] == pytest.approx(engine.embed_images(gone[None])[0, 1], abs=1e-6)
        left = pixels.copy()
        left[relevance[0] < 256 * step] = mean
        assert result.kept[step] == pytest.approx(engine.embed_images(left[None])[0, 1], abs=1e-6)
    assert result.insertion[-1] == pytest.approx(result.deletion[0])
    assert abs(result.insertion[0] - result.deletion[-1]) > 1e-3  # blurred, not grey


def test_each_text_has_its_map():
    """Red and green patches, and the two texts: with the maps changed over neither passes."""
    pixels = red_patch((slice(0, 8), slice(0, 8)))
    pixels[24:, 24:, 1] = 255
    red, green = patch_map((slice(0, 8), slice(0, 8))), patch_map((slice(24, 32), slice(24, 32)))
    everything = (slice(None), slice(None))
    right, changed = (
        faithfulness(PatchEngine(everything), pixels, TEXTS[:2], np.concatenate(maps), how=BLACK)
        for maps in ((red, green), (green, red))
    )
    assert [one.passes for one in right] == [True, True]
    assert [one.passes for one in changed] == [False, False]


def test_probabilities_are_the_models():
    """Of scaled cosines by softmax; of a sigmoid model's by softmax of the logarithms of its probabilities."""
    how = Perturbation(removed="black", shown="black", score="probability")
    [result] = faithfulness(PatchEngine(PATCH), red_patch(PATCH), TEXTS[:2], patch_map(PATCH).repeat(2, 0), how=how)[:1]
    assert result.deletion[0] == pytest.approx(1 / (1 + np.exp(-10 * FULL)))
    assert result.deletion[-1] == pytest.approx(0.5)
    engine = PatchEngine(PATCH, bias=-3.0)
    [result] = faithfulness(engine, red_patch(PATCH), TEXTS[:2], patch_map(PATCH).repeat(2, 0), how=how)[:1]
    first, second = (1 / (1 + np.exp(-(10 * cosine - 3))) for cosine in (FULL, 0))
    assert result.deletion[0] == pytest.approx(first / (first + second))


def test_ties_are_broken_at_random_and_the_same_each_time():
    one, other = (measured(np.zeros((1, SIDE, SIDE), dtype=np.float32))[0] for _ in range(2))
    assert one.deletion.tolist() == other.deletion.tolist()
    assert one.deletion == pytest.approx(np.linspace(FULL, 0, 11), abs=0.12)  # not all of a row first


def test_moved_maps_have_the_values_of_the_map_and_lie_elsewhere():
    relevance = np.random.default_rng(0).normal(size=(40, 45)).astype(np.float32)
    moved = random_maps(relevance, Perturbation())
    assert moved.shape == (19, 40, 45)
    assert all(sorted(one.ravel()) == sorted(relevance.ravel()) for one in moved)
    assert len({one.tobytes() for one in moved}) == 19
    turned = {}
    for one in moved:
        flips = [one[::down, ::across] for down in (1, -1) for across in (1, -1)]
        tops = [tuple(np.argwhere(flip == relevance[0, 0])[0]) for flip in flips]
        fits = [(np.roll(relevance, top, axis=(0, 1)) == flip).all() for flip, top in zip(flips, tops, strict=True)]
        assert sum(fits) == 1
        turned[tops[fits.index(True)]] = fits.index(True)
    assert set(turned.values()) == {0, 1, 2, 3}  # flipped in each way
    assert min(len({top[axis] for top in turned}) for axis in (0, 1)) > 9  # and shifted down and across


def test_the_centre_and_random_maps_are_measured_as_the_map_is():
    """With two fills, on an image of noise: given as the map, they have the areas that they have beside it."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    how = Perturbation(baseline="grids")
    maps = np.stack([centre_map((SIDE, SIDE)), random_maps(patch_map(PATCH)[0], how)[7]])
    centre, random = faithfulness(PatchEngine(PATCH), pixels, TEXTS[[1, 1]], maps, how=how)
    assert centre.areas == centre.centre == random.centre
    assert random.areas == random.randoms[7]


def test_grids_of_noise_are_shared_by_texts_and_take_fewer_images():
    engine = PatchEngine(PATCH)
    both = patch_map(PATCH).repeat(2, 0)
    results = faithfulness(engine, red_patch(PATCH), TEXTS[[0, 0]], both, how=Perturbation(baseline="grids"))
    assert results[0].randoms == results[1].randoms
    assert sum(engine.sizes) == 3 + 18 + 2 * 36 + 19 * 18
    engine.sizes.clear()
    faithfulness(engine, red_patch(PATCH), TEXTS[[0, 0]], both)
    assert sum(engine.sizes) == 3 + 18 + 2 * 36 + 2 * 19 * 18


def test_one_line():
    assert str(measured(patch_map(PATCH))[0]).startswith("insertion 0.548 - deletion 0.029 = +0.520; random maps ")
    assert str(measured(patch_map(PATCH))[0]).endswith("reversed -0.520; better than random (p = 0.05)")
    assert "no better than random" in str(measured(-patch_map(PATCH))[0])


def test_area():
    assert area(np.array([1.0, 0.5, 0.0])) == 0.5
    assert area(np.array([1.0, 0.0, 0.0])) == 0.25


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (patch_map(PATCH)[0], r"maps of the shape \(32, 32\); give \(1, 32, 32\)"),
        (patch_map(PATCH)[:, :16], r"maps of the shape \(1, 16, 32\)"),
        (patch_map(PATCH) * np.nan, "a map with values that are not finite; a map that failed cannot be tested"),
    ],
)
def test_maps_that_do_not_fit(maps, message):
    with pytest.raises(UsageError, match=message):
        measured(maps)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 1}, "steps: 1; give a whole number from 2 to 1000"),
        ({"randoms": 18}, "random maps: 18; give a whole number from 19"),
        ({"cells": 1}, "cells of a random map: 1"),
        ({"score": "logit"}, "no score 'logit'; use cosine or probability"),
        ({"baseline": "pixels"}, "no baseline 'pixels'; use moved or grids"),
    ],
)
def test_settings_refuse(wrong, message):
    with pytest.raises(UsageError, match=message):
        Perturbation(**wrong)


def test_a_probability_needs_two_texts():
    with pytest.raises(UsageError, match=r"the probability of one text is always 1; give more texts"):
        measured(patch_map(PATCH), Perturbation(score="probability"))


@pytest.mark.parametrize("baseline", ["moved", "grids"])
def test_progress_counts_every_image(baseline, monkeypatch):
    totals, counts = [], []

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self, count):
            counts.append(count)

    monkeypatch.setattr("wordsight.explain.faithfulness.bar", lambda total, **_: totals.append(total) or Bar())
    maps = patch_map(PATCH).repeat(2, 0)
    faithfulness(PatchEngine(PATCH), red_patch(PATCH), TEXTS[:2], maps, how=Perturbation(baseline=baseline))
    assert totals == [sum(counts)]
