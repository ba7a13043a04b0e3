"""``defective play``: a local page on which a person attacks one image and sees what two models make of it."""
