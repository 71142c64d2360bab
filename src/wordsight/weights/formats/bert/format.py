"""Folders of transformers with an encoder of BERT's kind, and sentence-transformers' around them: a `TextTrunk`.

    recognise(files), read(files)        `files` is the folder with config.json and the weights

BERT, and RoBERTa, XLM-R and CamemBERT, which are the same with positions that begin behind the padding's.  What is no
part of the encoder (`pooler.` where another row is read, heads of `cls.`...) is left out by name.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wordsight.base.errors import ConfigError, FormatError, ShapeMismatch
from wordsight.text.spec import Cleaning
from wordsight.towers.bert.shapes import PREFIX, bert_trunk_shapes
from wordsight.towers.bert.spec import BertSpec
from wordsight.towers.tower_spec import Activation
from wordsight.towers.transformers.options import BERT, ROBERTA, full_config
from wordsight.weights.checkpoint import Array, Keys, check_shapes
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.finite import check_finite
from wordsight.weights.formats.tokenizers.wordpiece import read_text_tokenizer
from wordsight.weights.json_fields import JsonFields
from wordsight.weights.sentence_transformers import SentenceEncoder, sentence_encoder
from wordsight.weights.trunk import TextTrunk

FIELDS = {"bert": BERT, "roberta": ROBERTA, "xlm-roberta": ROBERTA, "camembert": ROBERTA}
BEHIND_PADDING = ("roberta", "xlm-roberta", "camembert")  # whose first position has the number pad_token_id + 1
ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "silu": "silu",
}
WORDS = "embeddings.word_embeddings.weight"
POSITIONS, TYPES = "embeddings.position_embeddings.weight", "embeddings.token_type_embeddings.weight"
BUFFERS = ("position_ids", "token_type_ids")  # 0, 1, 2... in older files
ENCODER = ("embeddings.", "encoder.")  # of whose weights every one has its place
# ours -> theirs, inside one block
_BLOCK = {
    "attn.out_proj": "attention.output.dense",
    "ln_1": "attention.output.LayerNorm",
    "mlp.c_fc": "intermediate.dense",
    "mlp.c_proj": "output.dense",
    "ln_2": "output.LayerNorm",
}
_THIRDS = ("query", "key", "value")
_FIRST_NAMES = {".gamma": ".weight", ".beta": ".bias"}  # of norms, in files converted from TensorFlow


def recognise(files: CheckpointFiles) -> bool:
    """Say whether config.json names an encoder of BERT's kind."""
    return (files.json("config.json") or {}).get("model_type") in tuple(FIELDS)


def read(files: CheckpointFiles) -> TextTrunk:
    """Return the encoder with its pooling: that of sentence-transformers, else the first token's row."""
    config = files.json("config.json") or {}
    trunk = str(config["model_type"])
    try:
        known = full_config(FIELDS, trunk, config, f"config.json of {files.folder}")
    except ConfigError as error:
        raise FormatError(error.problem, cure=error.cure) from None
    encoder = sentence_encoder(files.path)
    fields = JsonFields(known, f"config.json of {files.folder}")
    begin = fields.whole("pad_token_id", least=0) + 1 if trunk in BEHIND_PADDING else 0
    spec = _spec(fields, begin, encoder)
    tokenizer = read_text_tokenizer(files, size=spec.vocabulary_size, context_length=spec.context_length)
    if tokenizer.spec.pad_id != spec.pad_id:
        raise FormatError(
            f"the tokenizer in {files.folder} pads with {tokenizer.spec.pad_id}, config.json says {spec.pad_id}",
            cure="restore the file that belongs to the model",
        )
    cleaning: Cleaning = "lower" if encoder is not None and encoder.lower_case else "none"
    names = _by_new_name(list(files.tensors), where=str(files.weights))
    keys = Keys({new: files.tensors[old] for new, old in names.items()}, where=str(files.weights))
    weights = _take(keys, spec, begin)
    left_out = _left_out(keys, spec, begin)
    check_shapes(dict(bert_trunk_shapes(spec)), weights, where=keys.where)
    check_finite(weights, where=keys.where)
    return TextTrunk(
        spec,
        replace(tokenizer.spec, cleaning=cleaning),
        weights,
        tokenizer.files,
        left_out,
        {"format": "huggingface", "model_type": trunk, "file": files.weights.name},
    )


def _spec(fields: JsonFields, begin: int, encoder: SentenceEncoder | None) -> BertSpec:
    width, heads = fields.whole("hidden_size"), fields.whole("num_attention_heads")
    if width % heads:
        raise FormatError(
            f"{fields.where} has hidden_size = {width} and num_attention_heads = {heads}",
            cure="the first must be a multiple of the second: fetch the model again",
        )
    longest = fields.whole("max_position_embeddings", least=begin + 1) - begin
    if encoder is not None and encoder.longest is not None:
        longest = min(longest, encoder.longest)
    return BertSpec(
        context_length=longest,
        vocabulary_size=fields.whole("vocab_size"),
        pad_id=fields.whole("pad_token_id", least=0),
        width=width,
        layers=fields.whole("num_hidden_layers"),
        heads=heads,
        mlp_ratio=fields.whole("intermediate_size") / width,
        activation=fields.choice("hidden_act", ACTIVATIONS),
        epsilon=fields.positive("layer_norm_eps"),
        pool="first" if encoder is None else encoder.pool,
    )


def _by_new_name(names: Sequence[str], *, where: str) -> dict[str, str]:
    """Return the names in a file by those of today; two that are one and the same are a `FormatError`."""
    given: dict[str, str] = {}
    for name in names:
        first = given.setdefault(_renamed(name), name)
        if first != name:
            raise FormatError(
                f"{where} holds {first} and {name}, which are the same weight", cure="keep the one of the model"
            )
    return given


def _renamed(name: str) -> str:
    """Return a name without what may stand before it ("bert."...), its norm's parts under the names of today."""
    name = re.sub(r"^(?:\w+\.)?(?=embeddings\.|encoder\.layer\.|pooler\.)", "", name)
    end = next((old for old in _FIRST_NAMES if name.endswith(f"LayerNorm{old}")), "")
    return name.removesuffix(end) + _FIRST_NAMES[end] if end else name


def _take(keys: Keys, spec: BertSpec, begin: int) -> dict[str, Array]:
    """Take the weights of the encoder; all texts are of token type 0, so its embedding is added to the positions."""
    width = spec.width
    positions = _table(keys, POSITIONS, begin + spec.context_length, width)[begin : begin + spec.context_length]
    weights: dict[str, Array] = {
        "positional_embedding": np.asarray(positions, np.float32)
        + np.asarray(_table(keys, TYPES, 1, width)[0], np.float32),
        "token_embedding.weight": keys.take(WORDS),
    }
    pairs = {"ln_pre": "embeddings.LayerNorm"}
    for number in range(spec.layers):
        theirs, ours = f"encoder.layer.{number}", f"transformer.resblocks.{number}"
        pairs |= {f"{ours}.{name}": f"{theirs}.{part}" for name, part in _BLOCK.items()}
        for end, shape in {"weight": (width, width), "bias": (width,)}.items():
            thirds = [_shaped(keys, f"{theirs}.attention.self.{part}.{end}", shape) for part in _THIRDS]
            weights[f"{ours}.attn.in_proj_{end}"] = np.concatenate(thirds)
    for ours, theirs in pairs.items():
        weights |= {f"{ours}.{end}": keys.take(f"{theirs}.{end}") for end in ("weight", "bias")}
    return {f"{PREFIX}{name}": array for name, array in weights.items()}


def _shaped(keys: Keys, name: str, shape: tuple[int, ...]) -> Array:
    """Take a weight; one of another shape is a `ShapeMismatch`."""
    array = keys.take(name)
    if array.shape != shape:
        raise ShapeMismatch(
            f"{name} of {keys.where} is {array.shape}, not {shape}",
            cure="config.json and the weights must come from the same model",
        )
    return array


def _table(keys: Keys, name: str, least: int, width: int) -> Array:
    """Take an embedding table of `least` rows or more; one of another shape is a `ShapeMismatch`."""
    rows = max([least, *keys[name].shape[:1]]) if name in keys else least
    return _shaped(keys, name, (rows, width))


def _left_out(keys: Keys, spec: BertSpec, begin: int) -> tuple[str, ...]:
    """Return what is no part of the trunk; what is left of the encoder itself is an error."""
    keys.drop(*(name for name in keys.left if name.endswith(BUFFERS)))
    others = [name for name in keys.left if not name.startswith(ENCODER)]
    keys.drop(*others)
    keys.finish()
    cut = (
        f"{POSITIONS} from {begin + spec.context_length}" if len(keys[POSITIONS]) > begin + spec.context_length else ""
    )
    types = f"{TYPES} from 1" if len(keys[TYPES]) > 1 else ""
    return tuple(filter(None, (cut, types, *others)))
