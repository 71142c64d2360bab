"""Is a `ModelSpec` one that can be built?  Free of PyTorch, so that a wrong recipe is refused before anything heavy."""

from dataclasses import fields

from wordsight.base.errors import ConfigError
from wordsight.images.check import check_preprocess
from wordsight.text.padding import check_tokenizer
from wordsight.towers.eva_shapes import check_eva
from wordsight.towers.external_check import check_external_image, check_external_text
from wordsight.towers.spec import ImageTowerSpec, ModelSpec, TextTowerSpec

LARGEST = 10**7  # of any number in a spec: ten times the largest vocabulary in use
DEEPEST = 1000  # of blocks, ten times the deepest tower in use
RESNET_STAGES = 4
RESNET_REDUCTION = 32  # pixels of the picture for each cell of the last grid, along one side

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
        _same("image.width", spec.image.width, "width (image.projection is none)", spec.width)
    if spec.image.kind == "vit" and spec.image.pool == "queries":
        _multiple("width", spec.width, "image.pool_heads", spec.image.pool_heads or spec.image.heads)
    if spec.preprocess.resize == "patches":
        _patches(spec)
    else:
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


def _text(spec: ModelSpec) -> None:
    text = spec.text
    if text.kind == "transformers":
        check_external_text(text)
    if text.kind != "clip":
        return
    _multiple("text.width", text.width, "text.heads", text.heads)
    if text.mixer < 0 or (text.mixer and text.mixer % 2 == 0):
        raise ConfigError(f"text.mixer = {text.mixer}", cure="give an odd number, or 0 for none")
    if text.mixer and text.pool == "class":
        raise ConfigError(f'text.mixer = {text.mixer} with text.pool = "class"', cure='set text.pool = "end"')
    if text.projection == "none":
        _same("text.width", text.width, "width (text.projection is none)", spec.width)
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
    if image.kind in ("timm", "transformers"):
        check_external_image(image)
    elif image.kind == "resnet":
        _resnet(image)
    elif image.kind in ("vit", "eva"):
        if image.stages:
            raise ConfigError(f"image.stages = {list(image.stages)} in a vit", cure="leave it out, or set image.kind")
        _multiple("image.width", image.width, "image.heads", image.heads)
        if image.patch < 1 or image.size < image.patch:  # what is beyond the last whole patch is not looked at
            raise ConfigError(f"image.size = {image.size} with image.patch = {image.patch}", cure="give a larger size")
        if image.rotary != "none":
            _multiple("image.width / image.heads", image.width // image.heads, "4", 4)
        if not 0.0 <= image.drop_path < 1.0:
            raise ConfigError(f"image.drop_path = {image.drop_path}", cure="give a share from 0 to below 1")
        if image.kind == "vit":
            _vit(image)
        else:
            check_eva(image)


def _resnet(image: ImageTowerSpec) -> None:
    if len(image.stages) != RESNET_STAGES or min(image.stages) < 1:
        raise ConfigError(f"image.stages = {list(image.stages)}", cure="a resnet has four stages of one block or more")
    _multiple("image.width", image.width, "2", 2)
    _multiple("image.width * 32", image.width * 32, "image.heads", image.heads)
    _multiple("image.size", image.size, "32", RESNET_REDUCTION)


def _vit(image: ImageTowerSpec) -> None:
    if image.positions == "sincos":
        _multiple("image.width", image.width, "4", 4)
    if image.stem == "conv":
        if image.patch < 2 or image.patch & (image.patch - 1):
            raise ConfigError(
                f"image.patch = {image.patch} with a conv stem", cure="use a power of two, for example 16"
            )
        _multiple("image.size", image.size, "image.patch", image.patch)
        _multiple("image.width", image.width, "4 * image.patch", 4 * image.patch)
        _only("image.patch_bias", image.patch_bias, False, 'image.stem = "conv", which has one of its own')
    if image.stem == "tiered":
        _multiple("image.patch", image.patch, "4", 4)
        _multiple("image.size", image.size, "image.patch", image.patch)
        _multiple("image.width", image.width, "4", 4)
        _only("image.patch_bias", image.patch_bias, False, 'image.stem = "tiered", which has its own')
        if not 0 <= 2 * image.stem_padding < image.patch // 4:
            raise ConfigError(
                f"image.stem_padding = {image.stem_padding}",
                cure="give 0 or more, and less than an eighth of image.patch",
            )
    else:
        _only("image.stem_padding", image.stem_padding, 0, f'image.stem = "{image.stem}"')
    if image.pool == "class":
        _only("image.class_token", image.class_token, (None, True), 'image.pool = "class"')
    _only("image.pool", image.pool, ("class", "mean", "attention", "queries"), 'image.kind = "vit"')
    if image.pool == "attention":
        heads = image.pool_heads or image.heads
        _multiple("image.width", image.width, "image.pool_heads", heads)
    if image.pool == "queries":
        _only("image.final_norm", image.final_norm, "pooled", 'image.pool = "queries"')
        if image.pool_queries < 1:
            raise ConfigError(f"image.pool_queries = {image.pool_queries}", cure="give 1 or more")
    _only("image.rotary", image.rotary, ("none", "perception"), 'image.kind = "vit"')
    for name, value in VIT_ONLY.items():
        _only(f"image.{name}", getattr(image, name), value, 'image.kind = "vit"')


def _patches(spec: ModelSpec) -> None:
    """A tower that keeps the shape of a picture."""
    image, given = spec.image, 'preprocess.resize = "patches"'
    if image.kind in ("onnx", "transformers"):
        return
    _only("image.kind", image.kind, "vit", given)
    _only("image.stem", image.stem, "patch", given)
    _only("image.positions", image.positions, "learned", given)
    _only("image.rotary", image.rotary, "none", given)
    _only("a class token", image.has_class_token, False, given)
    _same("preprocess.patch", spec.preprocess.patch, "image.patch", image.patch)
    if spec.preprocess.max_patches < 1:
        raise ConfigError(f"preprocess.max_patches = {spec.preprocess.max_patches}", cure="give 1 or more")


def _only(name: str, value: object, allowed: object, where: str) -> None:
    """`allowed` is one value or a tuple of them."""
    choices = allowed if isinstance(allowed, tuple) else (allowed,)
    if value not in choices:
        said = " or ".join(repr(choice) for choice in choices if choice is not None)
        raise ConfigError(f"{name} = {value!r} with {where}", cure=f"only {said} goes with it")


def _multiple(name: str, value: int, of: str, divisor: int) -> None:
    if divisor < 1 or value < 1 or value % divisor:
        cure = f"make it a multiple of {divisor}" if divisor >= 1 else f"give {of} a value above 0"
        raise ConfigError(f"{name} = {value} is not a multiple of {of} ({divisor})", cure=cure)


def _same(name: str, value: int, other: str, expected: int) -> None:
    if value != expected:
        raise ConfigError(f"{name} = {value} but {other} = {expected}", cure="give both the same value")
