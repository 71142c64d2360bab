"""The names and shapes of everything that the weights of a spec's towers hold, without building them.  Free of PyTorch.

    shapes(spec)["visual.proj"]     # (768, 512)

The same names and shapes as `build(spec).state_dict()`, in its order.  Towers of another package are
known to that package alone: `own(spec)` says whether all of a spec's towers are this package's.
"""

from wordsight.base.errors import ConfigError
from wordsight.towers.clip_text.shapes import clip_text_modules, clip_text_roots
from wordsight.towers.eva.shapes import eva_shapes
from wordsight.towers.parts.shapes import Shape
from wordsight.towers.resnet.shapes import resnet_shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.shapes import vit_shapes

IMAGES = {"vit": vit_shapes, "resnet": resnet_shapes, "eva": eva_shapes}


def own(spec: ModelSpec) -> bool:
    """Return whether both towers are of this package."""
    return spec.image.kind in ("vit", "resnet", "eva") and spec.text.kind == "clip"


def shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Return the shape of each tensor by its name; with a tower of another package raise `ConfigError`."""
    if not own(spec):
        raise ConfigError(
            f'the shapes of image.kind = "{spec.image.kind}", text.kind = "{spec.text.kind}" are not known here',
            cure="build the towers; that needs PyTorch and the package of the tower",
        )
    image = dict(IMAGES[spec.image.kind](spec.image, spec.width))
    found = dict(clip_text_roots(spec))
    found.update({f"visual.{name}": shape for name, shape in image.items()})
    found.update(clip_text_modules(spec))
    return found
