"""What the sidecars of an image say, as columns of metadata, in order of trust beside what the image says itself.

    columns, problems = photo_columns(Path("photos/a.jpg"), [Path("photos/a.xmp")])

XMP beside the image comes first, then PhotoPrism's file, the image (`images.embedded`), and Google Takeout's JSON.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from wordsight.base.errors import InputError
from wordsight.base.reading import read_file
from wordsight.base.value import Value
from wordsight.data.json_lines import parse_object
from wordsight.data.photoprism import columns_of_photoprism, is_photoprism
from wordsight.data.plain_yaml import read_record
from wordsight.data.sidecars import LARGEST_JSON, XMP, YML
from wordsight.data.takeout import columns_of_takeout, is_takeout
from wordsight.data.text_lines import encoding_of
from wordsight.images import xmp
from wordsight.images.embedded import embedded_columns, first_of
from wordsight.images.embedded_names import TAKEN, TAKEN_UTC
from wordsight.images.moments import moment, with_receiver


def photo_columns(image: Path | None, sidecars: Sequence[Path]) -> tuple[dict[str, Value], list[InputError]]:
    """Return what an image (None: its sidecars alone) and its sidecars say of it, and an error for each damaged one."""
    documents: list[dict[str, Value]] = []
    programs: list[dict[str, Value]] = []
    created: list[dict[str, Value]] = []
    others: list[dict[str, Value]] = []
    problems = []
    for path in sidecars:
        try:
            if path.suffix.lower() == XMP:
                facts = xmp.read_xmp(_read(path, xmp.LARGEST), name=str(path))
                documents.append(facts.columns())
                created.append({**moment(facts.created)})
            elif path.suffix.lower() == YML:
                first, late = _of_yaml(path)
                programs.append(first)
                created.insert(0, late)
            else:
                others.append(_of_json(path))
        except InputError as error:
            problems.append(error)
    stated = first_of(*documents, *programs, embedded_columns(image), *created)
    return _with_utc(first_of(stated, *others), others), problems


def _with_utc(columns: dict[str, Value], others: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Return columns with the time in UTC that Takeout states, where nothing else does."""
    when = next((str(one[TAKEN_UTC]) for one in others if TAKEN_UTC in one), None)
    if when is None or TAKEN_UTC in columns:
        return columns
    known = {TAKEN: str(columns[TAKEN])} if TAKEN in columns else {}
    return first_of({**columns, **with_receiver(known, datetime.fromisoformat(when))})


def _of_yaml(path: Path) -> tuple[dict[str, Value], dict[str, Value]]:
    text = _text(path)
    return columns_of_photoprism(read_record(text, name=str(path))) if is_photoprism(text) else ({}, {})


def _of_json(path: Path) -> dict[str, Value]:
    text = _text(path)
    values = parse_object(text, str(path)) if text.lstrip().startswith("{") else {}
    return columns_of_takeout(values) if is_takeout(values) else {}


def _text(path: Path) -> str:
    data = _read(path, LARGEST_JSON)
    try:
        return data.decode(encoding_of(data))
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", cure="save it as UTF-8, or take it away") from None


def _read(path: Path, limit: int) -> bytes:
    try:
        return read_file(path, limit=limit)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", cure="mend it, or take it away") from None
