"""Files of a folder that hold several images, as a library keeps them: one entry for each image inside.

    listing = with_fragments(listing, states)       # stamps of the images inside known files beside those of files
    listing.stamps == of_files(recorded)            # is anything else than it was?
    reader.read("films/beach.mp4", stamp, states)   # one candidate after the other, and a last one that ends them

The state of an image inside has the stamp of its file, the SHA-256 of its file with the fragment behind it, and its
file in `file`.  Until the file has been read to its end, the stamps of its images are `UNFINISHED`, which no file has:
after a stop it is read again, and what is known of it is not encoded again.  A video or document has a state under its
own key only where something is wrong with it; of an animation, that is the entry of its first frame, which comes last.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from wordsight.base.errors import InputError, UnreadableFile
from wordsight.base.reading import sha256_file
from wordsight.base.value import Value
from wordsight.data.listing import Stamp
from wordsight.images.files import unchanged
from wordsight.images.fragments import ANIMATED, PAGED, file_of, is_fragment, value_of, walked
from wordsight.index.index import FileState
from wordsight.search.brought import Brought
from wordsight.search.contents import SIGNATURE, UNFINISHED, Candidate, Listing


def with_fragments(listing: Listing, states: Mapping[str, FileState]) -> Listing:
    """Return a listing of files with the stamps of the images that are known inside them, and with the states."""
    if listing.stamps is None or not listing.complete:
        return listing
    stamps = dict(listing.stamps)
    for key in states:
        if is_fragment(key) and (stamp := listing.stamps.get(file_of(key))) is not None:
            stamps[key] = stamp
            if file_of(key) not in states:
                stamps.pop(file_of(key), None)
    return listing._replace(stamps=stamps, states=states)


def all_of_files(keys: Iterable[str], stamps: Mapping[str, Stamp]) -> list[str]:
    """Return the keys with all others of the same files, sorted: a file is read as a whole."""
    keys = set(keys)
    files = {file_of(key) for key in keys}
    return sorted(keys.union(key for key in stamps if "#" in key and file_of(key) in files))


def ended(candidate: Candidate, now: Mapping[str, FileState | None]) -> dict[str, FileState]:
    """Return the states of the images of a file that has been read to its end."""
    size, mtime_ns = candidate.stamp
    read = ((key, now.get(key)) for key in candidate.ends or ())
    return {key: replace(state, size=size, mtime_ns=mtime_ns) for key, state in read if state is not None}


def unfinished(states: Mapping[str, FileState]) -> dict[str, FileState]:
    """Return the states of images inside files as if none of these had been read to its end: all are read again."""
    size, mtime_ns = UNFINISHED
    return {key: replace(one, size=size, mtime_ns=mtime_ns) for key, one in states.items() if is_fragment(key)}


def never_walked(location: Path, facts: Mapping[str, str], states: Mapping[str, FileState]) -> set[str]:
    """Return image files that hold several images of which none is known, where that was not looked for.

    So it is in a library that the last writer, by its facts, left as one that knows of no images inside files.  Only
    headers are read.
    """
    if Brought(facts, facts.get(SIGNATURE, "")).is_current:
        return set()
    walked_before = {file_of(key) for key in states if is_fragment(key)}
    files = {key for key, state in states.items() if not (state.file or state.error or state.absent)}
    reader = FragmentReader(location)
    return {file for file in files - walked_before if reader.holds_several(file)}


class FragmentReader:
    """Reads the files below `location` that hold several images; `read_files` are those that it came to."""

    def __init__(self, location: Path) -> None:
        self._location = location
        self.read_files: set[str] = set()
        self._known: dict[str, list[str]] | None = None  # SHA-256 of a file -> fragments of it that are all there are
        self._inside: dict[str, list[str]] = {}  # file -> keys that are known of it

    def holds_several(self, file: str) -> bool:
        """Say whether an image file of the folder holds more than one image."""
        suffix = file[file.rfind(".") :].lower()
        if suffix not in ANIMATED and suffix not in PAGED:
            return False
        from wordsight.images.animation import holds_several

        self.read_files.add(file)
        return holds_several(self._location / file, suffix)

    def read(
        self, file: str, stamp: Stamp, states: Mapping[str, FileState], *, first: Candidate | None = None
    ) -> Iterator[Candidate | InputError]:
        """Yield the images of a file, and then the candidate that ends them; `first` is that of an image file itself.

        What goes wrong comes as a candidate whose image is the error.
        """
        self._learn(states)
        self.read_files.add(file)
        path, sha256, met = self._location / file, "", list[str]()
        try:
            with _reading(path), unchanged(path):
                sha256 = sha256_file(path, limit=None)
                for one in self._images(file, sha256):
                    if isinstance(one, InputError):
                        yield one if first else Candidate(file, one, stamp, sha256=sha256)
                    else:
                        met.append(one.key)
                        yield one
        except UnreadableFile as error:
            known = [key for key in self._inside.get(file, ()) if key not in met]
            for key in known or [file]:
                yield Candidate(key, error, stamp, file=file if is_fragment(key) else "")
            return
        except InputError as error:
            if first is None:
                yield Candidate(file, error, stamp, sha256=sha256)
        if first is not None:
            yield first
        yield Candidate(file, None, stamp, ends=tuple(met))

    def _images(self, file: str, sha256: str) -> Iterator[Candidate | InputError]:
        path = self._location / file
        known = (self._known or {}).get(sha256)
        if known:
            for fragment in known:
                yield _candidate(file, fragment, sha256, None, value_of(fragment))
            return
        for image in walked(path, path.suffix.lower()):
            if isinstance(image, InputError):
                yield image
                continue
            meta = {**image.meta, "width": image.width, "height": image.height}
            yield replace(_candidate(file, image.fragment, sha256, None, meta), image=image.pixels)

    def _learn(self, states: Mapping[str, FileState]) -> None:
        """Note which images are known inside which files; those of a file with which something is wrong do not count.

        What could not be read then may be read now.
        """
        if self._known is not None:
            return
        self._known, broken = {}, {state.sha256 for state in states.values() if state.error}
        for key, state in states.items():
            sha256, _, fragment = state.sha256.partition("#")
            if not is_fragment(key):
                if state.error:
                    self._inside.setdefault(key, []).append(key)
                continue
            self._inside.setdefault(file_of(key), []).append(key)
            if state.error or sha256 in broken or (state.size, state.mtime_ns) == UNFINISHED:
                broken.add(sha256)
                self._known.pop(sha256, None)
            elif sha256 not in broken and fragment not in self._known.setdefault(sha256, []):
                self._known[sha256].append(fragment)


def _candidate(file: str, fragment: str, sha256: str, image: None, meta: Mapping[str, Value]) -> Candidate:
    return Candidate(f"{file}#{fragment}", image, UNFINISHED, dict(meta), sha256=f"{sha256}#{fragment}", file=file)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what the system refuses into `UnreadableFile`: the file is tried again."""
    try:
        yield
    except OSError as error:
        problem = f"{path} cannot be opened: {error.strerror or error}"
        raise UnreadableFile(problem, cure="check the path, and that you may read it") from error
