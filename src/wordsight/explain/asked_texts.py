"""The texts that an image is explained with: what is refused before anything is computed.

check_texts(model, ["a dog", "a cat"])
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model

MOST = 20  # texts for one image: with its checks each takes 400 images and more
UNKNOWN = ("", "[UNK]", "<unk>", "\u2047")  # what tokenizers write for what is not in their list
SHOWN = 60  # letters of a text in a message


def check_texts(model: "Model", texts: Sequence[str]) -> None:
    """Raise `UsageError` for none, too many, one given twice, or one without a token that the vocabulary knows."""
    if not texts or isinstance(texts, str):
        raise UsageError("no texts to explain", cure="give a list of at least one")
    if len(texts) > MOST:
        raise UsageError(f"{len(texts):,} texts for one image", cure=f"give at most {MOST} at a time")
    for number, text in enumerate(texts):
        if text in texts[:number]:
            raise UsageError(f"the text {_short(text)} is given twice", cure="give every text once")
    unknown = next((text for text, known in zip(texts, _known(model, texts), strict=True) if not known), None)
    if unknown is not None:
        raise UsageError(
            f"the text {_short(unknown)} has no word that {model.name} knows", cure="write it in other words"
        )


def _known(model: "Model", texts: Sequence[str]) -> list[bool]:
    """Return whether each text has a token besides those of an empty text that is in the vocabulary."""
    *rows, empty = model.tokenizer.batch([*texts, ""], pad_to="longest")
    around = set(empty.tolist())
    inside = [{int(token) for token in row} - around for row in rows]
    return [any(model.tokenizer.decode([token]).strip() not in UNKNOWN for token in tokens) for tokens in inside]


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
