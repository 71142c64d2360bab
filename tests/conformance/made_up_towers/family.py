"""The values that say what has to be known of both."""

from made_up_towers.spec import ColoursSpec, CountsSpec
from wordsight.towers.family import Grid, ImageFamily, TextFamily
from wordsight.towers.parts.rules import multiple
from wordsight.towers.parts.shapes import linear_shapes


def colours_shapes(image, width):
    yield "places", ((image.size // image.patch) ** 2, image.width)
    yield "proj", (image.width, width)
    yield from linear_shapes("colour", image.width, 3)
    yield from linear_shapes("mix", image.width, image.width)


def counts_shapes(text, spec):
    yield "text.meaning.weight", (text.vocabulary_size, text.width)
    yield from linear_shapes("text.out", spec.width, text.width)


COLOURS = ImageFamily(
    spec=ColoursSpec,
    check=lambda image, model: multiple("image.size", image.size, "image.patch", image.patch),
    module="made_up_towers.module:Colours",
    shapes=colours_shapes,
    graph="made_up_towers.graph:colours_graph",
    grid=lambda image: Grid("places", image.size // image.patch, 0),
)
COUNTS = TextFamily(
    spec=CountsSpec,
    check=lambda text, model: None,
    module="made_up_towers.module:Counts",
    shapes=counts_shapes,
    graph="made_up_towers.graph:counts_graph",
    reads_padding=lambda text, tokenizer: False,
    resize=lambda state, text, length: None,
)
