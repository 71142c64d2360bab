"""CLIP_benchmark and us, whole: the same random towers on the same generated images, the same numbers to 1e-6.

Theirs: open_clip's model, preprocessing and tokenizer, and CLIP_benchmark's own functions over a loader of images.
Ours: the folder as a model with PyTorch's engine, images prepared exactly, and tasks as `wordsight evaluate` runs them.
"""

import json
import warnings

import numpy as np
import open_clip
import pytest
import torch
from clip_benchmark.metrics import image_caption_selection, zeroshot_classification, zeroshot_retrieval
from clip_benchmark_side import on_processor, probe
from openclip_side import folder_of, make
from PIL import Image

from wordsight.embeddings.kept import KeptModel
from wordsight.embeddings.model import load
from wordsight.evaluate.building import build_task
from wordsight.evaluate.linear import Labelled
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import task_of

CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
CLASSES = ("red", "green", "blue", "dark", "bright", "striped")
EACH = 8
CAPTIONS = 2  # of each image


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder of towers in open_clip's form and two class folders of drawn images with captions."""
    place = tmp_path_factory.mktemp("world")
    folder_of(place / "towers", make(CONFIG, seed=3), CONFIG)
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for number, name in enumerate(CLASSES):
            folder = place / split / name
            folder.mkdir(parents=True)
            for i in range(EACH):
                pixels = generator.integers(0, 256, (40 + i, 48, 3), dtype=np.uint8) // 4
                pixels += np.uint8(30 * number)
                Image.fromarray(pixels).save(folder / f"{i}.png")
                (folder / f"{i}.txt").write_text(
                    "".join(f"{name} thing {i} of {split}, {c}\n" for c in range(CAPTIONS))
                )
    return place


@pytest.fixture(scope="module")
def theirs(world):
    source = f"local-dir:{world / 'towers'}"
    model, _, prepare = open_clip.create_model_and_transforms(source)
    return model.eval(), prepare, open_clip.get_tokenizer(source)


class Loader:
    """Batches of images and what belongs to them, in the order in which a class folder is read."""

    def __init__(self, world, prepare, split, what):
        self.dataset, self.classes = self, sorted(CLASSES)
        paths = sorted((world / split).glob("*/*.png"))
        self._images = torch.stack([prepare(Image.open(path)) for path in paths])
        labels = [self.classes.index(path.parent.name) for path in paths]
        captions = [path.with_suffix(".txt").read_text().splitlines() for path in paths]
        wrong = [[own[0], other[0]] for own, other in zip(captions, captions[1:] + captions[:1], strict=True)]
        self._others = {"labels": torch.tensor(labels), "captions": captions, "pairs": wrong}[what]

    def __iter__(self):
        for start in range(0, len(self._images), 10):
            yield self._images[start : start + 10], self._others[start : start + 10]


def _model(world):
    return load(world / "towers", engine="torch", pixels="exact")


def measured(world, kind, **keys):
    with (
        warnings.catch_warnings(),
        KeptModel(load(world / "towers", engine="torch", pixels="exact"), world / "kept") as encoder,
    ):
        warnings.simplefilter("ignore")
        task = build_task(task_of({"kind": kind, "place": str(world / "test"), "name": "n", **keys}))
        return {result.name: result.value for result in run_task(encoder, task).results}


def test_zero_shot(world, theirs, monkeypatch):
    on_processor(monkeypatch)
    model, prepare, tokenizer = theirs
    loader = Loader(world, prepare, "test", "labels")
    their = zeroshot_classification.evaluate(
        model, loader, tokenizer, sorted(CLASSES), ["a photo of a {c}.", "{c}"], device="cpu", amp=False
    )
    ours = measured(world, "zero-shot", templates=["a photo of a {c}.", "{c}"])
    monkeypatch.undo()
    assert 0 < their["acc1"] < 1
    assert ours["n/zero-shot/top-1"] == pytest.approx(their["acc1"], abs=1e-6)
    assert ours["n/zero-shot/top-5"] == pytest.approx(their["acc5"], abs=1e-6)
    assert ours["n/zero-shot/mean-per-class"] == pytest.approx(their["mean_per_class_recall"], abs=1e-6)


def test_retrieval(world, theirs):
    model, prepare, tokenizer = theirs
    loader = Loader(world, prepare, "test", "captions")
    their = zeroshot_retrieval.evaluate(model, loader, tokenizer, device="cpu", amp=False, recall_k_list=[1, 5, 10])
    ours = measured(world, "retrieval")
    for k in (1, 5, 10):
        assert ours[f"n/text_to_image/R@{k}"] == pytest.approx(their[f"image_retrieval_recall@{k}"], abs=1e-6)
        assert ours[f"n/image_to_text/R@{k}"] == pytest.approx(their[f"text_retrieval_recall@{k}"], abs=1e-6)
    assert 0 < their["image_retrieval_recall@10"] < 1


def test_selection(world, theirs):
    model, prepare, tokenizer = theirs
    loader = Loader(world, prepare, "test", "pairs")
    their = image_caption_selection.evaluate(model, loader, tokenizer, device="cpu", amp=False)
    paths = sorted((world / "test").glob("*/*.png"))
    captions = [path.with_suffix(".txt").read_text().splitlines()[0] for path in paths]
    rows = zip(paths, captions, captions[1:] + captions[:1], strict=True)
    table = world / "pairs.jsonl"
    table.write_text(
        "".join(json.dumps({"image": str(p), "caption": own, "negative_caption": no}) + "\n" for p, own, no in rows)
    )
    ours = measured(world, "selection", place=str(table))
    assert ours["n/selection/text"] == pytest.approx(their["text_acc"], abs=1e-6)
    assert 0 < their["text_acc"] < 1


def test_linear_probe(world, theirs, monkeypatch, tmp_path):
    on_processor(monkeypatch)
    model, prepare, _ = theirs
    parts = {}
    for split in ("train", "test"):
        loader = Loader(world, prepare, split, "labels")
        with torch.no_grad():
            rows = [torch.nn.functional.normalize(model.encode_image(images), dim=-1) for images, _ in loader]
        parts[split] = Labelled(torch.cat(rows).numpy(), loader._others.numpy())
    their = probe(tmp_path, parts)
    train = str(world / "train")
    monkeypatch.undo()
    learned = measured(world, "probe", protocol="adamw", sweep=False, train=train)
    assert learned["n/adamw-probe/top-1"] == pytest.approx(their["lp_acc1"], abs=1e-6)
    assert learned["n/adamw-probe/top-5"] == pytest.approx(their["lp_acc5"], abs=1e-6)
    assert learned["n/adamw-probe/mean-per-class"] == pytest.approx(their["lp_mean_per_class_recall"], abs=1e-6)
