"""Sizes and corners: how large a picture is scaled and where its centre is cut out.

Both round as torchvision does, which the published preprocessing uses.  Does not know pixels.
"""

from wordsight.images.spec import PreprocessSpec


def resized(height: int, width: int, spec: PreprocessSpec) -> tuple[int, int]:
    """Return the (height, width) a picture is scaled to before the crop.

    "shortest": the longer side is rounded down, as in torchvision's Resize.
    """
    if spec.resize == "squash":
        return spec.size, spec.size
    if height <= width:
        return spec.size, int(spec.size * width / height)
    return int(spec.size * height / width), spec.size


def crop_corner(height: int, width: int, size: int) -> tuple[int, int]:
    """Return (top, left) of the centre crop; halves go to the even number, as in torchvision's CenterCrop."""
    return round((height - size) / 2), round((width - size) / 2)
