"""Is a `ModelSpec` one that can be built?  Free of PyTorch, so that a wrong recipe is refused before anything heavy."""

from dataclasses import fields

from wordsight.base.errors import ConfigError
from wordsight.images.check import check_preprocess
from wordsight.text.padding import check_tokenizer
from wordsight.towers.families import IMAGE_FAMILIES, image_family, text_family
from wordsight.towers.parts.rules import only, same
from wordsight.towers.spec import ModelSpec

LARGEST = 10**7  # of any number in a spec: ten times the largest vocabulary in use
DEEPEST = 1000  # of blocks, ten times the deepest tower in use


def check_numbers(spec: ModelSpec) -> None:
    """Raise `ConfigError` for a number beyond all reason, before anything is counted or made by it."""
    parts = {"": spec, **{f"{name}.": getattr(spec, name) for name in ("image", "text", "preprocess", "tokenizer")}}
    for prefix, part in parts.items():
        for name, value in ((field.name, getattr(part, field.name)) for field in fields(part)):
            limit = DEEPEST if name in ("layers", "stages") else LARGEST
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, int | float) and not abs(number) <= limit:  # also what is no number
                    raise ConfigError(f"{prefix}{name} = {str(number)[:30]}", cure=f"at most {limit:,} makes sense")


def check_spec(spec: ModelSpec) -> None:
    """Raise `ConfigError`, naming the values and the cure, when the parts of `spec` do not fit together."""
    check_numbers(spec)
    check_preprocess(spec.preprocess)
    check_tokenizer(spec.tokenizer)
    text_family(spec.text).check(spec.text, spec)
    image_family(spec.image).check(spec.image, spec)
    if spec.preprocess.resize == "patches":
        kinds = tuple(kind for kind, family in IMAGE_FAMILIES.items() if family.any_shape)
        only("image.kind", spec.image.kind, kinds, 'preprocess.resize = "patches"')
    else:
        same("preprocess.size", spec.preprocess.size, "image.size", spec.image.size)
    tokens = spec.tokenizer
    same("tokenizer.vocabulary_size", tokens.vocabulary_size, "text.vocabulary_size", spec.text.vocabulary_size)
    same("tokenizer.context_length", tokens.context_length, "text.context_length", spec.text.context_length)
    if spec.scale <= 0:
        raise ConfigError(f"scale = {spec.scale}", cure="give a number above 0")
    if (spec.loss == "sigmoid") != (spec.bias is not None):
        raise ConfigError(
            f'loss = "{spec.loss}" with bias = {spec.bias}',
            cure="the sigmoid loss needs a bias, the softmax loss has none",
        )
