"""A word is written where, how large and in which colour its style says, on the image's own pixels elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.images.typographic import (
    WORD_FONTS,
    WORD_POSITIONS,
    WordFont,
    WordPosition,
    WordStyle,
    word_styles,
    write_word,
)


def grey(level: int, height: int = 200, width: int = 300) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def changed_box(before: Pixels, after: Pixels) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what differs."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.mark.parametrize("font", WORD_FONTS)
@pytest.mark.parametrize("position", WORD_POSITIONS)
def test_the_word_stands_at_its_position(font: WordFont, position: WordPosition) -> None:
    image = grey(90)
    left, top, right, bottom = changed_box(image, write_word(image, "apple", WordStyle(font, position, 0.2)))
    margin, near = 4, 2  # 2 % of 200 pixels; a letter's rim may be too faint to change a level
    if "left" in position:
        assert margin <= left <= margin + near
    elif "right" in position:
        assert 300 - margin - near <= right <= 300 - margin
    else:
        assert abs((left + right) / 2 - 150) <= near
    if "top" in position:
        assert margin <= top <= margin + near
    elif "bottom" in position:
        assert 200 - margin - near <= bottom <= 200 - margin
    else:
        assert abs((top + bottom) / 2 - 100) <= near


def test_the_size_is_a_share_of_the_height() -> None:
    image = grey(90, 400, 900)
    heights = []
    for size in (0.05, 0.1, 0.2):
        _, top, _, bottom = changed_box(image, write_word(image, "HELLO", WordStyle("plain", "middle", size)))
        heights.append(bottom - top)
    capitals = np.array(heights) / (np.array((0.05, 0.1, 0.2)) * 400)
    assert np.all((capitals > 0.6) & (capitals < 0.85))  # capitals are about 0.7 of a font's size


@pytest.mark.parametrize(
    ("level", "colour"),
    [(0, 255), (100, 255), (117, 255), (118, 0), (128, 0), (255, 0)],  # equal contrast at luminance 0.179: level 117.6
)
def test_letters_have_the_colour_of_greater_contrast(level: int, colour: int) -> None:
    after = write_word(grey(level), "IIII", WordStyle("plain", "middle", 0.25))
    assert (after == colour).all(axis=2).sum() > 100
    assert ((after >= min(level, colour)) & (after <= max(level, colour))).all()


def test_an_outline_has_the_other_colour_and_a_note_is_pale_with_dark_letters() -> None:
    outlined = write_word(grey(90), "III", WordStyle("outlined", "middle", 0.25))
    assert (outlined == 255).all(axis=2).any() and (outlined == 0).all(axis=2).any()
    note = write_word(grey(90), "III", WordStyle("note", "middle", 0.25))
    left, top, right, bottom = changed_box(grey(90), note)
    box = note[top:bottom, left:right]
    paper = (box == (255, 244, 160)).all(axis=2)
    assert paper[0].all() and paper[-1].all() and paper[:, 0].all() and paper[:, -1].all()
    assert (box == (24, 24, 32)).all(axis=2).any()


def test_contrast_is_that_of_what_the_word_covers() -> None:
    image = grey(0)
    image[:100] = 255
    style = {half: WordStyle("plain", half, 0.1) for half in ("top", "bottom")}
    upper, lower = (write_word(image, "cat", style[half]) for half in ("top", "bottom"))
    assert (upper[:100] == 0).any() and np.array_equal(upper[100:], image[100:])
    assert (lower[100:] == 255).any() and np.array_equal(lower[:100], image[:100])


@settings(max_examples=60, deadline=None)
@given(
    word=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12),
    style=st.sampled_from(word_styles()),
    height=st.integers(97, 260),
    width=st.integers(97, 260),
)
def test_every_word_stays_inside_and_the_given_image_stays(
    word: str, style: WordStyle, height: int, width: int
) -> None:
    image = grey(60, height, width)
    after = write_word(image, word, style)
    assert after.shape == image.shape and after.dtype == np.uint8 and (image == 60).all()
    left, top, right, bottom = changed_box(image, after)
    assert left >= 1 and top >= 1 and right <= width - 1 and bottom <= height - 1
    assert np.array_equal(after, write_word(image, word, style))


def test_a_long_word_shrinks_to_the_width() -> None:
    image = grey(60)
    left, top, right, bottom = changed_box(image, write_word(image, "w" * 30, WordStyle("plain", "middle", 0.25)))
    assert 270 < right - left <= 292
    assert bottom - top < 20


@pytest.mark.parametrize(
    ("word", "lacking"), [("狗", "狗"), ("dog 🐕", "🐕"), ("café", "é"), ("a\nb", "\n"), ("ﷺ", "ﷺ")]
)
def test_what_the_font_lacks_is_refused_by_name(word: str, lacking: str) -> None:
    with pytest.raises(UsageError) as caught:
        write_word(grey(60), word, WordStyle())
    assert repr(lacking) in caught.value.problem and repr(word) in caught.value.problem and caught.value.cure


@pytest.mark.parametrize(
    ("word", "image"), [("", grey(0)), ("  ", grey(0)), ("w" * 300, grey(0)), ("a", grey(0, 20, 20))]
)
def test_words_that_could_not_be_read_are_refused(word: str, image: Pixels) -> None:
    with pytest.raises(UsageError):
        write_word(image, word, WordStyle(size=0.1))


def test_wrong_styles_and_images_are_refused() -> None:
    with pytest.raises(UsageError, match="font 'serif'"):
        WordStyle("serif")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="position 'centre'"):
        WordStyle("plain", "centre")  # type: ignore[arg-type]
    for size in (0.04, 0.26, float("nan")):
        with pytest.raises(UsageError, match="size"):
            WordStyle(size=size)
    with pytest.raises(UsageError, match="float64"):
        write_word(np.zeros((50, 50, 3)), "a", WordStyle())  # type: ignore[arg-type]


def test_the_grid_has_every_combination_once() -> None:
    styles = word_styles()
    assert len(styles) == len(set(styles)) == 3 * 9 * 5
    assert word_styles(("note",), ("top", "left"), (0.1,)) == (
        WordStyle("note", "top", 0.1),
        WordStyle("note", "left", 0.1),
    )
