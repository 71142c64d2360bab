"""What the formats refuse when they read: each refusal names the value, whatever the rest of the file looks like."""

import json
from dataclasses import replace

import numpy as np
import pytest

from wordsight.base.errors import FormatError, NotFound, ShapeMismatch
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.weights.checkpoint import Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.huggingface.processor import read_processor
from wordsight.weights.formats.openclip.config import configured, preprocess_cfg, preprocessing, typed
from wordsight.weights.formats.tokenizers.bert import read_bert_tokenizer
from wordsight.weights.formats.tokenizers.clip_bpe import read_merges_text
from wordsight.weights.formats.tokenizers.sentencepiece import piece_ids
from wordsight.weights.formats.tokenizers.tokenizer_json import padding_side, token_ids, token_text
from wordsight.weights.formats.trunks.clip_text import read_clip_text
from wordsight.weights.formats.trunks.fastvit import batch_norm, fold_norm
from wordsight.weights.formats.trunks.patches import as_convolution, as_layer
from wordsight.weights.formats.trunks.sizes import depth, image_sizes

BLOCK = "transformer.resblocks."


def vit(rows=17, layers=(0, 1)):
    state = {"visual.conv1.weight": np.zeros((8, 3, 4, 4)), "visual.positional_embedding": np.zeros((rows, 8))}
    return state | {f"visual.{BLOCK}{number}.mlp.c_fc.weight": np.zeros((20, 8)) for number in layers}


def test_sizes_by_shapes():
    assert image_sizes(vit(), class_token=True) == {"width": 8, "patch": 4, "size": 16, "layers": 2, "mlp_ratio": 2.5}
    assert image_sizes(vit(16), class_token=False)["size"] == 16
    for rows, token in ((17, False), (16, True), (0, True), (1, True)):
        with pytest.raises(ShapeMismatch, match="positions for the patches of a picture; square pictures are read"):
            image_sizes(vit(rows), class_token=token)
    assert depth({"a.0.x": 0, "a.1.x": 0, "a.2": 0, "b.3.x": 0}, "a.") == 2
    assert depth({}, "a.") == 0
    for gap, lacking in (((0, 2), 1), ((1, 2), 0)):
        with pytest.raises(ShapeMismatch, match=f"there is a {BLOCK}2 but no {BLOCK}{lacking}"):
            depth({f"{BLOCK}{number}.x": 0 for number in gap}, BLOCK)


def test_patches_as_layer_and_convolution():
    weight = np.arange(4 * 12, dtype=np.float32).reshape(4, 12)  # (D, P*P*3)
    kernel = as_convolution(weight, "here")
    assert kernel.shape == (4, 3, 2, 2)
    assert kernel[1, 2, 0, 1] == weight[1, (0 * 2 + 1) * 3 + 2]  # row, column, channel
    assert np.array_equal(as_layer(kernel), weight)
    for shape in ((4, 11), (4, 18), (2, 2, 12)):
        with pytest.raises(ShapeMismatch, match="the patch embedding of here has shape"):
            as_convolution(np.zeros(shape), "here")


def test_a_batch_norm_goes_into_the_convolution_before_it():
    random = np.random.default_rng(0)
    kernel, image = random.standard_normal((2, 3, 1, 1)), random.standard_normal(3)
    names = ("weight", "bias", "running_mean", "running_var")
    norm = {name: np.abs(random.standard_normal(2)) + 0.1 for name in names}
    folded = fold_norm(kernel, norm)
    normed = (kernel[:, :, 0, 0] @ image - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-5)
    expected = normed * norm["weight"] + norm["bias"]
    np.testing.assert_allclose(folded["weight"][:, :, 0, 0] @ image + folded["bias"], expected, rtol=1e-5)
    nothing = {name.removeprefix("n."): value for name, value in batch_norm("n", np.float32([1, 2]), 1.0).items()}
    same = fold_norm(kernel, nothing)
    np.testing.assert_allclose(same["weight"], kernel, rtol=1e-6)
    np.testing.assert_allclose(same["bias"], [1, 2])


def text_tower(width=64):
    state = {"token_embedding.weight": np.zeros((9, width)), "positional_embedding": np.zeros((5, width))}
    state |= {f"{BLOCK}0.mlp.c_fc.weight": np.zeros((4 * width, width)), "ln_final.weight": np.zeros(width)}
    return state | {"text_projection": np.zeros((width, 3)), "logit_scale": np.zeros(1)}


@pytest.mark.parametrize("prefix", ["", "text."])
def test_clips_text_tower_at_both_places(prefix):
    tensors = {prefix + name: array for name, array in text_tower(128).items()} | {"attn_mask": np.zeros((5, 5))}
    keys = Keys(tensors, where="here")
    spec, state = read_clip_text(keys)
    keys.finish()
    assert (spec.width, spec.heads, spec.layers, spec.vocabulary_size, spec.context_length) == (128, 2, 1, 9, 5)
    assert set(state) == set(text_tower()) and state["logit_scale"].shape == ()


def test_what_is_no_text_tower_of_clips():
    with pytest.raises(FormatError, match="here holds no text tower of CLIP's kind; name its format"):
        read_clip_text(Keys(text_tower(48), where="here"))
    with pytest.raises(FormatError, match="no text tower of CLIP's kind"):
        read_clip_text(Keys({n: a for n, a in text_tower().items() if "c_fc" not in n}, where="here"))


def test_tokenizer_json():
    unigram = {"model": {"vocab": [["<pad>", 0.0], ["a", -1.0]]}, "added_tokens": [{"content": "x", "id": 7}]}
    assert token_ids(unigram) == {"<pad>": 0, "a": 1, "x": 7}
    assert token_ids({"model": {"vocab": {"a": 3}}, "added_tokens": [{"content": "a", "id": 4}]}) == {"a": 4}
    assert [token_text(value) for value in ("a", {"content": "b"}, {}, None, 3)] == ["a", "b", "", "", ""]
    left = {"padding": {"direction": "Left"}}
    assert [padding_side({}, {}), padding_side({}, left), padding_side({"padding_side": "right"}, left)] == [
        "right",
        "left",
        "right",
    ]
    assert padding_side({"tokenizer_class": "GemmaTokenizer"}, {}) == "left"


def test_sentencepiece_models():
    fields = [b"\n\x05<unk>\x15\x00\x00\x80\x3f\x18\x02", b"\n\x01a", b"\n\x01a", b"\n\x01b\x19" + bytes(8)]
    whole = b"".join(b"\n" + bytes([len(field)]) + field for field in fields) + b"\x12\x03abc\x18\x96\x01"
    assert piece_ids(whole) == {"<unk>": 0, "a": 1, "b": 3}  # the first of one name
    assert piece_ids(b"\n\x08\x15" + bytes(4) + b"\n\x01c") == {"c": 0}  # a score before the piece
    long = b"\n" + bytes([0xAC, 0x02]) + b"x" * 300
    assert piece_ids(b"\n" + bytes([0xAF, 0x02]) + long) == {"x" * 300: 0}
    for damaged in (
        b"",
        b"abc",
        whole[:-40],
        b"\n\x03\n\x02a",
        b"\n\x02\n\x00\xff",
        b"\x0b",
        b"\n\x03\n\x01\xff",
        b"\n",
    ):
        with pytest.raises(FormatError, match="no whole SentencePiece model; fetch spiece.model again"):
            piece_ids(damaged)


def test_merges():
    assert read_merges_text(b"#version: 0.2\na b\r\n\nc d\n", where="x") == [("a", "b"), ("c", "d")]
    assert read_merges_text(b"# b\n", where="x") == [("#", "b")]  # only a version in the first line is none
    with pytest.raises(FormatError, match="x line 2: 'a b c' is not two parts"):
        read_merges_text(b"a b\na b c\n", where="x")
    with pytest.raises(FormatError, match="x is not text"):
        read_merges_text(b"\xff\xfe\xff", where="x")


def test_berts_tokenizer(tmp_path):
    files = CheckpointFiles(tmp_path)
    with pytest.raises(NotFound, match="has neither tokenizer.json nor vocab.txt"):
        read_bert_tokenizer(files, size=9, context_length=5)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\nwort\n")
    with pytest.raises(FormatError, match=r"has no \[MASK\]"):
        read_bert_tokenizer(files, size=9, context_length=5)
    (tmp_path / "vocab.txt").write_text("[UNK]\n[PAD]\n[CLS]\r\n[SEP]\n[MASK]\nwort\n")
    tokenizer = read_bert_tokenizer(files, size=6, context_length=5)
    wanted = TokenizerSpec(kind="tokenizers", vocabulary_size=6, context_length=5, cleaning="none", pad_id=1)
    assert (tokenizer.spec, list(tokenizer.files)) == (wanted, ["tokenizer.json"])
    whole = json.loads(tokenizer.files["tokenizer.json"])
    assert whole["model"]["vocab"]["[CLS]"] == 2 and whole["normalizer"]["lowercase"] is True
    for size in (5, 7):
        with pytest.raises(FormatError, match=f"has 6 lines, the token table of the text tower {size} rows"):
            read_bert_tokenizer(files, size=size, context_length=5)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.files["tokenizer.json"])
    with pytest.raises(FormatError, match="has ids up to 5, the text tower has 5 tokens"):
        read_bert_tokenizer(files, size=5, context_length=5)
    assert read_bert_tokenizer(files, size=7, context_length=5).spec.vocabulary_size == 7  # which states its ids
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}}')
    with pytest.raises(FormatError, match=r"\[PAD\] is no token of the tokenizer"):
        read_bert_tokenizer(files, size=5, context_length=5)
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(FormatError, match="tokenizer.json holds no tokens"):
        read_bert_tokenizer(files, size=5, context_length=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"do_pad": True}, "do_pad in preprocessor_config.json"),
        ({"resample": 9}, "resample 9 in"),
        ({"image_mean": [0.5, 0.5]}, r"\[0.5, 0.5\] in"),
        ({"size": {"height": 224, "width": 112}}, "square pictures are read"),
        ({"size": {"longest_edge": 3}}, "a shortest edge, or height and width, are read"),
        ({"crop_size": [224, 112]}, r"crop_size \[224, 112\]"),
    ],
)
def test_processors_that_no_tower_has(values, message, tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(values))
    with pytest.raises(FormatError, match=message):
        read_processor(CheckpointFiles(tmp_path), size=224, defaults="clip")


def test_what_a_processor_does_otherwise_than_the_tower_reads_is_stated(tmp_path):
    def read(**values):
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(values))
        return read_processor(CheckpointFiles(tmp_path), size=224, defaults="clip")

    assert read().spec == replace(PreprocessSpec(size=224), crop="floor") and read().assumed == ()
    assert "pictures of 200 pixels, the tower reads 224" in read(crop_size=200).assumed[0]
    assert "do_resize is false" in read(do_resize=False).assumed[0]
    assert "do_center_crop is false" in read(do_center_crop=False).assumed[0]
    assert read(size=256).spec.scale_to == 256
    assert read(do_normalize=False).spec.mean == (0.0, 0.0, 0.0)
    assert read(rescale_factor=1 / 127.5).spec.std[0] == pytest.approx(PreprocessSpec().std[0] / 2)
    assert read(do_rescale=False, image_std=255).spec.std == pytest.approx((1.0, 1.0, 1.0))
    (tmp_path / "processor_config.json").write_text('{"image_processor": {"resample": 2}}')
    assert read(resample=0).spec.interpolation == "bilinear"  # the newer place goes first


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_cfg": []}, "model_cfg in .* is no JSON object"),
        ({"embed_dim": 4, "vision_cfg": {"qk_norm": True}, "text_cfg": {}}, "vision_cfg asks for qk_norm"),
        (
            {"embed_dim": 4, "vision_cfg": {}, "text_cfg": {"block_type": "custom"}},
            "text_cfg asks for the custom block",
        ),
        ({"embed_dim": 4, "vision_cfg": {"odd": 1}, "text_cfg": {}}, "odd"),
        ({"embed_dim": "x", "vision_cfg": {}, "text_cfg": {}}, "embed_dim"),
    ],
)
def test_configurations_of_open_clip_that_are_refused(values, message, tmp_path):
    (tmp_path / "open_clip_config.json").write_text(json.dumps(values))
    with pytest.raises(FormatError, match=message):
        configured(CheckpointFiles(tmp_path))


def test_configurations_of_open_clip(tmp_path):
    assert configured(CheckpointFiles(tmp_path)) is None
    whole = {"embed_dim": 4, "vision_cfg": {"layers": [1, 2]}, "text_cfg": {"width": 8}, "init_logit_bias": None}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(whole))
    config = configured(CheckpointFiles(tmp_path))
    assert (config.model.vision_cfg.layers, config.model.text_cfg.width) == ((1, 2), 8)
    assert config.model == typed(whole, "here")
    spec = preprocessing({"mean": 0.5, "std": None, "resize_mode": "longest", "interpolation": "random"}, "here")
    assert (spec.mean, spec.std, spec.resize) == ((0.5, 0.5, 0.5), PreprocessSpec().std, "longest")
    assert (spec.interpolation, spec.rgb) == ("bicubic", "after")
    assert preprocessing(preprocess_cfg(spec), "here") == spec
    with pytest.raises(FormatError, match="preprocess_cfg in here"):
        preprocessing({"resize_mode": "odd"}, "here")
