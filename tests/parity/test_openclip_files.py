"""The forms in which open_clip's weights lie about: training files, weights alone, hub folders old and new."""

from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch
from compare import record
from openclip_side import VISION, folder_of, make, ours, theirs

from wordsight.base.errors import FormatError, ShapeMismatch, UsageError
from wordsight.towers.build import build
from wordsight.towers.catalogue import architecture
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.table import read_any

# widths from which the heads can be told
TEXT = {"context_length": 12, "width": 64, "heads": 1, "layers": 2}
CFG = {"embed_dim": 48, "vision_cfg": VISION | {"width": 128, "head_width": 64}, "text_cfg": TEXT}
NAME = "2023_01_31-12_00_00-model_{}-lr_0.0005-b_256-j_4-p_amp"


def compare(row, path, expected, folder):
    checkpoint, images, texts = ours(path, folder)
    record(f"{row}, images", "open_clip_torch", images, expected[0])
    record(f"{row}, texts", "open_clip_torch", texts, expected[1])
    return checkpoint


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_training_checkpoints(prefix, tmp_path):
    quick = prefix == "module."
    cfg = CFG | {"quick_gelu": quick}
    model = make(cfg)
    expected = theirs(folder_of(tmp_path / "theirs", model, cfg))
    state = {prefix + name: value for name, value in model.state_dict().items()}
    moments = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(5)}}, "param_groups": [{"lr": 0.1}]}
    name = NAME.format("ViT-T-8-quickgelu" if quick else "ViT-T-8")
    whole = {"epoch": 7, "name": name, "state_dict": state, "optimizer": moments, "scaler": {"scale": 65536.0}}
    torch.save(whole, tmp_path / "epoch_7.pt")
    checkpoint = compare(f"OpenCLIP training file {prefix}", tmp_path / "epoch_7.pt", expected, tmp_path / "ours")
    said = " ".join(checkpoint.assumed)
    assert f"activation is {'quick_gelu, from its name' if quick else 'gelu, as most have it'}" in said
    assert "2 heads of 64" in said and "--set text.heads=" in said
    assert "shortest, bicubic" in said and "--set image.activation=" in said


def test_an_averaged_copy_is_taken_when_asked_for(tmp_path):
    model, average = make(CFG), make(CFG, seed=4)
    whole = {"epoch": 1, "name": "x", "state_dict": model.state_dict(), "state_dict_ema": average.state_dict()}
    torch.save(whole, tmp_path / "both.pt")
    for part, chosen in (("", model), ("state_dict_ema", average)):
        found = openclip.read(CheckpointFiles(tmp_path / "both.pt", part=part))
        assert np.array_equal(found.state["visual.proj"], chosen.state_dict()["visual.proj"].numpy())


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "open_clip_pytorch_model.safetensors", "model.pth"])
def test_hub_folders(name, tmp_path):
    place = folder_of(tmp_path / "theirs", make(CFG), CFG, name=name)
    checkpoint = compare(f"OpenCLIP hub folder with {name}", place, theirs(place), tmp_path / "ours")
    assert checkpoint.assumed == ()


def test_a_file_in_a_hub_folder_goes_by_the_configuration_beside_it(tmp_path):
    cfg = CFG | {"quick_gelu": True}
    place = folder_of(tmp_path / "theirs", make(cfg), cfg, {"resize_mode": "longest", "fill_color": 7})
    compare("OpenCLIP file beside its configuration", place / openclip.WEIGHTS, theirs(place), tmp_path / "ours")


def test_text_nested_and_scale_as_a_row(tmp_path):
    cfg = CFG | {"custom_text": True, "nonscalar_logit_scale": True, "init_logit_bias": -10}
    place = folder_of(tmp_path / "theirs", make(cfg, "CustomTextCLIP"), cfg)
    checkpoint = compare("OpenCLIP text nested, scale in a row", place, theirs(place), tmp_path / "ours")
    assert checkpoint.state["logit_scale"].shape == checkpoint.state["logit_bias"].shape == ()
    (tmp_path / "alone").mkdir()
    torch.save(make(cfg, "CustomTextCLIP").state_dict(), tmp_path / "alone" / "nested.pt")
    compare("OpenCLIP text nested, weights alone", tmp_path / "alone" / "nested.pt", theirs(place), tmp_path / "again")


def test_a_bias_that_the_file_lacks_is_nothing(tmp_path):
    place = folder_of(tmp_path / "theirs", make(CFG), CFG | {"init_logit_bias": -10})
    checkpoint = compare("OpenCLIP without the bias it asks for", place, theirs(place), tmp_path / "ours")
    assert checkpoint.state["logit_bias"] == 0 and checkpoint.spec.loss == "sigmoid"


def test_halves_in_openais_mixture_mean_quick_gelu(tmp_path):
    cfg = CFG | {"quick_gelu": True}
    model = make(cfg)
    open_clip.model.convert_weights_to_fp16(model)
    expected = theirs(folder_of(tmp_path / "theirs", model, cfg))
    torch.save(model.state_dict(), tmp_path / "half.pt")
    checkpoint = compare("OpenCLIP, OpenAI's mixture of halves", tmp_path / "half.pt", expected, tmp_path / "ours")
    assert any("OpenAI's mixture" in said for said in checkpoint.assumed)


def test_bfloat16_weights(tmp_path):
    model = make(CFG).to(torch.bfloat16)
    place = folder_of(tmp_path / "theirs", model, CFG)
    compare("OpenCLIP in bfloat16", place, theirs(place), tmp_path / "ours")


def test_weights_of_another_size_than_the_configuration_says(tmp_path):
    vision, text = CFG["vision_cfg"] | {"image_size": 56}, TEXT | {"context_length": 17}
    place = folder_of(tmp_path / "theirs", make(CFG), CFG | {"vision_cfg": vision, "text_cfg": text})
    checkpoint = compare("OpenCLIP at another size", place, theirs(place), tmp_path / "ours")
    assert (checkpoint.spec.image.size, checkpoint.spec.text.context_length) == (56, 17)


def test_resnets_alone(tmp_path):
    cfg = CFG | {"vision_cfg": {"layers": [1, 2, 1, 1], "width": 16, "image_size": 32, "patch_size": None}}
    model = make(cfg)
    torch.save(model.state_dict(), tmp_path / "rn.pt")
    expected = theirs(folder_of(tmp_path / "theirs", model, cfg))
    compare("OpenCLIP ResNet, weights alone", tmp_path / "rn.pt", expected, tmp_path / "ours")


def test_clipa_and_coca_alone_are_told_by_their_parts(tmp_path):
    vision = CFG["vision_cfg"] | {"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}
    torch.save(make(CFG | {"vision_cfg": vision}).state_dict(), tmp_path / "clipa.pt")
    found = openclip.read(CheckpointFiles(tmp_path / "clipa.pt"))
    assert (found.spec.image.pool, found.spec.text.pool, found.spec.text.mask) == ("mean", "last", "none")
    assert (found.spec.preprocess.interpolation, found.spec.preprocess.resize) == ("bilinear", "squash")
    vision = CFG["vision_cfg"] | {"attentional_pool": True, "attn_pooler_queries": 5, "output_tokens": True}
    decoder = {"context_length": 12, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
    text = TEXT | {"embed_cls": True, "output_tokens": True}
    made = make(CFG | {"vision_cfg": vision, "text_cfg": text, "multimodal_cfg": decoder}, "CoCa")
    torch.save(made.state_dict(), tmp_path / "coca.pt")
    found = openclip.read(CheckpointFiles(tmp_path / "coca.pt"))
    assert (found.spec.image.pool, found.spec.image.pool_queries, found.spec.text.pool) == ("queries", 5, "class")


def test_what_is_left_over_missing_or_of_another_shape_is_named(tmp_path):
    model = make(CFG)
    for change, said in (
        ({"more.weight": torch.zeros(3)}, r"1 weights that have no place: more\.weight"),
        ({"visual.transformer.resblocks.1.more": torch.zeros(3)}, r"unknown \(visual\.transformer\.resblocks\.1\.more"),
        ({"ln_final.bias": torch.zeros(3)}, r"ln_final\.bias is \(3,\), not \(64,\)"),
        ({"visual.ln_post.bias": None}, r"1 missing \(visual\.ln_post\.bias\)"),
    ):
        state = {name: value for name, value in (model.state_dict() | change).items() if value is not None}
        torch.save(state, tmp_path / "x.pt")
        with pytest.raises(ShapeMismatch, match=said):
            read_any(tmp_path / "x.pt")


def test_other_formats_are_left_to_their_readers(tmp_path):
    state = make(CFG).state_dict()
    for name in ("input_resolution", "visual.attn_pool.probe", "visual.cls_token"):
        torch.save(state | {name: torch.zeros(1)}, tmp_path / "x.pt")
        assert not openclip.recognise(CheckpointFiles(tmp_path / "x.pt"))
    torch.save({"weight": torch.zeros(2)}, tmp_path / "x.pt")
    assert not openclip.recognise(CheckpointFiles(tmp_path / "x.pt"))


def test_damaged_configurations_are_refused(tmp_path):
    place = folder_of(tmp_path / "theirs", make(CFG), CFG)
    for content in (
        '{"model_cfg": 3}',
        '{"model_cfg": {"embed_dim": 48}}',
        "[]",
        "{",
        '{"model_cfg": {"embed_dim": "a"}}',
    ):
        (place / "open_clip_config.json").write_text(content)
        with pytest.raises(FormatError):
            openclip.read(CheckpointFiles(place))


def native(**image):
    """A checkpoint of our own with options of its own."""
    spec = architecture("ViT-B-32")
    small = {"size": 32, "patch": 8, "width": 64, "layers": 1, "heads": 1}
    text = replace(spec.text, width=64, heads=1, layers=1, activation=image.pop("text_activation", "gelu"))
    image = replace(spec.image, **{"activation": "gelu", **small, **image})
    spec = replace(spec, image=image, text=text, width=48, preprocess=replace(spec.preprocess, size=32))
    return Checkpoint(spec, {name: value.numpy() for name, value in build(spec).state_dict().items()})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stem": "conv"}, 'image.stem = "conv"'),
        ({"positions": "sincos"}, 'image.positions = "sincos"'),
        ({"class_token": False, "pool": "mean"}, 'pool = "mean".*class_token = false'),
        ({"activation": "quick_gelu"}, "gelu and quick_gelu"),
        ({"activation": "silu"}, "gelu and silu"),
    ],
)
def test_what_open_clip_has_no_place_for_is_named(options, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        openclip.write(native(**options), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_our_own_plain_towers_are_written(tmp_path):
    checkpoint = native(activation="quick_gelu", text_activation="quick_gelu")
    openclip.write(checkpoint, tmp_path / "out")
    again = openclip.read(CheckpointFiles(tmp_path / "out"))
    assert replace(again.spec, name=checkpoint.spec.name, preprocess=checkpoint.spec.preprocess) == checkpoint.spec
    assert set(again.state) == set(checkpoint.state)
    assert theirs(tmp_path / "out")[0].shape[1] == 48
