"""What a tower from transformers is built from, typed and checked.  Free of PyTorch and of transformers.

    text_options(spec.text).pooler         # how the trunk is pooled
    check_transformers_text(spec.text)         # ConfigError, before anything heavy is imported

`options` of both specs hold these dataclasses as plain dicts.  The configuration of a trunk is complete (no default
of another package's version decides) and holds known fields only, so that nothing in a checkpoint can name code,
kernels or files to be fetched.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.base.config import from_dict
from wordsight.base.errors import ConfigError
from wordsight.towers.parts.rules import check_size
from wordsight.towers.transformers.spec import TransformersImageSpec, TransformersTextSpec

Pooler = Literal["mean", "max", "cls", "cls_last_hidden_state", "last"]

BERT = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
ROBERTA = BERT | {"vocab_size": 50265, "pad_token_id": 1}
T5 = {
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 6,
    "num_heads": 8,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-6,
    "feed_forward_proj": "relu",
    "pad_token_id": 0,
}
# the fields that decide what a trunk computes, with the defaults of transformers' configuration classes
TEXT_FIELDS: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA | {"vocab_size": 30522},
    "camembert": ROBERTA | {"vocab_size": 30522},
    "t5": T5,
    "mt5": T5
    | {"vocab_size": 250112, "d_ff": 1024, "num_layers": 8, "num_heads": 6, "feed_forward_proj": "gated-gelu"},
    "m2m_100": {
        "vocab_size": 128112,
        "d_model": 1024,
        "encoder_layers": 12,
        "encoder_ffn_dim": 4096,
        "encoder_attention_heads": 16,
        "activation_function": "relu",
        "max_position_embeddings": 1024,
        "scale_embedding": True,
        "pad_token_id": 1,
    },
    "modernbert": {
        "vocab_size": 50368,
        "hidden_size": 768,
        "intermediate_size": 1152,
        "num_hidden_layers": 22,
        "num_attention_heads": 12,
        "hidden_activation": "gelu",
        "max_position_embeddings": 8192,
        "norm_eps": 1e-5,
        "norm_bias": False,
        "pad_token_id": 50283,
        "attention_bias": False,
        "mlp_bias": False,
        "global_attn_every_n_layers": 3,
        "local_attention": 128,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
    },
}
IMAGE_FIELDS: dict[str, dict[str, Any]] = {
    "align_vision_model": {
        "num_channels": 3,
        "width_coefficient": 2.0,
        "depth_coefficient": 3.1,
        "depth_divisor": 8,
        "kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
        "in_channels": [32, 16, 24, 40, 80, 112, 192],
        "out_channels": [16, 24, 40, 80, 112, 192, 320],
        "depthwise_padding": [],
        "strides": [1, 2, 2, 2, 1, 2, 1],
        "num_block_repeats": [1, 2, 2, 3, 3, 4, 1],
        "expand_ratios": [1, 6, 6, 6, 6, 6, 6],
        "squeeze_expansion_ratio": 0.25,
        "hidden_act": "swish",
        "hidden_dim": 2560,
        "pooling_type": "mean",
        "batch_norm_eps": 0.001,
    },
}
# where a trunk's width, depth, heads, inner width and activation stand in its configuration
WIDTHS = {"t5": "d_model", "mt5": "d_model", "m2m_100": "d_model"}
DEPTHS = {"t5": "num_layers", "mt5": "num_layers", "m2m_100": "encoder_layers"}
HEADS = {"t5": "num_heads", "mt5": "num_heads", "m2m_100": "encoder_attention_heads"}
# what no encoder of two towers has otherwise, and what would change all its numbers
PLAIN = {"is_decoder": False, "add_cross_attention": False, "position_embedding_type": "absolute"}
POOLING_LAYERS = ("bert", "roberta", "xlm-roberta", "camembert")  # the types that may have one


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """An image trunk of transformers: its configuration; the mean of its last feature map is the embedding."""

    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextOptions:
    """A text trunk of transformers and what is behind it, as open_clip puts them together.

    `pooler`: "mean" and "max" of the tokens that are no padding, "cls" (the trunk's own pooling layer if it
    has one, else its first position), "cls_last_hidden_state" (the first position in any case), "last" (the
    last token that is no padding). `pooling_layer`: the trunk's pooling layer is among the weights.
    `projection`: "linear", "mlp" (two layers without biases, GELU between) or "none"; `projection_bias`
    for "linear". `name` is the trunk's name on the hub, which open_clip's configuration wants.
    """

    config: dict[str, Any] = field(default_factory=dict)
    pooler: Pooler = "mean"
    pooling_layer: bool = False
    projection: Literal["linear", "mlp", "none"] = "linear"
    projection_bias: bool = False
    name: str = ""


def image_options(spec: TransformersImageSpec) -> ImageOptions:
    """Return the options of an image tower of kind "transformers"; unknown ones are a `ConfigError`."""
    return from_dict(ImageOptions, spec.options, where="image.options.")


def text_options(spec: TransformersTextSpec) -> TextOptions:
    """Return the options of a text tower of kind "transformers"; unknown ones are a `ConfigError`."""
    return from_dict(TextOptions, spec.options, where="text.options.")


def check_transformers_image(spec: TransformersImageSpec) -> None:
    """Raise `ConfigError` when the image tower cannot be built as it says."""
    check_size(spec.size)
    _check_config(image_options(spec).config, IMAGE_FIELDS, spec.trunk, "image")


def check_transformers_text(spec: TransformersTextSpec) -> None:
    """Raise `ConfigError` when a text tower of kind "transformers" cannot be built as it says."""
    options = text_options(spec)
    _check_config(options.config, TEXT_FIELDS, spec.trunk, "text")
    if options.config["vocab_size"] != spec.vocabulary_size:
        raise ConfigError(
            f"text.vocabulary_size = {spec.vocabulary_size} but text.options.config.vocab_size = "
            f"{options.config['vocab_size']}",
            cure="give both the same value",
        )
    if options.config["pad_token_id"] != spec.pad_id:
        raise ConfigError(
            f"text.pad_id = {spec.pad_id} but text.options.config.pad_token_id = {options.config['pad_token_id']}",
            cure="give both the same value",
        )
    longest = longest_text(spec)
    if longest is not None and spec.context_length > longest:
        raise ConfigError(
            f"text.context_length = {spec.context_length} but the trunk has positions for {longest} tokens",
            cure="make it smaller",
        )
    if options.pooling_layer and spec.trunk not in POOLING_LAYERS:
        raise ConfigError(f"a {spec.trunk} trunk has no pooling layer", cure="set text.options.pooling_layer = false")


def longest_text(spec: TransformersTextSpec) -> int | None:
    """Return how many tokens a text trunk of transformers has positions for; None where positions are computed."""
    config = text_options(spec).config
    if spec.trunk in ("t5", "mt5", "m2m_100"):
        return None
    positions: int = config["max_position_embeddings"]
    begins = config["pad_token_id"] + 1 if spec.trunk in ("roberta", "xlm-roberta", "camembert") else 0
    return positions - begins


def full_config(fields: dict[str, dict[str, Any]], trunk: str, config: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the fields that decide what a trunk computes, from a config.json: what is left out has its default.

    A trunk of unknown type, and one that masks or counts its tokens in another way (`PLAIN`), is a `ConfigError`.
    """
    if trunk not in fields:
        raise ConfigError(f"{where} is a {trunk!r} of transformers", cure=f"known here: {', '.join(fields)}")
    for name, usual in PLAIN.items():
        if config.get(name, usual) not in (None, usual):
            raise ConfigError(f"{where} has {name} = {config[name]!r}", cure=f"only {usual!r} is read")
    if trunk == "modernbert":
        config = _flat_rotation(config)
    return {name: config.get(name, default) for name, default in fields[trunk].items()}


def _flat_rotation(config: dict[str, Any]) -> dict[str, Any]:
    """Give ModernBERT's rotation bases the names they had before transformers 5."""
    rotations = config.get("rope_parameters") or {}
    bases = {
        "global_rope_theta": rotations.get("full_attention", {}).get("rope_theta"),
        "local_rope_theta": rotations.get("sliding_attention", {}).get("rope_theta"),
    }
    return config | {name: base for name, base in bases.items() if base is not None}


def _check_config(config: dict[str, Any], fields: dict[str, dict[str, Any]], trunk: str, where: str) -> None:
    if trunk not in fields:
        raise ConfigError(f"{where}.trunk = {trunk!r}", cure=f"use one of {', '.join(fields)}")
    unknown = [name for name in config if name not in fields[trunk]]
    missing = [name for name in fields[trunk] if name not in config]
    if unknown or missing:
        raise ConfigError(
            f"{where}.options.config of a {trunk}: {len(unknown)} unknown fields ({', '.join(unknown)}), "
            f"{len(missing)} missing ({', '.join(missing)})",
            cure="give every field that decides what the trunk computes, and no other",
        )
