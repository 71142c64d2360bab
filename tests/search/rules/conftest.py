"""Coloured pictures, and rules about them."""

import pytest

from wordsight.search.library import open_library


@pytest.fixture
def quick_disk(monkeypatch):
    """Leave out waiting for the disk."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def ruled(photos, opened, quick_disk):
    """Return a library in step, with these rules in its file."""

    def ruling(text, **options):
        library = opened(photos, **options)
        library.sync()
        (library.folder / "rules.toml").write_text(text)
        return library

    return ruling


def files(photos):
    """Return the paths of all files below a folder but the library's, with their contents."""
    paths = (path for path in photos.rglob("*") if path.is_file() and ".wordsight" not in path.parts)
    return {path.relative_to(photos).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def lying(photos):
    """Return which files lie in the folder, and what they hold."""
    return lambda: files(photos)


@pytest.fixture
def tags(photos, model):
    """Return key -> tags, as a search sees them."""

    def looking():
        with open_library(photos, model=model) as library:
            library.sync()
            hits = library.search("red", k=99, min_cosine=-1)
            return {hit.key: hit.meta["rule_tags"].splitlines() for hit in hits if hit.meta.get("rule_tags")}

    return looking
