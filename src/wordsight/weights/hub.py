"""Public models from the hub: fetched once, checked, then read from the cache.

    folder = fetch(address("ViT-B-32/laion2b_s34b_b79k"))

Through the hub's own client (extra "models"): its cache (HF_HOME, HF_HUB_CACHE), tokens (HF_TOKEN), endpoint
(HF_ENDPOINT).  Downloads go on where they stopped, also those of a process that was killed.  Only what a model is made
of is fetched: configuration, tokenizer and one file of weights.  Every file's hash is compared with the one the hub
states.  A model that was fetched whole is used from then on without asking anybody; `refresh` asks again.  Free of
PyTorch.
"""

import fnmatch
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordsight.base.cache import cache_errors, cache_folder
from wordsight.base.errors import FormatError, UnknownModel
from wordsight.base.files import read_json, storage_errors, write_json
from wordsight.base.optional import require
from wordsight.base.progress import notice
from wordsight.weights.checkpoint_files import WEIGHT_FILES
from wordsight.weights.names import Address

# configuration and tokenizer files; no code, no images, no other frameworks' weights
SMALL = ("*.json", "merges.txt", "vocab.txt", "*.model", "README.md")
GRAPHS = ("visual/", "textual/")  # the folders of an ONNX export for photo applications
OTHER_GRAPHS = (".armnn", ".rknn")  # compiled for other machines
OTHER_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.npz")  # when no file has a usual name
NOTES = "notes of what was fetched"
LARGE = 64  # digits of the hash of a large file: SHA-256; small ones have git's 40
CHUNK = 1 << 22  # bytes read at once
HUB = "https://huggingface.co"
OFFLINE = "the network is not to be used (--offline)"


@dataclass(frozen=True, slots=True)
class RepositoryListing:
    """What a repository holds of a model at one commit: file name to stated hash ("" when the hub states none)."""

    commit: str
    files: Mapping[str, str]
    sizes: Mapping[str, int | None]


def fetch(address: Address, *, refresh: bool = False, offline: bool = False) -> Path:
    """Return the folder of a public model in the hub's cache, fetching what is missing.

    With `offline`, or HF_HUB_OFFLINE set (`--offline`), the network is never used.  Raises `UnknownModel` when there
    is no such model, or it may not be read, or it is not in the cache and the network is missing; `FormatError` when a
    file is not what the hub says.
    """
    known = None if refresh else _fetched(address)
    if known is not None:
        return known
    hub = require("huggingface_hub", extra="models")
    if offline or is_offline():
        return _cached(hub, address, OFFLINE if is_offline() else "")
    try:
        listing = _ask(hub, address)
        notice(f"fetching {address.name or address} ({', '.join(listing.files)})", once=True)
        paths = [_download(hub, address, name, listing) for name in listing.files]
    except _errors(hub) as error:
        return _explain(hub, address, error)
    folder = paths[0].parents[next(iter(listing.files)).count("/")]
    _note(address, folder, list(listing.files))
    return folder


def is_offline() -> bool:
    """Is the network not to be used?  HF_HUB_OFFLINE, which `--offline` sets."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def choose_files(names: Sequence[str]) -> list[str]:
    """Return which of a repository's files make the model: one file of weights (or its shards), then the small ones."""
    graphs = [
        name for name in names if name.startswith(GRAPHS) and name.count("/") == 1 and not name.endswith(OTHER_GRAPHS)
    ]
    weights = _weights(names) or [name for name in graphs if name.endswith(".onnx")]
    if not weights:
        return []
    if "/" in weights[0]:
        weights = graphs
    small = [name for name in names if "/" not in name and any(fnmatch.fnmatch(name, pattern) for pattern in SMALL)]
    return [*weights, *(name for name in small if name not in weights and not name.endswith(".index.json"))]


def _weights(names: Sequence[str]) -> list[str]:
    for wanted in WEIGHT_FILES:
        if wanted in names and wanted.endswith(".index.json"):
            whole = Path(wanted.removesuffix(".index.json"))
            return [wanted, *sorted(fnmatch.filter(names, f"{whole.stem}-*-of-*{whole.suffix}"))]
        if wanted in names:
            return [wanted]
    for pattern in OTHER_WEIGHTS:
        matches = [name for name in names if "/" not in name and fnmatch.fnmatch(name, pattern)]
        if matches:
            return matches if len(matches) == 1 else []
    return []


def _ask(hub: Any, address: Address) -> RepositoryListing:
    """Ask the hub which files there are, and their hashes."""
    api = hub.HfApi(endpoint=_endpoint())
    info = api.model_info(address.repository, revision=address.revision, files_metadata=True)
    stated = {sibling.rfilename: _stated_hash(sibling) for sibling in info.siblings or []}
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings or []}
    files = choose_files(list(stated))
    if not files:
        raise UnknownModel(
            f"{address} does not hold one file of weights ({', '.join(list(stated)[:8]) or 'it is empty'})",
            cure="name another repository, or fetch the file yourself and give its path",
        )
    return RepositoryListing(str(info.sha), {name: stated[name] for name in files}, sizes)


def _stated_hash(sibling: Any) -> str:
    """SHA-256 of a large file, git's hash of a small one."""
    large = getattr(sibling, "lfs", None)
    return str(large["sha256"] if large else sibling.blob_id or "")


def _download(hub: Any, address: Address, name: str, listing: RepositoryListing) -> Path:
    if len(listing.files[name]) == LARGE:
        with storage_errors(Path(hub.constants.HF_HUB_CACHE)):
            _bring(hub, address, name, listing)
    path = Path(hub.hf_hub_download(address.repository, name, revision=listing.commit, endpoint=_endpoint()))
    check_hash(path, listing.files[name])
    return path


def _bring(hub: Any, address: Address, name: str, listing: RepositoryListing) -> None:
    """Bring a large file into the hub's cache, going on where an earlier process was ended.

    The client itself goes on only within one process.  It finds the finished file under its hash and links it.
    """
    download = require("huggingface_hub.file_download", extra="models")
    stated = listing.files[name]
    blobs = Path(hub.constants.HF_HUB_CACHE) / f"models--{address.repository.replace('/', '--')}" / "blobs"
    blob, part = blobs / stated, blobs / f"{stated}.part"
    url = hub.hf_hub_url(address.repository, name, revision=listing.commit, endpoint=_endpoint())
    lock = cache_folder() / "fetched" / f"{stated}.lock"
    with cache_errors(NOTES), storage_errors(lock.parent):
        lock.parent.mkdir(parents=True, exist_ok=True)
    blobs.mkdir(parents=True, exist_ok=True)
    with hub.utils.WeakFileLock(lock):
        if blob.exists():
            return
        part.touch()
        with part.open("r+b") as handle:
            start = handle.seek(0, os.SEEK_END)
            headers = hub.utils.build_hf_headers()
            download.http_get(url, handle, resume_size=start, headers=headers, expected_size=listing.sizes[name])
        part.replace(blob)
    lock.unlink(missing_ok=True)


def check_hash(path: Path, stated: str) -> None:
    """Compare a file with its SHA-256 (64 digits) or git's hash of a blob (40); remove it and raise `FormatError`."""
    blob = path.resolve()
    if len(stated) not in (40, 64):
        return
    size = blob.stat().st_size
    digest = hashlib.sha256() if len(stated) == 64 else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with blob.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != stated.lower():
        path.unlink()
        blob.unlink(missing_ok=True)
        raise FormatError(
            f"{path.name} was damaged on its way: its hash is {digest.hexdigest()[:12]}..., "
            f"the hub states {stated[:12]}...",
            cure="it was removed; fetch it again",
        )


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _note_path(address: Address) -> Path:
    name = f"{address.repository}@{address.revision}".replace("/", "--")
    return cache_folder() / "fetched" / f"{name}.json"


def _note(address: Address, folder: Path, files: list[str]) -> None:
    """Remember that a model was fetched whole and its hashes compared."""
    with cache_errors(NOTES):
        write_json(_note_path(address), {"folder": str(folder), "files": files})


def _fetched(address: Address) -> Path | None:
    """Return the folder of a model that was fetched whole before and still lies there."""
    path = _note_path(address)
    if not path.is_file():
        return None
    note = read_json(path)
    folder = Path(note["folder"])
    return folder if all((folder / name).is_file() for name in note["files"]) else None


def _errors(hub: Any) -> tuple[type[Exception], ...]:
    """Return what the client raises: its own errors, and those of the HTTP library it is built on (it has changed)."""
    errors = hub.errors
    return (errors.HfHubHTTPError.__mro__[1], errors.EntryNotFoundError, errors.HFValidationError, OSError)


def _explain(hub: Any, address: Address, error: Exception) -> Path:
    """Turn the client's error into ours, or go on with what the cache holds when only the network is missing."""
    errors = hub.errors
    page = f"{(_endpoint() or HUB).rstrip('/')}/{address.repository}"
    answer = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, errors.GatedRepoError):
        raise UnknownModel(
            f"{address} may only be read by those who accepted its terms",
            cure=f"accept them at {page} and set HF_TOKEN to a token of yours",
        ) from None
    if isinstance(error, errors.RevisionNotFoundError):
        raise UnknownModel(f"{address.repository} has no revision {address.revision!r}", cure=f"see {page}") from None
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        raise UnknownModel(
            f"the hub has no model {address.repository!r}, or it is private",
            cure=f"check the spelling at {page}, or set HF_TOKEN",
        ) from None
    if isinstance(error, errors.LocalEntryNotFoundError) or not isinstance(error, errors.HfHubHTTPError):
        return _cached(hub, address, f"the hub cannot be reached ({answer})")
    raise UnknownModel(f"{address}: the hub answered {answer}", cure="try again later") from None


def _cached(hub: Any, address: Address, reason: str) -> Path:
    """Return what we or any program have put into the hub's cache; blobs there are named by their hashes."""
    before = _fetched(address)
    if before is not None:
        if reason:
            notice(f"{address} as it was fetched before: {reason}", once=True)
        return before
    try:
        matches = hub.snapshot_download(address.repository, revision=address.revision, local_files_only=True)
    except (hub.errors.LocalEntryNotFoundError, FileNotFoundError):
        matches = None
    folder = Path(matches) if matches else None
    names = [] if folder is None else sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    files = choose_files(names)
    if folder is None or not files:
        raise UnknownModel(
            f"{address} is not in the cache{', and ' if reason else ''}{reason}",
            cure=f'run `wordsight models fetch "{address.name or address}"` where there is a network',
        )
    for name in files:
        check_hash(folder / name, (folder / name).resolve().name)
    _note(address, folder, files)
    return folder
