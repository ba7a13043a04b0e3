"""Decode one image file to the pixels that an image viewer shows; other formats than those listed are refused."""

import re
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from defective.data.notice import notice
from defective.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff")
# Unsupported formats: refused, so that no image is skipped silently.
_FOREIGN = """
ai apng arw avif cr2 cr3 cur dcm dds dib dng emf eps exr fits hdr heic heif icns ico j2c j2k jfif jp2 jpe
jpeg2000 jpf jpm jpx jxl jxr mpo nef npy npz orf pbm pcx pfm pnm psd qoi raf ras raw rgb rw2 sgi svg tga wmf
xbm xcf xpm
"""
FOREIGN_SUFFIXES = frozenset(f".{name}" for name in _FOREIGN.split())
# Pillow would otherwise try every format it knows, whatever the file name: for EPS it would start Ghostscript.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
_ORIENTATION = 0x0112
_reading = threading.local()
_logged: set[str] = set()
# Pixels of a scaled image before it is cropped.
_LARGEST = 100_000_000


def decode(file: Path, image_size: int | None = None, *, content: bytes | None = None, max_pixels: int | None = None) -> np.ndarray:
    """Read one image as uint8: ``(H, W)`` if it is grayscale, else ``(H, W, 3)``, rotated by its EXIF orientation.

    With ``image_size`` the image is resized so that its shorter side is 8/7 of that (256 for 224) and cropped to the centre; an image
    of that size is not changed. ``content`` are the bytes of a file that is not on disk; an image of more than ``max_pixels`` is not
    decoded.
    """
    from PIL import Image, UnidentifiedImageError

    _reading.file = file
    try:
        with Image.open(file if content is None else BytesIO(content), formats=_FORMATS) as opened:
            if max_pixels is not None and opened.width * opened.height > max_pixels:
                raise InputError(f"{file} has {opened.width}x{opened.height} pixels: scale it to at most {max_pixels:,}")
            _check_depth(opened, file)
            if opened.format != "MPO" and getattr(opened, "is_animated", False):
                warnings.warn("holds several images, of which the first is read", stacklevel=2)
            opened.load()
            image = _upright(opened, file)
            if image.mode == "P" and "transparency" in image.info:
                # Same colours; Pillow warns about the direct conversion.
                image = image.convert("RGBA")
            if image.mode not in ("L", "RGB"):
                image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
            if image_size and image.size != (image_size, image_size):
                shorter = round(image_size * 8 / 7)
                ratio = shorter / min(image.size)
                size = (max(shorter, round(image.width * ratio)), max(shorter, round(image.height * ratio)))
                if size[0] * size[1] > _LARGEST:
                    raise InputError(f"{file} has {image.width}x{image.height} pixels: too narrow to be scaled to {image_size}")
                left, top = (size[0] - image_size) // 2, (size[1] - image_size) // 2
                box = (left, top, left + image_size, top + image_size)
                image = image.resize(size, Image.Resampling.BILINEAR).crop(box)
            return np.array(image)
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        if isinstance(error, FileNotFoundError | PermissionError | InputError):
            raise
        # Pillow names the file again, or the object that it was read from.
        reason = f"it is none of {', '.join(_FORMATS)}" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"{file} is not a complete image: {reason}") from None
    finally:
        _reading.file = None


def _check_depth(image: Any, file: Path) -> None:
    """Refuse more than 8 bits per channel: with several channels, Pillow would drop the lower bits."""
    # BGR;16 of a BMP file is 16 bits per pixel.
    wide = image.format != "BMP" and any(";16" in str(tile[3]) for tile in image.tile)
    if wide or image.mode.startswith(("I", "F")):
        raise InputError(f"{file} has more than 8 bits per channel (mode {image.mode}): save it with 8 bits")


def _upright(image: Any, file: Path) -> Any:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image) if image.getexif().get(_ORIENTATION, 1) != 1 else image
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error):
        # The pixels may be intact.
        notice(f"{file}: its EXIF data is corrupt; the image is not rotated")
        return image


@contextmanager
def named_warnings() -> Iterator[None]:
    """Log each kind of Pillow's warnings, of all threads in the block, once, at its end, with the first file that causes it."""
    found: dict[str, str] = {}

    def keep(message: Warning | str, *where: Any, **more: Any) -> None:
        file = getattr(_reading, "file", None)
        if file is None:
            show(message, *where, **more)
        else:
            # Numbers in the message differ between files.
            found.setdefault(re.sub(r"\d+", "N", str(message)), f"{file}: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        show = warnings.showwarning
        warnings.simplefilter("always")
        warnings.showwarning = keep
        yield
    for kind in found.keys() - _logged:
        _logged.add(kind)
        notice(found[kind])
