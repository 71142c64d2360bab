"""What every family of towers must do, found through its row.

Examples are the models of `pinned/`.  `made_up_towers/` holds two families that the package does not have: a folder,
and rows that are put into the tables here.
"""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import onnxruntime
import pytest
import torch

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import ConfigError, NotFound, UsageError
from wordsight.engines.engine import end_token, needed_lengths, needs_all
from wordsight.engines.export import export
from wordsight.engines.open import open_engine
from wordsight.engines.parity import some_images, some_texts
from wordsight.engines.torch_engine import TorchEngine
from wordsight.towers.build import build
from wordsight.towers.check import check_spec
from wordsight.towers.families import IMAGE_FAMILIES, TEXT_FAMILIES, image_family, native, text_family, written
from wordsight.towers.features import image_states
from wordsight.towers.graph.write import TOWERS, GraphSource, build_graph, write_graph, writes
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.tower import of_patches
from wordsight.train.bag_of_words import BagOfWordsHead
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.fingerprint import stated
from wordsight.weights.folder import (
    load_towers,
    read_checkpoint,
    read_model_manifest,
    save_checkpoint,
    verify,
    write_model_manifest,
)
from wordsight.weights.resize import resize_checkpoint

sys.path.insert(0, str(Path(__file__).parent))

import pinning
from made_up_towers.family import COLOURS, COUNTS

ROOT = Path(__file__).parents[2]
MADE_UP = Path(__file__).with_name("made_up_towers") / "model.json"
FILES = {path.stem: path for path in (pinning.PLACE / f"{name}.json" for name in pinning.NAMES)} | {"made up": MADE_UP}
CLOSE = 2e-6  # of any number of a unit row


@pytest.fixture(scope="module", autouse=True)
def rows() -> Iterator[None]:
    """Put the made-up rows into the tables."""
    patch = pytest.MonkeyPatch()
    patch.setitem(IMAGE_FAMILIES, "colours", COLOURS)
    patch.setitem(TEXT_FAMILIES, "counts", COUNTS)
    yield
    patch.undo()


@pytest.fixture(scope="module", params=FILES)
def model(request, rows, tmp_path_factory):
    """Return the folder of a model, with weights that are drawn."""
    pinning.register_operators()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.json").write_bytes(FILES[request.param].read_bytes())
    spec = read_model_manifest(folder).spec
    tensors = build(spec).state_dict()
    state = pinning.drawn({key: (tuple(value.shape), value.is_floating_point()) for key, value in tensors.items()})
    save_checkpoint(Checkpoint(spec, state, pinning.VOCABULARY), folder)
    return folder


def test_every_row_has_an_example(rows, tmp_path):
    specs = []
    for name, path in FILES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_bytes(path.read_bytes())
        specs.append(read_model_manifest(tmp_path / name).spec)
    missing = "a new family needs a tiny model: python tests/conformance/pinning.py NAME"
    wanted = {kind for kind, row in IMAGE_FAMILIES.items() if not row.finished}
    assert {spec.image.kind for spec in specs} == wanted, missing
    wanted = {kind for kind, row in TEXT_FAMILIES.items() if row.module or row.at_root}
    assert {spec.text.kind for spec in specs} == wanted, missing


def test_every_row_is_named_for_its_kind(rows):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for table in (IMAGE_FAMILIES, TEXT_FAMILIES):
        for kind, row in table.items():
            assert row.spec().kind == kind
            assert get_args(get_type_hints(row.spec)["kind"]) == (kind,)
            assert row.extra in extras
            assert not {field.name for field in fields(row.spec)} & set(row.implied)


def test_the_tables_decide_what_a_spec_may_say(rows):
    for part, table in (("image", IMAGE_FAMILIES), ("text", TEXT_FAMILIES)):
        for kind, row in table.items():
            assert getattr(from_dict(ModelSpec, {"name": "x", part: {"kind": kind}}), part) == row.spec()
        with pytest.raises(ConfigError, match=f"{part}.kind = 'nothing'") as caught:
            from_dict(ModelSpec, {"name": "x", part: {"kind": "nothing"}})
        assert all(f"'{kind}'" in caught.value.cure for kind in table)


def test_a_spec_is_what_was_written(model):
    spec = read_model_manifest(model).spec
    check_spec(spec)
    assert from_dict(ModelSpec, to_dict(spec)) == spec
    assert from_dict(ModelSpec, stated(spec)) == spec
    with pytest.raises(ConfigError, match="unknown key image.sizes"):
        from_dict(ModelSpec, to_dict(spec) | {"image": to_dict(spec.image) | {"sizes": 3}})


def test_what_weights_do_not_show_is_in_the_fingerprint(rows, tmp_path):
    (tmp_path / "model.json").write_bytes(MADE_UP.read_bytes())
    spec = read_model_manifest(tmp_path).spec
    state = pinning.drawn({name: (shape, True) for name, shape in shapes(spec).items()})
    given = Checkpoint(spec, state, pinning.VOCABULARY)
    prints = {
        save_checkpoint(
            replace(given, spec=replace(spec, image=replace(spec.image, slope=slope))), tmp_path
        ).fingerprint
        for slope in (0.1, 0.25, 0.5)
    }
    assert len(prints) == 3


def test_what_is_built_has_the_shapes_that_are_stated(model):
    spec = read_model_manifest(model).spec
    if not native(spec):
        with pytest.raises(ConfigError, match="not known here"):
            shapes(spec)
        return
    built = {name: tuple(value.shape) for name, value in build(spec).state_dict().items()}
    assert list(shapes(spec).items()) == list(built.items())


@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_written_graph_gives_what_the_module_gives(model, tower):
    spec, checkpoint = read_model_manifest(model).spec, read_checkpoint(model)
    assert written(spec) == (writes(spec, "image") and writes(spec, "text"))
    if not writes(spec, tower):
        assert (image_family(spec.image) if tower == "image" else text_family(spec.text)).extra != "train"
        return
    engine = TorchEngine(model, device="cpu", precision="fp32")
    inputs = some_images(spec, 3) if tower == "image" else some_texts(spec, 3)
    expected = engine.embed_images(inputs) if tower == "image" else engine.embed_texts(inputs)
    for precision, limit in (("fp32", CLOSE), ("fp16", 2e-3)):
        content = build_graph(GraphSource(spec, checkpoint.state), tower, precision)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        given = session.run(None, {session.get_inputs()[0].name: inputs})[0]
        np.testing.assert_allclose(given, expected, atol=limit, rtol=0)
    build_graph(GraphSource(spec, checkpoint.state), tower, "int8")


def test_a_model_is_saved_and_loaded_whole(model, tmp_path):
    checkpoint = read_checkpoint(model)
    manifest = save_checkpoint(checkpoint, tmp_path / "again")
    assert manifest.fingerprint == read_model_manifest(model).fingerprint
    verify(tmp_path / "again")
    pixels = torch.from_numpy(some_images(checkpoint.spec, 2)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        assert torch.equal(
            load_towers(tmp_path / "again").encode_image(pixels), load_towers(model).encode_image(pixels)
        )


def test_another_size_fits(model):
    checkpoint = read_checkpoint(model)
    spec = checkpoint.spec
    if spec.preprocess.resize == "patches":
        with pytest.raises(ConfigError, match="any shape"):
            resize_checkpoint(checkpoint, size=2 * spec.image.size)
        return
    resized = resize_checkpoint(checkpoint, size=2 * spec.image.size, context_length=spec.text.context_length - 2)
    towers = build(resized.spec)
    assert {name: tuple(value.shape) for name, value in towers.state_dict().items()} == {
        name: tuple(array.shape) for name, array in resized.state.items()
    }
    pixels = torch.zeros(1, 3, 2 * spec.image.size, 2 * spec.image.size)
    assert towers.eval().encode_image(pixels).shape == (1, spec.width)


def test_a_native_image_tower_shows_its_states(model):
    towers = load_towers(model)
    spec = towers.spec
    pixels = torch.from_numpy(some_images(spec, 2)).permute(0, 3, 1, 2).float() / 255
    if not image_family(spec.image).native:
        with pytest.raises(UsageError, match="that package's to give|the layers of a tower"):
            image_states(towers, pixels)
        return
    tower = towers.image_tower
    with torch.inference_mode():
        states = image_states(towers, pixels)
        every = list(tower.states(pixels))
        assert len(every) == tower.depth + 1 == len(states.layers.kept)
        assert torch.equal(every[-1], tower.last(pixels))
        assert torch.equal(tower.project(tower.pool(every[-1])), states.projected)
        assert torch.equal(states.embeddings, towers.encode_image(pixels))
        assert states.grid(-1).shape[1:] == (tower.width, pixels.shape[2] // tower.cell, pixels.shape[3] // tower.cell)
        assert states.last.shape == tower.read(every[-1]).shape == every[-1].shape


def test_no_more_of_a_text_is_computed_than_matters(model):
    """What lies behind the needed tokens changes nothing, and every row has the end token that is asked for."""
    towers = load_towers(model)
    spec = towers.spec
    tokens = some_texts(spec, 4)
    lengths = needed_lengths(tokens, spec)
    end = end_token(spec)
    assert end is None or (tokens == end).any(axis=1).all()
    assert needs_all(spec) <= bool((lengths == tokens.shape[1]).all())
    with torch.inference_mode():
        whole = towers.encode_text(torch.from_numpy(tokens), trim=False)
        for row, length in enumerate(lengths):
            cut = towers.encode_text(torch.from_numpy(tokens[row : row + 1, :length]), trim=False)
            torch.testing.assert_close(cut[0], whole[row], atol=1e-5, rtol=0)


def test_a_made_up_model_is_exported_and_opened(rows, tmp_path):
    """Nothing between a model's folder and its embeddings asks which family it is of."""
    (tmp_path / "model.json").write_bytes(MADE_UP.read_bytes())
    spec = read_model_manifest(tmp_path).spec
    state = pinning.drawn({name: (shape, True) for name, shape in shapes(spec).items()})
    save_checkpoint(Checkpoint(spec, state, pinning.VOCABULARY), tmp_path)
    report = export(tmp_path, precisions=("fp32", "fp16"))
    assert {one.tower for one in report.agreements if one.good} == {"image", "text"}
    onnx, pytorch = (open_engine(tmp_path, engine=name, device="cpu", precision="fp32") for name in ("onnx", "torch"))
    pixels, tokens = some_images(spec, 3), some_texts(spec, 3)
    np.testing.assert_allclose(onnx.embed_images(pixels), pytorch.embed_images(pixels), atol=CLOSE, rtol=0)
    np.testing.assert_allclose(onnx.embed_texts(tokens), pytorch.embed_texts(tokens), atol=CLOSE, rtol=0)


def test_a_tower_is_its_projection_behind_its_trunk(model):
    towers = load_towers(model)
    spec = towers.spec
    tokens = torch.from_numpy(some_texts(spec, 2))
    pixels = torch.from_numpy(some_images(spec, 2)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        texts = towers.project_text(towers.text_features(tokens))
        assert torch.equal(texts, towers.encode_text(tokens, normalize=False))
        if image_family(spec.image).native or spec.image.kind == "timm":
            images = towers.project_image(towers.image_features(pixels))
            assert torch.equal(images, towers.encode_image(pixels, normalize=False))


def test_every_parameter_of_a_tower_has_a_depth(model):
    """What lies before the first block feeds all, what is the projection feeds nothing but the embedding."""
    towers = load_towers(model)
    spec, names = towers.spec, [name for name, _ in towers.named_parameters() if not name.startswith("logit_")]
    image = [name.removeprefix("visual.") for name in names if name.startswith("visual.")]
    text = [name.removeprefix("text.") for name in names if not name.startswith("visual.")]
    for family, own in ((image_family(spec.image), image), (text_family(spec.text), text)):
        if family.layers is None:
            assert family in (COLOURS, COUNTS)
            continue
        depths = family.layers.depths(own)
        assert list(depths.of) == own
        assert set(range(1, depths.blocks + 1)) <= set(depths.of.values())
        assert depths.blocks >= 1
        assert 0 in depths.of.values()
    if image_family(spec.image).layers and image_family(spec.image).native:
        depths = image_family(spec.image).layers.depths(image)
        behind = [name for name in image if depths.of[name] == depths.projection]
        if not behind:
            assert spec.image.projection == "none"
            return
        features = towers.image_features(torch.zeros(1, 3, spec.image.size, spec.image.size))
        towers.project_image(features.detach()).sum().backward()
        reached = {name for name, p in towers.visual.named_parameters() if p.grad is not None}
        assert reached == set(behind)


def test_the_bag_of_words_loss_reads_every_native_image_tower(model):
    """Its gradient reaches the image tower alone."""
    towers = load_towers(model).train().requires_grad_(True)
    spec = towers.spec
    if not image_family(spec.image).native:
        return
    head = BagOfWordsHead(towers.image_tower, torch.ones(spec.text.vocabulary_size))
    pixels = torch.from_numpy(some_images(spec, 3)).permute(0, 3, 1, 2).float() / 255
    last = towers.last_image_state(pixels)
    head(of_patches(towers.image_tower, last), torch.from_numpy(some_texts(spec, 3))).backward()
    reached = {name for name, value in towers.named_parameters() if value.grad is not None and value.grad.abs().sum()}
    assert reached and all(name.startswith("visual.") for name in reached)


@pytest.mark.parametrize(("precision", "lowest"), [("fp32", 1 - 1e-6), ("fp16", 1 - 1e-5), ("int8", 0.999)])
def test_the_weights_of_a_native_model_are_taken_out_of_its_graphs(model, precision, lowest, tmp_path):
    """Towers of what the graphs hold, with nothing but these in the folder, give what the graphs give."""
    manifest, source = (
        read_model_manifest(model),
        GraphSource(read_model_manifest(model).spec, read_checkpoint(model).state),
    )
    write_model_manifest(tmp_path, replace(manifest, precisions=(precision,)))
    (tmp_path / "onnx").mkdir()
    if not native(source.spec):
        with pytest.raises(NotFound, match="those of another package's towers are not taken out of graphs"):
            load_towers(tmp_path)
        return
    paths = {tower: tmp_path / "onnx" / f"{tower}.{precision}.onnx" for tower in TOWERS}
    for tower, path in paths.items():
        write_graph(path, source, tower, precision)
    engine = TorchEngine(tmp_path, device="cpu", precision="fp32")
    images, texts = some_images(source.spec, 4), some_texts(source.spec, 4)
    embedded = {"image": engine.embed_images(images), "text": engine.embed_texts(texts)}
    for tower, inputs in (("image", images), ("text", texts)):
        session = onnxruntime.InferenceSession(paths[tower], providers=["CPUExecutionProvider"])
        given = session.run(None, {session.get_inputs()[0].name: inputs})[0]
        assert (given * embedded[tower]).sum(axis=1).min() > lowest
