"""Both sides of the tests of ALIGN and Chinese CLIP: BERT's tokenizer, disturbed models, the rows of each."""

import numpy as np
import torch
from huggingface_side import TEXTS, odd_images
from transformers import AutoTokenizer, BertTokenizer

from wordsight.images.transform import load_pixels, normalise
from wordsight.text.open import open_tokenizer
from wordsight.weights.folder import load_towers, save_checkpoint
from wordsight.weights.formats.table import read_any

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = ["photo", "dog", "cat", "cats", "red", "two", "shoe", "of", "on", "grass", "green", "un", "code", "犬"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIALS, "a", *WORDS, *LETTERS[1:], *("##" + sign for sign in LETTERS), "!", ",", "'", "_"]
BERT = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 80,
    "max_position_embeddings": 80,
}


def save_tokenizer(folder):
    BertTokenizer(vocab={word: number for number, word in enumerate(VOCABULARY)}).save_pretrained(folder)


def only_list(folder):
    """Put vocab.txt in the place of every other tokenizer file, as older folders have it."""
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")


def disturb(model, seed=0):
    """Move every parameter and statistic away from where it starts."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point():
                continue
            noise = torch.randn(value.shape, generator=draw)
            if name in ("temperature", "logit_scale"):
                value.fill_(0.021 if name == "temperature" else 3.1)
            elif name.endswith("running_var"):
                value.copy_(1 + 0.5 * noise.abs())
            elif value.ndim == 1 and name.endswith("weight"):
                value.copy_(1 + 0.3 * noise)
            elif value.ndim < 2:
                value.copy_(0.2 * noise)
            else:
                fan = value[0].numel()
                value.copy_(noise / fan**0.5 + 0.02 * noise)
    return model.eval()


def theirs(kind, processor, folder, length):
    """Rows of pictures and texts as transformers makes them of a folder; it is read strictly."""
    model, said = kind.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    assert not any(said[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys")), said
    prepared = processor.from_pretrained(folder)(images=odd_images(), return_tensors="pt")
    tokens = AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, truncation=True, max_length=length, return_tensors="pt"
    )
    with torch.no_grad():
        images = model.eval().get_image_features(pixel_values=prepared["pixel_values"].float()).pooler_output
        texts = model.get_text_features(**tokens).pooler_output
    return images.numpy(), texts.numpy()


def ours(folder, place):
    """The same from us, through a model folder at `place`: (checkpoint, image rows, text rows)."""
    checkpoint = read_any(folder)
    save_checkpoint(checkpoint, place)
    towers, spec = load_towers(place), checkpoint.spec
    pixels = np.stack([load_pixels(picture, spec.preprocess, quality="exact") for picture in odd_images()])
    tokens = open_tokenizer(spec.tokenizer, place).batch(TEXTS)
    with torch.no_grad():
        images = towers.encode_image(torch.from_numpy(normalise(pixels, spec.preprocess)))
        texts = towers.encode_text(torch.from_numpy(tokens))
    return checkpoint, images.numpy(), texts.numpy()
