"""Image towers that come alone: EfficientNet-Lites under the names of two packages."""

import json

import numpy as np
import pytest
import timm
import torch

from wordsight.base.errors import FormatError, ShapeMismatch
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.efficientnet.shapes import trunk_shapes
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.efficientnet.format import SIZES, read_classifier
from wordsight.weights.formats.efficientnet.names import renamed
from wordsight.weights.formats.trunk_table import IMAGE_TRUNKS, read_image_trunk

MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "reduce": ("_project_conv", "_bn2"),
}


def lite_pytorch_names(spec):
    """Return the names of efficientnet_lite_pytorch for ours."""
    names = {}
    for ours, _ in trunk_shapes(spec):
        *where, part, end = ours.split(".")
        if where[0] == "blocks":
            conv, norm = PARTS[where[2]]
            names[ours] = f"_blocks.{where[1]}.{conv if part == 'conv' else norm}.{end}"
        else:
            conv, norm = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}[where[0]]
            names[ours] = f"{conv if part == 'conv' else norm}.{end}"
    return names


def drawn(spec):
    """Return random weights of a trunk under our names."""
    random = np.random.default_rng(0)
    state = {
        name: np.array(3) if name.endswith("tracked") else random.standard_normal(shape, np.float32)
        for name, shape in trunk_shapes(spec)
    }
    return {name: np.abs(value) if name.endswith("running_var") else value for name, value in state.items()}


def saved(path, tensors, **config):
    torch.save({name: torch.from_numpy(np.asarray(value)) for name, value in tensors.items()}, path)
    if config:
        (path.parent / "config.json").write_text(json.dumps(config))
    return path


def as_lite_pytorch(spec):
    names, state = lite_pytorch_names(spec), drawn(spec)
    classifier = {"_fc.weight": np.ones((1000, 1280), np.float32), "_fc.bias": np.zeros(1000, np.float32)}
    return {names[ours]: value for ours, value in state.items()} | classifier


@pytest.mark.parametrize(("width", "depth", "size"), SIZES)
def test_the_size_is_read_from_names_and_shapes(width, depth, size, tmp_path):
    spec = EfficientNetSpec(size=size, width=width, depth=depth)
    trunk = read_image_trunk(saved(tmp_path / "any-name.pth", as_lite_pytorch(spec)))
    assert trunk.spec == spec
    assert trunk.preprocess == PreprocessSpec(size=size, scale_to=size + 32, mean=MEAN, std=STD)
    assert trunk.left_out == ("_fc.weight", "_fc.bias")
    assert trunk.origin == {"format": "efficientnet_lite_pytorch", "file": "any-name.pth"}
    expected = drawn(spec)
    assert list(trunk.weights) == [f"visual.{name}" for name in expected]
    assert all(np.array_equal(trunk.weights[f"visual.{name}"], value) for name, value in expected.items())


def test_the_classifier_is_read_apart(tmp_path):
    files = CheckpointFiles(saved(tmp_path / "x.pth", as_lite_pytorch(EfficientNetSpec())))
    classifier = read_classifier(files)
    assert classifier.weight.shape == (1000, 1280) and classifier.bias.shape == (1000,)
    without = {name: value for name, value in as_lite_pytorch(EfficientNetSpec()).items() if "_fc" not in name}
    alone = saved(tmp_path / "y.pth", without)
    assert read_image_trunk(alone).left_out == ()
    with pytest.raises(ShapeMismatch, match=r"y.pth has no _fc.weight"):
        read_classifier(CheckpointFiles(alone))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("_fc.bias", np.full(1000, np.nan), r"holds NaN or infinite numbers in 1 of 2 tensors: _fc.bias \(1,000 of"),
        ("_fc.weight", np.ones((1000, 7)), r"_fc.weight is \(1000, 7\), not \(1000, 1280\)"),
        ("_fc.bias", np.ones((10, 1)), r"_fc.bias is \(10, 1\), not \(10,\)"),
    ],
)
def test_a_damaged_classifier_is_refused(tmp_path, name, values, message):
    tensors = as_lite_pytorch(EfficientNetSpec()) | {name: values.astype(np.float32)}
    with pytest.raises(FormatError, match=message):
        read_image_trunk(saved(tmp_path / "x.pth", tensors))


@pytest.mark.parametrize("value", [-0.5, np.nan, np.inf])
def test_impossible_variances_are_refused_by_name(tmp_path, value):
    tensors = as_lite_pytorch(EfficientNetSpec())
    tensors["_blocks.3._bn1.running_var"][5] = value
    path = saved(tmp_path / "x.pth", tensors)
    with pytest.raises(FormatError) as refused:
        read_image_trunk(path)
    assert refused.value.problem == (
        f"_blocks.3._bn1.running_var of {path} holds {value:g} (1 of 144 numbers), which is no variance"
    )


@pytest.mark.parametrize(
    ("name", "number", "padding", "epsilon"),
    [
        ("tf_efficientnet_lite", 0, "same", 1e-3),
        ("tf_efficientnet_lite", 3, "same", 1e-3),
        ("efficientnet_lite", 0, "symmetric", 1e-5),
        ("efficientnet_lite", 2, "symmetric", 1e-5),
    ],
)
def test_timms_names_are_read_with_what_its_config_says(name, number, padding, epsilon, tmp_path):
    model = timm.create_model(f"{name}{number}")
    cfg = {key: model.pretrained_cfg[key] for key in ("input_size", "crop_pct", "interpolation", "mean", "std")}
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    trunk = read_image_trunk(
        saved(tmp_path / "pytorch_model.bin", state, architecture=f"{name}{number}", pretrained_cfg=cfg).parent
    )
    width, depth, _ = SIZES[number]
    size = cfg["input_size"][1]
    assert trunk.spec == EfficientNetSpec(size=size, width=width, depth=depth, padding=padding, epsilon=epsilon)
    wanted = trunk.preprocess
    assert (wanted.size, wanted.scale_to, wanted.interpolation) == (
        size,
        int(size / cfg["crop_pct"]),
        cfg["interpolation"],
    )
    assert (wanted.mean, wanted.std) == (cfg["mean"], cfg["std"])
    assert trunk.left_out == ("classifier.weight", "classifier.bias")
    ours = renamed(state)
    assert all(np.array_equal(trunk.weights[f"visual.{ours[their]}"], state[their]) for their in ours)


def test_a_config_that_names_the_network_alone_is_enough(tmp_path):
    state = {key: value.numpy() for key, value in timm.create_model("tf_efficientnet_lite0").state_dict().items()}
    trunk = read_image_trunk(saved(tmp_path / "x.pth", state, architecture="tf_efficientnet_lite0"))
    assert trunk.preprocess == PreprocessSpec(size=224, scale_to=256, mean=MEAN, std=STD)


@pytest.mark.parametrize(
    ("config", "stated"),
    [({}, "there is no config.json beside it that names one"), ({"architecture": "mixnet_s"}, "names 'mixnet_s'")],
)
def test_timms_names_without_its_name_are_refused(config, stated, tmp_path):
    state = {key: value.numpy() for key, value in timm.create_model("efficientnet_lite0").state_dict().items()}
    with pytest.raises(FormatError, match="whose padding it has no weight shows") as caught:
        read_image_trunk(saved(tmp_path / "x.pth", state, **config))
    assert stated in caught.value.problem
    assert '{"architecture": "tf_efficientnet_lite0"}' in caught.value.cure


def test_a_weight_that_has_no_place_is_an_error(tmp_path):
    tensors = as_lite_pytorch(EfficientNetSpec()) | {"_extra.weight": np.zeros(2, np.float32)}
    with pytest.raises(ShapeMismatch, match=r"1 weights that have no place: _extra.weight"):
        read_image_trunk(saved(tmp_path / "x.pth", tensors))


def test_numbers_that_are_none_are_an_error(tmp_path):
    tensors = as_lite_pytorch(EfficientNetSpec())
    tensors["_bn0.bias"][3] = np.nan
    with pytest.raises(FormatError, match=r"visual.stem.norm.bias \(1 of 32 numbers\)"):
        read_image_trunk(saved(tmp_path / "x.pth", tensors))


def test_another_network_is_no_known_format(tmp_path):
    tensors = as_lite_pytorch(EfficientNetSpec())
    tensors["_blocks.2._bn2.bias"] = np.zeros(25, np.float32)
    for other in (tensors, {"fc.weight": np.zeros(2, np.float32)}):
        with pytest.raises(
            FormatError, match="holds no image tower of a known format; its weights begin with"
        ) as caught:
            read_image_trunk(saved(tmp_path / "x.pth", other))
        assert caught.value.cure == f"known: {', '.join(IMAGE_TRUNKS)}"
