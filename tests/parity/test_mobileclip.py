"""MobileCLIP: open_clip's layout and Apple's own, branched and folded, with a tiny FastViT in the published one's place."""

import json
import re
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import timm
import torch
from compare import record
from openclip_side import TEXT, TEXTS, both_ways, disturb, folder_of, make, odd_images, rows, theirs
from safetensors.torch import save_file
from timm.models import _registry, fastvit, vision_transformer_hybrid

from wordsight.base.config import to_dict
from wordsight.base.errors import FormatError, ShapeMismatch, UsageError
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.mobileclip import format as mobileclip
from wordsight.weights.formats.mobileclip import own_names as mobileclip_out
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.trunks import fastvit as mobileclip_fold
from wordsight.weights.formats.trunks import mci as openclip_hybrid
from wordsight.weights.formats.trunks.fastvit import fold, unfold

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
            "vit_base_mci_224", stem, {"proj": False}, embed_dim=64, depth=2, num_heads=1, no_embed_class=True, **kept
        )

    for name, entry in {"fastvit_mci1": fast, "fastvit_mci3": unscaled, "vit_base_mci_224": hybrid}.items():
        monkeypatch.setitem(_registry._model_entrypoints, name, entry)
    monkeypatch.setattr(mobileclip_fold, "TRUNKS", {((1, 2, 1, 1), 16): "fastvit_mci1"})
    monkeypatch.setattr(mobileclip_out, "FAST", ("fastvit_mci1",))
    monkeypatch.setattr(openclip_hybrid, "SIZES", {openclip_hybrid.NAME: (64, 2, 256, 16, 224)})


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


def torch_state(place):
    from safetensors.torch import load_file

    return load_file(place / openclip.WEIGHTS)


@pytest.mark.parametrize("row", CONFIGS)
def test_there_and_back(row, tmp_path):
    cfg = CONFIGS[row]
    place = folder_of(tmp_path / "theirs", lively(cfg), cfg, CLIP if "2" in row else PLAIN)
    checkpoint = both_ways(f"MobileCLIP{'-' * (row[0] != '2')}{row} in open_clip's layout", place, tmp_path)
    alone = tmp_path / "alone.pt"
    torch.save(torch_state(place), alone)
    found = openclip.read(CheckpointFiles(alone))
    assert found.spec.text.mask == checkpoint.spec.text.mask
    assert to_dict(found.spec.image).get("options") == to_dict(checkpoint.spec.image).get("options")
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
        *[("conv_exp.se.fc1", "conv_exp.se.reduce"), ("conv_exp.se.fc2", "conv_exp.se.expand")],
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


def mixing(width, kernel=5):
    """The convolution block of S0's text tower, as Apple's code computes it, with its names; random weights."""

    def around(kernel):
        made = torch.nn.Conv2d(width, width, (1, kernel), padding=(0, kernel // 2), groups=width, bias=False)
        return torch.nn.ModuleDict({"conv": made, "bn": torch.nn.BatchNorm2d(width)})

    class Mixing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            skip = {"rbr_skip": torch.nn.BatchNorm2d(width)}
            branches = {"rbr_conv": torch.nn.ModuleList([around(kernel)]), "rbr_skip": torch.nn.BatchNorm2d(width)}
            self.token_mixer = torch.nn.ModuleDict(
                {"norm": torch.nn.ModuleDict(skip), "mixer": torch.nn.ModuleDict(branches)}
            )
            self.token_mixer.layer_scale = torch.nn.Parameter(0.5 + torch.rand(width, 1, 1))
            parts = {"conv": around(kernel), "fc1": torch.nn.Conv2d(width, 4 * width, 1)}
            self.convffn = torch.nn.ModuleDict(parts | {"fc2": torch.nn.Conv2d(4 * width, width, 1)})
            self.layer_scale = torch.nn.Parameter(0.5 + torch.rand(width, 1, 1))

        def forward(self, x, attn_mask=None):
            x = x.permute(0, 2, 1)[:, :, None]
            parts = self.token_mixer
            branch = parts["mixer"]["rbr_conv"][0]
            mixed = branch["bn"](branch["conv"](x)) + parts["mixer"]["rbr_skip"](x)
            x = x + parts.layer_scale * (mixed - parts["norm"]["rbr_skip"](x))
            y = self.convffn["conv"]["bn"](self.convffn["conv"]["conv"](x))
            y = self.convffn["fc2"](torch.nn.functional.gelu(self.convffn["fc1"](y)))
            return (x + self.layer_scale * y)[:, :, 0].permute(0, 2, 1)

    made = Mixing()
    made.get_weight_dtype = lambda: torch.float32  # open_clip asks its first block
    return made


def with_mixers(model, width):
    """MobileCLIP-S0's text tower: open_clip's, with such a block before and one after."""
    first, last = (disturb(mixing(width), seed) for seed in (3, 4))
    model.text.transformer.resblocks = torch.nn.ModuleList([first, *model.text.transformer.resblocks, last])
    return model


def rows_of(model):
    """Rows of a model of open_clip's through MobileCLIP's own preparation of pictures and words."""
    size = model.visual.image_size[0]
    prepare = open_clip.transform.image_transform(size, is_train=False, **PLAIN)
    with torch.no_grad():
        images = model.eval().encode_image(torch.stack([prepare(picture) for picture in odd_images()]))
        return images.numpy(), model.encode_text(open_clip.tokenizer.SimpleTokenizer(context_length=12)(TEXTS)).numpy()


def as_apple_computes(model):
    """MobileCLIP-B with the pixel of zeros and the epsilon of Apple's code, which timm leaves out."""
    for part in model.visual.modules():
        if isinstance(part, torch.nn.LayerNorm):
            part.eps = 1e-5
    model.visual.trunk.patch_embed.backbone[0].conv.padding = (1, 1)
    return model


def folded_words(state):
    """The text mixers' branches as one convolution."""
    for owner in sorted({name.partition(".mixer.")[0] for name in state if ".token_mixer.mixer." in name}):
        if not owner.startswith("text_encoder."):
            continue
        part = {name.removeprefix(owner + "."): state.pop(name) for name in list(state) if name.startswith(owner + ".")}
        kernel = part["mixer.rbr_conv.0.conv.weight"]
        norms = {name: scaled(part, name) for name in ("norm.rbr_skip", "mixer.rbr_skip", "mixer.rbr_conv.0.bn")}
        middle = torch.zeros_like(kernel)
        middle[..., kernel.shape[-1] // 2] = 1
        gain = kernel * norms["mixer.rbr_conv.0.bn"][0] + middle * (
            norms["mixer.rbr_skip"][0] - norms["norm.rbr_skip"][0]
        )
        shift = norms["mixer.rbr_conv.0.bn"][1] + norms["mixer.rbr_skip"][1] - norms["norm.rbr_skip"][1]
        state[f"{owner}.reparam_conv.weight"] = middle + part["layer_scale"][..., None] * gain
        state[f"{owner}.reparam_conv.bias"] = part["layer_scale"][:, 0, 0] * shift
    return state


def scaled(part, name):
    scale = part[f"{name}.weight"] / (part[f"{name}.running_var"] + 1e-5).sqrt()
    return scale[:, None, None, None], part[f"{name}.bias"] - part[f"{name}.running_mean"] * scale


@pytest.mark.parametrize("row", ["S0", "S", "B"])
@pytest.mark.parametrize("form", ["branched", "folded"])
def test_apples_own_naming(row, form, tmp_path):
    cfg = json.loads(json.dumps(CONFIGS["B" if row == "B" else "S"]))
    cfg["vision_cfg"]["image_size"] = 224 if row == "B" else 256
    model = without_bias(lively(cfg))
    if row == "S0":
        with_mixers(model, cfg["text_cfg"]["width"])
    state = apple(model.state_dict())
    if row != "S0" and form == "branched":  # open_clip reads the same names: the renaming here is Apple's
        save_file(state, tmp_path / "apple.safetensors")
        again = make(cfg, "CustomTextCLIP", seed=5)
        open_clip.load_checkpoint(again, str(tmp_path / "apple.safetensors"), strict=True)
        assert all(torch.equal(value, model.state_dict()[name]) for name, value in again.state_dict().items())
    expected = rows_of(as_apple_computes(model) if row == "B" else model)
    if form == "folded":
        timm.utils.reparameterize_model(model.visual, inplace=True)
        state = folded_words(apple(model.state_dict()))
    torch.save(state, tmp_path / "apple.pt")
    found = CheckpointFiles(tmp_path / "apple.pt")
    assert mobileclip.recognise(found) and not openclip.recognise(found)
    checkpoint = mobileclip.read(found)
    images, texts = rows(checkpoint, tmp_path / "ours")
    record(f"MobileCLIP-{row} in Apple's naming, {form}, images", "open_clip_torch", images, expected[0])
    record(f"MobileCLIP-{row} in Apple's naming, {form}, texts", "open_clip_torch", texts, expected[1])
    assert checkpoint.spec.preprocess.mean == (0.0, 0.0, 0.0) and checkpoint.spec.preprocess.interpolation == "bilinear"
    assert checkpoint.spec.text.mask == ("causal" if row == "B" else "none")
    mobileclip.write(checkpoint, tmp_path / "written.pt")
    again = mobileclip.read(CheckpointFiles(tmp_path / "written.pt"))
    assert again.spec == replace(checkpoint.spec, name="written")
    for ours, expect in zip(rows(again, tmp_path / "again"), expected, strict=True):
        record(f"MobileCLIP-{row} in Apple's naming, {form}, written", "open_clip_torch", ours, expect)
    if row != "S0":
        into = make(cfg, "CustomTextCLIP", seed=5)
        open_clip.load_checkpoint(into, str(tmp_path / "written.pt"), strict=True)
        for ours, expect in zip(rows_of(as_apple_computes(into) if row == "B" else into), expected, strict=True):
            record(f"MobileCLIP-{row} written in Apple's naming, {form}", "open_clip_torch", ours, expect)


def test_apples_files_are_written_for_open_clip(tmp_path):
    cfg = json.loads(json.dumps(CONFIGS["S"]))
    cfg["vision_cfg"]["image_size"] = 256
    model = without_bias(lively(cfg))
    torch.save(apple(model.state_dict()), tmp_path / "apple.pt")
    openclip.write(mobileclip.read(CheckpointFiles(tmp_path / "apple.pt")), tmp_path / "back")
    for ours, expected in zip(theirs(tmp_path / "back"), rows_of(model), strict=True):
        record("MobileCLIP-S in Apple's naming, written for open_clip", "open_clip_torch", ours, expected)


@pytest.mark.parametrize("row", ["2-S3", "B"])
def test_what_apple_has_no_place_for_is_named(row, tmp_path):
    place = folder_of(tmp_path / "theirs", lively(CONFIGS[row]), CONFIGS[row], CLIP)
    said = {"2-S3": "fastvit_mci3", "B": r"stem_padding = 0, image.epsilon = 1e-06"}[row]
    with pytest.raises(UsageError, match=said):
        mobileclip.write(openclip.read(CheckpointFiles(place)), tmp_path / "out.pt")


def test_what_open_clip_makes_of_b_has_to_be_asked_for(tmp_path):
    model = without_bias(lively(CONFIGS["B"]))
    torch.save(apple(model.state_dict()), tmp_path / "apple.pt")
    checkpoint = mobileclip.read(CheckpointFiles(tmp_path / "apple.pt"))
    with pytest.raises(UsageError, match=r"stem_padding = 1, image.epsilon = 1e-05.*--set image.stem_padding=0"):
        openclip.write(checkpoint, tmp_path / "back")
    image = replace(checkpoint.spec.image, stem_padding=0, epsilon=1e-6)
    openclip.write(replace(checkpoint, spec=replace(checkpoint.spec, image=image)), tmp_path / "back")
    for ours, expected in zip(theirs(tmp_path / "back"), rows_of(model), strict=True):
        record("MobileCLIP-B in Apple's naming, as open_clip has it", "open_clip_torch", ours, expected)


def test_s0_cannot_be_written_for_open_clip(tmp_path):
    model = with_mixers(without_bias(lively(CONFIGS["S"])), CONFIGS["S"]["text_cfg"]["width"])
    torch.save(apple(model.state_dict()), tmp_path / "apple.pt")
    with pytest.raises(UsageError, match=r"text\.mixer = 5"):
        openclip.write(mobileclip.read(CheckpointFiles(tmp_path / "apple.pt")), tmp_path / "back")


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
        mobileclip.read(CheckpointFiles(tmp_path / "more.safetensors"))
    del state["logit_scale"]
    save_file(state, tmp_path / "less.safetensors")
    with pytest.raises(ShapeMismatch, match="logit_scale"):
        mobileclip.read(CheckpointFiles(tmp_path / "less.safetensors"))


def test_unknown_sizes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mobileclip_fold, "TRUNKS", {})
    save_file(apple(make(CONFIGS["S"], "CustomTextCLIP").state_dict()), tmp_path / "x.safetensors")
    with pytest.raises(FormatError, match="S0 to S4 and B"):
        mobileclip.read(CheckpointFiles(tmp_path / "x.safetensors"))
