"""An audit of random towers of every family of our own: whatever they answer, it is counted."""

import sys
from pathlib import Path

import numpy as np
import pytest

from wordsight.audit.running import audit_model
from wordsight.audit.subject import ModelSubject
from wordsight.embeddings.model import Model
from wordsight.engines.torch_engine import TorchEngine

sys.path.insert(0, str(Path(__file__).parent.parent / "explain"))

from random_towers import IMAGES, towers_of


class Tokens:
    """Each word is a token, by its letters; 1 begins a text and 39 ends it."""

    def batch(self, texts, *, pad_to=None):
        rows = np.zeros((len(texts), 9), np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = [1, *(2 + sum(map(ord, word)) % 37 for word in text.split()[:7]), 39]
            row[: len(ids)] = ids
        return rows

    def decode(self, ids):
        return " ".join(map(str, ids))


@pytest.mark.parametrize("family", IMAGES)
def test_random_towers_are_no_better_than_guessing(family, tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    model = Model(TorchEngine.of(towers_of(IMAGES[family]), fingerprint="0" * 16))
    model.__dict__["tokenizer"] = Tokens()
    audit = audit_model(ModelSubject(model, images=24), tmp_path / "out", checks=["mistakes", "gibberish"])
    assert {claim.check for claim in audit.claims} == {"mistakes", "gibberish"}
    asked = [claim for claim in audit.claims if claim.check == "mistakes"]
    assert asked and all(claim.judgement != "fine" for claim in asked)
