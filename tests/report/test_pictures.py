import numpy as np
import pytest
import torch

from defective import sample_mask
from defective.report.pictures import feature_picture, mask_picture, perturbation_picture, picture
from image_files import decoded


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 5, 9), (1, 1, 1)])
def test_a_picture_holds_the_pixels(channels, height, width, generator):
    x = torch.randint(0, 256, (channels, height, width), generator=generator, dtype=torch.uint8)
    pixels = decoded(picture(x))
    assert pixels.shape == ((height, width, 3) if channels == 3 else (height, width))
    assert np.array_equal(pixels.reshape(height, width, channels), x.permute(1, 2, 0).numpy())


def test_no_change_is_gray_and_the_bounds_and_all_beyond_are_black_and_white():
    x = torch.full((3, 1, 6), 100, dtype=torch.uint8)
    x_adv = x.clone()
    x_adv[:, 0, :5] = torch.tensor([84, 92, 108, 116, 200], dtype=torch.uint8)
    pixels = decoded(perturbation_picture(x, x_adv, 16 / 255))[0, :, 0].tolist()
    assert pixels == [1, 64, 192, 255, 255, 128]


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (5, 5), (17, 16)])
def test_a_mask_is_white_where_neurons_live(channels, shown, generator):
    mask = sample_mask((channels, 6, 4), 0.3, generator=generator)
    pixels = decoded(mask_picture(mask))
    live, dead, frame = ((pixels == value).sum() for value in (240, 15, 128))
    assert (live, dead, live + dead + frame) == (mask[:shown].sum(), (~mask[:shown]).sum(), pixels.size)


def test_channels_lie_in_reading_order():
    mask = torch.zeros(3, 1, 1, dtype=torch.bool)
    mask[1] = True
    assert decoded(mask_picture(mask, columns=2)).reshape(6, 6)[1::3, 1::3].tolist() == [[15, 240], [15, 128]]


def test_feature_maps_are_gray_at_zero_and_black_and_white_at_their_scale_and_beyond():
    maps = torch.tensor([-3.0, -2.0, 0.0, 1.0, 5.0]).view(5, 1, 1)
    assert decoded(feature_picture(maps, 2.0, columns=5))[1, 1::3].tolist() == [1, 1, 128, 192, 255]
