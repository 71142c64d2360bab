"""Image towers whose trunk is timm's, with the head that open_clip puts behind it.

Their parameters are named as open_clip names them: `visual.trunk.*` and `visual.head.*`.  The trunk is built from
its name and arguments alone: nothing is fetched.  timm is imported when such a tower is built; a missing one is a
`MissingExtra`.

Shapes: B batch, S side of the image in pixels, E width of the space.
"""

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from wordsight.base.errors import ConfigError
from wordsight.base.optional import require
from wordsight.towers.timm.options import HEAD_POOLS, TimmOptions, timm_options
from wordsight.towers.timm.spec import TimmSpec


class TimmImageTower(nn.Module):
    """A timm trunk and the head behind it, as open_clip puts them together; random weights."""

    def __init__(self, spec: TimmSpec, width: int) -> None:
        super().__init__()
        timm = require("timm", extra="timm")
        options = timm_options(spec)
        if not timm.is_model(spec.trunk):
            raise ConfigError(
                f"timm {timm.__version__} has no architecture {spec.trunk!r}", cure="a newer timm may have it"
            )
        arguments = dict(options.arguments)
        if spec.drop_path:
            arguments["drop_path_rate"] = spec.drop_path
        self.in_trunk = options.projection == "trunk" and options.pool not in HEAD_POOLS  # the projection
        self.trunk = _timm_trunk(timm, spec.trunk, options, width, arguments)
        self.head = _timm_head(timm, self.trunk, options, width)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one row for each image: normalised pixels (B, 3, S, S) to (B, E)."""
        return self.project(self.features(pixels))

    def features(self, pixels: Tensor) -> Tensor:
        """Return what enters the head: pooled rows (B, D), where the head pools a grid (B, D, G, G)."""
        trunk: Any = self.trunk
        if self.in_trunk:
            rows: Tensor = trunk.forward_head(trunk.forward_features(pixels), pre_logits=True)
        else:
            rows = trunk(pixels)
        return rows

    @property
    def channels_last(self) -> bool:
        """Whether the trunk's grid is (B, G, G, D)."""
        return getattr(self.trunk, "output_fmt", "NCHW") == "NHWC"

    def last(self, pixels: Tensor) -> Tensor:
        """Return the trunk's last grid, (B, D, G, G) or (B, G, G, D), or its last tokens, (B, T, D)."""
        trunk: Any = self.trunk
        state: Tensor = trunk.forward_features(pixels)
        return state

    def pool(self, state: Tensor) -> Tensor:
        """Return what `features` gives, for what `last` gave."""
        trunk: Any = self.trunk
        pooled: Tensor = trunk.forward_head(state, pre_logits=True) if self.in_trunk else trunk.forward_head(state)
        return pooled

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for what `features` gave."""
        trunk: Any = self.trunk
        rows: Tensor = self.head(trunk.get_classifier()(pooled) if self.in_trunk else pooled)
        return rows


def _timm_trunk(timm: Any, name: str, options: TimmOptions, width: int, arguments: dict[str, Any]) -> nn.Module:
    """Return the trunk; its classifier is the projection, or is taken away."""
    in_head = options.pool in HEAD_POOLS
    if options.projection in ("trunk", "none") and not in_head:
        classes = width if options.projection == "trunk" else 0
        trunk: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=classes, global_pool=options.pool, **arguments
        )
        return trunk
    trunk = timm.create_model(name, pretrained=False, **arguments)
    pooling = {"global_pool": "" if in_head else options.pool} if options.pool else {}
    trunk.reset_classifier(0, **pooling)  # type: ignore[operator]
    return trunk


def _timm_head(timm: Any, trunk: Any, options: TimmOptions, width: int) -> nn.Sequential:
    layers = require("timm.layers", extra="timm")
    head: OrderedDict[str, nn.Module] = OrderedDict()
    channels = width if options.projection == "trunk" else trunk.num_features
    if options.pool in HEAD_POOLS:
        if options.pool == "abs_attn":
            grid = trunk.default_cfg["pool_size"]
            head["pool"] = layers.AttentionPool2d(trunk.num_features, feat_size=grid, out_features=width)
        else:
            head["pool"] = layers.RotAttentionPool2d(trunk.num_features, out_features=width)
        channels = width
    if options.projection == "linear":
        head["drop"] = nn.Dropout(options.drop)
        head["proj"] = nn.Linear(channels, width, bias=options.projection_bias)
    elif options.projection == "mlp":
        bias = (True, options.projection_bias)
        head["mlp"] = layers.Mlp(channels, 2 * width, width, drop=(options.drop, 0), bias=bias)
    elif channels != width:
        raise ConfigError(f"image.trunk has {channels} features but width = {width}", cure="give both the same value")
    return nn.Sequential(head)
