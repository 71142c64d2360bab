"""Image and text towers of transformers."""

from typing import TYPE_CHECKING, Any

from wordsight.text.spec import TokenizerSpec
from wordsight.towers.family import ImageFamily, TextFamily
from wordsight.towers.flat import FLAT_IMAGE, FLAT_TEXT, implied
from wordsight.towers.layers import LayerNames
from wordsight.towers.parts.reading import reads_padding
from wordsight.towers.transformers.spec import TransformersImageSpec, TransformersTextSpec

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec


def _check_image(image: TransformersImageSpec, model: "ModelSpec") -> None:
    from wordsight.towers.transformers.options import check_transformers_image  # whose tables few models need

    del model
    check_transformers_image(image)


def _check_text(text: TransformersTextSpec, model: "ModelSpec") -> None:
    from wordsight.towers.transformers.options import check_transformers_text

    del model
    check_transformers_text(text)


def _reads_padding(text: TransformersTextSpec, tokenizer: TokenizerSpec) -> bool:
    del tokenizer
    return reads_padding(text.mask, text.pool)


def _same_weights(state: dict[str, Any], text: TransformersTextSpec, length: int) -> None:
    """Texts may be as long as there are positions, which the check knows."""
    del state, text, length


TRANSFORMERS_IMAGE = ImageFamily(
    spec=TransformersImageSpec,
    check=_check_image,
    module="wordsight.towers.transformers.image:TransformersImageTower",
    extra="transformers",
    any_shape=True,
    implied=implied(FLAT_IMAGE, TransformersImageSpec),
    layers=LayerNames(r"trunk\.encoder\.blocks\.\d+", ("trunk.embeddings",)),
)
TRANSFORMERS_TEXT = TextFamily(
    spec=TransformersTextSpec,
    check=_check_text,
    module="wordsight.towers.transformers.text:TransformersTextTower",
    extra="transformers",
    reads_padding=_reads_padding,
    resize=_same_weights,
    implied=implied(FLAT_TEXT, TransformersTextSpec),
    layers=LayerNames(
        r"transformer\.(?:encoder\.)?(?:layers?|block)\.\d+",
        ("transformer.embeddings", "transformer.embed_tokens", "transformer.embed_positions"),
        ("proj",),
    ),
)
