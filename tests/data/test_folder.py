"""Folders: classes, captions beside pictures, flat ones."""

import os

from wordsight.data.source import open_source


def test_class_folders_are_labels(folder):
    samples = list(open_source(folder).samples())
    assert [sample.key for sample in samples][:2] == ["class0/0.png", "class0/3.png"]
    assert {sample.label for sample in samples} == {"class0", "class1", "class2"}


def test_a_picture_beside_the_folders_means_that_they_are_no_classes(folder, encoded_image):
    (folder / "cover.png").write_bytes(encoded_image(99))
    assert {sample.label for sample in open_source(folder).samples()} == {None}


def test_captions_lie_beside_the_pictures_one_a_line(tmp_path, encoded_image):
    (tmp_path / "a.png").write_bytes(encoded_image(1))
    (tmp_path / "a.txt").write_text("\ufeffa dog runs .\n\n  a brown dog  \n", encoding="utf-8")
    (tmp_path / "b.png").write_bytes(encoded_image(2))
    first, second = open_source(tmp_path).samples()
    assert first.texts == ("a dog runs .", "a brown dog") and first.label is None
    assert second.texts == ()


def test_the_fingerprint_changes_with_pictures_and_captions(tmp_path, encoded_image):
    (tmp_path / "a.png").write_bytes(encoded_image(1))
    marks = [open_source(tmp_path).fingerprint()]
    (tmp_path / "a.txt").write_text("a dog")
    marks.append(open_source(tmp_path).fingerprint())
    (tmp_path / "b.png").write_bytes(encoded_image(2))
    marks.append(open_source(tmp_path).fingerprint())
    os.utime(tmp_path / "b.png", (1, 1))
    marks.append(open_source(tmp_path).fingerprint())
    assert len(set(marks)) == 4
