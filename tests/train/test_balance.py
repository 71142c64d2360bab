"""A run whose pairs are drawn by a balance."""

import pytest

from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.cli.main import main
from wordsight.data.balanced import BalancedSet
from wordsight.train.loop import train
from wordsight.train.pairs import open_pairs
from wordsight.train.recipe import read_recipe

CHANGES = ["data.sources.scenes.balance=verdicts.csv", "data.held_out=0", "steps=4"]


@pytest.fixture
def verdicts(scenes):
    (scenes.parent / "entries.txt").write_text("disc\nred\n")
    command = ["data", "balance", str(scenes), "--entries", str(scenes.parent / "entries.txt"), "--at-most", "2"]
    assert main([*command, "--out", str(scenes.parent / "verdicts.csv")]) == 0
    return scenes.parent / "verdicts.csv"


def test_pairs_are_drawn_by_their_probability(recipe, verdicts):
    config = read_recipe(str(recipe), [*CHANGES, f"data.root={verdicts.parent}"])
    pairs = open_pairs(config.data, hold_out=False)
    drawn = pairs.sources[0].drawn
    assert isinstance(drawn, BalancedSet)
    assert drawn.by_row.tolist() == [0.5, 0, 0.5, 0, 1, 1, 0.5, 0]  # blue, lime, red, white: disc, square
    assert pairs.sources[0].weight == 3.5
    plain = open_pairs(read_recipe(str(recipe), ["data.held_out=0", "steps=4"]).data, hold_out=False)
    assert pairs.fingerprints() != plain.fingerprints()


def test_a_run_learns_and_goes_on_only_with_the_same_balance(recipe, verdicts):
    words = [*CHANGES, f"data.root={verdicts.parent}", f"out={recipe.parent / 'run'}", "validation.tasks={}"]
    assert train(read_recipe(str(recipe), words), device="cpu").steps == 4
    verdicts.write_text(verdicts.read_text().replace("0.5", "0.25"))
    longer = [word if word != "steps=4" else "steps=6" for word in words]
    with pytest.raises(UsageError, match="the data of scenes changed"):
        train(read_recipe(str(recipe), longer), device="cpu", resume=True)


def test_what_no_run_can_be_balanced_by_is_refused(recipe, verdicts):
    words = [*CHANGES, f"data.root={verdicts.parent}"]
    verdicts.write_text(
        "".join(line for line in verdicts.read_text().splitlines(keepends=True) if "red-disc" not in line)
    )
    with pytest.raises(FormatError, match="1 of 8 images of scenes have no verdict, such as red-disc.png"):
        open_pairs(read_recipe(str(recipe), words).data, hold_out=False)
    with pytest.raises(ConfigError, match="stream"):
        main(["data", "pack", str(verdicts.parent / "scenes"), "--out", str(verdicts.parent / "packed")])
        words += ["data.pictures=stream", "data.sources.scenes.place=packed"]
        open_pairs(read_recipe(str(recipe), words).data, hold_out=False)
