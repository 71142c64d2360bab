"""Trunks of timm and transformers as open_clip puts them together, there and back."""

import json
from dataclasses import replace

import numpy as np
import openclip_tokenizer_side as tokenizers
import pytest
import torch
import transformers
from compare import record
from open_clip.hf_model import MeanPooler
from openclip_side import TEXT, VISION, both_ways, disturb, folder_of, make

from wordsight.base.errors import FormatError, ShapeMismatch, UsageError
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.timm.spec import TimmSpec
from wordsight.towers.transformers.options import IMAGE_FIELDS, TEXT_FIELDS, full_config, text_options
from wordsight.towers.transformers.spec import TransformersImageSpec
from wordsight.towers.transformers.text import TransformersTextTower
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.openclip import known_trunks, timm_tower, transformers_text
from wordsight.weights.formats.openclip.config import typed
from wordsight.weights.tensors import fit


def convnext(**given):
    from timm.models.convnext import ConvNeXt

    return ConvNeXt(depths=(1, 1, 2, 1), dims=(16, 24, 32, 48), **given)


def resnet(**given):
    from timm.models.resnet import BasicBlock, ResNet

    return ResNet(BasicBlock, (1, 1, 1, 1), channels=(16, 24, 32, 64), stem_width=8, **given)


def swin(**given):
    from timm.models.swin_transformer import SwinTransformer

    return SwinTransformer(
        img_size=64, patch_size=4, window_size=4, embed_dim=24, depths=(2, 2), num_heads=(2, 4), **given
    )


def fastvit(**given):
    from timm.models.fastvit import FastVit

    sizes = {"layers": (1, 1, 1, 1), "embed_dims": (16, 32, 32, 64), "mlp_ratios": (2, 2, 2, 2)}
    kinds = {"token_mixers": ("repmixer", "repmixer", "repmixer", "attention"), "pos_embs": (None, None, None, None)}
    return FastVit(**sizes, **kinds, **given)


def vitamin(**given):
    from timm.models.vitamin import GeGluMlp, VitCfg, VitConvCfg, _create_vitamin

    stem = VitCfg(
        embed_dim=(16, 24, 48),
        depths=(1, 1, 1),
        stem_width=16,
        conv_cfg=VitConvCfg(norm_layer="layernorm2d", norm_eps=1e-6),
        head_type="1d",
    )
    sizes = {"embed_dim": 48, "depth": 2, "num_heads": 3, "mlp_ratio": 2.0, "img_size": 64}
    kinds = {"mlp_layer": GeGluMlp, "class_token": False, "global_pool": "avg", "embed_cfg": stem}
    return _create_vitamin("vitamin_small_224", **{**sizes, **kinds, **given})


TRUNKS = {
    "convnext_tiny_test": convnext,
    "resnet_tiny_test": resnet,
    "swin_tiny_test": swin,
    "fastvit_tiny_test": fastvit,
    "vitamin_tiny_test": vitamin,
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Teach timm tiny trunks of the kinds that open_clip's configurations name."""
    from timm.models import _registry

    def entry(build):
        def make(pretrained=False, pretrained_cfg=None, pretrained_cfg_overlay=None, cache_dir=None, **given):
            made = build(**given)
            made.pretrained_cfg = made.default_cfg = {"pool_size": (2, 2)}
            return made

        return make

    for name, build in TRUNKS.items():
        monkeypatch.setitem(_registry._model_entrypoints, name, entry(build))


# trunk, size, pool, projection, bias; timm's own tiny test models beside ours
IMAGES = [
    ("convnext_tiny_test", 64, "", "linear", False),
    ("convnext_tiny_test", 96, "avg", "mlp", False),
    ("vitamin_tiny_test", 64, "", "linear", False),
    ("swin_tiny_test", 64, "", "linear", True),
    ("fastvit_tiny_test", 64, "avg", None, False),
    ("test_efficientnet", 96, "avg", "linear", False),
    ("resnet_tiny_test", 64, "abs_attn", None, False),
    ("resnet_tiny_test", 64, "rot_attn", "linear", False),
    ("resnet_tiny_test", 64, "rot_attn", "none", False),
    ("test_resnet", 96, "avg", "mlp", True),
    ("test_vit_relpos", 160, "", "linear", False),
    ("test_vit3", 160, "map", "none", False),
    ("test_coatnet", 160, "avg", "linear", False),
]


@pytest.mark.parametrize("case", IMAGES, ids=lambda case: f"{case[0]}, {case[2] or 'own'} pool, {case[3]}")
def test_timm_image_towers(case, tmp_path):
    name, size, pool, projection, bias = case
    vision = {"timm_model_name": name, "timm_model_pretrained": False, "timm_pool": pool, "timm_proj": projection}
    vision |= {"timm_proj_bias": bias, "image_size": size, "timm_drop_path": 0.1}
    width = 96 if (name, projection) == ("test_vit3", "none") else 48
    cfg = {"embed_dim": width, "vision_cfg": vision, "text_cfg": TEXT}
    place = folder_of(tmp_path / "theirs", make(cfg), cfg)
    checkpoint = both_ways(f"timm {name}, {pool or 'own'} pool, {projection}", place, tmp_path)
    assert (checkpoint.spec.image.kind, checkpoint.spec.image.trunk) == ("timm", name)


def gemma(place):
    return tokenizers.siglip(place, pad="<pad>")


BERT = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80}
ROBERTA = BERT | {"max_position_embeddings": 40, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
T5 = {"d_model": 48, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "num_decoder_layers": 1}
TRUNK_MODELS = {
    "modernbert": "ModernBertModel",
    "camembert": "CamembertModel",
    "t5": "T5EncoderModel",
    "bert": "BertModel",
}
M2M = {"d_model": 48, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64}
M2M |= {"decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 64}

TEXTS = [
    ("roberta", ROBERTA, tokenizers.xlm, {"hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"}),
    ("xlm-roberta", ROBERTA, tokenizers.xlm, {"hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}),
    ("xlm-roberta", ROBERTA, tokenizers.xlm, {}),
    ("bert", BERT, tokenizers.bert, {"hf_proj_type": "linear", "hf_pooler_type": "cls_pooler"}),
    ("bert", BERT, tokenizers.bert, {"hf_proj_type": None, "hf_pooler_type": None}),
    ("bert", BERT, tokenizers.bert, {"hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler"}),
    ("mt5", T5, gemma, {"hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}),
    ("m2m_100", M2M, tokenizers.xlm, {"hf_proj_type": "linear", "hf_pooler_type": "cls_pooler"}),
]


def text_folder(place, kind, config, *, vocabulary, text):
    """A hub folder with a tiny text trunk, whose config.json lies in it."""
    config = {**config, "vocab_size": vocabulary(place), "pad_token_id": 1 if vocabulary is tokenizers.xlm else 0}
    transformers.CONFIG_MAPPING[kind](**config).save_pretrained(place)
    text = {"hf_model_name": str(place), "hf_model_pretrained": False, "hf_tokenizer_name": str(place)} | text
    return {"embed_dim": 48, "vision_cfg": VISION, "text_cfg": text | {"context_length": 16}, "custom_text": True}


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: f"{case[0]} {' '.join(map(str, case[3].values()))}")
def test_transformers_text_towers(case, tmp_path):
    kind, config, vocabulary, text = case
    place = tmp_path / "theirs"
    cfg = text_folder(place, kind, config, vocabulary=vocabulary, text=text)
    folder_of(place, make(cfg, "CustomTextCLIP"), cfg)
    checkpoint = both_ways(f"{kind} text tower, {text.get('hf_pooler_type', 'usual')}", place, tmp_path)
    spec = checkpoint.spec.text
    assert (spec.kind, spec.trunk, spec.context_length) == ("transformers", kind, 16)
    assert text_options(spec).pooling_layer == (text.get("hf_pooler_type") == "cls_pooler" and kind == "bert")


def test_both_towers_foreign_with_sigmoid_scores(tmp_path):
    """As NLLB's and BiomedCLIP's kinds: neither tower is ours."""
    place = tmp_path / "theirs"
    text = {"hf_proj_type": "linear", "hf_pooler_type": "cls_pooler"}
    cfg = text_folder(place, "m2m_100", M2M, vocabulary=tokenizers.xlm, text=text)
    cfg["vision_cfg"] = {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 160}
    cfg |= {"init_logit_bias": -10}
    folder_of(place, make(cfg, "CustomTextCLIP"), cfg)
    checkpoint = both_ways("timm ViT beside NLLB, sigmoid scores", place, tmp_path)
    assert (checkpoint.spec.loss, float(checkpoint.state["logit_bias"])) == ("sigmoid", pytest.approx(-4.2))


# what open_clip has no row for: the trunk from transformers, pooled as open_clip would
DIRECT = [
    ("modernbert", BERT | {"local_attention": 8, "num_hidden_layers": 4, "pad_token_id": 0}, "mean"),
    ("modernbert", BERT | {"pad_token_id": 3, "norm_bias": True, "mlp_bias": True, "attention_bias": True}, "last"),
    ("camembert", ROBERTA | {"pad_token_id": 1}, "cls_last_hidden_state"),
    ("t5", T5 | {"feed_forward_proj": "relu"}, "mean"),
    ("bert", BERT, "max"),
]


IMAGE = VitSpec(size=8, patch=8, width=8, layers=0, heads=1)
IMAGE_STATE = {
    name: np.zeros(shape, np.float32)
    for name, shape in shapes(ModelSpec("x", 24, IMAGE)).items()
    if name.startswith(("visual.", "logit_"))
}


def whole(text):
    """A spec around a text tower, with next to no image tower."""
    tokens = TokenizerSpec(kind="tokenizers", vocabulary_size=text.vocabulary_size, context_length=text.context_length)
    return ModelSpec("x", 24, IMAGE, text, PreprocessSpec(size=8), tokens)


@pytest.mark.parametrize("case", DIRECT, ids=lambda case: f"{case[0]} {case[2]}")
def test_text_trunks_that_open_clip_does_not_have(case, tmp_path):
    kind, given, pooler = case
    config = transformers.CONFIG_MAPPING[kind](**given, vocab_size=60, **({} if kind == "t5" else {"bos_token_id": 5}))
    model = getattr(transformers, TRUNK_MODELS[kind])(config)
    model = disturb(model.encoder if kind == "t5" else model)
    config.save_pretrained(tmp_path)
    beside = json.loads((tmp_path / "config.json").read_text())
    draw = np.random.default_rng(1)
    projection = draw.standard_normal((24, 48), np.float32)
    state = {f"text.transformer.{name}": value.numpy() for name, value in model.state_dict().items()}
    keys = Keys(state | {"text.proj.weight": projection}, where="here")
    cfg = {"hf_proj_type": "linear", "hf_pooler_type": "mean_pooler", "context_length": 20}
    spec, state = transformers_text.read_text(keys, model_cfg(24, text=cfg), beside)
    keys.finish()
    spec = replace(spec, options=spec.options | {"pooler": pooler})
    tower = TransformersTextTower(spec, 24).eval()
    tower.load_state_dict(
        {name.removeprefix("text."): torch.from_numpy(np.array(value)) for name, value in state.items()}
    )

    tokens = torch.from_numpy(draw.integers(6, 60, (5, 20)))
    for row, length in enumerate((20, 17, 9, 2, 1)):
        tokens[row, length:] = config.pad_token_id
    mask = (tokens != config.pad_token_id).long()
    with torch.no_grad():
        out = model(input_ids=tokens, attention_mask=mask)
        states = out.last_hidden_state
        pooled = {
            "mean": MeanPooler()(out, mask),
            "max": torch.stack([row[: int(n)].max(0).values for row, n in zip(states, mask.sum(1), strict=True)]),
            "cls_last_hidden_state": states[:, 0],
            "last": torch.stack([row[int(n) - 1] for row, n in zip(states, mask.sum(1), strict=True)]),
        }[pooler]
        record(f"{kind} text trunk, {pooler}", "transformers", tower(tokens), pooled @ torch.from_numpy(projection).T)
    fitted = fit(whole(spec), state | IMAGE_STATE, where="here")  # neither draws first numbers nor keeps any
    assert not any(value.is_meta for value in (*fitted.parameters(), *fitted.buffers()))
    with torch.no_grad():
        assert torch.equal(fitted.encode_text(tokens, normalize=False), tower(tokens))
    again = full_config(TEXT_FIELDS, kind, transformers_text.trunk_config(spec), "x")
    assert again == text_options(spec).config


def model_cfg(width, vision=None, text=None):
    return typed({"embed_dim": width, "vision_cfg": vision or {}, "text_cfg": text or {}}, "here")


def convnext_folder(place, monkeypatch, **cfg):
    """A tiny ConvNeXt model whose shapes are those of a published name."""
    monkeypatch.setitem(known_trunks.CONVNEXTS, ((1, 1, 2, 1), 16), "convnext_tiny_test")
    vision = {"timm_model_name": "convnext_tiny_test", "timm_pool": "", "image_size": 256} | cfg
    cfg = {"embed_dim": 48, "vision_cfg": vision, "text_cfg": TEXT}
    return folder_of(place, make(cfg), cfg)


@pytest.mark.parametrize("projection", ["linear", "mlp"])
def test_a_bare_convnext_is_known_by_its_shapes(projection, tmp_path, monkeypatch):
    place = convnext_folder(tmp_path / "theirs", monkeypatch, timm_proj=projection)
    tensors = CheckpointFiles(place).tensors
    assert timm_tower.guess_image(tensors, 48) == {
        "timm_model_name": "convnext_tiny_test",
        "timm_pool": "",
        "timm_proj": projection,
        "image_size": 256,
    }
    keys = Keys({name: value for name, value in tensors.items() if name.startswith("visual.")}, where="here")
    spec, state = timm_tower.read_image(keys, model_cfg(48))
    keys.finish()
    assert (spec.trunk, spec.size, len(state)) == ("convnext_tiny_test", 256, len(keys))
    with pytest.raises(FormatError, match="its weights alone do not name"):
        timm_tower.guess_image({"visual.trunk.stem.0.weight": np.zeros((17, 3, 4, 4))}, 48)


def test_the_sizes_of_published_trunks_are_theirs():
    import timm

    for (depths, width), name in known_trunks.CONVNEXTS.items():
        with torch.device("meta"):
            made = timm.create_model(name, num_classes=0)
        found = tuple(len(stage.blocks) for stage in made.stages)
        assert (found, made.stem[0].out_channels) == (depths, width), name
    for name, (kind, given) in known_trunks.TRUNKS.items():
        assert set(given) <= set(TEXT_FIELDS[kind]), name
    assert known_trunks.known_trunk("FacebookAI/roberta-base") == known_trunks.known_trunk("roberta-base")


def test_defaults_are_those_of_transformers():
    for fields in (TEXT_FIELDS, IMAGE_FIELDS):
        for kind, defaults in fields.items():
            config = transformers.CONFIG_MAPPING[kind]() if fields is TEXT_FIELDS else transformers.AlignVisionConfig()
            theirs = full_config(fields, kind, json.loads(config.to_json_string(use_diff=False)), "x")
            assert theirs == defaults, kind


def test_weights_that_do_not_fit_their_trunk_are_listed(tmp_path, monkeypatch):
    place = convnext_folder(tmp_path / "theirs", monkeypatch)
    checkpoint = openclip.read(CheckpointFiles(place))
    state = dict(checkpoint.state)
    state["visual.trunk.other"] = state.pop("visual.trunk.stem.0.bias")
    with pytest.raises(
        ShapeMismatch, match=r"1 missing \(visual\.trunk\.stem\.0\.bias\); 1 unknown \(visual\.trunk\.other"
    ):
        fit(checkpoint.spec, state, where="here")


def roberta_keys(**more):
    config = transformers.RobertaConfig(vocab_size=60, **ROBERTA)
    model = transformers.RobertaModel(config, add_pooling_layer=False)
    state = {f"text.transformer.{name}": value.numpy() for name, value in model.state_dict().items()}
    state |= {f"text.proj.{i}.weight": np.zeros((4, 4), np.float32) for i in (0, 2)} | more
    return Keys(state, where="here"), {"model_type": "roberta", "vocab_size": 60, **ROBERTA}


def test_position_tables_of_older_files_are_left_out():
    keys, config = roberta_keys(**{"text.transformer.embeddings.position_ids": np.arange(40)[None]})
    _, state = transformers_text.read_text(keys, model_cfg(24), config)
    keys.finish()
    assert "text.transformer.embeddings.position_ids" not in state


@pytest.mark.parametrize(
    ("cfg", "beside", "message"),
    [
        ({}, None, "does not stand in its files"),
        ({"hf_model_name": "somebody/else"}, None, "'somebody/else' of here is does not stand in its files"),
        ({"hf_model_name": "roberta-base"}, None, "60 tokens of 48 channels, roberta-base has 50265 of 768"),
        ({}, {"model_type": "gpt2"}, "is a 'gpt2' of transformers"),
        ({"hf_pooler_type": "odd"}, "roberta", "hf_pooler_type 'odd'"),
        ({"hf_proj_type": "odd"}, "roberta", "hf_proj_type 'odd'"),
        ({"hf_proj_type": None}, "roberta", "with 48 features for 24"),
    ],
)
def test_text_trunks_that_are_refused(cfg, beside, message):
    keys, config = roberta_keys()
    with pytest.raises(FormatError, match=message):
        transformers_text.read_text(keys, model_cfg(24, text=cfg), config if beside == "roberta" else beside)


def test_what_open_clip_has_no_place_for():
    keys, config = roberta_keys()
    spec, _ = transformers_text.read_text(keys, model_cfg(24, text={"hf_model_name": "x/y"}), config)
    assert transformers_text.text_cfg(spec)["hf_model_name"] == "x/y"
    for options in ({"pooler": "last"}, {"projection_bias": True}, {"name": ""}, {"pooling_layer": True}):
        with pytest.raises(UsageError, match="open_clip has no place"):
            transformers_text.text_cfg(replace(spec, options=spec.options | options))
    image = TimmSpec(trunk="convnext_base", options={"arguments": {"patch_drop_rate": 0.5}})
    assert timm_tower.image_cfg(image)["patch_dropout"] == 0.5
    with pytest.raises(UsageError, match="cannot be given depths"):
        timm_tower.image_cfg(replace(image, options={"arguments": {"depths": [1, 1, 1, 1]}}))
    with pytest.raises(UsageError, match='open_clip has no place for image.kind = "transformers"'):
        openclip._write_image(ModelSpec("x", image=TransformersImageSpec(trunk="align_vision_model")), {})


@pytest.mark.parametrize(
    ("cfg", "message"),
    [({"timm_proj": "odd"}, "timm_proj 'odd'"), ({"image_size": [224, 112]}, "no square")],
)
def test_image_configurations_that_are_refused(cfg, message):
    with pytest.raises(FormatError, match=message):
        timm_tower.read_image(Keys({}, where="here"), model_cfg(48, vision={"timm_model_name": "convnext_base"} | cfg))
