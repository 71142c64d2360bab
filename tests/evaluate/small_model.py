"""A model of a few thousand weights in a folder, and images of the classes that it says they are."""

import numpy as np
import torch

from wordsight.base.nouns import Sample
from wordsight.embeddings.model import load
from wordsight.evaluate.sample_set import SampleSet
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.folder import save_model

SPEC = ModelSpec(
    "small",
    width=16,
    image=VitSpec(size=16, width=32, layers=1, heads=2, patch=8),
    text=ClipTextSpec(context_length=24, vocabulary_size=600, width=32, layers=1, heads=2),
    preprocess=PreprocessSpec(size=16),
    tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=600, context_length=24),
)
LETTERS = "etaoinshrdlu"
MERGES = "".join([f"{first} {second}\n" for first in LETTERS for second in LETTERS][: 600 - 514])
NAMES = ("ant", "bee", "cat", "dog")


def small_model(folder):
    """Return a model of random weights that is opened from a folder."""
    torch.manual_seed(0)
    towers = build(SPEC).eval()
    with torch.no_grad():
        towers.visual.transformer.resblocks[0].attn.out_proj.weight *= 50  # what is seen outweighs what all share
    save_model(towers, folder, merges=MERGES)
    return load(folder, engine="torch", device="cpu")


def recognised_images(model, count):
    """Return random images of the class that the model gives each, but every fourth, which is of the next one."""
    generator = np.random.default_rng(1)
    levels = generator.integers(0, 256, (count, 1, 1, 3)) + generator.integers(-60, 61, (count, 16, 16, 3))
    pixels = levels.clip(0, 255).astype(np.uint8)
    answers = (model.embed_images(list(pixels)) @ model.embed_texts(NAMES).T).argmax(axis=1)
    answers[3::4] = (answers[3::4] + 1) % len(NAMES)
    return SampleSet("s", [Sample(f"{i}", label=NAMES[n]) for i, n in enumerate(answers.tolist())], list(pixels))
