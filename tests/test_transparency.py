"""Drawings with transparent parts: the ground that they are put on."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from made_pictures import encode, make_picture
from PIL import Image, ImageDraw

from tlkit.images.decode import decode_picture


def draw(colour, mode="RGBA", ground=(255, 255, 255, 0)):
    icon = Image.new("RGBA", (64, 64), ground)
    ImageDraw.Draw(icon).ellipse((8, 8, 52, 52), outline=colour, width=6)
    return icon.convert(mode)


@pytest.mark.parametrize("colour", ["white", (238, 238, 240), (255, 250, 230, 200)])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_pale_drawings_are_put_on_black(colour, mode):
    pixels = np.asarray(decode_picture(encode(draw(colour, mode))))
    assert pixels[0, 0].tolist() == [0, 0, 0] and pixels.max() > 180


def test_pale_drawings_with_a_palette_are_put_on_black():
    icon = Image.new("P", (32, 32))
    icon.putpalette([255, 255, 255, 250, 250, 250])
    icon.paste(1, (8, 8, 24, 24))
    for format in ("PNG", "GIF"):
        pixels = np.asarray(decode_picture(encode(icon, format, transparency=0)))
        assert pixels[0, 0].max() == 0 and pixels[16, 16].min() == 250


@pytest.mark.parametrize("colour", ["black", "yellow", (200, 200, 200), "red"])
def test_other_drawings_stay_on_white(colour):
    icon = draw(colour)
    pixels = np.asarray(decode_picture(encode(icon)))
    white = Image.new("RGBA", icon.size, "white")
    assert (pixels == np.asarray(Image.alpha_composite(white, icon).convert("RGB"))).all()


def test_opaque_pale_pictures_stay_as_they_are():
    pixels = np.asarray(decode_picture(encode(draw("white", ground=(250, 250, 250, 255)))))
    assert pixels[0, 0].tolist() == [250, 250, 250]


def test_a_picture_that_is_transparent_throughout_shows_its_colours():
    picture = make_picture(size=(20, 10)).convert("RGBA")
    picture.putalpha(0)
    assert decode_picture(encode(picture)).tobytes() == picture.convert("RGB").tobytes()
    assert np.asarray(decode_picture(encode(Image.new("RGBA", (8, 8))))).min() == 255


@pytest.mark.parametrize("declared", [None, "unspecified", "unassalpha"])
def test_fourth_band_of_a_tiff_is_no_transparency(declared):
    values = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    content = io.BytesIO()
    tifffile.imwrite(content, values, photometric="rgb", extrasamples=[declared] if declared else None)
    data = content.getvalue()
    if not declared:
        data = data.replace(b"\x52\x01\x03\x00", b"\x5f\xfd\x03\x00")  # the tag 338 becomes a private one
    assert (np.asarray(decode_picture(data)) == values[..., :3]).all()


def test_transparency_of_a_tiff_is_seen():
    icon = draw("red")
    assert decode_picture(encode(icon, "TIFF")).tobytes() == decode_picture(encode(icon, "PNG")).tobytes()


def test_large_pictures_are_put_on_the_ground_in_strips(monkeypatch):
    picture = make_picture(size=(40, 30)).convert("RGBA")
    picture.putalpha(make_picture(1, size=(40, 30)).convert("L"))
    whole = decode_picture(encode(picture)).tobytes()
    monkeypatch.setattr("tlkit.images.rgb._STRIP_PIXELS", 280)
    assert decode_picture(encode(picture)).tobytes() == whole


def test_gray_of_16_bits_hides_its_transparent_value():
    values = np.tile(np.linspace(0, 65_535, 16).astype(np.uint16), (16, 1))
    data = encode(Image.fromarray(values))
    chunk = b"tRNS" + struct.pack(">H", values[0, 3])
    chunk = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
    place = data.index(b"IDAT") - 4
    found = np.asarray(decode_picture(data[:place] + chunk + data[place:]))[:, :, 0]
    expected = np.rint(values / 257).astype(np.uint8)
    expected[:, 3] = 255  # on white
    assert np.array_equal(found, expected)
