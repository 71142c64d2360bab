"""open_clip's towers with a trunk of timm or transformers: what its configuration says of them, to ours and back.

    spec, state = read_image(keys, vision_cfg, embed_dim)     # visual.trunk.*, visual.head.*
    spec, state = read_text(keys, text_cfg, embed_dim)        # text.transformer.*, text.proj*
    vision_cfg = image_cfg(spec)
    text_cfg = text_cfg(spec)                                 # and config.json: trunk_config(spec)

The weights have the same names on both sides.  Numpy only: whether names and shapes are those of the trunk is
known to its package alone, and is checked when the towers are built.
"""

from collections.abc import Mapping
from typing import Any, Literal

from wordsight.base.config import to_dict
from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.towers.external_check import (
    DEPTHS,
    HEADS,
    TEXT_FIELDS,
    WIDTHS,
    Pooler,
    TextOptions,
    TimmOptions,
    full_config,
    text_options,
    timm_options,
)
from wordsight.towers.spec import ImageTowerSpec, TextTowerSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.external_known import CONVNEXTS, known_trunk

ImageProjection = Literal["linear", "mlp", "trunk", "none"]
TRUNK, HEAD = "visual.trunk.", "visual.head."
TEXT = "text.transformer."
PROJECTION = "text.proj."
# what older files hold although nothing in it is learned: tables of positions and masks
BUFFERS = ("position_ids", "token_type_ids", "relative_position_index", "attn_mask", "embed_positions.weights")
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
SHOWN: dict[Pooler, Literal["mean", "first", "last"]] = {
    "mean": "mean",
    "cls": "first",
    "cls_last_hidden_state": "first",
    "last": "last",
}
PROJECTIONS: dict[str, ImageProjection] = {"linear": "linear", "mlp": "mlp", "none": "none", "": "trunk"}


def read_image(keys: Keys, vision_cfg: Mapping[str, Any], embed_dim: int) -> tuple[ImageTowerSpec, dict[str, Array]]:
    """Return the image tower of a `vision_cfg` with `timm_model_name`, and its weights.

    Without one, trunks that `guess_image` knows by their shapes; others are a `FormatError`.
    """
    cfg = dict(vision_cfg)
    if not cfg.get("timm_model_name"):
        cfg |= guess_image(keys, embed_dim)
    options = TimmOptions(
        pool=cfg.get("timm_pool", "avg") or "",
        projection=_projection(cfg.get("timm_proj", "linear") or "", keys.where),
        projection_bias=bool(cfg.get("timm_proj_bias", False)),
        drop=float(cfg.get("timm_drop", 0.0)),
        arguments={"patch_drop_rate": cfg["patch_dropout"]} if cfg.get("patch_dropout") else {},
    )
    spec = ImageTowerSpec(
        kind="timm",
        trunk=cfg["timm_model_name"],
        size=_square(cfg.get("image_size", 224), keys.where),
        drop_path=float(cfg.get("timm_drop_path") or 0.0),
        projection="none" if options.projection == "none" else "linear",
        options=to_dict(options),
    )
    return spec, _take(keys, TRUNK, HEAD)


def image_cfg(spec: ImageTowerSpec) -> dict[str, Any]:
    """Return the `vision_cfg` of an image tower of kind "timm"; others, and what it has no field for: `UsageError`."""
    if spec.kind != "timm":
        raise UsageError(f"open_clip has no image tower of kind {spec.kind!r}", cure="choose another format")
    options = timm_options(spec)
    arguments = dict(options.arguments)
    patch_dropout = arguments.pop("patch_drop_rate", 0.0)
    if arguments:
        raise UsageError(
            f"open_clip builds timm's towers by name, and cannot be told {', '.join(arguments)}",
            cure="choose another format",
        )
    cfg: dict[str, Any] = {
        "timm_model_name": spec.trunk,
        "timm_model_pretrained": False,
        "timm_pool": options.pool,
        "timm_proj": {ours: theirs or None for theirs, ours in PROJECTIONS.items()}[options.projection],
        "timm_proj_bias": options.projection_bias,
        "timm_drop": options.drop,
        "timm_drop_path": spec.drop_path or None,
        "image_size": spec.size,
    }
    return cfg | ({"patch_dropout": patch_dropout} if patch_dropout else {})


def guess_image(keys: Mapping[str, Array], embed_dim: int) -> dict[str, Any]:
    """Return the `vision_cfg` of a published ConvNeXt tower by the shapes of its weights; others: `FormatError`.

    The size is that of the published model with such shapes; a ConvNeXt reads pictures of any size.
    """
    stages = [
        len({name.split(".")[5] for name in keys if name.startswith(f"{TRUNK}stages.{stage}.blocks.")})
        for stage in range(4)
    ]
    stem = keys.get(TRUNK + "stem.0.weight")
    name = CONVNEXTS.get((tuple(stages), len(stem))) if stem is not None else None
    if name is None or TRUNK + "stages.0.blocks.0.conv_dw.weight" not in keys:
        raise FormatError(
            "the image tower is one of timm's, which its weights alone do not name",
            cure="put the open_clip_config.json that belongs to the file beside it",
        )
    mlp = HEAD + "mlp.fc1.weight" in keys
    narrow = (name, embed_dim) in (("convnext_base", 512), ("convnext_large", 768)) and not mlp
    size = 224 if narrow or name in ("convnext_tiny", "convnext_small") else 256
    return {"timm_model_name": name, "timm_pool": "", "timm_proj": "mlp" if mlp else "linear", "image_size": size}


def read_text(keys: Keys, text_cfg: Mapping[str, Any], embed_dim: int) -> tuple[TextTowerSpec, dict[str, Array]]:
    """Return the text tower of a `text_cfg` with `hf_model_name`, and its weights.

    What the trunk is stands in `hf_config` (the content of its config.json); without it the trunks of the
    published models are known by their names, and others are a `FormatError`.
    """
    name = str(text_cfg.get("hf_model_name") or "")
    trunk, config = _trunk(name, text_cfg.get("hf_config"), keys)
    pooler = text_cfg.get("hf_pooler_type", "mean_pooler") or USUAL_POOLERS.get(trunk, "mean_pooler")
    if pooler not in POOLERS:
        raise FormatError(f"hf_pooler_type {pooler!r} in {keys.where}", cure=f"known: {', '.join(POOLERS)}")
    options = TextOptions(
        config=config,
        pooler=POOLERS[pooler],
        pooling_layer=POOLING_LAYER in keys,
        projection=_text_projection(text_cfg, config[WIDTHS.get(trunk, "hidden_size")], embed_dim, keys.where),
        name=name,
    )
    spec = text_spec(trunk, options, int(text_cfg.get("context_length", 77)))
    return spec, _take(keys, TEXT, PROJECTION)


def text_spec(trunk: str, options: TextOptions, context_length: int) -> TextTowerSpec:
    """Return the spec of a text tower of transformers; what its configuration decides is shown in the usual fields."""
    config = options.config
    return TextTowerSpec(
        kind="transformers",
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


def text_cfg(spec: TextTowerSpec) -> dict[str, Any]:
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


def trunk_config(spec: TextTowerSpec) -> dict[str, Any]:
    """Return the config.json of a text trunk, to lie beside the weights: what `read_text` takes as `hf_config`."""
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
    words = next((keys[TEXT + part + ".weight"] for part in EMBEDDINGS if TEXT + part + ".weight" in keys), None)
    wanted = (config["vocab_size"], config[WIDTHS.get(known[0], "hidden_size")])
    if words is not None and words.shape != wanted:
        raise FormatError(
            f"the text trunk of {keys.where} has {words.shape[0]} words of {words.shape[1]} channels, "
            f"{name or 'its config.json'} has {wanted[0]} of {wanted[1]}",
            cure="put the config.json that belongs to the trunk beside the weights",
        )
    return known[0], config


def _text_projection(
    cfg: Mapping[str, Any], inner: int, embed_dim: int, where: str
) -> Literal["linear", "mlp", "none"]:
    kind = cfg.get("hf_proj_type", "mlp")
    if kind is None and inner == embed_dim:
        return "none"
    if kind == "linear" or kind == "mlp":
        return "linear" if kind == "linear" else "mlp"
    raise FormatError(
        f"hf_proj_type {kind!r} in {where}, with {inner} features for {embed_dim}", cure="known: linear, mlp"
    )


def _projection(kind: str, where: str) -> ImageProjection:
    if kind not in PROJECTIONS:
        raise FormatError(f"timm_proj {kind!r} in {where}", cure="known: linear, mlp, none, null")
    return PROJECTIONS[kind]


def _square(size: int | list[int] | tuple[int, ...], where: str) -> int:
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise FormatError(f"image_size {size} in {where} is no square", cure="only square pictures are read")
    return int(sides.pop())


def _take(keys: Keys, *prefixes: str) -> dict[str, Array]:
    mine = [name for name in keys.left if name.startswith(prefixes)]
    buffers = [name for name in mine if name.endswith(BUFFERS)]
    keys.drop(*buffers)
    return {name: keys.take(name) for name in mine if name not in buffers}
