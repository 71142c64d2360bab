"""CLIP's text tower as most formats store it: our names already, at the root or under `text.`.  Free of PyTorch.

    spec, state = read_clip_text(keys)       # from shapes alone: causal, read at the end token, GELU
    require_clip_text(spec, "EVA")           # before writing: is it such a tower, with CLIP's vocabulary?
    other_preprocessing(spec.preprocess, usual)     # what of the preprocessing a reader would take otherwise

Used by the formats that have no configuration file.
"""

from dataclasses import replace
from pathlib import Path

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import plain_name
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.trunks.sizes import text_sizes

TORCH_FILES = (".pt", ".pth", ".bin")  # how a file of weights may end
HEAD_WIDTH = 64  # of every published text tower of this kind
PARTS = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection")
FIRST = "transformer.resblocks.0.mlp.c_fc.weight"


def read_clip_text(keys: Keys) -> tuple[ClipTextSpec, dict[str, Array]]:
    """Take the text tower and `logit_scale`; sizes are read from the shapes, heads are 64 channels wide.

    `FormatError` when the shapes are not those of a CLIP text tower.
    """
    prefix = "text." if "text.token_embedding.weight" in keys else ""
    names = [name for name in keys if name.startswith(tuple(prefix + part for part in PARTS))]
    state = {name.removeprefix(prefix): keys.take(name) for name in names}
    keys.drop("attn_mask", "text.attn_mask")  # the causal mask, kept by older files
    scale = "text.logit_scale" if "text.logit_scale" in keys else "logit_scale"
    state["logit_scale"] = keys.take(scale).reshape(())
    if FIRST not in state or state[FIRST].shape[1] % HEAD_WIDTH:
        raise FormatError(f"{keys.where} holds no text tower of CLIP's kind", cure="name its format")
    sizes = text_sizes(state)
    spec = ClipTextSpec(**sizes, heads=sizes["width"] // HEAD_WIDTH)
    return spec, state


def clip_tokenizer(text: ClipTextSpec) -> TokenizerSpec:
    """Return the published tokenizer at the tower's lengths."""
    return replace(TokenizerSpec(), vocabulary_size=text.vocabulary_size, context_length=text.context_length)


def weights_file(target: Path, name: str) -> Path:
    """Return where a format of one file is written: the file that was named, or `name`.pt in the folder."""
    if target.suffix in TORCH_FILES and not target.is_dir():
        return target
    return target / f"{plain_name(name, otherwise='model')}.pt"


def other_preprocessing(spec: PreprocessSpec, usual: PreprocessSpec) -> list[str]:
    """Return what of a preprocessing differs by more than a level here and there from `usual`, as `preprocess.name`."""
    same = ("resize", "scale_to", "interpolation", "antialias", "mean", "std")
    return [f"preprocess.{name}" for name in same if getattr(spec, name) != getattr(usual, name)]


def require_clip_text(spec: ModelSpec, who: str, usual: PreprocessSpec) -> None:
    """Raise `UsageError` unless text tower, tokenizer and preprocessing are what a reader of the format takes.

    `usual` is the preprocessing that the format's own code has.
    """
    text, plain = of_family(spec.text, ClipTextSpec, who), ClipTextSpec()
    same = ("activation", "epsilon", "mask", "pool", "end_id", "projection", "layer_scale", "mixer")
    wrong = [f"text.{name} = {getattr(text, name)!r}" for name in same if getattr(text, name) != getattr(plain, name)]
    if text.heads * HEAD_WIDTH != text.width:
        wrong.append(f"text.heads = {text.heads}")
    if (spec.tokenizer.kind, spec.tokenizer.vocabulary) != ("clip-bpe", "clip"):
        wrong.append("a vocabulary of its own")
    wrong += other_preprocessing(spec.preprocess, usual)
    if spec.bias is not None:
        wrong.append(f"bias = {spec.bias}")
    if wrong:
        raise UsageError(f"{who} has no place for {', '.join(wrong)}", cure="choose another format")
