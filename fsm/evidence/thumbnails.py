"""Small pictures of large ones, and a fingerprint that survives recompression. Pure.

Only the decoder of the kind that the signature proves is started, and only after the header's
pixels were counted: Pillow's own limit is one number for the whole process and warns before it
refuses. Decoding takes time and memory: run it in a worker or a thread, never on the event loop.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import chain
from operator import mul
from statistics import median
from typing import TYPE_CHECKING

from fsm.evidence.headers import HEAD_SIZE, Frame, count_scans, read_frame, sniff
from fsm.evidence.verification import TooManyPixels
from fsm.problems import Problem

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

#: Longest side of a thumbnail, pixels.
THUMBNAIL_SIZE = 480

#: Most pixels decoded at full size: phones of "50 megapixels" give 50.3 million; four bytes each
#: stay below 256 MB.
MAX_DECODED_PIXELS = 51_000_000

#: Largest file that is read into memory to be opened. A 200-megapixel JPEG has about 80 MB.
MAX_BYTES = 160_000_000

#: Most pixels of a baseline JPEG, which is decoded at an eighth of its size line by line.
MAX_JPEG_PIXELS = 256_000_000

#: Each scan of a progressive JPEG walks over the whole picture again. Encoders write about ten.
MAX_SCANS = 64

_ORIENTATION = 0x0112
_QUALITY = 80

# A picture whose grey values differ less than this (standard deviation, 0-255) has no features to
# compare; a lens cap would look like every other one.
_FLAT = 2.0
_GRID = 32
_HASH_SIDE = 8


class CannotDecode(Problem):
    """There is no thumbnail: a kind without a decoder here (HEIC), or a damaged picture."""

    code, status, title = "cannot-decode", 422, "The picture cannot be opened"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A JPEG without metadata, upright; sides in pixels, the longer at most `THUMBNAIL_SIZE`."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Perceptual hashes of one picture, as signed 64-bit numbers the way PostgreSQL stores them.

    `upright` is what is kept. `turned` holds the hashes of all four rotations and their mirror
    images, upright first: what a picture compared with kept hashes needs.
    """

    upright: int
    turned: tuple[int, ...]

    def distance(self, kept: int) -> int:
        """Return the fewest bits (0-64) in which one of the eight positions differs from `kept`."""
        return min(((one ^ kept) & _ALL_BITS).bit_count() for one in self.turned)


_ALL_BITS = (1 << 64) - 1

#: Two photos within this distance are flagged as similar. Measured: recompressed or resized 0,
#: brighter 2, other scenes at least 22; a 5 % crop, 10, escapes.
SIMILAR_WITHIN = 8


def thumbnail(content: bytes, *, longest: int = THUMBNAIL_SIZE) -> Thumbnail:
    """Return a small upright JPEG of a picture, its first frame where it moves.

    Raises `TooManyPixels` for what is too large to open and `CannotDecode` for the rest.
    Transparent pixels turn white. Never larger than the original.
    """
    with _opened(content, longest) as image:
        small = _upright(image, longest)
    out = BytesIO()
    small.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return Thumbnail(jpeg=out.getvalue(), width=small.width, height=small.height)


def fingerprint(content: bytes) -> Fingerprint | None:
    """Return the perceptual hash of a picture, None where it shows nothing to compare.

    The 8 × 8 lowest frequencies of a 32 × 32 grey DCT-II, each bit whether it lies above their
    median, row by row from the highest bit down (pHash, after Zauner, 2010). Refuses like
    `thumbnail`; give it the thumbnail where there is one.
    """
    from PIL import Image

    with _opened(content, THUMBNAIL_SIZE) as image:
        small = _upright(image, THUMBNAIL_SIZE).convert("L")
    grey = list(small.resize((_GRID, _GRID), Image.Resampling.LANCZOS).tobytes())
    mean = sum(grey) / len(grey)
    if math.sqrt(sum((value - mean) ** 2 for value in grey) / len(grey)) < _FLAT:
        return None
    frequencies = _lowest_frequencies([grey[at : at + _GRID] for at in range(0, len(grey), _GRID)])
    turned = tuple(_hash(position) for position in _eight_positions(frequencies))
    return Fingerprint(upright=turned[0], turned=turned)


@contextmanager
def _opened(content: bytes, longest: int) -> "Iterator[Image]":
    """Yield the picture's first frame, decoded; whatever stops that is a `Problem`."""
    mime = sniff(content[:256])
    decoder = _decoders().get(mime or "")
    frame = read_frame(content[:HEAD_SIZE], mime) if mime else None
    if decoder is None or frame is None:
        raise CannotDecode(f"A picture of kind {mime or 'unknown'} cannot be opened here.")
    _refuse_bombs(content, mime == "image/jpeg", frame)
    try:
        with decoder(BytesIO(content)) as image:
            image.draft("RGB", (longest, longest))
            image.load()
            yield image
    except Problem:
        raise
    except Exception as error:  # decoders fail in every way there is, warnings made errors too
        raise CannotDecode("The picture is damaged.") from error


@cache
def _decoders() -> dict[str, Callable[[BytesIO], "ImageFile"]]:
    from PIL import (
        AvifImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        WebPImagePlugin,
    )

    return {
        "image/jpeg": JpegImagePlugin.JpegImageFile,
        "image/png": PngImagePlugin.PngImageFile,
        "image/gif": GifImagePlugin.GifImageFile,
        "image/webp": WebPImagePlugin.WebPImageFile,
        "image/avif": AvifImagePlugin.AvifImageFile,
    }


def _refuse_bombs(content: bytes, is_jpeg: bool, frame: Frame) -> None:
    # A progressive JPEG keeps all coefficients in memory, so drafts do not make it small.
    shrinks = is_jpeg and not frame.is_progressive
    limit = MAX_JPEG_PIXELS if shrinks else MAX_DECODED_PIXELS
    if frame.width * frame.height > limit:
        raise TooManyPixels(
            f"{frame.width} × {frame.height} pixels are too many to open; "
            f"at most {limit // 1_000_000} million are.",
            width=frame.width,
            height=frame.height,
            limit=limit,
        )
    if is_jpeg and count_scans(content) > MAX_SCANS:
        raise CannotDecode("The picture is cut into too many scans to open it.")


def _upright(image: "Image", longest: int) -> "Image":
    """Return a small RGB copy, turned as EXIF asks, over white where it is transparent."""
    from PIL import Image

    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(_orientation(image))
    # Shrunk where it is, before anything else makes a second copy of all the pixels.
    large = _shrinkable(image)
    large.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    if large.mode == "RGBA":
        white = Image.new("RGBA", large.size, "white")
        large = Image.alpha_composite(white, large)
    small = large.convert("RGB")
    small.info.clear()  # profiles and comments would be written into the copy
    return small.transpose(turn) if turn is not None else small


def _shrinkable(image: "Image") -> "Image":
    """Return the picture in colours that can be averaged, itself where it has them.

    16-bit grey is scaled to 8; converting would cut everything above 255 to white.
    """
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value / 257).convert("L")
    return image if image.mode in ("RGB", "L", "CMYK", "YCbCr") else image.convert("RGB")


def _orientation(image: "Image") -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - anybody writes EXIF; a picture without it is still one
        return 1
    return value if isinstance(value, int) else 1


@cache
def _cosines() -> list[list[float]]:
    return [
        [math.cos(math.pi * (2 * x + 1) * u / (2 * _GRID)) for x in range(_GRID)]
        for u in range(_HASH_SIDE)
    ]


def _dot(ones: Sequence[float], others: Sequence[float]) -> float:
    return float(sum(map(mul, ones, others)))


def _lowest_frequencies(grey: list[list[int]]) -> list[list[float]]:
    """Return the top left 8 × 8 of the unnormalised DCT-II of a 32 × 32 grid of rows."""
    cosines = _cosines()
    rows = [[_dot(row, wave) for wave in cosines] for row in grey]
    columns = list(zip(*rows, strict=True))
    return [[_dot(column, wave) for column in columns] for wave in cosines]


def _eight_positions(frequencies: list[list[float]]) -> list[list[list[float]]]:
    """Return the frequencies of the picture and its seven other positions, the given one first.

    Mirroring a picture negates its odd frequencies in that direction, transposing it transposes
    them; the eight combinations are all rotations and mirror images.
    """

    def mirrored(grid: Sequence[Sequence[float]], across: bool, down: bool) -> list[list[float]]:
        return [
            [
                -value if (across and u % 2) ^ (down and v % 2) else value
                for u, value in enumerate(row)
            ]
            for v, row in enumerate(grid)
        ]

    transposed = list(zip(*frequencies, strict=True))
    return [
        mirrored(grid, across, down)
        for grid in (frequencies, transposed)
        for across in (False, True)
        for down in (False, True)
    ]


def _hash(frequencies: list[list[float]]) -> int:
    """Return a signed 64-bit number, one bit a frequency."""
    values = list(chain.from_iterable(frequencies))
    middle = median(values)
    bits = 0
    for value in values:
        bits = bits << 1 | (value > middle)
    return bits - (1 << 64) if bits >> 63 else bits
