"""How one built-in model is constructed."""

from typing import Annotated

from pydantic import Field

from defective.specs.spec import Spec


class Architecture(Spec):
    """Values that construct a built-in model: architecture, channels of each block, classes, images.

    ``pixel_mean``: whether a mean image is subtracted instead of the channels' means. ``thermometer``: levels of the input code, 0
    for none. ``mask_size``: image height and width that its masks were resized to by :func:`defective.resize_masks_`; the layers
    stay those of ``image_size``.
    """

    name: str
    widths: tuple[Annotated[int, Field(ge=1)], ...]
    # The upper limits keep what a file of a few bytes may ask for within this machine.
    num_classes: Annotated[int, Field(ge=2, le=1_000_000)]
    in_chans: Annotated[int, Field(ge=1, le=4096)]
    image_size: Annotated[int, Field(ge=16, le=65_536)]
    project_first: bool = False
    pixel_mean: bool = False
    thermometer: Annotated[int, Field(ge=0, le=256)] = 0
    mask_size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape ``(C, H, W)`` of the images that the model takes."""
        return self.in_chans, *(self.mask_size or (self.image_size, self.image_size))
