"""A model saved before the number of heads counted keeps the fingerprint that it states."""

from dataclasses import replace

import numpy as np
import pytest

from wordsight.base.errors import FormatError
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.fingerprint import fingerprint, read_tensors
from wordsight.weights.folder import read_checkpoint, save_checkpoint, verify, write_model_manifest

TEXT = ClipTextSpec(width=16, layers=1, heads=4, context_length=8, vocabulary_size=49408)
IMAGE = VitSpec(size=16, patch=8, width=16, layers=1, heads=4)
SPEC = ModelSpec("unusual", 8, IMAGE, TEXT, preprocess=PreprocessSpec(size=16))
SPEC = replace(SPEC, tokenizer=replace(SPEC.tokenizer, context_length=8))


def test_it_is_opened_and_another_is_not(tmp_path):
    state = {name: np.zeros(shape, np.float32) for name, shape in shapes(SPEC).items()}
    manifest = save_checkpoint(Checkpoint(SPEC, state), tmp_path / "model")
    raw = read_tensors(tmp_path / "model" / "weights.safetensors")
    earlier = fingerprint(SPEC, raw, counted="before heads")
    assert earlier != manifest.fingerprint
    write_model_manifest(tmp_path / "model", replace(manifest, fingerprint=earlier))
    verify(tmp_path / "model")
    assert read_checkpoint(tmp_path / "model").spec == SPEC
    write_model_manifest(tmp_path / "model", replace(manifest, fingerprint="0123456789abcdef"))
    for use in (verify, read_checkpoint):
        with pytest.raises(FormatError, match="states fingerprint 0123456789abcdef but its files have"):
            use(tmp_path / "model")
