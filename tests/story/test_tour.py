"""The tour is true: its blocks run, one after the other, and its image comes out as the first answer."""

import re
from pathlib import Path
from typing import Any

import pytest

TOUR = Path(__file__).resolve().parents[2] / "docs" / "tour.md"


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run all blocks in an empty folder and return what they defined."""
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", TOUR.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("tour"))
        for number, block in enumerate(blocks, 1):
            exec(compile(block, f"docs/tour.md, block {number}", "exec"), names)
    return names


def test_each_room_of_the_way_is_visited(walked: dict[str, Any]) -> None:
    text = TOUR.read_text(encoding="utf-8")
    assert len(re.findall(r"^## \d+\. ", text, re.MULTILINE)) == 11
    assert {"samples", "pixels", "tokens", "towers", "loss", "engine", "embeddings", "hits"} <= set(walked)


def test_what_the_comments_claim(walked: dict[str, Any]) -> None:
    assert walked["pixels"].shape == (64, 64, 3)
    assert walked["embeddings"].shape == (48, 128)
    assert walked["loss"].item() < 2.0
    assert abs(walked["embedding"] - walked["engine"].embed_images(walked["pixels"][None])).max() == 0
    assert walked["library"].model.fingerprint == walked["manifest"].fingerprint


def test_the_library_answers(walked: dict[str, Any]) -> None:
    assert len(walked["hits"]) == 3
    assert all(Path(hit.path).name.endswith(".png") for hit in walked["hits"])
