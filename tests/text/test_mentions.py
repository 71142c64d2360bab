"""Names in captions: whole words, plurals, several words in order, each caption once."""

import pytest

from wordsight.text.mentions import mentions, singular


def test_whole_words_singular_and_plural():
    captions = ["Two dogs run .", "a dog and a dog", "a hotdog", "dogma", "A DOG'S life"]
    assert mentions(captions, ["dog"]) == {"dog": 2}
    assert mentions(captions, ["Dogs"]) == {"Dogs": 2}


def test_several_words_in_order():
    captions = ["men's running shoes", "a running shoe", "shoes for running", "trail running, shoes"]
    assert mentions(captions, ["running shoes", "shoe", "t-shirt"]) == {"running shoes": 3, "shoe": 4, "t-shirt": 0}


def test_names_without_letters_and_equal_names():
    assert mentions(["a - b"], ["-", "cat", "cats"]) == {"-": 0, "cat": 0, "cats": 0}
    assert mentions(["cats"], ["cat", "cats"]) == {"cat": 1, "cats": 1}


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("circles", "circle"),
        ("boxes", "box"),
        ("watches", "watch"),
        ("daisies", "daisy"),
        ("women", "woman"),
        ("dress", "dress"),
        ("dresses", "dress"),
        ("cactus", "cactus"),
        ("roses", "rose"),
        ("shoes", "shoe"),
        ("houses", "house"),
        ("tennis", "tennis"),
    ],
)
def test_singulars(plural, one):
    assert singular(plural) == singular(one)
