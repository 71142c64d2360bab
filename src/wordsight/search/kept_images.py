"""What the cache keeps of a model's embeddings, for a library that is brought up to date.

    kept = KeptImages(model, count=1000)          # of so many images that are to be read; None: not known
    kept.take(candidate, name="a.jpg")            # whether its embedding was there

Opened when the first image is asked for, and only where that costs little beside the encoding that it may save.
Nothing is written there: a library holds what it needs, in half the bytes, and whoever only searches should not pay
three times the disk for those who measure, too.
"""

from threading import Lock

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import UsageError
from wordsight.embeddings.kept import DIGEST, KeptEmbeddings, count_kept, kept_folder
from wordsight.embeddings.model import Model
from wordsight.images.decode import upright_sides
from wordsight.search.contents import Candidate

PER_IMAGE = (
    200  # kept embeddings that are opened for each image that is read: up to 1 ms, where encoding takes 5 and more
)


class KeptImages:
    """The embeddings of images that were computed before, by whatever program; several threads may ask."""

    def __init__(self, model: Model, *, count: int | None) -> None:
        self._model, self._count = model, count
        self._lock = Lock()
        self._kept: KeptEmbeddings | None = None
        self._looked = False

    def embedding(self, sha256: str) -> Embeddings | None:
        """Return the embedding (width,) of a content, None where there is none."""
        with self._lock:
            if not self._looked:
                self._kept, self._looked = self._opened(), True
        digest = bytes.fromhex(sha256)[:DIGEST]
        if self._kept is None or not self._kept.known([digest])[0]:
            return None
        row: Embeddings = self._kept.rows([digest])[0]
        return row

    def take(self, candidate: Candidate, *, name: str) -> bool:
        """Give a candidate whose content is hashed its embedding and its sides, where the embedding is kept."""
        row = self.embedding(candidate.sha256)
        if row is None:
            return False
        sides = upright_sides(candidate.image, name=name)
        if sides is None:
            seen = self._model.load_seen(candidate.image, name=name)
            sides = (seen.width, seen.height)
        candidate.meta |= {"width": sides[0], "height": sides[1]}
        candidate.kept = row
        return True

    def _opened(self) -> KeptEmbeddings | None:
        try:
            folder = kept_folder(self._model, "images")
        except UsageError:  # no home folder, so no cache
            return None
        kept = count_kept(folder)
        if not kept or (self._count is not None and kept > PER_IMAGE * self._count):
            return None
        return KeptEmbeddings(folder, self._model.spec.width)
