"""The names and shapes of everything that the weights of a spec's towers hold, without building them.  Free of PyTorch.

    shapes(spec)["visual.proj"]     # (768, 512)

The same names and shapes as `build(spec).state_dict()`, in its order.
"""

from wordsight.base.errors import ConfigError
from wordsight.towers.families import image_family, text_family
from wordsight.towers.parts.shapes import Shape
from wordsight.towers.spec import ModelSpec


def shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Return the shape of each tensor by its name; towers that only another package knows raise `ConfigError`."""
    image, text = image_family(spec.image), text_family(spec.text)
    if image.shapes is None or text.shapes is None:
        raise ConfigError(
            f'the shapes of image.kind = "{spec.image.kind}", text.kind = "{spec.text.kind}" are not known here',
            cure="build the towers; that needs PyTorch and the package of the tower",
        )
    every = dict(text.roots(spec.text, spec)) if text.roots else {}
    every["logit_scale"] = ()
    if spec.bias is not None:
        every["logit_bias"] = ()
    every.update({f"visual.{name}": shape for name, shape in image.shapes(spec.image, spec.width)})
    every.update(text.shapes(spec.text, spec))
    return every
