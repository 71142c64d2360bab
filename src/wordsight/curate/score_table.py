"""The scores of pairs as JSON lines, csv, parquet, and in few lines for a terminal.

    write_scores(pool, Path("scores.csv"))             # or .parquet; whole or not there
    for line in summary(pool): ...

Columns: `key`, `caption` (its number among those of the image, from 0), `text`, `cosine`, `clip_score`,
`ref_clip_score`; empty (null) where there is none.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.curate.pool import PairPool
from wordsight.curate.tables import TableColumn, write_table

COLUMNS = (
    TableColumn("key", "text"),
    TableColumn("caption", "whole number"),
    TableColumn("text", "text"),
    TableColumn("cosine", "number"),
    TableColumn("clip_score", "number"),
    TableColumn("ref_clip_score", "number"),
)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 20
_WIDTH = 40  # signs of the longest bar
_WORST = 10  # pairs
_LONGEST = 70  # signs of a caption


def score_rows(pool: PairPool) -> Iterator[Mapping[str, Any]]:
    """Yield a row for each pair, in the order of the source."""
    scores = pool.scores()
    columns = (scores.cosines, scores.clip_scores(), scores.ref_clip_scores())
    pair = 0
    for record in pool.records.rows():
        for number, text in enumerate(record.texts):
            figures = (None if np.isnan(one[pair]) else round(float(one[pair]), 6) for one in columns)
            values = (record.key, number, text, *figures)
            yield {column.name: value for column, value in zip(COLUMNS, values, strict=True)}
            pair += 1


def write_scores(pool: PairPool, path: Path) -> None:
    """Write all rows as csv or parquet, by the ending."""
    write_table(path, COLUMNS, score_rows(pool))


def summary(pool: PairPool) -> list[str]:
    """Return counts, quantiles, a histogram of the cosines and the worst pairs; no scored pair is a `UsageError`."""
    cosines = pool.scores().cosines
    known = cosines[~np.isnan(cosines)]
    if not len(known):
        raise UsageError(f"no pair of {pool.source.name} could be scored", cure="see wordsight data check")
    pairs, images = pool.records.pairs, pool.records.images
    lines = [f"{pool.source.name}: {_many(len(known), 'pair')} of {_many(images, 'image')}, model {pool.model.name}"]
    if len(known) < pairs:
        lines.append(f"{_many(pairs - len(known), 'pair')} without a score: their images are broken")
    if pool.prefix:
        lines.append(f"before every caption: {pool.prefix!r}")
    scores = pool.scores()
    named = {
        "cosine": known,
        "mismatched": scores.mismatched,
        "CLIPScore": scores.clip_scores(),
        "RefCLIPScore": scores.ref_clip_scores(),
    }
    lines += [_quantiles(name, values) for name, values in named.items() if not np.isnan(values).all()]
    lines += ["", *_histogram(known), "", "worst pairs"]
    worst = np.argsort(np.where(np.isnan(cosines), np.inf, cosines), kind="stable")[: min(_WORST, len(known))]
    rows = _rows_at(pool, set(worst.tolist()))
    return lines + [f"{cosines[pair]:8.3f}  {rows[pair][0]}  {rows[pair][1]}" for pair in worst.tolist()]


def _quantiles(name: str, values: Any) -> str:
    known = values[~np.isnan(values)].astype(np.float64)
    shares = zip(QUANTILES, np.quantile(known, QUANTILES), strict=True)
    return f"{name:13} mean {known.mean():.3f}   " + "  ".join(f"{share:.0%} {value:.3f}" for share, value in shares)


def _histogram(values: Any) -> list[str]:
    low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, _BINS, range=(low, high if high > low else low + 1e-3))
    return [
        f"{edge:8.3f}  {'█' * -(-int(count) * _WIDTH // max(int(counts.max()), 1)):{_WIDTH}}  {count}"
        for edge, count in zip(edges, counts, strict=False)
    ]


def _rows_at(pool: PairPool, pairs: set[int]) -> dict[int, tuple[str, str]]:
    """Return key and caption of some pairs."""
    rows, pair = {}, 0
    for record in pool.records.rows():
        for text in record.texts:
            if pair in pairs:
                rows[pair] = record.key, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
            pair += 1
    return rows


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}"
