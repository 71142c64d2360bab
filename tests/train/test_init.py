"""Runs that begin from known weights: what fits, what learns, what stays, and what is recorded of it."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch

from wordsight.base.errors import ConfigError, FormatError, ShapeMismatch, UsageError, WordsightError
from wordsight.base.nouns import Result
from wordsight.cli.main import main
from wordsight.towers.build import build
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.train import loop
from wordsight.train.learned import choose, names_of
from wordsight.train.loop import Learning, train
from wordsight.train.pairs import open_pairs
from wordsight.train.recipe import read_recipe
from wordsight.train.validate import tell_changes
from wordsight.weights.folder import load_towers, read_model_manifest, save_model

LAYERS = ("model.image.layers=3", "model.text.layers=3", "validation.every=0")


def run(recipe, *changes, name="run", model=None, resume=False):
    config = read_recipe(str(recipe), [f"out={recipe.parent / name}", "steps=4", *changes], model=model and str(model))
    return train(config, device="cpu", resume=resume)


def state(folder):
    return load_towers(folder).state_dict()


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_both_towers_begin_from_a_model(recipe, start, capsys):
    done = run(recipe, "lr=0", model=start)
    assert changed(state(start), state(done.model)) == set()
    assert (done.model / "merges.txt").read_bytes() == (start / "merges.txt").read_bytes()
    said = capsys.readouterr().err
    assert "the recipe's model (speck) is set aside: both towers begin from what --model or model.init names" in said
    assert "left out" not in said and "new projection" not in said
    facts = json.loads((done.folder / "began.json").read_text())
    manifest = read_model_manifest(start)
    digest = hashlib.sha256((start / "weights.safetensors").read_bytes()).hexdigest()
    assert facts["from"]["model"] == {
        "name": str(start),
        "file": "weights.safetensors",
        "sha256": digest,
        "fingerprint": manifest.fingerprint,
    }
    card = (done.model / "README.md").read_text()
    assert f"- both towers: {start} (fingerprint {manifest.fingerprint}, sha256 {digest}, licence not stated)" in card
    assert 'Learned: image tower "all", text tower "all".' in card
    assert manifest.fingerprint in read_model_manifest(done.model).origin["began from"]


def test_the_command_line_begins_from_a_model(recipe, start, capsys):
    out = recipe.parent / "typed"
    assert main(["train", str(recipe), "--model", str(start), "--set", f"out={out}", "--set", "steps=2"]) == 0
    assert capsys.readouterr().out.startswith(f"{out / 'model'}\n")
    assert load_towers(out / "model").spec.image.layers == 3


def test_a_recipe_states_what_it_begins_from(recipe, start):
    digest = hashlib.sha256((start / "weights.safetensors").read_bytes()).hexdigest()
    text = recipe.read_text()
    head, tail = text.index("[model]"), text.index("[data]")
    written = f'[model]\ninit = "{start}"\nsha256 = "{digest.upper()}"\nimage = {{drop_path = 0.1}}\n\n'
    recipe.write_text(text[:head] + written + text[tail:])
    config = read_recipe(str(recipe))
    assert (config.init.model, config.model.image.layers, config.model.image.drop_path) == (str(start), 3, 0.1)
    assert changed(state(start), state(run(recipe, "lr=0").model)) == set()
    recipe.write_text(recipe.read_text().replace(digest.upper(), "0" * 64))
    with pytest.raises(FormatError) as caught:
        read_recipe(str(recipe))
    assert str(caught.value) == (
        f"model.sha256 = {'0' * 64} but {start} has SHA-256 {digest}; fetch the file again, or state its own"
    )


@pytest.mark.parametrize(
    ("image", "text", "learned"),
    [
        ("projection", "none", {"visual.proj"}),
        ("none", "projection", {"text_projection"}),
        ("last:1", "none", {"visual.proj", "visual.ln_post", "visual.transformer.resblocks.2"}),
        ("none", "last:2", {"text_projection", "ln_final", *(f"transformer.resblocks.{n}" for n in (1, 2))}),
        ("none", "all", {"text_projection", "ln_final", "transformer", "token_embedding", "positional_embedding"}),
    ],
)
def test_what_does_not_learn_stays_bit_for_bit(recipe, start, image, text, learned):
    done = run(recipe, f"train.image={image}", f"train.text={text}", "model.text.dropout=0.1", model=start)
    moved = changed(state(start), state(done.model)) - {"logit_scale"}
    below = {name for name in state(start) if any(name == part or name.startswith(f"{part}.") for part in learned)}
    assert moved <= below
    assert learned == {part for part in learned if any(name.startswith(part) for name in moved)}


def test_batch_norms_of_frozen_parts_keep_their_statistics(recipe, start):
    towers = load_towers(start)
    image = ResNetSpec(size=32, width=8, stages=(1, 1, 1, 1), heads=4)
    spec = replace(towers.spec, image=image)
    resnet = build(spec)
    save_model(resnet, recipe.parent / "resnet", merges=(start / "merges.txt").read_text())
    before = state(recipe.parent / "resnet")
    done = run(recipe, "train.image=last:1", "train.statistics=batch", model=recipe.parent / "resnet")
    moved = changed(before, state(done.model))
    frozen = {
        name for name in before if name.startswith("visual.") and not name.startswith(("visual.layer4", "visual.att"))
    }
    assert len(frozen) > 40
    assert not moved & frozen
    assert "visual.layer4.0.bn1.running_mean" in moved


def test_batch_norms_use_the_statistics_of_the_start(recipe, start):
    """A batch of few classes has others, and towers read from int8 graphs compute nothing sensible with those."""
    towers = load_towers(start)
    image = ResNetSpec(size=32, width=8, stages=(1, 1, 1, 1), heads=4)
    save_model(
        build(replace(towers.spec, image=image)), recipe.parent / "resnet", merges=(start / "merges.txt").read_text()
    )
    moved = changed(state(recipe.parent / "resnet"), state(run(recipe, model=recipe.parent / "resnet").model))
    assert not [name for name in moved if "running" in name or "tracked" in name]
    assert {"visual.bn1.weight", "visual.layer1.0.conv1.weight"} <= moved


def test_what_is_frozen_has_no_gradient_and_no_optimiser_state(recipe, start):
    config = read_recipe(str(recipe), [f"out={recipe.parent / 'run'}", "train.image=last:1"], model=str(start))
    learning = Learning(config, recipe.parent, torch.device("cpu"), open_pairs(config.data, hold_out=False))
    loop.train_mode(learning.towers)
    learning._backward(learning.loader.batch(0))
    learning.optimiser.step()
    for name, parameter in learning.towers.visual.named_parameters():
        learns = name.startswith(("proj", "ln_post", "transformer.resblocks.2."))
        assert (parameter.grad is not None) == learns == (parameter in learning.optimiser.state)
    blocks = learning.towers.visual.transformer.resblocks
    assert [block.training for block in blocks] == [False, False, True]
    frozen = [
        p for n, p in learning.average.towers.named_parameters() if n.startswith("visual.transformer.resblocks.0.")
    ]
    own = {id(parameter) for parameter in learning.towers.parameters()}
    assert frozen and all(id(parameter) in own for parameter in frozen)  # shared, not copied


def test_one_tower_of_a_model_beside_another(recipe, start, capsys):
    """The image tower of one and the text tower of the other, in a space of another width than the first's."""
    wide = [f"out={recipe.parent / 'wide'}", "steps=1", "model.width=48", *LAYERS]
    other = train(read_recipe(str(recipe), wide), device="cpu").model
    capsys.readouterr()
    done = run(recipe, f"model.image.init={other}", f"model.text.init={start}", "lr=0", "model.width=32")
    after = state(done.model)
    assert torch.equal(after["visual.conv1.weight"], state(other)["visual.conv1.weight"])
    assert torch.equal(after["text_projection"], state(start)["text_projection"])
    assert after["visual.proj"].shape == (32, 32)
    said = capsys.readouterr().err
    assert f"image: a new projection (visual.proj), which {other} does not give" in said
    assert "left out of what is begun from: visual.proj" in said
    began = json.loads((done.folder / "began.json").read_text())
    assert (began["left_out"], began["new"]) == (["visual.proj"], ["visual.proj"])
    with pytest.raises(ConfigError, match='train.image = "none", but its projection is new and would stay random'):
        run(recipe, f"model.image.init={other}", f"model.text.init={start}", "train.image=none", name="other")


def test_a_tower_that_does_not_fit_is_refused_with_both_shapes(recipe, start):
    with pytest.raises(ShapeMismatch) as caught:
        run(recipe, "model.image.width=64", model=start)
    assert caught.value.problem.startswith(f"{start} does not fit the image tower of the recipe: visual.")
    assert "is (32, 3, 8, 8) there, (64, 3, 8, 8) here" in caught.value.problem
    assert caught.value.cure.startswith("leave out what the recipe says of model.image besides init")


def test_another_size_and_length_are_made_to_fit(recipe, start):
    """As `resize_checkpoint` does, which is compared with the neighbours' own code elsewhere."""
    done = run(recipe, "lr=0", "model.image.size=64", "model.text.context_length=12", model=start)
    spec = load_towers(done.model).spec
    assert (spec.preprocess.size, spec.image.size, spec.tokenizer.context_length) == (64, 64, 12)
    after = state(done.model)
    assert after["visual.positional_embedding"].shape == (64, 32)
    assert after["positional_embedding"].shape == (12, 32)
    corners = after["visual.positional_embedding"].view(8, 8, 32).mean(dim=(0, 1))
    torch.testing.assert_close(corners, state(start)["visual.positional_embedding"].mean(dim=0), atol=0.02, rtol=0)


def test_earlier_blocks_learn_more_slowly(recipe, start):
    config = read_recipe(str(recipe), ["train.layer_decay=0.5", "train.text=last:1"], model=str(start))
    towers = build(config.model)
    rates = choose(towers, config.train)
    assert rates["visual.proj"] == rates["visual.ln_post.weight"] == rates["logit_scale"] == 1.0
    assert [rates[f"visual.transformer.resblocks.{n}.ln_1.weight"] for n in range(3)] == [0.125, 0.25, 0.5]
    assert rates["visual.conv1.weight"] == 0.0625
    assert not [name for name in names_of(towers, "text") if name in rates and "resblocks.1." in name]
    learning = Learning(config, recipe.parent, torch.device("cpu"), open_pairs(config.data, hold_out=False))
    loop.set_rate(learning.optimiser, 0.1)
    found = {id(parameter): group["lr"] for group in learning.optimiser.param_groups for parameter in group["params"]}
    of = {name: found[id(p)] for name, p in learning.towers.named_parameters() if id(p) in found}
    assert of == {name: pytest.approx(0.1 * rate) for name, rate in rates.items()}


def test_the_end_is_mixed_with_the_start(recipe, start):
    plain = run(recipe, name="plain", model=start)
    mixed = run(recipe, "average.start=0.25", name="mixed", model=start)
    before, learned, after = state(start), state(plain.model), state(mixed.model)
    for name, value in after.items():
        torch.testing.assert_close(value, 0.25 * before[name] + 0.75 * learned[name], atol=1e-6, rtol=0)
    assert "Of every weight, 25% is what it began with." in (mixed.model / "README.md").read_text()
    only = run(recipe, "average.start=1", name="only", model=start)
    assert changed(before, state(only.model)) == set()


def test_a_run_that_began_from_a_model_resumes_bit_for_bit(recipe, start, broken_off):
    changes = ["train.image=last:1", "average.start=0.5", "checkpoint.steps=1", "train.layer_decay=0.7"]
    whole = run(recipe, *changes, name="whole", model=start)
    with broken_off(2):
        run(recipe, *changes, name="parts", model=start)
    parts = run(recipe, *changes, name="parts", model=start, resume=True)
    weights = [(done.model / "weights.safetensors").read_bytes() for done in (whole, parts)]
    assert weights[0] == weights[1]


def test_a_start_that_was_exchanged_is_refused(recipe, start):
    run(recipe, model=start)
    towers, before = load_towers(start), read_model_manifest(start).fingerprint
    towers.logit_scale.data += 1
    save_model(towers, start, merges=(start / "merges.txt").read_text())
    with pytest.raises(UsageError) as caught:
        run(recipe, "steps=4", model=start, resume=True)
    now = read_model_manifest(start).fingerprint
    assert str(caught.value) == (
        f"{start} is not the file that the run in {recipe.parent / 'run'} began from (fingerprint: {before} -> {now}); "
        "restore it, or set another out="
    )


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_what_a_model_can_do_is_measured_before_the_first_step(recipe, start, capsys):
    capsys.readouterr()
    done = run(recipe, "lr=0.01", "validation.every=2", model=start)
    (first, *_), err = lines(done.folder), capsys.readouterr().err
    names = [result.name for result in done.results if not result.name.startswith("guard/")]
    assert list(first) == ["step", *names]
    assert first["step"] == 0
    untouched = run(recipe, "lr=0", name="untouched", model=start)
    values = {result.name: result.value for result in untouched.results}
    assert {name: first[name] for name in names} == {name: values[name] for name in names}
    assert lines(untouched.folder)[-1] == {**{name: values[name] for name in names}, "step": 4}  # the curve has an end
    after = {result.name: result.value for result in done.results}
    assert any(first[name] != after[name] for name in names)
    assert err.index(f"step 0: {names[0]} {100 * first[names[0]]:.1f}") < err.index("step 1 · loss")
    changes = ", ".join(f"{name} {100 * first[name]:.1f} -> {100 * after[name]:.1f}" for name in names)
    assert err.splitlines()[-1] == f"before -> after 4 steps: {changes}"
    recorded = [json.loads(line) for line in (done.folder / "results.jsonl").read_text().splitlines()]
    assert {line["name"]: line["setting"]["start"] for line in recorded if line["name"] in names} == {
        name: first[name] for name in names
    }
    card = (done.model / "README.md").read_text()
    assert "| measure | before | value | 95 % interval | chance |" in card
    assert f"| {names[0]} | {first[names[0]]:.1%} | {after[names[0]]:.1%} |" in card


def test_a_run_that_made_the_model_worse_says_so(recipe, start, capsys):
    results = [
        Result(name="a/top-1", value=0.6, interval=(0.5, 0.7), count=9, fingerprint="", setting={"start": 0.8}),
        Result(name="b/top-1", value=0.6, interval=(0.5, 0.7), count=9, fingerprint="", setting={"start": 0.65}),
    ]
    tell_changes(recipe.parent, 4, results, every=4)
    assert capsys.readouterr().err.splitlines() == [
        "before -> after 4 steps: a/top-1 80.0 -> 60.0, b/top-1 65.0 -> 60.0",
        "worse than the model that it began from: a/top-1; a lower lr, fewer steps or average.start keep more",
    ]


@pytest.mark.parametrize(
    ("changes", "called"),
    [([], "run"), (["name=mine"], "mine"), (["out=runs/photos"], "photos"), (["out=a", "name=b"], "b")],
)
def test_a_model_is_called_as_its_run(recipe, monkeypatch, changes, called):
    monkeypatch.chdir(recipe.parent)
    done = run(recipe, *changes)
    assert read_model_manifest(done.model).spec.name == called
    fingerprint = read_model_manifest(done.model).fingerprint
    card = (done.model / "README.md").read_text()
    assert card.startswith(f"# {called}\n\nTwo towers (speck: ")
    again = run(recipe, *changes, "name=other", resume=True)  # another name is no other run
    assert read_model_manifest(again.model).spec.name == "other"
    assert read_model_manifest(again.model).fingerprint == fingerprint


def test_towers_that_could_nothing_are_not_measured_before(recipe, start, capsys):
    """Random weights, and a new projection."""
    plain = run(recipe, name="plain")
    wide = run(recipe, "model.width=48", name="wide", model=start)
    for done in (plain, wide):
        assert min(line["step"] for line in lines(done.folder)) == 1
        assert "before" not in (done.model / "README.md").read_text()
    err = capsys.readouterr().err
    assert "step 0" not in err and "before ->" not in err


def test_a_run_that_was_broken_off_before_a_checkpoint_records_its_beginning_once(recipe, start, broken_off):
    whole = run(recipe, "log=1", "checkpoint.steps=3", name="whole", model=start)
    for step in (1, 3):
        with broken_off(step):
            run(recipe, "log=1", "checkpoint.steps=3", name="parts", model=start, resume=True)
    parts = run(recipe, "log=1", "checkpoint.steps=3", name="parts", model=start, resume=True)
    assert lines(parts.folder) == lines(whole.folder)
    assert parts.results == whole.results


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["train.image=first"], 'train.image = \'first\'; use "all", "none", "projection", "last:N"'),
        (["train.image=none"], "train.image = 'none' with random weights, which would stay random; name what"),
        (["average.start=0.5"], "average.start = 0.5 with random weights; set model.init, or average.start = 0"),
        (["average.start=1.5"], "average.start = 1.5; give 0.0 to 1.0|average.start = 1.5; give 0 to 1"),
        (["train.layer_decay=0"], "train.layer_decay = 0.0; give 0.01 to 1"),
        (["model.image.sha256=00"], "model.image.sha256 without model.image.init; set model.image.init, or leave"),
        (["model.init=nowhere"], "no model 'nowhere'"),
    ],
)
def test_what_cannot_be_is_refused(recipe, changes, says):
    with pytest.raises(WordsightError) as caught:
        read_recipe(str(recipe), changes)
    assert any(str(caught.value).startswith(one) for one in says.split("|"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["train.image=none", "train.text=none"], 'train.image = train.text = "none": nothing would learn'),
        (["train.image=last:4"], "train.image = 'last:4' of a tower of 3 blocks; give at most last:3, or \"all\""),
    ],
)
def test_what_cannot_learn_is_refused(recipe, start, changes, says):
    with pytest.raises(ConfigError) as caught:
        run(recipe, *changes, model=start)
    assert str(caught.value).startswith(says)


def test_an_architecture_that_is_typed_leaves_nothing_of_the_start(recipe, start):
    config = read_recipe(str(recipe), ["model.architecture=nano-64"], model=str(start))
    assert config.model.image.layers == 3  # what the towers begin from goes before a shape
    recipe.write_text(recipe.read_text().replace("[model]", f'[model]\ninit = "{start}"'))
    config = read_recipe(str(recipe), ["model.architecture=nano-64"])
    assert (config.model.name, config.init.model) == ("nano-64", "")


def test_cached_images_are_as_large_as_the_towers_read(recipe, start):
    recipe.write_text(recipe.read_text().replace("side = 32\n", ""))
    assert read_recipe(str(recipe), model=str(start)).data.side == 112
    assert read_recipe(str(recipe), ["model.image.size=224"], model=str(start)).data.side == 252
