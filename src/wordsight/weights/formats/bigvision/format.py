"""big_vision's `.npz` of SigLIP, SigLIP 2 (NaFlex too) and LiT: flat or with the layers of a tower stacked.

    checkpoint = read(CheckpointFiles(Path("webli_en_b16_224.npz")))
    write(checkpoint, Path("out.npz"))          # flat, as open_clip's loader takes it

The file holds weights and no more.  Tokenizer and preprocessing are those of big_vision's own evaluation
(`configs/proj/image_text/SigLIP_demo.ipynb`, `SigLIP2_demo.ipynb`), with which the published figures were measured:
squashed, bilinear, TensorFlow's resize without antialias.  open_clip and transformers prepare the same weights with
antialias, which changes every image that shrinks.  Free of PyTorch.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import atomic_write
from wordsight.base.progress import notice
from wordsight.base.reading import read_file
from wordsight.images.spec import HALF, PreprocessSpec
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.bigvision.layers import ReadTowers, give_towers, take_towers
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.tokenizers.checkpoint_tokenizer import SENTENCEPIECE, usual_tokenizer
from wordsight.weights.formats.trunks.sizes import image_sizes, text_sizes

ROOTS = ("params/", "opt/target/", "")  # with an optimiser of optax, of flax, none (big_vision utils.py, load_params)
MARKS = ("img/embedding/kernel", "txt/Embed_0/embedding", "t")
EPSILON = 1e-6  # flax.linen.LayerNorm
PATCHES = 256  # how many patches the published NaFlex figures were measured with (README_siglip2.md)
FILE = "model.npz"
SUFFIX = ".npz"
PIXELS = ("squash", "bilinear", False)  # how big_vision prepares images: resize, interpolation, antialias
SENTENCEPIECE_FILES = (SENTENCEPIECE, "sentencepiece.model", "tokenizer.model")


def recognise(files: CheckpointFiles) -> bool:
    """Whether the file has the names of a big_vision model with an image and a text tower."""
    return _root(files.tensors) is not None


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; every weight is used exactly once, or `ShapeMismatch` lists what is left or missing."""
    root = _root(files.tensors)
    if root is None:
        raise FormatError(f"{files.weights} holds no two towers of big_vision", cure="name the file itself")
    inside = {name.removeprefix(root): files.tensors[name] for name in files.tensors if name.startswith(root)}
    keys = Keys(inside, where=str(files.weights))
    kept = take_towers(keys)
    keys.finish()
    spec = _spec(kept, files.weights.stem)
    tokenizer = usual_tokenizer(of_family(spec.text, ClipTextSpec, "big_vision"), "lower-ascii")
    tokenizer_files, assumed = {}, list(tokenizer.assumed)
    sentencepiece = (
        next((path for name in SENTENCEPIECE_FILES if (path := files.file(name))), None)
        if files.path.is_dir()
        else None
    )
    if sentencepiece is not None and tokenizer.spec.kind == "sentencepiece":
        tokenizer_files = {SENTENCEPIECE: read_file(sentencepiece)}
        assumed = [
            f"{sentencepiece.name} beside the weights is assumed to be their tokenizer, used as big_vision does."
        ]
    if not kept.patches:
        assumed.append(
            "Preprocessing is not in the file: big_vision's own (squash, bilinear without antialias) is assumed; "
            "open_clip and transformers smooth: --set preprocess.antialias=true."
        )
    spec = replace(spec, tokenizer=tokenizer.spec, text=replace(spec.text, pad_id=tokenizer.spec.pad_id))
    origin = {"format": "bigvision", "file": files.weights.name}
    return Checkpoint(spec, kept.state, tokenizer_files, tuple(assumed), origin)


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Write `target`, a `.npz` or a folder in which one is made, flat; `UsageError` names what has no place in it."""
    path = target if target.suffix == SUFFIX and not target.is_dir() else target / FILE
    tensors = tensors_of(checkpoint)
    with atomic_write(path) as handle:
        np.savez(handle, **tensors)  # type: ignore[arg-type]
    if path != target and SENTENCEPIECE in checkpoint.tokenizer_files:  # looked for there when it is read again
        with atomic_write(target / SENTENCEPIECE) as handle:
            handle.write(checkpoint.tokenizer_files[SENTENCEPIECE])
    pixels = checkpoint.spec.preprocess
    if (pixels.resize, pixels.interpolation, pixels.antialias) not in (PIXELS, ("patches", "bilinear", True)):
        notice(
            f"{path.name} has no room for preprocessing: big_vision's own is {', '.join(PIXELS[:2])} without antialias"
        )


def tensors_of(checkpoint: Checkpoint, *, stacked: bool = False) -> dict[str, Array]:
    """Return the tensors of the file by name; `stacked` for one array for all layers of a tower ("scan")."""
    spec = checkpoint.spec
    image, text = of_family(spec.image, VitSpec, "big_vision"), of_family(spec.text, ClipTextSpec, "big_vision")
    _check(spec, image, text)
    heads = (image.heads, text.heads)
    patches = spec.preprocess.resize == "patches"
    tensors = give_towers(checkpoint.state, heads=heads, patches=patches, stacked=stacked)
    return {f"params/{name}": tensor for name, tensor in tensors.items()}


def _root(names: Mapping[str, Array]) -> str | None:
    """Return what stands before the names of the towers, or None where there are none."""
    return next((root for root in ROOTS if all(f"{root}{mark}" in names for mark in MARKS)), None)


def _spec(kept: ReadTowers, name: str) -> ModelSpec:
    """Return the towers; the tokenizer is left to the caller."""
    state = kept.state
    known: dict[str, Any] = {"activation": "gelu_tanh", "epsilon": EPSILON}
    class_token = "visual.class_embedding" in state
    pool: Any = "class" if class_token else "attention" if "visual.attn_pool.probe" in state else "mean"
    image = VitSpec(
        **image_sizes(state, class_token=class_token),
        **known,
        heads=kept.image_heads,
        patch_bias=True,
        pre_norm=False,
        pool=pool,
        final_norm="tokens",
        projection="linear" if "visual.head.weight" in state else "none",
    )
    if pool == "attention":
        ratio = len(state["visual.attn_pool.mlp.c_fc.bias"]) / image.width
        image = replace(image, pool_mlp_ratio=0.0 if ratio == image.mlp_ratio else ratio)
    text = ClipTextSpec(
        **text_sizes(state),
        **known,
        heads=kept.text_heads,
        mask="none",
        pool="last",
        projection="linear" if "text_projection.weight" in state else "none",
    )
    width = len(state["visual.head.bias"]) if image.projection == "linear" else image.width
    pixels = PreprocessSpec(
        size=image.size, resize="squash", interpolation="bilinear", antialias=False, mean=HALF, std=HALF
    )
    if kept.patches:
        pixels = replace(pixels, resize="patches", antialias=True, patch=image.patch, max_patches=PATCHES)
    sigmoid = "logit_bias" in state
    return ModelSpec(
        name,
        width=width,
        image=image,
        text=text,
        preprocess=pixels,
        loss="sigmoid" if sigmoid else "softmax",
        scale=10.0,  # big_vision's configurations; the learned one is in the weights
        bias=-10.0 if sigmoid else None,
    )


def _check(spec: ModelSpec, image: VitSpec, text: ClipTextSpec) -> None:
    """Raise `UsageError` naming the first thing that big_vision's towers cannot be."""
    wanted: dict[str, tuple[object, object]] = {
        "image.stem": (image.stem, "patch"),
        "image.patch_bias": (image.patch_bias, True),
        "image.pool": (image.pool, "attention"),
        "image.class_token": (image.has_class_token, False),
        "image.pre_norm": (image.pre_norm, False),
        "image.final_norm": (image.final_norm, "tokens"),
        "image.projection": (image.projection, "none"),
        "image.positions": (image.positions, "learned"),
        "image.rotary": (image.rotary, "none"),
        "image.layer_scale": (image.layer_scale, False),
        "image.pool_heads": (image.pool_heads or image.heads, image.heads),
        "image.activation": (image.activation, "gelu_tanh"),
        "image.epsilon": (image.epsilon, EPSILON),
        "text.mask": (text.mask, "none"),
        "text.pool": (text.pool, "last"),
        "text.layer_scale": (text.layer_scale, False),
        "text.mixer": (text.mixer, 0),
        "text.activation": (text.activation, "gelu_tanh"),
        "text.epsilon": (text.epsilon, EPSILON),
        "loss": (spec.loss, "sigmoid"),
    }
    for name, (actual, value) in wanted.items():
        if actual != value:
            raise UsageError(
                f"{name} = {actual!r} has no place in big_vision's towers, which have {value!r}",
                cure="choose another format",
            )
