import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import FormatError, UsageError
from wordsight.explain.masks import as_xywh, as_xyxy, box_mask, box_of, checked_size, read_rle, rle_of

MASK = np.array([[0, 0, 1], [1, 0, 1]], dtype=bool)


def counts_of(mask):
    """The oracle: walk down the columns, one pixel at a time."""
    counts, last = [0], False
    for column in range(mask.shape[1]):
        for row in range(mask.shape[0]):
            if mask[row, column] != last:
                counts.append(0)
                last = not last
            counts[-1] += 1
    return counts


def string_of(counts):
    """The oracle: five bits a letter from the lowest, in strings of binary digits."""
    text = ""
    for number, count in enumerate(counts):
        value = count - counts[number - 2] if number > 2 else count
        length = next(n for n in range(1, 20) if -(2 ** (5 * n - 1)) <= value < 2 ** (5 * n - 1))
        digits = f"{value % 2 ** (5 * length):0{5 * length}b}"
        groups = [int(digits[start : start + 5], 2) for start in range(0, 5 * length, 5)][::-1]
        text += "".join(chr(48 + group + 32 * (place < length - 1)) for place, group in enumerate(groups))
    return text


def random_mask(seed):
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 60, size=2)
    mask = np.repeat(generator.random((height, width)) < generator.random(), generator.integers(1, 40), axis=0)
    return mask if seed % 7 else np.full_like(mask, seed % 2 == 0)


def test_by_hand():
    """Down the columns: 0 1 | 0 0 | 1 1."""
    assert rle_of(MASK, packed=False) == {"size": [2, 3], "counts": [1, 1, 2, 2]}
    assert rle_of(MASK) == {"size": [2, 3], "counts": "1121"}  # the fourth is 2 - 1
    assert (read_rle({"size": [2, 3], "counts": [1, 1, 2, 2]}) == MASK).all()
    assert (read_rle({"size": [2, 3], "counts": "1121"}) == MASK).all()
    assert (read_rle({"size": [2, 3], "counts": b"1121"}) == MASK).all()


@pytest.mark.parametrize("seed", range(40))
def test_there_and_back_as_the_oracle_has_it(seed):
    mask = random_mask(seed)
    counts = counts_of(mask)
    assert rle_of(mask, packed=False) == {"size": list(mask.shape), "counts": counts}
    assert rle_of(mask)["counts"] == string_of(counts)
    for written in (counts, string_of(counts)):
        read = read_rle({"size": list(mask.shape), "counts": written})
        assert read.dtype == np.bool_
        assert (read == mask).all()


def test_runs_of_no_length_are_read():
    assert read_rle({"size": [1, 4], "counts": [0, 1, 0, 2, 1, 0]}).tolist() == [[True, True, True, False]]


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ([1, 2], r"a mask without size and counts: \[1, 2\]; it is {'size': …, 'counts': …}"),
        (None, "a mask without size and counts: None"),
        ({"size": [2, 3]}, "a mask without size and counts"),
        ({"size": [2, 3], "counts": [1, 2]}, r"2 counts of a mask from 1 on with the sum 3; they .* 2 x 3 = 6"),
        ({"size": [2, 3], "counts": [7]}, "with the sum 7"),
        ({"size": [2, 3], "counts": []}, "with the sum 0"),
        ({"size": [2, 3], "counts": ""}, "with the sum 0"),
        (
            {"size": [2, 3], "counts": [0] * 13 + [6]},
            "14 counts of a mask from 0 on with the sum 6; .* at most twice as many",
        ),
        ({"size": [2, 3], "counts": [8, -2]}, "from -2 on with the sum 6"),
        ({"size": [2, 3], "counts": [10**30]}, "with the sum 10"),
        ({"size": [2, 3], "counts": [6.0]}, r"counts of a mask that are \[6.0\]; they are a list of whole numbers"),
        ({"size": [2, 3], "counts": [True, 5]}, "they are a list of whole numbers"),
        ({"size": [2, 3], "counts": ["6"]}, "they are a list of whole numbers"),
        ({"size": [2, 3], "counts": {"a": 6}}, "counts of a mask that are {'a': 6}"),
        ({"size": [2, 3], "counts": 6}, "counts of a mask that are 6"),
        ({"size": [2, 3], "counts": "1 21"}, "counts of a mask that are '1 21'; it is COCO's compressed form"),
        ({"size": [2, 3], "counts": "1é"}, "it is COCO's compressed form"),
        ({"size": [2, 3], "counts": "\ud800"}, "it is COCO's compressed form"),
        ({"size": [2, 3], "counts": "o" * 9}, "it is COCO's compressed form"),
        ({"size": [2, 3], "counts": "11o"}, "that end within a number: '11o'; the file is cut short"),
        ({"size": [2, 3], "counts": "0" * 999}, "counts of a mask that are"),
        ({"size": [0, 3], "counts": []}, r"a mask of the size \[0, 3\]; it is \[height, width\], each at least 1"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "a mask of the size"),
        ({"size": [-2, -3], "counts": [6]}, "a mask of the size"),
        ({"size": [2, 3, 1], "counts": [6]}, "a mask of the size"),
        ({"size": 6, "counts": [6]}, "a mask of the size 6"),
        ({"size": [2.0, 3.0], "counts": [6]}, "a mask of the size"),
        ({"size": [True, 6], "counts": [6]}, "a mask of the size"),
        ({"size": [10**6000, 1], "counts": [6]}, "a mask of the size a number of thousands of digits"),
        ({"size": 10**6000, "counts": [6]}, "a mask of the size a number of thousands of digits"),
        ({"size": [2, 3], "counts": [10**6000]}, "with the sum a number of thousands of digits"),
    ],
)
def test_hostile_masks(rle, message):
    with pytest.raises(FormatError, match=message) as error:
        read_rle(rle)
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["size", "counts"]), st.lists(st.integers() | st.text()) | st.text() | st.binary())
)
def test_whatever_comes_is_a_mask_or_one_error(rle):
    try:
        mask = read_rle(rle)
    except FormatError:
        return
    assert mask.dtype == np.bool_


@settings(deadline=None)
@given(st.text(alphabet=[chr(letter) for letter in range(48, 112)], max_size=30))
def test_whatever_letters_come_are_a_mask_or_one_error(counts):
    try:
        mask = read_rle({"size": [4, 5], "counts": counts})
    except FormatError:
        return
    assert mask.shape == (4, 5)


def test_sizes():
    assert checked_size((2, 3)) == (2, 3)
    assert checked_size([1, 89_478_485]) == (1, 89_478_485)
    with pytest.raises(FormatError, match="of 89,478,485 pixels at most"):
        checked_size([1, 89_478_486])


@pytest.mark.parametrize("mask", [MASK.astype(int), MASK[0], MASK[:0]])
def test_what_is_no_mask_is_not_written(mask):
    for function in (rle_of, box_of):
        with pytest.raises(UsageError, match=r"a mask of the shape .* give bool \(H, W\)"):
            function(mask)


def test_boxes():
    mask = np.zeros((20, 30), dtype=bool)
    mask[5:10, 10:20] = True
    assert box_of(mask) == (10, 5, 20, 10)
    assert (box_mask(box_of(mask), (20, 30)) == mask).all()
    assert box_of(mask & False) == (0, 0, 0, 0)
    assert not box_mask((0, 0, 0, 0), (20, 30)).any()
    assert as_xywh((10, 5, 20, 11)) == (10, 5, 10, 6)
    assert as_xyxy([10, 5, 10, 6]) == (10, 5, 20, 11)
    assert box_mask((-5, -5, 99, 99), (20, 30)).all()
    assert box_mask((0.6, 0.4, 2.5, 1), (2, 3)).tolist() == [[False, True, False], [False, False, False]]


@pytest.mark.parametrize("box", [None, [1, 2, 3], "1234", [1, 2, 3, "4"], [1, 2, 3, True], [1, 2, 3, float("nan")]])
def test_what_is_no_box(box):
    for function in (as_xyxy, as_xywh, lambda box: box_mask(box, (2, 3))):
        with pytest.raises(FormatError, match="a box that is "):
            function(box)


def test_boxes_the_wrong_way_round():
    with pytest.raises(FormatError, match=r"the box \[1, 2, -3, 4\]; width and height are at least 0"):
        as_xyxy([1, 2, -3, 4])
    with pytest.raises(UsageError, match=r"the box \(10, 5, 3, 6\); give left, top, right, bottom; as_xyxy makes it"):
        box_mask((10, 5, 3, 6), (20, 30))
    with pytest.raises(FormatError, match="far outside any picture"):
        as_xyxy([10**400, 0, 1, 1])
