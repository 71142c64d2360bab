"""Is a `ModelSpec` one that can be built?  Free of PyTorch, so that a wrong recipe is refused before anything heavy."""

from wordsight.base.errors import ConfigError
from wordsight.towers.spec import ImageTowerSpec, ModelSpec

RESNET_STAGES = 4
RESNET_REDUCTION = 32  # pixels of the picture for each cell of the last grid, along one side


def check_spec(spec: ModelSpec) -> None:
    """Raise `ConfigError`, naming the values and the cure, when the parts of `spec` do not fit together."""
    _multiple("text.width", spec.text.width, "text.heads", spec.text.heads)
    _image(spec.image)
    _same("preprocess.size", spec.preprocess.size, "image.size", spec.image.size)
    tokens = spec.tokenizer
    _same("tokenizer.vocabulary_size", tokens.vocabulary_size, "text.vocabulary_size", spec.text.vocabulary_size)
    _same("tokenizer.context_length", tokens.context_length, "text.context_length", spec.text.context_length)
    if spec.scale <= 0:
        raise ConfigError(f"scale = {spec.scale}", cure="give a number above 0")
    if (spec.loss == "sigmoid") != (spec.bias is not None):
        raise ConfigError(
            f'loss = "{spec.loss}" with bias = {spec.bias}',
            cure="the sigmoid loss needs a bias, the softmax loss has none",
        )


def _image(image: ImageTowerSpec) -> None:
    if image.kind == "resnet":
        if len(image.stages) != RESNET_STAGES or min(image.stages) < 1:
            raise ConfigError(
                f"image.stages = {list(image.stages)}", cure="a resnet has four stages of one block or more"
            )
        _multiple("image.width", image.width, "2", 2)
        _multiple("image.width * 32", image.width * 32, "image.heads", image.heads)
        _multiple("image.size", image.size, "32", RESNET_REDUCTION)
        return
    if image.stages:
        raise ConfigError(f"image.stages = {list(image.stages)} in a vit", cure="leave it out, or set image.kind")
    _multiple("image.width", image.width, "image.heads", image.heads)
    _multiple("image.size", image.size, "image.patch", image.patch)
    if image.positions == "sincos":
        _multiple("image.width", image.width, "4", 4)
    if image.stem == "conv":
        if image.patch < 2 or image.patch & (image.patch - 1):
            raise ConfigError(
                f"image.patch = {image.patch} with a conv stem", cure="use a power of two, for example 16"
            )
        _multiple("image.width", image.width, "4 * image.patch", 4 * image.patch)
    if not 0.0 <= image.drop_path < 1.0:
        raise ConfigError(f"image.drop_path = {image.drop_path}", cure="give a share from 0 to below 1")


def _multiple(name: str, value: int, of: str, divisor: int) -> None:
    if divisor < 1 or value < 1 or value % divisor:
        cure = f"make it a multiple of {divisor}" if divisor >= 1 else f"give {of} a value above 0"
        raise ConfigError(f"{name} = {value} is not a multiple of {of} ({divisor})", cure=cure)


def _same(name: str, value: int, other: str, expected: int) -> None:
    if value != expected:
        raise ConfigError(f"{name} = {value} but {other} = {expected}", cure="give both the same value")
