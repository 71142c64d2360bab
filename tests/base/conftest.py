"""Files to change, and another disk."""

import errno
import os
from pathlib import Path

import pytest
from tests.base.changed_files import fill


@pytest.fixture
def folder(tmp_path):
    fill(tmp_path)
    return tmp_path


@pytest.fixture
def quick_disk(monkeypatch):
    """Leave out waiting for the disk: what is announced stays."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def two_disks(monkeypatch):
    """Let the folder `disk` be another disk: no file has names in both, and none is renamed from one to the other."""
    true = os.link

    def link(source, target, **options):
        if ("disk" in Path(source).parts) != ("disk" in Path(target).parts):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        true(source, target, **options)

    monkeypatch.setattr(os, "link", link)
