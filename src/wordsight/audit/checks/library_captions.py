"""The captions and columns of a library: missing ones, those of many images, lopsided columns."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wordsight.audit.associations import columns_of, words_of
from wordsight.audit.claims import Limit, claim, counted
from wordsight.audit.finding import Claim, Finding, Skipped
from wordsight.audit.subject import PlaceSubject
from wordsight.base.details import Detail
from wordsight.base.nouns import Sample
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.sample_set import SampleSet
from wordsight.text.caption_phrases import is_number

CHECK, TITLE = "captions", "Captions and columns"
LEAD = "Captions are counted and compared with each other; columns with few values are counted value by value."
LIMITS = (
    "Whether a caption is true of its image is the question of another check. Empty columns may be meant so. Files "
    "that are no images are not counted here."
)
WITHOUT = 0.05  # share of images that may lack words; a convention
SHARED = 0.2  # share of captions that may be those of other images, too, before a search cannot tell images apart
LOPSIDED = 10.0  # times smaller than the largest, as `data check` has it
SMALL = 0.25  # share of a column's values that may be so much smaller; a convention
SHOWN = 20


def run(subject: PlaceSubject) -> Finding | Skipped:
    """Return how many images lack words, how many captions are not their image's own, how even columns are."""
    samples = list(subject.samples.of(opened(subject.samples)).samples)
    if not samples:
        return Skipped(CHECK, TITLE, f"{subject.place} has no file that is an image", "name a place with images")
    bare = np.array([not sample.texts and sample.label is None and not sample.labels for sample in samples])
    result = counted("library/without-words", float(bare.mean()), len(bare), {"images": int(bare.sum())})
    text = f"{bare.sum():,} of {len(samples):,} images have neither caption nor class: {{}}."
    claims = [claim(CHECK, result, text, Limit(WITHOUT, "above"), about="missing")]
    details: list[Detail] = []
    if any(sample.texts for sample in samples):
        claims += _repeated(samples, details)
    for column, whole in columns_of(samples).items():
        values = Counter(value for value in whole if value)
        claims.append(_balance(column, values))
        details.append(_counts(column, values))
    return Finding(CHECK, TITLE, LEAD, claims, Measured([one.result for one in claims], details), LIMITS)


def opened(images: SampleSet) -> list[int]:
    """Return which samples have no image, or one whose file begins as an image does; nothing is decoded."""
    return [row for row, image in enumerate(images.images) if image is None or _begins_as_image(image)]


def _begins_as_image(image: Any) -> bool:
    if not isinstance(image, bytes | str | Path):
        return True
    try:
        with Image.open(BytesIO(image) if isinstance(image, bytes) else image):
            return True
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def _repeated(samples: Sequence[Sample], details: list[Detail]) -> list[Claim]:
    """Return the claims of captions that other images have, too: word for word, and but for small words and order."""
    claims = []
    ways = (("same", "word for word", _plain), ("nearly-same", "but for small words, plurals and order", _bag))
    for name, way, key in ways:
        owners: dict[str, set[int]] = defaultdict(set)
        keys = [(row, key(text)) for row, sample in enumerate(samples) for text in sample.texts]
        for row, mark in keys:
            owners[mark].add(row)
        shared = np.array([len(owners[mark]) > 1 for _, mark in keys])
        rows = np.array([row for row, _ in keys])
        sums, sizes = np.bincount(rows, weights=shared), np.bincount(rows)
        of = sums[sizes > 0] / sizes[sizes > 0]
        setting = {"captions": len(keys), "shared": int(shared.sum())}
        result = counted(f"library/captions/{name}", float(of.mean()), len(of), setting)
        text = f"{shared.sum():,} of {len(keys):,} captions are at other images, too, {way}: of an image's own {{}}."
        claims.append(claim(CHECK, result, text, Limit(SHARED, "above"), about=name))
        most = sorted(owners.items(), key=lambda pair: -len(pair[1]))[:SHOWN]
        table = {"head": ["caption", "images"], "rows": [[mark, len(some)] for mark, some in most if len(some) > 1]}
        if table["rows"]:
            details.append(Detail(f"library/captions/{name}", f"Captions of most images, {way}", "table", table))
    return claims


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.lower()).strip()


def _bag(text: str) -> str:
    """Return the words of a caption in order, and its numbers: sizes and models tell products apart."""
    numbers = [word for word in re.findall(r"\d+|[^\W\d_]+", text.lower()) if word.isdigit() or is_number(word)]
    return " ".join(sorted([*words_of(text), *numbers])) or _plain(text)


def _balance(column: str, values: Counter[str]) -> Claim:
    """Return the claim of a column: how many of its values are ten times rarer than the most frequent one."""
    ordered = values.most_common()
    (most, largest), (least, smallest) = ordered[0], ordered[-1]
    small = np.array([largest > LOPSIDED * count for _, count in ordered])
    setting = {"largest": largest, "smallest": smallest, "images": sum(values.values()), "values": len(values)}
    result = counted(f"library/balance/{column}", float(small.mean()), len(small), setting)
    text = (
        f"{column}: {most} has {largest:,} images, {least} {smallest:,}; {small.sum()} of {len(values)} values have "
        "under a tenth of the most frequent: {}."
    )
    return claim(CHECK, result, text, Limit(SMALL, "above"), about=column)


def _counts(column: str, values: Counter[str]) -> Detail:
    whole = sum(values.values())
    rows = [[value, count, f"{100 * count / whole:.1f} %"] for value, count in values.most_common()]
    shown = rows if len(rows) <= SHOWN else [*rows[: SHOWN // 2], *rows[-SHOWN // 2 :]]
    head = [column, "images", "share"]
    title = f"Values of {column} ({len(rows)}{', the most and the least frequent' if len(rows) > SHOWN else ''})"
    return Detail(f"library/balance/{column}", title, "table", {"head": head, "rows": shown})
