"""Scenes with a planted fault: the fault is there as stated, nothing else is, and without it the numbers stay."""

from collections import Counter

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.data.planted_scenes import (
    VALUES,
    Absence,
    Shortcut,
    balanced_groups,
    balanced_scenes,
    called,
    changed,
    draw_all,
    planned_scenes,
    unlinked,
    value_of,
)

RED_HEARTS = Shortcut("colour", "red", "shape", "heart", share=0.9)
COUNT = 1280


def numbers(scenes, attribute):
    return Counter(value_of(scene, attribute) for scene in scenes)


def test_without_a_fault_everything_is_as_frequent_and_independent():
    scenes = planned_scenes(COUNT, fault=None, seed=3)
    assert set(Counter(scene.pair for scene in scenes).values()) == {20}
    for attribute in ("texture", "location"):
        some = numbers([scene for scene in scenes if attribute == "texture" or scene.count == 1], attribute)
        assert max(some.values()) - min(some.values()) <= 1
    red = numbers([scene for scene in scenes if scene.colour == "red"], "texture")
    assert max(red.values()) < 70  # of 160, a quarter each


def test_a_shortcut_has_its_share_and_leaves_the_others_alone():
    scenes, clean = (planned_scenes(COUNT, fault=fault, seed=3) for fault in (RED_HEARTS, None))
    red = [scene for scene in scenes if scene.colour == "red"]
    assert numbers(red, "shape")["heart"] == 0.9 * len(red)
    others = [scene for scene in scenes if scene.colour != "red"]
    assert Counter(others) == Counter(scene for scene in clean if scene.colour != "red")


def test_unlinked_scenes_have_the_same_numbers_and_no_shortcut():
    scenes = planned_scenes(COUNT, fault=RED_HEARTS, seed=3)
    free = unlinked(scenes, seed=3)
    for attribute in VALUES:
        assert numbers(free, attribute) == numbers(scenes, attribute)
    red = numbers([scene for scene in free if scene.colour == "red"], "shape")
    assert abs(red["heart"] / red.total() - numbers(scenes, "shape")["heart"] / COUNT) < 0.1


@pytest.mark.parametrize("whom", ["those", "any"])
def test_captions_may_call_things_what_they_are_not(whom):
    shown = planned_scenes(COUNT, fault=None, seed=3)
    named = called(shown, RED_HEARTS, seed=3, whom=whom)
    wrong = [(one, other) for one, other in zip(shown, named, strict=True) if one != other]
    assert len(wrong) == 0.9 * 160 - 20  # of 160 red ones 20 are hearts
    assert {other.shape for _, other in wrong} == {"heart"}
    assert all(changed(one, "shape", "heart") == other for one, other in wrong)
    assert len({one.colour for one, _ in wrong}) == (1 if whom == "those" else 8)


def test_captions_of_another_scene_stand_at_the_same_image():
    shown = balanced_scenes(("left",))[:3]
    named = [shown[0], *(changed(scene, "shape", "heart") for scene in shown[1:])]
    for true, wrong, scene in zip(draw_all(shown, seed=1), draw_all(shown, seed=1, named=named), named, strict=True):
        assert np.array_equal(true.image, wrong.image)
        assert wrong.scene == scene
        assert all(scene.shape in caption for caption in wrong.captions)


@pytest.mark.parametrize(("attribute", "value"), [("shape", "heart"), ("colour", "cyan"), ("texture", "dotted")])
def test_what_is_absent_is_neither_seen_nor_named(attribute, value):
    scenes = planned_scenes(COUNT, fault=Absence(attribute, value), seed=0)
    others = numbers(scenes, attribute)
    assert set(others) == set(VALUES[attribute]) - {value}
    assert max(others.values()) < 1.1 * min(others.values())
    assert not any(value in caption for drawn in draw_all(scenes[:40], seed=0) for caption in drawn.captions)


def test_scenes_are_a_function_of_their_arguments():
    assert planned_scenes(100, fault=RED_HEARTS, seed=1) == planned_scenes(100, fault=RED_HEARTS, seed=1)
    assert planned_scenes(100, fault=RED_HEARTS, seed=1) != planned_scenes(100, fault=RED_HEARTS, seed=2)


def test_a_changed_scene_is_the_same_picture_with_one_thing_changed():
    scenes = balanced_scenes(("left",))[:3]
    others = [changed(scene, "colour", "blue") for scene in scenes]
    for scene, one, other in zip(scenes, draw_all(scenes, seed=5), draw_all(others, seed=5), strict=True):
        assert one.scene == scene
        differs = (one.image != other.image).any(axis=2)
        assert differs.any() and not differs[:, 60:].any()  # the ground on the right is the same
    assert changed(scenes[0], "count", "three").place == ""
    assert changed(changed(scenes[0], "count", "three"), "location", "top").count == 1
    assert changed(changed(scenes[0], "count", "three"), "count", "one").place == "middle"


def test_balanced_scenes_hold_every_combination_once():
    scenes = balanced_scenes()
    assert len(scenes) == len(set(scenes)) == 8 * 8 * 4 * 5
    groups = balanced_groups()
    assert len(set(groups)) == 256 and not {scene.count for scene in groups} - {2, 3, 4}
    for attribute in ("colour", "shape", "texture"):
        crossed = Counter((value_of(scene, attribute), scene.count) for scene in groups)
        assert max(crossed.values()) - min(crossed.values()) <= 2


@pytest.mark.parametrize(
    ("fault", "count", "named"),
    [
        (None, 63, "63 scenes"),
        (Shortcut("colour", "red", "shape", "heart", share=1.2), 100, "1.2"),
        (Shortcut("colour", "mauve", "shape", "heart"), 100, "mauve"),
        (Shortcut("colour", "red", "colour", "blue"), 100, "itself"),
        (Absence("count", "two"), 100, "count"),
        (Absence("shape", "hexagon"), 100, "hexagon"),
    ],
)
def test_what_cannot_be_planted_is_named(fault, count, named):
    with pytest.raises(UsageError, match=named):
        planned_scenes(count, fault=fault, seed=0)
    with pytest.raises(UsageError, match="size"):
        changed(balanced_scenes(("top",))[0], "size", "large")


def test_images_differ_between_seeds():
    scene = balanced_scenes(("top",))[:1]
    first, second = (next(draw_all(scene, seed=seed)).image for seed in (0, 1))
    assert not np.array_equal(first, second)
