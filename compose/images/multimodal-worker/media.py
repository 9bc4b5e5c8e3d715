"""What is in a file, by its content: a name or a declared type is not believed."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av
from av.error import FFmpegError
from PIL import Image, ImageOps, UnidentifiedImageError
from service import RefusedError, setting

_PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_PIXELS = int(setting("MAX_PIXELS", "50000000"))
MAX_SIDE = 1_000_000
MAX_SECONDS = float(setting("MAX_SECONDS", "7200"))
MAX_CHARACTERS = int(setting("MAX_CHARACTERS", "5000000"))
EVERY_S, MAX_FRAMES = 10.0, 60
_JPEG_SIDE = 65_500
"""The longest side that a JPEG may have."""
_CHUNK, _OVERLAP = 1000, 100
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file of sound or film is: pixels, seconds, frames a second; `sound` whether anything is heard."""

    format: str
    seconds: float
    sound: bool
    width: int = 0
    height: int = 0
    fps: float | None = None


def open_picture(path: Path) -> tuple[Image.Image, str]:
    """The first frame of a picture in RGB, turned as its camera was held, and its format.

    Raises:
        RefusedError: not a picture, broken, of more than MAX_PIXELS, or longer than MAX_SIDE.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # before a pixel is unpacked
            with Image.open(path, formats=_PICTURES) as picture:
                if max(picture.size) > MAX_SIDE:  # each row takes memory of its own
                    raise RefusedError(f"the picture has more than {MAX_SIDE} pixels on one side", 413)
                with suppress(OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error):  # broken EXIF
                    ImageOps.exif_transpose(picture, in_place=True)
                return picture.convert("RGB"), str(picture.format).lower()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise RefusedError(f"the picture unpacks to more than {MAX_PIXELS} pixels", 413) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        why = "no picture of " + ", ".join(_PICTURES) if isinstance(error, UnidentifiedImageError) else str(error)
        raise RefusedError(f"the picture cannot be read: {why}") from None


def read_recording(path: Path, kind: Literal["audio", "video"]) -> Recording:
    """The measures of a file with sound, or with moving pictures.

    Raises:
        RefusedError: it holds none, is broken, or longer or larger than is taken.
    """
    named, held = {"audio": ("sound", "sound"), "video": ("video", "moving picture")}[kind]
    try:
        with av.open(str(path)) as file:
            if not (streams := getattr(file.streams, kind)):
                raise RefusedError(f"the file holds no {held}")
            form, seconds = file.format.name.split(",")[0], float(file.duration or 0) / av.time_base
            found = Recording(form, seconds, bool(file.streams.audio))
            if kind == "audio":
                next(file.decode(audio=0))
            else:
                one = streams[0]
                fps = float(one.average_rate) if one.average_rate else None
                found = replace(found, width=one.width, height=one.height, fps=fps)
    except (FFmpegError, StopIteration) as error:
        raise RefusedError(f"the {named} cannot be read: {getattr(error, 'strerror', 'it is empty')}") from None
    if found.seconds > MAX_SECONDS:
        raise RefusedError(f"it is {found.seconds:.0f} s long, and {MAX_SECONDS:.0f} s are taken", 413)
    if found.width * found.height > MAX_PIXELS:
        raise RefusedError(f"a frame has more than {MAX_PIXELS} pixels", 413)
    return found


def key_frames(path: Path) -> Iterator[tuple[float, Image.Image]]:
    """Key frames, one for each EVERY_S seconds and at most MAX_FRAMES: the second, and the picture.

    Raises:
        RefusedError: the video breaks off.
    """
    due, count = 0.0, 0
    try:
        with av.open(str(path)) as film:
            film.streams.video[0].codec_context.skip_frame = "NONKEY"
            for frame in film.decode(video=0):
                at = float(frame.time or 0.0)
                if at >= due and count < MAX_FRAMES:
                    yield at, frame.to_image()
                    due, count = at + EVERY_S, count + 1
    except FFmpegError as error:
        raise RefusedError(f"the video breaks off: {error.strerror}") from None
    if count == 0:
        raise RefusedError("the video has no frame")


def read_text(path: Path) -> str:
    """A text of UTF-8.

    Raises:
        RefusedError: it is not one, or it is longer than MAX_CHARACTERS.
    """
    try:
        text = path.read_bytes().decode()  # `read_text` makes one character of a line's end of two
    except UnicodeDecodeError as error:
        raise RefusedError(f"the text is not UTF-8: byte {error.start}") from None
    if "\0" in text or not text.strip():
        raise RefusedError("the text is empty" if not text.strip() else "the text holds a NUL character")
    if len(text) > MAX_CHARACTERS:
        raise RefusedError(f"the text has more than {MAX_CHARACTERS} characters", 413)
    return text


def chunks(text: str) -> Iterator[tuple[int, int]]:
    """Where each chunk of a text begins and ends, in characters: at a blank where there is one, with an overlap."""
    begin = 0
    while begin < len(text):
        end = min(begin + _CHUNK, len(text))
        if end < len(text):
            blank = max(text.rfind(" ", begin + _CHUNK // 2, end), text.rfind("\n", begin + _CHUNK // 2, end))
            end = blank if blank > begin else end
        if text[begin:end].strip():
            yield begin, end
        if end == len(text):
            return
        begin = max(end - _OVERLAP, begin + 1)


def as_jpeg(picture: Image.Image) -> bytes:
    """A picture as JPEG; one that is longer than a JPEG can be is made smaller."""
    sink = io.BytesIO()
    if max(picture.size) > _JPEG_SIDE:
        picture = picture.resize([max(1, side * _JPEG_SIDE // max(picture.size)) for side in picture.size])
    picture.save(sink, "JPEG", quality=88)
    return sink.getvalue()
