"""open_clip's own towers: every option that a published configuration uses, there and back."""

import pytest
from openclip_side import TEXT, VISION, both_ways, folder_of, make

CASES = {
    "ViT": {},
    "ViT, QuickGELU (MetaCLIP, DFN)": {"quick_gelu": True},
    "ViT, layer scale and a context of its own": {
        "vision_cfg": {"ls_init_value": 1e-4},
        "text_cfg": {"ls_init_value": 1e-4, "context_length": 16},
    },
    "ViT, mean of the patches, norms before": {"vision_cfg": {"pool_type": "avg"}},
    "ViT, mean of the patches, no first norm (CLIPA)": {
        "vision_cfg": {"pool_type": "avg", "no_ln_pre": True, "final_ln_after_pool": True},
        "text_cfg": {"pool_type": "last", "no_causal_mask": True},
    },
    "ViT, fixed positions": {"vision_cfg": {"pos_embed_type": "sin_cos_2d"}},
    "ViT, wide MLP and other norms": {
        "vision_cfg": {"mlp_ratio": 4.3637, "norm_kwargs": {"eps": 1e-3}, "act_kwargs": {"approximate": "tanh"}},
        "text_cfg": {"mlp_ratio": 3.7362, "norm_kwargs": {"eps": 1e-3}},
    },
    "text read at its first token": {"text_cfg": {"pool_type": "first", "no_causal_mask": True}},
    "text read at a word of its own (MetaCLIP 2)": {"text_cfg": {"pool_type": "eos", "eos_id": 49407}},
    "text projection with a bias, sigmoid scores": {"text_cfg": {"proj_bias": True}, "init_logit_bias": -10},
    "no text projection": {"text_cfg": {"proj_type": "none", "width": 48, "heads": 2}},
    "ResNet": {"vision_cfg": {"layers": [1, 2, 1, 1], "width": 16, "head_width": 64, "patch_size": None}},
}


def configured(change):
    vision, text = dict(VISION), dict(TEXT)
    if isinstance(change.get("vision_cfg", {}).get("layers"), list):
        vision = {"image_size": 32}
    cfg = {"embed_dim": 48, "vision_cfg": vision | change.get("vision_cfg", {})}
    cfg["text_cfg"] = text | change.get("text_cfg", {})
    return cfg | {key: value for key, value in change.items() if not key.endswith("_cfg")}


@pytest.mark.parametrize("row", CASES)
def test_there_and_back(row, tmp_path):
    cfg = configured(CASES[row])
    place = folder_of(tmp_path / "theirs", make(cfg), cfg)
    both_ways(f"OpenCLIP: {row}", place, tmp_path)
