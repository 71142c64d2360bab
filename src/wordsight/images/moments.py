"""When an image was made, as files state it, as ISO 8601 text: the time on the photographer's clock, and in UTC.

    columns = moment("2025:06:01 12:00:00.27", offset="+02:00")
    columns["taken"]            # "2025-06-01T12:00:00", local time, what one looks for
    columns["taken_utc"]        # "2025-06-01T10:00:00Z", where the offset is known

Parts of a second are dropped.  A date that no calendar has, or from before photography, is none.
"""

import re
from datetime import UTC, datetime, timedelta

from wordsight.images.embedded_names import TAKEN, TAKEN_UTC

_FIRST, _LAST = 1800, 2199  # years; the oldest photo is of 1826
_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:[-:/.](?P<month>\d\d)(?:[-:/.](?P<day>\d\d)"
    r"(?:[T ]+(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d*)?)?"
    r"\s*(?P<offset>Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
_OFFSET = re.compile(r"Z|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)", re.ASCII)
_FARTHEST = timedelta(hours=15)  # local time from UTC


def moment(stated: object, offset: object = None) -> dict[str, str]:
    """Return the columns for a stated date or time, none where it is none; its own offset comes before `offset`.

    A date may lack its day or month: `2025-06`.
    """
    match = _MOMENT.fullmatch(stated.strip(" \0\t\r\n")) if isinstance(stated, str) and len(stated) < 100 else None
    if match is None or not _FIRST <= int(match["year"]) <= _LAST:
        return {}
    if match["hour"] is None:
        return _date_alone(match)
    second = min(int(match["second"] or 0), 59)  # of a leap second
    year, month, day, hour, minute = (int(match[name]) for name in ("year", "month", "day", "hour", "minute"))
    try:
        local = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return {}
    return {TAKEN: local.isoformat(), **_in_utc(local, match["offset"] or offset)}


def of_utc(at: datetime) -> dict[str, str]:
    """Return the columns where only the time in UTC is known."""
    if not _FIRST <= at.year <= _LAST:
        return {}
    text = at.replace(microsecond=0, tzinfo=None).isoformat()
    return {TAKEN: text, TAKEN_UTC: f"{text}Z"}


def of_seconds(seconds: object) -> dict[str, str]:
    """Return the columns for seconds since 1970 in UTC, a number or its digits."""
    try:
        return of_utc(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds)))  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return {}


def with_receiver(columns: dict[str, str], at: datetime | None) -> dict[str, str]:
    """Return columns with the time in UTC that a receiver of satellites knew, where nothing else tells.

    One that is more than fifteen hours from the local time is of another day: it is left out.
    """
    if at is None or TAKEN_UTC in columns:
        return columns
    if TAKEN not in columns:
        return of_utc(at)
    if len(columns[TAKEN]) < 19:
        return columns
    near = abs(datetime.fromisoformat(columns[TAKEN]) - at.replace(tzinfo=None)) <= _FARTHEST
    return {**columns, TAKEN_UTC: of_utc(at)[TAKEN_UTC]} if near and of_utc(at) else columns


def _date_alone(match: re.Match[str]) -> dict[str, str]:
    year, month, day = match["year"], match["month"], match["day"]
    if month in (None, "00"):
        return {TAKEN: year}
    if not 1 <= int(month) <= 12:
        return {}
    if day in (None, "00"):
        return {TAKEN: f"{year}-{month}"}
    try:
        return {TAKEN: datetime(int(year), int(month), int(day)).date().isoformat()}
    except ValueError:
        return {}


def _in_utc(local: datetime, offset: object) -> dict[str, str]:
    match = _OFFSET.fullmatch(offset.strip(" \0")) if isinstance(offset, str) else None
    if match is None:
        return {}
    ahead = timedelta()
    if match["sign"]:
        ahead = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
        ahead = -ahead if match["sign"] == "-" else ahead
    if abs(ahead) > _FARTHEST:
        return {}
    return {TAKEN_UTC: f"{(local - ahead).isoformat()}Z"}
