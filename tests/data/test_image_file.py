"""Decoding image files."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from defective.data.image_file import IMAGE_SUFFIXES, decode
from defective.errors import InputError
from image_files import pixels, write_image


def test_an_image_of_the_right_size_is_left_alone(tmp_path):
    assert np.array_equal(decode(write_image(tmp_path / "a.png", pixels(0, 14)), 14), pixels(0, 14))


def test_a_file_that_vanished_is_no_bad_image(tmp_path):
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "gone.png")


@pytest.mark.parametrize("suffix", [each for each in IMAGE_SUFFIXES if each not in (".jpg", ".jpeg", ".gif", ".pgm", ".webp")])
def test_lossless_kinds_of_file_are_read_exactly(suffix, tmp_path):
    assert np.array_equal(decode(write_image(tmp_path / f"a{suffix}", pixels(0))), pixels(0))


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_pixels_of_more_bits_are_refused_instead_of_cut_off(kind, tmp_path):
    with pytest.raises(InputError, match=r"a\.tif has more than 8 bits per channel"):
        decode(write_image(tmp_path / "a.tif", np.full((8, 8), 1000, kind)))


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "LA"])
def test_sixteen_bits_of_several_channels_are_refused(kind, tmp_path):
    code, channels = {"RGB": (2, 3), "RGBA": (6, 4), "LA": (4, 2)}[kind]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header, rows = struct.pack(">IIBBBBB", 8, 8, 16, code, 0, 0, 0), (b"\0" + b"\x12\xff" * 8 * channels) * 8
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    with pytest.raises(InputError, match=r"a\.png has more than 8 bits per channel"):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_kind_of_pixel_of_8_bits_is_read(mode, tmp_path):
    image = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    image.save(tmp_path / "a.tif")
    read = decode(tmp_path / "a.tif")
    assert read.shape == ((8, 8) if mode in ("1", "L", "LA") else (8, 8, 3))
    assert (read == 255).all()


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    palette = Image.new("P", (8, 8))
    palette.putpalette([255, 0, 0] + [0] * 765)
    palette.save(tmp_path / "p.png", transparency=bytes([0, 128]))
    assert (decode(tmp_path / "p.png") == [255, 0, 0]).all()


@pytest.mark.parametrize("shape", [(20, 20), (300, 20), (1, 50), (35, 36)])
@pytest.mark.parametrize("size", [1, 20, 32])
def test_image_size_is_met_exactly(shape, size, tmp_path):
    file = write_image(tmp_path / "a.png", np.full((*shape, 3), 77, np.uint8))
    assert np.array_equal(decode(file, size), np.full((size, size, 3), 77))


@pytest.mark.parametrize("width", [5_000, 50_000])
def test_an_image_too_narrow_to_be_scaled_is_refused(width, tmp_path):
    file = write_image(tmp_path / "a.png", np.zeros((1, width), np.uint8))
    with pytest.raises(InputError, match=rf"a\.png has {width}x1 pixels: too narrow to be scaled to 224$"):
        decode(file, 224)


def test_the_centre_is_cut_out_of_a_scaled_image(tmp_path):
    # Scaled from 32 x 64 to 16 x 32, of which the middle 14 x 14 stay: 14 of 32 columns, centred on the edge.
    image = np.zeros((32, 64), np.uint8)
    image[:, 32:] = 255
    read = decode(write_image(tmp_path / "a.png", image), 14)
    assert (read[:, :6] == 0).all()
    assert (read[:, 8:] == 255).all()
    assert (read[:, :7] < 128).all()
    assert (read[:, 7:] > 127).all()
