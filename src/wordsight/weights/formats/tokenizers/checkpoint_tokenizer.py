"""The tokenizer that a checkpoint came with, and the one that is assumed where no file says it.  Free of PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wordsight.text.spec import Cleaning, TokenizerSpec
from wordsight.towers.clip_text.spec import ClipTextSpec

TOKENIZER_JSON = "tokenizer.json"
SENTENCEPIECE = "spiece.model"
MERGES = "merges.txt"
CLIP_SIZE = 49408
GEMMA_SIZE = 256_000
NEEDED = "give the tokenizer's file: --tokenizer FILE"


@dataclass(frozen=True, slots=True)
class CheckpointTokenizer:
    """How texts become tokens, the files this needs by their names, and what of it stands in no file."""

    spec: TokenizerSpec
    files: Mapping[str, bytes] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()


def usual_tokenizer(text: ClipTextSpec, cleaning: Cleaning) -> CheckpointTokenizer:
    """Return the tokenizer that a text tower of this vocabulary usually has, saying what was assumed."""
    size, length = text.vocabulary_size, text.context_length
    spec = TokenizerSpec(vocabulary_size=size, context_length=length, cleaning=cleaning)
    if size == CLIP_SIZE and text.pool == "end":
        return CheckpointTokenizer(
            spec, {}, ("No tokenizer files: CLIP's vocabulary is assumed; say otherwise with --tokenizer FILE.",)
        )
    if text.pool == "end":
        spec = replace(spec, kind="tokenizers", cleaning="none")
        return CheckpointTokenizer(spec, {}, (f"The tokenizer of {size:,} tokens is not in the file: {NEEDED}.",))
    spec = replace(spec, kind="sentencepiece", end_id=1, pad_id=1, padding="full")
    name = "c4_en" if size <= 32_000 else "mC4"
    if size >= GEMMA_SIZE:
        name = "Gemma"
        spec = replace(spec, pad_id=0, cleaning="lower" if cleaning == "siglip" else cleaning)
    note = f"The tokenizer is not in the file; {size:,} tokens are those of {name}: {NEEDED} (its SentencePiece model)."
    return CheckpointTokenizer(spec, {}, (note,))
