"""What transformers' image processors do to an image, as a `PreprocessSpec`, and back.

    pixels = read_processor(files, size=224, defaults="clip")
    values = write_processor(spec.preprocess, "CLIPImageProcessor")

The reference is transformers' Pillow path (`PilBackend` of `image_processing_backends.py`, 5.23): colours become
RGB first, the centre crop rounds down.  Its torchvision path differs by a level here and there.  Free of PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.progress import notice
from wordsight.images.spec import CLIP_MEAN, CLIP_STD, HALF, PreprocessSpec
from wordsight.weights.checkpoint_files import CheckpointFiles

Values = dict[str, Any]
Three = tuple[float, float, float]

INTERPOLATION: dict[int, Literal["nearest", "lanczos", "bilinear", "bicubic"]] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
}  # Pillow's numbers
_BYTE = 1 / 255
_EVERY = {"do_resize": True, "do_rescale": True, "rescale_factor": _BYTE, "do_normalize": True, "resample": 3}

# the class attributes of the processors; a file may leave out what is at its default
DEFAULTS: dict[str, Values] = {
    "clip": _EVERY
    | {
        "size": {"shortest_edge": 224},
        "do_center_crop": True,
        "crop_size": 224,
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
    },
    "siglip": _EVERY
    | {"size": {"height": 224, "width": 224}, "do_center_crop": False, "image_mean": HALF, "image_std": HALF},
    "siglip2": _EVERY
    | {"resample": 2, "patch_size": 16, "max_num_patches": 256, "image_mean": HALF, "image_std": HALF},
}


@dataclass(frozen=True, slots=True)
class ReadPreprocess:
    """What is done to an image, and what of it stands in no file."""

    spec: PreprocessSpec
    assumed: tuple[str, ...] = ()


def read_processor(files: CheckpointFiles, *, size: int, defaults: str | Values) -> ReadPreprocess:
    """Return what the processor files of a folder say; `size` is the side that the tower reads.

    `defaults` are those of the processor class, or its name in `DEFAULTS`; they hold where the files are silent.
    What a `PreprocessSpec` cannot state is a `FormatError`.
    """
    usual = DEFAULTS[defaults] if isinstance(defaults, str) else defaults
    values = processor_values(files)
    assumed: list[str] = []
    if values is None:
        shortest = "shortest_edge" in usual.get("size", {})
        values = {"size": size, "crop_size": size} if shortest else {"size": {"height": size, "width": size}}
        assumed.append(
            "No preprocessor_config.json: what most models of this kind do is assumed; say otherwise with "
            "--set preprocess.resize=... --set preprocess.interpolation=... --set preprocess.mean=..."
        )
    values = usual | {key: value for key, value in values.items() if value is not None}
    if values.get("do_pad"):
        raise FormatError("do_pad in preprocessor_config.json", cure="no tower of this kind reads padded pictures")
    if not values["do_resize"]:
        assumed.append(
            f"do_resize is false: pictures that are not {size} pixels wide and high are resized all the same."
        )
    mean, std = _scaled(values)
    common = PreprocessSpec(size=size, interpolation=_interpolation(values["resample"]), mean=mean, std=std)
    if "max_num_patches" in usual:
        return ReadPreprocess(
            replace(common, resize="patches", patch=values["patch_size"], max_patches=values["max_num_patches"]),
            tuple(assumed),
        )
    spec = _resize(common, values, assumed)
    return ReadPreprocess(spec, tuple(assumed))


def processor_values(files: CheckpointFiles) -> Values | None:
    """Return what a folder says about its image processor, from the newer place or the older one; None: nothing."""
    whole = files.json("processor_config.json") or {}
    nested = whole.get("image_processor")
    return nested if isinstance(nested, dict) else files.json("preprocessor_config.json")


def write_processor(spec: PreprocessSpec, processor: str) -> Values:
    """Return the content of a `preprocessor_config.json` for the class `processor`.

    What that class cannot do is a `UsageError`, or reported, where only single levels of pixels change.
    """
    if spec.resize == "longest":
        raise UsageError(f"preprocess.resize = {spec.resize!r}", cure="choose another format")
    if not spec.antialias:
        notice("transformers' processors smooth before they shrink; this model's own preprocessing does not", once=True)
    numbers = {name: number for number, name in INTERPOLATION.items()}
    values: Values = {
        "image_processor_type": processor,
        "do_resize": True,
        "resample": numbers[spec.interpolation],
        "do_rescale": True,
        "rescale_factor": _BYTE,
        "do_normalize": True,
        "image_mean": list(spec.mean),
        "image_std": list(spec.std),
        "do_convert_rgb": True,
    }
    if spec.resize == "patches":
        return values | {"patch_size": spec.patch, "max_num_patches": spec.max_patches}
    if spec.resize == "shortest" and spec.crop == "round":
        notice("transformers' processors cut out the centre a pixel higher or further left at some sizes", once=True)
    if spec.rgb == "after":
        notice(
            "transformers' processors turn palettes and transparency to RGB before they resize, not after", once=True
        )
    side, first = {"height": spec.size, "width": spec.size}, spec.scale_to or spec.size
    values["size"] = {"shortest_edge": first} if spec.resize == "shortest" else {"height": first, "width": first}
    if spec.resize == "squash" and first == spec.size:
        return values | {"do_center_crop": False}
    return values | {"do_center_crop": True, "crop_size": side}


def _resize(common: PreprocessSpec, values: Values, assumed: list[str]) -> PreprocessSpec:
    """Return `common` with the resize and crop that `values` ask for."""
    height, width, shortest = _size(values["size"])
    size = common.size
    if not shortest and height != width:
        raise FormatError(f"size {values['size']} in preprocessor_config.json", cure="square pictures are read")
    scale_to = shortest or height
    cropped = scale_to
    if values["do_center_crop"]:
        cropped = _square(values["crop_size"], "crop_size")
    elif shortest:
        assumed.append("do_center_crop is false, and the tower reads squares: the centre of other images is used.")
    if cropped != size:
        assumed.append(
            f"preprocessor_config.json makes pictures of {cropped} pixels, the tower reads {size}: {size} is used."
        )
        scale_to = size
    return replace(
        common,
        resize="shortest" if shortest else "squash",
        scale_to=0 if scale_to == size else scale_to,
        crop="floor",
    )


def _size(size: Any) -> tuple[int, int, int]:
    """Return (height, width, 0), or (0, 0, shortest edge) of the many forms in which a size is written."""
    if isinstance(size, int):
        return 0, 0, size
    if isinstance(size, list | tuple) and len(size) == 2:
        return size[0], size[1], 0
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        return 0, 0, size["shortest_edge"]
    if isinstance(size, Mapping) and set(size) == {"height", "width"}:
        return size["height"], size["width"], 0
    raise FormatError(
        f"size {size!r} in preprocessor_config.json", cure="a shortest edge, or height and width, are read"
    )


def _square(size: Any, name: str) -> int:
    height, width, shortest = _size(size)
    if not shortest and height != width:
        raise FormatError(f"{name} {size!r} in preprocessor_config.json", cure="square pictures are read")
    return shortest or height


def _interpolation(number: Any) -> Literal["nearest", "lanczos", "bilinear", "bicubic"]:
    if number not in INTERPOLATION:
        raise FormatError(f"resample {number!r} in preprocessor_config.json", cure="0 to 3 are Pillow's filters")
    return INTERPOLATION[number]


def _scaled(values: Values) -> tuple[Three, Three]:
    """Return mean and deviation on values in 0..1 that do the same as rescaling and normalising, each if asked for."""
    factor = 255 * values["rescale_factor"] if values["do_rescale"] else 255.0
    if abs(factor - 1) < 1e-6:
        factor = 1.0
    mean, std = _three(values["image_mean"]), _three(values["image_std"])
    if not values["do_normalize"]:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    first, second = ([one / factor for one in three] for three in (mean, std))
    return (first[0], first[1], first[2]), (second[0], second[1], second[2])


def _three(value: Any) -> Three:
    values = [value] * 3 if isinstance(value, int | float) else list(value)
    if len(values) != 3:
        raise FormatError(f"{value!r} in preprocessor_config.json", cure="one number for each of red, green, blue")
    return float(values[0]), float(values[1]), float(values[2])
