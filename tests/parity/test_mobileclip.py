"""MobileCLIP: open_clip's layout and Apple's own, branched and folded, with a tiny FastViT in the published one's place."""

import json
import re

import numpy as np
import open_clip
import pytest
import torch
from compare import record
from openclip_side import TEXT, both_ways, disturb, folder_of, make, rows, theirs
from safetensors.torch import save_file
from timm.models import _registry, fastvit, vision_transformer_hybrid

from wordsight.base.errors import FormatError, ShapeMismatch
from wordsight.weights.formats import mobileclip, openclip
from wordsight.weights.formats.mobileclip_fold import fold, unfold
from wordsight.weights.found import Found

PLAIN = {"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear"}
CLIP = {"interpolation": "bilinear"}  # open_clip's mean and std, of MobileCLIP2-S3 and -S4
SIZES = {"layers": (1, 2, 1, 1), "embed_dims": (16, 32, 32, 64), "mlp_ratios": (2, 2, 2, 2), "lkc_use_act": True}
PLACES = (None, None, None, lambda *given, **named: fastvit.RepConditionalPosEnc(*given, spatial_shape=(7, 7), **named))
MIXERS = ("repmixer", "repmixer", "repmixer", "attention")


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Tiny towers under the names of the published ones."""

    def fast(pretrained=False, **given):
        kept = {key: value for key, value in given.items() if key in ("num_classes", "global_pool", "inference_mode")}
        return fastvit.FastVit(
            **SIZES, pos_embs=PLACES, token_mixers=MIXERS, se_downsamples=(False, False, True, True), **kept
        )

    def unscaled(pretrained=False, **given):
        kept = {key: value for key, value in given.items() if key in ("num_classes", "global_pool", "inference_mode")}
        norm = fastvit.LayerNorm2d
        return fastvit.FastVit(
            **SIZES, pos_embs=PLACES, token_mixers=MIXERS, norm_layer=norm, stem_use_scale_branch=False, **kept
        )

    def hybrid(pretrained=False, **given):
        kept = {key: value for key, value in given.items() if key in ("num_classes", "global_pool")}
        sizes = {"channels": (16, 16, 64), "stride": (4, 2, 2), "kernel_size": (4, 2, 2), "padding": 0}
        stem = vision_transformer_hybrid.ConvStem(**sizes, in_chans=3, act_layer=torch.nn.GELU)
        return vision_transformer_hybrid._create_vision_transformer_hybrid(
            "vit_base_mci_224", stem, {"proj": False}, embed_dim=64, depth=2, num_heads=2, no_embed_class=True, **kept
        )

    for name, entry in {"fastvit_mci1": fast, "fastvit_mci3": unscaled, "vit_base_mci_224": hybrid}.items():
        monkeypatch.setitem(_registry._model_entrypoints, name, entry)
    monkeypatch.setattr(mobileclip, "TRUNKS", {((1, 2, 1, 1), 16): "fastvit_mci1"})


def config(name, *, size, pool, causal):
    vision = {"timm_model_name": name, "timm_model_pretrained": False, "timm_pool": pool, "timm_proj": None}
    vision |= {"timm_drop": 0.0, "timm_drop_path": 0.0, "image_size": size}
    text = TEXT | {"width": 128, "no_causal_mask": not causal}
    return {"embed_dim": 48, "vision_cfg": vision, "text_cfg": text, "custom_text": True}


CONFIGS = {
    "S": config("fastvit_mci1", size=64, pool="avg", causal=False),
    "2-S3": config("fastvit_mci3", size=64, pool="avg", causal=False),
    "B": config("vit_base_mci_224", size=224, pool="token", causal=True),
}


@pytest.mark.parametrize("row", CONFIGS)
def test_there_and_back(row, tmp_path):
    cfg = CONFIGS[row]
    place = folder_of(tmp_path / "theirs", lively(cfg), cfg, CLIP if "2" in row else PLAIN)
    checkpoint = both_ways(f"MobileCLIP{'-' * (row[0] != '2')}{row} in open_clip's layout", place, tmp_path)
    branches = [name for name in checkpoint.state if re.search(r"conv_kxk|large_conv|token_mixer\.mixer", name)]
    assert not branches


def lively(cfg):
    """A model whose batch norms have seen pictures, so that its rows differ."""
    model = make(cfg, "CustomTextCLIP")
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean of all that was seen
        norm.reset_running_stats()
    torch.manual_seed(1)
    size = cfg["vision_cfg"]["image_size"]
    coarse = torch.nn.functional.interpolate(torch.rand(12, 3, 6, 6), size=(size, size), mode="bicubic")
    with torch.no_grad():
        model.train().encode_image(coarse)
    return model.eval()


def apple(state):
    """A state dict of open_clip's under Apple's names; `branched` weights and folded ones."""
    made, network = {"logit_scale": state["logit_scale"]}, {}
    stages = sorted({int(match[1]) for name in state if (match := re.match(r"visual\.trunk\.stages\.(\d)\.", name))})
    place = 0
    for stage in stages:
        for part in ("downsample", "pos_emb", "blocks"):
            if any(name.startswith(f"visual.trunk.stages.{stage}.{part}") for name in state):
                network[stage, part] = place
                place += 1
    for name, value in state.items():
        if name.startswith("visual.trunk."):
            made |= image_names(name.removeprefix("visual.trunk."), value, network, hybrid=not stages)
        elif name.startswith("text."):
            made |= text_names(name.removeprefix("text."), value)
    return {name: value.contiguous().clone() for name, value in made.items()}


def image_names(name, value, network, *, hybrid):
    head = "image_encoder.model."
    if name in ("head.weight", "head.fc.weight"):
        return {head + ("classifier.proj" if hybrid else "head.proj"): value.T}
    if name in ("head.bias", "head.fc.bias"):
        return {}
    if hybrid:
        if name == "pos_embed":
            return {head + "pos_embed.pos_embed.pos_embed": value[None]}
        for old, new in [("patch_embed.backbone.", "patch_emb."), (".conv.", ".block.conv."), (".bn.", ".block.norm.")]:
            name = name.replace(old, new)
        name = re.sub(r"^norm\.", "post_transformer_norm.", name).replace("blocks.", "transformer.")
        return {head + block_names(name, ("norm1", "attn", "norm2", "mlp.fc1", "mlp.fc2"), ("qkv.", "proj.")): value}
    match = re.match(r"stages\.(\d)\.(downsample|pos_emb|blocks)\.(.*)", name)
    if match:
        rest = {"blocks": match[3], "downsample": match[3], "pos_emb": match[3].replace("pos_enc", "pe")}[match[2]]
        name = f"network.{network[int(match[1]), match[2]]}.{rest}"
    name = re.sub(r"(proj\.0\.)reparam_conv", r"\1lkb_reparam", name).replace(".gamma", "")
    for old, new in [
        *[("stem.", "patch_embed."), ("conv_kxk", "rbr_conv"), ("conv_scale", "rbr_scale"), ("identity", "rbr_skip")],
        *[("final_conv", "conv_exp"), ("large_conv", "lkb_origin"), ("mlp.", "convffn.")],
        *[("se.fc1", "se.reduce"), ("se.fc2", "se.expand")],
    ]:
        name = name.replace(old, new)
    return {head + name: value}


def block_names(name, parts, attention):
    qkv, out = attention
    for old, new in zip(
        parts, ["pre_norm_mha.0", "pre_norm_mha.1", "pre_norm_ffn.0", "pre_norm_ffn.1", "pre_norm_ffn.4"], strict=True
    ):
        name = name.replace(f".{old}.", f".{new}.")
    return name.replace(f"pre_norm_mha.1.{qkv}", "pre_norm_mha.1.qkv_proj.").replace(
        f"pre_norm_mha.1.{out}", "pre_norm_mha.1.out_proj."
    )


def text_names(name, value):
    if name == "positional_embedding":
        return {"text_encoder.positional_embedding.pos_embed.pos_embed": value[None, None]}
    for old, new in [
        ("token_embedding", "embedding_layer"),
        ("text_projection", "projection_layer"),
        ("ln_final", "final_layer_norm"),
    ]:
        name = name.replace(old, new)
    name = name.replace("transformer.resblocks.", "transformer.")
    parts = ("ln_1", "attn", "ln_2", "mlp.c_fc", "mlp.c_proj")
    return {"text_encoder." + block_names(name, parts, ("in_proj_", "out_proj.")): value}


def without_bias(model):
    """Apple's projections have no bias; timm's then is zero."""
    state = model.state_dict()
    for name in ("visual.trunk.head.fc.bias", "visual.trunk.head.bias"):
        if name in state:
            state[name].zero_()
    return model


@pytest.mark.parametrize(("row", "form"), [("S", "branched"), ("S", "folded"), ("B", "branched")])
def test_apples_own_naming(row, form, tmp_path):
    cfg = json.loads(json.dumps(CONFIGS[row]))
    cfg["vision_cfg"]["image_size"] = 256 if row == "S" else 224
    model = without_bias(lively(cfg))
    expected = theirs(folder_of(tmp_path / "theirs", model, cfg, PLAIN))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    if form == "branched":
        # open_clip reads the same names: the test's own renaming is Apple's
        save_file(apple(state), tmp_path / "apple.safetensors")
        again = disturb(open_clip.CustomTextCLIP(**{k: v for k, v in cfg.items() if k != "custom_text"}), seed=5)
        open_clip.load_checkpoint(again, str(tmp_path / "apple.safetensors"), strict=True)
        assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    else:
        import timm

        timm.utils.reparameterize_model(model.visual, inplace=True)
        save_file(apple(model.state_dict()), tmp_path / "apple.safetensors")
    found = Found(tmp_path / "apple.safetensors")
    assert mobileclip.recognise(found) and not openclip.recognise(found)
    checkpoint = mobileclip.read(found)
    images, texts = rows(checkpoint, tmp_path / "ours")
    record(f"MobileCLIP-{row} in Apple's naming, {form}, images", "open_clip_torch", images, expected[0])
    record(f"MobileCLIP-{row} in Apple's naming, {form}, texts", "open_clip_torch", texts, expected[1])
    openclip.write(checkpoint, tmp_path / "back")
    images, texts = theirs(tmp_path / "back")
    record(
        f"MobileCLIP-{row} in Apple's naming, {form}, written for open_clip, images",
        "open_clip_torch",
        images,
        expected[0],
    )
    assert checkpoint.spec.preprocess.mean == (0.0, 0.0, 0.0) and checkpoint.spec.preprocess.interpolation == "bilinear"
    assert checkpoint.spec.text.mask == ("none" if row == "S" else "causal")


def test_folding_is_undone():
    cfg = CONFIGS["S"]
    state = {name: value.numpy() for name, value in make(cfg, "CustomTextCLIP").state_dict().items()}
    folded = fold(state)
    again = fold(unfold(folded, stem_scale=True))
    assert set(unfold(folded, stem_scale=True)) == set(state)
    assert max(np.abs(again[name] - folded[name]).max() for name in folded) < 1e-6


def test_what_is_left_over_or_missing_is_named(tmp_path):
    state = apple(make(CONFIGS["S"], "CustomTextCLIP").state_dict())
    save_file(state | {"text_encoder.more": torch.zeros(2)}, tmp_path / "more.safetensors")
    with pytest.raises(ShapeMismatch, match=r"text_encoder\.more"):
        mobileclip.read(Found(tmp_path / "more.safetensors"))
    del state["logit_scale"]
    save_file(state, tmp_path / "less.safetensors")
    with pytest.raises(ShapeMismatch, match="logit_scale"):
        mobileclip.read(Found(tmp_path / "less.safetensors"))


def test_unknown_sizes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mobileclip, "TRUNKS", {})
    save_file(apple(make(CONFIGS["S"], "CustomTextCLIP").state_dict()), tmp_path / "x.safetensors")
    with pytest.raises(FormatError, match="S0 to S4 and B"):
        mobileclip.read(Found(tmp_path / "x.safetensors"))
