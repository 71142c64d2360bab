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


def columns_first(old: tuple[int, int], new: tuple[int, int]) -> bool:
    """Say whether every Pillow resizes the columns of a picture of this (height, width) before its rows.

    Pillow up to 12 always does; Pillow 13 begins with the rows when that drops more of them (found by trying:
    height - new height > 2 (width - new width), for the shrunk heights of tall pictures).  The order shows where
    values are clipped between the passes.
    """
    return old[0] <= new[0] or old[0] - new[0] <= 2 * (old[1] - new[1])


def crop_corner(height: int, width: int, size: int) -> tuple[int, int]:
    """Return (top, left) of the centre crop; halves go to the even number, as in torchvision's CenterCrop."""
    return round((height - size) / 2), round((width - size) / 2)
