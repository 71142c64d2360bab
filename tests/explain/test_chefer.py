"""Attention weighted by its gradient, against the paper's equations with loops, for pictures and for words."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.base.errors import UsageError
from wordsight.explain.inside import chefer

sys.path.insert(0, str(Path(__file__).parent))

from bumped import alike, bumped, condition, gradients, pooled_rows, unit_texts
from random_towers import BERT, CONVOLUTIONS, IMAGES, TEXT, VITS, some_pixels, some_tokens, towers_of

WITH_ATTENTION = [name for name in IMAGES if name != "efficientnet"]
TEXTS = {
    "clip": TEXT,
    "last": dataclasses.replace(TEXT, mask="none", pool="last"),
    "first": dataclasses.replace(TEXT, mask="padding", pool="first"),
    "mean": dataclasses.replace(TEXT, mask="padding", pool="mean"),
    "class behind": dataclasses.replace(TEXT, pool="class"),
    "mixer": dataclasses.replace(TEXT, mixer=3),
    "bert": BERT,
    "bert first": dataclasses.replace(BERT, pool="first"),
    "bert pooler": dataclasses.replace(BERT, pool="pooler"),
}


def weighted(weights, gradient):
    """Equation 5 for one sample: (H, T, S) twice to (T, S)."""
    heads, queries, keys = weights.shape
    out = np.zeros((queries, keys))
    for head in range(heads):
        for query in range(queries):
            for key in range(keys):
                out[query, key] += max(weights[head, query, key] * gradient[head, query, key], 0.0) / heads
    return out


def normalised(matrix):
    """Equations 8 and 9: what lies beside the diagonal's 1 is brought to the sum 1, row by row."""
    rest = matrix - np.eye(len(matrix))
    for row in rest:
        if row.sum():
            row /= row.sum()
    return rest + np.eye(len(matrix))


def followed(layers, rows):
    """Equation 6 layer by layer, 10 for a pooling; `rows` are read, their own 1 taken away."""
    matrix = np.eye(layers[0][0].shape[-1])
    for weights, gradient in layers:
        here = weighted(weights, gradient)
        if len(here) != len(matrix):
            return here[0] @ normalised(matrix)
        matrix = matrix + here @ matrix
    return (matrix - np.eye(len(matrix)))[rows].mean(axis=0)


@pytest.mark.parametrize("first", [None, 0])
@pytest.mark.parametrize("name", WITH_ATTENTION)
def test_every_family_gives_the_papers_equations(name, first):
    spec, texts = IMAGES[name], unit_texts()
    towers, pixels = towers_of(spec).double(), some_pixels(spec, count=1).double()
    with bumped() as seen:
        logits = towers.scale * texts @ towers.encode_image(pixels)[0]
    ours = chefer.relevance(towers, pixels, texts, **({} if first is None else {"first": first}))
    side, start = ours.shape[1], -1 if first is None else first
    theirs = []
    for logit in logits:
        layers = [(w[0], g[0]) for w, g in gradients(logit, seen, start)]
        rows = (
            pooled_rows(towers.visual, layers[-1][0].shape[-1])
            if name in ("class token", "eva") or "mean" in name
            else []
        )
        theirs.append(followed(layers, rows)[-side * side :].reshape(side, side))
    alike(ours, np.stack(theirs))


def read_rows(spec, tokens):
    if spec.pool == "end":
        return [int(tokens.argmax())]
    if spec.pool in ("last", "class"):
        return [-1]
    return [place for place, token in enumerate(tokens) if token != 0] if spec.pool == "mean" else [0]


@pytest.mark.parametrize("first", [None, 0])
@pytest.mark.parametrize("name", TEXTS)
def test_words_give_the_papers_equations(name, first):
    spec, tokens, image = TEXTS[name], padded_tokens(), unit_texts(1)[0]
    towers = towers_of(text=spec).double()
    ours = chefer.words(towers, tokens, image, **({} if first is None else {"first": first}))
    theirs = []
    for row in tokens:  # each text alone
        with bumped() as seen:
            logit = towers.scale * (towers.encode_text(row[None], trim=False)[0] @ image)
        layers = [(w[0], g[0]) for w, g in gradients(logit, seen, -1 if first is None else first)]
        theirs.append(followed(layers, read_rows(spec, row))[: len(row)])
    alike(ours, np.stack(theirs))


def padded_tokens():
    tokens = some_tokens()
    for row in tokens:
        row[int(row.argmax()) + 1 :] = 0
    return tokens


def test_a_word_behind_the_end_has_no_relevance_and_each_text_its_own():
    towers, tokens, images = towers_of(), padded_tokens(), unit_texts(2).float()
    ours = chefer.words(towers, tokens, images[0])
    assert ours.shape == tokens.shape and ours.dtype == torch.float32
    assert ours[tokens == 0].count_nonzero() == 0
    alike(chefer.words(towers, tokens[2:3], images[0]), ours[2:3])
    assert (chefer.words(towers, tokens, images[1]) - ours).abs().max() > 1e-3 * ours.max()


@pytest.mark.parametrize("name", VITS)
def test_a_text_has_its_own_map_whatever_is_asked_beside_it(name):
    towers, pixels, texts = towers_of(VITS[name]), some_pixels(count=1), unit_texts().float()
    together = chefer.relevance(towers, pixels, texts)
    assert together.shape == (3, 4, 4) and together.dtype == torch.float32 and together.min() >= 0
    assert (together[0] - together[1]).abs().max() > 1e-3 * together.max()
    alike(chefer.relevance(towers, pixels, texts[1:2]), together[1:2])


def test_towers_stay_as_they_are():
    towers, pixels, texts = towers_of().train().requires_grad_(True), some_pixels(count=1), unit_texts().float()
    towers.visual.transformer.eval()
    before = condition(towers)
    with torch.inference_mode():
        inside = chefer.relevance(towers, pixels.clone(), texts.clone())
        of_words = chefer.words(towers, some_tokens(), texts[0].clone())
    assert condition(towers) == before
    assert not inside.requires_grad and not of_words.requires_grad
    alike(inside, chefer.relevance(towers_of(), pixels, texts))


def test_what_does_not_fit_is_said():
    spec, texts = CONVOLUTIONS["efficientnet"], unit_texts().float()
    with pytest.raises(UsageError, match="without attention"):
        chefer.relevance(towers_of(spec), some_pixels(spec, count=1), texts)
    with pytest.raises(UsageError, match="2 images"):
        chefer.relevance(towers_of(), some_pixels(), texts)
    with pytest.raises(UsageError, match="first layer 3"):
        chefer.words(towers_of(), some_tokens(), texts[0], first=3)
