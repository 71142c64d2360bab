"""Small random towers of every family of our own, and pixels and tokens for them: what maps are tested on."""

import dataclasses

import torch

from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.bert.spec import BertSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec

TEXT = ClipTextSpec(context_length=9, vocabulary_size=40, width=24, layers=3, heads=2)
BERT = BertSpec(context_length=9, vocabulary_size=40, width=24, layers=2, heads=2)
VIT = VitSpec(size=32, width=24, layers=3, heads=2, patch=8)
VITS = {
    "class token": VIT,
    "mean, class token beside": dataclasses.replace(VIT, pool="mean", class_token=True),
    "attention": dataclasses.replace(VIT, pool="attention", class_token=False, final_norm="tokens", pre_norm=False),
    "queries": dataclasses.replace(VIT, pool="queries", class_token=True, pool_queries=3),
    "perception": dataclasses.replace(VIT, rotary="perception", pool="attention", final_norm="tokens"),
    "eva": EvaSpec(size=32, width=24, layers=3, heads=2, patch=8, projection="linear", rotary="eva", mlp="swiglu"),
}
CONVOLUTIONS = {
    "resnet": ResNetSpec(size=64, width=8, heads=4, stages=(1, 2, 1, 1)),
    "efficientnet": EfficientNetSpec(size=64, width=0.25, depth=0.3),
}
IMAGES = VITS | CONVOLUTIONS


def towers_of(image=VIT, text=TEXT):
    """Return towers with random weights, gains and biases random, too; in evaluation mode, without gradients."""
    torch.manual_seed(0)
    spec = ModelSpec(
        "t",
        width=20,
        image=image,
        text=text,
        preprocess=PreprocessSpec(size=image.size),
        tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=40, context_length=9, padding="full"),
    )
    towers = build(spec).eval()
    with torch.no_grad():
        for value in towers.parameters():
            value.add_(0.2 * torch.randn_like(value))
    return towers.requires_grad_(False)


def some_pixels(image=VIT, count=2):
    torch.manual_seed(2)
    return torch.randn(count, 3, image.size, image.size)


def some_tokens():
    torch.manual_seed(1)
    tokens = torch.randint(1, 39, (4, 9))
    tokens[torch.arange(4), torch.tensor([2, 8, 5, 3])] = 39
    return tokens
