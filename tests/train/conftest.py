"""Eight small pictures with captions, and a recipe that learns them in seconds."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

COLOURS = {
    "red": (230, 30, 30),
    "lime": (40, 230, 40),
    "blue": (30, 30, 230),
    "white": (250, 250, 250),
}


@pytest.fixture
def scenes(tmp_path, monkeypatch) -> Path:
    """A folder of pictures with .txt beside them: four colours, disc or square, two captions each."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name, colour in COLOURS.items():
        for shape in ("disc", "square"):
            picture = Image.new("RGB", (32, 32), (90, 90, 90))
            draw = ImageDraw.Draw(picture)
            (draw.ellipse if shape == "disc" else draw.rectangle)((6, 6, 26, 26), fill=colour)
            picture.save(folder / f"{name}-{shape}.png")
            (folder / f"{name}-{shape}.txt").write_text(f"a {name} {shape}\nthe {shape} is {name}\n")
    return folder


RECIPE = """
batch = 8
average = 0.5
log = 4
precision = "fp32"

[model]
name = "speck"
width = 32
image = {{size = 32, width = 32, layers = 1, heads = 2, patch = 8, pool = "mean"}}
text = {{context_length = 16, vocabulary_size = 540, width = 32, layers = 1, heads = 2, dropout = 0.1}}
preprocess = {{size = 32}}
tokenizer = {{vocabulary = "own", vocabulary_size = 540, context_length = 16}}

[data]
root = "{root}"
side = 32

[data.sources.scenes]
place = "scenes"

[optimiser]
lr = 0.003

[schedule]
steps = 16
warmup = 4

[validation]
every = 8

[validation.tasks.scenes]
kind = "retrieval"
place = "scenes"

[export]
precisions = []
"""


@pytest.fixture
def recipe(scenes) -> Path:
    """The recipe as a file beside the pictures."""
    path = scenes.parent / "speck.toml"
    path.write_text(RECIPE.format(root=scenes.parent))
    return path


@pytest.fixture
def start(recipe) -> Path:
    """A model of random weights to begin from, of three blocks a tower."""
    from wordsight.train.loop import train
    from wordsight.train.recipe import read_recipe

    layers = ["model.image.layers=3", "model.text.layers=3", "validation.every=0"]
    config = read_recipe(str(recipe), [f"out={recipe.parent / 'first'}", "steps=1", *layers])
    return train(config, device="cpu").model
