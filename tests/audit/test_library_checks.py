"""Audits of a library with known answers: k copies, m broken files, wrong captions, classes that are mixed up."""

import io

import numpy as np
import pytest
from PIL import Image

from wordsight.audit.checks import library_captions, library_classes, library_files, own_captions
from wordsight.audit.finding import Skipped
from wordsight.audit.subject import PlaceSubject
from wordsight.base.arrays import unit
from wordsight.base.nouns import Sample
from wordsight.evaluate.sample_set import in_memory

COUNT = 60


def photo(seed: int, *, side: int = 48) -> bytes:
    """Return a smooth random image as a PNG file."""
    small = np.random.default_rng(seed).integers(0, 256, size=(6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


PHOTOS = [photo(seed) for seed in range(COUNT)]


class KeyEncoder:
    """Knows photos by their bytes and texts by their number: photo i and text "... i" are one direction."""

    fingerprint = "0e1"
    name = "key-encoder"

    def __init__(self, taken_for=lambda number: number) -> None:
        self._taken_for = taken_for
        self._numbers = {data: number for number, data in enumerate(PHOTOS)}
        self._directions = unit(np.random.default_rng(0).normal(size=(COUNT, 64)).astype(np.float32))

    def embed_images(self, items):
        return self._directions[[self._taken_for(self._numbers[item]) for item in items]]

    def embed_texts(self, texts):
        return self._directions[[int("".join(filter(str.isdigit, text))) for text in texts]]


def subject(samples, model=None, images=COUNT) -> PlaceSubject:
    return PlaceSubject("shop", in_memory("shop", samples), model, images=images)


def claims_of(finding):
    return {claim.about: claim for claim in finding.claims}


def test_copies_near_duplicates_and_broken_files_are_counted():
    samples = [Sample(f"{number}.png", data) for number, data in enumerate(PHOTOS[:50])]
    samples += [Sample(f"copy-{number}.png", PHOTOS[number]) for number in range(6)]
    samples += [Sample(f"resized-{number}.png", photo(number + 20, side=96)) for number in range(4)]
    samples += [Sample(f"broken-{number}.png", PHOTOS[number][:40]) for number in range(3)]
    finding = library_files.run(subject(samples))
    claims = claims_of(finding)
    counts = {about: claim.result.setting["images"] for about, claim in claims.items()}
    assert counts == {"broken": 3, "copies": 6, "near-duplicates": 4}
    assert claims["copies"].text.startswith("6 of 63 images are the same file")
    assert {claim.judgement for claim in claims.values()} == {"problem"}  # exact: 4.8, 9.5 and 6.3 %
    assert claims["broken"].text.endswith(": 4.8 % (n 63, all counted).")
    tables = {detail.name: detail.data["rows"] for detail in finding.measured.details}
    assert ["3.png = copy-3.png"] in tables["library/copies"]
    assert len(tables["library/broken"]) == 3 and "broken-1.png" in str(tables["library/broken"])


def test_a_sound_library_has_no_copies():
    samples = [Sample(f"{number}.png", data) for number, data in enumerate(PHOTOS)]
    claims = claims_of(library_files.run(subject(samples)))
    assert [claim.result.value for claim in claims.values()] == [0, 0, 0]
    assert {claim.judgement for claim in claims.values()} == {"fine"}


def test_files_that_are_no_images_do_not_lack_captions():
    samples = [Sample("a", PHOTOS[0], ("a hat",)), Sample("b", PHOTOS[1]), Sample("c", b"no image")]
    assert claims_of(library_captions.run(subject(samples)))["missing"].text.startswith("1 of 2 images have neither")
    assert isinstance(library_captions.run(subject(samples[2:])), Skipped)


def test_captions_that_are_missing_or_shared():
    texts = [("A red dress.",), ("a red dress",), ("dresses, red",), ("a blue hat",), ()]
    samples = [Sample(f"{i}-{j}", PHOTOS[0], text) for i, text in enumerate(texts) for j in range(1)]
    finding = library_captions.run(subject(samples))
    claims = claims_of(finding)
    assert claims["missing"].result.value == pytest.approx(1 / 5)
    assert claims["same"].result.setting["shared"] == 2
    assert claims["nearly-same"].result.setting["shared"] == 3


def test_captions_that_differ_in_a_number_are_not_the_same():
    texts = ["case for iPhone 3", "case for iPhone 4", "two dogs", "three dogs", "dogs, three"]
    samples = [Sample(f"{i}", PHOTOS[0], (text,)) for i, text in enumerate(texts)]
    claims = claims_of(library_captions.run(subject(samples)))
    assert (claims["same"].result.setting["shared"], claims["nearly-same"].result.setting["shared"]) == (0, 2)


def test_a_lopsided_column_is_named_with_both_ends():
    sizes = {"shirt": 200, "hat": 3, "tie": 4, "shoe": 90}
    samples = [
        Sample(f"{kind}-{i}", meta={"kind": kind, "id": f"{kind}-{i}", "number": 1000 * len(kind) + ord(kind[1])})
        for kind, size in sizes.items()
        for i in range(size)
    ]
    claims = claims_of(library_captions.run(subject(samples)))
    assert set(claims) == {"missing", "kind"}  # not the numbers, nor the kinds' own numbers
    assert "shirt has 200 images, hat 3; 2 of 4 values" in claims["kind"].text


def captioned(wrong: int):
    """Return photos with their captions, those of the first `wrong` ones moved on by one."""
    owners = [*((number + 1) % wrong for number in range(wrong)), *range(wrong, COUNT)]
    return [Sample(f"{number}", PHOTOS[number], (f"photo {owner}",)) for number, owner in enumerate(owners)]


def test_wrong_captions_are_found_and_shown():
    finding = own_captions.run(subject(captioned(24), KeyEncoder()))
    claims = claims_of(finding)
    assert claims["R@1"].result.value == pytest.approx(36 / 60)
    misfits = claims["misfits"].result.value * COUNT
    assert 4 <= misfits <= 20  # a wrong caption is in the worse half for half of them
    (shown,) = [detail for detail in finding.measured.details if detail.form == "pictures"]
    assert {int(entry["lines"][0]) for entry in shown.data["pictures"]} <= set(range(24))
    assert claims["misfits"].judgement == "problem"


def test_right_captions_are_cleared():
    claims = claims_of(own_captions.run(subject(captioned(1), KeyEncoder())))
    assert claims["R@1"].result.value == 1
    assert claims["misfits"].result.value == 0
    assert {claims[about].judgement for about in ("R@1", "R@10")} == {"fine"}


def test_equal_captions_are_no_mistakes():
    samples = [Sample(f"{number}", PHOTOS[number], ("photo 7",)) for number in range(COUNT)]
    claims = claims_of(own_captions.run(subject(samples, KeyEncoder())))
    assert claims["misfits"].result.value == 0


@pytest.mark.parametrize("check", [own_captions, library_classes])
def test_without_a_model_or_words_it_is_skipped(check):
    bare = [Sample(f"{number}", data) for number, data in enumerate(PHOTOS)]
    assert isinstance(check.run(subject(bare)), Skipped)
    assert isinstance(check.run(subject(bare, KeyEncoder())), Skipped)


def test_a_class_that_is_taken_for_another_is_named():
    samples = [Sample(f"{number}", PHOTOS[number], label=f"kind {number % 5}") for number in range(COUNT)]
    encoder = KeyEncoder(lambda number: 0 if number % 5 == 3 else number % 5)
    finding = library_classes.run(subject(samples, encoder))
    assert [claim.about for claim in finding.claims if claim.judgement == "problem"] == ["kind 3"]
    tables = [detail.data["rows"] for detail in finding.measured.details if detail.form == "table"]
    assert ["kind 3", "kind 0", 12, 12] in tables[0]
