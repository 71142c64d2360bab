"""Images inside files: damaged files of pages, libraries of earlier versions, and headers that are not read."""

from io import BytesIO

import pytest
from PIL import Image
from tests.images.film_files import film, frames, pdf, scene


@pytest.fixture
def films(tmp_path, paint):
    """A film, a document, two animations and a still image."""
    folder = tmp_path / "place"
    film(folder / "beach.mp4", [("red", 3), ("green", 2)])
    pdf(folder / "manual.pdf", ["orange", "purple"])
    frames(folder / "loop.gif", ["white", "brown"])
    paint(folder / "still.png", "pink")
    return folder


def keys(library):
    return sorted(hit.key for hit in library.search("red", k=99))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
@pytest.mark.parametrize("share", [0.3, 0.55, 0.8])
def test_a_cut_file_of_pages_is_one_failure_and_all_else_is_indexed(opened, tmp_path, paint, share):
    place = tmp_path / "place"
    path = frames(place / "m.tiff", ["red", "green", "blue", "white", "brown", "pink", "orange", "purple"])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    paint(place / "a.png", "pink")
    paint(place / "z.png", "red")
    library = opened(place)
    report = library.sync()
    assert len(report.failed) == 1 and str(path) in report.failed[0][1]
    assert {"a.png", "z.png", "m.tiff", "m.tiff#page=2"} <= set(keys(library))
    assert not library.sync()


@pytest.mark.parametrize("knows", ["nothing", "columns"])
def test_a_library_of_an_earlier_version_gets_frames_and_pages_once_without_encoding_the_others(
    opened, films, encoded, model, knows
):
    frames(films / "m.tiff", ["red", "green"])
    (films / "still.gif").write_bytes(one_frame())
    library = opened(films)
    library.sync()
    everything = keys(library)
    with library._index.writing() as index:  # as a version leaves it that knows of no images inside files
        inner = [key for key in index.files.states() if "#" in key]
        index.remove(inner)
        index.files.forget(inner)
        facts = {"brought": "", "overlaid": ""} if knows == "nothing" else {}
        index.note({**facts, "signature": index.facts()["signature"].partition(" ")[0]})
        index.save()
    counted = encoded(model)
    library = opened(films)
    report = library.sync()
    assert keys(library) == everything and report.failed == []
    assert sorted(report.added) == sorted(inner) and {"loop.gif#frame=1", "m.tiff#page=2"} <= set(inner)
    assert len(counted) <= len(inner)
    assert not library.sync()


def one_frame():
    packed = BytesIO()
    Image.fromarray(scene("purple")).save(packed, "GIF")
    return packed.getvalue()


def test_headers_of_films_and_documents_are_not_asked_for_columns(opened, films, monkeypatch):
    from wordsight.data import sidecar_files

    asked = []
    original = sidecar_files.embedded_columns
    monkeypatch.setattr(
        sidecar_files, "embedded_columns", lambda image: (asked.append(image and image.name), original(image))[1]
    )
    opened(films).sync()
    assert set(asked) == {None, "loop.gif", "still.png"}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
def test_a_file_whose_first_image_is_damaged_is_one_failure(opened, tmp_path, paint):
    place = tmp_path / "place"
    path = frames(place / "m.tiff", ["red", "green"])
    path.write_bytes(path.read_bytes()[:200])
    paint(place / "a.png", "pink")
    library = opened(place)
    assert [key for key, _ in library.sync().failed] == ["m.tiff"] and keys(library) == ["a.png"]
    assert not library.sync()
