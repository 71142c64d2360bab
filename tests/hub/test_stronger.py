"""The command that the notice of a stronger model names is followed, on a hub that has a small model of that name."""

import shlex

import huggingface_hub.constants
from PIL import Image
from server import Hub, Repository

import wordsight
from wordsight.base.settings import settings_file
from wordsight.cli.main import main
from wordsight.cli.search import STRONGER
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.formats.table import write_as
from wordsight.weights.names import address


def small_files(folder):
    spec = ModelSpec(
        "small",
        width=16,
        image=VitSpec(size=224, width=64, layers=1, heads=1, patch=32),
        text=ClipTextSpec(width=64, layers=1, heads=1),
        tokenizer=TokenizerSpec(),
    )
    state = {name: tensor.numpy() for name, tensor in build(spec).state_dict().items()}
    write_as(Checkpoint(spec, state), folder, "openclip")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_notice_is_followed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "ours"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    search = ["search", "red", "--in", str(tmp_path)]
    assert main(search) == 0
    notice = capsys.readouterr().err.splitlines()[-1]
    command = shlex.split(notice.partition("&&")[2])
    assert command == ["wordsight", "models", "use", STRONGER]
    with Hub({address(STRONGER).repository: Repository(small_files(tmp_path / "small"))}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert main(command[1:]) == 0
    assert settings_file().read_text() == f'model = "{STRONGER}"\n'
    assert wordsight.load().name == STRONGER
