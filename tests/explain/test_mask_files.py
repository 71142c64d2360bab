import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.explain.mask_files import Region, as_seen, read_labels, read_sam, write_labels, write_sam
from wordsight.explain.masks import box_of, rle_of
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import transform

MASK = np.zeros((6, 9), dtype=bool)
MASK[1:4, 2:7] = True


def written(tmp_path, content):
    path = tmp_path / "masks.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_sam_there_and_back(tmp_path):
    path = tmp_path / "masks.json"
    write_sam(path, [Region(MASK, box_of(MASK), 0.97), Region(~MASK, (0, 0, 9, 6))])
    first, second = json.loads(path.read_text())
    assert first == {"segmentation": rle_of(MASK), "area": 15, "bbox": [2, 1, 5, 3], "predicted_iou": 0.97}
    assert "predicted_iou" not in second
    one, other = read_sam(path)
    assert (one.mask == MASK).all()
    assert (other.mask == ~MASK).all()
    assert (one.box, one.predicted_iou) == ((2, 1, 7, 4), 0.97)
    assert (other.box, other.predicted_iou) == ((0, 0, 9, 6), None)


def test_files_of_sa_1b_have_annotations(tmp_path):
    one = {"id": 1, "segmentation": rle_of(MASK, packed=False), "stability_score": 0.9, "crop_box": [0, 0, 9, 6]}
    [region] = read_sam(written(tmp_path, {"image": {"image_id": 1}, "annotations": [one]}))
    assert (region.mask == MASK).all()
    assert region.box == (2, 1, 7, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "masks.json is not JSON"),
        ({"image": 1}, "masks.json holds no list of masks; it is a list, or {'annotations': "),
        (7, "masks.json holds no list of masks"),
        ([7], "masks.json, mask 0: no segmentation; each mask is"),
        ([{"segmentation": [[1, 2, 3, 4]]}], r"masks.json, mask 0: a mask without size and counts: \[\[1, 2, 3, 4\]\]"),
        ([{"segmentation": rle_of(MASK), "bbox": [1, 2]}], r"mask 0: a box that is \[1, 2\]; it is four numbers"),
        ([{"segmentation": rle_of(MASK), "bbox": []}], r"mask 0: a box that is \[\]"),
        ([{"segmentation": rle_of(MASK), "predicted_iou": "0.9"}], "a predicted_iou of 0.9; it is a number"),
        ('[{"segmentation": {"size": [1, 1], "counts": [1]}, "predicted_iou": NaN}]', "a predicted_iou of nan"),
        (
            [{"segmentation": rle_of(MASK)}, {"segmentation": rle_of(MASK.T)}],
            r"mask 1: \(9, 6\) after masks of \(6, 9\); a file is about one picture",
        ),
    ],
)
def test_faults_of_files_are_named(tmp_path, content, message):
    with pytest.raises(FormatError, match=message):
        read_sam(written(tmp_path, content))


def test_no_file(tmp_path):
    with pytest.raises(NotFound, match="no file"):
        read_sam(tmp_path / "none.json")
    with pytest.raises(FormatError, match="none.png cannot be read: No such file or directory; check the file"):
        read_labels(tmp_path / "none.png")


@pytest.mark.parametrize(("highest", "mode"), [(1, "L"), (255, "L"), (256, "I;16"), (65535, "I;16")])
def test_labels_there_and_back(tmp_path, highest, mode):
    labels = np.random.default_rng(0).integers(0, highest + 1, (6, 9))
    labels[0, 0] = highest
    write_labels(tmp_path / "labels.png", labels)
    with Image.open(tmp_path / "labels.png") as image:
        assert image.mode == mode
    read = read_labels(tmp_path / "labels.png")
    assert read.dtype == np.int64
    assert (read == labels).all()


def test_numbers_of_a_palette_not_colours(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.putdata([2, 1])
    image.save(tmp_path / "palette.png")
    assert read_labels(tmp_path / "palette.png").tolist() == [[2, 1]]
    Image.fromarray(MASK).save(tmp_path / "bits.png")
    assert (read_labels(tmp_path / "bits.png") == MASK).all()


def test_colours_are_no_labels(tmp_path):
    Image.new("RGB", (2, 1)).save(tmp_path / "colours.png")
    with pytest.raises(FormatError, match="colours.png is an image of mode RGB, not of labels; labels are one whole"):
        read_labels(tmp_path / "colours.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(FormatError, match="text.png is no PNG; save labels as PNG: formats for photos change numbers"):
        read_labels(tmp_path / "text.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "colours.png").read_bytes()[:20])
    with pytest.raises(FormatError, match="cut.png .*; replace it with a sound label image"):
        read_labels(tmp_path / "cut.png")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([[-1]]), "labels from -1 to -1; a PNG holds 0 to 65535"),
        (np.array([[65536, 0]]), "labels from 0 to 65536"),
        (np.array([[0.5]]), r"labels of the shape \(1, 1\) and type float64; give whole numbers"),
        (np.zeros((0, 2), int), r"labels of the shape \(0, 2\)"),
    ],
)
def test_labels_that_cannot_be_written(tmp_path, labels, message):
    with pytest.raises(UsageError, match=message):
        write_labels(tmp_path / "labels.png", labels)


@pytest.mark.parametrize("resize", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("shape", [(90, 64), (64, 97), (20, 20)])
def test_masks_lie_where_the_model_sees_their_picture(resize, shape):
    """An edge in the picture is at the same pixel in the mask, to one pixel."""
    spec = replace(PreprocessSpec(size=32), resize=resize)
    labels = np.zeros(shape, dtype=np.uint8)
    labels[shape[0] // 3 : shape[0] * 4 // 5, shape[1] // 4 : shape[1] // 2] = 1
    seen = transform(np.repeat(labels[..., None] * np.uint8(255), 3, axis=2), spec)[..., 0] > 127
    mask = as_seen(labels, spec)
    assert mask.shape == (32, 32)
    assert mask.dtype == np.uint8
    assert mask.any()
    assert np.abs(np.array(box_of(mask == 1)) - box_of(seen)).max() <= 1
    assert ((mask == 1) != seen).mean() < 0.05


def test_a_new_pixel_is_the_old_one_at_its_centre():
    spec = replace(PreprocessSpec(size=32), resize="squash")
    labels = np.arange(96 * 64).reshape(96, 64)
    assert (as_seen(labels, spec) == labels[1::3, 1::2]).all()


def test_what_lies_beyond_the_picture():
    spec = replace(PreprocessSpec(size=32), resize="longest")
    seen = as_seen(np.ones((16, 32), dtype=np.uint8), spec, outside=9)
    assert seen[:8].min() == seen[24:].min() == 9
    assert (seen[8:24] == 1).all()


@pytest.mark.parametrize(
    ("side", "message"),
    [(9_500, "declares 9500 x 9500 pixels"), (20_000, "Image size"), (2**31 - 1, "Image size")],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_label_images_that_claim_to_be_huge(tmp_path, side, message):
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    data += b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    (tmp_path / "huge.png").write_bytes(data)
    with pytest.raises(FormatError, match=rf"huge\.png:? {message}.*; replace it with a sound label image"):
        read_labels(tmp_path / "huge.png")
