"""EVA-CLIP: beside its own code (by rows kept in data/eva.json), beside timm's reading of its names, beside open_clip."""

from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from compare import record
from golden_side import cases, drawn, rows, sharpen
from openclip_side import TEXT, both_ways, folder_of, make, ours, theirs
from timm.models import _registry
from timm.models import eva as timm_eva

from wordsight.base.errors import FormatError, ShapeMismatch, UsageError
from wordsight.towers.tower_spec import hidden_width
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.checkpoint import Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.eva import format as eva
from wordsight.weights.formats.openclip import eva_trunk as openclip_eva
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.openclip.config import VisionCfg
from wordsight.weights.formats.trunks import eva as eva_trunk
from wordsight.weights.formats.trunks.eva import Known
from wordsight.weights.resize import resize_checkpoint

CASES = cases("eva")
ROTARY = "EVA-02 B and L"


@pytest.fixture
def known(monkeypatch):
    """Say of a tiny width what is known of a published one."""

    def say(width, heads, order):
        monkeypatch.setitem(eva_trunk.KNOWN, width, Known(heads, order))

    return say


def own_file(path, row, **changed):
    """EVA's file of a case, nested as its trainer saves it."""
    weights = {name: torch.from_numpy(value) for name, value in (drawn(CASES[row]) | changed).items()}
    torch.save({"module": {name: value for name, value in weights.items() if value.numel()}}, path)
    return path


@pytest.mark.parametrize("row", CASES)
def test_own_names(row, known, tmp_path):
    case = CASES[row]
    if case["known"]:
        known(64, *case["known"])
    found = CheckpointFiles(own_file(tmp_path / "model.pt", row))
    assert eva.recognise(found) and not openclip.recognise(found)
    checkpoint = eva.read(found)
    images, texts = rows(checkpoint, tmp_path / "ours")
    record(f"EVA-CLIP: {row}, images", case["neighbour"], images, case["images"])
    record(f"EVA-CLIP: {row}, texts", case["neighbour"], texts, case["texts"])
    larger, _ = rows(resize_checkpoint(checkpoint, size=48), tmp_path / "larger")
    record(f"EVA-CLIP: {row}, at another size, images", case["neighbour"], larger, case["larger"])
    eva.write(checkpoint, tmp_path / "back.pt")
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    expected = drawn(case)
    assert set(back) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(back[name].numpy(), value, atol=1e-6 if "freqs" in name else 0, err_msg=name)


def test_text_tower_nested_as_older_files_have_it(tmp_path):
    weights = {
        name if name.startswith("visual.") else f"text.{name}": value for name, value in drawn(CASES[ROTARY]).items()
    }
    write_torch(tmp_path / "model.pt", weights)
    images, texts = rows(eva.read(CheckpointFiles(tmp_path / "model.pt")), tmp_path / "ours")
    record("EVA-CLIP: text tower nested, images", CASES[ROTARY]["neighbour"], images, CASES[ROTARY]["images"])
    record("EVA-CLIP: text tower nested, texts", CASES[ROTARY]["neighbour"], texts, CASES[ROTARY]["texts"])


def test_rotary_tables_decide_and_are_checked(tmp_path):
    tables = {
        f".freqs_{kind}": np.array(CASES[ROTARY]["tables"][f"freqs_{kind}"], np.float16) for kind in ("cos", "sin")
    }
    half = {name: tables["." + name.rpartition(".")[2]] for name in CASES[ROTARY]["shapes"] if ".freqs_" in name}
    checkpoint = eva.read(CheckpointFiles(own_file(tmp_path / "half.pt", ROTARY, **half)))
    image = checkpoint.spec.image
    assert (image.rotary, image.rotary_grid, image.heads) == ("eva", 16, 2)
    assert not any("heads" in said or "rotary" in said for said in checkpoint.assumed)
    wrong = {"visual.rope.freqs_sin": -tables[".freqs_sin"].astype(np.float32)}
    with pytest.raises(FormatError, match="rotary tables"):
        eva.read(CheckpointFiles(own_file(tmp_path / "wrong.pt", ROTARY, **wrong)))
    wrong = {"visual.blocks.1.attn.rope.freqs_cos": np.ones((16, 30), np.float32)}
    with pytest.raises(FormatError, match="rotary tables"):
        eva.read(CheckpointFiles(own_file(tmp_path / "wrong.pt", ROTARY, **wrong)))
    shared = {name: np.ones(0, np.float32) for name in CASES[ROTARY]["shapes"] if ".attn.rope." in name}
    assert eva.read(CheckpointFiles(own_file(tmp_path / "shared.pt", ROTARY, **shared))).spec.image == image


def test_parts_of_different_types_are_no_matrix(tmp_path):
    key = drawn(CASES[ROTARY])["visual.blocks.0.attn.k_proj.weight"].astype(np.float64)
    with pytest.raises(ShapeMismatch, match="different types"):
        eva.read(
            CheckpointFiles(own_file(tmp_path / "mixed.pt", ROTARY, **{"visual.blocks.0.attn.k_proj.weight": key}))
        )


def test_every_weight_is_used_once(tmp_path):
    extra = own_file(tmp_path / "more.pt", ROTARY, **{"visual.mask_token": np.ones((1, 1, 64), np.float32)})
    with pytest.raises(ShapeMismatch, match="visual.mask_token"):
        eva.read(CheckpointFiles(extra))
    for lacking in (
        "visual.head.bias",
        "visual.blocks.0.attn.v_bias",
        "visual.norm.weight",
        "visual.blocks.0.attn.k_proj.weight",
    ):
        with pytest.raises(ShapeMismatch, match=lacking):
            eva.read(CheckpointFiles(own_file(tmp_path / "less.pt", ROTARY, **{lacking: np.ones(0, np.float32)})))
    less = own_file(tmp_path / "less.pt", ROTARY, **{"visual.blocks.1.mlp.w2.bias": np.ones(0, np.float32)})
    with pytest.raises(ShapeMismatch, match=r"visual.blocks.1.mlp.w2.bias"):
        eva.read(CheckpointFiles(less))


SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 2}
GATED = {"swiglu_mlp": True, "scale_mlp": True, "scale_attn_inner": True, "qkv_fused": False, "mlp_ratio": 8 / 3}
GATED |= {"use_rot_pos_emb": True, "ref_feat_shape": (16, 16)}
TRUNKS = {
    "eva02_base_patch8_clip_32": (GATED, "token"),
    "eva02_enormous_patch8_clip_32": ({"use_post_norm": True, "mlp_ratio": 8.5}, "token"),
    "eva_giant_patch8_clip_32": ({"mlp_ratio": 4.3637}, "token"),
    "eva_giant_patch8_32": ({}, "avg"),
    "eva02_base_patch8_plain_32": ({"swiglu_mlp": True, "mlp_ratio": 2.0}, "token"),
}


@pytest.fixture
def trunk(monkeypatch, known):
    """Teach timm a tiny EVA tower under a name, and us its sizes."""

    def teach(name):
        options = SIZES | TRUNKS[name][0]

        def entry(pretrained=False, **given):
            kept = {key: value for key, value in given.items() if key in ("num_classes", "global_pool")}
            return timm_eva.Eva(**options | kept)

        monkeypatch.setitem(_registry._model_entrypoints, name, entry)
        hidden = int(64 * options.get("mlp_ratio", 4))
        monkeypatch.setattr(openclip_eva, "TRUNKS", {name: openclip_eva.TrunkSizes(64, 2, hidden, 8, 32)})
        known(64, 2, "post" if options.get("use_post_norm") else "pre")
        return entry

    return teach


@pytest.mark.parametrize("name", TRUNKS)
def test_open_clip(name, trunk, tmp_path):
    trunk(name)
    pool = TRUNKS[name][1]
    vision = {"image_size": 32, "timm_model_name": name, "timm_model_pretrained": False}
    cfg = {"embed_dim": 48, "vision_cfg": vision | {"timm_pool": pool, "timm_proj": None}, "text_cfg": TEXT}
    cfg["custom_text"] = True
    place = folder_of(tmp_path / "theirs", sharpen(make(cfg, "CustomTextCLIP")), cfg)
    checkpoint = both_ways(f"EVA-CLIP in open_clip's layout: {name}", place, tmp_path)
    image = checkpoint.spec.image
    assert (image.kind, image.pool) == ("eva", {"token": "class", "avg": "mean"}[pool])
    assert image.rotary == ("eva" if "base_patch8_clip" in name else "none")


def test_open_clip_without_a_configuration(trunk, tmp_path):
    name = "eva02_base_patch8_clip_32"
    trunk(name)
    vision = {"image_size": 32, "timm_model_name": name, "timm_pool": "token", "timm_proj": None}
    cfg = {"embed_dim": 48, "vision_cfg": vision, "text_cfg": TEXT | {"heads": 1}, "custom_text": True}
    place = folder_of(tmp_path / "theirs", sharpen(make(cfg, "CustomTextCLIP")), cfg)
    expected = theirs(place)
    (place / "open_clip_config.json").unlink()
    checkpoint, images, texts = ours(place, tmp_path / "ours")
    record("EVA-CLIP in open_clip's layout, weights alone, images", "open_clip_torch", images, expected[0])
    record("EVA-CLIP in open_clip's layout, weights alone, texts", "open_clip_torch", texts, expected[1])
    assert any("image.rotary_grid = 16" in said for said in checkpoint.assumed)


def test_timm_reads_the_own_names_as_we_do(trunk, known, tmp_path):
    """timm's own conversion of EVA's names gives the tower that we read from the same file."""
    model = trunk("eva02_base_patch8_clip_32")(num_classes=16, global_pool="token").eval()
    weights = {name: torch.from_numpy(value) for name, value in drawn(CASES[ROTARY]).items()}
    converted = timm_eva.checkpoint_filter_fn(dict(weights), model)
    model.load_state_dict(converted, strict=True)
    checkpoint = eva.read(CheckpointFiles(own_file(tmp_path / "model.pt", ROTARY)))
    _, trunk_weights = openclip_eva.write_trunk(checkpoint.spec, checkpoint.state)
    assert {name.removeprefix("visual.trunk.") for name in trunk_weights} == set(converted)
    for name, value in converted.items():
        np.testing.assert_array_equal(trunk_weights["visual.trunk." + name], value.numpy(), err_msg=name)


def test_the_published_sizes_are_timms():
    for name, row in openclip_eva.TRUNKS.items():
        with torch.device("meta"):
            made = timm.create_model(name, num_classes=8)
        block, patch = made.blocks[0], made.patch_embed
        assert (made.embed_dim, len(made.blocks), block.mlp.fc2.in_features) == (row.width, row.layers, row.hidden)
        assert (patch.patch_size[0], patch.img_size[0]) == (row.patch, row.size)
        known = eva_trunk.KNOWN.get(row.width, Known(row.width // 64))
        assert known == Known(block.attn.num_heads, "post" if "PostNorm" in type(block).__name__ else "pre"), name
        assert hidden_width(row.width, row.hidden / row.width) == row.hidden


def test_what_cannot_be_written(known, tmp_path):
    known(64, 2, "pre")
    checkpoint = eva.read(CheckpointFiles(own_file(tmp_path / "model.pt", "EVA-CLIP-8B")))
    with pytest.raises(UsageError, match="none of width 64"):
        openclip.write(checkpoint, tmp_path / "back")
    keys = Keys({"visual.trunk.blocks.0.attn.q_bias": np.ones(1)}, where="x")
    assert openclip_eva.recognise_trunk(keys, VisionCfg(timm_model_name="eva02_base_patch16_clip_224"))
    assert not openclip_eva.recognise_trunk(keys, VisionCfg(timm_model_name="convnext_base"))


@pytest.mark.parametrize(
    ("part", "given", "said"),
    [
        ("preprocess", {"mean": (0.1, 0.2, 0.3), "resize": "longest"}, "preprocess.resize, preprocess.mean"),
        ("tokenizer", {"kind": "tokenizers"}, "a vocabulary of its own"),
        ("text", {"mask": "none"}, "text.mask = 'none'"),
    ],
)
def test_what_the_file_has_no_place_for_is_refused(part, given, said, known, tmp_path):
    known(64, 2, "pre")
    checkpoint = eva.read(CheckpointFiles(own_file(tmp_path / "model.pt", "EVA-CLIP-8B")))
    assert any("preprocess.resize" in sentence for sentence in checkpoint.assumed)
    spec = replace(checkpoint.spec, **{part: replace(getattr(checkpoint.spec, part), **given)})
    with pytest.raises(UsageError, match=said):
        eva.write(replace(checkpoint, spec=spec), tmp_path / "back.pt")
    assert not (tmp_path / "back.pt").exists()
