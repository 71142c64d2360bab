"""The names that two packages give the weights of an EfficientNet-Lite, as ours.  Free of PyTorch.

efficientnet_lite_pytorch numbers all blocks, timm numbers stages and the blocks of each.
"""

import re
from collections.abc import Iterable

LITE_PYTORCH, TIMM = "efficientnet_lite_pytorch", "timm"
MARKS = {LITE_PYTORCH: "_conv_stem.weight", TIMM: "conv_stem.weight"}
CLASSIFIERS = {LITE_PYTORCH: "_fc", TIMM: "classifier"}
ENDS = {
    "_conv_stem.": "stem.conv.", "_bn0.": "stem.norm.", "_conv_head.": "head.conv.", "_bn1.": "head.norm.",
    "conv_stem.": "stem.conv.", "bn1.": "stem.norm.", "conv_head.": "head.conv.", "bn2.": "head.norm.",
}  # fmt: skip
PARTS = {
    "_expand_conv.": "expand.conv.", "_bn0.": "expand.norm.", "_depthwise_conv.": "depthwise.conv.",
    "_bn1.": "depthwise.norm.", "_project_conv.": "reduce.conv.", "_bn2.": "reduce.norm.",
    "conv_pw.": "expand.conv.", "bn1.": "expand.norm.", "conv_dw.": "depthwise.conv.",
    "bn2.": "depthwise.norm.", "conv_pwl.": "reduce.conv.", "bn3.": "reduce.norm.",
}  # fmt: skip
# timm's first block has no convolution to more channels
FIRST = PARTS | {"bn1.": "depthwise.norm.", "conv_pw.": "reduce.conv.", "bn2.": "reduce.norm."}
BLOCK = re.compile(r"_?blocks\.(\d+)\.(?:(\d+)\.)?(\w+\.)(\w+)")


def package(names: Iterable[str]) -> str:
    """Return whose names these are, "" for neither."""
    given = set(names)
    return next((whose for whose, mark in MARKS.items() if mark in given), "")


def renamed(names: Iterable[str]) -> dict[str, str]:
    """Return our name (without "visual.") of each weight that has one; the classifier's have none."""
    blocks = {name: match for name in names if (match := BLOCK.fullmatch(name))}
    order = sorted({_position(match) for match in blocks.values()})
    ours = {}
    for name in names:
        if name in blocks:
            number = order.index(_position(blocks[name]))
            parts = FIRST if number == 0 and not name.startswith("_") else PARTS
            part, end = blocks[name][3], blocks[name][4]
            ours[name] = f"blocks.{number}.{parts[part]}{end}" if part in parts else ""
        else:
            begin = name.partition(".")[0] + "."
            ours[name] = ENDS[begin] + name.removeprefix(begin) if begin in ENDS else ""
    return {name: our for name, our in ours.items() if our}


def _position(match: "re.Match[str]") -> tuple[int, int]:
    """Return the stage of a block and its number there."""
    return int(match[1]), int(match[2] or 0)
