"""Is a `PreprocessSpec` one that can be carried out?"""

from wordsight.base.errors import ConfigError
from wordsight.images.spec import PreprocessSpec


def check_preprocess(spec: PreprocessSpec) -> None:
    """Raise `ConfigError`, naming the value and the cure, for what no image could be prepared by."""
    if spec.size < 1 or spec.scale_to < 0:
        raise ConfigError(
            f"preprocess.size = {spec.size}, scale_to = {spec.scale_to}", cure="give a size of 1 pixel or more"
        )
    if spec.resize == "patches" and min(spec.patch, spec.max_patches) < 1:
        raise ConfigError(
            f"preprocess.patch = {spec.patch} and preprocess.max_patches = {spec.max_patches} with resize patches",
            cure="give both",
        )
    if not 0 <= spec.fill <= 255:
        raise ConfigError(f"preprocess.fill = {spec.fill}", cure="give a level from 0 to 255")
    if not min(spec.std) > 0:
        raise ConfigError(f"preprocess.std = {spec.std}", cure="give numbers above 0")
    filled = spec.resize == "longest" or 0 < spec.scale_to < spec.size
    if not spec.antialias and (spec.interpolation in ("bicubic", "lanczos") or spec.rgb == "after" or filled):
        raise ConfigError(
            f"no antialiasing with {spec.interpolation}, rgb {spec.rgb} and resize {spec.resize}",
            cure="it is known for bilinear and nearest, with rgb before and nothing to fill",
        )
