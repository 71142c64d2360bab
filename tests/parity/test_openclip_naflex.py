"""SigLIP 2's towers for pictures of any shape in open_clip's layout, where timm has them under names of its own."""

import json

import openclip_tokenizer_side as tokenizers
import pytest
import torch
from compare import record
from openclip_side import folder_of, make
from test_openclip_variants import SIGLIP, siglip_cfg

from wordsight.base.errors import FormatError, UsageError
from wordsight.weights.folder import load_towers, save_checkpoint
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.table import read_any

NAME = "naflexvit_base_patch16_siglip"
SHAPES = [(48, 48), (32, 80), (16, 16), (64, 64), (16, 128)]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A hub folder of a tiny model of this kind, and the model; `image_seq_len` is a field of later versions."""
    from timm.models import _registry, naflexvit

    cfg = naflexvit.NaFlexVitCfg(
        patch_size=16,
        embed_dim=64,
        depth=2,
        num_heads=1,
        act_layer="gelu_tanh",
        global_pool="map",
        pos_embed_interp_mode="bilinear",
        pos_embed_grid_size=(3, 3),
    )

    def entry(pretrained=False, **given):
        return naflexvit.NaFlexVit(cfg, num_classes=given.get("num_classes", 0))

    monkeypatch.setitem(_registry._model_entrypoints, NAME, entry)
    place = tmp_path / "theirs"
    values = siglip_cfg(NAME, tokenizers.siglip(place), act_kwargs={"approximate": "tanh"})
    model = make(values, "CustomTextCLIP").eval()
    with torch.no_grad():  # which starts at nothing
        model.visual.trunk.embeds.pos_embed.normal_()
    values["vision_cfg"]["image_seq_len"] = 30
    return folder_of(place, model, values, SIGLIP), model


def test_pictures_of_any_shape(folder, tmp_path):
    place, model = folder
    checkpoint = read_any(place)
    spec = checkpoint.spec
    assert (spec.preprocess.resize, spec.preprocess.patch, spec.preprocess.max_patches) == ("patches", 16, 30)
    assert any("within 30 patches" in said for said in checkpoint.assumed)
    save_checkpoint(checkpoint, tmp_path / "ours")
    towers = load_towers(tmp_path / "ours")
    for shape in SHAPES:
        pixels = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            ours, theirs = towers.encode_image(pixels), model.encode_image(pixels)
        record(f"SigLIP 2 NaFlex in open_clip's layout, {shape}", "open_clip_torch", ours, theirs)


def test_it_is_not_written(folder, tmp_path):
    with pytest.raises(UsageError, match='resize = "patches"'):
        openclip.write(read_any(folder[0]), tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_another_pooling_is_refused(folder):
    place, _ = folder
    values = json.loads((place / "open_clip_config.json").read_text())
    values["model_cfg"]["vision_cfg"]["timm_pool"] = "avg"
    (place / "open_clip_config.json").write_text(json.dumps(values))
    with pytest.raises(FormatError, match="timm_pool 'avg'"):
        read_any(place)
