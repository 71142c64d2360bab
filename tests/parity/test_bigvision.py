"""big_vision's files: through open_clip's own loader into its towers, and beside what big_vision's flax code computes.

`data/bigvision_tiny.npz` is made by `benchmarks/bigvision_golden.py` from a checkout of big_vision.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from compare import record
from huggingface_side import sentencepiece_bytes
from open_clip.convert import load_big_vision_weights
from open_clip.transformer import TextTransformer
from timm.layers import GELUTanh
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from wordsight.base.errors import ShapeMismatch, UsageError
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.folder import load_towers, save_checkpoint
from wordsight.weights.formats.bigvision import format as bigvision
from wordsight.weights.formats.table import read_any, write_as

WIDTH, HEADS, DEPTH, HIDDEN = 48, 3, 2, 80
VOCABULARY, LENGTH, PATCH, GRID = 200, 12, 8, 4
GOLDEN = Path(__file__).parent / "data" / "bigvision_tiny.npz"
NEIGHBOUR = "big_vision 0127fb6"


def block(draw):
    """The tensors of one block, or (with "probe") of the pooling head."""
    size = WIDTH // HEADS
    made = {f"LayerNorm_{n}/{part}": draw(WIDTH) for n in (0, 1) for part in ("scale", "bias")}
    for name in ("query", "key", "value"):
        made[f"MultiHeadDotProductAttention_0/{name}/kernel"] = draw(WIDTH, HEADS, size)
        made[f"MultiHeadDotProductAttention_0/{name}/bias"] = draw(HEADS, size)
    made["MultiHeadDotProductAttention_0/out/kernel"] = draw(HEADS, size, WIDTH)
    made["MultiHeadDotProductAttention_0/out/bias"] = draw(WIDTH)
    for n, (rows, columns) in enumerate(((WIDTH, HIDDEN), (HIDDEN, WIDTH))):
        made[f"MlpBlock_0/Dense_{n}/kernel"] = draw(rows, columns)
        made[f"MlpBlock_0/Dense_{n}/bias"] = draw(columns)
    return made


def model(*, stacked=False, head=True, prefix="params/"):
    """A two-tower model of big_vision under its own names, at random."""
    generator = np.random.default_rng(0)

    def draw(*shape):
        scale = 0.7 / np.prod(shape[:-1]) ** 0.5 if len(shape) > 1 else 0.3
        return (scale * generator.standard_normal(shape)).astype(np.float32)

    tensors = {
        "img/embedding/kernel": draw(PATCH, PATCH, 3, WIDTH),
        "img/embedding/bias": draw(WIDTH),
        "img/pos_embedding": draw(1, GRID * GRID, WIDTH),
        "txt/Embed_0/embedding": draw(VOCABULARY, WIDTH),
        "txt/pos_embedding": draw(1, LENGTH, WIDTH),
        "t": np.array([2.3], np.float32),
        "b": np.array([-7.5], np.float32),
        "img/MAPHead_0/probe": draw(1, 1, WIDTH),
    }
    pooling = {name: value for name, value in block(draw).items() if not name.startswith("LayerNorm_1")}
    tensors |= {f"img/MAPHead_0/{name}": value for name, value in pooling.items()}
    if head:
        tensors |= {"txt/head/kernel": draw(WIDTH, WIDTH), "txt/head/bias": draw(WIDTH)}
    for tower in ("img/Transformer", "txt/Encoder_0"):
        tensors |= {f"{tower}/encoder_norm/scale": 1 + draw(WIDTH), f"{tower}/encoder_norm/bias": draw(WIDTH)}
        blocks = [block(draw) for _ in range(DEPTH)]
        if stacked:
            whole = {name: np.stack([one[name] for one in blocks]) for name in blocks[0]}
            tensors |= {f"{tower}/encoderblock/{name}": value for name, value in whole.items()}
        else:
            for n, one in enumerate(blocks):
                tensors |= {f"{tower}/encoderblock_{n}/{name}": value for name, value in one.items()}
    return {f"{prefix}{name}": value for name, value in tensors.items()}


class Theirs(nn.Module):
    """open_clip's towers as its SigLIP 2 configurations build them, small."""

    def __init__(self, *, head=True):
        super().__init__()
        self.visual = nn.Module()
        self.visual.trunk = VisionTransformer(
            img_size=PATCH * GRID,
            patch_size=PATCH,
            embed_dim=WIDTH,
            depth=DEPTH,
            num_heads=HEADS,
            mlp_ratio=HIDDEN / WIDTH,
            class_token=False,
            global_pool="map",
            num_classes=0,
            act_layer=GELUTanh,
        )
        self.text = TextTransformer(
            context_length=LENGTH,
            vocab_size=VOCABULARY,
            width=WIDTH,
            heads=HEADS,
            layers=DEPTH,
            mlp_ratio=HIDDEN / WIDTH + 1e-6,
            output_dim=WIDTH,
            no_causal_mask=True,
            pool_type="last",
            proj_type="linear" if head else "none",
            proj_bias=head,
            act_layer=partial(nn.GELU, approximate="tanh"),
            norm_layer=partial(open_clip.transformer.LayerNorm, eps=1e-6),
        )
        self.logit_scale, self.logit_bias = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))


def inputs():
    draw = torch.Generator().manual_seed(1)
    pixels = torch.randn(5, 3, PATCH * GRID, PATCH * GRID, generator=draw)
    return pixels, torch.randint(0, VOCABULARY, (6, LENGTH), generator=draw)


def theirs(path, *, head=True):
    towers = Theirs(head=head).eval()
    load_big_vision_weights(towers, str(path))
    pixels, tokens = inputs()
    with torch.no_grad():
        return towers.visual.trunk(pixels), towers.text(tokens), (towers.logit_scale.item(), towers.logit_bias.item())


def ours(checkpoint, tmp_path):
    whole = replace(checkpoint, tokenizer_files={"spiece.model": sentencepiece_bytes()})
    save_checkpoint(whole, tmp_path / "ours")
    towers = load_towers(tmp_path / "ours")
    pixels, tokens = inputs()
    with torch.no_grad():
        return (
            towers.encode_image(pixels),
            towers.encode_text(tokens),
            (
                towers.logit_scale.item(),
                towers.logit_bias.item(),
            ),
        )


CASES = {
    "big_vision SigLIP, flat": {},
    "big_vision SigLIP, layers stacked": {"stacked": True},
    "big_vision SigLIP, no text head": {"head": False},
    "big_vision SigLIP, parameters alone": {"prefix": ""},
}


@pytest.mark.parametrize("row", CASES)
def test_there_and_back(row, tmp_path):
    case = CASES[row]
    head = case.get("head", True)
    np.savez(tmp_path / "theirs.npz", **model(**case))
    images, texts, scales = theirs(tmp_path / "theirs.npz", head=head)
    checkpoint = read_any(tmp_path / "theirs.npz")
    assert checkpoint.origin["format"] == "bigvision"
    our_images, our_texts, our_scales = ours(checkpoint, tmp_path)
    record(f"{row}: pictures", "open_clip_torch", our_images, images)
    record(f"{row}: texts", "open_clip_torch", our_texts, texts)
    assert our_scales == scales
    write_as(checkpoint, tmp_path / "back.npz", "bigvision")
    again = theirs(tmp_path / "back.npz", head=head)
    record(f"{row}: pictures, written back", "open_clip_torch", our_images, again[0])
    record(f"{row}: texts, written back", "open_clip_torch", our_texts, again[1])


@pytest.mark.parametrize("stacked", [False, True])
def test_written_tensors_are_those_that_were_read(stacked, tmp_path):
    tensors = model(stacked=stacked)
    np.savez(tmp_path / "model.npz", **tensors)
    back = bigvision.tensors_of(read_any(tmp_path / "model.npz"), stacked=stacked)
    assert set(back) == set(tensors)
    for name, value in tensors.items():
        assert np.array_equal(back[name], value), name


def older(tensors):
    """The same model as older files lay it out."""
    moved = dict(tensors)
    moved["params/img/Transformer/posembed_input/pos_embedding"] = moved.pop("params/img/pos_embedding")
    for name in [name for name in moved if name.startswith("params/img/MAPHead_0/")]:
        moved[name.replace("MAPHead_0/", "")] = moved.pop(name)
    half = moved["params/txt/pos_embedding"] / 2
    moved["params/txt/pos_embedding"] = moved["params/txt/Encoder_0/pos_embedding"] = half
    moved = {name.replace("params/", "opt/target/"): value for name, value in moved.items()}
    return moved | {"opt/state/step": np.array(3)}


def test_older_places(tmp_path):
    tensors = model()
    np.savez(tmp_path / "new.npz", **tensors)
    np.savez(tmp_path / "old.npz", **older(tensors))
    new, old = read_any(tmp_path / "new.npz"), read_any(tmp_path / "old.npz")
    assert replace(old.spec, name=new.spec.name) == new.spec
    assert set(new.state) == set(old.state)
    assert all(np.array_equal(new.state[name], old.state[name]) for name in new.state)


def test_a_class_token_has_its_place(tmp_path):
    """LiT: a class token, a layer behind the image tower, no bias of the scores."""
    tensors = model()
    for name in [name for name in tensors if "MAPHead_0" in name or name == "params/b"]:
        del tensors[name]
    tensors["params/img/cls"] = np.full((1, 1, WIDTH), 0.25, np.float32)
    tensors["params/img/head/kernel"] = np.full((WIDTH, WIDTH), 0.01, np.float32)
    tensors["params/img/head/bias"] = np.zeros(WIDTH, np.float32)
    np.savez(tmp_path / "alone.npz", **tensors)
    alone = read_any(tmp_path / "alone.npz")
    assert (alone.spec.image.pool, alone.spec.loss, alone.spec.image.projection) == ("class", "softmax", "linear")
    table = tensors["params/img/pos_embedding"]
    tensors["params/img/pos_embedding"] = np.concatenate([np.zeros_like(table[:, :1]), table], axis=1)
    np.savez(tmp_path / "joined.npz", **tensors)
    joined = read_any(tmp_path / "joined.npz")
    key = "visual.positional_embedding"
    assert np.array_equal(alone.state[key], joined.state[key]) and not alone.state[key][0].any()


def test_tokenizer_is_asked_for_and_found_beside(tmp_path):
    np.savez(tmp_path / "model.npz", **model())
    bare = read_any(tmp_path / "model.npz")
    assert any("--tokenizer FILE" in sentence and "c4_en" in sentence for sentence in bare.assumed)
    assert any("antialias" in sentence for sentence in bare.assumed)
    with pytest.raises(UsageError, match=r"spiece\.model"):
        save_checkpoint(bare, tmp_path / "ours")
    (tmp_path / "sentencepiece.model").write_bytes(sentencepiece_bytes())
    assert list(read_any(tmp_path).tokenizer_files) == ["spiece.model"]


def test_what_the_file_has_no_room_for_lies_beside_it_or_is_said(tmp_path, capsys):
    np.savez(tmp_path / "model.npz", **model())
    whole = replace(read_any(tmp_path / "model.npz"), tokenizer_files={"spiece.model": sentencepiece_bytes()})
    write_as(whole, tmp_path / "back", "bigvision")
    assert read_any(tmp_path / "back").tokenizer_files == whole.tokenizer_files
    assert "preprocessing" not in capsys.readouterr().err
    smooth = replace(whole.spec, preprocess=replace(whole.spec.preprocess, antialias=True))
    write_as(replace(whole, spec=smooth), tmp_path / "smooth", "bigvision")
    assert "no room for preprocessing: big_vision's own is squash, bilinear" in capsys.readouterr().err


def test_left_over_and_missing(tmp_path):
    tensors = model()
    np.savez(tmp_path / "more.npz", **tensors, **{"params/img/pre_logits/bias": np.zeros(3, np.float32)})
    with pytest.raises(ShapeMismatch, match="have no place: img/pre_logits/bias"):
        read_any(tmp_path / "more.npz")
    del tensors["params/img/Transformer/encoder_norm/bias"]
    np.savez(tmp_path / "less.npz", **tensors)
    with pytest.raises(ShapeMismatch, match="has no img/Transformer/encoder_norm/bias"):
        read_any(tmp_path / "less.npz")


def test_towers_that_it_cannot_hold(tmp_path):
    np.savez(tmp_path / "model.npz", **model())
    checkpoint = read_any(tmp_path / "model.npz")
    spec = checkpoint.spec
    for changed, name in (
        (replace(spec, image=replace(spec.image, activation="gelu")), "image.activation"),
        (replace(spec, text=replace(spec.text, pool="first")), "text.pool"),
    ):
        with pytest.raises(UsageError, match=name):
            write_as(replace(checkpoint, spec=changed), tmp_path / "out.npz", "bigvision")
    assert not (tmp_path / "out.npz").exists()


def test_other_files_are_not_taken_for_it(tmp_path):
    np.savez(tmp_path / "vit.npz", **{"embedding/kernel": np.zeros((2, 2, 3, 4), np.float32)})
    assert not bigvision.recognise(CheckpointFiles(tmp_path / "vit.npz"))


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("name", ["flat", "stacked", "naflex"])
def test_beside_flax(name, golden, tmp_path):
    mine = {key.removeprefix(f"{name}/"): value for key, value in golden.items() if key.startswith(f"{name}/")}
    np.savez(tmp_path / "model.npz", **{key: value for key, value in mine.items() if key.startswith("params/")})
    checkpoint = replace(read_any(tmp_path / "model.npz"), tokenizer_files={"spiece.model": sentencepiece_bytes(60)})
    save_checkpoint(checkpoint, tmp_path / "ours")
    towers = load_towers(tmp_path / "ours")
    with torch.no_grad():
        texts = towers.encode_text(torch.from_numpy(mine["tokens"]))
        if name == "naflex":
            grids = torch.from_numpy(mine["grids"])
            count = grids.prod(dim=1)
            patches = torch.from_numpy(mine["patches"])
            images = towers.encode_patches(patches, torch.arange(patches.shape[1]) < count[:, None], grids)
        else:
            images = towers.encode_image(torch.from_numpy(mine["pixels"]).permute(0, 3, 1, 2))
    record(f"big_vision, its own flax code, {name}: pictures", NEIGHBOUR, images, mine["images"])
    record(f"big_vision, its own flax code, {name}: texts", NEIGHBOUR, texts, mine["texts"])


@pytest.mark.parametrize("number", range(4))
def test_pictures_are_prepared_as_big_vision_does(number, golden, tmp_path):
    np.savez(tmp_path / "model.npz", **model())
    spec = read_any(tmp_path / "model.npz").spec.preprocess
    picture, expected = golden[f"pictures/{number}"], golden[f"squashed/{number}"]
    assert np.array_equal(load_pixels(picture, spec, quality="exact"), expected)


@pytest.mark.parametrize("number", range(4))
def test_pictures_that_keep_their_shape(number, golden):
    """big_vision resizes in numbers between levels there; ours are whole levels."""
    spec = PreprocessSpec(
        size=32, resize="patches", interpolation="bilinear", patch=8, max_patches=16, mean=(0.5,) * 3, std=(0.5,) * 3
    )
    pixels = load_pixels(golden[f"pictures/{number}"], spec, quality="exact")
    expected = golden[f"patches/{number}"].astype(np.float32)
    assert pixels.shape == expected.shape
    assert np.abs(pixels / 127.5 - 1 - expected).max() < 1.2 / 127.5
