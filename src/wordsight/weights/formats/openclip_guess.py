"""The configuration of an open_clip file that comes without one: from the names and shapes of its weights.

    config = guessed(found, keys)

What shapes do not show is taken as most published models have it, and said in `assumed`, each with the way to
say otherwise.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.base.optional import resolve
from wordsight.weights.checkpoint import Array
from wordsight.weights.formats.openclip_config import Config, preprocessing, typed
from wordsight.weights.formats.openclip_timm import TRUNK, guess_name
from wordsight.weights.found import Found

HEAD_WIDTH = {1280: 80, 1408: 88, 1664: 104, 1792: 112}  # ViT-H, g, bigG, e; elsewhere 64 (open_clip's configurations)
TEXT_HEADS = {1152: 16}  # SigLIP So400m; elsewhere 64 channels a head
SET = "wordsight convert FILE DIR --to wordsight --set"
QUICK = ("quickgelu", "metaclip", "openai", "dfn")  # names of weights that were trained with QuickGELU
HALF = [0.5, 0.5, 0.5]
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])  # of the data set's pictures, as in timm


def guessed(found: Found, keys: Mapping[str, Array]) -> Config:
    """Return what the weights and the file's name say; weights of another kind are a `FormatError`."""
    assumed: list[str] = []
    text = _text(keys)
    vision = _vision(keys, assumed)
    clipa = vision.get("pool_type") == "avg"
    if clipa:
        text |= {"pool_type": "last", "no_causal_mask": True, "tokenizer_kwargs": {"strip_sep_token": True}}
    siglip = "siglip" in vision.get("timm_model_name", "")
    if siglip:
        text |= {"pool_type": "last", "no_causal_mask": True, "norm_kwargs": {"eps": 1e-6}}
        text |= {"tokenizer_kwargs": {"clean": "canonicalize"}}
        if text["vocab_size"] == 256000:
            text["act_kwargs"] = {"approximate": "tanh"}
    if text["vocab_size"] == 901629:
        text |= {"pool_type": "eos", "eos_id": 2}
    if text["vocab_size"] != 49408:
        text["hf_tokenizer_name"] = "tokenizer.json"
    raw: dict[str, Any] = {"embed_dim": _width(keys), "vision_cfg": vision, "text_cfg": text}
    if "timm_model_name" not in vision and not clipa:
        raw["quick_gelu"] = _quick_gelu(found, keys, assumed)
    preprocess: dict[str, Any] = {}
    if siglip:
        preprocess = {"mean": HALF, "std": HALF, "resize_mode": "squash"}
    elif _room(keys) == "perception":
        preprocess = {"mean": HALF, "std": HALF, "resize_mode": "squash", "interpolation": "bilinear"}
    elif clipa:
        preprocess = {"mean": IMAGENET[0], "std": IMAGENET[1], "resize_mode": "squash", "interpolation": "bilinear"}
    spec = preprocessing(preprocess, str(found.path))
    assumed.append(
        f"how pictures are prepared: {spec.resize}, {spec.interpolation}, mean {list(spec.mean)}, std "
        f"{list(spec.std)}; "
        f"to say otherwise: {SET} preprocess.resize=squash --set preprocess.interpolation=bilinear"
    )
    return Config(typed(raw, str(found.path)), spec, raw, tuple(assumed))


def _width(keys: Mapping[str, Array]) -> int:
    for name, axis in (("text_projection", 1), ("text_projection.weight", 0), ("token_embedding.weight", 1)):
        for place in (name, "text." + name):
            if place in keys:
                return int(keys[place].shape[axis])
    raise FormatError("the file has no text projection", cure="give the open_clip_config.json that belongs to it")


def _text(keys: Mapping[str, Array]) -> dict[str, Any]:
    prefix = "text." if "text.token_embedding.weight" in keys else ""
    if prefix + "token_embedding.weight" not in keys:
        raise FormatError(
            "the text tower is that of another library", cure="give the open_clip_config.json that belongs to it"
        )
    vocabulary, width = keys[prefix + "token_embedding.weight"].shape
    embed_cls = prefix + "cls_emb" in keys
    cfg: dict[str, Any] = {
        "vocab_size": vocabulary,
        "width": width,
        "context_length": len(keys[prefix + "positional_embedding"]) - embed_cls,
        "heads": TEXT_HEADS.get(width, max(width // 64, 1)),
        "layers": _depth(keys, prefix + "transformer.resblocks."),
        "embed_cls": embed_cls,
        "proj_bias": prefix + "text_projection.bias" in keys,
    }
    if prefix + "transformer.resblocks.0.ls_1.gamma" in keys:
        cfg["ls_init_value"] = 1e-4
    return cfg


def _vision(keys: Mapping[str, Array], assumed: list[str]) -> dict[str, Any]:
    if "visual.layer1.0.conv1.weight" in keys:
        return _resnet(keys)
    if _room(keys):
        return {}
    name = guess_name(keys)
    if name is not None:
        assumed.append(
            f"that the image tower is timm's {name}, whose activation no weight shows; "
            f"to say otherwise: {SET} image.activation=gelu_tanh"
        )
        size = int(name.rpartition("_")[2])
        return {"timm_model_name": name, "timm_pool": "map", "timm_proj": "none", "image_size": size}
    if any(name.startswith(TRUNK) for name in keys):
        cfg: dict[str, Any] = resolve("wordsight.weights.formats.external:guess_image")(keys, _width(keys))
        assumed.append(
            f"size and pooling of the image tower as the published {cfg['timm_model_name']} has them; "
            f"to say otherwise: {SET} image.size=320 --set preprocess.size=320"
        )
        return cfg
    if "visual.class_embedding" not in keys or "visual.conv1.weight" not in keys:
        raise FormatError("the image tower is none of open_clip's own", cure="give its open_clip_config.json")
    width, _, patch, _ = keys["visual.conv1.weight"].shape
    side = round((len(keys["visual.positional_embedding"]) - 1) ** 0.5)
    cfg = {
        "image_size": side * patch,
        "patch_size": patch,
        "width": width,
        "head_width": HEAD_WIDTH.get(width, min(width, 64)),
        "layers": _depth(keys, "visual.transformer.resblocks."),
    }
    assumed.append(
        f"that each head of the image tower has {cfg['head_width']} channels ({width // cfg['head_width']} heads); "
        f"to say otherwise: {SET} image.heads=N"
    )
    if "visual.transformer.resblocks.0.ls_1.gamma" in keys:
        cfg["ls_init_value"] = 1e-4
    if "visual.attn_pool.query" in keys:
        cfg |= {"attentional_pool": True, "attn_pooler_queries": len(keys["visual.attn_pool.query"])}
    if "visual.ln_pre.weight" not in keys:
        cfg |= {"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}
        assumed.append(
            "that a tower without a first norm is CLIPA's: the mean of the patches is read, then normed; "
            f"to say otherwise: {SET} image.pool=class"
        )
    return cfg


def _room(keys: Mapping[str, Array]) -> str:
    """Return the format that knows a trunk of Perception Encoder or EVA by its weights alone, or ""."""
    rooms = ("perception", "eva")
    return next((r for r in rooms if resolve(f"wordsight.weights.formats.{r}:recognise_trunk")(keys, {})), "")


def _resnet(keys: Mapping[str, Array]) -> dict[str, Any]:
    blocks = [
        len({name.split(".")[2] for name in keys if name.startswith(f"visual.layer{stage}.")}) for stage in range(1, 5)
    ]
    side = round((len(keys["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
    width = keys["visual.layer1.0.conv1.weight"].shape[0]
    return {"layers": blocks, "width": width, "image_size": side * 32, "patch_size": None}


def _quick_gelu(found: Found, keys: Mapping[str, Array], assumed: list[str]) -> bool:
    """Say whether the towers use QuickGELU: from the names, or weights in OpenAI's mixture of 16 and 32 bits."""
    names = " ".join([found.path.name, str(found.facts.get("name", ""))]).lower()
    named = any(word in names for word in QUICK)
    first = keys.get("visual.conv1.weight")
    norm = keys.get("ln_final.weight")
    mixed = first is not None and norm is not None and first.dtype == np.float16 and norm.dtype == np.float32
    quick = named or mixed
    other = "gelu" if quick else "quick_gelu"
    reason = "from its name" if named else "as its weights are in OpenAI's mixture" if mixed else "as most have it"
    assumed.append(
        f"that the activation is {'quick_gelu' if quick else 'gelu'}, {reason}; "
        f"to say otherwise: {SET} image.activation={other} --set text.activation={other}"
    )
    return quick


def _depth(keys: Mapping[str, Array], prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in keys if name.startswith(prefix)})
