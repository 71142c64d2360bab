"""The forms in which transformers' models lie about: older files, shards, halves, bare weights; and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from compare import record
from huggingface_side import (
    PROCESSORS,
    clip_tokenizer,
    gemma_tokenizer,
    make,
    ours,
    saved,
    siglip_tokenizer,
    small_merges,
    theirs,
)
from safetensors.torch import load_file, save_file
from transformers import Siglip2ImageProcessor

from wordsight.base.errors import FormatError, ShapeMismatch, UsageError
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.folder import load_towers, save_checkpoint
from wordsight.weights.formats.huggingface import format as huggingface
from wordsight.weights.formats.table import read_any, write_as

SIDE = {"height": 32, "width": 32}


def clip_folder(place, **config):
    tokenizer = clip_tokenizer(small_merges())
    text = {"vocab_size": len(tokenizer), "eos_token_id": len(tokenizer) - 1}
    processor = PROCESSORS["clip"](size={"shortest_edge": 32}, crop_size=SIDE)
    return saved(place, make("clip", text, **config), tokenizer, processor)


def siglip_folder(place, tmp_path):
    return saved(
        place, make("siglip", {"vocab_size": 200}), siglip_tokenizer(tmp_path), PROCESSORS["siglip"](size=SIDE)
    )


def change(path, values):
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def rewrite(folder, change_state, name="model.safetensors"):
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    change_state(state)
    if name.endswith(".bin"):
        torch.save(state, folder / name)
    else:
        save_file(state, folder / name, metadata={"format": "pt"})


def agree(row, folder, expected, tmp_path):
    checkpoint, images, texts = ours(folder, tmp_path / "ours")
    record(f"{row}: pictures", "transformers", images, expected[0])
    record(f"{row}: texts", "transformers", texts, expected[1])
    return checkpoint


def test_older_folder(tmp_path):
    """As transformers 4.1 wrote them: a pickle, position buffers, bare sizes, `text_config_dict`, a processor of old."""
    folder = clip_folder(tmp_path / "theirs")
    expected = theirs("clip", folder)

    def age(state):
        for tower, count in (("text_model", 12), ("vision_model", 17)):
            state[f"{tower}.embeddings.position_ids"] = torch.arange(count)[None]

    rewrite(folder, age, "pytorch_model.bin")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    halves = {f"{name}_dict": config[name] for name in ("text_config", "vision_config")}
    wrong = {name: config[name] | {"hidden_act": "gelu", "num_attention_heads": 8} for name in halves if name in config}
    change(folder / "config.json", halves | wrong)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"feature_extractor_type": "CLIPFeatureExtractor", "size": 32, "crop_size": 32}), encoding="utf-8"
    )
    agree("CLIP, an older folder", folder, expected, tmp_path)


def test_newer_folder(tmp_path):
    """The processor inside `processor_config.json`, and the weights in shards."""
    folder = clip_folder(tmp_path / "theirs")
    expected = theirs("clip", folder)
    values = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": values}), encoding="utf-8")
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    shards, places = [dict(list(state.items())[n::3]) for n in range(3)], {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-0000{number}-of-00003.safetensors"
        save_file(shard, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(shard, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    agree("CLIP, a newer folder in shards", folder, expected, tmp_path)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype, tmp_path):
    folder = siglip_folder(tmp_path / "theirs", tmp_path)

    def halve(state):
        for name, value in state.items():
            state[name] = value.to(getattr(torch, dtype))

    rewrite(folder, halve)
    expected = theirs("siglip", folder)
    agree(f"SigLIP, {dtype}", folder, expected, tmp_path)


def test_defaults_left_out(tmp_path):
    """Configurations that say only what is not at its default, as Google's SigLIP folders do."""
    size = {"hidden_size": 48, "num_attention_heads": 12, "intermediate_size": 64, "num_hidden_layers": 1}
    model = make(
        "siglip", size | {"vocab_size": 200, "projection_size": 48}, size | {"patch_size": 56, "image_size": 224}
    )
    folder = saved(tmp_path / "theirs", model, siglip_tokenizer(tmp_path), PROCESSORS["siglip"]())
    expected = theirs("siglip", folder)
    change(folder / "config.json", {"text_config": {}, "vision_config": {}})
    change(folder / "preprocessor_config.json", {"do_convert_rgb": None, "resample": 3})
    agree("SigLIP, defaults left out", folder, expected, tmp_path)


@pytest.mark.parametrize("layout", ["clip", "siglip", "siglip2"])
def test_bare_weights(layout, tmp_path):
    """No file but the weights: sizes are read off them, the rest is assumed and said."""
    wide = {"hidden_size": 128, "num_attention_heads": 2}
    more = {} if layout == "clip" else {"projection_size": 128}
    model = make(layout, wide | more | {"vocab_size": 49408 if layout == "clip" else 32_000}, wide)
    model.save_pretrained(tmp_path / "saved")
    alone = tmp_path / "alone" / "model.safetensors"
    alone.parent.mkdir()
    (tmp_path / "saved" / "model.safetensors").rename(alone)
    checkpoint = read_any(alone)
    assert len(checkpoint.assumed) >= 4 and all("--" in sentence for sentence in checkpoint.assumed)
    whole = read_any_config(tmp_path / "saved", alone)
    assert checkpoint.spec.image == whole.spec.image
    assert replace(checkpoint.spec.text, end_id=whole.spec.text.end_id) == whole.spec.text


def read_any_config(folder, weights):
    (folder / "model.safetensors").write_bytes(weights.read_bytes())
    return read_any(folder)


def test_pictures_of_several_shapes_in_one_call(tmp_path):
    """NaFlex as transformers hands it over: patches, mask and shapes of a whole batch.

    No picture is one patch wide: transformers interpolates those with a fault of PyTorch's (see test_bigvision.py).
    """
    tokenizer = gemma_tokenizer()
    model = make("siglip2", {"vocab_size": len(tokenizer)})
    folder = saved(tmp_path / "theirs", model, tokenizer, PROCESSORS["siglip2"](max_num_patches=30, patch_size=8))
    save_checkpoint(read_any(folder), tmp_path / "ours")
    draw = np.random.default_rng(0)
    shapes = ((40, 40), (17, 200), (200, 20), (9, 8), (64, 48))
    batch = [draw.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    inputs = Siglip2ImageProcessor(max_num_patches=30, patch_size=8)(images=batch, return_tensors="pt")
    with torch.no_grad():
        expected = model.get_image_features(**inputs).pooler_output
        patches, mask, grids = (inputs[name] for name in ("pixel_values", "pixel_attention_mask", "spatial_shapes"))
        rows = load_towers(tmp_path / "ours").encode_patches(patches, mask, grids)
    assert len({tuple(grid) for grid in grids.tolist()}) > 3
    record("SigLIP 2, patches of several shapes in one call", "transformers", rows, expected)


@pytest.mark.parametrize("end", [2, 5, 11])
def test_where_a_text_is_read(end, tmp_path):
    """The first end token, several or none; with 2, the first of the largest."""
    text = {"vocab_size": 20, "eos_token_id": end, "hidden_act": "gelu"}
    make("clip", text).save_pretrained(tmp_path / "theirs")
    checkpoint = read_any(tmp_path / "theirs")
    spec = replace(checkpoint.spec.tokenizer, kind="clip-bpe", vocabulary="own")
    whole = replace(checkpoint, spec=replace(checkpoint.spec, tokenizer=spec), tokenizer_files={"merges.txt": b""})
    save_checkpoint(whole, tmp_path / "ours")
    tokens = torch.randint(0, 20, (40, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = make("clip", text).get_text_features(input_ids=tokens).pooler_output
        rows = load_towers(tmp_path / "ours").encode_text(tokens)
    record(f"CLIP, texts read at token {end}", "transformers", rows, expected)


def test_too_many_and_too_few(tmp_path):
    folder = clip_folder(tmp_path / "theirs")
    rewrite(folder, lambda state: state.update({"text_model.encoder.extra": torch.zeros(2)}))
    with pytest.raises(ShapeMismatch, match=r"have no place: text_model\.encoder\.extra"):
        read_any(folder)
    rewrite(folder, lambda state: (state.pop("text_model.encoder.extra"), state.pop("visual_projection.weight")))
    with pytest.raises(ShapeMismatch, match=r"has no visual_projection\.weight"):
        read_any(folder)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"model_type": "blip"}, "blip model"),
        ({"vision_config": {"image_size": 64}}, "image_size 64"),
        ({"vision_config": {"image_size": 32, "hidden_act": "relu"}}, "hidden_act 'relu'"),
        ({"text_config": {"eos_token_id": [1, 2]}}, "eos_token_id"),
    ],
)
def test_refused_configurations(values, problem, tmp_path):
    folder = clip_folder(tmp_path / "theirs")
    change(folder / "config.json", values)
    with pytest.raises(FormatError, match=problem):
        read_any(folder)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"size": {"longest_edge": 32}}, "longest_edge"),
        ({"size": {"height": 32, "width": 16}}, "square"),
        ({"crop_size": [32, 16]}, "crop_size"),
        ({"resample": 5}, "resample 5"),
        ({"image_mean": [0.5, 0.5]}, "red, green, blue"),
        ({"do_pad": True}, "do_pad"),
    ],
)
def test_refused_processors(values, problem, tmp_path):
    folder = clip_folder(tmp_path / "theirs")
    change(folder / "preprocessor_config.json", values)
    with pytest.raises(FormatError, match=problem):
        read_any(folder)


def test_what_is_said(tmp_path):
    folder = clip_folder(tmp_path / "theirs")
    change(folder / "preprocessor_config.json", {"do_resize": False, "do_center_crop": False, "size": 40})
    said = " ".join(read_any(folder).assumed)
    assert "do_resize is false" in said and "do_center_crop is false" in said and "40 pixels" in said


def test_a_head_that_gives_no_embedding(tmp_path):
    folder = siglip_folder(tmp_path / "theirs", tmp_path)
    change(folder / "config.json", {"vision_config": {"image_size": 32, "vision_use_head": False}})
    with pytest.raises(FormatError, match="vision_use_head"):
        read_any(folder)


def test_towers_that_transformers_has_no_class_for(tmp_path):
    checkpoint = read_any(clip_folder(tmp_path / "theirs"))
    spec = checkpoint.spec
    for changed, name in (
        (replace(spec, image=replace(spec.image, pool="mean")), "image.pool"),
        (replace(spec, text=replace(spec.text, pool="first")), "text.pool"),
        (replace(spec, image=replace(spec.image, layer_scale=True)), "image.layer_scale"),
        (replace(spec, bias=-10.0, loss="sigmoid"), "bias"),
    ):
        with pytest.raises(UsageError, match=name):
            write_as(replace(checkpoint, spec=changed), tmp_path / "out", "huggingface")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("projection", ["none", "matrix"])
def test_sigmoid_towers_without_a_layer_at_the_end(projection, tmp_path):
    """transformers always has a layer there: the one that changes nothing, or without a bias, is made."""
    folder = siglip_folder(tmp_path / "theirs", tmp_path)
    text = {"hidden_size": 64, "num_attention_heads": 2, "vocab_size": 200}
    make("siglip", text).save_pretrained(folder)
    checkpoint = read_any(folder)
    state = dict(checkpoint.state)
    weight = state.pop("text_projection.weight")
    del state["text_projection.bias"]
    if projection == "matrix":
        state["text_projection"] = np.ascontiguousarray(weight.T)
    text_spec = replace(checkpoint.spec.text, projection=projection)
    changed = replace(checkpoint, spec=replace(checkpoint.spec, text=text_spec), state=state)
    write_as(changed, tmp_path / "back", "huggingface")
    save_checkpoint(changed, tmp_path / "ours")
    tokens = torch.arange(48).reshape(4, 12)
    with torch.no_grad():
        rows = load_towers(tmp_path / "ours").encode_text(tokens)
        model = type(make("siglip", text)).from_pretrained(tmp_path / "back")
        expected = model.get_text_features(input_ids=tokens).pooler_output
    record(f"SigLIP, text projection {projection}, written", "transformers", rows, expected)


def test_openclip_weights_in_a_folder_with_a_config(tmp_path):
    """Hub folders of LAION hold both; the weights decide, not the configuration."""
    folder = clip_folder(tmp_path / "theirs")
    save_file({"visual.proj": torch.zeros(2, 2)}, folder / "open_clip_model.safetensors")
    assert not huggingface.recognise(CheckpointFiles(folder))
    assert huggingface.recognise(CheckpointFiles(folder / "model.safetensors"))
