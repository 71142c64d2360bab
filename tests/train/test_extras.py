"""Embeddings that can be cut, and patches that are left out while training."""

import json

import numpy as np
import pytest
import torch

from wordsight.base.errors import ConfigError
from wordsight.cli.main import main
from wordsight.engines.parity import some_images, some_texts
from wordsight.losses.softmax import softmax_loss
from wordsight.train.loop import Learning, train
from wordsight.train.objective import first
from wordsight.train.pairs import open_pairs
from wordsight.train.recipe import read_recipe
from wordsight.weights.folder import load_towers

STILL = ["augment.scale=[1.0,1.0]", "augment.ratio=[1.0,1.0]", "augment.flip=0", "model.text.dropout=0"]


def run(recipe, *changes, name="run"):
    return train(
        read_recipe(str(recipe), [f"out={recipe.parent / name}", "validation.every=0", *changes]), device="cpu"
    )


def pairs_of(recipe):
    config = read_recipe(str(recipe), [f"out={recipe.parent / 'look'}", "steps=2", *STILL])
    (recipe.parent / "look").mkdir(exist_ok=True)
    learning = Learning(config, recipe.parent / "look", torch.device("cpu"), open_pairs(config.data, hold_out=False))
    return learning.loader.batch(0), learning.objective


def loss_of_first(folder, batch, objective, width):
    """Return the loss that the first numbers of the embeddings have on a batch, with a scale of 10."""
    towers = load_towers(folder)
    pixels = batch.pixels.permute(0, 3, 1, 2).float().sub(objective.mean).div(objective.std)
    with torch.inference_mode():
        image, text = towers.encode_image(pixels), towers.encode_text(batch.tokens)
    return float(softmax_loss(first(image, width), first(text, width), torch.tensor(10.0)))


def test_the_first_numbers_of_an_embedding_serve_for_the_whole(recipe):
    batch, objective = pairs_of(recipe)
    plain = run(recipe, "steps=60", *STILL, name="plain")
    cut = run(recipe, "steps=60", "loss.widths=[4, 8]", *STILL, name="cut")
    for width in (4, 8):
        own, other = (loss_of_first(done.model, batch, objective, width) for done in (cut, plain))
        assert own < 0.7 * other
    assert (
        "The first 4 or 8 numbers of an embedding, made unit again, were trained to serve for the whole"
        in (cut.model / "README.md").read_text()
    )
    assert "made unit again" not in (plain.model / "README.md").read_text()


def test_a_model_is_cut_to_the_first_numbers(recipe, capsys):
    done = run(recipe, "steps=3", "loss.widths=[8]")
    target = recipe.parent / "cut"
    assert main(["convert", str(done.model), str(target), "--to", "wordsight", "--set", "width=8"]) == 0
    towers, cut = load_towers(done.model), load_towers(target)
    assert (cut.spec.width, cut.visual.proj.shape) == (8, (32, 8))
    pixels = torch.from_numpy(some_images(towers.spec, 2)).permute(0, 3, 1, 2).float() / 255
    tokens = torch.from_numpy(some_texts(towers.spec, 2))
    with torch.inference_mode():
        for given, whole in (
            (cut.encode_image(pixels), towers.encode_image(pixels)),
            (cut.encode_text(tokens), towers.encode_text(tokens)),
        ):
            np.testing.assert_allclose(given, first(whole, 8), atol=1e-6, rtol=0)
    capsys.readouterr()
    assert main(["convert", str(target), str(recipe.parent / "more"), "--to", "wordsight", "--set", "width=9"]) == 2
    said = capsys.readouterr().err
    assert said == "wordsight: width = 9, but the model has 8; give fewer, of a model with towers of its own\n"


def test_a_width_that_is_none_is_refused(recipe):
    with pytest.raises(ConfigError, match=r"loss.widths\[0\] = 32; give 1 to 31"):
        read_recipe(str(recipe), ["loss.widths=[32]"])


@pytest.mark.parametrize("pool", ["mean", "class"])
def test_patches_are_left_out_while_training_alone(recipe, pool):
    config = read_recipe(
        str(recipe), [f"out={recipe.parent / 'run'}", "train.patch_dropout=0.75", f"model.image.pool={pool}"]
    )
    learning = Learning(config, recipe.parent, torch.device("cpu"), open_pairs(config.data, hold_out=False))
    extra, seen = int(pool == "class"), []
    learning.towers.visual.transformer.register_forward_hook(lambda module, inputs, out: seen.append(inputs[0]))
    learning._backward(learning.loader.batch(0))
    assert seen[0].shape == (8, extra + 4, 32)  # of 16 patches
    pixels = torch.zeros(8, 3, 32, 32)
    whole = learning.towers.visual.embed(pixels)
    for row, tokens in zip(whole, learning.towers.visual._thinned(whole), strict=True):
        assert torch.equal(row[:extra], tokens[:extra])
        assert len({tuple(token.tolist()) for token in tokens} & {tuple(token.tolist()) for token in row}) == extra + 4
    learning.towers.eval()
    assert learning.towers.visual._thinned(whole) is whole
    assert not learning.average.towers.training


def test_a_run_with_fewer_patches_learns(recipe):
    done = run(recipe, "steps=100", "train.patch_dropout=0.5", *STILL)
    losses = [json.loads(line)["loss"] for line in (done.folder / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.5 * losses[0]


def test_towers_that_leave_no_patches_out_are_named(recipe):
    vit = 'image = {size = 32, width = 32, layers = 1, heads = 2, patch = 8, pool = "mean"}'
    resnet = 'image = {kind = "resnet", size = 32, width = 8, heads = 4, stages = [1, 1, 1, 1]}'
    assert vit in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(vit, resnet))
    with pytest.raises(ConfigError) as caught:
        run(recipe, "train.patch_dropout=0.5")
    assert str(caught.value) == (
        'train.patch_dropout = 0.5 for an image tower of kind "resnet"; set train.patch_dropout = 0; towers of kind "vit" '
        "without rotary positions can leave patches out"
    )
