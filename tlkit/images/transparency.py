"""Pictures with transparent parts, put on a ground."""

import numpy as np
from PIL import Image

_EXTRA_SAMPLES_TAG = 338  # of TIFF
_STRIP_PIXELS = 2_000_000  # put on the ground at a time, since this takes three copies
_PALE = 224  # of 255: drawings that are nowhere darker would vanish on white


def flatten(picture):
    """Return a PIL picture that has transparency data in mode "RGB", on white, or on black if it is a pale drawing."""
    picture = picture.convert("LA") if picture.mode == "La" else picture
    result, opacities = _put_on("white", picture)
    n_pixels = opacities.sum()
    n_shown = n_pixels - opacities[0]
    # The fourth band of a TIFF may be near infrared, and is often declared as transparency, which is mostly 0 or 255.
    tags = picture.mode == "RGBA" and getattr(picture, "tag_v2", None)
    is_data = tags and (not tags.get(_EXTRA_SAMPLES_TAG) or opacities[1:255].sum() > n_pixels / 2)
    if is_data or not n_shown:
        colours = picture.convert("RGBA").convert("RGB")
        return colours if is_data or any(low < high for low, high in colours.getextrema()) else result
    n_darker = np.reshape(result.histogram(), (3, 256))[:, :_PALE].sum(axis=1).max()
    is_pale = opacities[255] < n_pixels and n_darker <= n_shown / 100
    return _put_on("black", picture)[0] if is_pale else result


def _put_on(ground, picture):
    """Return a picture on a ground of one colour, in mode "RGB", and the number of pixels per opacity, (256,)."""
    result, opacities = Image.new("RGB", picture.size), np.zeros(256, int)
    n_rows = max(1, _STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, n_rows):
        box = (0, top, picture.width, min(top + n_rows, picture.height))
        strip = picture.crop(box).convert("RGBA")
        # convert("RGB") alone would drop the alpha channel and show the hidden colours of transparent pixels.
        result.paste(Image.alpha_composite(Image.new("RGBA", strip.size, ground), strip).convert("RGB"), box)
        opacities += strip.getchannel("A").histogram()
    return result, opacities
