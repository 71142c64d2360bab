"""MobileCLIP in Apple's own naming, from ours: the inverse of `mobileclip`, with every branch that training has.

    tensors = own_names(checkpoint)       # what `mobileclip.create_model_and_transforms(name, pretrained=FILE)` loads

Apple's code builds S0, S1, S2 and B; a folded convolution comes back as one branch beside others that are nothing.
"""

import re
from collections.abc import Mapping

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.timm.spec import TimmSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array, Checkpoint
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.mobileclip.names import (
    FASTVIT,
    IMAGE,
    TEXT,
    TEXT_BLOCK,
    TEXT_WHOLE,
    VIT_PARTS,
    renamed,
)
from wordsight.weights.formats.trunks.fastvit import FOLDED, TRUNK, batch_norm, unfold
from wordsight.weights.formats.trunks.mci import BACKBONE, without_class_position, write_stem

FAST = ("fastvit_mci0", "fastvit_mci1", "fastvit_mci2")
APPLES_EPSILON = 1e-5
WHO = "Apple's MobileCLIP (S0, S1, S2, B)"
_STAGE = re.compile(r"stages\.(\d+)\.(downsample|pos_emb|blocks)\.(.+)")


def own_names(checkpoint: Checkpoint) -> dict[str, Array]:
    """Return the weights under Apple's names; `UsageError` for what its code cannot build."""
    spec = checkpoint.spec
    image, text = spec.image, of_family(spec.text, ClipTextSpec, WHO)
    if isinstance(image, TimmSpec):
        problems = {f"image.trunk = {image.trunk!r}": image.trunk not in FAST}
    else:
        image = of_family(image, VitSpec, WHO)
        problems = {
            f"image.stem = {image.stem}, image.stem_padding = {image.stem_padding}, image.epsilon = {image.epsilon}": (
                (image.stem, image.stem_padding, image.epsilon) != ("tiered", 1, APPLES_EPSILON)
            )
        }
    _require(spec, text, problems, mask="none" if isinstance(image, TimmSpec) else "causal")
    own = {name: array for name, array in checkpoint.state.items() if name.startswith("visual.")}
    rest = {name: array for name, array in checkpoint.state.items() if not name.startswith("visual.")}
    tensors = _fastvit(own) if isinstance(image, TimmSpec) else _vit(own, image)
    return tensors | _text(rest, text) | {"logit_scale": rest["logit_scale"]}


def _require(spec: ModelSpec, text: ClipTextSpec, problems: dict[str, bool], *, mask: str) -> None:
    pixels = spec.preprocess
    problems |= {
        f"text.mask = {text.mask}, text.pool = {text.pool}": (text.mask, text.pool, text.end_id) != (mask, "end", None),
        f"text.activation = {text.activation}": text.activation != "gelu",
        f"text.projection = {text.projection}": text.projection != "matrix",
        f"text.epsilon = {text.epsilon}": text.epsilon != APPLES_EPSILON,
        "text.layer_scale = true": text.layer_scale,
        f"scores of {spec.loss}": spec.loss != "softmax",
        f"preprocess.interpolation = {pixels.interpolation}, mean = {pixels.mean}": (
            (pixels.interpolation, pixels.resize) != ("bilinear", "shortest") or any(pixels.mean)
        ),
    }
    named = [problem for problem, wrong in problems.items() if wrong]
    if named:
        raise UsageError(
            f"{WHO} has no place for {'; '.join(named)}",
            cure="choose another format",
        )


def _fastvit(state: Mapping[str, Array]) -> dict[str, Array]:
    branched = unfold(state, stem_scale=True) if FOLDED in state else dict(state)
    indices: dict[tuple[str, str], int] = {}
    names = [name.removeprefix(TRUNK) for name in branched]
    for stage in sorted({match[1] for match in map(_STAGE.fullmatch, names) if match}):
        for part in ("downsample", "pos_emb", "blocks"):
            if any(name.startswith(f"stages.{stage}.{part}.") for name in names):
                indices[stage, part] = len(indices)
    made: dict[str, Array] = {}
    for name in names:
        value, match = branched[TRUNK + name], _STAGE.fullmatch(name)
        if name == "head.fc.weight":
            made[IMAGE + "head.proj"] = _unbiased(value, branched[TRUNK + "head.fc.bias"])
        elif name != "head.fc.bias":
            if match:
                rest = match[3].replace("pos_enc.", "pe.")
                name = f"network.{indices[match[1], match[2]]}.{rest}"
            name = re.sub(r"(layer_scale(_\d)?)\.gamma$", r"\1", name)
            made[IMAGE + renamed(name, FASTVIT, back=True)] = value
    return made


def _vit(state: Mapping[str, Array], image: VitSpec) -> dict[str, Array]:
    stem = {name.removeprefix(BACKBONE): value for name, value in write_stem(state).items()}
    made = {f"{IMAGE}patch_emb.{renamed(name, VIT_PARTS, back=True)}": value for name, value in stem.items()}
    made[IMAGE + "pos_embed.pos_embed.pos_embed"] = without_class_position(state["visual.positional_embedding"])[
        None, None
    ]
    made[IMAGE + "cls_token"] = state["visual.class_embedding"].reshape(1, 1, -1)
    for end in ("weight", "bias"):
        made[f"{IMAGE}post_transformer_norm.{end}"] = state[f"visual.ln_post.{end}"]
    if image.projection == "linear":
        made[IMAGE + "classifier.proj"] = _unbiased(state["visual.head.weight"], state["visual.head.bias"])
    else:
        made[IMAGE + "classifier.proj"] = state["visual.proj"]
    head = "visual.transformer.resblocks."
    for name, value in state.items():
        if name.startswith(head):
            made[f"{IMAGE}transformer.{renamed(name.removeprefix(head), TEXT_BLOCK, back=True)}"] = value
    return made


def _text(state: Mapping[str, Array], text: ClipTextSpec) -> dict[str, Array]:
    whole = {ours: apple for apple, ours in TEXT_WHOLE.items()}
    head, shift = "transformer.resblocks.", 1 if text.mixer else 0
    made: dict[str, Array] = {}
    for name, value in state.items():
        if name in whole:
            made[TEXT + whole[name]] = value[None, None] if name == "positional_embedding" else value
        elif name.startswith(head):
            number, rest = name.removeprefix(head).split(".", 1)
            made[f"{TEXT}transformer.{int(number) + shift}.{renamed(rest, TEXT_BLOCK, back=True)}"] = value
    for index, block in enumerate((0, text.layers + 1) if text.mixer else ()):
        made |= _mixer(state, f"transformer.mixers.{index}.", f"{TEXT}transformer.{block}.")
    return made


def _mixer(state: Mapping[str, Array], ours: str, apple: str) -> dict[str, Array]:
    """Return a text mixer with its branches and norms: everything in the first, nothing in the others."""
    mix, conv = (state[f"{ours}{part}.weight"][:, :, None] for part in ("mix", "conv"))  # (D, 1, 1, K)
    width = len(mix)
    skip = np.zeros_like(mix)
    skip[..., mix.shape[-1] // 2] = 1
    nothing, factor = np.zeros(width, np.float32), np.ones((width, 1, 1), np.float32)
    made = {
        f"{apple}token_mixer.mixer.rbr_conv.0.conv.weight": mix - skip,
        f"{apple}token_mixer.layer_scale": factor,
        f"{apple}convffn.conv.conv.weight": conv,
        f"{apple}convffn.fc1.weight": state[f"{ours}mlp.c_fc.weight"][:, :, None, None],
        f"{apple}convffn.fc1.bias": state[f"{ours}mlp.c_fc.bias"],
        f"{apple}convffn.fc2.weight": state[f"{ours}mlp.c_proj.weight"][:, :, None, None],
        f"{apple}convffn.fc2.bias": state[f"{ours}mlp.c_proj.bias"],
        f"{apple}layer_scale": factor,
    }
    made |= batch_norm(f"{apple}token_mixer.mixer.rbr_conv.0.bn", state[f"{ours}mix.bias"], 1.0)
    made |= batch_norm(f"{apple}convffn.conv.bn", state[f"{ours}conv.bias"], 1.0)
    for branch in ("mixer", "norm"):
        made |= batch_norm(f"{apple}token_mixer.{branch}.rbr_skip", nothing, 0.0)
    return made


def _unbiased(weight: Array, bias: Array) -> Array:
    """Return the projection (D, E) of a linear layer (E, D) whose bias is nothing; another one is a `UsageError`."""
    if np.any(bias):
        raise UsageError("Apple's projection of pictures has no bias, and this one has", cure="choose another format")
    return np.ascontiguousarray(weight.T)
