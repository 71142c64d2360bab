"""A run records the space of a few validated pairs; a stopped one goes on with the same record."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wordsight.base.errors import ConfigError
from wordsight.embeddings.model import load
from wordsight.evaluate.building import build_task
from wordsight.evaluate.tasks import TaskSpec, captions_of
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe
from wordsight.train.space import MOST, distance


def run(recipe, name, *changes, resume=False):
    config = read_recipe(str(recipe), [f"out={recipe.parent / name}", *changes])
    return train(config, device="cpu", resume=resume)


def steps(folder):
    return [json.loads(line)["step"] for line in (folder / "space" / "steps.jsonl").read_text().splitlines()]


def contents(folder):
    return {path.name: path.read_bytes() for path in (folder / "space").rglob("*") if path.is_file()}


def test_a_run_records_its_pairs_before_during_and_after(recipe):
    done = run(recipe, "run", "steps=20", "validation.every=8", "export.precisions=['fp32']")
    assert steps(done.folder) == [0, 8, 16, 20]
    pairs = json.loads((done.folder / "space" / "pairs.json").read_text())
    assert len(pairs) == 8
    assert {pair["caption"] for pair in pairs} >= {"a red disc", "a blue square"}
    for pair in pairs:
        colour = pair["caption"].split()[1]
        with Image.open(done.folder / pair["image"]) as image:
            assert image.size == (32, 32)
            centre = image.convert("RGB").getpixel((16, 16))
        assert {"red": centre[0], "lime": centre[1], "blue": centre[2], "white": min(centre)}[colour] > 200
    first, last = (np.load(done.folder / "space" / f"step-{step:06d}.npy").astype(np.float32) for step in (0, 20))
    assert first.shape == last.shape == (2, 8, 32)
    np.testing.assert_allclose(np.linalg.norm(last, axis=2), 1, atol=1e-3)
    assert np.abs(first - last).max() > 0.1
    model = load(str(done.model), engine="onnx", precision="fp32")  # the last is what was saved
    np.testing.assert_allclose(model.embed_texts([pair["caption"] for pair in pairs]), last[1], atol=1e-3)


def test_fewer_pairs_are_evenly_spread_and_none_are_recorded(recipe):
    done = run(recipe, "run", "steps=2", "validation.pairs=3", "validation.every=0")
    names = sorted(path.stem for path in (recipe.parent / "scenes").glob("*.png"))
    pairs = json.loads((done.folder / "space" / "pairs.json").read_text())
    expected = [(recipe.parent / "scenes" / f"{names[row]}.txt").read_text().splitlines()[0] for row in (0, 2, 5)]
    assert [pair["caption"] for pair in pairs] == expected
    assert steps(done.folder) == [0, 2]
    without = run(recipe, "run", "steps=2", "validation.pairs=0", resume=True)
    assert not (without.folder / "space").exists()
    with pytest.raises(ConfigError, match=r"validation\.pairs"):
        run(recipe, "wrong", "validation.pairs=-1")


def test_recording_changes_nothing_that_is_learned(recipe):
    models = [run(recipe, f"run{pairs}", "steps=6", f"validation.pairs={pairs}").model for pairs in (0, 5)]
    assert len({(model / "weights.safetensors").read_bytes() for model in models}) == 1


def test_a_stopped_run_goes_on_with_its_record(recipe, broken_off):
    changes = ["checkpoint.steps=5", "validation.every=2"]
    whole = run(recipe, "whole", *changes)
    for step in (3, 9, 13):  # before the first checkpoint, and after validations that are done again
        with broken_off(step):
            run(recipe, "parts", *changes, resume=True)
    assert steps(recipe.parent / "parts") == [0, 2, 4, 6, 8, 10, 12]
    parts = run(recipe, "parts", *changes, resume=True)
    assert steps(whole.folder) == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert contents(whole.folder) == contents(parts.folder)


def test_a_longer_run_keeps_few_steps(recipe):
    done = run(recipe, "run", "steps=30", "validation.every=1")
    assert steps(done.folder) == [0, 4, 8, 12, 16, 20, 24, 28, 30]
    assert len(list((done.folder / "space").glob("*.npy"))) == 9


def test_a_run_begun_anew_has_a_record_of_its_own(recipe, broken_off):
    with broken_off(7):
        run(recipe, "run", "validation.every=3")
    assert steps(recipe.parent / "run") == [0, 3, 6]
    done = run(recipe, "run", "validation.every=0", "steps=4")
    assert steps(done.folder) == [0, 4]


@given(st.integers(0, 10**6), st.integers(1, 5000))
def test_what_is_kept_is_even_and_few(step, every):
    apart = distance(step, every)
    kept = [at for at in range(0, step + 1, every) if at % apart == 0] if step < 500 * every else []
    assert apart % every == 0
    assert len(kept) <= MOST
    if apart > every:
        assert step // (apart // 2) >= MOST  # no fewer are kept than must be


def test_a_class_is_captioned_by_its_first_prompt(scenes):
    for path in scenes.glob("*.png"):
        (scenes / path.stem.split("-")[1]).mkdir(exist_ok=True)
        path.rename(scenes / path.stem.split("-")[1] / path.name)
    for path in scenes.glob("*.txt"):
        path.unlink()
    task = build_task(TaskSpec("zero-shot", str(scenes), templates="photo"))
    assert list(captions_of(task)) == ["a photo of a disc."] * 4 + ["a photo of a square."] * 4
