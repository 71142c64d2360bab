"""The native text transformer."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import RowIds, Tokens
from wordsight.base.errors import ConfigError
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.clip_text.shapes import clip_text_modules, clip_text_roots
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.family import TextFamily, before_padding
from wordsight.towers.flat import FLAT_TEXT, implied, text_heads
from wordsight.towers.layers import LayerNames
from wordsight.towers.parts.reading import reads_padding
from wordsight.towers.parts.rules import multiple, same, share

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec


def _check(text: ClipTextSpec, model: "ModelSpec") -> None:
    multiple("text.width", text.width, "text.heads", text.heads)
    share("text.dropout", text.dropout)
    if text.mixer < 0 or (text.mixer and text.mixer % 2 == 0):
        raise ConfigError(f"text.mixer = {text.mixer}", cure="give an odd number, or 0 for none")
    if text.mixer and text.pool == "class":
        raise ConfigError(f'text.mixer = {text.mixer} with text.pool = "class"', cure='set text.pool = "end"')
    if text.projection == "none":
        same("text.width", text.width, "width (text.projection is none)", model.width)
    tokenizer = model.tokenizer
    if tokenizer.padding != "full" and _reads_padding(text, tokenizer):
        raise ConfigError(
            f'tokenizer.padding = "{tokenizer.padding}" with text.mask = "{text.mask}", text.pool = "{text.pool}"',
            cure='this tower reads the padding too: set tokenizer.padding = "full"',
        )


def _reads_padding(text: ClipTextSpec, tokenizer: TokenizerSpec) -> bool:
    del tokenizer
    return bool(text.mixer) or reads_padding(text.mask, text.pool)  # a mixer reaches over the end of the text


def _needed(tokens: Tokens, text: ClipTextSpec) -> RowIds:
    """Up to the token that is read where attention is causal, else up to the last one that is not padding."""
    if text.mask != "causal":
        return before_padding(tokens, text)
    if text.pool != "end":  # the first token is read
        return np.full(len(tokens), tokens.shape[1])
    ends: NDArray[Any] = tokens if text.end_id is None else tokens == text.end_id
    needed: RowIds = ends.argmax(axis=1) + 1
    return needed


def _end_token(text: ClipTextSpec, tokenizer: TokenizerSpec) -> int | None:
    if text.pool != "end" or not tokenizer.keep_end:
        return None
    if text.end_id is not None:
        return text.end_id
    return text.vocabulary_size - 1 if tokenizer.kind == "clip-bpe" and tokenizer.end_id is None else tokenizer.end_id


def _resize(state: dict[str, Any], text: ClipTextSpec, length: int) -> None:
    """Interpolate the positions of a text; what is behind them is the learned token's."""
    from wordsight.towers.parts.resize import resize_line

    table = np.asarray(state["positional_embedding"])
    line, behind = table[: text.context_length], table[text.context_length :]
    state["positional_embedding"] = np.concatenate([resize_line(line, length), behind])


CLIP_TEXT = TextFamily(
    spec=ClipTextSpec,
    check=_check,
    at_root=True,
    roots=clip_text_roots,
    shapes=clip_text_modules,
    graph="wordsight.towers.clip_text.graph:text_graph",
    reads_padding=_reads_padding,
    needed=_needed,
    end_token=_end_token,
    resize=_resize,
    implied=implied(FLAT_TEXT, ClipTextSpec),
    layers=LayerNames(
        r"transformer\.resblocks\.\d+",
        ("token_embedding", "positional_embedding", "cls_emb", "transformer.mixers.0"),
        ("text_projection",),
    ),
    usual=lambda text: {"heads": text_heads(text.width)},
)
