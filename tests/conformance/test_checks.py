"""Every check of the tables on a small subject: counted claims with n, details that pages draw, the same each time."""

import csv
import functools

import numpy as np
import pytest
from PIL import Image

from wordsight.audit import drawn_questions
from wordsight.audit.finding import Finding, Skipped
from wordsight.audit.subject import ModelSubject, PlaceSubject, labelled_set
from wordsight.audit.table import MODEL_CHECKS, PLACE_CHECKS
from wordsight.base.nouns import Sample
from wordsight.base.optional import resolve
from wordsight.data.scenes import draw
from wordsight.embeddings.model import Model
from wordsight.engines.fake import COLOURS, FakeEngine
from wordsight.evaluate.sample_set import in_memory
from wordsight.report.forms import checked

KINDS = ("red", "green", "blue")
CHECKS = [*MODEL_CHECKS.items(), *PLACE_CHECKS.items()]


@functools.cache
def drawn(scene, row):
    return draw(scene, np.random.default_rng([0, row]))


def drawn_once(scene, rng):
    """Stand in for `draw`: a scene that several checks ask about, each twice, is drawn once."""
    return drawn(scene, int(rng.integers(1 << 30)))


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Thirty noisy images of three colours in two groups, with captions, as a table."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(drawn_questions, "draw", drawn_once)
    rng = np.random.default_rng(0)
    with open(tmp_path / "set.csv", "w") as handle:
        writer = csv.writer(handle)
        writer.writerow(["image", "caption", "class", "side"])
        for number in range(30):
            name = KINDS[number % 3]
            noise = rng.integers(-90, 91, size=(40, 40, 3))
            pixels = (np.array(COLOURS[name]) + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
            writer.writerow([f"{number}.png", f"a {name} square", name, "left" if number % 2 else "right"])
    return tmp_path / "set.csv"


def subject_of(name, table):
    if name in MODEL_CHECKS:
        data = (labelled_set(f"{table}?groups=side"),)
        return ModelSubject(Model(FakeEngine()), data=data, captions=(str(table),), images=10)
    samples = [
        Sample(f"{n}", (table.parent / f"{n}.png").read_bytes(), (f"a {KINDS[n % 3]} square",)) for n in range(30)
    ]
    return PlaceSubject(str(table), in_memory("set", samples), Model(FakeEngine()), images=10)


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=[name for name, _ in CHECKS])
def test_a_check_gives_counted_claims(name, check, table):
    subject = subject_of(name, table)
    finding = resolve(check.target)(subject)
    assert (finding.check, finding.title) == (name, check.title)
    if isinstance(finding, Skipped):
        assert finding.reason and finding.cure
        return
    assert isinstance(finding, Finding)
    assert finding.lead and finding.limits
    for claim in finding.claims:
        assert claim.check == name
        assert claim.result.count > 0
        assert f"n {claim.result.count:,}" in claim.text
        assert claim.judgement == "unclear" or claim.result.interval is not None
        assert claim.text.endswith(".")
    names = [result.name for result in finding.measured.results]
    assert len(set(names)) == len(names)
    for detail in finding.measured.details:
        checked(detail)
        for entry in detail.data.get("pictures", []):
            assert not entry["picture"] or entry["picture"] in finding.measured.pictures
    again = resolve(check.target)(subject_of(name, table))
    assert [claim.text for claim in again.claims] == [claim.text for claim in finding.claims]
