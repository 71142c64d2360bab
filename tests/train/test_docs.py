"""The page of recipes names every key there is."""

import dataclasses
from pathlib import Path
from typing import get_type_hints

from wordsight.towers.spec import ModelSpec
from wordsight.train.compose import KEYS
from wordsight.train.config import InitConfig, SourceConfig, TrainConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "train.md"


def keys(kind, prefix=""):
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        name, hint = f"{prefix}{field.name}", hints[field.name]
        if name == "data.sources":
            yield from keys(SourceConfig, "data.sources.NAME.")
        elif name == "validation.tasks":
            yield "validation.tasks.NAME"
        elif hint is ModelSpec:
            yield "model.architecture"
        elif hint is InitConfig:
            yield from (typed for typed, kept in KEYS.items() if kept.removeprefix("init.") in get_type_hints(hint))
        elif dataclasses.is_dataclass(hint):
            yield from keys(hint, f"{name}.")
        else:
            yield name


def test_every_key_is_explained():
    text = PAGE.read_text(encoding="utf-8")
    named = list(keys(TrainConfig))
    assert len(named) > 40
    assert [key for key in named if f"`{key}`" not in text] == []
