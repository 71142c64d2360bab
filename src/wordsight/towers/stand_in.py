"""The towers in the place of another library's: modules that are called and answer as transformers' CLIP models do.

    pipe.text_encoder = TextStandIn(towers)                              # Stable Diffusion 1.x
    pipe.text_encoder = TextStandIn(towers, leave_out=1)                 # 2.x: the last block is left out
    pipe.text_encoder_2 = TextStandIn(other_towers, projected=True)      # the second of SDXL
    llava.model.vision_tower = ImageStandIn(towers)

Made from `wordsight.towers.features`; knows nothing of those libraries.  The caller prepares tokens and pixels as
the towers were trained.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from wordsight.base.errors import UsageError
from wordsight.towers.features import image_states, text_states
from wordsight.towers.two import TwoTowers


@dataclass
class Answer:
    """What a stand-in returns: fields by name, and by number over those that are not None, in this order.

    `text_embeds` or `image_embeds` (B, E), the projected row as it is; `last_hidden_state` (B, T, D), after the
    final norm where the tower norms all tokens; `pooler_output` (B, D); `hidden_states`, layers + 1 of
    (B, T, D).
    """

    text_embeds: Tensor | None = None
    image_embeds: Tensor | None = None
    last_hidden_state: Tensor | None = None
    pooler_output: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the fields that are not None."""
        return tuple(value for value in vars(self).values() if value is not None)

    def __getitem__(self, which: int | slice | str) -> Any:
        return getattr(self, which) if isinstance(which, str) else self.to_tuple()[which]


class TextStandIn(nn.Module):
    """Token ids (B, L) to an `Answer`, as CLIPTextModel gives it, or CLIPTextModelWithProjection (`projected`).

    `leave_out` last blocks are not computed, as in text encoders that were cut there.
    """

    def __init__(self, towers: TwoTowers, *, projected: bool = False, leave_out: int = 0) -> None:
        super().__init__()
        spec = towers.clip_text
        self.towers = towers
        self.projected = projected
        self.leave_out = leave_out
        self.config = SimpleNamespace(
            hidden_size=spec.width,
            projection_dim=towers.spec.width,
            num_hidden_layers=spec.layers - leave_out,
            num_attention_heads=spec.heads,
            max_position_embeddings=spec.context_length,
            vocab_size=spec.vocabulary_size,
        )

    @property
    def text_model(self) -> SimpleNamespace:
        """Where pipelines look for `final_layer_norm`."""
        return SimpleNamespace(final_layer_norm=self.towers.ln_final)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return self.towers.logit_scale.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.towers.logit_scale.device

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> Answer | tuple[Any, ...]:
        """Return the `Answer`, or its tuple; an attention mask raises `UsageError`, as the tower has its own."""
        _without("attention_mask", attention_mask)
        states = text_states(
            self.towers, input_ids, layers=None if output_hidden_states else (), leave_out=self.leave_out
        )
        hidden = tuple(states.layers.kept.values()) if output_hidden_states else None
        if self.projected:
            answer = Answer(text_embeds=states.projected, last_hidden_state=states.last, hidden_states=hidden)
        else:
            answer = Answer(last_hidden_state=states.last, pooler_output=states.pooled, hidden_states=hidden)
        return answer if return_dict else answer.to_tuple()


class ImageStandIn(nn.Module):
    """Pixels (B, 3, S, S) to an `Answer`, as CLIPVisionModel gives it, or (`projected`) the one with projection."""

    def __init__(self, towers: TwoTowers, *, projected: bool = False) -> None:
        super().__init__()
        tower = towers.image_tower
        self.towers = towers
        self.projected = projected
        self.config = SimpleNamespace(
            hidden_size=tower.width,
            projection_dim=towers.spec.width,
            num_hidden_layers=tower.depth,
            num_attention_heads=tower.heads,
            image_size=towers.spec.image.size,
            patch_size=tower.cell,
        )

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return self.towers.logit_scale.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.towers.logit_scale.device

    def forward(
        self,
        pixel_values: Tensor,
        output_hidden_states: bool = False,
        return_dict: bool = True,
        interpolate_pos_encoding: bool = False,
    ) -> Answer | tuple[Any, ...]:
        """Return the `Answer`, or its tuple; positions are not interpolated here (`UsageError`)."""
        _without("interpolate_pos_encoding", interpolate_pos_encoding or None)
        states = image_states(self.towers, pixel_values, layers=None if output_hidden_states else ())
        hidden = tuple(states.layers.kept.values()) if output_hidden_states else None
        if self.projected:
            answer = Answer(image_embeds=states.projected, last_hidden_state=states.last, hidden_states=hidden)
        else:
            answer = Answer(last_hidden_state=states.last, pooler_output=states.pooled, hidden_states=hidden)
        return answer if return_dict else answer.to_tuple()


def _without(name: str, value: object) -> None:
    if value is not None:
        raise UsageError(f"{name} for a stand-in", cure="leave it out: the tower's own spec says what is seen")
