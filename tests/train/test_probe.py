"""`wordsight train probe` on squares of three colours, with the engine that knows colours."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, StorageError, UsageError
from wordsight.base.nouns import Result
from wordsight.cli.main import main
from wordsight.embeddings import model as faces
from wordsight.embeddings.kept import KeptModel
from wordsight.engines.fake import FakeEngine
from wordsight.evaluate.classes_file import read_classes
from wordsight.evaluate.session import Measurement, measure
from wordsight.evaluate.splits import embedded
from wordsight.evaluate.tasks import read_task
from wordsight.train.loop import train
from wordsight.train.probe import labelled_images, learn_probe
from wordsight.train.probe_recipe import ProbeConfig, ProbeData, ProbeSpec, is_probe, read_probe
from wordsight.train.recipe import read_recipe

CLASSES = {"red": "alpha", "blue": "beta", "green": "gamma"}  # names that no colour gives away


WAYS = ("tip-adapter", "tip-adapter-f", "lp++", "linear")


def paint(folder, count):
    generator = np.random.default_rng(len(str(folder)))
    for colour, name in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.full((32, 32, 3), np.array(Image.new("RGB", (1, 1), colour))[0, 0])
            pixels = np.clip(pixels + generator.normal(0, 25, pixels.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def split(**data):
    """Return the embedded parts of a probe on the model that knows colours."""
    with KeptModel(faces.Model(FakeEngine())) as encoder:
        images = labelled_images(encoder, ProbeConfig(ProbeSpec(), ProbeData(**data)))
        return embedded(encoder, images.splits, name=images.spec.name)


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
    ways = [f"few-shot-{shots}/{way}/top-1" for shots in (2, 4) for way in WAYS]
    names = ["few-shot-0/names/top-1", *ways, "supervised/top-1", "supervised/mean-per-class"]
    assert [result.name for result in results] == [f"photos/{name}" for name in names]
    assert printed.splitlines()[0] == str(out / "classes.json")
    assert printed.splitlines()[1:] == [f"{result.name}\t{result.value:.4f}" for result in results]
    assert all(result.name in table for result in results)
    assert {result.count for result in results} == {6}  # a fifth of 10 images of three classes
    assert results[-1].value == results[-3].value == 1.0 > results[0].value
    assert results[-1].setting["images"] == 24
    assert {result.fingerprint for result in results} == {faces.Model(FakeEngine()).fingerprint}
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
    monkeypatch.setattr(model.engine, "embed_images", lambda *_: pytest.fail("embedded again"))
    again = learn_probe(model, config)
    assert [(one.value, one.interval) for one in again.results] == [(one.value, one.interval) for one in first.results]
    assert read_classes(again.classes).names == ("alpha", "beta", "gamma")


def test_embeddings_that_were_damaged_since_are_computed_again(photos, tmp_path, capfd):
    first = split(root=str(photos))
    (path,) = (tmp_path / "cache" / "embeddings").glob("*/images/*.npy")
    path.write_bytes(b"{}")
    again = split(root=str(photos))
    assert f"{path} is damaged: what it kept is computed again" in capfd.readouterr().err
    assert again.test.embeddings.tolist() == first.test.embeddings.tolist()
    split(root=str(photos))
    assert "damaged" not in capfd.readouterr().err


def test_a_cache_that_cannot_be_written_is_named_with_the_cure(photos, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError) as refused:
        split(root=str(photos))
    assert str(refused.value) == (
        f"{tmp_path}/file is a file, not a folder (the cache of embeddings); "
        "free room there, or set WORDSIGHT_CACHE to a folder that you may write to"
    )


def test_test_images_of_another_place_are_all_tested_on(photos, tmp_path):
    paint(tmp_path / "apart", 3)
    parts = split(root=str(photos), test=str(tmp_path / "apart"))
    assert (len(parts.test), len(parts.train), len(parts.val)) == (9, 24, 6)
    own = split(root=str(photos))
    assert (len(own.test), len(own.train), len(own.val)) == (6, 18, 6)
    assert np.bincount(own.test.labels).tolist() == [2, 2, 2]


def test_test_images_that_are_learned_from_are_counted(photos, tmp_path, capfd):
    apart = paint(tmp_path / "apart", 3)
    split(root=str(photos), test=str(apart))
    assert "also learned from" not in capfd.readouterr().err
    for name in ("alpha", "beta"):
        shutil.copy(photos / name / "7.png", apart / name / "copy.png")
    split(root=str(photos), test=str(apart))
    said = "2 of 11 measured images of photos are also learned from, so the results say little about new images\n"
    assert said in capfd.readouterr().err


def test_failed_images_and_images_without_a_class_are_left_out(photos, tmp_path, capfd):
    (photos / "alpha" / "broken.png").write_bytes(b"no image")
    Image.new("RGB", (8, 8)).save(photos / "unknown.png")
    rows = [f"{path.relative_to(photos)},{path.parent.name}" for path in sorted(photos.glob("*/*.png"))]
    (photos / "rows.csv").write_text("\n".join(["image,class", *rows, "unknown.png,"]) + "\n")
    root = str(photos / "rows.csv")
    parts = split(root=root)
    assert len(parts.test) + len(parts.train) + len(parts.val) == 30
    learn_probe(faces.Model(FakeEngine()), read_probe("probe", [f"root={root}", f"out={tmp_path}", "probe.shots=1"]))
    said = capfd.readouterr().err
    assert f"failed: {photos / 'alpha' / 'broken.png'} is not" in said
    assert "rows.csv: 1 of 31 images have no class and are left out" in said
    results = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert {result["setting"]["missing"] for result in results} == {1}


FAILURES = {"first": [0], "last": [29], "adjacent": [3, 4, 16], "the first of a key": [2, 8], "a class": range(10, 20)}


@pytest.mark.parametrize("broken", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("keys", ["own", "shared"])
def test_classes_stay_with_their_images_whichever_fail(photos, keys, broken):
    """Rows of one table; with shared keys two neighbours each have one, and are of different classes."""
    files = [(f"{name}/{number}.png", name) for name in CLASSES.values() for number in range(10)]
    files = files if keys == "own" else [files[row // 3 + row % 3 * 10] for row in range(30)]
    for row in broken:
        (photos / files[row][0]).write_bytes(b"no image")
    lines = [f"{file},{name},{row // (2 if keys == 'shared' else 1)}" for row, (file, name) in enumerate(files)]
    (photos / "rows.csv").write_text("\n".join(["image,class,key", *lines]) + "\n")
    parts = split(root=str(photos / "rows.csv"))
    rows = [parts.train, parts.val, parts.test]
    given = np.concatenate([part.embeddings for part in rows])
    labels = [parts.names[label] for part in rows for label in part.labels]
    whole = [(photos / file, name) for row, (file, name) in enumerate(files) if row not in broken]
    expected = faces.Model(FakeEngine()).embed_images([file for file, _ in whole])
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
    err = fails(f"root={few}", f"data.test={photos}")
    assert "10 of 30 images are left out, of classes that its other images lack: gamma" in err
    assert "few has 2 images of 2 classes: too few to hold some out" in err
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "flat" / "one.png")
    assert "has no images with a class" in fails(f"root={tmp_path / 'flat'}")


@pytest.mark.parametrize("apart", [False, True])
def test_the_results_are_those_of_the_tasks(photos, tmp_path, apart):
    paint(tmp_path / "apart", 3)
    changes = [f"data.test={tmp_path / 'apart'}"] if apart else []
    config = read_probe("probe", [f"root={photos}", f"out={tmp_path / 'out'}", "probe.shots=[1, 2]", *changes])
    results = learn_probe(faces.Model(FakeEngine()), config).results
    place = f"{tmp_path / 'apart'}?train={photos}&name=photos" if apart else f"{photos}?name=photos"
    tasks = [read_task(f"few-shot:{place}&shots=1,2"), read_task(f"supervised:{place}")]
    outcomes = list(measure(Measurement(), tasks))
    expected = {one.name: (one.value, one.interval, one.count) for out in outcomes for one in out.measured.results}
    assert {one.name: (one.value, one.interval, one.count) for one in results} == expected


def test_what_there_is_to_draw_is_recorded_once(photos, tmp_path):
    apart, out = paint(tmp_path / "apart", 3), tmp_path / "out"
    shutil.copy(apart / "alpha" / "0.png", apart / "beta" / "red.png")  # of the one class, says its folder
    config = read_probe("probe", [f"root={photos}", f"data.test={apart}", f"out={out}", "probe.shots=[1, 2]"])
    for _ in range(2):  # what a probe wrote is replaced
        learn_probe(faces.Model(FakeEngine()), config)
    details = [json.loads(line) for line in (out / "details.jsonl").read_text().splitlines()]
    forms = {(detail["name"], detail["form"]) for detail in details}
    assert {("photos/few-shot", "lines"), ("photos/supervised", "bars"), ("photos/supervised", "pictures")} <= forms
    assert len(forms) == len(details)
    (mistakes,) = (detail for detail in details if detail["form"] == "pictures")
    (mistake,) = mistakes["data"]["pictures"]
    assert mistake["title"] == "alpha, not beta" and (out / mistake["picture"]).is_file()
    assert main(["report", str(out), "--out", str(tmp_path / "page.html")]) == 0
    assert "few-shot-2/lp++" in (tmp_path / "page.html").read_text()


def test_more_shots_than_images_are_left_out_with_a_notice(photos, tmp_path, capfd):
    config = read_probe("probe", [f"root={photos}", f"out={tmp_path / 'one'}", "probe.shots=16"])
    names = [result.name for result in learn_probe(faces.Model(FakeEngine()), config).results]
    assert names == [
        f"photos/{name}" for name in ("few-shot-0/names/top-1", "supervised/top-1", "supervised/mean-per-class")
    ]
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
    assert done.stdout.startswith(f"{tmp_path / 'out' / 'classes.json'}\nphotos/few-shot-0/names/top-1\t")


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
