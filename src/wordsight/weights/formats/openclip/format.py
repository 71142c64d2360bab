"""open_clip's checkpoints: training files, weights alone, and hub folders with `open_clip_config.json`.

    recognise(files), read(files), write(checkpoint, folder)      see `wordsight.weights.formats.table`

The parts: `config` (what a configuration says), `guess` (when there is none), `tokenizer`; of the image towers
`native` (open_clip's own), `timm_vit` (those of timm that are built here), `naflex` (SigLIP 2's for images of any
shape), `eva_trunk`, `perception_trunk` and `timm_tower` (all others of timm); `transformers_text` for text towers.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.base.files import atomic_write, write_json
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.timm.spec import TimmSpec
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec
from wordsight.towers.transformers.spec import TransformersTextSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.archive.safe import write_safetensors
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.openclip import (
    eva_trunk,
    naflex,
    native,
    perception_trunk,
    timm_tower,
    transformers_text,
)
from wordsight.weights.formats.openclip import timm_vit as timm
from wordsight.weights.formats.openclip.config import CONFIG, OpenClipConfig, configured, preprocess_cfg
from wordsight.weights.formats.openclip.guess import guessed
from wordsight.weights.formats.openclip.tokenizer import read_tokenizer, write_tokenizer
from wordsight.weights.formats.trunks import eva, perception
from wordsight.weights.formats.trunks.fastvit import BRANCHED, FOLDED, fold, unfold

WEIGHTS = "open_clip_model.safetensors"
OPENAI = ("input_resolution", "context_length", "vocab_size")  # which only OpenAI's archives hold
OTHER_FORMATS = (
    "visual.attn_pool.probe",
    "visual.cls_token",
    "visual.patch_embed.proj.weight",
)  # PE's and EVA's own files
FOLDING = {"inference_mode": True}  # timm's FastViT with each set of branches as one convolution
UNSCALED = ("fastvit_mci3", "fastvit_mci4")  # whose stems have no pointwise branch
TEXTS = ("token_embedding.weight", "text.token_embedding.weight")


def recognise(files: CheckpointFiles) -> bool:
    """Say whether the weights have open_clip's names: an image tower of it, or of timm, and a text tower."""
    keys = files.tensors
    if any(name in keys for name in (*OPENAI, *OTHER_FORMATS)):
        return False
    image = ("visual.class_embedding", "visual.layer1.0.conv1.weight")
    known = any(name in keys for name in image) or any(name.startswith(timm.TRUNK) for name in keys)
    text = any(name in keys for name in TEXTS) or any(name.startswith("text.transformer.") for name in keys)
    return known and text


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; weights left over, missing or of an unknown tower are errors that list them."""
    keys = Keys(files.tensors, where=str(files.weights))
    return assemble(files, keys, configured(files) or guessed(files, keys), "openclip")


def assemble(files: CheckpointFiles, keys: Keys, config: OpenClipConfig, format_name: str) -> Checkpoint:
    """Return the model of weights under open_clip's names and a configuration; every weight is used once."""
    assumed = [*config.assumed, *_drop_decoder(keys)]
    image, state = _read_image(keys, config)
    if config.assumed and isinstance(image, EvaSpec):  # there is no configuration
        assumed += eva.assumed_trunk(image)
    if config.assumed and isinstance(image, VitSpec) and image.rotary == "perception":
        assumed += perception.assumed_trunk(image)
    text, text_state = _read_text(files, keys, config)
    state |= text_state
    state["logit_scale"] = keys.take("logit_scale").reshape(())
    biased = "logit_bias" in keys or config.model.init_logit_bias is not None
    if biased:
        bias = keys.take("logit_bias") if "logit_bias" in keys else np.zeros((), state["logit_scale"].dtype)
        state["logit_bias"] = bias.reshape(())
    keys.finish()
    preprocess = replace(config.preprocess, size=image.size)
    if isinstance(image, VitSpec) and naflex.match(config.model.vision_cfg):
        preprocess = replace(naflex.keeping_shape(config, image.patch), size=image.size)
        assumed.append(naflex.assumed(preprocess))
    tokenizer, tokenizer_files = read_tokenizer(files, config.model.text_cfg, text, assumed)
    spec = ModelSpec(
        name=files.name,
        width=config.model.embed_dim,
        image=image,
        text=text,
        preprocess=preprocess,
        tokenizer=tokenizer,
        loss="sigmoid" if biased else "softmax",
        bias=_initial_bias(config) if biased else None,
    )
    origin = {"format": format_name, "file": files.weights.name}
    return Checkpoint(spec, state, tokenizer_files, tuple(assumed), origin)


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Write a hub folder that `open_clip.create_model_and_transforms("local-dir:...")` loads strictly."""
    spec = checkpoint.spec
    preprocess = preprocess_cfg(spec.preprocess)
    vision, state, custom = _write_image(spec, checkpoint.state)
    text, trunk_config = _text_cfg(spec.text)
    transformers_tower = trunk_config is not None
    named, files = write_tokenizer(checkpoint)
    custom = custom or transformers_tower or "embed_cls" in text
    state |= _write_text(checkpoint.state, custom=custom and not transformers_tower)
    model: dict[str, Any] = {"embed_dim": spec.width, "vision_cfg": vision, "text_cfg": {**text, **named}}
    if custom:
        model["custom_text"] = True
    if spec.bias is not None:
        model["init_logit_bias"] = spec.bias
    if _quick_gelu(spec, custom_image="timm_model_name" in vision):
        model["quick_gelu"] = True
    values = {"model_cfg": model, "preprocess_cfg": preprocess}
    target.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        with atomic_write(target / name) as handle:
            handle.write(data)
    write_safetensors(target / WEIGHTS, state)
    if trunk_config is not None:
        write_json(target / "config.json", trunk_config)
    write_json(target / CONFIG, values)


def _text_cfg(text: TextTowerSpec) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the `text_cfg`, without its tokenizer, and the configuration of a trunk of transformers."""
    if isinstance(text, TransformersTextSpec):
        return transformers_text.text_cfg(text), transformers_text.trunk_config(text)
    return native.text_cfg(of_family(text, ClipTextSpec, "open_clip")), None


def _read_image(keys: Keys, config: OpenClipConfig) -> tuple[ImageTowerSpec, dict[str, Array]]:
    model = config.model
    if "visual.class_embedding" in keys:
        return native.read_vit(keys, model)
    if "visual.layer1.0.conv1.weight" in keys:
        return native.read_resnet(keys, model)
    if naflex.match(model.vision_cfg):
        return naflex.read_trunk(keys, model)
    if timm.is_native(model.vision_cfg, keys):
        return timm.read_trunk(keys, model)
    if perception_trunk.recognise_trunk(keys, model.vision_cfg):
        return perception_trunk.read_trunk(keys)
    if eva_trunk.recognise_trunk(keys, model.vision_cfg):
        return eva_trunk.read_trunk(keys, model.vision_cfg)
    spec, state = timm_tower.read_image(keys, model)
    if BRANCHED in state:
        state = fold(state)
    if FOLDED in state:
        spec = replace(spec, options={**spec.options, "arguments": {**spec.options["arguments"], **FOLDING}})
    return spec, state


def _read_text(files: CheckpointFiles, keys: Keys, config: OpenClipConfig) -> tuple[TextTowerSpec, dict[str, Array]]:
    if any(name in keys for name in TEXTS):
        return native.read_text(keys, config.model)
    beside = files.json("config.json") or {}
    return transformers_text.read_text(keys, config.model, beside if "model_type" in beside else None)


def _drop_decoder(keys: Keys) -> list[str]:
    """Strike off CoCa's captioning decoder, and say so."""
    decoder = [name for name in keys.left if name.startswith("text_decoder.")]
    keys.drop(*decoder)
    if not decoder:
        return []
    return [f"nothing of the decoder that writes captions ({len(decoder)} weights): embeddings do not need it"]


def _initial_bias(config: OpenClipConfig) -> float:
    bias = config.model.init_logit_bias
    return -10.0 if bias is None else bias  # SigLIP's (Zhai et al. 2023), as every published sigmoid model


def _write_image(spec: ModelSpec, state: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array], bool]:
    """Return `vision_cfg`, the image tower's weights, and whether open_clip wants the text tower apart."""
    image = spec.image
    own = {name: array for name, array in state.items() if name.startswith("visual.")}
    if isinstance(image, ResNetSpec):
        return native.resnet_cfg(image), own, False
    if isinstance(image, TimmSpec):
        if FOLDED in own:
            own = unfold(own, stem_scale=image.trunk not in UNSCALED)
            arguments = {name: value for name, value in image.options["arguments"].items() if name not in FOLDING}
            image = replace(image, options={**image.options, "arguments": arguments})
        return timm_tower.image_cfg(image), own, True
    if isinstance(image, EvaSpec):
        cfg, trunk = eva_trunk.write_trunk(spec, state)
        return cfg, trunk, True
    image = of_family(image, VitSpec, "open_clip")
    if image.rotary == "perception":
        cfg, trunk = perception_trunk.write_trunk(spec, state)
        return cfg, trunk, True
    bare = image.has_class_token and not image.patch_bias and image.projection == "matrix" and image.stem != "tiered"
    if bare and image.pool != "attention":
        return native.vit_cfg(image), own, False
    cfg, trunk = timm.write_trunk(image, state)
    return cfg, trunk, True


def _write_text(state: Mapping[str, Array], *, custom: bool) -> dict[str, Array]:
    """Return everything but the image tower; a text tower of its own lies under `text.`."""
    result = {name: array for name, array in state.items() if not name.startswith("visual.")}
    if not custom:
        return result
    return {name if name.startswith("logit_") else "text." + name: array for name, array in result.items()}


def _quick_gelu(spec: ModelSpec, *, custom_image: bool) -> bool:
    """Say whether open_clip's own towers use QuickGELU; it has one switch for both."""
    used = [spec.text.activation] if isinstance(spec.text, ClipTextSpec) else []
    if isinstance(spec.image, VitSpec) and not custom_image:
        used.append(spec.image.activation)
    quick = "quick_gelu" in used
    if "silu" in used or (quick and set(used) != {"quick_gelu"}):
        raise UsageError(
            f"open_clip has one switch for the activation of both towers, and these have {' and '.join(used)}",
            cure="choose another format",
        )
    return quick
