"""What a trained model says of those it began from: licences and terms."""

from dataclasses import replace

import pytest

from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe
from wordsight.weights.folder import read_model_manifest, write_model_manifest

LAYERS = ("model.image.layers=3", "model.text.layers=3", "validation.every=0")


def run(recipe, *changes, name="run", model=None, resume=False):
    config = read_recipe(str(recipe), [f"out={recipe.parent / name}", "steps=4", *changes], model=model and str(model))
    return train(config, device="cpu", resume=resume)


def test_a_model_carries_on_what_it_began_from_with_licences_and_terms(recipe, start):
    """Over two generations, of which the second begins from the first."""
    card = "# start\n\n## Licences of its data\n\n- ImageNet: research only.\n\n### Photos\n\nNone stated.\n\n## Limits\n\nMany.\n"
    (start / "README.md").write_text(card)
    manifest = read_model_manifest(start)
    origin = {
        "began from": "image: lite (mit); text: mini (apple-amlr)",
        "image licence": "mit",
        "text licence": "apple-amlr",
    }
    write_model_manifest(start, replace(manifest, origin=origin))
    one = run(recipe, "name=mine", name="one", model=start).model
    two = run(recipe, name="two", model=one).model
    for model in (one, two):
        said, stated = (model / "README.md").read_text(), read_model_manifest(model).origin
        assert (stated["image licence"], stated["text licence"]) == ("mit", "apple-amlr")
        assert "licence" not in stated
        assert origin["began from"] in stated["began from"]
        assert origin["began from"] in said
        assert "image tower's licence mit, text tower's licence apple-amlr)" in said
        section = said.partition("## Licences of what it began from\n")[2].partition("\n## ")[0]
        assert section.strip() == (
            f"As the card of {start} says:\n\n- ImageNet: research only.\n\n**Photos**\n\nNone stated."
        )
    half = run(recipe, f"model.image.init={two}", f"model.text.init={start}", "model.width=32", name="half").model
    assert read_model_manifest(half).origin["text licence"] == "apple-amlr"
    assert (half / "README.md").read_text().count("- ImageNet: research only.") == 1  # the same terms once


@pytest.mark.parametrize("stated", [{"licence": "mit"}, {"image licence": "mit", "text licence": "mit"}])
def test_towers_licences_stay_theirs_where_they_are_the_same(recipe, start, stated):
    write_model_manifest(start, replace(read_model_manifest(start), origin=stated))
    done = run(recipe, name="one", model=start).model
    origin = read_model_manifest(done).origin
    assert {key: value for key, value in origin.items() if "licence" in key} == stated
    said = "image tower's licence mit, text tower's licence mit)" if len(stated) > 1 else ", licence mit)"
    assert said in (done / "README.md").read_text()


def test_a_tower_beside_a_model_is_said_to_be_another_ones(recipe, start):
    other = run(recipe, *LAYERS, name="other").model
    mixed = run(recipe, f"model.image.init={other}", name="mixed", model=start).model
    card = (mixed / "README.md").read_text()
    assert f"- image tower: {other} (" in card and f"- text tower: {start} (" in card
    assert "both towers" not in card
