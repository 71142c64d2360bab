"""Positions for another image size are those that each neighbour's own code makes."""

import types

import numpy as np
import open_clip
import pytest
import scipy.ndimage
import torch
import transformers
from compare import record
from huggingface_side import PROCESSORS, clip_tokenizer, make, saved, siglip_tokenizer, small_merges
from timm.layers import resample_abs_pos_embed

from wordsight.towers.parts.resize import RULES, resize_grid, resize_line
from wordsight.weights.formats.table import read_any
from wordsight.weights.resize import resize_checkpoint
from wordsight.weights.tensors import fit

SIDES = [(7, 10), (10, 7), (16, 24), (14, 9)]


def table(rows, width=8):
    return np.random.default_rng(rows).standard_normal((rows, width)).astype(np.float32)


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("old", "new"), SIDES)
def test_open_clip(old, new):
    given = table(old * old + 1)
    state = {"visual.positional_embedding": torch.from_numpy(given)}
    model = types.SimpleNamespace(visual=types.SimpleNamespace(grid_size=new))
    open_clip.model.resize_pos_embed(state, model)
    close(resize_grid(given, new, extra=1, rule=RULES["openclip"]), state["visual.positional_embedding"])


@pytest.mark.parametrize("length", [32, 77, 120])
def test_open_clip_texts(length):
    given = table(77)
    state = {"positional_embedding": torch.from_numpy(given)}
    open_clip.model.resize_text_pos_embed(state, types.SimpleNamespace(positional_embedding=torch.zeros(length, 8)))
    close(resize_line(given, length), state["positional_embedding"])


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize(("old", "new"), SIDES)
def test_timm(old, new, extra):
    given = table(old * old + extra)
    theirs = resample_abs_pos_embed(torch.from_numpy(given)[None], [new, new], num_prefix_tokens=extra)[0]
    close(resize_grid(given, new, extra=extra, rule=RULES["openclip"]), theirs)


@pytest.mark.parametrize("family", ["CLIP", "Siglip"])
@pytest.mark.parametrize(("old", "new"), SIDES)
def test_transformers(family, old, new):
    config = getattr(transformers, f"{family}VisionConfig")(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=4 * old, patch_size=4
    )
    model = getattr(transformers, f"{family}VisionModel")(config)
    parts = next(part for part in model.modules() if hasattr(part, "interpolate_pos_encoding"))
    extra = int(family == "CLIP")
    theirs = parts.interpolate_pos_encoding(torch.zeros(1, new * new + extra, 8), 4 * new, 4 * new)[0].detach()
    given = parts.position_embedding.weight.detach().numpy()
    assert theirs.shape[0] == new * new + extra
    close(resize_grid(given, new, extra=extra, rule=RULES["huggingface"]), theirs)


@pytest.mark.parametrize(("old", "new"), SIDES)
def test_big_vision(old, new):
    """big_vision's `resample_posemb` is one call of scipy's zoom."""
    given = table(old * old)
    zoomed = scipy.ndimage.zoom(given.reshape(old, old, -1), (new / old, new / old, 1), order=1)
    close(resize_grid(given, new, extra=0, rule=RULES["bigvision"]), zoomed.reshape(new * new, -1))


@pytest.mark.parametrize("shape", [(3, 3), (9, 9), (5, 5)])
def test_siglip2_naflex(shape):
    given = table(64)
    resize = transformers.models.siglip2.modeling_siglip2.Siglip2VisionEmbeddings.resize_positional_embeddings
    theirs = resize(torch.from_numpy(given).view(8, 8, -1), torch.tensor([shape]), shape[0] * shape[1])[0]
    close(resize_grid(given, shape[0], extra=0, rule=RULES["naflex"]), theirs)


@pytest.mark.parametrize("layout", ["clip", "siglip"])
def test_a_model_of_another_size_gives_the_rows_of_transformers(layout, tmp_path):
    words = {"clip": clip_tokenizer(small_merges()), "siglip": siglip_tokenizer(tmp_path)}[layout]
    model = make(layout, {"vocab_size": 600, "eos_token_id": len(words) - 1})
    side = {"height": 32, "width": 32}
    sizes = {"size": side} if layout == "siglip" else {"size": {"shortest_edge": 32}, "crop_size": side}
    saved(tmp_path / "theirs", model, words, PROCESSORS[layout](**sizes))
    resized = resize_checkpoint(read_any(tmp_path / "theirs"), size=72)
    towers = fit(resized.spec, resized.state, where="here")
    pixels = torch.randn(3, 3, 72, 72, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = model.get_image_features(pixel_values=pixels, interpolate_pos_encoding=True).pooler_output
        record(f"{layout}: another image size", "transformers", towers.encode_image(pixels), theirs)
