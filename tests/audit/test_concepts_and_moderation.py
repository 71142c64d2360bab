"""Concepts beside their frequency, and false alarms within groups, on encoders whose answers are known."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from wordsight.audit.checks import concepts, moderation
from wordsight.audit.finding import Skipped
from wordsight.audit.subject import ModelSubject, labelled_set
from wordsight.base.arrays import unit
from wordsight.text.label_sets import label_set

KINDS = ("cat", "dog", "fox", "owl", "hen", "pig")
EACH = 30


class LevelEncoder:
    """Images hold a kind and a mark in their pixels; `knows` are the kinds seen as such, others look like the first."""

    fingerprint = "1e7e1"
    name = "level-encoder"
    scale = 20.0

    def __init__(self, knows=KINDS, alarm=lambda kind, mark: False) -> None:
        self._knows, self._alarm = knows, alarm
        self._watched = {text for label in label_set("moderation").section("watched") for text in label.phrases}

    def probabilities(self, cosines):
        odds = np.exp(self.scale * (cosines - cosines.max(axis=1, keepdims=True)))
        return odds / odds.sum(axis=1, keepdims=True)

    def embed_images(self, items):
        rows = np.full((len(items), len(KINDS) + 2), 1e-3, np.float32)
        for row, item in zip(rows, items, strict=True):
            source = item if not isinstance(item, bytes) else io.BytesIO(item)
            kind, mark = (int(level) for level in np.asarray(Image.open(source))[0, 0, :2])
            kind %= len(KINDS)  # of drawn scenes
            row[kind if KINDS[kind] in self._knows else 0] = 1
            row[-1] = 3 if self._alarm(KINDS[kind], mark) else 0
        return unit(rows)

    def embed_texts(self, texts):
        rows = np.full((len(texts), len(KINDS) + 2), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            named = [number for number, kind in enumerate(KINDS) if kind in text.replace(".", "").split()]
            row[-1 if text in self._watched else named[0] if named else -2] = 1
        return unit(rows)


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Write thirty images of each kind, every third with a mark, and the column `mark`."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    with open(tmp_path / "set.csv", "w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["image", "class", "mark"])
        for number in range(EACH * len(KINDS)):
            pixels = np.zeros((4, 4, 3), np.uint8)
            pixels[..., 0], pixels[..., 1] = number % len(KINDS), number // len(KINDS) % 3 == 0
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
            mark = "yes" if pixels[0, 0, 1] else "no"
            table.writerow([f"{number}.png", KINDS[number % len(KINDS)], mark])
    return tmp_path / "set.csv"


def captions(folder, counts) -> str:
    """Write a table of captions in which each kind is named so often."""
    with open(folder / "captions.csv", "w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["image", "caption"])
        for kind, count in counts.items():
            table.writerows([f"{i % 6}.png", f"two {kind}s number {i}"] for i in range(count))
    return str(folder / "captions.csv")


def test_what_is_rare_and_not_known_is_named(images):
    counts = {"cat": 200, "dog": 150, "fox": 120, "owl": 100, "pig": 10}  # no hen
    place = captions(images.parent, counts)
    encoder = LevelEncoder(knows=("cat", "dog", "fox", "owl"))
    finding = concepts.run(ModelSubject(encoder, (labelled_set(str(images)),), (place,), images=40))
    claims = {claim.about: claim for claim in finding.claims}
    assert claims["hen"].judgement == "problem" and "in none of 580 captions" in claims["hen"].text
    assert "pig" not in claims  # neither frequent nor absent: it stands in the table
    (table,) = [detail for detail in finding.measured.details if detail.name == "set/concepts"]
    assert [row[:3] for row in table.data["rows"]][:3] == [["hen", 0, "0 %"], ["pig", 10, "0 %"], ["owl", 100, "100 %"]]
    assert claims["set"].result.value > 0.5


def test_frequent_and_not_known_is_named_too(images):
    place = captions(images.parent, dict.fromkeys(KINDS, 110))
    encoder = LevelEncoder(knows=tuple(kind for kind in KINDS if kind != "owl"))
    without_classes = labelled_set(place)
    finding = concepts.run(ModelSubject(encoder, (without_classes, labelled_set(str(images))), (place,), images=40))
    assert [claim.about for claim in finding.claims if claim.judgement == "problem"] == ["owl"]


def test_without_captions_it_says_what_is_needed(images):
    skipped = concepts.run(ModelSubject(LevelEncoder(), (labelled_set(str(images)),)))
    assert isinstance(skipped, Skipped) and "--captions" in skipped.cure


def test_rank_correlations():
    ranks = np.arange(9)
    assert concepts.rank_correlation(ranks, ranks**3) == pytest.approx(1)
    assert concepts.rank_correlation(ranks, -ranks) == pytest.approx(-1)
    assert np.isnan(concepts.rank_correlation(ranks, np.ones(9)))
    assert concepts.rank_correlation(np.array([1, 1, 2, 3]), np.array([1, 1, 2, 3])) == pytest.approx(1)
    low, high = concepts.correlation_interval(ranks, ranks + np.array([0, 2, -1, 0, 3, 0, -2, 0, 1]))
    assert -1 <= low < 1 and high <= 1
    assert concepts.correlation_interval(ranks, np.ones(9)) is None


def test_false_alarms_of_a_group_are_named(images):
    encoder = LevelEncoder(alarm=lambda kind, mark: kind == "owl" and mark == 1)
    by_mark = moderation.run(ModelSubject(encoder, (labelled_set(f"{images}?groups=mark"),)))
    whole, group = by_mark.claims
    assert whole.result.value == pytest.approx(10 / 180)
    assert (group.about, group.result.value) == ("yes", pytest.approx(10 / 60))
    by_class = moderation.run(ModelSubject(encoder, (labelled_set(str(images)),)))
    assert by_class.claims[1].about == "owl" and by_class.claims[1].judgement == "problem"
    (shown,) = [detail for detail in by_class.measured.details if detail.form == "pictures"]
    assert len(shown.data["pictures"]) == 10


def test_no_alarms_and_no_data(images):
    quiet = moderation.run(ModelSubject(LevelEncoder(), (labelled_set(str(images)),)))
    assert [claim.result.value for claim in quiet.claims] == [0, 0]
    drawn = moderation.run(ModelSubject(LevelEncoder(), images=64))
    assert drawn.claims[0].about == "drawn scenes" and drawn.claims[0].result.count == 64
