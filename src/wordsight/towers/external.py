"""Towers whose trunk is timm's or transformers'.

    image_tower(spec.image, width)     # pixels (B, 3, S, S) to (B, E)
    text_tower(spec.text, width)       # token ids (B, L) to (B, E)

Their parameters are named as open_clip names them: `visual.trunk.*` and `visual.head.*`, `text.transformer.*`
and `text.proj*`.  The trunk is built from its name and configuration alone: nothing is fetched, no code of a
checkpoint is run.  Both packages are imported when such a tower is built; a missing one is a `MissingExtra`.

Shapes: B batch, S side of the picture in pixels, L tokens of a text, D width of a trunk, E width of the space.
Knows nothing of files, tokenizers or preprocessing.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from wordsight.base.errors import ConfigError
from wordsight.base.optional import require
from wordsight.towers.external_check import (
    HEAD_POOLS,
    POOLING_LAYERS,
    WIDTHS,
    TextOptions,
    TimmOptions,
    check_external_image,
    check_external_text,
    image_options,
    text_options,
    timm_options,
)
from wordsight.towers.spec import ImageTowerSpec, TextTowerSpec

# model type -> its configuration class, its model class, and the part of the model that encodes
TEXT_TRUNKS = {
    "bert": ("BertConfig", "BertModel", ""),
    "roberta": ("RobertaConfig", "RobertaModel", ""),
    "xlm-roberta": ("XLMRobertaConfig", "XLMRobertaModel", ""),
    "camembert": ("CamembertConfig", "CamembertModel", ""),
    "t5": ("T5Config", "T5EncoderModel", "encoder"),
    "mt5": ("MT5Config", "MT5EncoderModel", "encoder"),
    "m2m_100": ("M2M100Config", "M2M100Model", "encoder"),
    "modernbert": ("ModernBertConfig", "ModernBertModel", ""),
}
IMAGE_TRUNKS = {"align_vision_model": ("AlignVisionConfig", "AlignVisionModel")}


class TimmImageTower(nn.Module):
    """A timm trunk and the head behind it, as open_clip puts them together; random weights."""

    def __init__(self, spec: ImageTowerSpec, width: int) -> None:
        super().__init__()
        check_external_image(spec)
        timm = require("timm", extra="timm")
        options = timm_options(spec)
        if not timm.is_model(spec.trunk):
            raise ConfigError(
                f"timm {timm.__version__} has no architecture {spec.trunk!r}", cure="a newer timm may have it"
            )
        arguments = dict(options.arguments)
        if spec.drop_path:
            arguments["drop_path_rate"] = spec.drop_path
        self.trunk = _timm_trunk(timm, spec.trunk, options, width, arguments)
        self.head = _timm_head(timm, self.trunk, options, width)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one row for each picture: normalised pixels (B, 3, S, S) to (B, E)."""
        rows: Tensor = self.head(self.trunk(pixels))
        return rows


class TransformersImageTower(nn.Module):
    """A transformers trunk that ends in a feature map (B, E, H, W), of which the mean is the embedding; random weights.

    Where its configuration says so ("max") it is the largest value in place of the mean.
    """

    def __init__(self, spec: ImageTowerSpec, width: int) -> None:
        super().__init__()
        check_external_image(spec)
        transformers = require("transformers", extra="transformers")
        config_class, model_class = IMAGE_TRUNKS[spec.trunk]
        options = image_options(spec)
        config = getattr(transformers, config_class)(**options.config, image_size=spec.size)
        self.trunk: nn.Module = getattr(transformers, model_class)(config)
        self.pooling = options.config["pooling_type"]

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one row for each picture: normalised pixels (B, 3, S, S) to (B, E)."""
        cells: Tensor = self.trunk(pixels).last_hidden_state  # (B, E, H, W)
        return cells.amax(dim=(2, 3)) if self.pooling == "max" else cells.mean(dim=(2, 3))


class TransformersTextTower(nn.Module):
    """A transformers text trunk, its pooling and its projection, as open_clip puts them together; random weights.

    Tokens of `pad_id` are neither seen nor pooled.
    """

    def __init__(self, spec: TextTowerSpec, width: int) -> None:
        super().__init__()
        check_external_text(spec)
        transformers = require("transformers", extra="transformers")
        self.options = text_options(spec)
        self.pad_id = spec.pad_id
        config_class, model_class, part = TEXT_TRUNKS[spec.trunk]
        config = getattr(transformers, config_class)(**_config_arguments(spec.trunk, self.options))
        more = {"add_pooling_layer": self.options.pooling_layer} if spec.trunk in POOLING_LAYERS else {}
        model: nn.Module = getattr(transformers, model_class)(config, **more)
        self.transformer: nn.Module = getattr(model, part) if part else model
        inner = self.options.config[WIDTHS.get(spec.trunk, "hidden_size")]
        self.proj = _text_projection(self.options, inner, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return one row for each text: token ids (B, L) to (B, E)."""
        tokens = tokens.long()
        seen = tokens != self.pad_id  # (B, L)
        states = self.transformer(input_ids=tokens, attention_mask=seen.long())
        rows: Tensor = self.proj(self._pooled(states, seen))
        return rows

    def _pooled(self, states: Any, seen: Tensor) -> Tensor:
        last: Tensor = states.last_hidden_state  # (B, L, D)
        pooler = self.options.pooler
        if pooler == "mean":
            weights = seen.unsqueeze(-1).to(last.dtype)  # (B, L, 1)
            return (last * weights).sum(dim=1) / weights.sum(dim=1)
        if pooler == "max":
            return last.masked_fill(~seen.unsqueeze(-1), -torch.inf).amax(dim=1)
        if pooler == "last":
            places = (seen * torch.arange(last.shape[1], device=last.device)).argmax(dim=1)  # (B,)
            return last[torch.arange(last.shape[0], device=last.device), places]
        if pooler == "cls" and self.options.pooling_layer:
            pooled: Tensor = states.pooler_output
            return pooled
        return last[:, 0]


def image_tower(spec: ImageTowerSpec, width: int) -> nn.Module:
    """Return an image tower of kind "timm" or "transformers" with `width` outputs."""
    return TimmImageTower(spec, width) if spec.kind == "timm" else TransformersImageTower(spec, width)


def text_tower(spec: TextTowerSpec, width: int) -> nn.Module:
    """Return a text tower of kind "transformers" with `width` outputs."""
    return TransformersTextTower(spec, width)


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


def _config_arguments(trunk: str, options: TextOptions) -> dict[str, Any]:
    """Return what the configuration class is called with; ModernBERT has both rotation bases in one entry there."""
    config = dict(options.config)
    if trunk == "modernbert":
        bases = {"full_attention": "global_rope_theta", "sliding_attention": "local_rope_theta"}
        config["rope_parameters"] = {
            kind: {"rope_type": "default", "rope_theta": config[base]} for kind, base in bases.items()
        }
    return config


def _text_projection(options: TextOptions, inner: int, width: int) -> nn.Module:
    if options.projection == "linear":
        return nn.Linear(inner, width, bias=options.projection_bias)
    if options.projection == "mlp":
        hidden = (inner + width) // 2
        return nn.Sequential(nn.Linear(inner, hidden, bias=False), nn.GELU(), nn.Linear(hidden, width, bias=False))
    if inner != width:
        raise ConfigError(f"text.trunk has {inner} features but width = {width}", cure="give both the same value")
    return nn.Identity()
