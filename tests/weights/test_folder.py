"""The model folder: round trips, strictness, damaged and lying files, fingerprints, places."""

import dataclasses
import errno
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from wordsight.base.errors import FormatError, NotFound, ShapeMismatch, StorageError, UsageError
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.onnx.spec import OnnxImageSpec, OnnxTextSpec
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights import folder as folder_module
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.fingerprint import fingerprint, read_tensors
from wordsight.weights.folder import (
    load_towers,
    read_checkpoint,
    read_fingerprint,
    read_model_manifest,
    read_spec,
    save_checkpoint,
    save_model,
    verify,
    write_model_manifest,
)

SPEC = ModelSpec(
    "small",
    width=16,
    image=ResNetSpec(size=32, width=4, heads=4, stages=(1, 1, 1, 1)),
    text=ClipTextSpec(context_length=10, vocabulary_size=40, width=16, layers=1, heads=2),
    preprocess=PreprocessSpec(size=32, mean=(0.5, 0.5, 0.5)),
    tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=40, context_length=10),
)
MERGES = "a b\nab c\n"


@pytest.fixture
def towers():
    torch.manual_seed(0)
    towers = build(SPEC)
    towers.encode_image(torch.randn(4, 3, 32, 32))  # moves the batch norms' statistics
    with torch.no_grad():
        towers.logit_scale.fill_(9.0)  # above the limit
    return towers


@pytest.fixture
def folder(tmp_path, towers):
    save_model(towers, tmp_path / "model", merges=MERGES, card="# A card\n")
    return tmp_path / "model"


def test_what_is_saved_is_what_is_loaded(folder, towers):
    loaded = load_towers(folder)
    assert not loaded.training
    assert loaded.spec == read_spec(folder) == SPEC
    before, after = towers.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(p.requires_grad and p.device.type == "cpu" for p in loaded.parameters())
    pixels = torch.randn(2, 3, 32, 32)
    assert torch.equal(loaded.encode_image(pixels), towers.eval().encode_image(pixels))


def test_loaded_towers_can_learn_without_changing_the_file(folder):
    before = (folder / "weights.safetensors").read_bytes()
    loaded = load_towers(folder).train()
    loaded.encode_image(torch.randn(2, 3, 32, 32))[:, 0].sum().backward()
    torch.optim.SGD(loaded.parameters(), lr=1.0).step()
    assert (folder / "weights.safetensors").read_bytes() == before


def test_fixed_positions_are_made_again_not_stored(tmp_path):
    image = VitSpec(size=32, width=16, layers=1, heads=2, patch=16, stem="conv", pool="mean", positions="sincos")
    image = dataclasses.replace(image, width=64)
    towers = build(dataclasses.replace(SPEC, image=image)).eval()
    save_model(towers, tmp_path / "m", merges=MERGES)
    assert "visual.positional_embedding" not in load_file(tmp_path / "m" / "weights.safetensors")
    pixels = torch.randn(2, 3, 32, 32)
    assert torch.equal(load_towers(tmp_path / "m").encode_image(pixels), towers.encode_image(pixels))


def test_the_folder_holds_what_the_format_says(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "merges.txt", "model.json", "weights.safetensors"]
    assert (folder / "merges.txt").read_text() == MERGES
    assert (folder / "README.md").read_text() == "# A card\n"
    values = json.loads((folder / "model.json").read_text())
    assert (values["format"], values["version"], values["precisions"]) == ("wordsight-model", 1, [])
    assert values["scale"] == pytest.approx(100.0)  # learned and clamped; the spec has the initial value
    assert values["spec"]["scale"] == pytest.approx(1 / 0.07)
    assert "bias" not in values
    write_model_manifest(folder, dataclasses.replace(read_model_manifest(folder), precisions=("int8", "fp32")))
    assert read_model_manifest(folder).precisions == ("int8", "fp32")
    assert sorted(folder.parent.iterdir()) == [folder]


def test_the_learned_bias_is_in_the_manifest(tmp_path):
    towers = build(dataclasses.replace(SPEC, loss="sigmoid", scale=10.0, bias=-10.0))
    with torch.no_grad():
        towers.logit_bias.fill_(-12.5)
    manifest = save_model(towers, tmp_path / "m", merges=MERGES)
    assert (manifest.scale, manifest.bias) == (pytest.approx(10.0), -12.5)
    assert load_towers(tmp_path / "m").logit_bias.item() == -12.5


def test_half_precision_storage_halves_the_file_and_loads_as_float32(folder, towers):
    whole = (folder / "weights.safetensors").stat().st_size
    save_model(towers, folder, merges=MERGES, dtype="float16")
    assert (folder / "weights.safetensors").stat().st_size < 0.6 * whole
    stored, loaded = load_file(folder / "weights.safetensors"), load_towers(folder)
    assert stored["text_projection"].dtype == torch.float16
    assert stored["logit_scale"].dtype == torch.float32
    assert loaded.text_projection.dtype == torch.float32
    torch.testing.assert_close(loaded.text_projection, towers.text_projection, atol=1e-3, rtol=1e-3)
    verify(folder)
    with pytest.raises(UsageError, match="'int4'.*float32, float16"):
        save_model(towers, folder, merges=MERGES, dtype="int4")


def test_the_fingerprint_is_the_documented_one(folder, towers):
    """docs/weights.md, stated again: read with safetensors, hashed by hand."""
    import hashlib

    def line(value):
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"

    state = load_file(folder / "weights.safetensors")
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name]
        head = line([name, kinds[value.dtype], list(value.shape)])
        digest.update(hashlib.sha256(head + value.numpy().tobytes()).digest())
    spec = json.loads((folder / "model.json").read_text())["spec"]
    for value in (spec["preprocess"], spec["tokenizer"], MERGES):
        digest.update(line(value))
    usual = dataclasses.replace(
        SPEC, image=dataclasses.replace(SPEC.image, heads=2), text=dataclasses.replace(SPEC.text, heads=1)
    )
    files = {"merges.txt": MERGES.encode()}
    assert fingerprint(usual, read_tensors(folder / "weights.safetensors"), files) == digest.hexdigest()[:16]
    common = digest.copy()
    common.update(line({"image": {"heads": 4}, "text": {"heads": 2}}))
    assert read_fingerprint(folder) == common.hexdigest()[:16]
    assert set(spec["preprocess"]) == {"size", "resize", "interpolation", "mean", "std"}  # later fields only if set
    digest.update(line({"image": {}, "text": {"activation": "quick_gelu", "pool": "last"}}))
    text = dataclasses.replace(usual.text, activation="quick_gelu", pool="last")
    twin = dataclasses.replace(usual, text=text)
    assert fingerprint(twin, read_tensors(folder / "weights.safetensors"), files) == digest.hexdigest()[:16]
    digest.update(line({"tokenizer.json": hashlib.sha256(b"{}").hexdigest()}))
    files = {"merges.txt": MERGES.encode(), "tokenizer.json": b"{}"}
    assert fingerprint(twin, read_tensors(folder / "weights.safetensors"), files) == digest.hexdigest()[:16]


def test_a_checkpoint_makes_the_round_trip_without_torch(folder, tmp_path, towers):
    checkpoint = read_checkpoint(folder)
    assert checkpoint.tokenizer_files == {"merges.txt": MERGES.encode()}
    assert np.array_equal(checkpoint.state["text_projection"], towers.text_projection.detach().numpy())
    said = dataclasses.replace(checkpoint, assumed=("Assumed this.",), origin={"format": "test"})
    manifest = save_checkpoint(said, tmp_path / "again")
    assert manifest.fingerprint == read_fingerprint(folder)
    assert (manifest.assumed, manifest.origin) == (("Assumed this.",), {"format": "test"})
    assert read_model_manifest(tmp_path / "again") == manifest
    assert (tmp_path / "again" / "weights.safetensors").read_bytes() == (folder / "weights.safetensors").read_bytes()
    verify(tmp_path / "again")
    short = {name: array for name, array in checkpoint.state.items() if name != "ln_final.bias"}
    with pytest.raises(ShapeMismatch, match=r"1 missing \(ln_final\.bias\)"):
        save_checkpoint(dataclasses.replace(checkpoint, state=short), tmp_path / "short")


def test_finished_graphs_take_the_place_of_weights(tmp_path):
    for tower in ("image", "text"):
        (tmp_path / tower).mkdir()
        (tmp_path / tower / f"{tower}.onnx").write_bytes(f"graph of {tower}".encode())
    (tmp_path / "text" / "text.onnx.data").write_bytes(b"large tensors")
    image, text = OnnxImageSpec(size=32), OnnxTextSpec(context_length=10)
    spec = ModelSpec(
        "graphs",
        16,
        image,
        text,
        preprocess=PreprocessSpec(size=32),
        tokenizer=TokenizerSpec(context_length=10),
        scale=50.0,
    )
    graphs = {tower: tmp_path / tower / f"{tower}.onnx" for tower in ("image", "text")}
    manifest = save_checkpoint(Checkpoint(spec, {}, graphs=graphs), tmp_path / "m")
    assert (manifest.precisions, manifest.scale) == (("fp32",), 50.0)
    onnx = tmp_path / "m" / "onnx"
    assert [path.relative_to(onnx).as_posix() for path in sorted(onnx.glob("*/*"))] == [
        "image/model.onnx",
        "text/model.onnx",
        "text/text.onnx.data",
    ]
    verify(tmp_path / "m")
    (onnx / "text" / "text.onnx.data").unlink()
    (onnx / "text" / "text.onnx.data").write_bytes(b"other tensors")
    with pytest.raises(FormatError, match="states fingerprint"):
        verify(tmp_path / "m")
    with pytest.raises(UsageError, match="holds finished graphs, no weights"):
        read_checkpoint(tmp_path / "m")


def test_the_fingerprint_changes_with_all_that_makes_an_embedding_and_nothing_else(towers, tmp_path):
    def saved(towers, merges=MERGES):
        return save_model(towers, tmp_path / "m", merges=merges).fingerprint

    base = saved(towers)
    other = [
        saved(towers, merges="a b\n"),
        saved(_with_spec(towers, preprocess=PreprocessSpec(size=32))),
        saved(_with_spec(towers, tokenizer=dataclasses.replace(SPEC.tokenizer, vocabulary_size=41))),
    ]
    assert saved(_with_spec(towers, name="renamed")) == base
    with torch.no_grad():
        towers.text_projection[0, 0] += 1e-6
    other.append(saved(towers))
    assert len({base, *other}) == 5


def test_whole_numbers_in_a_spec_do_not_change_the_fingerprint(tmp_path, towers):
    twin = _with_spec(towers, preprocess=PreprocessSpec(size=32, mean=(0, 0, 0), std=(1, 1, 1)))
    save_model(twin, tmp_path / "m", merges=MERGES)
    verify(tmp_path / "m")


def _with_spec(towers, **changes):
    twin = build(SPEC)
    twin.load_state_dict(towers.state_dict())
    twin.spec = dataclasses.replace(SPEC, **changes)
    return twin


def test_raw_tensors_are_read_without_torch_also_in_bfloat16(tmp_path):
    save_file({"b": torch.ones(2, 3, dtype=torch.bfloat16), "a": torch.arange(3)}, tmp_path / "x.safetensors")
    found = {t.name: t for t in read_tensors(tmp_path / "x.safetensors")}
    assert (found["b"].dtype, found["b"].shape, found["b"].data) == ("BF16", (2, 3), b"\x80\x3f" * 6)
    assert np.frombuffer(found["a"].data, "<i8").tolist() == [0, 1, 2]


def test_an_exchanged_file_is_found_out(folder):
    verify(folder)
    (folder / "merges.txt").write_text("a c\n")
    with pytest.raises(FormatError, match="states fingerprint"):
        verify(folder)
    (folder / "merges.txt").unlink()
    with pytest.raises(NotFound, match=r"no merges\.txt"):
        verify(folder)


def change_weights(folder, change):
    state = load_file(folder / "weights.safetensors")
    change(state)
    save_file(state, folder / "weights.safetensors")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("ln_final.bias"), r"1 missing \(ln_final\.bias\)"),
        (lambda s: s.update(extra=torch.ones(2)), r"1 unknown \(extra\)"),
        (lambda s: s.update({"text_projection": torch.ones(3, 4)}), r"text_projection is \(3, 4\), not \(16, 16\)"),
        (lambda s: s.update({"logit_scale": torch.tensor(3)}), r"of another kind \(logit_scale is int64\)"),
        (lambda s: [s.pop(n) for n in list(s) if n.startswith("visual")], r"missing \(.* and \d+ more\)"),
    ],
    ids=["missing", "unknown", "shape", "kind", "many"],
)
def test_weights_of_another_shape_are_refused_by_name(folder, change, said):
    change_weights(folder, change)
    with pytest.raises(ShapeMismatch, match=said):
        load_towers(folder)


def test_an_engines_only_folder_has_a_spec_but_no_towers(folder):
    (folder / "weights.safetensors").unlink()
    assert read_spec(folder) == SPEC
    assert len(read_fingerprint(folder)) == 16
    with pytest.raises(
        NotFound, match=r"has no weights, and no graphs; restore weights\.safetensors, or use its graphs"
    ):
        load_towers(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "not the manifest of a model"),
        ({"version": 2}, "format version 2; this program reads 1"),
        ({"spec": {"name": "x", "widht": 3}}, "unknown key spec.widht; did you mean width"),
        ({"scale": "big"}, "scale = 'big'"),
        ({"spec": {"name": "x", "image": {"heads": 7}}}, "image.width = 768"),
    ],
)
def test_a_wrong_manifest_is_refused_by_name(folder, change, said):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(FormatError, match=said):
        read_model_manifest(folder)


def test_a_manifest_that_is_no_object_or_no_json_is_refused(folder):
    for text in ("[1]", "{", "\ud800".encode("utf-8", "surrogatepass")):
        write = (folder / "model.json").write_bytes if isinstance(text, bytes) else (folder / "model.json").write_text
        write(text)
        with pytest.raises(FormatError, match=r"model\.json"):
            read_model_manifest(folder)


def test_saving_again_replaces_the_model_and_its_graphs_but_no_other_file(folder, towers):
    (folder / "onnx").mkdir()
    (folder / "onnx" / "image.int8.onnx").write_bytes(b"graph of the old weights")
    (folder / "notes.txt").write_text("mine")
    first = read_fingerprint(folder)
    with torch.no_grad():
        towers.text_projection.mul_(2)
    manifest = save_model(towers, folder, merges=MERGES)
    assert manifest.fingerprint != first
    assert manifest == read_model_manifest(folder)
    assert not (folder / "onnx").exists()
    assert (folder / "notes.txt").read_text() == "mine"
    assert sorted(folder.parent.iterdir()) == [folder]
    verify(folder)


def test_a_full_disk_leaves_the_old_model_whole(folder, towers, monkeypatch):
    before = read_fingerprint(folder)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder_module, "write_safetensors", full)
    with pytest.raises(StorageError, match="the disk is full"):
        save_model(towers, folder, merges=MERGES)
    monkeypatch.undo()
    assert read_fingerprint(folder) == before
    verify(folder)
    assert sorted(folder.parent.iterdir()) == [folder]


def test_ctrl_c_while_saving_leaves_the_old_model_whole(folder, towers, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_module, "write_model_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_model(towers, folder, merges=MERGES)
    verify(folder)
    assert sorted(folder.parent.iterdir()) == [folder]


def test_what_a_killed_process_left_is_no_hindrance(folder, towers, killed_draft):
    for kind in ("part", "old"):
        left = killed_draft(folder, kind)
        left.mkdir()
        (left / "weights.safetensors").write_bytes(b"half")
    save_model(towers, folder, merges=MERGES)
    verify(folder)
    assert sorted(folder.parent.iterdir()) == [folder]


def test_foreign_folders_and_files_are_not_overwritten(tmp_path, towers):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match="holds other files and no model"):
        save_model(towers, tmp_path / "photos", merges=MERGES)
    with pytest.raises(UsageError, match="is a file"):
        save_model(towers, tmp_path / "photos" / "cat.jpg", merges=MERGES)
    (tmp_path / "new").mkdir()
    save_model(towers, tmp_path / "new", merges=MERGES)
    verify(tmp_path / "new")


def test_merges_are_needed_exactly_where_the_vocabulary_is_own(tmp_path, towers):
    with pytest.raises(UsageError, match=r"give merges\.txt"):
        save_model(towers, tmp_path / "m")
    towers.spec = dataclasses.replace(SPEC, tokenizer=dataclasses.replace(SPEC.tokenizer, vocabulary="clip"))
    with pytest.raises(UsageError, match="give none"):
        save_model(towers, tmp_path / "m", merges=MERGES)
    save_model(towers, tmp_path / "m")
    assert not (tmp_path / "m" / "merges.txt").exists()
    verify(tmp_path / "m")
