"""LeGrad against a restatement with loops, against finite differences, and what must hold of any such map."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from wordsight.base.errors import UsageError
from wordsight.explain.inside import legrad

sys.path.insert(0, str(Path(__file__).parent))

from bumped import alike, bumped, condition, gradients, pooled_rows, unit_texts
from random_towers import CONVOLUTIONS, VIT, VITS, some_pixels, towers_of

EVA = VITS["eva"]
FORMS = VITS | {
    "tokens normed": dataclasses.replace(VIT, final_norm="tokens"),
    "class token, perception": dataclasses.replace(VITS["perception"], class_token=True),
    "eva, mean": dataclasses.replace(EVA, pool="mean"),
    "eva, mean of all": dataclasses.replace(EVA, pool="mean_all", norm_order="post", inner_norm=True),
}


def score_of_block(visual, pixels, text, block):
    """Return the cosine of what leaves a block, whose tokens are pooled by hand."""
    tokens = list(visual.states(pixels))[block + 1]  # (1, T, D)
    norm = visual.norm if visual.spec.kind == "eva" else visual.ln_post
    if visual.spec.pool in ("attention", "queries"):
        if visual.spec.final_norm == "tokens":
            pooled = visual.attn_pool(norm(tokens))
        else:
            pooled = norm(visual.attn_pool(tokens))
    elif visual.spec.pool == "class":
        pooled = norm(sum(tokens[:, token] for token in range(tokens.shape[1])) / tokens.shape[1])
    else:
        tokens = norm(tokens) if getattr(visual.spec, "final_norm", "pooled") == "tokens" else tokens
        rows = pooled_rows(visual, tokens.shape[1])
        pooled = sum(tokens[:, row] for row in rows) / len(rows)
        pooled = pooled if getattr(visual.spec, "final_norm", "pooled") == "tokens" else norm(pooled)
    row = visual.project(pooled)[0]
    return row @ text / row.square().sum().sqrt()


def oracle(towers, pixels, texts, blocks):
    visual, maps = towers.visual, []
    side = visual.spec.size // visual.spec.patch
    for text in texts:
        total = np.zeros(visual.extra + side * side)
        for block in blocks:
            with bumped() as seen:
                score = score_of_block(visual, pixels, text, block)
            which = -1 if len(seen) > visual.depth else block
            _, gradient = gradients(score, seen[which : which + 1 or None])[0]
            for head in gradient[0]:
                for query in head:
                    total += np.where(query > 0, query, 0) / (len(gradient[0]) * len(head))
        maps.append(total[visual.extra :].reshape(side, side))
    return np.stack(maps)


@pytest.mark.parametrize("first", [None, 0, -1])
@pytest.mark.parametrize("name", FORMS)
def test_every_family_gives_the_sum_of_positive_gradients(name, first):
    towers, pixels, texts = towers_of(FORMS[name]).double(), some_pixels(count=1).double(), unit_texts()
    ours = legrad.relevance(towers, pixels, texts, **({} if first is None else {"first": first}))
    assert ours.dtype == torch.float32
    alike(ours, oracle(towers, pixels, texts, {None: [1, 2], 0: [0, 1, 2], -1: [2]}[first]))


def test_the_gradient_is_how_the_cosine_grows_with_a_weight():
    small = dataclasses.replace(VIT, patch=16)
    towers, pixels, text = towers_of(small).double(), some_pixels(small, count=1).double(), unit_texts(1)[0]
    step, heads, tokens = 1e-5, small.heads, 5

    def cosine(change):
        with bumped({2: change}), torch.no_grad():
            row = towers.visual.project(towers.visual.pool(towers.visual.last(pixels).mean(1, keepdim=True)))
        return normalize(row, dim=-1)[0] @ text

    total = torch.zeros(tokens, dtype=torch.float64)
    for place in range(heads * tokens * tokens):
        change = torch.zeros(1, heads, tokens, tokens, dtype=torch.float64)
        change.view(-1)[place] = step
        slope = (cosine(change) - cosine(-change)) / (2 * step)
        total[place % tokens] += slope.clamp(min=0) / (heads * tokens)
    alike(legrad.relevance(towers, pixels, text[None], first=-1), total[1:].view(1, 2, 2))


def test_the_last_score_of_a_tower_that_does_not_read_its_class_token_is_its_own():
    for name in ("mean, class token beside", "attention", "queries", "perception"):
        towers, pixels, text = towers_of(VITS[name]).double(), some_pixels(count=1).double(), unit_texts(1)[0]
        score = score_of_block(towers.visual, pixels, text, 2)
        assert torch.allclose(score, towers.encode_image(pixels)[0] @ text)


def test_where_a_text_that_says_nothing_is_relevant_there_is_no_relevance():
    towers, pixels, texts = towers_of(VITS["attention"]), some_pixels(count=1), unit_texts(4).float()
    alone = legrad.relevance(towers, pixels, texts)
    corrected = legrad.relevance(towers, pixels, texts[:3], empty=texts[3])
    share = (alone[3] - alone[3].min()) / (alone[3].max() - alone[3].min())
    assert 0 < (share > legrad.EMPTY_LIMIT).sum() < share.numel() / 2
    assert torch.equal(corrected, alone[:3].where(share <= legrad.EMPTY_LIMIT, torch.zeros(())))


@pytest.mark.parametrize("name", VITS)
def test_a_text_has_its_own_map_whatever_is_asked_beside_it(name):
    towers, pixels, texts = towers_of(VITS[name]), some_pixels(count=1), unit_texts().float()
    together = legrad.relevance(towers, pixels, texts)
    assert together.shape == (3, 4, 4) and together.min() >= 0
    assert (together[0] - together[1]).abs().max() > 1e-3 * together.max()
    alike(legrad.relevance(towers, pixels, texts[1:2]), together[1:2])


def test_towers_stay_as_they_are():
    towers, pixels, texts = towers_of().train().requires_grad_(True), some_pixels(count=1), unit_texts().float()
    towers.visual.transformer.eval()
    before = condition(towers)
    with torch.inference_mode():
        inside = legrad.relevance(towers, pixels.clone(), texts.clone())
    assert condition(towers) == before
    assert not inside.requires_grad
    alike(inside, legrad.relevance(towers_of(), pixels, texts))


def test_half_the_precision_gives_much_the_same():
    towers, pixels, texts = towers_of(), some_pixels(count=1), unit_texts().float()
    full, half = (legrad.relevance(t, pixels, texts) for t in (towers, towers_of().bfloat16()))
    assert half.dtype == torch.float32
    alike(half, full, 0.1)


def test_what_does_not_fit_is_said():
    texts = unit_texts().float()
    for family in CONVOLUTIONS.values():
        with pytest.raises(UsageError, match="LeGrad"):
            legrad.relevance(towers_of(family), some_pixels(family, count=1), texts)
    with pytest.raises(UsageError, match="2 images"):
        legrad.relevance(towers_of(), some_pixels(), texts)
    with pytest.raises(UsageError, match="first layer 3"):
        legrad.relevance(towers_of(), some_pixels(count=1), texts, first=3)
    shallow = dataclasses.replace(VIT, layers=1)  # the default means all blocks there
    assert legrad.relevance(towers_of(shallow), some_pixels(count=1), texts).shape == (3, 4, 4)
