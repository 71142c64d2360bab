"""Every named choice of a configuration is exactly what the table it chooses from holds, and others are refused.

The choices are collected from the dataclasses themselves: a new one is red here until its table is named, or it is
said that the code asks for its values one by one.  The specs of the towers are held by their families.
"""

import argparse
import dataclasses
import typing
from typing import Any, Literal, get_args, get_origin

import pytest

from wordsight.base.config import from_dict
from wordsight.base.errors import ConfigError
from wordsight.data import cache
from wordsight.embeddings import bulk, store
from wordsight.evaluate.tasks import TaskSpec
from wordsight.images import resize, sampling
from wordsight.text.clean import _CLEANERS
from wordsight.text.open import TOKENIZERS
from wordsight.towers.graph import precision
from wordsight.towers.parts import blocks
from wordsight.towers.tower_spec import Activation
from wordsight.train import schedule
from wordsight.train.config import TrainConfig

TABLES = {  # Class.field: what it chooses from
    "TokenizerSpec.kind": set(TOKENIZERS),
    "TokenizerSpec.cleaning": set(_CLEANERS),
    "PreprocessSpec.interpolation": {*resize._SUPPORT, *get_args(sampling.Plain)},
    "ScheduleConfig.kind": set(schedule.SHAPES),
    "DataConfig.resize": set(get_args(cache.Resize)),
}
SOME_OF = {  # of a larger table, those that make sense there
    "ExportConfig.precisions": set(precision.PRECISIONS),
    "TrainConfig.precision": {"auto", "fp32", "bf16", "fp16"},
}
ASKED_FOR = {  # no table: the code asks for one value or the other
    "TokenizerSpec.vocabulary",
    "TaskSpec.naming",
    "TokenizerSpec.padding",
    "TokenizerSpec.padding_side",
    "PreprocessSpec.resize",
    "PreprocessSpec.crop",
    "PreprocessSpec.rgb",
    "DataConfig.pictures",
    "LearnConfig.features",
    "LearnConfig.statistics",
    "GuardConfig.action",
    "ExportConfig.size",
}


def choices(hint: Any) -> tuple | None:
    """The values of a Literal, also inside a tuple or beside None."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next((found for part in get_args(hint) if (found := choices(part))), None)


def collected() -> dict[str, tuple[type, str, tuple]]:
    """Class.field -> the class, the field and its values, of everything that can be written in a recipe."""
    found, waiting, seen = {}, [TrainConfig, TaskSpec], set()
    while waiting:
        kind = waiting.pop()
        if kind in seen:
            continue
        seen.add(kind)
        for name, hint in typing.get_type_hints(kind).items():
            for part in (hint, *get_args(hint)):
                if dataclasses.is_dataclass(part):
                    waiting.append(part)
            values = choices(hint)
            if values and not kind.__module__.startswith("wordsight.towers"):
                found[f"{kind.__name__}.{name}"] = (kind, name, values)
    return found


FIELDS = collected()


def test_every_choice_has_its_table():
    assert set(FIELDS) == {*TABLES, *SOME_OF, *ASKED_FOR}


@pytest.mark.parametrize("field", TABLES)
def test_a_choice_is_its_table(field):
    assert set(FIELDS[field][2]) == TABLES[field]


@pytest.mark.parametrize("field", SOME_OF)
def test_a_choice_is_some_of_its_table(field):
    assert set(FIELDS[field][2]) < SOME_OF[field]


@pytest.mark.parametrize("field", FIELDS)
def test_another_value_is_refused_with_those_there_are(field):
    kind, name, values = FIELDS[field]
    several = get_origin(typing.get_type_hints(kind)[name]) is tuple
    needed = {
        f.name: {}
        for f in dataclasses.fields(kind)
        if f.default is f.default_factory is dataclasses.MISSING and f.name != name
    }
    with pytest.raises(ConfigError) as caught:
        from_dict(kind, {name: ["no such"] if several else "no such", **needed})
    assert str(caught.value) == (
        f"{name}{'[0]' if several else ''} = 'no such'; use one of {', '.join(map(repr, values))}"
    )


def options(module: Any) -> dict[str, tuple]:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return {action.dest: tuple(action.choices) for action in parser._actions if action.choices}


def test_choices_of_the_command_line_are_the_tables():
    from wordsight.cli import convert, embed

    assert set(options(embed)["format"]) == set(get_args(store.StoreLayout))
    assert set(options(embed)["what"]) == set(get_args(bulk.What))
    assert set(options(convert)["precision"]) == set(precision.PRECISIONS)


def test_types_are_their_tables():
    assert set(get_args(precision.Precision)) == set(precision.PRECISIONS)
    assert set(get_args(Activation)) == set(blocks.ACTIVATIONS)
    assert set(get_args(resize.Filter)) == set(resize._SUPPORT)
    assert set(get_args(store.Kind)) == set(get_args(bulk.What)) - {"both"}
