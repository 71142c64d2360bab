"""Bringing a library up to date with its place: new, changed, moved and removed pictures.

What a picture is, is its content: one whose SHA-256 is known keeps its row under whatever name, so a renamed folder
costs reading, not encoding.  What is finished is saved every few seconds; a broken picture is noted with its stamp
and not tried again until it changes.  Knows the index, the model and the contents of the place.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import InputError, UnreadableFile
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Value
from wordsight.base.progress import bar
from wordsight.base.threads import read_ahead
from wordsight.embeddings.model import Model
from wordsight.embeddings.pipeline import Encoded, encode_images
from wordsight.images.decode import open_image
from wordsight.images.files import image_bytes
from wordsight.index.exact import ExactIndex
from wordsight.index.files import FileState
from wordsight.search.contents import MEASURED, Contents, Picture
from wordsight.search.report import SIGNATURE, SyncReport
from wordsight.search.scan import Stamp

SAVE_SECONDS = 5.0  # between saves: what a killed process has to do again at most
GROUP = 256  # pictures handed to the index at once


@dataclass(slots=True)
class _Kept:
    """What is kept of a picture whose entry has been replaced in this run: another may need it."""

    row: Embeddings
    meta: dict[str, Value]


class Sync:
    """One run; `run` does it all."""

    def __init__(self, index: ExactIndex, model: Model, contents: Contents) -> None:
        self._index = index
        self._model = model
        self._contents = contents
        self._report = SyncReport()
        self._known: dict[str, Stamp] = index.files.stamps()
        self._owners = index.files.contents()  # SHA-256 -> key
        self._entries = index.keys()
        self._kept: dict[str, _Kept] = {}
        self._copies: list[tuple[str, str]] = []  # (new key, key that had the content)
        self._seen: set[str] = set()
        self._saved = time.monotonic()

    def run(self) -> SyncReport:
        """Bring the index in step with the place."""
        signature = self._index.facts().get(SIGNATURE)
        look = self._contents.look(self._known, signature)
        reading = read_ahead(self._contents.pictures(look), 64)
        total = None if look.candidates is None else len(look.candidates)
        try:
            self._take_all(reading, total)
        finally:
            reading.close()
        gone = look.gone if look.candidates is not None else self._known.keys() - self._seen
        self._settle(gone)
        if look.candidates is not None and look.signature != (signature or ""):
            self._renew_metadata()
        self._index.note({SIGNATURE: look.signature})
        self._index.save()
        return self._report

    def _take_all(self, reading: Iterator[Picture | InputError], total: int | None) -> None:
        encoded = encode_images(reading, self._load, self._model.engine.embed_images, batch=self._model.engine.batch)
        try:
            with bar(total, unit="picture", desc="indexing") as progress:
                while group := list(islice(encoded, GROUP)):
                    self._take(group)
                    progress.update(len(group))
                    if time.monotonic() - self._saved > SAVE_SECONDS:
                        self._index.save()
                        self._saved = time.monotonic()
        finally:
            encoded.close()

    def _load(self, picture: Picture | InputError) -> Any:
        """Read one picture; in a thread.  None when its content is known already."""
        if isinstance(picture, InputError):
            raise picture
        data = image_bytes(picture.image, key=picture.key)
        picture.sha256 = sha256_bytes(data)
        if picture.sha256 in self._owners:
            return None
        name = str(picture.image) if isinstance(picture.image, Path) else picture.key
        opened = open_image(data, name=name, colours="kept")
        picture.meta |= {"width": opened.width, "height": opened.height}
        return self._model.load_pixels(opened, name=name)

    def _take(self, group: list[Encoded[Picture | InputError]]) -> None:
        """Put a group of pictures into the index."""
        keys: list[str] = []
        rows: list[Embeddings] = []
        meta: list[dict[str, Value]] = []
        states: dict[str, FileState] = {}
        before = self._index.files.states([one.item.key for one in group if isinstance(one.item, Picture)])
        self._keep([one.item for one in group if isinstance(one.item, Picture)], before)
        for one in group:
            if isinstance(one.item, InputError):
                self._report.failed.append(("", str(one.item)))
                continue
            picture = one.item
            self._seen.add(picture.key)
            if one.error is not None:
                self._fail(picture, one.error, states)
                continue
            state = FileState(*picture.stamp, picture.sha256)
            row = self._row(picture, one, before.get(picture.key))
            if row is not None:
                keys.append(picture.key)
                rows.append(row)
                meta.append(picture.meta)
            states[picture.key] = state
        self._index.add(keys, np.array(rows, np.float32).reshape(len(rows), self._model.spec.width), meta)
        self._index.files.record(states)
        for key, state in states.items():
            if not state.error:
                self._owners.setdefault(state.sha256, key)
                self._entries.add(key)

    def _row(self, picture: Picture, one: Encoded[Any], before: FileState | None) -> Embeddings | None:
        """Return the row to store and note what happened; None when the entry is right as it stands."""
        key = picture.key
        if one.embedding is not None:
            (self._report.added if before is None else self._report.changed).append(key)
            return one.embedding
        same = before is not None and before.sha256 == picture.sha256 and key in self._entries
        owner = key if same else self._owners[picture.sha256]
        known = None if same else self._kept.get(picture.sha256)
        if known is None:
            known = _Kept(self._index.rows([owner])[0], self._index.meta([owner])[0])
        picture.meta |= {column: known.meta[column] for column in MEASURED if column in known.meta}
        if same and _present(picture.meta) == _present(known.meta):
            return known.row if picture.meta.get("mtime") != known.meta.get("mtime") else None
        if before is None:
            self._copies.append((key, owner))
        else:
            self._report.changed.append(key)
        return known.row

    def _keep(self, pictures: list[Picture], before: Mapping[str, FileState]) -> None:
        """Keep the rows of entries about to be replaced by another content, or removed: others may have it."""
        for picture in pictures:
            state = before.get(picture.key)
            if state is None or state.sha256 == picture.sha256 or self._owners.get(state.sha256) != picture.key:
                continue
            if picture.key in self._entries:
                row, meta = self._index.rows([picture.key])[0], self._index.meta([picture.key])[0]
                self._kept[state.sha256] = _Kept(row, meta)

    def _fail(self, picture: Picture, error: InputError, states: dict[str, FileState]) -> None:
        self._report.failed.append((picture.key, str(error)))
        if isinstance(error, UnreadableFile):
            return
        if picture.key in self._entries:
            self._index.remove([picture.key])
            self._entries.discard(picture.key)
        states[picture.key] = FileState(*picture.stamp, picture.sha256, str(error))

    def _settle(self, gone: set[str]) -> None:
        """Forget what is gone, and tell renamed pictures from new copies."""
        renamed: dict[str, str] = {}  # old -> new
        for key, owner in self._copies:
            if owner in gone and owner not in renamed:
                renamed[owner] = key
            else:
                self._report.added.append(key)
        self._report.moved = sorted(renamed.items())
        self._index.remove(sorted(gone & self._entries))
        self._index.files.forget(gone)
        self._report.removed = sorted((gone & self._entries) - renamed.keys())
        self._entries -= gone

    def _renew_metadata(self) -> None:
        """Give every entry the metadata it should have, after the table beside the pictures has changed."""
        keys = iter(sorted(self._entries))
        while group := list(islice(keys, GROUP)):
            old = self._index.meta(group)
            new = [self._contents.meta(key, meta) for key, meta in zip(group, old, strict=True)]
            stale = [i for i in range(len(group)) if _present(new[i]) != _present(old[i])]
            changed = [group[i] for i in stale]
            if changed:
                self._index.add(changed, self._index.rows(changed), [new[i] for i in stale])
                fresh = {*self._report.added, *self._report.changed, *(key for _, key in self._report.moved)}
                self._report.changed += [key for key in changed if key not in fresh]


def _present(meta: dict[str, Value]) -> dict[str, Value]:
    """Return the metadata as the index gives it back, without the time of change."""
    return {n: int(v) if isinstance(v, bool) else v for n, v in meta.items() if v is not None and n != "mtime"}
