"""What enters the first block that learns of a text tower, kept: a row for each token, as texts are of any length.

    states = TokenRows(keep(…), ends)
    states.take(rows)                # float32 (B, L, D + 1), padded to the longest
    unpadded(features, pad_id)       # the state (B, L, D), the tokens (B, L)

The number behind the D of a state is the id of its token, by which masks and pooling go.  Knows neither towers nor
files.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wordsight.base.arrays import RowIds, Tokens
from wordsight.train.features import Features, Vectors

FILLER = -1.0  # in place of a token's id behind the end of a text; ids are exact in float32 up to 2**24


class TokenRows:
    """The states of N texts; those of text i are the rows up to `ends[i]` of `rows`, from the end before on."""

    def __init__(self, rows: Features, ends: RowIds) -> None:
        self._rows, self._ends = rows, ends

    def take(self, texts: RowIds) -> Vectors:
        """Return the states of some texts, (B, L, D + 1)."""
        begins = np.where(texts > 0, self._ends[texts - 1], 0)
        spans = [np.arange(begin, end) for begin, end in zip(begins, self._ends[texts], strict=True)]
        rows = self._rows.take(np.concatenate(spans))
        return padded(np.split(rows, np.cumsum([len(span) for span in spans])[:-1]))


def padded(states: Sequence[Vectors]) -> Vectors:
    """Return the states of texts, each (L, D + 1), as one array (B, L, D + 1), padded to the longest."""
    longest = max(len(one) for one in states)
    whole = np.zeros((len(states), longest, states[0].shape[1]), np.float32)
    whole[:, :, -1] = FILLER
    for number, one in enumerate(states):
        whole[number, : len(one)] = one
    return whole


def with_ids(states: Vectors, tokens: Tokens, lengths: RowIds) -> list[Vectors]:
    """Return the states of each text, (L, D + 1), of states (B, L, D), tokens (B, L) and how many of them count."""
    whole = np.concatenate([states, tokens[:, :, None].astype(np.float32)], axis=2)
    return [one[:length] for one, length in zip(whole, lengths, strict=True)]


def lengths_of(features: Tensor) -> Tensor:
    """Return how many tokens each text has, (B,), of padded states (B, L, D + 1)."""
    return (features[:, :, -1] != FILLER).sum(dim=1)


def unpadded(features: Tensor, pad_id: int) -> tuple[Tensor, Tensor]:
    """Return the states (B, L, D) and the tokens (B, L), int64, of padded states."""
    ids = features[:, :, -1]
    return features[:, :, :-1], torch.where(ids == FILLER, float(pad_id), ids).long()
