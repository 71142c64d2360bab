import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.explain.locating import (
    centre_map,
    class_ious,
    confusion,
    energy_inside,
    grown,
    mask_iou,
    mean_iou,
    pixel_precision,
    pointing_game,
)

MASK = np.zeros((20, 30), dtype=bool)
MASK[5:10, 10:20] = True  # 50 of 600


def peak(row, column):
    relevance = np.zeros((20, 30))
    relevance[row, column] = 1
    return relevance


def test_pointing():
    assert pointing_game(peak(5, 10), MASK, tolerance=0) == 1
    assert pointing_game(peak(9, 19), MASK, tolerance=0) == 1
    assert pointing_game(peak(10, 19), MASK, tolerance=0) == 0
    assert pointing_game(peak(10, 20), MASK, tolerance=1 / 20) == 0  # a pixel away, but across the corner
    assert pointing_game(peak(10, 19), MASK, tolerance=1 / 20) == 1
    assert pointing_game(peak(10, 19), MASK) == 1  # 15 of 224: 1.3 of 20
    assert pointing_game(peak(12, 19), MASK) == 0


def test_equal_maxima_count_by_their_share():
    assert pointing_game(np.zeros((20, 30)), MASK, tolerance=0) == pytest.approx(50 / 600)
    assert pointing_game(peak(6, 12) + peak(0, 0), MASK, tolerance=0) == 0.5


def test_masks_grow_by_a_disc():
    generator = np.random.default_rng(0)
    for radius in (0, 1, 2, 3, 25):
        mask = generator.random((11, 14)) < 0.04
        rows, columns = np.nonzero(mask)
        y, x = np.mgrid[:11, :14]
        near = ((y[..., None] - rows) ** 2 + (x[..., None] - columns) ** 2 <= radius**2).any(axis=-1)
        assert (grown(mask, radius) == near).all()


def test_energy():
    relevance = np.full((20, 30), -5.0)
    relevance[5:10, 10:20] = 2
    relevance[0, :20] = 5
    assert energy_inside(relevance, MASK) == pytest.approx(0.5)
    assert energy_inside(np.ones((20, 30)), MASK) == pytest.approx(50 / 600)
    assert energy_inside(-np.ones((20, 30)), MASK) == pytest.approx(50 / 600)


def test_iou_over_the_mean_or_a_threshold():
    assert mask_iou(MASK.astype(float), MASK) == 1
    half = np.where(MASK, 1.0, 0.0)
    half[5:10, 15:20] = 0
    half[0, :25] = 1
    assert mask_iou(half, MASK) == pytest.approx(25 / 75)
    assert mask_iou(half, MASK, threshold=-1) == pytest.approx(50 / 600)
    assert mask_iou(half, MASK, threshold=1) == 0
    assert mask_iou(np.ones((20, 30)), MASK) == 0  # nothing is over the mean


def test_pixel_precision_by_hand_and_scikit_learn():
    from sklearn.metrics import average_precision_score

    mask = np.array([[True, False], [True, False]])
    assert pixel_precision(np.array([[4.0, 3], [2, 1]]), mask) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert pixel_precision(np.ones((2, 2)), mask) == 0.5
    assert pixel_precision(MASK.astype(float), MASK) == 1
    for seed in range(5):
        relevance = np.round(np.random.default_rng(seed).normal(size=MASK.shape) + MASK, 1)  # with ties
        expected = average_precision_score(MASK.ravel(), relevance.ravel())
        assert pixel_precision(relevance, MASK) == pytest.approx(expected, abs=1e-12)


def test_mean_iou_over_images_by_hand():
    """Class 2 is nowhere; of 255 nothing counts.  Class 0: 2 right of 3 + 2 - 2; class 1: 2 of 2 + 3 - 2."""
    labels = np.array([[0, 0, 1], [0, 1, 255]])
    predicted = np.array([[0, 0, 1], [1, 1, 0]])
    counts = confusion(predicted, labels, 3, ignore=255)
    assert counts.tolist() == [[2, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert class_ious(counts) == pytest.approx([2 / 3, 2 / 3, np.nan], nan_ok=True)
    assert mean_iou(counts) == pytest.approx(2 / 3)
    more = counts + confusion(np.array([[2, 1]]), np.array([[1, 1]]), 3)
    assert class_ious(more) == pytest.approx([2 / 3, 3 / 5, 0])
    assert mean_iou(more) == pytest.approx((2 / 3 + 3 / 5) / 3)


def test_labels_of_one_byte_do_not_overflow():
    labels = np.full((2, 2), 200, dtype=np.uint8)
    assert confusion(labels, labels, 201)[200, 200] == 4


@pytest.mark.parametrize(
    ("predicted", "labels", "message"),
    [
        ([[0, 3]], [[0, 0]], "a predicted label 3; labels are 0 to 2; name the label to leave out with ignore="),
        ([[0, 0]], [[0, 255]], "a true label 255; labels are 0 to 2"),
        ([[0, 0]], [[0, -1]], "a true label -1"),
        ([[0, 0]], [[0], [0]], r"labels of \(2, 1\) for a map of \(1, 2\); both are \(H, W\) of the same picture"),
    ],
)
def test_labels_that_do_not_fit(predicted, labels, message):
    with pytest.raises(UsageError, match=message):
        confusion(np.array(predicted), np.array(labels), 3)


def test_a_mean_of_nothing():
    with pytest.raises(UsageError, match="a mean IoU of no pixels; give at least one pixel that is not ignored"):
        mean_iou(confusion(np.zeros((1, 2), int), np.full((1, 2), 9), 3, ignore=9))


@pytest.mark.parametrize("measure", [pointing_game, energy_inside, mask_iou, pixel_precision])
@pytest.mark.parametrize(
    ("relevance", "mask", "message"),
    [
        (peak(0, 0), MASK.T, r"a mask of \(30, 20\) for a map of \(20, 30\); both are \(H, W\) of the same picture"),
        (peak(0, 0)[None], MASK[None], r"a mask of \(1, 20, 30\)"),
        (peak(0, 0), MASK.astype(np.uint8), r"a mask of the type uint8; give bool: labels == class, or mask > 0"),
        (peak(0, 0), MASK & False, "a mask with nothing inside; leave the picture out"),
        (peak(0, 0) * np.nan, MASK, "a map with values that are not finite"),
    ],
)
def test_masks_that_do_not_fit(measure, relevance, mask, message):
    with pytest.raises(UsageError, match=message):
        measure(relevance, mask)


@pytest.mark.parametrize("tolerance", [-0.1, 1.1, float("nan")])
def test_other_tolerances(tolerance):
    with pytest.raises(UsageError, match=f"a tolerance of {tolerance}; give a share of the shorter side"):
        pointing_game(peak(0, 0), MASK, tolerance=tolerance)


def test_the_centre():
    relevance = centre_map((5, 9))
    assert np.unravel_index(relevance.argmax(), relevance.shape) == (2, 4)
    assert relevance.argmin() in (0, 8, 36, 44)
    assert relevance == pytest.approx(relevance[::-1, ::-1])
