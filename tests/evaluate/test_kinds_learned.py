"""Kinds that learn from labels: few-shot, supervised, probe, nearest neighbours, prompt search."""

import base64
import sys
from pathlib import Path

import numpy as np
import pytest

from wordsight.base.errors import ConfigError, FormatError
from wordsight.evaluate.adamw_probe import fit_adamw, measure_adamw
from wordsight.evaluate.linear import Labelled, choose_strength, fit_linear
from wordsight.evaluate.neighbours import vote

sys.path.insert(0, str(Path(__file__).parent))

from written import Written, blobs, labelled, measured

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox")


@pytest.fixture
def world():
    """Six classes whose names point elsewhere, 40 images each to learn from, 10 to choose by, 20 to measure on."""
    rows, labels, centres = blobs(6, 70, noise=1.5)
    names = centres + 0.5 * np.random.default_rng(1).normal(size=centres.shape)
    encoder = Written(rows, dict(zip(NAMES, names, strict=True)))
    parts = []
    for first, last in ((0, 40), (40, 50), (50, 70)):
        own = [i for i in range(len(labels)) if first <= i % 70 < last]
        parts.append(labelled(f"p{first}", [NAMES[labels[i]] for i in own], own))
    return encoder, *parts


def rows_of(encoder, images):
    numbers = np.array([NAMES.index(sample.label) for sample in images.samples])
    return Labelled(encoder.embed_images(images.images), numbers)


def test_supervised_is_the_linear_classifier_on_all_labels(world):
    encoder, train, val, test = world
    results, done = measured("supervised", encoder, test, train=train, val=val)
    learned, chosen, apart = (rows_of(encoder, part) for part in (train, val, test))
    strength = choose_strength(learned, chosen, classes=6)
    linear = fit_linear(learned.also(chosen), classes=6, strength=strength)
    assert results["supervised/top-1"].value == pytest.approx(linear.accuracy(apart))
    assert results["supervised/top-1"].count == 120
    assert results["supervised/top-1"].setting["images"] == 300
    assert {detail.form for detail in done.details} >= {"hits", "bars"}


def test_probe_is_the_same_with_top_5_and_adamw_is_clip_benchmarks(world):
    encoder, train, val, test = world
    probe, _ = measured("probe", encoder, test, train=train, val=val)
    supervised, _ = measured("supervised", encoder, test, train=train, val=val)
    assert probe["probe/top-1"].value == supervised["supervised/top-1"].value
    assert probe["probe/top-5"].setting["chance"] == pytest.approx(5 / 6)
    results, _ = measured("probe", encoder, test, train=train, val=val, protocol="adamw")
    fit = fit_adamw(rows_of(encoder, train), held_out=rows_of(encoder, val))
    theirs = measure_adamw(fit.linear, rows_of(encoder, test))
    assert results["adamw-probe/top-1"].value == pytest.approx(theirs.acc1, abs=1e-9)
    assert results["adamw-probe/top-5"].value == pytest.approx(theirs.acc5, abs=1e-9)
    assert results["adamw-probe/mean-per-class"].value == pytest.approx(theirs.mean_per_class_recall, abs=1e-9)
    assert results["adamw-probe/weight-decay"].value == fit.weight_decay
    plain, _ = measured("probe", encoder, test, train=train, val=val, protocol="adamw", sweep=False)
    assert plain["adamw-probe/weight-decay"].value == 0


def test_few_images_beat_names_and_all_labels_beat_few(world):
    encoder, train, val, test = world
    results, done = measured("few-shot", encoder, test, train=train, val=val, shots=[1, 16, 64], draws=2)
    names = results["few-shot-0/names/top-1"]
    assert "few-shot-64/linear/top-1" not in results  # no class has so many
    for way in ("tip-adapter", "tip-adapter-f", "lp++", "linear"):
        assert results[f"few-shot-16/{way}/top-1"].value > names.value
        assert results[f"few-shot-16/{way}/top-1"].setting["shots"] == 16
    recorded = {detail.name: detail.data for detail in done.details if detail.form == "hits"}
    assert len(recorded) == 5  # the names, and the ways with the largest number of images that there are
    for way in ("tip-adapter", "tip-adapter-f", "lp++", "linear"):
        data = next(data for name, data in recorded.items() if name.endswith(f"/few-shot-16/{way}/top-1"))
        times = np.frombuffer(base64.b64decode(data["hits"]), np.uint8)
        assert times.sum() / 2 / data["count"] == pytest.approx(results[f"few-shot-16/{way}/top-1"].value)
        assert data["draws"] == 2 and data["key_hash"] == recorded["n/few-shot-0/names/top-1"]["key_hash"]
    zero, _ = measured("zero-shot", encoder, test)
    assert names.value == zero["zero-shot/top-1"].value
    lines = next(detail for detail in done.details if detail.form == "lines")
    assert [one["name"] for one in lines.data["series"]][-1] == "names alone"


def test_few_shot_draws_depend_on_the_seed_alone(world):
    encoder, train, val, test = world
    asked = {"shots": [2], "ways": ["lp++"], "draws": 1}
    first, _ = measured("few-shot", encoder, test, train=train, val=val, **asked)
    again, _ = measured("few-shot", encoder, test, train=train, val=val, **asked)
    other, _ = measured("few-shot", encoder, test, train=train, val=val, seed=5, **asked)
    name = "few-shot-2/lp++/top-1"
    assert first[name] == again[name]
    assert first[name].interval != other[name].interval


def test_neighbours_vote(world):
    encoder, train, val, test = world
    results, _ = measured("knn", encoder, test, train=train, val=val, k=5)
    both = rows_of(encoder, train).also(rows_of(encoder, val))
    votes = vote(both, rows_of(encoder, test).embeddings, classes=6, k=5)
    right = votes.argmax(axis=1) == rows_of(encoder, test).labels
    assert results["knn/top-1"].value == pytest.approx(right.mean())
    chosen, _ = measured("knn", encoder, test, train=train, val=val, k=0)
    assert chosen["knn/top-1"].setting["k"] in (1, 5, 10, 20, 50, 100, 200)


def test_one_set_is_split_and_every_kind_measures_the_same_images(world):
    encoder, train, _, _ = world
    counts = set()
    keys = set()
    for kind in ("supervised", "probe", "knn", "few-shot"):
        results, done = measured(kind, encoder, train, **({"shots": [1]} if kind == "few-shot" else {}))
        counts |= {result.count for result in results.values() if "decay" not in result.name}
        keys |= {detail.data["key_hash"] for detail in done.details if detail.form == "hits"}
    assert counts == {48}  # a fifth of 40 images of six classes
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("kind", "keys", "says"),
    [
        ("few-shot", {"shots": [0]}, "shots = 0; give 1 to 1024"),
        ("few-shot", {"ways": ["tip"]}, "ways = 'tip'; use tip-adapter"),
        ("few-shot", {"draws": 0}, "draws = 0"),
        ("supervised", {"held_out": 0.99}, "held_out = 0.99; give 0.05 to 0.8"),
        ("probe", {"shots": -1}, "shots = -1"),
        ("knn", {"k": -1}, "k = -1"),
        ("knn", {"temperature": 0.0}, "temperature = 0.0"),
    ],
)
def test_options_that_cannot_be_are_named(world, kind, keys, says):
    encoder, train, val, test = world
    with pytest.raises(ConfigError, match=says):
        measured(kind, encoder, test, train=train, val=val, **keys)


def test_images_of_classes_that_none_is_learned_from_are_left_out(world, capsys):
    encoder, train, val, _ = world
    strange = labelled("s", ["ant", "yak", "bee", "zebra"], [0, 1, 70, 71])
    results, _ = measured("supervised", encoder, strange, train=train, val=val)
    assert results["supervised/top-1"].count == 2
    said = "n: 2 of 4 images are left out, of classes that its other images lack: yak, zebra\n"
    assert said in capsys.readouterr().err
    with pytest.raises(FormatError, match="n has no images of the same classes"):
        measured("supervised", encoder, labelled("s", ["yak", "zebra"], [0, 1]), train=train, val=val)


def test_too_few_to_hold_out(world):
    encoder = world[0]
    with pytest.raises(FormatError, match="n has 2 images of 2 classes: too few to hold some out"):
        measured("knn", encoder, labelled("s", ["ant", "bee"], [0, 70]))


def test_templates_are_chosen_on_val_and_reported_on_test(monkeypatch, tmp_path):
    rows, labels, centres = blobs(4, 60, noise=0.9)
    pool = tmp_path / "pool.txt"
    pool.write_text("good {}\nbad {}\nworse {}\n")
    generator = np.random.default_rng(3)
    texts = {}
    for number, name in enumerate(NAMES[:4]):
        texts[f"good {name}"] = centres[number]
        texts[f"bad {name}"] = generator.normal(size=16)
        texts[f"worse {name}"] = generator.normal(size=16)
    encoder = Written(rows, texts)
    val = labelled("v", [NAMES[labels[i]] for i in range(0, 240, 2)], range(0, 240, 2))
    test = labelled("t", [NAMES[labels[i]] for i in range(1, 240, 2)], range(1, 240, 2))
    results, done = measured("prompts", encoder, test, val=val, pool=str(pool))
    chosen = results["prompts/chosen/top-1"]
    assert chosen.value > results["prompts/all/top-1"].value
    assert chosen.setting["tried"] >= 3 and chosen.count == 120 and chosen.setting["validation_images"] == 120
    assert results["prompts/gain"].value == pytest.approx(chosen.value - results["prompts/all/top-1"].value)
    table = next(detail for detail in done.details if detail.title.startswith("Chosen templates"))
    assert table.data["rows"][0][0] == "good {}"


def test_classes_with_fewer_images_than_shots_are_named_once(world, capsys):
    encoder, train, val, test = world
    kept = {"ant": 3, "bee": 12, "cat": 8, "dog": 40, "eel": 40, "fox": 40}
    left, rows = dict(kept), []
    for row, sample in enumerate(train.samples):
        left[sample.label] -= 1
        rows += [row] if left[sample.label] >= 0 else []
    few = train.of(rows)
    asked = {"shots": [1, 2, 16], "ways": ["lp++"], "draws": 1}
    measured("few-shot", encoder, test, train=few, val=val, **asked)
    said = "n: few-shot-16: ant 3, cat 8, bee 12 have fewer images: all of theirs are taken\n"
    assert capsys.readouterr().err.count(said) == 1
    measured("probe", encoder, test, train=few, val=val, shots=4)
    assert "n: probe with 4 a class: ant 3 has fewer images" in capsys.readouterr().err
    measured("few-shot", encoder, test, train=train, val=val, **asked)
    assert "fewer images" not in capsys.readouterr().err


def test_more_neighbours_than_images_are_noticed_and_those_used_recorded(world, capsys):
    encoder, train, val, test = world
    results, _ = measured("knn", encoder, test, train=train, val=val, k=5000)
    assert results["knn/top-1"].setting["k"] == 300
    assert "n: k = 5,000 of 300 images: all of them are neighbours" in capsys.readouterr().err
    assert "k_chosen" not in results["knn/top-1"].setting
    chosen, _ = measured("knn", encoder, test, train=train, val=val, k=0)
    assert chosen["knn/top-1"].setting["k_chosen"] is True
    assert "neighbours" not in capsys.readouterr().err
