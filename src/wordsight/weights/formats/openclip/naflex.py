"""SigLIP 2's towers for images of any shape (NaFlex) as open_clip takes them from timm.  Free of PyTorch.

    if match(config.model.vision_cfg):
        spec, state = read_trunk(keys, config.model)
        preprocess = keeping_shape(config, spec.patch)

timm's `naflexvit_*_siglip` differ from its SigLIP towers of one size in the names of what is before the blocks, in
the first layer, which reads a patch row, column, channel, and in the activation.  open_clip 3.3.0 cannot build them;
those after it can, so they are read and not written.
"""

import re
from dataclasses import replace

from wordsight.base.errors import FormatError
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.openclip import timm_vit as timm
from wordsight.weights.formats.openclip.config import ModelCfg, OpenClipConfig, VisionCfg
from wordsight.weights.formats.trunks.patches import as_convolution

NAME = re.compile(r"naflexvit_(base|so400m)_patch16_siglip")  # timm 1.0, models/naflexvit.py
PATCH = 16
PATCHES = 256  # how many patches the published figures were measured with (big_vision, README_siglip2.md)
EMBEDS = timm.TRUNK + "embeds."


def match(cfg: VisionCfg) -> re.Match[str] | None:
    """Return how timm's name of a tower matches `NAME`, or None."""
    return NAME.fullmatch(cfg.timm_model_name or "")


def read_trunk(keys: Keys, model: ModelCfg) -> tuple[VitSpec, dict[str, Array]]:
    """Return our spec and weights of a tower for which `match`; another pooling is a `FormatError`."""
    cfg = model.vision_cfg
    named = match(cfg)
    assert named is not None
    if cfg.timm_pool != "map" or cfg.timm_proj not in (None, "", "none"):
        raise FormatError(
            f"timm_pool {cfg.timm_pool!r}, timm_proj {cfg.timm_proj!r} in {keys.where}",
            cure="no published model has it",
        )
    renamed = {
        timm.TRUNK + "patch_embed.proj.weight": as_convolution(keys.take(EMBEDS + "proj.weight"), keys.where),
        timm.TRUNK + "patch_embed.proj.bias": keys.take(EMBEDS + "proj.bias"),
    }
    positions = keys.take(EMBEDS + "pos_embed")  # (1, H, W, D) of a square grid
    renamed[timm.TRUNK + "pos_embed"] = positions.reshape(1, -1, positions.shape[-1])
    renamed |= {name: keys.take(name) for name in keys.left if name.startswith(timm.TRUNK)}
    fixed = Keys(renamed, where=keys.where)
    square = replace(cfg, timm_model_name=f"vit_{named[1]}_patch16_siglip_256", image_size=positions.shape[1] * PATCH)
    spec, state = timm.read_trunk(fixed, replace(model, vision_cfg=square))
    fixed.finish()
    return replace(spec, activation="gelu_tanh"), state


def keeping_shape(config: OpenClipConfig, patch: int) -> PreprocessSpec:
    """Return the preprocessing of a tower for which `match`: within as many patches as the configuration says."""
    most = config.model.vision_cfg.image_seq_len or PATCHES
    return replace(config.preprocess, resize="patches", patch=patch, max_patches=most)


def assumed(preprocess: PreprocessSpec) -> str:
    """Return what is done otherwise than by open_clip's usual preprocessing, which squashes."""
    return (
        f"that pictures keep their shape within {preprocess.max_patches} patches, as in open_clip's NaFlex evaluation; "
        "to say otherwise: wordsight convert FILE DIR --to wordsight --set preprocess.max_patches=N"
    )
