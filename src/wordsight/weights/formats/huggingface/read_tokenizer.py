"""What the tokenizer files of a transformers folder say, as a `TokenizerSpec` and the files to carry along.

    tokenizer = read_tokenizer(files, "clip", text)

CLIP's byte pairs are recognised whatever file they stand in, so that such a model needs no other package; every
other tokenizer is carried along as the file it is.  Reads files, not text.  Free of PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from wordsight.base.errors import FormatError
from wordsight.base.reading import read_file
from wordsight.text.bytepairs import END_OF_WORD, SIGN_OF_ID
from wordsight.text.spec import Cleaning, TokenizerSpec
from wordsight.text.vocabulary import Merge, from_merges, published_vocabulary
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.huggingface.layers import Layout
from wordsight.weights.formats.tokenizers.checkpoint_tokenizer import (
    MERGES,
    SENTENCEPIECE,
    TOKENIZER_JSON,
    CheckpointTokenizer,
    usual_tokenizer,
)
from wordsight.weights.formats.tokenizers.clip_bpe import as_bytes, clip_file, merges_text, read_merges_text
from wordsight.weights.formats.tokenizers.sentencepiece import piece_ids
from wordsight.weights.formats.tokenizers.tokenizer_json import padding_side, token_ids, token_text

Values = dict[str, Any]

LOWERS = ("Siglip2Tokenizer",)  # puts text into lower case whatever its file says


@dataclass(frozen=True, slots=True)
class ParsedFiles:
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


def read_tokenizer(files: CheckpointFiles, layout: Layout, text: ClipTextSpec) -> CheckpointTokenizer:
    """Return the tokenizer of a folder; files that contradict each other are a `FormatError`."""
    parsed = _parse(files)
    sentencepiece = files.file(SENTENCEPIECE)
    if (
        layout != "clip"
        and sentencepiece is not None
        and (parsed.whole is None or parsed.kind.startswith("SiglipTokenizer"))
    ):
        return _sentencepiece(parsed, read_file(sentencepiece), text)
    if parsed.pairs is not None and parsed.kind.startswith("CLIPTokenizer"):
        return _clip(parsed, *parsed.pairs, text)
    if parsed.whole is not None:
        return _carried(parsed, parsed.whole, layout, text)
    return usual_tokenizer(text, "clip" if layout == "clip" else "siglip")


def _parse(files: CheckpointFiles) -> ParsedFiles:
    config = (files.json("special_tokens_map.json") or {}) | (files.json("tokenizer_config.json") or {})
    whole = files.json(TOKENIZER_JSON)
    pairs: tuple[Mapping[str, int], list[Merge]] | None = None
    model = (whole or {}).get("model", {})
    if model.get("type") == "BPE" and isinstance(model.get("vocab"), dict):
        merges = [_pair(one) for one in model.get("merges", [])]
        pairs = model["vocab"], merges
    elif whole is None:
        vocabulary, lines = files.json("vocab.json"), files.file(MERGES)
        if vocabulary is not None and lines is not None:
            pairs = vocabulary, read_merges_text(read_file(lines), where=str(lines))
    kind = config.get("tokenizer_class") or ""
    if pairs is not None and not kind and pairs[0].keys() >= {"<|startoftext|>", "<|endoftext|>"}:
        kind = "CLIPTokenizer"  # older folders do not name it
    return ParsedFiles(config, whole, pairs, kind)


def _pair(one: Any) -> Merge:
    """Return a merge written as one text with a space, or as two."""
    left, right = one.split(" ", 1) if isinstance(one, str) else one
    return left, right


def _clip(
    parsed: ParsedFiles, vocabulary: Mapping[str, int], merges: list[Merge], text: ClipTextSpec
) -> CheckpointTokenizer:
    """CLIP's tokenizer class: byte pairs whose ids are CLIP's or another order's."""
    start, end = (parsed.token("bos_token") or "<|startoftext|>"), (parsed.token("eos_token") or "<|endoftext|>")
    pad = parsed.token("pad_token") or "<|endoftext|>"
    ids = parsed.ids() | dict(vocabulary)
    for token in (start, end, pad):
        if token not in ids:
            raise FormatError(f"{token!r} of tokenizer_config.json is not in the vocabulary", cure="fetch it again")
    spec = TokenizerSpec(
        vocabulary_size=text.vocabulary_size,
        context_length=text.context_length,
        cleaning="nfc",
        pad_id=ids[pad],
        padding=_padding(text),
        padding_side=padding_side(parsed.config, parsed.whole or {}),
    )
    own = pad not in (start, end)  # then transformers cuts it out of texts as a special token, which CLIP does not
    if _in_order(ids, merges, start, end) and len(ids) == text.vocabulary_size and not own:
        if from_merges(merges).pairs == published_vocabulary().pairs:
            return CheckpointTokenizer(spec)
        return CheckpointTokenizer(replace(spec, vocabulary="own"), {MERGES: merges_text(merges)})
    added = [entry["content"] for entry in (parsed.whole or {}).get("added_tokens", [])]
    special = list(dict.fromkeys([start, end, *([pad] if own else []), *added]))
    file = clip_file(ids, merges, special=special)
    return CheckpointTokenizer(replace(spec, kind="tokenizers", cleaning="none"), {TOKENIZER_JSON: as_bytes(file)})


def _in_order(ids: Mapping[str, int], merges: list[Merge], start: str, end: str) -> bool:
    """Whether ids are CLIP's: bytes, bytes that end a word, merges as they were learned, start, end."""
    order = [*SIGN_OF_ID, *(sign + END_OF_WORD for sign in SIGN_OF_ID)]
    order += [left + right for left, right in merges]
    order += [start, end]
    return all(ids.get(token) == number for number, token in enumerate(order))


def _carried(parsed: ParsedFiles, whole: Values, layout: Layout, text: ClipTextSpec) -> CheckpointTokenizer:
    """Any other `tokenizer.json`."""
    ids = parsed.ids()
    assumed = _hidden_padding(parsed) if layout != "clip" else ()
    surround: dict[str, int | None] = {}
    if "add_bos_token" in parsed.config or "add_eos_token" in parsed.config:  # these go before the file's own surround
        for name, asked in (("bos", "add_bos_token"), ("eos", "add_eos_token")):
            token = parsed.token(f"{name}_token")
            surround[name] = ids.get(token) if token is not None and parsed.config.get(asked) else None
        if surround == {"bos": None, "eos": None}:
            whole = whole | {"post_processor": None}
    pad = parsed.token("pad_token")
    padding = whole.get("padding") or {}
    pad_id = ids.get(pad) if pad is not None else padding.get("pad_id")
    if pad_id is None:
        pad_id = 0
        assumed += ("No file says what fills texts up: token 0 is assumed; say otherwise with --set text.pad_id=N.",)
    spec = TokenizerSpec(
        kind="tokenizers",
        vocabulary_size=text.vocabulary_size,
        context_length=text.context_length,
        cleaning="lower" if _lowers(parsed, whole, layout) else "none",
        start_id=surround.get("bos"),
        end_id=surround.get("eos"),
        pad_id=pad_id,
        padding=_padding(text),
        padding_side=padding_side(parsed.config, parsed.whole or {}),
    )
    return CheckpointTokenizer(spec, {TOKENIZER_JSON: as_bytes(whole)}, assumed)


def _lowers(parsed: ParsedFiles, whole: Values, layout: Layout) -> bool:
    """Whether text is put into lower case by something else than the file itself: SigLIP 2 was trained so."""
    normalizer = whole.get("normalizer") or {}
    steps = [step.get("type") for step in normalizer.get("normalizers", [normalizer])]
    asked = layout == "siglip2" or parsed.kind in LOWERS or bool(parsed.config.get("do_lower_case"))
    return layout != "clip" and asked and "Lowercase" not in steps


def _sentencepiece(parsed: ParsedFiles, data: bytes, text: ClipTextSpec) -> CheckpointTokenizer:
    """SigLIP's first tokenizers."""
    ids = piece_ids(data)
    special = {name: parsed.token(f"{name}_token") or "</s>" for name in ("eos", "pad")}
    for name, token in special.items():
        if token not in ids:
            raise FormatError(f"{name}_token {token!r} is not in {SENTENCEPIECE}", cure="fetch the model again")
    cleaning: Cleaning = "siglip" if parsed.config.get("do_lower_case", True) else "none"
    assumed = _hidden_padding(parsed)
    if cleaning == "none":
        assumed += ("do_lower_case is false: text is used as it is, with its punctuation.",)
    spec = TokenizerSpec(
        kind="sentencepiece",
        vocabulary_size=text.vocabulary_size,
        context_length=text.context_length,
        cleaning=cleaning,
        end_id=ids[special["eos"]],
        pad_id=ids[special["pad"]],
        padding="full",
        padding_side=padding_side(parsed.config, parsed.whole or {}),
    )
    return CheckpointTokenizer(spec, {SENTENCEPIECE: data}, assumed)


def _hidden_padding(parsed: ParsedFiles) -> tuple[str, ...]:
    if "attention_mask" not in parsed.config.get("model_input_names", ()):
        return ()
    return (
        "Padding is read by the text tower, as SigLIP was trained; this folder's tokenizer hands out a mask with which "
        "transformers hides it.",
    )


def _padding(text: ClipTextSpec) -> Literal["longest", "full"]:
    return "longest" if text.mask == "causal" and text.pool == "end" else "full"
