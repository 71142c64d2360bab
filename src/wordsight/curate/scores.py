"""CLIPScore and RefCLIPScore of every pair (Hessel et al. 2021, sections 3 and 3.1), part by part.

    scores = pair_scores(text_blocks, records, images, sound)
    scores.cosines, scores.clip_scores(), scores.ref_clip_scores()     # float32 (P,)

CLIPScore is 2.5 max(cosine, 0).  The references of a caption are the other captions of its image: RefCLIPScore is the
harmonic mean of its CLIPScore and of the largest cosine with one of them, 0 where that is below 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FormatError
from wordsight.curate.records import Records

WEIGHT = 2.5  # Hessel et al. 2021, section 3
AT_ONCE = 4096  # pairs

PairFigures = NDArray[np.float32]  # (P,), one for each pair


@dataclass(frozen=True)
class PairScores:
    """`cosines` of image and caption; `references`: the largest cosine with another caption.  NaN where there is none.

    `mismatched` are the cosines of the captions with the image half the pool further on: what captions of other images
    get.  All float32 (P,).
    """

    cosines: PairFigures
    references: PairFigures
    mismatched: PairFigures

    def clip_scores(self) -> PairFigures:
        """Return the CLIPScores, NaN where the image is broken."""
        return np.asarray(WEIGHT * np.maximum(self.cosines, 0), np.float32)

    def ref_clip_scores(self) -> PairFigures:
        """Return the RefCLIPScores, NaN where there is no reference or the image is broken."""
        score, reference = self.clip_scores(), np.maximum(self.references, 0)
        total = score + reference
        mean = np.divide(2 * score * reference, total, out=np.zeros_like(total), where=total > 0)
        mean[np.isnan(total)] = np.nan
        return mean


def pair_scores(
    blocks: Iterable[Embeddings], records: Records, images: Embeddings, sound: NDArray[np.bool_]
) -> PairScores:
    """Return the scores of all pairs.

    `blocks` are the embeddings of the captions in order, each block with all captions of its images; `images` (N,
    width) may be mapped, `sound` (N,) says which rows of it are embeddings.
    """
    cosines = np.full(records.pairs, np.nan, np.float32)
    references = np.full(records.pairs, np.nan, np.float32)
    mismatched = np.full(records.pairs, np.nan, np.float32)
    others = (np.arange(records.images) + max(records.images // 2, 1)) % max(records.images, 1)
    first = 0
    for block in blocks:
        owners = records.owners[first : first + len(block)]
        if len(owners) < len(block):
            raise _other_reading()
        for start in range(0, len(block), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            pairs = slice(first + start, first + start + len(block[some]))
            cosines[pairs] = np.einsum("pe,pe->p", block[some], images[owners[some]])
            mismatched[pairs] = np.einsum("pe,pe->p", block[some], images[others[owners[some]]])
        references[first : first + len(block)] = _references(block, owners)
        first += len(block)
    if first < records.pairs:
        raise _other_reading()
    there = sound[records.owners]
    if not np.isfinite(cosines[there]).all():
        raise FormatError(
            "cosines that are NaN or infinite", cure="the kept embeddings are damaged: empty the cache of pairs"
        )
    cosines[~there] = np.nan
    mismatched[~sound[others[records.owners]] | (records.images < 2)] = np.nan
    return PairScores(cosines, references, mismatched)


def _references(block: Embeddings, owners: NDArray[np.int32]) -> PairFigures:
    """Return for each caption (P,) the largest cosine with another one of its image, NaN where there is none."""
    nearest = np.full(len(block), np.nan, np.float32)
    _, starts, counts = np.unique(owners, return_index=True, return_counts=True)
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        if count > 1:
            cosines = block[start : start + count] @ block[start : start + count].T
            np.fill_diagonal(cosines, -np.inf)
            nearest[start : start + count] = cosines.max(axis=1)
    return nearest


def _other_reading() -> FormatError:
    return FormatError("the kept embeddings are of another reading of the captions", cure="empty the cache of pairs")
