"""Image towers whose trunk is transformers'.

Their parameters are named `visual.trunk.*`.  The trunk is built from its configuration alone: nothing is fetched, no
code of a checkpoint is run.  transformers is imported when such a tower is built; a missing one is a `MissingExtra`.

Shapes: B batch, S side of the image in pixels, H and W sides of the last feature map, E width of the space.
"""

from torch import Tensor, nn

from wordsight.base.optional import require
from wordsight.towers.transformers.options import image_options
from wordsight.towers.transformers.spec import TransformersImageSpec

# model type -> its configuration class and its model class
IMAGE_TRUNKS = {"align_vision_model": ("AlignVisionConfig", "AlignVisionModel")}


class TransformersImageTower(nn.Module):
    """A transformers trunk that ends in a feature map (B, E, H, W), of which the mean is the embedding; random weights.

    Where its configuration says so ("max") it is the largest value in place of the mean.
    """

    def __init__(self, spec: TransformersImageSpec, width: int) -> None:
        super().__init__()
        transformers = require("transformers", extra="transformers")
        config_class, model_class = IMAGE_TRUNKS[spec.trunk]
        options = image_options(spec)
        config = getattr(transformers, config_class)(**options.config, image_size=spec.size)
        self.trunk: nn.Module = getattr(transformers, model_class)(config)
        self.pooling = options.config["pooling_type"]

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one row for each image: normalised pixels (B, 3, S, S) to (B, E)."""
        cells: Tensor = self.trunk(pixels).last_hidden_state  # (B, E, H, W)
        return cells.amax(dim=(2, 3)) if self.pooling == "max" else cells.mean(dim=(2, 3))
