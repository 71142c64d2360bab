"""What the tokenizer files of a transformers folder say, as a `TokenizerSpec` and the files to carry along.

    words = read_words(found, "clip", text)

CLIP's byte pairs are recognised whatever file they stand in, so that such a model needs no other package; every
other tokenizer is carried along as the file it is.  Reads files, not text.  Free of PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wordsight.base.errors import FormatError
from wordsight.text.bytepairs import END_OF_WORD, SIGN_OF_ID
from wordsight.text.spec import Cleaning, TokenizerSpec
from wordsight.text.vocabulary import Merge, from_merges, published_vocabulary
from wordsight.towers.spec import TextTowerSpec
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.huggingface.layers import Layout
from wordsight.weights.formats.tokenizers.clip_bpe import as_bytes, clip_file, merges_text, read_merges_text
from wordsight.weights.formats.tokenizers.sentencepiece import piece_ids
from wordsight.weights.formats.tokenizers.tokenizer_json import padding_side, token_ids, token_text

Values = dict[str, Any]

TOKENIZER = "tokenizer.json"
PIECES = "spiece.model"
MERGES = "merges.txt"
CLIP_SIZE = 49408
GEMMA_SIZE = 256_000
LOWERS = ("Siglip2Tokenizer",)  # puts text into lower case whatever its file says
NEEDED = "give the tokenizer's file: --tokenizer FILE"


@dataclass(frozen=True, slots=True)
class Words:
    """How words become tokens, the files this needs, and what of it stands in no file."""

    spec: TokenizerSpec
    vocabulary: Mapping[str, bytes] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Files:
    """The tokenizer files of a folder, parsed; `kind` is the class that the folder names."""

    config: Values
    whole: Values | None  # tokenizer.json
    pairs: tuple[Mapping[str, int], list[Merge]] | None  # vocabulary and merges of a BPE, from either place
    kind: str

    def token(self, name: str) -> str | None:
        """Return the text of `eos_token` and the like, written plain or as an object."""
        return token_text(self.config.get(name)) or None

    def ids(self) -> dict[str, int]:
        """Return the ids of `tokenizer.json` (of a BPE's two files where there is none), added tokens included."""
        if self.whole is None:
            return dict(self.pairs[0]) if self.pairs else {}
        return token_ids(self.whole)


def read_words(found: CheckpointFiles, layout: Layout, text: TextTowerSpec) -> Words:
    """Return the tokenizer of a folder; files that contradict each other are a `FormatError`."""
    files = _files(found)
    pieces = found.file(PIECES)
    if layout != "clip" and pieces is not None and (files.whole is None or files.kind.startswith("SiglipTokenizer")):
        return _sentencepiece(files, pieces.read_bytes(), text)
    if files.pairs is not None and files.kind.startswith("CLIPTokenizer"):
        return _clip(files, *files.pairs, text)
    if files.whole is not None:
        return _carried(files, files.whole, layout, text)
    return without_files(text, "clip" if layout == "clip" else "siglip")


def without_files(text: TextTowerSpec, cleaning: Cleaning) -> Words:
    """Return the tokenizer that a text tower of this vocabulary usually has, saying what was assumed."""
    size, length = text.vocabulary_size, text.context_length
    spec = TokenizerSpec(vocabulary_size=size, context_length=length, cleaning=cleaning)
    if size == CLIP_SIZE and text.pool == "end":
        return Words(
            spec, {}, ("No tokenizer files: CLIP's vocabulary is assumed; say otherwise with --tokenizer FILE.",)
        )
    if text.pool == "end":
        spec = replace(spec, kind="tokenizers", cleaning="none")
        return Words(spec, {}, (f"The tokenizer of {size:,} tokens is not in the file: {NEEDED}.",))
    spec = replace(spec, kind="sentencepiece", end_id=1, pad_id=1, padding="full")
    name = "c4_en" if size <= 32_000 else "mC4"
    if size >= GEMMA_SIZE:
        name = "Gemma"
        spec = replace(spec, pad_id=0, cleaning="lower" if cleaning == "siglip" else cleaning)
    said = f"The tokenizer is not in the file; {size:,} tokens are those of {name}: {NEEDED} (its SentencePiece model)."
    return Words(spec, {}, (said,))


def _files(found: CheckpointFiles) -> _Files:
    config = (found.json("special_tokens_map.json") or {}) | (found.json("tokenizer_config.json") or {})
    whole = found.json(TOKENIZER)
    pairs: tuple[Mapping[str, int], list[Merge]] | None = None
    model = (whole or {}).get("model", {})
    if model.get("type") == "BPE" and isinstance(model.get("vocab"), dict):
        merges = [_pair(one) for one in model.get("merges", [])]
        pairs = model["vocab"], merges
    elif whole is None:
        vocabulary, lines = found.json("vocab.json"), found.file(MERGES)
        if vocabulary is not None and lines is not None:
            pairs = vocabulary, read_merges_text(lines.read_bytes(), where=str(lines))
    kind = config.get("tokenizer_class") or ""
    if pairs is not None and not kind and pairs[0].keys() >= {"<|startoftext|>", "<|endoftext|>"}:
        kind = "CLIPTokenizer"  # older folders do not name it
    return _Files(config, whole, pairs, kind)


def _pair(one: Any) -> Merge:
    """Return a merge written as one text with a space, or as two."""
    left, right = one.split(" ", 1) if isinstance(one, str) else one
    return left, right


def _clip(files: _Files, vocabulary: Mapping[str, int], merges: list[Merge], text: TextTowerSpec) -> Words:
    """CLIP's tokenizer class: byte pairs whose ids are CLIP's or another order's."""
    start, end = (files.token("bos_token") or "<|startoftext|>"), (files.token("eos_token") or "<|endoftext|>")
    pad = files.token("pad_token") or "<|endoftext|>"
    ids = files.ids() | dict(vocabulary)
    for token in (start, end, pad):
        if token not in ids:
            raise FormatError(f"{token!r} of tokenizer_config.json is not in the vocabulary", cure="fetch it again")
    spec = TokenizerSpec(
        vocabulary_size=text.vocabulary_size,
        context_length=text.context_length,
        cleaning="nfc",
        pad_id=ids[pad],
        padding=_padding(text),
        padding_side=padding_side(files.config, files.whole or {}),
    )
    own = pad not in (start, end)  # then transformers cuts it out of texts as a special token, which CLIP does not
    if _in_order(ids, merges, start, end) and len(ids) == text.vocabulary_size and not own:
        if from_merges(merges).pairs == published_vocabulary().pairs:
            return Words(spec)
        return Words(replace(spec, vocabulary="own"), {MERGES: merges_text(merges)})
    added = [entry["content"] for entry in (files.whole or {}).get("added_tokens", [])]
    special = list(dict.fromkeys([start, end, *([pad] if own else []), *added]))
    file = clip_file(ids, merges, special=special)
    return Words(replace(spec, kind="tokenizers", cleaning="none"), {TOKENIZER: as_bytes(file)})


def _in_order(ids: Mapping[str, int], merges: list[Merge], start: str, end: str) -> bool:
    """Whether ids are CLIP's: bytes, bytes that end a word, merges as they were learned, start, end."""
    order = [*SIGN_OF_ID, *(sign + END_OF_WORD for sign in SIGN_OF_ID)]
    order += [left + right for left, right in merges]
    order += [start, end]
    return all(ids.get(token) == number for number, token in enumerate(order))


def _carried(files: _Files, whole: Values, layout: Layout, text: TextTowerSpec) -> Words:
    """Any other `tokenizer.json`."""
    ids = files.ids()
    assumed = _hidden_padding(files) if layout != "clip" else ()
    surround: dict[str, int | None] = {}
    if "add_bos_token" in files.config or "add_eos_token" in files.config:  # these go before the file's own surround
        for name, asked in (("bos", "add_bos_token"), ("eos", "add_eos_token")):
            token = files.token(f"{name}_token")
            surround[name] = ids.get(token) if token is not None and files.config.get(asked) else None
        if surround == {"bos": None, "eos": None}:
            whole = whole | {"post_processor": None}
    pad = files.token("pad_token")
    padding = whole.get("padding") or {}
    pad_id = ids.get(pad) if pad is not None else padding.get("pad_id")
    if pad_id is None:
        pad_id = 0
        assumed += ("No file says what fills texts up: token 0 is assumed; say otherwise with --set text.pad_id=N.",)
    spec = TokenizerSpec(
        kind="tokenizers",
        vocabulary_size=text.vocabulary_size,
        context_length=text.context_length,
        cleaning="lower" if _lowers(files, whole, layout) else "none",
        start_id=surround.get("bos"),
        end_id=surround.get("eos"),
        pad_id=pad_id,
        padding=_padding(text),
        padding_side=padding_side(files.config, files.whole or {}),
    )
    return Words(spec, {TOKENIZER: as_bytes(whole)}, assumed)


def _lowers(files: _Files, whole: Values, layout: Layout) -> bool:
    """Whether text is put into lower case by something else than the file itself: SigLIP 2 was trained so."""
    normalizer = whole.get("normalizer") or {}
    steps = [step.get("type") for step in normalizer.get("normalizers", [normalizer])]
    asked = layout == "siglip2" or files.kind in LOWERS or bool(files.config.get("do_lower_case"))
    return layout != "clip" and asked and "Lowercase" not in steps


def _sentencepiece(files: _Files, data: bytes, text: TextTowerSpec) -> Words:
    """SigLIP's first tokenizers."""
    ids = piece_ids(data)
    found = {name: files.token(f"{name}_token") or "</s>" for name in ("eos", "pad")}
    for name, token in found.items():
        if token not in ids:
            raise FormatError(f"{name}_token {token!r} is not in {PIECES}", cure="fetch the model again")
    cleaning: Cleaning = "siglip" if files.config.get("do_lower_case", True) else "none"
    assumed = _hidden_padding(files)
    if cleaning == "none":
        assumed += ("do_lower_case is false: text is taken as it is, with its punctuation.",)
    spec = TokenizerSpec(
        kind="sentencepiece",
        vocabulary_size=text.vocabulary_size,
        context_length=text.context_length,
        cleaning=cleaning,
        end_id=ids[found["eos"]],
        pad_id=ids[found["pad"]],
        padding="full",
        padding_side=padding_side(files.config, files.whole or {}),
    )
    return Words(spec, {PIECES: data}, assumed)


def _hidden_padding(files: _Files) -> tuple[str, ...]:
    if "attention_mask" not in files.config.get("model_input_names", ()):
        return ()
    return (
        "Padding is read by the text tower, as SigLIP was trained; this folder's tokenizer hands out a mask with which "
        "transformers hides it.",
    )


def _padding(text: TextTowerSpec) -> Literal["longest", "full"]:
    return "longest" if text.mask == "causal" and text.pool == "end" else "full"
