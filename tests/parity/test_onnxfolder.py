"""Folders of ONNX graphs as photo applications publish them: exported from open_clip, run by us without PyTorch's help."""

import json
import shutil

import numpy as np
import onnxruntime
import open_clip
import pytest
import torch
from compare import record
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from wordsight.engines.finished_graph import run_finished_graph
from wordsight.images.transform import load_pixels
from wordsight.text.open import open_tokenizer
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.onnxfolder.format import IMAGE, TEXT, read, recognise

CONTEXT = 12
WORDS = ["a", "photo", "of", "red", "green", "dog", "cat", "shoe", "two", "on", "grass"]
TEXTS = ["a photo of a dog", "two red cats on green grass", "", "shoe " * 40, "unknown wörds"]


def tokenizer():
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS, "[S]", "[E]"])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("[S]", vocabulary["[S]"]), ("[E]", vocabulary["[E]"])]
    made.post_processor = processors.TemplateProcessing(single="[S] $A [E]", special_tokens=ends)
    return made, len(vocabulary)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model of open_clip's, exported the way such folders are: one graph a tower, batch free for words only."""
    place = tmp_path_factory.mktemp("ViT-T-8__made")
    words, size = tokenizer()
    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}
    text = {"context_length": CONTEXT, "vocab_size": size, "width": 32, "heads": 2, "layers": 2}
    model = open_clip.CLIP(24, vision, text).eval()
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    cfg = {"size": [32, 32], "mode": "RGB", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
    cfg |= {"interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0}
    for name in ("visual", "textual"):
        (place / name).mkdir()
    (place / "config.json").write_text(json.dumps(config))
    (place / "visual" / "preprocess_cfg.json").write_text(json.dumps(cfg))
    words.save(str(place / "textual" / "tokenizer.json"))
    (place / "textual" / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    model.forward = model.encode_image
    export(model, torch.rand(1, 3, 32, 32), place / IMAGE, "image")
    model.forward = model.encode_text
    export(model, torch.ones(1, CONTEXT, dtype=torch.int32), place / TEXT, "text")
    return place, model, cfg


def export(model, example, path, name):
    torch.onnx.export(model, (example,), path, input_names=[name], output_names=["rows"], dynamo=True, verbose=False)


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_pictures(folder):
    place, model, cfg = folder
    checkpoint = read(CheckpointFiles(place))
    random = np.random.default_rng(0)
    odd_images = [
        Image.fromarray(random.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in [(40, 61), (33, 32), (90, 31)]
    ]
    odd_images += [odd_images[0].convert("L"), odd_images[1].convert("P")]
    preprocess = open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(**cfg), is_train=False)
    with torch.no_grad():
        theirs = model.encode_image(torch.stack([preprocess(p) for p in odd_images])).numpy()
    pixels = np.stack([load_pixels(p, checkpoint.spec.preprocess, quality="exact") for p in odd_images])
    record(
        "ONNX folder, images",
        "open_clip_torch",
        run_finished_graph(session(place / IMAGE), checkpoint.spec, "image", pixels),
        theirs,
    )


def test_texts(folder):
    place, model, _ = folder
    checkpoint = read(CheckpointFiles(place))
    words, _ = tokenizer()
    words.enable_padding(length=CONTEXT, pad_token="[PAD]", pad_id=0)
    words.enable_truncation(max_length=CONTEXT)
    with torch.no_grad():
        theirs = model.encode_text(torch.tensor([e.ids for e in words.encode_batch(TEXTS)])).numpy()
    own = tmp_tokenizer(checkpoint, place)
    rows = run_finished_graph(session(place / TEXT), checkpoint.spec, "text", own.batch(TEXTS, pad_to="longest"))
    record("ONNX folder, texts", "open_clip_torch", rows, theirs)


@pytest.mark.parametrize("unigram", [True, False])
def test_how_many_words_stands_in_the_tokenizer_where_the_trunk_is_one_of_transformers(folder, unigram, tmp_path):
    place, _, _ = folder
    shutil.copytree(place, tmp_path / "copy")
    config = json.loads((place / "config.json").read_text())
    config |= {"text_cfg": {"hf_model_name": "xlm-roberta-base", "vocab_size": None}, "init_logit_bias": None}
    (tmp_path / "copy" / "config.json").write_text(json.dumps(config))
    pieces = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], *([f"w{number}", -1.0] for number in range(60_000))]
    model = {"type": "Unigram", "unk_id": 0, "vocab": pieces}
    if not unigram:
        model = {"type": "WordLevel", "unk_token": "<s>", "vocab": {word: n for n, (word, _) in enumerate(pieces)}}
    (tmp_path / "copy" / "textual" / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": []}))
    (tmp_path / "copy" / "textual" / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<pad>"}))
    spec = read(CheckpointFiles(tmp_path / "copy")).spec
    assert spec.tokenizer.vocabulary_size == spec.text.vocabulary_size == 60_003
    assert (spec.tokenizer.pad_id, spec.loss, spec.bias) == (1, "softmax", None)


def tmp_tokenizer(checkpoint, place):
    for name, content in checkpoint.tokenizer_files.items():
        (place / name).write_bytes(content)
    return open_tokenizer(checkpoint.spec.tokenizer, place)


def test_what_is_recognised(folder, tmp_path):
    place, _, _ = folder
    assert recognise(CheckpointFiles(place))
    assert not recognise(CheckpointFiles(tmp_path))
    assert "no temperature" in read(CheckpointFiles(place)).assumed[0]
