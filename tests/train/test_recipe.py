"""Recipes: what can be written, changed and is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import ConfigError, NotFound, UsageError, WordsightError
from wordsight.cli.main import main
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.catalogue import architecture
from wordsight.towers.timm.spec import TimmSpec
from wordsight.train.check import check_config
from wordsight.train.config import TrainConfig, duration
from wordsight.train.loop import train
from wordsight.train.packaged import recipe_names
from wordsight.train.probe_recipe import is_probe, read_probe
from wordsight.train.recipe import read_recipe

PYTHON = """
from wordsight.towers.catalogue import architecture
from wordsight.train.config import TrainConfig, DataConfig, ScheduleConfig, SourceConfig

def recipe():
    data = DataConfig(sources={"one": SourceConfig("there")})
    return TrainConfig(data=data, model=architecture("nano-64"), schedule=ScheduleConfig(steps=7))
"""


def test_a_toml_recipe_names_an_architecture_and_changes_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[model]\narchitecture = "tiny-96"\nimage = {layers = 3}\n[data.sources.one]\nplace = "x"\n[schedule]\nsteps = 9\n'
    )
    config = read_recipe(str(path), ["model.image.drop_path=0.1"])
    plain = architecture("tiny-96")
    assert (config.model.image.layers, config.model.image.drop_path) == (3, 0.1)
    assert (config.model.text, config.model.image.width) == (plain.text, plain.image.width)
    assert (config.name, config.out) == ("mine", "runs/mine")
    other = read_recipe(str(path), ["model.architecture=nano-64"])
    assert other.model == architecture("nano-64")


def test_a_python_recipe_can_be_changed_like_any_other(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PYTHON)
    config = read_recipe(str(path), ["lr=0.5", "data.sources.one.weight=2", "model.architecture=tiny-96"])
    assert config.model == architecture("tiny-96")
    assert (config.optimiser.lr, config.data.sources["one"].weight, config.schedule.steps) == (0.5, 2.0, 7)


def test_a_config_survives_being_written(recipe):
    config = read_recipe(str(recipe))
    assert from_dict(TrainConfig, to_dict(config)) == config


def test_the_short_budget(recipe):
    config = read_recipe(str(recipe), ["budget=20m"])
    assert config.schedule.seconds == 1200.0
    assert config.schedule.length(8) is None
    assert read_recipe(str(recipe), ["budget=90"]).schedule.seconds == 90.0


def test_a_length_that_is_typed_replaces_the_recipes(recipe):
    assert read_recipe(str(recipe), ["samples=80"]).schedule.length(8) == 10
    assert read_recipe("pairs", ["steps=5"]).schedule.length(8) == 5
    with pytest.raises(ConfigError, match="leave one out"):
        read_recipe(str(recipe), ["samples=80", "steps=5"])


def test_samples_are_steps_of_a_batch(recipe):
    text = recipe.read_text().replace("steps = 16", "samples = 100")
    recipe.write_text(text)
    assert read_recipe(str(recipe)).schedule.length(8) == 12


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1.5h", 5400), (" 2 m", 120), (30, 30)])
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3m", "0", "20 minutes"])
def test_wrong_durations(text):
    with pytest.raises(ConfigError, match="20m"):
        duration(text)


def test_packaged_recipes_are_whole(known_towers):
    assert set(recipe_names()) >= {"align-lite", "pairs", "probe", "scenes", "tune", "lora"}
    for name in recipe_names():
        changes = known_towers if name == "align-lite" else []
        assert (read_probe(name) if is_probe(name) else read_recipe(name, changes)).name == name


def test_the_recipes_beside_the_package_are_whole():
    paths = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.*"))
    assert paths
    for path in paths:
        assert read_recipe(str(path)).out == f"runs/{path.stem}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("optimiser.learning_rate=1", "optimiser.learning_rate"),
        ("model.image.depth=3", "model.image.depth"),
        ("schedule.kind=linear", "cosine"),
        ("schedule.cooldown=1.5", "0 to 1"),
        ("batch=1", "batch = 1 has no negatives: a pair is told from the others of its batch; give 2 or more"),
        ("batch=many", "batch = 'many' is text; give a whole number, for example 256"),
        ("lr=fast", "optimiser.lr = 'fast' is text; give a number, for example 0.001"),
        ("lr=inf", "optimiser.lr = inf; give a finite number, 0 or more"),
        ("optimiser.betas=[0.9, 1]", r"optimiser.betas\[1\] = 1.0; give 0 to 0.999999"),
        ("optimiser.eps=-1", "optimiser.eps = -1.0"),
        ("seed=-1", "seed = -1"),
        ("augment.scale=[0, 1]", r"augment.scale\[0\] = 0.0; give 0.01 to 1.0"),
        ("augment.ratio=[2, 1]", r"augment.ratio\[1\] = 1.0; give a finite number, 2.0 or more"),
        ("augment.flip=2", "augment.flip = 2.0; give 0 to 1"),
        ("data.side=0", "data.side = 0; give 1 to 4096"),
        ("data.held_out=1", "data.held_out = 1.0; give 0 to 0.5"),
        ("checkpoint.seconds=-1", "checkpoint.seconds = -1.0"),
        ("model.width=0", "model.width = 0"),
        ("image.heads=7", r"unknown key image.heads; did you mean model.image.heads\?"),
        ("heads=7", r"unknown key heads; did you mean model.image.heads or model.text.heads\?"),
        (
            "kind=eva",
            r"did you mean data.sources.scenes.kind or model.image.kind or model.text.kind or model.tokenizer.kind or "
            r"schedule.kind or validation.tasks.scenes.kind\?",
        ),
        ("warmpu=3", r"unknown key warmpu; did you mean schedule.warmup\?"),
        (
            "model.image.heads=7",
            r"model.image.width = 32 is not a multiple of model.image.heads \(7\); "
            "give model.image.heads a divisor of it, or model.image.width a multiple of 7",
        ),
        ("model.scale=0", "model.scale = 0.0; give a number above 0"),
        ("model.loss=sigmoid", 'model.loss = "sigmoid" with model.bias = None'),
        ("validation.tasks.more.kind=retrieval", "validation.tasks.more.place is missing"),
        ("model.architecture=tiny-95", "tiny-96"),
        ("data.sources.scenes.weight=-1", "weight = -1"),
        ("budget=later", "budget"),
        ("model.preprocess.size=64", "preprocess.size"),
        ("model.init=", 'model.init = ""; give the name, file or folder of a model, or leave it out'),
        ("model.image.init='  '", 'model.image.init = ""; give the name'),
        ("model.init=3", "model.init = 3 is a whole number; give text"),
        ("model.text.sha256=7", "model.text.sha256 = 7 is a whole number; give text"),
        ("guard.tasks=3", "guard.tasks = 3 is a whole number; give a group of keys"),
        ("train.views=3", 'train.views = 3 with train.image = "all": no features of images are kept; leave it out'),
        ("data.sources.scenes.views=3", "data.sources.scenes.views = 3 with train.image"),
        ("train.dropout=0.5", 'train.dropout = 0.5 with train.image = "all": no features before a projection are kept'),
    ],
)
def test_wrong_values_are_refused_by_name(recipe, change, says):
    with pytest.raises(WordsightError, match=says):
        config = read_recipe(str(recipe), [change])
        assert config.schedule.seconds


def test_another_family_for_a_tower_keeps_what_both_have(recipe):
    config = read_recipe(str(recipe), ["model.image.kind=eva", "model.image.rotary=eva"])
    before = read_recipe(str(recipe)).model.image
    image = config.model.image
    assert (image.kind, image.rotary) == ("eva", "eva")
    assert (image.width, image.layers, image.pool) == (before.width, before.layers, before.pool)
    assert read_recipe(str(recipe), ["model.image.kind=vit"]).model.image == before


def test_unknown_recipes_name_the_near_ones(tmp_path):
    known = f"the recipes that come with the package are {', '.join(recipe_names())}; a file ends in .toml or .py"
    for name in ("pair", "pairs.toml"):
        with pytest.raises(NotFound, match=f"no recipe {name}; did you mean pairs\\? {known}"):
            read_recipe(name)
    with pytest.raises(NotFound, match=f"no recipe nothere.toml; {known}"):
        read_recipe("nothere.toml")
    with pytest.raises(NotFound, match="lost"):
        read_recipe(str(tmp_path / "lost.toml"))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ConfigError, match="recipe"):
        read_recipe(str(tmp_path / "empty.py"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "import nothing_of_the_kind",
            r"mine.py, line 1: ModuleNotFoundError: No module named 'nothing_of_the_kind'; ",
        ),
        ("def recipe(:", "mine.py, line 1: SyntaxError: "),
        (
            "\ndef recipe():\n    return 1 / 0",
            "mine.py, line 3: ZeroDivisionError: division by zero; correct the recipe",
        ),
        ("def recipe():\n    return 1", r"recipe\(\) of .*mine.py returned int; return a TrainConfig"),
    ],
)
def test_faults_of_a_python_recipe_name_its_line(tmp_path, text, says):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_recipe(str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("schedule = 5", "schedule"),
        ("data = 5", "data = 5 is a whole number; give a group of keys, for example data.sources"),
        ("data.sources.a = 5", "data.sources.a = 5 is a whole number"),
        ("model.name = ''\nmodel.image = 5", "model.image = 5 is a whole number"),
        ("model.name = ''\nmodel.image.kind = []", r"model.image.kind = \[\]; use one of"),
    ],
)
def test_a_value_where_a_group_belongs_is_named(tmp_path, line, says):
    (tmp_path / "mine.toml").write_text(f"data.sources.b.place = 'x'\n{line}\n" if "model" in line else f"{line}\n")
    with pytest.raises(ConfigError, match=says):
        read_recipe(str(tmp_path / "mine.toml"), ["steps=3", "model.image.kind=eva"] if "model" not in line else [])


@pytest.mark.parametrize(
    ("part", "other", "said"),
    [
        ("image", TimmSpec(), r"loss\.words = 0\.5 with model\.image\.kind = 'timm'; .* to vit or resnet or eva"),
        ("tokenizer", TokenizerSpec(kind="sentencepiece"), r"model\.tokenizer\.kind = 'sentencepiece'; .* to clip-bpe"),
    ],
)
def test_naming_the_words_is_for_towers_whose_tokens_it_knows(recipe, part, other, said):
    config = read_recipe(str(recipe), ["loss.words=0"])
    model = replace(config.model, **{part: other})
    check_config(replace(config, model=model))
    with pytest.raises(ConfigError, match=said):
        check_config(replace(config, model=model, loss=replace(config.loss, words=0.5)))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (["data.sources.scenes.place=both"], "data.sources.scenes"),
        (["validation.tasks.scenes.place=both"], "validation.tasks.scenes"),
        (["guard.tasks.more.kind=retrieval", "guard.tasks.more.place=both", "init.model=START"], "guard.tasks.more"),
    ],
)
def test_where_several_splits_lie_the_key_is_named(recipe, start, changes, key):
    folder = recipe.parent
    assert main(["data", "pack", str(folder / "scenes"), "--out", str(folder / "both")]) == 0
    (shard,) = (folder / "both").glob("*.tar")
    shutil.copy(shard, folder / "both" / "val-0000.tar")
    shard.rename(folder / "both" / "train-0000.tar")
    changes = [change.replace("START", str(start)) for change in changes]
    with pytest.raises(UsageError) as caught:
        train(read_recipe(str(recipe), [f"out={folder / 'run'}", *changes]), device="cpu")
    cure = f"name one with {key}.split=NAME, or all of them with {key}.split=all"
    assert str(caught.value) == f"several splits lie in {folder / 'both'}: train, val; {cure}"
