"""Pictures with transparent parts, put on a ground."""

import numpy as np
from PIL import Image

_EXTRA_SAMPLES_TAG = 338  # of TIFF
_STRIP_PIXELS = 2_000_000  # put on the ground at a time, since this takes three copies
_PALE = 224  # of 255: drawings that are nowhere darker would vanish on white


def flatten(picture):
    """Return a PIL picture that has transparency data in mode "RGB", on white, or on black if it is a pale drawing."""
    if picture.mode == "La":
        picture = picture.convert("LA")
    result, opacities = _put_on("white", picture)
    n_pixels, n_shown = result.width * result.height, result.width * result.height - opacities[0]
    if opacities[255] == n_pixels:
        return result
    if not n_shown or _holds_data(picture, opacities[1:255].sum() / n_pixels):
        hidden = picture.convert("RGBA").convert("RGB")
        return hidden if n_shown or any(low < high for low, high in hidden.getextrema()) else result
    n_darker = np.reshape(result.histogram(), (3, 256))[:, :_PALE].sum(axis=1).max()
    return result if n_darker > n_shown / 100 else _put_on("black", picture)[0]


def _holds_data(picture, share_between):
    """Return whether the fourth band of a TIFF is no transparency, such as near infrared, declared or not."""
    # Programs that write four bands often declare the last one as transparency. A real one is mostly 0 or 255.
    tags = getattr(picture, "tag_v2", None)
    return bool(tags) and picture.mode == "RGBA" and (not tags.get(_EXTRA_SAMPLES_TAG) or share_between > 0.5)


def _put_on(ground, picture):
    """Return a picture on a ground of one colour, in mode "RGB", and the number of pixels per opacity, (256,)."""
    result, opacities = Image.new("RGB", picture.size), np.zeros(256, int)
    n_rows = max(1, _STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, n_rows):
        box = (0, top, picture.width, min(top + n_rows, picture.height))
        strip = picture.crop(box).convert("RGBA")
        # convert("RGB") alone would drop the alpha channel and show the hidden colours of transparent pixels.
        shown = Image.alpha_composite(Image.new("RGBA", strip.size, ground), strip)
        result.paste(shown.convert("RGB"), box)
        opacities += strip.getchannel("A").histogram()
    return result, opacities
