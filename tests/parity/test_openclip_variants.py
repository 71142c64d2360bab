"""The families that open_clip's configurations hold beside CLIP: SigLIP, CoCa, CLIPA, MetaCLIP 2, each with its tokenizer."""

import functools
import json
from dataclasses import replace

import numpy as np
import openclip_tokenizer_side as tokenizers
import pytest
import timm
import torch
from compare import record
from openclip_side import TEXT, VISION, both_ways, folder_of, make, ours, theirs

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.openclip import timm_vit as openclip_timm
from wordsight.weights.formats.openclip.config import TextCfg, preprocess_cfg
from wordsight.weights.formats.openclip.guess import guessed
from wordsight.weights.formats.openclip.tokenizer import read_tokenizer

HALF = [0.5, 0.5, 0.5]
SIGLIP = {"mean": HALF, "std": HALF, "interpolation": "bicubic", "resize_mode": "squash"}
CLIPA = {
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


@pytest.fixture
def tower(monkeypatch):
    """Teach timm a tiny tower under a name of the kind that we read, and us its sizes."""

    def teach(name, **options):
        from timm.models import _registry, vision_transformer

        sizes = {"img_size": 36, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 1} | options

        def entry(pretrained=False, **given):
            return vision_transformer.VisionTransformer(
                **sizes | {k: v for k, v in given.items() if k in ("num_classes", "global_pool")}
            )

        monkeypatch.setitem(_registry._model_entrypoints, name, entry)
        hidden = int(sizes["embed_dim"] * sizes.get("mlp_ratio", 4))
        monkeypatch.setattr(openclip_timm, "NAMED", [openclip_timm.Named(name, sizes["embed_dim"], 2, hidden)])
        return name

    return teach


def siglip_cfg(name, vocabulary, **text):
    vision = {
        "image_size": 36,
        "timm_model_name": name,
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    }
    text = {
        "context_length": 12,
        "vocab_size": vocabulary,
        "hf_tokenizer_name": "timm/x",
        "width": 64,
        "heads": 1,
        "layers": 2,
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    } | text
    return {"embed_dim": 64, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision, "text_cfg": text}


@pytest.mark.parametrize("version", [1, 2])
def test_siglip(version, tower, tmp_path, monkeypatch):
    name = tower(
        "vit_base_patch8_siglip_36", class_token=False, global_pool="map", act_layer=["gelu", "gelu_tanh"][version - 1]
    )
    place = tmp_path / "theirs"
    size = tokenizers.siglip(place, pad=["</s>", "<pad>"][version - 1])
    cfg = siglip_cfg(name, size + 3)
    if version == 2:
        monkeypatch.setattr(openclip_timm, "TANH", {("base", 8, 36)})
        cfg["text_cfg"]["act_kwargs"] = {"approximate": "tanh"}
    folder_of(place, make(cfg, "CustomTextCLIP"), cfg, SIGLIP)
    checkpoint = both_ways(f"SigLIP{version if version > 1 else ''} in open_clip's layout", place, tmp_path)
    assert checkpoint.spec.loss == "sigmoid" and checkpoint.spec.image.pool == "attention"
    assert float(checkpoint.state["logit_bias"]) == pytest.approx(-4.2)
    assert checkpoint.spec.tokenizer.pad_id == [1, 0][version - 1]


def test_texts_are_filled_up_on_the_side_that_the_tokenizer_says(tower, tmp_path):
    name = tower("vit_base_patch8_siglip_36", class_token=False, global_pool="map")
    place = tmp_path / "theirs"
    cfg = siglip_cfg(name, tokenizers.siglip(place))
    settings = json.loads((place / "tokenizer_config.json").read_text()) | {"padding_side": "left"}
    (place / "tokenizer_config.json").write_text(json.dumps(settings))
    folder_of(place, make(cfg, "CustomTextCLIP"), cfg, SIGLIP)
    checkpoint = both_ways("SigLIP in open_clip's layout, filled up on the left", place, tmp_path)
    assert checkpoint.spec.tokenizer.padding_side == "left"


def test_siglip_weights_alone(tower, tmp_path):
    name = tower("vit_base_patch8_siglip_36", class_token=False, global_pool="map")
    place = tmp_path / "theirs"
    cfg = siglip_cfg(name, tokenizers.siglip(place))
    model = make(cfg, "CustomTextCLIP")
    expected = theirs(folder_of(place, model, cfg, SIGLIP))
    tokenizers.siglip(tmp_path / "alone")
    torch.save(model.state_dict(), tmp_path / "alone" / "siglip.pt")
    checkpoint, images, texts = ours(tmp_path / "alone" / "siglip.pt", tmp_path / "ours")
    record("SigLIP in open_clip's layout, weights alone", "open_clip_torch", images, expected[0])
    record("SigLIP in open_clip's layout, weights alone, texts", "open_clip_torch", texts, expected[1])
    assert any(name in said for said in checkpoint.assumed)


def test_siglip_weights_alone_beside_words_of_another_library_are_refused(tower, tmp_path):
    name = tower("vit_base_patch8_siglip_36", class_token=False, global_pool="map")
    model = make(siglip_cfg(name, 40), "CustomTextCLIP")
    state = {key.replace("text.", "text.transformer."): value for key, value in model.state_dict().items()}
    torch.save(state, tmp_path / "siglip.pt")
    with pytest.raises(FormatError, match="text tower is that of another library"):
        ours(tmp_path / "siglip.pt", tmp_path / "ours")


def test_siglip_of_uneven_mlp_without_text_projection(tower, tmp_path):
    name = tower("vit_so400m_patch8_siglip_36", class_token=False, global_pool="map", mlp_ratio=3.7362)
    place = tmp_path / "theirs"
    cfg = siglip_cfg(name, tokenizers.siglip(place), proj_type="none", mlp_ratio=3.7362)
    folder_of(place, make(cfg, "CustomTextCLIP"), cfg, SIGLIP)
    both_ways("SigLIP So400m i18n in open_clip's layout", place, tmp_path)


@pytest.mark.parametrize("pool", ["token", "map"])
def test_clip_tower_of_timm_with_a_bias_in_its_head(pool, tower, tmp_path):
    """MobileCLIP2-L-14's kind; with "map" a SigLIP tower that is projected."""
    norm = functools.partial(torch.nn.LayerNorm, eps=1e-5)
    if pool == "token":
        name = tower("vit_large_patch8_clip_36", pre_norm=True, norm_layer=norm)
    else:
        name = tower("vit_base_patch8_siglip_36", class_token=False, global_pool="map")
    vision = {"image_size": 36, "timm_model_name": name, "timm_pool": pool, "timm_proj": None}
    cfg = {"embed_dim": 48, "vision_cfg": vision, "text_cfg": TEXT, "custom_text": True}
    place = folder_of(tmp_path / "theirs", make(cfg, "CustomTextCLIP"), cfg)
    checkpoint = both_ways(f"timm vision transformer, {pool}, in open_clip's layout", place, tmp_path)
    assert checkpoint.spec.image.projection == "linear"


def test_the_sizes_of_timm_towers_are_timms():
    shapes = set()
    for row in openclip_timm.NAMED:
        whole = row.part["shape"] not in shapes  # one block of the others is enough
        shapes.add(row.part["shape"])
        with torch.device("meta"):
            made = timm.create_model(row.name, num_classes=0, **({} if whole else {"depth": 1}))
        match = openclip_timm.NAME.fullmatch(row.name)
        block = made.blocks[0]
        assert (made.embed_dim, block.mlp.fc1.out_features) == (row.width, row.hidden), row
        assert len(made.blocks) == row.layers or not whole, row
        assert block.attn.num_heads == openclip_timm.HEADS.get(row.width, row.width // 64), row
        assert made.patch_embed.img_size[0] == int(match["size"]) and made.patch_embed.patch_size[0] == int(
            match["patch"]
        )
        assert block.norm1.eps == openclip_timm.EPSILON[match["kind"]], row
        kinds = {"gelu": torch.nn.GELU, "gelu_tanh": timm.layers.GELUTanh, "quick_gelu": timm.layers.QuickGELU}
        assert type(block.mlp.act) is kinds[openclip_timm._activation(match)], row


def test_sizes_that_timm_does_not_have_cannot_be_written(tower, tmp_path, monkeypatch):
    name = tower("vit_base_patch8_siglip_36", class_token=False, global_pool="map")
    place = tmp_path / "theirs"
    cfg = siglip_cfg(name, tokenizers.siglip(place))
    folder_of(place, make(cfg, "CustomTextCLIP"), cfg, SIGLIP)
    checkpoint, _, _ = ours(place, tmp_path / "ours")
    monkeypatch.undo()
    with pytest.raises(UsageError, match="none of timm's has width 64"):
        openclip.write(checkpoint, tmp_path / "back")
    (place / "tokenizer.json").unlink()
    with pytest.raises(NotFound, match=r"has no tokenizer.json.*timm/x"):
        ours(place, tmp_path / "ours")


def test_clipa(tmp_path):
    place = tmp_path / "theirs"
    text = TEXT | {"vocab_size": tokenizers.bert(place) + 5, "hf_tokenizer_name": "bert-base-uncased"}
    text |= {"tokenizer_kwargs": {"strip_sep_token": True}, "pool_type": "last", "no_causal_mask": True}
    vision = VISION | {"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}
    cfg = {"embed_dim": 48, "vision_cfg": vision, "text_cfg": text}
    folder_of(place, make(cfg), cfg, CLIPA)
    checkpoint = both_ways("CLIPA", place, tmp_path)
    assert checkpoint.spec.tokenizer.blank_id == 3


def test_metaclip_2(tmp_path):
    place = tmp_path / "theirs"
    text = TEXT | {
        "vocab_size": tokenizers.xlm(place) + 2,
        "hf_tokenizer_name": "facebook/xlm-v-base",
        "pool_type": "eos",
        "eos_id": 2,
    }
    cfg = {"embed_dim": 48, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": text}
    folder_of(place, make(cfg), cfg, {"resize_mode": "squash"})
    checkpoint = both_ways("MetaCLIP 2 (worldwide)", place, tmp_path)
    assert (checkpoint.spec.text.end_id, checkpoint.spec.tokenizer.pad_id) == (2, 1)


@pytest.mark.parametrize("embed_dim", [48, 64])
def test_coca(embed_dim, tmp_path):
    """Two towers of it: the decoder is dropped and named; the weights of its pooling come apart or fused."""
    vision = VISION | {
        "attentional_pool": True,
        "attn_pooler_heads": 4,
        "attn_pooler_queries": 5,
        "output_tokens": True,
    }
    text = TEXT | {"embed_cls": True, "output_tokens": True}
    decoder = {"context_length": 12, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1, "attn_pooler_heads": 4}
    cfg = {
        "embed_dim": embed_dim,
        "vision_cfg": vision,
        "text_cfg": text,
        "multimodal_cfg": decoder,
        "custom_text": True,
    }
    place = folder_of(tmp_path / "theirs", make(cfg, "CoCa"), cfg)
    checkpoint = both_ways(f"CoCa, space of {embed_dim}", place, tmp_path)
    assert any("decoder" in said for said in checkpoint.assumed)


def test_coca_without_queries_and_with_other_words(tmp_path):
    text = TEXT | {"embed_cls": True, "output_tokens": True}
    decoder = {"context_length": 12, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
    vision = VISION | {"output_tokens": True}
    cfg = {"embed_dim": 48, "vision_cfg": vision, "text_cfg": text, "multimodal_cfg": decoder, "custom_text": True}
    both_ways("CoCa base", folder_of(tmp_path / "theirs", make(cfg, "CoCa"), cfg), tmp_path)


def test_a_configuration_that_no_tower_of_ours_keeps_is_refused(tmp_path):
    for change, said in (
        ({"qk_norm": True}, "qk_norm"),
        ({"new_field": 1}, "new_field"),
        ({"pool_type": "none"}, "none"),
    ):
        cfg = {"embed_dim": 48, "vision_cfg": VISION | change, "text_cfg": TEXT}
        made = make({"embed_dim": 48, "vision_cfg": VISION, "text_cfg": TEXT})
        place = folder_of(tmp_path / said, made, cfg)
        with pytest.raises(FormatError, match=said):
            ours(place, tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"resize": "patches", "patch": 16, "max_patches": 256}, 'resize = "patches"'),
        ({"scale_to": 256}, "scale_to = 256"),
        ({"interpolation": "lanczos"}, 'interpolation = "lanczos"'),
    ],
)
def test_a_preprocessing_that_open_clip_cannot_do_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        preprocess_cfg(replace(PreprocessSpec(), **given))


def test_a_preprocessing_that_differs_by_levels_is_said(capsys):
    assert preprocess_cfg(PreprocessSpec(antialias=False))["interpolation"] == "bicubic"
    assert "open_clip smooths" in capsys.readouterr().err


def test_what_fills_up_short_texts_is_said_where_no_file_says_it(tmp_path):
    place = tmp_path / "theirs"
    text = TEXT | {"vocab_size": tokenizers.xlm(place) + 2, "hf_tokenizer_name": "x", "pool_type": "eos", "eos_id": 2}
    cfg = {"embed_dim": 48, "vision_cfg": VISION, "text_cfg": text}
    folder_of(place, make(cfg), cfg)
    (place / "tokenizer_config.json").unlink()
    checkpoint = openclip.read(CheckpointFiles(place))
    assert checkpoint.spec.tokenizer.pad_id == 1
    assert any("token 1 (<pad>)" in said for said in checkpoint.assumed)


@pytest.mark.parametrize(("size", "pad"), [(32000, 1), (31000, 0)])
def test_siglips_vocabularies_fill_up_with_their_end(size, pad, tmp_path):
    tokenizers.siglip(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "x.pt").touch()
    cfg = TextCfg(vocab_size=size, hf_tokenizer_name="x", tokenizer_kwargs={"clean": "canonicalize"})
    text = ClipTextSpec(vocabulary_size=size, mask="none", pool="last")
    assert read_tokenizer(CheckpointFiles(tmp_path), cfg, text)[0].pad_id == pad


@pytest.mark.parametrize(("size", "end"), [(901629, 2), (250100, 1), (250002, None)])
def test_the_end_of_texts_is_told_by_the_vocabulary(size, end, tmp_path):
    state = {
        name: value.numpy()
        for name, value in make({"embed_dim": 48, "vision_cfg": VISION, "text_cfg": TEXT}).state_dict().items()
    }
    state["token_embedding.weight"] = np.broadcast_to(np.float32(0), (size, 64))
    torch.save({}, tmp_path / "x.pt")
    config = guessed(CheckpointFiles(tmp_path / "x.pt"), state)
    assert (config.model.text_cfg.pool_type == "eos") == (end is not None)
    assert end is None or config.model.text_cfg.eos_id == end
    assert any("largest token" in said for said in config.assumed) == (end is None)
