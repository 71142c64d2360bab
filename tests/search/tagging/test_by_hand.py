"""Tags that people give: beside those of the model, each once, all or none, and the way back."""

import pytest

from wordsight.base.errors import NotFound, UsageError
from wordsight.engines.fake import COLOURS
from wordsight.search.tagging.by_hand import HAND, HandTagged, tag_by_hand, undo_by_hand
from wordsight.text.label_sets import Label, LabelSet


@pytest.fixture
def library(tmp_path, paint, opened):
    """A library of three images."""
    for name in ("a", "b", "c"):
        paint(tmp_path / "few" / f"{name}.png", "red", ord(name) % 7)
    library = opened(tmp_path / "few")
    library.sync()
    return library


def tags(library, column=HAND):
    with library.reading() as index:
        return {
            one.key[0]: one.meta[column] for one in index.entries(["a.png", "b.png", "c.png"]) if column in one.meta
        }


def test_tags_are_added_and_removed_and_each_step_is_taken_back(library):
    first = tag_by_hand(library, ["a.png", "b.png", "a.png"], add=[" holiday ", "Sea"])
    assert (first.images, first.changed) == (2, 2)
    second = tag_by_hand(library, ["a.png", "c.png"], add=["sea", "sand"], remove=["HOLIDAY"])
    assert tags(library) == {"a": "Sea\nsand", "b": "holiday\nSea", "c": "sea\nsand"}
    assert len(library.search("red", where=f"{HAND} has sand", k=9)) == 2
    assert tag_by_hand(library, ["a.png"], add=["SAND"], remove=["other"]) == HandTagged(1, 0, "")
    with pytest.raises(NotFound, match=rf"the run '{first.run}' is not the last by hand"):
        undo_by_hand(library, first.run)
    assert undo_by_hand(library, second.run).changed == 2
    assert tags(library) == {"a": "holiday\nSea", "b": "holiday\nSea"}
    assert undo_by_hand(library).changed == 2
    assert tags(library) == {}
    with pytest.raises(NotFound, match="no tagging that can be taken back"):
        undo_by_hand(library)


def test_what_was_changed_since_is_left(library):
    run = tag_by_hand(library, ["a.png", "b.png"], add=["sea"]).run
    library.note([("a.png", {HAND: "mine"})])
    undone = undo_by_hand(library, run)
    assert (undone.changed, undone.left) == (1, ["a.png: its columns were changed since"])
    assert tags(library) == {"a": "mine"}


def test_the_models_tags_and_peoples_do_not_touch_one_another(library):
    labels = LabelSet("own", tuple(Label(name, (name,)) for name in sorted(COLOURS)))
    library.tag(labels, min_cosine=0.9)
    run = tag_by_hand(library, ["a.png"], add=["blue"]).run
    assert tags(library, "tags") == dict.fromkeys("abc", "red")
    with pytest.raises(UsageError, match="a column hand_tags is there already"):
        library.tag(labels, min_cosine=0.9, column=HAND)
    library.undo_tags()
    assert (tags(library, "tags"), tags(library)) == ({}, {"a": "blue"})
    undo_by_hand(library, run)
    library.tag(labels, min_cosine=0.9, column=HAND)
    with pytest.raises(UsageError, match="the column hand_tags has tags of the model"):
        tag_by_hand(library, ["a.png"], add=["blue"])


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"add": [" "]}, "the tag '' has 0 letters"),
        ({"add": ["x" * 101]}, "has 101 letters"),
        ({"add": ["a\nb"]}, "control character"),
        ({"add": ["a"], "remove": ["A"]}, "the tag 'a' both added and removed"),
    ],
)
def test_tags_that_can_be_none_are_refused(library, given, word):
    with pytest.raises(UsageError, match=word):
        tag_by_hand(library, ["a.png"], **given)


def test_all_or_none_and_five_can_be_taken_back(library):
    with pytest.raises(NotFound):
        tag_by_hand(library, ["a.png", "gone.png"], add=["sea"])
    assert tags(library) == {}
    for number in range(7):
        tag_by_hand(library, ["a.png"], add=[str(number)])
    assert [undo_by_hand(library).changed for _ in range(5)] == [1] * 5
    assert tags(library) == {"a": "0\n1"}
    with pytest.raises(NotFound):
        undo_by_hand(library)
