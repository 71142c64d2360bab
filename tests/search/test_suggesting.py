"""What could follow the first letters: the most frequent first, of equally frequent ones the shortest."""

from collections import Counter

from wordsight.search.suggesting import SuggestedValue, Suggestions


def test_of_equally_frequent_words_the_shortest_comes_first():
    texts = {"two dogs": (0, "two dogs"), "two doctors": (0, "two doctors"), "two doors": (3, "two doors")}
    known = Suggestions(texts, Counter({"doctor": 1, "dog": 1, "dome": 2}), [])
    assert known.after("two do", 9) == ["two doors", "two dogs", "two doctors", "two dome", "two dog", "two doctor"]


def test_all_that_is_kept_counts():
    empty = Suggestions({}, Counter(), [])
    assert empty.size == 0
    value = SuggestedValue("a dog", "kind = 'a dog'", 3)
    for more in (
        Suggestions({"a dog": (1, "a dog")}, Counter(), []),
        Suggestions({}, Counter({"dog": 1}), []),
        Suggestions({}, Counter(), [value]),
    ):
        assert more.size > 100
    assert Suggestions({}, Counter(), [value] * 1000).size > 1000 * (len(value.text) + len(value.where))
