"""Duplicates of a library: which pairs are copies, how they are grouped, which one is kept."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from wordsight.base.errors import UsageError
from wordsight.search.duplicates import nearby
from wordsight.search.duplicates.confirming import Relation
from wordsight.search.duplicates.grouping import edges_of, stars
from wordsight.search.duplicates.keeping import KeepRule, KnownImage
from wordsight.search.duplicates.nearby import near_pairs
from wordsight.search.duplicates.stacks import stacks


def scene(seed, size=(540, 360), hue=(1.0, 0.7, 0.4)):
    """Return an image that has detail of all sizes, another for each seed."""
    draw = np.random.default_rng(seed)
    image = np.zeros((*size[::-1], 3))
    for cells in (3, 7, 15, 31):
        coarse = Image.fromarray((255 * draw.random((cells, cells))).astype(np.uint8)).resize(size, 3)
        image += np.asarray(coarse, np.float64)[..., None] / cells**0.5 * np.array(hue)
    return Image.fromarray(np.clip(image / image.max() * 255, 0, 255).astype(np.uint8))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "photos"
    (place / "sub").mkdir(parents=True)
    for seed in range(6):
        scene(seed).save(place / f"{seed}.png")
    return place


def copies(library, **sought):
    """Return what is kept -> {what is in its group: how}."""
    groups = library.duplicates(**sought).groups
    return {g.members[0].image.key: {m.image.key: m.kind for m in g.members[1:]} for g in groups}


def marked(image):
    image = image.copy()
    ImageDraw.Draw(image).text((60, 280), "(c) studio", fill="white", font_size=40)
    return image


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("near", lambda image: image),
        ("near", lambda image: image.resize((270, 180))),
        ("near", lambda image: ImageEnhance.Brightness(image).enhance(0.8)),
        ("near", lambda image: ImageEnhance.Color(image).enhance(1.2)),
        ("near", marked),
        ("flip", ImageOps.mirror),
        ("crop", lambda image: image.crop((36, 18, 510, 336))),
        ("crop", lambda image: image.crop((36, 18, 510, 336)).resize((632, 424))),
    ],
)
def test_copies_are_told_by_their_kind(folder, opened, kind, change):
    change(Image.open(folder / "3.png")).save(folder / "sub" / "copy.jpg", quality=70)
    groups = copies(opened(folder))
    assert groups in ({"3.png": {"sub/copy.jpg": kind}}, {"sub/copy.jpg": {"3.png": kind}})


def test_what_only_looks_alike_is_no_copy(folder, opened):
    scene(3, hue=(0.4, 0.7, 1.0)).save(folder / "blue.png")  # the same in another colour
    moved = np.roll(np.asarray(scene(3)), 75, axis=1)
    Image.fromarray(moved).save(folder / "moved.png")
    Image.fromarray(np.asarray(scene(3))[::-1]).save(folder / "upside-down.png")
    assert copies(opened(folder)) == {}


def test_equal_files_are_exact_and_their_copies_join_them(folder, opened):
    shutil.copy(folder / "3.png", folder / "sub" / "again.png")
    Image.open(folder / "3.png").save(folder / "sub" / "small.jpg", quality=60)
    library = opened(folder)
    ((kept, others),) = copies(library).items()
    assert {kept, *others} == {"3.png", "sub/again.png", "sub/small.jpg"}
    assert sorted(others.values()) == ["exact", "near"]
    assert copies(library, kinds=("exact",)) == {kept: {key: "exact" for key in others if key.endswith("png")}}
    assert copies(library, where="folder = 'sub'").keys() == {"sub/again.png"}


def test_broken_and_absent_images_are_left_out(folder, opened):
    shutil.copy(folder / "3.png", folder / "sub" / "again.png")
    library = opened(folder)
    library.sync()
    shutil.move(folder / "sub", folder.parent / "away")
    (folder / "sub").symlink_to(folder.parent / "nowhere")
    library.sync()
    assert library.absent() == ["sub/again.png"]
    assert copies(library) == {}


def test_an_image_that_cannot_be_read_is_listed(folder, opened):
    Image.open(folder / "3.png").save(folder / "sub" / "copy.jpg")
    library = opened(folder)
    library.sync()
    (folder / "sub" / "copy.jpg").write_bytes(b"no image")
    result = library.duplicates()
    assert not result.groups
    assert len(result.failed) == 1
    assert "copy.jpg" in result.failed[0]


def test_raw_photos_and_edits_are_stacks(folder, opened):
    keys = [
        "a/IMG_1.CR2",
        "a/IMG_1.jpg",
        "b/IMG_1.jpg",
        "c.heic",
        "c.jpg",
        "d-edited.jpg",
        "d.jpg",
        "e (1).jpg",
        "e.jpg",
    ]
    assert [[keys[n] for n in stack] for stack in stacks(keys)] == [
        ["a/IMG_1.CR2", "a/IMG_1.jpg"],
        ["c.heic", "c.jpg"],
        ["d.jpg", "d-edited.jpg"],
    ]
    assert stacks(["img_e12.jpg", "IMG_12.JPG", "a.png", "a.jpg"]) == [[1, 0]]
    Image.open(folder / "3.png").save(folder / "3-edited.jpg", quality=80)
    library = opened(folder)
    assert copies(library) == {}
    assert copies(library, kinds=("near", "stack")) == {"3.png": {"3-edited.jpg": "stack"}}


def test_bursts_are_alike_and_near_in_time(folder, opened):
    rows = []
    for n, second in enumerate((0, 2, 4, 60)):
        frame = np.roll(np.asarray(scene(9)), 12 * n, axis=1)
        Image.fromarray(frame).save(folder / f"frame{n}.png")
        rows.append(
            f"frame{n}.png,2025-06-01T12:00:{second:02}" if second < 60 else f"frame{n}.png,2025-06-01T12:01:00"
        )
    (folder / "metadata.csv").write_text("file,taken\n" + "\n".join(rows) + "\n")
    groups = copies(opened(folder), kinds=("burst",))
    assert groups["frame0.png"] == {"frame1.png": "burst", "frame2.png": "burst"}
    assert all("frame3.png" not in others for others in groups.values())


def test_equal_files_are_no_burst(folder, opened):
    scene(9).save(folder / "one.png")
    (folder / "two.png").write_bytes((folder / "one.png").read_bytes())
    rows = "".join(f"{name}.png,2025-06-01T12:00:00\n" for name in ("one", "two"))
    (folder / "metadata.csv").write_text(f"file,taken\n{rows}")
    assert copies(opened(folder), kinds=("burst",), where="taken is not null") == {}


@pytest.mark.parametrize("option", ["prefer", "protect"])
def test_a_folder_without_images_is_refused(folder, opened, option):
    library = opened(folder)
    with pytest.raises(UsageError, match=f"--{option} nosuch: no image"):
        library.duplicates(rule=KeepRule.read(**{option: ["nosuch"]}))
    library.duplicates(rule=KeepRule.read(**{option: ["."]}), where="width < 0")


def known(key, **what):
    return KnownImage(key, None, "", what.pop("size", 10), **what)


def test_the_rule_is_ordered_and_says_why():
    small, large = known("a.jpg", width=10, height=10, size=99), known("long.jpg", width=20, height=10)
    rule = KeepRule.read()
    assert min(small, large, key=rule.rank) is large
    assert rule.reason(small, known("longer.jpg", width=10, height=10, size=99)) == (
        "shorter path: 5 letters against 10 letters"
    )
    assert rule.reason(large, small) == "20 x 10 pixels against 10 x 10 pixels"
    assert min(small, large, key=KeepRule.read("bytes").rank) is small
    old, new = known("b.jpg", moment="2001-01-01"), known("a.jpg", moment="2002-01-01")
    assert [min(old, new, key=KeepRule.read(order).rank) for order in ("oldest", "newest", "shortest")] == [
        old,
        new,
        new,
    ]
    assert KeepRule.read("oldest").reason(old, new) == "older: 2001-01-01 against 2002-01-01"
    assert min(known("a.png"), known("a.jpg"), key=rule.rank).key == "a.png"
    with pytest.raises(UsageError, match="--keep pixel"):
        KeepRule.read("pixel")


def test_preferred_and_protected_folders_come_first():
    small, large = known("keep/a.jpg", width=1, height=1), known("other/a.jpg", width=9, height=9)
    assert min(small, large, key=KeepRule.read(prefer=["keep/"]).rank) is small
    rule = KeepRule.read(prefer=["other"], protect=["keep"])
    assert min(small, large, key=rule.rank) is small
    assert rule.reason(small, large) == "protected"
    assert KeepRule.read(prefer=["keep"]).reason(small, large) == "in a preferred folder"


def test_groups_are_no_chains():
    near = Relation.NEAR
    chain = edges_of([(0, 1, near), (1, 2, near), (2, 3, near), (1, 0, Relation.EXACT)])
    assert stars(chain, [0, 1, 2, 3]) == [(0, {1: Relation.EXACT}), (2, {3: near})]
    assert stars(chain, [1, 0, 2, 3]) == [(1, {0: Relation.EXACT, 2: near})]


def test_near_pairs_in_cells_are_those_of_all(monkeypatch):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(3000, 32))
    rows[1500:] = rows[:1500] + 0.2 * draw.normal(size=(1500, 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)

    def pairs():
        blocks = near_pairs(rows, floor=0.8, most=3)
        return {(a, b) for block in blocks for a, b in zip(block.some.tolist(), block.others.tolist(), strict=True)}

    exact = pairs()
    assert {(n, n + 1500) for n in range(1500)} <= exact
    monkeypatch.setattr(nearby, "ALL", 100)
    assert len(exact - pairs()) < 0.01 * len(exact)
    assert pairs() <= exact


def test_unknown_kinds_are_refused(opened, folder):
    with pytest.raises(UsageError, match="--kinds exat"):
        opened(folder).duplicates(kinds=("exat",))


def test_found_groups_are_json(folder, opened):
    from wordsight.cli.duplicates import group_record

    shutil.copy(folder / "3.png", folder / "sub" / "again.png")
    (group,) = opened(folder).duplicates().groups
    record = json.loads(json.dumps(group_record(group, 1)))
    assert record["bytes_freed"] == (folder / "3.png").stat().st_size
    assert [one["action"] for one in record["images"]] == ["keep", "move"]
