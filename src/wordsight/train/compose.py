"""The table `model` of a recipe that begins from known weights: whose shape the towers have.

    values = move_init(values)                       # `model.image.init` and its like, to the table `init`
    values = set_aside(values, changes)              # what a start that was typed takes the place of
    values["model"] = compose(values, starts)

A tower has the shape, preprocessing and tokenizer of what it begins from; what a recipe says besides is laid over it.
Free of PyTorch.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from wordsight.base.config import to_dict
from wordsight.base.errors import ConfigError
from wordsight.base.progress import notice
from wordsight.towers.catalogue import architecture
from wordsight.towers.spec import ModelSpec
from wordsight.train.init import Start, Starts
from wordsight.weights.resize import resized_image, resized_preprocess

BELOW: dict[Literal["image", "text"], str] = {
    "image": "preprocess",
    "text": "tokenizer",
}  # a tower, and what belongs to its weights besides
KEYS = {  # as they are typed: as they are kept
    "model.init": "init.model",
    "model.sha256": "init.model_sha256",
    "model.image.init": "init.image",
    "model.image.sha256": "init.image_sha256",
    "model.text.init": "init.text",
    "model.text.sha256": "init.text_sha256",
}


def move_init(values: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's values with what its table `model` says of starts in the table `init`."""
    if not isinstance(values.get("model"), dict):
        return values
    model, init = copy.deepcopy(values["model"]), dict(values.get("init", {}))
    for typed, kept in KEYS.items():
        *tower, key = typed.split(".")[1:]
        table = model.get(tower[0]) if tower else model
        if isinstance(table, dict) and key in table:
            init[kept.removeprefix("init.")] = table.pop(key)
    model = {key: value for key, value in model.items() if value != {}}
    return {**values, "model": model, "init": init}


def set_aside(values: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return a recipe's values without what it says of towers that begin from what was typed instead."""
    typed = {change.partition("=")[0].strip() for change in changes}
    model, init = dict(values.get("model", {})), dict(values.get("init", {}))
    if "init.model" in typed:
        if model:
            named = model.get("architecture", model.get("name", "its own"))
            notice(
                f"the recipe's model ({named}) is set aside: both towers begin from what --model or model.init names"
            )
        model, init = {}, {}
    for part, below in BELOW.items():
        if f"init.{part}" in typed:
            model.pop(part, None)
            model.pop(below, None)
            init.pop(f"{part}_sha256", None)
    return {**values, "model": model, "init": init}


def compose(values: dict[str, Any], starts: Starts) -> dict[str, Any]:
    """Return a whole model: that of the starts, else of the architecture, with the recipe's other keys laid over."""
    own = values.get("model", {})
    if not isinstance(own, dict):
        raise ConfigError(f"model = {own!r}", cure='write model.architecture = "NAME"')
    named = own.get("architecture")
    base = {} if named is None else to_dict(architecture(str(named)))
    if starts.model is not None and starts.model.spec is not None:
        base = to_dict(starts.model.spec)
        if named is not None:
            notice(f"model.architecture = {named} is set aside: both towers begin from {starts.model.facts['name']}")
    base |= _towers(starts)
    if starts.facts():
        base.setdefault("name", values.get("name", "model"))
        for part in BELOW:
            if part not in base and part not in own:
                start = starts.of(part)
                why = "neither a start nor a shape" if start is None else f"no shape that {start.facts['name']} states"
                cure = "name model.architecture, or what both towers begin from"
                raise ConfigError(f"the {part} tower has {why}", cure=cure)
    return merge(base, {key: value for key, value in own.items() if key != "architecture"})


def _towers(starts: Starts) -> dict[str, Any]:
    """Return the keys of the towers that begin each from its own start, with the width of the space where it is one."""
    base: dict[str, Any] = {}
    widths = set()
    for part, below in BELOW.items():
        start: Start | None = getattr(starts, part)
        trunk = None if start is None else getattr(start, part)
        if start is not None and trunk is not None:
            base[part], base[below] = to_dict(trunk.spec), to_dict(getattr(trunk, below))
            widths |= {start.spec.width} if start.spec is not None else set()
    return base | ({"width": widths.pop()} if len(base) > 2 and len(widths) == 1 else {})


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay nested keys over others; a tower of another kind takes the whole place."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and value.get("kind") in (None, old.get("kind")):
            value = merge(old, value)
        merged[key] = value
    return merged


def sized(model: ModelSpec, starts: Starts) -> ModelSpec:
    """Return the model with preprocessing and tokenizer of the sizes that its towers are stated to have."""
    image, text = starts.of("image"), starts.of("text")
    if image is not None and image.image is not None:
        before, size = image.image, model.image.size
        if size != before.spec.size and model.preprocess == before.preprocess:
            resized = resized_image(replace(model.image, size=before.spec.size), size)
            model = replace(model, image=resized, preprocess=resized_preprocess(before.preprocess, size))
    if text is not None and text.text is not None and model.tokenizer == text.text.tokenizer:
        tokenizer = replace(model.tokenizer, context_length=model.text.context_length)
        model = replace(model, tokenizer=tokenizer)
    return model
