"""A library under which the default model changes: refused with the command that works, or searched with the former."""

import json
import shlex
import shutil

import pytest
import torch
from PIL import Image

import wordsight
from wordsight.base.errors import FingerprintMismatch
from wordsight.base.settings import Settings, write_settings
from wordsight.cli.main import main
from wordsight.engines.export import export
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights import find
from wordsight.weights.folder import read_fingerprint, save_model

SPEC = ModelSpec(
    "tiny",
    width=24,
    image=VitSpec(size=16, width=32, layers=1, heads=2, patch=8),
    text=ClipTextSpec(context_length=40, vocabulary_size=514, width=32, layers=1, heads=2),
    preprocess=PreprocessSpec(size=16),
    tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=514, context_length=40),
)


@pytest.fixture(scope="module")
def bundled_models(tmp_path_factory):
    """Two folders as the bundled one is: graphs in int8, no weights."""
    folders = []
    for name in ("former", "new"):
        torch.manual_seed(len(folders))
        folder = tmp_path_factory.mktemp("models") / name
        save_model(build(SPEC).eval(), folder, merges="", card=f"# {name}\n")
        export(folder, precisions=["int8"])
        (folder / "weights.safetensors").unlink()
        folders.append(folder)
    return folders


@pytest.fixture
def former(bundled_models, tmp_path, monkeypatch):
    """The former bundled model, elsewhere; in its place in the package lies the new one by now, and a library of it."""
    former, new = bundled_models
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    for name in ("red", "green", "blue"):
        (tmp_path / "my photos").mkdir(exist_ok=True)
        Image.new("RGB", (20, 20), name).save(tmp_path / "my photos" / f"{name}.png")
    monkeypatch.setattr(find, "BUNDLED", former)
    assert main(["index", str(tmp_path / "my photos")]) == 0
    monkeypatch.setattr(find, "BUNDLED", new)
    return shutil.copytree(former, tmp_path / "former")


def refused(capsys, *words):
    """Return the one line that a call prints on standard error, and the command in it."""
    assert main(list(words)) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line, shlex.split(line.partition("embed its images again: ")[2].partition("; or use that model: ")[0])


@pytest.mark.parametrize("verb", ["search", "index"])
def test_a_library_of_the_former_bundled_model_is_refused_and_made_again(verb, former, tmp_path, capsys):
    photos = str(tmp_path / "my photos")
    words = ["search", "red", "--in", photos] if verb == "search" else ["index", photos]
    capsys.readouterr()
    line, command = refused(capsys, *words)
    assert line.startswith(
        f"wordsight: the library in {photos}/.wordsight was made by the model tiny ({read_fingerprint(former)}), "
        f"not by tiny ({read_fingerprint(find.BUNDLED)}); "
    )
    assert command == ["wordsight", "index", photos, "--rebuild"]
    assert main(command[1:]) == 0 and "3 added" in capsys.readouterr().out
    assert main(words) == 0


def test_the_former_model_still_searches_it_from_a_folder(former, tmp_path, capsys):
    photos = str(tmp_path / "my photos")
    capsys.readouterr()
    assert main(["search", "red", "--in", photos, "--model", str(former), "--json"]) == 0
    streams = capsys.readouterr()
    assert len(streams.out.splitlines()) == 3 and "added" not in streams.err
    assert json.loads(streams.out.splitlines()[0])["path"].startswith(photos)
    assert read_fingerprint(former) == wordsight.load(former).fingerprint


def test_a_default_that_changed_is_refused_with_the_way_back(former, tmp_path, capsys):
    """The library is the bundled model's, and `models use` has made another one the default."""
    photos = str(tmp_path / "my photos")
    assert main(["index", photos, "--rebuild"]) == 0
    write_settings(Settings(model=str(former)))
    capsys.readouterr()
    line, command = refused(capsys, "search", "red", "--in", photos)
    assert line.endswith("; or use that model: --model bundled\n") and "--model" not in command
    assert main(["search", "red", "--in", photos, "--model", "bundled"]) == 0
    assert main(command[1:]) == 0 and main(["search", "red", "--in", photos]) == 0


def test_the_command_names_the_library_and_the_model_that_were_given(former, tmp_path, capsys):
    photos, library = str(tmp_path / "my photos"), str(tmp_path / "aside")
    assert main(["index", photos, "--library", library]) == 0
    capsys.readouterr()
    words = ["search", "red", "--in", photos, "--library", library, "--model", str(former)]
    _, command = refused(capsys, *words)
    assert command == ["wordsight", "index", photos, "--library", library, "--rebuild", "--model", str(former)]
    assert main(command[1:]) == 0 and main(words) == 0


def test_in_python_too(former, tmp_path):
    with wordsight.open_library(tmp_path / "my photos") as library:
        with pytest.raises(FingerprintMismatch, match="or use that model: --model "):
            library.search("red")
        library.forget()
        assert len(library.sync().added) == 3
