"""Label images beside images: read where they are asked for, in shards and folders, and never as images themselves."""

import io
import tarfile

import pytest
from PIL import Image

from wordsight.base.errors import NotFound
from wordsight.data.source import Columns, open_source


def png(number):
    buffer = io.BytesIO()
    Image.new("L", (4, 4), number).save(buffer, "PNG")
    return buffer.getvalue()


def masks_of(location, masks):
    return {sample.key: sample.mask for sample in open_source(location, columns=Columns(masks=masks)).samples()}


def test_shards_give_the_member_that_is_named(tmp_path):
    with tarfile.open(tmp_path / "s-0000.tar", "w") as tar:
        for name, data in (("a.jpg", png(1)), ("a.seg.png", png(7)), ("b.jpg", png(2))):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    assert masks_of(tmp_path, "seg.png") == {"a": png(7), "b": None}
    assert masks_of(tmp_path, None) == {"a": None, "b": None}
    plain, asked = (open_source(tmp_path, columns=Columns(masks=masks)) for masks in (None, "seg.png"))
    assert plain.fingerprint() == asked.fingerprint()


def put(path, number=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(number))
    return path


def test_folders_have_them_beside_the_images(tmp_path):
    put(tmp_path / "x/a.png"), put(tmp_path / "x/b.png")
    mask, other = put(tmp_path / "x/a.seg.png"), put(tmp_path / "x/b_mask.png")
    assert masks_of(tmp_path, "seg.png") == {"x/a.png": mask, "x/b.png": None, "x/b_mask.png": None}
    assert masks_of(tmp_path, "_mask.png") == {"x/a.png": None, "x/a.seg.png": None, "x/b.png": other}


def test_folders_have_them_in_a_folder_of_their_own(tmp_path):
    put(tmp_path / "images/v/a.jpg"), put(tmp_path / "images/v/b.jpg")
    mask, whole = put(tmp_path / "annotations/v/a.png"), put(tmp_path / "annotations/images/v/b.png")
    assert masks_of(tmp_path, "annotations") == {"images/v/a.jpg": mask, "images/v/b.jpg": whole}
    with pytest.raises(NotFound, match="no folder of masks .*labels"):
        masks_of(tmp_path, "labels")
