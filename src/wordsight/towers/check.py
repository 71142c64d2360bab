"""Is a `ModelSpec` one that can be built?  Free of PyTorch, so that a wrong recipe is refused before anything heavy."""

from dataclasses import fields

from wordsight.base.errors import ConfigError
from wordsight.images.check import check_preprocess
from wordsight.text.padding import check_tokenizer
from wordsight.towers.eva.shapes import check_eva
from wordsight.towers.parts.rules import multiple, only, same
from wordsight.towers.resnet.shapes import REDUCTION
from wordsight.towers.spec import ImageTowerSpec, ModelSpec, TextTowerSpec
from wordsight.towers.timm.options import check_timm
from wordsight.towers.transformers.options import check_transformers_image, check_transformers_text

LARGEST = 10**7  # of any number in a spec: ten times the largest vocabulary in use
DEEPEST = 1000  # of blocks, ten times the deepest tower in use
RESNET_STAGES = 4

VIT_ONLY = {"mlp": "plain", "inner_norm": False, "attention_bias": "all", "norm": "layer", "norm_order": "pre"}


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
    _text(spec)
    _image(spec.image)
    if spec.image.projection == "none" and spec.image.kind in ("vit", "eva") and spec.image.pool != "queries":
        same("image.width", spec.image.width, "width (image.projection is none)", spec.width)
    if spec.image.kind == "vit" and spec.image.pool == "queries":
        multiple("width", spec.width, "image.pool_heads", spec.image.pool_heads or spec.image.heads)
    if spec.preprocess.resize == "patches":
        _patches(spec)
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


def _text(spec: ModelSpec) -> None:
    text = spec.text
    if text.kind == "transformers":
        check_transformers_text(text)
    if text.kind != "clip":
        return
    multiple("text.width", text.width, "text.heads", text.heads)
    if text.mixer < 0 or (text.mixer and text.mixer % 2 == 0):
        raise ConfigError(f"text.mixer = {text.mixer}", cure="give an odd number, or 0 for none")
    if text.mixer and text.pool == "class":
        raise ConfigError(f'text.mixer = {text.mixer} with text.pool = "class"', cure='set text.pool = "end"')
    if text.projection == "none":
        same("text.width", text.width, "width (text.projection is none)", spec.width)
    if spec.tokenizer.padding != "full" and reads_padding(text):
        raise ConfigError(
            f'tokenizer.padding = "{spec.tokenizer.padding}" with text.mask = "{text.mask}", text.pool = "{text.pool}"',
            cure='this tower reads the padding too: set tokenizer.padding = "full"',
        )


def reads_padding(text: TextTowerSpec) -> bool:
    """Return whether a text's row depends on how far it is filled up."""
    if text.mixer:  # which reaches over the end of the text
        return True
    if text.mask == "causal":
        return text.pool not in ("end", "first")
    return text.mask == "none" or text.pool not in ("end", "first", "mean")


def _image(image: ImageTowerSpec) -> None:
    if image.kind == "timm":
        check_timm(image)
    elif image.kind == "transformers":
        check_transformers_image(image)
    elif image.kind == "resnet":
        _resnet(image)
    elif image.kind in ("vit", "eva"):
        if image.stages:
            raise ConfigError(f"image.stages = {list(image.stages)} in a vit", cure="leave it out, or set image.kind")
        multiple("image.width", image.width, "image.heads", image.heads)
        if image.patch < 1 or image.size < image.patch:  # what is beyond the last whole patch is not looked at
            raise ConfigError(f"image.size = {image.size} with image.patch = {image.patch}", cure="give a larger size")
        if image.rotary != "none":
            multiple("image.width / image.heads", image.width // image.heads, "4", 4)
        if not 0.0 <= image.drop_path < 1.0:
            raise ConfigError(f"image.drop_path = {image.drop_path}", cure="give a share from 0 to below 1")
        if image.kind == "vit":
            _vit(image)
        else:
            check_eva(image)


def _resnet(image: ImageTowerSpec) -> None:
    if len(image.stages) != RESNET_STAGES or min(image.stages) < 1:
        raise ConfigError(f"image.stages = {list(image.stages)}", cure="a resnet has four stages of one block or more")
    multiple("image.width", image.width, "2", 2)
    multiple("image.width * 32", image.width * 32, "image.heads", image.heads)
    multiple("image.size", image.size, "32", REDUCTION)


def _vit(image: ImageTowerSpec) -> None:
    if image.positions == "sincos":
        multiple("image.width", image.width, "4", 4)
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
    if image.pool == "class":
        only("image.class_token", image.class_token, (None, True), 'image.pool = "class"')
    only("image.pool", image.pool, ("class", "mean", "attention", "queries"), 'image.kind = "vit"')
    if image.pool == "attention":
        heads = image.pool_heads or image.heads
        multiple("image.width", image.width, "image.pool_heads", heads)
    if image.pool == "queries":
        only("image.final_norm", image.final_norm, "pooled", 'image.pool = "queries"')
        if image.pool_queries < 1:
            raise ConfigError(f"image.pool_queries = {image.pool_queries}", cure="give 1 or more")
    only("image.rotary", image.rotary, ("none", "perception"), 'image.kind = "vit"')
    for name, value in VIT_ONLY.items():
        only(f"image.{name}", getattr(image, name), value, 'image.kind = "vit"')


def _patches(spec: ModelSpec) -> None:
    """A tower that keeps the shape of a picture."""
    image, given = spec.image, 'preprocess.resize = "patches"'
    if image.kind in ("onnx", "transformers"):
        return
    only("image.kind", image.kind, "vit", given)
    only("image.stem", image.stem, "patch", given)
    only("image.positions", image.positions, "learned", given)
    only("image.rotary", image.rotary, "none", given)
    only("a class token", image.has_class_token, False, given)
    same("preprocess.patch", spec.preprocess.patch, "image.patch", image.patch)
    if spec.preprocess.max_patches < 1:
        raise ConfigError(f"preprocess.max_patches = {spec.preprocess.max_patches}", cure="give 1 or more")
