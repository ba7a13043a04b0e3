import numpy as np
import pytest

from defective.data.image_file import IMAGE_SUFFIXES, decode
from image_files import pixels, write_image


def test_an_image_of_the_right_size_is_left_alone(tmp_path):
    assert np.array_equal(decode(write_image(tmp_path / "a.png", pixels(0, 14)), 14), pixels(0, 14))


def test_a_file_that_vanished_is_no_bad_image(tmp_path):
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "gone.png")


@pytest.mark.parametrize("suffix", [each for each in IMAGE_SUFFIXES if each not in (".jpg", ".jpeg", ".gif", ".pgm", ".webp")])
def test_lossless_kinds_of_file_are_read_exactly(suffix, tmp_path):
    assert np.array_equal(decode(write_image(tmp_path / f"a{suffix}", pixels(0))), pixels(0))
