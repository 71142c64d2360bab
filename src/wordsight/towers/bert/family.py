"""BERT's encoder."""

from typing import TYPE_CHECKING, Any

import numpy as np

from wordsight.base.errors import ConfigError
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.bert.shapes import PREFIX, bert_shapes
from wordsight.towers.bert.spec import BertSpec
from wordsight.towers.family import TextFamily
from wordsight.towers.flat import FLAT_TEXT, implied, text_heads
from wordsight.towers.layers import LayerNames
from wordsight.towers.parts.rules import hidden, multiple, same, share

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec


def _check(text: BertSpec, model: "ModelSpec") -> None:
    multiple("text.width", text.width, "text.heads", text.heads)
    share("text.dropout", text.dropout)
    if text.projection == "none":
        same("text.width", text.width, "width (text.projection is none)", model.width)
    hidden("text.hidden", text.hidden)
    if text.hidden and text.projection == "none":
        raise ConfigError(f"text.hidden = {text.hidden} beside no projection", cure='set text.projection = "linear"')


def _reads_padding(text: BertSpec, tokenizer: TokenizerSpec) -> bool:
    del text, tokenizer
    return False


def _resize(state: dict[str, Any], text: BertSpec, length: int) -> None:
    """Leave out the positions behind the new length; there are none for longer texts."""
    if length > text.context_length:
        raise ConfigError(
            f"text.context_length = {length} but the tower has positions for {text.context_length} tokens",
            cure="make it smaller",
        )
    name = f"{PREFIX}positional_embedding"
    state[name] = np.asarray(state[name])[:length]


BERT = TextFamily(
    spec=BertSpec,
    check=_check,
    module="wordsight.towers.bert.module:BertTower",
    shapes=bert_shapes,
    graph="wordsight.towers.bert.graph:bert_graph",
    cut=True,
    reads_padding=_reads_padding,
    resize=_resize,
    implied=implied(FLAT_TEXT, BertSpec, mask="padding"),
    layers=LayerNames(
        r"transformer\.resblocks\.\d+", ("token_embedding", "positional_embedding", "ln_pre"), ("proj", "hidden", "out")
    ),
    usual=lambda text: {"heads": text_heads(text.width)},
)
