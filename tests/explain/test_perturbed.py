import numpy as np
import pytest
from tests.explain.patch_engine import TEXTS, BrokenEngine, PatchEngine, red_patch

from wordsight.base.errors import NoEmbedding, UsageError
from wordsight.explain.perturbed import (
    blended,
    cell_edges,
    check_count,
    check_request,
    cosines,
    filled,
    stretched,
    upsampled,
)

PATCH = (slice(8, 16), slice(16, 24))


def test_fills():
    pixels = red_patch(PATCH)
    assert (filled(pixels, "mean") == [round(255 / 16), 0, 0]).all()
    assert filled(pixels, "mean").shape == pixels.shape
    assert not filled(pixels, "black").any()
    blurred = filled(pixels, "blur").astype(int)
    assert 0 < blurred[12, 20, 0] < 255
    assert 0 < blurred[12, 26, 0] < blurred[12, 20, 0]  # beside the patch
    assert abs(blurred[..., 0].mean() - 255 / 16) < 2
    assert not blurred[..., 1:].any()


def test_an_even_image_stays_as_it_is_under_blur_and_mean():
    pixels = np.full((32, 32, 3), 77, dtype=np.uint8)
    assert (filled(pixels, "blur") == 77).all()
    assert (filled(pixels, "mean") == 77).all()


def test_blending_rounds_and_takes_bool_masks_too():
    pixels, other = np.full((2, 2, 3), 200, dtype=np.uint8), np.full((2, 2, 3), 101, dtype=np.uint8)
    mask = np.array([[0, 0.25], [0.5, 1]], dtype=np.float32)
    assert blended(pixels, other, mask)[..., 0].tolist() == [[101, 126], [150, 200]]
    assert blended(pixels, other, mask > 0.3)[..., 0].tolist() == [[101, 101], [200, 200]]


def test_cosines_go_in_the_batches_of_the_engine():
    engine = PatchEngine(PATCH, batch=3)
    images = (red_patch(PATCH) * np.uint8(n % 2) for n in range(7))
    scores = cosines(engine, images, TEXTS)
    assert engine.sizes == [3, 3, 1]
    assert scores[:, 0] == pytest.approx([0, 3**-0.5] * 3 + [0], abs=1e-6)
    assert cosines(engine, [], TEXTS).shape == (0, 3)


def test_an_engine_that_fails_is_named():
    with pytest.raises(NoEmbedding, match=r"a changed picture has no embedding; take another fill, or another model"):
        cosines(BrokenEngine(PATCH), [red_patch(PATCH)], TEXTS)


def test_edges_of_cells():
    assert cell_edges(10, 3).tolist() == [0, 3, 7, 10]
    for side in range(1, 40):
        for cells in range(1, side + 1):
            edges = cell_edges(side, cells)
            assert (edges[0], edges[-1], len(edges)) == (0, side, cells + 1)
            assert np.diff(edges).min() >= 1


def test_stretching_is_linear_between_centres():
    assert stretched(2, 4) @ [0.0, 1.0] == pytest.approx([0, 0.25, 0.75, 1])
    assert stretched(3, 3) == pytest.approx(np.eye(3))
    assert stretched(5, 17).sum(axis=1) == pytest.approx(np.ones(17))


def test_upsampling_is_pillows_bilinear():
    from PIL import Image

    relevance = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    expected = [Image.fromarray(one).resize((15, 12), Image.Resampling.BILINEAR) for one in relevance]
    assert upsampled(relevance, 12, 15) == pytest.approx(np.stack([np.asarray(one) for one in expected]), abs=1e-5)


@pytest.mark.parametrize(
    ("pixels", "texts", "message"),
    [
        (red_patch(PATCH)[None], TEXTS, r"pixels of the shape \(1, 32, 32, 3\); give one image \(H, W, 3\)"),
        (red_patch(PATCH)[:30], TEXTS, r"pixels of shape \(1, 30, 32, 3\) and type uint8; fake wants"),
        (red_patch(PATCH), TEXTS[0], r"text embeddings of the shape \(4,\); give \(texts, 4\) from the same model"),
        (red_patch(PATCH), TEXTS[:0], r"text embeddings of the shape \(0, 4\)"),
        (red_patch(PATCH), TEXTS[:, :3], r"text embeddings of the shape \(3, 3\)"),
        (
            red_patch(PATCH),
            TEXTS * [[1], [2], [1]],
            "text embedding 1 is not of length 1; give what embed_texts returns",
        ),
        (red_patch(PATCH), TEXTS * np.nan, "text embedding 0 is not of length 1"),
    ],
)
def test_requests_that_cannot_be(pixels, texts, message):
    with pytest.raises(UsageError, match=message):
        check_request(PatchEngine(PATCH), pixels, texts)


def test_other_words_for_fills_and_counts():
    with pytest.raises(UsageError, match="no fill 'grey'; use mean, blur, black"):
        filled(red_patch(PATCH), "grey")
    for count in (0, 6, 1.0, True, "3"):
        with pytest.raises(UsageError, match=f"steps: {count!r}; give a whole number from 1 to 5"):
            check_count("steps:", count, least=1, most=5)
    check_count("steps:", np.int64(5), least=1, most=5)
