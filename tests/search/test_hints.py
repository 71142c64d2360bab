"""A condition that matches nothing because of the case of a letter is explained."""

import pytest

from wordsight.search.library import open_library


@pytest.fixture
def library(photos, model):
    (photos / "metadata.csv").write_text(
        "file,colour,note\na/red.png,red,100%\na/blue.png,blue,100 x\ntop.png,Pink,a_b\nb/green.png,pink,\n"
    )
    with open_library(photos, model=model) as library:
        library.sync()
        yield library


NONE = "where: no picture satisfies the condition\n"


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ("colour = 'Red'", "where: colour has 'red', not 'Red'\n"),
        ("colour in (RED, 'violet') and width > 0", "where: colour has 'red', not 'RED'\n"),
        ("(colour = Blue or width = 1) and height > 0", "where: colour has 'blue', not 'Blue'\n"),
        ("colour = 'violet'", NONE),
        ("colour = 'red' and width > 1000", NONE),
        ("colour = 'Pink' and width > 1000", NONE),  # both cases are there
        ("note = '100_x'", NONE),
        ("note = '100%'  and colour = blue", NONE),
        ("colour contains 'zzz'", NONE),
        ("width = 1", NONE),
    ],
)
def test_the_value_in_another_case_is_named(library, capsys, where, hint):
    assert library.search("red", where=where) == []
    assert capsys.readouterr().err == hint


def test_nothing_is_said_where_something_matches(library, capsys):
    assert len(library.search("red", where="colour in (red, Blue)")) == 1
    assert capsys.readouterr().err == ""
    assert library.search("red", where="colour = red", min_cosine=1.0) == []
    assert capsys.readouterr().err == ""
