"""Text towers of transformers, as open_clip's configurations name them: to ours and back.

    spec, state = read_text(keys, config.model, trunk_config)        # text.transformer.*, text.proj*
    text_cfg = text_cfg(spec)                                 # and config.json: trunk_config(spec)

The weights have the same names on both sides.  Numpy only: whether names and shapes are those of the trunk is
known to transformers alone, and is checked when the tower is built.
"""

from collections.abc import Mapping
from typing import Any, Literal

from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.towers.transformers.options import (
    TEXT_FIELDS,
    WIDTHS,
    Pooler,
    TextOptions,
    full_config,
    text_options,
)
from wordsight.towers.transformers.spec import TransformersTextSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.openclip.config import ModelCfg
from wordsight.weights.formats.openclip.known_trunks import known_trunk
from wordsight.weights.formats.trunks.transformers_text import take_under, text_spec

TEXT = "text.transformer."
PROJECTION = "text.proj."
EMBEDDINGS = ("embeddings.word_embeddings", "embeddings.tok_embeddings", "embed_tokens")
POOLING_LAYER = TEXT + "pooler.dense.weight"
POOLERS: dict[str, Pooler] = {
    "mean_pooler": "mean",
    "max_pooler": "max",
    "cls_pooler": "cls",
    "cls_last_hidden_state_pooler": "cls_last_hidden_state",
}
# which of open_clip's poolers a type has when its configuration says none (hf_configs.py)
USUAL_POOLERS = {"bert": "cls_pooler", "m2m_100": "cls_pooler"}


def read_text(
    keys: Keys, model: ModelCfg, trunk_config: Mapping[str, Any] | None = None
) -> tuple[TransformersTextSpec, dict[str, Array]]:
    """Return the text tower of a `text_cfg` with `hf_model_name`, and its weights.

    What the trunk is stands in `trunk_config` (the content of its config.json); without it the trunks of the
    published models are known by their names, and others are a `FormatError`.
    """
    cfg = model.text_cfg
    name = cfg.hf_model_name or ""
    trunk, config = _trunk(name, trunk_config, keys)
    pooler = cfg.hf_pooler_type or USUAL_POOLERS.get(trunk, "mean_pooler")
    if pooler not in POOLERS:
        raise FormatError(f"hf_pooler_type {pooler!r} in {keys.where}", cure=f"known: {', '.join(POOLERS)}")
    options = TextOptions(
        config=config,
        pooler=POOLERS[pooler],
        pooling_layer=POOLING_LAYER in keys,
        projection=_text_projection(
            cfg.hf_proj_type, config[WIDTHS.get(trunk, "hidden_size")], model.embed_dim, keys.where
        ),
        name=name,
    )
    spec = text_spec(trunk, options, cfg.context_length)
    return spec, take_under(keys, TEXT, PROJECTION)


def text_cfg(spec: TransformersTextSpec) -> dict[str, Any]:
    """Return the `text_cfg` of a text tower of kind "transformers"; what open_clip has no place for: `UsageError`."""
    options = text_options(spec)
    pooler = options.pooler
    if pooler == "cls" and not options.pooling_layer:
        pooler = "cls_last_hidden_state"  # the same row; "cls_pooler" would want the layer
    poolers = {ours: theirs for theirs, ours in POOLERS.items()}
    problems = {
        f'text.options.pooler = "{pooler}"': pooler not in poolers,
        "a pooling layer that is not read": options.pooling_layer and pooler != "cls",
        "a projection with a bias": options.projection_bias,
        "a text trunk without a name on the hub (text.options.name)": not options.name,
    }
    for problem, there in problems.items():
        if there:
            raise UsageError(f"open_clip has no place for {problem}", cure="choose another format")
    return {
        "hf_model_name": options.name,
        "hf_model_pretrained": False,
        "hf_tokenizer_name": options.name,
        "hf_proj_type": None if options.projection == "none" else options.projection,
        "hf_pooler_type": poolers[pooler],
        "context_length": spec.context_length,
    }


def trunk_config(spec: TransformersTextSpec) -> dict[str, Any]:
    """Return the config.json of a text trunk, to lie beside the weights: what `read_text` takes as `trunk_config`."""
    config = dict(text_options(spec).config)
    if spec.trunk == "modernbert":
        bases = {"full_attention": "global_rope_theta", "sliding_attention": "local_rope_theta"}
        config["rope_parameters"] = {
            kind: {"rope_type": "default", "rope_theta": config.pop(base)} for kind, base in bases.items()
        }
    return {"model_type": spec.trunk, **config}


def _trunk(name: str, given: Mapping[str, Any] | None, keys: Keys) -> tuple[str, dict[str, Any]]:
    """Return the model type and the whole configuration of a text trunk, checked against its embedding."""
    known = (str(given["model_type"]), dict(given)) if given else known_trunk(name)
    if known is None:
        raise FormatError(
            f"what the text trunk {name!r} of {keys.where} is does not stand in its files",
            cure=f"put the config.json of {name or 'the trunk'} beside the weights",
        )
    try:
        config = full_config(TEXT_FIELDS, *known, where=f"the text trunk of {keys.where}")
    except ConfigError as error:
        raise FormatError(error.problem, cure=error.cure) from None
    embedding = next((keys[TEXT + part + ".weight"] for part in EMBEDDINGS if TEXT + part + ".weight" in keys), None)
    wanted = (config["vocab_size"], config[WIDTHS.get(known[0], "hidden_size")])
    if embedding is not None and embedding.shape != wanted:
        raise FormatError(
            f"the text trunk of {keys.where} has {embedding.shape[0]} tokens of {embedding.shape[1]} channels, "
            f"{name or 'its config.json'} has {wanted[0]} of {wanted[1]}",
            cure="put the config.json that belongs to the trunk beside the weights",
        )
    return known[0], config


def _text_projection(kind: str | None, inner: int, embed_dim: int, where: str) -> Literal["linear", "mlp", "none"]:
    if kind is None and inner == embed_dim:
        return "none"
    if kind == "linear" or kind == "mlp":
        return "linear" if kind == "linear" else "mlp"
    raise FormatError(
        f"hf_proj_type {kind!r} in {where}, with {inner} features for {embed_dim}", cure="known: linear, mlp"
    )
