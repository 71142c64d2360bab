"""What the towers promise beside their mathematics: names, trimming, scale, precision, initialisation."""

import dataclasses
import math

import pytest
import torch

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import ConfigError, UsageError
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.catalogue import architecture
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec

SMALL = ModelSpec(
    "small",
    width=32,
    image=VitSpec(size=32, width=64, layers=2, heads=2, patch=8, stem="conv", pool="mean", positions="sincos"),
    text=ClipTextSpec(context_length=20, vocabulary_size=60, width=32, layers=2, heads=2),
    preprocess=PreprocessSpec(size=32),
    tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=60, context_length=20),
)


def tokens_ending_at(*ends, length=20, end_id=59):
    tokens = torch.zeros(len(ends), length, dtype=torch.int32)
    for row, end in enumerate(ends):
        tokens[row, :end] = torch.arange(1, end + 1) * 7 % 50
        tokens[row, end] = end_id
    return tokens


@pytest.fixture
def towers():
    torch.manual_seed(0)
    return build(SMALL).eval()


def test_only_the_needed_positions_are_computed_and_nothing_changes(towers):
    tokens = tokens_ending_at(3, 8, 1)
    lengths = []
    towers.transformer.register_forward_pre_hook(lambda module, inputs: lengths.append(inputs[0].shape[1]))
    with torch.no_grad():
        trimmed, full = towers.encode_text(tokens), towers.encode_text(tokens, trim=False)
    assert lengths == [9, 20]
    torch.testing.assert_close(trimmed, full, atol=1e-6, rtol=0)


def test_gradients_of_trimmed_texts_are_those_of_full_texts(towers):
    tokens, gradients = tokens_ending_at(3, 8, 1), []
    for trim in (True, False):
        towers.zero_grad()
        towers.encode_text(tokens, trim=trim)[:, 0].sum().backward()
        gradients.append({n: p.grad for n, p in towers.named_parameters() if p.grad is not None})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-5, rtol=0)


def test_what_follows_the_end_token_is_never_read(towers):
    tokens = tokens_ending_at(3, 8)
    noisy = tokens.clone()
    noisy[0, 4:] = 17
    torch.testing.assert_close(towers.encode_text(noisy), towers.encode_text(tokens), atol=1e-6, rtol=0)
    noisy[0, 2] = 17
    assert (towers.encode_text(noisy) - towers.encode_text(tokens)).abs().max() > 1e-4


def test_rows_have_unit_length_unless_asked_otherwise(towers):
    pixels, tokens = torch.randn(3, 3, 32, 32), tokens_ending_at(3, 8, 1)
    image, text = towers(pixels, tokens)
    for rows in (image, text):
        assert rows.shape == (3, 32)
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(3), atol=1e-6, rtol=0)
    raw = towers.encode_image(pixels, normalize=False)
    torch.testing.assert_close(raw / raw.norm(dim=1, keepdim=True), image, atol=1e-6, rtol=0)
    assert (raw.norm(dim=1) - 1).abs().min() > 1e-3


def test_nothing_gives_no_rows(towers):
    assert towers.encode_text(torch.zeros(0, 20, dtype=torch.int32)).shape == (0, 32)
    assert towers.encode_image(torch.zeros(0, 3, 32, 32)).shape == (0, 32)


def test_the_embedding_of_a_picture_does_not_depend_on_its_batch(towers):
    pixels = torch.randn(4, 3, 32, 32)
    towers.train()
    torch.testing.assert_close(towers.encode_image(pixels)[:1], towers.encode_image(pixels[:1]), atol=1e-6, rtol=0)


def test_bf16_autocast_gives_float32_unit_rows_near_the_exact_ones(towers):
    pixels, tokens = torch.randn(3, 3, 32, 32), tokens_ending_at(3, 8, 1)
    exact = towers(pixels, tokens)
    with torch.autocast("cpu", torch.bfloat16):
        rough = towers(pixels, tokens)
    for a, b in zip(exact, rough, strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(b.norm(dim=1), torch.ones(3), atol=1e-6, rtol=0)
        assert (a * b).sum(1).min() > 0.999
        assert (a - b).abs().max() > 1e-6  # autocast was really at work


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_towers_cast_to_half_precision_work_too(towers, dtype):
    pixels, tokens = torch.randn(3, 3, 32, 32), tokens_ending_at(3, 8, 1)
    exact = towers(pixels, tokens)
    for a, b in zip(exact, towers.to(dtype)(pixels, tokens), strict=True):
        assert b.dtype == torch.float32
        assert (a * b).sum(1).min() > 0.999


def test_the_scale_starts_at_its_value_and_is_clamped_where_it_is_read(towers):
    assert towers.scale.item() == pytest.approx(1 / 0.07)
    assert towers.logit_scale.item() == pytest.approx(math.log(1 / 0.07))
    with torch.no_grad():
        towers.logit_scale.fill_(6.0)
    assert towers.scale.item() == pytest.approx(100.0)
    assert towers.logit_scale.item() == 6.0
    towers.clamp_scale_()
    assert towers.logit_scale.item() == pytest.approx(math.log(100.0))
    towers.scale.backward()
    assert towers.logit_scale.grad.item() == pytest.approx(100.0)  # at the limit it can still come down


def test_sigmoid_towers_have_a_bias_and_no_limit():
    towers = build(dataclasses.replace(SMALL, loss="sigmoid", scale=10.0, bias=-10.0))
    assert (towers.scale.item(), towers.logit_bias.item()) == (pytest.approx(10.0), -10.0)
    with torch.no_grad():
        towers.logit_scale.fill_(math.log(120.0))
    towers.clamp_scale_()
    assert towers.scale.item() == pytest.approx(120.0)
    assert "logit_bias" in towers.state_dict()
    assert "logit_bias" not in build(SMALL).state_dict()


def test_the_seed_decides_the_weights():
    def state(seed):
        torch.manual_seed(seed)
        return build(SMALL).state_dict()

    assert all(torch.equal(a, b) for a, b in zip(state(1).values(), state(1).values(), strict=True))
    assert not torch.equal(state(1)["text_projection"], state(2)["text_projection"])


def test_initial_deviations_are_those_of_clip():
    torch.manual_seed(0)
    image = ResNetSpec(size=32, width=8, heads=4, stages=(1, 2, 1, 1))
    text = ClipTextSpec(context_length=64, vocabulary_size=512, width=128, layers=8, heads=2)
    tokens = TokenizerSpec(vocabulary="own", vocabulary_size=512, context_length=64)
    spec = ModelSpec("t", width=96, image=image, text=text, preprocess=PreprocessSpec(size=32), tokenizer=tokens)
    towers = build(spec)
    state = towers.state_dict()
    expected = {
        "token_embedding.weight": 0.02,
        "positional_embedding": 0.01,
        "text_projection": 128**-0.5,
        "transformer.resblocks.3.attn.in_proj_weight": 128**-0.5,
        "transformer.resblocks.3.attn.out_proj.weight": 128**-0.5 / 4,
        "transformer.resblocks.3.mlp.c_fc.weight": 256**-0.5,
        "transformer.resblocks.3.mlp.c_proj.weight": 128**-0.5 / 4,
        "visual.attnpool.q_proj.weight": 256**-0.5,
        "visual.attnpool.c_proj.weight": 256**-0.5,
    }
    for name, deviation in expected.items():
        assert state[name].std().item() == pytest.approx(deviation, rel=0.05), name
    gains = [value for name, value in state.items() if ".bn3.weight" in name and "layer" in name]
    assert len(gains) == 5
    assert not any(gain.any() for gain in gains)
    assert state["visual.bn3.weight"].eq(1).all()
    vit = build(SMALL).state_dict()
    assert vit["visual.proj"].std().item() == pytest.approx(64**-0.5, rel=0.1)


def test_parameter_names_are_those_of_the_published_checkpoints():
    with torch.device("meta"):
        vit, resnet = build(architecture("ViT-B-32")).state_dict(), build(architecture("RN50")).state_dict()
    block = [
        "ln_1.weight", "ln_1.bias", "attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight",
        "attn.out_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight",
        "mlp.c_proj.bias",
    ]  # fmt: skip
    text = {f"transformer.resblocks.{i}.{name}" for i in range(12) for name in block}
    text |= {"token_embedding.weight", "positional_embedding", "ln_final.weight", "ln_final.bias"}
    text |= {"text_projection", "logit_scale"}
    image = {f"visual.transformer.resblocks.{i}.{name}" for i in range(12) for name in block}
    image |= {"visual.conv1.weight", "visual.class_embedding", "visual.positional_embedding", "visual.proj"}
    image |= {f"visual.{name}.{kind}" for name in ("ln_pre", "ln_post") for kind in ("weight", "bias")}
    assert set(vit) == text | image
    assert vit["visual.conv1.weight"].shape == (768, 3, 32, 32)
    assert vit["visual.positional_embedding"].shape == (50, 768)
    assert vit["visual.proj"].shape == (768, 512)
    assert resnet["visual.attnpool.positional_embedding"].shape == (50, 2048)
    assert resnet["visual.layer3.0.downsample.0.weight"].shape == (1024, 512, 1, 1)
    assert "visual.layer3.1.downsample.0.weight" not in resnet
    assert {"visual.layer4.2.bn3.running_var", "visual.attnpool.c_proj.bias", "visual.bn2.num_batches_tracked"} <= set(
        resnet
    )


def test_drop_path_leaves_out_whole_branches_only_while_training():
    torch.manual_seed(0)
    image = dataclasses.replace(SMALL.image, drop_path=0.5, layers=4)
    towers = build(dataclasses.replace(SMALL, image=image))
    assert [block.drop.rate for block in towers.visual.transformer.resblocks] == pytest.approx([0, 1 / 6, 1 / 3, 1 / 2])
    pixels = torch.randn(2, 3, 32, 32)
    assert not torch.equal(towers.encode_image(pixels), towers.encode_image(pixels))
    towers.eval()
    assert torch.equal(towers.encode_image(pixels), towers.encode_image(pixels))
    dropped = towers.visual.transformer.resblocks[3].drop.train()(torch.ones(400, 2, 3))
    kinds = dropped.flatten(1).unique(dim=0)
    assert kinds.tolist() == [[0.0] * 6, [2.0] * 6]
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.15)


def test_text_dropout_acts_only_while_training():
    torch.manual_seed(0)
    towers = build(dataclasses.replace(SMALL, text=dataclasses.replace(SMALL.text, dropout=0.2)))
    tokens = tokens_ending_at(3, 8)
    assert not torch.equal(towers.encode_text(tokens), towers.encode_text(tokens))
    towers.eval()
    assert torch.equal(towers.encode_text(tokens), towers.encode_text(tokens))


def test_pixels_of_another_size_and_too_long_texts_are_refused(towers):
    with pytest.raises(UsageError, match=r"\(2, 3, 64, 64\).*\(B, 3, 32, 32\)"):
        towers.encode_image(torch.zeros(2, 3, 64, 64))
    with pytest.raises(UsageError, match="25 tokens.*at most 20"):
        towers.encode_text(tokens_ending_at(24, length=25))


@pytest.mark.parametrize(
    ("part", "changes", "said"),
    [
        ("image", {"heads": 3}, "image.width = 64 .*image.heads"),
        ("image", {"patch": 7}, "image.patch = 7 with a conv stem"),
        ("image", {"patch": 64, "stem": "patch"}, "image.size = 32 with image.patch = 64"),
        ("image", {"size": 48, "patch": 12}, "image.patch = 12 with a conv stem"),
        ("image", {"size": 64}, "preprocess.size = 32 but image.size = 64"),
        ("image", {"drop_path": 1.0}, "drop_path = 1.0"),
        ("text", {"dropout": -1.0}, "text.dropout = -1.0"),
        ("text", {"dropout": 1.0}, "text.dropout = 1.0"),
        ("text", {"heads": 0}, "text.heads a value above 0"),
        ("text", {"vocabulary_size": 61}, "tokenizer.vocabulary_size = 60 but text.vocabulary_size = 61"),
        ("tokenizer", {"context_length": 21}, "tokenizer.context_length = 21"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(part, changes, said):
    spec = dataclasses.replace(SMALL, **{part: dataclasses.replace(getattr(SMALL, part), **changes)})
    with pytest.raises(ConfigError, match=said):
        build(spec)


def test_a_field_of_another_family_is_refused_unless_it_says_what_is_so_anyway():
    stated = to_dict(SMALL)
    assert from_dict(ModelSpec, stated | {"image": stated["image"] | {"stages": [], "norm": "layer"}}) == SMALL
    for changes, said in (
        ({"stages": [1, 1, 1, 1]}, r'image.stages = \[1, 1, 1, 1\] with image.kind = "vit"'),
        ({"norm": "rms"}, "image.norm = 'rms' with image.kind = \"vit\""),
        ({"stage": 1}, "unknown key image.stage"),
        ({"kind": "vits"}, "image.kind = 'vits'"),
        ({"kind": ["vit"]}, "image.kind = "),
    ):
        with pytest.raises(ConfigError, match=said):
            from_dict(ModelSpec, stated | {"image": stated["image"] | changes})
    with pytest.raises(ConfigError, match="four stages"):
        build(dataclasses.replace(SMALL, image=ResNetSpec(size=32)))


def test_bias_and_loss_have_to_agree():
    with pytest.raises(ConfigError, match="needs a bias"):
        build(dataclasses.replace(SMALL, loss="sigmoid"))
    with pytest.raises(ConfigError, match="has none"):
        build(dataclasses.replace(SMALL, bias=-10.0))
    with pytest.raises(ConfigError, match=r"scale = 0\.0"):
        build(dataclasses.replace(SMALL, scale=0.0))
