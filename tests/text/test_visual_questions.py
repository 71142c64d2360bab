"""Questions become statements: what each form asks for, what a yes and a no state, and what fits no template."""

import pytest

from wordsight.base.errors import NotFound, UsageError
from wordsight.text.label_sets import label_set
from wordsight.text.question_forms import FOLDER, answer_list_names, known_nouns
from wordsight.text.visual_questions import ON_COUNTING, ON_FALLBACK, answer_list, visual_question


@pytest.mark.parametrize(
    ("question", "kind", "statement"),
    [
        ("What colour is the car?", "colours", "a photo of a black car."),
        ("What color are the shoes?", "colours", "a photo of black shoes."),
        ("what's the colour of her hair", "colours", "a photo of black hair."),
        ("What colour shirt is the man wearing?", "colours", "a photo of a black shirt."),
        ("What colour is it?", "colours", "a photo of something black."),
        ("What material is the table made of?", "materials", "a photo of a wooden table."),
        ("What is the table made of?", "materials", "a photo of a wooden table."),
        ("What pattern is on the shirt?", "patterns", "a photo of a plain shirt."),
        ("What kind of animal is this?", "animals", "a photo of a dog."),
        ("What animal is on the sofa?", "animals", "a photo of a dog on the sofa."),
        ("What breed is the dog?", "dogs", "a photo of a labrador retriever."),
        ("What's in the picture?", "things", "a photo of a person."),
        ("What is the weather like?", "weather", "a photo of sunny weather."),
        ("What sport are they playing?", "sports", "a photo of football."),
        ("What is the man doing?", "activities", "a photo of a man standing."),
        ("What is the woman wearing?", "clothes", "a photo of a woman wearing a t-shirt."),
        ("Who is riding the horse?", "people", "a man riding the horse."),
        ("Who are these shoes for?", "audiences", "a photo of shoes for men."),
        ("Where is the dog?", "locations", "a photo of a dog on a beach."),
        ("Where was this photo taken?", "locations", "a photo taken on a beach."),
        ("How many dogs are there?", "counts", "a photo of one dog."),
        ("How many people are in the boat?", "counts", "a photo of one person in the boat."),
        ("How old is the man?", "ages", "a photo of a baby."),
        ("How does she feel?", "moods", "a photo of a happy woman."),
    ],
)
def test_a_question_asks_for_a_list_and_each_answer_is_a_statement(question, kind, statement):
    asked = visual_question(question)
    assert asked.kind == kind
    assert statement in asked.candidates[0].ways[0]
    assert len(asked.candidates) == len(label_set(FOLDER / f"{kind}.txt").labels)
    assert (asked.note == ON_COUNTING) == (kind == "counts")


def test_counts_are_singular_and_plural():
    ways = [one.ways[0][0] for one in visual_question("How many children are there?").candidates[:2]]
    assert ways == ["a photo of one child.", "a photo of two children."]


@pytest.mark.parametrize(
    ("question", "yes", "no"),
    [
        ("Is the car red?", "a photo of a red car.", "a photo of a black car."),
        ("Is this bag made of leather?", "a photo of a bag made of leather.", "a photo of a bag made of wood."),
        ("Are these shoes?", "a photo of shoes.", "a photo of t-shirts."),
        ("Is this a drawing?", "a photo of a drawing.", "a photo of a painting."),
        ("Is there a dog?", "a photo of a dog.", "a photo of something else."),
        ("Is the man wearing a hat?", "a photo of a man wearing a hat.", "a photo of a man wearing a shirt."),
        ("Does the man have a beard?", "a photo of a man with a beard.", "a photo of a man."),
        ("Does the dog wear a collar?", "a dog wears a collar.", "a photo of a dog."),
        ("Is anyone swimming?", "a photo of a person swimming.", "a photo of a person standing."),
        ("Is this for women?", "a photo taken for women.", "a photo taken for men."),
    ],
)
def test_a_yes_competes_with_what_may_be_true_instead(question, yes, no):
    asked = visual_question(question)
    assert asked.kind == "yes-no" and [one.answer for one in asked.candidates] == ["yes", "no"]
    first, second = asked.candidates
    assert first.ways[0][0] == yes
    texts = [way[0] for way in second.ways]
    assert no in texts and yes not in texts
    assert asked.note


@pytest.mark.parametrize(
    ("question", "answers", "last"),
    [
        ("Is this a dog or a cat?", ["a dog", "a cat"], "a photo of a cat."),
        ("Is the car red, green or blue?", ["red", "green", "blue"], "a photo of a blue car."),
        ("Is the woman in the car or on a bike?", ["in the car", "on a bike"], "a photo of a woman on a bike."),
        ("What colour is the car, red or blue?", ["red", "blue"], "a photo of a blue car."),
        ("Is it day or night?", ["day", "night"], "it is night."),
    ],
)
def test_alternatives_are_the_answers(question, answers, last):
    asked = visual_question(question)
    assert [one.answer for one in asked.candidates] == answers
    assert asked.candidates[-1].ways[0][0] == last


def test_own_answers_take_the_place_of_a_list_and_a_fallback_says_that_it_is_one():
    asked = visual_question("What colour is the car?", ["red", "green"])
    assert [one.ways[0][0] for one in asked.candidates] == ["a photo of a red car.", "a photo of a green car."]
    assert asked.note == ""
    asked = visual_question("Which brand is it?", ["nike", "adidas"])
    assert (asked.kind, asked.note) == ("own", ON_FALLBACK)
    assert asked.candidates[0].ways[0][0] == "a photo of a nike."


@pytest.mark.parametrize(
    ("question", "answers", "problem"),
    [
        ("Which is bigger?", None, "no template.*--answers"),
        ("What kind of anmal is this?", None, "did you mean animal"),
        ("What is this product used for?", None, "no template"),
        ("Isn't the car red?", None, "negation.*without"),
        ("  ?", None, "empty question"),
        ("What colour is it?", ["red"], "fewer than two"),
        ("What colour is it?", ["red", "red"], "'red' is given twice"),
        ("What colour is it?", ["red", " "], "empty answer"),
        ("What colour is it?", "red", "one text"),
        ("What colour is it?", ["Red", "red"], "same statement"),
    ],
)
def test_what_cannot_be_asked_is_one_line_with_the_cure(question, answers, problem):
    with pytest.raises(UsageError, match=problem):
        visual_question(question, answers)


def test_every_list_is_sound_and_reached():
    names = answer_list_names()
    reached = set(known_nouns().values()) | {label.name for label in label_set(FOLDER / "verbs.txt").labels}
    assert reached <= set(names)
    assert set(names) - reached == {"counts", "people", "audiences"}  # those that how many and who ask for
    assert all(len(label_set(FOLDER / f"{name}.txt").labels) >= 2 for name in names)


def test_a_list_by_name_or_file(tmp_path):
    (tmp_path / "mine.txt").write_text("big: big | huge\nsmall\n")
    assert [one.name for one in answer_list(tmp_path / "mine.txt")] == ["big", "small"]
    assert answer_list("seasons")[2].phrases == ("autumn", "fall")
    with pytest.raises(NotFound, match="seasonz.*seasons"):
        answer_list("seasonz")


@pytest.mark.parametrize(
    "question",
    [
        "Was für ein Tier ist das?",
        "Was ist das für ein Tier?",
        "Was macht der Mann?",
        "Was trägt die Frau?",
        "Was sieht man hier?",
        "Is dit een hond?",
        "Has visto el perro?",
        "Do czego to jest?",
    ],
)
def test_a_question_in_another_language_fits_no_template(question):
    with pytest.raises(UsageError, match="no template or list of answers fits"):
        visual_question(question)


@pytest.mark.parametrize(
    "question",
    [
        "Was the dog running?",
        "Was it red?",
        "Was Peter running?",
        "Has Peter a hat?",
        "Has she a hat?",
        "Has the car a roof?",
        "Was there a dog?",
        "Was this taken at night?",
        "Is there a Müller sign?",
    ],
)
def test_english_with_words_that_other_languages_have_is_read(question):
    assert visual_question(question).kind == "yes-no"
