"""Finished ONNX graphs: whoever exported them knows what is inside."""

from typing import TYPE_CHECKING

from wordsight.text.spec import TokenizerSpec
from wordsight.towers.family import ImageFamily, TextFamily
from wordsight.towers.flat import FLAT_IMAGE, FLAT_TEXT, implied
from wordsight.towers.onnx.spec import OnnxImageSpec, OnnxTextSpec
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec


def _anything(tower: ImageTowerSpec | TextTowerSpec, model: "ModelSpec") -> None:
    del tower, model


def _reads_padding(text: OnnxTextSpec, tokenizer: TokenizerSpec) -> bool:
    """What the tokenizer fills up, the graph may read."""
    del text
    return tokenizer.padding == "full"


ONNX_IMAGE = ImageFamily(
    spec=OnnxImageSpec, check=_anything, any_shape=True, resized=None, implied=implied(FLAT_IMAGE, OnnxImageSpec)
)
ONNX_TEXT = TextFamily(
    spec=OnnxTextSpec,
    check=_anything,
    reads_padding=_reads_padding,
    implied=implied(FLAT_TEXT, OnnxTextSpec, mask="none", pool="last"),
)
