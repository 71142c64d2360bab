"""Streamed sources with parts that are lost or broken: the run goes on, and says what was left out."""

from pathlib import Path

import pytest

from wordsight.base.errors import ConfigError, FormatError
from wordsight.data.pack import PackOptions, pack
from wordsight.data.source import open_source
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe


@pytest.fixture
def packed(scenes) -> Path:
    """The pictures as four shards of two."""
    pack(open_source(scenes), scenes.parent / "packed", PackOptions(shard_size=2))
    return scenes.parent / "packed"


def run(recipe, *changes):
    words = [f"out={recipe.parent / 'run'}", "steps=4", "data.pictures=stream", "data.sources.scenes.place=packed"]
    return train(read_recipe(str(recipe), [*words, *changes]), device="cpu")


def test_lost_shards_are_named_at_the_beginning(recipe, packed, capsys):
    (packed / "000001.tar").unlink()
    (packed / "000002.tar").write_bytes(b"no tar")
    assert run(recipe).steps == 4
    printed = capsys.readouterr().err
    first, second = (line for line in printed.splitlines() if line.startswith("failed: "))
    assert first == f"failed: no shard {packed / '000001.tar'}; make it again: the manifest lists it"
    assert second.startswith(f"failed: {packed / '000002.tar'} is not a tar file")
    assert printed.index(second) < printed.index("step 1")


def test_images_that_fail_are_counted_and_named_with_their_shard(recipe, packed, capsys):
    shard = packed / "000003.tar"
    shard.write_bytes(shard.read_bytes().replace(b"\x89PNG", b"none"))
    assert run(recipe).steps == 4
    printed = capsys.readouterr().err
    assert "2 inputs failed when they were drawn\n" in printed
    assert sum(line.startswith(f"failed: {shard}: ") for line in printed.splitlines()) == 2


def test_nothing_readable_and_a_portion_are_refused(recipe, packed):
    with pytest.raises(ConfigError) as refused:
        run(recipe, "data.sources.scenes.portion=0.5")
    assert str(refused.value) == (
        'data.pictures = "stream" with a portion of packed; '
        'leave data.sources.NAME.portion out and name fewer shards, or use "cached"'
    )
    for shard in packed.glob("*.tar"):
        shard.write_bytes(b"no tar")
    with pytest.raises(FormatError, match="packed has no image with a text"):
        run(recipe)
