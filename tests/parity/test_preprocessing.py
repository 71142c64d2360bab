"""Level for level: what our reference path makes of a file, beside open_clip, OpenAI and transformers.

Pictures of all modes that files have, in odd, thin and tiny sizes.  transformers is asked for its Pillow backend; its
torchvision backend rounds elsewhere and is within two levels.
"""

import io
import sys
import types

import numpy as np
import packaging.version
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from torchvision.transforms import CenterCrop
from transformers import AutoImageProcessor  # noqa: F401  (loads the lazy modules below in order)
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
from transformers.models.clip.image_processing_clip import CLIPImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import (
    Siglip2ImageProcessorPil,
    get_image_size_for_max_num_patches,
)

from wordsight.images.geometry import resized
from wordsight.images.spec import HALF, PreprocessSpec
from wordsight.images.transform import load_pixels, normalise

SIZES = [(37, 53), (53, 37), (32, 32), (33, 32), (120, 9), (9, 121), (1, 40), (40, 1), (1, 1), (3, 2), (31, 31)]
MODES = ["RGB", "L", "LA", "RGBA", "P", "P clear", "L clear", "RGB clear", "1", "CMYK"]


def drawn_image(height: int, width: int, mode: str) -> Image.Image:
    """Slopes with sharp noise over them, in a mode; "clear" has a transparent palette entry or colour."""
    rng = np.random.default_rng(height * 1000 + width)
    rows, columns = np.mgrid[0:height, 0:width]
    slopes = 128 + 100 * np.sin(rows[..., None] / 5 + columns[..., None] / 7 + np.arange(4))
    values = np.clip(slopes + rng.normal(0, 40, (height, width, 4)), 0, 255).astype(np.uint8)
    layer = Image.fromarray(values)
    kind, _, clear = mode.partition(" ")
    if kind == "LA":
        made = Image.merge("LA", [layer.getchannel(0), layer.getchannel(3)])
    elif kind == "CMYK":
        made = Image.merge("CMYK", layer.split())
    elif kind == "P":
        made = layer.convert("RGB").quantize(17)
    else:
        made = layer if kind == "RGBA" else layer.convert("RGB").convert(kind)
    if clear:
        made.info["transparency"] = made.getpixel((0, 0)) if kind != "P" else 3
    return made


def packed(made: Image.Image) -> bytes:
    buffer = io.BytesIO()
    clear = {"transparency": made.info["transparency"]} if "transparency" in made.info else {}
    made.save(buffer, "TIFF" if made.mode == "CMYK" else "PNG", **clear)
    return buffer.getvalue()


FILES = {
    f"{mode} {height}x{width}": packed(drawn_image(height, width, mode)) for mode in MODES for height, width in SIZES
}


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def levels(tensor, spec: PreprocessSpec) -> np.ndarray:
    """Undo a neighbour's normalisation: (3, H, W) back to the levels it saw, which must be whole."""
    values = np.asarray(tensor, np.float64).transpose(1, 2, 0)
    values = (values * np.asarray(spec.std) + np.asarray(spec.mean)) * 255
    whole = np.rint(values)
    assert np.abs(values - whole).max() < 1e-3
    return whole.astype(int)


def hold(spec: PreprocessSpec, neighbour, files=FILES) -> None:
    """Assert that every file comes out level for level, and after normalisation within 1e-6 of a level's step."""
    for name, data in files.items():
        theirs = neighbour(opened(data))
        pixels = load_pixels(data, spec, quality="exact")
        assert pixels.shape == tuple(np.asarray(theirs).transpose(1, 2, 0).shape), name
        worst = int(np.abs(pixels - levels(theirs, spec)).max())
        assert worst == 0, f"{name}: {worst} levels"
        assert np.abs(normalise(pixels[None], spec)[0] - np.asarray(theirs)).max() < 2e-6, name


# --- open_clip and OpenAI


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_open_clip(resize, interpolation) -> None:
    spec = PreprocessSpec(size=32, resize=resize, interpolation=interpolation, rgb="after")
    hold(spec, image_transform(32, False, resize_mode=resize, interpolation=interpolation))


@pytest.mark.parametrize("fill", [0, 255, 9])
@pytest.mark.parametrize("size", [32, 31])
def test_open_clips_longest(fill: int, size: int) -> None:
    spec = PreprocessSpec(size=size, resize="longest", rgb="after", fill=fill, mean=HALF, std=HALF)
    theirs = image_transform(size, False, resize_mode="longest", fill_color=fill, mean=HALF, std=HALF)
    hold(spec, theirs, {name: data for name, data in FILES.items() if not vanishes(data, size)})


def vanishes(data: bytes, size: int) -> bool:
    """open_clip scales the shorter side of a very thin picture to 0 pixels and fails."""
    short, long = sorted(opened(data).size)
    return round(short / (long / size)) == 0


def test_openai() -> None:
    with pytest.MonkeyPatch.context() as patch:  # it asks setuptools for a package that stands by itself today
        patch.setitem(sys.modules, "pkg_resources", types.SimpleNamespace(packaging=packaging))
        from clip.clip import _transform
    hold(PreprocessSpec(size=33, rgb="after"), _transform(33))


@pytest.mark.parametrize("size", [8, 30, 33, 64])
def test_a_cut_larger_than_the_picture_is_black_outside(size: int) -> None:
    from torchvision.transforms import Compose, Resize, ToTensor

    spec = PreprocessSpec(size=size, scale_to=16, interpolation="bilinear", rgb="after", mean=(0,) * 3, std=(1,) * 3)

    def colours(made: Image.Image) -> Image.Image:
        return made.convert("RGB")

    hold(spec, Compose([Resize(16), CenterCrop(size), colours, ToTensor()]))


# --- transformers


def processed(processor):
    def call(made: Image.Image) -> np.ndarray:
        return processor(made, return_tensors="np")["pixel_values"][0]

    return call


@pytest.mark.parametrize("scale_to", [32, 37, 20])
@pytest.mark.parametrize("kind", [CLIPImageProcessorPil, ChineseCLIPImageProcessorPil])
def test_transformers_clip(kind, scale_to: int) -> None:
    processor = kind(size={"shortest_edge": scale_to}, crop_size={"height": 32, "width": 32})
    hold(PreprocessSpec(size=32, scale_to=scale_to, crop="floor"), processed(processor))


@pytest.mark.parametrize(("resample", "interpolation"), [(0, "nearest"), (1, "lanczos"), (2, "bilinear")])
def test_transformers_other_filters(resample: int, interpolation) -> None:
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, resample=resample
    )
    hold(PreprocessSpec(size=32, crop="floor", interpolation=interpolation), processed(processor))


def test_transformers_siglip() -> None:
    processor = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    hold(PreprocessSpec(size=32, resize="squash", mean=HALF, std=HALF), processed(processor))


@pytest.mark.parametrize("most", [4, 16, 49])
def test_transformers_siglip2_patches(most: int) -> None:
    spec = PreprocessSpec(resize="patches", patch=8, max_patches=most, interpolation="bilinear", mean=HALF, std=HALF)
    processor = Siglip2ImageProcessorPil(patch_size=8, max_num_patches=most, do_convert_rgb=True)
    shapes = set()

    def call(made: Image.Image) -> np.ndarray:
        found = processor(made, return_tensors="np")
        rows, columns = (int(side) for side in found["spatial_shapes"][0])
        shapes.add((rows, columns))
        patches = found["pixel_values"][0][: rows * columns].reshape(rows, columns, 8, 8, 3)
        return patches.transpose(4, 0, 2, 1, 3).reshape(3, rows * 8, columns * 8)

    hold(spec, call)
    assert len(shapes) > 2


def test_transformers_siglip2_sizes() -> None:
    rng = np.random.default_rng(0)
    sides = (np.exp(rng.uniform(0, 9, (2000, 2)))).astype(int).tolist()
    for (height, width), most in zip(sides, rng.integers(1, 1025, 2000).tolist(), strict=True):
        spec = PreprocessSpec(resize="patches", patch=16, max_patches=most)
        assert resized(height, width, spec) == get_image_size_for_max_num_patches(height, width, 16, most)


@pytest.mark.parametrize("top", [False, True])
def test_transformers_align(top: bool) -> None:
    """ALIGN's: squashed, cut, -1..1; with include_top once more over the deviation."""
    processor = EfficientNetImageProcessorPil(
        size={"height": 43, "width": 43},
        crop_size={"height": 36, "width": 36},
        resample=2,
        do_center_crop=True,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=top,
        do_convert_rgb=True,
    )
    std = HALF if not top else tuple(0.5 * one for one in processor.image_std)
    spec = PreprocessSpec(
        size=36, resize="squash", scale_to=43, crop="floor", interpolation="bilinear", mean=HALF, std=std
    )
    hold(spec, processed(processor))


def test_transformers_torchvision_backend_rounds_elsewhere() -> None:
    spec = PreprocessSpec(size=32, crop="floor")
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    worst = 0
    for data in FILES.values():
        theirs = levels(processor(opened(data), return_tensors="np")["pixel_values"][0], spec)
        worst = max(worst, int(np.abs(load_pixels(data, spec, quality="exact") - theirs).max()))
    assert 1 <= worst <= 2


# --- both ways of ours


@pytest.mark.parametrize("rgb", ["before", "after"])
@pytest.mark.parametrize("resize", ["shortest", "squash", "longest", "patches"])
def test_the_fast_way_is_within_two_levels_of_the_exact_one(resize, rgb) -> None:
    spec = PreprocessSpec(size=32, resize=resize, rgb=rgb, patch=8, max_patches=16)
    differ = 0
    for name, data in FILES.items():
        exact, fast = (load_pixels(data, spec, quality=quality).astype(int) for quality in ("exact", "fast"))
        assert exact.shape == fast.shape, name
        assert np.abs(exact - fast).max() <= 2, name
        differ += bool(np.abs(exact - fast).max())
    assert differ, "nothing took the fast way"


def test_deliberately_different() -> None:
    """Pictures are turned as EXIF says, and 16-bit samples keep their high byte: neighbours do neither."""
    spec = PreprocessSpec(size=32, rgb="after")
    theirs = image_transform(32, False)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    drawn_image(37, 53, "RGB").save(buffer, "PNG", exif=exif)
    turned = load_pixels(buffer.getvalue(), spec, quality="exact")
    upright = levels(theirs(drawn_image(37, 53, "RGB").rotate(-90, expand=True)), spec)
    assert np.array_equal(turned, upright)
    deep = Image.fromarray((np.asarray(drawn_image(37, 53, "L")).astype(np.uint16) << 8) + 7)
    kept = load_pixels(packed(deep), spec, quality="exact")
    assert np.array_equal(kept, levels(theirs(drawn_image(37, 53, "L")), spec))
    assert levels(theirs(deep), spec).min() > 200
    assert torch.equal(theirs(deep), theirs(opened(packed(deep))))


@pytest.mark.parametrize("size", [8, 32, 77])
def test_without_antialiasing(size: int) -> None:
    """big_vision's resize is TensorFlow's, cut to whole levels; PyTorch has the same formula, in another order."""
    spec = PreprocessSpec(size=size, resize="squash", interpolation="bilinear", antialias=False)
    different = total = 0
    for height, width in SIZES:
        made = drawn_image(height, width, "RGB")
        floats = torch.from_numpy(np.array(made)).permute(2, 0, 1)[None].double()
        wanted = torch.nn.functional.interpolate(floats, (size, size), mode="bilinear", align_corners=False)
        levels = wanted[0].permute(1, 2, 0).numpy()
        found = load_pixels(made, spec)
        assert (found <= levels + 1e-4).all()
        assert (found > levels - 1 - 1e-4).all()
        different += int((found != np.floor(levels)).sum())
        total += found.size
    assert different < 0.02 * total  # where the formula gives a whole level, the last bit decides
