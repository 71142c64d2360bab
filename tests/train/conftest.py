"""Eight small pictures with captions, and a recipe that learns them in seconds."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import transformers
from PIL import Image, ImageDraw

from wordsight.base.reading import sha256_file
from wordsight.towers.efficientnet.module import EfficientNetLite
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.weights.formats.efficientnet.names import ENDS, PARTS

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


class BrokenOff(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def broken_off(monkeypatch) -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """Return a context in which a run breaks off when it is about to take a step."""
    from wordsight.train.loop import Learning

    original = Learning._learn

    @contextlib.contextmanager
    def before(step: int) -> Iterator[None]:
        def learn(self, batch, clock):
            if self.step == step:
                raise BrokenOff
            return original(self, batch, clock)

        with monkeypatch.context() as patch, pytest.raises(BrokenOff):
            patch.setattr(Learning, "_learn", learn)
            yield

    return before


@pytest.fixture
def known_towers(tmp_path, monkeypatch) -> list[str]:
    """The files that the recipe align-lite begins from, of random weights, in the current folder; and their hashes."""
    monkeypatch.chdir(tmp_path)
    lite, text = tmp_path / "efficientnet-lite0-57934424.pth", tmp_path / "all-MiniLM-L6-v2"
    torch.manual_seed(0)
    state = EfficientNetLite(EfficientNetSpec(), 8).state_dict()
    named = {_lite_name(name): tensor for name, tensor in state.items() if not name.startswith("proj")}
    torch.save(named | {"_fc.weight": torch.randn(1000, 1280), "_fc.bias": torch.randn(1000)}, lite)
    text.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", *COLOURS, "disc", "square", "."]
    (text / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    shape = {"hidden_size": 384, "num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 64}
    config = transformers.BertConfig(**shape, vocab_size=len(words), max_position_embeddings=64)
    transformers.BertModel(config).save_pretrained(text)
    modules = [
        {"idx": number, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, path, kind in ((0, "", "Transformer"), (1, "1_Pooling", "Pooling"))
    ]
    (text / "modules.json").write_text(json.dumps(modules))
    (text / "1_Pooling").mkdir()
    (text / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    hashes = {"image": lite, "text": text / "model.safetensors"}
    return [f"model.{part}.sha256={sha256_file(path)}" for part, path in hashes.items()]


@pytest.fixture
def lite_name() -> Callable[[str], str]:
    """Return what efficientnet_lite_pytorch calls one of our weights."""
    return _lite_name


def _lite_name(ours: str) -> str:
    blocks, number, rest = ours.split(".", 2) if ours.startswith("blocks.") else ("", "", ours)
    ends = PARTS if blocks else ENDS
    their = next(their for their, begin in ends.items() if their.startswith("_") and rest.startswith(begin))
    return (f"_blocks.{number}." if blocks else "") + their + rest.removeprefix(ends[their])
