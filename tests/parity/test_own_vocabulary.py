"""Models trained here, with a vocabulary learned from their captions, in the programs that load CLIP."""

from dataclasses import replace

import numpy as np
import open_clip
import openclip_side
import pytest
import torch
from compare import TEXTS, our_rows, record, unit
from openclip_side import disturb, odd_images, theirs
from PIL import Image
from transformers import AutoTokenizer, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from wordsight.base.errors import UsageError
from wordsight.text.learn import learn_merges
from wordsight.text.open import open_tokenizer
from wordsight.text.vocabulary import size_of
from wordsight.towers.build import build
from wordsight.towers.catalogue import architecture
from wordsight.train.recipe import read_recipe
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.formats.table import holds, read_any, write_as, written
from wordsight.weights.tensors import stored_state

CAPTIONS = ["a red dog on the grass", "two cats and a dog", "the dog's red shoe, 22 shoes!", "a photo of a cat"] * 3
HARD = [
    *TEXTS,
    "!!! a!b ! <|endoftext|",
    "DOG's   cats\t22shoes",
    "e\u0301te\u0301 \u00c9T\u00c9",
    "a\u00a0dog \u200b red",
    "İstanbul ß",
    "😀 dog",
]


PLAIN = [
    text for text in HARD if "&" not in text
]  # transformers' tokenizer leaves HTML signs as they are, with a notice


def images():
    """Return images in RGB: the others turn to it at another time, by a level or two."""
    return [image for image in odd_images() if image.mode == "RGB"]


def squares():
    """Return square images: of others transformers cuts out the centre a pixel higher or further left."""
    draw = np.random.default_rng(1)
    grains = [draw.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (40, 96, 130)]
    return [Image.fromarray(grain // (number + 1)) for number, grain in enumerate(grains)]


def trained(name):
    """Return the checkpoint of an architecture whose vocabulary was learned from `CAPTIONS`."""
    spec = architecture(name)
    merges = learn_merges(CAPTIONS, spec.text.vocabulary_size)
    size = size_of(merges)
    spec = replace(
        spec,
        text=replace(spec.text, vocabulary_size=size),
        tokenizer=replace(spec.tokenizer, vocabulary_size=size),
    )
    torch.manual_seed(0)
    lines = "".join(f"{left} {right}\n" for left, right in merges).encode()
    return Checkpoint(spec, stored_state(disturb(build(spec))), {"merges.txt": lines})


@pytest.fixture(scope="module")
def pairs():
    """Return the model that `wordsight train pairs` makes."""
    return trained(read_recipe("pairs", []).model.name)


def real(tokens, end):
    """Return the ids of each row up to its end token."""
    return [row[: row.index(end) + 1] for row in np.asarray(tokens).tolist()]


def our_tokens(checkpoint, folder, texts):
    tokens = open_tokenizer(checkpoint.spec.tokenizer, folder).batch(texts)
    return real(tokens, checkpoint.spec.text.vocabulary_size - 1)


@pytest.mark.parametrize("name", ["pairs", "nano-rn-64", "tiny-rn-64"])
def test_open_clip_loads_it_with_its_vocabulary(name, pairs, tmp_path, monkeypatch):
    checkpoint = pairs if name == "pairs" else trained(name)
    write_as(checkpoint, tmp_path / "theirs", "openclip")
    monkeypatch.setattr(openclip_side, "odd_images", images)
    expected = theirs(tmp_path / "theirs")
    pixels, texts = our_rows(checkpoint, tmp_path / "ours", images(), TEXTS)
    record(f"{name}, own vocabulary, images", "open_clip_torch", pixels, expected[0])
    record(f"{name}, own vocabulary, texts", "open_clip_torch", texts, expected[1])
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'theirs'}")
    end = checkpoint.spec.text.vocabulary_size - 1
    assert real(tokenizer(HARD), end) == our_tokens(checkpoint, tmp_path / "ours", HARD)
    back = our_rows(read_any(tmp_path / "theirs"), tmp_path / "back", images(), HARD)
    np.testing.assert_allclose(unit(back[1][: len(TEXTS)]), unit(texts), atol=1e-6)


def test_transformers_loads_it_with_its_vocabulary(pairs, tmp_path):
    write_as(pairs, tmp_path / "theirs", "huggingface")
    model, said = CLIPModel.from_pretrained(tmp_path / "theirs", output_loading_info=True)
    assert not any(said[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys")), said
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "theirs")
    pixels, texts = our_rows(pairs, tmp_path / "ours", squares(), PLAIN)
    given = tokenizer(PLAIN, padding="max_length", truncation=True, return_tensors="pt")
    end = pairs.spec.text.vocabulary_size - 1
    assert real(given.input_ids, end) == our_tokens(pairs, tmp_path / "ours", PLAIN)
    with torch.no_grad():
        rows = model.get_text_features(**given)
        seen = model.get_image_features(
            CLIPImageProcessorPil.from_pretrained(tmp_path / "theirs")(
                images=squares(), return_tensors="pt"
            ).pixel_values
        )
    record("pairs, own vocabulary, texts", "transformers", texts, getattr(rows, "pooler_output", rows))
    record("pairs, own vocabulary, images", "transformers", pixels, getattr(seen, "pooler_output", seen))
    back = our_rows(read_any(tmp_path / "theirs"), tmp_path / "back", squares(), PLAIN)
    np.testing.assert_allclose(unit(back[1]), unit(texts), atol=1e-6)


def test_what_a_format_cannot_hold_is_advised_truly(pairs, tmp_path):
    """The formats that an error names take the model; where none does, it says so."""
    assert [name for name in written() if holds(pairs, name)] == ["huggingface", "openclip"]
    with pytest.raises(UsageError, match=r"a vocabulary of its own; use --to huggingface or openclip$"):
        write_as(pairs, tmp_path / "a", "openai")
    with pytest.raises(UsageError, match=r'image.kind = "resnet"; use --to openclip$'):
        write_as(trained("nano-rn-64"), tmp_path / "a", "huggingface")
    for name in written():
        with pytest.raises(UsageError, match=r"; no public format has: use --to wordsight or --to onnx$"):
            write_as(trained("nano-64"), tmp_path / "a", name)
    assert not (tmp_path / "a").exists()
