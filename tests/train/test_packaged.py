"""The packaged recipes that begin from a model, run on a tiny one: each is short, and does what it says."""

from pathlib import Path

import pytest
import torch

import wordsight.train
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe
from wordsight.weights.folder import load_towers

FOLDER = Path(wordsight.train.__file__).parent / "recipes"
NAMES = ("lora", "tune")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_run_in_seconds(name, start, scenes):
    changes = [f"root={scenes}", f"out={scenes.parent / name}", "steps=3", "batch=8", "schedule.warmup=1", "lr=1e-3"]
    done = train(read_recipe(name, [*changes, "export.precisions=[]"], model=str(start)), device="cpu")
    before, after = load_towers(start).state_dict(), load_towers(done.model).state_dict()
    moved = [key for key in before if not torch.equal(before[key], after[key])]
    assert any(key.startswith("visual.") for key in moved)
    assert "Of every weight, 50% is what it began with." in (done.model / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short_and_careful(name):
    text = (FOLDER / f"{name}.toml").read_text()
    assert len(text.splitlines()) <= 40
    config = read_recipe(name)
    assert (config.init.model, config.average.start) == ("bundled", 0.5)
    assert config.schedule.warmup > 0


def test_the_bundled_models_recipe_aligns_two_known_towers(known_towers, scenes):
    text = (FOLDER / "align-lite.toml").read_text()
    assert len(text.splitlines()) <= 40
    sets = {"flickr8k": ".", "fashion": ".", "tinyimagenet": "."}
    places = [f"data.sources.{name}.place={place}" for name, place in sets.items()]
    splits = ["data.sources.flickr8k.split=all", "data.sources.tinyimagenet.portion=1", "validation.tasks={}"]
    small = [
        "model.image.size=32",
        "model.preprocess.size=32",
        "model.preprocess.scale_to=32",
        "data.side=32",
        "batch=8",
        "steps=3",
        "schedule.warmup=1",
        "precision=fp32",
    ]
    changes = [*known_towers, *places, *splits, *small, f"root={scenes}", "export.precisions=[]", "out=run"]
    done = train(read_recipe("align-lite", changes), device="cpu")
    given = torch.load("efficientnet-lite0-57934424.pth")
    state = load_towers(done.model).state_dict()
    assert torch.equal(state["visual.blocks.9.reduce.conv.weight"], given["_blocks.9._project_conv.weight"])
    assert not torch.equal(state["visual.blocks.10.reduce.conv.weight"], given["_blocks.10._project_conv.weight"])
    card = (done.model / "README.md").read_text()
    assert "efficientnet-lite0-57934424.pth" in card
    assert "all-MiniLM-L6-v2" in card
