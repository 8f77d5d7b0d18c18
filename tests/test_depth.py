"""Pictures of 10, 12, 14 and 16 bits per channel, in gray and in colour."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from made_pictures import encode
from PIL import Image

from tlkit.images.decode import PictureError, decode_picture
from tlkit.images.inputs import gather_pictures
from tlkit.images.rgb import find_white

BITS = (8, 10, 12, 14)


def make_ramp(n_bits, n_channels=1):
    """Return values (16, 32, n_channels) from 0 to the largest of a number of bits, another ramp in each channel."""
    ramp = np.linspace(0, 2**n_bits - 1, 16 * 32).astype(np.uint16).reshape(16, 32)
    return np.stack([np.roll(ramp, 100 * channel) for channel in range(n_channels)], axis=2)


def encode_png(values, *chunks):
    """Return a PNG of 16 bits with 1 to 4 channels, which Pillow can't write; chunks are (kind, content)."""

    def pack(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, n_channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[n_channels], 0, 0, 0)
    # The second half has the filter "up", so that Pillow has to undo one.
    raw = np.frombuffer(values.astype(">u2").tobytes(), np.uint8).reshape(height, -1)
    up = raw - np.vstack([np.zeros_like(raw[:1]), raw[:-1]])
    lines = [b"\0" + raw[y].tobytes() if y < height // 2 else b"\2" + up[y].tobytes() for y in range(height)]
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pack(*part) for part in parts)


def encode_tiff(values, **options):
    content = io.BytesIO()
    tifffile.imwrite(content, values, **options)
    return content.getvalue()


def expect(values, white):
    return np.rint(values.astype(float) * 255 / white).astype(int)


def decode(data):
    return np.asarray(decode_picture(data)).astype(int)


def write_gray(kind, values):
    if kind == "PNG":
        return encode(Image.fromarray(values[..., 0]))
    return encode_tiff(values[..., 0], byteorder={"TIFF": "<", "big-endian TIFF": ">"}[kind])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "big-endian TIFF"])
@pytest.mark.parametrize("n_bits", BITS)
def test_gray_of_fewer_bits_spans_black_to_white(kind, n_bits):
    values = make_ramp(n_bits)
    assert (decode(write_gray(kind, values)) == expect(values, 2**n_bits - 1)).all()


COLOURS = {
    "PNG": encode_png,
    "TIFF": lambda values: encode_tiff(values, photometric="rgb"),
    "big-endian TIFF": lambda values: encode_tiff(values, photometric="rgb", byteorder=">"),
    "compressed TIFF": lambda values: encode_tiff(values, photometric="rgb", compression="deflate"),
    "TIFF of strips": lambda values: encode_tiff(values, photometric="rgb", rowsperstrip=5),
}


@pytest.mark.parametrize("kind", COLOURS)
@pytest.mark.parametrize("n_bits", BITS)
def test_colours_of_fewer_bits_span_black_to_white(kind, n_bits):
    values = make_ramp(n_bits, 3)
    assert (decode(COLOURS[kind](values)) == expect(values, 2**n_bits - 1)).all()


@pytest.mark.parametrize("kind", COLOURS)
def test_colours_of_16_bits_keep_their_high_byte(kind):
    values = make_ramp(16, 3)
    assert (decode(COLOURS[kind](values)) == values >> 8).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_transparency_of_fewer_bits_is_seen(kind):
    values = make_ramp(12, 4)
    values[..., 3] = 4_095
    values[:4, :, 3] = 0
    pixels = decode(COLOURS[kind](values))
    assert (pixels[:4] == 255).all() and (pixels[4:] == expect(values[4:, :, :3], 4_095)).all()


@pytest.mark.parametrize("declared", ["unspecified", "unassalpha"])
def test_near_infrared_of_12_bits_is_left_out(declared):
    values = make_ramp(12, 4)
    pixels = decode(encode_tiff(values, photometric="rgb", extrasamples=[declared]))
    assert (pixels == expect(values[..., :3], 4_095)).all()


@pytest.mark.parametrize("planar", [None, "deflate"])
def test_channels_that_lie_apart_are_read_or_refused(planar):
    full = np.ascontiguousarray(make_ramp(16, 3).transpose(2, 0, 1))
    options = {"photometric": "rgb", "planarconfig": "separate", "compression": planar}
    if planar:
        assert (decode(encode_tiff(full, **options)) == full.transpose(1, 2, 0) >> 8).all()
    else:
        with pytest.raises(PictureError, match="in an order that isn't read: save it with 8 bits"):
            decode_picture(encode_tiff(full, **options))
    with pytest.raises(PictureError, match="in an order that isn't read: save it with 8 bits"):
        decode_picture(encode_tiff(full >> 4, **options))


def test_gray_with_transparency_of_fewer_bits_is_refused():
    with pytest.raises(PictureError, match="in an order that isn't read"):
        decode_picture(encode_png(make_ramp(12, 2)))
    values = make_ramp(16, 2)
    values[..., 1] = 65_535
    assert (decode(encode_png(values)) == values[..., :1] >> 8).all()


def test_number_of_bits_in_the_file_goes_before_the_largest_value():
    values = make_ramp(9)
    assert decode(encode_png(values, (b"sBIT", b"\x0c"))).max() == expect(values, 4_095).max()
    colours = make_ramp(9, 3)
    assert (decode(encode_png(colours, (b"sBIT", b"\x0c" * 3))) == expect(colours, 4_095)).all()
    packed = bytes.fromhex("10020f" * 64)  # pairs of 0x100 and 0x20f, 12 bits each
    image = Image.new("I;16", (16, 8))
    data = bytearray(encode_tiff(np.zeros((8, 16), np.uint16)))
    place = data.index(struct.pack("<HHI", 258, 3, 1))
    data[place + 8 : place + 10] = struct.pack("<H", 12)
    start = len(data) - 8 * 16 * 2
    data[start : start + len(packed)] = packed
    assert image.size == (16, 8) and set(np.unique(decode(bytes(data)))) == {16, 33}


@pytest.mark.parametrize(
    ("values", "white"),
    [
        ([0, 65_535], 65_535),
        ([0, 20_000], 65_535),
        ([0, 256, 4_080], 65_535),  # 12 bits in the high ones of 16
        ([0, 257, 257 * 40], 65_535),  # 8 bits, each value written twice
        ([0, 240], 255),
        ([0, 1], 255),
        ([0, 0], 255),
    ],
)
def test_dark_pictures_that_were_widened_stay_dark(values, white):
    assert find_white(np.array(values, np.uint16)) == white


def test_white_is_zero_is_turned_over():
    values = make_ramp(16)[..., 0]
    for dtype, white in (("uint16", 65_535), ("uint8", 255)):
        given = values if dtype == "uint16" else (values >> 8).astype(np.uint8)
        pixels = decode(encode_tiff(given, photometric="miniswhite"))[..., 0]
        assert (pixels == 255 - expect(given, white)).all()
    floats = (values / 65_535).astype(np.float32)
    assert (decode(encode_tiff(floats, photometric="miniswhite"))[..., 0] == 255 - expect(floats, 1)).all()


def test_signed_pixels_are_refused_by_their_name():
    with pytest.raises(PictureError, match="signed 16-bit pixels from -1000 to 3000, of unknown scale"):
        decode_picture(encode_tiff(np.array([[-1_000, 3_000]], np.int16)))
    with pytest.raises(PictureError, match="signed 8-bit pixels, of unknown scale"):
        decode_picture(encode_tiff(np.array([[-100, 100]], np.int8)))


@pytest.mark.parametrize(("n_bands", "dtype"), [(3, np.float64), (4, np.uint16), (6, np.uint16), (13, np.uint16)])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_other_kinds_of_tiff_are_not_called_broken(n_bands, dtype, bigtiff, planarconfig):
    values = np.zeros((4, 5, n_bands) if planarconfig == "contig" else (n_bands, 4, 5), dtype)
    data = encode_tiff(values, photometric="minisblack", planarconfig=planarconfig, bigtiff=bigtiff)
    advice = r"save it as RGB with 8 bits, or all bands as a uint8 array in \.npy \(load_backbone has n_channels=\)"
    with pytest.raises(PictureError, match=f"cut short or of a kind that isn't read: {advice}"):
        decode_picture(data)


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("is_loaded", [False, True])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_picture_opened_by_pillow_is_that_of_its_file(tmp_path, n_channels, is_loaded, kind):
    path, values = tmp_path / "deep", make_ramp(12, n_channels)
    path.write_bytes(encode_png(values) if kind == "PNG" else encode_tiff(values.squeeze()))
    with Image.open(path) as opened:
        if is_loaded:
            opened.load()
        images = gather_pictures([path, opened])
        assert images.read(0).tobytes() == images.read(1).tobytes() and images.digest(0) == images.digest(1)
        if is_loaded:
            opened.putpixel((1, 0), 200 if n_channels == 1 else (200, 9, 9))
            assert images.read(1).tobytes() != images.read(0).tobytes()
