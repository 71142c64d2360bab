"""transformers' CLIPModel, SiglipModel and Siglip2Model: there and back through the folder's own files."""

import pytest
from huggingface_side import (
    PROCESSORS,
    both_ways,
    clip_tokenizer,
    gemma_tokenizer,
    make,
    saved,
    siglip_tokenizer,
    small_merges,
    unigram_tokenizer,
)
from transformers import AutoProcessor

SIDE = {"height": 32, "width": 32}
CLIP_SIDE = {"size": {"shortest_edge": 32}, "crop_size": SIDE}

CLIP_CASES = {
    "CLIP": ({}, {}, {}),
    "CLIP, read at the largest id": ({"eos_token_id": 2}, {}, {}),
    "CLIP, GELU and other norms": (
        {"hidden_act": "gelu", "layer_norm_eps": 1e-3},
        {"hidden_act": "gelu_new", "layer_norm_eps": 1e-4},
        {"size": {"shortest_edge": 40}, "resample": 2},
    ),
    "CLIP, squashed, values as they are": ({}, {}, {"size": SIDE, "do_center_crop": False, "do_normalize": False}),
    "CLIP, not scaled to 1": ({}, {}, {"do_rescale": False, "image_mean": [120.0, 110.0, 100.0], "image_std": 60.0}),
}


@pytest.mark.parametrize("row", CLIP_CASES)
def test_clip(row, tmp_path):
    text, vision, processor = CLIP_CASES[row]
    tokenizer = clip_tokenizer(small_merges())
    text = {"vocab_size": len(tokenizer), "eos_token_id": len(tokenizer) - 1} | text
    folder = saved(
        tmp_path / "theirs", make("clip", text, vision), tokenizer, PROCESSORS["clip"](**(CLIP_SIDE | processor))
    )
    checkpoint = both_ways(row, "clip", folder, tmp_path)
    assert checkpoint.spec.tokenizer.kind == "clip-bpe"
    assert type(AutoProcessor.from_pretrained(tmp_path / "back")).__name__ == "CLIPProcessor"


def test_metaclip_2(tmp_path):
    """Read at token 2, which CLIPModel would take for something else."""
    tokenizer = unigram_tokenizer()
    text = {"vocab_size": len(tokenizer), "eos_token_id": 2, "bos_token_id": 0}
    folder = saved(tmp_path / "theirs", make("metaclip_2", text), tokenizer, PROCESSORS["clip"](**CLIP_SIDE))
    checkpoint = both_ways("MetaCLIP 2", "metaclip_2", folder, tmp_path)
    assert checkpoint.spec.text.end_id == 2 and checkpoint.spec.tokenizer.kind == "tokenizers"


def test_siglip(tmp_path):
    """With pixels beyond the last whole patch, as So400m/14 has at 384."""
    tokenizer = siglip_tokenizer(tmp_path)
    folder = saved(
        tmp_path / "theirs",
        make("siglip", {"vocab_size": 200}, {"image_size": 35}),
        tokenizer,
        PROCESSORS["siglip"](size=[35, 35]),
    )
    checkpoint = both_ways("SigLIP", "siglip", folder, tmp_path)
    assert checkpoint.spec.loss == "sigmoid"
    assert type(AutoProcessor.from_pretrained(tmp_path / "back")).__name__ == "SiglipProcessor"


@pytest.mark.parametrize("row", ["SigLIP 2, square", "SigLIP 2, shapes kept (NaFlex)"])
def test_siglip2(row, tmp_path):
    layout = "siglip2" if "NaFlex" in row else "siglip"
    tokenizer = gemma_tokenizer()
    options = (
        {"max_num_patches": 16, "patch_size": 8, "do_convert_rgb": True}
        if layout == "siglip2"
        else {"size": SIDE, "resample": 2}
    )
    model = make(layout, {"vocab_size": len(tokenizer)})
    folder = saved(tmp_path / "theirs", model, tokenizer, PROCESSORS[layout](**options))
    both_ways(row, layout, folder, tmp_path)
    assert type(AutoProcessor.from_pretrained(tmp_path / "back")).__name__ == f"{layout.capitalize()}Processor"
