"""Is a `VitSpec` one that can be built?  Free of PyTorch."""

from typing import TYPE_CHECKING

from wordsight.base.errors import ConfigError
from wordsight.towers.parts.rules import check_blocks, multiple, only, same
from wordsight.towers.vit.spec import VitSpec

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec


def check_vit(image: VitSpec, model: "ModelSpec") -> None:
    """Raise `ConfigError`, naming the values and the cure, when the parts of the tower do not fit together."""
    check_blocks(image.size, patch=image.patch, width=image.width, heads=image.heads, drop_path=image.drop_path)
    if image.rotary != "none":
        multiple("image.width / image.heads", image.width // image.heads, "4", 4)
    if image.positions == "sincos":
        multiple("image.width", image.width, "4", 4)
    _stem(image)
    _pool(image, model)
    if model.preprocess.resize == "patches":
        _patches(image, model)


def _stem(image: VitSpec) -> None:
    if image.stem == "conv":
        if image.patch < 2 or image.patch & (image.patch - 1):
            raise ConfigError(
                f"image.patch = {image.patch} with a conv stem", cure="use a power of two, for example 16"
            )
        multiple("image.size", image.size, "image.patch", image.patch)
        multiple("image.width", image.width, "4 * image.patch", 4 * image.patch)
        only("image.patch_bias", image.patch_bias, False, 'image.stem = "conv", which has one of its own')
    if image.stem == "tiered":
        multiple("image.patch", image.patch, "4", 4)
        multiple("image.size", image.size, "image.patch", image.patch)
        multiple("image.width", image.width, "4", 4)
        only("image.patch_bias", image.patch_bias, False, 'image.stem = "tiered", which has its own')
        if not 0 <= 2 * image.stem_padding < image.patch // 4:
            raise ConfigError(
                f"image.stem_padding = {image.stem_padding}",
                cure="give 0 or more, and less than an eighth of image.patch",
            )
    else:
        only("image.stem_padding", image.stem_padding, 0, f'image.stem = "{image.stem}"')


def _pool(image: VitSpec, model: "ModelSpec") -> None:
    if image.projection == "none" and image.pool != "queries":
        same("image.width", image.width, "width (image.projection is none)", model.width)
    heads = image.pool_heads or image.heads
    if image.pool == "class":
        only("image.class_token", image.class_token, (None, True), 'image.pool = "class"')
    elif image.pool == "attention":
        multiple("image.width", image.width, "image.pool_heads", heads)
    elif image.pool == "queries":
        only("image.final_norm", image.final_norm, "pooled", 'image.pool = "queries"')
        if image.pool_queries < 1:
            raise ConfigError(f"image.pool_queries = {image.pool_queries}", cure="give 1 or more")
        multiple("width", model.width, "image.pool_heads", heads)


def _patches(image: VitSpec, model: "ModelSpec") -> None:
    """A tower that keeps the shape of an image."""
    given = 'preprocess.resize = "patches"'
    only("image.stem", image.stem, "patch", given)
    only("image.positions", image.positions, "learned", given)
    only("image.rotary", image.rotary, "none", given)
    only("a class token", image.has_class_token, False, given)
    same("preprocess.patch", model.preprocess.patch, "image.patch", image.patch)
    if model.preprocess.max_patches < 1:
        raise ConfigError(f"preprocess.max_patches = {model.preprocess.max_patches}", cure="give 1 or more")
