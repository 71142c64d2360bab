"""Every packaged recipe runs on a dozen drawn images, from a tiny model in a folder, as it is typed."""

from pathlib import Path

import pytest
from PIL import Image

from wordsight.base.config import read_toml
from wordsight.cli.main import main
from wordsight.train.packaged import FOLDER, recipe_names

ELSEWHERE = {"align-lite", "scenes"}  # two towers to align, and the story of `wordsight demo`, have tests of their own
FRESH = {"pairs": ["model.architecture=nano-rn-64", "batch=4"]}  # begins from nothing
CLASSES = {"disc": (230, 30, 30), "field": (40, 230, 40), "sea": (30, 30, 230)}
QUICK = ["steps=2", "batch=8", "schedule.warmup=1", "export.precisions=[]"]


@pytest.fixture
def drawn(tmp_path) -> Path:
    """Three classes of four images each."""
    for name, (red, green, blue) in CLASSES.items():
        (tmp_path / "drawn" / name).mkdir(parents=True)
        for number in range(4):
            image = Image.new("RGB", (40, 32), (red, green, blue - 30 + 10 * number))
            image.save(tmp_path / "drawn" / name / f"{number}.png")
    return tmp_path / "drawn"


@pytest.mark.parametrize("name", sorted(set(recipe_names()) - ELSEWHERE))
def test_it_runs(name, start, drawn, capsys):
    lines = (FOLDER / f"{name}.toml").read_text().splitlines()
    assert len(lines) <= 40
    assert lines[0].startswith("# ")
    out = drawn.parent / "out"
    changes = [f"root={drawn}", f"out={out}"]
    if name != "probe":
        changes += [*QUICK, *FRESH.get(name, [])]
    model = [] if name in FRESH else ["--model", str(start)]
    typed = [word for change in changes for word in ("--set", change)]
    assert main(["train", name, *model, *typed]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(str(out))
    assert Path(printed.split("\n")[0]).exists()


def test_tuning_recipes_state_what_the_guard_allows():
    warm = [name for name in recipe_names() if "init" in read_toml(FOLDER / f"{name}.toml").get("model", {})]
    assert {"lock-image", "lock-text", "lora", "tune"} <= set(warm)
    stated = {name: read_toml(FOLDER / f"{name}.toml").get("guard") for name in warm}
    assert set(map(str, stated.values())) == {str({"fall": 0.05, "action": "stop"})}
