"""Text towers whose trunk is transformers'.

Their parameters are named as open_clip names them: `text.transformer.*` and `text.proj*`.  The trunk is built from
its configuration alone: nothing is fetched, no code of a checkpoint is run.  transformers is imported when such a
tower is built; a missing one is a `MissingExtra`.

Shapes: B batch, L tokens of a text, D width of a trunk, E width of the space.
"""

from typing import Any

import torch
from torch import Tensor, nn

from wordsight.base.errors import ConfigError
from wordsight.base.optional import require
from wordsight.towers.transformers.options import (
    POOLING_LAYERS,
    WIDTHS,
    TextOptions,
    text_options,
)
from wordsight.towers.transformers.spec import TransformersTextSpec

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


class TransformersTextTower(nn.Module):
    """A transformers text trunk, its pooling and its projection, as open_clip puts them together; random weights.

    Tokens of `pad_id` are neither seen nor pooled.
    """

    def __init__(self, spec: TransformersTextSpec, width: int) -> None:
        super().__init__()
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
        return self.project(self.features(tokens))

    def features(self, tokens: Tensor) -> Tensor:
        """Return the pooled row of each text, (B, D), for token ids (B, L)."""
        tokens = tokens.long()
        seen = tokens != self.pad_id  # (B, L)
        states = self.transformer(input_ids=tokens, attention_mask=seen.long())
        return self._pooled(states, seen)

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for pooled rows."""
        rows: Tensor = self.proj(pooled)
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
            positions = (seen * torch.arange(last.shape[1], device=last.device)).argmax(dim=1)  # (B,)
            return last[torch.arange(last.shape[0], device=last.device), positions]
        if pooler == "cls" and self.options.pooling_layer:
            pooled: Tensor = states.pooler_output
            return pooled
        return last[:, 0]


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
