"""MobileCLIP in Apple's own naming (`image_encoder.model.*`, `text_encoder.*`), S0 to S4 and B, folded or not.

    recognise(files), read(files), write(checkpoint, file)      see `wordsight.weights.formats.table`

The weights are renamed to open_clip's layout and read as that; FastViT's branches become one convolution each
(`trunks.fastvit`).  Names as in github.com/apple/ml-mobileclip, `mobileclip/`.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.mobileclip.names import (
    BLOCK,
    FASTVIT,
    IMAGE,
    TEXT,
    TEXT_BLOCK,
    TEXT_WHOLE,
    VIT_PARTS,
    renamed,
)
from wordsight.weights.formats.mobileclip.own_names import own_names
from wordsight.weights.formats.openclip.config import OpenClipConfig, preprocessing, typed
from wordsight.weights.formats.openclip.format import assemble
from wordsight.weights.formats.trunks.clip_text import weights_file
from wordsight.weights.formats.trunks.fastvit import TRUNK, fold_mixer, fold_norm, trunk_name
from wordsight.weights.formats.trunks.mci import NAME

PREPROCESS = {"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear", "resize_mode": "shortest"}
_MIXED = re.compile(r"\.(token_mixer\.(reparam_conv|norm|mixer|layer_scale)|convffn\.(conv|fc1|fc2)|layer_scale)\b")
_NETWORK = re.compile(r"network\.(\d+)\.(.+)")


def recognise(files: CheckpointFiles) -> bool:
    """Say whether the weights have Apple's names."""
    return any(name.startswith(IMAGE) for name in files.tensors) and TEXT + "embedding_layer.weight" in files.tensors


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; weights that are left over or missing are errors that list them."""
    keys = Keys(files.tensors, where=str(files.weights))
    fast = not any(name.startswith(IMAGE + "patch_emb.") for name in keys)
    state = _fastvit(keys) if fast else _vit(keys)
    state |= _mixers(keys) | _text(keys)
    state["logit_scale"] = keys.take("logit_scale")
    keys.finish()
    config = _config(state, fast=fast, where=str(files.weights))
    checkpoint = assemble(files, Keys(state, where=str(files.weights)), config, "mobileclip")
    if fast:
        return checkpoint
    image = of_family(checkpoint.spec.image, VitSpec, "MobileCLIP-B")
    image = replace(image, stem_padding=1, epsilon=1e-5)  # models/vit.py; timm has neither
    return replace(checkpoint, spec=replace(checkpoint.spec, image=image))


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Write a file that Apple's own code loads; `target` is the file, or a folder for `NAME.pt`."""
    tensors = own_names(checkpoint)
    write_torch(weights_file(target, checkpoint.spec.name), tensors)


def _config(state: Mapping[str, Array], *, fast: bool, where: str) -> OpenClipConfig:
    name = trunk_name(state) if fast else NAME
    if name is None:
        raise FormatError(f"{where} has an image tower of unknown sizes", cure="known: MobileCLIP S0 to S4 and B")
    vocabulary, width = state["text.token_embedding.weight"].shape
    text = {
        "context_length": len(state["text.positional_embedding"]),
        "vocab_size": vocabulary,
        "width": width,
        "heads": width // 64,
        "layers": sum(name.endswith(".ln_1.weight") for name in state),
        "no_causal_mask": fast,
    }
    vision = {
        "timm_model_name": name,
        "timm_model_pretrained": False,
        "timm_pool": "avg" if fast else "token",
        "timm_proj": None,
        "image_size": 256 if fast else 224,
    }
    raw: dict[str, Any] = {"embed_dim": state["text.text_projection"].shape[1], "vision_cfg": vision, "text_cfg": text}
    assumed = (
        "how pictures are prepared and how texts are masked, as Apple's configuration of "
        f"{'the S' if fast else 'the B'} models has it: values 0 to 1, bilinear, "
        f"{'no' if fast else 'a'} causal mask; to say otherwise: wordsight convert FILE DIR --to wordsight --set "
        f"text.mask={'causal' if fast else 'none'}",
    )
    return OpenClipConfig(typed(raw, where), preprocessing(PREPROCESS, where), assumed)


def _fastvit(keys: Keys) -> dict[str, Array]:
    """Return the image tower under timm's names: the flat list `network` becomes stages."""
    names = [name.removeprefix(IMAGE) for name in keys.left if name.startswith(IMAGE)]
    ends = sorted({int(match[1]) for match in map(_NETWORK.fullmatch, names) if match and match[2].startswith("proj.")})
    state: dict[str, Array] = {}
    for name in names:
        value = keys.take(IMAGE + name)
        if name == "head.proj":
            state |= _head("head.fc", value)
            continue
        state[TRUNK + renamed(_staged(name, ends), FASTVIT)] = value
    return state


def _staged(name: str, ends: list[int]) -> str:
    """Return a name of `network` under its stage, with layer scales in modules of their own."""
    name = _gamma(name)
    match = _NETWORK.fullmatch(name)
    if match is None:
        return name
    stage, rest = bisect_right(ends, int(match[1])), match[2]
    if rest.startswith("proj."):
        return f"stages.{stage}.downsample.{rest}"
    if rest.startswith("pe."):
        return f"stages.{stage}.pos_emb.pos_enc.{rest.removeprefix('pe.')}"
    if rest.startswith("reparam_conv."):
        return f"stages.{stage}.pos_emb.{rest}"
    return f"stages.{stage}.blocks.{rest}"


def _gamma(name: str) -> str:
    return re.sub(r"layer_scale(_\d)?$", lambda match: match[0] + ".gamma", name)


def _vit(keys: Keys) -> dict[str, Array]:
    """Return the image tower of MobileCLIP-B under timm's names."""
    state: dict[str, Array] = {}
    for full in [name for name in keys.left if name.startswith(IMAGE)]:
        value, name = keys.take(full), full.removeprefix(IMAGE)
        if name == "classifier.proj":
            state |= _head("head", value)
        elif name == "pos_embed.pos_embed.pos_embed":
            state[TRUNK + "pos_embed"] = value.reshape(1, *value.shape[-2:])
        else:
            name = name.replace("post_transformer_norm.", "norm.").replace("transformer.", "blocks.", 1)
            state[TRUNK + renamed(name, (*BLOCK, *VIT_PARTS))] = value
    return state


def _mixers(keys: Keys) -> dict[str, Array]:
    """Return the convolution blocks around S0's text blocks, as `clip_text/mixer.py` has them; {} for the others."""
    state: dict[str, Array] = {}
    owners = {name.partition(".token_mixer.")[0] for name in keys if ".token_mixer." in name and name.startswith(TEXT)}
    for index, owner in enumerate(sorted(owners, key=lambda name: int(name.rpartition(".")[2]))):
        names = [name for name in keys.left if name.startswith(owner + ".") and _MIXED.search(name)]
        block = {renamed(_gamma(name.removeprefix(owner + ".")), FASTVIT): keys.take(name) for name in names}
        norm = {end: block[f"mlp.conv.bn.{end}"] for end in ("weight", "bias", "running_mean", "running_var")}
        folded = {"mix": fold_mixer(block, "token_mixer"), "conv": fold_norm(block["mlp.conv.conv.weight"], norm)}
        scale = block["layer_scale.gamma"].reshape(-1)  # of the second branch: goes into its last layer
        last = block["mlp.fc2.weight"][:, :, 0, 0] * scale[:, None]
        folded["mlp.c_fc"] = {"weight": block["mlp.fc1.weight"][:, :, 0, 0], "bias": block["mlp.fc1.bias"]}
        folded["mlp.c_proj"] = {"weight": last, "bias": block["mlp.fc2.bias"] * scale}
        for part, values in folded.items():
            weight = values["weight"]
            weight = weight.reshape(len(weight), 1, -1) if weight.ndim == 4 else weight  # (D, 1, 1, K) to (D, 1, K)
            state[f"text.transformer.mixers.{index}.{part}.weight"] = weight
            state[f"text.transformer.mixers.{index}.{part}.bias"] = values["bias"]
    return state


def _text(keys: Keys) -> dict[str, Array]:
    """Return the text tower under open_clip's names."""
    first = 0 if TEXT + "transformer.0.pre_norm_mha.0.weight" in keys else 1  # behind a mixer
    state: dict[str, Array] = {}
    for full in [name for name in keys.left if name.startswith(TEXT)]:
        name = full.removeprefix(TEXT)
        if name in TEXT_WHOLE:
            value = keys.take(full)
            state["text." + TEXT_WHOLE[name]] = value.reshape(value.shape[-2:]) if value.ndim == 4 else value
        elif name.startswith("transformer.") and "pre_norm_" in name:
            number, rest = name.removeprefix("transformer.").split(".", 1)
            block = f"text.transformer.resblocks.{int(number) - first}."
            state[block + renamed(rest, TEXT_BLOCK)] = keys.take(full)
    return state


def _head(name: str, value: Array) -> dict[str, Array]:
    """Return Apple's projection (D, E) as timm's linear layer, whose bias is nothing."""
    bias = np.zeros(value.shape[1], value.dtype)
    return {f"{TRUNK}{name}.weight": np.ascontiguousarray(value.T), f"{TRUNK}{name}.bias": bias}
