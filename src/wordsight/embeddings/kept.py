"""Embeddings that are computed once: kept in the cache by what was embedded and by the model that did.

    with KeptModel(load()) as model:
        model.embed_images(paths)          # those that were embedded before, by whatever program, are read
        model.embed_prompts(prompts)       # one embedding a class

Below the cache folder: embeddings/FINGERPRINT-PRECISION-PIXELS/images, texts and classes, each with parts that are
written whole.  An image is known by the SHA-256 of its file, so it is known under any name and in any data set.  Parts
carry a checksum; a damaged one is left out and what it held is computed again.  Does not know data sets.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.cache import cache_errors, cache_folder
from wordsight.base.errors import InputError
from wordsight.base.files import atomic_write, storage_errors
from wordsight.base.progress import bar, notice
from wordsight.embeddings.classes import class_embeddings
from wordsight.embeddings.items import image_name
from wordsight.embeddings.model import Model
from wordsight.images.files import image_hash, unchanged

DIGEST = 16  # bytes of a SHA-256 that are kept: among 10^12 things two agree by chance with probability 10^-15
PART = 2048  # embeddings that are written together; so many are computed again after a kill
MOST_PARTS = 32  # of a kind, before they are made one
KeptKind = Literal["images", "texts", "classes"]


class KeptEmbeddings:
    """Embeddings (n, width) of one kind of thing, by their digests, in a folder that several processes may use.

    Opening reads and checks all of them, about a microsecond each, and writes nothing before something is added.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self._folder, self._width = folder, width
        self._dtype = np.dtype([("digest", f"V{DIGEST}"), ("row", "<f4", (width,))])
        self._new: list[tuple[list[bytes], Embeddings]] = []
        self._pending = 0
        self._rows: dict[bytes, Embeddings] = {}
        self._files: list[Path] = []  # parts that were read
        self._damaged: list[Path] = []
        for file in parts_of(folder):
            part = self._read(file)
            if part is not None:
                self._files.append(file)
                digests = np.ascontiguousarray(part["digest"]).tobytes()
                each = (digests[start : start + DIGEST] for start in range(0, len(digests), DIGEST))
                self._rows |= zip(each, part["row"], strict=True)

    def __len__(self) -> int:
        return len(self._rows)

    def known(self, digests: Sequence[bytes]) -> NDArray[np.bool_]:
        """Return which of the digests have an embedding, (n,)."""
        return np.fromiter((digest in self._rows for digest in digests), bool, len(digests))

    def rows(self, digests: Sequence[bytes]) -> Embeddings:
        """Return the embeddings (n, width) of known digests."""
        rows = np.empty((len(digests), self._width), np.float32)
        for number, digest in enumerate(digests):
            rows[number] = self._rows[digest]
        return rows

    def add(self, digests: Sequence[bytes], rows: Embeddings) -> None:
        """Keep embeddings (n, width); they reach the disk in parts, the last with `flush`.

        A folder that cannot be made is a `StorageError` at once, not after an hour of embedding.
        """
        if not self._pending:
            self._tidy()
        self._rows |= zip(digests, rows, strict=True)
        self._new.append((list(digests), rows))
        self._pending += len(digests)
        if self._pending >= PART:
            self.flush()

    def flush(self) -> None:
        """Write what was added."""
        if self._pending:
            digests = [digest for given, _ in self._new for digest in given]
            self._write(digests, np.concatenate([rows for _, rows in self._new]))
            self._new, self._pending = [], 0

    def _tidy(self) -> None:
        """Make a folder for new parts, without damaged ones, and with one in the place of many."""
        with cache_errors("embeddings"), storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            if len(self._files) > MOST_PARTS:
                whole = self._write(list(self._rows), np.stack(list(self._rows.values())))
                self._damaged += [file for file in self._files if file != whole]
            for file in self._damaged:
                file.unlink(missing_ok=True)
        self._files, self._damaged = [], []

    def _read(self, file: Path) -> NDArray[Any] | None:
        """Return a part, or None, with a notice, where it is damaged; one that another process merged is none."""
        try:
            part: NDArray[Any] = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError):
            part = np.empty(0)
        if part.dtype == self._dtype and part.ndim == 1 and file.name == _name(part):
            return part
        notice(f"{file} is damaged: what it kept is computed again")
        self._damaged.append(file)
        return None

    def _write(self, digests: Sequence[bytes], rows: Embeddings) -> Path:
        part = np.empty(len(digests), self._dtype)
        part["digest"] = np.frombuffer(b"".join(digests), f"V{DIGEST}")
        part["row"] = rows
        packed = BytesIO()
        np.save(packed, part, allow_pickle=False)
        path = self._folder / _name(part)
        with cache_errors("embeddings"), atomic_write(path) as handle:
            handle.write(packed.getvalue())
        return path


def _name(part: NDArray[Any]) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(part).view(np.uint8).data):08x}-{len(part)}.npy"


def parts_of(folder: Path) -> list[Path]:
    """Return the files of a folder of kept embeddings, none where there is no such folder."""
    return sorted(path for path in folder.glob("*.npy") if path.is_file()) if folder.is_dir() else []


def count_kept(folder: Path) -> int:
    """Return how many embeddings a folder keeps at most, as the names of its files say; nothing is opened."""
    counts = (file.stem.partition("-")[2] for file in parts_of(folder))
    return sum(int(count) for count in counts if count.isdecimal())


def kept_as(model: Model) -> str:
    """Return the name of the folder of a model's embeddings: what computes them, and how."""
    return f"{model.fingerprint}-{type(model.engine).__name__.lower()}-{precision_of(model)}-{model.pixels}"


def precision_of(model: Model) -> str:
    """Return the numbers that the model's engine computes with: int8, fp16, bf16, fp32."""
    return str(getattr(model.engine, "precision", "fp32"))


def engine_name(model: Model) -> str:
    """Return the name of the model's engine, as it is asked for."""
    return type(model.engine).__name__.removesuffix("Engine").lower()


def kept_folder(model: Model, kind: KeptKind) -> Path:
    """Return the folder of the embeddings of a kind of thing, which may not exist yet."""
    return cache_folder() / "embeddings" / kept_as(model) / kind


class KeptModel:
    """A model whose embeddings are kept.  An `Encoder` of `wordsight.evaluate`; images given as pixels are not kept."""

    def __init__(self, model: Model, folder: Path | None = None) -> None:
        self.model = model
        self.kept_as = kept_as(model)
        self.computed_by = {"engine": engine_name(model), "precision": precision_of(model)}
        self._folder = (folder or cache_folder() / "embeddings") / self.kept_as
        self._kinds: dict[KeptKind, KeptEmbeddings] = {}
        self._files: dict[tuple[object, ...], bytes] = {}
        self.computed = 0  # images that were not known, for those who want to tell

    def __enter__(self) -> "KeptModel":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for kept in self._kinds.values():
            kept.flush()

    @property
    def fingerprint(self) -> str:
        """That of the model."""
        return self.model.fingerprint

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    def load_pixels(self, item: Any, *, name: str = "") -> NDArray[np.uint8]:
        """Return what the image tower sees of an image, uint8 (H, W, 3)."""
        return self.model.load_pixels(item, name=name)

    def probabilities(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """As the model has them: cosines (n, classes) to rows that sum to 1."""
        return self.model.probabilities(cosines)

    @property
    def scale(self) -> float:
        """What cosines are multiplied by."""
        return self.model.scale

    def embed_images(self, items: Sequence[Any]) -> Embeddings:
        """Return unit embeddings (n, width) of paths, bytes, Pillow images or uint8 (H, W, 3) arrays."""
        if not all(isinstance(item, Path | bytes) for item in items):
            return self.model.embed_images(items)
        digests, errors = self._embed_new(items, [f"picture {number + 1}" for number in range(len(items))])
        for error in errors:
            if error is not None:
                raise error
        return self._opened("images").rows(digests)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return unit embeddings (n, width)."""
        return self._kept("texts", texts, [_digest_of([text]) for text in texts], self.model.embed_alone)

    def embed_prompts(self, prompts: Sequence[Sequence[str]]) -> Embeddings:
        """Return one unit embedding a class (C, width), of all its prompts; see `class_embeddings`."""
        digests = [_digest_of(texts) for texts in prompts]
        return self._kept("classes", prompts, digests, lambda some: class_embeddings(self.model.embed_alone, some))

    def image_errors(self, items: Sequence[Path | bytes | None], names: Sequence[str]) -> list[InputError | None]:
        """Embed the images (n) that are not known yet, and return why each cannot be, None where it can or is None.

        `names` is how errors call the images that are bytes.
        """
        with bar(len(items), unit="img", desc="embedding") as progress:
            progress.leave = False
            return self._embed_new(items, names, each=lambda: progress.update(1))[1]

    def _embed_new(
        self, items: Sequence[Any], names: Sequence[str], *, each: Callable[[], object] = lambda: None
    ) -> tuple[list[bytes], list[InputError | None]]:
        """Embed the images (n) that are not known yet, each content once; return digests, b"" for none, and errors."""
        kept = self._opened("images")
        digests = [b""] * len(items)
        errors: list[InputError | None] = [None] * len(items)
        first: dict[bytes, int] = {}  # content: the row that is embedded

        def load(row: int) -> Pixels | None:
            item = items[row]
            with unchanged(item):  # else the embedding of one content would be kept as that of another
                digests[row] = digest = self.image_digest(item)
                if item is None or kept.known([digest])[0] or first.setdefault(digest, row) != row:
                    return None
                return self.model.load_pixels(item, name=image_name(item, names[row]))

        def embed(rows: Sequence[int]) -> None:
            with closing(self.model.encode_images(rows, load, name=names.__getitem__)) as encoded:
                for one in encoded:
                    errors[one.item] = one.error
                    if one.embedding is not None:
                        kept.add([digests[one.item]], one.embedding[None])
                        self.computed += 1
                    each()

        embed(range(len(items)))
        for row, error in enumerate(errors):
            if error is None and digests[row] and not kept.known([digests[row]])[0]:
                first.clear()  # its content failed under another name: it has an error of its own
                embed([row])
        return digests, errors

    def _opened(self, kind: KeptKind) -> KeptEmbeddings:
        if kind not in self._kinds:
            self._kinds[kind] = KeptEmbeddings(self._folder / kind, self.model.spec.width)
        return self._kinds[kind]

    def _kept(
        self, kind: KeptKind, items: Sequence[Any], digests: list[bytes], embed: Callable[[Any], Embeddings]
    ) -> Embeddings:
        kept = self._opened(kind)
        new: dict[bytes, Any] = {}
        for row in np.flatnonzero(~kept.known(digests)).tolist():
            new.setdefault(digests[row], items[row])  # each content once
        if new:
            kept.add(list(new), embed(list(new.values())))
        return kept.rows(digests)

    def image_digest(self, item: Path | bytes | None) -> bytes:
        """Return the first bytes of the SHA-256 of an encoded image; a path's is computed once while it stays as it is.

        None has none.  Errors are those of reading.
        """
        if item is None:
            return b""
        if isinstance(item, bytes):
            return hashlib.sha256(item).digest()[:DIGEST]
        try:
            facts = os.stat(item)
        except OSError:  # the reading says what is wrong
            return bytes.fromhex(image_hash(item, key=str(item)))[:DIGEST]
        stamp = (item, facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if stamp not in self._files:
            self._files[stamp] = bytes.fromhex(image_hash(item, key=str(item)))[:DIGEST]
        return self._files[stamp]


def _digest_of(texts: Sequence[str]) -> bytes:
    return hashlib.sha256(json.dumps(list(texts)).encode()).digest()[:DIGEST]
