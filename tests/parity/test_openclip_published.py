"""Every configuration that comes with open_clip: its fields are known, and its true sizes are those of our towers."""

import json

import numpy as np
import open_clip
import pytest
import torch

from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.weights.checkpoint import Keys
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.openclip import guess as openclip_guess
from wordsight.weights.formats.openclip import native as openclip_native
from wordsight.weights.formats.openclip import timm_vit as openclip_timm
from wordsight.weights.formats.openclip.config import OpenClipConfig, preprocessing, typed

NAMES = open_clip.list_models()


def test_all_fields_are_known():
    for name in NAMES:
        typed(open_clip.get_model_config(name), name)
    assert len(NAMES) > 140


def own(name):
    cfg = open_clip.get_model_config(name)
    timm_name = cfg["vision_cfg"].get("timm_model_name")
    known = timm_name is None or openclip_timm.NAME.fullmatch(timm_name) or timm_name == "vit_base_mci_224"
    return bool(known) and "hf_model_name" not in cfg["text_cfg"]


OWN = [name for name in NAMES if own(name) and "quickgelu" not in name]


@pytest.mark.parametrize("start", range(4))
def test_true_sizes_are_ours(start):
    """On the meta device: numbers that take no memory."""
    for name in OWN[start::4]:
        cfg = open_clip.get_model_config(name)
        config = OpenClipConfig(typed(cfg, name), preprocessing({}, name))
        whole = json.loads(json.dumps(cfg))
        kind = "CoCa" if "multimodal_cfg" in cfg else "CustomTextCLIP" if cfg.pop("custom_text", False) else "CLIP"
        cfg.pop("custom_text", None)
        for tower in ("vision_cfg", "text_cfg", "multimodal_cfg"):  # two layers are enough to see all names
            if isinstance(cfg.get(tower, {}).get("layers"), int):
                cfg[tower]["layers"] = 2
        with torch.device("meta"):
            model = getattr(open_clip, kind)(**cfg)
        state = {key: np.broadcast_to(np.float32(0), tuple(value.shape)) for key, value in model.state_dict().items()}
        raw = whole | {key: cfg[key] for key in ("vision_cfg", "text_cfg")}
        config = OpenClipConfig(typed(raw, name), config.preprocess)
        keys = Keys(state, where=name)
        keys.drop(*(key for key in state if key.startswith("text_decoder.")), "logit_scale", "logit_bias")
        image, ours = openclip._read_image(keys, config)
        text, words = openclip_native.read_text(keys, config.model)
        keys.finish()
        bias = config.model.init_logit_bias
        spec = ModelSpec(
            name, config.model.embed_dim, image, text, loss="softmax" if bias is None else "sigmoid", bias=bias
        )
        expected = {key: tuple(shape) for key, shape in shapes(spec).items() if not key.startswith("logit_")}
        assert {key: array.shape for key, array in (ours | words).items()} == expected, name
        assert openclip_guess._text(state)["heads"] == text.heads, name
        if "visual.class_embedding" in state:  # what would be guessed without the configuration
            guess = openclip_guess._vision(state, [])
            assert guess["width"] // guess["head_width"] == image.heads, name
            assert (guess["image_size"], guess["patch_size"]) == (
                image.size // image.patch * image.patch,
                image.patch,
            ), name
