"""The two losses: a worked batch of four, hand computation, gradients, and pairs that are no negatives."""

import math

import pytest
import torch

import wordsight
from wordsight.base.errors import UsageError
from wordsight.losses.positives import same_pairs
from wordsight.losses.sigmoid import sigmoid_loss, sigmoid_loss_of
from wordsight.losses.softmax import softmax_loss, softmax_loss_of

FOUR = [[0.82, 0.11, 0.18, 0.05], [0.09, 0.77, 0.14, 0.12], [0.15, 0.20, 0.80, 0.19], [0.07, 0.16, 0.13, 0.86]]


def rows(count=5, width=7, *, seed=0):
    """Two sets of unit embeddings in float64."""
    torch.manual_seed(seed)
    both = torch.randn(2, count, width, dtype=torch.float64)
    return torch.nn.functional.normalize(both, dim=-1)


def log_share(values, own):
    """-log of the softmax share of one of the values, by hand."""
    return math.log(sum(math.exp(v) for v in values)) - values[own]


def unit_rows_with(similarities):
    """Unit rows (4, 8) and (4, 8) whose cosines are the given ones.

    Pictures are (S, rest of the length); texts are the first four axes, so picture i . text j = S_ij.
    """
    wanted = torch.tensor(similarities, dtype=torch.float64)
    rest = torch.diag((1 - wanted.pow(2).sum(1)).sqrt())
    return torch.cat([wanted, rest], 1), torch.eye(4, 8, dtype=torch.float64)


def test_the_worked_batch_of_four():
    image, text = unit_rows_with(FOUR)
    torch.testing.assert_close(image.norm(dim=1), torch.ones(4, dtype=torch.float64))
    shares = (image @ text.T).softmax(1)
    assert shares[1, 1].item() == pytest.approx(0.3905, abs=1e-4)  # 0.39043 exactly: e^0.77 / 5.5317
    assert shares[1, 1].item() == pytest.approx(math.exp(0.77) / sum(map(math.exp, FOUR[1])), abs=1e-12)
    assert -math.log(shares[1, 1]) == pytest.approx(0.940, abs=5e-4)
    by_picture = [log_share(FOUR[i], i) for i in range(4)]
    by_text = [log_share([row[j] for row in FOUR], j) for j in range(4)]
    assert by_picture[1] == pytest.approx(0.940, abs=5e-4)
    expected = (sum(by_picture) / 4 + sum(by_text) / 4) / 2
    assert expected == pytest.approx(0.92491, abs=5e-6)
    assert softmax_loss(image, text, 1.0).item() == pytest.approx(expected, abs=1e-12)
    assert softmax_loss_of(torch.tensor(FOUR, dtype=torch.float64)).item() == pytest.approx(expected, abs=1e-12)


def test_the_scale_multiplies_the_cosines():
    image, text = unit_rows_with(FOUR)
    expected = sum(log_share([5 * v for v in FOUR[i]], i) for i in range(4)) / 8
    expected += sum(log_share([5 * row[j] for row in FOUR], j) for j in range(4)) / 8
    assert softmax_loss(image, text, torch.tensor(5.0, dtype=torch.float64)).item() == pytest.approx(
        expected, abs=1e-12
    )


def test_the_sigmoid_loss_by_hand():
    image, text = unit_rows_with(FOUR)
    expected = 0.0
    for i in range(4):
        for j in range(4):
            label = 1 if i == j else -1
            expected -= math.log(1 / (1 + math.exp(-label * (10 * FOUR[i][j] - 3)))) / 4
    assert sigmoid_loss(image, text, 10.0, -3.0).item() == pytest.approx(expected, abs=1e-12)


def test_losses_of_chance_are_known():
    same = torch.nn.functional.normalize(torch.ones(6, 3, dtype=torch.float64), dim=1)
    assert softmax_loss(same, same, 20.0).item() == pytest.approx(math.log(6))
    assert sigmoid_loss(same, same, 0.0, 0.0).item() == pytest.approx(6 * math.log(2))


@pytest.mark.parametrize("positives", [None, "some"])
def test_gradients_are_right(positives):
    image, text = (part.requires_grad_() for part in rows())
    mask = same_pairs([1, 2, 1, 3, 4], list("aabcd")) if positives else None
    scale, bias = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (3.0, -1.0))
    assert torch.autograd.gradcheck(lambda x, y, t: softmax_loss(x, y, t, positives=mask), (image, text, scale))
    assert torch.autograd.gradcheck(lambda *all_: sigmoid_loss(*all_, positives=mask), (image, text, scale, bias))


def test_order_of_the_batch_and_of_the_two_sides_do_not_matter():
    image, text = rows()
    order = torch.tensor([3, 0, 4, 1, 2])
    value = softmax_loss(image, text, 7.0)
    torch.testing.assert_close(softmax_loss(image[order], text[order], 7.0), value)
    torch.testing.assert_close(softmax_loss(text, image, 7.0), value)


def test_other_positives_are_left_out_of_the_softmax():
    """Pairs 0 and 2 show the same picture: row 0 loses column 2, row 2 column 0, and the columns likewise."""
    mask = same_pairs([1, 2, 1, 3], list("abcd"))
    by_picture = [
        log_share([v for j, v in enumerate(FOUR[i]) if j == i or not mask[i, j]], _position(mask, i)) for i in range(4)
    ]
    columns = [[row[j] for row in FOUR] for j in range(4)]
    by_text = [
        log_share([v for i, v in enumerate(columns[j]) if i == j or not mask[i, j]], _position(mask, j))
        for j in range(4)
    ]
    expected = (sum(by_picture) + sum(by_text)) / 8
    assert softmax_loss_of(torch.tensor(FOUR, dtype=torch.float64), mask).item() == pytest.approx(expected, abs=1e-12)


def _position(mask, own):
    """Where entry `own` of a row stands once the other positives are gone."""
    return sum(1 for j in range(own) if not mask[own, j])


def test_several_captions_of_one_picture_do_not_push_each_other_away():
    """With one picture twice in the batch, the gradient on a caption has no part that leads away from the twin."""
    image, text = rows(4)
    image = torch.cat([image[:1], image[:1], image[2:]])  # pairs 0 and 1: one picture, two captions
    mask = same_pairs([7, 7, 8, 9], [1, 2, 3, 4])

    def pull(positives):
        logits = (10 * image @ text.T).requires_grad_()
        softmax_loss_of(logits, positives).backward()
        return logits.grad

    assert pull(None)[0, 1] > 0.01
    assert pull(mask)[0, 1] == pull(mask)[1, 0] == 0
    assert pull(mask)[0, 2] > 0
    assert (pull(mask).diagonal() < 0).all()


def test_equal_captions_of_different_pictures_are_pairs_for_the_sigmoid_loss():
    logits = torch.tensor(FOUR, dtype=torch.float64)
    mask = same_pairs([1, 2, 3, 4], ["a cup", "a hat", "a cup", "a bag"])
    pairs = {(0, 0), (1, 1), (2, 2), (3, 3), (0, 2), (2, 0)}
    expected = 0.0
    for i in range(4):
        for j in range(4):
            expected += math.log(1 + math.exp(FOUR[i][j] * (-1 if (i, j) in pairs else 1))) / 4
    assert sigmoid_loss_of(logits, mask).item() == pytest.approx(expected, abs=1e-12)


def test_a_batch_of_one_thing_only_has_no_softmax_loss():
    image, text = (part.requires_grad_() for part in rows(3))
    loss = softmax_loss(image, text, 9.0, positives=torch.ones(3, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert image.grad.abs().max() == 0


@pytest.mark.parametrize("as_tensor", [False, True])
def test_same_pairs_are_those_that_share_the_picture_or_the_text(as_tensor):
    pictures, texts = [5, 6, 5, 9], [1, 2, 3, 2]
    mask = same_pairs(torch.tensor(pictures), torch.tensor(texts)) if as_tensor else same_pairs(pictures, texts)
    expected = [
        [True, False, True, False],
        [False, True, False, True],
        [True, False, True, False],
        [False, True, False, True],
    ]
    assert mask.tolist() == expected


def test_same_pairs_reads_names_and_rows_of_tokens():
    names = ["a.jpg", "b.jpg", "a.jpg"]
    tokens = torch.tensor([[3, 4, 9], [3, 4, 9], [3, 5, 9]], dtype=torch.int32)
    assert same_pairs(names, tokens).tolist() == [[True, True, True], [True, True, False], [True, False, True]]


def test_the_matrix_is_exact_under_autocast():
    image, text = rows(32, 16)
    image, text = image.float(), text.float()
    exact = softmax_loss(image, text, 100.0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(softmax_loss(image, text, 100.0), exact)
        assert torch.equal(
            softmax_loss(image.bfloat16(), text, 100.0), softmax_loss(image.bfloat16().float(), text, 100.0)
        )


def test_wrong_shapes_are_refused_by_name():
    image, text = rows()
    with pytest.raises(UsageError, match=r"\(4, 7\) and text embeddings \(5, 7\)"):
        softmax_loss(image[:4], text, 1.0)
    with pytest.raises(UsageError, match="torch.float32"):
        softmax_loss(image, text, 1.0, positives=torch.eye(5))
    with pytest.raises(UsageError, match=r"\(4, 4\)"):
        sigmoid_loss(image, text, 1.0, 0.0, positives=torch.eye(4, dtype=torch.bool))
    with pytest.raises(UsageError, match="3 image ids and 2 text ids"):
        same_pairs([1, 2, 3], [1, 2])


def test_the_public_names_lead_to_the_losses():
    assert wordsight.losses.softmax_loss is softmax_loss
    assert wordsight.losses.sigmoid_loss is sigmoid_loss
    with pytest.raises(AttributeError, match="triplet"):
        _ = wordsight.losses.triplet
