"""Text towers cut into a trunk and a projection."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from wordsight.base.errors import ConfigError, UsageError
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.bert.spec import BertSpec
from wordsight.towers.build import build
from wordsight.towers.check import check_spec
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.resize import resize_checkpoint

BERT = BertSpec(context_length=9, vocabulary_size=40, width=24, layers=2, heads=4)
SPEC = ModelSpec(
    "tiny",
    width=16,
    image=VitSpec(size=16, patch=8, width=16, layers=1, heads=2),
    text=BERT,
    preprocess=PreprocessSpec(size=16),
    tokenizer=TokenizerSpec(kind="tokenizers", vocabulary_size=40, context_length=9),
)
TOKENS = torch.tensor([[1, 7, 9, 2, 0, 0], [1, 5, 2, 0, 0, 0]])
TEXTS = [
    BERT,
    replace(BERT, pool="first", projection="matrix"),
    replace(BERT, pool="pooler", width=16, projection="none"),
    replace(BERT, hidden=7),
    ClipTextSpec(context_length=9, vocabulary_size=40, width=24, layers=2, heads=4, end_id=2),
]


@pytest.mark.parametrize("text", TEXTS, ids=["mean", "first", "pooler", "hidden", "clip"])
def test_the_projection_of_the_pooled_row_is_the_embedding(text):
    towers = build(replace(SPEC, text=text)).eval()
    with torch.inference_mode():
        pooled = towers.text_features(TOKENS)
        assert pooled.shape == (2, text.width)
        assert torch.equal(F.normalize(towers.project_text(pooled), dim=-1), towers.encode_text(TOKENS))


def test_hidden_units_of_a_bert_stand_beside_its_projection_and_begin_as_nothing():
    tower = build(replace(SPEC, text=replace(BERT, hidden=7))).text
    pooled = torch.randn(3, 24)
    with torch.inference_mode():
        assert torch.equal(tower.project(pooled), tower.proj(pooled))
        tower.out.weight.normal_()
        units = pooled @ tower.hidden.weight.T + tower.hidden.bias
        units = units * (1 + torch.erf(units / 2**0.5)) / 2
        torch.testing.assert_close(tower.project(pooled), tower.proj(pooled) + units @ tower.out.weight.T)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": -1}, "text.hidden = -1; give the number of hidden units, 0 for none"),
        ({"hidden": 3, "projection": "none", "width": 16}, "text.hidden = 3 beside no projection"),
    ],
)
def test_hidden_units_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        check_spec(replace(SPEC, text=replace(BERT, **changes)))


def test_padding_changes_nothing_of_a_bert():
    towers = build(SPEC).eval()
    with torch.inference_mode():
        torch.testing.assert_close(
            towers.encode_text(TOKENS[1:, :3]), towers.encode_text(TOKENS)[1:], atol=1e-6, rtol=0
        )


def test_the_states_of_a_bert_end_where_it_pools():
    tower = build(SPEC).eval().text
    with torch.inference_mode():
        states = list(tower.states(TOKENS))
        assert len(states) == BERT.layers + 1
        assert torch.equal(tower.pool(states[-1], TOKENS), tower.features(TOKENS))


def test_what_a_bert_cannot_be_is_refused():
    towers = build(SPEC)
    with pytest.raises(UsageError) as caught:
        towers.encode_text(torch.ones(1, 10, dtype=torch.int32))
    assert str(caught.value) == "texts of 10 tokens; this tower reads at most 9"
    with pytest.raises(ConfigError, match="text.width = 24 but width"):
        check_spec(replace(SPEC, text=replace(BERT, projection="none")))
    with pytest.raises(ConfigError, match="text.heads"):
        check_spec(replace(SPEC, text=replace(BERT, heads=5)))


def test_a_bert_of_shorter_texts_gives_the_same_and_of_longer_ones_is_refused():
    towers = build(SPEC).eval()
    whole = Checkpoint(SPEC, {name: tensor.numpy() for name, tensor in towers.state_dict().items()})
    short = resize_checkpoint(whole, context_length=6)
    again = build(short.spec).eval()
    again.load_state_dict({name: torch.from_numpy(array) for name, array in short.state.items()})
    with torch.inference_mode():
        assert torch.equal(again.encode_text(TOKENS), towers.encode_text(TOKENS))
    with pytest.raises(ConfigError, match="text.context_length = 12 but the tower has positions for 9 tokens"):
        resize_checkpoint(whole, context_length=12)
