"""OpenAI's checkpoints beside its own package (clip-anytorch): archives, state dicts, ViT and ResNet, there and back."""

import dataclasses

import numpy as np
import open_clip
import pytest
import torch
from compare import TEXTS, record
from openai_side import clip
from openclip_side import disturb, odd_images

from wordsight.base.errors import ShapeMismatch, UsageError
from wordsight.images.transform import load_pixels, normalise
from wordsight.text.open import open_tokenizer
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.folder import load_towers, read_checkpoint, save_checkpoint
from wordsight.weights.formats.openai import format as openai
from wordsight.weights.formats.table import read_any

VIT = {"image_resolution": 48, "vision_layers": 2, "vision_width": 128, "vision_patch_size": 16}
RESNET = {"image_resolution": 64, "vision_layers": (1, 2, 1, 1), "vision_width": 16, "vision_patch_size": None}
TEXT = {
    "context_length": 77,
    "vocab_size": 49408,
    "transformer_width": 64,
    "transformer_heads": 1,
    "transformer_layers": 2,
}
EXTRAS = openai.EXTRAS


def made(image):
    """A model of OpenAI's package as it is published: weights in 16 bits, norms in 32."""
    torch.manual_seed(1)
    model = disturb(clip.model.CLIP(embed_dim=32, **image, **TEXT))
    clip.model.convert_weights(model)
    return model.eval()


def archived(model, path):
    """Write the TorchScript archive that OpenAI publishes, with its three whole numbers as buffers."""
    size = model.visual.input_resolution
    for name, value in zip(EXTRAS, (size, model.context_length, model.vocab_size), strict=True):
        model.__dict__.pop(name, None)
        model.register_buffer(name, torch.tensor(value))
    picture, words = torch.randn(1, 3, size, size), torch.zeros(1, 77, dtype=torch.long)
    methods = {"forward": (picture, words), "encode_image": picture, "encode_text": words}
    torch.jit.save(torch.jit.trace_module(model, methods, check_trace=False), path)
    return path


def theirs(path):
    model, prepare = clip.load(str(path), device="cpu")
    with torch.no_grad():
        images = model.encode_image(torch.stack([prepare(picture) for picture in odd_images()])).numpy()
        texts = model.encode_text(clip.tokenize(TEXTS, truncate=True)).numpy()
    return images, texts


def ours(path, folder):
    checkpoint = read_any(path)
    save_checkpoint(checkpoint, folder)
    towers, spec = load_towers(folder), checkpoint.spec
    pixels = np.stack([load_pixels(picture, spec.preprocess, quality="exact") for picture in odd_images()])
    tokens = torch.from_numpy(open_tokenizer(spec.tokenizer, folder).batch(TEXTS))
    with torch.no_grad():
        images = towers.encode_image(torch.from_numpy(normalise(pixels, spec.preprocess))).numpy()
        texts = towers.encode_text(tokens).numpy()
    return checkpoint, images, texts


@pytest.mark.parametrize(("row", "image"), [("OpenAI ViT", VIT), ("OpenAI ResNet", RESNET)], ids=["vit", "resnet"])
def test_archives_and_back(row, image, tmp_path):
    path = archived(made(image), tmp_path / "ViT-X.pt")
    expected = theirs(path)
    checkpoint, images, texts = ours(path, tmp_path / "ours")
    record(f"{row}, archive, image", "clip-anytorch", images, expected[0])
    record(f"{row}, archive, text", "clip-anytorch", texts, expected[1])
    assert checkpoint.spec.name == "ViT-X"
    assert checkpoint.state["visual.conv1.weight"].dtype == np.float16
    assert checkpoint.spec.text.activation == "quick_gelu"
    assert any("--set image.activation=gelu" in said for said in checkpoint.assumed)
    openai.write(read_checkpoint(tmp_path / "ours"), tmp_path / "back.pt")
    back = theirs(tmp_path / "back.pt")
    record(f"{row}, written, image", "clip-anytorch", images, back[0])
    record(f"{row}, written, text", "clip-anytorch", texts, back[1])
    again = read_any(tmp_path / "back.pt")
    assert dataclasses.replace(again.spec, name="ViT-X") == checkpoint.spec
    assert all(np.array_equal(again.state[name], array) for name, array in checkpoint.state.items())


def test_what_we_write_open_clip_loads_strictly(tmp_path):
    path = archived(made(VIT), tmp_path / "a.pt")
    checkpoint, images, texts = ours(path, tmp_path / "ours")
    openai.write(checkpoint, tmp_path / "out.pt")
    model = open_clip.load_openai_model(str(tmp_path / "out.pt"), precision="fp32", device="cpu")
    prepare = open_clip.image_transform(48, is_train=False)
    with torch.no_grad():
        pixels = torch.stack([prepare(picture) for picture in odd_images()])
        record("OpenAI ViT, written, image", "open_clip_torch", images, model.encode_image(pixels).numpy())
        record(
            "OpenAI ViT, written, text", "open_clip_torch", texts, model.encode_text(open_clip.tokenize(TEXTS)).numpy()
        )


def test_state_dicts_saved_from_them(tmp_path):
    for number, options in enumerate(({}, {"_use_new_zipfile_serialization": False})):
        model = made(VIT)
        path = archived(model, tmp_path / f"a{number}.pt")
        torch.save(torch.jit.load(path).state_dict(), tmp_path / "plain.pt", **options)
        whole, plain = read_any(path), read_any(tmp_path / "plain.pt")
        assert plain.origin["format"] == "openai"
        assert set(plain.state) == set(whole.state)
        assert all(np.array_equal(plain.state[name], array) for name, array in whole.state.items())


def test_every_key_is_used_and_the_numbers_agree(tmp_path):
    state = {name: value.numpy() for name, value in made(VIT).state_dict().items()}
    extras = {"input_resolution": np.array(48), "context_length": np.array(77), "vocab_size": np.array(49408)}

    def read(changed):
        write_torch(tmp_path / "x.pt", changed)
        return read_any(tmp_path / "x.pt")

    assert read({**state, **extras}).spec.image.size == 48
    mask = np.zeros((77, 77), np.float32)  # made, not learned; archives may keep it
    assert "attn_mask" not in read({**state, **extras, "attn_mask": mask}).state
    with pytest.raises(ShapeMismatch, match=r"1 unknown \(visual\.extra\)"):
        read({**state, **extras, "visual.extra": np.ones(3, np.float32)})
    with pytest.raises(ShapeMismatch, match=r"1 missing \(visual\.ln_pre\.bias\)"):
        read({name: value for name, value in {**state, **extras}.items() if name != "visual.ln_pre.bias"})
    with pytest.raises(ShapeMismatch, match="input_resolution = 224, not 48"):
        read({**state, **extras, "input_resolution": np.array(224)})


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("text", {"activation": "gelu"}, "text.activation = 'gelu'"),
        ("image", {"activation": "gelu"}, "image.activation = 'gelu'"),
        ("text", {"heads": 2}, "text.heads = 2"),
        ("preprocess", {"mean": (0.5, 0.5, 0.5)}, "preprocess.mean"),
        ("tokenizer", {"vocabulary": "own"}, "a vocabulary of its own"),
        ("image", {"layer_scale": True}, "image.layer_scale = True"),
    ],
)
def test_what_the_layout_cannot_hold_is_named(part, change, said, tmp_path):
    checkpoint = read_any(archived(made(VIT), tmp_path / "a.pt"))
    changed = dataclasses.replace(getattr(checkpoint.spec, part), **change)
    spec = dataclasses.replace(checkpoint.spec, **{part: changed})
    with pytest.raises(UsageError, match=said):
        openai.write(dataclasses.replace(checkpoint, spec=spec), tmp_path / "out.pt")
