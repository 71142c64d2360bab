"""Contrastive losses, written to be read: `softmax_loss` and `sigmoid_loss`, opened when first used."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordsight.losses.positives import same_pairs
    from wordsight.losses.sigmoid import sigmoid_loss
    from wordsight.losses.softmax import softmax_loss

__all__ = ["same_pairs", "sigmoid_loss", "softmax_loss"]

_PUBLIC = {
    "softmax_loss": "wordsight.losses.softmax:softmax_loss",
    "sigmoid_loss": "wordsight.losses.sigmoid:sigmoid_loss",
    "same_pairs": "wordsight.losses.positives:same_pairs",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wordsight.base.optional import resolve

    return resolve(_PUBLIC[name], extra="train")


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
