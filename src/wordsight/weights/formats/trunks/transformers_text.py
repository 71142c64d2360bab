"""Text towers of transformers: their spec, and their weights, whose names are the same on both sides.

spec = text_spec("bert", options, context_length)
state = take_under(keys, "text.transformer.", "text.proj.")
"""

from typing import Literal

from wordsight.base.config import to_dict
from wordsight.towers.transformers.options import DEPTHS, HEADS, WIDTHS, Pooler, TextOptions
from wordsight.towers.transformers.spec import TransformersTextSpec
from wordsight.weights.checkpoint import Array, Keys

# what older files hold although nothing in it is learned: tables of positions and masks
BUFFERS = ("position_ids", "token_type_ids", "relative_position_index", "attn_mask", "embed_positions.weights")
SHOWN: dict[Pooler, Literal["mean", "first", "last"]] = {
    "mean": "mean",
    "cls": "first",
    "cls_last_hidden_state": "first",
    "last": "last",
}


def text_spec(trunk: str, options: TextOptions, context_length: int) -> TransformersTextSpec:
    """Return the spec of a text tower of transformers; what its configuration decides is shown in the usual fields."""
    config = options.config
    return TransformersTextSpec(
        context_length=context_length,
        vocabulary_size=config["vocab_size"],
        width=config[WIDTHS.get(trunk, "hidden_size")],
        layers=config[DEPTHS.get(trunk, "num_hidden_layers")],
        heads=config[HEADS.get(trunk, "num_attention_heads")],
        mask="padding",
        pool=SHOWN.get(options.pooler, "mean"),
        pad_id=config["pad_token_id"],
        projection="none" if options.projection == "none" else "linear",
        trunk=trunk,
        options=to_dict(options),
    )


def take_under(keys: Keys, *prefixes: str) -> dict[str, Array]:
    """Take every weight whose name begins with one of `prefixes`; buffers are struck off."""
    mine = [name for name in keys.left if name.startswith(prefixes)]
    buffers = [name for name in mine if name.endswith(BUFFERS)]
    keys.drop(*buffers)
    return {name: keys.take(name) for name in mine if name not in buffers}
