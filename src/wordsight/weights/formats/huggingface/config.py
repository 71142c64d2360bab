"""What the `config.json` of transformers' CLIP, SigLIP and SigLIP 2 says about the towers, and writing one.

    config = HuggingFaceConfig.of("siglip", files.json("config.json"))
    image = image_tower(state, "siglip", config)
    values = as_json(spec, "siglip")

Older files leave out what is at its default, so the defaults of the configuration classes stand here
(transformers 5.23, `configuration_clip.py`, `configuration_siglip.py`, `configuration_siglip2.py`); sizes are
read off the weights.  Knows neither processors nor tokenizers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wordsight.base.errors import FormatError
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.tower_spec import Activation, hidden_width
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array
from wordsight.weights.formats.huggingface.layers import Layout
from wordsight.weights.formats.trunks.sizes import image_sizes, text_sizes

Values = dict[str, Any]

LEGACY_END = 2  # CLIP's configurations before transformers 4.31: "read at the largest id" (pull request 24773)
CLIP_HEAD = 64  # width of a head in every CLIP that OpenAI and LAION published
SIGLIP_HEADS = {768: 12, 1024: 16, 1152: 16, 1280: 16, 1536: 16}  # big_vision models/vit.py, by width

_CLIP = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
_SIGLIP = {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6, "num_attention_heads": 12}
TEXT_DEFAULTS: dict[Layout, Values] = {
    "clip": _CLIP | {"num_attention_heads": 8, "eos_token_id": 49407},
    "siglip": _SIGLIP,
    "siglip2": _SIGLIP,
}
IMAGE_DEFAULTS: dict[Layout, Values] = {
    "clip": _CLIP | {"num_attention_heads": 12, "image_size": 224},
    "siglip": _SIGLIP | {"image_size": 224, "vision_use_head": True},
    "siglip2": _SIGLIP | {"vision_use_head": True},
}
_ACTIVATIONS: dict[str, Activation] = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
_THEIR_ACTIVATIONS = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "silu": "silu"}
CLASSES = {
    "clip": "CLIPModel",
    "metaclip_2": "MetaClip2Model",
    "siglip": "SiglipModel",
    "siglip2": "Siglip2Model",
}  # by model_type
LAYOUTS: dict[str, Layout] = {"clip": "clip", "metaclip_2": "clip", "siglip": "siglip", "siglip2": "siglip2"}


@dataclass(frozen=True, slots=True)
class HuggingFaceConfig:
    """The two halves of a configuration with every default filled in; `assumed` where there is no file."""

    text: Values
    image: Values
    assumed: tuple[str, ...] = ()
    legacy: bool = True  # whether LEGACY_END is a sign, not a token

    @classmethod
    def of(cls, layout: Layout, values: Values | None) -> "HuggingFaceConfig | None":
        """Return the configuration that a file's content means; None for None."""
        if values is None:
            return None
        halves: list[Values] = []
        for name, defaults in (("text_config", TEXT_DEFAULTS[layout]), ("vision_config", IMAGE_DEFAULTS[layout])):
            half = defaults | _given(values.get(name))
            if values.get(f"{name}_dict") is not None:  # an older place, which goes first, with its defaults
                half |= defaults | _given(values[f"{name}_dict"])
            halves.append(half)
        return cls(halves[0], halves[1], legacy=values.get("model_type") != "metaclip_2")

    @classmethod
    def guessed(cls, layout: Layout, state: Mapping[str, Array]) -> "HuggingFaceConfig":
        """Return what most models of the layout have, for weights that came without a configuration."""
        text, image = dict(TEXT_DEFAULTS[layout]), dict(IMAGE_DEFAULTS[layout])
        text["num_attention_heads"] = _usual_heads(layout, state["token_embedding.weight"].shape[1])
        image["num_attention_heads"] = _usual_heads(layout, len(state["visual.conv1.weight"]))
        image.pop("image_size", None)
        assumed = [
            f"No config.json: {text['num_attention_heads']} heads in the text tower and {image['num_attention_heads']} "
            "in the image tower are assumed; say otherwise with --set text.heads=N --set image.heads=N.",
            f"No config.json: activation {_activation(image)} is assumed; say otherwise with "
            "--set image.activation=gelu --set text.activation=gelu.",
        ]
        if layout == "clip":
            text["eos_token_id"] = LEGACY_END
            assumed.append(
                "No config.json: a text is read at its largest token id; say otherwise with --set text.end_id=N."
            )
        return cls(text, image, tuple(assumed))


def image_tower(state: Mapping[str, Array], layout: Layout, values: Values) -> VitSpec:
    """Return the image tower of a state under our names; a configuration that says other sizes is a `FormatError`."""
    sizes = image_sizes(state, class_token=layout == "clip")
    size = values.get("image_size", sizes["size"]) if layout != "siglip2" else sizes["size"]
    if isinstance(size, list):
        size = size[0] if len(set(size)) == 1 else 0
    if size // sizes["patch"] != sizes["size"] // sizes["patch"]:
        raise FormatError(
            f"image_size {values.get('image_size')} in config.json, but the weights are for {sizes['size']} pixels",
            cure="fetch the model again",
        )
    if not values.get("vision_use_head", True):
        raise FormatError("vision_use_head is false: the image tower gives no embedding", cure="use the whole model")
    sizes |= {
        "size": size,
        "heads": values["num_attention_heads"],
        "activation": _activation(values),
        "epsilon": values["layer_norm_eps"],
    }
    if layout == "clip":
        return VitSpec(**sizes)
    return VitSpec(**sizes, patch_bias=True, pre_norm=False, pool="attention", final_norm="tokens", projection="none")


def text_tower(state: Mapping[str, Array], layout: Layout, config: HuggingFaceConfig) -> ClipTextSpec:
    """Return the text tower of a state under our names; `pad_id` is left to the tokenizer."""
    values = config.text
    sizes = text_sizes(state) | {
        "heads": values["num_attention_heads"],
        "activation": _activation(values),
        "epsilon": values["layer_norm_eps"],
    }
    if layout != "clip":
        return ClipTextSpec(**sizes, mask="none", pool="last", projection="linear")
    end = values["eos_token_id"]
    if isinstance(end, list) and len(end) == 1:
        end = end[0]
    if not isinstance(end, int):
        raise FormatError(f"eos_token_id {end!r} in config.json", cure="one id says where a text is read")
    return ClipTextSpec(**sizes, end_id=None if end == LEGACY_END and config.legacy else end)


def model_type(text: ClipTextSpec, layout: Layout) -> str:
    """Return the type under which transformers knows such towers; CLIP's cannot read a text at token 2."""
    return "metaclip_2" if layout == "clip" and text.end_id == LEGACY_END else layout


def as_json(spec: ModelSpec, image: VitSpec, text: ClipTextSpec, layout: Layout) -> Values:
    """Return the content of the `config.json` that says what `spec` says, but for the type of the weights."""
    kind = model_type(text, layout)
    text_config: Values = {
        "model_type": f"{kind}_text_model",
        "vocab_size": text.vocabulary_size,
        "max_position_embeddings": text.context_length,
        "pad_token_id": spec.tokenizer.pad_id,
        **_layers(text),
    }
    if spec.tokenizer.vocabulary == "own":  # transformers' default is CLIP's, beyond most vocabularies
        text_config["bos_token_id"] = text.vocabulary_size - 2
    values: Values = {
        "architectures": [CLASSES[kind]],
        "model_type": kind,
        "initializer_factor": 1.0,
        "text_config": text_config,
        "vision_config": vision_json(image, layout) | {"model_type": f"{kind}_vision_model"},
    }
    if layout == "clip":
        text_config["eos_token_id"] = LEGACY_END if text.end_id is None else text.end_id
        values["logit_scale_init_value"] = math.log(spec.scale)
        for part in (values, text_config, values["vision_config"]):
            part["projection_dim"] = spec.width
    else:
        text_config["projection_size"] = spec.width
    return values


def vision_json(image: VitSpec, layout: Layout) -> Values:
    """Return the `vision_config` of an image tower, for CLIP's layout without `projection_dim`."""
    values: Values = {
        "model_type": f"{layout}_vision_model",
        "num_channels": 3,
        "patch_size": image.patch,
        **_layers(image),
    }
    if layout == "siglip2":
        values["num_patches"] = (image.size // image.patch) ** 2
    else:
        values["image_size"] = image.size
    if layout != "clip":
        values["vision_use_head"] = True
    return values


def _layers(tower: VitSpec | ClipTextSpec) -> Values:
    return {
        "hidden_size": tower.width,
        "intermediate_size": hidden_width(tower.width, tower.mlp_ratio),
        "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads,
        "hidden_act": _THEIR_ACTIVATIONS[tower.activation],
        "layer_norm_eps": tower.epsilon,
        "attention_dropout": 0.0,
    }


def _activation(values: Values) -> Activation:
    name = values["hidden_act"]
    if name not in _ACTIVATIONS:
        raise FormatError(f"hidden_act {name!r} in config.json", cure=f"known: {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def _given(half: Any) -> Values:
    """Return what a half says; null is as if it were not there."""
    return {key: value for key, value in half.items() if value is not None} if isinstance(half, dict) else {}


def _usual_heads(layout: Layout, width: int) -> int:
    usual = SIGLIP_HEADS.get(width) if layout != "clip" else None
    return usual or max(width // CLIP_HEAD, 1)
