"""Runs that begin from a trunk alone, or from plain tensors: what fits, what is new, what is left out."""

import hashlib
import json

import pytest
import timm
import torch
import transformers

from wordsight.base.errors import ConfigError
from wordsight.towers.efficientnet.shapes import trunk_shapes
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe
from wordsight.weights.folder import load_towers, read_model_manifest

MODULES = ((0, "", "Transformer"), (1, "1_Pooling", "Pooling"))  # of sentence-transformers


def run(recipe, *changes, name="run"):
    return train(read_recipe(str(recipe), [f"out={recipe.parent / name}", "steps=4", *changes]), device="cpu")


def state(folder):
    return load_towers(folder).state_dict()


def scale_and_shift(weights, norm):
    """Return what a batch norm of EfficientNet-Lite multiplies with and adds, by channel."""
    scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + EfficientNetSpec().epsilon).sqrt()
    return scale, weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale


def test_an_image_tower_begins_from_a_trunk_alone(recipe, start, known_towers, lite_name, capsys):
    path = recipe.parent / "efficientnet-lite0-57934424.pth"
    given = torch.load(path)
    capsys.readouterr()
    trunk = [f"model.image.init={path}", f"model.text.init={start}", "model.image.size=32", "model.width=32"]
    done = run(recipe, *trunk, "train.image=projection", "train.text=none")
    said = capsys.readouterr().err
    assert f"image: a new projection (visual.proj.weight, visual.proj.bias), which {path} does not give" in said
    assert "left out of what is begun from: _fc.weight, _fc.bias" in said
    towers = load_towers(done.model)
    after = towers.state_dict()
    assert (towers.spec.image.kind, towers.spec.preprocess.size, towers.spec.preprocess.scale_to) == (
        "efficientnet",
        32,
        37,
    )
    begun = {f"visual.{ours}": given[lite_name(ours)] for ours, _ in trunk_shapes(EfficientNetSpec())}
    convolutions = [name for name in begun if name.endswith("conv.weight")]
    assert all(torch.equal(after[name], begun[name]) for name in convolutions)
    for name in convolutions:  # batch norms state anew what reaches them, and compute the same
        mine, theirs = (scale_and_shift(state, name.replace("conv.weight", "norm")) for state in (after, begun))
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)
    assert torch.equal(after["text_projection"], state(start)["text_projection"])
    facts = json.loads((done.folder / "began.json").read_text())["from"]["image"]
    assert facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_tower_begins_from_plain_tensors_of_a_stated_shape(recipe, start, capsys):
    """A trunk as timm and torchvision name it, and a tower of ours without what stands before its names."""
    resnet = timm.create_model("resnet18", num_classes=7)
    torch.save(resnet.state_dict(), recipe.parent / "resnet18.pth")
    own = {name.removeprefix("visual."): value for name, value in state(start).items() if name.startswith("visual.")}
    torch.save(own, recipe.parent / "own.pth")
    recipe.write_text(
        recipe.read_text().replace(
            "image = {size = 32, width = 32, layers = 1, heads = 2, patch = 8, pool", "image = {pool"
        )
    )
    timms = recipe.read_text().replace(
        'image = {pool = "mean"}', 'image = {init = "INIT", kind = "timm", size = 32, trunk = "resnet18"}'
    )
    (recipe.parent / "timms.toml").write_text(timms.replace("INIT", str(recipe.parent / "resnet18.pth")))
    done = run(recipe.parent / "timms.toml", "train.image=projection")
    after = state(done.model)
    assert all(
        torch.equal(after[f"visual.trunk.{name}"], value)
        for name, value in resnet.state_dict().items()
        if name[:3] != "fc."
    )
    assert "left out of what is begun from: fc.weight, fc.bias" in capsys.readouterr().err
    shape = 'image = {init = "INIT", size = 32, width = 32, layers = 3, heads = 2, patch = 8, pool = "mean"}'
    ours = recipe.read_text().replace('image = {pool = "mean"}', shape).replace("INIT", str(recipe.parent / "own.pth"))
    (recipe.parent / "ours.toml").write_text(ours)
    done = run(recipe.parent / "ours.toml", "train.image=none", name="ours")
    assert all(torch.equal(state(done.model)[f"visual.{name}"], value) for name, value in own.items())


def test_a_text_tower_begins_from_a_sentence_encoder(recipe, start, capsys):
    """With its own tokenizer, whose file goes into the model; its projection is new."""
    folder = recipe.parent / "encoder"
    shape = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
    }
    encoder = transformers.BertModel(transformers.BertConfig(**shape, max_position_embeddings=20))
    encoder.save_pretrained(folder)
    entries = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "red",
        "lime",
        "blue",
        "white",
        "disc",
        "square",
        "a",
        "the",
        "is",
    ]
    entries += [f"[unused{n}]" for n in range(40 - len(entries))]
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    modules = [{"idx": n, "path": path, "type": f"sentence_transformers.models.{kind}"} for n, path, kind in MODULES]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# an encoder\n")
    capsys.readouterr()
    done = run(
        recipe, f"model.image.init={start}", f"model.text.init={folder}", "train.text=projection", "model.width=32"
    )
    towers = load_towers(done.model)
    assert (towers.spec.text.kind, towers.spec.tokenizer.kind, towers.spec.text.pool) == ("bert", "wordpiece", "mean")
    assert (done.model / "vocab.txt").read_text() == (folder / "vocab.txt").read_text()
    words = encoder.embeddings.word_embeddings.weight
    assert torch.equal(towers.state_dict()["text.token_embedding.weight"], words)
    said = capsys.readouterr().err
    assert f"text: a new projection (text.proj.weight, text.proj.bias), which {folder} does not give" in said
    assert "pooler.dense.weight" in said
    manifest = read_model_manifest(done.model)
    assert manifest.origin["text licence"] == "cc-by-nc-4.0"
    assert not {"licence", "image licence"} & set(manifest.origin)  # one tower's is not the whole's
    card = (done.model / "README.md").read_text()
    assert f"- image tower: {start} (fingerprint" in card and "licence not stated)" in card
    assert f"- text tower: {folder} (" in card and "licence cc-by-nc-4.0)" in card
    assert "licence cc-by-nc-4.0)" in manifest.origin["began from"]
    assert done.results


def test_plain_tensors_without_a_shape_are_refused(recipe, start):
    path = recipe.parent / "own.pth"
    torch.save({"some.weight": torch.ones(3)}, path)
    with pytest.raises(ConfigError) as caught:
        read_recipe(str(recipe), [f"model.image.init={path}", f"model.text.init={start}"])
    assert str(caught.value) == (
        f"the image tower has no shape that {path} states; name model.architecture, or what both towers begin from"
    )
