"""open_clip's own towers: its vision transformer, CLIP's ResNet, and the text transformer, to ours and back.

    spec, state = read_vit(keys, config.model)
    vision_cfg = vit_cfg(spec)

The names are OpenAI's, as ours are; what differs is how the options are stated.  Knows no tokenizer or image.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.base.errors import FormatError, UsageError
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.parts.resize import RULES, resize_grid, resize_line
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.tower_spec import Activation, hidden_width
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.openclip.config import ModelCfg, VisionCfg

EPSILON = 1e-5  # of PyTorch's layer norm, where norm_kwargs says nothing

UNKNOWN = "no published model has that"
VIT_PARTS = ("class_embedding", "positional_embedding", "proj", "conv1.", "ln_pre.", "ln_post.", "transformer.")
MIXER = "transformer.mixers.0.mix.weight"
TEXT_PARTS = ("token_embedding.", "positional_embedding", "cls_emb", "transformer.", "ln_final.", "text_projection")


def read_vit(keys: Keys, model: ModelCfg) -> tuple[VitSpec, dict[str, Array]]:
    """Return the spec and weights of open_clip's vision transformer (`visual.class_embedding`...)."""
    cfg = model.vision_cfg
    if cfg.pool_type not in ("tok", "avg") or isinstance(cfg.attentional_pool, str):
        raise FormatError(
            f"vision_cfg: pool_type {cfg.pool_type!r}, attentional_pool {cfg.attentional_pool!r} in {keys.where}",
            cure=UNKNOWN,
        )
    width, epsilon = cfg.width, _epsilon(cfg.norm_kwargs)
    if cfg.attentional_pool and (epsilon != EPSILON or cfg.pool_type != "tok"):
        raise FormatError(f"attentional_pool with norm_kwargs or pool_type avg in {keys.where}", cure=UNKNOWN)
    parts = VIT_PARTS + (("attn_pool.",) if cfg.attentional_pool else ())
    state = _take(keys, "visual.", parts, to="visual.")
    side = _side(cfg.image_size, "image_size") // _side(cfg.patch_size, "patch_size")
    positions = state.get("visual.positional_embedding")
    if positions is not None and len(positions) != side * side + 1:  # weights of another size, as open_clip loads them
        state["visual.positional_embedding"] = resize_grid(positions, side, extra=1, rule=RULES["openclip"])
    pool = "queries" if cfg.attentional_pool else {"tok": "class", "avg": "mean"}[cfg.pool_type]
    spec = VitSpec(
        size=_side(cfg.image_size, "image_size"),
        width=width,
        layers=_depth(cfg),
        heads=width // cfg.head_width,
        patch=_side(cfg.patch_size, "patch_size"),
        mlp_ratio=_ratio(state, "visual.transformer.resblocks.0.mlp.c_fc.weight", cfg.mlp_ratio),
        activation=_activation(model.quick_gelu, cfg.act_kwargs),
        epsilon=epsilon,
        class_token=None if pool == "class" else True,
        pre_norm=not cfg.no_ln_pre,
        pool=pool,  # type: ignore[arg-type]
        pool_heads=cfg.attn_pooler_heads if pool == "queries" else 0,
        pool_queries=cfg.attn_pooler_queries if pool == "queries" else VitSpec().pool_queries,
        final_norm="pooled" if cfg.final_ln_after_pool or pool != "mean" else "tokens",
        layer_scale=cfg.ls_init_value is not None,
    )
    return spec, state


def read_resnet(keys: Keys, model: ModelCfg) -> tuple[ResNetSpec, dict[str, Array]]:
    """Return the spec and weights of CLIP's ResNet (`visual.layer1.0.conv1.weight`...)."""
    cfg = model.vision_cfg
    stages = cfg.layers if isinstance(cfg.layers, tuple) else (cfg.layers,)
    spec = ResNetSpec(
        size=_side(cfg.image_size, "image_size"),
        width=cfg.width,
        heads=cfg.width * 32 // cfg.head_width,
        stages=stages,
    )
    return spec, _take(keys, "visual.", ("conv", "bn", "layer", "attnpool."), to="visual.")


def read_text(keys: Keys, model: ModelCfg) -> tuple[ClipTextSpec, dict[str, Array]]:
    """Return the spec and weights of open_clip's text transformer, at the root or under `text.`."""
    cfg = model.text_cfg
    if cfg.pool_type not in ("argmax", "last", "first", "eos") and not cfg.embed_cls:
        raise FormatError(f"text_cfg: pool_type {cfg.pool_type!r} in {keys.where}", cure=UNKNOWN)
    prefix = "text." if "text.token_embedding.weight" in keys else ""
    state = _take(keys, prefix, TEXT_PARTS, to="")
    keys.drop("attn_mask", "text.attn_mask")  # older files keep the causal mask
    positions, length = state.get("positional_embedding"), cfg.context_length + cfg.embed_cls
    if positions is not None and len(positions) != length:
        state["positional_embedding"] = resize_line(positions, length)
    projection = "matrix" if "text_projection" in state else "linear"
    if projection == "linear" and "text_projection.weight" in state and "text_projection.bias" not in state:
        state["text_projection"] = np.ascontiguousarray(state.pop("text_projection.weight").T)
        projection = "matrix"
    if not any(name.startswith("text_projection") for name in state):
        projection = "none"
    pool = {"argmax": "end", "eos": "end"}.get(cfg.pool_type, cfg.pool_type)
    spec = ClipTextSpec(
        context_length=cfg.context_length,
        vocabulary_size=cfg.vocab_size,
        width=cfg.width,
        layers=cfg.layers,
        heads=cfg.heads,
        mlp_ratio=_ratio(state, "transformer.resblocks.0.mlp.c_fc.weight", cfg.mlp_ratio),
        activation=_activation(model.quick_gelu, cfg.act_kwargs),
        epsilon=_epsilon(cfg.norm_kwargs),
        mask="none" if cfg.no_causal_mask else "causal",
        pool="class" if cfg.embed_cls else pool,  # type: ignore[arg-type]
        end_id=cfg.eos_id if cfg.pool_type == "eos" and not cfg.embed_cls else None,
        pad_id=cfg.pad_id,
        projection=projection,  # type: ignore[arg-type]
        layer_scale=cfg.ls_init_value is not None,
        mixer=state[MIXER].shape[-1] if MIXER in state else 0,
    )
    return spec, state


def vit_cfg(image: VitSpec) -> dict[str, Any]:
    """Return the `vision_cfg` of a vit that open_clip's own class can hold; `UsageError` names what it cannot."""
    _refuse(
        {
            f'image.stem = "{image.stem}"': image.stem != "patch",
            "image.patch_bias = true": image.patch_bias,
            "image.class_token = false": not image.has_class_token,
            f'image.positions = "{image.positions}"': image.positions != "learned",
            f'image.rotary = "{image.rotary}"': image.rotary != "none",
            f'image.pool = "{image.pool}"': image.pool not in ("class", "mean", "queries"),
            f'image.projection = "{image.projection}"': image.projection != "matrix",
            f"image.heads = {image.heads}": image.width % image.heads != 0,
        }
    )
    cfg = {
        "image_size": image.size,
        "layers": image.layers,
        "width": image.width,
        "head_width": image.width // image.heads,
        "patch_size": image.patch,
        "mlp_ratio": _ratio_for(image.width, image.mlp_ratio),
        **_options(image.activation, image.epsilon, layer_scale=image.layer_scale),
    }
    if not image.pre_norm:
        cfg["no_ln_pre"] = True
    if image.pool == "mean":
        cfg |= {"pool_type": "avg", "final_ln_after_pool": image.final_norm == "pooled"}
    if image.pool == "queries":
        cfg |= {"attentional_pool": True, "attn_pooler_queries": image.pool_queries}
        cfg["attn_pooler_heads"] = image.pool_heads or image.heads
    return cfg


def resnet_cfg(image: ResNetSpec) -> dict[str, Any]:
    """Return the `vision_cfg` of CLIP's ResNet."""
    return {
        "image_size": image.size,
        "layers": list(image.stages),
        "width": image.width,
        "head_width": image.width * 32 // image.heads,
        "patch_size": None,
    }


def text_cfg(text: ClipTextSpec) -> dict[str, Any]:
    """Return the `text_cfg` of a text transformer, without its tokenizer; `UsageError` names what open_clip cannot."""
    plain = text.pool in ("end", "last", "first")
    _refuse(
        {
            f'text.mask = "{text.mask}"': text.mask not in ("causal", "none"),
            f'text.pool = "{text.pool}"': not plain and text.pool != "class",
            f"text.mixer = {text.mixer}": text.mixer != 0,
            f'text.class_mask = "{text.class_mask}"': text.pool == "class" and text.class_mask != "shifted",
        }
    )
    cfg = {
        "context_length": text.context_length,
        "vocab_size": text.vocabulary_size,
        "width": text.width,
        "heads": text.heads,
        "layers": text.layers,
        "mlp_ratio": _ratio_for(text.width, text.mlp_ratio),
        **_options(text.activation, text.epsilon, layer_scale=text.layer_scale),
    }
    if text.pad_id:
        cfg["pad_id"] = text.pad_id
    if text.mask == "none":
        cfg["no_causal_mask"] = True
    if text.pool == "class":
        cfg["embed_cls"] = True
    elif text.pool != "end":
        cfg["pool_type"] = text.pool
    elif text.end_id is not None:
        cfg |= {"pool_type": "eos", "eos_id": text.end_id}
    if text.projection == "none":
        cfg["proj_type"] = "none"
    elif text.projection == "linear":
        cfg["proj_bias"] = True
    return cfg


def _refuse(problems: Mapping[str, bool]) -> None:
    named = [stated for stated, wrong in problems.items() if wrong]
    if named:
        raise UsageError(f"open_clip has no place for {', '.join(named)}", cure="choose another format")


def _take(keys: Keys, prefix: str, parts: tuple[str, ...], *, to: str) -> dict[str, Array]:
    """Take what lies under `prefix` and begins with one of `parts`, renamed to begin with `to`."""
    starts = tuple(prefix + part for part in parts)
    return {to + name.removeprefix(prefix): keys.take(name) for name in keys.left if name.startswith(starts)}


def _options(activation: Activation, epsilon: float, *, layer_scale: bool) -> dict[str, Any]:
    cfg: dict[str, Any] = {}
    if activation == "gelu_tanh":
        cfg["act_kwargs"] = {"approximate": "tanh"}
    if epsilon != EPSILON:
        cfg["norm_kwargs"] = {"eps": epsilon}
    if layer_scale:
        cfg["ls_init_value"] = 1e-4  # the initial value, which the weights replace
    return cfg


def _activation(quick: bool, kwargs: Mapping[str, Any] | None) -> Activation:
    if quick:
        return "quick_gelu"
    approximate = (kwargs or {}).get("approximate", "none")
    if set(kwargs or {}) - {"approximate"} or approximate not in ("none", "tanh"):
        raise FormatError(f"act_kwargs {kwargs}", cure='known: {"approximate": "tanh"}')
    return "gelu_tanh" if approximate == "tanh" else "gelu"


def _epsilon(kwargs: Mapping[str, Any] | None) -> float:
    if set(kwargs or {}) - {"eps"}:
        raise FormatError(f"norm_kwargs {kwargs}", cure='known: {"eps": 1e-6}')
    return float((kwargs or {}).get("eps", EPSILON))


def _side(value: int | tuple[int, int] | None, name: str) -> int:
    if isinstance(value, tuple):
        if value[0] != value[1]:
            raise FormatError(f"{name} = {list(value)} is no square", cure="only square towers are known")
        return value[0]
    if value is None:
        raise FormatError(f"{name} is not stated in vision_cfg", cure="give it a value")
    return value


def _depth(cfg: VisionCfg) -> int:
    assert isinstance(cfg.layers, int)
    return cfg.layers


def _ratio(state: Mapping[str, Array], name: str, stated: float) -> float:
    """Return the MLP's ratio as its weight (hidden, width) shows it, the same whichever file it came from."""
    if name not in state or state[name].ndim != 2:
        return stated
    hidden, width = state[name].shape
    return float(hidden / width)


def _ratio_for(width: int, ratio: float) -> float:
    """Return a ratio from which open_clip's `int(width * ratio)` gets the hidden width back."""
    hidden = hidden_width(width, ratio)
    return ratio if int(width * ratio) == hidden else (hidden + 0.5) / width
