"""Folders with an encoder of BERT's kind that is damaged: every refusal is one line with the field, its value and file."""

import json

import numpy as np
import pytest
import torch

from wordsight.base.errors import FormatError, ShapeMismatch
from wordsight.text.wordpiece import SPECIALS
from wordsight.weights.formats.trunk_table import UnknownTrunk, read_text_trunk

WIDTH, INSIDE, WORDS, POSITIONS = 8, 16, (*SPECIALS, "a", "cat"), 12
CONFIG = {
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": WIDTH,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": INSIDE,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": WORDS.index("[PAD]"),
}
LAYER, TABLES = "encoder.layer.0", "embeddings.{}_embeddings.weight"
QUERY, PLACES, TYPES = f"{LAYER}.attention.self.query", TABLES.format("position"), TABLES.format("token_type")


def tensors():
    random = np.random.default_rng(0)
    layers = {f"attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
    layers |= {"attention.output.dense": (WIDTH, WIDTH)}
    layers |= {"intermediate.dense": (INSIDE, WIDTH), "output.dense": (WIDTH, INSIDE)}
    shapes = {f"{LAYER}.{name}.weight": shape for name, shape in layers.items()}
    shapes |= {f"{LAYER}.{name}.bias": shape[:1] for name, shape in layers.items()}
    norms = (f"{LAYER}.attention.output", f"{LAYER}.output", "embeddings")
    shapes |= {f"{name}.LayerNorm.{end}": (WIDTH,) for name in norms for end in ("weight", "bias")}
    rows = {"word": len(WORDS), "position": POSITIONS, "token_type": 2}
    shapes |= {TABLES.format(name): (count, WIDTH) for name, count in rows.items()}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def saved(folder, weights=None, **config):
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in WORDS))
    given = {name: torch.from_numpy(np.asarray(array)) for name, array in (tensors() | (weights or {})).items()}
    torch.save(given, folder / "pytorch_model.bin")
    return folder


def around(folder, **settings):
    listed = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in listed]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings))


def test_the_whole_folder_is_read(tmp_path):
    trunk = read_text_trunk(saved(tmp_path))
    assert (trunk.spec.width, trunk.spec.layers, trunk.spec.context_length) == (WIDTH, 1, POSITIONS)
    around(tmp_path, max_seq_length=7, do_lower_case=False)
    assert read_text_trunk(tmp_path).spec.context_length == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vocab_size", "x"),
        ("vocab_size", None),
        ("hidden_size", 0),
        ("hidden_size", "384"),
        ("hidden_size", True),
        ("hidden_size", [8]),
        ("num_hidden_layers", 6.5),
        ("num_attention_heads", 0),
        ("num_attention_heads", -2),
        ("intermediate_size", None),
        ("max_position_embeddings", 0),
        ("pad_token_id", None),
        ("pad_token_id", -1),
        ("layer_norm_eps", "small"),
        ("layer_norm_eps", 0),
        ("hidden_act", ["x"]),
        ("hidden_act", {}),
    ],
)
def test_fields_of_config_json(name, value, tmp_path):
    with pytest.raises(FormatError) as refused:
        read_text_trunk(saved(tmp_path, **{name: value}))
    assert refused.value.problem == f"config.json of {tmp_path} has {name} = {value!r}"
    assert "\n" not in str(refused.value)


def test_heads_that_do_not_divide_the_width(tmp_path):
    with pytest.raises(FormatError, match="has hidden_size = 8 and num_attention_heads = 3; the first must be"):
        read_text_trunk(saved(tmp_path, num_attention_heads=3))


@pytest.mark.parametrize("kind", [["x"], {}, 7])
def test_a_kind_that_is_no_name(kind, tmp_path):
    with pytest.raises(UnknownTrunk, match="holds no text tower of a known kind"):
        read_text_trunk(saved(tmp_path, model_type=kind))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_seq_length", value) for value in ("x", [], True, 0, 7.5)),
        *(("do_lower_case", value) for value in ("false", 0, None)),
    ],
)
def test_settings_of_a_sentence_encoder(name, value, tmp_path):
    around(saved(tmp_path), **{name: value})
    with pytest.raises(FormatError) as refused:
        read_text_trunk(tmp_path)
    assert refused.value.problem == f"{tmp_path / 'sentence_bert_config.json'} has {name} = {value!r}"


@pytest.mark.parametrize("name", ["do_lower_case", "strip_accents", "tokenize_chinese_chars"])
def test_settings_of_the_tokenizer(name, tmp_path):
    (saved(tmp_path) / "tokenizer_config.json").write_text(json.dumps({name: "false"}))
    with pytest.raises(FormatError) as refused:
        read_text_trunk(tmp_path)
    assert refused.value.problem == f"tokenizer_config.json of {tmp_path} has {name} = 'false'"


@pytest.mark.parametrize(
    ("name", "shape", "wanted"),
    [
        (f"{QUERY}.weight", (WIDTH,), (WIDTH, WIDTH)),
        (f"{QUERY}.weight", (), (WIDTH, WIDTH)),
        (f"{QUERY}.bias", (), (WIDTH,)),
        (f"{QUERY}.bias", (WIDTH, 1), (WIDTH,)),
        (PLACES, (), (POSITIONS, WIDTH)),
        (PLACES, (POSITIONS, 1), (POSITIONS, WIDTH)),
        (PLACES, (POSITIONS, WIDTH + 1), (POSITIONS, WIDTH)),
        (PLACES, (POSITIONS - 1, WIDTH), (POSITIONS, WIDTH)),
        (TYPES, (), (1, WIDTH)),
        (TYPES, (0, WIDTH), (1, WIDTH)),
        (TYPES, (2, 1), (2, WIDTH)),
        (TYPES, (2, WIDTH + 1), (2, WIDTH)),
    ],
)
def test_weights_of_another_shape(name, shape, wanted, tmp_path):
    with pytest.raises(ShapeMismatch) as refused:
        read_text_trunk(saved(tmp_path, {name: np.ones(shape, np.float32)}))
    assert refused.value.problem == f"{name} of {tmp_path / 'pytorch_model.bin'} is {shape}, not {wanted}"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (PLACES, f"bert.{PLACES}"),
        (f"{LAYER}.output.LayerNorm.weight", f"{LAYER}.output.LayerNorm.gamma"),
    ],
)
def test_a_weight_under_two_names(first, second, tmp_path):
    with pytest.raises(FormatError) as refused:
        read_text_trunk(saved(tmp_path, {second: np.ones(WIDTH, np.float32)}))
    file = tmp_path / "pytorch_model.bin"
    assert refused.value.problem == f"{file} holds {first} and {second}, which are the same weight"


SPARE = "; where the tower's last rows are spare, add lines [unused1], [unused2]..."


@pytest.mark.parametrize(
    ("lines", "problem", "cure"),
    [
        (WORDS[:-1], "{path} has 6 lines, the token table of the text tower 7 rows", SPARE),
        ((*SPECIALS, "cat"), "{path} has 6 lines, the token table of the text tower 7 rows", SPARE),
        ((*WORDS, "dog"), "{path} has 8 lines, the token table of the text tower 7 rows", ""),
        ((*WORDS, ""), "{path} has 8 lines, the token table of the text tower 7 rows", ""),
    ],
)
def test_a_vocabulary_with_other_lines_than_the_table_has_rows(lines, problem, cure, tmp_path):
    path = saved(tmp_path) / "vocab.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(FormatError) as refused:
        read_text_trunk(tmp_path)
    wanted = f"{problem.format(path=path)}; restore the file that belongs to the model{cure}"
    assert str(refused.value) == wanted


def test_a_vocabulary_with_a_token_twice(tmp_path):
    (saved(tmp_path) / "vocab.txt").write_text("".join(f"{line}\r\n" for line in (*WORDS[:-1], "a")))
    with pytest.raises(FormatError) as refused:
        read_text_trunk(tmp_path)
    assert refused.value.problem == f"{tmp_path / 'vocab.txt'} has 'a' on line 6 and again on line 7"


@pytest.mark.parametrize("token", SPECIALS)
def test_a_vocabulary_without_a_special_token(token, tmp_path):
    path = saved(tmp_path) / "vocab.txt"
    path.write_text("".join(f"{line}\n" for line in WORDS).replace(token, "dog"))
    with pytest.raises(FormatError) as refused:
        read_text_trunk(tmp_path)
    assert refused.value.problem == f"{path} has no {token}"
