"""`wordsight models`: the catalogue's rows, with and without the hub's client."""

import json
import shutil
import sys

import pytest
from PIL import Image

import wordsight
from wordsight.base.settings import Settings, write_settings
from wordsight.cli.main import main
from wordsight.cli.search import STRONGER
from wordsight.weights.find import BUNDLED, find_model
from wordsight.weights.folder import read_fingerprint
from wordsight.weights.licences import non_commercial
from wordsight.weights.names import catalogue


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "")


@pytest.mark.parametrize("client", [True, False])
def test_a_public_model_is_shown_without_being_fetched(client, monkeypatch, capsys):
    if not client:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["models", "show", "ViT-B-16-SigLIP/webli"]) == 0
    out = capsys.readouterr().out
    assert "timm/ViT-B-16-SigLIP" in out
    assert "76.04 % zero-shot top-1 (mlfoundations/open_clip" in out
    assert ("not in the cache; run `wordsight models fetch" if client else "pip install 'wordsight[models]'") in out
    assert "--offline" not in out


def test_the_bundled_model_is_shown_by_its_name_and_not_fetched(capsys):
    assert main(["models", "show", "bundled"]) == 0
    assert read_fingerprint(BUNDLED) in capsys.readouterr().out
    assert main(["models", "fetch", "bundled"]) == 2
    assert "the model 'bundled' comes with the package; use it: there is nothing to fetch" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["~nobody/x", "x" * 5000, "ViT-B-33/openai"])
def test_a_name_that_leads_nowhere_is_one_line(name, capsys):
    for words in (["show", name], ["fetch", name]):
        assert main(["models", *words, "--offline"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and len(said) < 400


def test_the_list_holds_the_catalogue(capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "ViT-H-14-378/dfn5b" in out
    assert "apple-amlr" in out


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path / "settings" / "wordsight" / "settings.toml"


@pytest.fixture
def other(tmp_path):
    return shutil.copytree(BUNDLED, tmp_path / "other")


def printed(capsys, *words):
    """Run, and return the status and what was printed on both streams."""
    status = main(list(words))
    streams = capsys.readouterr()
    return status, streams.out, streams.err


def test_a_model_in_use_is_the_default_until_the_bundled_one_is_again(settings, other, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, _ = printed(capsys, "models", "use", "other")
    assert status == 0 and out.endswith(f"is the default now, kept in {settings}\n")
    monkeypatch.chdir("/")
    assert settings.read_text() == f'model = "{other}"\n' and wordsight.load().folder == other
    for words in (["models"], ["models", "show"]):
        assert f"{other}, by {settings}" in printed(capsys, *words)[1]
    assert printed(capsys, "models", "use", "bundled") == (0, "the bundled model is the default again\n", "")
    assert wordsight.load().folder == BUNDLED and not settings.exists()
    assert "(the default: nothing else is set)" in printed(capsys, "models")[1]


def test_the_variable_goes_before_it_and_the_option_before_both(settings, other, monkeypatch, capsys):
    write_settings(Settings(model="/nowhere"))
    monkeypatch.setenv("WORDSIGHT_MODEL", str(other))
    assert find_model() == other and find_model("bundled") == BUNDLED
    assert f"(WORDSIGHT_MODEL is {other})" in printed(capsys, "models")[1]
    assert "(--model bundled)" in printed(capsys, "models", "--model", "bundled")[1]
    status, _, err = printed(capsys, "models", "use", str(other))
    assert status == 0 and err == f"WORDSIGHT_MODEL is {other} and goes before it\n"


def test_a_default_that_is_gone_says_where_it_was_set_and_how_to_go_back(settings, tmp_path, capsys):
    write_settings(Settings(model="/nowhere"))
    assert main(["classify", str(tmp_path), "--classes", "a,b"]) == 2
    (tmp_path / "a.png").write_bytes(b"x")
    status, _, err = printed(capsys, "classify", str(tmp_path), "--classes", "a,b")
    assert status == 2 and f"{settings}: no model '/nowhere': there is no such file or folder" in err
    assert err.endswith("or go back: wordsight models use bundled\n") and err.count("\n") == 2
    assert printed(capsys, "models", "use", "bundled")[0] == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B-32/openai", "is not in the cache, and the network is not to be used (--offline)"),
        ("ViT-B-33/openai", "did you mean"),
        ("/nowhere", "there is no such file or folder"),
    ],
)
def test_what_cannot_be_loaded_does_not_become_the_default(name, said, settings, capsys):
    status, out, err = printed(capsys, "models", "use", name, "--offline")
    assert (status, out) == (2, "") and said in err and err.count("\n") == 1
    assert not settings.exists()


def test_a_model_that_does_not_answer_does_not_become_the_default(settings, other, capsys):
    (other / "onnx" / "text.int8.onnx").write_bytes(b"damaged")
    assert printed(capsys, "models", "use", str(other))[0] == 2
    assert not settings.exists()


def test_use_wants_a_name(capsys):
    said = "use which model?; name it, for example ViT-B-32/laion2b_s34b_b79k; bundled goes back\n"
    assert printed(capsys, "models", "use") == (2, "", f"wordsight: {said}")


def test_broken_settings_are_one_line_where_a_default_is_wanted_and_only_there(settings, other, capsys):
    settings.parent.mkdir(parents=True)
    settings.write_text("model = [")
    status, _, err = printed(capsys, "models", "show")
    assert (
        status == 2 and "let `models use NAME` write it anew" in err.replace("wordsight ", "") and err.count("\n") == 1
    )
    assert "none: settings: " in printed(capsys, "models")[1]
    assert printed(capsys, "models", "show", "--model", str(other))[0] == 0
    assert printed(capsys, "models", "use", str(other))[0] == 0 and find_model() == other


def test_the_way_to_a_stronger_model_is_said_once(settings, tmp_path, capsys):
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    search = ["search", "red", "--in", str(tmp_path)]
    assert "stronger" not in printed(capsys, *search, "--quiet")[2]
    status, out, err = printed(capsys, *search, "--json")
    assert status == 0 and json.loads(out)["key"] == "red.png"
    assert err.splitlines()[-1] == (
        "a stronger model than the bundled one: ViT-B-32/datacomp_xl_s13b_b90k (610 MB to fetch, licence mit): "
        "pip install 'wordsight[models]' && wordsight models use ViT-B-32/datacomp_xl_s13b_b90k"
    )
    assert "stronger" not in printed(capsys, *search)[2]


def test_who_uses_another_model_is_not_told_of_a_stronger_one(settings, other, tmp_path, capsys):
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    assert "stronger" not in printed(capsys, "search", "red", "--in", str(tmp_path), "--model", str(other))[2]
    assert not settings.parent.exists()


def test_the_stronger_model_is_one_of_the_catalogue_that_may_be_used_commercially():
    (row,) = [row for row in catalogue() if row.name == STRONGER]
    assert not non_commercial(row.licence) and row.parameters
