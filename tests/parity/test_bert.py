"""Text encoders of transformers and sentence-transformers as text trunks: the same tokens, the same pooled rows."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from compare import TEXTS, record
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)
from transformers_side import BERT, VOCABULARY, disturb, only_list, save_tokenizer

from wordsight.base.errors import FormatError, ShapeMismatch
from wordsight.text.open import open_tokenizer
from wordsight.towers.bert.module import BertTower
from wordsight.weights.formats.trunk_table import read_text_trunk

KINDS = {
    "bert": lambda: BertModel(BertConfig(**BERT)),
    "bert with a head": lambda: BertForMaskedLM(BertConfig(**BERT, hidden_act="gelu_new")),
    "bert without pooler": lambda: BertModel(BertConfig(**BERT, layer_norm_eps=1e-5), add_pooling_layer=False),
    "roberta": lambda: RobertaModel(RobertaConfig(**BERT, pad_token_id=0)),
    "xlm-roberta with a head": lambda: XLMRobertaForMaskedLM(XLMRobertaConfig(**BERT, pad_token_id=0)),
}
MEAN = {"word_embedding_dimension": 48, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}


def saved(folder, kind="bert"):
    """Save a disturbed encoder with its tokenizer, and return what it is."""
    model = disturb(KINDS[kind]())
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return model


def sentence_transformer(folder, *, pooling=MEAN, modules=("Transformer", "Pooling", "Normalize"), **settings):
    """Put sentence-transformers' files around a folder of transformers."""
    listed = [
        {"idx": n, "name": str(n), "path": f"{n}_{kind}" if n else "", "type": f"sentence_transformers.models.{kind}"}
        for n, kind in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20, **settings}))


def ours(folder, place):
    """Return the trunk of a folder, the tokens of the texts and their pooled rows."""
    trunk = read_text_trunk(folder)
    for name, data in trunk.tokenizer_files.items():
        (place / name).write_bytes(data)
    tokens = open_tokenizer(trunk.tokenizer, place).batch(TEXTS, pad_to="longest")
    spec = replace(trunk.spec, projection="none")
    tower = BertTower(spec, spec.width).eval()
    tower.load_state_dict({name.removeprefix("text."): torch.tensor(array) for name, array in trunk.weights.items()})
    with torch.inference_mode():
        return trunk, tokens, tower(torch.from_numpy(tokens))


def theirs(folder, length, pool):
    tokens = AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, truncation=True, max_length=length, return_tensors="pt"
    )
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    seen = tokens["attention_mask"][..., None].float()
    rows = states[:, 0] if pool == "first" else (states * seen).sum(dim=1) / seen.sum(dim=1)
    return tokens["input_ids"].numpy(), rows


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_of_transformers_is_a_trunk(kind, tmp_path):
    folder = tmp_path / "model"
    saved(folder, kind)
    (tmp_path / "ours").mkdir()
    trunk, tokens, rows = ours(folder, tmp_path / "ours")
    assert trunk.spec.pool == "first"
    expected_tokens, expected = theirs(folder, trunk.spec.context_length, "first")
    np.testing.assert_array_equal(tokens, expected_tokens)
    record(f"{kind} alone", "transformers", rows, expected)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize(("name", "pool"), [("mean_tokens", "mean"), ("cls_token", "first")])
def test_a_sentence_encoder_keeps_its_pooling_and_its_length(name, pool, lower, tmp_path):
    folder = tmp_path / "model"
    saved(folder)
    pooling = dict.fromkeys(MEAN, False) | {f"pooling_mode_{name}": True}
    sentence_transformer(folder, pooling=pooling, do_lower_case=lower)
    (tmp_path / "ours").mkdir()
    trunk, tokens, rows = ours(folder, tmp_path / "ours")
    assert (trunk.spec.pool, trunk.spec.context_length, trunk.tokenizer.context_length) == (pool, 20, 20)
    assert trunk.tokenizer.cleaning == ("lower" if lower else "none")
    assert (trunk.tokenizer.kind, list(trunk.tokenizer_files)) == ("wordpiece", ["vocab.txt"])
    assert trunk.left_out == (
        "embeddings.position_embeddings.weight from 20",
        "embeddings.token_type_embeddings.weight from 1",
        "pooler.dense.bias",
        "pooler.dense.weight",
    )
    expected_tokens, expected = theirs(folder, 20, pool)
    np.testing.assert_array_equal(tokens, expected_tokens)
    record(f"sentence encoder, {pool}", "transformers", rows, expected)


def test_newer_folders_name_the_pooling(tmp_path):
    saved(tmp_path)
    sentence_transformer(tmp_path, pooling={"pooling_mode": "mean"})
    assert read_text_trunk(tmp_path).spec.pool == "mean"
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    assert read_text_trunk(tmp_path).spec.pool == "first"


def test_older_files_have_other_names_and_more_in_them(tmp_path):
    model = saved(tmp_path)
    only_list(tmp_path)
    new = read_text_trunk(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    old = {}
    for name, value in model.state_dict().items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        old[f"bert.{name}"] = value
    old["bert.embeddings.position_ids"] = torch.arange(80)[None]
    old["cls.predictions.bias"] = torch.zeros(4)
    torch.save(old, tmp_path / "pytorch_model.bin")
    trunk = read_text_trunk(tmp_path)
    assert trunk.left_out[-1] == "cls.predictions.bias"
    assert trunk.spec == new.spec and set(trunk.weights) == set(new.weights)
    assert all(np.array_equal(trunk.weights[name], new.weights[name]) for name in new.weights)


@pytest.mark.parametrize("case", [True, False])
def test_a_list_of_words_and_a_tokenizer_file_are_the_same_tokenizer(case, tmp_path):
    saved(tmp_path)
    whole = json.loads((tmp_path / "tokenizer.json").read_text())
    whole["normalizer"]["lowercase"] = case
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    first = read_text_trunk(tmp_path)
    only_list(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": case}))
    second = read_text_trunk(tmp_path)
    assert first.tokenizer == second.tokenizer and first.tokenizer_files == second.tokenizer_files
    assert first.tokenizer.lower_case is case


UNUSUAL = {
    "another model": {"model": {"max_input_chars_per_word": 50}},
    "another cleaning": {"normalizer": {"clean_text": False}},
    "another cut": {"pre_tokenizer": {"type": "Whitespace"}},
    "another end": {"post_processor": {"single": [{"Sequence": {"id": "A", "type_id": 0}}]}},
}


@pytest.mark.parametrize("change", UNUSUAL.values(), ids=UNUSUAL)
def test_another_tokenizer_file_is_kept_as_it_is(change, tmp_path):
    saved(tmp_path)
    whole = json.loads((tmp_path / "tokenizer.json").read_text())
    for part, values in change.items():
        whole[part] |= values
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    trunk = read_text_trunk(tmp_path)
    assert (trunk.tokenizer.kind, list(trunk.tokenizer_files)) == ("tokenizers", ["tokenizer.json"])


def test_an_added_token_is_kept_in_its_file(tmp_path):
    saved(tmp_path)
    whole = json.loads((tmp_path / "tokenizer.json").read_text())
    whole["added_tokens"].append({**whole["added_tokens"][0], "id": 9, "content": "dog"})
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    assert read_text_trunk(tmp_path).tokenizer.kind == "tokenizers"


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_what_is_no_such_encoder_is_refused_with_a_reason(tmp_path):
    saved(tmp_path)
    messages = {
        f"{tmp_path} holds no text tower of a known kind: its config.json says 'mpnet'; "
        "known: bert, roberta, xlm-roberta, camembert": {"model_type": "mpnet"},
        f"config.json of {tmp_path} has hidden_act = 'relu'; known: gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, "
        "silu": {"hidden_act": "relu"},
        f"config.json of {tmp_path} has is_decoder = True; only False is read": {"is_decoder": True},
        f"the tokenizer in {tmp_path} pads with 0, config.json says 3; restore the file that belongs to the model": {
            "pad_token_id": 3
        },
        f"the tokenizer in {tmp_path} has {len(VOCABULARY)} tokens, the text tower has 7; restore the file that "
        "belongs to the model": {"vocab_size": 7},
    }
    config = (tmp_path / "config.json").read_text()
    for message, values in messages.items():
        change_config(tmp_path, **values)
        with pytest.raises(FormatError) as caught:
            read_text_trunk(tmp_path)
        assert str(caught.value) == message
        (tmp_path / "config.json").write_text(config)
    change_config(tmp_path, num_hidden_layers=1)
    with pytest.raises(ShapeMismatch, match=r"holds 16 weights that have no place: encoder.layer.1.attention"):
        read_text_trunk(tmp_path)
    change_config(tmp_path, num_hidden_layers=3)
    with pytest.raises(ShapeMismatch, match=r"has no encoder.layer.2.attention.self.query.weight"):
        read_text_trunk(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(FormatError, match="there is no config.json that says which"):
        read_text_trunk(tmp_path)


def test_sentence_encoders_with_other_modules_are_named(tmp_path):
    saved(tmp_path)
    sentence_transformer(tmp_path, modules=("Transformer", "Pooling", "Dense", "Normalize"))
    with pytest.raises(FormatError) as caught:
        read_text_trunk(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is a model of sentence-transformers of Transformer, Pooling, Dense, Normalize; "
        "only a Transformer with a Pooling, and Normalize, is read"
    )


@pytest.mark.parametrize(
    ("pooling", "named"),
    [
        ({"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        (
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "pooling_mode_cls_token, pooling_mode_mean",
        ),
        ({"pooling_mode": "weightedmean"}, "pooling_mode_weightedmean_tokens"),
        ({}, "nothing"),
    ],
)
def test_other_poolings_are_named(pooling, named, tmp_path):
    saved(tmp_path)
    sentence_transformer(tmp_path, pooling=pooling)
    with pytest.raises(FormatError, match=f"pools by {named}"):
        read_text_trunk(tmp_path)


def test_numbers_that_are_none_are_an_error(tmp_path):
    model = disturb(KINDS["bert"]())
    model.embeddings.LayerNorm.bias.data[3] = torch.nan
    model.save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    with pytest.raises(FormatError, match=r"text.ln_pre.bias \(1 of 48 numbers\)"):
        read_text_trunk(tmp_path)
