"""The towers against plain statements of the same mathematics, written here from the papers.

Everything is stated in float64 with explicit softmax attention over the state dict; tolerance 1e-9.
"""

import dataclasses
import math

import pytest
import torch

from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec

TEXT = ClipTextSpec(context_length=12, vocabulary_size=50, width=16, layers=3, heads=4, activation="quick_gelu")
TOKENIZER = TokenizerSpec(vocabulary="own", vocabulary_size=50, context_length=12)
VIT = VitSpec(size=16, width=24, layers=2, heads=3, patch=4, activation="quick_gelu")
RESNET = ResNetSpec(size=64, width=8, heads=4, stages=(2, 1, 2, 1))


def spec_of(image, text=TEXT):
    return ModelSpec(
        "t", width=10, image=image, text=text, preprocess=PreprocessSpec(size=image.size), tokenizer=TOKENIZER
    )


def towers_of(image, text=TEXT):
    """Towers in float64 whose every number is random, so that nothing is an identity."""
    torch.manual_seed(0)
    towers = build(spec_of(image, text)).double().eval()
    with torch.no_grad():
        for name, value in towers.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif value.is_floating_point() and value.ndim:
                value.normal_(std=0.3)
    return towers


def linear(state, name, x):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(state, name, x):
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * state[f"{name}.weight"]
        + state[f"{name}.bias"]
    )


def attend(query, key, value, *, heads, causal):
    """Loop over heads; no fused kernels."""
    size = query.shape[-1] // heads
    out = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[..., part] @ key[..., part].transpose(-1, -2) / math.sqrt(size)
        if causal:
            later = torch.ones(scores.shape[-2:]).triu(1).bool()
            scores = scores.masked_fill(later, -math.inf)
        out.append(scores.softmax(-1) @ value[..., part])
    return torch.cat(out, -1)


def activation(name, x):
    if name == "quick_gelu":
        return x / (1 + (-1.702 * x).exp())
    return x * (1 + (x / math.sqrt(2)).erf()) / 2


def blocks(state, prefix, x, tower, *, causal):
    for i in range(tower.layers):
        name = f"{prefix}transformer.resblocks.{i}"
        y = norm(state, f"{name}.ln_1", x)
        packed = y @ state[f"{name}.attn.in_proj_weight"].T + state[f"{name}.attn.in_proj_bias"]
        mixed = attend(*packed.chunk(3, -1), heads=tower.heads, causal=causal)
        x = x + linear(state, f"{name}.attn.out_proj", mixed)
        hidden = activation(tower.activation, linear(state, f"{name}.mlp.c_fc", norm(state, f"{name}.ln_2", x)))
        x = x + linear(state, f"{name}.mlp.c_proj", hidden)
    return x


def plain_text(state, tokens, tower):
    x = state["token_embedding.weight"][tokens.long()] + state["positional_embedding"]
    x = norm(state, "ln_final", blocks(state, "", x, tower, causal=True))
    ends = [row.index(max(row)) for row in tokens.tolist()]
    rows = torch.stack([x[i, end] for i, end in enumerate(ends)]) @ state["text_projection"]
    return rows / rows.norm(dim=1, keepdim=True)


def sincos(side, width):
    """Row, then column; for each its sines, then its cosines."""
    table = torch.zeros(side * side, width, dtype=torch.float64)
    quarter = width // 4
    for place in range(side * side):
        for part, at in enumerate(divmod(place, side)):
            for i in range(quarter):
                angle = at / 10000 ** (i / quarter)
                table[place, part * 2 * quarter + i] = math.sin(angle)
                table[place, part * 2 * quarter + quarter + i] = math.cos(angle)
    return table


def plain_vit(state, pixels, tower):
    side, patch = tower.size // tower.patch, tower.patch
    cells = []
    for row in range(side):
        for column in range(side):
            cut = pixels[:, :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            cells.append(cut.flatten(1) @ state["visual.conv1.weight"].flatten(1).T)
    x = torch.stack(cells, 1)
    if tower.pool == "class":
        x = torch.cat([state["visual.class_embedding"].expand(len(x), 1, -1), x], 1)
    if tower.positions == "learned":
        x = x + state["visual.positional_embedding"]
    else:
        extra = torch.zeros(int(tower.pool == "class"), tower.width, dtype=torch.float64)
        x = x + torch.cat([extra, sincos(side, tower.width)])
    x = blocks(state, "visual.", norm(state, "visual.ln_pre", x), tower, causal=False)
    pooled = x[:, 0] if tower.pool == "class" else x.mean(1)
    rows = norm(state, "visual.ln_post", pooled) @ state["visual.proj"]
    return rows / rows.norm(dim=1, keepdim=True)


def conv_norm(state, conv, bn, x, *, stride=1):
    weight = state[f"{conv}.weight"]
    x = torch.nn.functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
    shape = (1, -1, 1, 1)
    x = (x - state[f"{bn}.running_mean"].view(shape)) / (state[f"{bn}.running_var"].view(shape) + 1e-5).sqrt()
    return x * state[f"{bn}.weight"].view(shape) + state[f"{bn}.bias"].view(shape)


def halve(x):
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def plain_resnet(state, pixels, tower):
    x = conv_norm(state, "visual.conv1", "visual.bn1", pixels, stride=2).relu()
    x = conv_norm(state, "visual.conv2", "visual.bn2", x).relu()
    x = halve(conv_norm(state, "visual.conv3", "visual.bn3", x).relu())
    for stage, count in enumerate(tower.stages, 1):
        for i in range(count):
            name = f"visual.layer{stage}.{i}"
            pool = halve if stage > 1 and i == 0 else lambda y: y
            y = conv_norm(state, f"{name}.conv1", f"{name}.bn1", x).relu()
            y = pool(conv_norm(state, f"{name}.conv2", f"{name}.bn2", y).relu())
            y = conv_norm(state, f"{name}.conv3", f"{name}.bn3", y)
            short = conv_norm(state, f"{name}.downsample.0", f"{name}.downsample.1", pool(x)) if i == 0 else x
            x = (y + short).relu()
    cells = x.flatten(2).transpose(1, 2)
    tokens = torch.cat([cells.mean(1, keepdim=True), cells], 1) + state["visual.attnpool.positional_embedding"]
    query, key, value = (linear(state, f"visual.attnpool.{name}_proj", tokens) for name in "qkv")
    rows = linear(state, "visual.attnpool.c_proj", attend(query, key, value, heads=tower.heads, causal=False)[:, 0])
    return rows / rows.norm(dim=1, keepdim=True)


def some_tokens():
    tokens = torch.zeros(4, 12, dtype=torch.int32)
    for row, end in enumerate((2, 6, 4, 1)):
        tokens[row, :end] = torch.randint(1, 48, (end,))
        tokens[row, end] = 49
    return tokens


@pytest.mark.parametrize(
    "changes",
    [{}, {"activation": "gelu"}, {"pool": "mean"}, {"positions": "sincos"}, {"positions": "sincos", "pool": "mean"}],
    ids=str,
)
def test_the_vision_transformer_is_its_plain_statement(changes):
    tower = dataclasses.replace(VIT, **changes)
    towers = towers_of(tower)
    pixels = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    # the buffer of fixed positions is kept in float32
    tolerance = 1e-6 if tower.positions == "sincos" else 1e-9
    expected = plain_vit(towers.state_dict(), pixels, tower)
    torch.testing.assert_close(towers.encode_image(pixels), expected, atol=tolerance, rtol=0)


def test_the_modified_resnet_is_its_plain_statement():
    towers = towers_of(RESNET)
    pixels = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    expected = plain_resnet(towers.state_dict(), pixels, RESNET)
    torch.testing.assert_close(towers.encode_image(pixels), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", ["gelu", "quick_gelu"])
def test_the_text_tower_is_its_plain_statement(name):
    tower = dataclasses.replace(TEXT, activation=name)
    towers, tokens = towers_of(VIT, tower), some_tokens()
    expected = plain_text(towers.state_dict(), tokens, tower)
    torch.testing.assert_close(towers.encode_text(tokens), expected, atol=1e-9, rtol=0)


def test_attention_is_torch_multihead_attention():
    """The fused parameters mean what they mean in the module the originals use."""
    towers = towers_of(VIT)
    ours = towers.visual.transformer.resblocks[0].attn
    theirs = torch.nn.MultiheadAttention(24, 3, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(2, 5, 24, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0], atol=1e-12, rtol=0)
