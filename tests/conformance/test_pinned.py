"""Models of every family keep their model.json, their fingerprint and their embeddings."""

import json
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from wordsight.towers.families import IMAGE_FAMILIES, TEXT_FAMILIES
from wordsight.weights.folder import read_model_manifest

sys.path.insert(0, str(Path(__file__).parent))

import pinning

RECORDED = np.load(pinning.PLACE / "embeddings.npz")


def test_every_kind_of_tower_is_pinned():
    specs = [json.loads((pinning.PLACE / f"{name}.json").read_text())["spec"] for name in pinning.NAMES]
    assert {spec["image"]["kind"] for spec in specs} == set(IMAGE_FAMILIES) - {"onnx"}
    assert {spec["text"].get("kind", "clip") for spec in specs} == set(TEXT_FAMILIES) - {"onnx"}


@pytest.mark.parametrize("name", pinning.NAMES)
def test_a_model_is_what_it_was(name, tmp_path):
    """A model.json of an earlier version gives the same fingerprint and embeddings; what is written reads the same."""
    manifest, found = pinning.computed(name, tmp_path)
    assert manifest.fingerprint == json.loads((pinning.PLACE / f"{name}.json").read_text())["fingerprint"]
    assert read_model_manifest(tmp_path / "new").spec == read_model_manifest(tmp_path / "old").spec
    written = json.loads((tmp_path / "new" / "model.json").read_text())["spec"]
    for part in ("image", "text"):
        assert set(written[part]) <= {field.name for field in fields(getattr(manifest.spec, part))}
    assert sorted(found) == sorted(key.partition("/")[2] for key in RECORDED if key.startswith(f"{name}/"))
    for kind, rows in found.items():
        np.testing.assert_allclose(rows, RECORDED[f"{name}/{kind}"], atol=2e-6, rtol=0)
        if pinning.same_processor(name):  # the last bit is the processor's and its libraries'
            assert rows.tobytes() == RECORDED[f"{name}/{kind}"].tobytes()
