"""Pictures of hits in a folder: safe names, nothing overwritten, whatever the keys and wherever the images lie."""

import os

import pytest
from PIL import Image

from wordsight.base.errors import StorageError
from wordsight.search.extract import extract, safe_name
from wordsight.search.hits import Hit


class Given:
    """Originals that are given."""

    def __init__(self, images):
        self._images = images

    def images(self, keys):
        return ((key, self._images[key]) for key in keys)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "in" / "A Photo.JPG"
    path.parent.mkdir()
    Image.new("RGB", (9, 9)).save(path)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


def test_files_are_copied_as_they_are_with_their_times(photo, tmp_path):
    extraction = extract([Hit(0.5, "in/A Photo.JPG", photo, {})] * 2, tmp_path / "new" / "out")
    assert [path.name for path in extraction.written] == ["001-in-A-Photo.jpg", "002-in-A-Photo.jpg"]
    assert extraction.failures == []
    for path in extraction.written:
        assert path.read_bytes() == photo.read_bytes()
        assert path.stat().st_mtime == 1_000_000_000


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "a\0b",
    "c:\\con",
    "x\ny",
    "é" * 300,
    "\udce9",
    "",
    "-rf",
    "aux.jpg. .",
]


def test_no_key_leads_out_of_the_folder_or_to_a_name_that_a_system_refuses(tmp_path):
    images = {key: b"\xff\xd8\xff" + str(number).encode() for number, key in enumerate(HOSTILE)}
    origin = Given(images)
    folder = tmp_path / "deep" / "out"
    extraction = extract([Hit(0.5, key, None, {}, origin=origin) for key in HOSTILE], folder)
    assert extraction.failures == []
    assert sorted(folder.iterdir()) == extraction.written and len(extraction.written) == len(HOSTILE)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == list(tmp_path.rglob("*.jpg"))
    for number, (path, data) in enumerate(zip(extraction.written, images.values(), strict=True), start=1):
        assert path.read_bytes() == data
        assert path.name.startswith(f"{number:03}-") and path.name.endswith(".jpg")
        assert not set(path.name) & set('\\/:*?"<>|\0\n ') and len(os.fsencode(path.name)) <= 255
        path.name.encode()


@pytest.mark.parametrize(
    ("data", "ending"),
    [
        (b"\x89PNG\r\n\x1a\n", ".png"),
        (b"GIF89a", ".gif"),
        (b"RIFF1234WEBP", ".webp"),
        (b"BM..", ".bmp"),
        (b"II*\0", ".tif"),
        (b"\0\0\0\x1cftypavif", ".avif"),
        (b"\0\0\0\x1cftypheic", ".heic"),
        (b"what", ".bin"),
    ],
)
def test_bytes_have_the_ending_of_what_they_are(data, ending):
    assert safe_name("key", data) == f"key{ending}"
    assert safe_name(f"key{ending}", data) == f"key{ending}"


def test_what_is_there_is_left_alone_and_named(photo, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "001-a.jpg").write_bytes(b"mine")
    (out / "002-b.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    hits = [Hit(0.5, key, photo, {}) for key in ("a.JPG", "b.JPG", "c.JPG")]
    hits.append(Hit(0.5, "gone.jpg", tmp_path / "gone.jpg", {}))
    extraction = extract(hits, out)
    assert [path.name for path in extraction.written] == ["003-c.jpg"]
    assert [str(failure).partition(";")[0] for failure in extraction.failures] == [
        f"{out / '001-a.jpg'} is there already",
        f"{out / '002-b.jpg'} is there already",
        f"{tmp_path / 'gone.jpg'} cannot be opened: No such file or directory",
    ]
    assert (out / "001-a.jpg").read_bytes() == b"mine" and not (tmp_path / "elsewhere.jpg").exists()


def test_a_folder_that_cannot_be_made_is_an_error(photo):
    with pytest.raises(StorageError, match="is a file, not a folder"):
        extract([Hit(0.5, "a", photo, {})], photo / "out")
