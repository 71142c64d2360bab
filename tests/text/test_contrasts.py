"""Hard negatives by rule: what each kind makes, and where it rather makes none."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.base.errors import UsageError
from wordsight.text.caption_phrases import article, nouns, parse, word_list, word_set
from wordsight.text.contrasts import CONTRAST_RULES, KINDS, WEAK_KINDS, Contrast, contrasts

WORDS = st.sampled_from(
    (
        "A",
        "a",
        "dog",
        "the",
        "red",
        "blue",
        "two",
        "cats",
        "man",
        "her",
        "on",
        "under",
        "left",
        "bench",
        ",",
        ".",
        "and",
        "his",
        "orange",
        "in",
        "front",
        "of",
    )
)


def made(caption: str, kind: str, seeds: int = 40) -> set[str]:
    """Return all texts that a kind makes of a caption with some seeds."""
    return {one.text for seed in range(seeds) for one in contrasts(caption, seed=seed, kinds=(kind,))}


@pytest.mark.parametrize(
    ("kind", "caption", "expected"),
    [
        ("swap-nouns", "A dog chases the cat .", {"A cat chases the dog ."}),
        ("swap-nouns", "A man is holding an elephant", {"An elephant is holding a man"}),
        ("swap-attributes", "a man in an orange shirt and a blue hat", {"a man in a blue shirt and an orange hat"}),
        ("swap-attributes", "A big dog follows a small dog", {"A small dog follows a big dog"}),
        ("replace-number", "Two men walk", {"Four men walk", "Five men walk"}),
        ("replace-number", "A man and four red balls", {"A man and six red balls", "A man and seven red balls"}),
        ("replace-size", "a large red ball", {"a small red ball"}),
        ("replace-relation", "a man in front of an old car", {"a man behind an old car"}),
        ("replace-relation", "two dogs on the wet bench .", {"two dogs under the wet bench ."}),
        ("replace-relation", "the cup on the left is full", {"the cup on the right is full"}),
        ("replace-gender", "A man with his dog pulls him .", {"A woman with her dog pulls her ."}),
        ("replace-gender", "A dog follows her as a girl holds her hat", {"A dog follows him as a boy holds his hat"}),
        ("replace-noun", "Two puppies sleep", {"Two kittens sleep", "Two rabbits sleep"}),
        ("replace-noun", "A red apple", {"A red banana"}),
        ("replace-colour", "A black dog with pink ears", {"A white dog with pink ears", "A tan dog with pink ears"}),
    ],
)
def test_a_rule_makes_what_it_says(kind, caption, expected):
    assert made(caption, kind) == expected


@pytest.mark.parametrize(
    ("kind", "caption"),
    [
        ("swap-nouns", "A dog beside the cat"),  # as true the other way round
        ("swap-nouns", "A man in a coat holding a bag"),  # the coat holds nothing
        ("swap-nouns", "A boy rides the horses"),  # the verb would not agree
        ("swap-nouns", "A girl holding a horse 's lead"),
        ("swap-attributes", "a black dog and a white dog"),
        ("swap-attributes", "a red hat and an orange ball"),  # an eye may take one for the other
        ("swap-attributes", "a black dog with a red collar"),  # dogs are not red
        ("replace-number", "Two dogs , one black and one brown"),
        ("replace-number", "a two year old boy"),
        ("replace-number", "nine men"),  # is often an estimate
        ("replace-size", "a small dog"),
        ("replace-size", "a large ball and a smaller hat"),
        ("replace-size", "a large group of men"),
        ("replace-relation", "a man on the beach"),  # nobody is under it
        ("replace-relation", "seen from in front of a house"),
        ("replace-relation", "a toy on the hat"),  # nor under it
        ("replace-relation", "in front of , a car"),
        ("replace-gender", "A man and a woman"),  # as true the other way round
        ("replace-gender", "A boy and his mom"),
        ("replace-gender", "She smiles"),
        ("replace-noun", "a dog house"),
        ("replace-noun", "a dog biscuit"),
        ("replace-noun", "a kite string"),
        ("replace-noun", "a dog chases another dog"),
        ("replace-noun", "hot dogs"),
        ("replace-colour", "a black man"),
        ("replace-colour", "orange juice"),
        ("replace-colour", "a light brown dog"),
        ("add-attribute", "a small hat"),
    ],
)
def test_a_rule_that_is_not_sure_makes_nothing(kind, caption):
    assert made(caption, kind) == set()


def test_a_replaced_colour_is_neither_near_nor_named_already():
    texts = made("A man in a red shirt and blue pants", "replace-colour", 200)
    shirts = {match[1] for text in texts if (match := re.search(r"(\w+) shirt", text))} - {"red"}
    assert shirts == {"yellow", "green", "black", "white", "grey", "tan"}


def test_a_pair_that_cannot_be_swapped_does_not_hide_another():
    assert made("an orange hat , a red box and a blue bag", "swap-attributes") == {
        "a blue hat , a red box and an orange bag",
        "an orange hat , a blue box and a red bag",
    }


def test_an_added_colour_is_weak_and_takes_its_article():
    texts = made("a man with a hat", "add-attribute", 100)
    assert {"a man with an orange hat", "a man with a red hat"} <= texts
    assert Contrast("add-attribute", "").is_weak
    assert not any(Contrast(kind, "").is_weak for kind in KINDS if kind not in WEAK_KINDS)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("shuffle")])
def test_shuffling_keeps_words_marks_and_the_first_capital(kind):
    caption = "A young dog chases two red balls , on the wet grass ."
    for text in made(caption, kind):
        assert Counter(text.lower().split()) == Counter(caption.lower().split())
        assert text.lower() != caption.lower()
        assert text[0].isupper() and text[1:] == text[1:].lower()
        assert text.split().index(",") == 7


def test_the_four_shuffles_move_what_they_are_to_move():
    caption = "a young dog chases two red balls on the wet grass"
    words = caption.split()
    content = {"young", "dog", "two", "red", "balls", "wet", "grass"}
    for text in made(caption, "shuffle-nouns-adjectives"):
        assert all(new == old for new, old in zip(text.split(), words, strict=True) if old not in content)
    for text in made(caption, "shuffle-others"):
        assert all(new == old for new, old in zip(text.split(), words, strict=True) if old in content)
    for text in made(caption, "shuffle-within-trigrams"):
        new = text.split()
        assert all(set(new[i : i + 3]) == set(words[i : i + 3]) for i in range(0, len(words), 3))
    for text in made(caption, "shuffle-trigrams"):
        assert all(three in text for three in ("a young dog", "chases two red", "balls on the", "wet grass"))
    assert all(made(caption, kind) for kind in KINDS if kind.startswith("shuffle"))


def test_texts_that_no_order_changes_are_left_alone():
    assert contrasts("dog", seed=0) == []
    assert contrasts("dog dog dog", seed=0, kinds=("shuffle-trigrams", "shuffle-within-trigrams")) == []
    assert contrasts("", seed=0) == contrasts(" ... ", seed=0) == []


def test_the_same_seed_gives_the_same_and_kinds_do_not_touch_each_other():
    caption = "A man in a red shirt and a blue hat walks two dogs on a beach ."
    everything = contrasts(caption, seed=5)
    assert everything == contrasts(caption, seed=5)
    assert [one for kind in KINDS for one in contrasts(caption, seed=5, kinds=(kind,))] == everything
    assert any(contrasts(caption, seed=seed) != everything for seed in range(6, 9))
    assert [one.kind for one in everything] == [kind for kind in KINDS if kind in {one.kind for one in everything}]


def test_an_unknown_kind_is_an_error_that_names_the_near_one():
    with pytest.raises(UsageError, match="no contrasts of kind 'swap-noun'; did you mean swap-nouns"):
        contrasts("a dog", seed=0, kinds=("swap-noun",))


@given(st.lists(WORDS, max_size=14), st.integers(0, 2**32))
def test_every_negative_differs_and_a_replacement_keeps_the_other_words(words, seed):
    caption = " ".join(words)
    for one in contrasts(caption, seed=seed):
        assert one.text.lower().split() != caption.lower().split()
        if one.kind in ("swap-nouns", "swap-attributes") or one.kind.startswith("shuffle"):
            same = {"an": "a"}
            assert Counter(same.get(w, w) for w in one.text.lower().split()) == Counter(
                same.get(w, w) for w in caption.lower().split()
            )


@given(st.text(max_size=60), st.integers(0, 9))
def test_any_text_can_be_asked_for(text, seed):
    for one in contrasts(text, seed=seed):
        assert one.kind in CONTRAST_RULES
        assert one.text.lower() != text.lower()


def test_noun_phrases_know_their_attributes_and_openers():
    caption = parse("Two black and white dogs , a big red ball")
    dogs, ball = caption.phrases
    assert [caption.words[number] for number in (*dogs.attributes, dogs.head)] == ["black", "white", "dogs"]
    assert (dogs.start, dogs.has_opener, dogs.noun.is_plural) == (0, True, True)
    assert [caption.words[number] for number in (*ball.attributes, ball.head)] == ["big", "red", "ball"]
    assert caption.words[ball.start] == "a"
    (ball,) = parse("big , red ball").phrases  # what stands before a mark may be of something else
    assert (ball.attributes, ball.start, ball.has_opener) == ((1,), 1, False)
    assert parse("the , ball").phrases[0].has_opener is False


def test_articles_go_by_the_sound_of_the_listed_words():
    assert [article(word) for word in ("orange", "dog", "unicycle", "umbrella", "uniform", "apron")] == [
        "an",
        "a",
        "a",
        "an",
        "a",
        "an",
    ]


def test_the_lists_name_only_words_of_each_other():
    for line in word_list("alternatives"):
        name, _, others = line.partition(":")
        assert {name, *others.split()} <= set(nouns()), line
        assert name not in others.split()
    for line in word_list("colours"):
        name, _, others = line.partition(":")
        assert set(others.split()) <= word_set("colours") | {"maroon"}, line
    assert set(word_list("animal_colours")) <= word_set("colours")
    assert word_set("supports") <= set(nouns())
    assert not word_set("verb_plurals") & set(nouns())
