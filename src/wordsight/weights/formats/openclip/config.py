"""What an open_clip configuration says: the fields of its `open_clip_config.json`, typed.

    config = configured(files)          # None when there is no such file
    config.model.vision_cfg.patch_size

Unknown fields are errors, so that nothing that changes the numbers is passed over.  Knows no weights.
"""

from dataclasses import dataclass
from typing import Any

from wordsight.base.config import from_dict
from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.base.progress import notice
from wordsight.images.spec import PreprocessSpec
from wordsight.weights.checkpoint_files import CheckpointFiles

CONFIG = "open_clip_config.json"
VERSION = "3.3.0"  # of open_clip, whose fields and defaults these are
UNTRIED = ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc")


@dataclass(frozen=True, slots=True)
class VisionCfg:
    """`vision_cfg`: open_clip's names and defaults (`CLIPVisionCfg`)."""

    layers: int | tuple[int, ...] = 12
    width: int = 768
    head_width: int = 64
    mlp_ratio: float = 4.0
    patch_size: int | tuple[int, int] | None = 16
    image_size: int | tuple[int, int] = 224
    image_seq_len: int | None = None  # of later versions: patches of an image that keeps its shape
    ls_init_value: float | None = None
    patch_dropout: float = 0.0
    attentional_pool: bool | str = False
    attn_pooler_queries: int = 256
    attn_pooler_heads: int = 8
    no_ln_pre: bool = False
    pos_embed_type: str = "learnable"
    final_ln_after_pool: bool = False
    pool_type: str = "tok"
    output_tokens: bool = False
    act_kwargs: dict[str, Any] | None = None
    norm_kwargs: dict[str, Any] | None = None
    block_type: str | None = None
    qk_norm: bool = False
    scaled_cosine_attn: bool = False
    scale_heads: bool = False
    scale_attn_inner: bool = False
    scale_attn: bool = False
    scale_fc: bool = False
    timm_model_name: str | None = None
    timm_model_pretrained: bool = False
    timm_pool: str | None = "avg"
    timm_proj: str | None = "linear"
    timm_proj_bias: bool = False
    timm_drop: float = 0.0
    timm_drop_path: float | None = None


@dataclass(frozen=True, slots=True)
class TextCfg:
    """`text_cfg`: open_clip's names and defaults (`CLIPTextCfg`)."""

    context_length: int = 77
    vocab_size: int = 49408
    hf_tokenizer_name: str | None = None
    tokenizer_mode: str | None = None
    tokenizer_kwargs: dict[str, Any] | None = None
    width: int = 512
    heads: int = 8
    layers: int = 12
    mlp_ratio: float = 4.0
    ls_init_value: float | None = None
    embed_cls: bool = False
    pad_id: int = 0
    eos_id: int = 2
    no_causal_mask: bool = False
    final_ln_after_pool: bool = False
    pool_type: str = "argmax"
    proj_bias: bool = False
    proj_type: str = "linear"
    output_tokens: bool = False
    act_kwargs: dict[str, Any] | None = None
    norm_kwargs: dict[str, Any] | None = None
    block_type: str | None = None
    qk_norm: bool = False
    scaled_cosine_attn: bool = False
    scale_heads: bool = False
    scale_attn_inner: bool = False
    scale_attn: bool = False
    scale_fc: bool = False
    hf_model_name: str | None = None
    hf_model_pretrained: bool = True
    hf_proj_type: str | None = "mlp"
    hf_pooler_type: str | None = "mean_pooler"


@dataclass(frozen=True, slots=True)
class ModelCfg:
    """`model_cfg`."""

    embed_dim: int
    vision_cfg: VisionCfg
    text_cfg: TextCfg
    quick_gelu: bool = False
    custom_text: bool = False
    multimodal_cfg: dict[str, Any] | None = None
    init_logit_scale: float | None = None
    init_logit_bias: float | None = None
    nonscalar_logit_scale: bool = False
    output_dict: bool = False


@dataclass(frozen=True, slots=True)
class OpenClipConfig:
    """A whole configuration; `preprocess` lacks the size, `assumed` says what stands in no file."""

    model: ModelCfg
    preprocess: PreprocessSpec
    assumed: tuple[str, ...] = ()


def configured(files: CheckpointFiles) -> OpenClipConfig | None:
    """Return the configuration beside the weights, or None; one that cannot be kept to is a `FormatError`."""
    values = files.json(CONFIG)
    if values is None:
        return None
    where = files.folder / CONFIG
    raw = values.get("model_cfg", values)
    if not isinstance(raw, dict):
        raise FormatError(f"model_cfg in {where} is no JSON object", cure="fetch the model again")
    model = typed(raw, str(where))
    for name, tower in (("vision_cfg", model.vision_cfg), ("text_cfg", model.text_cfg)):
        used = [option for option in UNTRIED if getattr(tower, option)]
        if used or tower.block_type == "custom":
            raise FormatError(
                f"{where}: {name} asks for {', '.join(used) or 'the custom block'}", cure="no published model has that"
            )
    preprocess = values.get("preprocess_cfg", {}) if "model_cfg" in values else {}
    return OpenClipConfig(model, preprocessing(preprocess, str(where)))


def typed(raw: dict[str, Any], where: str) -> ModelCfg:
    """Return `model_cfg` as a `ModelCfg`; unknown fields and wrong types are `FormatError`s."""
    try:
        return from_dict(ModelCfg, {key: value for key, value in raw.items() if value is not None})
    except ConfigError as error:
        raise FormatError(f"{where}: {error.problem}", cure=f"made for another open_clip than {VERSION}") from None


def preprocessing(values: dict[str, Any], where: str) -> PreprocessSpec:
    """Return what `preprocess_cfg` says over open_clip's defaults, but for the size, which the image tower has."""
    known = {key: value for key, value in values.items() if value is not None}
    spec = PreprocessSpec()
    try:
        return from_dict(
            PreprocessSpec,
            {
                "rgb": "after",
                "interpolation": "bilinear"
                if known.get("interpolation") == "bilinear"
                else "bicubic",  # as it is there
                "resize": known.get("resize_mode", "shortest"),
                "fill": known.get("fill_color", 0),
                "mean": _three(known.get("mean", spec.mean)),
                "std": _three(known.get("std", spec.std)),
            },
        )
    except ConfigError as error:
        raise FormatError(f"preprocess_cfg in {where}: {error.problem}", cure=error.cure) from None


def preprocess_cfg(spec: PreprocessSpec) -> dict[str, Any]:
    """Return the `preprocess_cfg` that says the same as `spec`; `UsageError` where open_clip cannot do that.

    What changes only some levels of pixels is reported.
    """
    wrong = {
        f'preprocess.resize = "{spec.resize}"': spec.resize == "patches",
        f"preprocess.scale_to = {spec.scale_to}": spec.scale_to not in (0, spec.size),
        f'preprocess.interpolation = "{spec.interpolation}"': spec.interpolation not in ("bilinear", "bicubic"),
    }
    named = [problem for problem, there in wrong.items() if there]
    if named:
        raise UsageError(f"open_clip has no place for {', '.join(named)}", cure="choose another format")
    if not spec.antialias:
        notice("open_clip smooths pictures before it shrinks them; this model's own preprocessing does not", once=True)
    return {
        "mean": list(spec.mean),
        "std": list(spec.std),
        "interpolation": spec.interpolation,
        "resize_mode": spec.resize,
        "fill_color": spec.fill,
    }


def _three(value: Any) -> Any:
    return [value] * 3 if isinstance(value, int | float) else value
