"""Proposals from files: every form gives the mask that was meant, and every fault is one line."""

import json

import numpy as np
import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.explain.masks import rle_of
from wordsight.explain.proposal_files import read_proposals

SHAPE = (8, 10)


def square():
    mask = np.zeros(SHAPE, np.bool_)
    mask[2:6, 3:7] = True
    return mask


def written(tmp_path, content):
    path = tmp_path / "masks.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "entry",
    [
        {"segmentation": rle_of(square()), "bbox": [0, 0, 1, 1], "predicted_iou": 0.9},
        {"segmentation": rle_of(square(), packed=False)},
        {"segmentation": [[3, 2, 7, 2, 7, 6, 3, 6]]},
        {"segmentation": [[3, 2, 5, 2, 5, 6, 3, 6], [5, 2, 7, 2, 7, 6, 5, 6]]},
        rle_of(square()),
        {"bbox": [3, 2, 4, 4]},
        [3, 2, 4, 4],
    ],
)
@pytest.mark.parametrize("within", [None, "annotations", "masks"])
def test_every_form_is_the_same_mask(tmp_path, entry, within):
    content = [entry] if within is None else {"image": {}, within: [entry]}
    (mask,) = read_proposals(written(tmp_path, content), SHAPE)
    assert (mask == square()).all()


def test_a_polygon_is_filled_by_the_centres_of_pixels(tmp_path):
    star = [5, -3, 12, 9, -2, 9]  # reaches over every border
    (mask,) = read_proposals(written(tmp_path, [{"segmentation": [star]}]), SHAPE)
    y, x = np.mgrid[:8, :10] + 0.5
    left = (5 - -2) * (y - 9) / (-3 - 9) + -2  # of the side from (-2, 9) to (5, -3)
    right = (12 - 5) * (y + 3) / (9 + 3) + 5
    assert (mask == ((x > left) & (x < right))).all()


def test_what_lies_outside_is_left_out(tmp_path):
    masks = read_proposals(written(tmp_path, [[3, 2, 4, 4], [12, 2, 4, 4]]), SHAPE)
    assert len(masks) == 1
    with pytest.raises(FormatError, match="no mask with a pixel"):
        read_proposals(written(tmp_path, [[12, 2, 4, 4]]), SHAPE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ({"info": 1}, "no list of proposals"),
        ([], "holds no proposals"),
        ([[1, 2, 3]], "proposal 0: no mask"),
        (["a"], "proposal 0: no mask"),
        ([{"segmentation": {"size": [8, 10], "counts": [5, 6]}}], "proposal 0: 2 counts of a mask .* the sum 11"),
        ([{"size": [8, 9], "counts": [72]}], "9 x 8 pixels, the picture has 10 x 8"),
        ([{"segmentation": [[1, 2, 3, 4]]}], "proposal 0: a polygon"),
        ([[3, 2, -4, 4]], "proposal 0: the box"),
        ([[0, 0, 1e300, 1e300]], "the box 0, 0, 1e.300, 1e.300 lies far outside the picture of 10 x 8 pixels; give"),
        ([[-11, 0, 20, 4]], "far outside the picture"),
        ([[1, 2, 3, float("inf")]], "its numbers are finite"),
        ([{"segmentation": [[-1e300, 0, 1e300, 0, 0, 1e300]]}], "a polygon with too large coordinates: .*; its coord"),
        ([{"segmentation": [["1", 2, 3, 4, 5, 6]]}], "a polygon that is .* all of them numbers"),
        ([{"size": ["8", "10"], "counts": [80]}], "size .'8', '10'., which are texts; write numbers"),
        ("[" * 100_000, "is not JSON: lists or objects are nested too deeply; "),
        ("[" + "9" * 5_000 + "]", "is not JSON: a number of too many digits; "),
        ([[0, 0, 1, 1]] * 1001, "holds 1,001 proposals"),
    ],
)
def test_faults_are_one_line(tmp_path, content, message):
    with pytest.raises(FormatError, match=message):
        read_proposals(written(tmp_path, content), SHAPE)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(NotFound):
        read_proposals(tmp_path / "none.json", SHAPE)
