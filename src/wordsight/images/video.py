"""Videos, read with PyAV: frames that stand for scenes, and the frame at a second.

Which frames are looked at: key frames, `LEAST` seconds apart or more; where key frames lie further apart than `FAR`
seconds in the mean, all but those that no other frame needs are decoded.  Turned as the file says, in square pixels;
high dynamic range is not mapped to the usual one, so such films look pale.  Only containers of `FORMATS` are opened and
nothing but the file itself: no playlist leads anywhere.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wordsight.base.arrays import Pixels
from wordsight.base.errors import BrokenImage, InputError
from wordsight.base.value import Value
from wordsight.images.decode import DEFAULT_MAX_PIXELS
from wordsight.images.fragments import Inside, of_second
from wordsight.images.scenes import SIDES, Scenes, Small

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,asf,flv,ogg,h264,hevc,m4v"
FAR = 5.0  # seconds between key frames in the mean: above it, others are decoded too
LEAST = 0.4  # seconds between frames that are looked at
PROBED = 60.0  # seconds at the beginning that tell how far apart key frames are
MOST_BROKEN = 1000  # packets one after the other that cannot be decoded
SHORT = 2.0  # seconds by which a film may end before it says
_SAME = 0.0015  # seconds: times are written in thousandths


class _Film(NamedTuple):
    """An open video: its container, stream and name, when it begins and how long it is, in seconds."""

    container: Any
    stream: Any
    name: str
    begins: float
    duration: float | None


@contextmanager
def _opened(path: Path) -> Iterator[_Film]:
    import av

    av.logging.set_level(None)
    name = str(path)
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        container: Any = av.open(f"file:{os.path.abspath(path)}", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, PermissionError | FileNotFoundError):
            raise
        raise BrokenImage(f"{name} is no video that can be read: {_reason(error)}", cure=_CURE) from error
    with container:
        cover = av.stream.Disposition.attached_pic
        streams = [stream for stream in container.streams.video if not stream.disposition & cover]
        if not streams:
            raise BrokenImage(f"{name} has no video stream", cure="leave it out")
        stream = streams[0]
        context = stream.codec_context
        if context is None:
            raise BrokenImage(f"{name} is of a codec that PyAV does not have", cure=_CURE)
        if context.width * context.height > DEFAULT_MAX_PIXELS:
            raise BrokenImage(f"{name} declares {context.width} x {context.height} pixels", cure="make it smaller")
        stream.thread_type = "AUTO"
        start = container.start_time
        length = container.duration
        try:
            yield _Film(container, stream, name, (start or 0) / 1e6, None if not length or length < 0 else length / 1e6)
        except av.error.FFmpegError as error:
            raise BrokenImage(f"{name} cannot be decoded: {_reason(error)}", cure=_CURE) from error


_CURE = "convert it, for example to mp4, or leave it out"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


def walked(path: Path) -> Iterator[Inside | InputError]:
    """See `fragments.walked`."""
    from av.video.reformatter import VideoReformatter

    shrink = VideoReformatter()  # one for all frames: making it takes longer than using it
    with _opened(path) as film:
        scenes: Scenes[Any] = Scenes(duration=film.duration)
        last, problem = 0.0, ""
        chosen = 0
        for met in _looked_at(film, sparse=_is_sparse(path)):
            if isinstance(met, str):
                problem = met
                break
            last, frame = met
            for one in scenes.see(last, _small(frame, shrink), frame):
                yield _inside(film, *one)
                chosen += 1
        for one in scenes.end():
            yield _inside(film, *one)
            chosen += 1
        if not chosen:
            raise BrokenImage(f"{film.name} has no frame that can be decoded", cure=_CURE)
        if problem:
            yield BrokenImage(f"{film.name} cannot be read after {last:.1f} seconds: {problem}", cure=_COPY)


_COPY = "copy it again; what could be read is kept"


def _inside(film: _Film, second: float, frame: Any) -> Inside:
    from wordsight.images.fragments import LONGEST

    second = round(second, 3)
    width, height = _sides(frame)
    meta: dict[str, Value] = {"second": second}
    if film.duration is not None:
        meta["duration"] = round(film.duration, 3)
    return Inside(of_second(second), _pixels(frame, LONGEST), width, height, meta)


def _is_sparse(path: Path) -> bool:
    """Say whether key frames lie far apart at the beginning of a film; nothing is decoded."""
    import av

    with _opened(path) as film:
        first = last = None
        keys = 0
        with suppress(av.error.FFmpegError):  # which reading it tells
            for packet in film.container.demux(film.stream):
                if packet.size == 0 or packet.pts is None:
                    continue
                last = float(packet.pts * packet.time_base)
                first = last if first is None else first
                keys += packet.is_keyframe
                if last - first > PROBED:
                    break
        return first is None or last is None or (last - first) / max(keys, 1) > FAR


def _looked_at(film: _Film, *, sparse: bool) -> Iterator[tuple[float, Any] | str]:
    """Yield second and frame, `LEAST` seconds or more apart, and last why the film ends before its end, if it does."""
    import av

    if sparse:
        film.stream.codec_context.skip_frame = "NONREF"
    last, met, broken = -LEAST, 0, 0
    for packet in _packets(film, sparse=sparse):
        if isinstance(packet, str):
            yield packet
            return
        try:
            frames = film.stream.decode(packet)
            broken = 0
        except EOFError:
            frames = []
        except av.error.FFmpegError as error:
            frames, broken = [], broken + 1
            if broken > MOST_BROKEN:
                yield f"{MOST_BROKEN} packets in a row cannot be decoded: {_reason(error)}"
                return
        for frame in frames:
            second = _second(film, frame, met)
            met += 1
            if second - last >= LEAST:
                last = second
                yield max(second, 0.0), frame


def _packets(film: _Film, *, sparse: bool) -> Iterator[Any]:
    """Yield the packets to decode, then the one that ends them, and why they end before the film does, if they do."""
    import av

    last, reached, problem = -LEAST, 0.0, ""
    try:
        for packet in film.container.demux(film.stream):
            if not packet.size:
                continue
            moment = None if packet.pts is None else float(packet.pts * packet.time_base) - film.begins
            reached = max(reached, moment or 0.0)
            if sparse or (packet.is_keyframe and (moment is None or moment - last >= LEAST)):
                last = last if moment is None else moment
                yield packet
    except av.error.FFmpegError as error:
        problem = _reason(error)
    yield None  # what the decoder has kept comes out
    ends = film.duration
    if problem or (ends is not None and reached < ends - max(SHORT, 0.02 * ends)):
        yield problem or f"its header says that it has {ends:.1f}"


def _second(film: _Film, frame: Any, met: int) -> float:
    """Return when a frame is shown, in seconds from the film's beginning."""
    if frame.pts is not None:  # in units of the stream: frames that come last have none of their own
        return float(frame.pts * film.stream.time_base) - film.begins
    rate = film.stream.average_rate or film.stream.guessed_rate or 25
    return met / float(rate)


def _turned_sides(frame: Any) -> tuple[int, int, int]:
    """Return width and height in square pixels as stored, and how many quarters the frame is to be turned."""
    ratio = frame.sample_aspect_ratio if hasattr(frame, "sample_aspect_ratio") else None
    ratio = float(ratio) if ratio else 1.0
    width = max(1, round(frame.width * ratio)) if 0.1 < ratio < 10 else frame.width
    return width, frame.height, round((frame.rotation or 0) / 90) % 4


def _sides(frame: Any) -> tuple[int, int]:
    width, height, quarters = _turned_sides(frame)
    return (height, width) if quarters % 2 else (width, height)


def _small(frame: Any, shrink: Any) -> Small:
    width, height = SIDES
    small: Small = shrink.reformat(frame, width, height, "rgb24", interpolation="AREA").to_ndarray().astype(np.float32)
    return small


def _pixels(frame: Any, longest: int) -> Pixels:
    width, height, quarters = _turned_sides(frame)
    share = min(1.0, longest / max(width, height))
    width, height = max(1, round(width * share)), max(1, round(height * share))
    way = "AREA" if share < 1 else "BICUBIC"
    pixels: Pixels = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation=way)
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else np.ascontiguousarray(pixels)


def pixels_at(path: Path, value: dict[str, Value], longest: int) -> Pixels:
    """Return the frame that is shown at `value["second"]`: the last one that begins by then."""
    second = float(str(value["second"])) + _SAME
    with _opened(path) as film:
        frame = None
        for before in _BACK:  # some containers lead to a little behind what was sought
            is_by_then, frame = _frame_at(film, second, before)
            if is_by_then:
                break
        if frame is None:
            raise BrokenImage(f"{film.name} has no frame at {second:.1f} seconds", cure="give a second that it has")
        return _pixels(frame, longest)


_BACK = (0.0, 3.0, 30.0, float("inf"))  # seconds before a frame at which decoding begins, one after the other


def _frame_at(film: _Film, second: float, before: float) -> tuple[bool, Any]:
    """Return the last frame by a second, else the first one behind it, and whether it is one by then."""
    import av

    target = max(0.0, second - before) + film.begins
    chosen, is_by_then = None, False
    with suppress(av.error.FFmpegError):  # it cannot be sought in: from where it stands
        film.container.seek(int(target / film.stream.time_base), stream=film.stream, backward=True)
    try:
        for met, frame in enumerate(film.container.decode(film.stream)):
            is_behind = _second(film, frame, met) > second
            if chosen is None or not is_behind:
                chosen, is_by_then = frame, not is_behind
            if is_behind:
                break
    except av.error.FFmpegError as error:
        if chosen is None:
            raise BrokenImage(f"{film.name} cannot be read there: {_reason(error)}", cure=_CURE) from error
    return is_by_then, chosen
