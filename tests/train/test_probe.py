"""`wordsight train probe` on squares of three colours, with the engine that knows colours."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partialmethod

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, StorageError, UsageError
from wordsight.base.nouns import Result
from wordsight.cli.main import main
from wordsight.embeddings import bulk
from wordsight.embeddings import model as faces
from wordsight.engines.fake import FakeEngine
from wordsight.evaluate.classes_file import read_classes
from wordsight.train.loop import train
from wordsight.train.probe import learn_probe, split
from wordsight.train.probe_recipe import ProbeData, is_probe, read_probe
from wordsight.train.recipe import read_recipe

CLASSES = {"red": "alpha", "blue": "beta", "green": "gamma"}  # names that no colour gives away


def paint(folder, count):
    generator = np.random.default_rng(len(str(folder)))
    for colour, name in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.full((32, 32, 3), np.array(Image.new("RGB", (1, 1), colour))[0, 0])
            pixels = np.clip(pixels + generator.normal(0, 25, pixels.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(faces, "load", lambda name, **options: faces.Model(FakeEngine()))
    return paint(tmp_path / "photos", 10)


def test_the_verb_learns_prints_and_saves_classes_that_classify_uses(photos, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["train", "probe", "--model", "any", "--set", f"root={photos}", "--set", f"out={out}"]
    assert main([*words, "--set", "probe.shots=[2, 4]"]) == 0
    printed, table = capsys.readouterr()
    results = [Result.from_fields(json.loads(line)) for line in (out / "results.jsonl").read_text().splitlines()]
    ways = ["zero-shot", "few-shot-2", "few-shot-2-learned", "few-shot-4", "few-shot-4-learned", "linear"]
    assert [result.name for result in results] == [f"photos/{way}/top-1" for way in ways]
    assert printed.splitlines()[0] == str(out / "classes.json")
    assert printed.splitlines()[1:] == [f"{result.name}\t{result.value:.4f}" for result in results]
    assert all(result.name in table for result in results)
    assert {result.count for result in results} == {6}  # a fifth of 10 images of three classes
    assert results[-1].value == results[-2].value == 1.0 > results[0].value
    assert results[-1].setting["images"] == 24
    assert json.loads((out / "config.json").read_text())["data"]["root"] == str(photos)
    image = str(photos / "gamma" / "0.png")
    assert main(["classify", image, "--classes-file", str(out / "classes.json"), "--json"]) == 0
    shares = json.loads(capsys.readouterr().out)["probabilities"]
    assert max(shares, key=shares.get) == "gamma" and sum(shares.values()) == pytest.approx(1, abs=1e-5)
    assert main(["classify", image, "--classes-file", str(out / "classes.json"), "--templates", "clip"]) == 2
    assert "--templates clip with classes that were learned from images" in capsys.readouterr().err


def test_images_are_embedded_once(photos, tmp_path, monkeypatch):
    model = faces.Model(FakeEngine())
    config = read_probe("probe", [f"root={photos}", f"out={tmp_path / 'one'}", "probe.shots=1"])
    first = learn_probe(model, config)
    monkeypatch.setattr(bulk, "_run", lambda *_: pytest.fail("embedded again"))
    again = learn_probe(model, config)
    assert [(one.value, one.interval) for one in again.results] == [(one.value, one.interval) for one in first.results]
    assert read_classes(again.classes).names == ("alpha", "beta", "gamma")


@pytest.mark.parametrize("name", ["image-00000.npy", "image-00000.jsonl", "part-00000.json", "manifest.json"])
def test_embeddings_that_were_damaged_since_are_computed_again(photos, tmp_path, capfd, name):
    data, model = ProbeData(root=str(photos)), faces.Model(FakeEngine())
    first = split(data, model)
    (path,) = (tmp_path / "cache" / "features").glob(f"photos-*/{name}")
    path.write_bytes(b"{}")
    again = split(data, model)
    assert f"{path}" in (said := capfd.readouterr().err) and ": embedding photos again" in said
    assert again.test.embeddings.tolist() == first.test.embeddings.tolist()
    split(data, model)
    assert capfd.readouterr().err == ""


def test_a_cache_that_cannot_be_written_is_named_with_the_cure(photos, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError) as refused:
        split(ProbeData(root=str(photos)), faces.Model(FakeEngine()))
    assert str(refused.value) == (
        f"{tmp_path}/file is a file, not a folder (the cache of features); "
        "free room there, or set WORDSIGHT_CACHE to a folder that you may write to"
    )


def test_test_images_of_another_place_are_all_tested_on(photos, tmp_path):
    paint(tmp_path / "apart", 3)
    parts = split(ProbeData(root=str(photos), test=str(tmp_path / "apart")), faces.Model(FakeEngine()))
    assert (len(parts.test), len(parts.learned), len(parts.chosen)) == (9, 24, 6)
    own = split(ProbeData(root=str(photos)), faces.Model(FakeEngine()))
    assert (len(own.test), len(own.learned), len(own.chosen)) == (6, 18, 6)
    assert np.bincount(own.test.labels).tolist() == [2, 2, 2]


def test_test_images_that_are_learned_from_are_counted(photos, tmp_path, capfd):
    model, apart = faces.Model(FakeEngine()), paint(tmp_path / "apart", 3)
    split(ProbeData(root=str(photos), test=str(apart)), model)
    assert "also learned from" not in capfd.readouterr().err
    for name in ("alpha", "beta"):
        shutil.copy(photos / name / "7.png", apart / name / "copy.png")
    split(ProbeData(root=str(photos), test=str(apart)), model)
    said = "2 of 11 test images of apart are also learned from, in photos, so the results say little about new images\n"
    assert said in capfd.readouterr().err


def test_failed_images_and_images_without_a_class_are_left_out(photos, capfd):
    (photos / "alpha" / "broken.png").write_bytes(b"no image")
    parts = split(ProbeData(root=str(photos)), faces.Model(FakeEngine()))
    assert len(parts.test) + len(parts.learned) + len(parts.chosen) == 30
    assert "broken.png" in capfd.readouterr().err


FAILURES = {"first": [0], "last": [29], "adjacent": [3, 4, 16], "the first of a key": [2, 8], "a class": range(10, 20)}


@pytest.mark.parametrize("broken", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("keys", ["own", "shared"])
def test_classes_stay_with_their_images_whichever_fail(photos, tmp_path, monkeypatch, capfd, keys, broken):
    """Rows of one table; with shared keys two neighbours each have one, and are of different classes."""
    monkeypatch.setattr(bulk.BulkOptions, "__init__", partialmethod(bulk.BulkOptions.__init__, part_size=7))
    files = [(f"{name}/{number}.png", name) for name in CLASSES.values() for number in range(10)]
    files = files if keys == "own" else [files[row // 3 + row % 3 * 10] for row in range(30)]
    for row in broken:
        (photos / files[row][0]).write_bytes(b"no image")
    lines = [f"{file},{name},{row // (2 if keys == 'shared' else 1)}" for row, (file, name) in enumerate(files)]
    (photos / "rows.csv").write_text("\n".join(["image,class,key", *lines]) + "\n")
    model = faces.Model(FakeEngine())
    parts = split(ProbeData(root=str(photos / "rows.csv")), model)
    rows = [parts.learned, parts.chosen, parts.test]
    given = np.concatenate([part.embeddings for part in rows])
    labels = [parts.names[label] for part in rows for label in part.labels]
    whole = [(photos / file, name) for row, (file, name) in enumerate(files) if row not in broken]
    expected = model.embed_images([file for file, _ in whole])
    assert sorted(zip(given.tolist(), labels, strict=True)) == sorted(
        zip(expected.tolist(), [name for _, name in whole], strict=True)
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["probe.shots=0"], "probe.shots = 0; give 1 or more"),
        (["data.held_out=0.9"], "data.held_out = 0.9; give 0.05 to 0.5"),
        (["probe.draws=0"], "probe.draws = 0; give 1 to 100"),
        (["seed=-1"], "seed = -1; give 0 or more"),
        (["probe.shot=1"], "unknown key probe.shot; did you mean shots?"),
    ],
)
def test_values_that_no_probe_can_have(words, message):
    with pytest.raises(ConfigError) as refused:
        read_probe("probe", words)
    assert message in str(refused.value)


def test_sources_that_cannot_be_learned_from(photos, tmp_path, capsys):
    def fails(*words):
        assert (
            main(["train", "probe", *(w for word in words for w in ("--set", word)), "--set", f"out={tmp_path}"]) == 2
        )
        return capsys.readouterr().err

    few = tmp_path / "few"
    for name in ("alpha", "beta"):
        (few / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(few / name / "one.png")
    assert "has 2 images of 2 classes: too few to hold some out" in fails(f"root={few}")
    (few / "one.csv").write_text("image,class\nalpha/one.png,alpha\n")
    assert "one.csv has one class only, 'alpha'" in fails(f"root={few / 'one.csv'}")
    assert "class 'gamma' is only in the test images" in fails(f"root={few}", f"data.test={photos}")
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "flat" / "one.png")
    assert "has no images with a class" in fails(f"root={tmp_path / 'flat'}")


def test_more_shots_than_images_are_left_out_with_a_notice(photos, tmp_path, capfd):
    config = read_probe("probe", [f"root={photos}", f"out={tmp_path / 'one'}", "probe.shots=16"])
    names = [result.name for result in learn_probe(faces.Model(FakeEngine()), config).results]
    assert names == ["photos/zero-shot/top-1", "photos/linear/top-1"]
    assert "no class has 16 images to learn from (most: 6): few-shot-16 is left out" in capfd.readouterr().err


def test_other_recipes_are_no_probes_and_refuse_resume(photos, recipe, capsys):
    assert is_probe("probe") and not is_probe("pairs") and not is_probe(str(recipe))
    assert main(["train", "probe", "--resume", "--set", f"root={photos}"]) == 2
    assert "--resume with a probe" in capsys.readouterr().err


def test_a_probe_and_a_training_run_do_not_take_each_others_folder(photos, recipe):
    out = recipe.parent / "out"
    words = [f"out={out}", "steps=1", "validation.every=0"]
    train(read_recipe(str(recipe), words), device="cpu")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    config = read_probe("probe", [f"root={photos}", f"out={out}"])
    with pytest.raises(UsageError, match=r"out holds the run of another recipe; set another out="):
        learn_probe(faces.Model(FakeEngine()), config)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    probed = replace(config, out=str(recipe.parent / "probed"))
    for _ in range(2):  # a probe may be done again
        learn_probe(faces.Model(FakeEngine()), probed)
    with pytest.raises(UsageError, match=r"probed holds the classes of a probe; set another out="):
        train(read_recipe(str(recipe), [*words, f"out={probed.out}"]), device="cpu")
    with pytest.raises(StorageError, match=r"speck.toml is a file, not a folder"):
        learn_probe(faces.Model(FakeEngine()), replace(config, out=str(recipe)))


def test_a_probe_needs_no_pytorch(photos, tmp_path):
    words = [
        "train",
        "probe",
        "--quiet",
        "--engine",
        "fake",
        "--set",
        f"root={photos}",
        "--set",
        f"out={tmp_path / 'out'}",
    ]
    code = f"import sys; sys.modules['torch'] = None; from wordsight.cli.main import main; sys.exit(main({words!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{tmp_path / 'out' / 'classes.json'}\nphotos/zero-shot/top-1\t")


@pytest.mark.parametrize(("changes", "key"), [([], "split"), (["data.split=train", "data.test=ROOT"], "test_split")])
def test_where_several_splits_lie_the_key_is_named(tmp_path, monkeypatch, capsys, changes, key):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(faces, "load", lambda name, **options: faces.Model(FakeEngine()))
    paint(tmp_path / "photos", 4)
    for name in ("train", "val"):
        words = ["data", "pack", str(tmp_path / "photos"), "--out", str(tmp_path / name)]
        assert main(words) == 0
        (shard,) = (tmp_path / name).glob("*.tar")
        (tmp_path / "shards").mkdir(exist_ok=True)
        shard.rename(tmp_path / "shards" / f"{name}-0000.tar")
    root = str(tmp_path / "shards")
    given = [f"root={root}", f"out={tmp_path / 'out'}", *(change.replace("ROOT", root) for change in changes)]
    assert main(["train", "probe", "--model", "any", *(word for change in given for word in ("--set", change))]) == 2
    cure = f"name one with data.{key}=NAME, or all of them with data.{key}=all"
    assert capsys.readouterr().err.splitlines()[-1] == f"wordsight: several splits lie in {root}: train, val; {cure}"
