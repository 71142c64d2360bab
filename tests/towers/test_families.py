"""The parts that came with the public families, against plain statements of the same mathematics in float64.

Loops and explicit softmax over the state dict; tolerance 1e-9.
"""

import dataclasses
import math

import pytest
import torch

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import ConfigError, UsageError
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.check import check_spec
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.onnx.spec import OnnxImageSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.tower_spec import hidden_width
from wordsight.towers.vit.angles import perception_angles
from wordsight.towers.vit.spec import VitSpec

TEXT = ClipTextSpec(context_length=12, vocabulary_size=50, width=16, layers=2, heads=4)
VIT = VitSpec(size=18, width=24, layers=2, heads=3, patch=4)  # the last two pixels belong to no patch
PAD, END = 0, 7


def towers_of(image=VIT, text=TEXT, width=10, **preprocess):
    torch.manual_seed(0)
    towers = build(spec_of(image, text, width=width, **preprocess)).double().eval().requires_grad_(False)
    for value in towers.state_dict().values():
        if value.ndim:
            value.normal_(std=0.4)
    return towers


def linear(state, name, x):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(state, name, x, epsilon=1e-5):
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred.pow(2).mean(-1, keepdim=True) + epsilon).sqrt()
    return centred / spread * state[f"{name}.weight"] + state[f"{name}.bias"]


ACTIVATIONS = {
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "quick_gelu": lambda x: x / (1 + (-1.702 * x).exp()),
    "gelu_tanh": lambda x: x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "silu": lambda x: x / (1 + (-x).exp()),
}


def attention(query, key, value, *, heads, seen):
    """One text or picture: (T, D) each; `seen` (T, S) says which keys a query looks at."""
    size, out = query.shape[-1] // heads, []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / math.sqrt(size)
        out.append(scores.masked_fill(~seen, -math.inf).softmax(-1) @ value[:, part])
    return torch.cat(out, -1)


def turned(x, angles, heads):
    """Rotate neighbouring channels of every head as complex numbers."""
    pairs = torch.view_as_complex(x.view(len(x), heads, -1, 2).contiguous())
    phase = torch.polar(torch.ones_like(angles[:, ::2]), angles[:, ::2])
    return torch.view_as_real(pairs * phase[:, None]).reshape(x.shape)


def blocks(state, prefix, x, tower, *, seen, angles=None):
    act, epsilon = ACTIVATIONS[tower.activation], tower.epsilon
    for i in range(tower.layers):
        name = f"{prefix}transformer.resblocks.{i}"
        y = norm(state, f"{name}.ln_1", x, epsilon)
        query, key, value = (y @ state[f"{name}.attn.in_proj_weight"].T + state[f"{name}.attn.in_proj_bias"]).chunk(
            3, -1
        )
        if angles is not None:
            query, key = turned(query, angles, tower.heads), turned(key, angles, tower.heads)
        y = linear(state, f"{name}.attn.out_proj", attention(query, key, value, heads=tower.heads, seen=seen))
        x = x + y * state.get(f"{name}.ls_1.gamma", 1.0)
        y = act(linear(state, f"{name}.mlp.c_fc", norm(state, f"{name}.ln_2", x, epsilon)))
        x = x + linear(state, f"{name}.mlp.c_proj", y) * state.get(f"{name}.ls_2.gamma", 1.0)
    return x


def mixed(state, place, x, tower):
    """The convolutions around the blocks, token by token."""
    name, reach = f"transformer.mixers.{place}", tower.mixer // 2
    if not tower.mixer:
        return x

    def convolved(part, x):
        padded = torch.cat([x.new_zeros(reach, x.shape[1]), x, x.new_zeros(reach, x.shape[1])])
        kernel = state[f"{name}.{part}.weight"][:, 0].T  # (K, D)
        windows = [padded[i : i + tower.mixer] for i in range(len(x))]
        return torch.stack([(window * kernel).sum(0) for window in windows]) + state[f"{name}.{part}.bias"]

    x = convolved("mix", x)
    y = ACTIVATIONS[tower.activation](linear(state, f"{name}.mlp.c_fc", convolved("conv", x)))
    return x + linear(state, f"{name}.mlp.c_proj", y)


def plain_text(state, row, tower):
    """One text, a list of ids."""
    x = state["token_embedding.weight"][row]
    padding = [token == tower.pad_id for token in row]
    if tower.pool == "class":
        x = torch.cat([x, state["cls_emb"][None]])
        padding = [False, *padding] if tower.class_mask == "shifted" else [*padding, False]
    hidden = torch.tensor(padding if tower.pool == "class" or tower.mask == "padding" else [False] * len(row))
    length = len(x)
    seen = ~hidden.expand(length, length)
    if tower.mask == "causal":
        seen = seen & torch.ones(length, length).tril().bool()
    x = mixed(state, 0, x + state["positional_embedding"], tower)
    x = mixed(state, 1, blocks(state, "", x, tower, seen=seen), tower)
    x = norm(state, "ln_final", x, tower.epsilon)
    if tower.pool == "mean":
        pooled = x[[not p for p in padding]].mean(0) if tower.mask == "padding" else x.mean(0)
    else:
        first_end = (
            row.index(max(row)) if tower.end_id is None else row.index(tower.end_id) if tower.end_id in row else 0
        )
        pooled = x[{"end": first_end, "first": 0, "last": -1, "class": -1}[tower.pool]]
    if tower.projection == "linear":
        return linear(state, "text_projection", pooled)
    return pooled @ state["text_projection"] if tower.projection == "matrix" else pooled


def some_rows():
    torch.manual_seed(1)
    tokens = torch.randint(8, 50, (4, 12))
    tokens[0, 4], tokens[1, 6], tokens[1, 9] = END, END, END
    tokens[0, 5:] = PAD
    tokens[2, 1:] = PAD
    return tokens  # the third has one token, the last two no end token


TEXTS = {
    "an end token of its own": {"end_id": END},
    "an end token, all seen": {"end_id": END, "mask": "none"},
    "largest id, padding hidden": {"mask": "padding"},
    "last": {"mask": "none", "pool": "last"},
    "last, causal": {"pool": "last"},
    "first": {"mask": "none", "pool": "first"},
    "mean": {"mask": "none", "pool": "mean"},
    "mean, padding hidden": {"mask": "padding", "pool": "mean", "pad_id": PAD},
    "learned token": {"pool": "class"},
    "learned token, exact mask": {"pool": "class", "class_mask": "exact", "layer_scale": True},
    "mixers, all seen": {"mixer": 5, "mask": "none"},
    "mixers, causal": {"mixer": 3, "mlp_ratio": 2.0},
    "linear": {"projection": "linear", "activation": "gelu_tanh", "epsilon": 1e-2},
    "no projection": {"projection": "none", "width": 20, "activation": "silu", "mlp_ratio": 50 / 20},
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_tower(name):
    tower = dataclasses.replace(TEXT, **TEXTS[name])
    towers, tokens = towers_of(text=tower, width=20), some_rows()
    state = towers.state_dict()
    expected = torch.stack([plain_text(state, row, tower) for row in tokens.tolist()])
    torch.testing.assert_close(towers.encode_text(tokens, normalize=False), expected, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(
        towers.encode_text(tokens.int(), normalize=False, trim=False), expected, atol=1e-9, rtol=1e-9
    )


@pytest.mark.parametrize(
    ("changes", "computed"), [({"end_id": END}, 7), ({"pool": "last"}, 12), ({"mask": "none"}, 12), ({"mixer": 3}, 12)]
)
def test_texts_are_cut_only_where_it_changes_nothing(changes, computed):
    towers, lengths = towers_of(text=dataclasses.replace(TEXT, **changes)), []
    towers.transformer.register_forward_pre_hook(lambda module, inputs: lengths.append(inputs[0].shape[1]))
    towers.encode_text(some_rows())
    assert lengths == [computed]


def probe_pool(state, name, x, tower):
    probe = state[f"{name}.probe"][0]
    weights, biases = state[f"{name}.attn.in_proj_weight"].chunk(3), state[f"{name}.attn.in_proj_bias"].chunk(3)
    query, key, value = (y @ w.T + b for y, w, b in zip((probe, x, x), weights, biases, strict=True))
    mixed = attention(query, key, value, heads=tower.pool_heads or tower.heads, seen=torch.ones(1, len(x)).bool())
    y = linear(state, f"{name}.attn.out_proj", mixed)
    inner = ACTIVATIONS[tower.activation](
        linear(state, f"{name}.mlp.c_fc", norm(state, f"{name}.ln", y, tower.epsilon))
    )
    return (y + linear(state, f"{name}.mlp.c_proj", inner))[0]


def query_pool(state, name, x, tower):
    """All queries, of which the first is read."""
    queries = norm(state, f"{name}.ln_q", state[f"{name}.query"], tower.epsilon)
    x = norm(state, f"{name}.ln_k", x, tower.epsilon)
    fused = f"{name}.attn.in_proj_weight"
    weights = state[fused].chunk(3) if fused in state else [state[f"{name}.attn.{p}_proj_weight"] for p in "qkv"]
    biases = state[f"{name}.attn.in_proj_bias"].chunk(3)
    query, key, value = (y @ w.T + b for y, w, b in zip((queries, x, x), weights, biases, strict=True))
    seen = torch.ones(len(queries), len(x)).bool()
    mixed = attention(query, key, value, heads=tower.pool_heads or tower.heads, seen=seen)
    return linear(state, f"{name}.attn.out_proj", mixed)[0]


def plain_image(state, picture, tower):
    """One picture (3, S, S)."""
    side, patch = tower.size // tower.patch, tower.patch
    cells = [
        picture[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch].flatten()
        for row in range(side)
        for column in range(side)
    ]
    x = torch.stack(cells) @ state["visual.conv1.weight"].flatten(1).T + state.get("visual.conv1.bias", 0.0)
    extra = int(tower.has_class_token)
    if extra:
        x = torch.cat([state["visual.class_embedding"][None], x])
    x = x + state["visual.positional_embedding"]
    if tower.pre_norm:
        x = norm(state, "visual.ln_pre", x, tower.epsilon)
    angles = torch.from_numpy(perception_angles(tower)).float().double() if tower.rotary != "none" else None
    x = blocks(state, "visual.", x, tower, seen=torch.ones(len(x), len(x)).bool(), angles=angles)
    if tower.final_norm == "tokens":
        x = norm(state, "visual.ln_post", x, tower.epsilon)
    pools = {"attention": probe_pool, "queries": query_pool}
    if tower.pool in pools:
        pooled = pools[tower.pool](state, "visual.attn_pool", x, tower)
    else:
        pooled = x[0] if tower.pool == "class" else x[extra:].mean(0)
    if tower.final_norm == "pooled":
        pooled = norm(state, "visual.ln_post", pooled, tower.epsilon)
    if tower.projection == "linear":
        return linear(state, "visual.head", pooled)
    return pooled @ state["visual.proj"] if tower.projection == "matrix" else pooled


SIGLIP = {
    "pool": "attention",
    "class_token": False,
    "final_norm": "tokens",
    "pre_norm": False,
    "patch_bias": True,
    "activation": "gelu_tanh",
    "epsilon": 1e-2,
}
IMAGES = {
    "SigLIP": SIGLIP | {"projection": "none", "mlp_ratio": 50 / 24},
    "SigLIP, linear": SIGLIP | {"projection": "linear", "pool_heads": 4, "pool_mlp_ratio": 1.5},
    "attention, normed after": SIGLIP | {"final_norm": "pooled", "class_token": True},
    "CoCa": {"pool": "queries", "class_token": True, "pool_queries": 5, "pool_heads": 2},
    "CoCa, wider": {"pool": "queries", "class_token": True, "pool_queries": 5, "pool_heads": 2, "width": 36},
    "mean beside a class token": {"pool": "mean", "class_token": True, "layer_scale": True},
    "mean of normed tokens": {"pool": "mean", "class_token": True, "final_norm": "tokens", "pre_norm": False},
    "Perception Encoder": {"pool": "attention", "class_token": True, "final_norm": "tokens", "rotary": "perception"},
}


@pytest.mark.parametrize("name", IMAGES)
def test_the_image_tower(name):
    tower = dataclasses.replace(VIT, **IMAGES[name])
    towers = towers_of(tower, width=24)
    pixels = torch.randn(3, 3, 18, 18, dtype=torch.float64)
    state = towers.state_dict()
    expected = torch.stack([plain_image(state, picture, tower) for picture in pixels])
    # tables of rotary positions are kept in float32
    tolerance = 1e-6 if tower.rotary != "none" else 1e-9
    actual = towers.encode_image(pixels, normalize=False)
    torch.testing.assert_close(actual, expected, atol=tolerance, rtol=tolerance)


NAFLEX = dataclasses.replace(VIT, size=16, **SIGLIP)


def test_pictures_of_several_shapes_are_each_what_it_is_alone():
    """Patches, masked and filled up, give the rows of the pictures they were cut from."""
    for changes in ({}, {"pool": "mean"}, {"pool": "mean", "final_norm": "pooled"}):
        towers = towers_of(dataclasses.replace(NAFLEX, **changes), resize="patches", patch=4, max_patches=20)
        shapes = torch.tensor([[4, 4], [2, 7], [5, 3]])
        pictures = [torch.randn(1, 3, 4 * h, 4 * w, dtype=torch.float64) for h, w in shapes.tolist()]
        patches = torch.randn(3, 20, 48, dtype=torch.float64)  # what is behind the mask is never looked at
        mask = torch.zeros(3, 20, dtype=torch.int64)
        for i, picture in enumerate(pictures):
            cut = picture.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 4, 5, 1).reshape(-1, 48)
            patches[i, : len(cut)], mask[i, : len(cut)] = cut, 1
        alone = torch.cat([towers.encode_image(picture) for picture in pictures])
        torch.testing.assert_close(towers.encode_patches(patches, mask, shapes), alone, atol=1e-9, rtol=0)


def test_only_towers_that_keep_shapes_read_patches():
    towers = towers_of(NAFLEX, resize="patches", patch=4, max_patches=20)
    with pytest.raises(UsageError, match=r"\(1, 3, 18, 16\)") as caught:
        towers.encode_image(torch.zeros(1, 3, 18, 16))
    assert "multiples of 4" in caught.value.cure
    with pytest.raises(UsageError, match="several shapes"):
        towers_of(NAFLEX).encode_patches(torch.zeros(1, 4, 48), torch.ones(1, 4), torch.tensor([[2, 2]]))


def test_an_mlp_ratio_made_of_two_widths_gives_them_back():
    for width in (384, 768, 1024, 1152, 1408, 1536):
        for hidden in (width * 4, 4304, 2730, 6144, 8960, 1537):
            assert hidden_width(width, hidden / width) == hidden
    assert hidden_width(1024, 2.6667) == 2730


def spec_of(image=VIT, text=TEXT, padding="full", width=10, **preprocess):
    return ModelSpec(
        "t",
        width=width,
        image=image,
        text=text,
        preprocess=PreprocessSpec(**{"size": image.size, **preprocess}),
        tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=50, context_length=12, padding=padding),
    )


def refused(said, **parts):
    with pytest.raises(ConfigError, match=said):
        build(spec_of(**parts))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"projection": "none"}, r"image.width = 24 but width .* = 10"),
        ({"class_token": False}, "image.class_token = False with image.pool"),
        ({"pool": "attention", "pool_heads": 5}, "image.width = 24 .*image.pool_heads"),
        ({"pool": "queries", "final_norm": "tokens"}, "image.final_norm = 'tokens' with"),
        ({"pool": "queries", "pool_queries": 0}, "image.pool_queries = 0"),
        ({"pool": "queries", "heads": 3}, "width = 10 .*image.pool_heads"),
        ({"pool": "mean_all"}, "image.pool = 'mean_all'"),
        ({"rotary": "eva"}, "image.rotary = 'eva'"),
        ({"rotary": "perception", "heads": 4}, r"image.width / image.heads = 6"),
        ({"mlp": "swiglu"}, "image.mlp = 'swiglu' with"),
        ({"norm": "rms"}, "image.norm = 'rms' with"),
        ({"stem": "conv", "size": 16, "width": 32, "heads": 2, "patch_bias": True}, "image.patch_bias = True with"),
        ({"stem": "tiered", "patch": 6}, "image.patch = 6 is not a multiple"),
        ({"stem": "tiered", "patch": 16, "size": 32, "stem_padding": 2}, "image.stem_padding = 2"),
        ({"stem_padding": 1}, "image.stem_padding = 1 with"),
    ],
)
def test_image_towers_that_cannot_be(changes, said):
    with pytest.raises(ConfigError, match=said):
        check_spec(from_dict(ModelSpec, to_dict(spec_of(VIT)) | {"image": to_dict(VIT) | changes}))


def test_a_finished_graph_is_not_built():
    refused('kind "onnx" has no weights', image=OnnxImageSpec(size=18))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"class_token": True}, "a class token = True"),
        ({"positions": "sincos"}, "image.positions = 'sincos'"),
        ({"patch": 8}, "preprocess.patch = 4 but image.patch = 8"),
        ({"rotary": "perception"}, "image.rotary = 'perception'"),
    ],
)
def test_towers_that_cannot_keep_shapes(changes, said):
    refused(said, image=dataclasses.replace(NAFLEX, **changes), resize="patches", patch=4, max_patches=9)


def test_text_towers_that_cannot_be():
    refused(r"text.width = 16 but width .* = 10", text=dataclasses.replace(TEXT, projection="none"))
    refused("preprocess.max_patches = 0", image=NAFLEX, resize="patches", patch=4)
    for changes in ({"mask": "none"}, {"pool": "last"}, {"pool": "mean"}, {"pool": "class"}):
        refused('tokenizer.padding = "longest"', text=dataclasses.replace(TEXT, **changes), padding="longest")
    for changes in ({}, {"pool": "first"}, {"mask": "padding"}, {"mask": "padding", "pool": "mean"}):
        check_spec(spec_of(text=dataclasses.replace(TEXT, **changes), padding="longest"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_every_option_works_in_half_precision(dtype):
    towers = [towers_of(dataclasses.replace(VIT, **changes), width=24).float() for changes in IMAGES.values()]
    pixels, tokens = torch.randn(3, 3, 18, 18), some_rows()
    images = [(made, lambda made: made.encode_image(pixels)) for made in towers]
    towers = [towers_of(text=dataclasses.replace(TEXT, **changes), width=20).float() for changes in TEXTS.values()]
    texts = [(made, lambda made: made.encode_text(tokens)) for made in towers]
    for made, encode in images + texts:
        exact = encode(made)
        with torch.autocast("cpu", dtype):
            mixed = encode(made)
        for rows in (mixed, encode(made.to(dtype))):
            assert rows.dtype == torch.float32
            assert (rows * exact).sum(1).min() > 0.98
