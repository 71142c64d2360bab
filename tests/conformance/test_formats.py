"""What every public format of the table must do, found through its row.

`formats/NAME.json` are the manifests of tiny models, so that every format holds at least one of them whole.  A new
format needs nothing here, unless it holds none of these.  `made_up_format/` is one that the package does not have: a
folder, and a row that is put into the table here.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordsight.base.errors import FormatError, ShapeMismatch, UsageError
from wordsight.cli import convert
from wordsight.text.open import open_tokenizer
from wordsight.towers.build import build
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.fingerprint import stated
from wordsight.weights.folder import read_spec
from wordsight.weights.formats import table
from wordsight.weights.formats.table import FORMATS, Format, read_any, write_as, written

sys.path.insert(0, str(Path(__file__).parent))

from made_up_format import format as made_up
from pinning import drawn

ROOT = Path(__file__).parents[2]
MODELS = sorted(path.stem for path in Path(__file__).with_name("formats").glob("*.json"))
TEXTS = ["two red cats, on green grass!", "", "w1 w2 w30"]
MERGES = "".join(f"{left} {right}\n" for left in "etaoin" for right in "etaoin").encode()
PIECES = ("<unk>", "</s>", "\u2581", *"etaoinshr")
READ_ONLY = sorted(set(FORMATS) - set(written()))


def tokenizer_files(spec):
    """Return the smallest files of each kind of tokenizer."""
    if spec.kind == "clip-bpe":
        return {"merges.txt": MERGES} if spec.vocabulary == "own" else {}
    if spec.kind == "sentencepiece":  # messages of one field, the piece, in the field `pieces` of the whole
        fields = [b"\n" + bytes([len(piece.encode())]) + piece.encode() for piece in PIECES]
        return {"spiece.model": b"".join(b"\n" + bytes([len(field)]) + field for field in fields)}
    ids = {word: number for number, word in enumerate(["[UNK]", "[PAD]", *(f"w{number}" for number in range(38))])}
    model = {"type": "WordLevel", "vocab": ids, "unk_token": "[UNK]"}
    whole = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model}
    return {"tokenizer.json": json.dumps(whole | dict.fromkeys(("truncation", "padding", "normalizer"))).encode()}


def make(name, folder):
    """Return a tiny model with random weights; where a neighbour has a number fixed to zero, it is zero."""
    folder.mkdir()
    (folder / "model.json").write_bytes((Path(__file__).with_name("formats") / f"{name}.json").read_bytes())
    spec = read_spec(folder)
    shapes = {key: (tuple(value.shape), value.is_floating_point()) for key, value in build(spec).state_dict().items()}
    state = drawn(shapes)
    if "visual.stem.0.weight" in state:  # MobileCLIP-B: the class token has no position, the projection no bias
        state["visual.positional_embedding"][0] = 0
        state["visual.head.bias"][:] = 0
    return Checkpoint(spec, state, tokenizer_files(spec.tokenizer))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return {name: make(name, folder / name) for name in MODELS}


def held(name, models, folder):
    """Write every model that the format holds; return folder and model by name."""
    there = {}
    for key, model in models.items():
        (folder / key).mkdir()
        try:
            write_as(model, folder / key, name)
        except UsageError:
            assert not list((folder / key).iterdir()), f"{name} refuses {key} and leaves files behind"
        else:
            there[key] = folder / key, model
    assert there, f"{name} holds none of {', '.join(MODELS)}: add the manifest of a tiny model to formats/"
    return there


def recognised_by(folder):
    return [name for name, row in FORMATS.items() if row.recognise(CheckpointFiles(folder))]


def same_weights(model, back):
    assert {name: (array.shape, array.dtype) for name, array in back.state.items()} == {
        name: (array.shape, array.dtype) for name, array in model.state.items()
    }
    assert all(np.array_equal(back.state[name], array) for name, array in model.state.items())


def facts(checkpoint, *, without=()):
    """Return what the manifest would say of the spec but for the name and, in the text tower, `without`."""
    values = {key: value for key, value in stated(checkpoint.spec).items() if key != "name"}
    values["text"] = {key: value for key, value in values["text"].items() if key not in without}
    return values


def is_whole(model, back):
    """Return whether all facts came back: the whole spec but the name, and the tokenizer files."""
    return facts(back) == facts(model) and dict(back.tokenizer_files) == dict(model.tokenizer_files)


def tokens(model, folder):
    folder.mkdir()
    for name, content in model.tokenizer_files.items():
        (folder / name).write_bytes(content)
    return open_tokenizer(replace(model.spec.tokenizer, cleaning="none", pad_id=0), folder).batch(TEXTS[2:])


def check_round_trip(name, models, folder):
    """What is written is recognised by this row alone and read back: all weights, and of one model all facts."""
    whole = []
    for key, (place, model) in held(name, models, folder).items():
        assert recognised_by(place) == [name]
        back = read_any(place)
        assert back.origin["format"] == name
        same_weights(model, back)
        there, here = facts(back, without=["pad_id"]), facts(model, without=["pad_id"])
        for part in ("width", "image", "text", "loss"):
            assert there[part] == here[part]
        assert back.spec.preprocess.size == model.spec.preprocess.size
        if model.spec.tokenizer.kind != "sentencepiece":
            assert np.array_equal(tokens(back, folder / f"{key}-1"), tokens(model, folder / f"{key}-2"))
        whole += [key] if is_whole(model, back) else []
    assert whole, f"{name} brings no model back with all its facts"


def check_strict(name, models, folder):
    """A weight too many, or one too few, is named; nothing is passed over."""
    place, _ = next(iter(held(name, models, folder).values()))
    tensors = dict(CheckpointFiles(place).tensors)
    first = next(name for name, array in tensors.items() if array.ndim > 1)
    more = f"{first.rpartition('/')[0]}/more" if "/" in first else f"{first.rpartition('.')[0]}.more"
    files = CheckpointFiles(place)
    files.__dict__["tensors"] = tensors | {more: np.zeros(3, np.float32)}
    with pytest.raises(ShapeMismatch, match="more"):
        read_checked(files, name)
    norms = [name for name, array in tensors.items() if array.ndim == 1 and name.endswith(("weight", "scale"))]
    for lacking in (norms[0], norms[-1]):
        files = CheckpointFiles(place)
        files.__dict__["tensors"] = {key: array for key, array in tensors.items() if key != lacking}
        with pytest.raises((ShapeMismatch, FormatError)):
            read_checked(files, name)


def read_checked(files, name):
    """Read as `read_any` does, where the tensors are given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "CheckpointFiles", lambda path, part: files)
        patch.setattr(table, "FORMATS", {name: FORMATS[name]})
        return read_any(files.path)


@pytest.mark.parametrize("name", written())
def test_what_is_written_is_read_again(name, models, tmp_path, capsys):
    check_round_trip(name, models, tmp_path)


@pytest.mark.parametrize("name", written())
def test_every_weight_is_used_and_none_is_missing(name, models, tmp_path, capsys):
    check_strict(name, models, tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_no_model_are_not_recognised(name, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    np.savez(tmp_path / "other.npz", weight=np.zeros(3))
    assert not FORMATS[name].recognise(CheckpointFiles(tmp_path))


def onnx_folder(folder):
    """A folder of finished graphs; reading does not open them."""
    for tower in ("visual", "textual"):
        (folder / tower).mkdir()
        (folder / tower / "model.onnx").write_bytes(b"graph")
    config = {"embed_dim": 24, "text_cfg": {"context_length": 12, "vocab_size": 40}}
    preprocess = {"size": [32, 32], "interpolation": "bilinear", "mean": [0.1, 0.2, 0.3]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "visual" / "preprocess_cfg.json").write_text(json.dumps(preprocess))
    tokenizer = {"model": {"vocab": {"[UNK]": 0, "[PAD]": 1}}}
    (folder / "textual" / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "textual" / "tokenizer_config.json").write_text('{"pad_token": {"content": "[PAD]"}}')


READ_ONLY_FOLDERS = {"onnx-folder": onnx_folder}  # how files of a format that is not written are made


@pytest.mark.parametrize("name", READ_ONLY)
def test_a_format_without_a_writer_is_read(name, models, tmp_path):
    with pytest.raises(UsageError, match=f"format '{name}' cannot be written; use one of huggingface, openclip"):
        write_as(models["clip"], tmp_path / "out", name)
    assert not (tmp_path / "out").exists()
    READ_ONLY_FOLDERS[name](tmp_path)
    assert next(key for key, row in FORMATS.items() if row.recognise(CheckpointFiles(tmp_path))) == name
    back = read_any(tmp_path)
    assert (back.origin["format"], list(back.graphs), dict(back.state)) == (name, ["image", "text"], {})
    assert (back.spec.width, back.spec.preprocess.mean, back.spec.tokenizer.pad_id) == (24, (0.1, 0.2, 0.3), 1)
    assert (back.spec.image.size, back.spec.text.context_length, back.spec.loss) == (32, 12, "softmax")
    assert list(back.tokenizer_files) == ["tokenizer.json"]


def test_an_unknown_format_is_named(models, tmp_path):
    with pytest.raises(UsageError, match="format 'tape' is unknown; use one of huggingface, openclip"):
        write_as(models["clip"], tmp_path / "out", "tape")


def test_what_names_the_formats_names_those_of_the_table():
    assert sorted(convert.PUBLIC) == sorted(written())
    pages = {"docs/cli.md": "`{}`", "docs/weights.md": "`{}`", "README.md": "{}"}
    for page, form in pages.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [name for name in written() if form.format(name) not in text] == [], page


def test_a_new_format_is_one_row(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(FORMATS, "made-up", Format(made_up.recognise, made_up.read, made_up.write))
    for check in (check_round_trip, check_strict):
        (tmp_path / check.__name__).mkdir()
        check("made-up", models, tmp_path / check.__name__)
    assert written()[-1] == "made-up"
    broken = Format(made_up.recognise, lambda files: replace(made_up.read(files), state={}), made_up.write)
    monkeypatch.setitem(FORMATS, "made-up", broken)
    (tmp_path / "broken").mkdir()
    with pytest.raises(ShapeMismatch, match="missing"):
        check_round_trip("made-up", models, tmp_path / "broken")
