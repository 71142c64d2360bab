"""Embeddings are computed once, whatever happens to the folder that keeps them."""

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import InputError, StorageError
from wordsight.embeddings import kept
from wordsight.embeddings.kept import KeptEmbeddings, KeptModel, count_kept
from wordsight.embeddings.model import Model
from wordsight.engines.fake import FakeEngine


class Counted(Model):
    """The fake model, which says what it was asked for."""

    def __init__(self):
        super().__init__(FakeEngine())
        self.asked = []

    def load_pixels(self, item, *, name=""):
        self.asked.append(item)
        return super().load_pixels(item, name=name)

    def embed_texts(self, texts):
        texts = list(texts)
        self.asked += texts
        return super().embed_texts(texts)


@pytest.fixture
def photos(tmp_path):
    paths = []
    for number, colour in enumerate(("red", "blue", "red", "lime")):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", (8, 8), colour).save(paths[-1])
    return paths


def test_each_content_is_computed_once_under_whatever_name(photos, tmp_path):
    first = Counted()
    with KeptModel(first, tmp_path / "kept") as model:
        rows = model.embed_images(photos)
        again = model.embed_images([photos[3], photos[0].read_bytes()])
    assert {photos[1], photos[3]} < set(first.asked) and len(first.asked) == 3  # the third is the first again
    assert np.array_equal(rows, Model(FakeEngine()).embed_images(photos))
    assert np.array_equal(again, rows[[3, 0]])
    second = Counted()
    with KeptModel(second, tmp_path / "kept") as model:
        assert np.array_equal(model.embed_images(photos), rows)
        assert model.computed == 0
    assert second.asked == []


def test_a_file_that_changed_is_another_image(photos, tmp_path):
    with KeptModel(Counted(), tmp_path / "kept") as model:
        before = model.embed_images(photos[:1])
        Image.new("RGB", (8, 8), "blue").save(photos[0])
        after = model.embed_images(photos[:1])
        assert not np.allclose(before, after)
        assert np.array_equal(after, model.embed_images(photos[1:2]))


def test_pixels_are_not_kept(tmp_path):
    counted = Counted()
    with KeptModel(counted, tmp_path / "kept") as model:
        for _ in range(2):
            model.embed_images([np.zeros((8, 8, 3), np.uint8)])
    assert len(counted.asked) == 2
    assert not list((tmp_path / "kept").rglob("*.npy"))


def test_texts_and_classes_are_apart(tmp_path):
    counted = Counted()
    prompts = (("a red thing", "red"), ("blue",))
    with KeptModel(counted, tmp_path / "kept") as model:
        texts = model.embed_texts(["blue", "a red thing", "blue"])
        classes = model.embed_prompts(prompts)
        assert np.array_equal(texts[0], texts[2])
        assert np.allclose(np.linalg.norm(classes, axis=1), 1)
    asked = len(counted.asked)
    with KeptModel(counted, tmp_path / "kept") as model:
        assert np.array_equal(model.embed_prompts(prompts), classes)
        assert np.array_equal(model.embed_texts(["a red thing"]), texts[1:2])
    assert len(counted.asked) == asked
    with KeptModel(counted, tmp_path / "kept") as model:  # the same texts, divided otherwise
        assert not np.allclose(model.embed_prompts((("a red thing",), ("red", "blue")))[0], classes[0])


def test_another_precision_keeps_its_own(photos, tmp_path):
    for precision in ("fp32", "int8"):
        counted = Counted()
        counted.engine.precision = precision
        with KeptModel(counted, tmp_path / "kept") as model:
            model.embed_images(photos[:1])
        assert len(counted.asked) == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other width"])
def test_a_damaged_part_is_left_out_and_computed_again(photos, tmp_path, capsys, damage):
    with KeptModel(Counted(), tmp_path / "kept") as model:
        rows = model.embed_images(photos)
    (part,) = (tmp_path / "kept").rglob("images/*.npy")
    data = bytearray(part.read_bytes())
    if damage == "flip":
        data[-3] ^= 1
    part.write_bytes({"cut": bytes(data[:-5]), "flip": bytes(data), "empty": b""}.get(damage, bytes(data)))
    if damage == "other width":
        np.save(part, np.zeros(3, np.dtype([("digest", "V16"), ("row", "<f4", (3,))])))
    counted = Counted()
    with KeptModel(counted, tmp_path / "kept") as model:
        assert np.array_equal(model.embed_images(photos), rows)
    assert len(counted.asked) == 3
    assert "is damaged: what it kept is computed again" in capsys.readouterr().err


def test_many_parts_become_one(tmp_path, monkeypatch):
    rows = np.eye(8, dtype=np.float32)
    digests = [bytes([number]) * 16 for number in range(8)]
    for number in range(5):
        one = KeptEmbeddings(tmp_path, 8)
        one.add(digests[number : number + 2], rows[number : number + 2])
        one.flush()
    monkeypatch.setattr(kept, "MOST_PARTS", 3)
    assert len(list(tmp_path.glob("*.npy"))) == 5
    assert count_kept(tmp_path) == 10
    whole = KeptEmbeddings(tmp_path, 8)
    assert len(whole) == 6
    assert len(list(tmp_path.glob("*.npy"))) == 5  # opening changes nothing
    whole.add(digests[6:7], rows[6:7])
    whole.flush()
    assert sorted(path.name.partition("-")[2] for path in tmp_path.glob("*.npy")) == ["1.npy", "6.npy"]
    again = KeptEmbeddings(tmp_path, 8)
    assert count_kept(tmp_path) == len(again) == 7
    assert np.array_equal(again.rows(digests[:7]), rows[:7])
    assert again.known(digests).tolist() == [True] * 7 + [False]


def test_what_is_pending_is_written_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "PART", 4)
    one = KeptEmbeddings(tmp_path, 2)
    for number in range(9):
        one.add([bytes([number]) * 16], np.array([[1.0, 0.0]], np.float32))
    assert sum(int(path.stem.partition("-")[2]) for path in tmp_path.glob("*.npy")) == 8
    one.flush()
    one.flush()
    assert len(KeptEmbeddings(tmp_path, 2)) == 9


def test_why_images_have_no_embedding_is_said_and_the_others_are_kept(photos, tmp_path, monkeypatch):
    (tmp_path / "broken.png").write_bytes(b"no image")
    data = photos[3].read_bytes()
    (tmp_path / "again.png").write_bytes(b"no image")  # each has an error with its own name
    items = [photos[0], tmp_path / "broken.png", None, data[:40], data, tmp_path / "again.png", tmp_path / "gone.png"]
    first = Counted()
    with KeptModel(first, tmp_path / "kept") as model:
        errors = model.image_errors(items, [f"row {number}" for number in range(7)])
        assert [error is not None for error in errors] == [False, True, False, True, False, True, True]
        for row, name in ((1, "broken.png"), (3, "row 3"), (5, "again.png"), (6, "gone.png")):
            assert name in str(errors[row])
        assert model.computed == 2
        assert len(first.asked) == 5  # of what can be opened each once
        rows = model.embed_images([photos[0], data])
        assert len(first.asked) == 5
        assert np.array_equal(rows, Model(FakeEngine()).embed_images([photos[0], data]))
        with pytest.raises(InputError, match="broken.png"):
            model.embed_images(items[:2])
    with KeptModel(Counted(), tmp_path / "kept") as model:
        monkeypatch.setattr(model.model.engine, "embed_images", lambda _: pytest.fail("embedded again"))
        assert [error is not None for error in model.image_errors([items[0], items[4]], ["", ""])] == [False, False]


def test_an_image_that_changes_while_it_is_read_is_not_kept_as_another(photos, tmp_path):
    counted = Counted()
    load_pixels = counted.load_pixels

    def overwritten(item, name=""):
        Image.new("RGB", (9, 9), "blue").save(item)
        return load_pixels(item, name=name)

    counted.load_pixels = overwritten
    with KeptModel(counted, tmp_path / "kept") as model:
        (error,) = model.image_errors([photos[0]], [""])
        assert "was changed while it was read" in str(error)
        assert model.computed == 0


def test_a_folder_that_cannot_be_is_refused_at_the_first_embedding(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "PART", 1 << 20)
    (tmp_path / "kept").write_text("")
    with pytest.raises(StorageError, match="is a file, not a folder"), KeptModel(Counted(), tmp_path / "kept") as model:
        model.embed_images(photos[:1])


def test_int8_texts_do_not_depend_on_what_else_is_embedded(tmp_path):
    class Ranged(Counted):
        """As int8 graphs do: what a text gets depends on all that are in the call."""

        def embed_texts(self, texts):
            rows = super().embed_texts(texts)
            rows[:, 0] += 0.01 * len(rows)
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    together, apart = Ranged(), Ranged()
    together.engine.precision = apart.engine.precision = "int8"
    with KeptModel(together, tmp_path / "a") as one, KeptModel(apart, tmp_path / "b") as other:
        rows = one.embed_texts(["red", "blue", "lime"])
        assert np.array_equal(other.embed_texts(["blue"]), rows[1:2])
        assert np.array_equal(other.embed_texts(["lime", "blue"]), rows[[2, 1]])
        prompts = [("red", "blue"), ("lime",)]
        assert np.array_equal(one.embed_prompts(prompts)[1:], other.embed_prompts(prompts[1:]))


def test_prompts_with_a_line_break_are_others(tmp_path):
    with KeptModel(Counted(), tmp_path / "kept") as model:
        first = model.embed_prompts([("red", "blue")])
        second = model.embed_prompts([("red\nblue",)])
    assert not np.allclose(first, second)
