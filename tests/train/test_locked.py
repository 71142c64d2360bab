"""Locked towers: features in place of towers give the same run, the same model, and are computed once."""

import json
import shutil
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BertModel

from wordsight.base.errors import ConfigError, InputError
from wordsight.data.cache import ImageCache
from wordsight.embeddings.model import load
from wordsight.images.spec import PreprocessSpec
from wordsight.train.config import LearnConfig
from wordsight.train.locked import texts_of
from wordsight.train.loop import Learning, train
from wordsight.train.packaged import FOLDER
from wordsight.train.pairs import open_pairs
from wordsight.train.recipe import read_recipe
from wordsight.train.text_states import FILLER
from wordsight.train.trunk import Trunk, onto_disk, still_tensors
from wordsight.weights.folder import load_towers

PLAIN = ("augment.scale=[1.0,1.0]", "augment.ratio=[1.0,1.0]", "augment.flip=0", "augment.brightness=0")
STILL = (*PLAIN, "augment.contrast=0", "augment.saturation=0", "model.text.dropout=0")
SMALL = PreprocessSpec(size=32)
WAYS = ["none all", "all none", "projection projection", "projection none", "none last:1", "last:1 projection"]


@pytest.fixture
def start(recipe):
    """A model of random weights beside the recipe."""
    return train(read_recipe(str(recipe), [f"out={recipe.parent / 'first'}", "steps=1"]), device="cpu").model


def config_of(recipe, start, name, learns, *changes):
    """The config of a run in folder `name`; `learns` is what learns of the image and the text tower: "none all"."""
    image, text = learns.split()
    words = [f"out={recipe.parent / name}", f"train.image={image}", f"train.text={text}", "data.side=32", *changes]
    return read_recipe(str(recipe), words, model=str(start))


def run(*args, resume=False):
    return train(config_of(*args), device="cpu", resume=resume)


def lines(done):
    return [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("learns", WAYS)
def test_a_run_on_features_is_the_run_of_the_towers(recipe, start, learns):
    image, text = learns.split()
    towers = run(recipe, start, "towers", learns, *STILL, "train.views=0")
    features = run(recipe, start, "features", learns, *STILL, "train.views=1")
    assert [line.keys() for line in lines(features)] == [line.keys() for line in lines(towers)]
    for mine, theirs in zip(lines(features), lines(towers), strict=True):
        assert mine == pytest.approx(theirs, abs=2e-5)
    before, after, plain = (load_towers(folder).state_dict() for folder in (start, features.model, towers.model))
    for name, tensor in after.items():
        torch.testing.assert_close(tensor, plain[name], atol=1e-4, rtol=0)
    learned = {name for name in after if not torch.equal(after[name], before[name])}
    assert ("visual.proj" in learned) == (image != "none")
    assert ("text_projection" in learned) == (text != "none")
    assert ("visual.conv1.weight" in learned) == (image == "all")


def sentence_encoder(recipe, name, *changes):
    """The config of a run whose text tower is begun from a sentence encoder of two blocks, of which the last learns."""
    text = ("model.text.init=all-MiniLM-L6-v2", "model.text.projection=linear", "train.text=last:1")
    words = [f"out={recipe.parent / name}", "data.side=32", *STILL[:-1], *text, *changes]
    return read_recipe(str(recipe), words)


def test_the_last_blocks_of_a_sentence_encoder_learn_from_kept_states(recipe, known_towers):
    towers = train(sentence_encoder(recipe, "towers", "train.views=0"), device="cpu")
    features = train(sentence_encoder(recipe, "features", "train.views=1"), device="cpu")
    for mine, theirs in zip(lines(features), lines(towers), strict=True):
        assert mine == pytest.approx(theirs, abs=2e-5)
    after, plain = (load_towers(done.model).state_dict() for done in (features, towers))
    for name, tensor in after.items():
        torch.testing.assert_close(tensor, plain[name], atol=1e-4, rtol=0)
    before = BertModel.from_pretrained("all-MiniLM-L6-v2").state_dict()
    for number, learned in ((0, False), (1, True)):
        weight = before[f"encoder.layer.{number}.intermediate.dense.weight"]
        assert torch.equal(weight, after[f"text.transformer.resblocks.{number}.mlp.c_fc.weight"]) != learned


def test_states_of_texts_are_read_again_in_any_order(recipe, known_towers, tmp_path):
    config = sentence_encoder(recipe, "run", "train.views=1")
    pairs = open_pairs(config.data, hold_out=False)
    tmp_path.joinpath("first").mkdir()
    locked = Learning(config, tmp_path / "first", torch.device("cpu"), pairs).locked
    texts = list(locked._text_index)
    shuffled = np.random.default_rng(0).permutation(len(texts))
    given, again = locked._texts.take(shuffled), locked.of_texts([texts[row] for row in shuffled]).numpy()
    np.testing.assert_allclose(given, again, atol=1e-5)
    lengths = (given[:, :, -1] != FILLER).sum(axis=1)
    assert list(lengths) == [len(texts[row].split()) + 2 for row in shuffled]  # [CLS] and [SEP] around


def test_an_image_that_is_read_later_has_the_views_it_would_have_had(recipe, start, monkeypatch):
    read = ImageCache.pixels

    def features(name, unread):
        config = config_of(recipe, start, name, "projection projection", "train.views=3", "data.held_out=0")
        pairs = open_pairs(config.data, hold_out=False, preprocess=config.model.preprocess)
        monkeypatch.setattr(ImageCache, "pixels", lambda self, rows: _without(read(self, rows), rows, unread))
        recipe.parent.joinpath(name).mkdir()
        kept = Learning(config, recipe.parent / name, torch.device("cpu"), pairs).locked._images[0]
        return np.stack([kept.take(np.arange(8), np.full(8, view)) for view in range(3)])

    assert np.isnan(features("broken", (3, 5))[:, [3, 5]]).all()
    mended = features("mended", ())
    monkeypatch.setenv("WORDSIGHT_CACHE", str(recipe.parent / "another"))
    np.testing.assert_allclose(mended, features("whole", ()), atol=1e-5)


def _without(answer, rows, unread):
    pixels, failed = answer
    return pixels, failed | {number: InputError(f"row {row}") for number, row in enumerate(rows) if row in unread}


def test_the_saved_model_gives_the_embeddings_that_its_features_give(recipe, start, scenes):
    config = config_of(recipe, start, "run", "projection projection", *STILL)
    pairs = open_pairs(config.data, hold_out=False, preprocess=config.model.preprocess)
    recipe.parent.joinpath("apart").mkdir()
    learning = Learning(config, recipe.parent / "apart", torch.device("cpu"), pairs)
    done = train(config, device="cpu")
    saved = load_towers(done.model)
    model = load(done.model, engine="torch", device="cpu")
    batch = learning.loader.batch(0)
    assert batch.pixels.numel() == batch.tokens.numel() == 0
    paths = [scenes / f"{pairs.sources[0].images.keys[row].removesuffix('.png')}.png" for row in batch.image_ids]
    with torch.no_grad():
        image = learning.locked.embed(saved, "image", batch.image).numpy()
        text = learning.locked.embed(saved, "text", batch.text).numpy()
    np.testing.assert_allclose(image, model.embed_images(paths), atol=1e-5)
    np.testing.assert_allclose(text, model.embed_texts(list(batch.texts)), atol=1e-5)


def test_features_are_computed_once_for_all_runs(recipe, start, monkeypatch):
    first = run(recipe, start, "one", "none projection", "guard.action=off")
    calls = []
    images, texts = Trunk.images, Trunk.texts
    monkeypatch.setattr(Trunk, "images", lambda self, pixels: calls.append(len(pixels)) or images(self, pixels))
    monkeypatch.setattr(Trunk, "texts", lambda self, some, t: calls.append(len(some)) or texts(self, some, t))
    second = run(recipe, start, "two", "none projection", "guard.action=off")
    assert sum(calls) == 1 + 8 + 16  # a text for the width; those of the validation, which are of the run alone
    assert lines(first) == lines(second)
    run(recipe, start, "other", "projection projection")
    assert sum(calls) > 1 + 8 + 16 + 8  # other features of the image tower


def test_a_stopped_run_goes_on_bit_for_bit(recipe, start, broken_off):
    whole = run(recipe, start, "whole", "projection last:1", "train.views=3", "checkpoint.steps=8")
    with broken_off(11):
        run(recipe, start, "parts", "projection last:1", "train.views=3", "checkpoint.steps=8")
    parts = run(recipe, start, "parts", "projection last:1", "train.views=3", "checkpoint.steps=8", resume=True)
    assert lines(parts) == lines(whole)
    files = [(done.model / "weights.safetensors").read_bytes() for done in (parts, whole)]
    assert files[0] == files[1]


def test_further_views_are_crops_and_are_all_drawn(recipe, start):
    config = config_of(recipe, start, "run", "none all", "train.views=4", "batch=64")
    pairs = open_pairs(config.data, hold_out=False, preprocess=config.model.preprocess)
    recipe.parent.joinpath("run").mkdir()
    learning = Learning(config, recipe.parent / "run", torch.device("cpu"), pairs)
    (features,) = learning.locked._images
    rows = np.arange(8)
    views = [features.take(rows, np.full(8, view)) for view in range(4)]
    assert all(np.abs(views[0] - other).max() > 1e-3 for other in views[1:])
    batch = learning.loader.batch(3)
    distances = [np.abs(batch.image.numpy() - view[batch.image_ids.numpy()]).max(axis=1) for view in views]
    drawn = np.argmin(distances, axis=0)
    assert set(drawn) == {0, 1, 2, 3} and np.min(distances, axis=0).max() == 0
    assert torch.equal(learning.loader.batch(3).image, batch.image)
    assert not torch.equal(learning.loader.batch(4).image, batch.image)


def test_images_that_cannot_be_read_while_they_are_streamed_are_left_out(recipe, start, scenes, capfd):
    clean = shutil.copytree(scenes, recipe.parent / "clean")
    (scenes / "broken.png").write_bytes((scenes / "red-disc.png").read_bytes()[:60])
    (scenes / "broken.txt").write_text("a broken one")
    with tarfile.open(recipe.parent / "shards.tar", "w") as tar:
        for path in sorted(scenes.iterdir()):
            tar.add(path, path.name)
    words = ["data.pictures=stream", "data.sources.scenes.place=shards.tar", f"validation.tasks.scenes.place={clean}"]
    done = run(recipe, start, "run", "none projection", *words)
    assert done.steps == 16
    assert "broken" in capfd.readouterr().err


def test_class_folders_are_trained_on_by_their_prompts(recipe, start, scenes):
    shapes = recipe.parent / "shapes"
    for path in scenes.glob("*.png"):
        colour, shape = path.stem.split("-")
        (shapes / shape).mkdir(parents=True, exist_ok=True)
        Image.open(path).save(shapes / shape / f"{colour}.png")
    words = ["data.sources.scenes.place=shapes", "data.sources.scenes.templates=photo"]
    for learns in ("none all", "all none", "projection projection", "all all"):
        config = config_of(recipe, start, learns.replace(" ", "-"), learns, *words)
        pairs = open_pairs(config.data, hold_out=False)
        assert texts_of(pairs) == ["a photo of a disc.", "a photo of a square."]
        assert train(config, device="cpu").steps == 16
    plain = open_pairs(config_of(recipe, start, "x", "all all", words[0]).data, hold_out=False)
    assert texts_of(plain) == ["disc", "square"]


def test_trunks_leave_the_memory_and_keep_their_numbers(recipe, start, tmp_path):
    towers = load_towers(start).requires_grad_(False)
    towers.visual.to(memory_format=torch.channels_last)
    towers.visual.proj.requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in towers.state_dict().items()}
    strides = towers.visual.conv1.weight.stride()
    addresses = {name: tensor.data_ptr() for name, tensor in towers.state_dict().items()}
    onto_disk(towers, ["image"], tmp_path)
    moved = {name for name, tensor in towers.state_dict().items() if tensor.data_ptr() != addresses[name]}
    assert (
        moved == set(still_tensors(towers, "image")) and "visual.proj" not in moved and "visual.conv1.weight" in moved
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in towers.state_dict().items())
    assert towers.visual.conv1.weight.stride() == strides
    assert list(tmp_path.glob(".still*")) == []


def test_a_trunk_is_named_by_its_weights_and_what_is_read_of_it(start):
    towers = load_towers(start).requires_grad_(False)
    cpu = torch.device("cpu")

    def name(part, learns):
        return Trunk(towers, part, LearnConfig(**{part: learns}), device=cpu).fingerprint()

    names = [name("image", "none"), name("image", "projection"), name("text", "none")]
    assert len(set(names)) == 3
    with torch.no_grad():
        towers.visual.conv1.weight[0, 0, 0, 0] += 1
    assert [name("image", "none") == names[0], name("text", "none") == names[2]] == [False, True]
    towers.visual.proj.requires_grad_(True)
    before = name("image", "projection")
    with torch.no_grad():
        towers.visual.proj[0, 0] += 1
    assert name("image", "projection") == before  # it learns: it is not the trunk's


def test_what_reads_tokens_or_pixels_is_refused(recipe, start):
    with pytest.raises(ConfigError) as refused:
        config_of(recipe, start, "run", "none all", "loss.words=1.0")
    assert str(refused.value) == (
        'loss.words = 1.0 with train.image = "none", whose features are computed once; '
        "set loss.words = 0, or train.views = 0"
    )
    with pytest.raises(ConfigError, match=r"train\.views = -1"):
        config_of(recipe, start, "run", "none all", "train.views=-1")


@pytest.mark.parametrize("name", ["lock-image", "lock-text"])
def test_the_packaged_recipes_run_on_captions_and_on_class_folders(recipe, start, scenes, name):
    assert len((FOLDER / f"{name}.toml").read_text().splitlines()) <= 40
    words = ["steps=3", "batch=4", "schedule.warmup=1", "export.precisions=[]", "precision=fp32"]
    captions = [f"root={scenes}", f"out={recipe.parent / 'captions'}", *words]
    done = train(read_recipe(name, captions, model=str(start)), device="cpu")
    assert done.steps == 3
    classes = recipe.parent / "classes"
    for number, path in enumerate(sorted(scenes.glob("*.png"))):
        (classes / path.stem.split("-")[1]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, classes / path.stem.split("-")[1] / f"{number}.png")
    labels = [f"root={classes}", f"out={recipe.parent / 'labels'}", *words]
    assert train(read_recipe(name, labels, model=str(start)), device="cpu").steps == 3
    still, learned = ("visual.conv1.weight", "text_projection")[:: 1 if name == "lock-image" else -1]
    before, after = load_towers(start).state_dict(), load_towers(done.model).state_dict()
    assert torch.equal(before[still], after[still]) and not torch.equal(before[learned], after[learned])


def test_int8_features_are_those_of_the_int8_graph(recipe, start):
    exact, quick = (
        Learning(config, folder, torch.device("cpu"), open_pairs(config.data, hold_out=False, preprocess=SMALL))
        for config, folder in (
            (config_of(recipe, start, name, "none all", f"train.features={name}"), recipe.parent / name)
            for name in ("fp32", "int8")
        )
        if not folder.mkdir()
    )
    one, other = (learning.loader.batch(0).image.numpy() for learning in (exact, quick))
    cosines = (one * other).sum(axis=1)
    assert cosines.min() > 0.98 and not np.array_equal(one, other)
    assert np.abs(np.linalg.norm(other, axis=1) - 1).max() < 1e-5
    with pytest.raises(ConfigError, match='train.features = "int8" without a tower that learns nothing'):
        config_of(recipe, start, "x", "projection all", "train.features=int8")
    both = run(recipe, start, "both", "none projection", "train.features=int8")
    assert both.steps == 16
    texts = run(recipe, start, "texts", "all none", "train.features=int8")
    assert texts.steps == 16


def test_states_of_a_tower_that_cannot_be_cut_are_refused(recipe):
    resnet = "model.image={kind = 'resnet', size = 32, width = 8, heads = 4, stages = [1, 1, 1, 1]}"
    words = [f"out={recipe.parent / 'first'}", "steps=1", resnet]
    start = train(read_recipe(str(recipe), words), device="cpu").model
    with pytest.raises(ConfigError, match=r'last:1" on kept states, for a tower of kind "resnet"'):
        run(recipe, start, "run", "last:1 projection", "train.views=1")
