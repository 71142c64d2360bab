"""EfficientNet-Lite beside timm's, an independent implementation: features, logits, graph; and its own projection."""

import dataclasses

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F

from wordsight.base.errors import ConfigError
from wordsight.engines.parity import some_images
from wordsight.engines.torch_engine import TorchEngine
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.build import build
from wordsight.towers.check import check_spec
from wordsight.towers.efficientnet.module import EfficientNetLite
from wordsight.towers.efficientnet.shapes import blocks
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.features import image_states
from wordsight.towers.graph.write import GraphSource, build_graph
from wordsight.towers.spec import ModelSpec
from wordsight.weights.formats.efficientnet.names import renamed

LITE = {0: (1.0, 1.0, 224), 1: (1.0, 1.1, 240), 2: (1.1, 1.2, 260), 3: (1.2, 1.4, 280), 4: (1.4, 1.8, 300)}
TINY = EfficientNetSpec(size=75, width=0.25, depth=0.3)
CLOSE = 1e-5


def lite(number, **options):
    width, depth, size = LITE[number]
    return EfficientNetSpec(**{"size": size, "width": width, "depth": depth, **options})


def randomised(module):
    """Draw gains, biases and running statistics anew, so that nothing is an identity."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "bias")):
                value.normal_(std=0.3)
            elif value.ndim == 1:
                value.uniform_(0.5, 1.5)
    return module.eval()


def same_weights(number, name, **options):
    """Return timm's network with random weights, and ours with the same."""
    torch.manual_seed(number)
    theirs = randomised(timm.create_model(f"{name}{number}"))
    ours = EfficientNetLite(lite(number, **options), 24).eval()
    state = theirs.state_dict()
    kept = {our: state[their] for their, our in renamed(state).items()}
    assert set(state) - set(renamed(state)) == {"classifier.weight", "classifier.bias"}
    missing = ours.load_state_dict(kept, strict=False)
    assert missing.missing_keys == ["proj.weight", "proj.bias"] and not missing.unexpected_keys
    return theirs, ours


@pytest.mark.parametrize("size", [64, 75, 97])
@pytest.mark.parametrize("number", LITE)
def test_features_and_logits_are_timms(number, size):
    theirs, ours = same_weights(number, "tf_efficientnet_lite")
    pixels = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        features = ours.pool(ours.last(pixels))
        expected = theirs.forward_head(theirs.forward_features(pixels), pre_logits=True)
        torch.testing.assert_close(features, expected, atol=CLOSE, rtol=0)
        torch.testing.assert_close(theirs.classifier(features), theirs(pixels), atol=CLOSE, rtol=0)


@pytest.mark.parametrize("size", [64, 97])
def test_features_with_pytorchs_padding_are_timms(size):
    theirs, ours = same_weights(0, "efficientnet_lite", padding="symmetric", epsilon=1e-5)
    pixels = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        expected = theirs.forward_head(theirs.forward_features(pixels), pre_logits=True)
        torch.testing.assert_close(ours.pool(ours.last(pixels)), expected, atol=CLOSE, rtol=0)
        other = same_weights(0, "efficientnet_lite", epsilon=1e-5)[1]
        assert (other.pool(other.last(pixels)) - expected).abs().max() > 100 * CLOSE or size % 2


def towers_of(image, **preprocess):
    spec = ModelSpec("t", width=24, image=image, preprocess=PreprocessSpec(size=image.size, **preprocess))
    spec = dataclasses.replace(spec, text=dataclasses.replace(spec.text, width=16, layers=1, heads=1))
    torch.manual_seed(0)
    towers = randomised(build(spec))
    if image.hidden:
        torch.nn.init.normal_(towers.visual.out.weight)
    return towers


def rows_of_graph(towers, precision, pixels):
    import onnxruntime

    state = {name: value.numpy() for name, value in towers.state_dict().items()}
    content = build_graph(GraphSource(towers.spec, state), "image", precision)
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"pixels": pixels})[0]


IMAGES = {
    "odd size": TINY,
    "even size": dataclasses.replace(TINY, size=64),
    "symmetric": dataclasses.replace(TINY, padding="symmetric", epsilon=1e-5),
    "gelu": dataclasses.replace(TINY, hidden=5),
    "softmax": dataclasses.replace(TINY, hidden=5, hidden_activation="softmax"),
    "lite0": lite(0, size=67),
    "lite1": lite(1, size=64),
    "lite2": lite(2, size=66),
}


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_the_graph_in_fp32_is_the_module(image):
    towers = towers_of(image)
    pixels = some_images(towers.spec, 3)
    expected = TorchEngine.of(towers, fingerprint="").embed_images(pixels)
    np.testing.assert_allclose(rows_of_graph(towers, "fp32", pixels), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("activation", ["gelu", "softmax"])
def test_the_projection_is_a_matrix_and_hidden_units(activation):
    tower = towers_of(dataclasses.replace(TINY, hidden=5, hidden_activation=activation)).visual
    features = torch.randn(3, 1280)
    state = tower.state_dict()
    units = features @ state["hidden.weight"].T + state["hidden.bias"]
    units = units * (1 + torch.erf(units / 2**0.5)) / 2 if activation == "gelu" else units.exp()
    if activation == "softmax":
        units = units / units.sum(-1, keepdim=True)
    expected = features @ state["proj.weight"].T + state["proj.bias"] + units @ state["out.weight"].T
    with torch.inference_mode():
        torch.testing.assert_close(tower.project(features), expected, atol=CLOSE, rtol=0)


def test_a_new_tower_begins_as_the_one_matrix():
    tower = EfficientNetLite(dataclasses.replace(TINY, hidden=5), 24)
    features = torch.randn(3, 1280)
    assert torch.equal(tower.project(features), tower.proj(features))


def test_the_states_are_the_stem_the_blocks_and_the_head():
    towers = towers_of(TINY)
    with torch.inference_mode():
        states = image_states(towers, torch.randn(2, 3, 75, 75))
    assert towers.visual.depth == len(blocks(TINY)) + 1 == 9
    assert [tuple(states.layer(number).shape) for number in (0, 1, -1)] == [
        (2, 32, 38, 38),
        (2, 8, 38, 38),
        (2, 1280, 3, 3),
    ]
    assert states.shape == (3, 3)  # 75 / 32, rounded up
    torch.testing.assert_close(states.pooled, F.adaptive_avg_pool2d(states.last, 1).flatten(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0.0}, "image.width = 0.0; give a number above 0, at most 10"),
        ({"depth": 11.0}, "image.depth = 11.0; give a number above 0, at most 10"),
        ({"width": float("nan")}, "image.width = nan"),
        ({"epsilon": 0.0}, "image.epsilon = 0.0; give a number above 0"),
        ({"hidden": -1}, "image.hidden = -1; give the number of hidden units, 0 for none"),
    ],
)
def test_what_cannot_be_built_is_refused(options, message):
    image = dataclasses.replace(TINY, **options)
    with pytest.raises(ConfigError) as caught:
        check_spec(ModelSpec("t", image=image, preprocess=PreprocessSpec(size=image.size)))
    assert str(caught.value).startswith(message)
