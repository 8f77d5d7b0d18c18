"""One picture's bytes: limits, formats, and what the pixels become."""

import io
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made_pictures import encode, make_picture
from PIL import Image, ImageFile, PngImagePlugin

from tlkit.images.decode import MAX_PIXELS, PictureError, decode_picture
from tlkit.images.inputs import gather_pictures

# What a camera does to an upright picture before it writes the orientation, by the EXIF standard's table.
TURNS = {
    1: None,
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_90",
    7: "TRANSVERSE",
    8: "ROTATE_270",
}


def refuse(data):
    """Return the reason for which a picture is refused; the message must name the picture."""
    with pytest.raises(PictureError) as caught:
        decode_picture(data, "cat/7.jpg")
    assert str(caught.value).startswith("cat/7.jpg: ")
    return caught.value.reason


def make_png_header(width_px, height_px):
    """Return a PNG that claims a size and holds almost nothing, as a pixel bomb does."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_keep_every_pixel(format):
    picture = make_picture()
    assert decode_picture(encode(picture, format)).tobytes() == picture.tobytes()


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF", "AVIF"])
def test_lossy_formats_equal_pillow(format):
    data = encode(make_picture(size=(40, 30)), format)
    with Image.open(io.BytesIO(data)) as expected:
        assert decode_picture(data).tobytes() == expected.convert("RGB").tobytes()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_truncated_picture_is_refused(format, share):
    data = encode(make_picture(size=(200, 150)), format)
    assert f"broken {format}" in refuse(data[: int(len(data) * share)])


def test_zero_bytes_are_refused():
    assert "empty (0 bytes)" in refuse(b"")
    assert "only zero bytes" in refuse(bytes(2000))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"these are my notes\n" * 5, "text, not a picture"),
        (("Käsespätzle " * 99).encode(), "text, not a picture"),
        (bytes(range(1, 99)), "in no picture format"),
        (b"<!DOCTYPE html><html><body>404</body>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<!DOCTYPE svg PUBLIC "-//W3C//DTD">\n<svg/>', "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04\0\0", "zip archive"),
    ],
)
def test_what_is_no_picture_is_named(data, expected):
    assert expected in refuse(data)


def test_extension_does_not_decide_the_format():
    picture = make_picture()
    assert decode_picture(encode(picture, "PNG"), "really-a-png.jpg").tobytes() == picture.tobytes()


def test_avif_whose_first_brand_is_the_general_one_is_read():
    data = encode(make_picture(), "AVIF")
    assert decode_picture(data[:8] + b"mif1" + data[12:]).tobytes() == decode_picture(data).tobytes()


@pytest.mark.parametrize("size", [(20_000, 20_000), (12_000, 12_000), (7_072, 7_072)])
def test_pixel_bomb_is_refused_before_decoding(size, monkeypatch):
    limit = Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda picture: pytest.fail("it was decoded"))
    reason = refuse(make_png_header(*size))
    assert f"{size[0]:,} × {size[1]:,} pixels" in reason and f"{MAX_PIXELS:,}" in reason
    assert limit == Image.MAX_IMAGE_PIXELS


def test_pixel_bomb_in_a_gif_frame_is_refused():
    data = bytearray(encode(make_picture(), "GIF"))
    place = data.index(b"\x2c")  # the frame's own size, larger than the screen's
    data[place + 5 : place + 9] = struct.pack("<HH", 60_000, 60_000)
    assert f"{MAX_PIXELS:,}" in refuse(bytes(data))


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (10, 501)])
def test_very_long_picture_is_refused(size):
    assert "longer than 1:50" in refuse(encode(Image.new("RGB", size)))


def test_picture_at_the_aspect_limit_is_read():
    assert decode_picture(encode(Image.new("RGB", (10, 500)))).size == (10, 500)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray_is_rescaled_by_its_type(format):
    values = np.array([[0, 257, 32_896, 65_535]], dtype=np.uint16)
    picture = decode_picture(encode(Image.fromarray(values), format))
    assert np.asarray(picture)[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]


def test_float_tiff_from_0_to_1_is_rescaled():
    values = np.array([[0, 0.5, 1]], dtype=np.float32)
    picture = decode_picture(encode(Image.fromarray(values), "TIFF"))
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("values", [[0.0, 255.0], [-0.1, 1.0], [0.0, np.nan]])
def test_float_tiff_of_another_scale_is_refused(values):
    assert "float pixels" in refuse(encode(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF"))


def test_32_bit_tiff_is_refused():
    values = np.array([[0, 70_000]], dtype=np.int32)
    assert "32-bit pixels from 0 to 70000" in refuse(encode(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
@pytest.mark.filterwarnings("error")
def test_hidden_colours_become_white(mode):
    hidden, shown = (200, 30, 60), (10, 120, 240)
    options = {}
    if mode in ("RGBA", "LA"):
        picture = Image.new("RGBA", (2, 1), (*hidden, 0))
        picture.putpixel((1, 0), (*shown, 255))
        picture = picture.convert(mode)
    elif mode == "P":
        picture = Image.new("P", (2, 1))
        picture.putpalette([*hidden, *shown])
        picture.putpixel((1, 0), 1)
        options = {"transparency": b"\x00\xff"}
    else:
        picture = Image.new("RGB", (2, 1), hidden)
        picture.putpixel((1, 0), shown)
        picture = picture.convert(mode)
        options = {"transparency": picture.getpixel((0, 0))}
    pixels = np.asarray(decode_picture(encode(picture, "PNG", **options)))
    gray = Image.new("RGB", (1, 1), shown).convert("L").getpixel((0, 0))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1].tolist() == ([gray] * 3 if mode in ("LA", "L") else list(shown))


def test_half_transparent_pixels_are_mixed_with_white():
    data = encode(Image.new("RGBA", (1, 1), (0, 0, 0, 128)))
    assert decode_picture(data).getpixel((0, 0)) == (127, 127, 127)


def test_cmyk_jpeg_has_the_right_colours():
    data = encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = decode_picture(data).getpixel((8, 8))
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_undone(format, orientation):
    upright = make_picture(size=(6, 4))
    turn = TURNS[orientation]
    turned = upright if turn is None else upright.transpose(Image.Transpose[turn])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    decoded = decode_picture(encode(turned, format, exif=exif, **options))
    assert decoded.size == (6, 4)
    assert decoded.tobytes() == upright.tobytes()


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage here", b"Exif\0\0MM\0*\0\0"])
@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
def test_damaged_exif_does_not_cost_the_picture(format, exif):
    assert decode_picture(encode(make_picture(), format, exif=exif)).size == (12, 10)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animation_gives_its_first_frame(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], lossless=True)
    red, _, blue = decode_picture(data).getpixel((4, 4))
    assert red > 240 and blue < 15


def test_modes_without_colour_become_rgb():
    for mode in ("1", "L"):
        assert decode_picture(encode(Image.new(mode, (3, 3), 1), "PNG")).mode == "RGB"


def test_memory_error_is_not_blamed_on_the_picture(monkeypatch):
    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr("tlkit.images.decode.convert_to_rgb", fail)
    with pytest.raises(MemoryError):
        decode_picture(encode(make_picture()))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "GIF", "BMP"])
def test_truncated_picture_is_refused_whatever_pillow_may_accept(format, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    data = encode(make_picture(size=(200, 150)), format)
    assert decode_picture(data).size == (200, 150)
    assert f"broken {format}" in refuse(data[: int(len(data) * 0.6)])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_broken_data_is_refused_whatever_pillow_may_accept(monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    data = bytearray(encode(make_picture(size=(200, 150)), "PNG"))
    place = data.index(b"IDAT") + 2_000
    data[place : place + 400] = bytes(400)
    assert "broken PNG" in refuse(bytes(data))


@pytest.mark.parametrize("kind", ["PNG RGB", "PNG RGBA", "PNG L", "WEBP RGB", "TIFF RGB", "JPEG L"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_pictures_of_pillow_are_turned_as_their_file_is(tmp_path, kind, orientation):
    format, mode = kind.split()
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "phone"
    path.write_bytes(encode(make_picture(size=(40, 20)).convert(mode), format, exif=exif))
    with Image.open(path) as opened, Image.open(path) as loaded, Image.open(path) as changed:
        loaded.load()
        in_memory = Image.open(io.BytesIO(path.read_bytes()))
        images = gather_pictures([path, opened, loaded, changed.convert("RGBA"), in_memory])
        assert images.digest(1) == images.digest(4) == images.digest(0) or format == "WEBP"
        pictures = [images.read(index).tobytes() for index in range(len(images))]
    assert len(set(pictures)) == 1 and images.read(0).size == ((20, 40) if orientation > 4 else (40, 20))
    # A picture that was read before is upright and isn't turned again.
    again = gather_pictures([images.read(0), images.read(0).convert("RGBA")])
    assert [again.read(index).tobytes() for index in range(2)] == pictures[:1] * 2


def test_pictures_of_pillow_that_were_changed_are_taken_as_they_are(tmp_path):
    make_picture(size=(64, 48)).save(tmp_path / "a.jpg")
    path = tmp_path / "a.jpg"
    smaller, edited, frame = Image.open(path), Image.open(path), Image.open(path)
    smaller.draft("RGB", (32, 24))
    edited.putpixel((0, 0), (1, 2, 3))
    make_picture(1).save(tmp_path / "other.jpg")
    (tmp_path / "other.jpg").replace(path)  # the file at the path is no longer the opened one
    images = gather_pictures([smaller, edited, frame])
    assert images.read(0).size == (32, 24)
    assert images.read(1).getpixel((0, 0)) == (1, 2, 3) and images.read(2).size == (64, 48)


def test_frame_that_was_chosen_is_taken(tmp_path):
    path = tmp_path / "moving.gif"
    make_picture(0).save(path, save_all=True, append_images=[make_picture(1), make_picture(2)])
    with Image.open(path) as moving:
        moving.seek(2)
        images = gather_pictures([path, moving])
        assert images.read(1).tobytes() == moving.convert("RGB").tobytes() != images.read(0).tobytes()


def test_few_large_pictures_are_decoded_at_once(monkeypatch):
    now, most, real = [], [], PngImagePlugin.PngImageFile.load_prepare

    def prepare(picture):
        now.append(picture)
        most.append(len(now))
        time.sleep(0.005)
        now.pop()
        real(picture)

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_prepare", prepare)
    monkeypatch.setattr("tlkit.images.decode.MAX_PIXELS", 1_000)
    data = encode(make_picture(size=(30, 20)))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode_picture, [data] * 16))
    assert 2 <= max(most) <= 4
