"""Pictures of any mode as RGB of 8 bits: deeper channels are rescaled, transparent parts put on a ground."""

import numpy as np
from PIL import Image

from tlkit.images.formats import PictureError

_BITS_TAG, _WHITE_IS_ZERO_TAG, _PLANES_TAG, _SIGNED_TAG = 258, 262, 284, 339  # of TIFF
_FULL = 65_535
_SMALLER = (255, 1_023, 4_095, 16_383)  # 8, 10, 12 and 14 bits
# Pillow's raw modes that swap the two bytes of a channel. "N" is the order of this machine.
_SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B" if np.little_endian else "16L"}
_EXTRA_SAMPLES_TAG = 338  # of TIFF
_STRIP_PIXELS = 2_000_000  # put on the ground at a time, since this takes three copies
_PALE = 224  # of 255: drawings that are nowhere darker would vanish on white


# Cameras and scanners of 12 bits often leave the high bits of 16 empty. The number of bits that the file states comes
# first, then the largest value. A picture's pixels may depend on its file only, since cached features know no set. A
# dark picture that was widened to 16 bits stays dark: its low bits are empty, or repeat the high ones.
def find_white(values, n_bits=16):
    """Return the value (int) of white in an array of 16-bit values: 65,535, or less if only the low bits are used."""
    highest = int(values.max())
    if n_bits < 16 and highest < 1 << n_bits:
        return (1 << n_bits) - 1
    if highest > 255 and (not (values & 15).any() or (values >> 8 == values & 255).all()):
        return _FULL
    return next((white for white in _SMALLER if highest <= white), _FULL)


def _find_n_bits(picture):
    """Return the number of bits per channel that the file of a PIL picture states."""
    return int(np.max(getattr(picture, "tag_v2", {}).get(_BITS_TAG, picture.info.get("sBIT", 16))))


def _to_8_bits(values, white):
    """Return values from 0 to `white` as uint8 from 0 to 255."""
    return np.rint(values.astype(np.float32) * (255 / white)).astype(np.uint8)


def rescale_gray(picture, location):
    """Return a PIL picture of 16-bit or float gray levels with 8 bits per channel, in mode "RGB"."""
    # Pillow would clip 16-bit pixels at 255. Floats are assumed to go up to 1; other integers have no common scale.
    values, white = np.asarray(picture), _FULL
    found = f"pixels from {values.min():g} to {values.max():g}"
    if picture.mode == "F":
        if not (values.min() >= 0 and values.max() <= 1):
            raise PictureError(location, f"float {found}, not within 0 to 1: save it with 8 bits")
        white = 1
    elif picture.mode.startswith("I;16"):
        white = find_white(values, _find_n_bits(picture))
    elif picture.format not in ("PNG", "PPM"):  # Pillow has scaled PPM by the largest value that the file states
        kind = "signed 16-bit" if picture.format and _find_n_bits(picture) == 16 else "32-bit"
        raise PictureError(location, f"{kind} {found}, of unknown scale: save the range to show with 8 bits")
    gray = _to_8_bits(values, white)
    if getattr(picture, "tag_v2", {}).get(_WHITE_IS_ZERO_TAG) == 0:  # Pillow inverts pixels of 8 bits only
        gray = 255 - gray
    return Image.fromarray(gray).convert("RGB")


def is_deep(picture, data, location):
    """Return whether an opened picture has colours of 16 bits; note the number of them in use, if a PNG states it."""
    if picture.mode == "L" and np.max(getattr(picture, "tag_v2", {}).get(_SIGNED_TAG, 1)) == 2:
        raise PictureError(location, "signed 8-bit pixels, of unknown scale: save the range to show from 0 to 255")
    if picture.format == "PNG" and data[24] == 16:
        head = data[: data.find(b"IDAT")]
        if (place := head.find(b"sBIT")) > 0:
            picture.info["sBIT"] = max(head[place + 4 : place + 4 + head[place - 1]])
        return picture.mode != "I;16"
    return picture.format == "TIFF" and picture.mode in ("RGB", "RGBA") and _find_n_bits(picture) == 16


def rescale_colours(picture, twin, location):
    """Return a loaded picture of 16-bit colours, rescaled if they use fewer bits; the twin is opened, not loaded."""
    # Pillow keeps the high byte of each channel. If these are small, the twin is read for the low ones.
    is_dark = max(highest for _, highest in picture.getextrema()[:3]) <= _SMALLER[-1] >> 8
    mode, *rest = [twin.tile[0].args] if isinstance(twin.tile[0].args, str) else twin.tile[0].args
    tags = getattr(picture, "tag_v2", {})
    can_swap = mode[:-4] in ("RGB", "RGBX", "RGBA") and tags.get(_PLANES_TAG) != 2
    if mode == "R" or (is_dark and not can_swap):
        raise PictureError(location, "16-bit channels in an order that isn't read: save it with 8 bits")
    if not is_dark:
        return picture
    mode = mode[:-3] + _SWAPPED[mode[-3:]]
    twin.tile = [tile._replace(args=(mode, *tile.args[1:]) if rest else mode) for tile in twin.tile]
    twin.load()
    values, n_bits = np.asarray(picture).astype(np.uint16) << 8 | np.asarray(twin), _find_n_bits(picture)
    if find_white(values[..., :3], n_bits) == _FULL:
        return picture
    groups = (values[..., :3], values[..., 3:])  # colours, and perhaps transparency
    rescaled = [_to_8_bits(group, find_white(group, n_bits)) for group in groups if group.size]
    result = Image.fromarray(np.concatenate(rescaled, axis=2))
    result.tag_v2 = tags
    return result


def convert_to_rgb(picture, location):
    """Return a PIL picture of any mode in mode "RGB", with transparent parts on white, or on black if that is seen."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        gray, hidden = rescale_gray(picture, location), picture.info.get("transparency")
        if not isinstance(hidden, int):
            return gray
        gray.putalpha(Image.fromarray(np.uint8(255) * (np.asarray(picture) != hidden)))
        return flatten(gray)
    if picture.has_transparency_data or picture.mode == "La":
        return flatten(picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


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
