"""Trunks that open_clip's configurations name without saying what they are, and the names of trunks by their shapes.

open_clip fetches the `config.json` of a trunk from the hub by its name; here the trunks of the published models are
known, so that nothing has to be fetched.  The figures are those of the files `config.json` under these names on the
hub; fields that are not given have the defaults of `wordsight.towers.transformers.options`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wordsight.base.errors import UsageError
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.tower_spec import hidden_width
from wordsight.towers.vit.spec import VitSpec

ROBERTA_SIZES = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
NLLB = {"vocab_size": 256206}

# name on the hub -> transformers' model type and the fields that differ from that type's defaults
TRUNKS: dict[str, tuple[str, dict[str, Any]]] = {
    "roberta-base": ("roberta", ROBERTA_SIZES),
    "roberta-large": ("roberta", ROBERTA_SIZES | LARGE),
    "xlm-roberta-base": ("xlm-roberta", ROBERTA_SIZES | {"vocab_size": 250002}),
    "xlm-roberta-large": ("xlm-roberta", ROBERTA_SIZES | LARGE | {"vocab_size": 250002}),
    "facebook/xlm-v-base": ("xlm-roberta", ROBERTA_SIZES | {"vocab_size": 901629}),
    "camembert-base": ("camembert", ROBERTA_SIZES | {"vocab_size": 32005}),
    "bert-base-uncased": ("bert", {}),
    "bert-large-uncased": ("bert", LARGE),
    "bert-base-cased": ("bert", {"vocab_size": 28996}),
    "bert-base-multilingual-cased": ("bert", {"vocab_size": 119547}),
    "bert-base-chinese": ("bert", {"vocab_size": 21128}),
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract": ("bert", {}),
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract": ("bert", {}),
    "google/mt5-small": ("mt5", {}),
    "google/mt5-base": ("mt5", {"d_model": 768, "d_ff": 2048, "num_layers": 12, "num_heads": 12}),
    "google/mt5-large": ("mt5", {"d_model": 1024, "d_ff": 2816, "num_layers": 24, "num_heads": 16}),
    "google/mt5-xl": ("mt5", {"d_model": 2048, "d_ff": 5120, "num_layers": 24, "num_heads": 32}),
    "facebook/nllb-200-distilled-600M": ("m2m_100", NLLB),
    "facebook/nllb-200-distilled-1.3B": ("m2m_100", NLLB | {"encoder_layers": 24, "encoder_ffn_dim": 8192}),
    "answerdotai/ModernBERT-base": ("modernbert", {}),
    "answerdotai/ModernBERT-large": (
        "modernbert",
        {"hidden_size": 1024, "intermediate_size": 2624, "num_hidden_layers": 28, "num_attention_heads": 16},
    ),
}
# names under which the same files are files, too
PREFIXES = ("FacebookAI/", "google-bert/", "almanach/")

# (blocks of the stages, channels of the first) -> timm's name; all published ones have timm's own pooling
CONVNEXTS: dict[tuple[tuple[int, ...], int], str] = {
    ((3, 3, 9, 3), 96): "convnext_tiny",
    ((3, 3, 27, 3), 96): "convnext_small",
    ((3, 3, 27, 3), 128): "convnext_base",
    ((3, 3, 27, 3), 192): "convnext_large",
    ((3, 3, 27, 3), 256): "convnext_xlarge",
    ((3, 4, 30, 3), 384): "convnext_xxlarge",
}


def known_trunk(name: str) -> tuple[str, dict[str, Any]] | None:
    """Return the model type and the fields of a trunk by its name on the hub, or None."""
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return TRUNKS.get(name)


@dataclass(frozen=True, slots=True)
class TrunkSizes:
    """What one of timm's names stands for."""

    width: int
    layers: int
    hidden: int
    patch: int
    size: int
    class_token: bool = True


def named_cfg(
    image: VitSpec | EvaSpec,
    trunks: Mapping[str, TrunkSizes],
    *,
    class_token: bool = True,
    pool: str,
    usual: bool,
    own: str,
) -> dict[str, Any]:
    """Return the `vision_cfg` by which open_clip takes such a tower from timm.

    `UsageError` when none of `trunks` has these sizes, or its options are not `usual`; `own` holds it.
    """
    hidden = hidden_width(image.width, image.mlp_ratio)
    sizes = TrunkSizes(image.width, image.layers, hidden, image.patch, image.size, class_token)
    name = next((name for name, trunk in trunks.items() if trunk == sizes), None)
    if name is None or not usual:
        raise UsageError(
            f"timm, which open_clip takes these towers from, has none of width {image.width}, {image.layers} layers, "
            f"patch {image.patch} and size {image.size} with these options",
            cure=f"choose another format; timm has {', '.join(trunks)}",
        )
    return {
        "image_size": image.size,
        "timm_model_name": name,
        "timm_model_pretrained": False,
        "timm_pool": pool,
        "timm_proj": None,
    }
