"""Both sides of the open_clip tests: tiny models with nothing at its initial value, pictures, texts, and the rows of each."""

import json
import logging

import numpy as np
import open_clip
import torch
from compare import TEXTS, our_rows, record
from PIL import Image

from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.table import read_any

TEXT = {"context_length": 12, "width": 64, "heads": 2, "layers": 2}
VISION = {"image_size": 32, "patch_size": 8, "width": 64, "head_width": 32, "layers": 2}


def odd_images():
    """Odd sizes and every mode that pictures come in."""
    draw = np.random.default_rng(3)

    def noise(height, width, channels, mode):
        grain = draw.integers(0, 256, (height, width, channels), dtype=np.uint8)
        return Image.fromarray(grain.squeeze(), mode=None).convert(mode) if mode != "RGBA" else Image.fromarray(grain)

    made = [noise(90, 31, 3, "RGB"), noise(33, 120, 3, "RGB"), noise(40, 41, 1, "L"), noise(50, 47, 4, "RGBA")]
    made += [noise(45, 60, 3, "RGB").quantize(17), noise(64, 64, 3, "RGB").convert("LA"), noise(1, 9, 3, "RGB")]
    made += [
        noise(7, 1, 3, "RGB"),
        noise(1, 1, 3, "RGB"),
        noise(32, 32, 3, "RGB"),
        noise(70, 33, 3, "RGB").convert("1"),
    ]
    return made


def disturb(model, seed=0):
    """Move every parameter and statistic away from where it starts."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point() or "attn_mask" in name:
                continue
            noise = torch.randn(value.shape, generator=draw)
            if name.endswith("running_var"):
                value.copy_(1 + 0.5 * noise.abs())
            elif name.endswith("logit_scale"):
                value.fill_(3.1)
            elif name.endswith("logit_bias"):
                value.fill_(-4.2)
            elif value.ndim == 1 and name.endswith("weight"):
                value.copy_(1 + 0.3 * noise)
            elif name.endswith("gamma"):
                value.copy_(0.7 + 0.3 * noise)
            elif value.ndim < 2:
                value.copy_(0.2 * noise)
            else:
                value.add_(0.1 * noise / max(value.shape[-1], 1) ** 0.5 + 0.02 * noise)
    return model.eval()


def make(cfg, kind="CLIP", seed=0):
    """An open_clip model of a configuration, disturbed."""
    torch.manual_seed(seed)
    values = {key: value for key, value in json.loads(json.dumps(cfg)).items() if key != "custom_text"}
    logging.disable(logging.WARNING)  # it warns of what is meant here
    try:
        return disturb(getattr(open_clip, kind)(**values), seed)
    finally:
        logging.disable(logging.NOTSET)


def folder_of(place, model, cfg, preprocess=None, *, name="open_clip_model.safetensors"):
    """Write a hub folder as open_clip's own `save_for_hf` lays it out."""
    from safetensors.torch import save_file

    place.mkdir(parents=True, exist_ok=True)
    values = {"model_cfg": cfg, "preprocess_cfg": preprocess or {}}
    (place / "open_clip_config.json").write_text(json.dumps(values), encoding="utf-8")
    state = {key: value.contiguous().clone() for key, value in model.state_dict().items()}
    if name.endswith(".safetensors"):
        save_file(state, place / name)
    else:
        torch.save(state, place / name)
    return place


def theirs(place):
    """Rows of pictures and texts from a folder as open_clip loads it, through its own preprocessing and tokenizer."""
    source = f"local-dir:{place}"
    model, _, prepare = open_clip.create_model_and_transforms(source)
    model.eval()
    tokens = open_clip.get_tokenizer(source)(TEXTS)
    with torch.no_grad():
        images = model.encode_image(torch.stack([prepare(picture) for picture in odd_images()])).numpy()
        texts = model.encode_text(tokens).numpy()
    return images, texts


def ours(path, folder):
    """The same from us: (checkpoint, image rows, text rows); `folder` becomes our model folder."""
    checkpoint = read_any(path)
    assert checkpoint.origin["format"] == "openclip"
    return checkpoint, *rows(checkpoint, folder)


def rows(checkpoint, folder):
    return our_rows(checkpoint, folder, odd_images(), TEXTS)


def both_ways(row, place, folder):
    """Read a folder of open_clip's, compare, write it back, let open_clip load that strictly, compare again."""
    expected = theirs(place)
    checkpoint, images, texts = ours(place, folder / "ours")
    record(f"{row}, images", "open_clip_torch", images, expected[0])
    record(f"{row}, texts", "open_clip_torch", texts, expected[1])
    back = folder / "back"
    openclip.write(checkpoint, back)
    images, texts = theirs(back)
    record(f"{row}, written back, images", "open_clip_torch", images, expected[0])
    record(f"{row}, written back, texts", "open_clip_torch", texts, expected[1])
    return checkpoint
