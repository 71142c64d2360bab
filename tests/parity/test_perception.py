"""Perception Encoder: beside its own code (by rows kept in data/perception.json), beside timm's reading, beside open_clip."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from compare import record
from golden_side import cases, drawn, rows, sharpen
from openclip_side import TEXT, both_ways, folder_of, make
from timm.models import _registry
from timm.models import eva as timm_eva

from wordsight.base.errors import ShapeMismatch, UsageError
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.openclip import perception_trunk
from wordsight.weights.formats.perception import format as perception
from wordsight.weights.formats.trunks.perception import HEADS
from wordsight.weights.resize import resize_checkpoint

CASES = cases("perception")
HALF = [0.5, 0.5, 0.5]
PREPROCESS = {"mean": HALF, "std": HALF, "interpolation": "bilinear", "resize_mode": "squash"}


def own_file(path, row, more=None):
    weights = {name: torch.from_numpy(value) for name, value in (drawn(CASES[row]) | (more or {})).items()}
    torch.save({"state_dict": {f"module.{name}": value for name, value in weights.items()}}, path)
    return path


@pytest.mark.parametrize("row", CASES)
def test_own_names(row, tmp_path):
    case = CASES[row]
    found = CheckpointFiles(own_file(tmp_path / "model.pt", row))
    assert perception.recognise(found) and not openclip.recognise(found)
    checkpoint = perception.read(found)
    assert checkpoint.spec.image.has_class_token == (row == "PE-Core, class token")
    images, texts = rows(checkpoint, tmp_path / "ours")
    record(f"{row}, images", case["neighbour"], images, case["images"])
    record(f"{row}, texts", case["neighbour"], texts, case["texts"])
    larger, _ = rows(resize_checkpoint(checkpoint, size=48), tmp_path / "larger")
    record(f"{row}, at another size, images", case["neighbour"], larger, case["larger"])
    perception.write(checkpoint, tmp_path / "back")
    back = torch.load(tmp_path / "back" / "model.pt", weights_only=True)
    expected = drawn(case)
    assert set(back) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(back[name].numpy(), value, err_msg=name)


def test_every_weight_is_used_once(tmp_path):
    more = {"visual.mask_token": np.ones(128, np.float32)}
    with pytest.raises(ShapeMismatch, match=r"visual.mask_token"):
        rows(
            perception.read(CheckpointFiles(own_file(tmp_path / "model.pt", "PE-Core, class token", more))),
            tmp_path / "ours",
        )


@pytest.fixture
def trunk(monkeypatch):
    """Teach timm a tiny tower of this kind under a name, and us its sizes."""

    def teach(name, **options):
        sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 128, "depth": 2, "num_heads": 2, "mlp_ratio": 2.5}
        class_token = options.get("class_token", True)
        kind = {"attn_type": "rope", "use_pre_transformer_norm": True, "use_rot_pos_emb": True}
        kind |= {"ref_feat_shape": (4, 4), "rope_grid_offset": float(class_token), "rope_grid_indexing": "xy"}
        kind |= {"attn_pool_num_heads": 8, "attn_pool_mlp_ratio": 4.0, "global_pool": "map"}
        kind |= {"norm_layer": functools.partial(timm.layers.LayerNorm, eps=1e-5)} | options

        def entry(pretrained=False, **given):
            kept = {key: value for key, value in given.items() if key in ("num_classes", "global_pool")}
            return timm_eva.Eva(**sizes | kind | kept)

        monkeypatch.setitem(_registry._model_entrypoints, name, entry)
        monkeypatch.setattr(
            perception_trunk, "TRUNKS", {name: perception_trunk.TrunkSizes(128, 2, 320, 8, 32, class_token)}
        )
        return entry

    return teach


@pytest.mark.parametrize(
    ("bias", "class_token"), [("as converted", True), ("as converted", False), ("trained on", True)]
)
def test_open_clip(bias, class_token, trunk, tmp_path):
    name = "vit_pe_core_tiny_patch8_32"
    trunk(name, class_token=class_token)
    vision = {"image_size": 32, "timm_model_name": name, "timm_model_pretrained": False, "timm_pool": "map"}
    cfg = {"embed_dim": 48, "vision_cfg": vision | {"timm_proj": None}, "text_cfg": TEXT, "custom_text": True}
    model = sharpen(make(cfg, "CustomTextCLIP"))
    if bias == "as converted":
        with torch.no_grad():
            model.visual.trunk.head.bias.zero_()
    place = folder_of(tmp_path / "theirs", model, cfg, PREPROCESS)
    row = f"PE-Core in open_clip's layout, {'' if class_token else 'no class token, '}head {bias}"
    image = both_ways(row, place, tmp_path).spec.image
    assert image.has_class_token == class_token
    assert (image.rotary, image.projection) == ("perception", "matrix" if bias == "as converted" else "linear")


def test_timm_reads_the_own_names_as_we_do(trunk, tmp_path):
    """timm's own conversion of Meta's names gives the tower that we read from the same file."""
    row = "PE-Core, class token"
    model = trunk("vit_pe_core_tiny_patch8_32")(num_classes=16).eval()
    converted = timm_eva.checkpoint_filter_fn({n: torch.from_numpy(v) for n, v in drawn(CASES[row]).items()}, model)
    model.load_state_dict(converted, strict=True)
    checkpoint = perception.read(CheckpointFiles(own_file(tmp_path / "model.pt", row)))
    _, weights = perception_trunk.write_trunk(checkpoint.spec, checkpoint.state)
    assert {name.removeprefix("visual.trunk.") for name in weights} == set(converted)
    for name, value in converted.items():
        np.testing.assert_array_equal(weights["visual.trunk." + name], value.numpy(), err_msg=name)


def test_the_published_sizes_are_timms():
    for name, row in perception_trunk.TRUNKS.items():
        with torch.device("meta"):
            made = timm.create_model(name, num_classes=8)
        block, patch = made.blocks[0], made.patch_embed
        assert (made.embed_dim, len(made.blocks), block.mlp.fc1.out_features) == (row.width, row.layers, row.hidden)
        assert (patch.patch_size[0], patch.img_size[0]) == (row.patch, row.size)
        assert block.attn.num_heads == HEADS.get(row.width, row.width // 64)
        assert (made.cls_token is not None) == row.class_token


def test_what_cannot_be_written(tmp_path):
    checkpoint = perception.read(CheckpointFiles(own_file(tmp_path / "model.pt", "PE-Core, class token")))
    with pytest.raises(UsageError, match="none of width 128"):
        openclip.write(checkpoint, tmp_path / "back")


@pytest.mark.parametrize(
    ("part", "given", "said"),
    [
        ("preprocess", {"mean": (0.1, 0.2, 0.3), "resize": "longest"}, "preprocess.resize, preprocess.mean"),
        ("tokenizer", {"kind": "tokenizers"}, "a vocabulary of its own"),
        ("text", {"mask": "none"}, "text.mask = 'none'"),
    ],
)
def test_what_the_file_has_no_place_for_is_refused(part, given, said, tmp_path):
    checkpoint = perception.read(CheckpointFiles(own_file(tmp_path / "model.pt", "PE-Core, class token")))
    assert any("preprocess.resize" in sentence for sentence in checkpoint.assumed)
    spec = replace(checkpoint.spec, **{part: replace(getattr(checkpoint.spec, part), **given)})
    with pytest.raises(UsageError, match=said):
        perception.write(replace(checkpoint, spec=spec), tmp_path / "back.pt")
    assert not (tmp_path / "back.pt").exists()
