"""Models of every family keep their model.json, their fingerprint and their embeddings."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import pinning

RECORDED = np.load(pinning.PLACE / "embeddings.npz")
SAME = json.loads((pinning.PLACE / "processor.json").read_text()) == pinning.processor()


def test_every_kind_of_tower_is_pinned():
    from wordsight.towers.spec import ImageKind, TextKind

    specs = [json.loads((pinning.PLACE / f"{name}.json").read_text())["spec"] for name in pinning.NAMES]
    assert {spec["image"]["kind"] for spec in specs} == set(ImageKind.__args__) - {"onnx"}
    assert {spec["text"].get("kind", "clip") for spec in specs} == set(TextKind.__args__) - {"onnx"}


@pytest.mark.parametrize("name", pinning.NAMES)
def test_a_model_is_what_it_was(name, tmp_path):
    manifest, found = pinning.computed(name, tmp_path)
    assert (tmp_path / "new" / "model.json").read_text() == (pinning.PLACE / f"{name}.json").read_text()
    assert manifest.fingerprint == json.loads((pinning.PLACE / f"{name}.json").read_text())["fingerprint"]
    assert sorted(found) == sorted(key.partition("/")[2] for key in RECORDED if key.startswith(f"{name}/"))
    for kind, rows in found.items():
        np.testing.assert_allclose(rows, RECORDED[f"{name}/{kind}"], atol=2e-6, rtol=0)
        if SAME:  # the last bit is the processor's and its libraries'
            assert rows.tobytes() == RECORDED[f"{name}/{kind}"].tobytes()
