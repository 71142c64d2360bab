"""What `import wordsight` offers: these names, and each of them is there."""

import pytest

import wordsight

NAMES = ["__version__", "load", "load_towers", "losses", "open_library"]


def test_names() -> None:
    assert wordsight.__all__ == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_name_is_there(name: str) -> None:
    assert getattr(wordsight, name) is not None


def test_losses_are_there() -> None:
    assert callable(wordsight.losses.softmax_loss)
    assert callable(wordsight.losses.sigmoid_loss)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        wordsight.trian  # noqa: B018


def test_version_is_that_of_the_package(root) -> None:
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == wordsight.__version__
