"""What the sidecars of an image say, as columns of metadata, in order of trust beside what the image says itself.

    columns, problems = photo_columns(Path("photos/a.jpg"), [Path("photos/a.xmp")])

XMP beside the image comes first, then the image (`images.embedded`), then Google Takeout's JSON.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from wordsight.base.errors import InputError
from wordsight.base.reading import read_file
from wordsight.base.value import Value
from wordsight.data.json_lines import parse_object
from wordsight.data.sidecars import LARGEST_JSON, XMP
from wordsight.data.takeout import columns_of_takeout, is_takeout
from wordsight.data.text_lines import encoding_of
from wordsight.images import xmp
from wordsight.images.embedded import embedded_columns, first_of
from wordsight.images.embedded_names import TAKEN, TAKEN_UTC
from wordsight.images.moments import moment, with_receiver


def photo_columns(image: Path | None, sidecars: Sequence[Path]) -> tuple[dict[str, Value], list[InputError]]:
    """Return what an image (None: its sidecars alone) and its sidecars say of it, and an error for each damaged one."""
    documents: list[dict[str, Value]] = []
    created: list[dict[str, Value]] = []
    others: list[dict[str, Value]] = []
    problems = []
    for path in sidecars:
        try:
            if path.suffix.lower() == XMP:
                facts = xmp.read_xmp(_read(path, xmp.LARGEST), name=str(path))
                documents.append(facts.columns())
                created.append({**moment(facts.created)})
            else:
                others.append(_of_json(path))
        except InputError as error:
            problems.append(error)
    stated = first_of(*documents, embedded_columns(image), *created)
    return _with_utc(first_of(stated, *others), others), problems


def _with_utc(columns: dict[str, Value], others: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Return columns with the time in UTC that Takeout states, where nothing else does."""
    when = next((str(one[TAKEN_UTC]) for one in others if TAKEN_UTC in one), None)
    if when is None or TAKEN_UTC in columns:
        return columns
    known = {TAKEN: str(columns[TAKEN])} if TAKEN in columns else {}
    return first_of({**columns, **with_receiver(known, datetime.fromisoformat(when))})


def _of_json(path: Path) -> dict[str, Value]:
    data = _read(path, LARGEST_JSON)
    try:
        text = data.decode(encoding_of(data))
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", cure="save it as UTF-8, or take it away") from None
    values = parse_object(text, str(path)) if text.lstrip().startswith("{") else {}
    return columns_of_takeout(values) if is_takeout(values) else {}


def _read(path: Path, limit: int) -> bytes:
    try:
        return read_file(path, limit=limit)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", cure="mend it, or take it away") from None
