"""The configuration of an open_clip file that comes without one: from the names and shapes of its weights.

    config = guessed(files, keys)

What shapes do not show is assumed as most published models have it, and reported in `assumed`, each with the way to
say otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.weights.checkpoint import Array
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.openclip import eva_trunk, perception_trunk
from wordsight.weights.formats.openclip.config import OpenClipConfig, VisionCfg, preprocessing, typed
from wordsight.weights.formats.openclip.timm_tower import guess_image
from wordsight.weights.formats.openclip.timm_vit import TRUNK, guess_name
from wordsight.weights.formats.trunks import mci as hybrid
from wordsight.weights.formats.trunks.fastvit import trunk_name
from wordsight.weights.formats.trunks.sizes import depth

HEAD_WIDTH = {1280: 80, 1408: 88, 1664: 104, 1792: 112}  # ViT-H, g, bigG, e; elsewhere 64 (open_clip's configurations)
TEXT_HEADS = {1152: 16}  # SigLIP So400m; elsewhere 64 channels a head
UNNAMED = VisionCfg()  # of a file without a configuration
SET = "wordsight convert FILE DIR --to wordsight --set"
QUICK = ("quickgelu", "metaclip", "openai", "dfn")  # names of weights that were trained with QuickGELU
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # of the data set's images, as in timm
PREPROCESS: dict[str, dict[str, Any]] = {  # as open_clip's `pretrained.py` has it for each family
    "siglip": HALF,
    "perception": HALF | {"interpolation": "bilinear"},
    "eva": {},
    "clipa": IMAGENET | {"resize_mode": "squash", "interpolation": "bilinear"},
    "mobileclip": {"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear"},
    "mobileclip2": {"interpolation": "bilinear"},
}
SIGLIP_TEXT: dict[str, Any] = {
    "pool_type": "last",
    "no_causal_mask": True,
    "norm_kwargs": {"eps": 1e-6},
    "tokenizer_kwargs": {"clean": "canonicalize"},
}
CLIP_VOCABULARY, GEMMA_VOCABULARY = 49408, 256000  # entries of the vocabularies
METACLIP_VOCABULARY, MT5_VOCABULARY = 901629, 250100  # of MetaCLIP 2: XLM-V's and mT5's
SO400M = "vit_so400m_patch14_siglip_378"  # SigLIP 2's size; SigLIP has 384 with as many whole patches


@dataclass(frozen=True, slots=True)
class Family:
    """What a kind of image tower brings with it: `vision_cfg`, more fields of `text_cfg`, `preprocess_cfg`."""

    vision: dict[str, Any]
    text: dict[str, Any] = field(default_factory=dict)
    preprocess: dict[str, Any] = field(default_factory=dict)


def guessed(files: CheckpointFiles, keys: Mapping[str, Array]) -> OpenClipConfig:
    """Return what the weights and the file's name say; weights of another kind are a `FormatError`."""
    assumed: list[str] = []
    text = _text(keys)  # refuses towers of other libraries
    family = _family(keys, assumed)
    text |= family.text
    if text["vocab_size"] == METACLIP_VOCABULARY:
        text |= {"pool_type": "eos", "eos_id": 2}
    elif text["vocab_size"] == MT5_VOCABULARY:
        text |= {"pool_type": "eos", "eos_id": 1, "tokenizer_kwargs": {"clean": "canonicalize"}}
    elif text["vocab_size"] != CLIP_VOCABULARY and not family.text and not text["embed_cls"]:
        assumed.append(f"that texts are read at their largest token; to say otherwise: {SET} text.end_id=N")
    if text["vocab_size"] == GEMMA_VOCABULARY:
        text["act_kwargs"] = {"approximate": "tanh"}
    if text["vocab_size"] != CLIP_VOCABULARY:
        text["hf_tokenizer_name"] = "tokenizer.json"
    raw: dict[str, Any] = {"embed_dim": _width(keys), "vision_cfg": family.vision, "text_cfg": text}
    if not family.text and "timm_model_name" not in family.vision:
        raw["quick_gelu"] = _quick_gelu(files, keys, assumed)
    spec = preprocessing(family.preprocess, str(files.path))
    assumed.append(
        f"how pictures are prepared: {spec.resize}, {spec.interpolation}, mean {list(spec.mean)}, std "
        f"{list(spec.std)}; "
        f"to say otherwise: {SET} preprocess.resize=squash --set preprocess.interpolation=bilinear"
    )
    return OpenClipConfig(typed(raw, str(files.path)), spec, tuple(assumed))


def _family(keys: Mapping[str, Array], assumed: list[str]) -> Family:
    if perception_trunk.recognise_trunk(keys, UNNAMED):
        return Family({}, preprocess=PREPROCESS["perception"])
    if eva_trunk.recognise_trunk(keys, UNNAMED):
        return Family({"timm_pool": eva_trunk.pool_of(keys)}, preprocess=PREPROCESS["eva"])
    if any(name.startswith(TRUNK) for name in keys):
        return _timm(keys, assumed)
    vision = _vision(keys, assumed)
    if vision.get("pool_type") == "avg":
        text = {"pool_type": "last", "no_causal_mask": True, "tokenizer_kwargs": {"strip_sep_token": True}}
        return Family(vision, text, PREPROCESS["clipa"])
    return Family(vision)


def _timm(keys: Mapping[str, Array], assumed: list[str]) -> Family:
    """Return what belongs to a trunk of timm's that shapes tell: SigLIP's, MobileCLIP's, ConvNeXt."""
    name = guess_name(keys) or trunk_name(keys) or (hybrid.NAME if hybrid.FIRST in keys else None)
    if name is None:
        cfg = guess_image(keys, _width(keys))
        assumed.append(
            f"size and pooling of the image tower as the published {cfg['timm_model_name']} has them; "
            f"to say otherwise: {SET} image.size=320 --set preprocess.size=320"
        )
        return Family(cfg)
    if "siglip" in name:
        vocabulary = len(
            keys[next(name for name in ("text.token_embedding.weight", "token_embedding.weight") if name in keys)]
        )
        if name == SO400M and vocabulary != GEMMA_VOCABULARY:
            name = name.replace("378", "384")
        assumed.append(
            f"that the image tower is timm's {name}, whose size and activation the weights do not tell from others; to "
            f"say otherwise: {SET} image.activation=gelu_tanh, or image.size=378 --set preprocess.size=378"
        )
        trunk = {"timm_model_name": name, "timm_pool": "map", "timm_proj": "none"}
        return Family(trunk | {"image_size": int(name.rpartition("_")[2])}, SIGLIP_TEXT, PREPROCESS["siglip"])
    fast = name != hybrid.NAME
    assumed.append(
        f"that texts {'see all their tokens' if fast else 'are read from the left'}, as MobileCLIP's of this size; "
        f"to say otherwise: {SET} text.mask={'causal' if fast else 'none'}"
    )
    vision: dict[str, Any] = {"timm_model_name": name, "timm_pool": "avg" if fast else "token", "timm_proj": None}
    later = name in ("fastvit_mci3", "fastvit_mci4")  # MobileCLIP2's, with CLIP's mean and deviation
    preprocess = PREPROCESS["mobileclip2" if later else "mobileclip"]
    return Family(vision | {"image_size": 256 if fast else 224}, {"no_causal_mask": fast}, preprocess)


def _width(keys: Mapping[str, Array]) -> int:
    for name, axis in (("text_projection", 1), ("text_projection.weight", 0), ("token_embedding.weight", 1)):
        for full in (name, "text." + name):
            if full in keys:
                return int(keys[full].shape[axis])
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
        "layers": depth(keys, prefix + "transformer.resblocks."),
        "embed_cls": embed_cls,
        "proj_bias": prefix + "text_projection.bias" in keys,
    }
    if prefix + "transformer.resblocks.0.ls_1.gamma" in keys:
        cfg["ls_init_value"] = 1e-4
    return cfg


def _vision(keys: Mapping[str, Array], assumed: list[str]) -> dict[str, Any]:
    if "visual.layer1.0.conv1.weight" in keys:
        return _resnet(keys)
    if "visual.class_embedding" not in keys or "visual.conv1.weight" not in keys:
        raise FormatError("the image tower is none of open_clip's own", cure="give its open_clip_config.json")
    width, _, patch, _ = keys["visual.conv1.weight"].shape
    side = round((len(keys["visual.positional_embedding"]) - 1) ** 0.5)
    cfg: dict[str, Any] = {
        "image_size": side * patch,
        "patch_size": patch,
        "width": width,
        "head_width": HEAD_WIDTH.get(width, min(width, 64)),
        "layers": depth(keys, "visual.transformer.resblocks."),
    }
    heads = width // cfg["head_width"]
    assumed.append(
        f"that the image tower has {heads} heads of {cfg['head_width']} channels, and that those of texts have 64; "
        f"to say otherwise: {SET} image.heads={heads} --set text.heads=N"
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


def _resnet(keys: Mapping[str, Array]) -> dict[str, Any]:
    blocks = [
        len({name.split(".")[2] for name in keys if name.startswith(f"visual.layer{stage}.")}) for stage in range(1, 5)
    ]
    side = round((len(keys["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
    width = keys["visual.layer1.0.conv1.weight"].shape[0]
    return {"layers": blocks, "width": width, "image_size": side * 32, "patch_size": None}


def _quick_gelu(files: CheckpointFiles, keys: Mapping[str, Array], assumed: list[str]) -> bool:
    """Say whether the towers use QuickGELU: from the names, or weights in OpenAI's mixture of 16 and 32 bits."""
    names = " ".join([files.path.name, str(files.facts.get("name", ""))]).lower()
    named = any(word in names for word in QUICK)
    first = keys.get("visual.conv1.weight")
    norm = keys.get("ln_final.weight")
    mixed = first is not None and norm is not None and first.dtype == np.float16 and norm.dtype == np.float32
    quick = named or mixed
    other = "gelu" if quick else "quick_gelu"
    image = "" if "visual.layer1.0.conv1.weight" in keys else f"image.activation={other} --set "
    reason = "from its name" if named else "as its weights are in OpenAI's mixture" if mixed else "as most have it"
    assumed.append(
        f"that the activation is {'quick_gelu' if quick else 'gelu'}, {reason}; "
        f"to say otherwise: {SET} {image}text.activation={other}"
    )
    return quick
